//! Names of `quotactl`.

use crate::model::types::Names;

/// Kinds of quota.
pub static TYPE: Names = Names {
    unknown: "???QUOTA",
    names: &[(0, "USRQUOTA"), (1, "GRPQUOTA"), (2, "PRJQUOTA")],
};

/// Formats of quota files.
pub static FORMAT: Names = Names {
    unknown: "QFMT_VFS_???",
    names: &[
        (1, "QFMT_VFS_OLD"),
        (2, "QFMT_VFS_V0"),
        (3, "QFMT_OCFS2"),
        (4, "QFMT_VFS_V1"),
        (5, "QFMT_SHMEM"),
    ],
};

/// Flags of XFS quotas.
pub static XFS_FLAGS: Names = Names {
    unknown: "FS_QUOTA_???",
    names: &[
        (0x1, "FS_QUOTA_UDQ_ACCT"),
        (0x2, "FS_QUOTA_UDQ_ENFD"),
        (0x4, "FS_QUOTA_GDQ_ACCT"),
        (0x8, "FS_QUOTA_GDQ_ENFD"),
        (0x10, "FS_QUOTA_PDQ_ACCT"),
        (0x20, "FS_QUOTA_PDQ_ENFD"),
    ],
};
