//! The side that replays: promises not to go active while it hears the primary, and takes over
//! when it does not and the record allows it.

use super::beat::Flags;
use super::machine::{Action, Answer, Ask, Event};
use super::record::{Record, Session};
use super::shared::{Body, Shared};
use super::state::{Side, State};
use crate::clock::Time;
use std::time::Duration;

/// A takeover under way.
#[derive(Debug)]
enum Attempt {
    /// Does the record allow it? Nothing has been changed yet.
    Looking,
    /// The record is being changed, or may be: no promises until that is known.
    Taking { new: Record, before: Record },
    /// The change has to be made impossible: the primary is back.
    Cancelling { new: Record },
    /// The right is in hand. A promise may still be running.
    Granted {
        new: Record,
        lease_until: Time,
        /// [`Record::change`] of the record that it replaced, if this run saw that.
        replaced: Option<u64>,
    },
}

/// The right is in hand, and may be used.
#[derive(Debug)]
pub(super) struct Granted {
    pub record: Record,
    pub lease_until: Time,
}

#[derive(Debug)]
pub(super) struct Follower {
    /// The run whose journal this node replays.
    primary: Option<Session>,
    promised_until: Time,
    attempt: Option<Attempt>,
    pending: Option<(u64, Time)>,
    /// Why the last attempt was in vain.
    refused: Option<String>,
    look_at: Time,
    diverged: Option<String>,
    ended: bool,
    gone: Option<String>,
}

impl Follower {
    pub fn new(now: Time) -> Self {
        Self {
            primary: None,
            promised_until: now,
            attempt: None,
            pending: None,
            refused: None,
            look_at: now,
            diverged: None,
            ended: false,
            gone: None,
        }
    }

    pub fn handle(&mut self, shared: &mut Shared, now: Time, event: Event) -> Option<Granted> {
        let mut at_once = false;
        match event {
            Event::Answer(id, answer) => self.on_answer(shared, now, id, answer),
            Event::Beat { path, from, .. } => {
                self.on_beat(shared, from);
                let body = self.body(shared, now);
                shared.answer_beat(now, path, body);
            }
            Event::Diverged(why) => {
                at_once = true;
                self.diverged.get_or_insert(why);
            }
            Event::AppKilled(why) => {
                at_once = true;
                self.fence(shared, why);
            }
            Event::AppEnded => self.ended = true,
            Event::Switchover => shared.out.push(Action::Note(
                "no switchover from here: this node is the standby; ask the primary".to_owned(),
            )),
            _ => {}
        }
        let granted = self.step(shared, now);
        if let Some(granted) = granted {
            shared.record = Some(granted.record.clone());
            return Some(granted);
        }
        let body = self.body(shared, now);
        shared.beat(now, at_once, &|_| body);
        let (state, reason) = self.standing(shared, now);
        shared.report(Side::Standby, state, reason);
        None
    }

    fn fence(&mut self, shared: &mut Shared, why: String) {
        if self.gone.is_none() {
            self.gone = Some(why.clone());
            shared.out.push(Action::Fence(why));
        }
    }

    fn on_beat(&mut self, shared: &mut Shared, from: Session) {
        let Some(peer) = &shared.peer else { return };
        if !peer.flags.has(Flags::ACTIVE) {
            return;
        }
        self.ended |= peer.flags.has(Flags::ENDED);
        match self.primary {
            None => self.primary = Some(from),
            Some(primary) if primary != from => {
                let why = format!(
                    "node {} was started anew; what is replayed here is of an earlier run",
                    peer.node
                );
                self.fence(shared, why);
            }
            Some(_) => {}
        }
    }

    /// It takes over never, whatever happens.
    fn never(&self) -> bool {
        self.ended || self.diverged.is_some() || self.gone.is_some()
    }

    /// Why the primary is taken for lost.
    fn suspicion(&self, shared: &Shared, now: Time) -> Option<&'static str> {
        let timing = shared.settings.timing;
        let peer = shared.peer.as_ref()?;
        if self.primary != Some(peer.session) {
            return None;
        }
        if peer.flags.has(Flags::RESIGNED) {
            return Some("the primary hands over");
        }
        if shared.is_gone() {
            return Some("the primary's process has ended");
        }
        let silent = shared.silence(now)?;
        if silent > timing.detect {
            return Some("the primary is silent");
        }
        let closed = shared.link.closed && !shared.link.up;
        // The process there has ended, unless another way says that it lives.
        let heard = shared.settings.paths > 1 && silent <= timing.promise;
        (closed && !heard && now.since(shared.link.since) > timing.beat * 2)
            .then_some("the primary's process has ended")
    }

    /// Whether a heartbeat has any way to the primary.
    fn has_way(shared: &Shared) -> bool {
        shared.link.up || shared.settings.paths > 1
    }

    /// Whether the primary lets nothing out for as long as the record is the one that was replaced: to
    /// take its resignation back, it has to change the record. No promise needs to run out then.
    fn resigned(&self, shared: &Shared, replaced: Option<u64>) -> bool {
        shared.peer.as_ref().is_some_and(|peer| {
            self.primary == Some(peer.session)
                && peer.flags.has(Flags::RESIGNED)
                && replaced == Some(peer.change)
        })
    }

    /// What the primary said the record was.
    fn hint(&self, shared: &Shared) -> Option<Record> {
        let peer = shared.peer.as_ref()?;
        Some(Record {
            owner: peer.node.clone(),
            run: peer.session,
            epoch: peer.epoch,
            change: peer.change,
            standby: peer.standby,
            ended: peer.flags.has(Flags::ENDED),
        })
    }

    fn on_answer(&mut self, shared: &mut Shared, now: Time, id: u64, answer: Answer) {
        let Some((_, asked)) = self.pending.take_if(|(pending, _)| *pending == id) else {
            return;
        };
        shared.answered(now, &answer);
        let lasts =
            |lease: Option<Duration>| lease.map_or(Time::FOREVER, |lease| asked.after(lease));
        let suspected = self.suspicion(shared, now).is_some() && !self.never();
        self.attempt = match (self.attempt.take(), answer) {
            (Some(Attempt::Looking), Answer::Current { record, .. }) if suspected => {
                self.looked(shared, now, record)
            }
            (Some(Attempt::Looking), _) => None,
            (
                Some(Attempt::Taking { new, .. } | Attempt::Cancelling { new }),
                Answer::Refused(Some(actual)),
            ) if actual == new => Some(granted(new, Time::NEVER, None)),
            (Some(Attempt::Taking { new, before }), Answer::Done { lease }) => {
                Some(granted(new, lasts(lease), Some(before.change)))
            }
            (Some(Attempt::Taking { .. }), Answer::Refused(_)) => {
                self.refuse(shared, now, "the primary went on alone");
                None
            }
            // Cancelled, or overtaken by the primary.
            (Some(Attempt::Cancelling { .. }), Answer::Done { .. } | Answer::Refused(_)) => None,
            (Some(Attempt::Granted { new, replaced, .. }), Answer::Done { lease }) => {
                Some(granted(new, lasts(lease), replaced))
            }
            (Some(Attempt::Granted { .. }), Answer::Refused(_)) => {
                self.fence(shared, "another node has taken the right".to_owned());
                None
            }
            // Whether it was done is still open.
            (attempt, _) => attempt,
        };
    }

    fn refuse(&mut self, shared: &Shared, now: Time, why: &str) {
        self.refused = Some(why.to_owned());
        self.look_at = now.after(shared.settings.timing.reopened);
    }

    fn looked(&mut self, shared: &Shared, now: Time, record: Option<Record>) -> Option<Attempt> {
        let Some(record) = record else {
            self.refuse(shared, now, "the witness has no record of the primary");
            return None;
        };
        let settings = &shared.settings;
        if record.run == settings.session {
            return Some(granted(record, Time::NEVER, None));
        }
        let why = if Some(record.run) != self.primary {
            format!(
                "by the witness, another run on node {} is active",
                record.owner
            )
        } else if record.ended {
            "the application has ended by itself".to_owned()
        } else if record.standby != Some(settings.session) {
            "the primary may have let out what this node lacks".to_owned()
        } else {
            let new = Record::taken(Some(&record), settings.node.clone(), settings.session);
            return Some(Attempt::Taking {
                new,
                before: record,
            });
        };
        self.refuse(shared, now, &why);
        None
    }

    fn step(&mut self, shared: &mut Shared, now: Time) -> Option<Granted> {
        let suspected = self.suspicion(shared, now).is_some();
        if suspected || self.attempt.is_some() {
            // A right that has run out meanwhile may be another's by now.
            if let Some(Attempt::Granted {
                lease_until,
                replaced,
                ..
            }) = &self.attempt
                && now < *lease_until
                && (now >= self.promised_until
                    || shared.is_gone()
                    || self.resigned(shared, *replaced))
                && let Some(Attempt::Granted {
                    new, lease_until, ..
                }) = self.attempt.take()
            {
                return Some(Granted {
                    record: new,
                    lease_until,
                });
            }
        } else {
            self.refused = None;
        }
        if self.pending.is_some() || now < shared.ask_at {
            return None;
        }
        // Whoever has changed its mind must not leave the change behind.
        let back = !suspected || self.never();
        if back
            && let Some(Attempt::Taking { new, before }) = self
                .attempt
                .take_if(|attempt| matches!(attempt, Attempt::Taking { .. }))
        {
            shared.record = Some(before);
            self.attempt = Some(Attempt::Cancelling { new });
        }
        let ask = match &self.attempt {
            None if suspected && !self.never() && now >= self.look_at => {
                self.attempt = Some(Attempt::Looking);
                Ask::Read {
                    hint: self.hint(shared),
                }
            }
            Some(Attempt::Taking { new, before }) => Ask::Swap {
                expected: Some(before.clone()),
                new: new.clone(),
                about: shared.about(false),
            },
            Some(Attempt::Cancelling { .. }) => {
                let before = shared.record.clone()?;
                Ask::Swap {
                    new: before.with_standby(before.standby),
                    expected: Some(before),
                    about: shared.about(true),
                }
            }
            Some(Attempt::Granted {
                new, lease_until, ..
            }) if now >= *lease_until => Ask::Keep(new.clone()),
            _ => return None,
        };
        self.pending = Some((shared.ask(ask), now));
        None
    }

    /// The promise runs from when it is made.
    fn body(&mut self, shared: &Shared, now: Time) -> Body {
        let peer = shared.peer.as_ref();
        let suspected = self.suspicion(shared, now).is_some();
        // What nobody can hear is no promise.
        let promise = self.primary.is_some()
            && !suspected
            && Self::has_way(shared)
            && matches!(self.attempt, None | Some(Attempt::Looking));
        if promise {
            self.promised_until = self
                .promised_until
                .max(now.after(shared.settings.timing.promise_kept));
        }
        let positions = shared.positions;
        let asked = peer
            .filter(|peer| peer.flags.has(Flags::PREPARE))
            .map(|peer| peer.position);
        let ready = asked.is_some_and(|position| {
            positions.committed == position && positions.applied == position
        });
        Body {
            flags: Flags::default()
                .and(Flags::PROMISE, promise)
                .and(
                    Flags::RENOUNCED,
                    self.never()
                        && !matches!(
                            self.attempt,
                            Some(
                                Attempt::Granted { .. }
                                    | Attempt::Taking { .. }
                                    | Attempt::Cancelling { .. }
                            )
                        ),
                )
                .and(Flags::DIVERGED, self.diverged.is_some())
                .and(Flags::ENDED, self.ended)
                .and(Flags::READY, ready),
            epoch: peer.map_or_else(Default::default, |peer| peer.epoch),
            standby: None,
            change: 0,
            position: positions.committed,
        }
    }

    fn standing(&self, shared: &Shared, now: Time) -> (State, String) {
        if let Some(why) = &self.diverged {
            return (State::Diverged, why.clone());
        }
        if self.ended {
            return (
                State::Ended,
                "the application has ended by itself".to_owned(),
            );
        }
        if let Some(why) = &self.gone {
            return (State::Fenced, why.clone());
        }
        let trouble = shared.trouble().map_or_else(String::new, |trouble| {
            format!("; the witness does not answer: {trouble}")
        });
        if let Some(suspicion) = self.suspicion(shared, now) {
            if let (Some(refused), None) = (&self.refused, shared.trouble()) {
                return (
                    State::Fenced,
                    format!("{suspicion}, but this node may not take over: {refused}"),
                );
            }
            return (State::TakingOver, format!("{suspicion}{trouble}"));
        }
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| !matches!(attempt, Attempt::Looking))
        {
            return (
                State::TakingOver,
                format!("the primary is back; the witness has the last word{trouble}"),
            );
        }
        let Some(peer) = shared.peer.as_ref().filter(|_| self.primary.is_some()) else {
            return (State::Syncing, "waiting for the primary".to_owned());
        };
        if !shared.link.up {
            return (State::Lagging, "the link is down".to_owned());
        }
        if peer.standby != Some(shared.settings.session) {
            return (
                State::Syncing,
                "not everything of the primary's is here yet".to_owned(),
            );
        }
        let positions = shared.positions;
        if positions.committed.saturating_sub(positions.applied) > shared.settings.lag_max {
            return (State::Lagging, "the replay is behind".to_owned());
        }
        (
            State::Protected,
            "everything that the primary let out is here".to_owned(),
        )
    }
}

fn granted(new: Record, lease_until: Time, replaced: Option<u64>) -> Attempt {
    Attempt::Granted {
        new,
        lease_until,
        replaced,
    }
}
