//! What is known of descriptors: with which of them the agent may serve calls.

use super::super::error::{RecordError, Step};
use super::super::session::Session;
use super::super::task::SpaceId;
use crate::model::capture::Call;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use agent::layout::{CLASSES, CLASSES_LEN, class};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// What the classes rest on: if it changes, they are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Basis {
    /// How often what is known of files has been forgotten.
    forgotten: u64,
    /// Changes of files matter.
    interesting: bool,
}

/// Descriptors from here on are not served.
const CLASSES_END: i32 = 4096;
const _: () = assert!(CLASSES_END as u64 == CLASSES_LEN);

/// Devices that never wait: null, zero, full, random, urandom.
const PLAIN_DEVICES: [(u32, u32); 5] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)];
/// What is read of them never waits if they do not block.
const ANONYMOUS: [&str; 4] = ["[eventfd]", "[timerfd]", "[signalfd]", "inotify"];

/// What a syscall that has been performed may have changed about descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    /// This one.
    One(i32),
    /// Any.
    All,
    /// They belong to other processes as well, or to this thread only.
    Ownership,
}

fn change(call: &Call, result: i64) -> Change {
    match call.def.name {
        "close" => Change::One(call.int(0)),
        "dup2" | "dup3" => Change::One(call.int(1)),
        "fcntl" if call.int(1) == libc::F_SETFL => Change::All,
        "ioctl" if call.args[1] & 0xffff_ffff == libc::FIONBIO => Change::All,
        "setsockopt" if (call.int(1), call.int(2)) == (libc::SOL_SOCKET, libc::SO_RCVLOWAT) => {
            Change::All
        }
        "unshare" | "setns" => Change::Ownership,
        "close_range" if call.args[2] & 2 != 0 => Change::Ownership,
        "fcntl" | "ioctl" => Change::Nothing,
        name if MAKE_NEW.binary_search(&name).is_ok() => match i32::try_from(result) {
            Ok(fd) if fd >= 0 => Change::One(fd),
            _ => Change::Nothing,
        },
        name if super::super::changes::keeps_descriptors(name) => Change::Nothing,
        name if OTHER.binary_search(&name).is_ok() => Change::Nothing,
        _ => Change::All,
    }
}

/// Syscalls whose result is a new descriptor, sorted.
const MAKE_NEW: &[&str] = &[
    "accept",
    "accept4",
    "creat",
    "dup",
    "epoll_create",
    "epoll_create1",
    "eventfd",
    "eventfd2",
    "inotify_init",
    "inotify_init1",
    "memfd_create",
    "open",
    "openat",
    "openat2",
    "pidfd_getfd",
    "pidfd_open",
    "signalfd",
    "signalfd4",
    "socket",
    "timerfd_create",
];

/// Further frequent syscalls that leave descriptors what they are, sorted.
const OTHER: &[&str] = &[
    "arch_prctl",
    "bind",
    "brk",
    "chdir",
    "chmod",
    "chown",
    "clone",
    "clone3",
    "connect",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fgetxattr",
    "fork",
    "fstatfs",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getpgid",
    "getpgrp",
    "getpriority",
    "getrlimit",
    "getsid",
    "getuid",
    "getxattr",
    "kill",
    "lchown",
    "lgetxattr",
    "link",
    "linkat",
    "listen",
    "mkdir",
    "mkdirat",
    "msync",
    "pipe",
    "pipe2",
    "prctl",
    "prlimit64",
    "readlink",
    "readlinkat",
    "recvmmsg",
    "recvmsg",
    "rename",
    "renameat",
    "renameat2",
    "restart_syscall",
    "rmdir",
    "rseq",
    "rt_sigpending",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sched_getaffinity",
    "set_robust_list",
    "set_tid_address",
    "setitimer",
    "setpgid",
    "setsid",
    "shutdown",
    "sigaltstack",
    "socketpair",
    "statfs",
    "symlink",
    "symlinkat",
    "sync",
    "sysinfo",
    "tgkill",
    "timerfd_settime",
    "times",
    "umask",
    "uname",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimes",
    "vfork",
    "wait4",
    "waitid",
];

impl Session {
    /// A syscall has been performed: what is known of descriptors may be no longer true.
    pub(in super::super) fn descriptors_changed(
        &mut self,
        tid: Pid,
        call: &Call,
        result: i64,
    ) -> Step {
        if self.serving.spaces.is_empty() {
            return Ok(());
        }
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return Ok(());
        };
        match change(call, result) {
            Change::Nothing => Ok(()),
            Change::One(fd) => self.forget_class(tid, space, fd),
            Change::All => self.forget_classes(),
            Change::Ownership => {
                self.turn_off_for_good(space);
                self.update_off(space)
            }
        }
    }

    /// Nothing is known of a descriptor.
    fn forget_class(&mut self, tid: Pid, space: SpaceId, fd: i32) -> Step {
        let placed = self.serving.placed_mut(space);
        match placed {
            // The agent may know it by itself.
            Some(placed) if (0..CLASSES_END).contains(&fd) => {
                placed.classes.remove(&fd);
                tell_class(tid, fd, 0)
            }
            _ => Ok(()),
        }
    }

    /// Nothing is known of any descriptor.
    fn forget_classes(&mut self) -> Step {
        let basis = self.basis();
        let mut spaces: Vec<_> = Vec::new();
        for (space, known) in &mut self.serving.spaces {
            if let Some(placed) = &mut known.agent {
                placed.basis = basis;
                placed.classes.clear();
                spaces.push(*space);
            }
        }
        for space in spaces {
            let Some(tid) = self.somebody_in(space) else {
                continue;
            };
            let nothing = vec![0; usize::try_from(CLASSES_LEN).unwrap_or(0)];
            // Whoever has just been killed needs none.
            let _ = Remote(tid).write(CLASSES, &nothing);
        }
        Ok(())
    }

    fn basis(&self) -> Basis {
        let (forgotten, interesting) = self.memories.descriptor_basis();
        Basis {
            forgotten,
            interesting,
        }
    }

    /// Forgets the classes if what they rest on has changed.
    pub(super) fn check_basis(&mut self) -> Step {
        let basis = self.basis();
        let mut agents = self
            .serving
            .spaces
            .values()
            .filter_map(|space| space.agent.as_ref());
        if agents.any(|placed| placed.basis != basis) {
            self.forget_classes()?;
        }
        Ok(())
    }

    /// A call on a descriptor stopped that could have been served: next time it can.
    pub(super) fn learn_class(&mut self, tid: Pid, space: SpaceId, fd: i32) -> Step {
        let served = (0..CLASSES_END).contains(&fd);
        let known = |placed: &super::Placed| placed.classes.contains_key(&fd);
        if !served || self.serving.placed(space).is_none_or(known) {
            return Ok(());
        }
        let class = self.class_of(tid, fd);
        if let Some(placed) = self.serving.placed_mut(space) {
            placed.classes.insert(fd, class);
        }
        if class == 0 {
            return Ok(());
        }
        tell_class(tid, fd, class)
    }

    fn class_of(&mut self, tid: Pid, fd: i32) -> u8 {
        let path = format!("/proc/{tid}/fd/{fd}");
        let Ok(meta) = std::fs::metadata(&path) else {
            return 0;
        };
        let kind = meta.file_type();
        let moves = class::READ | class::WRITE;
        let known = class::KNOWN | class::CLOSE;
        let copies = if self.is_standard_stream(&meta) {
            0
        } else {
            class::COPIES
        };
        let all = moves | known | copies;
        if kind.is_dir() {
            return class::READ | known;
        }
        if kind.is_file() {
            let process = self.tasks.get(&tid).map_or(tid, |task| task.tgid);
            let plain = self.memories.is_plain(process, tid, fd) && !self.keeps_shared();
            return if plain { all } else { class::READ | known };
        }
        let waits = !nonblocking(tid, fd);
        // What goes to others must not be ahead of the journal with a standby.
        let pipe = if self.network.is_some() {
            0
        } else {
            class::PIPE
        };
        if kind.is_socket() && waits && !reads_at_once(tid, fd) {
            return class::KNOWN;
        }
        if kind.is_socket() {
            let mut class = if waits { all | class::SOCKET } else { all };
            if self.network.is_some() {
                class &= !class::CLOSE;
                // What is sent must not leave before the journal has what led to it: it stops, unless
                // somebody sees to that.
                if !self.arrears.begin() {
                    class &= !class::WRITE;
                }
            }
            return class;
        }
        if kind.is_fifo() {
            return if waits { known | pipe } else { all };
        }
        if kind.is_char_device() {
            let device = (libc::major(meta.rdev()), libc::minor(meta.rdev()));
            return if PLAIN_DEVICES.contains(&device) {
                all
            } else {
                0
            };
        }
        if kind.is_block_device() {
            return 0;
        }
        let Ok(target) = std::fs::read_link(&path) else {
            return 0;
        };
        let name = target.to_string_lossy();
        let Some(name) = name.strip_prefix("anon_inode:") else {
            return 0;
        };
        match ANONYMOUS.contains(&name) {
            true if waits => known | pipe,
            true => all,
            false => known,
        }
    }
}

/// Tells the agent what it may do with a descriptor.
fn tell_class(tid: Pid, fd: i32, class: u8) -> Step {
    let Ok(fd) = u64::try_from(fd) else {
        return Ok(());
    };
    Remote(tid)
        .write(CLASSES + fd, &[class])
        .map_err(RecordError::os("writing to the agent's page"))?;
    Ok(())
}

/// Whether a read from a socket ends with the first bytes that come.
fn reads_at_once(tid: Pid, fd: i32) -> bool {
    let socket = host::duplicate_of(tid, fd);
    socket.is_ok_and(|socket| host::low_water(&socket) == Some(1))
}

/// Whether a descriptor has `O_NONBLOCK`.
fn nonblocking(tid: Pid, fd: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|text| i32::from_str_radix(text.trim(), 8).ok())
        .is_some_and(|flags| flags & libc::O_NONBLOCK != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(MAKE_NEW.is_sorted() && OTHER.is_sorted());
    }
}
