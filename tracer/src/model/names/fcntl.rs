//! Names of `fcntl` commands' arguments and of open flags.

use crate::model::types::Names;

/// Access mode and flags of the open family.
pub static OPEN: Names = Names {
    unknown: "O_???",
    names: &[
        (0x3, "O_ACCMODE"),
        (0x2, "O_RDWR"),
        (0x1, "O_WRONLY"),
        (0x0, "O_RDONLY"),
        (0x40, "O_CREAT"),
        (0x80, "O_EXCL"),
        (0x100, "O_NOCTTY"),
        (0x200, "O_TRUNC"),
        (0x400, "O_APPEND"),
        (0x800, "O_NONBLOCK"),
        (0x10_1000, "O_SYNC"),
        (0x1000, "O_DSYNC"),
        (0x4000, "O_DIRECT"),
        (0x8000, "O_LARGEFILE"),
        (0x2_0000, "O_NOFOLLOW"),
        (0x4_0000, "O_NOATIME"),
        (0x8_0000, "O_CLOEXEC"),
        (0x20_0000, "O_PATH"),
        (0x41_0000, "O_TMPFILE"),
        (0x1_0000, "O_DIRECTORY"),
        (0x10_0000, "__O_SYNC"),
        (0x40_0000, "__O_TMPFILE"),
        (0x2000, "FASYNC"),
    ],
};

/// Descriptor flags.
pub static FD: Names = Names {
    unknown: "FD_???",
    names: &[(0x1, "FD_CLOEXEC")],
};

/// Kinds of record locks.
pub static LOCK: Names = Names {
    unknown: "F_???",
    names: &[
        (0, "F_RDLCK"),
        (1, "F_WRLCK"),
        (2, "F_UNLCK"),
        (4, "F_EXLCK"),
        (8, "F_SHLCK"),
    ],
};

/// Kinds of leases.
pub static LEASE: Names = Names {
    unknown: "F_???",
    names: &[
        (0, "F_RDLCK"),
        (1, "F_WRLCK"),
        (2, "F_UNLCK"),
        (4, "F_EXLCK"),
        (8, "F_SHLCK"),
    ],
};

/// Seals of memory files.
pub static SEAL: Names = Names {
    unknown: "F_SEAL_???",
    names: &[
        (0x1, "F_SEAL_SEAL"),
        (0x2, "F_SEAL_SHRINK"),
        (0x4, "F_SEAL_GROW"),
        (0x8, "F_SEAL_WRITE"),
        (0x10, "F_SEAL_FUTURE_WRITE"),
        (0x20, "F_SEAL_EXEC"),
    ],
};

/// Directory notifications.
pub static NOTIFY: Names = Names {
    unknown: "DN_???",
    names: &[
        (0x1, "DN_ACCESS"),
        (0x2, "DN_MODIFY"),
        (0x4, "DN_CREATE"),
        (0x8, "DN_DELETE"),
        (0x10, "DN_RENAME"),
        (0x20, "DN_ATTRIB"),
        (0x8000_0000, "DN_MULTISHOT"),
    ],
};

/// Kinds of owners of a descriptor's signals.
pub static OWNER: Names = Names {
    unknown: "F_OWNER_???",
    names: &[(0, "F_OWNER_TID"), (1, "F_OWNER_PID"), (2, "F_OWNER_PGRP")],
};
