//! Preemption anywhere: at every instruction in the cache, the state that the map tells is one of the
//! oracle's, with its count; and a thread that enters again from there goes on as if nothing had been.

use crate::cached::{Cached, Ended};
use crate::checked::Visits;
use crate::machine::{Machine, Place};
use crate::oracle::{self, End, Limits, Trace, fix_pushed_flags, seen, visible};
use crate::program::{Program, Random};
use crate::random::{How, cases, how, run};
use crate::strategy;
use crate::sys::{Go, Stop};
use crate::uncounted;
use pmu::translate::{AppState, Check, Roll};
use proptest::prelude::*;

const STEPS_MAX: usize = 120;
/// About as many instructions as a check has. Who enters at its address begins with it again.
const CHECK_INSNS: u64 = 60;
/// The same where code is verified.
const VERIFY_INSNS: u64 = 200;
/// Steps in a row that may show no state.
const ROLLS_MAX: usize = 8;

struct Follower<'a> {
    machine: &'a Machine,
    place: Place,
    trace: &'a Trace,
    /// Where in the trace the thread is.
    index: usize,
    /// The count at the next stop.
    stop: u64,
    rolls: usize,
    check: Option<Check>,
    /// The steps at which the check has to match.
    expected: Vec<usize>,
    /// The step at which it did last.
    matched: Option<usize>,
}

impl Follower<'_> {
    /// The thread's state must be the one it was in, or the next.
    fn see(&mut self, state: &AppState) -> Result<(), TestCaseError> {
        self.rolls = 0;
        let now = seen(self.machine, self.place, &state.regs);
        let count = self.stop - state.left;
        let here = |index: usize| {
            let (then, counted) = self.trace.steps.get(index)?;
            (now == *then && count == u64::try_from(*counted).unwrap()).then_some(index)
        };
        match here(self.index).or_else(|| here(self.index + 1)) {
            Some(index) => {
                let was = std::mem::replace(&mut self.index, index);
                self.left_behind(was, index)
            }
            None => Err(TestCaseError::fail(format!(
                "{now:x?} with {count} is neither {:x?} nor {:x?}",
                self.trace.steps.get(self.index),
                self.trace.steps.get(self.index + 1),
            ))),
        }
    }

    /// Between two steps that are not the same, it must have come out if it should.
    fn left_behind(&self, was: usize, now: usize) -> Result<(), TestCaseError> {
        let is_due = was != now && self.expected.contains(&was);
        prop_assert!(!is_due || self.matched == Some(was), "no match at {was}");
        Ok(())
    }

    /// The check matched: here, and rightly. Whoever enters in the middle of an instruction with a `rep`
    /// prefix is checked there, too.
    fn matches(&mut self, state: &AppState) -> Result<(), TestCaseError> {
        self.see(state)?;
        let wanted = self.check.map(|check| visible(&check.regs));
        prop_assert_eq!(Some(visible(&state.regs)), wanted);
        self.matched = Some(self.index);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.index + 1 >= self.trace.steps.len()
    }
}

fn check(machine: &Machine, program: &Program, how: &How, seed: u64) -> Result<(), TestCaseError> {
    let place = how.place;
    let mut random = Random(seed);
    let loaded = program.load_whole(machine, place);
    let ranges = match random.next() % 3 {
        0 => uncounted::some(&loaded, &mut random),
        _ => Vec::new(),
    };
    let limits = Limits {
        all: true,
        is_counted: &|at, _| uncounted::counts(&ranges, at),
        ..Limits::cut(STEPS_MAX)
    };
    let trace = oracle::run_with(machine, place, &loaded.regs, limits, |_| {});
    let start = program.load(machine, place);
    let layout = machine.layout(place, how.code_bytes);
    let mut cached = Cached::new(machine, layout, how.options);
    cached.translator.set_uncounted(ranges);
    let visits = Visits::of(&trace);
    let check = match random.next() % 6 {
        0 => None,
        _ => Some(visits.check(&mut random, &start)),
    };
    cached.translator.set_check(check);
    let expected = check.map(|check| visits.equal(&check, true));
    let expected = expected.unwrap_or_default();
    let mut follower = Follower {
        machine,
        place,
        trace: &trace,
        index: 0,
        stop: 0,
        rolls: 0,
        check,
        expected,
        matched: None,
    };
    let left = 1 + random.next() % 12;
    follower.stop = left;
    cached.enter(&AppState { regs: start, left });
    while !follower.is_over() {
        let regs = machine.child.regs();
        let data = cached.data();
        if regs.rip == cached.translator.gate_address() {
            let Some((end, state)) = cached.exit(&regs, &data) else {
                continue;
            };
            match end {
                Ended::Signal(signal) => return ended(&follower, signal, &state),
                Ended::Matched => {
                    follower.matches(&state)?;
                    cached.pass(&state);
                    continue;
                }
                Ended::Reached => follower.see(&state)?,
            }
            let left = 1 + random.next() % 12;
            follower.stop += left;
            let regs = state.regs;
            cached.enter(&AppState { regs, left });
            continue;
        }
        match cached.translator.application_state(&regs, &data) {
            Ok(state) => {
                follower.see(&state)?;
                // With 0 it has arrived already, on its way out.
                let checked = check.is_some_and(|check| check.regs.rip == state.regs.rip);
                let every = match program.patches {
                    true => VERIFY_INSNS,
                    false if checked => CHECK_INSNS,
                    false => 6,
                };
                if state.left > 0 && random.next().is_multiple_of(every) {
                    cached.enter(&state);
                    continue;
                }
            }
            Err(Roll::Step) => {
                follower.rolls += 1;
                prop_assert!(
                    follower.rolls <= ROLLS_MAX,
                    "too many steps without a state"
                );
            }
            Err(roll) => return Err(TestCaseError::fail(format!("{roll} {regs:x?}"))),
        }
        let code: [u8; 2] = machine.read(regs.rip);
        let stop = machine.child.go(Go::Step);
        let after = machine.child.regs();
        match stop {
            Stop::Signal(libc::SIGTRAP) => fix_pushed_flags(machine, &code, &after),
            other => {
                let Some((Ended::Signal(signal), state)) = cached.stopped(other, &after) else {
                    panic!("{other:?}");
                };
                return ended(&follower, signal, &state);
            }
        }
    }
    Ok(())
}

/// A signal must be the oracle's, at its place.
fn ended(follower: &Follower<'_>, signal: i32, state: &AppState) -> Result<(), TestCaseError> {
    let trace = follower.trace;
    follower.left_behind(follower.index, trace.steps.len())?;
    prop_assert_eq!(trace.end, End::Signal(signal));
    prop_assert_eq!(
        seen(follower.machine, follower.place, &state.regs),
        trace.last
    );
    let count = u64::try_from(trace.count()).unwrap();
    prop_assert_eq!(follower.stop - state.left, count);
    Ok(())
}

#[test]
fn the_state_is_exact_wherever_a_thread_is_preempted() {
    run(
        cases(250),
        (strategy::program(), how(), any::<u64>()),
        |machine, (program, how, seed)| check(machine, &program, &how, seed),
    );
}
