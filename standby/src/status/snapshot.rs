//! The latest report, for whoever asks, at any time, without waiting for the role.

use super::lag::LagClock;
use super::meters::Meters;
use super::report::{Lag, PathReport, Report, SCHEMA_VERSION, WitnessReport};
use crate::clock::Time;
use crate::commit::Commit;
use crate::role::machine::{LINK, Machine, PathId, Settings, Standing};
use crate::role::{Positions, State};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug)]
struct Inner {
    report: Report,
    lag: LagClock,
}

/// See the module.
#[derive(Debug)]
pub struct Snapshot {
    inner: Mutex<Inner>,
    changed: Condvar,
    meters: Meters,
}

impl Snapshot {
    /// Of a node that begins.
    #[must_use]
    pub fn new(settings: &Settings, witness: String, meters: Meters) -> Self {
        let report = Report {
            schema_version: SCHEMA_VERSION,
            node: settings.node.to_string(),
            peer: None,
            role: settings.side,
            state: State::Fenced,
            reason: "starting".to_owned(),
            since_unix_ms: unix_ms(),
            epoch: 0,
            output: false,
            right_ms: None,
            appended: 0,
            committed: 0,
            applied: 0,
            lag: Lag::default(),
            held_packets: 0,
            takeovers: 0,
            paths: Vec::new(),
            witness: WitnessReport {
                kind: witness,
                answered_ms: None,
                trouble: None,
            },
            note: None,
        };
        Self {
            inner: Mutex::new(Inner {
                report,
                lag: LagClock::default(),
            }),
            changed: Condvar::new(),
            meters,
        }
    }

    /// As of the last update.
    #[must_use]
    pub fn report(&self) -> Report {
        self.lock().report.clone()
    }

    /// The same for Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.meters.text(&self.report())
    }

    /// Waits until the report fulfils something; false if it does not in time.
    pub fn wait(&self, deadline: Instant, fulfils: impl Fn(&Report) -> bool) -> bool {
        let mut inner = self.lock();
        while !fulfils(&inner.report) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    pub(crate) fn update(
        &self,
        now: Time,
        machine: &Machine,
        positions: Positions,
        commit: &Commit,
    ) {
        self.meters.refresh();
        let mut inner = self.lock();
        let ms = inner.lag.sample(now, positions.appended, positions.applied);
        let report = &mut inner.report;
        report.appended = positions.appended;
        report.committed = positions.committed;
        report.applied = positions.applied;
        report.lag = Lag {
            events: positions.appended.saturating_sub(positions.applied),
            bytes: self.meters.unstored_bytes(),
            ms,
        };
        report.held_packets = self.meters.held_packets();
        report.takeovers = self.meters.takeovers();
        report.peer = machine.peer().map(ToString::to_string);
        report.epoch = machine.record().map_or(0, |record| record.epoch.0);
        report.output = commit.has_right();
        let until = commit.right_until();
        report.right_ms =
            (report.output && until != Time::FOREVER).then(|| millis(until.since(now)));
        report.paths = machine
            .paths()
            .map(|(path, view)| PathReport {
                name: name(path),
                heard_ms: view.heard.map(|heard| millis(now.since(heard))),
                round_trip_us: view
                    .round_trip
                    .map(|span| u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
            })
            .collect();
        let witness = machine.witness();
        report.witness.answered_ms = witness.answered.map(|answered| millis(now.since(answered)));
        report.witness.trouble = witness.trouble;
        self.changed.notify_all();
    }

    pub(crate) fn standing(&self, standing: &Standing, output: bool) {
        let mut inner = self.lock();
        let report = &mut inner.report;
        if report.state != standing.state || report.role != standing.side {
            report.since_unix_ms = unix_ms();
        }
        report.role = standing.side;
        report.output = output;
        report.state = standing.state;
        report.reason.clone_from(&standing.reason);
        self.changed.notify_all();
    }

    pub(crate) fn note(&self, note: String) {
        self.lock().report.note = Some(note);
    }

    pub(crate) fn took_over(&self) {
        self.meters.took_over();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(path: PathId) -> String {
    if path == LINK {
        "link".to_owned()
    } else {
        format!("heartbeat-{}", path.0)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, millis)
}
