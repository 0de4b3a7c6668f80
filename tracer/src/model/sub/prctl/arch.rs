//! `arch_prctl`. What would change the machine under the recorder (shadow stacks, tagged
//! addresses, further register state, another vDSO) is refused, as by a kernel or a
//! processor without it.

use crate::model::structs::StructId as S;
use crate::model::sub::sorted;
use crate::model::table::dsl::{ADDR, HEX, INT, UNUSED, cmd, out_struct, sub_by};
use crate::model::types::{Sub, SubCommand, Unknown};

/// What the kernel answers to codes that the machine does not have.
const NO: i32 = libc::EINVAL;

const CODES: &[SubCommand] = &[
    cmd(0x1001, "ARCH_SET_GS", ADDR),
    cmd(0x1002, "ARCH_SET_FS", ADDR),
    cmd(0x1003, "ARCH_GET_FS", out_struct(S::Pointer)),
    cmd(0x1004, "ARCH_GET_GS", out_struct(S::Pointer)),
    cmd(0x1011, "ARCH_GET_CPUID", UNUSED),
    cmd(0x1012, "ARCH_SET_CPUID", INT),
    cmd(0x1021, "ARCH_GET_XCOMP_SUPP", out_struct(S::HexLong)),
    cmd(0x1022, "ARCH_GET_XCOMP_PERM", out_struct(S::HexLong)),
    cmd(0x1023, "ARCH_REQ_XCOMP_PERM", HEX).refuse(NO),
    cmd(0x1024, "ARCH_GET_XCOMP_GUEST_PERM", out_struct(S::HexLong)),
    cmd(0x1025, "ARCH_REQ_XCOMP_GUEST_PERM", HEX).refuse(NO),
    cmd(0x2001, "ARCH_MAP_VDSO_X32", ADDR).refuse(NO),
    cmd(0x2002, "ARCH_MAP_VDSO_32", ADDR).refuse(NO),
    cmd(0x2003, "ARCH_MAP_VDSO_64", ADDR).refuse(NO),
    cmd(0x4001, "ARCH_GET_UNTAG_MASK", out_struct(S::HexLong)),
    cmd(0x4002, "ARCH_ENABLE_TAGGED_ADDR", HEX).refuse(NO),
    cmd(0x4003, "ARCH_GET_MAX_TAG_BITS", out_struct(S::Ulong)),
    cmd(0x4004, "ARCH_FORCE_TAGGED_SVA", UNUSED).refuse(NO),
    cmd(0x5001, "ARCH_SHSTK_ENABLE", HEX).refuse(NO),
    cmd(0x5002, "ARCH_SHSTK_DISABLE", HEX).refuse(NO),
    cmd(0x5003, "ARCH_SHSTK_LOCK", HEX).refuse(NO),
    cmd(0x5004, "ARCH_SHSTK_UNLOCK", HEX).refuse(NO),
    cmd(0x5005, "ARCH_SHSTK_STATUS", ADDR).refuse(NO),
];

/// The second argument of `arch_prctl`. The kernel, too, answers an unknown code with `EINVAL`.
pub static ARCH: Sub = sub_by(0, sorted!(CODES)).otherwise(Unknown::Errno(NO));
