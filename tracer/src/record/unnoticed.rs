//! Waits that a signal has ended which the application takes no notice of. The kernel drops a signal that
//! is ignored where it is sent, unless the receiver is traced: then the signal is queued for the tracer
//! to look at, and wakes a thread (kernel/signal.c, `sig_ignored`). Most syscalls are made again by the kernel
//! after that; the application sees nothing of it. These end with `EINTR`, which it would not see without a
//! tracer: they are made again here, for the rest of their time.

use super::error::Step;
use super::session::Session;
use super::signals::bit;
use super::task::{InCall, State};
use crate::agent::inside;
use crate::sys::host;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;

/// As if the kernel had found that `restart_syscall` is to continue the syscall.
const ERESTART_RESTARTBLOCK: i64 = -516;
/// What a stopped process is continued by has an effect whether or not it is ignored.
const NOTICED: u64 = bit(libc::SIGCONT);
/// Signals that do nothing unless they have a handler. (signal(7))
const IGNORED_BY_DEFAULT: u64 = bit(libc::SIGCHLD) | bit(libc::SIGURG) | bit(libc::SIGWINCH);

/// Syscalls that end with `EINTR` when anything wakes their thread (signal(7), "Interruption of system
/// calls and library functions by stop signals"; those on sockets only where a time-out is set).
const SHOW_A_WAKE_UP: [&str; 14] = [
    "accept",
    "accept4",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "rt_sigtimedwait",
    "semop",
    "semtimedop",
    "sendmsg",
    "sendto",
];

impl Session {
    /// The result of the syscall that the thread is at the exit of. If nothing that the application takes
    /// notice of has ended it, that is what the kernel says of one that is to be continued, and it will be
    /// ([`Self::made_again`]).
    pub(super) fn result_without_wake_up(
        &mut self,
        tid: Pid,
        in_call: &InCall,
        result: i64,
    ) -> i64 {
        let shown =
            result == -i64::from(libc::EINTR) && SHOW_A_WAKE_UP.contains(&in_call.call.def.name);
        if !shown || in_call.noticed || self.is_noticed(tid) {
            return result;
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.restarts = Some(Some(in_call.begun));
        }
        ERESTART_RESTARTBLOCK
    }

    /// The last word at the exit of a syscall that is to be made again: for the kernel it has ended. Does
    /// what the kernel does for others. (arch/x86/kernel/signal.c, `arch_do_signal_or_restart`)
    pub(super) fn made_again(stopped: &Stopped) -> Step {
        let mut regs = stopped.regs()?;
        regs.orig_rax = u64::MAX;
        regs.rax = libc::SYS_restart_syscall.cast_unsigned();
        regs.rip -= inside::SYSCALL_BYTES;
        stopped.set_regs(&regs)?;
        Ok(())
    }

    /// Whether something waits for the thread that would have woken it without a tracer, too.
    fn is_noticed(&self, tid: Pid) -> bool {
        let Some(task) = self.tasks.get(&tid) else {
            return true;
        };
        // Who stops, stops all threads of its process, and such a wait ends by that.
        let halted = self
            .tasks
            .values()
            .any(|other| other.tgid == task.tgid && matches!(other.state, State::Halted));
        let Some(sets) = Sets::of(tid) else {
            return true;
        };
        halted || sets.noticed() != 0
    }
}

/// Signals of a thread, as bits.
#[derive(Debug, Default)]
struct Sets {
    pending: u64,
    blocked: u64,
    ignored: u64,
    caught: u64,
}

impl Sets {
    fn of(tid: Pid) -> Option<Self> {
        let status = host::status_of(tid).ok()?;
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            u64::from_str_radix(line.trim(), 16).ok()
        };
        Some(Self {
            pending: set("SigPnd:")? | set("ShdPnd:")?,
            blocked: set("SigBlk:")?,
            ignored: set("SigIgn:")?,
            caught: set("SigCgt:")?,
        })
    }

    /// Those that will be delivered and that do something.
    const fn noticed(&self) -> u64 {
        let unnoticed = self.ignored | (IGNORED_BY_DEFAULT & !self.caught);
        self.pending & !self.blocked & !(unnoticed & !NOTICED)
    }
}
