//! What the recorder knows of one thread.

use super::counting::Counted;
use super::doubt::Doubt;
use super::serving::Answers;
use super::traps::Signals;
use crate::agent::inside::Area;
use crate::model::capture::{Call, CaptureError, Entry, Memory};
use crate::sys::host;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::{Pid, Status};
use journal::{Args, Enter, Tid, Write};
use pmu::Regs;
use std::collections::VecDeque;
use std::fs::File;
use std::time::Duration;

/// An address space, shared by the threads (and `vfork` children) that have its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId(pub u32);

/// Where a thread stands.
#[derive(Debug)]
pub enum State {
    /// Stopped at a sync point, or (with a `call`) at the entry of that syscall, all of it
    /// journaled: may be resumed.
    Runnable(Stopped),
    /// Stopped with a report that is looked at once it has the logical CPU.
    Reported(Stopped, Status),
    /// Has the logical CPU, in user mode or in a syscall that need not wait.
    Running,
    /// Waits in a syscall, without the logical CPU.
    Waiting,
    /// Computes without the logical CPU, in memory that nobody else can see.
    Apart,
    /// In a group stop.
    Halted,
    /// Past its last instruction.
    Ending,
}

/// A syscall between its entry and its exit.
#[derive(Debug)]
pub struct InCall {
    /// What is called.
    pub call: Call,
    /// What the capture at exit needs from the entry.
    pub entry: Entry,
    /// The journal's record of the entry.
    pub enter: Enter<'static>,
    /// Whether that record is in the journal.
    pub emitted: bool,
    /// This version does not know what it reads and writes: it is recorded only if the
    /// kernel does not know it either.
    pub doubt: Option<Doubt>,
    /// Registers at entry, as the application set them.
    pub regs: Regs,
    /// Bytes at the beginning of what it asked for that were done before: before a takeover, or
    /// by the agent.
    pub done: i64,
    /// It was made again with a shorter time-out, or for a part only: the registers at its entry
    /// are to be put back.
    pub again: bool,
    /// When it began first, since the machine started.
    pub begun: Duration,
    /// The application takes notice of what has ended it.
    pub noticed: bool,
}

impl InCall {
    /// A call at its entry, of which the journal has nothing yet.
    pub fn new(call: Call, entry: Entry, enter: Enter<'static>, regs: Regs) -> Self {
        Self {
            call,
            entry,
            enter,
            emitted: false,
            doubt: None,
            regs,
            done: 0,
            again: false,
            begun: host::uptime(),
            noticed: false,
        }
    }

    /// The same, with what it reads of `memory`. `regs` are those at its entry.
    pub fn at_entry(call: Call, regs: Regs, memory: &dyn Memory) -> Result<Self, CaptureError> {
        let (entry, ins) = call.enter(memory)?;
        let enter = Enter {
            nr: call.def.nr,
            args: Args::new(regs.args(), call.def.args.len()),
            ip: regs.rip,
            signature: regs.signature(),
            ins,
        };
        Ok(Self::new(call, entry, enter, regs))
    }
}

/// A thread by both its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// The supervisor's.
    pub tid: Pid,
    /// The application's.
    pub id: Tid,
    /// Its process, by the application's name.
    pub process: Tid,
}

impl From<&Task> for Thread {
    fn from(task: &Task) -> Self {
        Self {
            tid: task.tid,
            id: task.id,
            process: task.process,
        }
    }
}

/// One traced thread.
#[derive(Debug)]
pub struct Task {
    /// Its thread id, as the supervisor's kernel interfaces know it.
    pub tid: Pid,
    /// Its thread id, as the application and the journal know it.
    pub id: Tid,
    /// Its process.
    pub tgid: Pid,
    /// Its process, as the application and the journal know it.
    pub process: Tid,
    /// Its address space.
    pub space: SpaceId,
    /// Where it stands.
    pub state: State,
    /// The syscall that it is in.
    pub call: Option<InCall>,
    /// Signals that came between sync points, until the next one.
    pub stash: VecDeque<[u8; 128]>,
    /// Of those, the ones that were sent again and are pending in the kernel.
    pub sent: VecDeque<[u8; 128]>,
    /// Signals (bit `number - 1`) that the next stop reports as if an instruction had raised
    /// them, and that were waiting before the thread executed anything.
    pub forged: u64,
    /// Its signals, as far as traps disturb them.
    pub signals: Signals,
    /// Registers at the last sync point.
    pub sync_regs: Regs,
    /// That sync point is a syscall about to be made, set back for a signal's sake.
    pub set_back: bool,
    /// The syscall that `restart_syscall` would continue.
    pub interrupted: Option<(u32, [u64; 6])>,
    /// The kernel does not know of it: the supervisor makes it anew. When it began first, since the
    /// machine started, if that matters.
    pub restarts: Option<Option<Duration>>,
    /// Head of its robust futex list.
    pub robust_list: u64,
    /// Address that the kernel clears at its end.
    pub clear_tid: u64,
    /// The application installed a seccomp filter of its own.
    pub own_filter: bool,
    /// It is in seccomp's strict mode. (No clone is allowed there: nobody inherits it.)
    pub strict: bool,
    /// With such a filter: registers at the entry of a syscall that the filter is looking at.
    pub at_filter: Option<Regs>,
    /// That entry is in the journal: the filter makes the thread wait.
    pub filter_emitted: bool,
    /// With such a filter: the exit stop of a syscall that was answered already follows.
    pub exit_follows: bool,
    /// The application forbade itself the time stamp counter: reading it is a fault.
    pub tsc_denied: bool,
    /// Reading the time stamp counter traps in the kernel's view.
    pub counter_traps: bool,
    /// CPUs that the application believes to have confined it to.
    pub affinity: Option<Vec<u8>>,
    /// The id that it had when it called `execve`, until that has returned.
    pub exec_former: Option<Tid>,
    /// What the kernel will write if the `execve` that it is in succeeds.
    pub exec_words: Vec<Write<'static>>,
    /// It was interrupted, and is to go on without the logical CPU.
    pub to_go_apart: bool,
    /// Its next call is to stop, and to wait where everybody sees it.
    pub is_seen: bool,
    /// Where the agent keeps what concerns it.
    pub area: Area,
    /// It waits in its call inside the agent, without the CPU.
    pub parked: bool,
    /// Its process has been stopped while it was in the agent: it is to stop behind that.
    pub stops_outside: bool,
    /// What calls give it that nobody else changes.
    pub answers: Answers,
    /// What is counted of it.
    pub counted: Counted,
    /// Its end is in the journal.
    pub end_emitted: bool,
    /// `/proc/<tid>/stat`, kept open.
    pub stat: Option<File>,
}

impl Task {
    /// The first thread of a process, at its first stop.
    #[must_use]
    pub fn new(tid: Pid, id: Tid, space: SpaceId, state: State) -> Self {
        Self {
            tid,
            id,
            tgid: tid,
            process: id,
            space,
            state,
            call: None,
            stash: VecDeque::new(),
            sent: VecDeque::new(),
            forged: 0,
            signals: Signals::default(),
            sync_regs: Regs::default(),
            set_back: false,
            interrupted: None,
            restarts: None,
            robust_list: 0,
            clear_tid: 0,
            own_filter: false,
            strict: false,
            at_filter: None,
            filter_emitted: false,
            exit_follows: false,
            tsc_denied: false,
            counter_traps: true,
            affinity: None,
            exec_former: None,
            exec_words: Vec::new(),
            to_go_apart: false,
            is_seen: false,
            area: Area::COMMON,
            parked: false,
            stops_outside: false,
            answers: Answers::default(),
            counted: Counted::default(),
            end_emitted: false,
            stat: File::open(format!("/proc/{tid}/stat")).ok(),
        }
    }

    /// Takes over what a thread made with these `CLONE_` flags has of its parent.
    pub fn inherit(&mut self, parent: &Self, flags: u64) {
        self.own_filter = parent.own_filter;
        self.tsc_denied = parent.tsc_denied;
        self.counter_traps = parent.counter_traps;
        self.affinity.clone_from(&parent.affinity);
        self.signals = parent.signals.inherited(flags);
    }

    /// A syscall is skipped at its entry: under an own filter, whose threads stop at every
    /// exit, that exit is still to come.
    pub const fn skips_syscall(&mut self) {
        self.exit_follows = self.own_filter;
    }

    /// The stop it stands in, taken out; the state becomes `Running`.
    pub fn take_stop(&mut self) -> Option<Stopped> {
        match std::mem::replace(&mut self.state, State::Running) {
            State::Runnable(stopped) | State::Reported(stopped, _) => Some(stopped),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The letter that the kernel gives for its state (`S`: sleeping, `R`: running …);
    /// `None` once it is gone.
    pub fn kernel_state(&mut self) -> Option<u8> {
        use std::os::unix::fs::FileExt;
        let mut text = [0u8; 512];
        if self.stat.is_none() {
            // Descriptors were short when it was born.
            self.stat = File::open(format!("/proc/{}/stat", self.tid)).ok();
        }
        let len = self.stat.as_ref()?.read_at(&mut text, 0).ok()?;
        // The name, in parentheses, may contain anything; the last ") " ends it.
        let end = text[..len].windows(2).rposition(|pair| pair == b") ")?;
        text.get(end + 2).copied()
    }
}
