//! Which syscalls are shown: the expressions of strace's `-e trace=`.

use crate::model::{self, Kind, Syscall};
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
    let of = |belongs: &dyn Fn(&Syscall) -> bool| {
        Some(
            model::all()
                .filter(|def| belongs(def))
                .map(|def| def.nr)
                .collect(),
        )
    };
    let takes =
        |def: &Syscall, wanted: fn(&Kind) -> bool| def.args.iter().any(|arg| wanted(&arg.kind));
    match name.strip_prefix('%').unwrap_or(name) {
        "all" => of(&|_| true),
        "none" => Some(Vec::new()),
        "file" => {
            of(
                &|def| {
                    takes(def, |kind| matches!(kind, Kind::Path)) && !NO_FILE.contains(&def.name)
                },
            )
        }
        "desc" => of(&|def| {
            takes(def, |kind| matches!(kind, Kind::Fd | Kind::DirFd))
                || RETURNS_FD.contains(&def.name)
        }),
        "process" => of(&|def| PROCESS.contains(&def.name)),
        "network" | "net" => of(&|def| NETWORK.contains(&def.name)),
        "signal" => of(&|def| SIGNAL.contains(&def.name)),
        "memory" => of(&|def| MEMORY.contains(&def.name)),
        "ipc" => of(&|def| IPC.contains(&def.name)),
        _ => model::by_name(name).map(|def| vec![def.nr]),
    }
}

/// They take strings that are no paths.
const NO_FILE: [&str; 10] = [
    "add_key",
    "request_key",
    "memfd_create",
    "fsopen",
    "fsconfig",
    "mq_open",
    "mq_unlink",
    "fgetxattr",
    "fsetxattr",
    "fremovexattr",
];
const RETURNS_FD: [&str; 11] = [
    "open",
    "creat",
    "epoll_create",
    "epoll_create1",
    "eventfd",
    "eventfd2",
    "pipe",
    "pipe2",
    "memfd_create",
    "socket",
    "timerfd_create",
];
const PROCESS: [&str; 16] = [
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "kill",
    "tkill",
    "tgkill",
    "pidfd_send_signal",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
];
const NETWORK: [&str; 20] = [
    "socket",
    "socketpair",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "send",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendfile",
];
const SIGNAL: [&str; 17] = [
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "rt_sigsuspend",
    "sigaltstack",
    "signalfd",
    "signalfd4",
    "kill",
    "tkill",
    "tgkill",
    "pause",
    "pidfd_send_signal",
    "restart_syscall",
];
const MEMORY: [&str; 24] = [
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "pkey_mprotect",
    "brk",
    "madvise",
    "process_madvise",
    "msync",
    "mincore",
    "mlock",
    "mlock2",
    "mlockall",
    "munlock",
    "munlockall",
    "mbind",
    "set_mempolicy",
    "get_mempolicy",
    "migrate_pages",
    "move_pages",
    "remap_file_pages",
    "shmat",
    "shmdt",
    "mseal",
];
const IPC: [&str; 12] = [
    "shmget",
    "shmat",
    "shmdt",
    "shmctl",
    "semget",
    "semop",
    "semtimedop",
    "semctl",
    "msgget",
    "msgsnd",
    "msgrcv",
    "msgctl",
];

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
        assert!(shown(&["desc"], "read") && !shown(&["desc"], "getpid"));
        assert!(shown(&["read", "%process"], "execve") && shown(&["read", "%process"], "read"));
        assert!(!shown(&["none"], "read") && shown(&["all"], "read"));
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
