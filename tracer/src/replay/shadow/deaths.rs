//! The end of threads and processes of a shadow: by the syscall that ended them, so that what a
//! parent waits for is there.

use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::{self, Pid, Status, Whom};
use journal::{ThreadEnd, Tid};

impl Session {
    /// The current thread ends.
    pub(in crate::replay) fn end_live(&mut self, end: &ThreadEnd<'_>) -> Result<(), ReplayError> {
        let tid = self.current;
        for write in &end.writes {
            self.write(write.tid, write.addr, &write.data)?;
        }
        let (tgid, real) = self.process(tid)?;
        if tid == tgid {
            self.first_ended(tid, end.status);
        }
        let own = self.syscall_of(tid);
        if own == Some(libc::SYS_exit) {
            self.take_stop(tid)?.resume(Resume::Cont, 0)?;
        } else {
            self.begin_death(tid, tgid, real, end.status)?;
        }
        let last = !self
            .tasks
            .values()
            .any(|other| other.tgid == tgid && other.tid != tid);
        self.tasks.remove(&tid);
        if let Some(shadow) = &mut self.shadow {
            shadow.answers.remove(&tid);
        }
        if !last && tid == tgid {
            // Its end is reported once the others have ended.
            pass_exit_stop(real)?;
            self.zombies.insert(tgid, real);
            return Ok(());
        }
        reap(real)?;
        if last {
            if let Some(leader) = self.zombies.remove(&tgid) {
                reap(leader)?;
            }
            if let Some(shadow) = &mut self.shadow {
                shadow.dying.remove(&tgid);
                shadow.signals.forget(tgid);
                shadow.kinds.remove(&tgid);
                shadow.epolls.forget(tgid);
            }
            self.sweep_connections()?;
            // Its end may have undone what it did to semaphores.
            self.pay_calls()?;
        }
        Ok(())
    }

    /// The syscall that a thread stands at the entry of.
    fn syscall_of(&self, tid: Tid) -> Option<i64> {
        let in_call = self.tasks.get(&tid)?.call.as_ref()?;
        Some(in_call.regs.orig_rax.cast_signed())
    }

    /// Brings to their end the ends that the journal has in part: a process ends, or becomes another
    /// program, at once, but the journal has it thread by thread. The threads of which it lacks the end,
    /// and how they ended.
    pub(super) fn finish_ends(&mut self) -> Result<Vec<(Tid, i32)>, ReplayError> {
        let dying = self.shadow.as_ref().map(|shadow| shadow.dying.clone());
        let mut ends = Vec::new();
        for (process, status) in dying.unwrap_or_default() {
            let threads = self.tasks.values().filter(|task| task.tgid == process);
            let mut ending: Vec<Tid> = threads
                .map(|task| task.tid)
                .filter(|tid| !self.is_replacing(*tid))
                .collect();
            ending.sort_unstable_by_key(|tid| tid.0);
            for tid in ending {
                self.current = tid;
                let end = ThreadEnd {
                    status,
                    writes: Vec::new(),
                };
                self.end_live(&end)?;
                ends.push((tid, status));
            }
        }
        let threads = self.tasks.values().map(|task| (task.tid, task.tgid));
        let replacing: Vec<(Tid, Tid)> =
            threads.filter(|(tid, _)| self.is_replacing(*tid)).collect();
        for (tid, process) in replacing {
            self.await_replacement(tid, process)?;
        }
        Ok(ends)
    }

    /// Whether a thread stands at the entry of a syscall that makes its process another program.
    pub(super) fn replaces_program(&self, tid: Tid) -> bool {
        let replaces = [libc::SYS_execve, libc::SYS_execveat];
        self.syscall_of(tid)
            .is_some_and(|number| replaces.contains(&number))
    }

    /// Whether the kernel performs it.
    fn is_replacing(&self, tid: Tid) -> bool {
        let shadow = self.shadow.as_ref();
        shadow.is_some_and(|shadow| shadow.performing.contains(&tid)) && self.replaces_program(tid)
    }

    /// Waits until a process has become another program.
    fn await_replacement(&mut self, tid: Tid, process: Tid) -> Result<(), ReplayError> {
        let leader = self.zombies.remove(&process);
        let task = self.task(tid)?;
        let former = task.real;
        task.real = leader.unwrap_or(former);
        let status = self.await_own_stop(tid, Resume::Syscall)?;
        if status != Status::Event(libc::PTRACE_EVENT_EXEC) {
            let found = self.describe_stop(tid, status);
            return Err(self.diverged("a new program", found));
        }
        let stopped = self.take_stop(tid)?;
        if process == self.first {
            // Its first thread has ended, but it has not.
            self.status = None;
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.performing.remove(&tid);
            shadow.dying.remove(&process);
            shadow.forget_kinds(process);
            shadow.replaced.insert(tid, (former, stopped));
        }
        Ok(())
    }

    /// Has the kernel end, or replace, the process as it did then.
    fn begin_death(
        &mut self,
        tid: Tid,
        tgid: Tid,
        real: Pid,
        status: i32,
    ) -> Result<(), ReplayError> {
        let begun = self
            .shadow
            .as_mut()
            .is_some_and(|shadow| shadow.dying.insert(tgid, status).is_some());
        if begun {
            return Ok(());
        }
        let ends = [libc::SYS_exit_group, libc::SYS_execve, libc::SYS_execveat];
        let cause = self.tasks.values().find(|task| {
            task.tgid == tgid
                && task.stopped.is_some()
                && task
                    .call
                    .as_ref()
                    .is_some_and(|call| ends.contains(&call.regs.orig_rax.cast_signed()))
        });
        if let Some(cause) = cause.map(|task| task.tid) {
            let replaces = self.syscall_of(cause) != Some(libc::SYS_exit_group);
            let how = if replaces {
                Resume::Syscall
            } else {
                Resume::Cont
            };
            self.take_stop(cause)?.resume(how, 0)?;
            if replaces && let Some(shadow) = &mut self.shadow {
                shadow.performing.insert(cause);
            }
            return Ok(());
        }
        self.kill_as_then(tid, real, status)
    }

    /// Ends a process by the signal that ended it then.
    fn kill_as_then(&mut self, tid: Tid, real: Pid, status: i32) -> Result<(), ReplayError> {
        let killed = libc::WIFSIGNALED(status);
        let signal = if killed {
            libc::WTERMSIG(status)
        } else {
            libc::SIGKILL
        };
        let failed = || ReplayError::os("ending a process");
        if signal == libc::SIGKILL {
            return host::signal_process(real, signal).map_err(failed());
        }
        let Some(stopped) = self.task(tid)?.stopped.take() else {
            return host::signal_process(real, libc::SIGKILL).map_err(failed());
        };
        // A blocked or handled signal does not kill: neither must stand in the way.
        stopped.set_signal_mask(0)?;
        let process = self.task(tid)?.tgid;
        let leader = self.tasks.get(&process).map_or(real, |task| task.real);
        host::signal_thread(leader, real, signal).map_err(failed())?;
        stopped.resume(Resume::Cont, 0)?;
        loop {
            match wait::wait(Whom::Only(real), true).map_err(failed())? {
                Some((real, Status::Signal(found))) => {
                    let deliver = if found == signal { signal } else { 0 };
                    Stopped::reported(real).resume(Resume::Cont, deliver)?;
                    if deliver != 0 {
                        return Ok(());
                    }
                }
                Some((real, Status::Event(libc::PTRACE_EVENT_SECCOMP))) => {
                    // It ran before it was hit: not a way that the recording went.
                    let _ = host::signal_process(real, libc::SIGKILL);
                    return Ok(());
                }
                Some((_, Status::Ended(_))) | None => return Err(ReplayError::Killed),
                Some((real, _)) => Stopped::reported(real).resume(Resume::Cont, 0)?,
            }
        }
    }
}

/// Waits until a thread that is ending has ended.
fn reap(real: Pid) -> Result<(), ReplayError> {
    loop {
        let report = wait::wait(Whom::Only(real), true);
        match report {
            Ok(Some((_, Status::Ended(_)))) => return Ok(()),
            // Its stop is over already if it was killed meanwhile.
            Ok(Some((real, _))) => {
                let _ = Stopped::reported(real).resume(Resume::Cont, 0);
            }
            // Its parent, or the kernel, has it.
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            Ok(None) => return Ok(()),
            Err(error) => return Err(ReplayError::os("waiting for an end")(error)),
        }
    }
}

/// Lets a first thread, whose end is not reported while others live, pass its last stop.
fn pass_exit_stop(real: Pid) -> Result<(), ReplayError> {
    loop {
        let report =
            wait::wait(Whom::Only(real), true).map_err(ReplayError::os("waiting for an end"))?;
        match report {
            Some((real, Status::Event(libc::PTRACE_EVENT_EXIT))) => {
                let _ = Stopped::reported(real).resume(Resume::Cont, 0);
                return Ok(());
            }
            Some((_, Status::Ended(_))) | None => return Ok(()),
            Some((real, _)) => {
                let _ = Stopped::reported(real).resume(Resume::Cont, 0);
            }
        }
    }
}
