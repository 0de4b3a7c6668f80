//! Syscalls that change storage that both nodes reach. What they do there outlives this node, as
//! what is sent does: none begins before the standby has the journal up to it. So a standby that
//! takes over finds on the storage what its journal says, but for the syscalls that threads stand in.

use super::error::{RecordError, Step};
use super::session::Session;
use super::tree::Keep;
use crate::model::capture::Call;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::Pid;
use std::time::Duration;

/// How long to wait before looking whether another node goes on with the application.
const PATIENCE: Duration = Duration::from_millis(100);

/// What tells whether a syscall changes shared storage.
#[derive(Debug, Clone, Copy)]
enum By {
    /// The descriptor in this argument.
    Fd(usize),
    /// Flags in this argument: it opens by a path, and makes or empties a file.
    Flags(usize),
    /// Nothing: it changes files by path, which are seldom enough not to look where it leads.
    Path,
}

const TABLE: &[(&str, By)] = &[
    ("write", By::Fd(0)),
    ("writev", By::Fd(0)),
    ("pwrite64", By::Fd(0)),
    ("pwritev", By::Fd(0)),
    ("pwritev2", By::Fd(0)),
    ("sendfile", By::Fd(0)),
    ("splice", By::Fd(2)),
    ("copy_file_range", By::Fd(2)),
    ("ftruncate", By::Fd(0)),
    ("fallocate", By::Fd(0)),
    ("fchmod", By::Fd(0)),
    ("fchown", By::Fd(0)),
    ("fsetxattr", By::Fd(0)),
    ("fremovexattr", By::Fd(0)),
    ("ioctl", By::Fd(0)),
    ("open", By::Flags(1)),
    ("openat", By::Flags(2)),
    ("openat2", By::Path),
    ("creat", By::Path),
    ("truncate", By::Path),
    ("mkdir", By::Path),
    ("mkdirat", By::Path),
    ("rmdir", By::Path),
    ("unlink", By::Path),
    ("unlinkat", By::Path),
    ("rename", By::Path),
    ("renameat", By::Path),
    ("renameat2", By::Path),
    ("link", By::Path),
    ("linkat", By::Path),
    ("symlink", By::Path),
    ("symlinkat", By::Path),
    ("mknod", By::Path),
    ("mknodat", By::Path),
    ("chmod", By::Path),
    ("fchmodat", By::Path),
    ("fchmodat2", By::Path),
    ("chown", By::Path),
    ("lchown", By::Path),
    ("fchownat", By::Path),
    ("utime", By::Path),
    ("utimes", By::Path),
    ("utimensat", By::Path),
    ("futimesat", By::Path),
    ("setxattr", By::Path),
    ("lsetxattr", By::Path),
    ("removexattr", By::Path),
    ("lremovexattr", By::Path),
];

impl Session {
    /// Whether a syscall may change shared storage.
    pub(super) fn changes_shared(&self, tid: Pid, call: &Call) -> bool {
        let mut shared = self
            .options
            .trees
            .iter()
            .filter(|tree| tree.keep == Keep::Shared)
            .peekable();
        if shared.peek().is_none() || self.network.is_none() {
            return false;
        }
        let entry = TABLE.iter().find(|(name, _)| *name == call.def.name);
        match entry {
            None => false,
            Some((_, By::Path)) => true,
            Some((_, By::Flags(index))) => call.int(*index) & (libc::O_CREAT | libc::O_TRUNC) != 0,
            Some((_, By::Fd(index))) => {
                let way = format!("/proc/{tid}/fd/{}", call.int(*index));
                std::fs::read_link(way)
                    .is_ok_and(|path| shared.any(|tree| path.starts_with(&tree.root)))
            }
        }
    }

    /// Whether there is storage that both nodes reach.
    pub(super) fn keeps_shared(&self) -> bool {
        let mut trees = self.options.trees.iter();
        self.network.is_some() && trees.any(|tree| tree.keep == Keep::Shared)
    }

    /// Lets the syscall begin that a thread stands at, once the standby has the journal up to it.
    pub(super) fn resume_settled(&mut self, tid: Pid, stopped: Stopped) -> Step {
        self.emit_enter(tid)?;
        while let Some(network) = &self.network {
            if network.settled(PATIENCE) {
                break;
            }
            self.out.check()?;
        }
        // Not while it is held: then the standby may be about to do it.
        let resumed = self.out.brake().pass(|| stopped.resume(Resume::Syscall, 0));
        resumed.map_err(|_| RecordError::HandedOver)??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;
    use agent::layout::class;
    use agent::rules::{Descriptors, RULES};

    #[test]
    fn every_entry_names_a_syscall() {
        for (name, _) in TABLE {
            assert!(model::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_agent_changes_nothing_unless_it_may() {
        for (name, _) in TABLE {
            let nr = model::by_name(name).map(|def| def.nr);
            for rule in RULES.iter().filter(|rule| Some(rule.nr.into()) == nr) {
                let opens = matches!(rule.descriptors, Descriptors::Open(_));
                // Of a descriptor it is told only where there is no such storage.
                let told = rule.class | rule.second.1;
                let known = told & (class::WRITE | class::COPIES) != 0;
                // What other requests do concerns the descriptor.
                let concerns = [class::KNOWN, class::SOCKET].contains(&rule.class);
                let other = *name == "ioctl" && concerns;
                assert!(rule.changes || opens || known || other, "{name}");
            }
        }
    }
}
