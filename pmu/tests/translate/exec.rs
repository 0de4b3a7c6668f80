//! Whole programs through the code cache: the test plays a supervisor that executes their system calls
//! natively.

use crate::sys::{Child, Go, Stop};
use pmu::Regs;
use pmu::translate::{
    AppState, Code, DATA_BYTES, DATA_READ_BYTES, Data, Exit, INSTRUCTION_BYTES_MAX, Layout,
    Options, Statistics, Step, Translator, step,
};
use std::ffi::CString;

/// How a program ended and what it took.
#[derive(Debug)]
pub struct Outcome {
    /// As `wait` says it.
    pub status: i32,
    /// Its own time in user code, ns.
    pub user_ns: u64,
    /// Conditional branches.
    pub count: u64,
    pub statistics: Statistics,
    /// Instructions executed natively: system calls and others.
    pub natively: u64,
}

/// Where the cache is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Near {
    /// In reach of the libraries.
    Libraries,
    /// In reach of the program, at the address where programs that do not care are.
    Program,
    /// In reach of programs with a fixed address.
    Low,
}

impl Code for Child {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        Child::read(self, at, into)
    }
}

struct Session<'a> {
    child: &'a Child,
    translator: Translator,
    layout: Layout,
    left: u64,
    natively: u64,
}

/// The distance to a stop that is never reached.
const FAR: u64 = 1 << 60;
const SYS_MMAP: u64 = 9;

/// Runs a program natively. Returns its status and its time in user code.
pub fn native(arguments: &[CString], output: i32) -> (i32, u64) {
    let child = Child::exec(arguments, output).expect("the program starts");
    let status = child.run_to_end();
    (status, child.used_ns().0)
}

/// Runs a program through the cache.
pub fn translated(
    arguments: &[CString],
    output: i32,
    code_bytes: u64,
    near: Near,
    options: Options,
) -> Outcome {
    let child = Child::exec(arguments, output).expect("the program starts");
    let start = child.regs();
    let base = match near {
        Near::Libraries => (start.rip & !0xfff_ffff) - 0x4000_0000,
        Near::Program => 0x5555_1000_0000,
        Near::Low => 0x2000_0000,
    };
    map(&child, &start, base, code_bytes + DATA_BYTES);
    let layout = Layout::contiguous(base, code_bytes);
    let translator = Translator::new(layout.clone(), options).expect("a good layout");
    let mut session = Session {
        child: &child,
        translator,
        layout,
        left: FAR,
        natively: 0,
    };
    session.run(start);
    Outcome {
        status: child.status(),
        user_ns: child.used_ns().0,
        count: FAR - session.left,
        statistics: session.translator.statistics(),
        natively: session.natively,
    }
}

/// Makes the child map memory, with one of its own `syscall` instructions.
fn map(child: &Child, start: &Regs, at: u64, len: u64) {
    let fixed_noreplace = 0x10_0022;
    let regs = Regs {
        rax: SYS_MMAP,
        rdi: at,
        rsi: len,
        rdx: 7,
        r10: fixed_noreplace,
        r8: u64::MAX,
        r9: 0,
        ..*start
    };
    let result = perform(child, start, &regs);
    assert_eq!(result, at, "room for the cache");
}

/// Performs a system call with these registers at a `syscall` instruction near the start.
fn perform(child: &Child, start: &Regs, regs: &Regs) -> u64 {
    let mut code = vec![0u8; 0x20000];
    let len = Child::read(child, start.rip, &mut code);
    let offset = code[..len]
        .windows(2)
        .position(|bytes| bytes == [0x0f, 0x05])
        .expect("the program's start has a system call");
    let rip = start.rip + offset as u64;
    child.set_regs(&Regs { rip, ..*regs });
    assert_eq!(child.go(Go::Step), Stop::Signal(libc::SIGTRAP));
    let result = child.regs().rax;
    child.set_regs(start);
    result
}

impl Session<'_> {
    fn run(&mut self, start: Regs) {
        self.enter(start);
        loop {
            match self.child.go(Go::Run) {
                Stop::Gone => return,
                Stop::Syscall => self.exit(),
                Stop::Signal(signal) => self.signal(signal),
            }
        }
    }

    fn apply(&mut self) {
        let writes = self.translator.take_writes();
        let list: Vec<(u64, &[u8])> = writes
            .iter()
            .map(|write| (write.address, write.bytes))
            .collect();
        self.child.write(&list).expect("the cache is there");
    }

    fn data(&self) -> Data {
        let mut bytes = [0; DATA_READ_BYTES];
        let len = Child::read(self.child, self.layout.data, &mut bytes);
        assert_eq!(len, bytes.len());
        Data::parse(&bytes)
    }

    fn enter(&mut self, regs: Regs) {
        let rip = self
            .translator
            .enter(self.child, regs.rip, self.left)
            .expect("room");
        self.apply();
        self.child.set_regs(&Regs { rip, ..regs });
    }

    fn exit(&mut self) {
        let (regs, data) = (self.child.regs(), self.data());
        match self.translator.exit(self.child, &regs, &data) {
            Ok(Exit::Resume(regs)) => {
                self.apply();
                self.child.set_regs(&regs);
            }
            Ok(Exit::Special { state, .. }) => self.native(&state),
            other => panic!("{other:?}"),
        }
    }

    /// Executes one instruction natively.
    fn native(&mut self, state: &AppState) {
        self.natively += 1;
        self.left = state.left;
        let mut code = [0; INSTRUCTION_BYTES_MAX];
        Child::read(self.child, state.regs.rip, &mut code);
        self.child.set_regs(&state.regs);
        match self.child.go(Go::Step) {
            Stop::Gone => return,
            Stop::Signal(libc::SIGTRAP) => {}
            Stop::Signal(signal) => return self.deliver(signal),
            Stop::Syscall => panic!("a step performs the call"),
        }
        self.left -= u64::from(step(&code) == Step::Counts);
        if code.starts_with(&[0x0f, 0x05]) {
            self.mappings_changed(&state.regs);
        }
        self.enter(self.child.regs());
    }

    /// What a system call did to mappings.
    fn mappings_changed(&mut self, call: &Regs) {
        let range = |at: u64, len: u64| at..at.saturating_add(len);
        match call.rax {
            9 => {
                let at = self.child.regs().rax;
                self.translator.invalidate(range(at, call.rsi));
            }
            10 | 11 | 25 => self.translator.invalidate(range(call.rdi, call.rsi)),
            _ => {}
        }
    }

    fn signal(&mut self, signal: i32) {
        let (regs, data) = (self.child.regs(), self.data());
        if let Ok(state) = self.translator.application_state(&regs, &data) {
            self.left = state.left;
            self.child.set_regs(&state.regs);
        }
        self.deliver(signal);
    }

    /// Delivers a signal; a handler runs in the cache, too.
    fn deliver(&mut self, signal: i32) {
        match self.child.deliver(signal) {
            Stop::Gone => {}
            Stop::Signal(libc::SIGTRAP) => self.enter(self.child.regs()),
            other => panic!("{other:?}"),
        }
    }
}
