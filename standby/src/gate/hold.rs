//! Packets on their way out that wait until what they depend on is safe, in their order.

use super::vnet::Vnet;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

/// How many packets may wait; then the application's kernel keeps the others.
pub const HELD_PACKETS_MAX: usize = 16_384;
/// How many bytes.
pub const HELD_BYTES_MAX: usize = 64 << 20;

/// A packet that waits.
#[derive(Debug)]
pub struct Held {
    /// How many events it may depend on.
    pub label: u64,
    /// Where to.
    pub to: IpAddr,
    /// What the kernel left to be done.
    pub vnet: Vnet,
    /// The packet.
    pub packet: Vec<u8>,
    /// Since when.
    pub since: Instant,
}

/// First in, first out.
#[derive(Debug, Default)]
pub struct Hold {
    queue: VecDeque<Held>,
    bytes: usize,
}

impl Hold {
    /// Whether no more may be read.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.len() >= HELD_PACKETS_MAX || self.bytes >= HELD_BYTES_MAX
    }

    /// Appends a packet.
    pub fn push(&mut self, held: Held) {
        self.bytes += held.packet.len();
        self.queue.push_back(held);
    }

    /// The first one, if it may go.
    pub fn pop_if(&mut self, may_go: impl FnOnce(u64) -> bool) -> Option<Held> {
        if !may_go(self.queue.front()?.label) {
            return None;
        }
        let held = self.queue.pop_front()?;
        self.bytes -= held.packet.len();
        Some(held)
    }

    /// Whether the first one may go.
    #[must_use]
    pub fn may_go(&self, may_go: impl FnOnce(u64) -> bool) -> bool {
        self.queue.front().is_some_and(|held| may_go(held.label))
    }

    /// The label of the last one.
    #[must_use]
    pub fn last_label(&self) -> Option<u64> {
        self.queue.back().map(|held| held.label)
    }

    /// How many packets wait, and how many bytes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.queue.len(), self.bytes)
    }

    /// Gives all of them up.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }
}
