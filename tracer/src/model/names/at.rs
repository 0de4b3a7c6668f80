//! Names of path lookup: `AT_`, `RESOLVE_`, `RENAME_` and what else ends in "at".

use crate::model::types::Names;

/// Flags of `fchownat`, `linkat`, `fstatat` and the like.
pub static SYMLINK: Names = Names {
    unknown: "AT_???",
    names: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x200, "AT_REMOVEDIR"),
        (0x400, "AT_SYMLINK_FOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

/// Flags of `unlinkat`.
pub static UNLINK: Names = Names {
    unknown: "AT_???",
    names: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x200, "AT_REMOVEDIR"),
        (0x400, "AT_SYMLINK_FOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

/// Flags of `faccessat2`.
pub static ACCESS: Names = Names {
    unknown: "AT_???",
    names: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x200, "AT_EACCESS"),
        (0x1000, "AT_EMPTY_PATH"),
    ],
};

/// What `faccessat` asks for.
pub static ACCESS_MODE: Names = Names {
    unknown: "?_OK",
    names: &[(0x4, "R_OK"), (0x2, "W_OK"), (0x1, "X_OK"), (0x0, "F_OK")],
};

/// Flags of `name_to_handle_at`.
pub static HANDLE: Names = Names {
    unknown: "AT_???",
    names: &[
        (0x400, "AT_SYMLINK_FOLLOW"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x200, "AT_HANDLE_FID"),
        (0x1, "AT_HANDLE_MNT_ID_UNIQUE"),
        (0x2, "AT_HANDLE_CONNECTABLE"),
    ],
};

/// Flags of `statx`.
pub static STATX: Names = Names {
    unknown: "AT_???",
    names: &[
        (0x2000, "AT_STATX_FORCE_SYNC"),
        (0x4000, "AT_STATX_DONT_SYNC"),
        (0x0, "AT_STATX_SYNC_AS_STAT"),
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x200, "AT_REMOVEDIR"),
        (0x400, "AT_SYMLINK_FOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

/// Fields that `statx` gives.
pub static STATX_MASK: Names = Names {
    unknown: "STATX_???",
    names: &[
        (0xfff, "STATX_ALL"),
        (0x7ff, "STATX_BASIC_STATS"),
        (0x1, "STATX_TYPE"),
        (0x2, "STATX_MODE"),
        (0x4, "STATX_NLINK"),
        (0x8, "STATX_UID"),
        (0x10, "STATX_GID"),
        (0x20, "STATX_ATIME"),
        (0x40, "STATX_MTIME"),
        (0x80, "STATX_CTIME"),
        (0x100, "STATX_INO"),
        (0x200, "STATX_SIZE"),
        (0x400, "STATX_BLOCKS"),
        (0x800, "STATX_BTIME"),
        (0x1000, "STATX_MNT_ID"),
        (0x2000, "STATX_DIOALIGN"),
        (0x4000, "STATX_MNT_ID_UNIQUE"),
        (0x8000, "STATX_SUBVOL"),
        (0x1_0000, "STATX_WRITE_ATOMIC"),
        (0x2_0000, "STATX_DIO_READ_ALIGN"),
    ],
};

/// Restrictions of `openat2`.
pub static RESOLVE: Names = Names {
    unknown: "RESOLVE_???",
    names: &[
        (0x1, "RESOLVE_NO_XDEV"),
        (0x2, "RESOLVE_NO_MAGICLINKS"),
        (0x4, "RESOLVE_NO_SYMLINKS"),
        (0x8, "RESOLVE_BENEATH"),
        (0x10, "RESOLVE_IN_ROOT"),
        (0x20, "RESOLVE_CACHED"),
    ],
};

/// Flags of `renameat2`.
pub static RENAME: Names = Names {
    unknown: "RENAME_???",
    names: &[
        (0x1, "RENAME_NOREPLACE"),
        (0x2, "RENAME_EXCHANGE"),
        (0x4, "RENAME_WHITEOUT"),
    ],
};

/// Flags of `setxattr`.
pub static XATTR: Names = Names {
    unknown: "XATTR_???",
    names: &[(0x1, "XATTR_CREATE"), (0x2, "XATTR_REPLACE")],
};
