//! The replay's main loop: one event after another.

use super::error::{Divergence, ReplayError};
use super::fds::Descriptors;
use super::observed::Observed;
use super::serving::Waiting;
use super::shadow::Shadow;
use super::stub;
use super::task::{Space, Task};
use super::{Sink, check};
use crate::agent;
use crate::backtrace;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::{self, Pid, Status, Whom};
use crate::sys::{fork, host};
use journal::{ClockRead, Event, EventIndex, FileId, FileStore, ObjectId, Start, Tid};
use pmu::Regs;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A kept file of the recording.
pub(super) struct Kept {
    pub hash: u128,
    pub path: Vec<u8>,
    pub file: Option<File>,
    /// Its content was compared with its hash.
    pub checked: bool,
}

/// A replay in progress.
pub struct Session {
    pub(super) tasks: FxHashMap<Tid, Task>,
    /// First threads that ended before others of their process: recorded and real id.
    pub(super) zombies: HashMap<Tid, Pid>,
    pub(super) store: FileStore,
    pub(super) files: HashMap<FileId, Kept>,
    pub(super) objects: HashMap<ObjectId, File>,
    /// Shared objects have numbers below this.
    pub(super) next_object: u32,
    /// How many kept files are open.
    pub(super) open_files: usize,
    stub: File,
    pub(super) current: Tid,
    pub(super) index: EventIndex,
    /// Bytes of the mapping made last.
    pub(super) attached_len: u64,
    /// What the replayed program did so far.
    pub(super) observed: Observed,
    /// Calls that the agent is going to serve.
    pub(super) waiting: Waiting,
    /// The current thread has stopped already, for this.
    pub(super) stands_at: Option<Status>,
    /// Branches are counted instruction by instruction.
    pub(super) stepped: bool,
    /// Kernel objects are kept real, too.
    pub(super) shadow: Option<Box<Shadow>>,
    pub(super) first: Tid,
    pub(super) status: Option<i32>,
}

impl Session {
    /// Nothing replayed yet.
    pub(crate) fn new(dir: &Path) -> Result<Self, ReplayError> {
        let mut stub_file =
            host::memory_file(c"ftrun-stub").map_err(ReplayError::os("making a file in memory"))?;
        stub_file
            .write_all(&stub::image())
            .map_err(ReplayError::os("writing a file in memory"))?;
        Ok(Self {
            tasks: FxHashMap::default(),
            zombies: HashMap::new(),
            store: FileStore::open(dir)?,
            files: HashMap::new(),
            objects: HashMap::new(),
            next_object: 0,
            open_files: 0,
            stub: stub_file,
            current: Tid(0),
            index: EventIndex(0),
            attached_len: 0,
            observed: Observed::default(),
            waiting: Waiting::default(),
            stands_at: None,
            stepped: false,
            shadow: None,
            first: Tid(0),
            status: None,
        })
    }

    /// Keeps kernel objects real from now on.
    pub(crate) fn follow_with(&mut self, shadow: Shadow) {
        self.shadow = Some(Box::new(shadow));
    }

    /// The namespaces of a shadow.
    pub(crate) fn namespaces(&self) -> Option<&crate::namespaces::Namespaces> {
        self.shadow.as_ref().map(|shadow| shadow.namespaces())
    }

    /// A digest of what the replayed program did.
    pub(crate) fn observed_digest(&self) -> u128 {
        self.observed.digest()
    }

    /// Reproduces one event.
    pub(super) fn apply(
        &mut self,
        index: EventIndex,
        event: &Event<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), ReplayError> {
        if self.hold_back(index, event, sink)? {
            self.mind_halted(event);
            return Ok(());
        }
        self.catch_up(sink)?;
        self.index = index;
        self.mind_halted(event);
        match event {
            Event::Start(start) => self.start(start),
            Event::Switch(tid) => {
                self.current = *tid;
                Ok(())
            }
            Event::Syscall(enter, leave) => {
                self.enter(enter)?;
                self.leave(leave, sink)
            }
            Event::Enter(enter) => self.enter(enter),
            Event::Leave(leave) => self.leave(leave, sink),
            Event::Data(out) => self.write(self.current, out.addr, &out.data),
            Event::Signal(signal) => self.signal(signal),
            Event::Trap(trap) => self.trap(trap),
            Event::State(state) => {
                let tid = self.current;
                self.task(tid)?.expected = Some(state.clone());
                Ok(())
            }
            Event::InFlight(spans) => {
                let tid = self.current;
                self.task(tid)?.in_flight.clone_from(spans);
                Ok(())
            }
            Event::Preempt(at) => self.run_to(at, "the end of a slice"),
            Event::Spawn(spawn) => self.spawn(spawn),
            Event::ThreadEnd(end) => self.thread_end(end),
            Event::File(kept) => {
                let file = Kept {
                    hash: kept.hash,
                    path: kept.path.to_vec(),
                    file: None,
                    checked: false,
                };
                self.files.insert(kept.id, file);
                Ok(())
            }
            Event::Clocks(reads) => {
                let tid = self.current;
                self.task(tid)?.clocks.extend(ClockRead::decode(reads));
                Ok(())
            }
            // Connections matter to a node that may take over, not to the program's execution.
            Event::Gate(event) => self.passed(event),
            Event::Tree(entry) => self.tree(entry),
            Event::Time(_) | Event::Note(_) => Ok(()),
            Event::End(status) => {
                self.status = Some(*status);
                Ok(())
            }
        }
    }

    fn start(&mut self, start: &Start<'_>) -> Result<(), ReplayError> {
        if self.shadow.is_some() {
            return self.start_live(start);
        }
        let path = PathBuf::from(self.stub_path());
        let no_env: [&[u8]; 0] = [];
        let mut program = fork::Program::new(&path, [b"ftrun".as_slice()], no_env)
            .map_err(ReplayError::os("preparing the replay"))?;
        program.own_session = true;
        let real = fork::spawn(&program, None).map_err(ReplayError::os("starting the replay"))?;
        self.first_task(start, real)
    }

    /// The first process was started and is about to stop at its `execve`.
    pub(super) fn first_task(&mut self, start: &Start<'_>, real: Pid) -> Result<(), ReplayError> {
        self.set_stack_limit(real, start.stack_limit)?;
        self.first = start.tid;
        self.current = start.tid;
        let task = Task {
            tid: start.tid,
            tgid: start.tid,
            real,
            stopped: None,
            regs: Regs::default(),
            space: Rc::new(RefCell::new(Space::default())),
            fds: Rc::new(RefCell::new(Descriptors::default())),
            call: None,
            restart: None,
            interrupted: None,
            interrupted_begun: None,
            clocks: Vec::new(),
            expected: None,
            in_flight: Vec::new(),
            prelude: true,
        };
        self.tasks.insert(start.tid, task);
        match self.await_stop(start.tid)? {
            Status::Event(libc::PTRACE_EVENT_SECCOMP) => Ok(()),
            status => Err(self.inconsistent(&format!("the first process stopped with {status:?}"))),
        }
    }

    /// A path by which replayed processes can execute the stub.
    pub(super) fn stub_path(&self) -> String {
        shared_path(&self.stub)
    }

    /// The thread that events belong to.
    pub(super) fn task(&mut self, tid: Tid) -> Result<&mut Task, ReplayError> {
        let index = self.index;
        self.tasks
            .get_mut(&tid)
            .ok_or_else(|| ReplayError::Inconsistent {
                event: index,
                what: format!("no thread {tid}"),
            })
    }

    /// Takes the stop that a thread stands in.
    pub(super) fn take_stop(&mut self, tid: Tid) -> Result<Stopped, ReplayError> {
        let missing = self.inconsistent(&format!("thread {tid} is not stopped"));
        self.task(tid)?.stopped.take().ok_or(missing)
    }

    /// Lets a thread run up to its next stop.
    pub(super) fn run(&mut self, tid: Tid) -> Result<Status, ReplayError> {
        if let Some(status) = self.stands_at.take() {
            return Ok(status);
        }
        let clocks = std::mem::take(&mut self.task(tid)?.clocks);
        let none = clocks.is_empty();
        let (status, taken) = self.run_with(tid, (!none).then_some(clocks.as_slice()))?;
        if taken != clocks.len() {
            return Err(self.diverged(
                format!("{} clock reads", clocks.len()),
                format!("{taken} clock reads"),
            ));
        }
        if !none {
            self.observed.clocks(taken);
        }
        Ok(status)
    }

    /// The same, with the answers to these clock reads; how many of them were made. Without any,
    /// nobody looks.
    pub(super) fn run_with(
        &mut self,
        tid: Tid,
        clocks: Option<&[agent::Words]>,
    ) -> Result<(Status, usize), ReplayError> {
        let stopped = self.take_stop(tid)?;
        let task = self.task(tid)?;
        check::settle_restart(task);
        let mut regs = task.regs;
        let memory = Remote(task.real);
        regs.rip = self.onward(tid, regs.rip);
        stopped.set_regs(&regs)?;
        if let Some(clocks) = clocks {
            agent::supply(memory, clocks)
                .map_err(ReplayError::os("giving the agent its answers"))?;
        }
        stopped.resume(Resume::Cont, 0)?;
        let status = self.run_on(tid)?;
        let taken = if clocks.is_none() {
            0
        } else {
            agent::taken(memory).map_err(ReplayError::os("looking at the agent's page"))?
        };
        Ok((status, taken))
    }

    /// Waits for the next stop that belongs to the execution.
    fn run_on(&mut self, tid: Tid) -> Result<Status, ReplayError> {
        loop {
            let status = self.await_stop(tid)?;
            if self.pass_agent(tid, status)? {
                continue;
            }
            let Status::Signal(signal) = status else {
                return Ok(status);
            };
            let stopped = self.take_stop(tid)?;
            let info = stopped.siginfo()?;
            if check::is_from_outside(signal, &info) {
                // Signals come from the journal; what the world sends meanwhile is not
                // part of this execution.
                self.note_outside(tid, info)?;
                stopped.resume(Resume::Cont, 0)?;
                continue;
            }
            self.task(tid)?.stopped = Some(stopped);
            return Ok(status);
        }
    }

    /// Waits for a resumed thread to stop.
    pub(super) fn await_stop(&mut self, tid: Tid) -> Result<Status, ReplayError> {
        let real = self.task(tid)?.real;
        let report = wait::wait(Whom::Only(real), true)
            .map_err(ReplayError::os("waiting for a replayed thread"))?;
        match report {
            None | Some((_, Status::Ended(_))) => Err(ReplayError::Killed),
            Some((real, status)) => {
                self.task(tid)?.stopped = Some(Stopped::reported(real));
                Ok(status)
            }
        }
    }

    /// The journal contradicts itself at the current event.
    pub(super) fn inconsistent(&self, what: &str) -> ReplayError {
        ReplayError::Inconsistent {
            event: self.index,
            what: what.to_owned(),
        }
    }

    /// The current thread did something else than the journal says.
    pub(super) fn diverged(
        &mut self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> ReplayError {
        let thread = self.current;
        let backtrace = self.backtrace(thread);
        ReplayError::Divergence(Box::new(Divergence {
            event: self.index,
            thread,
            expected: expected.into(),
            found: found.into(),
            backtrace,
        }))
    }

    fn backtrace(&mut self, tid: Tid) -> Vec<String> {
        let Some(task) = self.tasks.get(&tid) else {
            return Vec::new();
        };
        let Some(Ok(regs)) = task.stopped.as_ref().map(Stopped::regs) else {
            return Vec::new();
        };
        backtrace::of(task.real, &regs, &*self)
    }

    /// Ends what is left of the replayed processes; the wait status of the first one.
    pub(crate) fn end(&mut self) -> Option<i32> {
        for task in self.tasks.values() {
            // Already dead is as good.
            let _ = host::signal_process(task.real, libc::SIGKILL);
        }
        while let Ok(Some((pid, status))) = wait::wait(Whom::Any, true) {
            if !matches!(status, Status::Ended(_)) {
                // What failed may have lost sight of it.
                let _ = host::signal_process(pid, libc::SIGKILL);
                let _ = Stopped::reported(pid).resume(Resume::Cont, 0);
            }
        }
        self.tasks.clear();
        self.status
    }

    /// The end of the first process, for a journal that ends without saying so.
    pub(super) fn first_ended(&mut self, tid: Tid, status: i32) {
        if tid == self.first {
            self.status = Some(status);
        }
    }
}

impl backtrace::Files for Session {
    /// Kept files appear under their hash; people know them by the recorded path.
    fn find(&self, name: &[u8]) -> Option<(PathBuf, String)> {
        let name = std::str::from_utf8(name).ok()?;
        let hash = u128::from_str_radix(name.rsplit('/').next()?, 16).ok()?;
        let kept = self.files.values().find(|kept| kept.hash == hash)?;
        Some((
            self.store.path(hash),
            String::from_utf8_lossy(&kept.path).into_owned(),
        ))
    }
}

/// A path by which replayed processes can open a file of this process.
pub(super) fn shared_path(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}
