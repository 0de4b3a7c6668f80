//! TCP connections inside the application, both ends of which are its own: what is on its way in
//! them. Their sockets here stay unconnected until a takeover makes pairs of them. No I/O.
//!
//! Both ends are known by the inode of their socket. Bytes may be read in the journal before the
//! write that they come from has left its syscall: they are owed until then.

use journal::Endpoint;
use std::collections::{HashMap, VecDeque};

/// Connections that were closed by who asked for them before anybody accepted them; the oldest
/// make room.
const ABANDONED_MAX: usize = 4096;

/// An end of a connection.
#[derive(Debug)]
pub struct Half {
    /// Its address.
    pub local: Endpoint,
    /// The other end's.
    pub remote: Endpoint,
    /// The other end, if both are known.
    pub peer: Option<u64>,
    /// In which order they began.
    pub number: u64,
    /// Whether it came out of a listening socket.
    pub accepted: bool,
    /// Whether the application has it.
    pub open: bool,
    /// Nothing more will be written to it.
    pub shut: bool,
    /// What came in and was not read.
    pub unread: VecDeque<u8>,
    /// What was read and not written yet.
    owed: VecDeque<u8>,
    /// What was written before the other end was known.
    pub early: Vec<u8>,
}

/// An end with the inode of its socket.
pub type Named = (u64, Half);

/// All of them.
#[derive(Debug, Default)]
pub struct Inner {
    halves: HashMap<u64, Half>,
    next: u64,
}

/// Bytes that were read are not those that were written.
#[derive(Debug, PartialEq, Eq)]
pub struct Differs;

impl Inner {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.halves.is_empty()
    }

    /// Whether a socket is an end of one.
    #[must_use]
    pub fn has(&self, inode: u64) -> bool {
        self.halves.get(&inode).is_some_and(|half| half.open)
    }

    /// A connection was asked for at, or came out of, a listening socket of the application.
    pub fn begin(&mut self, inode: u64, local: Endpoint, remote: Endpoint, accepted: bool) {
        if self
            .halves
            .get(&inode)
            .is_some_and(|half| half.open && (half.local, half.remote) == (local, remote))
        {
            return;
        }
        self.forget(inode);
        let peer = self.oldest(|half| {
            half.peer.is_none()
                && half.accepted != accepted
                && (half.local, half.remote) == (remote, local)
        });
        let mut half = Half {
            local,
            remote,
            peer,
            number: self.next,
            accepted,
            open: true,
            shut: false,
            unread: VecDeque::new(),
            owed: VecDeque::new(),
            early: Vec::new(),
        };
        self.next += 1;
        if let Some(other) = peer.and_then(|peer| self.halves.get_mut(&peer)) {
            other.peer = Some(inode);
            half.unread.extend(other.early.drain(..));
        }
        self.halves.insert(inode, half);
    }

    fn oldest(&self, which: impl Fn(&Half) -> bool) -> Option<u64> {
        let all = self.halves.iter().filter(|(_, half)| which(half));
        all.min_by_key(|(_, half)| half.number)
            .map(|(inode, _)| *inode)
    }

    /// Bytes were written.
    pub fn put(&mut self, inode: u64, bytes: &[u8]) -> Result<(), Differs> {
        let Some(half) = self.halves.get_mut(&inode) else {
            return Ok(());
        };
        let Some(peer) = half.peer else {
            half.early.extend(bytes);
            return Ok(());
        };
        let Some(other) = self.halves.get_mut(&peer) else {
            return Ok(());
        };
        let paid = bytes.len().min(other.owed.len());
        let (owed, rest) = bytes.split_at(paid);
        if !other.owed.drain(..paid).eq(owed.iter().copied()) {
            return Err(Differs);
        }
        if other.open {
            other.unread.extend(rest);
        }
        Ok(())
    }

    /// Bytes were read: these.
    pub fn take(&mut self, inode: u64, bytes: &[u8]) -> Result<(), Differs> {
        let Some(half) = self.halves.get_mut(&inode) else {
            return Ok(());
        };
        let there = bytes.len().min(half.unread.len());
        let (read, more) = bytes.split_at(there);
        if !half.unread.drain(..there).eq(read.iter().copied()) {
            return Err(Differs);
        }
        half.owed.extend(more);
        Ok(())
    }

    /// Bytes were taken off without being looked at.
    pub fn skip(&mut self, inode: u64, len: usize) -> Option<Vec<u8>> {
        let half = self.halves.get_mut(&inode)?;
        (len <= half.unread.len()).then(|| half.unread.drain(..len).collect())
    }

    /// Nothing more will be written to it.
    pub fn shut(&mut self, inode: u64) {
        if let Some(half) = self.halves.get_mut(&inode) {
            half.shut = true;
        }
    }

    /// The application has closed it.
    pub fn close(&mut self, inode: u64) {
        let Some(half) = self.halves.get_mut(&inode) else {
            return;
        };
        half.open = false;
        half.shut = true;
        let peer = half.peer;
        match peer {
            Some(peer) if self.halves.get(&peer).is_some_and(|half| half.open) => {}
            Some(_) => self.forget(inode),
            // Somebody may still accept it, or has not left the syscall that asked for it.
            None => self.make_room(),
        }
    }

    fn make_room(&mut self) {
        let abandoned = |half: &Half| !half.open && half.peer.is_none();
        if self.halves.values().filter(|half| abandoned(half)).count() > ABANDONED_MAX
            && let Some(oldest) = self.oldest(abandoned)
        {
            self.halves.remove(&oldest);
        }
    }

    /// It is no connection any more, or never became one.
    pub fn forget(&mut self, inode: u64) {
        if let Some(peer) = self.halves.remove(&inode).and_then(|half| half.peer) {
            self.halves.remove(&peer);
        }
    }

    /// Those of which the application has a descriptor.
    pub fn open(&self) -> Vec<u64> {
        let all = self.halves.iter().filter(|(_, half)| half.open);
        all.map(|(inode, _)| *inode).collect()
    }

    /// How many bytes were read from the other end that nobody has written to this one yet.
    #[must_use]
    pub fn owes(&self, inode: u64) -> usize {
        let peer = self.halves.get(&inode).and_then(|half| half.peer);
        let peer = peer.and_then(|peer| self.halves.get(&peer));
        peer.map_or(0, |peer| peer.owed.len())
    }

    /// Whether anything is owed.
    #[must_use]
    pub fn has_debts(&self) -> bool {
        self.halves.values().any(|half| !half.owed.is_empty())
    }

    /// Accepted from a listening socket at `to`, by whoever asked and has not been told yet.
    #[must_use]
    pub fn accepted_at(&self, to: Endpoint, any: bool) -> Option<Endpoint> {
        let found = self.oldest(|half| {
            half.accepted
                && half.peer.is_none()
                && half.local.port == to.port
                && (any || half.local == to)
        })?;
        self.halves.get(&found).map(|half| half.remote)
    }

    /// All connections, oldest first: both ends, or the one that is known.
    pub fn take_all(&mut self) -> Vec<(Named, Option<Named>)> {
        let mut numbers: Vec<(u64, u64)> = self
            .halves
            .iter()
            .map(|(inode, half)| (half.number, *inode))
            .collect();
        numbers.sort_unstable();
        let mut all = Vec::new();
        for (_, inode) in numbers {
            let Some(half) = self.halves.remove(&inode) else {
                continue;
            };
            let peer = half.peer;
            let other = peer.and_then(|peer| Some((peer, self.halves.remove(&peer)?)));
            all.push(((inode, half), other));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Address;

    fn end(port: u16) -> Endpoint {
        Endpoint {
            address: Address::V4(0x7f00_0001),
            port,
        }
    }

    fn pair() -> Inner {
        let mut inner = Inner::default();
        inner.begin(1, end(4000), end(80), false);
        inner.begin(2, end(80), end(4000), true);
        inner
    }

    #[test]
    fn bytes_are_on_their_way_until_they_are_read() {
        let mut inner = pair();
        inner.put(1, b"hello").expect("nothing owed");
        inner.take(2, b"hel").expect("the same");
        assert_eq!(inner.take(2, b"xx"), Err(Differs));
        let all = inner.take_all();
        assert_eq!(all.len(), 1);
        let ((one, _), other) = &all[0];
        assert_eq!(
            (*one, other.as_ref().map(|(inode, _)| *inode)),
            (1, Some(2))
        );
    }

    #[test]
    fn what_was_read_before_it_was_written_is_owed() {
        let mut inner = pair();
        inner.take(2, b"hel").expect("owed");
        assert_eq!((inner.owes(1), inner.owes(2)), (3, 0));
        assert!(inner.has_debts());
        inner.put(1, b"hello").expect("the same");
        assert!(!inner.has_debts());
        assert_eq!(inner.skip(2, 3), None);
        assert_eq!(inner.skip(2, 2).as_deref(), Some(b"lo".as_slice()));
        inner.take(1, b"x").expect("owed");
        assert_eq!(inner.put(2, b"y"), Err(Differs));
    }

    #[test]
    fn the_end_that_accepts_may_come_first_or_late() {
        let mut inner = Inner::default();
        inner.begin(2, end(80), end(4000), true);
        assert_eq!(inner.accepted_at(end(80), false), Some(end(4000)));
        inner.begin(1, end(4000), end(80), false);
        assert_eq!(inner.accepted_at(end(80), false), None);
        inner.begin(3, end(4001), end(80), false);
        inner.put(3, b"early").expect("nothing owed");
        inner.close(3);
        inner.begin(4, end(80), end(4001), true);
        assert_eq!(inner.skip(4, 5).as_deref(), Some(b"early".as_slice()));
        inner.close(4);
        assert!(!inner.has(4) && inner.has(1) && inner.has(2));
        inner.close(2);
        assert!(inner.has(1));
        inner.close(1);
        assert!(inner.is_empty());
    }

    #[test]
    fn abandoned_connections_do_not_pile_up() {
        let mut inner = Inner::default();
        for inode in 0..2 * ABANDONED_MAX as u64 {
            inner.begin(inode, end(1), end(80), false);
            inner.close(inode);
        }
        assert!(inner.halves.len() <= ABANDONED_MAX + 1);
    }
}
