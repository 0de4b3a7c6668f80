//! Syscalls 0 to 99.

use super::dsl::*;
use crate::model::names::{at, fcntl, file, fs, ipc, machine, mman, net, sched, signals, timer};
use crate::model::sub;
use crate::model::types::{
    Dir, FileChange, Handler, Kind, Shape, Size, StructId, Sub, Syscall, Unknown,
};

/// Bytes written at a descriptor's position.
const WRITES: FileChange = FileChange::Write {
    fd: 0,
    offset: None,
};
/// An `fd_set` of as many bits as argument 0 says.
const FD_SET: Kind = inout_mem(Size::Bits { index: 0 }, Shape::Struct(StructId::FdSet));
/// `socklen_t *`: how much room there is, and how much there was to say.
const SOCKLEN: Kind = inout_struct(StructId::Socklen).on_error();
/// Signal set whose size argument `size` says.
const fn sigset(dir: Dir, size: u8) -> Kind {
    let shape = Shape::Struct(StructId::Sigset);
    match dir {
        Dir::In => in_mem(count(size, 1), shape),
        Dir::Out | Dir::InOut => out_mem(count(size, 1), shape),
    }
}

/// A socket's protocol, by its family.
static PROTOCOL: Sub = sub_by(
    0,
    &[
        cmd(2, "AF_INET", choice(&net::IPPROTO)),
        cmd(10, "AF_INET6", choice(&net::IPPROTO)),
        cmd(16, "AF_NETLINK", choice(&net::NETLINK)),
    ],
)
.otherwise(Unknown::As(&INT));

/// `O_CREAT`.
const CREAT: u64 = 0o100;
/// `O_TMPFILE` without the `O_DIRECTORY` in it.
const TMPFILE: u64 = 0o20_000_000;

/// The mode of `open`: only looked at when a file is created.
static OPEN_MODE: Sub = sub_by(
    1,
    &[
        cmd(0, "O_RDONLY", UNUSED),
        cmd(CREAT, "O_CREAT", MODE),
        cmd(TMPFILE, "O_TMPFILE", MODE),
        cmd(CREAT | TMPFILE, "O_CREAT|O_TMPFILE", MODE),
    ],
)
.masked(CREAT | TMPFILE);

/// The entries.
pub static TABLE: &[Syscall] = &[
    s!(0 read(fd: FD, buf: out_ret(2), count: ULONG) -> Int).waits(),
    s!(1 write(fd: FD, buf: in_buf(2), count: ULONG) -> Int).waits().changes(WRITES),
    s!(2 open(filename: PATH, flags: flags(&fcntl::OPEN), mode: sub(&OPEN_MODE)) -> Fd)
        .waits()
        .changes(FileChange::Length),
    s!(3 close(fd: FD) -> Int).waits().by(Handler::Descriptors),
    s!(4 stat(filename: PATH, statbuf: out_struct(StructId::Stat)) -> Int),
    s!(5 fstat(fd: FD, statbuf: out_struct(StructId::Stat)) -> Int),
    s!(6 lstat(filename: PATH, statbuf: out_struct(StructId::Stat)) -> Int),
    // It clears what it returns also when a signal interrupts it.
    s!(7 poll(ufds: inout_array(StructId::Pollfd, 1).on_error(), nfds: UINT, timeout: INT) -> Int)
        .waits(),
    s!(8 lseek(fd: FD, offset: LONG, whence: choice(&fs::WHENCE)) -> Int),
    s!(9 mmap(addr: ADDR, len: ULONG, prot: flags(&mman::PROT), flags: flags(&mman::MAP),
        fd: FD, off: HEX) -> Hex)
    .by(Handler::Mmap),
    s!(10 mprotect(start: ADDR, len: ULONG, prot: flags(&mman::PROT)) -> Int).by(Handler::Mprotect),
    s!(11 munmap(addr: ADDR, len: ULONG) -> Int).by(Handler::Munmap),
    s!(12 brk(brk: ADDR) -> Hex).by(Handler::Brk),
    s!(13 rt_sigaction(sig: SIGNAL, act: in_struct(StructId::Sigaction),
        oact: out_struct(StructId::Sigaction), sigsetsize: ULONG) -> Int),
    s!(14 rt_sigprocmask(how: choice(&signals::HOW), nset: sigset(Dir::In, 3),
        oset: sigset(Dir::Out, 3), sigsetsize: ULONG) -> Int),
    s!(15 rt_sigreturn() -> Int).by(Handler::Sigreturn),
    s!(16 ioctl(fd: FD, cmd: HEX, arg: sub(&sub::ioctl::ARG)) -> Sub),
    s!(17 pread64(fd: FD, buf: out_ret(2), count: ULONG, pos: LONG) -> Int).waits(),
    s!(18 pwrite64(fd: FD, buf: in_buf(2), count: ULONG, pos: LONG) -> Int)
        .waits()
        .changes(FileChange::Write { fd: 0, offset: Some(3) }),
    s!(19 readv(fd: FD, vec: out_iovec(2), vlen: UINT) -> Int).waits(),
    s!(20 writev(fd: FD, vec: in_iovec(2), vlen: UINT) -> Int).waits().changes(WRITES),
    s!(21 access(filename: PATH, mode: flags(&at::ACCESS_MODE)) -> Int),
    s!(22 pipe(fildes: out_n(StructId::Fd, 2)) -> Int),
    s!(23 select(n: INT, inp: FD_SET, outp: FD_SET, exp: FD_SET,
        tvp: inout_struct(StructId::Timeval).on_error()) -> Int)
    .waits(),
    // It waits for nobody, yet who calls it wants others to run.
    s!(24 sched_yield() -> Int).waits().by(Handler::Yield),
    s!(25 mremap(addr: ADDR, old_len: ULONG, new_len: ULONG, flags: flags(&mman::MREMAP),
        new_addr: ADDR) -> Hex)
    .by(Handler::Mremap),
    s!(26 msync(start: ADDR, len: ULONG, flags: flags(&mman::MSYNC)) -> Int).waits(),
    s!(27 mincore(start: ADDR, len: ULONG,
        vec: out_mem(Size::Pages { index: 1 }, Shape::Bytes).on_error()) -> Int),
    s!(28 madvise(start: ADDR, len: ULONG, behavior: choice(&mman::MADVISE)) -> Int)
        .by(Handler::Madvise),
    s!(29 shmget(key: HEX, size: ULONG, shmflg: flags(&ipc::SHM_GET)) -> Int),
    s!(30 shmat(shmid: INT, shmaddr: ADDR, shmflg: flags(&ipc::SHM_AT)) -> Hex).by(Handler::Shmat),
    s!(31 shmctl(shmid: INT, cmd: INT, buf: sub(&sub::ipc::SHMCTL)) -> Int),
    s!(32 dup(fildes: FD) -> Fd).by(Handler::Descriptors),
    s!(33 dup2(oldfd: FD, newfd: FD) -> Fd).waits().by(Handler::Descriptors),
    s!(34 pause() -> Int).waits(),
    s!(35 nanosleep(rqtp: in_struct(StructId::Timespec),
        rmtp: out_struct(StructId::Timespec).on_error()) -> Int)
    .waits(),
    s!(36 getitimer(which: choice(&timer::ITIMER), value: out_struct(StructId::Itimerval)) -> Int),
    s!(37 alarm(seconds: UINT) -> Int),
    s!(38 setitimer(which: choice(&timer::ITIMER), value: in_struct(StructId::Itimerval),
        ovalue: out_struct(StructId::Itimerval)) -> Int),
    s!(39 getpid() -> Int),
    // The offset is stored whatever the result.
    s!(40 sendfile(out_fd: FD, in_fd: FD, offset: inout_struct(StructId::Offset).on_error(),
        count: ULONG) -> Int)
    .waits()
    .changes(WRITES),
    s!(41 socket(family: choice(&net::FAMILY), type: flags(&net::SOCK_TYPE),
        protocol: sub(&PROTOCOL)) -> Fd),
    s!(42 connect(fd: FD, uservaddr: in_sockaddr(2), addrlen: INT) -> Int).waits(),
    s!(43 accept(fd: FD, upeer_sockaddr: out_sockaddr(2), upeer_addrlen: SOCKLEN) -> Fd).waits(),
    s!(44 sendto(fd: FD, buff: in_buf(2), len: ULONG, flags: flags(&net::MSG),
        addr: in_sockaddr(5), addr_len: INT) -> Int)
    .waits(),
    s!(45 recvfrom(fd: FD, ubuf: out_ret(2), size: ULONG, flags: flags(&net::MSG),
        addr: out_sockaddr(5), addr_len: SOCKLEN) -> Int)
    .waits(),
    s!(46 sendmsg(fd: FD, msg: Kind::Msghdr { dir: Dir::In }, flags: flags(&net::MSG)) -> Int)
        .waits(),
    s!(47 recvmsg(fd: FD, msg: Kind::Msghdr { dir: Dir::Out }, flags: flags(&net::MSG)) -> Int)
        .waits(),
    s!(48 shutdown(fd: FD, how: choice(&net::SHUT)) -> Int),
    s!(49 bind(fd: FD, umyaddr: in_sockaddr(2), addrlen: INT) -> Int),
    s!(50 listen(fd: FD, backlog: INT) -> Int),
    s!(51 getsockname(fd: FD, usockaddr: out_sockaddr(2), usockaddr_len: SOCKLEN) -> Int),
    s!(52 getpeername(fd: FD, usockaddr: out_sockaddr(2), usockaddr_len: SOCKLEN) -> Int),
    // The numbers are stored before it turns out that a family has no pairs.
    s!(53 socketpair(family: choice(&net::FAMILY), type: flags(&net::SOCK_TYPE),
        protocol: sub(&PROTOCOL), usockvec: out_n(StructId::Fd, 2).on_error()) -> Int),
    s!(54 setsockopt(fd: FD, level: INT, optname: INT, optval: sub(&sub::sockopt::SET),
        optlen: INT) -> Int),
    s!(55 getsockopt(fd: FD, level: INT, optname: INT, optval: sub(&sub::sockopt::GET),
        optlen: SOCKLEN) -> Int),
    // The parent's word gets the thread id, or the pidfd; the child's is the handler's.
    s!(56 clone(clone_flags: flags(&sched::CLONE), newsp: ADDR,
        parent_tidptr: out_struct(StructId::Int), child_tidptr: ADDR, tls: ADDR) -> Int)
    .waits()
    .by(Handler::Clone),
    s!(57 fork() -> Int).by(Handler::Clone),
    s!(58 vfork() -> Int).waits().by(Handler::Clone),
    s!(59 execve(filename: PATH, argv: STRINGS, envp: STRINGS) -> Int).waits().by(Handler::Exec),
    s!(60 exit(error_code: INT) -> Never).by(Handler::Exit),
    s!(61 wait4(upid: PID, stat_addr: out_struct(StructId::WaitStatus),
        options: flags(&sched::WAIT), ru: out_struct(StructId::Rusage)) -> Int)
    .waits(),
    s!(62 kill(pid: PID, sig: SIGNAL) -> Int),
    s!(63 uname(name: out_struct(StructId::Utsname)) -> Int),
    s!(64 semget(key: HEX, nsems: INT, semflg: flags(&ipc::IPC)) -> Int),
    s!(65 semop(semid: INT, tsops: in_array(StructId::Sembuf, 2), nsops: UINT) -> Int).waits(),
    s!(66 semctl(semid: INT, semnum: INT, cmd: INT, arg: sub(&sub::ipc::SEMCTL)) -> Int),
    s!(67 shmdt(shmaddr: ADDR) -> Int).by(Handler::Shmdt),
    s!(68 msgget(key: HEX, msgflg: flags(&ipc::IPC)) -> Int),
    s!(69 msgsnd(msqid: INT,
        msgp: in_mem(Size::ArgPlus { index: 2, plus: 8 }, Shape::Struct(StructId::Msgbuf)),
        msgsz: ULONG, msgflg: flags(&ipc::MSG)) -> Int)
    .waits(),
    s!(70 msgrcv(msqid: INT,
        msgp: out_mem(Size::RetPlus { max: 2, plus: 8 }, Shape::Struct(StructId::Msgbuf)),
        msgsz: ULONG, msgtyp: LONG, msgflg: flags(&ipc::MSG)) -> Int)
    .waits(),
    s!(71 msgctl(msqid: INT, cmd: INT, buf: sub(&sub::ipc::MSGCTL)) -> Int),
    s!(72 fcntl(fd: FD, cmd: HEX, arg: sub(&sub::fcntl::ARG)) -> Sub),
    s!(73 flock(fd: FD, cmd: flags(&file::LOCK)) -> Int).waits(),
    // These wait for the disk only, but long enough for others to run meanwhile.
    s!(74 fsync(fd: FD) -> Int).waits(),
    s!(75 fdatasync(fd: FD) -> Int).waits(),
    s!(76 truncate(path: PATH, length: LONG) -> Int).changes(FileChange::Length),
    s!(77 ftruncate(fd: FD, length: LONG) -> Int).changes(FileChange::Length),
    s!(78 getdents(fd: FD, dirent: out_mem(result(2, 1), Shape::Array(StructId::Dirent)),
        count: UINT) -> Int),
    s!(79 getcwd(buf: out_mem(result(1, 1), Shape::Text), size: ULONG) -> Int),
    s!(80 chdir(filename: PATH) -> Int),
    s!(81 fchdir(fd: FD) -> Int),
    s!(82 rename(oldname: PATH, newname: PATH) -> Int),
    s!(83 mkdir(pathname: PATH, mode: MODE) -> Int),
    s!(84 rmdir(pathname: PATH) -> Int),
    s!(85 creat(pathname: PATH, mode: MODE) -> Fd).waits().changes(FileChange::Length),
    s!(86 link(oldname: PATH, newname: PATH) -> Int),
    s!(87 unlink(pathname: PATH) -> Int),
    s!(88 symlink(oldname: PATH, newname: PATH) -> Int),
    s!(89 readlink(path: PATH, buf: out_mem(result(2, 1), Shape::Text), bufsiz: UINT) -> Int),
    s!(90 chmod(filename: PATH, mode: MODE) -> Int),
    s!(91 fchmod(fd: FD, mode: MODE) -> Int),
    s!(92 chown(filename: PATH, user: ID, group: ID) -> Int),
    s!(93 fchown(fd: FD, user: ID, group: ID) -> Int),
    s!(94 lchown(filename: PATH, user: ID, group: ID) -> Int),
    s!(95 umask(mask: MODE) -> Octal),
    s!(96 gettimeofday(tv: out_struct(StructId::Timeval), tz: out_struct(StructId::Timezone)) -> Int).by(Handler::Clock),
    s!(97 getrlimit(resource: choice(&sched::RLIMIT), rlim: out_struct(StructId::Rlimit)) -> Int),
    s!(98 getrusage(who: choice(&machine::RUSAGE), ru: out_struct(StructId::Rusage)) -> Int),
    s!(99 sysinfo(info: out_struct(StructId::Sysinfo)) -> Int),
];
