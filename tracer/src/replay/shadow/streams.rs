//! What lies in pipes, socket pairs and event counters: kept beside the kernel's objects, which
//! stay empty until they go live.

use std::collections::{HashMap, VecDeque};

/// A kernel object that carries bytes or counts, by the number that the kernel shows for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A pipe.
    Pipe(u64),
    /// The bytes on their way to this end of a socket pair.
    Pair(u64),
}

/// What is on its way inside the application.
#[derive(Debug, Default)]
pub struct Streams {
    bytes: HashMap<Channel, VecDeque<u8>>,
    /// Changes of event counters since they were made.
    events: HashMap<u64, i128>,
    /// The other end of a socket pair.
    pairs: HashMap<u64, u64>,
}

impl Streams {
    /// Two sockets are the ends of one pair.
    pub fn pair(&mut self, one: u64, other: u64) {
        self.pairs.insert(one, other);
        self.pairs.insert(other, one);
    }

    /// The other end.
    #[must_use]
    pub fn other_end(&self, socket: u64) -> Option<u64> {
        self.pairs.get(&socket).copied()
    }

    /// Bytes were put in.
    pub fn put(&mut self, channel: Channel, bytes: &[u8]) {
        self.bytes.entry(channel).or_default().extend(bytes);
    }

    /// Bytes were taken out; fewer, if there were not so many.
    pub fn take(&mut self, channel: Channel, len: usize) -> Vec<u8> {
        let Some(queue) = self.bytes.get_mut(&channel) else {
            return Vec::new();
        };
        let len = len.min(queue.len());
        let bytes = queue.drain(..len).collect();
        if queue.is_empty() {
            self.bytes.remove(&channel);
        }
        bytes
    }

    /// An event counter changed.
    pub fn count(&mut self, event: u64, change: i128) {
        let counter = self.events.entry(event).or_default();
        *counter += change;
        if *counter == 0 {
            self.events.remove(&event);
        }
    }

    /// How much an event counter changed since it was made.
    #[must_use]
    pub fn change(&self, event: u64) -> i128 {
        self.events.get(&event).copied().unwrap_or(0)
    }

    /// What lies in a channel.
    #[must_use]
    pub fn content(&self, channel: Channel) -> Vec<u8> {
        self.bytes
            .get(&channel)
            .map(|queue| queue.iter().copied().collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_and_not_taken_is_left() {
        let mut streams = Streams::default();
        let pipe = Channel::Pipe(7);
        streams.put(pipe, b"hello");
        assert_eq!(streams.take(pipe, 2), b"he");
        streams.put(pipe, b"!");
        assert_eq!(streams.content(pipe), b"llo!");
        assert_eq!(streams.take(pipe, 100), b"llo!");
        assert_eq!(streams.content(pipe), b"");
    }

    #[test]
    fn pairs_and_counters() {
        let mut streams = Streams::default();
        streams.pair(1, 2);
        assert_eq!(
            (streams.other_end(1), streams.other_end(2)),
            (Some(2), Some(1))
        );
        streams.count(9, 5);
        streams.count(9, -3);
        assert_eq!((streams.change(9), streams.change(8)), (2, 0));
    }
}
