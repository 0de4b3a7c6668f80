//! Which syscalls are shown: the expressions of strace's `-e trace=`.

use crate::model;
use std::collections::HashSet;
use thiserror::Error;

/// Which syscalls are shown.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those shown; `None`: all.
    wanted: Option<HashSet<u32>>,
}

/// An expression that names no syscall.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no syscall and no class of syscalls")]
pub struct FilterError(String);

impl Filter {
    /// Reads `[trace=][!]NAME,…`, in which `%file` and the like stand for many. Several
    /// expressions show what any of them shows.
    ///
    /// # Errors
    ///
    /// A name that is no syscall's.
    pub fn parse<'e>(expressions: impl IntoIterator<Item = &'e str>) -> Result<Self, FilterError> {
        let mut wanted: Option<HashSet<u32>> = None;
        for expression in expressions {
            let names = ["trace=", "t="]
                .iter()
                .find_map(|prefix| expression.strip_prefix(prefix))
                .unwrap_or(expression);
            let (names, negated) = match names.strip_prefix('!') {
                Some(names) => (names, true),
                None => (names, false),
            };
            let mut set = HashSet::new();
            for name in names.split(',').filter(|name| !name.is_empty()) {
                set.extend(numbers(name).ok_or_else(|| FilterError(name.to_owned()))?);
            }
            if negated {
                set = model::all()
                    .map(|def| def.nr)
                    .filter(|nr| !set.contains(nr))
                    .collect();
            }
            wanted.get_or_insert_default().extend(set);
        }
        Ok(Self { wanted })
    }

    /// Whether calls of this number are shown.
    #[must_use]
    pub fn shows(&self, nr: u32) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&nr))
    }
}

fn numbers(name: &str) -> Option<Vec<u32>> {
    let of = |names: &str| {
        let known = names.split_whitespace().filter_map(model::by_name);
        Some(known.map(|def| def.nr).collect())
    };
    let Some(class) = name.strip_prefix('%') else {
        return match name {
            "all" => Some(model::all().map(|def| def.nr).collect()),
            "none" => Some(Vec::new()),
            // As they were written before they got their `%`.
            "file" | "desc" | "memory" | "process" | "network" | "signal" | "ipc" => {
                numbers(&format!("%{name}"))
            }
            _ => model::by_name(name).map(|def| vec![def.nr]),
        };
    };
    match class {
        "file" => of(FILE),
        "desc" => of(DESC),
        "memory" => of(MEMORY),
        "process" => of(PROCESS),
        "network" | "net" => of(NETWORK),
        "signal" => of(SIGNAL),
        "ipc" => of(IPC),
        "clock" => of(CLOCK),
        "creds" => of(CREDS),
        "pure" => of("getegid geteuid getgid getpgrp getpid getppid gettid getuid"),
        "stat" => of("stat"),
        "lstat" => of("lstat"),
        "fstat" => of("fstat newfstatat statx"),
        "%stat" => of("stat lstat fstat newfstatat statx"),
        "statfs" => of("statfs"),
        "fstatfs" => of("fstatfs"),
        "%statfs" => of("statfs fstatfs ustat"),
        _ => None,
    }
}

// The classes are strace's, with its oddities, and what has come to Linux since.
const FILE: &str = "\
    access acct chdir chmod chown chroot creat execve execveat faccessat faccessat2 \
    fanotify_mark fchmodat fchmodat2 fchownat file_getattr file_setattr fsconfig fspick \
    futimesat getcwd getxattr getxattrat inotify_add_watch lchown lgetxattr link linkat \
    listxattr listxattrat llistxattr lremovexattr lsetxattr lstat mkdir mkdirat mknod \
    mknodat mount mount_setattr move_mount name_to_handle_at newfstatat open open_tree \
    open_tree_attr openat openat2 pivot_root quotactl readlink readlinkat removexattr \
    removexattrat rename renameat renameat2 rmdir setxattr setxattrat stat statfs statx \
    swapoff swapon symlink symlinkat truncate umount2 unlink unlinkat uselib utime \
    utimensat utimes";
const DESC: &str = "\
    bpf cachestat close copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 \
    epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execveat faccessat \
    faccessat2 fadvise64 fallocate fanotify_init fanotify_mark fchdir fchmod fchmodat \
    fchmodat2 fchown fchownat fcntl fdatasync fgetxattr file_getattr file_setattr \
    finit_module flistxattr flock fremovexattr fsconfig fsetxattr fsmount fsopen fspick \
    fstat fstatfs fsync ftruncate futimesat getdents getdents64 getxattrat \
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_uring_enter \
    io_uring_register io_uring_setup ioctl kexec_file_load landlock_add_rule \
    landlock_create_ruleset landlock_restrict_self linkat listxattrat lseek memfd_create \
    memfd_secret mkdirat mknodat mmap mount_setattr move_mount mq_getsetattr mq_notify \
    mq_open mq_timedreceive mq_timedsend name_to_handle_at newfstatat open \
    open_by_handle_at open_tree open_tree_attr openat openat2 perf_event_open \
    pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 poll ppoll pread64 preadv \
    preadv2 process_madvise process_mrelease pselect6 pwrite64 pwritev pwritev2 \
    quotactl_fd read readahead readlinkat readv removexattrat renameat renameat2 select \
    sendfile setns setxattrat signalfd signalfd4 splice statx symlinkat sync_file_range \
    syncfs tee timerfd_create timerfd_gettime timerfd_settime unlinkat userfaultfd \
    utimensat vmsplice write writev";
const MEMORY: &str = "\
    brk get_mempolicy io_destroy io_setup io_uring_register madvise map_shadow_stack \
    mbind migrate_pages mincore mlock mlock2 mlockall mmap move_pages mprotect mremap \
    mseal msync munlock munlockall munmap pkey_mprotect remap_file_pages set_mempolicy \
    set_mempolicy_home_node shmat shmdt";
const PROCESS: &str = "\
    clone clone3 execve execveat exit exit_group fork kill pidfd_send_signal \
    rt_sigqueueinfo rt_tgsigqueueinfo tgkill tkill vfork wait4 waitid";
const NETWORK: &str = "\
    accept accept4 bind connect getpeername getpmsg getsockname getsockopt listen \
    putpmsg recvfrom recvmmsg recvmsg sendfile sendmmsg sendmsg sendto setsockopt \
    shutdown socket socketpair";
const SIGNAL: &str = "\
    io_uring_enter kill pause pidfd_send_signal rt_sigaction rt_sigpending \
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait \
    rt_tgsigqueueinfo sigaltstack signalfd signalfd4 tgkill tkill";
const IPC: &str = "\
    msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget";
const CLOCK: &str = "\
    adjtimex clock_adjtime clock_getres clock_gettime clock_settime gettimeofday \
    settimeofday time";
const CREDS: &str = "\
    capget capset getegid geteuid getgid getgroups getresgid getresuid getuid prctl \
    setfsgid setfsuid setgid setgroups setregid setresgid setresuid setreuid setuid";

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expressions: &[&str], name: &str) -> bool {
        let filter = Filter::parse(expressions.iter().copied()).expect("a valid expression");
        filter.shows(model::by_name(name).expect("a syscall").nr)
    }

    #[test]
    fn names_and_classes() {
        assert!(shown(&[], "read"));
        assert!(shown(&["trace=read,write"], "read") && !shown(&["trace=read,write"], "close"));
        assert!(shown(&["!read"], "close") && !shown(&["trace=!read"], "read"));
        assert!(shown(&["%file"], "openat") && !shown(&["%file"], "read"));
        assert!(shown(&["%file"], "getcwd") && !shown(&["%desc"], "socket"));
        assert!(shown(&["%%stat"], "statx") && shown(&["%creds"], "setuid"));
        assert!(shown(&["desc"], "read") && !shown(&["desc"], "getpid"));
        assert!(shown(&["read", "%process"], "execve") && shown(&["read", "%process"], "read"));
        assert!(!shown(&["none"], "read") && shown(&["all"], "read"));
    }

    #[test]
    fn classes_are_of_syscalls() {
        let lists = [
            FILE, DESC, MEMORY, PROCESS, NETWORK, SIGNAL, IPC, CLOCK, CREDS,
        ];
        for name in lists.into_iter().flat_map(str::split_whitespace) {
            assert!(model::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let error = Filter::parse(["trace=read,foo"]).expect_err("no such syscall");
        assert_eq!(
            error.to_string(),
            "`foo` is no syscall and no class of syscalls"
        );
    }
}
