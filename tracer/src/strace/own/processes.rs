//! Arguments of syscalls about processes and the machine that print in an own way.

use crate::model::StructId;
use crate::model::names::futex::OP;
use crate::model::names::machine::{PERSONALITY, SYSLOG};
use crate::model::names::prctl::TSC;
use crate::model::names::quota::TYPE as QUOTA;
use crate::model::names::sched::{MPOL, POLICY};
use crate::model::{Kind, Names};
use crate::strace::call::Shown;
use crate::strace::scalars::{address, choice, flags, hex, int, low, name_of, octal};
use crate::strace::signals;
use crate::strace::structs::{self, behind, capabilities};
use crate::strace::text::{put, string};
use crate::strace::view::number;

/// Permission bits.
const PERMISSIONS: u64 = 0o777;

/// Appends argument `index`, if it prints in an own way.
pub(super) fn argument(shown: &Shown<'_>, out: &mut String, index: usize) -> bool {
    let value = shown.arg(index);
    match (shown.def().name, index) {
        ("execve", 2) | ("execveat", 3) => environment(shown, out, value),
        ("rt_sigreturn", _) => {
            out.push_str("{mask=");
            signals::set(out, &shown.context.mask.unwrap_or(0).to_le_bytes());
            out.push('}');
        }
        ("restart_syscall", _) => {
            let name = shown.context.interrupted.unwrap_or("system call");
            put!(out, "<... resuming interrupted {name} ...>");
        }
        ("wait4", 1) => waited(shown, out, StructId::WaitStatus, value),
        ("wait4", 3) => waited(shown, out, StructId::Rusage, value),
        ("nanosleep", 1) | ("clock_nanosleep", 3) => time_left(shown, out, value),
        ("capget", 1) | ("capset", 1) => sets(shown, out, value),
        ("futex", 1) => operation(out, value),
        ("futex", 2) if shown.call.command().is_none() => put!(out, "{}", low(value)),
        ("futex", 4) if low(shown.arg(1)) & 0xf == FUTEX_WAKE_OP => address(out, value),
        ("futex", 5) if low(shown.arg(1)) & 0xf == FUTEX_WAKE_OP => wake_operation(out, value),
        ("futex", 5) if shown.call.command().is_none() => hex(out, low(value).into()),
        ("personality", 0) if low(value) == u32::MAX => out.push_str("0xffffffff"),
        ("personality", 0) => flags(out, &PERSONALITY, low(value).into()),
        ("syslog", 0) => {
            put!(out, "{}", int(value));
            if let Some(name) = name_of(&SYSLOG, value) {
                put!(out, " /* {name} */");
            }
        }
        ("shmget" | "semget" | "msgget", 0) => match low(value) {
            0 => out.push_str("IPC_PRIVATE"),
            key => hex(out, key.into()),
        },
        ("shmget" | "semget", 2) | ("msgget", 1) => creation(shown, out, index, low(value).into()),
        ("rseq", 1) => hex(out, value),
        ("userfaultfd", 0) => flags(out, &USERFAULTFD, value),
        ("sethostname" | "setdomainname", 1) => put!(out, "{}", low(value)),
        ("reboot", 0) => choice(out, &REBOOT_MAGIC1, low(value).into()),
        ("reboot", 1) => choice(out, &REBOOT_MAGIC2, low(value).into()),
        ("ioprio_set", 2) => super::waiting::priority(out, low(value).into()),
        ("sched_setscheduler", 1) => choice(out, &POLICY, low(value).into()),
        ("get_mempolicy", 0) => match shown.view.written(value) {
            Some(piece) if shown.done().is_some() => {
                out.push('[');
                flags(out, &MPOL, number(piece.bytes, 0, 4));
                out.push(']');
            }
            _ => address(out, value),
        },
        ("seccomp", 2) if low(shown.arg(0)) == SECCOMP_GET_ACTION_AVAIL => {
            action(shown, out, value)
        }
        ("quotactl" | "quotactl_fd", 3) if shown.call.command().is_none() => address(out, value),
        ("quotactl", 0) | ("quotactl_fd", 1) => quota(shown, out, low(value).into()),
        ("prctl", 1) => return prctl(shown, out, value),
        _ => return false,
    }
    true
}

const SECCOMP_GET_ACTION_AVAIL: u32 = 2;

/// What a filter may say.
fn action(shown: &Shown<'_>, out: &mut String, addr: u64) {
    match shown.view.u32_before(addr) {
        Some(action) if addr != 0 => {
            out.push('[');
            choice(out, &SECCOMP_ACTION, action.into());
            out.push(']');
        }
        _ => address(out, addr),
    }
}

/// A command on quotas: the command and the kind of quota.
fn quota(shown: &Shown<'_>, out: &mut String, value: u64) {
    const KIND: u64 = 0xff;
    out.push_str("QCMD(");
    match shown.call.command() {
        Some(command) => out.push_str(command.name),
        None => {
            hex(out, value >> 8);
            out.push_str(" /* Q_??? */");
        }
    }
    out.push_str(", ");
    choice(out, &QUOTA, value & KIND);
    out.push(')');
}

static USERFAULTFD: Names = Names {
    unknown: "UFFD_???",
    names: &[
        (0x1, "UFFD_USER_MODE_ONLY"),
        (0x8_0000, "O_CLOEXEC"),
        (0x800, "O_NONBLOCK"),
    ],
};

static REBOOT_MAGIC1: Names = Names {
    unknown: "LINUX_REBOOT_MAGIC_???",
    names: &[(0xfee1_dead, "LINUX_REBOOT_MAGIC1")],
};

static REBOOT_MAGIC2: Names = Names {
    unknown: "LINUX_REBOOT_MAGIC_???",
    names: &[
        (0x2812_1969, "LINUX_REBOOT_MAGIC2"),
        (0x0512_1996, "LINUX_REBOOT_MAGIC2A"),
        (0x1604_1998, "LINUX_REBOOT_MAGIC2B"),
        (0x2011_2000, "LINUX_REBOOT_MAGIC2C"),
    ],
};

static SECCOMP_ACTION: Names = Names {
    unknown: "SECCOMP_RET_???",
    names: &[
        (0x8000_0000, "SECCOMP_RET_KILL_PROCESS"),
        (0x0, "SECCOMP_RET_KILL_THREAD"),
        (0x0003_0000, "SECCOMP_RET_TRAP"),
        (0x0005_0000, "SECCOMP_RET_ERRNO"),
        (0x7fc0_0000, "SECCOMP_RET_USER_NOTIF"),
        (0x7ff0_0000, "SECCOMP_RET_TRACE"),
        (0x7ffc_0000, "SECCOMP_RET_LOG"),
        (0x7fff_0000, "SECCOMP_RET_ALLOW"),
    ],
};

/// How many variables there are.
fn environment(shown: &Shown<'_>, out: &mut String, addr: u64) {
    address(out, addr);
    let Some(list) = shown.view.before(addr).filter(|_| addr != 0) else {
        return;
    };
    let count = list
        .bytes
        .chunks_exact(8)
        .take_while(|word| **word != [0; 8])
        .count();
    let ends = list.bytes.chunks_exact(8).nth(count).is_some();
    put!(
        out,
        " /* {count} var{}{} */",
        if count == 1 { "" } else { "s" },
        if ends { "" } else { ", unterminated" }
    );
}

/// What `wait4` tells, if it found a child.
fn waited(shown: &Shown<'_>, out: &mut String, of: StructId, addr: u64) {
    let found = shown.done().is_some_and(|pid| pid > 0);
    match shown.view.bytes(addr, of.size() as usize) {
        Some(bytes) if found && addr != 0 => behind(out, of, bytes),
        _ => address(out, addr),
    }
}

/// How long it would still have slept, if it was interrupted.
fn time_left(shown: &Shown<'_>, out: &mut String, addr: u64) {
    const RESTART_BLOCK: i64 = -516;
    let interrupted = shown
        .result
        .is_some_and(|result| matches!(result, RESTART_BLOCK) || result == -i64::from(libc::EINTR));
    let piece = shown
        .view
        .written(addr)
        .filter(|_| interrupted && addr != 0);
    match piece.and_then(|piece| piece.bytes.get(..StructId::Timespec.size() as usize)) {
        Some(bytes) => structs::value(out, StructId::Timespec, bytes),
        None => address(out, addr),
    }
}

fn sets(shown: &Shown<'_>, out: &mut String, addr: u64) {
    const VERSION_1: u32 = 0x1998_0330;
    let words = if shown.view.u32_before(shown.arg(0)) == Some(VERSION_1) {
        1
    } else {
        2
    };
    let size = StructId::CapData.size() as usize * words;
    let get = shown.def().name == "capget";
    let found = if get {
        shown.view.bytes(addr, size)
    } else {
        shown.view.bytes_before(addr, size)
    };
    match found {
        Some(bytes) if addr != 0 && !(get && shown.failed()) => capabilities(out, bytes),
        _ => address(out, addr),
    }
}

const FUTEX_WAKE_OP: u32 = 5;
const FUTEX_CLOCK_REALTIME: u64 = 0x100;

fn operation(out: &mut String, value: u64) {
    let value = u64::from(low(value));
    choice(out, &OP, value & !FUTEX_CLOCK_REALTIME);
    if value & FUTEX_CLOCK_REALTIME != 0 {
        out.push_str("|FUTEX_CLOCK_REALTIME");
    }
}

/// What `FUTEX_WAKE_OP` does to the second word, and how it compares.
fn wake_operation(out: &mut String, value: u64) {
    static OPERATION: Names = Names {
        unknown: "FUTEX_OP_???",
        names: &[
            (0, "FUTEX_OP_SET"),
            (1, "FUTEX_OP_ADD"),
            (2, "FUTEX_OP_OR"),
            (3, "FUTEX_OP_ANDN"),
            (4, "FUTEX_OP_XOR"),
        ],
    };
    static COMPARISON: Names = Names {
        unknown: "FUTEX_OP_CMP_???",
        names: &[
            (0, "FUTEX_OP_CMP_EQ"),
            (1, "FUTEX_OP_CMP_NE"),
            (2, "FUTEX_OP_CMP_LT"),
            (3, "FUTEX_OP_CMP_LE"),
            (4, "FUTEX_OP_CMP_GT"),
            (5, "FUTEX_OP_CMP_GE"),
        ],
    };
    let value = u64::from(low(value));
    if value >> 31 != 0 {
        out.push_str("FUTEX_OP_OPARG_SHIFT<<28|");
    }
    choice(out, &OPERATION, value >> 28 & 7);
    out.push_str("<<28|");
    hex(out, value >> 12 & 0xfff);
    out.push_str("<<12|");
    choice(out, &COMPARISON, value >> 24 & 0xf);
    out.push_str("<<24|");
    hex(out, value & 0xfff);
}

/// Flags and permissions of something that is created.
fn creation(shown: &Shown<'_>, out: &mut String, index: usize, value: u64) {
    if let Some(Kind::Flags(names)) = shown.def().args.get(index).map(|arg| arg.kind)
        && value & !PERMISSIONS != 0
    {
        flags(out, names, value & !PERMISSIONS);
        out.push('|');
    }
    octal(out, value & PERMISSIONS);
}

fn prctl(shown: &Shown<'_>, out: &mut String, addr: u64) -> bool {
    const PR_SET_NAME: u32 = 15;
    const PR_GET_TSC: u32 = 25;
    /// `TASK_COMM_LEN` without the NUL.
    const NAME_BYTES_MAX: usize = 15;
    match low(shown.arg(0)) {
        PR_SET_NAME => match shown.view.before(addr) {
            Some(piece) if addr != 0 => string(out, piece.bytes, NAME_BYTES_MAX),
            _ => address(out, addr),
        },
        PR_GET_TSC => match shown.view.bytes(addr, 4) {
            Some(bytes) if shown.done().is_some() => {
                out.push('[');
                choice(out, &TSC, number(bytes, 0, 4));
                out.push(']');
            }
            _ => address(out, addr),
        },
        _ => return false,
    }
    true
}
