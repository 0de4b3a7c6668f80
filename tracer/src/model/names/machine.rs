//! Names of what concerns the machine and the calling process as a whole: `arch_prctl`,
//! `personality`, `reboot`, `getrusage`, `syslog`, swap areas.

use crate::model::types::Names;

/// Whose usage `getrusage` tells.
pub static RUSAGE: Names = Names {
    unknown: "RUSAGE_???",
    names: &[
        (0, "RUSAGE_SELF"),
        (u64::MAX, "RUSAGE_CHILDREN"),
        (0xffff_ffff, "RUSAGE_CHILDREN"),
        (0xffff_fffe, "RUSAGE_BOTH"),
        (1, "RUSAGE_THREAD"),
    ],
};

/// Execution domains and their flags.
pub static PERSONALITY: Names = Names {
    unknown: "PER_???",
    names: &[
        // No domain, but the question which it is.
        (0xffff_ffff, "0xffffffff"),
        (0x8, "PER_LINUX32"),
        (0x0, "PER_LINUX"),
        (0x002_0000, "UNAME26"),
        (0x004_0000, "ADDR_NO_RANDOMIZE"),
        (0x008_0000, "FDPIC_FUNCPTRS"),
        (0x010_0000, "MMAP_PAGE_ZERO"),
        (0x020_0000, "ADDR_COMPAT_LAYOUT"),
        (0x040_0000, "READ_IMPLIES_EXEC"),
        (0x080_0000, "ADDR_LIMIT_32BIT"),
        (0x100_0000, "SHORT_INODE"),
        (0x200_0000, "WHOLE_SECONDS"),
        (0x400_0000, "STICKY_TIMEOUTS"),
        (0x800_0000, "ADDR_LIMIT_3GB"),
    ],
};

/// Codes of `arch_prctl`.
pub static ARCH_PRCTL: Names = Names {
    unknown: "ARCH_???",
    names: &[
        (0x1001, "ARCH_SET_GS"),
        (0x1002, "ARCH_SET_FS"),
        (0x1003, "ARCH_GET_FS"),
        (0x1004, "ARCH_GET_GS"),
        (0x1011, "ARCH_GET_CPUID"),
        (0x1012, "ARCH_SET_CPUID"),
        (0x1021, "ARCH_GET_XCOMP_SUPP"),
        (0x1022, "ARCH_GET_XCOMP_PERM"),
        (0x1023, "ARCH_REQ_XCOMP_PERM"),
        (0x1024, "ARCH_GET_XCOMP_GUEST_PERM"),
        (0x1025, "ARCH_REQ_XCOMP_GUEST_PERM"),
        (0x1030, "ARCH_XCOMP_TILECFG"),
        (0x1031, "ARCH_XCOMP_TILEDATA"),
        (0x2001, "ARCH_MAP_VDSO_X32"),
        (0x2002, "ARCH_MAP_VDSO_32"),
        (0x2003, "ARCH_MAP_VDSO_64"),
        (0x4001, "ARCH_GET_UNTAG_MASK"),
        (0x4002, "ARCH_ENABLE_TAGGED_ADDR"),
        (0x4003, "ARCH_GET_MAX_TAG_BITS"),
        (0x4004, "ARCH_FORCE_TAGGED_SVA"),
        (0x5001, "ARCH_SHSTK_ENABLE"),
        (0x5002, "ARCH_SHSTK_DISABLE"),
        (0x5003, "ARCH_SHSTK_LOCK"),
        (0x5004, "ARCH_SHSTK_UNLOCK"),
        (0x5005, "ARCH_SHSTK_STATUS"),
    ],
};

/// Commands of `reboot`.
pub static REBOOT: Names = Names {
    unknown: "LINUX_REBOOT_CMD_???",
    names: &[
        (0x0123_4567, "LINUX_REBOOT_CMD_RESTART"),
        (0xcdef_0123, "LINUX_REBOOT_CMD_HALT"),
        (0x89ab_cdef, "LINUX_REBOOT_CMD_CAD_ON"),
        (0, "LINUX_REBOOT_CMD_CAD_OFF"),
        (0x4321_fedc, "LINUX_REBOOT_CMD_POWER_OFF"),
        (0xa1b2_c3d4, "LINUX_REBOOT_CMD_RESTART2"),
        (0xd000_fce2, "LINUX_REBOOT_CMD_SW_SUSPEND"),
        (0x4558_4543, "LINUX_REBOOT_CMD_KEXEC"),
    ],
};

/// Actions of `syslog`.
pub static SYSLOG: Names = Names {
    unknown: "SYSLOG_ACTION_???",
    names: &[
        (0, "SYSLOG_ACTION_CLOSE"),
        (1, "SYSLOG_ACTION_OPEN"),
        (2, "SYSLOG_ACTION_READ"),
        (3, "SYSLOG_ACTION_READ_ALL"),
        (4, "SYSLOG_ACTION_READ_CLEAR"),
        (5, "SYSLOG_ACTION_CLEAR"),
        (6, "SYSLOG_ACTION_CONSOLE_OFF"),
        (7, "SYSLOG_ACTION_CONSOLE_ON"),
        (8, "SYSLOG_ACTION_CONSOLE_LEVEL"),
        (9, "SYSLOG_ACTION_SIZE_UNREAD"),
        (10, "SYSLOG_ACTION_SIZE_BUFFER"),
    ],
};

/// Flags of `swapon`.
pub static SWAP: Names = Names {
    unknown: "SWAP_FLAG_???",
    names: &[
        (0x8000, "SWAP_FLAG_PREFER"),
        (0x1_0000, "SWAP_FLAG_DISCARD"),
        (0x2_0000, "SWAP_FLAG_DISCARD_ONCE"),
        (0x4_0000, "SWAP_FLAG_DISCARD_PAGES"),
    ],
};
