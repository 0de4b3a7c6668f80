//! Names of futex operations and flags.

use crate::model::types::Names;

/// Operations of `futex`, flags included.
pub static OP: Names = Names {
    unknown: "FUTEX_???",
    names: &[
        (0x8d, "FUTEX_LOCK_PI2_PRIVATE"),
        (0x8c, "FUTEX_CMP_REQUEUE_PI_PRIVATE"),
        (0x8b, "FUTEX_WAIT_REQUEUE_PI_PRIVATE"),
        (0x8a, "FUTEX_WAKE_BITSET_PRIVATE"),
        (0x89, "FUTEX_WAIT_BITSET_PRIVATE"),
        (0x88, "FUTEX_TRYLOCK_PI_PRIVATE"),
        (0x87, "FUTEX_UNLOCK_PI_PRIVATE"),
        (0x86, "FUTEX_LOCK_PI_PRIVATE"),
        (0x85, "FUTEX_WAKE_OP_PRIVATE"),
        (0x84, "FUTEX_CMP_REQUEUE_PRIVATE"),
        (0x83, "FUTEX_REQUEUE_PRIVATE"),
        (0x82, "FUTEX_FD_PRIVATE"),
        (0x81, "FUTEX_WAKE_PRIVATE"),
        (0x80, "FUTEX_WAIT_PRIVATE"),
        (0xd, "FUTEX_LOCK_PI2"),
        (0xc, "FUTEX_CMP_REQUEUE_PI"),
        (0xb, "FUTEX_WAIT_REQUEUE_PI"),
        (0xa, "FUTEX_WAKE_BITSET"),
        (0x9, "FUTEX_WAIT_BITSET"),
        (0x8, "FUTEX_TRYLOCK_PI"),
        (0x7, "FUTEX_UNLOCK_PI"),
        (0x6, "FUTEX_LOCK_PI"),
        (0x5, "FUTEX_WAKE_OP"),
        (0x4, "FUTEX_CMP_REQUEUE"),
        (0x3, "FUTEX_REQUEUE"),
        (0x2, "FUTEX_FD"),
        (0x1, "FUTEX_WAKE"),
        (0x0, "FUTEX_WAIT"),
        (0x100, "FUTEX_CLOCK_REALTIME"),
    ],
};

/// Flags of `futex_waitv`, `futex_wait` and their kind.
pub static FUTEX2: Names = Names {
    unknown: "FUTEX2_???",
    names: &[
        (0x3, "FUTEX2_SIZE_U64"),
        (0x2, "FUTEX2_SIZE_U32"),
        (0x1, "FUTEX2_SIZE_U16"),
        (0x0, "FUTEX2_SIZE_U8"),
        (0x4, "FUTEX2_NUMA"),
        (0x8, "FUTEX2_MPOL"),
        (0x80, "FUTEX2_PRIVATE"),
    ],
};

/// Bit sets with a name.
pub static BITSET: Names = Names {
    unknown: "",
    names: &[(0xffff_ffff, "FUTEX_BITSET_MATCH_ANY")],
};
