//! Names of key operations.

use crate::model::types::Names;

/// Special key ids.
pub static KEYRING: Names = Names {
    unknown: "KEY_SPEC_???",
    names: &[
        (0xffffffff, "KEY_SPEC_THREAD_KEYRING"),
        (0xfffffffe, "KEY_SPEC_PROCESS_KEYRING"),
        (0xfffffffd, "KEY_SPEC_SESSION_KEYRING"),
        (0xfffffffc, "KEY_SPEC_USER_KEYRING"),
        (0xfffffffb, "KEY_SPEC_USER_SESSION_KEYRING"),
        (0xfffffffa, "KEY_SPEC_GROUP_KEYRING"),
        (0xfffffff9, "KEY_SPEC_REQKEY_AUTH_KEY"),
        (0xfffffff8, "KEY_SPEC_REQUESTOR_KEYRING"),
    ],
};

/// Default keyrings of `request_key`.
pub static REQKEY: Names = Names {
    unknown: "KEY_REQKEY_DEFL_???",
    names: &[
        (0xffffffff, "KEY_REQKEY_DEFL_NO_CHANGE"),
        (0x0, "KEY_REQKEY_DEFL_DEFAULT"),
        (0x1, "KEY_REQKEY_DEFL_THREAD_KEYRING"),
        (0x2, "KEY_REQKEY_DEFL_PROCESS_KEYRING"),
        (0x3, "KEY_REQKEY_DEFL_SESSION_KEYRING"),
        (0x4, "KEY_REQKEY_DEFL_USER_KEYRING"),
        (0x5, "KEY_REQKEY_DEFL_USER_SESSION_KEYRING"),
        (0x6, "KEY_REQKEY_DEFL_GROUP_KEYRING"),
        (0x7, "KEY_REQKEY_DEFL_REQUESTOR_KEYRING"),
    ],
};

/// Permissions of a key.
pub static PERM: Names = Names {
    unknown: "KEY_???",
    names: &[
        (0x1000000, "KEY_POS_VIEW"),
        (0x2000000, "KEY_POS_READ"),
        (0x4000000, "KEY_POS_WRITE"),
        (0x8000000, "KEY_POS_SEARCH"),
        (0x10000000, "KEY_POS_LINK"),
        (0x20000000, "KEY_POS_SETATTR"),
        (0x10000, "KEY_USR_VIEW"),
        (0x20000, "KEY_USR_READ"),
        (0x40000, "KEY_USR_WRITE"),
        (0x80000, "KEY_USR_SEARCH"),
        (0x100000, "KEY_USR_LINK"),
        (0x200000, "KEY_USR_SETATTR"),
        (0x100, "KEY_GRP_VIEW"),
        (0x200, "KEY_GRP_READ"),
        (0x400, "KEY_GRP_WRITE"),
        (0x800, "KEY_GRP_SEARCH"),
        (0x1000, "KEY_GRP_LINK"),
        (0x2000, "KEY_GRP_SETATTR"),
        (0x1, "KEY_OTH_VIEW"),
        (0x2, "KEY_OTH_READ"),
        (0x4, "KEY_OTH_WRITE"),
        (0x8, "KEY_OTH_SEARCH"),
        (0x10, "KEY_OTH_LINK"),
        (0x20, "KEY_OTH_SETATTR"),
    ],
};

/// Flags of `KEYCTL_MOVE`.
pub static MOVE: Names = Names {
    unknown: "KEYCTL_MOVE_???",
    names: &[(0x1, "KEYCTL_MOVE_EXCL")],
};
