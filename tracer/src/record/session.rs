//! The recorder's main loop: one logical CPU, given from thread to thread at sync points.

use super::counter::Counter;
use super::error::{RecordError, Step, Stumble};
use super::journal_out::Output;
use super::kills::Kills;
use super::memory::Memories;
use super::received::Connections;
use super::schedule::Schedule;
use super::serving::{Batons, Serving};
use super::task::{SpaceId, State, Task};
use super::{Options, watch::Watch};
use crate::agent;
use crate::arrears::Arrears;
use crate::counting::Cache;
use crate::identities::Identities;
use crate::model::Handler;
use crate::namespaces::ClockOffsets;
use crate::network::Network;
use crate::sys::aside::Aside;
use crate::sys::host;
use crate::sys::ptrace::{self, Resume, Stopped};
use crate::sys::tick::{self, Tick};
use crate::sys::wait::{self, Pid, Status, Whom};
use journal::{Event, Tid};
use rustc_hash::FxHashMap;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;
use std::time::Duration;

/// How long a thread may wait for a lock of the kernel's before others go on. Too short, and one that
/// waits for a reader without a CPU is overtaken, which the journal's order does not show; too long,
/// and one that waits for what only another thread of the application can give up keeps all waiting.
const LOCKED_MAX: Duration = Duration::from_millis(20);
/// The same for one that makes a process with a copy of its memory: what others do to that meanwhile
/// may be in the copy or not, which the journal's order does not show either. They hold no lock that
/// it needs, unless one of them serves a file system.
const COPYING_MAX: Duration = Duration::from_secs(1);

/// A recording in progress.
pub struct Session {
    pub(super) options: Options,
    pub(super) tasks: FxHashMap<Pid, Task>,
    /// Threads that could go on, in order.
    pub(super) ready: VecDeque<Pid>,
    /// First stops of threads whose creation was not reported yet.
    pub(super) early: HashMap<Pid, Status>,
    pub(super) out: Output,
    pub(super) memories: Memories,
    /// The first process, and how it ended.
    pub(super) first: Pid,
    pub(super) first_status: Option<i32>,
    pub(super) next_space: u32,
    pub(super) watch: Arc<Watch>,
    pub(super) tick: Tick,
    /// What the agent answered, by address space.
    pub(super) agents: FxHashMap<SpaceId, agent::Recording>,
    /// Where the time stamp counter can be read.
    pub(super) counter: Counter,
    /// Where counted threads run.
    pub(super) caches: FxHashMap<SpaceId, Cache>,
    /// What the agent serves.
    pub(super) serving: Serving,
    /// Memory read together with the agent's page.
    pub(super) ahead: Vec<u8>,
    /// What processes set with `PR_SET_DUMPABLE`; it is never done, for it would take from
    /// the supervisor what it must see.
    pub(super) dumpable: HashMap<Pid, i64>,
    /// Signals may be pending that look like faults.
    pub(super) forging: bool,
    /// The CPU that the application runs on.
    pub(super) cpu: usize,
    /// Threads may have clocks of their own.
    pub(super) other_clocks: bool,
    /// What the application's clocks show beyond the supervisor's.
    pub(super) clocks: ClockOffsets,
    /// What files are to the application, after a takeover.
    pub(super) identities: Option<Identities>,
    /// It runs in namespaces of its own.
    pub(super) isolated: bool,
    /// How threads hand the CPU on by themselves.
    pub(super) batons: Batons,
    /// Who sees the application's packets.
    pub(super) network: Option<Arc<dyn Network>>,
    /// What its journal does not have yet.
    pub(super) arrears: Arrears,
    /// Its connections.
    pub(super) connections: Connections,
    /// Sockets for datagrams that the journal has the address of, by inode.
    pub(super) told_sockets: HashSet<u64>,
    /// Processes that the application itself kills.
    pub(super) kills: Kills,
    /// Who has the logical CPU, and for how long.
    pub(super) schedule: Schedule,
}

impl Session {
    /// A session whose first thread is about to stop at its `execve`.
    pub(super) fn new(
        options: Options,
        (first, first_id): (Pid, Tid),
        out: Output,
        memories: Memories,
        watch: Arc<Watch>,
        tick: Tick,
    ) -> Self {
        let schedule = Schedule::new(options.rules);
        let mut session = Self {
            options,
            tasks: FxHashMap::default(),
            ready: VecDeque::new(),
            early: HashMap::new(),
            out,
            memories,
            first,
            first_status: None,
            next_space: 1,
            watch,
            tick,
            agents: FxHashMap::default(),
            counter: Counter::default(),
            caches: FxHashMap::default(),
            serving: Serving::default(),
            ahead: Vec::new(),
            dumpable: HashMap::new(),
            forging: false,
            cpu: 0,
            other_clocks: false,
            clocks: ClockOffsets::default(),
            identities: None,
            isolated: false,
            batons: Batons::default(),
            network: None,
            arrears: Arrears::default(),
            connections: Connections::default(),
            told_sockets: HashSet::new(),
            kills: Kills::default(),
            schedule,
        };
        session.tasks.insert(
            first,
            Task::new(first, first_id, SpaceId(0), State::Running),
        );
        session
    }

    /// What the application and the journal call a thread.
    pub(super) fn name(&self, tid: Pid) -> Result<Tid, RecordError> {
        match self.tasks.get(&tid) {
            Some(task) => Ok(task.id),
            None => Err(RecordError::Os {
                what: format!("thread {tid}"),
                error: ErrorKind::NotFound.into(),
            }),
        }
    }

    /// The thread that the application calls so.
    pub(super) fn named(&self, id: Tid) -> Option<Pid> {
        if !self.isolated {
            let tid = Pid(id.0);
            return self.tasks.contains_key(&tid).then_some(tid);
        }
        let mut tasks = self.tasks.values();
        tasks.find(|task| task.id == id).map(|task| task.tid)
    }

    /// Writes an event of a thread.
    pub(super) fn emit(&mut self, tid: Pid, event: &Event<'_>) -> Step {
        let id = self.name(tid)?;
        self.out.emit(id, event)?;
        Ok(())
    }

    /// Lets the first thread go as far as it can.
    pub(super) fn start(&mut self) -> Step {
        let mut first = self.first;
        self.give_cpu(&mut first)
    }

    /// Runs until the last thread has ended.
    pub(super) fn run(&mut self) -> Result<(), RecordError> {
        loop {
            while let Some(tid) = self.next()? {
                let mut current = tid;
                let given = self.give_cpu(&mut current);
                self.nobody_runs(current, given)?;
            }
            if self.batons.free() {
                let mut current = self.first;
                let given = self.give_others(&mut current);
                self.nobody_runs(current, given)?;
                continue;
            }
            self.out.idle()?;
            let (pid, status) = match self.await_report(None) {
                Awaited::Report(pid, status) => (pid, status),
                Awaited::Interrupted => {
                    // Nobody has done anything since the last stop.
                    if let Some(asked) = self.arrears.open() {
                        self.arrears.answer(asked);
                    }
                    continue;
                }
                Awaited::Nobody => return Ok(()),
                Awaited::Failed(error) => return Err(error),
            };
            match self.note(pid, status) {
                Ok(()) => {}
                Err(Stumble::Gone) => self.vanished(pid),
                Err(Stumble::Fatal(error)) => return Err(error),
            }
        }
    }

    /// Who has the logical CPU next.
    fn next(&mut self) -> Result<Option<Pid>, RecordError> {
        match self.settle(None) {
            Ok(()) | Err(Stumble::Gone) => {}
            Err(Stumble::Fatal(error)) => return Err(error),
        }
        Ok(self.schedule.next(&mut self.ready))
    }

    /// A thread was killed while it was being dealt with; its end will be reported.
    pub(super) fn vanished(&mut self, tid: Pid) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Ending;
        }
    }

    /// No thread has the logical CPU, which `last` had last; it came to that so.
    fn nobody_runs(&mut self, last: Pid, how: Step) -> Result<(), RecordError> {
        if self.batons.is_open() {
            // Who was to go on was killed.
            match self.regain(last) {
                Ok(_) | Err(Stumble::Gone) => {}
                Err(Stumble::Fatal(error)) => return Err(error),
            }
        }
        self.watch.nobody_runs();
        match how {
            Ok(()) => {}
            Err(Stumble::Gone) => self.vanished(last),
            Err(Stumble::Fatal(error)) => return Err(error),
        }
        Ok(())
    }

    /// Lets `current` have the logical CPU until it waits, ends, stops or has used its slice up; and those to whom it
    /// hands it on. In the end `current` is who had it last.
    fn give_cpu(&mut self, current: &mut Pid) -> Step {
        self.schedule.begin(!self.ready.is_empty());
        if let Some((stopped, status)) = self.take_report(*current) {
            self.handle(*current, stopped, status)?;
        }
        self.carry_on(current)
    }

    /// The same for whoever comes back first from a wait inside the agent.
    fn give_others(&mut self, current: &mut Pid) -> Step {
        let report = self.report_or_rest()?;
        if !self.deal_with(current, report)? {
            return Ok(());
        }
        self.carry_on(current)
    }

    fn carry_on(&mut self, current: &mut Pid) -> Step {
        loop {
            let tid = *current;
            let Some(task) = self.tasks.get_mut(&tid) else {
                return Ok(());
            };
            match &task.state {
                State::Runnable(_) => {
                    self.settle(None)?;
                    if self.is_others_turn() {
                        self.ready.push_back(tid);
                        return Ok(());
                    }
                    self.watch.runs(tid, !self.ready.is_empty());
                    self.go_on(tid)?;
                }
                State::Running => {}
                State::Reported(..) => {
                    if let Some((stopped, status)) = self.take_report(tid) {
                        self.handle(tid, stopped, status)?;
                    }
                    continue;
                }
                State::Waiting | State::Apart | State::Halted | State::Ending => return Ok(()),
            }
            let report = self.next_report(tid)?;
            if !self.deal_with(current, report)? {
                return Ok(());
            }
        }
    }

    /// `current` had the CPU, or has handed it on, and somebody has reported; or nobody for a while. Deals with that.
    /// False if nobody has the CPU any more; otherwise `current` is who has it.
    fn deal_with(&mut self, current: &mut Pid, report: Option<(Pid, Status)>) -> Step<bool> {
        let was_open = self.batons.is_open();
        let holder = self.regain(*current)?;
        // Of a thread that ends it must be found out first who wanted that.
        if !was_open && !report.is_some_and(|(_, status)| status.is_end()) {
            match self.answer_arrears(*current) {
                Ok(_) | Err(Stumble::Gone) => {}
                Err(fatal @ Stumble::Fatal(_)) => return Err(fatal),
            }
        }
        let runs = |holder: &Pid| {
            let task = self.tasks.get(holder);
            task.is_some_and(|task| matches!(task.state, State::Running))
        };
        let running = holder.filter(runs);
        match (report, running) {
            (None, Some(running)) if was_open => *current = running,
            (None, _) => {
                if was_open {
                    // Nothing is going on: who comes back from a wait reports.
                    self.batons.shut(None);
                }
                return Ok(false);
            }
            (Some((pid, status)), _) if holder == Some(pid) => {
                *current = pid;
                self.handle(pid, Stopped::reported(pid), status)?;
            }
            (Some((pid, status)), Some(running)) => {
                *current = running;
                self.note_beside(running, pid, status)?;
                if was_open && !self.ready.is_empty() {
                    // Who reports has waited long enough.
                    self.schedule.end();
                    self.ask_stop(running);
                }
            }
            (Some((pid, status)), None) => {
                self.note_if_there(pid, status)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the thread that has the CPU is to give it to others that could run.
    pub(super) fn is_others_turn(&self) -> bool {
        !self.ready.is_empty() && self.schedule.is_over()
    }

    fn take_report(&mut self, tid: Pid) -> Option<(Stopped, Status)> {
        let task = self.tasks.get_mut(&tid)?;
        match std::mem::replace(&mut task.state, State::Running) {
            State::Reported(stopped, status) => Some((stopped, status)),
            other => {
                task.state = other;
                None
            }
        }
    }

    /// Resumes a runnable thread in user mode.
    pub(super) fn go_on(&mut self, tid: Pid) -> Step {
        self.match_counter(tid)?;
        // Behind all that the thread is made to do, in which signals may have come.
        self.serve_next(tid)?;
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        // After a takeover it may stand at the entry of a syscall.
        let how = if task.own_filter || task.call.is_some() {
            Resume::Syscall
        } else {
            Resume::Cont
        };
        if let Some(stopped) = task.take_stop() {
            if self.forging {
                task.forged = super::signals::forged(&stopped)?;
            }
            let stopped = self.enter_cache(tid, stopped)?;
            stopped.resume(how, 0)?;
        }
        Ok(())
    }

    /// The next report of anybody; `None` if `tid` turned out to wait in a syscall, or to
    /// compute for itself, while others could run.
    fn next_report(&mut self, tid: Pid) -> Step<Option<(Pid, Status)>> {
        if self.batons.is_open() {
            return self.report_or_rest();
        }
        let task = self.tasks.get(&tid).filter(|task| !task.parked);
        let can_wait = task
            .and_then(|task| task.call.as_ref())
            .is_some_and(super::syscalls::can_wait);
        // Those who wait inside the agent are to be let go on while it waits.
        let alone =
            self.ready.is_empty() && !(can_wait && self.batons.keeps_others() && self.any_parked());
        if alone && can_wait {
            self.out.idle()?;
            if self.isolated {
                return self.lone_report(tid);
            }
        }
        // Where a signal waits for its next sync point, it may be for long.
        if alone && !self.computes_with_signals(tid) {
            self.tick.disarm();
            return self.certain_report(tid);
        }
        if alone || !can_wait {
            return self.contended_report(tid);
        }
        // It shares this CPU with us: it gets as far as it can while we stand aside.
        let copies_memory = self.copies_memory(tid);
        let waits_for_threads = !copies_memory
            && self.tasks.get(&tid).is_some_and(|task| {
                let handler = task.call.as_ref().map(|call| call.call.def.handler);
                matches!(handler, Some(Handler::Clone | Handler::Exec))
            });
        let locked_max = if copies_memory {
            COPYING_MAX
        } else {
            LOCKED_MAX
        };
        let mut locked = None;
        let mut aside = Aside::default();
        loop {
            aside.stand();
            if let Some(report) = wait_any(false)? {
                return Ok(Some(report));
            }
            let asleep = match self.tasks.get_mut(&tid).and_then(Task::kernel_state) {
                Some(b'Z' | b'X') => {
                    self.vanished(tid);
                    return Ok(None);
                }
                Some(b'S') => true,
                // `vfork` and `execve` wait for other threads so. All else: for a lock in the
                // kernel, or for a device; who writes to a pipe that is being read must not
                // be overtaken for that.
                Some(b'D') => {
                    let since = *locked.get_or_insert_with(host::uptime);
                    let long = host::uptime().saturating_sub(since);
                    waits_for_threads
                        || long > COPYING_MAX
                        || long > locked_max && !self.is_on_pipe(tid)
                }
                Some(_) => false,
                // On its way out: its end will be reported.
                None => return self.certain_report(tid),
            };
            if asleep {
                // It may have been stopped between the two looks.
                if let Some(report) = wait_any(false)? {
                    return Ok(Some(report));
                }
                return self.set_aside(tid).map(|()| None);
            }
        }
    }

    /// Whether a thread is in a syscall on a pipe: nobody keeps that locked while it sleeps, however long it takes whoever
    /// has it to get a CPU.
    fn is_on_pipe(&self, tid: Pid) -> bool {
        let call = self.tasks.get(&tid).and_then(|task| task.call.as_ref());
        call.is_some_and(|in_call| {
            let path = format!("/proc/{tid}/fd/{}", in_call.call.int(0));
            std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
        })
    }

    /// The next report, while threads hand the CPU on. `None` if nobody has it at a tick.
    fn report_or_rest(&mut self) -> Step<Option<(Pid, Status)>> {
        self.tick.arm();
        loop {
            match self.await_report(None) {
                Awaited::Report(pid, status) => return Ok(Some((pid, status))),
                Awaited::Nobody => return Ok(None),
                Awaited::Failed(error) => return Err(error.into()),
                Awaited::Interrupted => {}
            }
            if self.batons.is_free() {
                self.tick.disarm();
                return Ok(None);
            }
        }
    }

    /// The next report, while `tid` has the CPU and nothing but a report ends that.
    fn certain_report(&mut self, tid: Pid) -> Step<Option<(Pid, Status)>> {
        loop {
            if let ControlFlow::Break(report) = self.report_or_tick(tid)? {
                return Ok(report);
            }
        }
    }

    /// The next report, while `tid` has the CPU; questions about arrears are answered. Goes on at a tick.
    fn report_or_tick(&mut self, tid: Pid) -> Step<ControlFlow<Option<(Pid, Status)>>> {
        loop {
            // One that came together with a report counts, too: reports may come with every tick.
            let awaited = if tick::take() {
                Awaited::Interrupted
            } else {
                self.await_report(Some(tid))
            };
            match awaited {
                Awaited::Report(pid, status) => {
                    return Ok(ControlFlow::Break(Some((pid, status))));
                }
                Awaited::Interrupted => {}
                Awaited::Nobody => return Ok(ControlFlow::Break(None)),
                Awaited::Failed(error) => return Err(error.into()),
            }
            if !self.answer_arrears(tid)? {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Waits for a report, a tick, or a question about arrears, while `tid` has the CPU.
    pub(super) fn await_report(&self, tid: Option<Pid>) -> Awaited {
        let interrupted = Err(ErrorKind::Interrupted.into());
        // In a syscall that it has stopped for it executes nothing.
        let task = tid.and_then(|tid| self.tasks.get(&tid));
        let none = task.is_none_or(|task| task.call.is_some());
        let thread = self.tick.thread();
        let waited = self.arrears.wait(thread, none, interrupted, || {
            wait::wait_or_tick(Whom::Any, true)
        });
        match waited {
            Ok(Some((pid, status))) => Awaited::Report(pid, status),
            Ok(None) => Awaited::Interrupted,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                tick::take();
                Awaited::Interrupted
            }
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Awaited::Nobody,
            Err(error) => Awaited::Failed(RecordError::os("waiting for the application")(error)),
        }
    }

    /// Journals what the thread that has the CPU has done up to now, if somebody asks for that; whether
    /// somebody did.
    fn answer_arrears(&mut self, tid: Pid) -> Step<bool> {
        let Some(asked) = self.arrears.open() else {
            return Ok(false);
        };
        self.take_done(tid)?;
        self.arrears.answer(asked);
        Ok(true)
    }

    /// The next report, while nobody else could run. If `tid` waits for long, a standby should
    /// know in what, and since when.
    fn lone_report(&mut self, tid: Pid) -> Step<Option<(Pid, Status)>> {
        self.tick.arm();
        loop {
            if let ControlFlow::Break(report) = self.report_or_tick(tid)? {
                return Ok(report);
            }
            if self.tasks.get_mut(&tid).and_then(Task::kernel_state) != Some(b'S') {
                continue;
            }
            // It may have been stopped between the two looks.
            if let Some(report) = wait_any(false)? {
                return Ok(Some(report));
            }
            if self.stays_inside(tid)? {
                continue;
            }
            // It may have been in the agent at the first look, and have left since: then it is
            // between two sync points, and nobody else can have the CPU.
            if self.tasks.get_mut(&tid).and_then(Task::kernel_state) != Some(b'S') {
                continue;
            }
            self.tick.disarm();
            return self.set_aside(tid).map(|()| None);
        }
    }

    /// The next report, while others could run, and `tid` is not expected to wait. Yet it
    /// may: any syscall, and any page fault, can be served by a process of the recording
    /// (FUSE, seccomp's user notification). A look every now and then finds out.
    fn contended_report(&mut self, tid: Pid) -> Step<Option<(Pid, Status)>> {
        self.tick.arm();
        loop {
            if let ControlFlow::Break(report) = self.report_or_tick(tid)? {
                return Ok(report);
            }
            let state = self.tasks.get_mut(&tid).and_then(Task::kernel_state);
            if matches!(state, Some(b'Z' | b'X')) {
                // Killed with its process. The end of a first thread is reported after those
                // of the others, which may wait for their turn.
                self.vanished(tid);
                return Ok(None);
            }
            if !matches!(state, Some(b'S' | b'D')) {
                if self.schedule.is_stale() && !self.runs_counted(tid) {
                    self.schedule.end();
                }
                if self.schedule.is_over() {
                    self.ask_stop(tid);
                }
                if self.goes_apart(tid)? {
                    return Ok(None);
                }
                self.preempt(tid)?;
                continue;
            }
            // It may have been stopped between the two looks.
            if let Some(report) = wait_any(false)? {
                return Ok(Some(report));
            }
            self.take_served(tid)?;
            if self.waits(tid) {
                return Ok(None);
            }
            if self.stays_inside(tid)? {
                continue;
            }
            // It may have been in the agent at the first look, and have left since: then it is
            // between two sync points, and nobody else can have the CPU.
            let state = self.tasks.get_mut(&tid).and_then(Task::kernel_state);
            if !matches!(state, Some(b'S' | b'D')) {
                continue;
            }
            return self.set_aside(tid).map(|()| None);
        }
    }

    /// Whether threads wait inside the agent.
    fn any_parked(&self) -> bool {
        self.tasks.values().any(|task| task.parked)
    }

    /// Whether a thread waits without the CPU.
    fn waits(&self, tid: Pid) -> bool {
        let task = self.tasks.get(&tid);
        task.is_some_and(|task| matches!(task.state, State::Waiting))
    }

    /// A thread waits in the kernel: it gives the logical CPU away.
    fn set_aside(&mut self, tid: Pid) -> Step {
        self.take_served(tid)?;
        if self.waits(tid) {
            return Ok(());
        }
        self.emit_enter(tid)?;
        self.emit_filtered_enter(tid)?;
        self.emit_futex_words(tid)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Waiting;
            if task.call.is_none() && task.at_filter.is_none() {
                // In a page fault: it must stop before it goes on.
                ptrace::interrupt(tid)?;
            }
        }
        Ok(())
    }

    /// A report of a thread that does not have the logical CPU.
    pub(super) fn note(&mut self, pid: Pid, status: Status) -> Step {
        let Some(task) = self.tasks.get_mut(&pid) else {
            if !matches!(status, Status::Ended(_)) {
                self.early.insert(pid, status);
            }
            return Ok(());
        };
        match status {
            Status::Ended(status) => self.ended(pid, status),
            Status::Event(libc::PTRACE_EVENT_EXIT) => self.ending(pid, Stopped::reported(pid)),
            Status::Event(libc::PTRACE_EVENT_EXEC) => self.exec_event(pid, Stopped::reported(pid)),
            _ => {
                let apart = matches!(task.state, State::Apart);
                task.state = State::Reported(Stopped::reported(pid), status);
                let space = task.space;
                self.ready.push_back(pid);
                self.watch.somebody_waits();
                if apart {
                    self.update_off(space)?;
                }
                Ok(())
            }
        }
    }

    /// The same, of one that may have been killed meanwhile.
    pub(super) fn note_if_there(&mut self, pid: Pid, status: Status) -> Step {
        match self.note(pid, status) {
            Err(Stumble::Gone) => self.vanished(pid),
            other => other?,
        }
        Ok(())
    }

    /// A report of another thread than `running`. What the kernel does to memory at a death
    /// must happen at a sync point of the one that runs: the death has to wait for it.
    pub(super) fn note_beside(&mut self, running: Pid, pid: Pid, status: Status) -> Step {
        let runs = |task: &Task| matches!(task.state, State::Running);
        let death = status == Status::Event(libc::PTRACE_EVENT_EXIT);
        if death
            && self.tasks.get(&running).is_some_and(runs)
            && let Some(task) = self.tasks.get_mut(&pid)
        {
            task.state = State::Reported(Stopped::reported(pid), status);
            self.ready.push_back(pid);
            self.watch.somebody_waits();
            return Ok(());
        }
        self.note_if_there(pid, status)
    }

    /// Deals with a stop of the thread that has the logical CPU.
    fn handle(&mut self, tid: Pid, stopped: Stopped, status: Status) -> Step {
        let Some((stopped, status)) = self.leave_cache(tid, stopped, status)? else {
            return Ok(());
        };
        match status {
            Status::Event(libc::PTRACE_EVENT_SECCOMP) => {
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.at_filter = None;
                    task.filter_emitted = false;
                }
                self.syscall_entry(tid, stopped)
            }
            Status::Syscall => self.syscall_stop(tid, stopped),
            Status::Signal(signal) => self.signal_stop(tid, stopped, signal),
            Status::Event(
                event @ (libc::PTRACE_EVENT_CLONE
                | libc::PTRACE_EVENT_FORK
                | libc::PTRACE_EVENT_VFORK),
            ) => self.spawned(tid, stopped, event),
            Status::Event(libc::PTRACE_EVENT_EXEC) => self.exec_event(tid, stopped),
            Status::Event(libc::PTRACE_EVENT_EXIT) => self.ending(tid, stopped),
            Status::Event(_) => {
                stopped.resume(Resume::Syscall, 0)?;
                Ok(())
            }
            Status::Stop(signal) => self.event_stop(tid, stopped, signal),
            Status::Ended(status) => self.ended(tid, status),
        }
    }

    /// A stop at a syscall's entry (only under a filter of the application's own) or exit.
    fn syscall_stop(&mut self, tid: Pid, stopped: Stopped) -> Step {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if task.call.is_some() {
            return self.syscall_exit(tid, stopped);
        }
        if std::mem::take(&mut task.exit_follows) {
            task.state = State::Runnable(stopped);
            return Ok(());
        }
        if let Some(entered) = task.at_filter.take() {
            return self.filtered(tid, stopped, &entered);
        }
        task.at_filter = Some(stopped.regs()?);
        stopped.resume(Resume::Syscall, 0)?;
        Ok(())
    }

    /// Puts the thread back among those that can be resumed.
    pub(super) fn runnable(&mut self, tid: Pid, stopped: Stopped) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Runnable(stopped);
        }
    }

    /// Kills all that is left and waits for it.
    pub(super) fn kill_all(&mut self) {
        for task in self.tasks.values() {
            // Already dead is as good.
            let _ = host::signal_process(task.tgid, libc::SIGKILL);
        }
        // At its end a thread may stand in a stop that was reported already.
        let reported = self.tasks.values_mut().filter_map(Task::take_stop);
        let early = self.early.drain().map(|(tid, _)| Stopped::reported(tid));
        for stopped in reported.chain(early) {
            let _ = stopped.resume(Resume::Cont, 0);
        }
        while let Ok(Some((pid, status))) = wait_any(true) {
            if !matches!(status, Status::Ended(_)) {
                let _ = host::signal_process(pid, libc::SIGKILL);
                let _ = Stopped::reported(pid).resume(Resume::Cont, 0);
            }
        }
        self.tasks.clear();
    }
}

/// What came of waiting.
pub(super) enum Awaited {
    Report(Pid, Status),
    Interrupted,
    /// There is nobody left.
    Nobody,
    Failed(RecordError),
}

/// Waits for anybody; `None` if there is nobody left, or nothing to report yet.
fn wait_any(block: bool) -> Result<Option<(Pid, Status)>, RecordError> {
    match wait::wait(Whom::Any, block) {
        Ok(report) => Ok(report),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        Err(error) => Err(RecordError::os("waiting for the application")(error)),
    }
}
