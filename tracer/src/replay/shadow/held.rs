//! Files on storage that both nodes reach, while this one follows. The application's processes
//! here see a stand-in for it: names, owners, modes and sizes, in memory, without content. So the
//! storage itself is out of their reach, and the kernel keeps what a takeover needs: which file a
//! descriptor leads to, by whatever name, where it stands, its flags and its locks.

use super::files::path_of;
use super::table::When;
use crate::model::capture::Call;
use crate::namespaces::{Cover, NamespaceError, Namespaces};
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{Leave, Tid};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What stands for a directory.
#[derive(Debug)]
pub struct StandIn {
    /// The directory.
    pub root: PathBuf,
    /// What covers it.
    pub cover: Cover,
    /// The device that it is on to the application, if that was told.
    pub shown: Option<u64>,
}

impl StandIn {
    /// Puts one over a directory.
    pub fn over(root: &Path, namespaces: &Namespaces) -> Result<Self, NamespaceError> {
        Ok(Self {
            root: root.to_owned(),
            cover: namespaces.cover(root)?,
            shown: None,
        })
    }
}

/// The way to a file that a process has open.
pub fn link(process: Pid, fd: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/fd/{fd}"))
}

/// Whether a path of this process leads into one of them.
pub fn leads_into(held: &[StandIn], path: &Path) -> bool {
    !held.is_empty()
        && std::fs::metadata(path).is_ok_and(|meta| {
            let device = meta.dev();
            held.iter()
                .any(|stand_in| stand_in.cover.device() == device)
        })
}

/// The application was told that a file is on this device. Whether it is one of theirs.
pub fn is_shown(held: &mut [StandIn], device: u64, shown: u64) -> bool {
    let found = held
        .iter_mut()
        .find(|stand_in| stand_in.cover.device() == device);
    found.is_some_and(|stand_in| {
        stand_in.shown = Some(shown);
        true
    })
}

/// How a syscall names the file.
#[derive(Debug, Clone, Copy)]
enum By {
    /// The argument with this index is a descriptor.
    Fd(usize),
    /// The argument with this index is a path.
    Path(usize),
}

/// What a syscall did.
#[derive(Debug, Clone, Copy)]
enum Did {
    /// Wrote where the descriptor stands.
    Write,
    /// Wrote at the offset in this argument, or, if that is -1, where the descriptor stands; with
    /// flags (`RWF_`) in that argument, if any.
    WriteAt(usize, Option<usize>),
    /// Read where the descriptor stands.
    Read,
    /// Moved the position.
    Seek,
    /// Listed a directory.
    List,
    /// Reserved room, or gave it back.
    Allocate,
    /// Nothing that a takeover has to know: it is on the storage.
    Nothing,
    /// What cannot be kept.
    Refuse(&'static str),
}

/// `ioctl` requests (include/uapi/linux/fs.h), as `int`.
const SET_FLAGS: &[i32] = &[0x4008_6602];
const CLONE: &[i32] = &[0x4004_9409, 0x4020_940d];

/// Syscalls that mean something else for a stand-in than for a file. Others are made as they are:
/// what they change, it has.
const TABLE: &[(&str, When, By, Did)] = &[
    ("write", When::Always, By::Fd(0), Did::Write),
    ("writev", When::Always, By::Fd(0), Did::Write),
    ("pwrite64", When::Always, By::Fd(0), Did::WriteAt(3, None)),
    ("pwritev", When::Always, By::Fd(0), Did::WriteAt(3, None)),
    (
        "pwritev2",
        When::Always,
        By::Fd(0),
        Did::WriteAt(3, Some(5)),
    ),
    ("read", When::Always, By::Fd(0), Did::Read),
    ("readv", When::Always, By::Fd(0), Did::Read),
    ("lseek", When::Always, By::Fd(0), Did::Seek),
    ("getdents", When::Always, By::Fd(0), Did::List),
    ("getdents64", When::Always, By::Fd(0), Did::List),
    ("fallocate", When::Always, By::Fd(0), Did::Allocate),
    ("ioctl", When::Arg(1, SET_FLAGS), By::Fd(0), Did::Nothing),
    (
        "ioctl",
        When::Arg(1, CLONE),
        By::Fd(0),
        Did::Refuse("a clone of a file on shared storage"),
    ),
    ("fsetxattr", When::Always, By::Fd(0), Did::Nothing),
    ("setxattr", When::Always, By::Path(0), Did::Nothing),
    ("lsetxattr", When::Always, By::Path(0), Did::Nothing),
    ("fremovexattr", When::Always, By::Fd(0), Did::Nothing),
    ("removexattr", When::Always, By::Path(0), Did::Nothing),
    ("lremovexattr", When::Always, By::Path(0), Did::Nothing),
    (
        "fcntl",
        When::Arg(1, &[libc::F_SETLEASE, libc::F_NOTIFY]),
        By::Fd(0),
        Did::Refuse("a lease or a watch on shared storage"),
    ),
    (
        "inotify_add_watch",
        When::Always,
        By::Path(1),
        Did::Refuse("a watch on shared storage"),
    ),
    (
        "chroot",
        When::Always,
        By::Path(0),
        Did::Refuse("a root directory on shared storage"),
    ),
];

const COLLAPSE: i32 = libc::FALLOC_FL_COLLAPSE_RANGE;
const INSERT: i32 = libc::FALLOC_FL_INSERT_RANGE;

impl Session {
    /// Follows a syscall if it is about a file that something stands for, and about content.
    pub(super) fn follow_held(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<bool, ReplayError> {
        let none = self
            .shadow
            .as_ref()
            .is_none_or(|shadow| shadow.held.is_empty());
        let entry = TABLE
            .iter()
            .find(|(name, when, ..)| *name == call.def.name && when.fits(call));
        let Some((.., by, did)) = entry.filter(|_| !none) else {
            return Ok(false);
        };
        let (_, real) = self.process(tid)?;
        let way = match *by {
            By::Fd(index) => Some(link(real, call.int(index))),
            By::Path(index) => path_of(real, libc::AT_FDCWD, call.args[index]),
        };
        let held = self.shadow.as_ref().zip(way);
        if !held.is_some_and(|(shadow, way)| leads_into(&shadow.held, &way)) {
            return Ok(false);
        }
        let (fd, len) = (call.int(0), leave.result.unsigned_abs());
        match *did {
            Did::Write => self.wrote_held(tid, fd, len, None)?,
            Did::WriteAt(at, flags) => {
                let flags = flags.map_or(0, |index| call.int(index));
                self.wrote_at(tid, fd, len, (call.args[at], flags))?;
            }
            Did::Read => self.advance(tid, fd, leave.result).map(|_| ())?,
            Did::Seek => self.placed(tid, fd, len)?,
            Did::List => {
                let out = leave.outs.iter().find(|out| out.addr == call.args[1]);
                if let Some(at) = out.and_then(|out| end_of_list(&out.data)) {
                    self.placed(tid, fd, at)?;
                }
            }
            Did::Allocate => {
                let file = self.duplicate(tid, fd)?;
                let (mode, at, len) = (call.int(1), call.args[2], call.args[3]);
                resize(&file, |size| match mode {
                    mode if mode & COLLAPSE != 0 => size.saturating_sub(len),
                    mode if mode & INSERT != 0 => size.saturating_add(len),
                    mode if mode & libc::FALLOC_FL_KEEP_SIZE != 0 => size,
                    _ => size.max(at.saturating_add(len)),
                })?;
            }
            Did::Nothing => {}
            Did::Refuse(what) => return Err(self.not_shadowed(what)),
        }
        Ok(true)
    }

    /// Bytes were written: at an offset, or where the descriptor stands.
    pub(super) fn wrote_held(
        &mut self,
        tid: Tid,
        fd: i32,
        len: u64,
        at: Option<u64>,
    ) -> Result<(), ReplayError> {
        let flags = 0;
        self.wrote_at(tid, fd, len, (at.unwrap_or(u64::MAX), flags))
    }

    fn wrote_at(
        &mut self,
        tid: Tid,
        fd: i32,
        len: u64,
        (at, flags): (u64, i32),
    ) -> Result<(), ReplayError> {
        let file = self.duplicate(tid, fd)?;
        let failed = || ReplayError::os("following what was written to shared storage");
        let appends = flags & libc::RWF_APPEND != 0
            || host::open_flags(&file) & libc::O_APPEND != 0 && flags & libc::RWF_NOAPPEND == 0;
        let moves = at == u64::MAX;
        let start = if appends {
            file.metadata().map_err(failed())?.len()
        } else if moves {
            (&file).stream_position().map_err(failed())?
        } else {
            at
        };
        let end = start.saturating_add(len);
        if len > 0 {
            resize(&file, |size| size.max(end))?;
        }
        if moves {
            (&file).seek(SeekFrom::Start(end)).map_err(failed())?;
        }
        Ok(())
    }

    fn placed(&mut self, tid: Tid, fd: i32, at: u64) -> Result<(), ReplayError> {
        let mut file = self.duplicate(tid, fd)?;
        file.seek(SeekFrom::Start(at))
            .map(|_| ())
            .map_err(ReplayError::os("moving a position on shared storage"))
    }

    /// Bytes went from a file that something stands for to another descriptor.
    pub(super) fn copy_held(
        &mut self,
        tid: Tid,
        call: &Call,
        result: i64,
        (to, from, offset): (i32, i32, usize),
    ) -> Result<(), ReplayError> {
        if self.kind(tid, to)? != super::kinds::Kind::Held {
            let what = format!("{} from shared storage", call.def.name);
            return Err(self.not_shadowed(&what));
        }
        if call.args[offset] == 0 {
            self.advance(tid, from, result)?;
        }
        let at = self.out_offset(tid, call)?;
        self.wrote_held(tid, to, result.unsigned_abs(), at)
    }

    /// Where a transfer inside the kernel writes, if not where the descriptor stands.
    pub(super) fn out_offset(&mut self, tid: Tid, call: &Call) -> Result<Option<u64>, ReplayError> {
        let given = match call.def.name {
            "splice" | "copy_file_range" => call.args[3],
            _ => 0,
        };
        if given == 0 {
            return Ok(None);
        }
        let (_, real) = self.process(tid)?;
        Remote(real)
            .read_u64(given)
            .map(Some)
            .map_err(ReplayError::os("reading an offset"))
    }
}

/// Changes the length of a file, if it changes.
fn resize(file: &File, to: impl Fn(u64) -> u64) -> Result<(), ReplayError> {
    let failed = || ReplayError::os("following the size of a file on shared storage");
    let size = file.metadata().map_err(failed())?.len();
    let new = to(size);
    if new == size {
        return Ok(());
    }
    file.set_len(new).map_err(failed())
}

/// The position behind the last entry of a directory's listing (`struct linux_dirent64`, whose
/// beginning is that of the older `linux_dirent`).
fn end_of_list(mut bytes: &[u8]) -> Option<u64> {
    const OFFSET: usize = 8;
    const LENGTH: usize = 16;
    let mut last = None;
    while let Some(length) = bytes.get(LENGTH..).and_then(|rest| rest.first_chunk()) {
        let length = usize::from(u16::from_le_bytes(*length));
        last = bytes[OFFSET..]
            .first_chunk()
            .map(|at| u64::from_le_bytes(*at));
        if length == 0 {
            break;
        }
        bytes = bytes.get(length..)?;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn every_entry_names_a_syscall() {
        for (name, ..) in TABLE {
            assert!(model::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_listing_ends_where_its_last_entry_says() {
        let entry = |at: u64, length: u16| {
            let mut bytes = vec![0; usize::from(length)];
            bytes[8..16].copy_from_slice(&at.to_le_bytes());
            bytes[16..18].copy_from_slice(&length.to_le_bytes());
            bytes
        };
        assert_eq!(end_of_list(&[]), None);
        assert_eq!(end_of_list(&[entry(5, 24), entry(9, 32)].concat()), Some(9));
        // Cut short, or of no length.
        assert_eq!(end_of_list(&entry(5, 24)[..17]), None);
        assert_eq!(end_of_list(&[entry(5, 24), vec![0; 18]].concat()), Some(0));
    }
}
