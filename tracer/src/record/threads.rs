//! Threads and processes while recording: how they begin and how they end.

use super::error::{RecordError, Step};
use super::session::Session;
use super::task::{State, Task};
use crate::model::Handler;
use crate::model::capture::Memory;
use crate::namespaces;
use crate::sys::aside::Aside;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::{self, Pid, Status, Whom};
use journal::{Event, Spawn, ThreadEnd, Tid, Write};
use std::collections::HashSet;

const CLONE_VM: u64 = libc::CLONE_VM.cast_unsigned() as u64;
const CLONE_VFORK: u64 = libc::CLONE_VFORK.cast_unsigned() as u64;
const CLONE_THREAD: u64 = libc::CLONE_THREAD.cast_unsigned() as u64;
const CLONE_PARENT_SETTID: u64 = libc::CLONE_PARENT_SETTID.cast_unsigned() as u64;
const CLONE_CHILD_SETTID: u64 = libc::CLONE_CHILD_SETTID.cast_unsigned() as u64;
const CLONE_CHILD_CLEARTID: u64 = libc::CLONE_CHILD_CLEARTID.cast_unsigned() as u64;
const CLONE_PIDFD: u64 = libc::CLONE_PIDFD.cast_unsigned() as u64;
/// The exit signal, in clone's flags.
const CSIGNAL: u64 = 0xff;

/// The arguments of any of fork's family.
#[derive(Debug, Clone, Copy, Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    parent_tid: u64,
    child_tid: u64,
    exit_signal: u64,
}

impl Session {
    /// A thread, inside a syscall, created another one.
    pub(super) fn spawned(&mut self, tid: Pid, stopped: Stopped, _event: i32) -> Step {
        let child = Pid(i32::try_from(stopped.event_message()?).unwrap_or(0));
        let clone = self.clone_args(tid);
        self.emit_enter(tid)?;
        self.forging |= super::signals::looks_like_fault(clone.exit_signal);
        let Some(parent) = self.tasks.get(&tid) else {
            return Ok(());
        };
        let same_process = (parent.tgid, parent.process);
        let mut space = parent.space;
        let parent_tgid = parent.tgid;
        if clone.flags & CLONE_VM == 0 {
            let fresh = self.fresh_space();
            self.memories.forked(space, fresh);
            self.counter.forked(space, fresh);
            if let Some(&dumpable) = self.dumpable.get(&parent_tgid) {
                self.dumpable.insert(child, dumpable);
            }
            if let Some(agent) = self.agents.get(&space).cloned() {
                self.agents.insert(fresh, agent);
            }
            self.serving.forked(space, fresh);
            space = fresh;
        }
        let Some(first) = self.first_stop(child)? else {
            // Killed before it ran at all; the parent goes on.
            stopped.resume(Resume::Syscall, 0)?;
            return Ok(());
        };
        let regs = first.regs()?;
        let id = self.inner_of(child)?;
        let writes = stored_ids((tid, self.name(tid)?), (child, id), &clone);
        let spawn = Spawn {
            tid: id,
            flags: clone.flags & !CSIGNAL,
            regs,
            writes,
        };
        self.emit_for(tid, &Event::Spawn(spawn))?;
        let mut task = Task::new(child, id, space, State::Runnable(first));
        if clone.flags & CLONE_THREAD != 0 {
            (task.tgid, task.process) = same_process;
        }
        task.sync_regs = regs;
        task.counted.at_sync_point();
        if let Some(parent) = self.tasks.get(&tid) {
            task.inherit(parent, clone.flags);
        }
        if clone.flags & CLONE_CHILD_CLEARTID != 0 {
            task.clear_tid = clone.child_tid;
        }
        self.tasks.insert(child, task);
        self.ready.push_back(child);
        if let Some(parent) = self.tasks.get(&tid).map(|task| task.space) {
            self.agent_after_clone(parent, space, clone.flags)?;
        }
        stopped.resume(Resume::Syscall, 0)?;
        Ok(())
    }

    /// Whether a thread is making a process that gets a copy of its memory, and may not have copied
    /// it all.
    pub(super) fn copies_memory(&self, tid: Pid) -> bool {
        let call = self.tasks.get(&tid).and_then(|task| task.call.as_ref());
        call.is_some_and(|call| call.call.def.handler == Handler::Clone && !call.emitted)
            && self.clone_args(tid).flags & CLONE_VM == 0
    }

    /// What the application calls a thread that is new, or has another id now.
    pub(super) fn inner_of(&self, tid: Pid) -> Step<Tid> {
        if !self.isolated {
            return Ok(Tid(tid.0));
        }
        let id = namespaces::inner_of(tid);
        Ok(id.map_err(RecordError::os("reading the id of a new thread"))?)
    }

    pub(super) fn fresh_space(&mut self) -> super::task::SpaceId {
        self.next_space += 1;
        super::task::SpaceId(self.next_space)
    }

    fn first_stop(&mut self, child: Pid) -> Step<Option<Stopped>> {
        if self.early.remove(&child).is_some() {
            return Ok(Some(Stopped::reported(child)));
        }
        let report = wait::wait(Whom::Only(child), true)
            .map_err(RecordError::os("waiting for a new thread"))?;
        Ok(match report {
            None | Some((_, Status::Ended(_))) => None,
            Some((child, _)) => Some(Stopped::reported(child)),
        })
    }

    fn clone_args(&self, tid: Pid) -> CloneArgs {
        let Some(call) = self.tasks.get(&tid).and_then(|task| task.call.as_ref()) else {
            return CloneArgs::default();
        };
        let args = call.call.args;
        match call.call.def.name {
            "clone3" => {
                let word = |index: u64| Remote(tid).read_u64(args[0] + index * 8).unwrap_or(0);
                CloneArgs {
                    flags: word(0),
                    pidfd: word(1),
                    child_tid: word(2),
                    parent_tid: word(3),
                    exit_signal: word(4),
                }
            }
            "clone" => CloneArgs {
                flags: args[0],
                pidfd: args[2],
                parent_tid: args[2],
                child_tid: args[3],
                exit_signal: args[0] & CSIGNAL,
            },
            "vfork" => CloneArgs {
                flags: CLONE_VM | CLONE_VFORK,
                ..CloneArgs::default()
            },
            _ => CloneArgs::default(),
        }
    }

    /// A thread has executed its last instruction.
    pub(super) fn ending(&mut self, tid: Pid, stopped: Stopped) -> Step {
        let status = i32::try_from(stopped.event_message()?).unwrap_or(0);
        // Its sockets are closed only after this stop.
        if let Err(error) = self.check_killer(tid, status) {
            // It must not stand in the way of its own end.
            stopped.resume(Resume::Cont, 0)?;
            return Err(error);
        }
        self.ends_inside(tid, &stopped)?;
        let cut_short = !self.at_its_sync_point(tid, &stopped);
        self.emit_end(tid, status)?;
        if cut_short {
            self.emit_shared_memory(tid)?;
        }
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        task.state = State::Ending;
        self.dumpable.remove(&tid);
        let tgid = task.tgid;
        stopped.resume(Resume::Cont, 0)?;
        let others = self
            .tasks
            .values()
            .any(|task| task.tgid == tgid && task.tid != tid);
        self.until_ended(tid, tid == tgid && others)
    }

    /// A protected application that somebody outside kills has not come to its own end: nothing of
    /// that may be journaled, for another node can go on with it.
    fn check_killer(&self, tid: Pid, status: i32) -> Step {
        let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
        let process = self.tasks.get(&tid).map(|task| task.process);
        match process {
            Some(process) if killed && self.network.is_some() && !self.kills.includes(process) => {
                if let Some(network) = &self.network {
                    network.halt();
                }
                // After a switchover it is killed by ourselves.
                self.out.check()?;
                Err(RecordError::KilledFromOutside(process.0).into())
            }
            _ => Ok(()),
        }
    }

    /// What the kernel changes at a thread's end must not race with another thread: waits
    /// until it has done with this one. That is when its end is reported, but of a process's
    /// first thread the end is not reported while others live, and the first process of a
    /// namespace waits for all others in it.
    fn until_ended(&mut self, tid: Pid, unreported: bool) -> Step {
        if !unreported {
            self.tick.arm();
        }
        let mut aside = Aside::default();
        loop {
            match wait::wait_or_tick(Whom::Only(tid), !unreported) {
                // Of a first thread: another one took its id over, in `execve`.
                Ok(Some((_, status))) => return self.note(tid, status),
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Ok(()),
                Ok(None) | Err(_) => {}
            }
            let state = self.tasks.get_mut(&tid).and_then(Task::kernel_state);
            match state {
                None => return Ok(()),
                Some(b'Z' | b'X') if unreported => return Ok(()),
                Some(b'S' | b'D') => return Ok(()),
                Some(_) => aside.stand(),
            }
        }
    }

    fn emit_end(&mut self, tid: Pid, status: i32) -> Step {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if std::mem::replace(&mut task.end_emitted, true) {
            return Ok(());
        }
        let writes = self.last_words(tid);
        self.emit_enter(tid)?;
        self.emit_filtered_enter(tid)?;
        self.emit_for(tid, &Event::ThreadEnd(ThreadEnd { status, writes }))
    }

    /// What the kernel writes when a thread leaves its address space, by its end or by
    /// `execve`.
    pub(super) fn last_words(&self, tid: Pid) -> Vec<Write<'static>> {
        let Some(task) = self.tasks.get(&tid) else {
            return Vec::new();
        };
        let mut writes = robust_words(task);
        let shared = self
            .tasks
            .values()
            .any(|other| other.space == task.space && other.tid != tid);
        if task.clear_tid != 0 && shared {
            writes.push(Write {
                tid: task.id,
                addr: task.clear_tid,
                data: vec![0; 4].into(),
            });
        }
        writes
    }

    /// A thread is gone.
    pub(super) fn ended(&mut self, tid: Pid, status: i32) -> Step {
        if self.tasks.get(&tid).is_some_and(|task| !task.end_emitted) {
            // Killed at its last stop, or without one.
            self.check_killer(tid, status)?;
        }
        self.emit_end(tid, status)?;
        let space = self.tasks.remove(&tid).map(|task| task.space);
        self.ready.retain(|&other| other != tid);
        self.memories
            .spaces_left(self.tasks.values().map(|task| task.space));
        let left: HashSet<_> = self.tasks.values().map(|task| task.space).collect();
        self.agents.retain(|space, _| left.contains(space));
        self.serving.spaces_left(|space| left.contains(&space));
        self.counter.spaces_left(&left);
        self.caches.retain(|space, _| left.contains(space));
        if let Some(space) = space {
            self.serving.thread_ended(space, tid);
            self.update_off(space)?;
        }
        if tid == self.first {
            self.first_status = Some(status);
        }
        Ok(())
    }
}

/// The ids that the kernel stored for a new thread.
fn stored_ids(parent: (Pid, Tid), child: (Pid, Tid), clone: &CloneArgs) -> Vec<Write<'static>> {
    let mut writes = Vec::new();
    for (flag, (owner, id), addr) in [
        (CLONE_PARENT_SETTID, parent, clone.parent_tid),
        (CLONE_PIDFD, parent, clone.pidfd),
        (CLONE_CHILD_SETTID, child, clone.child_tid),
    ] {
        let mut word = [0u8; 4];
        if clone.flags & flag != 0 && addr != 0 && Remote(owner).read(addr, &mut word) == 4 {
            writes.push(Write {
                tid: id,
                addr,
                data: word.to_vec().into(),
            });
        }
    }
    writes
}

/// What the kernel does to the robust futexes that a thread still owns
/// (kernel/futex/core.c, `exit_robust_list`).
pub(super) fn robust_words(task: &Task) -> Vec<Write<'static>> {
    const ENTRIES_MAX: usize = 2048;
    const OWNER_DIED: u32 = 0x4000_0000;
    const WAITERS: u32 = 0x8000_0000;
    const TID_MASK: u32 = 0x3fff_ffff;
    let memory = Remote(task.tid);
    let head = task.robust_list;
    let mut writes = Vec::new();
    if head == 0 {
        return writes;
    }
    let (Ok(first), Ok(offset), Ok(pending)) = (
        memory.read_u64(head),
        memory.read_u64(head + 8),
        memory.read_u64(head + 16),
    ) else {
        return writes;
    };
    let mut died = |entry: u64| {
        // The lowest bit marks a priority-inheriting one.
        let addr = (entry & !1).wrapping_add(offset);
        if let Ok(word) = memory.read_u32(addr)
            && word & TID_MASK == task.id.0.cast_unsigned()
        {
            let data = (word & WAITERS | OWNER_DIED).to_le_bytes().to_vec();
            writes.push(Write {
                tid: task.id,
                addr,
                data: data.into(),
            });
        }
    };
    let mut entry = first;
    for _ in 0..ENTRIES_MAX {
        if entry & !1 == head {
            break;
        }
        if entry != pending {
            died(entry);
        }
        match memory.read_u64(entry & !1) {
            Ok(next) => entry = next,
            // A broken list: the kernel gives up, the pending entry included.
            Err(_) => return writes,
        }
    }
    if pending & !1 != 0 {
        died(pending);
    }
    writes
}
