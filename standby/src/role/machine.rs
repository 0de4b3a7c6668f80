//! Decides who may be active. It does no input or output: events with a time go in, actions
//! come out, so that a simulator can try it with any fault at any moment.
//!
//! What makes it safe, with the record at the witness (see [`Record`]):
//!
//! - The standby goes active only after it has changed the record, and the record has to name
//!   it as the one that has everything. The primary lets out what the standby does not have
//!   only while the record names nobody. Both changes are compare-and-swap on the same record, so
//!   one of the two fails.
//! - A primary that does not yet know that it has lost lets nothing out: with each heartbeat the
//!   standby promises not to go active for a short span, and the primary's right lasts as long
//!   as that, counted on its own clock from before it sent the heartbeat that the promise answers.
//!   Without a standby, its right lasts as long as the witness's lease, counted the same way.
//! - Either is a time that the gate compares with the clock when it sends ([`crate::commit::Commit`]).

use super::active::Active;
use super::beat::{Beat, Flags};
use super::follower::Follower;
use super::record::{Epoch, NodeId, Record, Session};
use super::shared::Shared;
use super::state::{Side, State};
use super::timing::Timing;
use crate::clock::Time;
use std::time::Duration;

/// A way to the other node. 0 is the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub u8);

/// The link's own path.
pub const LINK: PathId = PathId(0);

/// What a standby whose replay cannot keep up costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLag {
    /// Time: output waits for it.
    Slow,
    /// Protection, after a while.
    Drop,
}

/// What a machine is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What this node begins as.
    pub side: Side,
    /// Its name.
    pub node: NodeId,
    /// This run of it.
    pub session: Session,
    /// All spans.
    pub timing: Timing,
    /// Paths, the link included.
    pub paths: u8,
    /// How many events the standby's replay may be behind.
    pub lag_max: u64,
    /// What happens when it is further behind.
    pub on_lag: OnLag,
    /// How much longer than the standby a primary waits before it gives the other up. Needed with
    /// a witness that keeps no record, where the first to act wins.
    pub head_start: Duration,
    /// The operator says that whoever the witness names is dead for good.
    pub start_over: bool,
}

/// How far the journal is. Counts of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Positions {
    /// In the active node's journal, as far as this node knows.
    pub appended: u64,
    /// Of these, handed to the system on the active node: the standby can be sent no more.
    pub written: u64,
    /// Stored by the standby.
    pub committed: u64,
    /// Replayed by it.
    pub applied: u64,
    /// How often the standby has shown that it is at work, be it on something that takes its time
    /// and ends in no event more.
    pub signs: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed. To be had at least twice per [`Timing::beat`].
    Tick,
    /// The link is up, and heartbeats can go over it.
    LinkUp,
    /// The link is down. `closed`: the other node's kernel closed it, as it does when the process
    /// there ends.
    LinkDown {
        /// Whether it was closed, rather than given up for silence.
        closed: bool,
    },
    /// The other node said that it cannot go on with what it is sent.
    LinkRefused(String),
    /// The journal that the standby lacks is no longer there, or more than may be kept for it.
    BacklogExceeded,
    /// A heartbeat came, authentic and meant for this run.
    Beat {
        /// On which way.
        path: PathId,
        /// From which run.
        from: Session,
        /// What it said.
        beat: Beat,
    },
    /// The other node's kernel says that nobody listens there at the other end of a way.
    WayRefused(PathId),
    /// How far the journal is now.
    Positions(Positions),
    /// The witness's answer to [`Action::Ask`] of this number.
    Answer(u64, Answer),
    /// The replay on this node, a standby, did something that the journal does not say.
    Diverged(String),
    /// The application has ended by itself: by its own exit or crash, which the journal has.
    AppEnded,
    /// The application, or what it needs on this node, was taken away from outside. Nothing of
    /// it will be let out any more.
    AppKilled(String),
    /// After [`Action::StopInput`]: everything that the application let out is committed and gone, and the
    /// journal ends at this count of events.
    Drained(u64),
    /// After that: another node says on the network that it has the virtual addresses. It may be the
    /// only sign of it, where there is no way but the link, which the standby has closed.
    Claimed,
    /// After [`Action::Promote`]: the application is live here.
    TookOver,
    /// It could not be made live.
    TakeoverFailed(String),
    /// The operator wants the standby to become active.
    Switchover,
}

/// Something to do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// What the gate may let out.
    Rights(Rights),
    /// Send this on a way.
    Beat(PathId, Beat),
    /// Ask the witness; its answer is [`Event::Answer`].
    Ask(u64, Ask),
    /// The right to be active is in hand: the application may start.
    Start(Epoch),
    /// The right to be active is in hand: replay what is there and go live.
    Promote(Epoch),
    /// Let nothing in, and tell when drained.
    StopInput,
    /// The switchover is off: let packets in again.
    ResumeInput,
    /// Another node is, or will be, active: end the application here. The last action that matters.
    Fence(String),
    /// State or reason changed.
    Report(Standing),
    /// Something that an operator wants to know once.
    Note(String),
}

/// What the gate may let out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Nothing at all.
    pub stopped: bool,
    /// Also what the standby does not have.
    pub alone: bool,
    /// Until then.
    pub until: Time,
}

impl Rights {
    /// None.
    pub const NONE: Self = Self {
        stopped: true,
        alone: false,
        until: Time::NEVER,
    };
}

/// Where a node stands, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Primary or standby.
    pub side: Side,
    /// The state's name.
    pub state: State,
    /// Why.
    pub reason: String,
}

/// A question for the witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What does the record say? `hint` is what the asking node believes, for witnesses that keep none.
    Read {
        /// See above.
        hint: Option<Record>,
    },
    /// Change the record if it is what is expected, and lease the right to its owner.
    Swap {
        /// What it has to be.
        expected: Option<Record>,
        /// What it becomes.
        new: Record,
        /// What a witness that keeps no record has to know besides.
        about: About,
    },
    /// Lease the right anew, if the record is still this.
    Keep(Record),
}

/// About the other node, at the time of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Its name, if it was heard.
    pub peer: Option<NodeId>,
    /// It will not go active anyway: it said so, or has nothing to be active with.
    pub harmless: bool,
}

/// The witness's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Read`]: the record, and whether its owner's lease lasts.
    Current {
        /// None if there is none.
        record: Option<Record>,
        /// Whether the owner has been heard of within its lease.
        alive: bool,
    },
    /// Done. The right lasts so long, counted from before the question; without limit, if none.
    Done {
        /// See above.
        lease: Option<Duration>,
    },
    /// Not done: the record is another.
    Refused(Option<Record>),
    /// Not done, and never will be: it never reached the witness.
    Unreachable(String),
    /// Nobody knows whether it was done, or yet will be.
    Unknown(String),
}

#[derive(Debug)]
enum Role {
    Active(Active),
    Follower(Follower),
}

/// One node's part in deciding who is active.
#[derive(Debug)]
pub struct Machine {
    shared: Shared,
    role: Role,
}

impl Machine {
    /// A node at its start: nothing may go out.
    #[must_use]
    pub fn new(settings: Settings, now: Time) -> Self {
        let role = match settings.side {
            Side::Primary => Role::Active(Active::starting(now)),
            Side::Standby => Role::Follower(Follower::new(now)),
        };
        Self {
            shared: Shared::new(settings, now),
            role,
        }
    }

    /// Takes an event and tells what to do about it.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.shared.advance(now);
        self.shared.note_facts(now, &event);
        let next = match &mut self.role {
            Role::Active(active) => {
                active.handle(&mut self.shared, now, event);
                None
            }
            Role::Follower(follower) => follower.handle(&mut self.shared, now, event),
        };
        if let Some(granted) = next {
            let epoch = granted.record.epoch;
            let mut active = Active::taking_over(granted.record, granted.lease_until, now);
            active.handle(&mut self.shared, now, Event::Tick);
            self.role = Role::Active(active);
            // Whoever goes live finds the right set.
            self.shared.out.push(Action::Promote(epoch));
        }
        std::mem::take(&mut self.shared.out)
    }

    /// Where the node stands.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        self.shared.standing.as_ref()
    }

    /// The record, as far as this node knows it.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.shared.record.as_ref()
    }

    /// What the gate may let out.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.shared.rights
    }

    /// What is known of the ways to the other node.
    pub fn paths(&self) -> impl Iterator<Item = (PathId, PathView)> + '_ {
        self.shared.path_views()
    }

    /// When the witness last answered, and what it says if it does not.
    #[must_use]
    pub fn witness(&self) -> WitnessView {
        self.shared.witness_view()
    }

    /// The other node's name, if it was ever heard.
    #[must_use]
    pub fn peer(&self) -> Option<&NodeId> {
        self.shared.peer.as_ref().map(|peer| &peer.node)
    }

    /// Whether the other node says that it is active.
    #[must_use]
    pub fn peer_active(&self) -> bool {
        self.shared
            .peer
            .as_ref()
            .is_some_and(|peer| peer.flags.has(Flags::ACTIVE))
    }
}

/// A way to the other node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathView {
    /// When the latest heartbeat came.
    pub heard: Option<Time>,
    /// How long the latest took there and back.
    pub round_trip: Option<Duration>,
}

/// What is known of the witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessView {
    /// When it last answered.
    pub answered: Option<Time>,
    /// Why it does not, if it does not.
    pub trouble: Option<String>,
}
