//! What the probe tries counters with, for real. To be used in a process of its own only: it takes
//! a signal handler.

use super::super::{Bench, CounterError, CounterSource, CounterSpec, OpenError, Work};
use super::perf::{self, PerfCounter, PerfEvents};
use super::work;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// No counter is watched.
const NOBODY: i32 = -1;
/// Whose interrupts the handler counts.
static WATCHED: AtomicI32 = AtomicI32::new(NOBODY);
static INTERRUPTS: AtomicU64 = AtomicU64::new(0);
/// What the counter said at the first of them.
static FIRST: AtomicU64 = AtomicU64::new(0);

extern "C" fn interrupted(_: libc::c_int) {
    let before = INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    let watched = WATCHED.load(Ordering::Relaxed);
    if before == 0
        && watched != NOBODY
        && let Ok(count) = perf::read(watched)
    {
        FIRST.store(count.0, Ordering::Relaxed);
    }
}

/// A bench on the calling thread.
#[derive(Debug)]
pub struct RealBench;

impl RealBench {
    /// Takes the signal over. In a process that does nothing else.
    pub fn new(signal: i32) -> Self {
        let handler: extern "C" fn(libc::c_int) = interrupted;
        // SAFETY: the handler is async-signal-safe: it reads a descriptor and writes atomics.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
        Self
    }
}

impl Bench for RealBench {
    type Counter = PerfCounter;

    fn open(&mut self, spec: &CounterSpec) -> Result<PerfCounter, OpenError> {
        PerfEvents.open(spec)
    }

    fn watch(&mut self, counter: &PerfCounter) {
        WATCHED.store(counter.descriptor(), Ordering::Relaxed);
        INTERRUPTS.store(0, Ordering::Relaxed);
        FIRST.store(0, Ordering::Relaxed);
    }

    fn work(&mut self, _: &mut PerfCounter, work: Work, loops: u64) -> Result<(), CounterError> {
        work::run(work, loops);
        Ok(())
    }

    fn interrupts(&mut self) -> (u64, u64) {
        WATCHED.store(NOBODY, Ordering::Relaxed);
        (
            INTERRUPTS.load(Ordering::Relaxed),
            FIRST.load(Ordering::Relaxed),
        )
    }
}
