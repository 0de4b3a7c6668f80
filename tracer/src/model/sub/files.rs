//! Arguments of file syscalls that depend on flags or on a command.

use super::sorted;
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{
    ADDR, DEV, MODE, PATH, UNUSED, cmd, in_buf, in_struct, out_struct, sub_by,
};
use crate::model::types::{Kind, Sub, SubCommand, Unknown};

/// `O_CREAT`.
const CREAT: u64 = 0o100;
/// `O_TMPFILE` without the `O_DIRECTORY` in it.
const TMPFILE: u64 = 0o20_000_000;

const CREATION: &[SubCommand] = &[
    cmd(0, "no creation", UNUSED),
    cmd(CREAT, "O_CREAT", MODE),
    cmd(TMPFILE, "O_TMPFILE", MODE),
    cmd(CREAT | TMPFILE, "O_CREAT|O_TMPFILE", MODE),
];

/// The mode of `openat`: only looked at when a file is created.
pub static OPENAT_MODE: Sub = sub_by(2, sorted!(CREATION)).masked(CREAT | TMPFILE);

/// The mode of `mq_open`.
pub static MQ_OPEN_MODE: Sub = sub_by(
    1,
    sorted!(&[cmd(0, "no creation", UNUSED), cmd(CREAT, "O_CREAT", MODE)]),
)
.masked(CREAT);

/// The attributes that `mq_open` creates a queue with.
pub static MQ_OPEN_ATTR: Sub = sub_by(
    1,
    sorted!(&[
        cmd(0, "no creation", UNUSED),
        cmd(CREAT, "O_CREAT", in_struct(S::MqAttr))
    ]),
)
.masked(CREAT);

/// `S_IFMT`.
const FILE_TYPE: u64 = 0o170_000;

const DEVICES: &[SubCommand] = &[
    cmd(0, "S_IFREG", UNUSED),
    cmd(0o010_000, "S_IFIFO", UNUSED),
    cmd(0o020_000, "S_IFCHR", DEV),
    cmd(0o060_000, "S_IFBLK", DEV),
    cmd(0o100_000, "S_IFREG", UNUSED),
    cmd(0o140_000, "S_IFSOCK", UNUSED),
];

/// The device of `mknodat`: only looked at for device files.
pub static MKNODAT_DEV: Sub = sub_by(2, sorted!(DEVICES))
    .masked(FILE_TYPE)
    .otherwise(Unknown::As(&Kind::Unused));

const EVENT: &[SubCommand] = &[
    cmd(1, "EPOLL_CTL_ADD", in_struct(S::EpollEvent)),
    cmd(2, "EPOLL_CTL_DEL", ADDR),
    cmd(3, "EPOLL_CTL_MOD", in_struct(S::EpollEvent)),
];

/// The event of `epoll_ctl`.
pub static EPOLL_EVENT: Sub = sub_by(1, sorted!(EVENT)).otherwise(Unknown::As(&Kind::Addr));

/// `AT_HANDLE_MNT_ID_UNIQUE`.
const MNT_ID_UNIQUE: u64 = 1;

/// The mount id that `name_to_handle_at` gives.
pub static MNT_ID: Sub = sub_by(
    4,
    sorted!(&[
        cmd(0, "no flag", out_struct(S::Int).on_error()),
        cmd(
            MNT_ID_UNIQUE,
            "AT_HANDLE_MNT_ID_UNIQUE",
            out_struct(S::Ulong).on_error()
        ),
    ]),
)
.masked(MNT_ID_UNIQUE);

const FSCONFIG: &[SubCommand] = &[
    cmd(0, "FSCONFIG_SET_FLAG", ADDR),
    cmd(1, "FSCONFIG_SET_STRING", PATH),
    cmd(2, "FSCONFIG_SET_BINARY", in_buf(4)),
    cmd(3, "FSCONFIG_SET_PATH", PATH),
    cmd(4, "FSCONFIG_SET_PATH_EMPTY", PATH),
    cmd(5, "FSCONFIG_SET_FD", ADDR),
    cmd(6, "FSCONFIG_CMD_CREATE", ADDR),
    cmd(7, "FSCONFIG_CMD_RECONFIGURE", ADDR),
    cmd(8, "FSCONFIG_CMD_CREATE_EXCL", ADDR),
];

/// The value of `fsconfig`.
pub static FSCONFIG_VALUE: Sub =
    sub_by(1, sorted!(FSCONFIG)).otherwise(Unknown::Errno(libc::EOPNOTSUPP));

const RULES: &[SubCommand] = &[
    cmd(
        1,
        "LANDLOCK_RULE_PATH_BENEATH",
        in_struct(S::LandlockPathBeneath),
    ),
    cmd(2, "LANDLOCK_RULE_NET_PORT", in_struct(S::LandlockNetPort)),
];

/// The rule of `landlock_add_rule`.
pub static LANDLOCK_RULE: Sub = sub_by(1, sorted!(RULES)).otherwise(Unknown::Errno(libc::EINVAL));
