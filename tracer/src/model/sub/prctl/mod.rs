//! `prctl`.
//!
//! What would change the machine under the recorder (shadow stacks, tagged addresses,
//! dispatch of syscalls to user space, the memory descriptor) is refused, as by a kernel
//! or a processor without it.

mod arch;

pub use arch::ARCH;

use super::{Row, column, nested, row, sorted};
use crate::model::names::prctl as names;
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{
    ADDR, HEX, INT, LONG, PATH, PID, SIGNAL, ULONG, choice, fixed, flags, in_struct, out_buf,
    out_mem, out_struct, sub_by,
};
use crate::model::types::{Dir, Kind, Ret, Shape, Sub, Unknown};

/// `TASK_COMM_LEN`.
const NAME_BYTES: u32 = 16;
/// What the kernel answers to options that the machine does not have.
const NO: i32 = libc::EINVAL;
/// A capability.
const CAP: Kind = choice(&names::CAP);
/// A filter program, read when the mode is `SECCOMP_MODE_FILTER`.
const FILTER: Kind = nested(in_struct(S::SockFprog), 8, 0, 2, 8, Dir::In);

/// Arguments 2 to 5.
const OPTIONS: &[Row] = &[
    row(1, "PR_SET_PDEATHSIG", [SIGNAL]),
    row(2, "PR_GET_PDEATHSIG", [out_struct(S::Signal)]),
    row(3, "PR_GET_DUMPABLE", []),
    row(4, "PR_SET_DUMPABLE", [choice(&names::DUMPABLE)]),
    row(5, "PR_GET_UNALIGN", [out_struct(S::Int)]),
    row(6, "PR_SET_UNALIGN", [flags(&names::UNALIGN)]),
    row(7, "PR_GET_KEEPCAPS", []),
    row(8, "PR_SET_KEEPCAPS", [ULONG]),
    row(9, "PR_GET_FPEMU", [out_struct(S::Int)]),
    row(10, "PR_SET_FPEMU", [HEX]),
    row(11, "PR_GET_FPEXC", [out_struct(S::Int)]),
    row(12, "PR_SET_FPEXC", [flags(&names::FP_EXC)]),
    row(13, "PR_GET_TIMING", []),
    row(14, "PR_SET_TIMING", [INT]),
    row(15, "PR_SET_NAME", [PATH]),
    row(16, "PR_GET_NAME", [out_mem(fixed(NAME_BYTES), Shape::Text)]),
    row(19, "PR_GET_ENDIAN", [out_struct(S::Int)]),
    row(20, "PR_SET_ENDIAN", [INT]),
    row(21, "PR_GET_SECCOMP", []),
    row(22, "PR_SET_SECCOMP", [choice(&names::SECCOMP_MODE), FILTER]),
    row(23, "PR_CAPBSET_READ", [CAP]),
    row(24, "PR_CAPBSET_DROP", [CAP]),
    row(25, "PR_GET_TSC", [out_struct(S::Int)]),
    row(26, "PR_SET_TSC", [choice(&names::TSC)]),
    row(27, "PR_GET_SECUREBITS", []).gives(Ret::Flags(&names::SECUREBITS)),
    row(28, "PR_SET_SECUREBITS", [flags(&names::SECUREBITS)]),
    row(29, "PR_SET_TIMERSLACK", [LONG]),
    row(30, "PR_GET_TIMERSLACK", []),
    row(31, "PR_TASK_PERF_EVENTS_DISABLE", []),
    row(32, "PR_TASK_PERF_EVENTS_ENABLE", []),
    row(
        33,
        "PR_MCE_KILL",
        [choice(&names::MCE_KILL), choice(&names::MCE_KILL_POLICY)],
    ),
    row(34, "PR_MCE_KILL_GET", []),
    row(35, "PR_SET_MM", [choice(&names::MM), HEX, HEX, HEX]).refuse(libc::EPERM),
    row(36, "PR_SET_CHILD_SUBREAPER", [ULONG]),
    row(37, "PR_GET_CHILD_SUBREAPER", [out_struct(S::Int)]),
    row(38, "PR_SET_NO_NEW_PRIVS", [ULONG, ULONG, ULONG, ULONG]),
    row(39, "PR_GET_NO_NEW_PRIVS", [ULONG, ULONG, ULONG, ULONG]),
    row(40, "PR_GET_TID_ADDRESS", [out_struct(S::Pointer)]),
    row(41, "PR_SET_THP_DISABLE", [ULONG, ULONG, ULONG, ULONG]),
    row(42, "PR_GET_THP_DISABLE", [ULONG, ULONG, ULONG, ULONG]),
    row(43, "PR_MPX_ENABLE_MANAGEMENT", [ULONG, ULONG, ULONG, ULONG]),
    row(
        44,
        "PR_MPX_DISABLE_MANAGEMENT",
        [ULONG, ULONG, ULONG, ULONG],
    ),
    row(45, "PR_SET_FP_MODE", [HEX]),
    row(46, "PR_GET_FP_MODE", []),
    row(
        47,
        "PR_CAP_AMBIENT",
        [choice(&names::CAP_AMBIENT), CAP, ULONG, ULONG],
    ),
    row(50, "PR_SVE_SET_VL", [HEX]).refuse(NO),
    row(51, "PR_SVE_GET_VL", []).refuse(NO),
    row(52, "PR_GET_SPECULATION_CTRL", [choice(&names::SPEC)])
        .gives(Ret::Flags(&names::SPEC_CONTROL)),
    row(
        53,
        "PR_SET_SPECULATION_CTRL",
        [
            choice(&names::SPEC),
            flags(&names::SPEC_CONTROL),
            ULONG,
            ULONG,
        ],
    ),
    row(54, "PR_PAC_RESET_KEYS", [HEX, ULONG, ULONG, ULONG]).refuse(NO),
    row(55, "PR_SET_TAGGED_ADDR_CTRL", [HEX, ULONG, ULONG, ULONG]).refuse(NO),
    row(56, "PR_GET_TAGGED_ADDR_CTRL", [ULONG, ULONG, ULONG, ULONG]).refuse(NO),
    row(57, "PR_SET_IO_FLUSHER", [ULONG, ULONG, ULONG, ULONG]),
    row(58, "PR_GET_IO_FLUSHER", [ULONG, ULONG, ULONG, ULONG]),
    row(
        59,
        "PR_SET_SYSCALL_USER_DISPATCH",
        [choice(&names::DISPATCH), HEX, HEX, ADDR],
    )
    .refuse(NO),
    row(60, "PR_PAC_SET_ENABLED_KEYS", [HEX, HEX]).refuse(NO),
    row(61, "PR_PAC_GET_ENABLED_KEYS", []).refuse(NO),
    row(
        62,
        "PR_SCHED_CORE",
        [choice(&names::SCHED_CORE), PID, INT, out_struct(S::HexLong)],
    ),
    row(63, "PR_SME_SET_VL", [HEX]).refuse(NO),
    row(64, "PR_SME_GET_VL", []).refuse(NO),
    // Would also keep the recorder from writing code.
    row(
        65,
        "PR_SET_MDWE",
        [flags(&names::MDWE), ULONG, ULONG, ULONG],
    )
    .refuse(NO),
    row(66, "PR_GET_MDWE", [ULONG, ULONG, ULONG, ULONG]).refuse(NO),
    row(67, "PR_SET_MEMORY_MERGE", [ULONG, ULONG, ULONG, ULONG]),
    row(68, "PR_GET_MEMORY_MERGE", [ULONG, ULONG, ULONG, ULONG]),
    row(69, "PR_RISCV_V_SET_CONTROL", [HEX]).refuse(NO),
    row(70, "PR_RISCV_V_GET_CONTROL", []).refuse(NO),
    row(71, "PR_RISCV_SET_ICACHE_FLUSH_CTX", [HEX, HEX]).refuse(NO),
    row(72, "PR_PPC_GET_DEXCR", [HEX]).refuse(NO),
    row(73, "PR_PPC_SET_DEXCR", [HEX, HEX]).refuse(NO),
    row(74, "PR_GET_SHADOW_STACK_STATUS", [ADDR]).refuse(NO),
    row(75, "PR_SET_SHADOW_STACK_STATUS", [HEX]).refuse(NO),
    row(76, "PR_LOCK_SHADOW_STACK_STATUS", [HEX]).refuse(NO),
    row(
        77,
        "PR_TIMER_CREATE_RESTORE_IDS",
        [ULONG, ULONG, ULONG, ULONG],
    ),
    row(78, "PR_FUTEX_HASH", [ULONG, ULONG, ULONG]),
    row(
        0x5356_4d41,
        "PR_SET_VMA",
        [choice(&names::VMA), ADDR, ULONG, PATH],
    ),
    // The size of the whole vector is the result, however little fits.
    row(
        0x4155_5856,
        "PR_GET_AUXV",
        [out_buf(2), ULONG, ULONG, ULONG],
    ),
    row(0x5961_6d61, "PR_SET_PTRACER", [LONG]),
];

/// Declares what one argument is. The kernel, too, answers an unknown option with `EINVAL`.
macro_rules! argument {
    ($name:ident, $column:literal, $doc:literal) => {
        #[doc = $doc]
        pub static $name: Sub = sub_by(0, sorted!(&column::<{ OPTIONS.len() }>(OPTIONS, $column)))
            .otherwise(Unknown::Errno(NO));
    };
}

argument!(ARG2, 0, "The second argument of `prctl`.");
argument!(ARG3, 1, "The third argument of `prctl`.");
argument!(ARG4, 2, "The fourth argument of `prctl`.");
argument!(ARG5, 3, "The fifth argument of `prctl`.");
