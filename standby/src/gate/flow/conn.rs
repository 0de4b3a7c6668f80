//! One connection as its packets pass.

use super::gap::Gap;
use super::{Sink, Verdict};
use crate::gate::model::{ACK_LAG_BYTES_MAX, ConnState};
use crate::gate::packet::{Segment, flag};
use journal::{Bytes, ConnId, Endpoint, GateEvent, Opened, WriteError};

/// Data so far beyond the offered window are taken: peers probe a closed window with data, and
/// the kernel must see the probe.
const BEYOND_WINDOW_BYTES: u64 = 64 << 10;
/// The window that is assumed of a connection that another node had, until its kernel says.
const RESUMED_WINDOW_BYTES: u64 = 16 << 20;

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub local: Endpoint,
    pub remote: Endpoint,
}

/// See the module.
#[derive(Debug)]
pub struct Flow {
    pub(super) conn: ConnId,
    pub(super) local_isn: u32,
    pub(super) remote_isn: u32,
    local_scale: u8,
    remote_scale: u8,
    /// How much of the inbound stream is journaled.
    came: u64,
    /// Its length, once known, and whether that is journaled.
    fin_at: Option<u64>,
    fin_told: bool,
    gap: Gap,
    /// Up to where the kernel has offered room.
    room: u64,
    /// The newest timestamp of data in order.
    recent: Option<u32>,
    /// How far the kernel has sent, a FIN counted as one.
    sent: u64,
    fin_sent: bool,
    /// How far the peer has acknowledged, and how much of that is journaled.
    acked: u64,
    acked_told: u64,
    window: u32,
    reset: bool,
    aborted: bool,
    /// Another node may have sent more than this one's kernel has.
    behind: bool,
    pub(super) established: bool,
    pub(super) last_ms: u64,
}

impl Flow {
    pub(super) fn new(opened: &Opened, room: u16, window: u16, now_ms: u64) -> Self {
        Self {
            conn: opened.conn,
            local_isn: opened.local_isn,
            remote_isn: opened.remote_isn,
            local_scale: opened.scales.map_or(0, |scales| scales.local.min(14)),
            remote_scale: opened.scales.map_or(0, |scales| scales.remote.min(14)),
            came: 0,
            fin_at: None,
            fin_told: false,
            gap: Gap::default(),
            room: u64::from(room),
            recent: None,
            sent: 0,
            fin_sent: false,
            acked: 0,
            acked_told: 0,
            window: u32::from(window),
            reset: false,
            aborted: false,
            behind: false,
            established: !opened.inbound,
            last_ms: now_ms,
        }
    }

    pub(super) fn resume(state: &ConnState, now_ms: u64) -> Self {
        let acked = state.wrote - state.unacknowledged.len() as u64;
        Self {
            came: state.came,
            fin_at: state.fin.then_some(state.came),
            fin_told: state.fin,
            room: state.came + RESUMED_WINDOW_BYTES,
            // By this node's kernel: it begins there.
            sent: acked,
            acked,
            acked_told: acked,
            window: state.window,
            reset: state.reset,
            behind: true,
            established: true,
            ..Self::new(&state.opened, 0, 0, now_ms)
        }
    }

    /// Whether neither end has anything more to say.
    pub(super) fn is_over(&self) -> bool {
        self.aborted || (self.fin_told && self.fin_sent && self.acked == self.sent)
    }

    pub(super) fn inbound(
        &mut self,
        segment: &Segment,
        data: &[u8],
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Verdict, WriteError> {
        self.last_ms = now_ms;
        let start = position(self.remote_isn, self.came, segment.seq);
        if segment.has(flag::RST) {
            let expected = self.came + u64::from(self.fin_told);
            if start == Some(expected) && !self.reset {
                self.reset = true;
                sink(&GateEvent::Reset(self.conn))?;
            }
            return Ok(Verdict::Bare);
        }
        if !segment.has(flag::ACK) {
            return Ok(Verdict::Drop);
        }
        let early = self.acknowledged(segment);
        let mut verdict = Verdict::Pass;
        if !data.is_empty() {
            verdict = self.data(start, segment, data, sink)?;
        }
        if segment.has(flag::FIN) && verdict == Verdict::Pass {
            let end = start.map(|start| start + data.len() as u64);
            self.fin_at = self.fin_at.or(end.filter(|end| *end >= self.came));
        }
        if self.fin_at == Some(self.came) && !self.fin_told {
            self.fin_told = true;
            sink(&GateEvent::Fin(self.conn))?;
        }
        if self.acked - self.acked_told >= ACK_LAG_BYTES_MAX {
            self.tell_progress(sink)?;
        }
        Ok(match early {
            Some(ack) if verdict == Verdict::Pass => Verdict::Acknowledge(ack),
            _ => verdict,
        })
    }

    /// The peer has acknowledged. It may acknowledge what another node has sent and this node's
    /// kernel has not sent again yet, which would drop such a segment: the number up to which
    /// the kernel can take it.
    fn acknowledged(&mut self, segment: &Segment) -> Option<u32> {
        self.established = true;
        self.window = u32::from(segment.window) << self.remote_scale;
        let acked = position(self.local_isn, self.acked, segment.ack)?;
        if acked <= self.sent {
            self.behind &= acked < self.acked;
            self.acked = self.acked.max(acked);
            return None;
        }
        if !self.behind {
            return None;
        }
        self.acked = self.sent;
        let low = u32::try_from(self.sent & u64::from(u32::MAX)).unwrap_or(0);
        Some(self.local_isn.wrapping_add(1).wrapping_add(low))
    }

    fn data(
        &mut self,
        start: Option<u64>,
        segment: &Segment,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<Verdict, WriteError> {
        // Before the first byte: nothing but old data can begin there, or nonsense.
        let Some(start) = start else {
            return Ok(Verdict::Bare);
        };
        let end = start + data.len() as u64;
        if end <= self.came {
            return Ok(Verdict::Pass);
        }
        if end > self.room + BEYOND_WINDOW_BYTES || self.fin_at.is_some_and(|fin| end > fin) {
            return Ok(Verdict::Drop);
        }
        if start > self.came {
            return Ok(if self.gap.insert(start, data) {
                Verdict::Pass
            } else {
                Verdict::Drop
            });
        }
        if self.is_from_the_past(segment) {
            return Ok(Verdict::Drop);
        }
        self.recent = segment.options.timestamp.map(|stamp| stamp.0);
        let old = usize::try_from(self.came - start).unwrap_or(usize::MAX);
        self.came(data.get(old..).unwrap_or_default(), sink)?;
        while let Some(piece) = self.gap.take(self.came) {
            self.came(&piece, sink)?;
        }
        Ok(Verdict::Pass)
    }

    /// A duplicate from before the sequence numbers came round: the kernel drops it, too.
    fn is_from_the_past(&self, segment: &Segment) -> bool {
        const MS_24_DAYS: u32 = 24 * 24 * 3600 * 1000;
        let stamp = segment.options.timestamp;
        self.recent.zip(stamp).is_some_and(|(recent, (now, _))| {
            let back = recent.wrapping_sub(now);
            (2..MS_24_DAYS).contains(&back)
        })
    }

    fn came(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), WriteError> {
        sink(&GateEvent::Payload {
            conn: self.conn,
            acked: self.acked - self.acked_told,
            data: Bytes::from(data),
        })?;
        self.acked_told = self.acked;
        self.came += data.len() as u64;
        self.reset = false;
        Ok(())
    }

    fn tell_progress(&mut self, sink: &mut Sink<'_>) -> Result<(), WriteError> {
        let acked = self.acked - self.acked_told;
        self.acked_told = self.acked;
        self.reset = false;
        sink(&GateEvent::Acked {
            conn: self.conn,
            acked,
            window: self.window,
        })
    }

    pub(super) fn outbound(
        &mut self,
        segment: &Segment,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(), WriteError> {
        self.last_ms = now_ms;
        let start = position(self.local_isn, self.sent, segment.seq);
        if segment.has(flag::RST) {
            // Not one that answers a stray segment in the name of the connection.
            self.aborted = start.is_some_and(|at| (self.acked..=self.sent).contains(&at));
            return Ok(());
        }
        if self.reset {
            // The kernel did not take the peer's reset.
            self.tell_progress(sink)?;
        }
        if let Some(start) = start {
            let fin = segment.has(flag::FIN);
            let end = start + segment.data.len() as u64 + u64::from(fin);
            self.sent = self.sent.max(end);
            self.fin_sent |= fin;
        }
        if segment.has(flag::ACK)
            && let Some(acked) = position(self.remote_isn, self.came, segment.ack)
        {
            let window = u64::from(segment.window) << self.local_scale;
            self.room = self.room.max(acked + window);
        }
        Ok(())
    }
}

/// Where in a stream the byte is that has this sequence number, next to where it `is`. `None`
/// for what is before its first byte.
fn position(isn: u32, is: u64, seq: u32) -> Option<u64> {
    let low = u32::try_from(is & u64::from(u32::MAX)).unwrap_or(0);
    let expected = isn.wrapping_add(1).wrapping_add(low);
    let away = seq.wrapping_sub(expected).cast_signed();
    is.checked_add_signed(i64::from(away))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_on_where_sequence_numbers_come_round() {
        assert_eq!(position(u32::MAX, 0, 0), Some(0));
        assert_eq!(position(100, 0, 100), None);
        assert_eq!(position(100, 0, 101), Some(0));
        let far = 5 * (1u64 << 32) + 7;
        assert_eq!(position(1, far, 9), Some(far));
        assert_eq!(position(1, far, 8), Some(far - 1));
        assert_eq!(position(1, far, 1009), Some(far + 1000));
        assert_eq!(position(1, far, 0u32.wrapping_sub(1)), Some(far - 10));
    }
}
