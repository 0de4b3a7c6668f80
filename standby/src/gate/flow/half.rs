//! First segments of connections that do not exist yet.

use super::conn::Ends;
use crate::gate::packet::{Options, Segment, flag};
use journal::ConnId;
use std::collections::HashMap;

/// More are not let in: whoever sends more does not want connections.
pub const HALF_OPEN_MAX: usize = 65_536;

/// What one end said in its first segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Half {
    /// Whether it came from outside.
    pub inbound: bool,
    /// Whether it answers one of the other end.
    pub acknowledges: bool,
    /// Initial sequence number.
    pub isn: u32,
    /// Window, never shifted in this segment.
    pub window: u16,
    /// Options offered.
    pub options: Options,
    /// The name of the connection, if the journal has it already.
    pub conn: Option<ConnId>,
    /// When it passed.
    pub at_ms: u64,
}

impl Half {
    /// From the segment.
    #[must_use]
    pub fn new(segment: &Segment, inbound: bool, now_ms: u64) -> Self {
        Self {
            inbound,
            acknowledges: segment.has(flag::ACK),
            isn: segment.seq,
            window: segment.window,
            options: segment.options,
            conn: None,
            at_ms: now_ms,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct HalfOpen(HashMap<Ends, Half>);

impl HalfOpen {
    /// Remembers a first segment. Refuses one that crosses with one of the other end, and one
    /// too many.
    pub fn insert(&mut self, ends: Ends, half: Half) -> bool {
        match self.0.get(&ends) {
            Some(before) if before.inbound != half.inbound => return false,
            None if self.0.len() >= HALF_OPEN_MAX => return false,
            _ => {}
        }
        self.0.insert(ends, half);
        true
    }

    /// The one of these ends.
    pub fn get(&self, ends: Ends) -> Option<&Half> {
        self.0.get(&ends)
    }

    /// Takes out the one that fits.
    pub fn take(&mut self, ends: Ends, fits: impl Fn(&Half) -> bool) -> Option<Half> {
        let half = *self.0.get(&ends)?;
        if !fits(&half) {
            return None;
        }
        self.0.remove(&ends);
        Some(half)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets those that nobody has answered for long; the names of those that had one.
    pub fn sweep(&mut self, now_ms: u64) -> Vec<ConnId> {
        let mut gone = Vec::new();
        self.0.retain(|_, half| {
            let stays = now_ms.saturating_sub(half.at_ms) <= super::HANDSHAKE_MS_MAX;
            gone.extend(half.conn.filter(|_| !stays));
            stays
        });
        gone
    }
}
