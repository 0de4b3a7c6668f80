//! What is on its way out: packets that wait for permission, and the network that they go to. The
//! gate's thread fills it. Whoever learns that more may go sends it at once: to wake the gate's
//! thread for it would take longer than the sending.

use super::super::Shared;
use super::super::hold::Hold;
use super::link::Link;
use crate::commit::Commit;
use crate::status::Meters;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Shared by those who send.
#[derive(Debug, Clone)]
pub(in super::super) struct Outlet {
    out: Arc<Mutex<Out>>,
    shared: Arc<Shared>,
}

/// Of one who does not keep it.
#[derive(Debug)]
pub(in super::super) struct WeakOutlet {
    out: Weak<Mutex<Out>>,
    shared: Weak<Shared>,
}

impl WeakOutlet {
    pub fn upgrade(&self) -> Option<Outlet> {
        let (out, shared) = (self.out.upgrade()?, self.shared.upgrade()?);
        Some(Outlet { out, shared })
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Out {
    pub hold: Hold,
    pub link: Link,
    /// Whether anything goes out.
    pub open: bool,
    shared: Arc<Shared>,
    commit: Arc<Commit>,
    meters: Meters,
}

impl Outlet {
    pub(super) fn new(
        link: Link,
        shared: Arc<Shared>,
        commit: Arc<Commit>,
        meters: Meters,
    ) -> Self {
        let out = Out {
            hold: Hold::default(),
            link,
            open: false,
            shared: Arc::clone(&shared),
            commit,
            meters,
        };
        Self {
            out: Arc::new(Mutex::new(out)),
            shared,
        }
    }

    pub fn downgrade(&self) -> WeakOutlet {
        WeakOutlet {
            out: Arc::downgrade(&self.out),
            shared: Arc::downgrade(&self.shared),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may have been allowed: sends it, if the gate's thread sleeps. A thread that is
    /// awake looks before it sleeps.
    pub fn allowed(&self) {
        let shared = &self.shared;
        if !shared.wake.is_waiting() {
            return;
        }
        let done = self.out.try_lock().is_ok_and(|mut out| {
            out.let_go();
            !out.link.is_stalled()
        });
        // Whoever has it may have looked before this was allowed; and who waits for room in the
        // interface is the thread.
        if !done {
            shared.wake.now();
        }
    }
}

impl Out {
    /// Sends what may go. What it says of what has to wait: the label of the last such packet.
    pub fn let_go(&mut self) -> Option<u64> {
        if !self.open {
            return None;
        }
        let counters = &self.shared.counters;
        while !self.link.is_stalled() {
            let commit = &self.commit;
            let Some(held) = self.hold.pop_if(|label| commit.may_go(label)) else {
                break;
            };
            let span = held.since.elapsed();
            counters.held_for(span);
            self.meters.held_for(span);
            self.link.send(held, counters);
        }
        self.link.retry(counters);
        self.count();
        self.hold.last_label()
    }

    /// Whether something could go at once.
    pub fn can_go(&self) -> bool {
        let commit = &self.commit;
        self.open && !self.link.is_stalled() && self.hold.may_go(|label| commit.may_go(label))
    }

    /// Gives up what waits; nothing goes out any more.
    pub fn shut(&mut self) {
        self.open = false;
        self.hold.clear();
        self.link.forget();
        self.count();
    }

    /// Tells how much waits.
    pub fn count(&self) {
        let counters = &self.shared.counters;
        let (packets, bytes) = self.hold.size();
        super::Counters::set(&counters.held_packets, packets);
        super::Counters::set(&counters.held_labelled, self.hold.labelled());
        super::Counters::set(&counters.held_bytes, bytes);
        counters
            .held_bytes_most
            .fetch_max(bytes as u64, Ordering::Relaxed);
    }
}
