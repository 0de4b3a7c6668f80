//! Names of `ptrace` requests and options.

use crate::model::types::Names;

/// Requests.
pub static REQUEST: Names = Names {
    unknown: "PTRACE_???",
    names: &[
        (0, "PTRACE_TRACEME"),
        (1, "PTRACE_PEEKTEXT"),
        (2, "PTRACE_PEEKDATA"),
        (3, "PTRACE_PEEKUSER"),
        (4, "PTRACE_POKETEXT"),
        (5, "PTRACE_POKEDATA"),
        (6, "PTRACE_POKEUSER"),
        (7, "PTRACE_CONT"),
        (8, "PTRACE_KILL"),
        (9, "PTRACE_SINGLESTEP"),
        (12, "PTRACE_GETREGS"),
        (13, "PTRACE_SETREGS"),
        (14, "PTRACE_GETFPREGS"),
        (15, "PTRACE_SETFPREGS"),
        (16, "PTRACE_ATTACH"),
        (17, "PTRACE_DETACH"),
        (18, "PTRACE_GETFPXREGS"),
        (19, "PTRACE_SETFPXREGS"),
        (21, "PTRACE_OLDSETOPTIONS"),
        (24, "PTRACE_SYSCALL"),
        (25, "PTRACE_GET_THREAD_AREA"),
        (26, "PTRACE_SET_THREAD_AREA"),
        (30, "PTRACE_ARCH_PRCTL"),
        (31, "PTRACE_SYSEMU"),
        (32, "PTRACE_SYSEMU_SINGLESTEP"),
        (33, "PTRACE_SINGLEBLOCK"),
        (16896, "PTRACE_SETOPTIONS"),
        (16897, "PTRACE_GETEVENTMSG"),
        (16898, "PTRACE_GETSIGINFO"),
        (16899, "PTRACE_SETSIGINFO"),
        (16900, "PTRACE_GETREGSET"),
        (16901, "PTRACE_SETREGSET"),
        (16902, "PTRACE_SEIZE"),
        (16903, "PTRACE_INTERRUPT"),
        (16904, "PTRACE_LISTEN"),
        (16905, "PTRACE_PEEKSIGINFO"),
        (16906, "PTRACE_GETSIGMASK"),
        (16907, "PTRACE_SETSIGMASK"),
        (16908, "PTRACE_SECCOMP_GET_FILTER"),
        (16909, "PTRACE_SECCOMP_GET_METADATA"),
        (16910, "PTRACE_GET_SYSCALL_INFO"),
        (16911, "PTRACE_GET_RSEQ_CONFIGURATION"),
        (16912, "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG"),
        (16913, "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG"),
        (16914, "PTRACE_SET_SYSCALL_INFO"),
    ],
};

/// Options.
pub static OPTIONS: Names = Names {
    unknown: "PTRACE_O_???",
    names: &[
        (0x1, "PTRACE_O_TRACESYSGOOD"),
        (0x2, "PTRACE_O_TRACEFORK"),
        (0x4, "PTRACE_O_TRACEVFORK"),
        (0x8, "PTRACE_O_TRACECLONE"),
        (0x10, "PTRACE_O_TRACEEXEC"),
        (0x20, "PTRACE_O_TRACEVFORKDONE"),
        (0x40, "PTRACE_O_TRACEEXIT"),
        (0x80, "PTRACE_O_TRACESECCOMP"),
        (0x10_0000, "PTRACE_O_EXITKILL"),
        (0x20_0000, "PTRACE_O_SUSPEND_SECCOMP"),
    ],
};

/// Register sets.
pub static REGSET: Names = Names {
    unknown: "NT_???",
    names: &[
        (0x1, "NT_PRSTATUS"),
        (0x2, "NT_FPREGSET"),
        (0x3, "NT_PRPSINFO"),
        (0x4, "NT_TASKSTRUCT"),
        (0x6, "NT_AUXV"),
        (0x200, "NT_386_TLS"),
        (0x201, "NT_386_IOPERM"),
        (0x202, "NT_X86_XSTATE"),
        (0x204, "NT_X86_SHSTK"),
    ],
};
