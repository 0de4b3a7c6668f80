//! Code in which nothing counts: functions, or any bytes, of random programs.

use crate::cached::{Cached, Ended};
use crate::machine::Machine;
use crate::oracle::{self, End, Limits, Trace, seen};
use crate::program::{Loaded, Program, Random};
use crate::random::{How, STEPS_MAX, cases, compare, how, run};
use crate::strategy;
use pmu::translate::AppState;
use proptest::prelude::*;
use std::ops::Range;

/// Some ranges of a program: whole functions, and any bytes, in the middle of instructions, too.
pub fn some(loaded: &Loaded, random: &mut Random) -> Vec<Range<u64>> {
    let functions = &loaded.functions;
    let mut ranges: Vec<Range<u64>> = functions
        .iter()
        .zip(&functions[1..])
        .filter(|_| random.next().is_multiple_of(2))
        .map(|(start, end)| *start..*end)
        .collect();
    let (start, end) = (functions[0], functions[functions.len() - 1]);
    for _ in 0..random.next() % 4 {
        let at = start + random.next() % (end - start);
        let len = match random.next() % 3 {
            0 => random.next() % 4,
            1 => random.next() % 30,
            _ => random.next() % 300,
        };
        ranges.push(at..at + len);
    }
    ranges
}

/// Whether a branch at an address counts.
pub fn counts(ranges: &[Range<u64>], at: u64) -> bool {
    !ranges.iter().any(|range| range.contains(&at))
}

/// Runs with some ranges, and from a count on with others.
fn check(machine: &Machine, program: &Program, how: &How, seed: u64) -> Result<(), TestCaseError> {
    let place = how.place;
    let mut random = Random(seed);
    let loaded = program.load_whole(machine, place);
    let (first, then) = (some(&loaded, &mut random), some(&loaded, &mut random));
    let change = usize::try_from(random.next() % 12).unwrap();
    let is_counted = |at, count| counts(if count < change { &first } else { &then }, at);
    let limits = Limits {
        is_counted: &is_counted,
        ..Limits::cut(STEPS_MAX)
    };
    let trace = oracle::run_with(machine, place, &loaded.regs, limits, |_| {});
    let mut regs = program.load(machine, place);
    let layout = machine.layout(place, how.code_bytes);
    let mut cached = Cached::new(machine, layout, how.options);
    cached.flush_every = how.flush_every;
    cached.translator.set_uncounted(first);
    let mut done = 0;
    if change == 0 {
        cached.translator.set_uncounted(then);
    } else if change <= trace.count() {
        let left = u64::try_from(change).unwrap();
        let (end, state) = cached.run(&AppState { regs, left });
        prop_assert_eq!(end, Ended::Reached);
        prop_assert_eq!(seen(machine, place, &state.regs), trace.counts[change]);
        cached.translator.set_uncounted(then);
        regs = state.regs;
        done = change;
    }
    let rest = Trace {
        counts: trace.counts[done..].to_vec(),
        ..trace
    };
    let mut stops: Vec<usize> = (1..=rest.count())
        .filter(|_| random.next().is_multiple_of(4))
        .collect();
    if rest.end == End::Cut && rest.count() > 0 && stops.last() != Some(&rest.count()) {
        stops.push(rest.count());
    }
    compare(machine, &mut cached, place, &regs, &rest, &stops)
}

#[test]
fn what_is_not_to_count_does_not() {
    run(
        cases(400),
        (strategy::program(), how(), any::<u64>()),
        |machine, (program, how, seed)| check(machine, &program, &how, seed),
    );
}
