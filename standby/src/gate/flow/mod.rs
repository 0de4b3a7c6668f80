//! From packets to events: follows every TCP connection that passes, tells the journal what a
//! standby must know of it, and says what may pass.
//!
//! *Nothing of the inbound stream reaches the application's kernel before it is in the journal*,
//! except segments that leave a gap before them: those wait here as well, because the kernel
//! cannot acknowledge them before the gap is filled, and are journaled when it is. What the
//! kernel then does not take after all comes again from the peer and is known already.

mod conn;
mod gap;
mod half;
#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the numbers are small")]
mod tests;

pub use conn::Flow;
pub use half::Half;

use super::model::{Ask, ConnState, Streams};
use super::packet::{Options, Segment, flag};
use conn::Ends;
use half::HalfOpen;
use journal::{Asked, ConnId, GateEvent, Opened, Scales, WriteError};
use std::collections::HashMap;

/// A connection whose handshake is not completed after this long is forgotten: longer than the
/// kernel repeats its part.
pub const HANDSHAKE_MS_MAX: u64 = 130_000;
/// With so many handshakes not completed, no more are begun.
pub const UNFINISHED_MAX: usize = 65_536;
/// One that the application has closed and that says nothing for this long is forgotten: longer
/// than the kernel repeats a FIN.
pub const ORPHAN_MS_MAX: u64 = 1_200_000;
/// How often those are looked for.
pub const SWEEP_MS: u64 = 10_000;
/// The clock of timestamps is told again after this long.
pub const CLOCK_MS: u64 = 1000;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It goes on with this acknowledgement number, and without selective ones.
    Acknowledge(u32),
    /// It goes on without its data.
    Bare,
    /// It goes no further.
    Drop,
}

/// Takes events: to the journal and to the model.
pub type Sink<'a> = dyn FnMut(&GateEvent<'_>) -> Result<(), WriteError> + 'a;

/// All connections.
#[derive(Debug)]
pub struct Tracker {
    flows: HashMap<Ends, Flow>,
    half: HalfOpen,
    /// How many of the connections have not completed their handshake.
    unfinished: usize,
    next: u32,
    /// What is added to the caller's clock, so that it goes on where another node's stopped.
    clock_offset: u64,
    clock_told: Option<u64>,
    swept_ms: u64,
}

impl Tracker {
    /// Goes on where `streams` is; `now_ms` is the caller's clock from now on.
    #[must_use]
    pub fn new(streams: &Streams, now_ms: u64) -> Self {
        let clock = match streams.clock() {
            0 => now_ms,
            told => told + super::model::Timestamps::MARGIN_MS,
        };
        let mut tracker = Self {
            flows: HashMap::new(),
            half: HalfOpen::default(),
            unfinished: 0,
            next: streams.next().0,
            clock_offset: clock.saturating_sub(now_ms),
            clock_told: None,
            swept_ms: now_ms,
        };
        for state in streams.all().into_iter().filter_map(|id| streams.state(id)) {
            tracker.resume(&state, now_ms);
        }
        for ask in streams.asked() {
            tracker.resume_asking(&ask, now_ms);
        }
        tracker
    }

    fn resume(&mut self, state: &ConnState, now_ms: u64) {
        if !state.over {
            let ends = Ends {
                local: state.opened.local,
                remote: state.opened.remote,
            };
            self.flows.insert(ends, Flow::resume(state, now_ms));
        }
    }

    fn resume_asking(&mut self, ask: &Ask, now_ms: u64) {
        let asked = &ask.asked;
        let ends = Ends {
            local: asked.local,
            remote: asked.remote,
        };
        let half = Half {
            inbound: false,
            acknowledges: false,
            isn: asked.local_isn,
            window: 0,
            options: Options {
                scale: asked.scale,
                timestamp: ask.next_timestamp.map(|next| (next, 0)),
                ..Options::default()
            },
            conn: Some(asked.conn),
            at_ms: now_ms,
        };
        self.half.insert(ends, half);
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Tells the clock if it has not been told for long. Before anything that may contain or
    /// cause a timestamp.
    pub fn tell_clock(&mut self, now_ms: u64, sink: &mut Sink<'_>) -> Result<(), WriteError> {
        let clock = now_ms + self.clock_offset;
        if self
            .clock_told
            .is_some_and(|told| clock.saturating_sub(told) < CLOCK_MS)
        {
            return Ok(());
        }
        self.clock_told = Some(clock);
        sink(&GateEvent::Clock(clock))
    }

    /// A segment from outside. Its checksum must have been found right.
    pub fn inbound(
        &mut self,
        packet: &[u8],
        segment: &Segment,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Verdict, WriteError> {
        let ends = Ends {
            local: segment.destination,
            remote: segment.source,
        };
        if segment.has(flag::SYN) {
            return self.inbound_syn(ends, segment, now_ms, sink);
        }
        let Some(flow) = self.flows.get_mut(&ends) else {
            if segment.has(flag::RST | flag::ACK) {
                self.refused(ends, segment.ack, sink)?;
            }
            // The kernel answers what belongs to nobody; but nothing of it may be data.
            return Ok(Verdict::Bare);
        };
        let data = packet.get(segment.data.clone()).unwrap_or_default();
        let before = flow.established;
        let verdict = flow.inbound(segment, data, now_ms, sink)?;
        self.unfinished -= usize::from(flow.established && !before);
        if flow.is_over() {
            self.forget(ends, sink)?;
        }
        Ok(verdict)
    }

    /// A peer does not want a connection that it was asked for.
    fn refused(&mut self, ends: Ends, ack: u32, sink: &mut Sink<'_>) -> Result<(), WriteError> {
        let asked = self.half.take(ends, |half| {
            !half.inbound && half.isn.wrapping_add(1) == ack
        });
        match asked.and_then(|half| half.conn) {
            Some(conn) => sink(&GateEvent::Forgotten(conn)),
            None => Ok(()),
        }
    }

    fn inbound_syn(
        &mut self,
        ends: Ends,
        segment: &Segment,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Verdict, WriteError> {
        if !segment.has(flag::ACK) {
            let half = Half::new(segment, true, now_ms);
            let room = self.unfinished < UNFINISHED_MAX;
            return Ok(if room && self.half.insert(ends, half) {
                Verdict::Bare
            } else {
                Verdict::Drop
            });
        }
        if let Some(flow) = self.flows.get(&ends)
            && flow.remote_isn == segment.seq
        {
            return Ok(Verdict::Bare);
        }
        let own = self.half.take(ends, |half| {
            !half.inbound && half.isn.wrapping_add(1) == segment.ack
        });
        match own {
            Some(own) => {
                self.open(ends, &own, &Half::new(segment, true, now_ms), now_ms, sink)?;
                Ok(Verdict::Bare)
            }
            // An answer to nothing: the kernel refuses it.
            None => Ok(Verdict::Bare),
        }
    }

    /// A segment of the application's kernel.
    pub fn outbound(
        &mut self,
        segment: &Segment,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Verdict, WriteError> {
        let ends = Ends {
            local: segment.source,
            remote: segment.destination,
        };
        if segment.has(flag::SYN) {
            return self.outbound_syn(ends, segment, now_ms, sink);
        }
        let Some(flow) = self.flows.get_mut(&ends) else {
            // Of no connection: resets, and the last words of one that is over.
            return Ok(if segment.data.is_empty() {
                Verdict::Pass
            } else {
                Verdict::Drop
            });
        };
        flow.outbound(segment, now_ms, sink)?;
        if flow.is_over() {
            self.forget(ends, sink)?;
        }
        Ok(Verdict::Pass)
    }

    fn forget(&mut self, ends: Ends, sink: &mut Sink<'_>) -> Result<(), WriteError> {
        if let Some(flow) = self.flows.remove(&ends) {
            self.unfinished -= usize::from(!flow.established);
            sink(&GateEvent::Forgotten(flow.conn))?;
        }
        Ok(())
    }

    fn outbound_syn(
        &mut self,
        ends: Ends,
        segment: &Segment,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Verdict, WriteError> {
        let ours = Half::new(segment, false, now_ms);
        if !segment.has(flag::ACK) {
            let flow = self.flows.get(&ends);
            if flow.is_some_and(|flow| flow.local_isn == segment.seq) {
                // Again, before the answer had come.
                return Ok(Verdict::Pass);
            }
            return self.ask(ends, ours, now_ms, sink);
        }
        if let Some(flow) = self.flows.get_mut(&ends)
            && flow.local_isn == segment.seq
            && flow.remote_isn.wrapping_add(1) == segment.ack
        {
            flow.last_ms = now_ms;
            return Ok(Verdict::Pass);
        }
        let theirs = self.half.take(ends, |half| {
            half.inbound && half.isn.wrapping_add(1) == segment.ack
        });
        match theirs {
            Some(theirs) => {
                self.open(ends, &ours, &theirs, now_ms, sink)?;
                Ok(Verdict::Pass)
            }
            // A handshake that was not seen from its beginning could not be taken over.
            None => Ok(Verdict::Drop),
        }
    }

    /// The application's kernel asks for a connection, for the first time or again.
    fn ask(
        &mut self,
        ends: Ends,
        mut ours: Half,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Verdict, WriteError> {
        let before = self.half.get(ends).filter(|before| !before.inbound);
        let (known, isn) = before.map_or((None, 0), |before| (before.conn, before.isn));
        ours.conn = known.filter(|_| isn == ours.isn);
        let is_new = ours.conn.is_none();
        if is_new {
            ours.conn = Some(ConnId(self.next));
        }
        if !self.half.insert(ends, ours) {
            return Ok(Verdict::Drop);
        }
        if is_new {
            if let Some(conn) = known {
                sink(&GateEvent::Forgotten(conn))?;
            }
            self.tell_clock(now_ms, sink)?;
            sink(&GateEvent::Asked(Asked {
                conn: ConnId(self.next),
                local: ends.local,
                remote: ends.remote,
                local_isn: ours.isn,
                scale: ours.options.scale,
                timestamp: ours.options.timestamp.map(|stamp| stamp.0),
            }))?;
            self.next = self.next.wrapping_add(1);
        }
        Ok(Verdict::Pass)
    }

    fn open(
        &mut self,
        ends: Ends,
        ours: &Half,
        theirs: &Half,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(), WriteError> {
        self.forget(ends, sink)?;
        self.tell_clock(now_ms, sink)?;
        let scales = ours.options.scale.zip(theirs.options.scale);
        let both_stamp = ours.options.timestamp.zip(theirs.options.timestamp);
        let conn = ours.conn.unwrap_or(ConnId(self.next));
        // It is that old: timestamps count milliseconds.
        let age_ms = now_ms.saturating_sub(ours.at_ms);
        let age_ms = u32::try_from(age_ms).unwrap_or(u32::MAX);
        let opened = Opened {
            conn,
            local: ends.local,
            remote: ends.remote,
            // The one whose segment acknowledges came second.
            inbound: ours.acknowledges,
            local_isn: ours.isn,
            remote_isn: theirs.isn,
            mss: u32::from(theirs.options.mss.unwrap_or(536)),
            scales: scales.map(|(local, remote)| Scales { local, remote }),
            sack: ours.options.sack_permitted && theirs.options.sack_permitted,
            timestamp: both_stamp.map(|(ours, _)| ours.0.wrapping_add(age_ms)),
        };
        if ours.conn.is_none() {
            self.next = self.next.wrapping_add(1);
        }
        sink(&GateEvent::Opened(opened.clone()))?;
        let flow = Flow::new(&opened, ours.window, theirs.window, now_ms);
        self.unfinished += usize::from(!flow.established);
        self.flows.insert(ends, flow);
        Ok(())
    }

    /// When [`Tracker::sweep`] has something to look for: never, while there is nothing.
    #[must_use]
    pub fn sweep_due_ms(&self) -> Option<u64> {
        let nothing = self.flows.is_empty() && self.half.is_empty();
        (!nothing).then_some(self.swept_ms + SWEEP_MS)
    }

    /// Forgets connections that nobody will end any more.
    pub fn sweep(
        &mut self,
        streams: &Streams,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(), WriteError> {
        self.swept_ms = now_ms;
        for conn in self.half.sweep(now_ms) {
            sink(&GateEvent::Forgotten(conn))?;
        }
        let mut gone = Vec::new();
        for (ends, flow) in &self.flows {
            let silent_ms = now_ms.saturating_sub(flow.last_ms);
            let unfinished = !flow.established && silent_ms > HANDSHAKE_MS_MAX;
            let orphan = silent_ms > ORPHAN_MS_MAX && streams.is_closed(flow.conn);
            if unfinished || orphan {
                gone.push(*ends);
            }
        }
        gone.into_iter()
            .try_for_each(|ends| self.forget(ends, sink))
    }
}
