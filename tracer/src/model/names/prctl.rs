//! Names of arguments of `prctl` and `arch_prctl`.

use crate::model::types::Names;

/// Whether a process dumps core.
pub static DUMPABLE: Names = Names {
    unknown: "SUID_DUMP_???",
    names: &[
        (0, "SUID_DUMP_DISABLE"),
        (1, "SUID_DUMP_USER"),
        (2, "SUID_DUMP_ROOT"),
    ],
};

/// Unaligned accesses.
pub static UNALIGN: Names = Names {
    unknown: "PR_UNALIGN_???",
    names: &[(0x1, "PR_UNALIGN_NOPRINT"), (0x2, "PR_UNALIGN_SIGBUS")],
};

/// Whether `rdtsc` traps.
pub static TSC: Names = Names {
    unknown: "PR_TSC_???",
    names: &[(1, "PR_TSC_ENABLE"), (2, "PR_TSC_SIGSEGV")],
};

/// Modes of seccomp.
pub static SECCOMP_MODE: Names = Names {
    unknown: "SECCOMP_MODE_???",
    names: &[
        (0, "SECCOMP_MODE_DISABLED"),
        (1, "SECCOMP_MODE_STRICT"),
        (2, "SECCOMP_MODE_FILTER"),
    ],
};

/// Capabilities.
pub static CAP: Names = Names {
    unknown: "CAP_???",
    names: &[
        (0, "CAP_CHOWN"),
        (1, "CAP_DAC_OVERRIDE"),
        (2, "CAP_DAC_READ_SEARCH"),
        (3, "CAP_FOWNER"),
        (4, "CAP_FSETID"),
        (5, "CAP_KILL"),
        (6, "CAP_SETGID"),
        (7, "CAP_SETUID"),
        (8, "CAP_SETPCAP"),
        (9, "CAP_LINUX_IMMUTABLE"),
        (10, "CAP_NET_BIND_SERVICE"),
        (11, "CAP_NET_BROADCAST"),
        (12, "CAP_NET_ADMIN"),
        (13, "CAP_NET_RAW"),
        (14, "CAP_IPC_LOCK"),
        (15, "CAP_IPC_OWNER"),
        (16, "CAP_SYS_MODULE"),
        (17, "CAP_SYS_RAWIO"),
        (18, "CAP_SYS_CHROOT"),
        (19, "CAP_SYS_PTRACE"),
        (20, "CAP_SYS_PACCT"),
        (21, "CAP_SYS_ADMIN"),
        (22, "CAP_SYS_BOOT"),
        (23, "CAP_SYS_NICE"),
        (24, "CAP_SYS_RESOURCE"),
        (25, "CAP_SYS_TIME"),
        (26, "CAP_SYS_TTY_CONFIG"),
        (27, "CAP_MKNOD"),
        (28, "CAP_LEASE"),
        (29, "CAP_AUDIT_WRITE"),
        (30, "CAP_AUDIT_CONTROL"),
        (31, "CAP_SETFCAP"),
        (32, "CAP_MAC_OVERRIDE"),
        (33, "CAP_MAC_ADMIN"),
        (34, "CAP_SYSLOG"),
        (35, "CAP_WAKE_ALARM"),
        (36, "CAP_BLOCK_SUSPEND"),
        (37, "CAP_AUDIT_READ"),
        (38, "CAP_PERFMON"),
        (39, "CAP_BPF"),
        (40, "CAP_CHECKPOINT_RESTORE"),
    ],
};

/// Secure bits.
pub static SECUREBITS: Names = Names {
    unknown: "SECBIT_???",
    names: &[
        (0x1, "SECBIT_NOROOT"),
        (0x2, "SECBIT_NOROOT_LOCKED"),
        (0x4, "SECBIT_NO_SETUID_FIXUP"),
        (0x8, "SECBIT_NO_SETUID_FIXUP_LOCKED"),
        (0x10, "SECBIT_KEEP_CAPS"),
        (0x20, "SECBIT_KEEP_CAPS_LOCKED"),
        (0x40, "SECBIT_NO_CAP_AMBIENT_RAISE"),
        (0x80, "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED"),
        (0x100, "SECBIT_EXEC_RESTRICT_FILE"),
        (0x200, "SECBIT_EXEC_RESTRICT_FILE_LOCKED"),
        (0x400, "SECBIT_EXEC_DENY_INTERACTIVE"),
        (0x800, "SECBIT_EXEC_DENY_INTERACTIVE_LOCKED"),
    ],
};

/// Whether the policy on memory errors is set.
pub static MCE_KILL: Names = Names {
    unknown: "PR_MCE_KILL_???",
    names: &[(0, "PR_MCE_KILL_CLEAR"), (1, "PR_MCE_KILL_SET")],
};

/// Policies on memory errors.
pub static MCE_KILL_POLICY: Names = Names {
    unknown: "PR_MCE_KILL_???",
    names: &[
        (0, "PR_MCE_KILL_LATE"),
        (1, "PR_MCE_KILL_EARLY"),
        (2, "PR_MCE_KILL_DEFAULT"),
    ],
};

/// Fields of the memory descriptor.
pub static MM: Names = Names {
    unknown: "PR_SET_MM_???",
    names: &[
        (1, "PR_SET_MM_START_CODE"),
        (2, "PR_SET_MM_END_CODE"),
        (3, "PR_SET_MM_START_DATA"),
        (4, "PR_SET_MM_END_DATA"),
        (5, "PR_SET_MM_START_STACK"),
        (6, "PR_SET_MM_START_BRK"),
        (7, "PR_SET_MM_BRK"),
        (8, "PR_SET_MM_ARG_START"),
        (9, "PR_SET_MM_ARG_END"),
        (10, "PR_SET_MM_ENV_START"),
        (11, "PR_SET_MM_ENV_END"),
        (12, "PR_SET_MM_AUXV"),
        (13, "PR_SET_MM_EXE_FILE"),
        (14, "PR_SET_MM_MAP"),
        (15, "PR_SET_MM_MAP_SIZE"),
    ],
};

/// Operations on ambient capabilities.
pub static CAP_AMBIENT: Names = Names {
    unknown: "PR_CAP_AMBIENT_???",
    names: &[
        (1, "PR_CAP_AMBIENT_IS_SET"),
        (2, "PR_CAP_AMBIENT_RAISE"),
        (3, "PR_CAP_AMBIENT_LOWER"),
        (4, "PR_CAP_AMBIENT_CLEAR_ALL"),
    ],
};

/// Speculation misfeatures.
pub static SPEC: Names = Names {
    unknown: "PR_SPEC_???",
    names: &[
        (0, "PR_SPEC_STORE_BYPASS"),
        (1, "PR_SPEC_INDIRECT_BRANCH"),
        (2, "PR_SPEC_L1D_FLUSH"),
    ],
};

/// What is done about speculation.
pub static SPEC_CONTROL: Names = Names {
    unknown: "PR_SPEC_???",
    names: &[
        (0x1, "PR_SPEC_PRCTL"),
        (0x2, "PR_SPEC_ENABLE"),
        (0x4, "PR_SPEC_DISABLE"),
        (0x8, "PR_SPEC_FORCE_DISABLE"),
        (0x10, "PR_SPEC_DISABLE_NOEXEC"),
    ],
};

/// Attributes of mappings.
pub static VMA: Names = Names {
    unknown: "PR_SET_VMA_???",
    names: &[(0, "PR_SET_VMA_ANON_NAME")],
};

/// Refusals of writable code.
pub static MDWE: Names = Names {
    unknown: "PR_MDWE_???",
    names: &[
        (0x1, "PR_MDWE_REFUSE_EXEC_GAIN"),
        (0x2, "PR_MDWE_NO_INHERIT"),
    ],
};

/// Floating point exception modes.
pub static FP_EXC: Names = Names {
    unknown: "PR_FP_EXC_???",
    names: &[
        (0x0, "PR_FP_EXC_DISABLED"),
        (0x1, "PR_FP_EXC_NONRECOV"),
        (0x2, "PR_FP_EXC_ASYNC"),
        (0x3, "PR_FP_EXC_PRECISE"),
        (0x80, "PR_FP_EXC_SW_ENABLE"),
        (0x1_0000, "PR_FP_EXC_DIV"),
        (0x2_0000, "PR_FP_EXC_OVF"),
        (0x4_0000, "PR_FP_EXC_UND"),
        (0x8_0000, "PR_FP_EXC_RES"),
        (0x10_0000, "PR_FP_EXC_INV"),
    ],
};

/// Whether syscalls are dispatched to user space.
pub static DISPATCH: Names = Names {
    unknown: "PR_SYS_DISPATCH_???",
    names: &[
        (0, "PR_SYS_DISPATCH_OFF"),
        (1, "PR_SYS_DISPATCH_ON"),
        (2, "PR_SYS_DISPATCH_INCLUSIVE_ON"),
    ],
};

/// Operations on core scheduling cookies.
pub static SCHED_CORE: Names = Names {
    unknown: "PR_SCHED_CORE_???",
    names: &[
        (0, "PR_SCHED_CORE_GET"),
        (1, "PR_SCHED_CORE_CREATE"),
        (2, "PR_SCHED_CORE_SHARE_TO"),
        (3, "PR_SCHED_CORE_SHARE_FROM"),
    ],
};
