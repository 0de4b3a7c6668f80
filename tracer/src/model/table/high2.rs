//! Syscalls from 335 on, up to the newest of Linux 6.18.

use super::dsl::*;
use crate::model::names::{at, epoll, file, futex, mman, mount, sched, security, timer};
use crate::model::sub::{self, nested};
use crate::model::types::{Dir, FileChange, Handler, Kind, Shape, Size, StructId, Syscall};
use libc::{ENOSYS, EOPNOTSUPP};

/// Structure that is read; argument `size` counts its bytes.
const fn sized(id: StructId, size: u8) -> Kind {
    in_mem(count(size, 1), Shape::Struct(id))
}

/// `struct xattr_args`, which points to the attribute's value.
const fn xattr_args(value: Dir) -> Kind {
    nested(sized(StructId::XattrArgs, 5), 0, 8, 4, 1, value)
}

/// A time that is read.
const TIME: Kind = in_struct(StructId::Timespec);
/// Which mount, or mounts: says its own size.
const MOUNT_REQUEST: Kind = in_mem(Size::SelfSized, Shape::Struct(StructId::MntIdReq));
/// How much room there is, and how much would be needed.
const ROOM: Kind = inout_struct(StructId::Uint).on_error();

/// The entries.
pub static TABLE: &[Syscall] = &[
    // Only code that the kernel itself places into a program calls these two.
    s!(335 uretprobe() -> Int).unsupported(),
    s!(336 uprobe() -> Int).unsupported(),
    s!(424 pidfd_send_signal(pidfd: FD, sig: SIGNAL, info: in_struct(StructId::Siginfo),
        flags: flags(&sched::PIDFD_SIGNAL)) -> Int),
    s!(425 io_uring_setup(entries: UINT, params: ADDR) -> Fd).refuse(ENOSYS),
    s!(426 io_uring_enter(fd: FD, to_submit: UINT, min_complete: UINT, flags: HEX, argp: ADDR,
        argsz: ULONG) -> Int)
    .refuse(ENOSYS),
    s!(427 io_uring_register(fd: FD, opcode: INT, arg: ADDR, nr_args: UINT) -> Int).refuse(ENOSYS),
    s!(428 open_tree(dfd: DIRFD, filename: PATH, flags: flags(&mount::OPEN_TREE)) -> Fd),
    s!(429 move_mount(from_dfd: DIRFD, from_pathname: PATH, to_dfd: DIRFD, to_pathname: PATH,
        flags: flags(&mount::MOVE_MOUNT)) -> Int),
    s!(430 fsopen(_fs_name: PATH, flags: flags(&mount::FSOPEN)) -> Fd),
    s!(431 fsconfig(fd: FD, cmd: choice(&mount::FSCONFIG), _key: PATH,
        _value: sub(&sub::files::FSCONFIG_VALUE), aux: INT) -> Int)
    .waits(),
    s!(432 fsmount(fs_fd: FD, flags: flags(&mount::FSMOUNT), attr_flags: flags(&mount::ATTR)) -> Fd),
    s!(433 fspick(dfd: DIRFD, path: PATH, flags: flags(&mount::FSPICK)) -> Fd),
    s!(434 pidfd_open(pid: PID, flags: flags(&sched::PIDFD_OPEN)) -> Fd),
    // Thread ids and pidfd are stored where the structure says: the handler's.
    s!(435 clone3(uargs: sized(StructId::CloneArgs, 1), size: ULONG) -> Int).waits().by(Handler::Clone),
    s!(436 close_range(fd: UINT, max_fd: UINT, flags: flags(&file::CLOSE_RANGE)) -> Int)
        .waits()
        .by(Handler::Descriptors),
    s!(437 openat2(dfd: DIRFD, filename: PATH, how: sized(StructId::OpenHow, 3), usize: ULONG) -> Fd)
        .waits()
        .changes(FileChange::Length),
    s!(438 pidfd_getfd(pidfd: FD, fd: INT, flags: HEX) -> Fd),
    s!(439 faccessat2(dfd: DIRFD, filename: PATH, mode: flags(&at::ACCESS_MODE),
        flags: flags(&at::ACCESS)) -> Int),
    // It may change the mappings of any process.
    s!(440 process_madvise(pidfd: FD, vec: in_array(StructId::RemoteIovec, 2), vlen: ULONG,
        behavior: choice(&mman::MADVISE), flags: HEX) -> Int)
    .refuse(ENOSYS),
    s!(441 epoll_pwait2(epfd: FD, events: out_array_ret(StructId::EpollEvent, 2), maxevents: INT,
        timeout: TIME, sigmask: sized(StructId::Sigset, 5), sigsetsize: ULONG) -> Int)
    .waits(),
    s!(442 mount_setattr(dfd: DIRFD, path: PATH, flags: flags(&mount::SETATTR),
        uattr: sized(StructId::MountAttr, 4), usize: ULONG) -> Int),
    s!(443 quotactl_fd(fd: FD, cmd: HEX, id: ID, addr: sub(&sub::quota::ADDR_FD)) -> Int),
    s!(444 landlock_create_ruleset(attr: sized(StructId::LandlockRulesetAttr, 1), size: ULONG,
        flags: flags(&security::LANDLOCK_CREATE)) -> Fd),
    s!(445 landlock_add_rule(ruleset_fd: FD, rule_type: choice(&security::LANDLOCK_RULE),
        rule_attr: sub(&sub::files::LANDLOCK_RULE), flags: HEX) -> Int),
    s!(446 landlock_restrict_self(ruleset_fd: FD, flags: flags(&security::LANDLOCK_RESTRICT)) -> Int),
    // Memory that the recorder cannot read.
    s!(447 memfd_secret(flags: flags(&epoll::PIPE)) -> Fd).refuse(ENOSYS),
    s!(448 process_mrelease(pidfd: FD, flags: HEX) -> Int).waits(),
    s!(449 futex_waitv(waiters: in_array(StructId::FutexWaitv, 1), nr_futexes: UINT, flags: HEX,
        timeout: TIME, clockid: choice(&timer::CLOCK)) -> Int)
    .waits(),
    s!(450 set_mempolicy_home_node(start: ADDR, len: ULONG, home_node: ULONG, flags: HEX) -> Int),
    s!(451 cachestat(fd: FD, cstat_range: in_struct(StructId::CachestatRange),
        cstat: out_struct(StructId::Cachestat), flags: HEX) -> Int),
    s!(452 fchmodat2(dfd: DIRFD, filename: PATH, mode: MODE, flags: flags(&at::SYMLINK)) -> Int),
    s!(453 map_shadow_stack(addr: ADDR, size: ULONG, flags: HEX) -> Hex).refuse(EOPNOTSUPP),
    s!(454 futex_wake(uaddr: ADDR, mask: HEX, nr: INT, flags: flags(&futex::FUTEX2)) -> Int),
    s!(455 futex_wait(uaddr: ADDR, val: HEX, mask: HEX, flags: flags(&futex::FUTEX2), timeout: TIME,
        clockid: choice(&timer::CLOCK)) -> Int)
    .waits(),
    s!(456 futex_requeue(waiters: in_n(StructId::FutexWaitv, 2), flags: HEX, nr_wake: INT,
        nr_requeue: INT) -> Int),
    s!(457 statmount(req: MOUNT_REQUEST,
        buf: out_mem(count(2, 1), Shape::Struct(StructId::Statmount)).on_error(), bufsize: ULONG,
        flags: HEX) -> Int),
    s!(458 listmount(req: MOUNT_REQUEST, mnt_ids: out_array_ret(StructId::HexLong, 2),
        nr_mnt_ids: ULONG, flags: flags(&mount::LISTMOUNT)) -> Int),
    s!(459 lsm_get_self_attr(attr: choice(&security::LSM_ATTR),
        ctx: out_mem(socklen(2), Shape::Struct(StructId::LsmCtx)), size: ROOM,
        flags: flags(&security::LSM_FLAGS)) -> Int),
    s!(460 lsm_set_self_attr(attr: choice(&security::LSM_ATTR), ctx: sized(StructId::LsmCtx, 2),
        size: UINT, flags: HEX) -> Int),
    s!(461 lsm_list_modules(ids: out_mem(socklen(1), Shape::Array(StructId::Ulong)), size: ROOM,
        flags: HEX) -> Int),
    s!(462 mseal(start: ADDR, len: ULONG, flags: HEX) -> Int),
    s!(463 setxattrat(dfd: DIRFD, pathname: PATH, at_flags: flags(&at::SYMLINK), name: PATH,
        uargs: xattr_args(Dir::In), usize: ULONG) -> Int),
    s!(464 getxattrat(dfd: DIRFD, pathname: PATH, at_flags: flags(&at::SYMLINK), name: PATH,
        uargs: xattr_args(Dir::Out), usize: ULONG) -> Int),
    s!(465 listxattrat(dfd: DIRFD, pathname: PATH, at_flags: flags(&at::SYMLINK),
        list: out_ret(4), size: ULONG) -> Int),
    s!(466 removexattrat(dfd: DIRFD, pathname: PATH, at_flags: flags(&at::SYMLINK), name: PATH) -> Int),
    s!(467 open_tree_attr(dfd: DIRFD, filename: PATH, flags: flags(&mount::OPEN_TREE),
        uattr: sized(StructId::MountAttr, 4), usize: ULONG) -> Fd),
    s!(468 file_getattr(dfd: DIRFD, filename: PATH,
        ufattr: out_mem(count(3, 1), Shape::Struct(StructId::FileAttr)), usize: ULONG,
        at_flags: flags(&at::SYMLINK)) -> Int),
    s!(469 file_setattr(dfd: DIRFD, filename: PATH, ufattr: sized(StructId::FileAttr, 3),
        usize: ULONG, at_flags: flags(&at::SYMLINK)) -> Int),
];
