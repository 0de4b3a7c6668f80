//! Messages under way, and a random source that a seed determines.

use crate::role::machine::{Answer, Ask, PathId};
use crate::role::{Beat, Session};

/// SplitMix64: the same on every machine.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Whether something that happens once in `mean` steps happens in this one.
    pub fn once_in(&mut self, mean: u64) -> bool {
        self.below(mean) == 0
    }
}

/// A message.
#[derive(Debug, Clone)]
pub enum Message {
    /// A heartbeat, for the run `to`, unless that is unknown.
    Beat {
        path: PathId,
        from: Session,
        to: Option<Session>,
        beat: Beat,
    },
    /// The journal, up to there.
    Journal {
        of: Session,
        connection: u64,
        events: u64,
    },
    /// What the standby has.
    Ack {
        of: Session,
        connection: u64,
        stored: u64,
        applied: u64,
    },
    /// The link, seen from the receiver.
    Link {
        connection: u64,
        up: bool,
        closed: bool,
    },
    /// A question.
    Ask {
        node: usize,
        session: Session,
        id: u64,
        ask: Ask,
    },
    /// An answer.
    Answer {
        session: Session,
        id: u64,
        answer: Answer,
    },
}

/// Where it goes: a node, or the witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Node(usize),
    Witness,
}

/// Messages by time of arrival, in microseconds.
#[derive(Debug, Default)]
pub struct Net {
    under_way: std::collections::BTreeMap<(u64, u64), (To, Message)>,
    count: u64,
}

impl Net {
    pub fn send(&mut self, at_us: u64, to: To, message: Message) {
        self.count += 1;
        self.under_way.insert((at_us, self.count), (to, message));
    }

    pub fn due(&mut self, now_us: u64) -> Option<(To, Message)> {
        let (&key, _) = self.under_way.first_key_value()?;
        (key.0 <= now_us)
            .then(|| self.under_way.remove(&key))
            .flatten()
    }

    /// What is under way of the journal does not arrive.
    pub fn lose_journal(&mut self, node: usize) {
        self.under_way.retain(|_, (to, message)| {
            *to != To::Node(node) || !matches!(message, Message::Journal { .. })
        });
    }

    pub fn hold_back(&mut self, until_us: u64, to: To, message: Message) {
        self.send(until_us, to, message);
    }
}
