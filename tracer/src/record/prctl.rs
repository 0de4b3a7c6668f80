//! What the application asks of itself and the supervisor has asked of it already: the state is
//! kept here, because the kernel's own is the supervisor's.

use super::error::{RecordError, Step};
use super::session::Session;
use super::syscalls::{bare_entry, number};
use super::task::State;
use crate::model::capture::Call;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::Pid;
use crate::{layout, maps};
use journal::Event;
use pmu::Regs;

impl Session {
    /// The result of a prctl that the kernel must not perform.
    pub(super) fn answer_prctl(&mut self, tid: Pid, call: &Call) -> Option<i64> {
        match call.int(0) {
            libc::PR_SET_DUMPABLE | libc::PR_GET_DUMPABLE => self.dumpable(tid, call),
            libc::PR_SET_TSC => Some(self.set_tsc_mode(tid, call.int(1))),
            libc::PR_SET_SECCOMP if call.args[1] == libc::SECCOMP_MODE_STRICT.into() => {
                self.begin_strict(tid)
            }
            _ => None,
        }
    }

    /// Options of prctl in which the supervisor would show through.
    pub(super) fn prctl_done(
        &mut self,
        tid: Pid,
        stopped: &Stopped,
        call: &Call,
        regs: &mut Regs,
    ) -> Step {
        match call.int(0) {
            libc::PR_SET_SECCOMP => self.own_filter(tid, 0),
            libc::PR_GET_TSC => self.show_tsc_mode(tid, call.args[1])?,
            libc::PR_GET_SECCOMP if !self.tasks.get(&tid).is_some_and(|task| task.own_filter) => {
                regs.rax = 0;
                stopped.set_regs(regs)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The result of a seccomp syscall that the kernel must not perform.
    pub(super) fn answer_seccomp(&mut self, tid: Pid, call: &Call) -> Step<Option<i64>> {
        let mode = call.int(0).unsigned_abs();
        if mode == libc::SECCOMP_SET_MODE_STRICT && call.int(1) == 0 && call.args[2] == 0 {
            return Ok(self.begin_strict(tid));
        }
        let together = call.args[1] & libc::SECCOMP_FILTER_FLAG_TSYNC != 0;
        if mode == libc::SECCOMP_SET_MODE_FILTER && together {
            // It might object to what the agent does when its threads come back.
            let tgid = self.tasks.get(&tid).map(|task| task.tgid);
            self.bring_out(|_, task| Some(task.tgid) == tgid)?;
        }
        Ok(None)
    }

    /// A seccomp syscall has succeeded.
    pub(super) fn seccomp_done(&mut self, tid: Pid, call: &Call) {
        if call.int(0).unsigned_abs() == libc::SECCOMP_SET_MODE_FILTER {
            self.own_filter(tid, call.args[1]);
        }
    }

    /// The application has installed a filter.
    fn own_filter(&mut self, tid: Pid, flags: u64) {
        let tgid = self.tasks.get(&tid).map(|task| task.tgid);
        // It might object to the agent's syscalls.
        self.silence_agent(tid);
        self.serve_no_more(tid);
        for task in self.tasks.values_mut() {
            if task.tid == tid
                || (flags & libc::SECCOMP_FILTER_FLAG_TSYNC != 0 && Some(task.tgid) == tgid)
            {
                task.own_filter = true;
            }
        }
    }

    /// Strict mode, which the kernel refuses where there is a filter: the supervisor's, or one
    /// of the application's own. (kernel/seccomp.c, `seccomp_set_mode_strict`)
    fn begin_strict(&mut self, tid: Pid) -> Option<i64> {
        let task = self.tasks.get_mut(&tid).filter(|task| !task.own_filter)?;
        task.strict = true;
        // The kernel takes the time stamp counter away with it.
        task.tsc_denied = true;
        self.serve_no_more(tid);
        Some(0)
    }

    /// Every syscall of the address space is to be seen from now on, at the program's own address.
    fn serve_no_more(&mut self, tid: Pid) {
        if let Some(space) = self.tasks.get(&tid).map(|task| task.space) {
            self.turn_off_for_good(space);
            // Whoever has just been killed is served nothing.
            let _ = self.update_off(space);
            let _ = self.sites_restored(tid);
        }
    }

    /// Whether strict mode forbids the syscall that the thread stands at.
    pub(super) fn is_forbidden(&self, tid: Pid, regs: &Regs) -> Step<bool> {
        const ALLOWED: [i64; 4] = [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_exit,
            libc::SYS_rt_sigreturn,
        ];
        if ALLOWED.contains(&number(regs).into()) {
            return Ok(false);
        }
        // Nor is it one, natively, that the supervisor put in the place of the vDSO's code.
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        let ours = layout::touches_page(regs.rip, 1)
            || areas
                .iter()
                .any(|area| area.name == b"[vdso]" && (area.start..area.end).contains(&regs.rip));
        Ok(!ours)
    }

    /// Ends a thread as strict mode does at a forbidden syscall: the thread alone, as if
    /// killed.
    pub(super) fn end_strictly(&mut self, tid: Pid, stopped: Stopped, regs: &Regs) -> Step {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        task.state = State::Running;
        let tgid = task.tgid;
        self.emit_for(tid, &Event::Enter(bare_entry(regs)))?;
        if tid != tgid {
            // What it ends with cannot be seen by anybody.
            let mut changed = *regs;
            changed.orig_rax = libc::SYS_exit.cast_unsigned();
            changed.rdi = 0;
            stopped.set_regs(&changed)?;
            stopped.resume(Resume::Cont, 0)?;
            return Ok(());
        }
        if self
            .tasks
            .values()
            .any(|task| task.tgid == tgid && task.tid != tid)
        {
            // Others of the process go on, and it ends with the status that this thread has:
            // nothing but strict mode itself does that.
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: "the end of a process's first thread by strict seccomp".to_owned(),
            }
            .into());
        }
        host::signal_process(tgid, libc::SIGKILL)
            .map_err(RecordError::os("killing a thread in strict mode"))?;
        Ok(())
    }

    /// Answers `PR_SET_DUMPABLE`, and `PR_GET_DUMPABLE` of what was set.
    fn dumpable(&mut self, tid: Pid, call: &Call) -> Option<i64> {
        let process = self.tasks.get(&tid).map_or(tid, |task| task.tgid);
        if call.int(0) == libc::PR_GET_DUMPABLE {
            return self.dumpable.get(&process).copied();
        }
        match call.args[1] {
            value @ (0 | 1) => {
                self.dumpable.insert(process, value.cast_signed());
                Some(0)
            }
            _ => Some(-i64::from(libc::EINVAL)),
        }
    }

    fn set_tsc_mode(&mut self, tid: Pid, mode: i32) -> i64 {
        let denied = match mode {
            libc::PR_TSC_ENABLE => false,
            libc::PR_TSC_SIGSEGV => true,
            _ => return -i64::from(libc::EINVAL),
        };
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.tsc_denied = denied;
        }
        0
    }

    /// The kernel answered what the supervisor set.
    pub(super) fn show_tsc_mode(&self, tid: Pid, addr: u64) -> Step {
        let denied = self.tasks.get(&tid).is_some_and(|task| task.tsc_denied);
        let mode = if denied {
            libc::PR_TSC_SIGSEGV
        } else {
            libc::PR_TSC_ENABLE
        };
        Remote(tid)
            .write(addr, &mode.to_le_bytes())
            .map_err(RecordError::os("answering prctl"))?;
        Ok(())
    }
}
