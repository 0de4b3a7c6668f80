//! What an active node knows of its standby: whether it may take over, and what follows for
//! what may be let out.

use super::beat::Flags;
use super::machine::{OnLag, Positions, Rights};
use super::record::{Record, Session};
use super::shared::{Peer, Shared};
use super::state::State;
use crate::clock::Time;
use std::collections::VecDeque;

/// Looks at the positions that are remembered, some tens of milliseconds. A standby that stores what was
/// appended before them has everything within a time for which output may wait.
const RECENT: usize = 4;

/// Output waits, so that protection can begin.
#[derive(Debug, Clone, Copy)]
struct Closing {
    since: Time,
    /// What had been appended when nothing went out unprotected any more.
    target: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Protection {
    /// The run that may take over for all this node knows: asked for, or recorded.
    exposed: Option<Session>,
    /// A change was asked for, and its outcome is not known.
    unresolved: bool,
    closing: Option<Closing>,
    close_at: Time,
    /// What was appended at the last few looks, the oldest first.
    recent: VecDeque<u64>,
    /// The replay has been too far behind since.
    behind: Option<Time>,
    /// Why there is no protection.
    lost: Option<String>,
}

impl Protection {
    pub fn new(now: Time) -> Self {
        Self {
            exposed: None,
            unresolved: false,
            closing: None,
            close_at: now,
            recent: VecDeque::with_capacity(RECENT),
            behind: None,
            lost: None,
        }
    }

    pub fn on_positions(&mut self, positions: Positions) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(positions.appended);
        // The first since output waits: what went out before is in the journal up to here.
        if let Some(closing) = &mut self.closing {
            closing.target.get_or_insert(positions.appended);
        }
    }

    /// A change of the record was asked for: from now on it may say so.
    pub fn on_asked(&mut self, new: &Record) {
        self.unresolved = true;
        if new.standby.is_some() {
            self.exposed = new.standby;
        }
    }

    /// The record is known to say this, and nothing that was asked for before can change it.
    pub fn on_recorded(&mut self, record: &Record, now: Time) {
        self.exposed = record.standby;
        self.unresolved = false;
        self.closing = None;
        if record.standby.is_some() {
            self.lost = None;
        } else {
            self.close_at = self.close_at.max(now);
        }
    }

    /// Whether a standby may take over.
    pub fn is_on(&self, shared: &Shared) -> bool {
        self.exposed.is_some() && !self.unresolved && !self.renounced(shared)
    }

    /// Whether a switchover can begin.
    pub fn is_ready(&self, shared: &Shared, now: Time) -> bool {
        self.is_on(shared)
            && shared.link.up
            && self.promise_until(shared) > now
            && self.lag(shared) <= shared.settings.lag_max
    }

    pub fn exposed_recorded(&self, shared: &Shared) -> Option<Session> {
        shared.record.as_ref().and_then(|record| record.standby)
    }

    pub fn peer_is_ready(&self, shared: &Shared, position: u64) -> bool {
        self.exposed_peer(shared)
            .is_some_and(|peer| peer.flags.has(Flags::READY) && peer.position == position)
    }

    fn exposed_peer<'a>(&self, shared: &'a Shared) -> Option<&'a Peer> {
        let peer = shared.peer.as_ref()?;
        (self.exposed == Some(peer.session)).then_some(peer)
    }

    fn promise_until(&self, shared: &Shared) -> Time {
        self.exposed_peer(shared)
            .map_or(Time::NEVER, |peer| peer.promise_until)
    }

    /// It will never take over, which is as good as a record that does not name it.
    pub fn renounced(&self, shared: &Shared) -> bool {
        self.exposed_peer(shared)
            .is_some_and(|peer| peer.flags.has(Flags::RENOUNCED))
    }

    fn lag(&self, shared: &Shared) -> u64 {
        let Positions {
            appended, applied, ..
        } = shared.positions;
        appended.saturating_sub(applied)
    }

    /// Follows the time while the witness is busy.
    pub fn follow(&mut self, shared: &Shared, now: Time) {
        let timing = shared.settings.timing;
        if self.lag(shared) > shared.settings.lag_max {
            self.behind.get_or_insert(now);
        } else {
            self.behind = None;
        }
        if self.exposed.is_none()
            && let Some(closing) = self.closing
            && now.since(closing.since) > timing.closing
        {
            self.closing = None;
            self.close_at = now.after(timing.reopened);
        }
    }

    /// Who should be recorded as the one that may take over, if that is to change.
    pub fn wants(&mut self, shared: &Shared, now: Time) -> Option<Option<Session>> {
        self.follow(shared, now);
        if self.exposed.is_some() {
            if let Some(lost) = self.loss(shared, now) {
                self.lost = Some(lost);
                return Some(None);
            }
            // Asked for, and never answered: a new change settles it, whatever became of the old one.
            return self.unresolved.then_some(self.exposed);
        }
        let peer = self.candidate(shared, now)?;
        if now < self.close_at {
            return None;
        }
        // What this run of it has: counts from the link may be of one before.
        let Positions {
            appended,
            committed,
            applied,
            ..
        } = shared.positions;
        let (committed, applied) = (committed.min(peer.position), applied.min(peer.applied));
        let slack = shared.settings.lag_max;
        match self.closing {
            None => {
                let before = self.recent.front().copied().unwrap_or(appended);
                let close = committed >= before && applied.saturating_add(slack) >= appended;
                // Output must not wait for a witness that is away.
                if close && shared.trouble().is_none() {
                    self.closing = Some(Closing {
                        since: now,
                        target: None,
                    });
                }
                None
            }
            Some(Closing {
                target: Some(target),
                ..
            }) if committed >= target && applied.saturating_add(slack) >= target => {
                Some(Some(peer.session))
            }
            Some(_) => None,
        }
    }

    /// A run of the other node that could be protected by.
    fn candidate<'a>(&self, shared: &'a Shared, now: Time) -> Option<&'a Peer> {
        let peer = shared.peer.as_ref()?;
        let never = peer.flags.has(Flags::RENOUNCED) || peer.flags.has(Flags::ACTIVE);
        // Being let in again and again is no progress.
        let takes = now.since(shared.taking.since) <= shared.settings.timing.detect;
        let there = shared.link.up && !shared.link.exceeded && peer.promise_until > now && takes;
        (there && !never).then_some(peer)
    }

    /// Why the run that may take over is no protection any more.
    fn loss(&self, shared: &Shared, now: Time) -> Option<String> {
        let timing = shared.settings.timing;
        let Some(peer) = self.exposed_peer(shared) else {
            return Some("the standby was started anew".to_owned());
        };
        if peer.flags.has(Flags::RENOUNCED) {
            let why = if peer.flags.has(Flags::DIVERGED) {
                "the standby's replay has diverged"
            } else {
                "the standby has given up"
            };
            return Some(why.to_owned());
        }
        if shared.link.exceeded {
            return Some(
                "the standby was away for longer than the journal is kept for it".to_owned(),
            );
        }
        let head_start = shared.settings.head_start;
        let patience = if shared.link.closed && !shared.link.up && head_start.is_zero() {
            timing.promise
        } else {
            timing.detect + head_start
        };
        // No promise means no right: whoever is heard, but makes none, is trying to take over and cannot.
        if now.since(peer.promised) > patience {
            let heard = now.since(peer.heard) <= timing.promise;
            let what = if heard {
                "tries to take over"
            } else {
                "is silent"
            };
            return Some(format!("the standby {what}"));
        }
        if !shared.link.up && now.since(shared.link.since) > timing.detect + head_start {
            return Some("the link to the standby is down".to_owned());
        }
        if now.since(shared.taking.since) > timing.detect + head_start {
            return Some(self.stuck(shared));
        }
        if shared.settings.on_lag == OnLag::Drop
            && self
                .behind
                .is_some_and(|since| now.since(since) > timing.lag_patience)
        {
            return Some("the standby's replay cannot keep up".to_owned());
        }
        None
    }

    fn stuck(&self, shared: &Shared) -> String {
        let why = shared.taking.refused.as_deref();
        why.map_or_else(
            || "the standby stores nothing".to_owned(),
            |why| format!("the standby does not store the journal: {why}"),
        )
    }

    pub fn rights(&self, shared: &Shared, lease_until: Time) -> Rights {
        let (alone, until) = if self.renounced(shared) {
            // The record still names a standby, and so nobody else can go active either.
            (true, Time::FOREVER)
        } else if self.exposed.is_some() {
            (false, self.promise_until(shared))
        } else {
            (self.closing.is_none(), lease_until)
        };
        Rights {
            stopped: false,
            alone,
            until,
        }
    }

    pub fn standing(&self, shared: &Shared, now: Time, lease_until: Time) -> (State, String) {
        let peer = shared.peer.as_ref();
        if peer.is_some_and(|peer| peer.flags.has(Flags::DIVERGED)) {
            return (
                State::Diverged,
                "the standby's replay has diverged: this node goes on without protection"
                    .to_owned(),
            );
        }
        let trouble = || {
            shared.trouble().map_or_else(String::new, |trouble| {
                format!(" (the witness does not answer: {trouble})")
            })
        };
        if self.exposed.is_some() && !self.renounced(shared) {
            if let Some(lost) = self.loss(shared, now) {
                let state = if shared.trouble().is_some() {
                    State::Fenced
                } else {
                    State::Lagging
                };
                return (
                    state,
                    format!(
                        "{lost}; output waits until the witness knows it{}",
                        trouble()
                    ),
                );
            }
            if self.promise_until(shared) <= now {
                return (
                    State::Lagging,
                    "the standby is late; output waits".to_owned(),
                );
            }
            if !shared.link.up {
                return (State::Lagging, "the link is down; output waits".to_owned());
            }
            if now.since(shared.written) > shared.settings.timing.detect {
                return (
                    State::Lagging,
                    "this node's journal is not being written; output waits".to_owned(),
                );
            }
            if now.since(shared.taking.since) > shared.settings.timing.detect {
                return (
                    State::Lagging,
                    "the standby stores nothing yet; output waits".to_owned(),
                );
            }
            if self.behind.is_some() {
                return (
                    State::Lagging,
                    "the standby's replay is behind; output waits".to_owned(),
                );
            }
            if self.unresolved {
                return (
                    State::Syncing,
                    format!(
                        "the witness is being told that the standby has everything{}",
                        trouble()
                    ),
                );
            }
            return (
                State::Protected,
                "the standby has everything that was let out".to_owned(),
            );
        }
        if lease_until <= now && !self.renounced(shared) {
            return (
                State::Fenced,
                format!(
                    "alone, and the lease has run out; output waits{}",
                    trouble()
                ),
            );
        }
        if self.candidate(shared, now).is_some() {
            return (
                State::Syncing,
                "the standby does not have everything yet".to_owned(),
            );
        }
        let why = self.lost.as_deref().unwrap_or("no standby yet");
        (State::Solo, why.to_owned())
    }
}
