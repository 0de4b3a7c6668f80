//! One simulated node: its machine, its clock, its journal, its gate.

use crate::clock::Time;
use crate::role::machine::{Event, Machine, Rights, Settings};
use crate::role::{Action, NodeId, Session, Side, Timing};
use std::time::Duration;

/// A clock that is wrong by an offset and runs wrong by up to 1 %.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub offset_ns: u64,
    pub rate_ppm: u64,
}

impl Clock {
    pub fn read(&self, now_us: u64) -> Time {
        Time(
            self.offset_ns
                + now_us * 1000 / 1_000_000 * self.rate_ppm
                + (now_us * 1000 % 1_000_000) * self.rate_ppm / 1_000_000,
        )
    }
}

#[derive(Debug)]
pub struct Node {
    pub machine: Machine,
    pub session: Session,
    pub clock: Clock,
    pub side: Side,
    pub rights: Rights,
    /// Stands still until then.
    pub frozen_until_us: u64,
    pub tick_at_us: u64,
    /// The application runs here.
    pub live: bool,
    pub draining: bool,
    pub waking_until_us: Option<u64>,
    pub ended: Option<u64>,
    /// Events in its journal: its own, or the primary's copy.
    pub events: u64,
    pub applied: u64,
    pub committed: u64,
    pub committed_applied: u64,
    /// Outputs that wait, by the event that they depend on.
    pub held: std::collections::VecDeque<u64>,
    pub connection: u64,
    pub link_up: bool,
    /// The run whose journal it follows.
    pub follows: Option<Session>,
    pub epoch: u64,
    pub lag_max: u64,
}

pub fn timing() -> Timing {
    Timing::new(Duration::from_millis(500), Duration::from_secs(2))
}

impl Node {
    pub fn new(index: usize, side: Side, session: Session, clock: Clock, now_us: u64) -> Self {
        let settings = Settings {
            side,
            node: NodeId::new(if index == 0 { "a" } else { "b" }).unwrap(),
            session,
            timing: timing(),
            paths: 2,
            lag_max: 200,
            on_lag: crate::role::machine::OnLag::Slow,
            head_start: Duration::ZERO,
            start_over: false,
        };
        Self {
            machine: Machine::new(settings, clock.read(now_us)),
            session,
            clock,
            side,
            rights: Rights::NONE,
            frozen_until_us: 0,
            tick_at_us: now_us,
            live: false,
            draining: false,
            waking_until_us: None,
            ended: None,
            events: 0,
            applied: 0,
            committed: 0,
            committed_applied: 0,
            held: std::collections::VecDeque::new(),
            connection: 0,
            link_up: false,
            follows: None,
            epoch: 0,
            lag_max: 200,
        }
    }

    pub fn handle(&mut self, now_us: u64, event: Event) -> Vec<Action> {
        self.machine.handle(self.clock.read(now_us), event)
    }

    /// What the gate does, with the clock read at the moment of sending.
    pub fn release(&mut self, now_us: u64) -> Vec<u64> {
        let mut out = Vec::new();
        while let Some(&event) = self.held.front() {
            let has_right = !self.rights.stopped && self.clock.read(now_us) < self.rights.until;
            let lag = event.saturating_sub(self.committed_applied);
            let committed = self.rights.alone || (self.committed >= event && lag <= self.lag_max);
            if !(has_right && committed) {
                break;
            }
            self.held.pop_front();
            out.push(event);
        }
        out
    }
}
