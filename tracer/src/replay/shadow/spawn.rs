//! New threads and processes of a shadow: made by the syscall that made them then, with the ids
//! that they had then.

use crate::layout;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::{self, Pid, Status, Whom};
use journal::{Spawn, Tid};

/// `ERESTARTNOINTR` (include/linux/errno.h), as a result.
const RESTART_NO_INTR: i64 = -513;
const UNTRACED: u64 = libc::CLONE_UNTRACED.cast_unsigned() as u64;

impl Session {
    /// The current thread, at the entry of a syscall, makes another one.
    pub(in crate::replay) fn spawn_live(&mut self, spawn: &Spawn<'_>) -> Result<(), ReplayError> {
        let tid = self.current;
        if let Some(shadow) = &self.shadow {
            shadow.namespaces.set_last_pid(spawn.tid.0 - 1)?;
        }
        let stopped = self.take_stop(tid)?;
        let regs = stopped.regs()?;
        if regs.orig_rax == libc::SYS_clone.cast_unsigned() && regs.rdi & UNTRACED != 0 {
            let mut traced = regs;
            traced.rdi &= !UNTRACED;
            stopped.set_regs(&traced)?;
        }
        stopped.resume(Resume::Syscall, 0)?;
        let stopped = self.await_child(tid)?;
        let child = Pid(i32::try_from(stopped.event_message()?).unwrap_or(0));
        stopped.resume(Resume::Syscall, 0)?;
        if let Some(shadow) = &mut self.shadow {
            shadow.performing.insert(tid);
        }
        let first = match wait::wait(Whom::Only(child), true)
            .map_err(ReplayError::os("waiting for a new thread"))?
        {
            Some((child, Status::Stop(_))) => Stopped::reported(child),
            _ => return Err(ReplayError::Killed),
        };
        // The ids that the kernel stored are the same, or were recorded otherwise.
        self.add_task(tid, spawn, child, first)?;
        let ((parent, _), (process, _)) = (self.process(tid)?, self.process(spawn.tid)?);
        if let Some(shadow) = &mut self.shadow
            && process != parent
        {
            shadow.epolls.inherit(parent, process);
        }
        Ok(())
    }

    /// Waits until a thread that makes another one has made it. While a signal is pending, here
    /// a child's end that was not then, the kernel begins anew once it has been looked at.
    fn await_child(&mut self, tid: Tid) -> Result<Stopped, ReplayError> {
        loop {
            let status = self.await_own_stop(tid, Resume::Syscall)?;
            let found = match &self.task(tid)?.stopped {
                Some(stopped) => stopped.regs()?.rax.cast_signed(),
                None => return Err(ReplayError::Killed),
            };
            match status {
                Status::Event(
                    libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK,
                ) => return self.take_stop(tid),
                Status::Event(libc::PTRACE_EVENT_SECCOMP) => {}
                // Its exit, to begin anew; its entry.
                Status::Syscall
                    if found == RESTART_NO_INTR || found == -i64::from(libc::ENOSYS) => {}
                status => {
                    let found = self.describe_stop(tid, status);
                    return Err(self.diverged("a new thread", found));
                }
            }
            self.take_stop(tid)?.resume(Resume::Syscall, 0)?;
        }
    }

    /// If the kernel performs a syscall of the thread itself: waits for its exit.
    pub(in crate::replay) fn finish_performing(
        &mut self,
        tid: Tid,
        result: i64,
    ) -> Result<(), ReplayError> {
        let performing = self
            .shadow
            .as_mut()
            .is_some_and(|shadow| shadow.performing.remove(&tid));
        if !performing {
            return Ok(());
        }
        if self.waits_for_child(tid)? {
            self.begin_execs_in(tid)?;
        }
        loop {
            match self.await_own_stop(tid, Resume::Syscall)? {
                Status::Syscall => break,
                Status::Event(libc::PTRACE_EVENT_VFORK_DONE) => {
                    self.take_stop(tid)?.resume(Resume::Syscall, 0)?;
                }
                status => {
                    let found = self.describe_stop(tid, status);
                    return Err(self.diverged("the end of a syscall", found));
                }
            }
        }
        let found = match &self.task(tid)?.stopped {
            Some(stopped) => stopped.regs()?.rax.cast_signed(),
            None => return Err(ReplayError::Killed),
        };
        if found == result {
            Ok(())
        } else {
            Err(self.diverged(
                format!("a new thread with id {result}"),
                format!("a new thread with id {found}"),
            ))
        }
    }

    /// A `vfork` ends while the child's `execve` goes on: where the journal has the one before the
    /// other, that has to be begun here first.
    fn begin_execs_in(&mut self, parent: Tid) -> Result<(), ReplayError> {
        let space = std::rc::Rc::clone(&self.task(parent)?.space);
        let process = self.task(parent)?.tgid;
        let children: Vec<Tid> = self
            .tasks
            .values()
            .filter(|task| task.tgid != process && std::rc::Rc::ptr_eq(&task.space, &space))
            .filter(|task| task.stopped.is_some())
            .map(|task| task.tid)
            .collect();
        for child in children {
            if self.replaces_program(child) {
                self.take_stop(child)?.resume(Resume::Syscall, 0)?;
                if let Some(shadow) = &mut self.shadow {
                    shadow.performing.insert(child);
                }
            }
        }
        Ok(())
    }

    /// Waits for a stop of the thread that is no signal from outside; those are noted.
    pub(super) fn await_own_stop(&mut self, tid: Tid, how: Resume) -> Result<Status, ReplayError> {
        loop {
            let status = self.await_stop(tid)?;
            let Status::Signal(_) = status else {
                return Ok(status);
            };
            let stopped = self.take_stop(tid)?;
            let info = stopped.siginfo()?;
            self.note_outside(tid, info)?;
            stopped.resume(how, 0)?;
        }
    }

    /// A signal came that is not the replay's doing.
    pub(in crate::replay) fn note_outside(
        &mut self,
        tid: Tid,
        info: [u8; 128],
    ) -> Result<(), ReplayError> {
        let process = self.task(tid)?.tgid;
        if let Some(shadow) = &mut self.shadow {
            shadow.signals.note(process, tid, info);
        }
        Ok(())
    }

    /// The journal tells what passed the gate.
    pub(in crate::replay) fn passed(
        &mut self,
        event: &journal::GateEvent<'_>,
    ) -> Result<(), ReplayError> {
        match self
            .shadow
            .as_ref()
            .and_then(|shadow| shadow.network.as_ref())
        {
            Some(network) => network
                .passed(event)
                .map_err(ReplayError::os("following a connection")),
            None => Ok(()),
        }
    }

    /// A handler was entered: the kernel would have blocked signals for it.
    pub(in crate::replay) fn block_for_handler(
        &mut self,
        tid: Tid,
        signal: i32,
    ) -> Result<(), ReplayError> {
        const NO_DEFER: u64 = libc::SA_NODEFER.cast_unsigned() as u64;
        const RESET_HAND: u64 = libc::SA_RESETHAND.cast_unsigned() as u64;
        if self.shadow.is_none() {
            return Ok(());
        }
        let number = u64::from(signal.unsigned_abs());
        let room = layout::KERNEL_ROOM;
        let args = [number, 0, room, 8, 0, 0];
        self.remote(tid, "rt_sigaction", libc::SYS_rt_sigaction, args)?;
        let (_, real) = self.process(tid)?;
        let memory = crate::sys::mem::Remote(real);
        let word = |at| {
            memory
                .read_u64(room + at)
                .map_err(ReplayError::os("reading a signal's action"))
        };
        let (flags, blocks) = (word(8)?, word(24)?);
        if flags & RESET_HAND != 0 {
            memory
                .write(room, &[0; 8])
                .map_err(ReplayError::os("writing a signal's action"))?;
            let args = [number, room, 0, 8, 0, 0];
            self.remote(tid, "rt_sigaction", libc::SYS_rt_sigaction, args)?;
        }
        let own = if flags & NO_DEFER == 0 {
            1u64 << (number - 1)
        } else {
            0
        };
        if let Some(stopped) = &self.task(tid)?.stopped {
            let mask = stopped.signal_mask()?;
            stopped.set_signal_mask(mask | blocks | own)?;
        }
        Ok(())
    }
}
