//! Figures of a link.

use super::channel::Channel;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counted while the link works.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub connections: AtomicU64,
    pub sent: AtomicU64,
    pub received: AtomicU64,
    pub journal: AtomicU64,
    pub files: AtomicU64,
    pub backlog: AtomicU64,
    pub round_trip_ns: AtomicU64,
    pub round_trip_min_ns: AtomicU64,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Connections that were accepted by both sides.
    pub connections: u64,
    /// Bytes sent on ended and present connections, TLS included.
    pub sent_bytes: u64,
    /// Bytes received, likewise.
    pub received_bytes: u64,
    /// Bytes of segments sent or received.
    pub journal_bytes: u64,
    /// Bytes of kept files sent or received.
    pub file_bytes: u64,
    /// Bytes of the journal that the standby has not stored, when last looked at.
    pub backlog_bytes: u64,
    /// The last round trip of a heartbeat.
    pub round_trip: Option<Duration>,
    /// The shortest.
    pub round_trip_min: Option<Duration>,
}

impl Counters {
    pub fn round_trip(&self, time: u64) {
        let time = time.max(1);
        self.round_trip_ns.store(time, Ordering::Relaxed);
        let _ =
            self.round_trip_min_ns
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |shortest| {
                    (shortest == 0 || time < shortest).then_some(time)
                });
    }

    /// Adds what a connection that has ended has moved.
    pub fn ended(&self, channel: &Channel) {
        let (sent, received) = channel.bytes();
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.received.fetch_add(received, Ordering::Relaxed);
    }

    pub fn snapshot(&self, channel: Option<&Channel>) -> LinkStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let time = |count: &AtomicU64| {
            let time = read(count);
            (time > 0).then(|| Duration::from_nanos(time))
        };
        let (sent, received) = channel.map_or((0, 0), Channel::bytes);
        LinkStats {
            connections: read(&self.connections),
            sent_bytes: read(&self.sent) + sent,
            received_bytes: read(&self.received) + received,
            journal_bytes: read(&self.journal),
            file_bytes: read(&self.files),
            backlog_bytes: read(&self.backlog),
            round_trip: time(&self.round_trip_ns),
            round_trip_min: time(&self.round_trip_min_ns),
        }
    }
}
