//! Counted threads: between sync points they run in a code cache ([`crate::counting`]), so that they can be
//! stopped at any instruction, and the journal can say where.
//!
//! To all else in the recorder a thread is where the application is. It enters the cache where it is resumed in user
//! mode, and has left it before anybody looks at a stop. What is executed natively between two sync points is not
//! counted; until the next one such a thread is stopped at sync points only.

mod between;

use super::claimed::TASK_SIZE;
use super::error::{RecordError, Step, Stumble};
use super::looks::Looks;
use super::onward::{Next, Onward};
use super::session::Session;
use super::syscalls::is_restart;
use super::task::{SpaceId, Task};
use crate::agent::inside;
use crate::counting::{
    self, Cache, CacheError, Came, Counting, Exit, FAR, SingleStep, Snapshot, Surfaced,
};
use crate::layout;
use crate::maps;
use crate::remote::{Met, RemoteError};
use crate::sys::mem::Remote;
use crate::sys::ptrace::{self, Resume, Stopped};
use crate::sys::wait::{Pid, Status};
use journal::Effect;
use pmu::Regs;
use pmu::translate::{GATE_SYSCALL, Special};

/// Bytes of `syscall`.
const SYSCALL_BYTES: u64 = 2;
/// By which a program steps itself.
const TRAP_FLAG: u64 = 1 << 8;
/// How many instructions are executed one at a time before others are thought of.
const STEPS_AT_ONCE: usize = 1000;

/// What a counted thread is to come out of the cache for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Goal {
    /// For nothing but what it needs.
    #[default]
    None,
    /// Behind the next branch, where its count says where it is.
    Soon,
    /// It may spin.
    Look,
    /// Its turn ends there.
    Turn,
}

/// Where a counted thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Outside the cache.
    #[default]
    Native,
    /// Outside the cache, and executes nothing before its next stop.
    Still,
    /// In the cache.
    Inside,
}

/// What is counted of a thread.
#[derive(Debug, Default)]
pub struct Counted {
    place: Place,
    /// All that it has executed since its last sync point was counted.
    known: bool,
    /// Conditional branches since.
    branches: u64,
    /// Those that were left when it entered the cache, and what for.
    left: u64,
    goal: Goal,
    /// It is to come out behind the next branch, where the count says where it is.
    soon: bool,
    /// Whether it spins.
    looks: Looks,
    /// It has come out there.
    arrived: bool,
    /// It was interrupted.
    interrupted: bool,
    /// Signals, as bits, that the kernel delivers before it executes anything since its last sync point.
    due: u64,
    /// It has been in the cache since its last sync point, and may have executed something there.
    entered: bool,
    /// So many more sync points it is counted up to, if not always.
    credit: u32,
    /// Its memory when it was to stop between the same two sync points before.
    before: Vec<Snapshot>,
    /// Its CPU time then, in nanoseconds, if the kernel says.
    cpu_before: Option<u64>,
    /// How often it has gone on a little since.
    tries: usize,
    /// How many sync points it has passed.
    syncs: u64,
}

impl Counted {
    /// The thread stands at a sync point.
    pub fn at_sync_point(&mut self) {
        self.known = true;
        self.branches = 0;
        self.soon = false;
        self.arrived = false;
        self.credit = self.credit.saturating_sub(1);
        self.entered = false;
        self.forget_looks();
        self.syncs += 1;
    }

    /// What was seen of its memory does not count any more.
    fn forget_looks(&mut self) {
        self.before.clear();
        self.tries = 0;
    }

    /// So many branches are left to it of those with which it entered the cache; how many it has executed.
    const fn left_with(&mut self, left: u64) -> u64 {
        let executed = self.left.saturating_sub(left);
        self.branches += executed;
        self.left = left;
        executed
    }
}

impl From<CacheError> for Stumble {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Remote(RemoteError::Gone(_)) => Self::Gone,
            other => Self::Fatal(RecordError::Counting(other)),
        }
    }
}

impl Session {
    /// A thread is about to go on in user mode: it does so in the code cache, if it is to be counted.
    pub(super) fn enter_cache(&mut self, tid: Pid, stopped: Stopped) -> Step<Stopped> {
        let Some(space) = self.is_counted(tid) else {
            return Ok(stopped);
        };
        let mut regs = stopped.regs()?;
        self.as_seen(tid, &stopped, &mut regs)?;
        // The kernel sets it back, so that it makes its syscall anew.
        let in_call = regs.orig_rax.cast_signed() >= 0;
        let again = in_call && is_restart(regs.rax.cast_signed());
        // One that steps itself would step through the cache's instructions.
        let steps = regs.eflags & TRAP_FLAG != 0;
        if again || steps || layout::is_vsyscall(regs.rip) {
            return Ok(stopped);
        }
        let ended = in_call && regs.rax.cast_signed() == -i64::from(libc::EINTR);
        if ended && !self.caches.contains_key(&space) {
            // The handler that it was ended for has the mask of the call, until another call is made.
            return Ok(stopped);
        }
        let stopped = self.place_cache(tid, space, stopped, &regs)?;
        let mut due = 0;
        for shared in [false, true] {
            for info in stopped.pending(shared)? {
                due |= super::signals::bit(super::signals::number(&info));
            }
        }
        // What has ended a call is let in by the mask that the call had.
        if due != 0 && !ended {
            due &= !stopped.signal_mask()?;
        }
        let (goal, left) = self.goal(tid);
        let Some(cache) = self.caches.get_mut(&space) else {
            return Ok(stopped);
        };
        let inside = cache.enter(Remote(tid), self.serving.sites(space), &regs, left)?;
        stopped.set_regs(&inside)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.counted.place = Place::Inside;
            task.counted.left = left;
            task.counted.goal = goal;
            // Since its last sync point it may have been in the cache before.
            let entered = std::mem::replace(&mut task.counted.entered, true);
            task.counted.due = if entered { 0 } else { due };
            // It moves on from there.
            task.counted.arrived = false;
        }
        Ok(stopped)
    }

    /// What a thread is to come out of the cache for, and behind how many branches.
    fn goal(&self, tid: Pid) -> (Goal, u64) {
        let Some(task) = self.tasks.get(&tid) else {
            return (Goal::None, FAR);
        };
        if task.counted.soon {
            return (Goal::Soon, 1);
        }
        match self.schedule.branches() {
            Some(branches) => (Goal::Turn, branches.max(1)),
            None if self.ready.is_empty() => (Goal::None, FAR),
            None => (Goal::Look, task.counted.looks.left()),
        }
    }

    /// The address space of a thread that is to be counted from here on.
    fn is_counted(&self, tid: Pid) -> Option<SpaceId> {
        let task = self.tasks.get(&tid)?;
        let wanted = match self.options.counting {
            Counting::Never => false,
            Counting::Adaptive => task.counted.credit > 0,
            Counting::Software | Counting::Stepped => true,
        };
        (wanted && task.counted.known && self.can_be_counted(task)).then_some(task.space)
    }

    fn can_be_counted(&self, task: &Task) -> bool {
        task.call.is_none()
            && !task.own_filter
            && !task.strict
            && !task.parked
            && !self.out.is_lost()
            // Before its first program there is nothing to count.
            && self.agents.contains_key(&task.space)
    }

    /// Makes a code cache, if the address space has none.
    fn place_cache(
        &mut self,
        tid: Pid,
        space: SpaceId,
        stopped: Stopped,
        regs: &Regs,
    ) -> Step<Stopped> {
        if self.caches.contains_key(&space) {
            return Ok(stopped);
        }
        let mut met = Met::new();
        let stopped = counting::place(stopped, regs, &mut met)?;
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        // The agent calls its functions.
        let vdso = areas
            .iter()
            .filter(|area| area.name == b"[vdso]")
            .map(|area| area.start..area.end)
            .collect();
        let stepped = self.options.counting == Counting::Stepped;
        let cache = Cache::new(Remote(tid), stepped, vdso)?;
        self.caches.insert(space, cache);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.stash.extend(met);
        }
        Ok(stopped)
    }

    /// A thread that has the CPU has stopped: if that was in the code cache, it leaves it, or goes on in it. Gives
    /// the stop back, with the application's registers, if there is one to be dealt with.
    pub(super) fn leave_cache(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        status: Status,
    ) -> Step<Option<(Stopped, Status)>> {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(Some((stopped, status)));
        };
        let counted = &mut task.counted;
        counted.interrupted = false;
        if counted.place == Place::Inside && std::mem::take(&mut counted.due) != 0 {
            // Whatever it has stopped for first, it has executed nothing.
            counted.entered = false;
        }
        match std::mem::take(&mut counted.place) {
            Place::Native => {
                counted.known &= task.call.is_some();
                return Ok(Some((stopped, status)));
            }
            Place::Still => return Ok(Some((stopped, status))),
            Place::Inside => {}
        }
        if status.is_end() {
            counted.known = false;
            return Ok(Some((stopped, status)));
        }
        let regs = stopped.regs()?;
        if status == Status::Event(libc::PTRACE_EVENT_SECCOMP) {
            if regs.orig_rax != GATE_SYSCALL {
                return Err(CacheError::Lost(regs.rip).into());
            }
            return self.at_gate(tid, stopped, status, &regs);
        }
        self.surface_from_cache(tid, stopped, status, &regs)
    }

    /// A thread has come out of the cache by itself.
    fn at_gate(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        status: Status,
        regs: &Regs,
    ) -> Step<Option<(Stopped, Status)>> {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(None);
        };
        let Some(cache) = self.caches.get_mut(&task.space) else {
            return Err(CacheError::Lost(regs.rip).into());
        };
        match cache.exit(Remote(tid), self.serving.sites(task.space), regs)? {
            Exit::Resume(onward) => {
                stopped.set_regs(&onward)?;
                task.counted.place = Place::Inside;
                stopped.resume(Resume::Cont, 0)?;
                Ok(None)
            }
            Exit::Reached(state) | Exit::Matched(state) => {
                let executed = task.counted.left_with(state.left);
                self.schedule.executed(executed);
                stopped.set_regs(&state.regs)?;
                self.arrived(tid, stopped, &state.regs)
            }
            Exit::Special { special, state, .. } => {
                let executed = task.counted.left_with(state.left);
                self.schedule.executed(executed);
                stopped.set_regs(&state.regs)?;
                let counts = cache.counts(state.regs.rip);
                if special == Special::Syscall && counts {
                    let mut regs = state.regs;
                    let sites = self.serving.sites(task.space);
                    if let Some(trap) = sites.and_then(|sites| sites.trap_of(regs.rip)) {
                        // Where it is, there is a jump to the agent.
                        regs.rip = trap;
                    }
                    stopped.set_regs(&in_syscall(&regs))?;
                    return Ok(Some((stopped, status)));
                }
                let memory = Remote(tid);
                let at = state.regs.rip;
                if self.options.counting == Counting::Adaptive
                    && cache.is_stepped(memory, self.serving.sites(task.space), at)?
                {
                    // Step by step it would take for ever; it was counted to be quick.
                    task.counted.credit = 0;
                    task.counted.known = false;
                    stopped.resume(Resume::Cont, 0)?;
                    return Ok(None);
                }
                if special == Special::Unreadable {
                    cache.changed([Some(state.regs.rip..state.regs.rip.saturating_add(1)), None]);
                }
                self.step_natively(tid, stopped, state.regs, special == Special::Int3, None)
            }
        }
    }

    /// A thread stands behind the branch up to which it was to go.
    fn arrived(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        regs: &Regs,
    ) -> Step<Option<(Stopped, Status)>> {
        self.settle(Some(tid))?;
        let alone = self.ready.is_empty();
        let over = self.is_others_turn();
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(None);
        };
        let counted = &mut task.counted;
        let goes_on = match counted.goal {
            Goal::Look => {
                let memory = Remote(tid);
                let read = |at, into: &mut [u8]| memory.read_some(at, into);
                alone || !counted.looks.spins(regs, &read)
            }
            Goal::Turn => !over,
            Goal::Soon | Goal::None => false,
        };
        if counted.goal == Goal::Look && !goes_on {
            self.schedule.end();
        }
        if goes_on {
            self.runnable(tid, stopped);
            self.go_on(tid)?;
            return Ok(None);
        }
        counted.soon = false;
        if counted.goal == Goal::Look {
            counted.arrived = true;
            return Ok(Some((stopped, Status::Stop(libc::SIGTRAP))));
        }
        // Whatever races between two branches is to come out, too.
        let onward = Onward::new(self.schedule.steps());
        self.step_natively(tid, stopped, *regs, false, Some(onward))
    }

    /// Executes an instruction that the cache does not, and those behind it that are not translated either; then
    /// the thread goes on in the cache.
    fn step_natively(
        &mut self,
        tid: Pid,
        mut stopped: Stopped,
        mut regs: Regs,
        traps: bool,
        mut onward: Option<Onward>,
    ) -> Step<Option<(Stopped, Status)>> {
        let memory = Remote(tid);
        let mut left_at_once = STEPS_AT_ONCE;
        let mut asked = None;
        let status = loop {
            let stepping = counting::stepped(memory, regs.rip);
            let counts = self.counts_at(tid, regs.rip);
            match onward.as_mut().map(|onward| onward.next(&regs, &stepping)) {
                None | Some(Next::On) => {}
                Some(Next::Here) => {
                    if let Some(task) = self.tasks.get_mut(&tid) {
                        task.counted.arrived = true;
                    }
                    break Status::Stop(libc::SIGTRAP);
                }
                Some(Next::Lost) => {
                    if let Some(task) = self.tasks.get_mut(&tid) {
                        task.counted.soon = true;
                    }
                    self.runnable(tid, stopped);
                    self.go_on(tid)?;
                    return Ok(None);
                }
            }
            let SingleStep {
                stopped: at,
                status,
                asked: more,
            } = counting::single_step(stopped)?;
            stopped = at;
            asked = asked
                .filter(|asked| *asked != libc::SIGTRAP)
                .or(more)
                .or(asked);
            if matches!(status, Status::Ended(_)) {
                self.note(tid, status)?;
                return Ok(None);
            }
            let before = regs.rip;
            let stands = stopped.regs()?;
            let came = match status {
                Status::Signal(signal) => {
                    let info = stopped.siginfo()?;
                    counting::came_of(signal, &info, before, stands.rip)
                }
                _ => Came::Otherwise,
            };
            match came {
                Came::Stepped if !traps => {}
                Came::LeftSyscall => {
                    stopped = self.undo_force(tid, stopped, libc::SIGTRAP, &regs)?;
                    stopped.set_regs(&regs)?;
                    continue;
                }
                Came::Stepped | Came::Otherwise => {
                    if asked.is_some_and(|signal| signal != libc::SIGTRAP) {
                        // It is in no group stop any more, and is to stop again.
                        ptrace::interrupt(tid)?;
                    }
                    break status;
                }
            }
            regs = stands;
            stepping.hide(memory, &regs).map_err(looking_at())?;
            stopped = self.undo_force(tid, stopped, libc::SIGTRAP, &regs)?;
            stopped.set_regs(&regs)?;
            let Some(task) = self.tasks.get_mut(&tid) else {
                return Ok(None);
            };
            if counts {
                task.counted.branches += stepping.count();
            }
            let space = task.space;
            let stays = match self.caches.get_mut(&space) {
                Some(cache) => {
                    cache.is_stepped(memory, self.serving.sites(space), regs.rip)?
                        && !counting::is_syscall(memory, regs.rip)
                }
                None => false,
            };
            match asked {
                Some(libc::SIGTRAP) => break Status::Stop(libc::SIGTRAP),
                Some(_) => {
                    if let Some(task) = self.tasks.get_mut(&tid) {
                        task.counted.place = Place::Still;
                    }
                    ptrace::interrupt(tid)?;
                    stopped.resume(Resume::Cont, 0)?;
                    return Ok(None);
                }
                None => {}
            }
            if onward.is_some() {
                continue;
            }
            left_at_once = left_at_once.saturating_sub(1);
            if !stays {
                self.runnable(tid, stopped);
                self.go_on(tid)?;
                return Ok(None);
            }
            if left_at_once == 0 {
                left_at_once = STEPS_AT_ONCE;
                if self.is_others_turn() {
                    break Status::Stop(libc::SIGTRAP);
                }
            }
        };
        Ok(Some((stopped, status)))
    }

    fn counts_at(&self, tid: Pid, at: u64) -> bool {
        let task = self.tasks.get(&tid);
        let cache = task.and_then(|task| self.caches.get(&task.space));
        cache.is_some_and(|cache| cache.counts(at))
    }

    /// A thread has stopped in the cache for something that has to do with the application, or with its slice.
    fn surface_from_cache(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        status: Status,
        at: &Regs,
    ) -> Step<Option<(Stopped, Status)>> {
        let mut info = match status {
            Status::Signal(_) => Some(stopped.siginfo()?),
            _ => None,
        };
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(None);
        };
        let space = task.space;
        let Some(cache) = self.caches.get_mut(&space) else {
            return Err(CacheError::Lost(at.rip).into());
        };
        let surfaced = cache.surface(Remote(tid), self.serving.sites(space), stopped)?;
        let (mut stopped, state, rolled, met) = match surfaced {
            Surfaced::At {
                stopped,
                state,
                rolled,
                met,
            } => (stopped, state, rolled, met),
            Surfaced::Ended(status) => {
                task.counted.known = false;
                self.note(tid, status)?;
                return Ok(None);
            }
        };
        let executed = task.counted.left_with(state.left);
        task.stash.extend(met);
        self.schedule.executed(executed);
        let mut regs = state.regs;
        regs.orig_rax = u64::MAX;
        if rolled {
            stopped = self.undo_force(tid, stopped, libc::SIGTRAP, &regs)?;
        }
        stopped.set_regs(&regs)?;
        let changed = info
            .as_mut()
            .is_some_and(|info| inside::show_address(info, at.rip, regs.rip));
        if let Some(info) = info.filter(|_| changed || rolled) {
            stopped.set_siginfo(&info)?;
        }
        if rolled && matches!(status, Status::Stop(signal) if signal != libc::SIGTRAP) {
            // It is in no group stop any more; it is to stop again before it executes anything.
            if let Some(task) = self.tasks.get_mut(&tid) {
                task.counted.place = Place::Still;
            }
            ptrace::interrupt(tid)?;
            stopped.resume(Resume::Cont, 0)?;
            return Ok(None);
        }
        Ok(Some((stopped, status)))
    }

    /// Whether a thread has executed nothing since its last sync point, at which it had the same registers, when it stops
    /// for a signal: of one that runs in the cache that is known, for one may come back to the same registers without any
    /// branch.
    pub(super) fn has_not_moved(&self, tid: Pid) -> bool {
        let task = self.tasks.get(&tid);
        task.is_none_or(|task| !task.counted.entered)
    }

    /// Whether what the thread executes is counted.
    pub(super) fn runs_counted(&self, tid: Pid) -> bool {
        let task = self.tasks.get(&tid);
        task.is_some_and(|task| task.counted.place == Place::Inside)
    }

    /// The application is about to change memory: that of the code cache must stay.
    pub(super) fn check_cache(&self, tid: Pid, range: &std::ops::Range<u64>) -> Step {
        let space = self.tasks.get(&tid).map(|task| task.space);
        let has_one = space.is_some_and(|space| self.caches.contains_key(&space));
        // What the kernel turns down is no change.
        let is_range = range.start.is_multiple_of(layout::KERNEL_PAGE) && range.end <= TASK_SIZE;
        if has_one && is_range && counting::occupies(range) {
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: format!(
                    "a change of the code cache's memory at {:#x}",
                    layout::CACHE
                ),
            }
            .into());
        }
        Ok(())
    }

    /// A syscall has changed memory by other ways than those of its table: it may be code.
    pub(super) fn memory_changed(&mut self, effects: &[Effect<'_>]) {
        if self.caches.is_empty() {
            return;
        }
        for effect in effects {
            if let Effect::Write(write) = effect
                && let Some(tid) = self.named(write.tid)
                && let Some(task) = self.tasks.get(&tid)
                && let Some(cache) = self.caches.get_mut(&task.space)
            {
                let end = write.addr.saturating_add(write.data.len() as u64);
                cache.changed([Some(write.addr..end), None]);
            }
        }
    }

    /// Code may be another behind a syscall of this thread's.
    pub(super) fn code_changed(
        &mut self,
        tid: Pid,
        call: &crate::model::capture::Call,
        result: i64,
    ) {
        let space = self.tasks.get(&tid).map(|task| task.space);
        if let Some(cache) = space.and_then(|space| self.caches.get_mut(&space)) {
            cache.changed(counting::changed(call, result));
        }
    }
}

/// The registers of a thread that has executed its `syscall` instruction, as its first stop shows them. In place of the
/// gate's they make the gate's system call the application's.
fn in_syscall(at: &Regs) -> Regs {
    let behind = at.rip.wrapping_add(SYSCALL_BYTES);
    Regs {
        rip: behind,
        rcx: behind,
        r11: at.eflags,
        rax: i64::from(-libc::ENOSYS).cast_unsigned(),
        orig_rax: at.rax,
        ..*at
    }
}

pub(super) fn looking_at_memory() -> impl FnOnce(std::io::Error) -> RecordError {
    RecordError::os("looking at the application's memory")
}

fn looking_at() -> impl FnOnce(std::io::Error) -> RecordError {
    RecordError::os("looking at an instruction")
}
