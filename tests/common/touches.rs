//! Who touches files of a directory, whatever the mount that it is reached by (fanotify).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What counts: whatever is done to a file or a directory but looking at its attributes.
const MASK: u64 = libc::FAN_OPEN
    | libc::FAN_ACCESS
    | libc::FAN_MODIFY
    | libc::FAN_CLOSE
    | libc::FAN_ATTRIB
    | libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_MOVED_FROM
    | libc::FAN_MOVED_TO
    | libc::FAN_ONDIR
    | libc::FAN_EVENT_ON_CHILD;
/// Offset of `mask` and of `pid`, in a `struct fanotify_event_metadata`.
const EVENT_MASK: usize = 8;
const EVENT_PID: usize = 20;

/// A watch over directories, without what is in directories in them.
pub struct Touches(File);

impl Touches {
    #[track_caller]
    pub fn of(directories: &[&Path]) -> Self {
        let kind = libc::FAN_CLASS_NOTIF
            | libc::FAN_REPORT_DFID_NAME
            | libc::FAN_NONBLOCK
            | libc::FAN_CLOEXEC
            | libc::FAN_UNLIMITED_QUEUE;
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::fanotify_init(kind, 0) };
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: a descriptor that the kernel has just made for us.
        let watch = Self(unsafe { File::from_raw_fd(fd) });
        for directory in directories {
            let path = std::ffi::CString::new(directory.as_os_str().as_bytes()).expect("a path");
            // SAFETY: the kernel reads a terminated string.
            let done = unsafe {
                libc::fanotify_mark(
                    watch.0.as_raw_fd(),
                    libc::FAN_MARK_ADD,
                    MASK,
                    libc::AT_FDCWD,
                    path.as_ptr(),
                )
            };
            let error = std::io::Error::last_os_error();
            assert_eq!(done, 0, "{}: {error}", directory.display());
        }
        watch
    }

    /// The process of every event so far, since this was last asked.
    #[track_caller]
    pub fn by(&mut self) -> Vec<i32> {
        let mut found = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match self.0.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return found,
                Err(error) => panic!("{error}"),
            };
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                let word = |at: usize| {
                    let bytes = rest[at..].first_chunk().expect("a whole event");
                    i32::from_le_bytes(*bytes)
                };
                let overflow = word(EVENT_MASK) as u64 & libc::FAN_Q_OVERFLOW != 0;
                assert!(!overflow, "more events than the kernel keeps");
                found.push(word(EVENT_PID));
                let length = usize::try_from(word(0)).expect("a length");
                rest = &rest[length..];
            }
        }
    }
}
