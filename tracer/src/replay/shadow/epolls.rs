//! Descriptors that an epoll set reports once (`EPOLLONESHOT`): those that were reported then must
//! not be reported again on this node until they are asked for anew. Nobody waits for the sets of
//! a shadow, so all in them are armed until a takeover.

use crate::layout::PAGE_DATA;
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{Leave, Tid};
use std::collections::{HashMap, HashSet};

/// Bytes of a `struct epoll_event`: what happened, and the application's own number.
const EVENT_BYTES: usize = 12;
const ONE_SHOT: u32 = libc::EPOLLONESHOT.cast_unsigned();
const EDGES: u32 = libc::EPOLLET.cast_unsigned();
/// What a disarmed entry still has (fs/eventpoll.c, `EP_PRIVATE_BITS`).
const PRIVATE: u32 =
    ONE_SHOT | EDGES | libc::EPOLLWAKEUP.cast_unsigned() | libc::EPOLLEXCLUSIVE.cast_unsigned();
/// Whatever may be reported of a descriptor.
const ANYTHING: u32 =
    (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLPRI | libc::EPOLLRDHUP).cast_unsigned();
/// Entries of a set that are remembered before those are forgotten that are not in it any more.
const ENTRIES_MIN: usize = 4096;

/// Which entries of which sets are disarmed.
#[derive(Debug, Default)]
pub struct Epolls {
    /// Sets by descriptor of a process. Those that a process has from its parent are the parent's.
    names: HashMap<(Tid, i32), u64>,
    sets: HashMap<u64, Set>,
    next: u64,
}

/// The entries of a set that are reported once, by the number that the application gave them:
/// whether they are armed.
#[derive(Debug, Default)]
struct Set {
    armed: HashMap<u64, bool>,
    prune_at: usize,
}

impl Epolls {
    fn set(&mut self, process: Tid, fd: i32) -> &mut Set {
        let next = &mut self.next;
        let name = *self.names.entry((process, fd)).or_insert_with(|| {
            *next += 1;
            *next
        });
        self.sets.entry(name).or_default()
    }

    /// A process has the sets of the one that made it.
    pub fn inherit(&mut self, from: Tid, to: Tid) {
        let all: Vec<_> = self
            .names
            .iter()
            .filter(|((process, _), _)| *process == from)
            .map(|((_, fd), name)| ((to, *fd), *name))
            .collect();
        self.names.extend(all);
    }

    /// A process is gone.
    pub fn forget(&mut self, process: Tid) {
        self.names.retain(|(of, _), _| *of != process);
        self.sweep();
    }

    /// A descriptor leads elsewhere.
    pub fn closed(&mut self, process: Tid, fd: i32) {
        if !self.names.is_empty() && self.names.remove(&(process, fd)).is_some() {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        let left: HashSet<u64> = self.names.values().copied().collect();
        self.sets.retain(|name, _| left.contains(name));
    }
}

/// An entry as the kernel tells of it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    fd: i32,
    events: u32,
    data: u64,
}

fn entries(real: Pid, fd: i32) -> Vec<Entry> {
    let text = std::fs::read_to_string(format!("/proc/{real}/fdinfo/{fd}")).unwrap_or_default();
    let all = text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("tfd:")?.split_whitespace();
        let fd = words.next()?.parse().ok()?;
        let mut hex = |name| {
            (words.next()? == name)
                .then(|| u64::from_str_radix(words.next()?, 16).ok())
                .flatten()
        };
        let events = u32::try_from(hex("events:")?).ok()?;
        let data = hex("data:")?;
        Some(Entry { fd, events, data })
    });
    all.collect()
}

impl Session {
    /// An entry of a set was made or changed.
    pub(super) fn note_epoll_change(&mut self, tid: Tid, call: &Call) -> Result<(), ReplayError> {
        if call.int(1) == libc::EPOLL_CTL_DEL {
            return Ok(());
        }
        let (process, real) = self.process(tid)?;
        let mut event = [0; EVENT_BYTES];
        Remote(real)
            .read_exact(call.args[3], &mut event)
            .map_err(ReplayError::os("reading a syscall's input"))?;
        let (events, data) = parse(&event);
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        if events & ONE_SHOT == 0 {
            return Ok(());
        }
        let set = shadow.epolls.set(process, call.int(0));
        set.armed.insert(data, true);
        if set.armed.len() > set.prune_at.max(ENTRIES_MIN) {
            let there: HashSet<u64> = entries(real, call.int(0))
                .into_iter()
                .map(|entry| entry.data)
                .collect();
            set.armed.retain(|data, _| there.contains(data));
            set.prune_at = 2 * set.armed.len();
        }
        Ok(())
    }

    /// A set was asked what happened.
    pub(super) fn note_epoll_told(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let (process, _) = self.process(tid)?;
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        if shadow.epolls.names.is_empty() {
            return Ok(());
        }
        let set = shadow.epolls.set(process, call.int(0));
        for out in leave.outs.iter().filter(|out| out.addr == call.args[1]) {
            for event in out.data.as_chunks::<EVENT_BYTES>().0 {
                if let Some(armed) = set.armed.get_mut(&parse(event).1) {
                    *armed = false;
                }
            }
        }
        Ok(())
    }

    /// At a takeover, once all descriptors are what they were: disarms.
    pub(super) fn disarm_entries(&mut self) -> Result<(), ReplayError> {
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let mut sets = std::mem::take(&mut shadow.epolls.sets);
        let names = std::mem::take(&mut shadow.epolls.names);
        for ((process, fd), name) in names {
            let by = self
                .tasks
                .values()
                .find(|task| task.tgid == process && task.stopped.is_some())
                .map(|task| task.tid);
            let Some(by) = by else {
                continue;
            };
            let Some(set) = sets.remove(&name) else {
                continue;
            };
            if set.armed.values().any(|armed| !armed) {
                self.disarm_in(by, fd, &set.armed)?;
            }
        }
        Ok(())
    }

    /// An entry is disarmed by being reported only. It is made to be: everything that is ready is
    /// asked for, and what was not to be reported is armed again.
    fn disarm_in(
        &mut self,
        tid: Tid,
        fd: i32,
        armed: &HashMap<u64, bool>,
    ) -> Result<(), ReplayError> {
        let (_, real) = self.process(tid)?;
        let before = entries(real, fd);
        let is_told =
            |entry: &Entry| entry.events & ONE_SHOT != 0 && armed.get(&entry.data) == Some(&false);
        for entry in before.iter().filter(|entry| is_told(entry)) {
            self.change_entry(tid, fd, entry, ANYTHING | entry.events & PRIVATE)?;
        }
        let set = self.duplicate(tid, fd)?;
        host::take_all_events(&set, before.len())
            .map_err(ReplayError::os("asking an epoll set"))?;
        for entry in entries(real, fd) {
            let disarmed = entry.events & !PRIVATE == 0;
            let Some(was) = before
                .iter()
                .find(|was| was.fd == entry.fd && was.data == entry.data)
            else {
                continue;
            };
            if is_told(was) {
                if !disarmed {
                    // It is ready for nothing now: let it not become so.
                    self.change_entry(tid, fd, was, was.events & PRIVATE)?;
                }
            } else if was.events & (ONE_SHOT | EDGES) != 0 {
                self.change_entry(tid, fd, was, was.events)?;
            }
        }
        Ok(())
    }

    fn change_entry(
        &mut self,
        tid: Tid,
        fd: i32,
        entry: &Entry,
        events: u32,
    ) -> Result<(), ReplayError> {
        let (_, real) = self.process(tid)?;
        let mut event = [0; EVENT_BYTES];
        event[..4].copy_from_slice(&events.to_le_bytes());
        event[4..].copy_from_slice(&entry.data.to_le_bytes());
        Remote(real)
            .write(PAGE_DATA, &event)
            .map_err(ReplayError::os("placing a syscall's input"))?;
        let word = |value: i32| u64::from(value.unsigned_abs());
        let modify = word(libc::EPOLL_CTL_MOD);
        let args = [word(fd), modify, word(entry.fd), PAGE_DATA, 0, 0];
        // A number that leads elsewhere by now is not the entry's any more.
        self.remote_any(tid, libc::SYS_epoll_ctl, args)
    }
}

fn parse(event: &[u8; EVENT_BYTES]) -> (u32, u64) {
    let (mut events, mut data) = ([0; 4], [0; 8]);
    events.copy_from_slice(&event[..4]);
    data.copy_from_slice(&event[4..]);
    (u32::from_le_bytes(events), u64::from_le_bytes(data))
}
