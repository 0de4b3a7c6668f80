//! What the gate counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Classes of the histogram of hold times: class `n` is below `2^n` µs, the last has no bound.
pub const HOLD_CLASSES: usize = 24;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the gate began.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub $name: AtomicU64,)*
            pub hold_us: [AtomicU64; HOLD_CLASSES],
        }

        /// What the gate counted since it began.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct GateStats {
            $($(#[$doc])* pub $name: u64,)*
            /// How many packets were held for less than `2^n` µs, and not less than half of that.
            pub hold_us: [u64; HOLD_CLASSES],
        }

        impl Counters {
            pub fn snapshot(&self) -> GateStats {
                GateStats {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    hold_us: std::array::from_fn(|n| self.hold_us[n].load(Ordering::Relaxed)),
                }
            }
        }
    };
}

counters! {
    /// Packets that wait now.
    held_packets,
    /// Of these, packets of which it is known which part of the journal they wait for.
    held_labelled,
    /// Their bytes.
    held_bytes,
    /// The most bytes that ever waited.
    held_bytes_most,
    /// Packets from outside that reached the application.
    in_packets,
    /// Their bytes.
    in_bytes,
    /// Packets of the application that left.
    out_packets,
    /// Their bytes.
    out_bytes,
    /// Bytes of inbound streams that were journaled.
    journaled_bytes,
    /// Packets from outside that were dropped: not understood, not for the application, wrong
    /// checksums, or no room.
    in_dropped,
    /// Packets of the application that were dropped: not from a virtual address, of no known
    /// connection, or to nobody who answers.
    out_dropped,
    /// Packets that the system refused to take.
    refused,
    /// Frames that were passed on to the node that has taken over in a switchover.
    forwarded,
    /// Questions for a virtual address that were answered.
    answered,
    /// TCP connections that are followed.
    connections,
}

impl Counters {
    pub fn add(counter: &AtomicU64, more: usize) {
        counter.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub fn set(counter: &AtomicU64, value: usize) {
        counter.store(value as u64, Ordering::Relaxed);
    }

    pub fn held_for(&self, time: Duration) {
        let us = time.as_micros();
        let class = usize::try_from(u128::BITS - us.leading_zeros()).unwrap_or(0);
        Self::add(&self.hold_us[class.min(HOLD_CLASSES - 1)], 1);
    }
}
