//! Signals: sets, `siginfo_t`, wait statuses, and where a handler's frame keeps the mask.

use super::scalars::{address, hex, id, int, name_of, signal, signal_stem};
use super::text::{joined, put};
use super::view::{number, signed};
use crate::model::names::signals::SI_CODE;
use crate::model::{self, Names};

/// Bytes of a signal set.
pub(super) const SET_BYTES: usize = 8;
/// From so many members on, a set prints as what is missing.
const SET_FULL: u32 = 42;
/// Ticks per second of the clock in which processes are told their times.
const TICKS_PER_SECOND: u64 = 100;
/// Bytes of `siginfo_t`.
const INFO_BYTES: usize = 128;

/// Appends a set of signals.
pub(super) fn set(out: &mut String, bytes: &[u8]) {
    let mut mask = number(bytes, 0, SET_BYTES);
    if mask.count_ones() >= SET_FULL {
        out.push('~');
        mask = !mask;
    }
    out.push('[');
    let members = (0..64u64).filter(|bit| mask & 1 << bit != 0);
    joined(out, " ", members, |out, bit| signal_stem(out, bit + 1));
    out.push(']');
}

/// Appends a wait status.
pub(super) fn wait_status(out: &mut String, status: i32) {
    out.push('{');
    if libc::WIFSTOPPED(status) {
        out.push_str("WIFSTOPPED(s) && WSTOPSIG(s) == ");
        let number = libc::WSTOPSIG(status).cast_unsigned();
        signal(out, u64::from(number & 0x7f));
        if number & 0x80 != 0 {
            out.push_str(" | 0x80");
        }
    } else if libc::WIFSIGNALED(status) {
        out.push_str("WIFSIGNALED(s) && WTERMSIG(s) == ");
        signal(out, u64::from(libc::WTERMSIG(status).cast_unsigned()));
        if libc::WCOREDUMP(status) {
            out.push_str(" && WCOREDUMP(s)");
        }
    } else if libc::WIFEXITED(status) {
        put!(
            out,
            "WIFEXITED(s) && WEXITSTATUS(s) == {}",
            libc::WEXITSTATUS(status)
        );
    } else if libc::WIFCONTINUED(status) {
        out.push_str("WIFCONTINUED(s)");
    } else {
        put!(out, "{status:#x}");
    }
    out.push('}');
}

/// Appends a time in ticks.
pub(super) fn ticks(out: &mut String, value: u64) {
    put!(out, "{value}");
    if value != 0 {
        put!(
            out,
            " /* {}.{:02} s */",
            value / TICKS_PER_SECOND,
            value % TICKS_PER_SECOND
        );
    }
}

/// A `siginfo_t`; bytes that are missing are 0.
struct Info {
    bytes: [u8; INFO_BYTES],
}

impl Info {
    fn new(bytes: &[u8]) -> Self {
        let mut info = Self {
            bytes: [0; INFO_BYTES],
        };
        let len = bytes.len().min(INFO_BYTES);
        info.bytes[..len].copy_from_slice(&bytes[..len]);
        info
    }

    fn u64(&self, at: usize) -> u64 {
        number(&self.bytes, at, 8)
    }

    fn i32(&self, at: usize) -> i32 {
        int(number(&self.bytes, at, 4))
    }

    fn u32(&self, at: usize) -> u64 {
        number(&self.bytes, at, 4)
    }

    fn number(&self) -> i32 {
        self.i32(0)
    }

    fn code(&self) -> i32 {
        self.i32(8)
    }

    fn source(&self, out: &mut String) {
        put!(out, ", si_pid={}, si_uid=", self.i32(16));
        id(out, self.u32(20));
    }

    fn value(&self, out: &mut String) {
        put!(out, ", si_int={}, si_ptr=", self.i32(24));
        address(out, self.u64(24));
    }

    fn fault(&self, out: &mut String) {
        out.push_str(", si_addr=");
        address(out, self.u64(16));
    }

    fn band(&self, out: &mut String) {
        put!(
            out,
            ", si_band={}, si_fd={}",
            signed(&self.bytes, 16, 8),
            self.i32(24)
        );
    }

    fn sent_by_a_program(&self, out: &mut String) {
        match self.code() {
            libc::SI_USER | libc::SI_TKILL => self.source(out),
            libc::SI_TIMER => {
                out.push_str(", si_timerid=");
                hex(out, self.u32(16));
                put!(out, ", si_overrun={}", self.i32(20));
                self.value(out);
            }
            libc::SI_SIGIO => self.band(out),
            _ => {
                self.source(out);
                if self.u64(24) != 0 {
                    self.value(out);
                }
            }
        }
    }

    fn raised_by_the_kernel(&self, out: &mut String) {
        match self.number() {
            libc::SIGCHLD => {
                self.source(out);
                out.push_str(", si_status=");
                match self.code() {
                    libc::CLD_EXITED => put!(out, "{}", self.i32(24)),
                    _ => signal(out, self.u32(24)),
                }
                out.push_str(", si_utime=");
                ticks(out, self.u64(32));
                out.push_str(", si_stime=");
                ticks(out, self.u64(40));
            }
            libc::SIGILL | libc::SIGFPE | libc::SIGTRAP => self.fault(out),
            libc::SIGBUS => {
                self.fault(out);
                if matches!(self.code(), BUS_MCEERR_AR | BUS_MCEERR_AO) {
                    out.push_str(", si_addr_lsb=");
                    hex(out, number(&self.bytes, 24, 2));
                }
            }
            libc::SIGSEGV => {
                self.fault(out);
                match self.code() {
                    SEGV_BNDERR => {
                        out.push_str(", si_lower=");
                        address(out, self.u64(32));
                        out.push_str(", si_upper=");
                        address(out, self.u64(40));
                    }
                    SEGV_PKUERR => put!(out, ", si_pkey={}", self.u32(32)),
                    _ => {}
                }
            }
            libc::SIGIO if (1..=3).contains(&self.code()) => self.band(out),
            libc::SIGIO => {}
            libc::SIGSYS => self.syscall(out),
            _ => {
                if self.u64(16) != 0 {
                    self.source(out);
                }
                if self.u64(24) != 0 {
                    self.value(out);
                }
            }
        }
    }

    fn syscall(&self, out: &mut String) {
        out.push_str(", si_call_addr=");
        address(out, self.u64(16));
        let nr = self.u32(24);
        out.push_str(", si_syscall=");
        match model::lookup(super::scalars::low(nr)) {
            Some(def) if self.u32(28) == ARCH_X86_64 => put!(out, "__NR_{}", def.name),
            _ => hex(out, nr),
        }
        out.push_str(", si_arch=");
        match self.u32(28) {
            ARCH_X86_64 => out.push_str("AUDIT_ARCH_X86_64"),
            ARCH_I386 => out.push_str("AUDIT_ARCH_I386"),
            arch => put!(out, "{arch:#x} /* AUDIT_ARCH_??? */"),
        }
    }
}

/// Appends a `siginfo_t`.
pub(super) fn info(out: &mut String, bytes: &[u8]) {
    let info = Info::new(bytes);
    out.push('{');
    if info.number() != 0 {
        out.push_str("si_signo=");
        signal(out, info.u32(0));
        out.push_str(", si_code=");
        code(out, &info);
        if info.i32(4) != 0 {
            out.push_str(", si_errno=");
            match super::errno::name(info.i32(4)) {
                Some(name) => out.push_str(name),
                None => put!(out, "{}", info.i32(4)),
            }
        }
        if info.code() <= 0 {
            info.sent_by_a_program(out);
        } else {
            info.raised_by_the_kernel(out);
        }
    }
    out.push('}');
}

fn code(out: &mut String, info: &Info) {
    let value = info.u32(8);
    let own = CODES.iter().find(|(number, _)| *number == info.number());
    let name =
        name_of(&SI_CODE, value).or_else(|| own.and_then(|(_, names)| name_of(names, value)));
    match name {
        Some(name) => out.push_str(name),
        None => hex(out, value),
    }
}

/// The signal mask that a handler's frame will restore.
pub(super) fn frame_mask(frame: &[u8]) -> u64 {
    /// Return address; then flags, link, stack and registers of the `ucontext`.
    const MASK_AT: usize = 8 + 8 + 8 + 24 + 256;
    number(frame, MASK_AT, SET_BYTES)
}

const ARCH_X86_64: u64 = 0xc000_003e;
const ARCH_I386: u64 = 0x4000_0003;
const BUS_MCEERR_AR: i32 = 4;
const BUS_MCEERR_AO: i32 = 5;
const SEGV_BNDERR: i32 = 3;
const SEGV_PKUERR: i32 = 4;

/// `si_code` values that depend on the signal.
static CODES: [(i32, &Names); 9] = [
    (libc::SIGTRAP, &TRAP),
    (libc::SIGCHLD, &CHILD),
    (libc::SIGIO, &POLL),
    (libc::SIGPROF, &PROFILE),
    (libc::SIGILL, &ILL),
    (libc::SIGFPE, &FPE),
    (libc::SIGSEGV, &SEGV),
    (libc::SIGBUS, &BUS),
    (libc::SIGSYS, &SYS),
];

static TRAP: Names = Names {
    unknown: "TRAP_???",
    names: &[
        (1, "TRAP_BRKPT"),
        (2, "TRAP_TRACE"),
        (3, "TRAP_BRANCH"),
        (4, "TRAP_HWBKPT"),
        (5, "TRAP_UNK"),
        (6, "TRAP_PERF"),
    ],
};
static CHILD: Names = Names {
    unknown: "CLD_???",
    names: &[
        (1, "CLD_EXITED"),
        (2, "CLD_KILLED"),
        (3, "CLD_DUMPED"),
        (4, "CLD_TRAPPED"),
        (5, "CLD_STOPPED"),
        (6, "CLD_CONTINUED"),
    ],
};
static POLL: Names = Names {
    unknown: "POLL_???",
    names: &[
        (1, "POLL_IN"),
        (2, "POLL_OUT"),
        (3, "POLL_MSG"),
        (4, "POLL_ERR"),
        (5, "POLL_PRI"),
        (6, "POLL_HUP"),
    ],
};
static PROFILE: Names = Names {
    unknown: "PROF_???",
    names: &[(1, "PROF_SIG")],
};
static ILL: Names = Names {
    unknown: "ILL_???",
    names: &[
        (1, "ILL_ILLOPC"),
        (2, "ILL_ILLOPN"),
        (3, "ILL_ILLADR"),
        (4, "ILL_ILLTRP"),
        (5, "ILL_PRVOPC"),
        (6, "ILL_PRVREG"),
        (7, "ILL_COPROC"),
        (8, "ILL_BADSTK"),
        (9, "ILL_BADIADDR"),
    ],
};
static FPE: Names = Names {
    unknown: "FPE_???",
    names: &[
        (1, "FPE_INTDIV"),
        (2, "FPE_INTOVF"),
        (3, "FPE_FLTDIV"),
        (4, "FPE_FLTOVF"),
        (5, "FPE_FLTUND"),
        (6, "FPE_FLTRES"),
        (7, "FPE_FLTINV"),
        (8, "FPE_FLTSUB"),
    ],
};
static SEGV: Names = Names {
    unknown: "SEGV_???",
    names: &[
        (1, "SEGV_MAPERR"),
        (2, "SEGV_ACCERR"),
        (3, "SEGV_BNDERR"),
        (4, "SEGV_PKUERR"),
        (5, "SEGV_ACCADI"),
    ],
};
static BUS: Names = Names {
    unknown: "BUS_???",
    names: &[
        (1, "BUS_ADRALN"),
        (2, "BUS_ADRERR"),
        (3, "BUS_OBJERR"),
        (4, "BUS_MCEERR_AR"),
        (5, "BUS_MCEERR_AO"),
    ],
};
static SYS: Names = Names {
    unknown: "SYS_???",
    names: &[(1, "SYS_SECCOMP"), (2, "SYS_USER_DISPATCH")],
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A `siginfo_t` with these 32-bit words.
    fn words(words: &[(usize, i32)]) -> Vec<u8> {
        let mut bytes = vec![0; INFO_BYTES];
        for (at, value) in words {
            bytes[*at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let mut out = String::new();
        info(&mut out, bytes);
        assert_eq!(out, expected);
    }

    #[test]
    fn children() {
        check(
            &words(&[(0, 17), (8, 1), (16, 20593), (24, 3)]),
            "{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=20593, si_uid=0, si_status=3, \
             si_utime=0, si_stime=0}",
        );
        check(
            &words(&[
                (0, 17),
                (8, 2),
                (16, 5),
                (20, -1),
                (24, 9),
                (32, 7),
                (40, 123),
            ]),
            "{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=5, si_uid=-1, si_status=SIGKILL, \
             si_utime=7 /* 0.07 s */, si_stime=123 /* 1.23 s */}",
        );
    }

    #[test]
    fn faults() {
        check(
            &words(&[(0, 11), (8, 1)]),
            "{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}",
        );
        check(
            &words(&[(0, 7), (8, 2), (16, 0x10)]),
            "{si_signo=SIGBUS, si_code=BUS_ADRERR, si_addr=0x10}",
        );
        check(
            &words(&[(0, 14), (8, 128)]),
            "{si_signo=SIGALRM, si_code=SI_KERNEL}",
        );
        check(
            &words(&[(0, 11), (8, 77)]),
            "{si_signo=SIGSEGV, si_code=0x4d, si_addr=NULL}",
        );
    }

    #[test]
    fn sent_by_programs() {
        check(
            &words(&[(0, 10), (16, 7), (20, 8)]),
            "{si_signo=SIGUSR1, si_code=SI_USER, si_pid=7, si_uid=8}",
        );
        check(
            &words(&[(0, 37), (8, -1), (16, 7), (24, 77)]),
            "{si_signo=SIGRT_5, si_code=SI_QUEUE, si_pid=7, si_uid=0, si_int=77, si_ptr=0x4d}",
        );
        check(
            &words(&[(0, 12), (8, -2), (16, 3), (20, 1)]),
            "{si_signo=SIGUSR2, si_code=SI_TIMER, si_timerid=0x3, si_overrun=1, si_int=0, si_ptr=NULL}",
        );
        check(&[], "{}");
        check(
            &[10],
            "{si_signo=SIGUSR1, si_code=SI_USER, si_pid=0, si_uid=0}",
        );
    }

    #[test]
    fn sets() {
        let show = |mask: u64| {
            let mut out = String::new();
            set(&mut out, &mask.to_le_bytes());
            out
        };
        assert_eq!(show(0), "[]");
        assert_eq!(show(1 << 9 | 1 << 14), "[USR1 TERM]");
        assert_eq!(show(!0), "~[]");
        assert_eq!(show(!(3 << 31)), "~[RTMIN RT_1]");
    }

    #[test]
    fn statuses() {
        let show = |status| {
            let mut out = String::new();
            wait_status(&mut out, status);
            out
        };
        assert_eq!(show(0x300), "{WIFEXITED(s) && WEXITSTATUS(s) == 3}");
        assert_eq!(show(9), "{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}");
        assert_eq!(
            show(0x8b),
            "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"
        );
        assert_eq!(show(0x137f), "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}");
        assert_eq!(show(0xffff), "{WIFCONTINUED(s)}");
    }
}
