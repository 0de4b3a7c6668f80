//! Names of seccomp, Landlock and security modules.

use crate::model::types::Names;

/// Operations of `seccomp`.
pub static SECCOMP_OP: Names = Names {
    unknown: "SECCOMP_SET_MODE_???",
    names: &[
        (0, "SECCOMP_SET_MODE_STRICT"),
        (1, "SECCOMP_SET_MODE_FILTER"),
        (2, "SECCOMP_GET_ACTION_AVAIL"),
        (3, "SECCOMP_GET_NOTIF_SIZES"),
    ],
};

/// Flags of a filter.
pub static SECCOMP_FLAGS: Names = Names {
    unknown: "SECCOMP_FILTER_FLAG_???",
    names: &[
        (0x1, "SECCOMP_FILTER_FLAG_TSYNC"),
        (0x2, "SECCOMP_FILTER_FLAG_LOG"),
        (0x4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
        (0x8, "SECCOMP_FILTER_FLAG_NEW_LISTENER"),
        (0x10, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
        (0x20, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
    ],
};

/// Flags of `landlock_create_ruleset`.
pub static LANDLOCK_CREATE: Names = Names {
    unknown: "LANDLOCK_CREATE_RULESET_???",
    names: &[
        (0x1, "LANDLOCK_CREATE_RULESET_VERSION"),
        (0x2, "LANDLOCK_CREATE_RULESET_ERRATA"),
    ],
};

/// Kinds of rules.
pub static LANDLOCK_RULE: Names = Names {
    unknown: "LANDLOCK_RULE_???",
    names: &[
        (1, "LANDLOCK_RULE_PATH_BENEATH"),
        (2, "LANDLOCK_RULE_NET_PORT"),
    ],
};

/// Flags of `landlock_restrict_self`.
pub static LANDLOCK_RESTRICT: Names = Names {
    unknown: "LANDLOCK_RESTRICT_SELF_???",
    names: &[
        (0x1, "LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF"),
        (0x2, "LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON"),
        (0x4, "LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF"),
    ],
};

/// Attributes of a task.
pub static LSM_ATTR: Names = Names {
    unknown: "LSM_ATTR_???",
    names: &[
        (100, "LSM_ATTR_CURRENT"),
        (101, "LSM_ATTR_EXEC"),
        (102, "LSM_ATTR_FSCREATE"),
        (103, "LSM_ATTR_KEYCREATE"),
        (104, "LSM_ATTR_PREV"),
        (105, "LSM_ATTR_SOCKCREATE"),
    ],
};

/// Flags of `lsm_get_self_attr`.
pub static LSM_FLAGS: Names = Names {
    unknown: "LSM_FLAG_???",
    names: &[(0x1, "LSM_FLAG_SINGLE")],
};
