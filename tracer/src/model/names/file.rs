//! Names of operations on open files.

use crate::model::types::Names;

/// Modes of `fallocate`.
pub static FALLOC: Names = Names {
    unknown: "FALLOC_FL_???",
    names: &[
        (0x1, "FALLOC_FL_KEEP_SIZE"),
        (0x2, "FALLOC_FL_PUNCH_HOLE"),
        (0x4, "FALLOC_FL_NO_HIDE_STALE"),
        (0x8, "FALLOC_FL_COLLAPSE_RANGE"),
        (0x10, "FALLOC_FL_ZERO_RANGE"),
        (0x20, "FALLOC_FL_INSERT_RANGE"),
        (0x40, "FALLOC_FL_UNSHARE_RANGE"),
        (0x80, "FALLOC_FL_WRITE_ZEROES"),
    ],
};

/// Advice on a file.
pub static FADVISE: Names = Names {
    unknown: "POSIX_FADV_???",
    names: &[
        (0, "POSIX_FADV_NORMAL"),
        (1, "POSIX_FADV_RANDOM"),
        (2, "POSIX_FADV_SEQUENTIAL"),
        (3, "POSIX_FADV_WILLNEED"),
        (4, "POSIX_FADV_DONTNEED"),
        (5, "POSIX_FADV_NOREUSE"),
    ],
};

/// Flags of the splice family.
pub static SPLICE: Names = Names {
    unknown: "SPLICE_F_???",
    names: &[
        (0x1, "SPLICE_F_MOVE"),
        (0x2, "SPLICE_F_NONBLOCK"),
        (0x4, "SPLICE_F_MORE"),
        (0x8, "SPLICE_F_GIFT"),
    ],
};

/// Flags of `sync_file_range`.
pub static SYNC_RANGE: Names = Names {
    unknown: "SYNC_FILE_RANGE_???",
    names: &[
        (0x1, "SYNC_FILE_RANGE_WAIT_BEFORE"),
        (0x2, "SYNC_FILE_RANGE_WRITE"),
        (0x4, "SYNC_FILE_RANGE_WAIT_AFTER"),
    ],
};

/// Flags of `preadv2` and `pwritev2`.
pub static RWF: Names = Names {
    unknown: "RWF_???",
    names: &[
        (0x1, "RWF_HIPRI"),
        (0x2, "RWF_DSYNC"),
        (0x4, "RWF_SYNC"),
        (0x8, "RWF_NOWAIT"),
        (0x10, "RWF_APPEND"),
        (0x20, "RWF_NOAPPEND"),
        (0x40, "RWF_ATOMIC"),
        (0x80, "RWF_DONTCACHE"),
        (0x100, "RWF_NOSIGNAL"),
    ],
};

/// Flags of `memfd_create`.
pub static MEMFD: Names = Names {
    unknown: "MFD_???",
    names: &[
        (0x1, "MFD_CLOEXEC"),
        (0x2, "MFD_ALLOW_SEALING"),
        (0x4, "MFD_HUGETLB"),
        (0x8, "MFD_NOEXEC_SEAL"),
        (0x10, "MFD_EXEC"),
    ],
};

/// Flags of `getrandom`.
pub static RANDOM: Names = Names {
    unknown: "GRND_???",
    names: &[
        (0x1, "GRND_NONBLOCK"),
        (0x2, "GRND_RANDOM"),
        (0x4, "GRND_INSECURE"),
    ],
};

/// Flags of `mlock2`.
pub static MLOCK: Names = Names {
    unknown: "MLOCK_???",
    names: &[(0x1, "MLOCK_ONFAULT")],
};

/// Access rights of a protection key.
pub static PKEY: Names = Names {
    unknown: "PKEY_DISABLE_???",
    names: &[(0x1, "PKEY_DISABLE_ACCESS"), (0x2, "PKEY_DISABLE_WRITE")],
};

/// Flags of `close_range`.
pub static CLOSE_RANGE: Names = Names {
    unknown: "CLOSE_RANGE_???",
    names: &[(0x2, "CLOSE_RANGE_UNSHARE"), (0x4, "CLOSE_RANGE_CLOEXEC")],
};

/// Operations of `flock`.
pub static LOCK: Names = Names {
    unknown: "LOCK_???",
    names: &[
        (0x1, "LOCK_SH"),
        (0x2, "LOCK_EX"),
        (0x4, "LOCK_NB"),
        (0x8, "LOCK_UN"),
        (0x20, "LOCK_MAND"),
        (0xc0, "LOCK_RW"),
        (0x40, "LOCK_READ"),
        (0x80, "LOCK_WRITE"),
    ],
};

/// Flags of inodes.
pub static INODE_FLAGS: Names = Names {
    unknown: "FS_???",
    names: &[
        (0x1, "FS_SECRM_FL"),
        (0x2, "FS_UNRM_FL"),
        (0x4, "FS_COMPR_FL"),
        (0x8, "FS_SYNC_FL"),
        (0x10, "FS_IMMUTABLE_FL"),
        (0x20, "FS_APPEND_FL"),
        (0x40, "FS_NODUMP_FL"),
        (0x80, "FS_NOATIME_FL"),
        (0x100, "FS_DIRTY_FL"),
        (0x200, "FS_COMPRBLK_FL"),
        (0x400, "FS_NOCOMP_FL"),
        (0x800, "FS_ENCRYPT_FL"),
        (0x1000, "FS_INDEX_FL"),
        (0x2000, "FS_IMAGIC_FL"),
        (0x4000, "FS_JOURNAL_DATA_FL"),
        (0x8000, "FS_NOTAIL_FL"),
        (0x1_0000, "FS_DIRSYNC_FL"),
        (0x2_0000, "FS_TOPDIR_FL"),
        (0x4_0000, "FS_HUGE_FILE_FL"),
        (0x8_0000, "FS_EXTENT_FL"),
        (0x10_0000, "FS_VERITY_FL"),
        (0x20_0000, "FS_EA_INODE_FL"),
        (0x40_0000, "FS_EOFBLOCKS_FL"),
        (0x80_0000, "FS_NOCOW_FL"),
        (0x200_0000, "FS_DAX_FL"),
        (0x1000_0000, "FS_INLINE_DATA_FL"),
        (0x2000_0000, "FS_PROJINHERIT_FL"),
        (0x4000_0000, "FS_CASEFOLD_FL"),
        (0x8000_0000, "FS_RESERVED_FL"),
    ],
};
