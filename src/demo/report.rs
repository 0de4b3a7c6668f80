//! The demo's figures, and how they are told.

use super::check::{LogFaults, Wrong};
use super::client::{Seen, Trouble};
use super::round::Event;
use crate::output;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// So many single troubles are told; of all, the numbers.
const TROUBLES_MAX: usize = 10;

/// What came of one round.
#[derive(Debug, Serialize)]
pub struct Outcome {
    event: Event,
    /// From the start of the nodes to the state PROTECTED.
    protected_ms: u64,
    connections: usize,
    /// Answered.
    requests: usize,
    /// Answered after the event.
    requests_after: usize,
    /// How long answers took before the event.
    latency: Latency,
    /// The longest that a client waited for an answer from the event on.
    gap_us: u64,
    resets: u64,
    lost: u64,
    doubled: u64,
    damaged: u64,
    /// The first of them, in words.
    troubles: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

impl Latency {
    fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self {
            p50_us: percentile(&waits, 50),
            p99_us: percentile(&waits, 99),
            max_us: percentile(&waits, 100),
        }
    }
}

impl Outcome {
    /// What the clients have seen.
    pub fn new(event: Event, protected: Duration, seen: &[Seen]) -> Self {
        let split = |seen: &Seen| seen.waits.len() - seen.after;
        let before = seen.iter().flat_map(|seen| &seen.waits[..split(seen)]);
        let after = seen.iter().flat_map(|seen| &seen.waits[split(seen)..]);
        let mut outcome = Self {
            event,
            protected_ms: u64::try_from(protected.as_millis()).unwrap_or(u64::MAX),
            connections: seen.len(),
            requests: seen.iter().map(|seen| seen.waits.len()).sum(),
            requests_after: seen.iter().map(|seen| seen.after).sum(),
            latency: Latency::of(before.copied().collect()),
            gap_us: after.max().map_or(0, micros),
            resets: 0,
            lost: 0,
            doubled: 0,
            damaged: 0,
            troubles: Vec::new(),
        };
        for (number, seen) in seen.iter().enumerate() {
            if let Some(trouble) = &seen.trouble {
                outcome.count(trouble);
                outcome.tell(format!("connection {number}: {trouble}"));
            }
        }
        outcome
    }

    fn count(&mut self, trouble: &Trouble) {
        match trouble {
            Trouble::Reset(_) => self.resets += 1,
            Trouble::Silence => self.lost += 1,
            Trouble::Wrong(Wrong::Lost(count), _) => self.lost += count,
            Trouble::Wrong(Wrong::Doubled(count), _) => self.doubled += count,
            Trouble::Surplus(_) => self.doubled += 1,
            Trouble::Wrong(Wrong::Damaged, _) => self.damaged += 1,
        }
    }

    /// What the server's log says besides.
    pub fn add_log(&mut self, faults: &LogFaults) {
        if *faults == LogFaults::default() {
            return;
        }
        self.lost += faults.lost;
        self.doubled += faults.doubled;
        self.damaged += faults.damaged;
        self.tell(format!(
            "the server's log: {} answered requests lost, {} doubled, {} damaged",
            faults.lost, faults.doubled, faults.damaged
        ));
    }

    fn tell(&mut self, trouble: String) {
        if self.troubles.len() < TROUBLES_MAX {
            self.troubles.push(trouble);
        }
    }

    const fn ok(&self) -> bool {
        self.resets == 0 && self.lost == 0 && self.doubled == 0 && self.damaged == 0
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let event = match self.event {
            Event::Kill => "the kill",
            Event::Switchover => "the switchover",
        };
        vec![
            format!(
                "  PROTECTED {:.1} s after the start, {} connections",
                seconds(self.protected_ms * 1000),
                self.connections
            ),
            format!(
                "  {} requests answered, {} of them after {event}",
                self.requests, self.requests_after
            ),
            format!(
                "  latency before {event}: p50 {}, p99 {}, longest {}",
                millis(self.latency.p50_us),
                millis(self.latency.p99_us),
                millis(self.latency.max_us)
            ),
            format!(
                "  gap: {}, the longest that a client waited for an answer",
                millis(self.gap_us)
            ),
            format!(
                "  {} connections reset; {} requests lost, {} doubled, {} damaged",
                self.resets, self.lost, self.doubled, self.damaged
            ),
        ]
    }
}

/// What came of all.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether nothing was lost, reset, doubled or damaged.
    ok: bool,
    connections: u16,
    seconds: u64,
    rounds: Vec<Outcome>,
    /// Where the recordings are, if they were kept.
    recordings: Option<String>,
}

impl Report {
    /// Of these rounds.
    pub fn new(
        connections: u16,
        seconds: u64,
        rounds: Vec<Outcome>,
        kept: Option<PathBuf>,
    ) -> Self {
        Self {
            ok: rounds.iter().all(Outcome::ok),
            connections,
            seconds,
            rounds,
            recordings: kept.map(|path| output::lossy(&path)),
        }
    }

    /// Whether nothing was lost, reset, doubled or damaged.
    pub const fn ok(&self) -> bool {
        self.ok
    }

    /// The end, for people.
    pub fn lines(&self) -> Vec<String> {
        let recordings = match &self.recordings {
            None => "Recordings and all else are removed; --keep keeps them.".to_owned(),
            Some(path) => format!("Recordings: {path}/{{kill,switchover}}/node{{1,2}}"),
        };
        let end = if self.ok {
            "Nothing was lost."
        } else {
            "FAILED: see above."
        };
        vec![recordings, end.to_owned()]
    }

    /// What went wrong.
    pub fn troubles(&self) -> impl Iterator<Item = &String> {
        self.rounds.iter().flat_map(|round| &round.troubles)
    }
}

fn micros(span: &Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

fn millis(micros: u64) -> String {
    let ms = seconds(micros) * 1e3;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// The least of sorted spans that so many in a hundred do not exceed, in microseconds.
fn percentile(sorted: &[Duration], of: usize) -> u64 {
    let rank = (sorted.len() * of).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or(0, micros)
}

#[cfg(test)]
mod tests {
    use super::super::check::Told;
    use super::*;

    fn seen(waits: &[u64], after: usize, trouble: Option<Trouble>) -> Seen {
        Seen {
            told: Told::default(),
            waits: waits.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            after,
            trouble,
        }
    }

    #[test]
    fn figures_are_those_of_all_connections() {
        let seen = [seen(&[1, 2, 300], 1, None), seen(&[9, 5], 1, None)];
        let outcome = Outcome::new(Event::Kill, Duration::from_secs(1), &seen);
        assert!(outcome.ok() && outcome.troubles.is_empty());
        assert_eq!((outcome.requests, outcome.requests_after), (5, 2));
        let latency = &outcome.latency;
        assert_eq!((latency.p50_us, latency.p99_us), (2_000, 9_000));
        assert_eq!((latency.max_us, outcome.gap_us), (9_000, 300_000));
    }

    #[test]
    fn every_trouble_is_a_failure() {
        let wrong = |wrong| Trouble::Wrong(wrong, String::new());
        for (trouble, expected) in [
            (
                Trouble::Reset(std::io::ErrorKind::ConnectionReset.into()),
                (1, 0, 0, 0),
            ),
            (Trouble::Silence, (0, 1, 0, 0)),
            (wrong(Wrong::Lost(3)), (0, 3, 0, 0)),
            (wrong(Wrong::Doubled(2)), (0, 0, 2, 0)),
            (Trouble::Surplus(7), (0, 0, 1, 0)),
            (wrong(Wrong::Damaged), (0, 0, 0, 1)),
        ] {
            let seen = [seen(&[1], 1, None), seen(&[], 0, Some(trouble))];
            let outcome = Outcome::new(Event::Kill, Duration::ZERO, &seen);
            let found = (
                outcome.resets,
                outcome.lost,
                outcome.doubled,
                outcome.damaged,
            );
            assert_eq!(found, expected);
            let report = Report::new(2, 1, vec![outcome], None);
            assert!(!report.ok() && report.troubles().count() == 1);
        }
        let mut outcome = Outcome::new(Event::Kill, Duration::ZERO, &[]);
        outcome.add_log(&LogFaults {
            lost: 1,
            ..LogFaults::default()
        });
        assert!(!outcome.ok());
    }
}
