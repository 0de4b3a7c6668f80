//! `quotactl`.

use super::sorted;
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{PATH, cmd, in_struct, inout_struct, out_struct, sub_by};
use crate::model::types::{Kind, Sub, SubCommand, Unknown};

/// The command without the kind of quota, its lowest byte.
const COMMAND: u64 = 0xffff_ff00;

/// Not looked at.
const NONE: Kind = Kind::Addr;

const COMMANDS: &[SubCommand] = &[
    cmd(0x8000_0100, "Q_SYNC", NONE),
    cmd(0x8000_0200, "Q_QUOTAON", PATH),
    cmd(0x8000_0300, "Q_QUOTAOFF", NONE),
    cmd(0x8000_0400, "Q_GETFMT", out_struct(S::Uint)),
    cmd(0x8000_0500, "Q_GETINFO", out_struct(S::IfDqinfo)),
    cmd(0x8000_0600, "Q_SETINFO", in_struct(S::IfDqinfo)),
    cmd(0x8000_0700, "Q_GETQUOTA", out_struct(S::IfDqblk)),
    cmd(0x8000_0800, "Q_SETQUOTA", in_struct(S::IfDqblk)),
    cmd(0x8000_0900, "Q_GETNEXTQUOTA", out_struct(S::IfNextdqblk)),
    cmd(0x58_0100, "Q_XQUOTAON", in_struct(S::HexInt)),
    cmd(0x58_0200, "Q_XQUOTAOFF", in_struct(S::HexInt)),
    cmd(0x58_0300, "Q_XGETQUOTA", out_struct(S::FsDiskQuota)),
    cmd(0x58_0400, "Q_XSETQLIM", in_struct(S::FsDiskQuota)),
    cmd(0x58_0500, "Q_XGETQSTAT", out_struct(S::FsQuotaStat)),
    cmd(0x58_0600, "Q_XQUOTARM", in_struct(S::HexInt)),
    cmd(0x58_0700, "Q_XQUOTASYNC", NONE),
    cmd(
        0x58_0800,
        "Q_XGETQSTATV",
        inout_struct(S::FsQuotaStatv).on_error(),
    ),
    cmd(0x58_0900, "Q_XGETNEXTQUOTA", out_struct(S::FsDiskQuota)),
];

/// The fourth argument of `quotactl`.
pub static ADDR: Sub = sub_by(0, sorted!(COMMANDS))
    .masked(COMMAND)
    .otherwise(Unknown::Errno(libc::EINVAL));

/// The fourth argument of `quotactl_fd`.
pub static ADDR_FD: Sub = sub_by(1, sorted!(COMMANDS))
    .masked(COMMAND)
    .otherwise(Unknown::Errno(libc::EINVAL));
