//! What a standby does, besides injecting the recorded result, so that the kernel's state of the
//! replayed processes stays that of the recorded ones. As data: generic code follows it.

use crate::model::capture::Call;

/// What to do when a syscall left in the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shadow {
    /// Nothing: it left no state behind, or its effects are injected.
    Skip,
    /// The same syscall is made, and must give the same result.
    Same,
    /// The same, but the result is not compared: it tells of the machine, not of the process.
    Alike,
    /// The position of a descriptor was moved, if it has one here: argument 0.
    Seek,
    /// A directory was listed: argument 0.
    List,
    /// Bytes were taken from a descriptor: argument 0.
    Take,
    /// Bytes were put into a descriptor: argument 0.
    Put,
    /// Bytes went from one descriptor to another inside the kernel: arguments `to`, `from`, and
    /// the one with the address of an offset in `from`.
    Copy {
        /// The descriptor written to.
        to: usize,
        /// The descriptor read from.
        from: usize,
        /// The argument with the address of the offset to read from, if it is not the
        /// descriptor's own.
        offset: usize,
    },
    /// What is in a pipe was put into another one, too.
    Tee,
    /// A connection was taken from a listening socket.
    Accept,
    /// A socket was connected.
    Connect,
    /// One side of a connection was ended.
    Shutdown,
    /// A socket was asked for its error.
    AskError,
    /// A semaphore or a message queue was used.
    Queue,
    /// An epoll set was changed.
    Watch,
    /// An epoll set was asked.
    Watched,
    /// A dead child was waited for.
    Wait,
    /// A file was opened.
    Open,
    /// The application was told of a file.
    Tell,
    /// The timer of the process was set.
    Alarm,
    /// A timer with a number was made.
    TimerMade,
    /// It was set, or deleted.
    TimerChanged,
    /// A signal was sent.
    Signal,
    /// A signal was waited for.
    AwaitSignal,
    /// Cannot be protected yet.
    Refuse,
}

/// Which calls of a syscall an entry is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    Always,
    /// The argument with this index, as an `int`, has one of these values.
    Arg(usize, &'static [i32]),
    /// The argument with this index is not 0.
    Given(usize),
}

impl When {
    pub(super) fn fits(self, call: &Call) -> bool {
        match self {
            Self::Always => true,
            Self::Arg(index, values) => values.contains(&call.int(index)),
            Self::Given(index) => call.args[index] != 0,
        }
    }
}

struct Entry(&'static str, When, Shadow);

const fn same(name: &'static str) -> Entry {
    Entry(name, When::Always, Shadow::Same)
}

const fn entry(name: &'static str, shadow: Shadow) -> Entry {
    Entry(name, When::Always, shadow)
}

const FCNTL: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_SETFD,
    libc::F_SETFL,
    libc::F_SETOWN,
    libc::F_SETLK,
    libc::F_SETLKW,
    libc::F_OFD_SETLK,
    libc::F_OFD_SETLKW,
    libc::F_SETPIPE_SZ,
    libc::F_ADD_SEALS,
    libc::F_SETLEASE,
    libc::F_NOTIFY,
    F_SETSIG,
    F_SETOWN_EX,
];
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

/// `ioctl` requests that change a descriptor or a file (include/uapi/asm-generic/ioctls.h,
/// include/uapi/linux/fs.h). `int`, as the kernel takes them.
const IOCTL: &[i32] = &[
    0x5421,      // FIONBIO
    0x5451,      // FIOCLEX
    0x5450,      // FIONCLEX
    0x5452,      // FIOASYNC
    0x4004_9409, // FICLONE
    0x4020_940d, // FICLONERANGE
    0x4008_6602, // FS_IOC_SETFLAGS
];

/// `ioctl` requests with which an application begins to be a terminal, or has one
/// (include/uapi/asm-generic/ioctls.h).
const TERMINAL: &[i32] = &[
    0x4004_5431, // TIOCSPTLCK
    0x540e,      // TIOCSCTTY
    0x5422,      // TIOCNOTTY
];

const PRCTL: &[i32] = &[
    libc::PR_SET_NAME,
    libc::PR_SET_PDEATHSIG,
    libc::PR_SET_KEEPCAPS,
    libc::PR_SET_CHILD_SUBREAPER,
    libc::PR_CAPBSET_DROP,
    libc::PR_SET_SECUREBITS,
    libc::PR_SET_NO_NEW_PRIVS,
    libc::PR_SET_TIMERSLACK,
    libc::PR_SET_THP_DISABLE,
    libc::PR_CAP_AMBIENT,
];

/// Control operations that change a set of semaphores, and a message queue.
const SEMCTL: &[i32] = &[libc::IPC_RMID, libc::IPC_SET, libc::SETVAL, libc::SETALL];
const MSGCTL: &[i32] = &[libc::IPC_RMID, libc::IPC_SET];

/// Everything that is not here is skipped.
const TABLE: &[Entry] = &[
    // Descriptors.
    entry("open", Shadow::Open),
    entry("openat", Shadow::Open),
    same("openat2"),
    entry("stat", Shadow::Tell),
    entry("lstat", Shadow::Tell),
    entry("fstat", Shadow::Tell),
    entry("newfstatat", Shadow::Tell),
    entry("statx", Shadow::Tell),
    same("creat"),
    same("close"),
    same("close_range"),
    same("dup"),
    same("dup2"),
    same("dup3"),
    Entry("fcntl", When::Arg(1, FCNTL), Shadow::Same),
    Entry("ioctl", When::Arg(1, IOCTL), Shadow::Same),
    Entry("ioctl", When::Arg(1, TERMINAL), Shadow::Refuse),
    same("flock"),
    same("pipe"),
    same("pipe2"),
    entry("lseek", Shadow::Seek),
    entry("getdents", Shadow::List),
    entry("getdents64", Shadow::List),
    same("memfd_create"),
    same("eventfd"),
    same("eventfd2"),
    same("epoll_create"),
    same("epoll_create1"),
    entry("epoll_ctl", Shadow::Watch),
    entry("epoll_wait", Shadow::Watched),
    entry("epoll_pwait", Shadow::Watched),
    entry("epoll_pwait2", Shadow::Watched),
    same("signalfd"),
    same("signalfd4"),
    same("timerfd_create"),
    same("timerfd_settime"),
    same("inotify_init"),
    same("inotify_init1"),
    same("inotify_add_watch"),
    same("inotify_rm_watch"),
    same("pidfd_open"),
    // Sockets.
    same("socket"),
    same("socketpair"),
    same("bind"),
    same("listen"),
    same("setsockopt"),
    entry("accept", Shadow::Accept),
    entry("accept4", Shadow::Accept),
    entry("connect", Shadow::Connect),
    entry("shutdown", Shadow::Shutdown),
    Entry(
        "getsockopt",
        When::Arg(2, &[libc::SO_ERROR]),
        Shadow::AskError,
    ),
    // Bytes.
    entry("read", Shadow::Take),
    entry("readv", Shadow::Take),
    entry("recvfrom", Shadow::Take),
    entry("recvmsg", Shadow::Take),
    entry("recvmmsg", Shadow::Take),
    entry("write", Shadow::Put),
    entry("writev", Shadow::Put),
    entry("sendto", Shadow::Put),
    entry("sendmsg", Shadow::Put),
    entry("sendmmsg", Shadow::Put),
    same("pwrite64"),
    same("pwritev"),
    same("pwritev2"),
    entry(
        "sendfile",
        Shadow::Copy {
            to: 0,
            from: 1,
            offset: 2,
        },
    ),
    entry(
        "splice",
        Shadow::Copy {
            to: 2,
            from: 0,
            offset: 1,
        },
    ),
    entry(
        "copy_file_range",
        Shadow::Copy {
            to: 2,
            from: 0,
            offset: 1,
        },
    ),
    entry("tee", Shadow::Tee),
    entry("vmsplice", Shadow::Put),
    // Files.
    same("mkdir"),
    same("mkdirat"),
    same("rmdir"),
    same("unlink"),
    same("unlinkat"),
    same("rename"),
    same("renameat"),
    same("renameat2"),
    same("link"),
    same("linkat"),
    same("symlink"),
    same("symlinkat"),
    same("chmod"),
    same("fchmod"),
    same("fchmodat"),
    same("fchmodat2"),
    same("chown"),
    same("fchown"),
    same("lchown"),
    same("fchownat"),
    same("utime"),
    same("utimes"),
    same("utimensat"),
    same("futimesat"),
    same("truncate"),
    same("ftruncate"),
    same("fallocate"),
    same("mknod"),
    same("mknodat"),
    same("setxattr"),
    same("lsetxattr"),
    same("fsetxattr"),
    same("removexattr"),
    same("lremovexattr"),
    same("fremovexattr"),
    same("chdir"),
    same("fchdir"),
    same("chroot"),
    same("umask"),
    // The process.
    entry("kill", Shadow::Signal),
    entry("tkill", Shadow::Signal),
    entry("tgkill", Shadow::Signal),
    entry("rt_sigqueueinfo", Shadow::Signal),
    entry("rt_tgsigqueueinfo", Shadow::Signal),
    entry("pidfd_send_signal", Shadow::Signal),
    entry("rt_sigtimedwait", Shadow::AwaitSignal),
    same("rt_sigaction"),
    same("rt_sigprocmask"),
    same("sigaltstack"),
    same("set_tid_address"),
    same("set_robust_list"),
    same("setuid"),
    same("setgid"),
    same("setreuid"),
    same("setregid"),
    same("setresuid"),
    same("setresgid"),
    same("setgroups"),
    same("setfsuid"),
    same("setfsgid"),
    same("setpgid"),
    same("setsid"),
    same("setrlimit"),
    Entry("prlimit64", When::Given(2), Shadow::Same),
    same("setpriority"),
    same("sched_setscheduler"),
    same("sched_setparam"),
    same("sched_setattr"),
    same("capset"),
    Entry("prctl", When::Arg(0, PRCTL), Shadow::Same),
    same("ioprio_set"),
    entry("personality", Shadow::Alike),
    same("mseal"),
    same("mlock"),
    same("mlock2"),
    same("munlock"),
    same("mlockall"),
    same("munlockall"),
    same("membarrier"),
    same("sethostname"),
    same("setdomainname"),
    entry("wait4", Shadow::Wait),
    entry("waitid", Shadow::Wait),
    // Timers: they run from now on here, too.
    entry("timer_create", Shadow::TimerMade),
    entry("timer_delete", Shadow::TimerChanged),
    entry("timer_settime", Shadow::TimerChanged),
    entry("setitimer", Shadow::Alarm),
    entry("alarm", Shadow::Alarm),
    // System V objects.
    same("shmget"),
    same("shmctl"),
    same("semget"),
    same("msgget"),
    Entry("semctl", When::Arg(2, SEMCTL), Shadow::Same),
    Entry("msgctl", When::Arg(1, MSGCTL), Shadow::Same),
    entry("semop", Shadow::Queue),
    entry("semtimedop", Shadow::Queue),
    entry("msgsnd", Shadow::Queue),
    entry("msgrcv", Shadow::Queue),
    // POSIX queues.
    same("mq_open"),
    same("mq_unlink"),
    same("mq_notify"),
    Entry("mq_getsetattr", When::Given(1), Shadow::Same),
    entry("mq_timedsend", Shadow::Queue),
    entry("mq_timedreceive", Shadow::Queue),
    // Rules that the application gives itself.
    same("landlock_create_ruleset"),
    same("landlock_add_rule"),
    same("landlock_restrict_self"),
    // Filters and namespaces of the application's own.
    Entry(
        "prctl",
        When::Arg(0, &[libc::PR_SET_SECCOMP]),
        Shadow::Refuse,
    ),
    entry("seccomp", Shadow::Refuse),
    entry("unshare", Shadow::Refuse),
    entry("setns", Shadow::Refuse),
    entry("mount", Shadow::Refuse),
    entry("umount2", Shadow::Refuse),
    entry("pivot_root", Shadow::Refuse),
];

/// What a standby does for a syscall that succeeded.
#[must_use]
pub fn of(call: &Call) -> Shadow {
    TABLE
        .iter()
        .find(|Entry(name, when, _)| *name == call.def.name && when.fits(call))
        .map_or(Shadow::Skip, |Entry(.., shadow)| *shadow)
}

/// Whether a call takes bytes from the descriptor that is its argument 0.
#[must_use]
pub fn is_taking(call: &Call) -> bool {
    matches!(of(call), Shadow::Take | Shadow::Copy { from: 0, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn every_entry_names_a_syscall() {
        for Entry(name, ..) in TABLE {
            assert!(model::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn sub_commands_are_told_apart() {
        let of = |name: &str, args: [u64; 6]| {
            let def = model::by_name(name).expect("a syscall");
            super::of(&Call { def, args })
        };
        assert_eq!(of("getpid", [0; 6]), Shadow::Skip);
        assert_eq!(of("fcntl", [3, 3, 0, 0, 0, 0]), Shadow::Skip);
        assert_eq!(of("fcntl", [3, 4, 0, 0, 0, 0]), Shadow::Same);
        assert_eq!(of("prlimit64", [0; 6]), Shadow::Skip);
        assert_eq!(of("ioctl", [3, 0x5421, 0, 0, 0, 0]), Shadow::Same);
    }
}
