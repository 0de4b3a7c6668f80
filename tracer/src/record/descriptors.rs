//! Descriptors that a syscall gave: which of them can be written through, and which lead to
//! the standard output or error by ways that replay cannot follow.

use super::session::Session;
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::Effect;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Syscalls that open a file, and the argument with the flags, if it is one.
const OPENS: [(&str, Option<usize>); 5] = [
    ("open", Some(1)),
    ("openat", Some(2)),
    ("creat", None),
    ("openat2", None),
    ("open_by_handle_at", None),
];

/// Descriptors in one message (`SCM_MAX_FD`).
const MESSAGE_FDS_MAX: usize = 253;
const MSGHDR_CONTROL: u64 = 32;
const MSGHDR_CONTROL_LEN: u64 = 40;
const CMSG_HEADER_BYTES: usize = 16;

impl Session {
    /// Looks at the descriptors that a successful syscall gave.
    pub(super) fn new_descriptors(
        &mut self,
        tid: Pid,
        call: &Call,
        result: i64,
        effects: &mut Vec<Effect<'static>>,
    ) {
        let name = call.def.name;
        let first = i32::try_from(result).unwrap_or(-1);
        if let Some((_, flags)) = OPENS.iter().find(|(open, _)| *open == name) {
            let writes = flags.is_none_or(|index| call.int(index) & libc::O_ACCMODE != 0);
            if writes {
                self.writable(tid, first, effects);
            }
            return;
        }
        match name {
            "pidfd_getfd" => self.writable(tid, first, effects),
            "recvmsg" => {
                for fd in received(tid, call.args[1]) {
                    self.writable(tid, fd, effects);
                }
            }
            "recvmmsg" => {
                const MMSGHDR_BYTES: u64 = 64;
                for index in 0..u64::try_from(result).unwrap_or(0) {
                    for fd in received(tid, call.args[1] + index * MMSGHDR_BYTES) {
                        self.writable(tid, fd, effects);
                    }
                }
            }
            _ => {}
        }
    }

    fn writable(&mut self, tid: Pid, fd: i32, effects: &mut Vec<Effect<'static>>) {
        let Some(meta) = self.memories.descriptors.opened_for_writing(tid, fd) else {
            return;
        };
        // What goes to /dev/null is seen by nobody, even if standard output goes there.
        let null = meta.file_type().is_char_device() && meta.rdev() == libc::makedev(1, 3);
        let key = (meta.dev(), meta.ino());
        let standard = self.options.standard_streams.iter();
        if let Some(index) = standard.clone().position(|known| *known == key)
            && !null
        {
            let stream = if index == 0 { 1 } else { 2 };
            effects.push(Effect::Stream { fd, stream });
        }
    }

    /// Whatever leads to the standard streams is looked at.
    pub(super) fn watch_standard_streams(&mut self) {
        for key in &self.options.standard_streams {
            self.memories.descriptors.looked_at.add(*key);
        }
    }

    /// Looks at the descriptors that the first process starts with.
    pub(super) fn first_descriptors(&mut self, first: Pid) {
        self.watch_standard_streams();
        for entry in std::fs::read_dir(format!("/proc/{first}/fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let fd = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(fd) = fd {
                // Their streams are what they are by number.
                let _ = self.memories.descriptors.opened_for_writing(first, fd);
            }
        }
    }
}

/// The descriptors that came with a message, whose `msghdr` is at `addr`.
fn received(tid: Pid, addr: u64) -> Vec<i32> {
    const CONTROL_BYTES_MAX: usize = 64 << 10;
    let memory = Remote(tid);
    let (Ok(control), Ok(len)) = (
        memory.read_u64(addr + MSGHDR_CONTROL),
        memory.read_u64(addr + MSGHDR_CONTROL_LEN),
    ) else {
        return Vec::new();
    };
    let len = usize::try_from(len).unwrap_or(0).min(CONTROL_BYTES_MAX);
    if len < CMSG_HEADER_BYTES {
        return Vec::new();
    }
    let mut bytes = vec![0; len];
    let read = memory.read_some(control, &mut bytes);
    bytes.truncate(read);
    rights(&bytes)
}

/// The descriptors in control messages (`cmsghdr`: length, level, type, data).
fn rights(mut bytes: &[u8]) -> Vec<i32> {
    let mut fds = Vec::new();
    while let Some((header, _)) = bytes.split_at_checked(CMSG_HEADER_BYTES) {
        let int = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&header[at..at + 4]);
            i32::from_le_bytes(word)
        };
        let mut len = [0; 8];
        len.copy_from_slice(&header[..8]);
        let len = usize::try_from(u64::from_le_bytes(len)).unwrap_or(0);
        let Some(data) = bytes.get(CMSG_HEADER_BYTES..len) else {
            break;
        };
        if int(8) == libc::SOL_SOCKET && int(12) == libc::SCM_RIGHTS {
            let ints = data.chunks_exact(4).take(MESSAGE_FDS_MAX);
            fds.extend(ints.map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]])));
        }
        let next = len.next_multiple_of(8);
        bytes = bytes.get(next..).unwrap_or_default();
    }
    fds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_found_among_other_messages() {
        let message = |level: i32, kind: i32, data: &[u8]| {
            let mut bytes = (16 + data.len() as u64).to_le_bytes().to_vec();
            bytes.extend(level.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(data);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes
        };
        let two = [7i32.to_le_bytes(), 9i32.to_le_bytes()].concat();
        let mut bytes = message(0, 8, &[1, 2, 3]);
        bytes.extend(message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &two));
        assert_eq!(rights(&bytes), [7, 9]);
        for len in 0..bytes.len() {
            assert!(rights(&bytes[..len]).len() <= 2);
        }
        assert_eq!(rights(&[0; 64]), [] as [i32; 0]);
    }
}
