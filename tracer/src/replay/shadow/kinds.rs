//! What kinds of objects descriptors of a replayed process lead to, looked up in the kernel, where
//! the shadow keeps them real.

use crate::sys::host;
use crate::sys::wait::Pid;
use std::os::unix::fs::MetadataExt;

/// What a descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file with content and an offset.
    File,
    /// A file or directory on storage that both nodes reach: what stands for it has no content.
    Held,
    /// A pipe, by inode.
    Pipe(u64),
    /// A socket, by inode.
    Socket(Socket),
    /// An event counter, by the kernel's number of it.
    Event(u64),
    /// A timer.
    Timer,
    /// Signals.
    Signals,
    /// Something that keeps no content.
    Other,
}

/// A socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Its inode.
    pub inode: u64,
    /// `AF_`.
    pub family: i32,
    /// `SOCK_`.
    pub kind: i32,
}

impl Socket {
    /// A TCP socket (or one of the same semantics).
    #[must_use]
    pub const fn is_inet_stream(&self) -> bool {
        matches!(self.family, libc::AF_INET | libc::AF_INET6) && self.kind == libc::SOCK_STREAM
    }
}

/// Looks it up, if it leads anywhere.
pub fn look_up(process: Pid, fd: i32) -> Option<Kind> {
    let path = format!("/proc/{process}/fd/{fd}");
    let link = std::fs::read_link(&path).ok()?;
    Some(kind_of(process, fd, &path, &link.to_string_lossy()))
}

fn kind_of(process: Pid, fd: i32, path: &str, name: &str) -> Kind {
    if let Some(inode) = number_in(name, "socket:[") {
        let (family, kind) = host::duplicate_of(process, fd)
            .ok()
            .and_then(|file| host::socket_kind(&file))
            .unwrap_or_default();
        return Kind::Socket(Socket {
            inode,
            family,
            kind,
        });
    }
    if let Some(inode) = number_in(name, "pipe:[") {
        return Kind::Pipe(inode);
    }
    match name {
        "anon_inode:[eventfd]" => event_id(process, fd).map_or(Kind::Other, Kind::Event),
        "anon_inode:[timerfd]" => Kind::Timer,
        "anon_inode:[signalfd]" => Kind::Signals,
        _ => match std::fs::metadata(path) {
            Ok(meta) if meta.is_file() || meta.is_dir() => Kind::File,
            // A fifo of the file system carries bytes like any pipe.
            Ok(meta) if meta.mode() & libc::S_IFMT == libc::S_IFIFO => Kind::Pipe(meta.ino()),
            _ => Kind::Other,
        },
    }
}

/// The inodes of all sockets of a process.
pub fn sockets(process: Pid) -> Vec<u64> {
    crate::maps::descriptors(process)
        .into_iter()
        .filter_map(|fd| std::fs::read_link(format!("/proc/{process}/fd/{fd}")).ok())
        .filter_map(|link| number_in(&link.to_string_lossy(), "socket:["))
        .collect()
}

/// Whether a descriptor is open for reading only.
pub fn is_read_only(process: Pid, fd: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{process}/fdinfo/{fd}")).unwrap_or_default();
    let flags = text
        .lines()
        .find_map(|line| i32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_ACCMODE == libc::O_RDONLY)
}

fn number_in(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.strip_suffix(']')?.parse().ok()
}

/// The kernel's number of an event counter.
fn event_id(process: Pid, fd: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/fdinfo/{fd}")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("eventfd-id:"))
        .and_then(|id| id.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn own_descriptors_are_told_apart() {
        let me = Pid(i32::try_from(std::process::id()).expect("a pid"));
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let look_up = |fd| look_up(me, fd);
        assert!(matches!(look_up(reader.as_raw_fd()), Some(Kind::Pipe(_))));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        match look_up(listener.as_raw_fd()) {
            Some(Kind::Socket(socket)) => assert!(socket.is_inet_stream()),
            other => panic!("{other:?}"),
        }
        let file = std::fs::File::open("/proc/self/exe").expect("opens");
        assert_eq!(look_up(file.as_raw_fd()), Some(Kind::File));
        let null = std::fs::File::open("/dev/null").expect("opens");
        assert_eq!(look_up(null.as_raw_fd()), Some(Kind::Other));
        assert_eq!(look_up(-1), None);
    }
}
