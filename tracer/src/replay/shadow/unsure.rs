//! What threads stand in at a takeover may have been done to shared storage by the primary, or not.
//! Most of it can be done again. What cannot is found out by comparing the storage with what stands
//! for it here.

use super::files::path_of;
use super::held;
use super::reopen::name_here;
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use journal::Tid;
use std::path::PathBuf;

/// What a syscall does to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Makes it: fails if it is there.
    Make,
    /// Makes a file and opens it: the same.
    Open,
    /// Takes it away: fails if it is not there.
    Take,
}

/// Syscalls, with the arguments of the directory's descriptor, if there is one, and of the path.
const TABLE: &[(&str, Does, Option<usize>, usize)] = &[
    ("mkdir", Does::Make, None, 0),
    ("mkdirat", Does::Make, Some(0), 1),
    ("mknod", Does::Make, None, 0),
    ("mknodat", Does::Make, Some(0), 1),
    ("symlink", Does::Make, None, 1),
    ("symlinkat", Does::Make, Some(1), 2),
    ("link", Does::Make, None, 1),
    ("linkat", Does::Make, Some(2), 3),
    ("open", Does::Open, None, 0),
    ("openat", Does::Open, Some(0), 1),
    ("creat", Does::Open, None, 0),
    ("rename", Does::Take, None, 0),
    ("renameat", Does::Take, Some(0), 1),
    ("renameat2", Does::Take, Some(0), 1),
    ("unlink", Does::Take, None, 0),
    ("unlinkat", Does::Take, Some(0), 1),
    ("rmdir", Does::Take, None, 0),
];

/// Syscalls that may make a file shorter.
const SHRINKING: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "creat",
    "truncate",
    "ftruncate",
    "fallocate",
];

/// What a thread stands in.
#[derive(Debug)]
pub struct Unsure {
    tid: Tid,
    call: Call,
    /// The name that it is about, and whether that is there without it.
    name: Option<(Does, PathBuf, bool)>,
}

/// Whether one of them may have made a file shorter.
pub fn may_shrink(all: &[Unsure]) -> bool {
    all.iter()
        .any(|unsure| SHRINKING.contains(&unsure.call.def.name))
}

/// Whether a call that opens a file makes one.
fn creates(call: &Call) -> bool {
    let flags = match call.def.name {
        "open" => call.int(1),
        "openat" => call.int(2),
        _ => libc::O_CREAT,
    };
    flags & libc::O_CREAT != 0
}

impl Session {
    /// What threads stand in, while the stand-ins are there.
    pub(super) fn unsure(&mut self, tids: &[Tid]) -> Result<Vec<Unsure>, ReplayError> {
        let mut all = Vec::new();
        for &tid in tids {
            let (_, real) = self.process(tid)?;
            let Some(call) = self.task(tid)?.call.as_ref().and_then(|call| call.call) else {
                continue;
            };
            let name = TABLE
                .iter()
                .find(|(name, ..)| *name == call.def.name)
                .filter(|(_, does, ..)| *does != Does::Open || creates(&call))
                .and_then(|&(_, does, dir, path)| {
                    let dir = dir.map_or(libc::AT_FDCWD, |index| call.int(index));
                    let path = path_of(real, dir, call.args[path])?;
                    let there = std::fs::symlink_metadata(&path).is_ok();
                    let shadow = self.shadow.as_ref()?;
                    let parent = path
                        .parent()
                        .filter(|dir| held::leads_into(&shadow.held, dir))?;
                    let parent = host::open(parent, libc::O_PATH | libc::O_DIRECTORY).ok()?;
                    let whole = name_here(&parent).ok()?.join(path.file_name()?);
                    Some((does, whole, there))
                });
            all.push(Unsure { tid, call, name });
        }
        Ok(all)
    }

    /// Finds out what was done, once the storage is there: such syscalls have their result, or can
    /// be made again.
    pub(super) fn settle_unsure(&mut self, all: Vec<Unsure>) -> Result<(), ReplayError> {
        for Unsure { tid, name, .. } in all {
            let (Some((does, name, was)), Some(shadow)) = (name, &mut self.shadow) else {
                continue;
            };
            let path = shadow.namespaces.path(&name);
            let is = std::fs::symlink_metadata(&path).is_ok();
            match (does, was, is) {
                (Does::Make, false, true) | (Does::Take, true, false) => {
                    shadow.answers.insert(tid, 0.into());
                }
                // It is new, and nobody has written to it.
                (Does::Open, false, true) => std::fs::remove_file(&path).map_err(
                    ReplayError::os(format!("making {} anew on shared storage", name.display())),
                )?,
                _ => {}
            }
        }
        Ok(())
    }
}
