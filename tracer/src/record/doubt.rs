//! What this version does not know, or does not offer to the application.

use super::error::RecordError;
use crate::model::capture::{Call, CaptureError};
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;

/// A call with a sub-command that this version does not know. It is recorded only if the kernel
/// does not know it either: then it wrote nothing.
#[derive(Debug)]
pub struct Doubt {
    error: CaptureError,
    /// Memory that its arguments lead to, as it was at the entry.
    before: Vec<(u64, Vec<u8>)>,
}

/// Bytes of memory that are looked at behind each argument.
const LOOKED_AT_BYTES: usize = 4096;

/// Results with which the kernel says that it does not know a sub-command, or does not
/// offer it for this object or to this caller: it has written nothing then.
const NOT_KNOWN: [i64; 7] = [
    -(libc::ENOTTY as i64),
    -(libc::EBADF as i64),
    -(libc::EPERM as i64),
    -(libc::EACCES as i64),
    -(libc::ENODEV as i64),
    -(libc::ENOSYS as i64),
    -(libc::EOPNOTSUPP as i64),
];

/// Results of calls that it did not know, or did not like. Nothing is written then as a rule.
const NOT_LIKED: [i64; 2] = [-(libc::EINVAL as i64), -(libc::EFAULT as i64)];

impl Doubt {
    /// A call is about to be made of which `error` says that it is not known.
    pub(super) fn new(tid: Pid, call: &Call, error: CaptureError) -> Self {
        let args = &call.args[..call.def.args.len().min(call.args.len())];
        let before = args.iter().map(|&addr| (addr, look(tid, addr))).collect();
        Self { error, before }
    }

    /// Whether, by its result and by what is in memory, it meant nothing to the kernel either.
    pub(super) fn meant_nothing(&self, tid: Pid, result: i64) -> bool {
        let unchanged = || {
            let mut pieces = self.before.iter();
            pieces.all(|(addr, before)| look(tid, *addr) == *before)
        };
        NOT_KNOWN.contains(&result) || NOT_LIKED.contains(&result) && unchanged()
    }

    /// Why the recording cannot go on if it did mean something.
    pub(super) fn refusal(&self, tid: Pid) -> RecordError {
        unsupported(tid, &self.error)
    }
}

fn look(tid: Pid, addr: u64) -> Vec<u8> {
    let mut bytes = vec![0; LOOKED_AT_BYTES];
    let read = Remote(tid).read_some(addr, &mut bytes);
    bytes.truncate(read);
    bytes
}

pub(super) fn unsupported(tid: Pid, error: &CaptureError) -> RecordError {
    let what = match error {
        CaptureError::UnsupportedSub { syscall, command } => format!("{syscall}: {command}"),
        CaptureError::UnknownSub { .. } => error.to_string(),
    };
    RecordError::Unsupported { tid: tid.0, what }
}

/// Whether a socket is to be mapped.
pub(super) fn is_socket(tid: Pid, call: &Call) -> bool {
    use std::os::unix::fs::FileTypeExt;
    if call.int(3) & libc::MAP_ANONYMOUS != 0 {
        return false;
    }
    let path = format!("/proc/{tid}/fd/{}", call.int(4));
    std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

/// Whether `madvise` is to make pages fail, which concerns the whole machine.
pub(super) fn is_failure(call: &Call) -> bool {
    matches!(call.int(2), libc::MADV_HWPOISON | libc::MADV_SOFT_OFFLINE)
}
