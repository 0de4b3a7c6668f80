//! `fcntl`.

use super::sorted;
use crate::model::names::fcntl as names;
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{
    FD, PID, SIGNAL, UINT, UNUSED, choice, cmd, flags, in_struct, inout_struct, out_n, out_struct,
    sub_by,
};
use crate::model::types::{Ret, Sub, SubCommand, Unknown};

const COMMANDS: &[SubCommand] = &[
    cmd(0, "F_DUPFD", UINT).gives(Ret::Fd),
    cmd(1, "F_GETFD", UNUSED).gives(Ret::Flags(&names::FD)),
    cmd(2, "F_SETFD", flags(&names::FD)),
    cmd(3, "F_GETFL", UNUSED).gives(Ret::Flags(&names::OPEN)),
    cmd(4, "F_SETFL", flags(&names::OPEN)),
    cmd(5, "F_GETLK", inout_struct(S::Flock)),
    cmd(6, "F_SETLK", in_struct(S::Flock)),
    cmd(7, "F_SETLKW", in_struct(S::Flock)).waits(),
    cmd(8, "F_SETOWN", PID),
    cmd(9, "F_GETOWN", UNUSED),
    cmd(10, "F_SETSIG", SIGNAL),
    cmd(11, "F_GETSIG", UNUSED),
    cmd(15, "F_SETOWN_EX", in_struct(S::OwnerEx)),
    cmd(16, "F_GETOWN_EX", out_struct(S::OwnerEx)),
    cmd(17, "F_GETOWNER_UIDS", out_n(S::Uid, 2)).gives(Ret::Int),
    cmd(36, "F_OFD_GETLK", inout_struct(S::Flock)),
    cmd(37, "F_OFD_SETLK", in_struct(S::Flock)),
    cmd(38, "F_OFD_SETLKW", in_struct(S::Flock)).waits(),
    cmd(1024, "F_SETLEASE", choice(&names::LEASE)),
    cmd(1025, "F_GETLEASE", UNUSED),
    cmd(1026, "F_NOTIFY", flags(&names::NOTIFY)),
    cmd(1027, "F_DUPFD_QUERY", FD),
    cmd(1028, "F_CREATED_QUERY", UNUSED),
    cmd(1029, "F_CANCELLK", UNUSED),
    cmd(1030, "F_DUPFD_CLOEXEC", UINT).gives(Ret::Fd),
    cmd(1031, "F_SETPIPE_SZ", UINT),
    cmd(1032, "F_GETPIPE_SZ", UNUSED),
    cmd(1033, "F_ADD_SEALS", flags(&names::SEAL)),
    cmd(1034, "F_GET_SEALS", UNUSED).gives(Ret::Flags(&names::SEAL)),
    cmd(1035, "F_GET_RW_HINT", out_struct(S::Ulong)),
    cmd(1036, "F_SET_RW_HINT", in_struct(S::Ulong)),
    cmd(1037, "F_GET_FILE_RW_HINT", out_struct(S::Ulong)),
    cmd(1038, "F_SET_FILE_RW_HINT", in_struct(S::Ulong)),
];

/// The argument of `fcntl`. The kernel, too, answers an unknown command with `EINVAL`.
pub static ARG: Sub = sub_by(1, sorted!(COMMANDS)).otherwise(Unknown::Errno(libc::EINVAL));
