//! Counts known code with each event, and collects numbers. Judges nothing, allocates nothing.

use super::super::{BranchCounter, CounterError, CounterSpec, OpenError, Period, RawEvent};

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The measuring process was killed: by `SIGSYS` if a system call filter did it, by `SIGALRM`
    /// if it took too long.
    #[error("killed by signal {0}")]
    Killed(i32),
    /// There is no process, or no memory to share with it.
    #[error("{0}")]
    NotStarted(std::io::Error),
}

/// Code that is counted. One loop of either has two conditional branches, of which one is
/// never taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing but branches.
    Plain,
    /// With a locked instruction in between.
    Locked,
}

/// One that is taken and one that is not.
pub const BRANCHES_PER_LOOP: u64 = 2;
/// Events that are tried, at most.
pub const EVENTS_MAX: usize = 4;
/// Counts of the same code.
pub const COUNTS: usize = 6;
/// Loops of the short and of the long run. What opening and reading cost is in both counts, so that
/// their difference must be exact.
pub const LOOPS: [u64; 2] = [10_000, 25_000];
/// Interrupts that are provoked.
pub const ROUNDS: usize = 24;
/// Loops while one is waited for: 15,000 branches more than what is due, so that a late one is still
/// seen, and not so many that a second one comes (the kernel throttles what interrupts often).
const ROUND_LOOPS: u64 = 20_000;
/// Branches until an interrupt is due, in the first round, and what each round has more.
pub const PERIOD: u64 = 25_000;
const PERIOD_STEP: u64 = 13;

/// What counters are tried with.
pub trait Bench {
    /// The counters.
    type Counter: BranchCounter;
    /// Opens one, for the thread that does the work.
    fn open(&mut self, spec: &CounterSpec) -> Result<Self::Counter, OpenError>;
    /// From now on, this counter's interrupts are looked at.
    fn watch(&mut self, counter: &Self::Counter);
    /// Does the work.
    fn work(
        &mut self,
        counter: &mut Self::Counter,
        work: Work,
        loops: u64,
    ) -> Result<(), CounterError>;
    /// The number of interrupts since [`watch`](Self::watch), and the count at the first of them.
    fn interrupts(&mut self) -> (u64, u64);
}

/// What one event counted. Nothing but numbers, of which any is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventMeasured {
    /// The event.
    pub event: u64,
    /// `errno` of opening it, else 0.
    pub refused: i32,
    /// `errno` of using it, −1 if the CPU had no counter left, else 0.
    pub failed: i32,
    /// Counts of the short and the long run of plain code.
    pub plain: [[u64; 2]; COUNTS],
    /// The same of code that locks.
    pub locked: [[u64; 2]; COUNTS],
    /// Interrupts of each round.
    pub interrupts: [u64; ROUNDS],
    /// The count at the first interrupt of each round, less what was due.
    pub late: [i64; ROUNDS],
    /// Interrupts of a counter that was opened with its period.
    pub fresh_interrupts: u64,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// By event, in the order in which they were tried, up to the first that counts right.
    pub events: [EventMeasured; EVENTS_MAX],
    /// How many.
    pub tried: u32,
    /// `errno` of opening AMD's event of locked instructions that were run ahead of, else 0.
    pub ahead_refused: i32,
    /// What it counted.
    pub ahead: u64,
}

impl EventMeasured {
    /// Every count is what the code has, and the same every time.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.refused == 0 && self.failed == 0 && right(&self.plain)
    }

    /// The same of code that locks.
    #[must_use]
    pub fn exact_when_locking(&self) -> bool {
        right(&self.locked)
    }
}

fn right(counts: &[[u64; 2]; COUNTS]) -> bool {
    let expected = (LOOPS[1] - LOOPS[0]) * BRANCHES_PER_LOOP;
    let least = LOOPS[0] * BRANCHES_PER_LOOP;
    let differs = |[short, long]: &[u64; 2]| {
        *short < least || long.checked_sub(*short) != Some(expected) || *short != counts[0][0]
    };
    !counts.iter().any(differs)
}

/// Tries `events` one after the other until one counts exactly; then provokes its interrupts, and
/// counts `ahead`. `spec` says all else of the counters.
pub fn measure<B: Bench>(
    bench: &mut B,
    spec: &CounterSpec,
    events: &[RawEvent],
    ahead: Option<RawEvent>,
) -> Measured {
    let mut measured = Measured::default();
    for (&event, found) in events.iter().zip(&mut measured.events) {
        measured.tried += 1;
        found.event = event.0;
        let spec = CounterSpec { event, ..*spec };
        let mut counter = match bench.open(&spec) {
            Ok(counter) => counter,
            Err(error) => {
                found.refused = error.errno;
                continue;
            }
        };
        let mut trial = || -> Result<bool, CounterError> {
            found.plain = counts(bench, &mut counter, Work::Plain)?;
            if !right(&found.plain) {
                return Ok(false);
            }
            found.locked = counts(bench, &mut counter, Work::Locked)?;
            rounds(bench, &mut counter, found)?;
            Ok(true)
        };
        match trial() {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                found.failed = number(error);
                continue;
            }
        }
        drop(counter);
        found.fresh_interrupts = fresh(bench, &spec).unwrap_or(0);
        break;
    }
    if let Some(event) = ahead {
        match count_ahead(bench, &CounterSpec { event, ..*spec }) {
            Ok(count) => measured.ahead = count,
            Err(errno) => measured.ahead_refused = errno,
        }
    }
    measured
}

fn number(error: CounterError) -> i32 {
    match error {
        CounterError::NotScheduled => -1,
        CounterError::Kernel { errno, .. } => errno,
    }
}

fn count<B: Bench>(
    bench: &mut B,
    counter: &mut B::Counter,
    work: Work,
    loops: u64,
) -> Result<u64, CounterError> {
    counter.reset()?;
    counter.enable()?;
    bench.work(counter, work, loops)?;
    counter.disable()?;
    Ok(counter.read()?.0)
}

fn counts<B: Bench>(
    bench: &mut B,
    counter: &mut B::Counter,
    work: Work,
) -> Result<[[u64; 2]; COUNTS], CounterError> {
    // The first run of all binds symbols and touches pages.
    count(bench, counter, work, 1)?;
    let mut counts = [[0; 2]; COUNTS];
    for pair in &mut counts {
        for (slot, loops) in pair.iter_mut().zip(LOOPS) {
            *slot = count(bench, counter, work, loops)?;
        }
    }
    Ok(counts)
}

#[allow(clippy::cast_possible_wrap, reason = "counts are far below 2⁶³")]
fn rounds<B: Bench>(
    bench: &mut B,
    counter: &mut B::Counter,
    found: &mut EventMeasured,
) -> Result<(), CounterError> {
    let mut due = PERIOD;
    for (interrupts, late) in found.interrupts.iter_mut().zip(&mut found.late) {
        due += PERIOD_STEP;
        // The last round's has nothing to say in this one.
        counter.set_period(Period::NEVER)?;
        counter.reset()?;
        counter.set_period(Period::new(due).unwrap_or(Period::NEVER))?;
        bench.watch(counter);
        counter.enable()?;
        bench.work(counter, Work::Plain, ROUND_LOOPS)?;
        counter.disable()?;
        let (times, first) = bench.interrupts();
        *interrupts = times;
        *late = if times == 0 {
            0
        } else {
            first as i64 - due as i64
        };
    }
    Ok(())
}

/// Interrupts of a counter that is opened with its period.
fn fresh<B: Bench>(bench: &mut B, spec: &CounterSpec) -> Option<u64> {
    let spec = CounterSpec {
        period: Period::new(PERIOD)?,
        ..*spec
    };
    let mut counter = bench.open(&spec).ok()?;
    bench.watch(&counter);
    count(bench, &mut counter, Work::Plain, ROUND_LOOPS).ok()?;
    Some(bench.interrupts().0)
}

fn count_ahead<B: Bench>(bench: &mut B, spec: &CounterSpec) -> Result<u64, i32> {
    let mut counter = bench.open(spec).map_err(|error| error.errno)?;
    count(bench, &mut counter, Work::Locked, LOOPS[0]).map_err(number)
}
