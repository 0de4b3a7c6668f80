//! Random programs: the end, and the state at counts, are the oracle's.

use crate::cached::{Cached, Ended};
use crate::machine::{self, CACHE_CODE_BYTES, Machine, Place};
use crate::oracle::{self, End, Limits, Trace, seen};
use crate::program::{Loaded, Program, Random};
use crate::strategy;
use pmu::Regs;
use pmu::translate::{AppState, Counting, Options};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Steps after which a program is cut.
pub const STEPS_MAX: usize = 800;

/// How a program is run.
#[derive(Debug, Clone, Copy)]
pub struct How {
    pub place: Place,
    pub options: Options,
    pub code_bytes: u64,
    pub flush_every: u64,
    /// Stops at that many counts, or at every one.
    pub stops: Stops,
}

#[derive(Debug, Clone, Copy)]
pub enum Stops {
    Every,
    Some(u64),
}

pub fn how() -> impl Strategy<Value = How> {
    let eager = prop_oneof![Just(1usize), Just(2), Just(5), Just(64)];
    let counting = prop_oneof![3 => Just(Counting::Shortest), 1 => Just(Counting::Register)];
    let size = prop_oneof![3 => Just(CACHE_CODE_BYTES), 1 => Just(0x2000u64)];
    let flush = prop_oneof![4 => Just(0u64), 1 => 2..6u64];
    (
        strategy::where_to(),
        eager,
        counting,
        size,
        flush,
        any::<u64>(),
    )
        .prop_map(
            |(place, eager_blocks, counting, code_bytes, flush_every, seed)| How {
                place,
                options: Options {
                    eager_blocks,
                    counting,
                },
                code_bytes,
                flush_every,
                stops: Stops::Some(seed),
            },
        )
}

/// Whether a program in the cache does what the oracle did.
pub fn check(machine: &Machine, program: &Program, how: &How) -> Result<(), TestCaseError> {
    let start = program.load(machine, how.place);
    let trace = oracle::run(machine, how.place, &start, STEPS_MAX, false);
    let total = trace.count();
    let mut stops: Vec<usize> = match how.stops {
        Stops::Every => (1..=total).collect(),
        Stops::Some(seed) => {
            let mut random = Random(seed);
            let number = random.next() % 4;
            let mut at = |_| usize::try_from(random.next()).unwrap() % total.max(1);
            (0..number).map(&mut at).filter(|at| *at > 0).collect()
        }
    };
    // A program that was cut is compared where it was last counted.
    if trace.end == End::Cut && total > 0 {
        stops.push(total);
    }
    stops.sort_unstable();
    stops.dedup();
    let start = program.load(machine, how.place);
    let layout = machine.layout(how.place, how.code_bytes);
    let mut cached = Cached::new(machine, layout, how.options);
    cached.flush_every = how.flush_every;
    compare(machine, &mut cached, how.place, &start, &trace, &stops)
}

/// Whether a program in the cache goes the oracle's way, stopped at these counts.
pub fn compare(
    machine: &Machine,
    cached: &mut Cached<'_>,
    place: Place,
    start: &Regs,
    trace: &Trace,
    stops: &[usize],
) -> Result<(), TestCaseError> {
    let mut regs = *start;
    let mut counted = 0;
    for stop in stops {
        let left = u64::try_from(stop - counted).unwrap();
        let (end, state) = cached.run(&AppState { regs, left });
        prop_assert_eq!(end, Ended::Reached, "count {}", stop);
        prop_assert_eq!(state.left, 0);
        let now = seen(machine, place, &state.regs);
        prop_assert_eq!(now, trace.counts[*stop], "count {}", stop);
        regs = state.regs;
        counted = *stop;
    }
    let End::Signal(signal) = trace.end else {
        return Ok(());
    };
    let left = 1 << 40;
    let (end, state) = cached.run(&AppState { regs, left });
    prop_assert_eq!(end, Ended::Signal(signal));
    let now = seen(machine, place, &state.regs);
    prop_assert_eq!(now, trace.last, "end");
    let total = u64::try_from(trace.count() - counted).unwrap();
    prop_assert_eq!(left - state.left, total);
    Ok(())
}

/// Cases of a test: many more where that is asked for.
pub fn cases(usual: u32) -> Config {
    let soak = std::env::var_os("FTRUN_TEST_SOAK").is_some();
    let chosen = std::env::var("FTRUN_TEST_CASES").ok();
    let chosen = chosen.and_then(|cases| cases.parse().ok());
    Config {
        cases: chosen.unwrap_or(if soak { usual * 100 } else { usual }),
        failure_persistence: None,
        max_shrink_time: 20_000,
        max_shrink_iters: 2000,
        ..Config::default()
    }
}

pub fn run<S: Strategy>(
    config: Config,
    strategy: S,
    check: impl Fn(&Machine, S::Value) -> Result<(), TestCaseError>,
) {
    machine::with(|machine| {
        let result = TestRunner::new(config).run(&strategy, |value| check(machine, value));
        if let Err(error) = result {
            panic!("{error}");
        }
    });
}

#[test]
fn random_programs_do_what_they_do_natively() {
    run(
        cases(2000),
        (strategy::program(), how()),
        |machine, (program, how)| check(machine, &program, &how),
    );
}

#[test]
fn every_count_can_be_stopped_at() {
    run(
        cases(100),
        (strategy::program(), how()),
        |machine, (program, how)| {
            let how = How {
                stops: Stops::Every,
                ..how
            };
            check(machine, &program, &how)
        },
    );
}

/// At one count the program's code is changed, and the translator is told.
fn check_changed(
    machine: &Machine,
    program: &Program,
    how: &How,
    seed: u64,
    whole: bool,
) -> Result<(), TestCaseError> {
    let place = how.place;
    let start = program.load(machine, place);
    let total = oracle::run(machine, place, &start, STEPS_MAX, false).count();
    let at = usize::try_from(seed).unwrap() % total.max(1);
    let Loaded {
        regs: start,
        constants,
        ..
    } = program.load_whole(machine, place);
    let change = || {
        for (index, constant) in constants.iter().enumerate() {
            let value = seed.rotate_left(u32::try_from(index).unwrap());
            machine.write(*constant, &value.to_le_bytes());
        }
    };
    let limits = Limits::cut(STEPS_MAX);
    let trace = oracle::run_with(machine, place, &start, limits, |count| {
        if count == at {
            change();
        }
    });
    // Changed control flow may have other branches.
    if at == 0 || trace.count() < at {
        return Ok(());
    }
    let start = program.load(machine, place);
    let layout = machine.layout(place, how.code_bytes);
    let mut cached = Cached::new(machine, layout, how.options);
    let state = AppState {
        regs: start,
        left: u64::try_from(at).unwrap(),
    };
    let (end, state) = cached.run(&state);
    prop_assert_eq!(end, Ended::Reached);
    prop_assert_eq!(seen(machine, place, &state.regs), trace.counts[at]);
    change();
    if program.patches {
        // Nobody says so.
    } else if whole {
        let base = machine.app_base(place);
        cached
            .translator
            .invalidate(base..base + machine::CODE_BYTES);
    } else {
        for constant in &constants {
            cached.translator.invalidate(*constant..constant + 8);
        }
    }
    let rest = Trace {
        counts: trace.counts[at..].to_vec(),
        ..trace
    };
    let stops: Vec<usize> = (rest.end == End::Cut)
        .then(|| rest.count())
        .into_iter()
        .filter(|count| *count > 0)
        .collect();
    compare(machine, &mut cached, place, &state.regs, &rest, &stops)
}

#[test]
fn changed_code_is_executed_as_it_is_then() {
    run(
        cases(300),
        (strategy::program(), how(), any::<u64>(), any::<bool>()),
        |machine, (program, how, seed, whole)| check_changed(machine, &program, &how, seed, whole),
    );
}

/// What the random programs are worth depends on what they do.
#[test]
fn random_programs_do_a_bit_of_everything() {
    let mut runner = TestRunner::deterministic();
    let (mut counts, mut faults, mut cut, mut natural) = (Vec::new(), 0, 0, 0);
    machine::with(|machine| {
        for _ in 0..200 {
            let tree = strategy::program().new_tree(&mut runner).unwrap();
            let program = proptest::strategy::ValueTree::current(&tree);
            let place = Place { app: 0, cache: 0 };
            let start = program.load(machine, place);
            let trace = oracle::run(machine, place, &start, STEPS_MAX, false);
            counts.push(trace.count());
            let hlt = {
                let rip = trace.last.regs[16];
                trace.end == End::Signal(libc::SIGSEGV) && machine.shared_byte(rip) == Some(0xf4)
            };
            match trace.end {
                End::Cut => cut += 1,
                End::Signal(_) if hlt => natural += 1,
                End::Signal(_) => faults += 1,
            }
        }
    });
    counts.sort_unstable();
    assert!(counts[100] >= 3, "half have {} branches", counts[100]);
    assert!(counts[150] >= 20, "a quarter has {}", counts[150]);
    assert!(
        natural >= 80 && faults >= 20 && cut >= 1,
        "{natural} {faults} {cut}"
    );
}
