//! Reading and writing pipes and sockets that belong to others, without ever waiting.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Takes what is there, up to the length of `bytes`. 0: nothing, or its end.
pub fn take(from: &File, bytes: &mut [u8], socket: bool) -> io::Result<usize> {
    let fd = from.as_raw_fd();
    let result = without_waiting(from, socket, || {
        let (at, len) = (bytes.as_mut_ptr().cast(), bytes.len());
        if socket {
            // SAFETY: the kernel stores at most `len` bytes at `at`.
            unsafe { libc::recv(fd, at, len, libc::MSG_DONTWAIT) }
        } else {
            // SAFETY: the kernel stores at most `len` bytes at `at`.
            unsafe { libc::read(fd, at, len) }
        }
    })?;
    settled(result)
}

/// What is in a pipe, up to a length, without taking it.
pub fn look(from: &File, len: usize) -> io::Result<Vec<u8>> {
    let (mut reader, writer) = io::pipe()?;
    // SAFETY: no memory is involved.
    let room = unsafe { libc::fcntl(from.as_raw_fd(), libc::F_GETPIPE_SZ) };
    // SAFETY: no memory is involved.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, room) };
    let flags = libc::SPLICE_F_NONBLOCK;
    // SAFETY: no memory is involved.
    let found = unsafe { libc::tee(from.as_raw_fd(), writer.as_raw_fd(), len, flags) };
    let found = settled(if found == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(found)
    })?;
    let mut bytes = vec![0; found];
    io::Read::read_exact(&mut reader, &mut bytes)?;
    Ok(bytes)
}

/// Puts in as much as there is room for.
pub fn put(to: &File, bytes: &[u8], socket: bool) -> io::Result<usize> {
    const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let fd = to.as_raw_fd();
    let result = without_waiting(to, socket, || {
        let (at, len) = (bytes.as_ptr().cast(), bytes.len());
        if socket {
            // SAFETY: the kernel reads `len` bytes at `at`.
            unsafe { libc::send(fd, at, len, FLAGS) }
        } else {
            // SAFETY: the kernel reads `len` bytes at `at`.
            unsafe { libc::write(fd, at, len) }
        }
    })?;
    settled(result)
}

/// Makes room for more: what went in and out in one order may take more of it in another. The
/// kernel's limits for those without rights do not hold for a supervisor that makes namespaces.
pub fn make_room(to: &File, socket: bool) -> io::Result<()> {
    const ROOM_BYTES_MAX: i32 = 1 << 24;
    let fd = to.as_raw_fd();
    let done = if socket {
        let room = ROOM_BYTES_MAX;
        // SAFETY: the kernel reads an `int` from where one is.
        unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_SNDBUFFORCE,
                (&raw const room).cast(),
                4,
            )
        }
    } else {
        // SAFETY: no memory is involved.
        let now = unsafe { libc::fcntl(fd, libc::F_GETPIPE_SZ) };
        // SAFETY: no memory is involved.
        unsafe {
            libc::fcntl(
                fd,
                libc::F_SETPIPE_SZ,
                now.saturating_mul(2).min(ROOM_BYTES_MAX),
            )
        }
    };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn settled(result: io::Result<isize>) -> io::Result<usize> {
    match result {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error),
    }
}

/// For a pipe only the open file itself says whether to wait; who has it is stopped meanwhile.
fn without_waiting(
    file: &File,
    socket: bool,
    call: impl FnOnce() -> isize,
) -> io::Result<io::Result<isize>> {
    let fd = file.as_raw_fd();
    let flags = if socket {
        libc::O_NONBLOCK
    } else {
        // SAFETY: no memory is involved.
        unsafe { libc::fcntl(fd, libc::F_GETFL) }
    };
    if flags == -1 {
        return Err(io::Error::last_os_error());
    }
    let waits = flags & libc::O_NONBLOCK == 0;
    if waits {
        set_flags(fd, flags | libc::O_NONBLOCK)?;
    }
    let result = call();
    let result = if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    };
    if waits {
        set_flags(fd, flags)?;
    }
    Ok(result)
}

fn set_flags(fd: i32, flags: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let done = unsafe { libc::fcntl(fd, libc::F_SETFL, flags) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn neither_waits() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let (reader, writer) = (
            File::from(OwnedFd::from(reader)),
            File::from(OwnedFd::from(writer)),
        );
        let mut bytes = [0; 8];
        assert_eq!(take(&reader, &mut bytes, false).expect("empty"), 0);
        assert_eq!(put(&writer, b"abc", false).expect("room"), 3);
        assert_eq!(take(&reader, &mut bytes, false).expect("three"), 3);
        let room = put(&writer, &[7; 1 << 20], false).expect("room");
        assert!((4096..1 << 20).contains(&room));
        assert_eq!(put(&writer, b"x", false).expect("full"), 0);
        drop(reader);
        assert!(put(&writer, b"x", false).is_err());
    }

    #[test]
    fn messages_stay_whole() {
        let (one, other) = UnixDatagram::pair().expect("a pair");
        let (one, other) = (
            File::from(OwnedFd::from(one)),
            File::from(OwnedFd::from(other)),
        );
        let mut bytes = [0; 8];
        assert_eq!(take(&other, &mut bytes, true).expect("empty"), 0);
        assert_eq!(put(&one, b"abc", true).expect("room"), 3);
        assert_eq!(put(&one, b"de", true).expect("room"), 2);
        assert_eq!(take(&other, &mut bytes, true).expect("one"), 3);
        assert_eq!(take(&other, &mut bytes, true).expect("two"), 2);
    }
}
