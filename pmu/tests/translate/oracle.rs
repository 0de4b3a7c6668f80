//! The oracle: a program executed natively, one step at a time.

use crate::machine::{Machine, Place};
use crate::sys::{Go, Stop};
use pmu::Regs;
use pmu::translate::{INSTRUCTION_BYTES_MAX, Step, step};

/// Flags that a program sees: arithmetic, and the direction.
pub const FLAGS: u64 = 0xcd5;
const TRAP: u64 = 1 << 8;

/// What of a state is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub regs: [u64; 18],
    pub memory: u64,
    pub xstate: u64,
}

/// Registers as a program sees them.
pub fn visible(regs: &Regs) -> [u64; 18] {
    [
        regs.rax,
        regs.rcx,
        regs.rdx,
        regs.rbx,
        regs.rsp,
        regs.rbp,
        regs.rsi,
        regs.rdi,
        regs.r8,
        regs.r9,
        regs.r10,
        regs.r11,
        regs.r12,
        regs.r13,
        regs.r14,
        regs.r15,
        regs.rip,
        regs.eflags & FLAGS,
    ]
}

/// The state of a stopped child whose application has these registers.
pub fn seen(machine: &Machine, place: Place, regs: &Regs) -> Seen {
    Seen {
        regs: visible(regs),
        memory: machine.memory_hash(place),
        xstate: machine.xstate_hash(),
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a signal.
    Signal(i32),
    /// It did not, within the steps it was given.
    Cut,
}

/// A whole execution.
#[derive(Debug)]
pub struct Trace {
    /// The state at count 0 (the start), 1, 2, ...
    pub counts: Vec<Seen>,
    /// The state before every instruction, with the count, if that was asked for.
    pub steps: Vec<(Seen, usize)>,
    pub end: End,
    /// The state at the end.
    pub last: Seen,
}

impl Trace {
    pub fn count(&self) -> usize {
        self.counts.len() - 1
    }
}

/// Executes a program from its first registers on, at most so many steps.
pub fn run(machine: &Machine, place: Place, start: &Regs, steps_max: usize, all: bool) -> Trace {
    let limits = Limits {
        all,
        ..Limits::cut(steps_max)
    };
    run_with(machine, place, start, limits, |_| {})
}

/// What an execution is to be, and what of it is to be kept.
pub struct Limits<'a> {
    /// Steps at most.
    pub steps_max: usize,
    /// Keep all states.
    pub all: bool,
    /// Whether a branch counts, by its address and the count before it.
    pub is_counted: &'a dyn Fn(u64, usize) -> bool,
}

impl Limits<'_> {
    /// So many steps at most, of which all branches count.
    pub fn cut(steps_max: usize) -> Self {
        Self {
            steps_max,
            all: false,
            is_counted: &|_, _| true,
        }
    }
}

/// The same, and does something at every count.
pub fn run_with(
    machine: &Machine,
    place: Place,
    start: &Regs,
    limits: Limits<'_>,
    mut at_count: impl FnMut(usize),
) -> Trace {
    let mut regs = *start;
    machine.child.set_regs(&regs);
    let first = seen(machine, place, &regs);
    let mut trace = Trace {
        counts: vec![first],
        steps: Vec::new(),
        end: End::Cut,
        last: first,
    };
    for _ in 0..limits.steps_max {
        let at = regs.rip;
        let code: [u8; INSTRUCTION_BYTES_MAX] = code_at(machine, regs.rip);
        if limits.all {
            let now = seen(machine, place, &regs);
            trace.steps.push((now, trace.count()));
        }
        let stop = machine.child.go(Go::Step);
        regs = machine.child.regs();
        match stop {
            Stop::Signal(libc::SIGTRAP) => {}
            Stop::Signal(signal) => {
                trace.end = End::Signal(signal);
                trace.last = seen(machine, place, &regs);
                return trace;
            }
            other => panic!("{other:?}"),
        }
        fix_pushed_flags(machine, &code, &regs);
        if step(&code) == Step::Counts && (limits.is_counted)(at, trace.count()) {
            let now = seen(machine, place, &regs);
            trace.counts.push(now);
            at_count(trace.count());
        }
    }
    trace.last = seen(machine, place, &regs);
    trace
}

/// The bytes at an address; zeros where nothing is mapped.
fn code_at<const N: usize>(machine: &Machine, at: u64) -> [u8; N] {
    let mut code = [0; N];
    pmu::translate::Code::read(machine, at, &mut code);
    code
}

/// `pushf` under single-stepping pushes the trap flag.
pub fn fix_pushed_flags(machine: &Machine, code: &[u8], after: &Regs) {
    if code[0] == 0x9c {
        let flags = u64::from_le_bytes(machine.read(after.rsp));
        machine.write(after.rsp, &(flags & !TRAP).to_le_bytes());
    }
}
