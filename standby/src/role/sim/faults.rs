//! What goes wrong in the simulated world, and when.

use super::net::{Message, Random, To};
use super::world::World;
use crate::role::Event;

/// What may go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub(super) network: bool,
    pub(super) witness: bool,
    pub(super) freezes: bool,
    pub(super) crashes: bool,
    pub(super) jitter: bool,
    pub(super) switchovers: bool,
}

impl Faults {
    const NONE: Self = Self {
        network: false,
        witness: false,
        freezes: false,
        crashes: false,
        jitter: false,
        switchovers: false,
    };
    pub const ALL: Self = Self {
        network: true,
        witness: true,
        freezes: true,
        crashes: true,
        jitter: true,
        switchovers: true,
    };
    pub const JITTER: Self = Self {
        jitter: true,
        ..Self::NONE
    };
    pub const WITNESS_ONLY: Self = Self {
        witness: true,
        ..Self::NONE
    };
    pub const SWITCHOVER: Self = Self {
        switchovers: true,
        ..Self::NONE
    };
}

impl World {
    pub(super) fn go_wrong(&mut self) {
        let now = self.now_us;
        let span = |random: &mut Random| {
            let most = if random.once_in(3) {
                8_000_000
            } else {
                900_000
            };
            now + random.below(most)
        };
        // Both are protected first: otherwise little can go wrong.
        if now < 1_500_000 {
            return;
        }
        if self.faults.network {
            if self.random.once_in(4_000) {
                let until = span(&mut self.random);
                let which = self.random.below(16);
                for (way, state) in self.ways.iter_mut().enumerate() {
                    if which & (1 << way) != 0 {
                        state.cut_until_us = until;
                    }
                }
                self.tell(|| format!("cut {which:04b} until {} ms", until / 1000));
            }
            if self.random.once_in(6_000) {
                let way = usize::try_from(self.random.below(4)).unwrap();
                self.ways[way].slow_until_us = span(&mut self.random);
            }
        }
        if self.faults.witness && self.random.once_in(6_000) {
            self.witness_down_until_us = span(&mut self.random);
            self.tell(|| {
                format!(
                    "witness down until {} ms",
                    self.witness_down_until_us / 1000
                )
            });
        }
        for index in 0..2 {
            if self.doom_at_us[index] <= now {
                self.doom(index);
            }
            if self.faults.freezes && self.random.once_in(10_000) {
                let until = span(&mut self.random);
                if let Some(node) = &mut self.nodes[index] {
                    node.frozen_until_us = until;
                }
                self.tell(|| format!("node {index} frozen until {} ms", until / 1000));
            }
            if self.faults.jitter && self.random.once_in(150) {
                let until = now + self.random.below(120_000);
                if let Some(node) = &mut self.nodes[index] {
                    // One after the other: together they would be a freeze.
                    if node.frozen_until_us + 40_000 < now {
                        node.frozen_until_us = until;
                    }
                }
            }
            if self.faults.crashes && self.random.once_in(20_000) && self.nodes[index].is_some() {
                self.tell(|| format!("node {index} crashes"));
                self.crash(index);
            }
            if self.faults.switchovers && self.random.once_in(10_000) {
                let event = Event::Switchover;
                if self.nodes[index]
                    .as_ref()
                    .is_some_and(|node| node.live && node.frozen_until_us <= now)
                {
                    self.tell(|| format!("switchover asked of node {index}"));
                    self.handle(index, event);
                }
            }
        }
    }

    /// A crash, a freeze or a cut of everything but the witness, at the worst moment.
    fn doom(&mut self, index: usize) {
        self.doom_at_us[index] = u64::MAX;
        let until = self.now_us + self.random.below(3_000_000);
        let kind = self.random.below(3);
        self.tell(|| {
            format!(
                "node {index} in the middle of it: kind {kind}, until {} ms",
                until / 1000
            )
        });
        match (kind, &mut self.nodes[index]) {
            (0, Some(_)) => self.crash(index),
            (1, Some(node)) => node.frozen_until_us = until,
            _ => {
                self.ways[0].cut_until_us = until;
                self.ways[1].cut_until_us = until;
                self.net.lose_journal(1 - index);
                // The answer may be lost, too.
                if self.random.once_in(2) {
                    self.ways[2 + index].cut_until_us = self.now_us + 700_000;
                }
            }
        }
    }

    pub(super) fn crash(&mut self, index: usize) {
        self.net.lose_journal(1 - index);
        if let Some(node) = self.nodes[index].take()
            && node.link_up
        {
            // The kernel of the node tells the other.
            let at = self.now_us + self.delay_us(0);
            let connection = self.connection;
            if !self.is_cut(0) {
                self.net.send(
                    at,
                    To::Node(1 - index),
                    Message::Link {
                        connection,
                        up: false,
                        closed: true,
                    },
                );
            }
        }
        self.connected = false;
        self.restart_at_us[index] = self.now_us + 200_000 + self.random.below(3_000_000);
    }
}
