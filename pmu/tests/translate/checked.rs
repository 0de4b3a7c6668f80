//! A check of an address and registers: a thread comes out at every visit with equal registers and
//! flags, at no other, and goes on behind it as if it had not.

use crate::cached::{Cached, Ended};
use crate::machine::{Machine, Place};
use crate::oracle::{self, End, Limits, Seen, Trace, seen};
use crate::program::{Program, Random};
use crate::random::{How, cases, how, run};
use crate::{strategy, uncounted};
use pmu::Regs;
use pmu::translate::{AppState, Check};
use proptest::prelude::*;

/// All states are looked at.
const STEPS_MAX: usize = 250;
/// Where the instruction pointer and the flags are among visible registers.
const RIP: usize = 16;
const FLAGS: usize = 17;

/// A program's execution as visits of its instructions. Iterations of one with a `rep` prefix are one
/// visit: the cache does not stop between them.
pub struct Visits<'a> {
    trace: &'a Trace,
    /// The first step of each.
    steps: Vec<usize>,
}

impl<'a> Visits<'a> {
    pub fn of(trace: &'a Trace) -> Self {
        let rip = |step: usize| trace.steps[step].0.regs[RIP];
        let all = 0..trace.steps.len();
        // No instruction of these programs branches to itself.
        let steps = all.filter(|step| *step == 0 || rip(*step) != rip(step - 1));
        Self {
            trace,
            steps: steps.collect(),
        }
    }

    fn regs(&self, step: usize) -> [u64; 18] {
        self.trace.steps[step].0.regs
    }

    /// A check of some visit; now and then with a bit of one register, or a flag, that is not the visit's.
    pub fn check(&self, random: &mut Random, start: &Regs) -> Check {
        let at = usize::try_from(random.next()).unwrap() % self.steps.len();
        let mut regs = self.regs(self.steps[at]);
        let bit = random.next();
        match random.next() % 8 {
            0 | 1 => regs[usize::try_from(bit >> 8).unwrap() % RIP] ^= 1 << (bit % 64),
            2 => {
                regs[FLAGS] ^= [1, 0x4, 0x10, 0x40, 0x80, 0x800][usize::try_from(bit % 6).unwrap()]
            }
            _ => {}
        }
        check_of(&regs, start)
    }

    /// Steps at which a check's registers are there; its flags, too.
    pub fn equal(&self, check: &Check, flags: bool) -> Vec<usize> {
        let wanted = oracle::visible(&check.regs);
        let compared = if flags { 18 } else { FLAGS };
        let steps = self.steps.iter().copied();
        steps
            .filter(|step| self.regs(*step)[..compared] == wanted[..compared])
            .collect()
    }
}

/// The check of visible registers.
fn check_of(regs: &[u64; 18], start: &Regs) -> Check {
    let regs = Regs {
        rax: regs[0],
        rcx: regs[1],
        rdx: regs[2],
        rbx: regs[3],
        rsp: regs[4],
        rbp: regs[5],
        rsi: regs[6],
        rdi: regs[7],
        r8: regs[8],
        r9: regs[9],
        r10: regs[10],
        r11: regs[11],
        r12: regs[12],
        r13: regs[13],
        r14: regs[14],
        r15: regs[15],
        rip: regs[RIP],
        eflags: regs[FLAGS] | start.eflags & !oracle::FLAGS,
        ..Regs::default()
    };
    Check::of(regs)
}

/// A run that is compared at every match, at stops, and at the end.
struct Run<'a> {
    machine: &'a Machine,
    place: Place,
    visits: &'a Visits<'a>,
    start: Regs,
    cached: Cached<'a>,
    random: Random,
    /// Where the check has yet to match.
    expected: Vec<usize>,
    /// Where it matched last.
    last: Option<usize>,
    /// Exits for the check that there have to be; none if that is not certain any more.
    exits: Option<u64>,
    changes: bool,
}

impl Run<'_> {
    fn set(&mut self, check: Option<Check>, from: usize) {
        self.cached.translator.set_check(check);
        let equal = check.map(|check| self.visits.equal(&check, true));
        let equal = equal.into_iter().flatten();
        self.expected = equal.filter(|step| *step >= from).collect();
    }

    /// Sets another check or none, for what comes from a step on.
    fn change(&mut self, from: usize) {
        self.exits = None;
        let check = match self.random.next() % 3 {
            0 => None,
            _ => Some(self.visits.check(&mut self.random, &self.start)),
        };
        self.set(check, from);
    }

    fn seen(&self, regs: &Regs) -> Seen {
        seen(self.machine, self.place, regs)
    }

    /// A match must be the next that is expected. Returns its step.
    fn matched(&mut self, state: &AppState, count: u64) -> Result<usize, TestCaseError> {
        let here = (self.seen(&state.regs), usize::try_from(count).unwrap());
        let steps = &self.visits.trace.steps;
        // When the cache was emptied, it entered there again.
        if let Some(last) = self.last
            && self.cached.flush_every > 0
            && steps[last] == here
        {
            return Ok(last);
        }
        prop_assert!(!self.expected.is_empty(), "unexpected {state:x?}");
        let step = self.expected.remove(0);
        prop_assert_eq!(&here, &steps[step]);
        self.last = Some(step);
        Ok(step)
    }

    /// Runs from one count to another, or to the end.
    fn part(&mut self, regs: Regs, from: u64, to: Option<u64>) -> Result<Regs, TestCaseError> {
        let far = from + (1 << 40);
        let stop = to.unwrap_or(far);
        let left = stop - from;
        let (mut end, mut state) = self.cached.run(&AppState { regs, left });
        while end == Ended::Matched {
            let step = self.matched(&state, stop - state.left)?;
            if self.random.next().is_multiple_of(4) {
                // One that enters there is checked.
                let again = self.cached.run(&state);
                prop_assert_eq!(again, (Ended::Matched, state));
                self.exits = self.exits.map(|exits| exits + 1);
            }
            if self.changes && self.random.next().is_multiple_of(3) {
                self.change(step + 1);
            }
            (end, state) = self.cached.run_past(&state);
        }
        let trace = self.visits.trace;
        match (to, trace.end) {
            (Some(count), _) => {
                prop_assert_eq!(end, Ended::Reached);
                let count = usize::try_from(count).unwrap();
                prop_assert_eq!(self.seen(&state.regs), trace.counts[count]);
            }
            (None, End::Signal(signal)) => {
                prop_assert_eq!(end, Ended::Signal(signal));
                prop_assert_eq!(self.seen(&state.regs), trace.last);
                prop_assert_eq!(stop - state.left, u64::try_from(trace.count()).unwrap());
            }
            (None, End::Cut) => unreachable!("no end"),
        }
        Ok(state.regs)
    }
}

fn check(machine: &Machine, program: &Program, how: &How, seed: u64) -> Result<(), TestCaseError> {
    let place = how.place;
    let mut random = Random(seed);
    let loaded = program.load_whole(machine, place);
    let ranges = match random.next() % 4 {
        0 => uncounted::some(&loaded, &mut random),
        _ => Vec::new(),
    };
    let limits = Limits {
        all: true,
        is_counted: &|at, _| uncounted::counts(&ranges, at),
        ..Limits::cut(STEPS_MAX)
    };
    let trace = oracle::run_with(machine, place, &loaded.regs, limits, |_| {});
    let visits = Visits::of(&trace);
    let start = program.load(machine, place);
    let layout = machine.layout(place, how.code_bytes);
    let mut cached = Cached::new(machine, layout, how.options);
    // A visit takes more exits with a check, and is checked again when the cache was emptied.
    cached.flush_every = match how.flush_every {
        0 => 0,
        every => every + 4,
    };
    cached.translator.set_uncounted(ranges);
    let check = visits.check(&mut random, &start);
    let mut stops: Vec<usize> = (1..=trace.count())
        .filter(|_| random.next().is_multiple_of(5))
        .collect();
    let last = trace.count();
    if trace.end == End::Cut && last > 0 && stops.last() != Some(&last) {
        stops.push(last);
    }
    if random.next().is_multiple_of(2) {
        // All that leads to the address is there already, and is to find the check all the same.
        let left = 1 << 40;
        let entered = AppState { regs: start, left };
        cached.enter(&entered);
    }
    let mut run = Run {
        machine,
        place,
        visits: &visits,
        start,
        cached,
        changes: random.next().is_multiple_of(3),
        random,
        expected: Vec::new(),
        last: None,
        exits: (how.flush_every == 0).then_some(0),
    };
    run.set(Some(check), 0);
    let (mut regs, mut count) = (start, 0);
    for stop in stops {
        let to = u64::try_from(stop).unwrap();
        regs = run.part(regs, count, Some(to))?;
        count = to;
        if run.changes && run.random.next().is_multiple_of(3) {
            let here = trace.steps.iter().position(|(_, count)| *count == stop);
            run.change(here.unwrap_or(trace.steps.len()));
        }
    }
    if trace.end != End::Cut {
        run.part(regs, count, None)?;
    }
    let is_over = |step: &usize| trace.end != End::Cut || trace.steps[*step].1 < last;
    let missed: Vec<usize> = run.expected.into_iter().filter(is_over).collect();
    prop_assert_eq!(missed, Vec::<usize>::new(), "no match at these steps");
    if let Some(exits) = run.exits {
        let visited = visits.equal(&check, false).into_iter();
        let exits = exits + visited.filter(is_over).count() as u64;
        prop_assert_eq!(run.cached.translator.statistics().check_exits, exits);
    }
    Ok(())
}

#[test]
fn a_thread_comes_out_where_registers_are_those_of_the_check() {
    run(
        cases(600),
        (strategy::program(), how(), any::<u64>()),
        |machine, (program, how, seed)| check(machine, &program, &how, seed),
    );
}
