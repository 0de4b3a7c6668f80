//! Names of key operations.

use crate::model::types::Names;

/// Special key ids.
pub static KEYRING: Names = Names {
    unknown: "",
    names: &[
        (0xffff_ffff, "KEY_SPEC_THREAD_KEYRING"),
        (0xffff_fffe, "KEY_SPEC_PROCESS_KEYRING"),
        (0xffff_fffd, "KEY_SPEC_SESSION_KEYRING"),
        (0xffff_fffc, "KEY_SPEC_USER_KEYRING"),
        (0xffff_fffb, "KEY_SPEC_USER_SESSION_KEYRING"),
        (0xffff_fffa, "KEY_SPEC_GROUP_KEYRING"),
        (0xffff_fff9, "KEY_SPEC_REQKEY_AUTH_KEY"),
        (0xffff_fff8, "KEY_SPEC_REQUESTOR_KEYRING"),
    ],
};

/// Default keyrings of `request_key`.
pub static REQKEY: Names = Names {
    unknown: "KEY_REQKEY_DEFL_???",
    names: &[
        (0xffff_ffff, "KEY_REQKEY_DEFL_NO_CHANGE"),
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
        (0x100_0000, "KEY_POS_VIEW"),
        (0x200_0000, "KEY_POS_READ"),
        (0x400_0000, "KEY_POS_WRITE"),
        (0x800_0000, "KEY_POS_SEARCH"),
        (0x1000_0000, "KEY_POS_LINK"),
        (0x2000_0000, "KEY_POS_SETATTR"),
        (0x1_0000, "KEY_USR_VIEW"),
        (0x2_0000, "KEY_USR_READ"),
        (0x4_0000, "KEY_USR_WRITE"),
        (0x8_0000, "KEY_USR_SEARCH"),
        (0x10_0000, "KEY_USR_LINK"),
        (0x20_0000, "KEY_USR_SETATTR"),
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
