//! What lies in pipes and sockets inside the application is in the kernel's own objects here, too;
//! this keeps the books: which objects these are, and what was read from them before the write
//! that put it there has left its syscall. Event counters are only counted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;

/// Bytes that somebody has read, and nobody has written yet.
#[derive(Debug)]
pub struct Debt {
    /// A duplicate of the descriptor that they were read from.
    pub from: File,
    /// Its messages, or all in one if it has no such.
    pub owed: VecDeque<Vec<u8>>,
    /// Whether messages keep their boundaries.
    pub messages: bool,
}

/// What is on its way inside the application.
#[derive(Debug, Default)]
pub struct Streams {
    /// Inodes of pipes and sockets both ends of which are the application's.
    inside: HashSet<u64>,
    /// By the inode of what was read from.
    debts: HashMap<u64, Debt>,
    /// Changes of event counters since they were made.
    events: HashMap<u64, i128>,
}

impl Streams {
    /// A pipe or socket is the application's own.
    pub fn is_own(&mut self, inode: u64) {
        self.inside.insert(inode);
    }

    /// Whether it is.
    #[must_use]
    pub fn owns(&self, inode: u64) -> bool {
        self.inside.contains(&inode)
    }

    /// More was read than there is.
    pub fn owe(&mut self, inode: u64, from: File, bytes: Vec<u8>, messages: bool) {
        let debt = self.debts.entry(inode).or_insert_with(|| Debt {
            from,
            owed: VecDeque::new(),
            messages,
        });
        match debt.owed.back_mut() {
            Some(last) if !messages => last.extend(bytes),
            _ => debt.owed.push_back(bytes),
        }
    }

    /// Whether something was read from it that nobody has written yet.
    #[must_use]
    pub fn owes(&self, inode: u64) -> bool {
        self.debts.contains_key(&inode)
    }

    /// All debts, to be paid.
    pub fn debts(&mut self) -> &mut HashMap<u64, Debt> {
        &mut self.debts
    }

    /// How many bytes were read from it that nobody has written yet.
    #[must_use]
    pub fn owed(&self, inode: u64) -> usize {
        let debt = self.debts.get(&inode);
        debt.map_or(0, |debt| debt.owed.iter().map(Vec::len).sum())
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debts_of_messages_keep_their_boundaries() {
        let null = || File::open("/dev/null").expect("there is one");
        let mut streams = Streams::default();
        streams.owe(1, null(), b"one".to_vec(), true);
        streams.owe(1, null(), b"two!".to_vec(), true);
        streams.owe(2, null(), b"one".to_vec(), false);
        streams.owe(2, null(), b"two!".to_vec(), false);
        assert_eq!((streams.owed(1), streams.owed(2)), (7, 7));
        let lens = |debt: &Debt| debt.owed.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lens(&streams.debts()[&1]), [3, 4]);
        assert_eq!(lens(&streams.debts()[&2]), [7]);
        assert!(streams.owes(1) && !streams.owes(3));
    }

    #[test]
    fn counters() {
        let mut streams = Streams::default();
        streams.count(9, 5);
        streams.count(9, -3);
        assert_eq!((streams.change(9), streams.change(8)), (2, 0));
    }
}
