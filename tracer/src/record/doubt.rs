//! What this version does not know, or does not offer to the application.

use super::error::RecordError;
use crate::model::capture::{Call, CaptureError};
use crate::sys::wait::Pid;

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

/// Whether a sub-command that this version does not know meant nothing to the kernel either.
pub(super) fn not_known(result: i64) -> bool {
    NOT_KNOWN.contains(&result)
}

pub(super) fn unsupported(tid: Pid, error: &CaptureError) -> RecordError {
    RecordError::Unsupported {
        tid: tid.0,
        what: error.to_string(),
    }
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
