//! Bytes that came in over TCP connections and that later events may refer to, kept until they
//! are taken: events come out of the reader as if they had been stored with them.

use crate::{Bytes, ConnId, Effect, Event, GateEvent, Leave, Out, RECORD_BYTES_MAX, Span};
use std::collections::{HashMap, VecDeque};

/// Room that an empty stream may keep.
const KEPT_BYTES: usize = 64 << 10;

/// Streams with bytes that nobody has taken.
#[derive(Debug, Default)]
pub(super) struct Unread(HashMap<ConnId, Stream>);

#[derive(Debug, Default)]
struct Stream {
    /// Position of the first byte kept.
    start: u64,
    bytes: VecDeque<u8>,
}

impl Unread {
    /// Takes note of an event, and gives it the bytes that it refers to. What is wrong, if
    /// they are not there.
    pub fn follow(&mut self, event: &mut Event<'_>) -> Result<(), String> {
        match event {
            Event::Gate(GateEvent::Payload { conn, data, .. }) => {
                self.0.entry(*conn).or_default().bytes.extend(&data[..]);
                Ok(())
            }
            Event::Gate(GateEvent::Released(conn)) => {
                self.0.remove(conn);
                Ok(())
            }
            Event::Syscall(_, leave) | Event::Leave(leave) => self.leave(leave),
            _ => Ok(()),
        }
    }

    fn leave(&mut self, leave: &mut Leave<'_>) -> Result<(), String> {
        let mut outs = Vec::new();
        for effect in &leave.effects {
            if let Effect::Received {
                conn,
                position,
                taken,
                spans,
            } = effect
            {
                let stream = self.0.get_mut(conn);
                let given = stream.and_then(|stream| stream.give(*position, spans, &mut outs));
                let taken = given.and_then(|stream| stream.take(*position, *taken));
                taken.ok_or_else(|| {
                    format!(
                        "it refers to bytes of connection {} from {position} on that are not there",
                        conn.0
                    )
                })?;
            }
        }
        if !outs.is_empty() {
            outs.append(&mut leave.outs);
            leave.outs = outs;
        }
        Ok(())
    }
}

impl Stream {
    /// Copies bytes from `position` on into outputs.
    fn give(
        &mut self,
        position: u64,
        spans: &[Span],
        outs: &mut Vec<Out<'_>>,
    ) -> Option<&mut Self> {
        let mut at = usize::try_from(position.checked_sub(self.start)?).ok()?;
        // A record that stored them would not be longer.
        let end_max = self.bytes.len().min(at.checked_add(RECORD_BYTES_MAX)?);
        for span in spans {
            let end = at.checked_add(usize::try_from(span.len).ok()?)?;
            if end > end_max {
                return None;
            }
            let data: Vec<u8> = self.bytes.range(at..end).copied().collect();
            outs.push(Out {
                addr: span.addr,
                data: Bytes::from(data),
            });
            at = end;
        }
        Some(self)
    }

    /// Gives up bytes from `position` on, and what is before them.
    fn take(&mut self, position: u64, count: u64) -> Option<()> {
        let end = position.checked_add(count)?.checked_sub(self.start)?;
        let end = usize::try_from(end).ok()?;
        if count == 0 {
            return Some(());
        }
        if end > self.bytes.len() {
            return None;
        }
        self.bytes.drain(..end);
        self.start = position + count;
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = VecDeque::new();
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(conn: u32, len: usize) -> Event<'static> {
        Event::Gate(GateEvent::Payload {
            conn: ConnId(conn),
            acked: 0,
            data: vec![1; len].into(),
        })
    }

    fn taken(conn: u32, position: u64, taken: u64) -> Event<'static> {
        Event::Leave(Leave {
            result: 0,
            outs: Vec::new(),
            effects: vec![Effect::Received {
                conn: ConnId(conn),
                position,
                taken,
                spans: Vec::new(),
            }],
        })
    }

    #[test]
    fn what_was_taken_or_released_is_not_kept() {
        const PIECE: u64 = 200_000;
        let mut unread = Unread::default();
        let mut follow = |mut event| unread.follow(&mut event).expect("it is there");
        for round in 0..100 {
            follow(payload(1, 200_000));
            follow(taken(1, round * PIECE, PIECE));
        }
        for conn in 2..1000 {
            follow(payload(conn, 10));
            follow(Event::Gate(GateEvent::Released(ConnId(conn))));
        }
        assert_eq!(unread.0.len(), 1);
        let stream = &unread.0[&ConnId(1)];
        assert_eq!((stream.start, stream.bytes.len()), (100 * PIECE, 0));
        assert!(stream.bytes.capacity() <= KEPT_BYTES);
    }
}
