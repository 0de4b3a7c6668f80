//! The end of the log: what the shadow keeps beside the kernel's objects goes into them, and every
//! thread is brought to where a recording can go on.

use super::answers::Answer;
use super::kinds::Kind;
use crate::agent;
use crate::identities::Identities;
use crate::model::capture::Call;
use crate::namespaces::Namespaces;
use crate::network::Network;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::{Pid, Status};
use crate::timeouts;
use journal::{ConnId, Endpoint, ObjectId, Out, Tid};
use pmu::Regs;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a `syscall` instruction.
const SYSCALL_BYTES: u64 = 2;
/// Not in libc (include/uapi/linux/futex.h).
const FUTEX_LOCK_PI2: i32 = 13;
const PRIVATE_AND_CLOCK: i32 = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;

/// Where a thread stands.
#[derive(Debug)]
pub enum Stand {
    /// At a sync point, with these registers; it may be resumed.
    Free(Stopped, Regs),
    /// At a stop that the journal does not have yet.
    Stopped(Stopped, Status),
    /// At the entry of a syscall, which the journal has; what has changed in the thread's memory
    /// for it.
    Entered(Stopped, Call, Regs, Option<Out<'static>>),
    /// In a syscall that the kernel performs, whose entry the journal has.
    Inside(Call, Regs),
    /// At the exit of a syscall that the kernel has performed, whose entry the journal has; with the
    /// registers at the entry.
    Performed(Stopped, Call, Regs),
    /// Its process has become another program, by the syscall whose entry the journal has; with the
    /// thread's id before that.
    Replaced(Stopped, Pid, Call, Regs),
    /// At a sync point: the syscall that the journal has it enter is to give this.
    Answered(Stopped, Regs, Answer),
}

/// A thread to go on with.
#[derive(Debug)]
pub struct Thread {
    /// The recorded id.
    pub id: Tid,
    /// Its process.
    pub process: Tid,
    /// The id here.
    pub real: Pid,
    /// Which threads have its address space: those with the same number.
    pub space: u32,
    /// Where the agent belongs in it, there is memory.
    pub agent_was: bool,
    /// Where it stands.
    pub stand: Stand,
    /// The syscall that a restart would continue.
    pub interrupted: Option<(u32, [u64; 6])>,
    /// The address that is cleared at its end.
    pub clear_tid: u64,
    /// The actions of the signals that traps raise, by signal; of a first thread.
    pub actions: Vec<(i32, [u8; 32])>,
    /// When that was entered, since the machine started, if it has a time-out that counts.
    pub interrupted_begun: Option<Duration>,
    /// The same of the syscall that the thread is in.
    pub begun: Option<Duration>,
    /// Signals to be delivered.
    pub signals: Vec<[u8; 128]>,
}

/// What the kernel told of a thread.
#[derive(Debug, Default)]
struct Known {
    clear_tid: u64,
    actions: Vec<(i32, [u8; 32])>,
}

/// A replay, ready to become a recording.
pub struct TakeOver {
    /// All threads.
    pub threads: Vec<Thread>,
    /// Threads that have ended and of which the journal does not have it, and how.
    pub ends: Vec<(Tid, i32)>,
    /// Processes that are to be stopped, or killed, and by what signal.
    pub struck: Vec<(Pid, i32)>,
    /// The first process.
    pub first: Tid,
    /// Files that are mapped shared, by device and inode.
    pub objects: HashMap<(u64, u64), ObjectId>,
    /// System V segments, by id.
    pub segments: HashMap<u64, ObjectId>,
    /// Kept files and objects have numbers below these.
    pub next_ids: (u32, u32),
    /// What files here are to the application.
    pub identities: Identities,
    /// How the first process ended, if it has.
    pub status: Option<i32>,
    /// The namespaces that they are in.
    pub namespaces: Namespaces,
    /// Connections by the inode of their socket.
    pub connections: HashMap<u64, ConnId>,
    /// Both ends of those that are being opened.
    pub opening: HashMap<u64, (Endpoint, Endpoint)>,
}

impl Session {
    /// Brings a shadow to where a recording can go on.
    pub(crate) fn go_live(
        mut self,
        network: Option<Arc<dyn Network>>,
    ) -> Result<TakeOver, ReplayError> {
        if let Some(shadow) = &mut self.shadow {
            shadow.network = network;
        }
        if self.tasks.values().any(|task| task.prelude) {
            return Err(ReplayError::NotBegun);
        }
        let ends = self.finish_ends()?;
        let tids: Vec<Tid> = self.tasks.keys().copied().collect();
        self.await_performed(&tids)?;
        self.stop_serving(&tids)?;
        self.fill_objects(&tids)?;
        self.settle_calls()?;
        self.reopen_held(&tids)?;
        self.rebuild_connections(&tids)?;
        self.disarm_entries()?;
        // By the first thread of each that can make syscalls: of a `vfork`, that is the child.
        let mut restored = HashSet::new();
        let mut spaces: Vec<*const ()> = Vec::new();
        let mut prepared = Vec::new();
        for &tid in &tids {
            let space = std::rc::Rc::as_ptr(&self.task(tid)?.space).cast::<()>();
            let known = spaces.iter().position(|other| *other == space);
            let number = known.unwrap_or(spaces.len());
            let free = self.task(tid)?.stopped.is_some();
            if known.is_none() {
                spaces.push(space);
            }
            if free && restored.insert(number) {
                self.restore_break(tid)?;
            }
            let mut known = Known::default();
            if free {
                known.clear_tid = self.cleared_address(tid)?;
                if tid == self.task(tid)?.tgid {
                    known.actions = self.forced_actions(tid)?;
                }
            }
            prepared.push((tid, number, known));
        }
        let mut stops = HashMap::new();
        for &tid in &tids {
            // Clock reads that the journal has: the thread gets them before it asks for more.
            if !self.task(tid)?.clocks.is_empty() {
                self.current = tid;
                let status = self.run(tid)?;
                stops.insert(tid, status);
            }
        }
        let able: Vec<Tid> = prepared
            .iter()
            .filter(|(tid, ..)| {
                let stopped = self
                    .tasks
                    .get(tid)
                    .is_some_and(|task| task.stopped.is_some());
                stopped && !stops.contains_key(tid)
            })
            .map(|(tid, ..)| *tid)
            .collect();
        let mut threads = Vec::new();
        let mut left = HashMap::new();
        for process in tids.iter().copied() {
            let tgid = |tid: &Tid| self.tasks.get(tid).map(|task| task.tgid);
            if tgid(&process) == Some(process) {
                let own: Vec<Tid> = able
                    .iter()
                    .copied()
                    .filter(|tid| tgid(tid) == Some(process))
                    .collect();
                left.insert(process, self.queue_again(process, &own)?);
            }
        }
        for (tid, number, known) in prepared {
            let signals = left.remove(&tid).unwrap_or_default();
            let status = stops.remove(&tid);
            let thread = self.live_thread(tid, number, status, known)?;
            threads.push(Thread { signals, ..thread });
        }
        if self
            .shadow
            .as_mut()
            .is_some_and(|shadow| !shadow.streams.debts().is_empty())
        {
            return Err(self.not_shadowed("a takeover while what was read was being written"));
        }
        let next_ids = (
            self.files.keys().map(|id| id.0 + 1).max().unwrap_or(0),
            self.next_object,
        );
        let (first, status) = (self.first, self.status);
        let Some(shadow) = self.shadow.take() else {
            return Err(self.inconsistent("a takeover without a shadow"));
        };
        if let Some(network) = &shadow.network {
            network
                .open()
                .map_err(ReplayError::os("opening the network"))?;
        }
        let halted = shadow
            .halted
            .keys()
            .map(|process| (*process, libc::SIGSTOP));
        let struck = halted.chain(
            shadow
                .struck
                .iter()
                .map(|(process, signal)| (*process, *signal)),
        );
        let struck = struck
            .filter_map(|(process, signal)| {
                let mut threads = self.tasks.values();
                let thread = threads.find(|task| task.tgid == process)?;
                Some((thread.real, signal))
            })
            .collect();
        let objects = shadow
            .objects
            .iter()
            .map(|(id, place)| (*place, *id))
            .collect();
        // What is left of the replay must not end the processes.
        self.tasks.clear();
        Ok(TakeOver {
            threads,
            ends,
            struck,
            first,
            objects,
            segments: shadow.segments,
            next_ids,
            identities: shadow.identities,
            status,
            namespaces: shadow.namespaces,
            connections: shadow.conns,
            opening: shadow.opening,
        })
    }

    fn live_thread(
        &mut self,
        tid: Tid,
        space: usize,
        status: Option<Status>,
        known: Known,
    ) -> Result<Thread, ReplayError> {
        let task = self.task(tid)?;
        let begun = task.call.as_ref().and_then(|in_call| in_call.begun);
        let stand = self.stand(tid, status)?;
        let task = self.task(tid)?;
        let (process, real, interrupted) = (task.tgid, task.real, task.interrupted);
        let interrupted_begun = task.interrupted_begun;
        let agent_was = task.space.borrow().agent.is_reserved();
        if !matches!(stand, Stand::Replaced(..)) {
            agent::Recording::begin(Remote(real), true)
                .map_err(ReplayError::os("preparing the agent's page"))?;
        }
        Ok(Thread {
            id: tid,
            process,
            real,
            space: u32::try_from(space).unwrap_or(u32::MAX),
            agent_was,
            stand,
            interrupted,
            interrupted_begun,
            begun,
            clear_tid: known.clear_tid,
            actions: known.actions,
            signals: Vec::new(),
        })
    }

    fn stand(&mut self, tid: Tid, status: Option<Status>) -> Result<Stand, ReplayError> {
        let task = self.task(tid)?;
        if let Some(in_call) = task.call.take() {
            let Some(call) = in_call.call else {
                return Err(self.inconsistent("an unknown syscall that was never left"));
            };
            let replaced = self
                .shadow
                .as_mut()
                .and_then(|shadow| shadow.replaced.remove(&tid));
            if let Some((former, stopped)) = replaced {
                return Ok(Stand::Replaced(stopped, former, call, in_call.regs));
            }
            let task = self.task(tid)?;
            let real = task.real;
            if task.stopped.is_none() {
                return Ok(Stand::Inside(call, in_call.regs));
            }
            let left = self
                .shadow
                .as_mut()
                .and_then(|shadow| shadow.performed.remove(&tid));
            if let Some(regs) = left {
                let stopped = self.take_stop(tid)?;
                stopped.set_regs(&regs)?;
                return Ok(Stand::Performed(stopped, call, in_call.regs));
            }
            let answer = self
                .shadow
                .as_mut()
                .and_then(|shadow| shadow.answers.remove(&tid));
            if let Some(answer) = answer {
                let stopped = self.take_stop(tid)?;
                return answered(stopped, in_call.regs, answer);
            }
            if let Some(result) = self.open_fifo_now(tid, &call)? {
                let stopped = self.take_stop(tid)?;
                return answered(stopped, in_call.regs, result);
            }
            let has_lock = self.has_lock(tid, &call)?;
            let stopped = self.take_stop(tid)?;
            if has_lock || waits_on_futex(&call) {
                // Who was to wake it may have done so already. That a wait may end for no
                // reason is part of its description (futex(2)).
                return answered(stopped, in_call.regs, 0);
            }
            let mut regs = in_call.regs;
            let mut call = call;
            if let Some(result) = self.skip_what_was_read(tid, &mut call, &mut regs)? {
                return answered(stopped, in_call.regs, result);
            }
            let changed = in_call
                .begun
                .and_then(|begun| self.shorten_timeout(real, &call, &mut regs, begun));
            regs.rax = call.def.nr.into();
            regs.orig_rax = u64::MAX;
            regs.rip -= SYSCALL_BYTES;
            stopped.set_regs(&regs)?;
            // What is to be delivered comes once the thread goes on.
            let mask = stopped.signal_mask()?;
            stopped.set_signal_mask(u64::MAX)?;
            stopped.resume(Resume::Cont, 0)?;
            match self.await_own_stop(tid, Resume::Cont)? {
                Status::Event(libc::PTRACE_EVENT_SECCOMP) => {}
                status => {
                    let found = self.describe_stop(tid, status);
                    return Err(self.diverged("a syscall that is made again", found));
                }
            }
            let stopped = self.take_stop(tid)?;
            stopped.set_signal_mask(mask)?;
            return Ok(Stand::Entered(stopped, call, in_call.regs, changed));
        }
        let stopped = self.take_stop(tid)?;
        if let Some(status) = status {
            return Ok(Stand::Stopped(stopped, status));
        }
        let task = self.task(tid)?;
        crate::replay::check::settle_restart(task);
        let regs = task.regs;
        stopped.set_regs(&regs)?;
        Ok(Stand::Free(stopped, regs))
    }

    /// Whether a thread waits for a lock that was handed to it already: whoever had it has left
    /// the syscall that did so.
    fn has_lock(&mut self, tid: Tid, call: &Call) -> Result<bool, ReplayError> {
        let index = match call.int(1) & !PRIVATE_AND_CLOCK {
            _ if call.def.name != "futex" => return Ok(false),
            libc::FUTEX_LOCK_PI | FUTEX_LOCK_PI2 => 0,
            libc::FUTEX_WAIT_REQUEUE_PI => 4,
            _ => return Ok(false),
        };
        let (_, real) = self.process(tid)?;
        let mut word = [0; 4];
        Remote(real)
            .read_exact(call.args[index], &mut word)
            .map_err(ReplayError::os("reading a lock"))?;
        let owner = u32::from_le_bytes(word) & libc::FUTEX_TID_MASK;
        Ok(owner == tid.0.unsigned_abs())
    }

    /// A thread waits for the rest of a time only.
    fn shorten_timeout(
        &mut self,
        real: Pid,
        call: &Call,
        regs: &mut Regs,
        begun: Duration,
    ) -> Option<Out<'static>> {
        let shadow = self.shadow.as_mut()?;
        shadow.timeouts += 1;
        let over = host::uptime().saturating_sub(begun);
        timeouts::shorten(real, call, regs, over, shadow.timeouts)
    }

    /// Of what a thread is about to write to a pipe the beginning may have been read already. The
    /// syscall's result, if that was all.
    fn skip_what_was_read(
        &mut self,
        tid: Tid,
        call: &mut Call,
        regs: &mut Regs,
    ) -> Result<Option<i64>, ReplayError> {
        if call.def.name != "write" {
            return Ok(None);
        }
        let Kind::Pipe(inode) = self.kind(tid, call.int(0))? else {
            return Ok(None);
        };
        let Some(shadow) = &mut self.shadow else {
            return Ok(None);
        };
        let owed = shadow.streams.owed(inode) as u64;
        if owed == 0 || owed > call.args[2] {
            return Ok(None);
        }
        shadow.streams.debts().remove(&inode);
        if owed == call.args[2] {
            return Ok(Some(owed.cast_signed()));
        }
        call.args[1] += owed;
        call.args[2] -= owed;
        regs.set_arg(1, call.args[1]);
        regs.set_arg(2, call.args[2]);
        Ok(None)
    }

    /// The kernel knows the program break of the program as it was started here.
    fn restore_break(&mut self, tid: Tid) -> Result<(), ReplayError> {
        let space = std::rc::Rc::clone(&self.task(tid)?.space);
        let (known, arguments) = {
            let space = space.borrow();
            (space.first_brk.zip(space.brk), space.arguments)
        };
        if known.is_none() && arguments.is_none() {
            return Ok(());
        }
        let real = self.task(tid)?.real;
        let map = crate::mm::with_break(real, known, arguments)
            .map_err(ReplayError::os("reading a process's layout"))?;
        let room = crate::layout::PAGE_DATA;
        Remote(real)
            .write(room, &map)
            .map_err(ReplayError::os("placing a process's layout"))?;
        let args = [
            libc::PR_SET_MM.unsigned_abs().into(),
            libc::PR_SET_MM_MAP.unsigned_abs().into(),
            room,
            map.len() as u64,
            0,
            0,
        ];
        self.remote(tid, "setting the program break", libc::SYS_prctl, args)?;
        Ok(())
    }

    fn cleared_address(&mut self, tid: Tid) -> Result<u64, ReplayError> {
        let room = crate::layout::KERNEL_ROOM;
        let option = libc::PR_GET_TID_ADDRESS.unsigned_abs().into();
        self.remote(tid, "prctl", libc::SYS_prctl, [option, room, 0, 0, 0, 0])?;
        let real = self.task(tid)?.real;
        Remote(real)
            .read_u64(room)
            .map_err(ReplayError::os("reading an address"))
    }

    fn forced_actions(&mut self, tid: Tid) -> Result<Vec<(i32, [u8; 32])>, ReplayError> {
        let room = crate::layout::KERNEL_ROOM;
        let mut actions = Vec::new();
        for signal in [libc::SIGSEGV, libc::SIGILL, libc::SIGTRAP] {
            let args = [signal.unsigned_abs().into(), 0, room, 8, 0, 0];
            self.remote(tid, "rt_sigaction", libc::SYS_rt_sigaction, args)?;
            let (_, real) = self.process(tid)?;
            let mut action = [0; 32];
            Remote(real)
                .read_exact(room, &mut action)
                .map_err(ReplayError::os("reading a signal's action"))?;
            actions.push((signal, action));
        }
        Ok(actions)
    }

    /// Puts into event counters what is in them.
    fn fill_objects(&mut self, tids: &[Tid]) -> Result<(), ReplayError> {
        let mut done = HashSet::new();
        for (real, fd) in self.descriptors(tids)? {
            let Some(shadow) = &mut self.shadow else {
                break;
            };
            let failed = || ReplayError::os("setting an event counter");
            if let Some(Kind::Event(event)) = super::kinds::look_up(real, fd) {
                let change = shadow.streams.change(event);
                if change != 0 && done.insert(event) {
                    let counter = host::duplicate_of(real, fd).map_err(failed())?;
                    set_counter(&counter, change).map_err(failed())?;
                }
            }
        }
        Ok(())
    }

    /// Every descriptor of every process.
    pub(super) fn descriptors(&mut self, tids: &[Tid]) -> Result<Vec<(Pid, i32)>, ReplayError> {
        let mut all = Vec::new();
        for &tid in tids {
            let (process, real) = self.process(tid)?;
            if tid != process {
                continue;
            }
            let entries = std::fs::read_dir(format!("/proc/{real}/fd"))
                .map_err(ReplayError::os("listing descriptors"))?;
            for entry in entries.flatten() {
                let name = entry.file_name();
                if let Some(fd) = name.to_str().and_then(|name| name.parse().ok()) {
                    all.push((real, fd));
                }
            }
        }
        Ok(all)
    }
}

/// A thread that is to find the syscall that it stands in done, with this result.
fn answered(
    stopped: Stopped,
    entered: Regs,
    answer: impl Into<Answer>,
) -> Result<Stand, ReplayError> {
    let answer = answer.into();
    let mut regs = entered;
    regs.rax = answer.result.cast_unsigned();
    regs.orig_rax = u64::MAX;
    stopped.set_regs(&regs)?;
    Ok(Stand::Answered(stopped, regs, answer))
}

/// Whether a call waits on a futex that somebody else is to wake.
fn waits_on_futex(call: &Call) -> bool {
    call.def.name == "futex"
        && matches!(
            call.int(1) & !PRIVATE_AND_CLOCK,
            libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET
        )
}

/// Changes an event counter that nobody has touched since it was made.
fn set_counter(counter: &File, change: i128) -> std::io::Result<()> {
    let mut value = change;
    let mut bytes = [0; 8];
    while host::is_readable(counter) {
        (&mut &*counter).read_exact(&mut bytes)?;
        value += i128::from(u64::from_le_bytes(bytes));
    }
    match u64::try_from(value) {
        Ok(0) => Ok(()),
        Ok(value) => (&mut &*counter).write_all(&value.to_le_bytes()),
        Err(_) => Err(std::io::ErrorKind::InvalidData.into()),
    }
}
