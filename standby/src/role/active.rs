//! The side that runs the application: keeps the right to, says who may take over, and lets go.

use super::beat::Flags;
use super::machine::{Action, Answer, Ask, Event, Rights};
use super::protect::Protection;
use super::record::{Epoch, Record};
use super::shared::{Body, Shared};
use super::state::{Side, State};
use crate::clock::Time;

#[derive(Debug)]
pub(super) enum Phase {
    /// The right is not in hand yet.
    Asking {
        since: Time,
    },
    /// It is; the application is being made live.
    Waking,
    Running,
    /// A switchover: nothing comes in, what is inside goes out.
    Draining {
        since: Time,
    },
    /// The standby is to tell when it has all.
    Preparing {
        since: Time,
        position: u64,
    },
    /// Nothing goes out any more; the standby may take over at once.
    Resigned {
        since: Time,
        for_good: bool,
    },
    /// The application has ended by itself; `told`: the record says so.
    Ended {
        told: bool,
    },
    /// For good.
    Gone(String),
}

#[derive(Debug)]
enum Intent {
    Look,
    Take(Record),
    Change(Record),
    Keep,
}

#[derive(Debug)]
pub(super) struct Active {
    pub phase: Phase,
    pub protection: Protection,
    pending: Option<(u64, Time, Intent)>,
    /// Until when the witness's lease lasts; matters while no standby may take over.
    pub lease_until: Time,
    keep_at: Time,
    /// Why the start is not granted yet.
    remark: Option<String>,
}

impl Active {
    pub fn starting(now: Time) -> Self {
        Self::new(Phase::Asking { since: now }, Time::NEVER, now)
    }

    pub fn taking_over(record: Record, lease_until: Time, now: Time) -> Self {
        debug_assert!(
            record.standby.is_none(),
            "the next standby is not known yet"
        );
        Self::new(Phase::Waking, lease_until, now)
    }

    fn new(phase: Phase, lease_until: Time, now: Time) -> Self {
        Self {
            phase,
            protection: Protection::new(now),
            pending: None,
            lease_until,
            keep_at: now,
            remark: None,
        }
    }

    pub fn handle(&mut self, shared: &mut Shared, now: Time, event: Event) {
        let mut at_once = false;
        match event {
            Event::Answer(id, answer) => {
                let change = |shared: &Shared| shared.record.as_ref().map(|record| record.change);
                let before = change(shared);
                self.on_answer(shared, now, id, answer);
                // Without a witness that keeps the record, the standby knows it from here only.
                at_once = change(shared) != before;
            }
            Event::Positions(positions) => self.protection.on_positions(positions),
            Event::Beat { .. } => self.on_beat(shared),
            Event::AppEnded if !self.is_over() => {
                self.phase = Phase::Ended { told: false };
                at_once = true;
            }
            Event::AppKilled(why) if !self.is_over() => {
                at_once = true;
                self.on_killed(shared, now, why);
            }
            Event::TookOver if matches!(self.phase, Phase::Waking) => self.phase = Phase::Running,
            Event::Claimed if matches!(self.phase, Phase::Resigned { .. }) => {
                self.fence(shared, "the standby has taken over".to_owned());
            }
            Event::TakeoverFailed(why) if matches!(self.phase, Phase::Waking) => {
                self.fence(
                    shared,
                    format!("the application could not be made live here: {why}"),
                );
            }
            Event::Switchover => self.on_switchover(shared, now),
            Event::Drained(position) => {
                if let Phase::Draining { .. } = self.phase {
                    self.phase = Phase::Preparing {
                        since: now,
                        position,
                    };
                    at_once = true;
                }
            }
            _ => {}
        }
        at_once |= self.step(shared, now);
        self.set_rights(shared);
        let body = self.body(shared);
        shared.beat(now, at_once, &|_| body);
        let (state, reason) = self.standing(shared, now);
        shared.report(Side::Primary, state, reason);
    }

    fn is_over(&self) -> bool {
        matches!(
            self.phase,
            Phase::Ended { .. } | Phase::Gone(_) | Phase::Resigned { for_good: true, .. }
        )
    }

    fn fence(&mut self, shared: &mut Shared, why: String) {
        if !matches!(self.phase, Phase::Gone(_)) {
            self.phase = Phase::Gone(why.clone());
            // Before anybody is told: nothing may go out meanwhile.
            shared.set_rights(Rights::NONE);
            shared.out.push(Action::Fence(why));
        }
    }

    fn on_killed(&mut self, shared: &mut Shared, now: Time, why: String) {
        shared
            .out
            .push(Action::Note(format!("taken away from outside: {why}")));
        if self.protection.is_on(shared)
            && matches!(
                self.phase,
                Phase::Running | Phase::Draining { .. } | Phase::Preparing { .. }
            )
        {
            self.phase = Phase::Resigned {
                since: now,
                for_good: true,
            };
        } else {
            self.fence(shared, format!("{why}; no standby can take over"));
        }
    }

    fn on_switchover(&mut self, shared: &mut Shared, now: Time) {
        match self.phase {
            Phase::Running if self.protection.is_ready(shared, now) => {
                self.phase = Phase::Draining { since: now };
                shared.out.push(Action::StopInput);
            }
            Phase::Draining { .. } | Phase::Preparing { .. } | Phase::Resigned { .. } => {}
            _ => shared.note("no switchover: it needs a standby, and the state PROTECTED"),
        }
    }

    /// Another node that is active by a later right has the last word.
    fn on_beat(&mut self, shared: &mut Shared) {
        let Some(peer) = &shared.peer else { return };
        let epoch = shared
            .record
            .as_ref()
            .map_or(Epoch(0), |record| record.epoch);
        if peer.flags.has(Flags::ACTIVE) && peer.epoch > epoch {
            let asking = matches!(self.phase, Phase::Asking { .. });
            let why = if asking {
                format!("node {} is active", peer.node)
            } else {
                format!("node {} has taken over", peer.node)
            };
            if !(asking && shared.settings.start_over) {
                self.fence(shared, why);
            }
        }
    }

    fn on_answer(&mut self, shared: &mut Shared, now: Time, id: u64, answer: Answer) {
        if self.pending.as_ref().is_none_or(|(asked, ..)| *asked != id) {
            return;
        }
        let Some((_, asked, intent)) = self.pending.take() else {
            return;
        };
        shared.answered(now, &answer);
        match answer {
            Answer::Current { record, alive } => self.on_look(shared, now, record, alive),
            Answer::Done { lease } => {
                self.lease_until = lease.map_or(Time::FOREVER, |lease| asked.after(lease));
                self.keep_at = now.after(shared.settings.timing.keep);
                self.on_done(shared, now, intent);
            }
            Answer::Refused(actual) => self.on_refused(shared, now, intent, actual),
            // Whatever was to be changed may have been: what was exposed stays so.
            Answer::Unknown(_) | Answer::Unreachable(_) => {
                self.keep_at = now.after(shared.settings.timing.retry);
            }
        }
    }

    fn on_done(&mut self, shared: &mut Shared, now: Time, intent: Intent) {
        match intent {
            // A right that has run out meanwhile may be another's by now: look again.
            Intent::Take(_) if self.lease_until <= now => {}
            Intent::Take(record) => {
                let epoch = record.epoch;
                shared.record = Some(record);
                if let Phase::Asking { .. } = self.phase {
                    self.phase = Phase::Running;
                    self.remark = None;
                    shared.out.push(Action::Start(epoch));
                }
            }
            Intent::Change(record) => {
                if record.ended {
                    self.phase = Phase::Ended { told: true };
                }
                self.protection.on_recorded(&record, now);
                let alone = record.standby.is_none();
                shared.record = Some(record);
                if alone
                    && let Phase::Resigned {
                        for_good: false, ..
                    } = self.phase
                {
                    self.phase = Phase::Running;
                    shared.note("the standby did not take over: this node goes on alone");
                    shared.out.push(Action::ResumeInput);
                }
            }
            Intent::Look | Intent::Keep => {}
        }
    }

    fn on_refused(
        &mut self,
        shared: &mut Shared,
        now: Time,
        intent: Intent,
        actual: Option<Record>,
    ) {
        // The change was made, and only its answer was lost.
        if let Intent::Take(record) | Intent::Change(record) = &intent
            && actual.as_ref() == Some(record)
        {
            self.keep_at = now;
            return self.on_done(shared, now, intent);
        }
        if matches!(self.phase, Phase::Asking { .. }) {
            return;
        }
        match actual {
            Some(record) if record.run == shared.settings.session => {
                self.protection.on_recorded(&record, now);
                shared.record = Some(record);
                self.keep_at = now;
            }
            Some(record) => self.fence(shared, format!("node {} has taken over", record.owner)),
            None => {
                self.lease_until = Time::NEVER;
                self.fence(shared, "the witness has lost its record".into());
            }
        }
    }

    /// Whether this start may take the right.
    fn on_look(&mut self, shared: &mut Shared, now: Time, record: Option<Record>, alive: bool) {
        let Phase::Asking { since } = self.phase else {
            return;
        };
        let settings = &shared.settings;
        let mine = Record::taken(record.as_ref(), settings.node.clone(), settings.session);
        let (force, grace) = (settings.start_over, settings.timing.grace);
        let Some(record) = record else {
            // A witness that keeps no record: an active node would be heard by now.
            if shared.settings.head_start.is_zero()
                || now.since(since) > shared.settings.timing.detect
            {
                self.take(shared, now, None, mine);
            } else {
                shared.ask_at = now.after(shared.settings.timing.retry);
            }
            return;
        };
        if record.run == settings.session {
            // Taken, and the answer was lost or came too late to rely on: the lease may have run out.
            let keep = Ask::Keep(record.clone());
            return self.ask(shared, now, keep, Intent::Take(record));
        }
        let same = record.owner == settings.node;
        if !force && !record.ended && record.standby.is_some() {
            if !same {
                return self.fence(shared, format!(
                    "by the witness, node {} is active, or its standby may take over; if both are dead for good, use --start-over", record.owner));
            }
            if now.since(since) < grace {
                self.remark =
                    Some("the standby of an earlier run may take over; waiting for it".into());
                shared.ask_at = now.after(settings.timing.retry);
                return;
            }
        }
        if !force && !record.ended && !same && alive {
            return self.fence(shared, format!("node {} is active", record.owner));
        }
        self.take(shared, now, Some(record), mine);
    }

    fn take(&mut self, shared: &mut Shared, now: Time, expected: Option<Record>, new: Record) {
        let ask = Ask::Swap {
            expected,
            new: new.clone(),
            about: shared.about(false),
        };
        self.ask(shared, now, ask, Intent::Take(new));
    }

    fn ask(&mut self, shared: &mut Shared, now: Time, ask: Ask, intent: Intent) {
        let id = shared.ask(ask);
        self.pending = Some((id, now, intent));
    }

    fn change(&mut self, shared: &mut Shared, now: Time, new: Record) {
        let ask = Ask::Swap {
            expected: shared.record.clone(),
            new: new.clone(),
            about: shared.about(new.ended || self.protection.renounced(shared)),
        };
        self.protection.on_asked(&new);
        self.ask(shared, now, ask, Intent::Change(new));
    }

    /// What is due. Whether the other node should know at once.
    fn step(&mut self, shared: &mut Shared, now: Time) -> bool {
        let timing = shared.settings.timing;
        match self.phase {
            Phase::Draining { since } | Phase::Preparing { since, .. }
                if now.since(since) > timing.switchover || !self.protection.is_on(shared) =>
            {
                self.phase = Phase::Running;
                shared.note("the switchover was called off: the standby was not ready in time");
                shared.out.push(Action::ResumeInput);
                return true;
            }
            Phase::Preparing { position, .. }
                if self.protection.peer_is_ready(shared, position) =>
            {
                self.phase = Phase::Resigned {
                    since: now,
                    for_good: false,
                };
                self.set_rights(shared);
                return true;
            }
            _ => {}
        }
        if self.pending.is_some() || now < shared.ask_at {
            self.protection.follow(shared, now);
            return false;
        }
        let Some(record) = shared.record.clone() else {
            if matches!(self.phase, Phase::Asking { .. }) {
                self.ask(shared, now, Ask::Read { hint: None }, Intent::Look);
            }
            return false;
        };
        match self.phase {
            Phase::Ended { told: false } => {
                let ended = Record {
                    ended: true,
                    ..record.with_standby(None)
                };
                self.change(shared, now, ended);
            }
            Phase::Resigned {
                since,
                for_good: false,
            } if now.since(since) > timing.resigned => {
                self.change(shared, now, record.with_standby(None));
            }
            Phase::Running | Phase::Draining { .. } | Phase::Preparing { .. } => {
                if let Some(standby) = self.protection.wants(shared, now) {
                    self.change(shared, now, record.with_standby(standby));
                } else if now >= self.keep_at {
                    self.keep(shared, now, record);
                }
            }
            Phase::Waking if now >= self.keep_at => self.keep(shared, now, record),
            _ => {}
        }
        false
    }

    fn keep(&mut self, shared: &mut Shared, now: Time, record: Record) {
        self.ask(shared, now, Ask::Keep(record), Intent::Keep);
    }

    fn set_rights(&mut self, shared: &mut Shared) {
        let rights = match self.phase {
            // What an application that has ended let out last goes its way like the rest. Before
            // one is live, its gate is closed; but it says where the addresses are now.
            Phase::Waking
            | Phase::Running
            | Phase::Draining { .. }
            | Phase::Preparing { .. }
            | Phase::Ended { .. } => self.protection.rights(shared, self.lease_until),
            Phase::Asking { .. } | Phase::Resigned { .. } | Phase::Gone(_) => Rights::NONE,
        };
        shared.set_rights(rights);
    }

    fn body(&self, shared: &Shared) -> Body {
        let in_hand = !matches!(self.phase, Phase::Asking { .. } | Phase::Gone(_));
        let prepare = match self.phase {
            Phase::Preparing { position, .. } => Some(position),
            _ => None,
        };
        Body {
            flags: Flags::default()
                .and(Flags::ACTIVE, in_hand)
                .and(Flags::PREPARE, prepare.is_some())
                .and(
                    Flags::RESIGNED,
                    matches!(self.phase, Phase::Resigned { .. }),
                )
                .and(Flags::ENDED, matches!(self.phase, Phase::Ended { .. })),
            epoch: shared
                .record
                .as_ref()
                .map_or(Epoch(0), |record| record.epoch),
            standby: self.protection.exposed_recorded(shared),
            change: shared.record.as_ref().map_or(0, |record| record.change),
            position: prepare.unwrap_or(shared.positions.appended),
        }
    }

    fn standing(&self, shared: &Shared, now: Time) -> (State, String) {
        match &self.phase {
            Phase::Asking { .. } => {
                let reason = match (shared.trouble(), &self.remark) {
                    (Some(trouble), _) => {
                        format!("no right to be active yet: the witness does not answer: {trouble}")
                    }
                    (None, Some(remark)) => remark.clone(),
                    (None, None) => "asking for the right to be active".to_owned(),
                };
                (State::Fenced, reason)
            }
            Phase::Waking => (State::TakingOver, "going live".to_owned()),
            Phase::Draining { .. } => (State::TakingOver, "switchover: draining".to_owned()),
            Phase::Preparing { .. } => (
                State::TakingOver,
                "switchover: the standby catches up".to_owned(),
            ),
            Phase::Resigned {
                for_good: false, ..
            } => (
                State::TakingOver,
                "switchover: the standby goes active".to_owned(),
            ),
            Phase::Resigned { for_good: true, .. } => (
                State::Fenced,
                "the application was taken away here; the standby goes active".to_owned(),
            ),
            Phase::Ended { .. } => (
                State::Ended,
                "the application has ended by itself".to_owned(),
            ),
            Phase::Gone(why) => (State::Fenced, why.clone()),
            Phase::Running => self.protection.standing(shared, now, self.lease_until),
        }
    }
}
