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
    /// Behind these, packets whose label is not known before a question is answered, with its number.
    unlabelled: VecDeque<(u64, Held)>,
    bytes: usize,
}

impl Hold {
    /// Whether no more may be read.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.len() + self.unlabelled.len() >= HELD_PACKETS_MAX || self.bytes >= HELD_BYTES_MAX
    }

    /// Appends a packet. Its label, unless it gets one when question number `after` is answered.
    pub fn push(&mut self, held: Held, after: Option<u64>) -> Option<u64> {
        self.bytes += held.packet.len();
        if let Some(question) = after {
            self.unlabelled.push_back((question, held));
            return None;
        }
        let label = held.label;
        self.queue.push_back(held);
        Some(label)
    }

    /// Gives packets a label that wait for the answer to questions up to number `answered`, and
    /// shows them.
    pub fn label(&mut self, answered: u64, label: u64, mut show: impl FnMut(&[u8])) {
        while self
            .unlabelled
            .front()
            .is_some_and(|(question, _)| *question <= answered)
            && let Some((_, held)) = self.unlabelled.pop_front()
        {
            show(&held.packet);
            self.queue.push_back(Held { label, ..held });
        }
    }

    /// The last question that a packet waits for.
    #[must_use]
    pub fn last_question(&self) -> Option<u64> {
        self.unlabelled.back().map(|(question, _)| *question)
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

    /// The label of the last one that has one.
    #[must_use]
    pub fn last_label(&self) -> Option<u64> {
        self.queue.back().map(|held| held.label)
    }

    /// How many packets wait, and how many bytes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.queue.len() + self.unlabelled.len(), self.bytes)
    }

    /// How many packets wait and have a label.
    #[must_use]
    pub fn labelled(&self) -> usize {
        self.queue.len()
    }

    /// Gives all of them up.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.unlabelled.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(label: u64, byte: u8) -> Held {
        Held {
            label,
            to: IpAddr::from([10, 0, 0, 1]),
            vnet: Vnet::default(),
            packet: vec![byte],
            since: Instant::now(),
        }
    }

    #[test]
    fn a_packet_waits_for_its_answer_and_overtakes_none() {
        let mut hold = Hold::default();
        assert_eq!(hold.push(held(5, 1), None), Some(5));
        assert_eq!(hold.push(held(0, 2), Some(1)), None);
        assert_eq!(hold.push(held(0, 3), Some(2)), None);
        assert_eq!((hold.size(), hold.labelled()), ((3, 3), 1));
        assert_eq!(
            (hold.last_label(), hold.last_question()),
            (Some(5), Some(2))
        );
        assert_eq!(hold.pop_if(|_| true).map(|held| held.packet), Some(vec![1]));
        assert!(
            hold.pop_if(|_| true).is_none(),
            "nobody knows what led to it"
        );
        let mut shown = Vec::new();
        hold.label(1, 9, |packet| shown.extend_from_slice(packet));
        assert_eq!(
            (shown, hold.last_label(), hold.labelled()),
            (vec![2], Some(9), 1)
        );
        hold.label(2, 12, |_| {});
        assert_eq!(hold.last_question(), None);
        assert!(hold.pop_if(|label| label <= 8).is_none());
        assert_eq!(
            hold.pop_if(|label| label <= 9).map(|held| held.packet),
            Some(vec![2])
        );
        assert_eq!(
            hold.pop_if(|label| label <= 12).map(|held| held.packet),
            Some(vec![3])
        );
        assert_eq!(hold.size(), (0, 0));
    }

    #[test]
    fn what_has_no_label_is_given_up_too() {
        let mut hold = Hold::default();
        hold.push(held(0, 2), Some(1));
        hold.clear();
        hold.label(1, 1, |_| panic!("there is none"));
        assert_eq!((hold.size(), hold.last_question()), ((0, 0), None));
    }
}
