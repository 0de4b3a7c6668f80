//! The simulated world: what goes wrong, and what must hold all the same.

use super::faults::Faults;
use super::net::{Message, Net, Random, To};
use super::node::{Clock, Node};
use crate::role::machine::{Answer, Ask, Event, LINK, PathId, Positions};
use crate::role::{Action, Record, Session, Side, State};

const STEP_US: u64 = 1000;
pub(super) const FAULTS_END_US: u64 = 40_000_000;
const END_US: u64 = 70_000_000;
const LEASE_US: u64 = 2_000_000;
/// Events of the journal that come in one message.
const CATCH_UP: u64 = 3;
/// The application does nothing in every third span of this length.
const BUSY_US: u64 = 2_000_000;

#[derive(Debug, Default)]
pub struct Totals {
    pub takeovers: u64,
    pub alone: u64,
    pub released: u64,
    pub protected_again: u64,
    pub switchover_gap_max_ms: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.takeovers += other.takeovers;
        self.alone += other.alone;
        self.released += other.released;
        self.protected_again += other.protected_again;
        self.switchover_gap_max_ms = self.switchover_gap_max_ms.max(other.switchover_gap_max_ms);
    }
}

/// A cut or slow connection of two of: node 0, node 1, the witness.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Way {
    pub(super) cut_until_us: u64,
    pub(super) slow_until_us: u64,
}

pub struct World {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) now_us: u64,
    pub(super) net: Net,
    pub(super) nodes: [Option<Node>; 2],
    pub(super) restart_at_us: [u64; 2],
    /// Something happens to this node then: it is in the middle of something.
    pub(super) doom_at_us: [u64; 2],
    /// When the latest of the link's messages from a node arrives: they stay in order.
    pub(super) shipped_at_us: [u64; 2],
    pub(super) clocks: [Clock; 2],
    /// Link, second path, node 0 to witness, node 1 to witness.
    pub(super) ways: [Way; 4],
    pub(super) connection: u64,
    pub(super) connected: bool,
    pub(super) record: Option<Record>,
    pub(super) lease_until_us: u64,
    pub(super) witness_down_until_us: u64,
    pub(super) sessions: u64,
    /// The highest event that a released output depended on, of the journal that now counts.
    pub(super) released_max: u64,
    pub(super) released_last_us: u64,
    /// The epoch that is live, and its node's session.
    pub(super) live_epoch: u64,
    pub(super) was_protected: bool,
    pub(super) switching: bool,
    pub totals: Totals,
    pub(super) tells: bool,
}

impl World {
    pub fn new(seed: u64, faults: Faults) -> Self {
        let mut random = Random::new(seed);
        let clocks = std::array::from_fn(|_| Clock {
            offset_ns: 1 + random.below(1 << 40),
            rate_ppm: 990_000 + random.below(20_001),
        });
        let mut world = Self {
            seed,
            random,
            faults,
            now_us: 0,
            net: Net::default(),
            nodes: [None, None],
            restart_at_us: [u64::MAX; 2],
            doom_at_us: [u64::MAX; 2],
            shipped_at_us: [0; 2],
            clocks,
            ways: [Way::default(); 4],
            connection: 0,
            connected: false,
            record: None,
            lease_until_us: 0,
            witness_down_until_us: 0,
            sessions: 0,
            released_max: 0,
            released_last_us: 0,
            live_epoch: 0,
            was_protected: false,
            switching: false,
            totals: Totals::default(),
            tells: std::env::var_os("FTRUN_SIM_SEED").is_some(),
        };
        world.start(0, Side::Primary);
        world.start(1, Side::Standby);
        world
    }

    pub(super) fn tell(&self, text: impl FnOnce() -> String) {
        if self.tells {
            let line = format!("{:>9.3} ms  {}\n", self.now_us as f64 / 1000.0, text());
            // The only print of a test that was asked to tell.
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        }
    }

    fn start(&mut self, index: usize, side: Side) {
        self.sessions += 1;
        let session = Session(self.sessions);
        self.tell(|| format!("node {index} starts as {side}, session {}", session.0));
        self.nodes[index] = Some(Node::new(
            index,
            side,
            session,
            self.clocks[index],
            self.now_us,
        ));
        self.restart_at_us[index] = u64::MAX;
    }

    pub fn run(&mut self) {
        while self.now_us < END_US {
            self.now_us += STEP_US;
            if self.now_us < FAULTS_END_US {
                self.go_wrong();
            }
            self.connect();
            while let Some((to, message)) = self.net.due(self.now_us) {
                self.deliver(to, message);
            }
            for index in 0..2 {
                self.node_step(index);
            }
        }
        self.check_all_is_well();
    }

    pub(super) fn delay_us(&mut self, way: usize) -> u64 {
        let slow = self.ways[way].slow_until_us > self.now_us;
        100 + self.random.below(400) + if slow { self.random.below(700_000) } else { 0 }
    }

    pub(super) fn is_cut(&self, way: usize) -> bool {
        self.ways[way].cut_until_us > self.now_us
    }

    fn connect(&mut self) {
        for index in 0..2 {
            if self.restart_at_us[index] <= self.now_us {
                // As a service manager would: a standby where the other node is active.
                let other = self.nodes[1 - index].as_ref();
                let active = other.is_some_and(|node| node.epoch > 0 && node.ended.is_none());
                let side = if active { Side::Standby } else { Side::Primary };
                self.start(index, side);
            }
        }
        let both = self.nodes.iter().all(|node| {
            node.as_ref()
                .is_some_and(|node| node.ended.is_none() && node.frozen_until_us <= self.now_us)
        });
        if self.connected {
            if self.is_cut(0) && self.random.once_in(400) {
                self.connected = false;
                for index in 0..2 {
                    let connection = self.connection;
                    let at = self.now_us + self.random.below(300_000);
                    self.net.send(
                        at,
                        To::Node(index),
                        Message::Link {
                            connection,
                            up: false,
                            closed: false,
                        },
                    );
                }
            }
        } else if both && !self.is_cut(0) && self.random.once_in(100) {
            self.connected = true;
            self.connection += 1;
            for index in 0..2 {
                let connection = self.connection;
                self.net.send(
                    self.now_us,
                    To::Node(index),
                    Message::Link {
                        connection,
                        up: true,
                        closed: false,
                    },
                );
            }
        }
    }

    fn deliver(&mut self, to: To, message: Message) {
        let To::Node(index) = to else {
            return self.witness(message);
        };
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        if node.frozen_until_us > self.now_us {
            let until = node.frozen_until_us + 1;
            return self.net.hold_back(until, to, message);
        }
        let event = match message {
            Message::Beat {
                path,
                from,
                to,
                beat,
            } => {
                if to.is_some_and(|to| to != node.session) {
                    return;
                }
                if path == LINK && !node.link_up {
                    return;
                }
                if node.side == Side::Standby
                    && beat.flags.has(crate::role::beat::Flags::ACTIVE)
                    && (node.follows.is_none() || node.events == 0)
                {
                    node.follows = Some(from);
                }
                Event::Beat { path, from, beat }
            }
            Message::Link {
                connection,
                up,
                closed,
            } => {
                if up {
                    node.connection = connection;
                } else if node.connection != connection {
                    return;
                }
                node.link_up = up;
                if up {
                    Event::LinkUp
                } else {
                    Event::LinkDown { closed }
                }
            }
            Message::Journal {
                of,
                connection,
                events,
            } => {
                if node.connection == connection
                    && node.link_up
                    && node.follows == Some(of)
                    && !node.live
                {
                    // It takes its time to catch up.
                    node.events = events.min(node.events + CATCH_UP).max(node.events);
                }
                return;
            }
            Message::Ack {
                of,
                connection,
                stored,
                applied,
            } => {
                if node.connection == connection && of == node.session {
                    // As in `Commit`: never back, not even for another standby.
                    node.committed = node.committed.max(stored);
                    node.committed_applied = node.committed_applied.max(applied);
                }
                return;
            }
            Message::Answer {
                session,
                id,
                answer,
            } => {
                if session != node.session {
                    return;
                }
                Event::Answer(id, answer)
            }
            Message::Ask { .. } => return,
        };
        self.handle(index, event);
    }

    fn witness(&mut self, message: Message) {
        let Message::Ask {
            node,
            session,
            id,
            ask,
        } = message
        else {
            return;
        };
        if self.witness_down_until_us > self.now_us {
            return;
        }
        let alive = self.lease_until_us > self.now_us;
        let lease = Some(std::time::Duration::from_micros(LEASE_US * 19 / 20));
        let answer = match ask {
            Ask::Read { .. } => Answer::Current {
                record: self.record.clone(),
                alive,
            },
            Ask::Swap { expected, new, .. } if expected == self.record => {
                self.tell(|| format!("witness: {new:?}"));
                self.record = Some(new);
                self.lease_until_us = self.now_us + LEASE_US;
                Answer::Done { lease }
            }
            Ask::Keep(record) if Some(&record) == self.record.as_ref() => {
                self.lease_until_us = self.now_us + LEASE_US;
                Answer::Done { lease }
            }
            Ask::Swap { .. } | Ask::Keep(_) => Answer::Refused(self.record.clone()),
        };
        let way = 2 + node;
        if self.is_cut(way) {
            return;
        }
        let at = self.now_us + self.delay_us(way);
        self.net.send(
            at,
            To::Node(node),
            Message::Answer {
                session,
                id,
                answer,
            },
        );
    }

    fn node_step(&mut self, index: usize) {
        let now = self.now_us;
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        if node.frozen_until_us > now {
            return;
        }
        if node.ended.is_some_and(|ended| ended + 500_000 < now) {
            return self.crash(index);
        }
        // First of all: a thread of the gate may be the first to wake, with a packet in hand.
        self.release(index);
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        let busy = !self.faults.crashes || !(now / BUSY_US).is_multiple_of(3);
        if node.live && !node.draining && busy && self.random.once_in(2) {
            node.events += 1;
            node.applied = node.events;
            node.held.push_back(node.events);
        }
        if node.side == Side::Standby && node.applied < node.events {
            node.applied += 1 + (node.events - node.applied) / 4;
        }
        if node.waking_until_us.is_some_and(|until| until <= now) {
            node.waking_until_us = None;
            self.handle(index, Event::TookOver);
            let Some(node) = &mut self.nodes[index] else {
                return;
            };
            node.live = true;
        }
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        if node.draining && node.held.is_empty() {
            node.draining = false;
            node.live = false;
            let position = node.events;
            self.handle(index, Event::Drained(position));
        }
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        if node.tick_at_us <= now {
            node.tick_at_us = now + 10_000;
            let positions = match node.side {
                Side::Primary => Positions {
                    appended: node.events,
                    written: node.events,
                    committed: node.committed,
                    applied: node.committed_applied,
                    signs: 0,
                },
                Side::Standby => Positions {
                    appended: node.events,
                    written: node.events,
                    committed: node.events,
                    applied: node.applied,
                    signs: 0,
                },
            };
            self.handle(index, Event::Positions(positions));
            self.handle(index, Event::Tick);
        }
        self.ship(index);
        self.watch(index);
    }

    /// The journal on its way, and what is stored of it on the way back: in order, within a connection.
    fn ship(&mut self, index: usize) {
        let now = self.now_us;
        let Some(node) = &self.nodes[index] else {
            return;
        };
        if !node.link_up || self.is_cut(0) {
            return;
        }
        let connection = node.connection;
        let message = match node.side {
            Side::Primary => Message::Journal {
                of: node.session,
                connection,
                events: node.events,
            },
            Side::Standby => {
                let Some(of) = node.follows else { return };
                Message::Ack {
                    of,
                    connection,
                    stored: node.events,
                    applied: node.applied,
                }
            }
        };
        let at = self.shipped_at_us[index].max(now + self.delay_us(0));
        self.shipped_at_us[index] = at;
        self.net.send(at, To::Node(1 - index), message);
    }

    fn release(&mut self, index: usize) {
        let now = self.now_us;
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        let released = node.release(now);
        let (epoch, session) = (node.epoch, node.session);
        if released.is_empty() {
            return;
        }
        assert_eq!(
            epoch,
            self.live_epoch,
            "seed {}: at {} ms node {index}, session {}, let something out in epoch {epoch} after another went live",
            self.seed,
            now / 1000,
            session.0
        );
        if self.switching && self.released_last_us > 0 {
            self.totals.switchover_gap_max_ms = self
                .totals
                .switchover_gap_max_ms
                .max((now - self.released_last_us) / 1000);
        }
        self.released_last_us = now;
        self.totals.released += released.len() as u64;
        self.released_max = self
            .released_max
            .max(released.into_iter().max().unwrap_or(0));
    }

    pub(super) fn handle(&mut self, index: usize, event: Event) {
        let now = self.now_us;
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        let session = node.session;
        let other = self.nodes[1 - index].as_ref().map(|node| node.session);
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        for action in node.handle(now, event) {
            self.act(index, session, other, action);
        }
    }

    fn act(&mut self, index: usize, session: Session, other: Option<Session>, action: Action) {
        let now = self.now_us;
        match action {
            Action::Rights(rights) => {
                if let Some(node) = &mut self.nodes[index] {
                    node.rights = rights;
                }
            }
            Action::Beat(path, beat) => self.send_beat(index, path, session, other, beat),
            Action::Ask(id, ask) => self.send_ask(index, session, id, ask),
            Action::Start(epoch) => self.go_live(index, epoch.0, true),
            Action::Promote(epoch) => {
                self.tell(|| format!("node {index} is promoted, epoch {}", epoch.0));
                let Some(node) = &mut self.nodes[index] else {
                    return;
                };
                assert!(
                    node.events >= self.released_max,
                    "seed {}: at {} ms node {index} is promoted with {} events; {} were needed",
                    self.seed,
                    now / 1000,
                    node.events,
                    self.released_max
                );
                node.side = Side::Primary;
                node.waking_until_us = Some(now + 20_000);
                node.applied = node.events;
                self.totals.takeovers += 1;
                self.go_live(index, epoch.0, false);
            }
            Action::StopInput => {
                if let Some(node) = &mut self.nodes[index] {
                    node.draining = true;
                }
                self.switching = true;
            }
            Action::ResumeInput => {
                if let Some(node) = &mut self.nodes[index] {
                    node.draining = false;
                    node.live = true;
                }
                self.switching = false;
            }
            Action::Fence(why) => {
                self.tell(|| format!("node {index} is fenced: {why}"));
                if let Some(node) = &mut self.nodes[index] {
                    node.live = false;
                    node.ended = Some(now);
                }
            }
            Action::Report(standing) => {
                self.tell(|| {
                    format!(
                        "node {index}: {} {}: {}",
                        standing.side, standing.state, standing.reason
                    )
                });
                if standing.side == Side::Primary {
                    match standing.state {
                        State::Protected => {
                            self.totals.protected_again += u64::from(self.was_protected);
                            self.was_protected = true;
                        }
                        State::Solo if self.was_protected && !self.switching => {
                            self.totals.alone += 1
                        }
                        _ => {}
                    }
                }
            }
            Action::Note(note) => self.tell(|| format!("node {index}: {note}")),
        }
    }

    fn go_live(&mut self, index: usize, epoch: u64, fresh: bool) {
        let Some(node) = &mut self.nodes[index] else {
            return;
        };
        assert!(
            epoch > self.live_epoch,
            "seed {}: epoch {epoch} after {}",
            self.seed,
            self.live_epoch
        );
        self.live_epoch = epoch;
        node.epoch = epoch;
        node.live = fresh;
        node.committed = 0;
        node.committed_applied = 0;
        if fresh {
            // A new application: nothing of an old one is left to lose.
            self.released_max = 0;
        }
    }

    fn send_beat(
        &mut self,
        index: usize,
        path: PathId,
        from: Session,
        to: Option<Session>,
        beat: crate::role::Beat,
    ) {
        let way = usize::from(path.0);
        let link_up = self.nodes[index].as_ref().is_some_and(|node| node.link_up);
        let lost = path != LINK && self.faults.network && self.random.once_in(10);
        if self.is_cut(way) || lost || (path == LINK && !link_up) {
            return;
        }
        let at = self.now_us
            + if path == LINK {
                300
            } else {
                self.delay_us(way)
            };
        self.net.send(
            at,
            To::Node(1 - index),
            Message::Beat {
                path,
                from,
                to,
                beat,
            },
        );
    }

    /// An unanswered question is given up after a while; but it may still be on its way.
    fn send_ask(&mut self, index: usize, session: Session, id: u64, ask: Ask) {
        if matches!(ask, Ask::Swap { .. }) && self.faults.crashes && self.random.once_in(6) {
            self.doom_at_us[index] = self.now_us + self.random.below(8_000);
        }
        let way = 2 + index;
        let answer = match ask {
            Ask::Swap { .. } => Answer::Unknown("no answer in time".into()),
            _ => Answer::Unreachable("no answer in time".into()),
        };
        self.net.send(
            self.now_us + 300_000,
            To::Node(index),
            Message::Answer {
                session,
                id,
                answer,
            },
        );
        if !self.is_cut(way) {
            let at = self.now_us + self.delay_us(way);
            self.net.send(
                at,
                To::Witness,
                Message::Ask {
                    node: index,
                    session,
                    id,
                    ask,
                },
            );
        }
    }

    fn watch(&mut self, index: usize) {
        // Any right that is in force belongs to the epoch that is live.
        let Some(node) = &self.nodes[index] else {
            return;
        };
        let in_force = !node.rights.stopped && node.clock.read(self.now_us) < node.rights.until;
        assert!(
            !in_force || node.epoch == self.live_epoch,
            "seed {}: at {} ms node {index} has a right of epoch {} while {} is live",
            self.seed,
            self.now_us / 1000,
            node.epoch,
            self.live_epoch
        );
        if self.switching
            && node.live
            && node.epoch == self.live_epoch
            && self.released_last_us == self.now_us
        {
            self.switching = false;
        }
    }

    fn check_all_is_well(&self) {
        let seed = self.seed;
        assert!(
            self.released_last_us + 1_000_000 > END_US,
            "seed {seed}: nothing has gone out since {} ms: {:?}",
            self.released_last_us / 1000,
            self.nodes
                .iter()
                .flatten()
                .map(|node| node.machine.standing().cloned())
                .collect::<Vec<_>>()
        );
        let both = self
            .nodes
            .iter()
            .flatten()
            .filter(|node| node.ended.is_none())
            .count()
            == 2;
        let protected = self.nodes.iter().flatten().all(|node| {
            node.machine
                .standing()
                .is_some_and(|standing| standing.state == State::Protected)
        });
        assert!(
            !both || protected,
            "seed {seed}: two nodes, but no protection: {:?}",
            self.nodes
                .iter()
                .flatten()
                .map(|node| node.machine.standing().cloned())
                .collect::<Vec<_>>()
        );
    }
}
