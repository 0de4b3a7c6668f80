//! Names of signals and of what belongs to them.

use crate::model::types::Names;

/// The signals with a name; from 32 on they are `SIGRT_0` and so forth.
pub static SIGNAL: Names = Names {
    unknown: "SIG???",
    names: &[
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (5, "SIGTRAP"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (10, "SIGUSR1"),
        (11, "SIGSEGV"),
        (12, "SIGUSR2"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (16, "SIGSTKFLT"),
        (17, "SIGCHLD"),
        (18, "SIGCONT"),
        (19, "SIGSTOP"),
        (20, "SIGTSTP"),
        (21, "SIGTTIN"),
        (22, "SIGTTOU"),
        (23, "SIGURG"),
        (24, "SIGXCPU"),
        (25, "SIGXFSZ"),
        (26, "SIGVTALRM"),
        (27, "SIGPROF"),
        (28, "SIGWINCH"),
        (29, "SIGIO"),
        (30, "SIGPWR"),
        (31, "SIGSYS"),
    ],
};

/// What `rt_sigprocmask` does with the set.
pub static HOW: Names = Names {
    unknown: "SIG_???",
    names: &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")],
};

/// Handlers that are no address.
pub static HANDLER: Names = Names {
    unknown: "SIG_???",
    names: &[(0, "SIG_DFL"), (1, "SIG_IGN"), (u64::MAX, "SIG_ERR")],
};

/// `sa_flags`.
pub static SA: Names = Names {
    unknown: "SA_???",
    names: &[
        (0x0400_0000, "SA_RESTORER"),
        (0x0800_0000, "SA_ONSTACK"),
        (0x1000_0000, "SA_RESTART"),
        (0x2000_0000, "SA_INTERRUPT"),
        (0x4000_0000, "SA_NODEFER"),
        (0x8000_0000, "SA_RESETHAND"),
        (0x4, "SA_SIGINFO"),
        (0x1, "SA_NOCLDSTOP"),
        (0x2, "SA_NOCLDWAIT"),
    ],
};

/// State of the alternate stack.
pub static STACK: Names = Names {
    unknown: "SS_???",
    names: &[
        (0x1, "SS_ONSTACK"),
        (0x2, "SS_DISABLE"),
        (0x8000_0000, "SS_AUTODISARM"),
    ],
};

/// `si_code` values that do not depend on the signal.
pub static SI_CODE: Names = Names {
    unknown: "SI_???",
    names: &[
        (0, "SI_USER"),
        (0x80, "SI_KERNEL"),
        (0xffff_ffff, "SI_QUEUE"),
        (0xffff_fffe, "SI_TIMER"),
        (0xffff_fffd, "SI_MESGQ"),
        (0xffff_fffc, "SI_ASYNCIO"),
        (0xffff_fffb, "SI_SIGIO"),
        (0xffff_fffa, "SI_TKILL"),
        (0xffff_fff9, "SI_DETHREAD"),
        (0xffff_ffc4, "SI_ASYNCNL"),
    ],
};
