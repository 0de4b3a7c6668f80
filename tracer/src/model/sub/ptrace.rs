//! `ptrace`. What a request does to another process is not here.

use super::{Row, column, nested, row, sorted};
use crate::model::names::ptrace as names;
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{
    HEX, SIGNAL, ULONG, UNUSED, choice, count, fixed, flags, in_mem, in_struct, inout_mem,
    inout_struct, out_mem, out_struct, sub_by,
};
use crate::model::types::{Dir, Kind, Shape, Sub, Unknown};

/// A filter program: no bound but the kernel's own, `BPF_MAXINSNS` of eight bytes.
const PROGRAM: Kind = out_mem(fixed(4096 * 8), Shape::Array(S::SockFilter));

/// A structure of which the kernel takes as much as argument 2 says.
const fn sized(id: S) -> Kind {
    in_mem(count(2, 1), Shape::Struct(id))
}

/// A structure of which the kernel gives as much as argument 2 says.
const fn sized_out(id: S) -> Kind {
    out_mem(count(2, 1), Shape::Struct(id))
}

/// A register set behind a `struct iovec`, whose length the kernel corrects.
const fn register_set(buffer: Dir) -> Kind {
    nested(inout_struct(S::Iovec), 0, 8, 8, 1, buffer)
}

/// An address that is not followed here.
const AT: Kind = Kind::Addr;

/// A word of another process: the request itself stores it, the C library gives it as the result.
const WORD: Kind = out_struct(S::HexLong);

/// addr, data.
const REQUESTS: &[Row] = &[
    row(0, "PTRACE_TRACEME", []),
    row(1, "PTRACE_PEEKTEXT", [AT, WORD]),
    row(2, "PTRACE_PEEKDATA", [AT, WORD]),
    row(3, "PTRACE_PEEKUSER", [HEX, WORD]),
    row(4, "PTRACE_POKETEXT", [AT, HEX]),
    row(5, "PTRACE_POKEDATA", [AT, HEX]),
    row(6, "PTRACE_POKEUSER", [HEX, HEX]),
    row(7, "PTRACE_CONT", [AT, SIGNAL]),
    row(8, "PTRACE_KILL", []),
    row(9, "PTRACE_SINGLESTEP", [AT, SIGNAL]),
    row(12, "PTRACE_GETREGS", [UNUSED, out_struct(S::UserRegs)]),
    row(13, "PTRACE_SETREGS", [UNUSED, in_struct(S::UserRegs)]),
    row(14, "PTRACE_GETFPREGS", [UNUSED, out_struct(S::UserFpregs)]),
    row(15, "PTRACE_SETFPREGS", [UNUSED, in_struct(S::UserFpregs)]),
    row(16, "PTRACE_ATTACH", []),
    row(17, "PTRACE_DETACH", [AT, SIGNAL]),
    row(18, "PTRACE_GETFPXREGS", [AT, AT]),
    row(19, "PTRACE_SETFPXREGS", [AT, AT]),
    row(21, "PTRACE_OLDSETOPTIONS", [AT, flags(&names::OPTIONS)]),
    row(24, "PTRACE_SYSCALL", [AT, SIGNAL]),
    row(
        25,
        "PTRACE_GET_THREAD_AREA",
        [HEX, out_mem(fixed(S::UserDesc.size()), Shape::Opaque)],
    ),
    row(
        26,
        "PTRACE_SET_THREAD_AREA",
        [HEX, in_mem(fixed(S::UserDesc.size()), Shape::Opaque)],
    ),
    // The getting codes of `arch_prctl` store a word at the address.
    row(
        30,
        "PTRACE_ARCH_PRCTL",
        [out_mem(fixed(8), Shape::Opaque), HEX],
    ),
    row(31, "PTRACE_SYSEMU", [AT, SIGNAL]),
    row(32, "PTRACE_SYSEMU_SINGLESTEP", [AT, SIGNAL]),
    row(33, "PTRACE_SINGLEBLOCK", [AT, SIGNAL]),
    row(0x4200, "PTRACE_SETOPTIONS", [AT, flags(&names::OPTIONS)]),
    row(0x4201, "PTRACE_GETEVENTMSG", [AT, out_struct(S::Ulong)]),
    row(0x4202, "PTRACE_GETSIGINFO", [AT, out_struct(S::Siginfo)]),
    row(0x4203, "PTRACE_SETSIGINFO", [AT, in_struct(S::Siginfo)]),
    row(
        0x4204,
        "PTRACE_GETREGSET",
        [choice(&names::REGSET), register_set(Dir::Out)],
    ),
    row(
        0x4205,
        "PTRACE_SETREGSET",
        [choice(&names::REGSET), register_set(Dir::In)],
    ),
    row(0x4206, "PTRACE_SEIZE", [AT, flags(&names::OPTIONS)]),
    row(0x4207, "PTRACE_INTERRUPT", []),
    row(0x4208, "PTRACE_LISTEN", []),
    // How many it gives stands inside its argument.
    row(
        0x4209,
        "PTRACE_PEEKSIGINFO",
        [in_struct(S::PtracePeeksiginfo), AT],
    )
    .refuse(libc::EIO),
    row(0x420a, "PTRACE_GETSIGMASK", [ULONG, sized_out(S::Sigset)]),
    row(0x420b, "PTRACE_SETSIGMASK", [ULONG, sized(S::Sigset)]),
    row(0x420c, "PTRACE_SECCOMP_GET_FILTER", [ULONG, PROGRAM]),
    row(
        0x420d,
        "PTRACE_SECCOMP_GET_METADATA",
        [
            ULONG,
            inout_mem(count(2, 1), Shape::Struct(S::SeccompMetadata)),
        ],
    ),
    row(
        0x420e,
        "PTRACE_GET_SYSCALL_INFO",
        [ULONG, sized_out(S::PtraceSyscallInfo)],
    ),
    row(
        0x420f,
        "PTRACE_GET_RSEQ_CONFIGURATION",
        [ULONG, sized_out(S::PtraceRseqConfiguration)],
    ),
    row(
        0x4210,
        "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG",
        [ULONG, sized(S::PtraceSudConfig)],
    ),
    row(
        0x4211,
        "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG",
        [ULONG, sized_out(S::PtraceSudConfig)],
    ),
    row(
        0x4212,
        "PTRACE_SET_SYSCALL_INFO",
        [ULONG, sized(S::PtraceSyscallInfo)],
    ),
];

/// Declares what one argument is. The kernel, too, answers an unknown request with `EIO`.
macro_rules! argument {
    ($name:ident, $column:literal, $doc:literal) => {
        #[doc = $doc]
        pub static $name: Sub =
            sub_by(0, sorted!(&column::<{ REQUESTS.len() }>(REQUESTS, $column)))
                .otherwise(Unknown::Errno(libc::EIO));
    };
}

argument!(ADDR, 0, "The address, or what the request makes of it.");
argument!(DATA, 1, "The data, or where they stand.");
