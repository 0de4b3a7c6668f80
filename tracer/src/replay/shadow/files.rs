//! Which files here are those that the journal tells of.

use super::held;
use crate::identities::Told;
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{Leave, Tid};
use std::ffi::OsStr;
use std::fs::{Metadata, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

const PATH_BYTES_MAX: usize = 4096;

impl Session {
    /// The application was told of a file: it is the one that it would be told of here.
    pub(super) fn note_identity(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let Some(told) = Told::by(call) else {
            return Ok(());
        };
        let (addr, _) = told.range();
        let out = leave.outs.iter().find(|out| out.addr == addr);
        let Some(shown) = out.and_then(|out| told.read(&out.data)) else {
            return Ok(());
        };
        if let Some(meta) = self.file_told_of(tid, call)?
            && let Some(shadow) = &mut self.shadow
            && !held::is_shown(&mut shadow.held, meta.dev(), shown.0)
        {
            shadow.identities.is((meta.dev(), meta.ino()), shown);
        }
        Ok(())
    }

    fn file_told_of(&mut self, tid: Tid, call: &Call) -> Result<Option<Metadata>, ReplayError> {
        let (_, real) = self.process(tid)?;
        let (dir, path, flags) = match call.def.name {
            "fstat" => (call.int(0), 0, libc::AT_EMPTY_PATH),
            "stat" => (libc::AT_FDCWD, call.args[0], 0),
            "lstat" => (libc::AT_FDCWD, call.args[0], libc::AT_SYMLINK_NOFOLLOW),
            "newfstatat" => (call.int(0), call.args[1], call.int(3)),
            _ => (call.int(0), call.args[1], call.int(2)),
        };
        let Some(path) = path_of(real, dir, path) else {
            return Ok(None);
        };
        let found = if flags & libc::AT_SYMLINK_NOFOLLOW != 0 {
            std::fs::symlink_metadata(path)
        } else {
            std::fs::metadata(path)
        };
        // What is not here has no number here.
        Ok(found.ok())
    }

    /// Opens what the application opened. A fifo is opened there once somebody has its other end;
    /// here that may come later.
    pub(super) fn open(&mut self, tid: Tid, call: &Call, result: i64) -> Result<(), ReplayError> {
        let (_, real) = self.process(tid)?;
        let (dir, path, flags) = match call.def.name {
            "open" => (libc::AT_FDCWD, call.args[0], call.int(1)),
            _ => (call.int(0), call.args[1], call.int(2)),
        };
        let waits = flags & (libc::O_NONBLOCK | libc::O_PATH | libc::O_DIRECTORY) == 0;
        let fifo = path_of(real, dir, path)
            .filter(|_| waits && call.def.name != "openat2")
            .filter(|path| std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo()));
        let nr = i64::from(call.def.nr);
        let Some(path) = fifo else {
            return self.remote_descriptor(tid, call.def.name, nr, call.args, result);
        };
        if self
            .shadow
            .as_ref()
            .is_some_and(|shadow| held::leads_into(&shadow.held, &path))
        {
            return Err(self.not_shadowed("a fifo on shared storage"));
        }
        let both_ends = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(ReplayError::os("opening a fifo"))?;
        self.remote_descriptor(tid, call.def.name, nr, call.args, result)?;
        let inode = both_ends
            .metadata()
            .map_err(ReplayError::os("looking at a fifo"))?
            .ino();
        // Who opens the other end is still at it, and must find what is written until then.
        let awaited = self.tasks.values().any(|task| {
            let call = task.call.as_ref().and_then(|call| call.call.as_ref());
            task.tid != tid && call.is_some_and(|call| matches!(call.def.name, "open" | "openat"))
        });
        if let Some(shadow) = &mut self.shadow {
            if awaited {
                shadow.fifos.insert(inode, both_ends);
            } else {
                shadow.fifos.remove(&inode);
            }
        }
        Ok(())
    }

    /// A takeover finds a thread in the middle of opening a fifo whose other end was open then.
    /// The syscall's result, if that is so.
    pub(super) fn open_fifo_now(
        &mut self,
        tid: Tid,
        call: &Call,
    ) -> Result<Option<i64>, ReplayError> {
        let (_, real) = self.process(tid)?;
        let (dir, path) = match call.def.name {
            "open" => (libc::AT_FDCWD, call.args[0]),
            "openat" => (call.int(0), call.args[1]),
            _ => return Ok(None),
        };
        let inode = path_of(real, dir, path)
            .and_then(|path| std::fs::metadata(path).ok())
            .map(|meta| meta.ino());
        let held = self
            .shadow
            .as_ref()
            .is_some_and(|shadow| inode.is_some_and(|inode| shadow.fifos.contains_key(&inode)));
        if !held {
            return Ok(None);
        }
        let result = self.remote_result(tid, i64::from(call.def.nr), call.args)?;
        Ok(Some(result))
    }
}

/// A path of a process as one of the supervisor's. Nothing for what depends on who asks.
pub(super) fn path_of(real: Pid, dir: i32, path: u64) -> Option<PathBuf> {
    let mut bytes = vec![0; PATH_BYTES_MAX];
    let read = if path == 0 {
        0
    } else {
        Remote(real).read_some(path, &mut bytes)
    };
    let end = bytes[..read]
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(0);
    let path = OsStr::from_bytes(&bytes[..end]);
    if path.as_bytes().starts_with(b"/proc") {
        return None;
    }
    let base = match path.as_bytes().first() {
        Some(b'/') => format!("/proc/{real}/root"),
        _ if dir == libc::AT_FDCWD => format!("/proc/{real}/cwd"),
        _ => format!("/proc/{real}/fd/{dir}"),
    };
    let mut whole = std::ffi::OsString::from(base);
    if !path.is_empty() {
        whole.push("/");
        whole.push(path);
    }
    Some(PathBuf::from(whole))
}
