//! What strace prints in another way than the table alone would: which arguments in which
//! order and when, and some of the arguments themselves.

mod clone;
mod files;
mod net;
mod processes;
mod waiting;

pub(super) use waiting::outcome;

use super::call::{Shown, When};
use super::scalars::low;
use super::text::put;
use super::view::signed;
use crate::model::{Kind, StructId};

/// `MREMAP_MAYMOVE | MREMAP_FIXED`: the new address counts.
const MREMAP_PLACED: u64 = 3;

/// `MEMBARRIER_CMD_FLAG_CPU`: the CPU counts.
const MEMBARRIER_CPU: u64 = 1;
/// `LINUX_REBOOT_CMD_RESTART2`: there is a text.
const REBOOT_WITH_TEXT: u64 = 0xa1b2_c3d4;

/// Whether opening with these flags may create a file, so that there is a mode.
pub(super) const fn creates(flags: u64) -> bool {
    const CREAT: u64 = 0o100;
    const TMPFILE: u64 = 0o20_000_000;
    flags & (CREAT | TMPFILE) != 0
}

/// The arguments that print, in order.
pub(super) fn order(shown: &Shown<'_>) -> Vec<usize> {
    match shown.def().name {
        "clone" => return clone::order(shown),
        // What they show is not an argument.
        "rt_sigreturn" | "restart_syscall" => return vec![0],
        _ => {}
    }
    (0..shown.def().args.len())
        .filter(|&index| prints(shown, index))
        .collect()
}

fn prints(shown: &Shown<'_>, index: usize) -> bool {
    let hidden = match (shown.def().name, index) {
        ("open", 2) => !creates(shown.arg(1)),
        ("mknod", 2) => !files::is_device(shown.arg(1)),
        ("mremap", 4) => shown.arg(3) & MREMAP_PLACED != MREMAP_PLACED,
        // PTRACE_TRACEME, SECCOMP_MODE_STRICT and some of the kernel's log need no more.
        ("ptrace", 1..) => low(shown.arg(0)) == 0,
        ("prctl", 2) => shown.command_is("PR_SET_SECCOMP") && low(shown.arg(1)) == 1,
        ("syslog", 1..) => !matches!(low(shown.arg(0)), 2..=4 | 8),
        ("membarrier", 2) => shown.arg(1) & MEMBARRIER_CPU == 0,
        ("reboot", 3) => shown.arg(2) != REBOOT_WITH_TEXT,
        _ => false,
    };
    let declared = shown.def().args.get(index).map(|arg| arg.kind);
    let resolved = shown.call.resolve(index);
    // An argument of an unknown sub-command is all that is known about it.
    let unknown = matches!(declared, Some(Kind::Sub(_))) && resolved.command.is_none();
    !hidden && (unknown || !matches!(resolved.kind, Kind::Unused))
}

/// Whether the separator before the first argument that prints at exit does so, too.
pub(super) fn separates_at_exit(shown: &Shown<'_>) -> bool {
    shown.def().name == "clone"
}

/// When argument `index` prints, where that does not follow from what it is.
pub(super) fn when(shown: &Shown<'_>, index: usize) -> Option<When> {
    match (shown.def().name, index) {
        ("clone", 0 | 1) | ("rt_sigreturn" | "restart_syscall", _) => Some(When::Entry),
        ("clone", _) => Some(When::Exit),
        ("clone3", 0) => Some(clone::when(shown)),
        ("sendfile", 2) if shown.arg(2) != 0 => Some(When::Both),
        // The mask is looked at again when the wait has ended.
        ("epoll_pwait" | "epoll_pwait2", 4) => Some(When::Exit),
        _ => None,
    }
}

/// Appends what became of argument `index`, which has printed as it was at entry.
pub(super) fn change(shown: &Shown<'_>, out: &mut String, index: usize) {
    match shown.def().name {
        "clone3" => clone::change(shown, out),
        "sendfile" if shown.done().is_some() => {
            let addr = shown.arg(index);
            let size = StructId::Offset.size() as usize;
            let before = shown
                .view
                .bytes_before(addr, size)
                .map(|bytes| signed(bytes, 0, size));
            let now = shown
                .view
                .bytes(addr, size)
                .map(|bytes| signed(bytes, 0, size));
            if let Some(now) = now.filter(|_| before != now) {
                put!(out, " => [{now}]");
            }
        }
        _ => {}
    }
}

/// Appends argument `index`, unless it prints like all of its kind.
pub(super) fn argument(shown: &Shown<'_>, out: &mut String, index: usize) -> bool {
    match shown.def().name {
        "clone" => clone::argument(shown, out, index),
        "clone3" => clone::structure(shown, out, index),
        _ => {
            files::argument(shown, out, index)
                || net::argument(shown, out, index)
                || processes::argument(shown, out, index)
                || waiting::argument(shown, out, index)
        }
    }
}

/// What strace says of a sub-command that it does not know.
pub(super) fn unknown_command(syscall: &str) -> &'static str {
    match syscall {
        "fcntl" => "F_???",
        "prctl" => "PR_???",
        "keyctl" => "KEYCTL_???",
        "shmctl" => "SHM_???",
        "semctl" => "SEM_???",
        "msgctl" => "MSG_???",
        "ptrace" => "PTRACE_???",
        "seccomp" => "SECCOMP_SET_MODE_???",
        _ => "",
    }
}
