//! The supervisor's part, played by the test: a program that runs through the code cache.

use crate::machine::Machine;
use crate::oracle::fix_pushed_flags;
use crate::sys::{Go, Stop};
use pmu::Regs;
use pmu::translate::{
    AppState, Data, Exit, INSTRUCTION_BYTES_MAX, Layout, Options, Special, Step, TranslateError,
    Translator, step,
};

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The count was reached.
    Reached,
    /// The check's address was, with its registers and flags.
    Matched,
    /// A signal.
    Signal(i32),
}

/// A program in the cache.
pub struct Cached<'a> {
    machine: &'a Machine,
    pub translator: Translator,
    data: u64,
    /// Empty the cache at every so many exits; 0 for never. At every single one nothing would get on.
    pub flush_every: u64,
    exits: u64,
}

/// More exits than any test program has.
const EXITS_MAX: u64 = 20_000;

impl<'a> Cached<'a> {
    pub fn new(machine: &'a Machine, layout: Layout, options: Options) -> Self {
        let data = layout.data;
        // What an earlier program left in the tables.
        let zero = [0u8; 1 << 12];
        for page in (0..pmu::translate::DATA_BYTES).step_by(zero.len()) {
            if machine.read::<4096>(data + page) != zero {
                machine.write(data + page, &zero);
            }
        }
        let mut cached = Self {
            machine,
            data,
            translator: Translator::new(layout, options).expect("a good layout"),
            flush_every: 0,
            exits: 0,
        };
        cached.apply();
        cached
    }

    fn apply(&mut self) {
        for write in self.translator.take_writes().iter() {
            self.machine.write(write.address, write.bytes);
        }
    }

    pub fn data(&self) -> Data {
        Data::parse(&self.machine.read(self.data))
    }

    /// Enters the cache with the application's state.
    pub fn enter(&mut self, state: &AppState) -> Regs {
        let rip = self
            .translator
            .enter(self.machine, state.regs.rip, state.left);
        self.go_on(rip, state)
    }

    /// Enters it behind a check.
    pub fn pass(&mut self, state: &AppState) -> Regs {
        let rip = self.translator.pass(self.machine, state);
        self.go_on(rip, state)
    }

    fn go_on(&mut self, rip: Result<u64, TranslateError>, state: &AppState) -> Regs {
        let rip = rip.expect("room for a block");
        let regs = Regs { rip, ..state.regs };
        self.apply();
        self.machine.child.set_regs(&regs);
        regs
    }

    /// Runs from a state on, until no branch is left, the check matches or the program ends.
    pub fn run(&mut self, state: &AppState) -> (Ended, AppState) {
        self.enter(state);
        self.wait()
    }

    /// The same from behind a check.
    pub fn run_past(&mut self, state: &AppState) -> (Ended, AppState) {
        self.pass(state);
        self.wait()
    }

    fn wait(&mut self) -> (Ended, AppState) {
        loop {
            let stop = self.machine.child.go(Go::Run);
            let regs = self.machine.child.regs();
            if let Some(end) = self.stopped(stop, &regs) {
                return end;
            }
        }
    }

    /// What a stop means; none if the program is to go on, with registers that are set already.
    pub fn stopped(&mut self, stop: Stop, regs: &Regs) -> Option<(Ended, AppState)> {
        let data = self.data();
        let signal = match stop {
            Stop::Syscall => return self.exit(regs, &data),
            Stop::Signal(signal) => signal,
            Stop::Gone => panic!("the child is gone"),
        };
        // A signal shows the application's state, whatever the cache was doing.
        let state = self.translator.application_state(regs, &data);
        let state = state.unwrap_or_else(|roll| panic!("{roll} at {:#x}", regs.rip));
        Some((Ended::Signal(signal), state))
    }

    /// Handles an exit.
    pub fn exit(&mut self, regs: &Regs, data: &Data) -> Option<(Ended, AppState)> {
        self.exits += 1;
        assert!(
            self.exits < EXITS_MAX,
            "an endless program at {:x?}, {:?}",
            self.translator.application_state(regs, data),
            self.translator.statistics(),
        );
        let exit = self.translator.exit(self.machine, regs, data);
        let (special, state) = match exit.expect("a known exit") {
            Exit::Resume(regs) => {
                self.resume(&regs, data);
                return None;
            }
            Exit::Reached(state) => return Some((Ended::Reached, state)),
            Exit::Matched(state) => return Some((Ended::Matched, state)),
            Exit::Special { special, state, .. } => (special, state),
        };
        self.native(special, state)
    }

    /// Goes on in the cache; or, now and then, empties it first.
    fn resume(&mut self, regs: &Regs, data: &Data) {
        let due = self.flush_every != 0 && self.exits.is_multiple_of(self.flush_every);
        if due && let Ok(state) = self.translator.application_state(regs, data) {
            self.translator.flush();
            self.enter(&state);
            return;
        }
        self.apply();
        self.machine.child.set_regs(regs);
    }

    /// Executes one instruction at its own address, and enters the cache again.
    pub fn native(&mut self, special: Special, state: AppState) -> Option<(Ended, AppState)> {
        let mut code = [0; INSTRUCTION_BYTES_MAX];
        pmu::translate::Code::read(self.machine, state.regs.rip, &mut code);
        self.machine.child.set_regs(&state.regs);
        let stop = self.machine.child.go(Go::Step);
        let regs = self.machine.child.regs();
        let counts = step(&code) == Step::Counts && self.translator.is_counted(state.regs.rip);
        let left = state.left - u64::from(counts);
        fix_pushed_flags(self.machine, &code, &regs);
        let state = AppState { regs, left };
        match stop {
            Stop::Signal(libc::SIGTRAP) if special != Special::Int3 => {}
            Stop::Signal(signal) => return Some((Ended::Signal(signal), state)),
            other => panic!("{other:?}"),
        }
        if left == 0 {
            return Some((Ended::Reached, state));
        }
        self.enter(&state);
        None
    }
}
