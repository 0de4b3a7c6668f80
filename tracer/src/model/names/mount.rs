//! Names of the mount syscalls.

use crate::model::types::Names;

/// Flags of `open_tree`.
pub static OPEN_TREE: Names = Names {
    unknown: "OPEN_TREE_???",
    names: &[
        (0x1, "OPEN_TREE_CLONE"),
        (0x8_0000, "OPEN_TREE_CLOEXEC"),
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

/// Flags of `move_mount`.
pub static MOVE_MOUNT: Names = Names {
    unknown: "MOVE_MOUNT_???",
    names: &[
        (0x1, "MOVE_MOUNT_F_SYMLINKS"),
        (0x2, "MOVE_MOUNT_F_AUTOMOUNTS"),
        (0x4, "MOVE_MOUNT_F_EMPTY_PATH"),
        (0x10, "MOVE_MOUNT_T_SYMLINKS"),
        (0x20, "MOVE_MOUNT_T_AUTOMOUNTS"),
        (0x40, "MOVE_MOUNT_T_EMPTY_PATH"),
        (0x100, "MOVE_MOUNT_SET_GROUP"),
        (0x200, "MOVE_MOUNT_BENEATH"),
    ],
};

/// Flags of `fsopen`.
pub static FSOPEN: Names = Names {
    unknown: "FSOPEN_???",
    names: &[(0x1, "FSOPEN_CLOEXEC")],
};

/// Flags of `fspick`.
pub static FSPICK: Names = Names {
    unknown: "FSPICK_???",
    names: &[
        (0x1, "FSPICK_CLOEXEC"),
        (0x2, "FSPICK_SYMLINK_NOFOLLOW"),
        (0x4, "FSPICK_NO_AUTOMOUNT"),
        (0x8, "FSPICK_EMPTY_PATH"),
    ],
};

/// Flags of `fsmount`.
pub static FSMOUNT: Names = Names {
    unknown: "FSMOUNT_???",
    names: &[(0x1, "FSMOUNT_CLOEXEC")],
};

/// Commands of `fsconfig`.
pub static FSCONFIG: Names = Names {
    unknown: "FSCONFIG_???",
    names: &[
        (0, "FSCONFIG_SET_FLAG"),
        (1, "FSCONFIG_SET_STRING"),
        (2, "FSCONFIG_SET_BINARY"),
        (3, "FSCONFIG_SET_PATH"),
        (4, "FSCONFIG_SET_PATH_EMPTY"),
        (5, "FSCONFIG_SET_FD"),
        (6, "FSCONFIG_CMD_CREATE"),
        (7, "FSCONFIG_CMD_RECONFIGURE"),
        (8, "FSCONFIG_CMD_CREATE_EXCL"),
    ],
};

/// Attributes of a mount.
pub static ATTR: Names = Names {
    unknown: "MOUNT_ATTR_???",
    names: &[
        (0x1, "MOUNT_ATTR_RDONLY"),
        (0x2, "MOUNT_ATTR_NOSUID"),
        (0x4, "MOUNT_ATTR_NODEV"),
        (0x8, "MOUNT_ATTR_NOEXEC"),
        (0x10, "MOUNT_ATTR_NOATIME"),
        (0x20, "MOUNT_ATTR_STRICTATIME"),
        (0x80, "MOUNT_ATTR_NODIRATIME"),
        (0x10_0000, "MOUNT_ATTR_IDMAP"),
        (0x20_0000, "MOUNT_ATTR_NOSYMFOLLOW"),
    ],
};

/// Flags of `mount_setattr`.
pub static SETATTR: Names = Names {
    unknown: "AT_???",
    names: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

/// Flags of `listmount`.
pub static LISTMOUNT: Names = Names {
    unknown: "LISTMOUNT_???",
    names: &[(0x1, "LISTMOUNT_REVERSE")],
};
