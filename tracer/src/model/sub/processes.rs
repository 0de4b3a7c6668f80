//! Arguments of process syscalls that depend on a command: `kcmp`, `seccomp`.

use super::{Row, column, nested, row, sorted};
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{FD, HEX, cmd, in_struct, out_struct, sub_by};
use crate::model::types::{Dir, Sub, SubCommand, Unknown};

/// First and second object of a comparison; those that compare whole processes take none.
const COMPARISONS: &[Row] = &[
    row(0, "KCMP_FILE", [FD, FD]),
    row(1, "KCMP_VM", []),
    row(2, "KCMP_FILES", []),
    row(3, "KCMP_FS", []),
    row(4, "KCMP_SIGHAND", []),
    row(5, "KCMP_IO", []),
    row(6, "KCMP_SYSVSEM", []),
    row(7, "KCMP_EPOLL_TFD", [FD, in_struct(S::KcmpEpollSlot)]),
];

/// The first object that `kcmp` compares.
pub static KCMP_FIRST: Sub = sub_by(2, sorted!(&column::<{ COMPARISONS.len() }>(COMPARISONS, 0)))
    .otherwise(Unknown::Errno(libc::EINVAL));

/// The second one.
pub static KCMP_SECOND: Sub = sub_by(2, sorted!(&column::<{ COMPARISONS.len() }>(COMPARISONS, 1)))
    .otherwise(Unknown::Errno(libc::EINVAL));

const OPERATIONS: &[SubCommand] = &[
    cmd(0, "SECCOMP_SET_MODE_STRICT", HEX),
    cmd(
        1,
        "SECCOMP_SET_MODE_FILTER",
        nested(in_struct(S::SockFprog), 8, 0, 2, 8, Dir::In),
    ),
    cmd(2, "SECCOMP_GET_ACTION_AVAIL", in_struct(S::HexInt)),
    cmd(
        3,
        "SECCOMP_GET_NOTIF_SIZES",
        out_struct(S::SeccompNotifSizes),
    ),
];

/// The third argument of `seccomp`.
pub static SECCOMP: Sub = sub_by(0, sorted!(OPERATIONS)).otherwise(Unknown::Errno(libc::EINVAL));
