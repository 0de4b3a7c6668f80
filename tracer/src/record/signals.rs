//! Signals while recording.
//!
//! A synchronous fault is delivered where it happens. An asynchronous signal is delivered
//! at a sync point: at once if the thread has executed nothing since its last one,
//! otherwise before its next syscall, which is set back and made again after the handler.

use super::error::{RecordError, Step, Stumble};
use super::session::Session;
use super::task::{State, Task};
use super::traps::is_forced;
use crate::agent::inside;
use crate::model::capture::Call;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Gone, Resume, Stopped};
use crate::sys::wait::{self, Pid, Status, Whom};
use journal::{Action, Delivery, Event, Out, Signal};
use pmu::Regs;

/// `AUDIT_ARCH_X86_64`, as `si_arch` of a `SIGSYS` has it.
const ARCH_X86_64: u32 = 0xc000_003e;

/// What the kernel will do with a signal, as far as a program can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disposition {
    Caught,
    Ignored,
    Stops,
    Fatal,
}

impl Session {
    /// A thread stands before the delivery of a signal.
    pub(super) fn signal_stop(&mut self, tid: Pid, stopped: Stopped, signal: i32) -> Step {
        let mut info = stopped.siginfo()?;
        let was_parked = self.tasks.get(&tid).is_some_and(|task| task.parked);
        let stopped = if is_fault(signal, &info) && !was_parked {
            stopped
        } else {
            let noticed = || Ok(disposition(tid, signal)? != Disposition::Ignored);
            self.surface(tid, stopped, noticed)?
        };
        if let Some(task) = self.tasks.get_mut(&tid)
            && was_parked
            && !task.parked
            && is_fault(signal, &info)
        {
            // It has executed nothing that could have raised it.
            task.forged |= bit(signal);
        }
        let mut regs = stopped.regs()?;
        let stopped = if signal == libc::SIGSEGV {
            match self.guard_raised(tid, stopped, &info, &regs)? {
                Some(stopped) => stopped,
                None => return Ok(()),
            }
        } else {
            stopped
        };
        let stopped = if is_fault(signal, &info) {
            match self.fault_inside(tid, stopped, signal, &regs)? {
                Some(stopped) => stopped,
                None => return Ok(()),
            }
        } else {
            stopped
        };
        let at = regs.rip;
        self.as_seen(tid, &stopped, &mut regs)?;
        if is_fault(signal, &info) && inside::show_address(&mut info, at, regs.rip) {
            stopped.set_siginfo(&info)?;
        }
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        let same_place = same_place(&regs, &task.sync_regs);
        let here = same_place && self.has_not_moved(tid);
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if is_fault(signal, &info) && !(here && take_forged(task, signal)) {
            return self.fault(tid, stopped, signal, &info, &regs);
        }
        if is_forced(signal)
            && task.signals.blocks(signal)
            && let Some(found) = self.trapped_instruction(tid, signal, &regs)
        {
            return self.trap_in_place_of(tid, stopped, signal, info, found, &regs);
        }
        if signal == libc::SIGSYS {
            self.check_arch(tid, &info)?;
        }
        let disposition = disposition(tid, signal)?;
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if here && let Some(stashed) = take_stashed(task, signal, &info) {
            info = stashed;
            stopped.set_siginfo(&info)?;
        }
        let between = !here && self.stops_between(tid);
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if between && disposition != Disposition::Ignored {
            self.watch.somebody_waits();
            task.stash.push_back(info);
            return self.stop_between(tid, stopped);
        }
        match disposition {
            Disposition::Ignored => {
                // For people only.
                self.emit_signal(tid, &info, Delivery::Here, Action::None)?;
                let Some(task) = self.tasks.get_mut(&tid) else {
                    return Ok(());
                };
                let how = if task.own_filter {
                    Resume::Syscall
                } else {
                    Resume::Cont
                };
                // Not delivering it is the same.
                if !self.counter.fits(task) || between {
                    task.state = State::Runnable(stopped);
                    return self.go_on(tid);
                }
                task.state = State::Running;
                // It may have waited without the CPU until now.
                self.serve_next(tid)?;
                stopped.resume(how, signal)?;
                Ok(())
            }
            Disposition::Caught if !here => {
                self.watch.somebody_waits();
                task.stash.push_back(info);
                let how = if task.own_filter {
                    Resume::Syscall
                } else {
                    Resume::Cont
                };
                if !self.counter.fits(task) {
                    // It is between two sync points: nobody else can have the CPU now.
                    task.state = State::Runnable(stopped);
                    self.hurry(tid, regs.rip)?;
                    return self.go_on(tid);
                }
                task.state = State::Running;
                self.hurry(tid, regs.rip)?;
                stopped.resume(how, 0)?;
                Ok(())
            }
            Disposition::Caught => {
                let at = delivery(task, here, &regs);
                self.enter_handler(tid, stopped, signal, &info, at, &regs)
            }
            Disposition::Stops => {
                let at = delivery(task, here, &regs);
                self.emit_signal(tid, &info, at, Action::Stop)?;
                self.let_it_happen(tid, stopped, signal)
            }
            Disposition::Fatal => {
                let at = delivery(task, here, &regs);
                self.emit_signal(tid, &info, at, Action::Fatal)?;
                self.let_it_happen(tid, stopped, signal)
            }
        }
    }

    fn let_it_happen(&mut self, tid: Pid, stopped: Stopped, signal: i32) -> Step {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Running;
        }
        stopped.resume(Resume::Cont, signal)?;
        Ok(())
    }

    fn emit_signal(
        &mut self,
        tid: Pid,
        info: &[u8; 128],
        at: Delivery,
        action: Action<'_>,
    ) -> Step {
        let len = info
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        let signal = Signal {
            info: info[..len].into(),
            at,
            action,
        };
        self.emit_for(tid, &Event::Signal(signal))
    }

    /// Delivers a signal that has a handler, up to the handler's first instruction.
    fn enter_handler(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        signal: i32,
        info: &[u8; 128],
        at: Delivery,
        before: &Regs,
    ) -> Step {
        stopped.resume(Resume::Step, signal)?;
        let report = wait::wait(Whom::Only(tid), true)
            .map_err(RecordError::os("waiting for a signal handler"))?;
        let Some((_, status)) = report else {
            return Ok(());
        };
        let stopped = Stopped::reported(tid);
        match status {
            Status::Signal(libc::SIGTRAP) => {
                let regs = stopped.regs()?;
                let frame = signal_frame(tid, &regs);
                let frame = Out {
                    addr: regs.rsp,
                    data: frame.into(),
                };
                self.emit_signal(tid, info, at, Action::Handler { frame, regs })?;
                self.handler_entered(tid, &stopped, signal)?;
                self.at_sync_point(tid, regs);
                self.runnable(tid, stopped);
                Ok(())
            }
            // The frame could not be written, and the kernel says so by another signal, which
            // no instruction raised; replay, which attempts no frame, would wait for it in vain.
            Status::Signal(other) => {
                self.emit_signal(tid, info, at, Action::None)?;
                // Not `before`: a syscall to be restarted has been prepared for the handler.
                self.at_sync_point(tid, stopped.regs()?);
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.forged |= bit(other);
                }
                self.note(tid, status)
            }
            // It was killed meanwhile.
            Status::Event(_) | Status::Ended(_) => {
                self.emit_signal(tid, info, at, Action::None)?;
                self.at_sync_point(tid, *before);
                self.note(tid, status)
            }
            Status::Syscall | Status::Stop(_) => self.note(tid, status),
        }
    }

    /// An instruction raised a signal by itself.
    fn fault(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        signal: i32,
        info: &[u8; 128],
        regs: &Regs,
    ) -> Step {
        self.take_clocks(tid)?;
        let code = i32::from_le_bytes([info[8], info[9], info[10], info[11]]);
        // A page that may not be executed has another one, whatever instruction is there.
        let trapped = signal == libc::SIGSEGV && code == SI_KERNEL || signal == libc::SIGILL;
        if trapped && let Some(found) = self.trapped_instruction(tid, signal, regs) {
            return self.trap(tid, stopped, signal, found, regs);
        }
        let at = Delivery::Fault {
            ip: regs.rip,
            signature: regs.signature(),
        };
        self.at_sync_point(tid, *regs);
        match disposition(tid, signal)? {
            Disposition::Caught => self.enter_handler(tid, stopped, signal, info, at, regs),
            _ => {
                self.emit_signal(tid, info, at, Action::Fatal)?;
                self.let_it_happen(tid, stopped, signal)
            }
        }
    }

    /// The thread stands at a syscall's entry, and a signal waits for it: the syscall is
    /// set back, and the signal sent again, so that it comes before the syscall.
    pub(super) fn set_back(&mut self, tid: Pid, stopped: Stopped, entered: Regs) -> Step {
        let mut regs = entered;
        regs.rax = entered.orig_rax;
        regs.orig_rax = u64::MAX;
        regs.rip -= 2;
        stopped.set_regs(&regs)?;
        self.at_sync_point(tid, regs);
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        task.set_back = true;
        task.skips_syscall();
        send_stashed(task);
        // The journal does not have it here yet: nobody else can have the CPU before it does.
        task.state = State::Runnable(stopped);
        self.go_on(tid)
    }

    /// The foreign-architecture arm of the filter.
    fn check_arch(&self, tid: Pid, info: &[u8; 128]) -> Step {
        const SI_CODE: usize = 8;
        const SI_ARCH: usize = 28;
        let code = i32::from_le_bytes([info[SI_CODE], info[9], info[10], info[11]]);
        let arch = u32::from_le_bytes([info[SI_ARCH], info[29], info[30], info[31]]);
        if code == SYS_SECCOMP && arch != ARCH_X86_64 {
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: "a 32-bit syscall (int 0x80)".to_owned(),
            }
            .into());
        }
        Ok(())
    }

    /// A `PTRACE_EVENT_STOP`: a group stop, or its end.
    pub(super) fn event_stop(&mut self, tid: Pid, stopped: Stopped, signal: i32) -> Step {
        let stops = matches!(
            signal,
            libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
        );
        let stopped = self.surface(tid, stopped, || Ok(stops))?;
        let Some(stopped) = self.leave_inside(tid, stopped, stops)? else {
            return Ok(());
        };
        let Some(stopped) = self.left_apart(tid, stopped)? else {
            return Ok(());
        };
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if stops {
            task.state = State::Halted;
            stopped.resume(Resume::Listen, 0)?;
        } else if task.call.is_some() {
            // In a syscall still: on to its exit.
            task.state = State::Running;
            stopped.resume(Resume::Syscall, 0)?;
        } else if let Some(stopped) = self.preempted(tid, stopped)? {
            // It may have executed something since its last sync point: nobody else can have the CPU
            // before its next one.
            self.runnable(tid, stopped);
            self.go_on(tid)?;
        }
        Ok(())
    }
}

/// Where a signal is delivered that no instruction raised.
fn delivery(task: &mut Task, here: bool, regs: &Regs) -> Delivery {
    if here && std::mem::take(&mut task.set_back) {
        return Delivery::Entry {
            ip: regs.rip,
            signature: regs.signature(),
        };
    }
    Delivery::Here
}

const SYS_SECCOMP: i32 = 1;
/// `si_code` of a fault that is none of memory.
const SI_KERNEL: i32 = 0x80;

/// Whether a signal was, by its looks, raised by the instruction that the thread stands at.
pub(super) fn is_fault(signal: i32, info: &[u8; 128]) -> bool {
    let code = i32::from_le_bytes([info[8], info[9], info[10], info[11]]);
    looks_like_fault(signal.unsigned_abs().into()) && code > 0
}

/// Whether instructions raise this signal.
pub(super) fn looks_like_fault(signal: u64) -> bool {
    const FAULTS: [i32; 5] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
    ];
    FAULTS
        .iter()
        .any(|fault| i64::from(*fault).cast_unsigned() == signal)
}

/// Whether a syscall can send a signal that looks like a fault: crash handlers send the
/// `siginfo` that they got to themselves once more. (Besides these, only a child's end can:
/// by `clone`'s exit signal. The kernel's other senders use codes of their own.)
pub(super) fn forges(call: &Call) -> bool {
    let signal = match call.def.name {
        "rt_sigqueueinfo" | "pidfd_send_signal" => call.args[1],
        "rt_tgsigqueueinfo" => call.args[2],
        _ => return false,
    };
    // The kernel takes an int.
    looks_like_fault(signal & 0xffff_ffff)
}

/// Signals, as bits, that wait for the thread and look like faults. The kernel delivers them
/// before the thread executes anything, so that they cannot be taken for its own faults.
pub(super) fn forged(stopped: &Stopped) -> Result<u64, Gone> {
    let mut set = 0;
    for shared in [false, true] {
        for info in stopped.pending(shared)? {
            let signal = number(&info);
            if is_fault(signal, &info) {
                set |= bit(signal);
            }
        }
    }
    Ok(set)
}

/// The signal that a `siginfo_t` is of.
pub(super) fn number(info: &[u8; 128]) -> i32 {
    i32::from_le_bytes([info[0], info[1], info[2], info[3]])
}

pub(super) const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Whether a signal that looks like a fault was waiting before the thread went on.
const fn take_forged(task: &mut Task, signal: i32) -> bool {
    let found = task.forged & bit(signal) != 0;
    task.forged &= !bit(signal);
    found
}

/// Whether the thread has executed nothing since a sync point: its registers are those
/// that it had there. (If it came back to the very same state, that *is* that position.)
pub(super) fn same_place(now: &Regs, then: &Regs) -> bool {
    const RESUME_FLAG: u64 = 1 << 16;
    let mut now = *now;
    let mut then = *then;
    now.orig_rax = 0;
    then.orig_rax = 0;
    now.eflags &= !RESUME_FLAG;
    then.eflags &= !RESUME_FLAG;
    now == then
}

/// Sends the stashed signals again: the thread stands at a sync point.
pub(super) fn send_stashed(task: &mut Task) {
    while let Some(info) = task.stash.pop_front() {
        let signal = number(&info);
        // It fails only if the thread is gone, which the next step finds out.
        let _ = host::signal_thread(task.tgid, task.tid, signal);
        task.sent.push_back(info);
    }
}

/// The stashed `siginfo` that a signal which we sent again stands for.
fn take_stashed(task: &mut Task, signal: i32, info: &[u8; 128]) -> Option<[u8; 128]> {
    const SI_TKILL: i32 = -6;
    let code = i32::from_le_bytes([info[8], info[9], info[10], info[11]]);
    let sender = i32::from_le_bytes([info[16], info[17], info[18], info[19]]);
    // Seen from a PID namespace, what sends from outside has no number.
    let ours = sender == 0 || u32::try_from(sender) == Ok(std::process::id());
    if code != SI_TKILL || !ours {
        return None;
    }
    let index = task
        .sent
        .iter()
        .position(|sent| sent[..4] == signal.to_le_bytes())?;
    task.sent.remove(index)
}

fn disposition(tid: Pid, signal: i32) -> Step<Disposition> {
    if signal == libc::SIGKILL {
        return Ok(Disposition::Fatal);
    }
    if signal == libc::SIGSTOP {
        return Ok(Disposition::Stops);
    }
    let (caught, ignored) = signal_sets(tid)?;
    if caught & bit(signal) != 0 {
        return Ok(Disposition::Caught);
    }
    if ignored & bit(signal) != 0 {
        return Ok(Disposition::Ignored);
    }
    Ok(match signal {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => Disposition::Ignored,
        libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Disposition::Stops,
        _ => Disposition::Fatal,
    })
}

/// Signals that have a handler, and those that are ignored.
pub(super) fn signal_sets(tid: Pid) -> Step<(u64, u64)> {
    let what = || format!("looking at the signal handlers of thread {tid}");
    let status = host::status_of(tid).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Stumble::Gone,
        _ => RecordError::os(what())(error).into(),
    })?;
    let missing = |name| std::io::Error::other(format!("its status has no {name}"));
    sets_in(&status).map_err(|name| RecordError::os(what())(missing(name)).into())
}

/// The same, from what `/proc` tells; else the line that is missing or no set.
fn sets_in(status: &str) -> Result<(u64, u64), &'static str> {
    let set = |name: &'static str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let set = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
        set.ok_or(name)
    };
    Ok((set("SigCgt:")?, set("SigIgn:")?))
}

/// The bytes that the kernel wrote for a handler: from the stack pointer to the end of the
/// extended state. (arch/x86/include/uapi/asm/sigcontext.h, ucontext.h)
fn signal_frame(tid: Pid, regs: &Regs) -> Vec<u8> {
    /// Return address, ucontext, siginfo.
    const FIXED_BYTES: u64 = 8 + 304 + 128;
    /// The pointer to the extended state: return address, then `uc_mcontext.fpstate`.
    const FPSTATE: u64 = 8 + 40 + 184;
    const MAGIC1_OFFSET: u64 = 464;
    const MAGIC1: u32 = 0x4650_5853;
    const LEGACY_BYTES: u64 = 512;
    const XSTATE_BYTES_MAX: u64 = 64 * 1024;
    let memory = Remote(tid);
    let mut end = regs.rsp + FIXED_BYTES;
    if let Ok(fpstate) = memory.read_u64(regs.rsp + FPSTATE)
        && fpstate > regs.rsp
    {
        let extended = memory
            .read_u32(fpstate + MAGIC1_OFFSET)
            .is_ok_and(|magic| magic == MAGIC1);
        let len = if extended {
            memory
                .read_u32(fpstate + MAGIC1_OFFSET + 4)
                .map_or(LEGACY_BYTES, u64::from)
        } else {
            LEGACY_BYTES
        };
        end = end.max(fpstate + len.min(XSTATE_BYTES_MAX));
    }
    let mut frame =
        vec![0; usize::try_from((end - regs.rsp).min(2 * XSTATE_BYTES_MAX)).unwrap_or(0)];
    let read = memory.read_some(regs.rsp, &mut frame);
    frame.truncate(read);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_are_not_told_are_not_empty() {
        let told = "Name:\ta\nSigIgn:\t0000000000001000\nSigCgt:\t0000000180000002\n";
        assert_eq!(sets_in(told), Ok((0x1_8000_0002, 0x1000)));
        let cases = [
            ("", "SigCgt:"),
            ("SigIgn:\t0\n", "SigCgt:"),
            ("SigCgt:\t0\n", "SigIgn:"),
            ("SigCgt:\t-\nSigIgn:\t0\n", "SigCgt:"),
            ("SigCgt:\t0\nSigIgn:\t\n", "SigIgn:"),
        ];
        for (status, missing) in cases {
            assert_eq!(sets_in(status), Err(missing), "{status:?}");
        }
    }

    #[test]
    fn a_thread_that_is_gone_is_no_error() {
        // Beyond the largest id that there can be.
        let nobody = Pid(1 << 23);
        assert!(matches!(signal_sets(nobody), Err(Stumble::Gone)));
        assert!(matches!(
            disposition(nobody, libc::SIGTERM),
            Err(Stumble::Gone)
        ));
    }
}
