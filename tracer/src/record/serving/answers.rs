//! Calls whose result is the kernel's, of the thread that makes them, and that nobody else changes: its
//! process, its number, whose rights it has. Once the kernel has given it, the agent is told what it is
//! whenever that thread goes on, and does without the kernel.
//!
//! Nothing is worked out here: what is not known of a thread is asked of the kernel, and what a call of the
//! thread may change is forgotten.

use crate::sys::ring::Ring;
use crate::sys::wait::Pid;
use agent::rules::ANSWERED;

/// Syscalls after which a thread, or a program that it executes, may have other rights: those in which the
/// kernel gives itself new credentials (callers of `commit_creds`, kernel/cred.c). Sorted.
const CHANGE_RIGHTS: &[&str] = &[
    "capset",
    "execve",
    "execveat",
    "keyctl",
    "prctl",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setns",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
    "unshare",
];

/// What is known of one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers([Option<u64>; ANSWERED.len()]);

impl Answers {
    /// A call has given this. What is known already stays.
    #[inline]
    pub fn learn(&mut self, nr: u32, result: i64) {
        let Some(at) = ANSWERED.iter().position(|known| u32::from(*known) == nr) else {
            return;
        };
        if self.0[at].is_none() {
            self.0[at] = u64::try_from(result).ok();
        }
    }

    /// The thread is about to make a call where it is seen: what that may change is not known any more.
    pub fn about_to_make(&mut self, name: &str) {
        if CHANGE_RIGHTS.binary_search(&name).is_ok() {
            *self = Self::default();
        }
    }

    /// Tells the agent, before the thread goes on.
    pub fn tell(&self, ring: &Ring, thread: Pid) {
        ring.answers_are_for(thread.0);
        for (nr, result) in ANSWERED.into_iter().zip(self.0) {
            ring.answer(nr, result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn what_changes_rights_is_sorted_and_exists() {
        assert!(CHANGE_RIGHTS.is_sorted());
        for name in CHANGE_RIGHTS {
            assert!(model::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_first_result_is_kept_until_rights_may_change() {
        let mut answers = Answers::default();
        answers.learn(39, 7);
        answers.learn(39, 8);
        answers.learn(102, -1);
        answers.learn(110, 1);
        assert_eq!(answers.0, [Some(7), None, None, None, None, None]);
        answers.about_to_make("read");
        assert_ne!(answers, Answers::default());
        answers.about_to_make("setuid");
        assert_eq!(answers, Answers::default());
    }
}
