//! Syscalls in replay: checked at their entry, injected at their exit.

use super::Sink;
use super::check;
use super::error::ReplayError;
use super::session::Session;
use super::task::{InCall, Restart};
use crate::model::capture::{Call, CaptureError, Memory};
use crate::model::{self, Handler, Policy};
use crate::record::{is_error, is_restart, may_be_partial, number};
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Resume;
use crate::sys::wait::Status;
use crate::{layout, remote, timeouts};
use journal::{Effect, Enter, Leave, Tid};
use pmu::Regs;

impl Session {
    /// The current thread enters a syscall.
    pub(super) fn enter(&mut self, enter: &Enter<'_>) -> Result<(), ReplayError> {
        let tid = self.current;
        let name = model::lookup(enter.nr).map_or("an unknown syscall", |def| def.name);
        if self.task(tid)?.prelude {
            // The supervisor's own preparation, up to the `execve`.
            let in_call = InCall {
                call: None,
                regs: Regs::default(),
                entered: self.index,
                begun: None,
            };
            self.task(tid)?.call = Some(in_call);
            return Ok(());
        }
        let status = self.run(tid)?;
        if status != Status::Event(libc::PTRACE_EVENT_SECCOMP) {
            let found = self.describe_stop(tid, status);
            return Err(self.diverged(format!("syscall {name}"), found));
        }
        let task = self.task(tid)?;
        let Some(stopped) = &task.stopped else {
            return Err(ReplayError::Killed);
        };
        let regs = stopped.regs()?;
        let real = task.real;
        let interrupted = task.interrupted;
        self.observed.stop(tid, status, &regs);
        if let Some((expected, found)) = check::entry_difference(enter, &regs, name) {
            return Err(self.diverged(expected, found));
        }
        let mut def = model::lookup(enter.nr);
        let mut args = regs.args();
        let restarted = def.is_some_and(|def| def.handler == Handler::Restart);
        if restarted && let Some((nr, former)) = interrupted {
            def = model::lookup(nr);
            args = former;
        }
        let call = def.map(|def| Call { def, args });
        if let Some(call) = &call {
            let ins = match call.enter(&Remote(real)) {
                Ok((_, ins)) => ins,
                // The kernel did not know it when this was recorded.
                Err(CaptureError::UnknownSub { .. }) => Vec::new(),
                Err(error) => return Err(self.inconsistent(&error.to_string())),
            };
            self.observed.input(&ins);
            // Refused syscalls are recorded without their input.
            if call.policy() == Policy::Record
                && !enter.ins.is_empty()
                && let Some((expected, found)) = check::input_difference(&enter.ins, &ins, call)
            {
                return Err(self.diverged(expected, found));
            }
        }
        let entered = self.index;
        let shadowed = self.shadow.is_some();
        let task = self.task(tid)?;
        let begun = match &call {
            Some(call) if shadowed && timeouts::has_timeout(call) => {
                let again = task.interrupted_begun.filter(|_| restarted);
                Some(again.unwrap_or_else(host::uptime))
            }
            _ => None,
        };
        task.regs = regs;
        task.call = Some(InCall {
            call,
            regs,
            entered,
            begun,
        });
        Ok(())
    }

    /// What a thread stopped for, in words.
    pub(super) fn describe_stop(&mut self, tid: Tid, status: Status) -> String {
        let regs = self
            .tasks
            .get(&tid)
            .and_then(|task| task.stopped.as_ref()?.regs().ok());
        let at = regs.map_or_else(String::new, |regs| format!(" at {:#x}", regs.rip));
        match status {
            Status::Event(libc::PTRACE_EVENT_SECCOMP) => {
                let nr = regs.map_or(u32::MAX, |regs| number(&regs));
                let name = model::lookup(nr).map_or("unknown", |def| def.name);
                format!("syscall {name} ({nr}){at}")
            }
            Status::Signal(signal) => format!("signal {signal}{at}"),
            other => format!("{other:?}{at}"),
        }
    }

    /// The current thread leaves the syscall that it is in.
    pub(super) fn leave(
        &mut self,
        leave: &Leave<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), ReplayError> {
        let tid = self.current;
        if let Some((Effect::Exec(exec), before)) = leave.effects.split_last() {
            // What the kernel wrote when the thread left its old address space. A shadow really
            // leaves it, and may have done so already.
            if self.shadow.is_none() {
                for effect in before {
                    self.effect(tid, effect, sink)?;
                }
            }
            return self.exec(exec);
        }
        let Some(in_call) = self.task(tid)?.call.take() else {
            return Err(self.inconsistent("a syscall left that was not entered"));
        };
        let Some(call) = &in_call.call else {
            return self.inject(tid, &in_call, leave.result);
        };
        let mut result_regs = None;
        self.code_changed(tid, call, leave.result)?;
        self.finish_performing(tid, leave.result)?;
        if let Some(shadow) = &mut self.shadow {
            shadow.call = Some(*call);
        }
        if call.def.handler == Handler::Sigreturn {
            self.really_return(tid)?;
        }
        for effect in &leave.effects {
            if let Effect::Regs(regs) = effect {
                result_regs = Some(*regs);
            } else {
                self.effect(tid, effect, sink)?;
            }
        }
        if !is_error(leave.result) || may_be_partial(call, leave.result) {
            self.perform(tid, call, leave.result)?;
        }
        for effect in &leave.effects {
            if let Effect::Advised { end } = effect {
                self.advise_in_part(tid, call, *end, leave.result)?;
            }
        }
        if is_error(leave.result) {
            self.follow_failed(tid, call, leave)?;
        } else if call.def.handler != Handler::Sigreturn {
            self.follow(tid, call, leave)?;
        }
        for out in &leave.outs {
            self.write(tid, out.addr, &out.data)?;
        }
        self.check_taken(tid)?;
        self.inject(tid, &in_call, leave.result)?;
        if layout::is_vsyscall(in_call.regs.rip) {
            self.leave_vsyscall(tid)?;
        }
        let task = self.task(tid)?;
        if let Some(regs) = result_regs {
            // Of a return from a handler, the "result" is no result.
            task.restart = None;
            task.interrupted = None;
            task.regs = regs;
            task.regs.orig_rax = u64::MAX;
        }
        if !is_error(leave.result) {
            let memory = Remote(self.task(tid)?.real);
            self.echo(tid, call, leave.result, &memory, sink)?;
            self.follow_descriptors(tid, call, leave)?;
        }
        self.consider_serving(tid, &in_call.regs)
    }

    /// Sets the registers as after the syscall; they reach the thread when it is resumed.
    fn inject(&mut self, tid: Tid, in_call: &InCall, result: i64) -> Result<(), ReplayError> {
        let task = self.task(tid)?;
        task.regs = in_call.regs;
        task.regs.rax = result.cast_unsigned();
        task.regs.orig_rax = u64::MAX;
        task.restart = is_restart(result).then_some(Restart {
            code: result,
            nr: in_call.regs.orig_rax,
        });
        task.interrupted = None;
        task.interrupted_begun = None;
        if is_restart(result) {
            task.interrupted_begun = in_call.begun;
            task.interrupted = in_call.call.as_ref().map(|call| (call.def.nr, call.args));
        }
        Ok(())
    }

    /// Only from the caller on is the thread free to be given other registers.
    fn leave_vsyscall(&mut self, tid: Tid) -> Result<(), ReplayError> {
        let stopped = self.take_stop(tid)?;
        let task = self.task(tid)?;
        // If it stopped there for something else, that comes again, or came from outside.
        let (stopped, _) = remote::leave_vsyscall(stopped, &mut task.regs)?;
        task.stopped = Some(stopped);
        Ok(())
    }

    /// Lets the kernel restore the extended state from the signal frame, as it did then.
    fn really_return(&mut self, tid: Tid) -> Result<(), ReplayError> {
        let stopped = self.take_stop(tid)?;
        stopped.resume(Resume::Syscall, 0)?;
        match self.await_stop(tid)? {
            Status::Syscall => Ok(()),
            status => {
                let found = self.describe_stop(tid, status);
                Err(self.diverged("a return from a signal handler", found))
            }
        }
    }

    pub(super) fn follow_descriptors(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let task = self.task(tid)?;
        let mut fds = task.fds.borrow_mut();
        fds.after(call, leave.result);
        for effect in &leave.effects {
            if let Effect::Stream { fd, stream } = effect {
                fds.leads_to(*fd, *stream);
            }
        }
        Ok(())
    }

    /// Shows again what went to the standard streams.
    pub(super) fn echo(
        &mut self,
        tid: Tid,
        call: &Call,
        result: i64,
        memory: &dyn Memory,
        sink: &mut dyn Sink,
    ) -> Result<(), ReplayError> {
        let written = usize::try_from(result).unwrap_or(0);
        let task = self.task(tid)?;
        let fd = call.int(0);
        let Some(stream) = task.fds.borrow().stream(fd) else {
            return Ok(());
        };
        let gather = call.def.name;
        let pieces: Vec<(u64, usize)> = match gather {
            "write" | "pwrite64" | "sendto" => vec![(call.args[1], written)],
            "writev" | "pwritev" | "pwritev2" => {
                vectors(memory, call.args[1], call.args[2], written)
            }
            "sendmsg" => {
                let list = word(memory, call.args[1] + 16).unwrap_or(0);
                let count = word(memory, call.args[1] + 24).unwrap_or(0);
                vectors(memory, list, count, written)
            }
            _ => return Ok(()),
        };
        for (addr, len) in pieces {
            let mut bytes = vec![0; len];
            let read = memory.read(addr, &mut bytes);
            self.observed.output(stream, &bytes[..read]);
            sink.output(stream, &bytes[..read]);
        }
        Ok(())
    }
}

pub(super) fn word(memory: &dyn Memory, addr: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (memory.read(addr, &mut bytes) == bytes.len()).then(|| u64::from_le_bytes(bytes))
}

/// The buffers of an iovec array, up to `total` bytes.
pub(super) fn vectors(
    memory: &dyn Memory,
    list: u64,
    count: u64,
    total: usize,
) -> Vec<(u64, usize)> {
    const IOV_MAX: u64 = 1024;
    let mut left = total;
    let mut pieces = Vec::new();
    for index in 0..count.min(IOV_MAX) {
        let entry = list + index * 16;
        let (Some(addr), Some(len)) = (word(memory, entry), word(memory, entry + 8)) else {
            break;
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(left);
        pieces.push((addr, len));
        left -= len;
    }
    pieces
}
