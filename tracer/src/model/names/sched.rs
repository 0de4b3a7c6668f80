//! Names of scheduling, resources and memory placement.

use crate::model::types::Names;

/// Scheduling policies.
pub static POLICY: Names = Names {
    unknown: "SCHED_???",
    names: &[
        (0, "SCHED_OTHER"),
        (1, "SCHED_FIFO"),
        (2, "SCHED_RR"),
        (3, "SCHED_BATCH"),
        (4, "SCHED_ISO"),
        (5, "SCHED_IDLE"),
        (6, "SCHED_DEADLINE"),
        (7, "SCHED_EXT"),
    ],
};

/// Policies, with the flag that may be combined with them.
pub static POLICY_RESET: Names = Names {
    unknown: "SCHED_???",
    names: &[
        (0x7, "SCHED_EXT"),
        (0x6, "SCHED_DEADLINE"),
        (0x5, "SCHED_IDLE"),
        (0x4, "SCHED_ISO"),
        (0x3, "SCHED_BATCH"),
        (0x2, "SCHED_RR"),
        (0x1, "SCHED_FIFO"),
        (0x0, "SCHED_OTHER"),
        (0x4000_0000, "SCHED_RESET_ON_FORK"),
    ],
};

/// Flags in `struct sched_attr`.
pub static ATTR_FLAGS: Names = Names {
    unknown: "SCHED_FLAG_???",
    names: &[
        (0x1, "SCHED_FLAG_RESET_ON_FORK"),
        (0x2, "SCHED_FLAG_RECLAIM"),
        (0x4, "SCHED_FLAG_DL_OVERRUN"),
        (0x8, "SCHED_FLAG_KEEP_POLICY"),
        (0x10, "SCHED_FLAG_KEEP_PARAMS"),
        (0x20, "SCHED_FLAG_UTIL_CLAMP_MIN"),
        (0x40, "SCHED_FLAG_UTIL_CLAMP_MAX"),
    ],
};

/// Flags of the clone family and of namespaces.
pub static CLONE: Names = Names {
    unknown: "CLONE_???",
    names: &[
        (0x100, "CLONE_VM"),
        (0x200, "CLONE_FS"),
        (0x400, "CLONE_FILES"),
        (0x800, "CLONE_SIGHAND"),
        (0x1000, "CLONE_PIDFD"),
        (0x2000, "CLONE_PTRACE"),
        (0x4000, "CLONE_VFORK"),
        (0x8000, "CLONE_PARENT"),
        (0x1_0000, "CLONE_THREAD"),
        (0x2_0000, "CLONE_NEWNS"),
        (0x4_0000, "CLONE_SYSVSEM"),
        (0x8_0000, "CLONE_SETTLS"),
        (0x10_0000, "CLONE_PARENT_SETTID"),
        (0x20_0000, "CLONE_CHILD_CLEARTID"),
        (0x40_0000, "CLONE_DETACHED"),
        (0x80_0000, "CLONE_UNTRACED"),
        (0x100_0000, "CLONE_CHILD_SETTID"),
        (0x200_0000, "CLONE_NEWCGROUP"),
        (0x400_0000, "CLONE_NEWUTS"),
        (0x800_0000, "CLONE_NEWIPC"),
        (0x1000_0000, "CLONE_NEWUSER"),
        (0x2000_0000, "CLONE_NEWPID"),
        (0x4000_0000, "CLONE_NEWNET"),
        (0x8000_0000, "CLONE_IO"),
        (0x1_0000_0000, "CLONE_CLEAR_SIGHAND"),
        (0x2_0000_0000, "CLONE_INTO_CGROUP"),
    ],
};

/// Namespaces, and what else `unshare` takes.
pub static NAMESPACE: Names = Names {
    unknown: "CLONE_???",
    names: &[
        (0x80, "CLONE_NEWTIME"),
        (0x200, "CLONE_FS"),
        (0x400, "CLONE_FILES"),
        (0x100, "CLONE_VM"),
        (0x800, "CLONE_SIGHAND"),
        (0x1_0000, "CLONE_THREAD"),
        (0x2_0000, "CLONE_NEWNS"),
        (0x4_0000, "CLONE_SYSVSEM"),
        (0x200_0000, "CLONE_NEWCGROUP"),
        (0x400_0000, "CLONE_NEWUTS"),
        (0x800_0000, "CLONE_NEWIPC"),
        (0x1000_0000, "CLONE_NEWUSER"),
        (0x2000_0000, "CLONE_NEWPID"),
        (0x4000_0000, "CLONE_NEWNET"),
    ],
};

/// Whose priority.
pub static PRIO_WHICH: Names = Names {
    unknown: "PRIO_???",
    names: &[(0, "PRIO_PROCESS"), (1, "PRIO_PGRP"), (2, "PRIO_USER")],
};

/// Whose I/O priority.
pub static IOPRIO_WHO: Names = Names {
    unknown: "IOPRIO_WHO_???",
    names: &[
        (1, "IOPRIO_WHO_PROCESS"),
        (2, "IOPRIO_WHO_PGRP"),
        (3, "IOPRIO_WHO_USER"),
    ],
};

/// Resources.
pub static RLIMIT: Names = Names {
    unknown: "RLIMIT_???",
    names: &[
        (0, "RLIMIT_CPU"),
        (1, "RLIMIT_FSIZE"),
        (2, "RLIMIT_DATA"),
        (3, "RLIMIT_STACK"),
        (4, "RLIMIT_CORE"),
        (5, "RLIMIT_RSS"),
        (6, "RLIMIT_NPROC"),
        (7, "RLIMIT_NOFILE"),
        (8, "RLIMIT_MEMLOCK"),
        (9, "RLIMIT_AS"),
        (10, "RLIMIT_LOCKS"),
        (11, "RLIMIT_SIGPENDING"),
        (12, "RLIMIT_MSGQUEUE"),
        (13, "RLIMIT_NICE"),
        (14, "RLIMIT_RTPRIO"),
        (15, "RLIMIT_RTTIME"),
    ],
};

/// Commands of `membarrier`.
pub static MEMBARRIER: Names = Names {
    unknown: "MEMBARRIER_CMD_???",
    names: &[
        (0x0, "MEMBARRIER_CMD_QUERY"),
        (0x1, "MEMBARRIER_CMD_GLOBAL"),
        (0x2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"),
        (0x4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"),
        (0x8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"),
        (0x10, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"),
        (0x20, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE"),
        (0x40, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"),
        (0x80, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"),
        (0x100, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"),
        (0x200, "MEMBARRIER_CMD_GET_REGISTRATIONS"),
    ],
};

/// Flags of `membarrier`.
pub static MEMBARRIER_FLAGS: Names = Names {
    unknown: "MEMBARRIER_CMD_FLAG_???",
    names: &[(0x1, "MEMBARRIER_CMD_FLAG_CPU")],
};

/// Memory policies, with the flags that may be combined with them.
pub static MPOL: Names = Names {
    unknown: "MPOL_???",
    names: &[
        (0x6, "MPOL_WEIGHTED_INTERLEAVE"),
        (0x5, "MPOL_PREFERRED_MANY"),
        (0x4, "MPOL_LOCAL"),
        (0x3, "MPOL_INTERLEAVE"),
        (0x2, "MPOL_BIND"),
        (0x1, "MPOL_PREFERRED"),
        (0x0, "MPOL_DEFAULT"),
        (0x8000, "MPOL_F_STATIC_NODES"),
        (0x4000, "MPOL_F_RELATIVE_NODES"),
        (0x2000, "MPOL_F_NUMA_BALANCING"),
    ],
};

/// Flags of `get_mempolicy`.
pub static MPOL_GET: Names = Names {
    unknown: "MPOL_F_???",
    names: &[
        (0x1, "MPOL_F_NODE"),
        (0x2, "MPOL_F_ADDR"),
        (0x4, "MPOL_F_MEMS_ALLOWED"),
    ],
};

/// Flags of `mbind` and `move_pages`.
pub static MPOL_MOVE: Names = Names {
    unknown: "MPOL_MF_???",
    names: &[
        (0x1, "MPOL_MF_STRICT"),
        (0x2, "MPOL_MF_MOVE"),
        (0x4, "MPOL_MF_MOVE_ALL"),
        (0x8, "MPOL_MF_LAZY"),
    ],
};

/// What `kcmp` compares.
pub static KCMP: Names = Names {
    unknown: "KCMP_???",
    names: &[
        (0, "KCMP_FILE"),
        (1, "KCMP_VM"),
        (2, "KCMP_FILES"),
        (3, "KCMP_FS"),
        (4, "KCMP_SIGHAND"),
        (5, "KCMP_IO"),
        (6, "KCMP_SYSVSEM"),
        (7, "KCMP_EPOLL_TFD"),
    ],
};

/// Whom `waitid` waits for.
pub static IDTYPE: Names = Names {
    unknown: "P_???",
    names: &[(0, "P_ALL"), (1, "P_PID"), (2, "P_PGID"), (3, "P_PIDFD")],
};

/// Options of the wait family.
pub static WAIT: Names = Names {
    unknown: "W???",
    names: &[
        (0x1, "WNOHANG"),
        (0x4, "WEXITED"),
        (0x2, "WSTOPPED"),
        (0x8, "WCONTINUED"),
        (0x100_0000, "WNOWAIT"),
        (0x8000_0000, "__WCLONE"),
        (0x4000_0000, "__WALL"),
        (0x2000_0000, "__WNOTHREAD"),
    ],
};

/// Flags of `pidfd_open`.
pub static PIDFD_OPEN: Names = Names {
    unknown: "PIDFD_???",
    names: &[(0x800, "PIDFD_NONBLOCK"), (0x80, "PIDFD_THREAD")],
};

/// Flags of `pidfd_send_signal`.
pub static PIDFD_SIGNAL: Names = Names {
    unknown: "PIDFD_SIGNAL_???",
    names: &[
        (0x1, "PIDFD_SIGNAL_THREAD"),
        (0x2, "PIDFD_SIGNAL_THREAD_GROUP"),
        (0x4, "PIDFD_SIGNAL_PROCESS_GROUP"),
    ],
};
