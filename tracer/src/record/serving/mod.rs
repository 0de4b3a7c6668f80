//! The recorder's side of the agent that serves hot syscalls: where it is, what it may serve, and
//! what it has served.
//!
//! An address space gets the agent once enough of its syscalls have stopped that it could have
//! served (`place.rs`). Then sites are rewritten as they are met, and descriptors
//! allowed as they are used (`classes.rs`). What was served goes into the journal at the thread's
//! next stop, before that stop's own event (`drain.rs`): threads are serialised, so that the ring has the
//! calls of all in their order.
//! `answers.rs` keeps what the agent can give without the kernel.
//! `inside.rs` deals with stops inside the agent or a trampoline, `baton.rs` with waits there, `areas.rs` with what
//! each thread has there for itself.
//!
//! A call that is not served stops as if there were no agent. So everything here may be given up
//! at any time, and nothing here decides what a syscall does.

mod answers;
mod areas;
mod baton;
mod classes;
mod drain;
mod inside;
mod place;

pub use answers::Answers;
pub use baton::Batons;

use super::Agent;
use super::task::SpaceId;
use crate::agent::sites::{Known, MEETINGS_BEFORE, Sites};
use crate::sys::ring::Ring;
use crate::sys::wait::Pid;
use agent::layout::Off;
use agent::rules::NUMBERS_MAX;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is known of the agent in all address spaces.
#[derive(Debug, Default)]
pub struct Serving {
    /// When it serves.
    pub when: Agent,
    spaces: FxHashMap<SpaceId, Space>,
    /// Room for what the ring has.
    room: drain::Room,
    /// Functions of program files, and what became of the sites in them.
    functions: Known,
    /// How many calls were served, by number.
    calls: Vec<u64>,
}

/// What the agent has served, and why it did not serve more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Calls that are in the journal and did not stop, by number.
    pub calls: BTreeMap<u32, u64>,
    /// Syscall sites that were rewritten, counted once for each address space.
    pub sites_rewritten: u64,
    /// Sites that were met often enough and stay as they are; no more than some hundreds.
    pub sites_left: Vec<LeftSite>,
    /// How many more of those there were.
    pub sites_unnamed: u64,
}

/// A syscall site that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftSite {
    /// File and offset in it, or the address.
    pub at: String,
    /// Why.
    pub why: String,
    /// In how many address spaces.
    pub times: u64,
}

/// One address space.
#[derive(Debug, Default, Clone)]
struct Space {
    /// How many of its syscalls have stopped that could have been served.
    stops: u32,
    /// It has no agent, and gets none.
    given_up: bool,
    /// There is memory already where the agent is to be.
    reserved: bool,
    /// The agent is there.
    agent: Option<Placed>,
}

/// The agent in an address space.
#[derive(Debug, Clone)]
struct Placed {
    /// Where its records come; children made by `fork` write into the same.
    ring: Rc<Ring>,
    sites: Sites,
    /// What `OFF` holds.
    off: Off,
    /// It stays so.
    off_for_good: bool,
    /// What its threads have for themselves.
    areas: areas::Areas,
    /// The descriptors that have been looked at, and what the agent was told of them.
    classes: FxHashMap<i32, u8>,
    /// What the descriptors' classes rest on.
    basis: classes::Basis,
    /// Which version of the files that are looked at the agent knows.
    looked_at: u64,
}

impl Serving {
    /// What has been served until now.
    pub fn served(&self) -> Served {
        let tally = &self.functions.tally;
        let left = tally.left.iter().map(|((at, why), &times)| LeftSite {
            at: at.clone(),
            why: why.to_string(),
            times,
        });
        Served {
            calls: (0..)
                .zip(&self.calls)
                .filter(|(_, count)| **count > 0)
                .map(|(nr, count)| (nr, *count))
                .collect(),
            sites_rewritten: tally.rewritten,
            sites_left: left.collect(),
            sites_unnamed: tally.unnamed,
        }
    }

    /// A call has been served.
    fn count(&mut self, nr: u32) {
        let Some(at) = usize::try_from(nr).ok().filter(|at| *at < NUMBERS_MAX) else {
            return;
        };
        if self.calls.len() <= at {
            self.calls.resize(NUMBERS_MAX, 0);
        }
        self.calls[at] += 1;
    }

    /// A child made by `fork` has all that its parent has.
    pub fn forked(&mut self, parent: SpaceId, child: SpaceId) {
        if let Some(space) = self.spaces.get(&parent) {
            let mut copy = space.clone();
            if let Some(placed) = &mut copy.agent {
                placed.areas = areas::Areas::default();
            }
            self.spaces.insert(child, copy);
        }
    }

    /// A thread of an address space has ended.
    pub fn thread_ended(&mut self, space: SpaceId, tid: Pid) {
        if let Some(placed) = self.placed_mut(space) {
            placed.areas.ended(tid);
        }
    }

    /// Address spaces that are left.
    pub fn spaces_left(&mut self, left: impl Fn(SpaceId) -> bool) {
        self.spaces.retain(|space, _| left(*space));
    }

    /// After how many stops that it could have spared an address space gets the agent, and after
    /// how many of them a site is rewritten.
    const fn patience(&self) -> (u32, u8) {
        match self.when {
            Agent::AtOnce => (1, 1),
            Agent::Never | Agent::WhenItPays => (place::STOPS_BEFORE, MEETINGS_BEFORE),
        }
    }

    /// What is rewritten in an address space.
    pub fn sites(&self, space: SpaceId) -> Option<&Sites> {
        self.placed(space).map(|placed| &placed.sites)
    }

    fn placed(&self, space: SpaceId) -> Option<&Placed> {
        self.spaces.get(&space)?.agent.as_ref()
    }

    fn placed_mut(&mut self, space: SpaceId) -> Option<&mut Placed> {
        self.spaces.get_mut(&space)?.agent.as_mut()
    }
}
