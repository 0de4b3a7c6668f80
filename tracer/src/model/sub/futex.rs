//! `futex`. The word is memory only in the operations that change it: in the others other
//! threads change it at any time, and what it was is seen in the result.

use super::{Row, column, row, sorted};
use crate::model::names::futex::BITSET;
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{
    ADDR, HEX, INT, UINT, UNUSED, choice, fixed, in_struct, inout_mem, sub_by,
};
use crate::model::types::{Kind, Shape, Sub, Unknown};

/// The bits of the operation that are no flags (`FUTEX_PRIVATE_FLAG`, `FUTEX_CLOCK_REALTIME`).
const OPERATION: u64 = 0xffff_fe7f;

/// A futex word that the operation may change, even when it fails.
const WORD: Kind = inout_mem(fixed(4), Shape::Opaque).on_error();
/// How long to wait.
const TIME: Kind = in_struct(S::Timespec);
/// How many to wake or to move.
const MANY: Kind = INT;
/// Whom to wake.
const BITS: Kind = choice(&BITSET);

/// uaddr, val, timeout or val2, uaddr2, val3.
const OPERATIONS: &[Row] = &[
    row(0, "FUTEX_WAIT", [ADDR, UINT, TIME]).waits(),
    row(1, "FUTEX_WAKE", [ADDR, MANY]),
    row(2, "FUTEX_FD", [ADDR, UINT]),
    row(3, "FUTEX_REQUEUE", [ADDR, MANY, MANY, ADDR]),
    row(4, "FUTEX_CMP_REQUEUE", [ADDR, MANY, MANY, ADDR, UINT]),
    row(5, "FUTEX_WAKE_OP", [ADDR, MANY, MANY, WORD, HEX]),
    row(6, "FUTEX_LOCK_PI", [WORD, UNUSED, TIME]).waits(),
    row(7, "FUTEX_UNLOCK_PI", [WORD]),
    row(8, "FUTEX_TRYLOCK_PI", [WORD]),
    row(9, "FUTEX_WAIT_BITSET", [ADDR, UINT, TIME, UNUSED, BITS]).waits(),
    row(10, "FUTEX_WAKE_BITSET", [ADDR, MANY, UNUSED, UNUSED, BITS]),
    row(11, "FUTEX_WAIT_REQUEUE_PI", [ADDR, UINT, TIME, WORD]).waits(),
    row(12, "FUTEX_CMP_REQUEUE_PI", [ADDR, MANY, MANY, WORD, UINT]),
    row(13, "FUTEX_LOCK_PI2", [WORD, UNUSED, TIME]).waits(),
];

/// Declares what one argument is. The kernel, too, answers an unknown operation with `ENOSYS`.
macro_rules! argument {
    ($name:ident, $column:literal, $doc:literal) => {
        #[doc = $doc]
        pub static $name: Sub = sub_by(
            1,
            sorted!(&column::<{ OPERATIONS.len() }>(OPERATIONS, $column)),
        )
        .masked(OPERATION)
        .otherwise(Unknown::Errno(libc::ENOSYS));
    };
}

argument!(UADDR, 0, "The first futex word.");
argument!(VAL, 1, "The value compared, or how many are woken.");
argument!(TIMEOUT, 2, "The timeout, or how many are moved.");
argument!(UADDR2, 3, "The second futex word.");
argument!(
    VAL3,
    4,
    "The bit set, the operation of `FUTEX_WAKE_OP`, or the value compared."
);
