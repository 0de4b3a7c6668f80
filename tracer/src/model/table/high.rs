//! Syscalls 200 to 334.

use super::dsl::*;
use crate::model::names::{
    at, epoll, fcntl, file, futex, keyctl, mman, net, sched, security, timer,
};
use crate::model::sub::{self, nested};
use crate::model::types::{Dir, FileChange, Handler, Kind, Shape, Size, StructId, Syscall};
use libc::{EINVAL, ENOSPC, ENOSYS, EPERM};

/// Signal set that is read; argument `size` counts its bytes.
const fn sigset(size: u8) -> Kind {
    in_mem(count(size, 1), Shape::Struct(StructId::Sigset))
}

/// Set of NUMA nodes that is read: as many bits as argument `bits` says.
const fn nodes(bits: u8) -> Kind {
    in_mem(
        Size::Bits { index: bits },
        Shape::Struct(StructId::NodeMask),
    )
}

/// A time that is read.
const TIME: Kind = in_struct(StructId::Timespec);
/// What was left of the time; also when the wait was interrupted.
const TIME_LEFT: Kind = inout_struct(StructId::Timespec).on_error();
/// File offset that the kernel takes and moves on, whatever the result.
const OFFSET: Kind = inout_struct(StructId::Offset).on_error();
/// An `fd_set` of as many bits as argument 0 says.
const FD_SET: Kind = inout_mem(Size::Bits { index: 0 }, Shape::Struct(StructId::FdSet)).on_error();
/// What `pselect6` takes in place of a signal set.
const SIGSET_ARG: Kind = nested(in_struct(StructId::SigsetArg), 0, 8, 8, 1, Dir::In);
/// A file handle: the kernel says how long it would be when there is no room for it.
const HANDLE_OUT: Kind = inout_mem(
    Size::SelfCounted { head: 8, scale: 1 },
    Shape::Struct(StructId::FileHandle),
)
.on_error();
/// A file handle that is read.
const HANDLE: Kind = in_mem(
    Size::SelfCounted { head: 8, scale: 1 },
    Shape::Struct(StructId::FileHandle),
);
/// Scheduling attributes: the kernel stores the size that it knows when they are too long.
const SCHED_ATTR: Kind = inout_mem(Size::SelfSized, Shape::Struct(StructId::SchedAttr)).on_error();

/// The entries.
pub static TABLE: &[Syscall] = &[
    s!(200 tkill(pid: PID, sig: SIGNAL) -> Int),
    s!(201 time(tloc: out_struct(StructId::Time)) -> Int).by(Handler::Clock),
    s!(202 futex(uaddr: sub(&sub::futex::UADDR), op: flags(&futex::OP), val: sub(&sub::futex::VAL),
        utime: sub(&sub::futex::TIMEOUT), uaddr2: sub(&sub::futex::UADDR2),
        val3: sub(&sub::futex::VAL3)) -> Int)
    .by(Handler::Futex),
    s!(203 sched_setaffinity(pid: PID, len: UINT,
        user_mask_ptr: in_mem(count(1, 1), Shape::Struct(StructId::CpuMask))) -> Int)
    .by(Handler::Affinity),
    s!(204 sched_getaffinity(pid: PID, len: UINT,
        user_mask_ptr: out_mem(result(1, 1), Shape::Struct(StructId::CpuMask))) -> Int)
    .by(Handler::Affinity),
    s!(205 set_thread_area(u_info: ADDR) -> Int).refuse(ENOSYS),
    s!(206 io_setup(nr_reqs: UINT, ctx: ADDR) -> Int).refuse(ENOSYS),
    s!(207 io_destroy(ctx: HEX) -> Int).refuse(ENOSYS),
    s!(208 io_getevents(ctx_id: HEX, min_nr: LONG, nr: LONG, events: ADDR, timeout: TIME) -> Int)
        .refuse(ENOSYS),
    s!(209 io_submit(ctx_id: HEX, nr: LONG, iocbpp: ADDR) -> Int).refuse(ENOSYS),
    s!(210 io_cancel(ctx_id: HEX, iocb: ADDR, result: ADDR) -> Int).refuse(ENOSYS),
    s!(211 get_thread_area(u_info: ADDR) -> Int).refuse(ENOSYS),
    s!(212 lookup_dcookie(cookie64: HEX, buf: ADDR, len: ULONG) -> Int).refuse(ENOSYS),
    s!(213 epoll_create(size: INT) -> Fd),
    s!(214 epoll_ctl_old() -> Int).refuse(ENOSYS),
    s!(215 epoll_wait_old() -> Int).refuse(ENOSYS),
    // Deprecated, and emulated by the kernel: programs have another way.
    s!(216 remap_file_pages(start: ADDR, size: ULONG, prot: flags(&mman::PROT), pgoff: ULONG,
        flags: flags(&mman::MAP)) -> Int)
    .refuse(ENOSYS),
    s!(217 getdents64(fd: FD, dirent: out_mem(result(2, 1), Shape::Array(StructId::Dirent64)),
        count: UINT) -> Int),
    s!(218 set_tid_address(tidptr: ADDR) -> Int).by(Handler::SetTidAddress),
    s!(219 restart_syscall() -> Int).waits().by(Handler::Restart),
    s!(220 semtimedop(semid: INT, tsops: in_array(StructId::Sembuf, 2), nsops: UINT, timeout: TIME) -> Int)
        .waits(),
    s!(221 fadvise64(fd: FD, offset: LONG, len: ULONG, advice: choice(&file::FADVISE)) -> Int),
    s!(222 timer_create(which_clock: choice(&timer::CLOCK),
        timer_event_spec: in_struct(StructId::Sigevent),
        created_timer_id: out_struct(StructId::TimerId).on_error()) -> Int),
    s!(223 timer_settime(timer_id: INT, flags: flags(&timer::ABSTIME),
        new_setting: in_struct(StructId::Itimerspec),
        old_setting: out_struct(StructId::Itimerspec)) -> Int),
    s!(224 timer_gettime(timer_id: INT, setting: out_struct(StructId::Itimerspec)) -> Int),
    s!(225 timer_getoverrun(timer_id: INT) -> Int),
    s!(226 timer_delete(timer_id: INT) -> Int),
    s!(227 clock_settime(which_clock: choice(&timer::CLOCK), tp: TIME) -> Int),
    s!(228 clock_gettime(which_clock: choice(&timer::CLOCK), tp: out_struct(StructId::Timespec)) -> Int).by(Handler::Clock),
    s!(229 clock_getres(which_clock: choice(&timer::CLOCK), tp: out_struct(StructId::Timespec)) -> Int),
    s!(230 clock_nanosleep(which_clock: choice(&timer::CLOCK), flags: flags(&timer::ABSTIME),
        rqtp: TIME, rmtp: out_struct(StructId::Timespec).on_error()) -> Int)
    .waits(),
    s!(231 exit_group(error_code: INT) -> Never).by(Handler::ExitGroup),
    s!(232 epoll_wait(epfd: FD, events: out_array_ret(StructId::EpollEvent, 2), maxevents: INT,
        timeout: INT) -> Int)
    .waits(),
    s!(233 epoll_ctl(epfd: FD, op: choice(&epoll::CTL), fd: FD, event: sub(&sub::files::EPOLL_EVENT)) -> Int),
    s!(234 tgkill(tgid: PID, pid: PID, sig: SIGNAL) -> Int),
    s!(235 utimes(filename: PATH, utimes: in_n(StructId::Timeval, 2)) -> Int),
    s!(236 vserver() -> Int).refuse(ENOSYS),
    s!(237 mbind(start: ADDR, len: ULONG, mode: flags(&sched::MPOL), nmask: nodes(4), maxnode: ULONG,
        flags: flags(&sched::MPOL_MOVE)) -> Int),
    s!(238 set_mempolicy(mode: flags(&sched::MPOL), nmask: nodes(2), maxnode: ULONG) -> Int),
    s!(239 get_mempolicy(policy: out_struct(StructId::Int).on_error(),
        nmask: out_mem(Size::Bits { index: 2 }, Shape::Struct(StructId::NodeMask)).on_error(),
        maxnode: ULONG, addr: ADDR, flags: flags(&sched::MPOL_GET)) -> Int),
    s!(240 mq_open(u_name: PATH, oflag: flags(&fcntl::OPEN), mode: sub(&sub::files::MQ_OPEN_MODE),
        u_attr: sub(&sub::files::MQ_OPEN_ATTR)) -> Fd),
    s!(241 mq_unlink(u_name: PATH) -> Int),
    s!(242 mq_timedsend(mqdes: FD, u_msg_ptr: in_buf(2), msg_len: ULONG, msg_prio: UINT,
        u_abs_timeout: TIME) -> Int)
    .waits(),
    s!(243 mq_timedreceive(mqdes: FD, u_msg_ptr: out_ret(2), msg_len: ULONG,
        u_msg_prio: out_struct(StructId::Uint).on_error(), u_abs_timeout: TIME) -> Int)
    .waits(),
    s!(244 mq_notify(mqdes: FD, u_notification: in_struct(StructId::Sigevent)) -> Int),
    s!(245 mq_getsetattr(mqdes: FD, u_mqstat: in_struct(StructId::MqAttr),
        u_omqstat: out_struct(StructId::MqAttr)) -> Int),
    s!(246 kexec_load(entry: ADDR, nr_segments: ULONG, segments: ADDR, flags: HEX) -> Int).refuse(EPERM),
    // The kernel clears the information also when there is no child.
    s!(247 waitid(which: choice(&sched::IDTYPE), upid: PID,
        infop: out_struct(StructId::Siginfo).on_error(), options: flags(&sched::WAIT),
        ru: out_struct(StructId::Rusage)) -> Int)
    .waits(),
    s!(248 add_key(_type: PATH, _description: PATH, _payload: in_buf(3), plen: ULONG,
        ringid: choice(&keyctl::KEYRING)) -> Int),
    s!(249 request_key(_type: PATH, _description: PATH, _callout_info: PATH,
        destringid: choice(&keyctl::KEYRING)) -> Int)
    .waits(),
    s!(250 keyctl(option: INT, arg2: sub(&sub::keyctl::ARG2), arg3: sub(&sub::keyctl::ARG3),
        arg4: sub(&sub::keyctl::ARG4), arg5: sub(&sub::keyctl::ARG5)) -> Int),
    s!(251 ioprio_set(which: choice(&sched::IOPRIO_WHO), who: INT, ioprio: HEX) -> Int),
    s!(252 ioprio_get(which: choice(&sched::IOPRIO_WHO), who: INT) -> Int),
    s!(253 inotify_init() -> Fd),
    s!(254 inotify_add_watch(fd: FD, pathname: PATH, mask: flags(&epoll::INOTIFY)) -> Int),
    s!(255 inotify_rm_watch(fd: FD, wd: INT) -> Int),
    s!(256 migrate_pages(pid: PID, maxnode: ULONG, old_nodes: nodes(1), new_nodes: nodes(1)) -> Int),
    s!(257 openat(dfd: DIRFD, filename: PATH, flags: flags(&fcntl::OPEN),
        mode: sub(&sub::files::OPENAT_MODE)) -> Fd)
    .waits()
    .changes(FileChange::Length),
    s!(258 mkdirat(dfd: DIRFD, pathname: PATH, mode: MODE) -> Int),
    s!(259 mknodat(dfd: DIRFD, filename: PATH, mode: MODE, dev: sub(&sub::files::MKNODAT_DEV)) -> Int),
    s!(260 fchownat(dfd: DIRFD, filename: PATH, user: ID, group: ID, flag: flags(&at::SYMLINK)) -> Int),
    s!(261 futimesat(dfd: DIRFD, filename: PATH, utimes: in_n(StructId::Timeval, 2)) -> Int),
    s!(262 newfstatat(dfd: DIRFD, filename: PATH, statbuf: out_struct(StructId::Stat),
        flag: flags(&at::SYMLINK)) -> Int),
    s!(263 unlinkat(dfd: DIRFD, pathname: PATH, flag: flags(&at::UNLINK)) -> Int),
    s!(264 renameat(olddfd: DIRFD, oldname: PATH, newdfd: DIRFD, newname: PATH) -> Int),
    s!(265 linkat(olddfd: DIRFD, oldname: PATH, newdfd: DIRFD, newname: PATH,
        flags: flags(&at::SYMLINK)) -> Int),
    s!(266 symlinkat(oldname: PATH, newdfd: DIRFD, newname: PATH) -> Int),
    s!(267 readlinkat(dfd: DIRFD, pathname: PATH, buf: out_mem(result(3, 1), Shape::Text),
        bufsiz: INT) -> Int),
    s!(268 fchmodat(dfd: DIRFD, filename: PATH, mode: MODE) -> Int),
    s!(269 faccessat(dfd: DIRFD, filename: PATH, mode: flags(&at::ACCESS_MODE)) -> Int),
    s!(270 pselect6(n: INT, inp: FD_SET, outp: FD_SET, exp: FD_SET, tsp: TIME_LEFT, sig: SIGSET_ARG) -> Int)
        .waits(),
    // It clears what it returns also when a signal interrupts it.
    s!(271 ppoll(ufds: inout_array(StructId::Pollfd, 1).on_error(), nfds: UINT, tsp: TIME_LEFT,
        sigmask: sigset(4), sigsetsize: ULONG) -> Int)
    .waits(),
    s!(272 unshare(unshare_flags: flags(&sched::NAMESPACE)) -> Int).by(Handler::Namespaces),
    s!(273 set_robust_list(head: ADDR, len: ULONG) -> Int).by(Handler::SetRobustList),
    s!(274 get_robust_list(pid: PID, head_ptr: out_struct(StructId::Pointer).on_error(),
        len_ptr: out_struct(StructId::Ulong).on_error()) -> Int),
    s!(275 splice(fd_in: FD, off_in: OFFSET, fd_out: FD, off_out: OFFSET, len: ULONG,
        flags: flags(&file::SPLICE)) -> Int)
    .waits()
    .changes(FileChange::Any { fd: 2 }),
    s!(276 tee(fdin: FD, fdout: FD, len: ULONG, flags: flags(&file::SPLICE)) -> Int).waits(),
    s!(277 sync_file_range(fd: FD, offset: LONG, nbytes: LONG, flags: flags(&file::SYNC_RANGE)) -> Int)
        .waits(),
    // The descriptor says which way: buffers are read into a pipe, or written from one.
    s!(278 vmsplice(fd: FD, iov: Kind::Iovec { dir: Dir::InOut, count: 2 }, nr_segs: ULONG,
        flags: flags(&file::SPLICE)) -> Int)
    .waits(),
    s!(279 move_pages(pid: PID, nr_pages: ULONG, pages: in_array(StructId::Pointer, 1),
        nodes: in_array(StructId::Int, 1), status: out_array(StructId::Int, 1).on_error(),
        flags: flags(&sched::MPOL_MOVE)) -> Int),
    s!(280 utimensat(dfd: DIRFD, filename: PATH, utimes: in_n(StructId::Timespec, 2),
        flags: flags(&at::SYMLINK)) -> Int),
    s!(281 epoll_pwait(epfd: FD, events: out_array_ret(StructId::EpollEvent, 2), maxevents: INT,
        timeout: INT, sigmask: sigset(5), sigsetsize: ULONG) -> Int)
    .waits(),
    s!(282 signalfd(ufd: FD, user_mask: sigset(2), sizemask: ULONG) -> Fd),
    s!(283 timerfd_create(clockid: choice(&timer::CLOCK), flags: flags(&timer::TFD_CREATE)) -> Fd),
    s!(284 eventfd(count: UINT) -> Fd),
    s!(285 fallocate(fd: FD, mode: flags(&file::FALLOC), offset: LONG, len: LONG) -> Int)
        .changes(FileChange::Any { fd: 0 }),
    s!(286 timerfd_settime(ufd: FD, flags: flags(&timer::TFD_SETTIME),
        utmr: in_struct(StructId::Itimerspec), otmr: out_struct(StructId::Itimerspec).on_error()) -> Int),
    s!(287 timerfd_gettime(ufd: FD, otmr: out_struct(StructId::Itimerspec)) -> Int),
    s!(288 accept4(fd: FD, upeer_sockaddr: out_sockaddr(2),
        upeer_addrlen: inout_struct(StructId::Socklen).on_error(), flags: flags(&net::SOCK_FLAGS)) -> Fd)
    .waits(),
    s!(289 signalfd4(ufd: FD, user_mask: sigset(2), sizemask: ULONG, flags: flags(&epoll::SIGNALFD)) -> Fd),
    s!(290 eventfd2(count: UINT, flags: flags(&epoll::EVENTFD)) -> Fd),
    s!(291 epoll_create1(flags: flags(&epoll::CREATE)) -> Fd),
    s!(292 dup3(oldfd: FD, newfd: FD, flags: flags(&epoll::PIPE)) -> Fd).waits().by(Handler::Descriptors),
    s!(293 pipe2(fildes: out_n(StructId::Fd, 2), flags: flags(&epoll::PIPE)) -> Int),
    s!(294 inotify_init1(flags: flags(&epoll::INOTIFY_INIT)) -> Fd),
    s!(295 preadv(fd: FD, vec: out_iovec(2), vlen: ULONG, pos_l: LONG, pos_h: UNUSED) -> Int).waits(),
    s!(296 pwritev(fd: FD, vec: in_iovec(2), vlen: ULONG, pos_l: LONG, pos_h: UNUSED) -> Int)
        .waits()
        .changes(FileChange::Write { fd: 0, offset: Some(3) }),
    s!(297 rt_tgsigqueueinfo(tgid: PID, pid: PID, sig: SIGNAL, uinfo: in_struct(StructId::Siginfo)) -> Int),
    s!(298 perf_event_open(attr_uptr: ADDR, pid: PID, cpu: INT, group_fd: FD, flags: HEX) -> Fd)
        .refuse(ENOSYS),
    s!(299 recvmmsg(fd: FD, mmsg: Kind::Mmsghdr { dir: Dir::Out, count: 2 }, vlen: UINT,
        flags: flags(&net::MSG), timeout: TIME_LEFT) -> Int)
    .waits(),
    s!(300 fanotify_init(flags: HEX, event_f_flags: flags(&fcntl::OPEN)) -> Fd).refuse(ENOSYS),
    s!(301 fanotify_mark(fanotify_fd: FD, flags: HEX, mask: HEX, dfd: DIRFD, pathname: PATH) -> Int)
        .refuse(ENOSYS),
    s!(302 prlimit64(pid: PID, resource: choice(&sched::RLIMIT), new_rlim: in_struct(StructId::Rlimit),
        old_rlim: out_struct(StructId::Rlimit)) -> Int).by(Handler::ResourceLimit),
    s!(303 name_to_handle_at(dfd: DIRFD, name: PATH, handle: HANDLE_OUT,
        mnt_id: sub(&sub::files::MNT_ID), flag: flags(&at::HANDLE)) -> Int),
    s!(304 open_by_handle_at(mountdirfd: DIRFD, handle: HANDLE, flags: flags(&fcntl::OPEN)) -> Fd)
        .waits()
        .changes(FileChange::Length),
    // It tells the clock's state also when it refuses to change it.
    s!(305 clock_adjtime(which_clock: choice(&timer::CLOCK),
        utx: inout_struct(StructId::Timex).on_error()) -> Int),
    s!(306 syncfs(fd: FD) -> Int).waits(),
    s!(307 sendmmsg(fd: FD, mmsg: Kind::Mmsghdr { dir: Dir::In, count: 2 }, vlen: UINT,
        flags: flags(&net::MSG)) -> Int)
    .waits(),
    s!(308 setns(fd: FD, flags: flags(&sched::NAMESPACE)) -> Int).by(Handler::Namespaces),
    s!(309 getcpu(cpup: out_struct(StructId::Uint).on_error(), nodep: out_struct(StructId::Uint).on_error(),
        unused: ADDR) -> Int),
    s!(310 process_vm_readv(pid: PID, lvec: out_iovec(2), liovcnt: ULONG,
        rvec: in_array(StructId::RemoteIovec, 4), riovcnt: ULONG, flags: HEX) -> Int),
    s!(311 process_vm_writev(pid: PID, lvec: in_iovec(2), liovcnt: ULONG,
        rvec: in_array(StructId::RemoteIovec, 4), riovcnt: ULONG, flags: HEX) -> Int)
    .by(Handler::ProcessVmWrite),
    s!(312 kcmp(pid1: PID, pid2: PID, type: choice(&sched::KCMP), idx1: sub(&sub::processes::KCMP_FIRST),
        idx2: sub(&sub::processes::KCMP_SECOND)) -> Int),
    s!(313 finit_module(fd: FD, uargs: PATH, flags: HEX) -> Int).refuse(EPERM),
    s!(314 sched_setattr(pid: PID, uattr: SCHED_ATTR, flags: HEX) -> Int),
    s!(315 sched_getattr(pid: PID, uattr: out_mem(count(2, 1), Shape::Struct(StructId::SchedAttr)),
        usize: UINT, flags: HEX) -> Int),
    s!(316 renameat2(olddfd: DIRFD, oldname: PATH, newdfd: DIRFD, newname: PATH,
        flags: flags(&at::RENAME)) -> Int),
    s!(317 seccomp(op: choice(&security::SECCOMP_OP), flags: flags(&security::SECCOMP_FLAGS),
        uargs: sub(&sub::processes::SECCOMP)) -> Int)
    .by(Handler::Seccomp),
    s!(318 getrandom(ubuf: out_ret(1), len: ULONG, flags: flags(&file::RANDOM)) -> Int).waits(),
    s!(319 memfd_create(uname: PATH, flags: flags(&file::MEMFD)) -> Fd),
    s!(320 kexec_file_load(kernel_fd: FD, initrd_fd: FD, cmdline_len: ULONG, cmdline_ptr: ADDR,
        flags: HEX) -> Int)
    .refuse(EPERM),
    s!(321 bpf(cmd: INT, uattr: ADDR, size: UINT) -> Int).refuse(EPERM),
    s!(322 execveat(fd: DIRFD, filename: PATH, argv: STRINGS, envp: STRINGS,
        flags: flags(&at::SYMLINK)) -> Int)
    .waits()
    .by(Handler::Exec),
    s!(323 userfaultfd(flags: HEX) -> Fd).refuse(ENOSYS),
    s!(324 membarrier(cmd: choice(&sched::MEMBARRIER), flags: flags(&sched::MEMBARRIER_FLAGS),
        cpu_id: INT) -> Int),
    s!(325 mlock2(start: ADDR, len: ULONG, flags: flags(&file::MLOCK)) -> Int),
    s!(326 copy_file_range(fd_in: FD, off_in: OFFSET, fd_out: FD, off_out: OFFSET, len: ULONG,
        flags: HEX) -> Int)
    .waits()
    .changes(FileChange::Any { fd: 2 }),
    s!(327 preadv2(fd: FD, vec: out_iovec(2), vlen: ULONG, pos_l: LONG, pos_h: UNUSED,
        flags: flags(&file::RWF)) -> Int)
    .waits(),
    // The offset may be -1: the file's position.
    s!(328 pwritev2(fd: FD, vec: in_iovec(2), vlen: ULONG, pos_l: LONG, pos_h: UNUSED,
        flags: flags(&file::RWF)) -> Int)
    .waits()
    .changes(FileChange::Any { fd: 0 }),
    s!(329 pkey_mprotect(start: ADDR, len: ULONG, prot: flags(&mman::PROT), pkey: INT) -> Int)
        .by(Handler::Mprotect),
    // Protection keys live in a register that programs write without a syscall: as on a
    // processor without them.
    s!(330 pkey_alloc(flags: HEX, init_val: flags(&file::PKEY)) -> Int).refuse(ENOSPC),
    s!(331 pkey_free(pkey: INT) -> Int).refuse(EINVAL),
    s!(332 statx(dfd: DIRFD, filename: PATH, flags: flags(&at::STATX), mask: flags(&at::STATX_MASK),
        buffer: out_struct(StructId::Statx)) -> Int),
    s!(333 io_pgetevents(ctx_id: HEX, min_nr: LONG, nr: LONG, events: ADDR, timeout: TIME,
        usig: SIGSET_ARG) -> Int)
    .refuse(ENOSYS),
    s!(334 rseq(rseq: ADDR, rseq_len: UINT, flags: HEX, sig: HEX) -> Int).refuse(ENOSYS),
];
