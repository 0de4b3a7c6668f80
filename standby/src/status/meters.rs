//! What is counted and measured, by whoever meets it, in the form that Prometheus reads.

use super::report::Report;
use crate::role::State;
use journal::{Count, EVENT_NAMES};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Number = Gauge<i64>;
type Real = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

/// Looks at what somebody else counts.
type Feed = dyn Fn(&Meters) + Send + Sync;

#[derive(Default, Clone)]
struct Feeds(Arc<Mutex<Vec<Arc<Feed>>>>);

impl std::fmt::Debug for Feeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feeds")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPath {
    path: String,
}

/// The meters of one node. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Meters {
    registry: Arc<Mutex<Registry>>,
    feeds: Feeds,
    held_packets: Number,
    unstored_bytes: Number,
    hold: Histogram,
    journal_bytes: Family<OfKind, Counter>,
    journal_events: Family<OfKind, Counter>,
    link_sent: Counter,
    link_received: Counter,
    states: Family<OfState, Number>,
    lag_events: Number,
    lag_seconds: Real,
    takeovers: Counter,
    served: Counter,
    round_trip: Family<OfPath, Real>,
    output: Number,
    witness_up: Number,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meters {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("ftrun");
        // 20 µs to 5 s: a log round trip is some hundred microseconds.
        let hold = Histogram::new(exponential_buckets(20e-6, 2.0, 19));
        let meters = Self {
            registry: Arc::default(),
            feeds: Feeds::default(),
            held_packets: Number::default(),
            unstored_bytes: Number::default(),
            hold,
            journal_bytes: Family::default(),
            journal_events: Family::default(),
            link_sent: Counter::default(),
            link_received: Counter::default(),
            states: Family::default(),
            lag_events: Number::default(),
            lag_seconds: Real::default(),
            takeovers: Counter::default(),
            served: Counter::default(),
            round_trip: Family::default(),
            output: Number::default(),
            witness_up: Number::default(),
        };
        let m = meters.clone();
        registry.register("state", "1 for the state that the node is in", m.states);
        registry.register(
            "output_allowed",
            "Whether this node has the right to let anything out",
            m.output,
        );
        registry.register(
            "witness_up",
            "Whether the witness answered when last asked",
            m.witness_up,
        );
        registry.register(
            "lag_events",
            "Events appended and not yet replayed by the standby",
            m.lag_events,
        );
        registry.register_with_unit(
            "lag",
            "Age of the oldest event that is not yet replayed",
            Unit::Seconds,
            m.lag_seconds,
        );
        registry.register_with_unit(
            "lag",
            "Bytes of the journal that the standby has not stored",
            Unit::Bytes,
            m.unstored_bytes,
        );
        registry.register_with_unit(
            "journal",
            "Bytes of records that were journaled here, by kind of event, before compression",
            Unit::Bytes,
            m.journal_bytes,
        );
        registry.register(
            "journal_events",
            "Events that were journaled here, by kind",
            m.journal_events,
        );
        registry.register_with_unit(
            "link_sent",
            "Bytes sent to the other node over the link, TLS included",
            Unit::Bytes,
            m.link_sent,
        );
        registry.register_with_unit(
            "link_received",
            "Bytes received from the other node over the link, likewise",
            Unit::Bytes,
            m.link_received,
        );
        registry.register(
            "held_packets",
            "Packets that wait in the gate",
            m.held_packets,
        );
        registry.register_with_unit(
            "hold",
            "How long packets waited in the gate",
            Unit::Seconds,
            m.hold,
        );
        registry.register(
            "takeovers",
            "Takeovers by this node since it was started",
            m.takeovers,
        );
        registry.register(
            "replay_served_calls",
            "System calls that this node has replayed without a stop",
            m.served,
        );
        registry.register_with_unit(
            "heartbeat_round_trip",
            "Latest heartbeat there and back, by way",
            Unit::Seconds,
            m.round_trip,
        );
        *meters
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = registry;
        meters
    }

    /// So many packets wait in the gate.
    pub fn set_held_packets(&self, packets: u64) {
        self.held_packets.set(signed(packets));
    }

    /// So many bytes of the journal are not stored by the standby.
    pub fn set_unstored_bytes(&self, bytes: u64) {
        self.unstored_bytes.set(signed(bytes));
    }

    /// So many bytes went over the link in all, there and back.
    pub fn set_link_bytes(&self, sent: u64, received: u64) {
        for (counter, now) in [(&self.link_sent, sent), (&self.link_received, received)] {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
    }

    /// So many calls were replayed without a stop in all.
    pub fn set_served_calls(&self, calls: u64) {
        self.served.inc_by(calls.saturating_sub(self.served.get()));
    }

    /// A packet has waited so long.
    pub fn held_for(&self, span: Duration) {
        self.hold.observe(span.as_secs_f64());
    }

    /// So much was journaled in all, by kind.
    pub fn set_journaled(&self, counts: &[Count; EVENT_NAMES.len()]) {
        for (name, count) in EVENT_NAMES.iter().zip(counts) {
            let kind = OfKind {
                kind: (*name).to_owned(),
            };
            let events = self.journal_events.get_or_create(&kind);
            events.inc_by(count.events.saturating_sub(events.get()));
            let bytes = self.journal_bytes.get_or_create(&kind);
            bytes.inc_by(count.bytes.saturating_sub(bytes.get()));
        }
    }

    /// From now on `feed` is asked before anything is told. It must be short.
    pub fn feed(&self, feed: impl Fn(&Self) + Send + Sync + 'static) {
        self.lock_feeds().push(Arc::new(feed));
    }

    /// Has everything brought up to date.
    pub(super) fn refresh(&self) {
        // They use these meters.
        let feeds = self.lock_feeds().clone();
        for feed in feeds {
            feed(self);
        }
    }

    fn lock_feeds(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Feed>>> {
        self.feeds.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn took_over(&self) {
        self.takeovers.inc();
    }

    pub(super) fn held_packets(&self) -> u64 {
        u64::try_from(self.held_packets.get()).unwrap_or(0)
    }

    pub(super) fn unstored_bytes(&self) -> u64 {
        u64::try_from(self.unstored_bytes.get()).unwrap_or(0)
    }

    pub(super) fn takeovers(&self) -> u64 {
        self.takeovers.get()
    }

    /// Everything, as text, with what a report says.
    #[must_use]
    pub fn text(&self, report: &Report) -> String {
        self.refresh();
        for state in State::ALL {
            let label = OfState {
                state: state.name().to_owned(),
            };
            self.states
                .get_or_create(&label)
                .set(i64::from(state == report.state));
        }
        self.output.set(i64::from(report.output));
        self.witness_up
            .set(i64::from(report.witness.trouble.is_none()));
        self.lag_events.set(signed(report.lag.events));
        self.lag_seconds
            .set(Duration::from_millis(report.lag.ms).as_secs_f64());
        for path in &report.paths {
            if let Some(us) = path.round_trip_us {
                let label = OfPath {
                    path: path.name.clone(),
                };
                self.round_trip
                    .get_or_create(&label)
                    .set(Duration::from_micros(us).as_secs_f64());
            }
        }
        let mut out = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &registry);
        out
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
