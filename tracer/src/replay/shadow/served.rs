//! Calls that the agent serves in a shadow. They are followed behind the call, when the thread has
//! gone on: by what the journal and the call's record have, and through the supervisor's own hands.
//! What needs the thread's is not served: it stops.

use super::kinds::Kind;
use super::table::{self, Shadow as Policy};
use crate::model;
use crate::model::capture::{Call, Memory};
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use journal::{Enter, Leave, Tid};
use nix::sys::statfs::fstatfs;
use std::os::unix::fs::MetadataExt;

/// File systems that store what is written, and do nothing else with it (include/uapi/linux/magic.h; XFS:
/// fs/xfs/libxfs/xfs_format.h). Those of the kernel's own interfaces ask who writes.
const STORES: [i64; 7] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0xf2f5_2010, // f2fs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x794c_7630, // overlayfs
];

impl Session {
    /// Whether a call of the current thread can be followed behind it. Without a shadow, every one.
    pub(in crate::replay) fn can_be_followed_behind(
        &mut self,
        enter: &Enter<'_>,
    ) -> Result<bool, ReplayError> {
        if self.shadow.is_none() {
            return Ok(true);
        }
        let Some(def) = model::lookup(enter.nr) else {
            return Ok(false);
        };
        let call = Call {
            def,
            args: enter.args.to_array(),
        };
        let tid = self.current;
        match table::of(&call) {
            Policy::Skip | Policy::Watched => Ok(true),
            Policy::Tell => Ok(def.name == "fstat"),
            Policy::Take => Ok(match self.kind(tid, call.int(0))? {
                Kind::File | Kind::Event(_) | Kind::Other => true,
                kind => self.is_outside(kind),
            }),
            Policy::Put if self.is_standard(tid, call.int(0))? => Ok(true),
            Policy::Put => Ok(match self.kind(tid, call.int(0))? {
                Kind::Event(_) | Kind::Other => true,
                Kind::File => {
                    matches!(def.name, "write" | "writev") && self.is_plain_file(tid, call.int(0))
                }
                kind => !self.is_local(kind) && self.is_outside(kind),
            }),
            _ => Ok(false),
        }
    }

    /// Whether it leads out of the application: a connection, or a pipe that others have an end of.
    fn is_outside(&self, kind: Kind) -> bool {
        let leads = matches!(kind, Kind::Socket(_) | Kind::Pipe(_));
        leads && self.own_inode(kind).is_none() && self.is_inner(kind).is_none()
    }

    /// Whether the supervisor can write to a file in the application's stead: where nobody looks who
    /// writes, and where the bytes lie. It is on one of [`STORES`], and writing takes no right away from it.
    fn is_plain_file(&mut self, tid: Tid, fd: i32) -> bool {
        const TAKEN_AWAY: u32 = libc::S_ISUID | libc::S_ISGID;
        // Of a process whose first thread has ended, none can be had.
        let Ok(file) = self.duplicate(tid, fd) else {
            return false;
        };
        let stored = fstatfs(&file).is_ok_and(|fs| STORES.contains(&fs.filesystem_type().0));
        let kept = file
            .metadata()
            .is_ok_and(|meta| meta.mode() & TAKEN_AWAY == 0);
        stored && kept && host::open_flags(&file) & libc::O_DIRECT == 0
    }

    /// Follows a call that the agent has served, in whose memory is what was there then.
    pub(in crate::replay) fn follow_behind(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
        then: &dyn Memory,
    ) -> Result<(), ReplayError> {
        if self.shadow.is_none() {
            return Ok(());
        }
        if leave.result < 0 {
            return self.follow_failed(tid, call, leave);
        }
        match table::of(call) {
            Policy::Take => self.take(tid, call, leave),
            Policy::Put => self.put_behind(tid, call, leave, then),
            Policy::Watched => self.note_epoll_told(tid, call, leave),
            Policy::Tell => self.note_identity(tid, call, leave),
            _ => Ok(()),
        }
    }

    fn put_behind(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
        then: &dyn Memory,
    ) -> Result<(), ReplayError> {
        let fd = call.int(0);
        let kind = self.kind(tid, fd)?;
        // What goes to the standard streams, the primary has shown.
        if self.is_standard(tid, fd)? || !(kind == Kind::File || self.keeps(kind)) {
            return Ok(());
        }
        let len = usize::try_from(leave.result).unwrap_or(0);
        let bytes = self.gathered_in(then, call, len)?;
        self.fill(tid, fd, kind, &bytes)
    }
}
