//! Locks on open files: as the kernel tells of them, and taken again.

use crate::sys::host;
use journal::Tid;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

/// Whose a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The open file's, as a whole: `flock`.
    File,
    /// The open file's, a range: `F_OFD_SETLK`.
    Range,
    /// A process's: `F_SETLK`.
    Process,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    owner: Owner,
    writes: bool,
    start: i64,
    /// 0: to the end, wherever that is.
    len: i64,
    /// Through whose descriptor it was seen.
    pub process: Option<Tid>,
}

/// How long the processes of the other node, which has ended or was switched off, may take to let
/// go of their locks: its kernel ends them only after the connections by which that is noticed.
const OTHER_ENDS_WITHIN: Duration = Duration::from_secs(5);
/// Between two attempts: the kernel tells nobody, and a wait of its own has no limit.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes a lock that the other node may not have let go of yet.
pub fn take<E>(
    mut attempt: impl FnMut() -> Result<io::Result<()>, E>,
) -> Result<io::Result<()>, E> {
    let deadline = Instant::now() + OTHER_ENDS_WITHIN;
    loop {
        match attempt()? {
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(PAUSE);
            }
            done => return Ok(done),
        }
    }
}

/// The locks in `/proc/<pid>/fdinfo/<fd>`.
pub fn parse(info: &str) -> Vec<Lock> {
    info.lines()
        .filter_map(|line| one(line.strip_prefix("lock:")?))
        .collect()
}

/// `1: POSIX  ADVISORY  WRITE 123 00:2c:5 0 EOF`
fn one(text: &str) -> Option<Lock> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let owner = match words.next()? {
        "FLOCK" => Owner::File,
        "OFDLCK" => Owner::Range,
        "POSIX" => Owner::Process,
        _ => return None,
    };
    let writes = words.nth(1)? == "WRITE";
    let start: i64 = words.nth(2)?.parse().ok()?;
    let len = match words.next()? {
        "EOF" => 0,
        end => end
            .parse::<i64>()
            .ok()?
            .checked_sub(start)?
            .checked_add(1)?,
    };
    Some(Lock {
        owner,
        writes,
        start,
        len,
        process: None,
    })
}

impl Lock {
    /// The same, seen through a descriptor of this process.
    pub fn of(self, process: Tid) -> Self {
        Self {
            process: Some(process),
            ..self
        }
    }

    /// Takes it, if it is the open file's.
    pub fn take_of_file(&self, file: &File) -> io::Result<()> {
        match self.owner {
            Owner::File => host::lock_whole(file, self.writes),
            Owner::Range => host::lock_range(file, &self.range()),
            Owner::Process => Ok(()),
        }
    }

    /// What `F_SETLK` takes, if it is a process's: a `struct flock`.
    pub fn of_process(&self) -> Option<[u8; 32]> {
        if self.owner != Owner::Process {
            return None;
        }
        let range = self.range();
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&range.l_type.to_le_bytes());
        bytes[8..16].copy_from_slice(&range.l_start.to_le_bytes());
        bytes[16..24].copy_from_slice(&range.l_len.to_le_bytes());
        Some(bytes)
    }

    fn range(&self) -> libc::flock {
        let kind = if self.writes {
            libc::F_WRLCK
        } else {
            libc::F_RDLCK
        };
        #[allow(clippy::cast_possible_truncation, reason = "a small constant")]
        libc::flock {
            l_type: kind as i16,
            l_whence: 0,
            l_start: self.start,
            l_len: self.len,
            l_pid: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_read_as_the_kernel_writes_them() {
        let text = "pos:\t0\nflags:\t0100002\n\
            lock:\t1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF\n\
            lock:\t2: POSIX  ADVISORY  READ  359 00:13:11691 8 15\n\
            lock:\t3: OFDLCK ADVISORY  WRITE -1 00:13:11691 4 EOF\n\
            lock:\t4: LEASE  ACTIVE    READ  1 00:13:11691 0 EOF\n\
            lock:\t5: POSIX  ADVISORY\n";
        let lock = |owner, writes, start, len| Lock {
            owner,
            writes,
            start,
            len,
            process: None,
        };
        let expected = [
            lock(Owner::File, true, 0, 0),
            lock(Owner::Process, false, 8, 8),
            lock(Owner::Range, true, 4, 0),
        ];
        assert_eq!(parse(text), expected);
        assert_eq!(expected[0].of_process(), None);
        let bytes = expected[1].of_process().expect("a process's");
        assert_eq!(bytes[8], 8);
        assert_eq!(bytes[16], 8);
    }

    #[test]
    fn locks_are_taken_of_an_open_file() {
        let file = tempfile::tempfile().expect("a file");
        for line in ["1: FLOCK A WRITE 1 0 0 EOF", "1: OFDLCK A WRITE 1 0 3 7"] {
            let lock = one(line).expect("a lock");
            lock.take_of_file(&file).expect("nobody else has it");
        }
    }
}
