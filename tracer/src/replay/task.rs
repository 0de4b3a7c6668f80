//! What replay knows of one thread.

use super::fds::Descriptors;
use super::serving::Agent;
use crate::counting::Cache;
use crate::mm::Arguments;
use crate::model::capture::Call;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use journal::{EventIndex, Span, State, Tid};
use pmu::Regs;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// What replay knows of an address space besides what the kernel does.
#[derive(Debug, Clone, Default)]
pub struct Space {
    /// The program break, once the application asked for it.
    pub brk: Option<u64>,
    /// Where it was then.
    pub first_brk: Option<u64>,
    /// What the program was started with.
    pub arguments: Option<Arguments>,
    /// Lengths of attached System V segments, by address.
    pub attached: HashMap<u64, u64>,
    /// The agent in it.
    pub agent: Agent,
    /// Where threads are counted.
    pub cache: OwnCache,
}

/// The code cache of one address space: a copy of that has none.
#[derive(Debug, Default)]
pub struct OwnCache(pub Option<Cache>);

impl Clone for OwnCache {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// The syscall that a thread is in.
#[derive(Debug)]
pub struct InCall {
    /// What is called; `None` for numbers that no kernel knows.
    pub call: Option<Call>,
    /// Registers at entry.
    pub regs: Regs,
    /// The event that it was entered with.
    pub entered: EventIndex,
    /// When that was here, since the machine started, if it has a time-out that counts from then.
    pub begun: Option<Duration>,
}

/// A syscall that a signal interrupted, and that the kernel makes the thread repeat
/// unless a handler is entered first.
#[derive(Debug, Clone, Copy)]
pub struct Restart {
    /// The code left in `rax`.
    pub code: i64,
    /// The syscall's number.
    pub nr: u64,
}

/// One replayed thread.
#[derive(Debug)]
pub struct Task {
    /// Its thread id in the recording.
    pub tid: Tid,
    /// Its process in the recording.
    pub tgid: Tid,
    /// Its thread id here.
    pub real: Pid,
    /// Its stop; `None` only while it runs.
    pub stopped: Option<Stopped>,
    /// Its registers; written to the thread before it is resumed.
    pub regs: Regs,
    /// Its address space.
    pub space: Rc<RefCell<Space>>,
    /// Its descriptors.
    pub fds: Rc<RefCell<Descriptors>>,
    /// The syscall that it is in.
    pub call: Option<InCall>,
    /// To be settled before it executes anything.
    pub restart: Option<Restart>,
    /// The interrupted syscall that `restart_syscall` continues.
    pub interrupted: Option<(u32, [u64; 6])>,
    /// When that was entered, if it matters.
    pub interrupted_begun: Option<Duration>,
    /// Clock reads that the agent will answer before its next stop.
    pub clocks: Vec<[i64; 2]>,
    /// Its state at the position that its next event names.
    pub expected: Option<State>,
    /// What counts as zero in that.
    pub in_flight: Vec<Span>,
    /// It has not executed any program of the application yet.
    pub prelude: bool,
}
