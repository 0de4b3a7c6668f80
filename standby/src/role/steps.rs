//! Single steps of the machine that chance does not meet often enough.

use super::beat::Flags;
use super::machine::{Answer, Ask, Event, LINK, Machine, OnLag, Positions, Settings};
use super::{Action, Beat, Epoch, NodeId, Record, Session, Side, State, Timing};
use crate::clock::Time;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

struct Primary {
    machine: Machine,
    now: Time,
    positions: Positions,
    asked: Vec<(u64, Ask)>,
    record: Option<Record>,
}

impl Primary {
    fn settings() -> Settings {
        Settings {
            side: Side::Primary,
            node: NodeId::new("a").unwrap(),
            session: Session(1),
            timing: Timing::default(),
            paths: 1,
            lag_max: 1000,
            on_lag: OnLag::Slow,
            head_start: Duration::ZERO,
            start_over: false,
        }
    }

    fn new() -> Self {
        let now = Time(1_000_000_000);
        Self {
            machine: Machine::new(Self::settings(), now),
            now,
            positions: Positions::default(),
            asked: Vec::new(),
            record: None,
        }
    }

    fn event(&mut self, event: Event) {
        for action in self.machine.handle(self.now, event) {
            if let Action::Ask(id, ask) = action {
                self.asked.push((id, ask));
            }
        }
    }

    /// Time passes; the witness grants whatever is asked.
    fn run(&mut self, steps: u32, standby: Option<(u64, u64)>) {
        for _ in 0..steps {
            self.now = self.now.after(10 * MS);
            self.event(Event::Positions(self.positions));
            self.event(Event::Tick);
            if let Some((session, position)) = standby {
                self.beat(session, position, Flags::PROMISE);
            }
            for (id, ask) in std::mem::take(&mut self.asked) {
                let answer = match ask {
                    Ask::Read { .. } => Answer::Current {
                        record: self.record.clone(),
                        alive: true,
                    },
                    Ask::Swap { expected, new, .. } => {
                        assert_eq!(expected, self.record);
                        self.record = Some(new);
                        Answer::Done {
                            lease: Some(Duration::from_secs(10)),
                        }
                    }
                    Ask::Keep(_) => Answer::Done {
                        lease: Some(Duration::from_secs(10)),
                    },
                };
                self.event(Event::Answer(id, answer));
            }
        }
    }

    fn beat(&mut self, session: u64, position: u64, flags: Flags) {
        let beat = Beat {
            node: NodeId::new("b").unwrap(),
            flags,
            epoch: Epoch(1),
            standby: None,
            change: 0,
            position,
            applied: position,
            sent: self.now,
            echo: self.now,
            held_ns: 0,
        };
        self.event(Event::Beat {
            path: LINK,
            from: Session(session),
            beat,
        });
    }

    fn standby(&self) -> Option<Session> {
        self.record.as_ref().and_then(|record| record.standby)
    }
}

#[test]
fn what_an_earlier_standby_had_does_not_count_for_the_next() {
    let mut primary = Primary::new();
    primary.event(Event::LinkUp);
    primary.positions = Positions {
        appended: 500,
        written: 500,
        committed: 500,
        applied: 500,
        signs: 0,
    };
    primary.run(20, Some((2, 500)));
    assert_eq!(primary.standby(), Some(Session(2)));
    // It is started anew: it has nothing, though the counts are still those of the first.
    primary.run(200, Some((3, 0)));
    assert_eq!(primary.standby(), None);
    assert!(primary.machine.rights().alone);
    primary.run(200, Some((3, 499)));
    assert_eq!(primary.standby(), None, "one event is missing");
    primary.run(200, Some((3, 500)));
    assert_eq!(primary.standby(), Some(Session(3)));
    assert!(!primary.machine.rights().alone);
}

#[test]
fn a_promise_counts_from_before_it_was_asked_for() {
    let mut primary = Primary::new();
    primary.event(Event::LinkUp);
    primary.run(20, Some((2, 0)));
    assert_eq!(primary.standby(), Some(Session(2)));
    let promise = Timing::default().promise;
    let until = primary.machine.rights().until;
    assert_eq!(until, primary.now.after(promise));
    // One that answers an old heartbeat prolongs nothing, one from the future is none.
    let old = primary.now;
    primary.now = primary.now.after(100 * MS);
    for echo in [old, Time::FOREVER] {
        let beat = Beat {
            node: NodeId::new("b").unwrap(),
            flags: Flags::PROMISE,
            epoch: Epoch(1),
            standby: None,
            change: 0,
            position: 0,
            applied: 0,
            sent: primary.now,
            echo,
            held_ns: 0,
        };
        primary.event(Event::Beat {
            path: LINK,
            from: Session(2),
            beat,
        });
        assert_eq!(primary.machine.rights().until, until);
    }
}

#[test]
fn a_resignation_is_taken_back_only_through_the_record() {
    let mut primary = Primary::new();
    primary.event(Event::LinkUp);
    primary.run(20, Some((2, 0)));
    primary.event(Event::Switchover);
    primary.event(Event::Drained(0));
    primary.beat(2, 0, Flags::PROMISE.and(Flags::READY, true));
    assert!(primary.machine.rights().stopped);
    // The standby never goes active, and the witness is not there.
    let timing = Timing::default();
    primary.now = primary.now.after(timing.resigned * 2);
    primary.event(Event::Tick);
    assert!(
        primary.machine.rights().stopped,
        "not before the record says so"
    );
    let before = primary.record.clone().unwrap();
    primary.run(2, None);
    assert_eq!(primary.standby(), None);
    assert!(primary.record.clone().unwrap().change > before.change);
    assert!(!primary.machine.rights().stopped && primary.machine.rights().alone);
}

#[test]
fn who_has_resigned_believes_the_network() {
    let mut primary = Primary::new();
    primary.event(Event::LinkUp);
    primary.run(20, Some((2, 0)));
    primary.event(Event::Claimed);
    primary.run(1, Some((2, 0)));
    assert!(
        !primary.machine.rights().stopped,
        "nobody was to claim anything"
    );
    primary.event(Event::Switchover);
    primary.event(Event::Drained(0));
    primary.beat(2, 0, Flags::PROMISE.and(Flags::READY, true));
    assert!(primary.machine.rights().stopped);
    primary.event(Event::Claimed);
    primary.now = primary.now.after(Timing::default().resigned * 2);
    primary.event(Event::Tick);
    primary.run(2, None);
    assert!(primary.machine.rights().stopped, "it is over for good");
}

#[test]
fn a_standby_that_stores_nothing_is_no_protection() {
    let mut primary = Primary::new();
    primary.event(Event::LinkUp);
    primary.run(20, Some((2, 0)));
    assert_eq!(primary.standby(), Some(Session(2)));
    // Its disk is full: it lets the primary in, and refuses what comes, again and again.
    primary.positions.appended = 10;
    primary.positions.written = 10;
    for _ in 0..20 {
        // Up to the refusal it is at work.
        primary.positions.signs += 1;
        primary.event(Event::LinkUp);
        primary.run(2, Some((2, 0)));
        primary.event(Event::LinkRefused("no room".to_owned()));
        primary.event(Event::LinkDown { closed: false });
        primary.run(3, Some((2, 0)));
    }
    assert_eq!(primary.standby(), None);
    assert!(primary.machine.rights().alone);
    let standing = primary.machine.standing().unwrap();
    assert_eq!(standing.state, State::Solo);
    assert!(standing.reason.contains("no room"), "{}", standing.reason);
    // There is room again.
    primary.event(Event::LinkUp);
    primary.positions.committed = 10;
    primary.positions.applied = 10;
    primary.run(20, Some((2, 10)));
    assert_eq!(primary.standby(), Some(Session(2)));
}

/// It is looking for a large file on a busy disk: output waits, but it is no less a standby.
#[test]
fn a_standby_that_is_at_work_is_late_and_not_lost() {
    let mut primary = Primary::new();
    primary.event(Event::LinkUp);
    primary.run(20, Some((2, 0)));
    primary.positions.appended = 10;
    primary.positions.written = 10;
    // A sign now and then, for ten times as long as it may be silent.
    for _ in 0..20 {
        primary.run(25, Some((2, 0)));
        primary.positions.signs += 1;
    }
    assert_eq!(primary.standby(), Some(Session(2)));
    assert!(!primary.machine.rights().alone);
    // Whose disk hangs shows none.
    primary.run(100, Some((2, 0)));
    assert_eq!(primary.standby(), None);
    let standing = primary.machine.standing().unwrap();
    assert_eq!(standing.reason, "the standby stores nothing");
}

/// What cannot be sent yet, because it is not written here, nobody can be expected to store.
#[test]
fn the_standby_is_not_blamed_for_this_nodes_disk() {
    let mut primary = Primary::new();
    primary.event(Event::LinkUp);
    primary.run(20, Some((2, 0)));
    primary.positions.appended = 10;
    primary.run(500, Some((2, 0)));
    assert_eq!(primary.standby(), Some(Session(2)));
    let standing = primary.machine.standing().unwrap();
    assert_eq!(standing.state, State::Lagging);
    assert!(
        standing.reason.contains("not being written"),
        "{standing:?}"
    );
    primary.positions.written = 10;
    primary.positions.committed = 10;
    primary.positions.applied = 10;
    primary.run(2, Some((2, 10)));
    assert_eq!(primary.machine.standing().unwrap().state, State::Protected);
}

/// A standby whose primary has told it that it may take over, and then ended.
#[test]
fn a_process_that_is_gone_is_not_waited_for() {
    let way = super::PathId(1);
    let closed = Event::LinkDown { closed: true };
    let refused = Event::WayRefused(way);
    for (events, gone) in [
        (vec![closed.clone(), refused.clone()], true),
        (vec![closed.clone()], false),
        (vec![refused.clone()], false),
        // Said before the link was closed: it may have begun to listen since.
        (vec![refused.clone(), closed.clone()], false),
        (vec![Event::LinkDown { closed: false }, refused], false),
    ] {
        let settings = Settings {
            side: Side::Standby,
            paths: 2,
            ..Primary::settings()
        };
        let mut now = Time(1_000_000_000);
        let mut machine = Machine::new(settings, now);
        let mut asked = false;
        let mut step = |now: Time, event: Event| {
            let actions = machine.handle(now, event);
            asked |= actions
                .iter()
                .any(|action| matches!(action, Action::Ask(_, Ask::Read { .. })));
        };
        step(now, Event::LinkUp);
        let beat = Beat {
            node: NodeId::new("a").unwrap(),
            flags: Flags::ACTIVE,
            epoch: Epoch(1),
            standby: None,
            change: 1,
            position: 0,
            applied: 0,
            sent: now,
            echo: now,
            held_ns: 0,
        };
        for path in [LINK, way] {
            step(
                now,
                Event::Beat {
                    path,
                    from: Session(1),
                    beat: beat.clone(),
                },
            );
        }
        for event in events.clone() {
            now = now.after(MS);
            step(now, event);
        }
        assert_eq!(asked, gone, "{events:?}");
    }
}
