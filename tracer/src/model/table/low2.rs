//! Syscalls 100 to 199.

use super::dsl::*;
use crate::model::names::{at, fs, machine, mman, sched};
use crate::model::sub;
use crate::model::types::{Handler, Kind, Shape, StructId, Sub, Syscall, Unknown};
use libc::{ENOSYS, EPERM};

/// Extended attribute that is read: value in argument 2, its room in argument 3.
const XATTR_VALUE: Kind = out_ret(3);
/// User id that is told.
const OUT_UID: Kind = out_struct(StructId::Uid);
/// Group id that is told.
const OUT_GID: Kind = out_struct(StructId::Gid);

/// The table of segment descriptors: reading it is harmless; a program that writes one
/// depends on state that is not recorded.
static LDT: Sub = sub_by(
    0,
    &[
        cmd(0, "0", out_ret(2)),
        cmd(1, "1", in_struct(StructId::UserDesc)).unsupported(),
        cmd(2, "2", out_ret(2)),
        cmd(0x11, "17", in_struct(StructId::UserDesc)).unsupported(),
    ],
)
.otherwise(Unknown::Errno(ENOSYS));

/// The device of `mknod`: only looked at for device files.
static MKNOD_DEV: Sub = sub_by(
    1,
    &[
        cmd(0o020_000, "S_IFCHR", DEV),
        cmd(0o060_000, "S_IFBLK", DEV),
    ],
)
.masked(0o170_000)
.otherwise(Unknown::As(&UNUSED));

/// The entries.
pub static TABLE: &[Syscall] = &[
    s!(100 times(tbuf: out_struct(StructId::Tms)) -> Int),
    s!(101 ptrace(request: LONG, pid: PID, addr: sub(&sub::ptrace::ADDR),
        data: sub(&sub::ptrace::DATA)) -> Sub)
    .by(Handler::Ptrace),
    s!(102 getuid() -> Int),
    s!(103 syslog(type: choice(&machine::SYSLOG), buf: out_ret(2), len: INT) -> Int).waits(),
    s!(104 getgid() -> Int),
    s!(105 setuid(uid: ID) -> Int),
    s!(106 setgid(gid: ID) -> Int),
    s!(107 geteuid() -> Int),
    s!(108 getegid() -> Int),
    s!(109 setpgid(pid: PID, pgid: PID) -> Int),
    s!(110 getppid() -> Int),
    s!(111 getpgrp() -> Int),
    s!(112 setsid() -> Int),
    s!(113 setreuid(ruid: ID, euid: ID) -> Int),
    s!(114 setregid(rgid: ID, egid: ID) -> Int),
    s!(115 getgroups(gidsetsize: INT, grouplist: out_array_ret(StructId::Gid, 0)) -> Int),
    s!(116 setgroups(gidsetsize: INT, grouplist: in_array(StructId::Gid, 0)) -> Int),
    s!(117 setresuid(ruid: ID, euid: ID, suid: ID) -> Int),
    s!(118 getresuid(ruidp: OUT_UID, euidp: OUT_UID, suidp: OUT_UID) -> Int),
    s!(119 setresgid(rgid: ID, egid: ID, sgid: ID) -> Int),
    s!(120 getresgid(rgidp: OUT_GID, egidp: OUT_GID, sgidp: OUT_GID) -> Int),
    s!(121 getpgid(pid: PID) -> Int),
    s!(122 setfsuid(uid: ID) -> Int),
    s!(123 setfsgid(gid: ID) -> Int),
    s!(124 getsid(pid: PID) -> Int),
    // To an unknown version they answer with an error, and the version that they know.
    // Version 1 has one structure of data, the others two.
    s!(125 capget(header: inout_struct(StructId::CapHeader).on_error(),
        dataptr: out_n(StructId::CapData, 2)) -> Int),
    s!(126 capset(header: inout_struct(StructId::CapHeader).on_error(),
        data: in_n(StructId::CapData, 2)) -> Int),
    s!(127 rt_sigpending(uset: out_mem(count(1, 1), Shape::Struct(StructId::Sigset)),
        sigsetsize: ULONG) -> Int),
    s!(128 rt_sigtimedwait(uthese: in_mem(count(3, 1), Shape::Struct(StructId::Sigset)),
        uinfo: out_struct(StructId::Siginfo), uts: in_struct(StructId::Timespec),
        sigsetsize: ULONG) -> Int)
    .waits(),
    s!(129 rt_sigqueueinfo(pid: PID, sig: SIGNAL, uinfo: in_struct(StructId::Siginfo)) -> Int),
    s!(130 rt_sigsuspend(unewset: in_mem(count(1, 1), Shape::Struct(StructId::Sigset)),
        sigsetsize: ULONG) -> Int)
    .waits(),
    s!(131 sigaltstack(uss: in_struct(StructId::SigAltStack),
        uoss: out_struct(StructId::SigAltStack)) -> Int),
    s!(132 utime(filename: PATH, times: in_struct(StructId::Utimbuf)) -> Int),
    s!(133 mknod(filename: PATH, mode: MODE, dev: sub(&MKNOD_DEV)) -> Int),
    s!(134 uselib(library: PATH) -> Int).refuse(ENOSYS),
    s!(135 personality(personality: flags(&machine::PERSONALITY))
        -> Flags(&machine::PERSONALITY))
    .by(Handler::Personality),
    s!(136 ustat(dev: DEV, ubuf: out_struct(StructId::Ustat)) -> Int),
    s!(137 statfs(pathname: PATH, buf: out_struct(StructId::Statfs)) -> Int),
    s!(138 fstatfs(fd: FD, buf: out_struct(StructId::Statfs)) -> Int),
    // It writes to memory without a bound, and many kernels are built without it.
    s!(139 sysfs(option: INT, arg1: HEX, arg2: HEX) -> Int).refuse(ENOSYS),
    s!(140 getpriority(which: choice(&sched::PRIO_WHICH), who: INT) -> Int),
    s!(141 setpriority(which: choice(&sched::PRIO_WHICH), who: INT, niceval: INT) -> Int),
    s!(142 sched_setparam(pid: PID, param: in_struct(StructId::SchedParam)) -> Int),
    s!(143 sched_getparam(pid: PID, param: out_struct(StructId::SchedParam)) -> Int),
    s!(144 sched_setscheduler(pid: PID, policy: flags(&sched::POLICY_RESET),
        param: in_struct(StructId::SchedParam)) -> Int),
    s!(145 sched_getscheduler(pid: PID) -> Int),
    s!(146 sched_get_priority_max(policy: choice(&sched::POLICY)) -> Int),
    s!(147 sched_get_priority_min(policy: choice(&sched::POLICY)) -> Int),
    s!(148 sched_rr_get_interval(pid: PID, interval: out_struct(StructId::Timespec)) -> Int),
    s!(149 mlock(start: ADDR, len: ULONG) -> Int),
    s!(150 munlock(start: ADDR, len: ULONG) -> Int),
    s!(151 mlockall(flags: flags(&mman::MLOCKALL)) -> Int),
    s!(152 munlockall() -> Int),
    s!(153 vhangup() -> Int),
    s!(154 modify_ldt(func: INT, ptr: sub(&LDT), bytecount: ULONG) -> Int),
    s!(155 pivot_root(new_root: PATH, put_old: PATH) -> Int),
    s!(156 _sysctl(args: ADDR) -> Int).refuse(ENOSYS),
    s!(157 prctl(option: INT, arg2: sub(&sub::prctl::ARG2), arg3: sub(&sub::prctl::ARG3),
        arg4: sub(&sub::prctl::ARG4), arg5: sub(&sub::prctl::ARG5)) -> Sub)
    .by(Handler::Prctl),
    s!(158 arch_prctl(option: choice(&machine::ARCH_PRCTL), arg2: sub(&sub::prctl::ARCH)) -> Int)
        .by(Handler::ArchPrctl),
    // It tells the clock's state also when it refuses to change it.
    s!(159 adjtimex(txc_p: inout_struct(StructId::Timex).on_error()) -> Int),
    s!(160 setrlimit(resource: choice(&sched::RLIMIT), rlim: in_struct(StructId::Rlimit)) -> Int)
        .by(Handler::ResourceLimit),
    s!(161 chroot(filename: PATH) -> Int),
    s!(162 sync() -> Int).waits(),
    s!(163 acct(name: PATH) -> Int),
    s!(164 settimeofday(tv: in_struct(StructId::Timeval), tz: in_struct(StructId::Timezone)) -> Int),
    s!(165 mount(dev_name: PATH, dir_name: PATH, type: PATH, flags: flags(&fs::MOUNT),
        data: PATH) -> Int)
    .waits(),
    s!(166 umount2(name: PATH, flags: flags(&fs::UMOUNT)) -> Int).waits(),
    // What concerns the whole machine answers as to a program without the privilege.
    s!(167 swapon(specialfile: PATH, swap_flags: flags(&machine::SWAP)) -> Int).refuse(EPERM),
    s!(168 swapoff(specialfile: PATH) -> Int).refuse(EPERM),
    s!(169 reboot(magic1: HEX, magic2: HEX, cmd: choice(&machine::REBOOT), arg: ADDR) -> Int)
        .refuse(EPERM),
    s!(170 sethostname(name: in_mem(count(1, 1), Shape::Text), len: INT) -> Int),
    s!(171 setdomainname(name: in_mem(count(1, 1), Shape::Text), len: INT) -> Int),
    // Ports that a program reads itself are no syscall: they cannot be recorded.
    s!(172 iopl(level: INT) -> Int).refuse(EPERM),
    s!(173 ioperm(from: HEX, num: HEX, turn_on: INT) -> Int).refuse(EPERM),
    s!(174 create_module(name: PATH, size: ULONG) -> Int).refuse(ENOSYS),
    s!(175 init_module(umod: ADDR, len: ULONG, uargs: PATH) -> Int).refuse(EPERM),
    s!(176 delete_module(name: PATH, flags: HEX) -> Int).refuse(EPERM),
    s!(177 get_kernel_syms(table: ADDR) -> Int).refuse(ENOSYS),
    s!(178 query_module(name: PATH, which: INT, buf: ADDR, bufsize: ULONG, ret: ADDR) -> Int)
        .refuse(ENOSYS),
    s!(179 quotactl(cmd: HEX, special: PATH, id: ID, addr: sub(&sub::quota::ADDR)) -> Int),
    s!(180 nfsservctl(cmd: INT, argp: ADDR, resp: ADDR) -> Int).refuse(ENOSYS),
    s!(181 getpmsg() -> Int).refuse(ENOSYS),
    s!(182 putpmsg() -> Int).refuse(ENOSYS),
    s!(183 afs_syscall() -> Int).refuse(ENOSYS),
    s!(184 tuxcall() -> Int).refuse(ENOSYS),
    s!(185 security() -> Int).refuse(ENOSYS),
    s!(186 gettid() -> Int),
    s!(187 readahead(fd: FD, offset: LONG, count: ULONG) -> Int),
    s!(188 setxattr(pathname: PATH, name: PATH, value: in_buf(3), size: ULONG,
        flags: flags(&at::XATTR)) -> Int),
    s!(189 lsetxattr(pathname: PATH, name: PATH, value: in_buf(3), size: ULONG,
        flags: flags(&at::XATTR)) -> Int),
    s!(190 fsetxattr(fd: FD, name: PATH, value: in_buf(3), size: ULONG,
        flags: flags(&at::XATTR)) -> Int),
    s!(191 getxattr(pathname: PATH, name: PATH, value: XATTR_VALUE, size: ULONG) -> Int),
    s!(192 lgetxattr(pathname: PATH, name: PATH, value: XATTR_VALUE, size: ULONG) -> Int),
    s!(193 fgetxattr(fd: FD, name: PATH, value: XATTR_VALUE, size: ULONG) -> Int),
    s!(194 listxattr(pathname: PATH, list: out_ret(2), size: ULONG) -> Int),
    s!(195 llistxattr(pathname: PATH, list: out_ret(2), size: ULONG) -> Int),
    s!(196 flistxattr(fd: FD, list: out_ret(2), size: ULONG) -> Int),
    s!(197 removexattr(pathname: PATH, name: PATH) -> Int),
    s!(198 lremovexattr(pathname: PATH, name: PATH) -> Int),
    s!(199 fremovexattr(fd: FD, name: PATH) -> Int),
];
