//! Names of what concerns whole file systems and open files' positions: `mount`, `umount2`,
//! `lseek`, `mknod`, `utimensat`.

use crate::model::types::Names;

/// Flags of `mount`.
pub static MOUNT: Names = Names {
    unknown: "MS_???",
    names: &[
        (0xc0ed_0000, "MS_MGC_VAL"),
        (0x1, "MS_RDONLY"),
        (0x2, "MS_NOSUID"),
        (0x4, "MS_NODEV"),
        (0x8, "MS_NOEXEC"),
        (0x10, "MS_SYNCHRONOUS"),
        (0x20, "MS_REMOUNT"),
        (0x40, "MS_MANDLOCK"),
        (0x80, "MS_DIRSYNC"),
        (0x100, "MS_NOSYMFOLLOW"),
        (0x400, "MS_NOATIME"),
        (0x800, "MS_NODIRATIME"),
        (0x1000, "MS_BIND"),
        (0x2000, "MS_MOVE"),
        (0x4000, "MS_REC"),
        (0x8000, "MS_SILENT"),
        (0x1_0000, "MS_POSIXACL"),
        (0x2_0000, "MS_UNBINDABLE"),
        (0x4_0000, "MS_PRIVATE"),
        (0x8_0000, "MS_SLAVE"),
        (0x10_0000, "MS_SHARED"),
        (0x20_0000, "MS_RELATIME"),
        (0x40_0000, "MS_KERNMOUNT"),
        (0x80_0000, "MS_I_VERSION"),
        (0x100_0000, "MS_STRICTATIME"),
        (0x200_0000, "MS_LAZYTIME"),
        (0x400_0000, "MS_SUBMOUNT"),
        (0x800_0000, "MS_NOREMOTELOCK"),
        (0x1000_0000, "MS_NOSEC"),
        (0x2000_0000, "MS_BORN"),
        (0x4000_0000, "MS_ACTIVE"),
        (0x8000_0000, "MS_NOUSER"),
    ],
};

/// Flags of `umount2`.
pub static UMOUNT: Names = Names {
    unknown: "MNT_???",
    names: &[
        (0x1, "MNT_FORCE"),
        (0x2, "MNT_DETACH"),
        (0x4, "MNT_EXPIRE"),
        (0x8, "UMOUNT_NOFOLLOW"),
    ],
};

/// Where `lseek` counts from.
pub static WHENCE: Names = Names {
    unknown: "SEEK_???",
    names: &[
        (0, "SEEK_SET"),
        (1, "SEEK_CUR"),
        (2, "SEEK_END"),
        (3, "SEEK_DATA"),
        (4, "SEEK_HOLE"),
    ],
};
