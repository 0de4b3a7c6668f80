//! Control operations of System V IPC.

use super::sorted;
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{ADDR, HEX, cmd, fixed, in_struct, out_mem, out_struct, sub_by};
use crate::model::types::{Shape, Sub, SubCommand, Unknown};

/// All bits of the command but `IPC_64`.
const COMMAND: u64 = 0xffff_feff;

/// Bytes of the values of the greatest set that the kernel's default limits allow (32,000
/// semaphores). The set's own size is not known here; what lies behind the array is put
/// back as it was.
const SEMAPHORES: u32 = 64_000;

const SHM: &[SubCommand] = &[
    cmd(0, "IPC_RMID", ADDR),
    cmd(1, "IPC_SET", in_struct(S::ShmidDs)),
    cmd(2, "IPC_STAT", out_struct(S::ShmidDs)),
    cmd(3, "IPC_INFO", out_struct(S::Shminfo)),
    cmd(11, "SHM_LOCK", ADDR),
    cmd(12, "SHM_UNLOCK", ADDR),
    cmd(13, "SHM_STAT", out_struct(S::ShmidDs)),
    cmd(14, "SHM_INFO", out_struct(S::ShmInfo)),
    cmd(15, "SHM_STAT_ANY", out_struct(S::ShmidDs)),
];

const MSG: &[SubCommand] = &[
    cmd(0, "IPC_RMID", ADDR),
    cmd(1, "IPC_SET", in_struct(S::MsqidDs)),
    cmd(2, "IPC_STAT", out_struct(S::MsqidDs)),
    cmd(3, "IPC_INFO", out_struct(S::Msginfo)),
    cmd(11, "MSG_STAT", out_struct(S::MsqidDs)),
    cmd(12, "MSG_INFO", out_struct(S::Msginfo)),
    cmd(13, "MSG_STAT_ANY", out_struct(S::MsqidDs)),
];

const SEM: &[SubCommand] = &[
    cmd(0, "IPC_RMID", ADDR),
    cmd(1, "IPC_SET", in_struct(S::SemidDs)),
    cmd(2, "IPC_STAT", out_struct(S::SemidDs)),
    cmd(3, "IPC_INFO", out_struct(S::Seminfo)),
    cmd(11, "GETPID", ADDR),
    cmd(12, "GETVAL", ADDR),
    cmd(13, "GETALL", out_mem(fixed(SEMAPHORES), Shape::Opaque)),
    cmd(14, "GETNCNT", ADDR),
    cmd(15, "GETZCNT", ADDR),
    cmd(16, "SETVAL", HEX),
    cmd(17, "SETALL", ADDR),
    cmd(18, "SEM_STAT", out_struct(S::SemidDs)),
    cmd(19, "SEM_INFO", out_struct(S::Seminfo)),
    cmd(20, "SEM_STAT_ANY", out_struct(S::SemidDs)),
];

/// The third argument of `shmctl`.
pub static SHMCTL: Sub = sub_by(1, sorted!(SHM))
    .masked(COMMAND)
    .otherwise(Unknown::Errno(libc::EINVAL));

/// The third argument of `msgctl`.
pub static MSGCTL: Sub = sub_by(1, sorted!(MSG))
    .masked(COMMAND)
    .otherwise(Unknown::Errno(libc::EINVAL));

/// The fourth argument of `semctl`.
pub static SEMCTL: Sub = sub_by(2, sorted!(SEM))
    .masked(COMMAND)
    .otherwise(Unknown::Errno(libc::EINVAL));
