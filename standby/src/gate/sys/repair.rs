//! `TCP_REPAIR`: makes an unconnected socket a connection that exists already.

use super::{check, get_option, set_option};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{SockaddrStorage, bind, connect, getsockname};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

const TCP_REPAIR: i32 = 19;
const TCP_REPAIR_QUEUE: i32 = 20;
const TCP_QUEUE_SEQ: i32 = 21;
const TCP_REPAIR_OPTIONS: i32 = 22;
const TCP_TIMESTAMP: i32 = 24;
const TCP_REPAIR_WINDOW: i32 = 29;
/// What the kernel takes for `TCP_MAXSEG`.
const MSS_MIN: i32 = 88;
const MSS_MAX: i32 = 32_767;
const SO_BUF_LOCK: i32 = 72;

/// A queue of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// What came in.
    Receive = 1,
    /// What goes out.
    Send = 2,
}

/// An option as it was negotiated.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct TcpOption {
    /// Its number.
    pub code: u32,
    /// Its value.
    pub value: u32,
}

/// The windows of a connection.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// Position of the segment that told the peer's window last.
    pub snd_wl1: u32,
    /// The peer's window.
    pub snd_wnd: u32,
    /// The largest it ever was.
    pub max_window: u32,
    /// The own window.
    pub rcv_wnd: u32,
    /// From where it counts.
    pub rcv_wup: u32,
}

/// A socket under repair.
#[derive(Debug, Clone, Copy)]
pub struct Repair<'a>(BorrowedFd<'a>);

impl<'a> Repair<'a> {
    /// Begins.
    pub fn begin(fd: BorrowedFd<'a>) -> io::Result<Self> {
        set_option(fd.as_raw_fd(), libc::IPPROTO_TCP, TCP_REPAIR, &1i32)?;
        Ok(Self(fd))
    }

    /// Ends. The kernel sends the peer an empty segment.
    pub fn end(self) -> io::Result<()> {
        set_option(self.0.as_raw_fd(), libc::IPPROTO_TCP, TCP_REPAIR, &0i32)
    }

    /// Ends. The kernel sends nothing.
    pub fn end_silently(self) -> io::Result<()> {
        set_option(self.0.as_raw_fd(), libc::IPPROTO_TCP, TCP_REPAIR, &-1i32)
    }

    /// Binds it, whoever else has that address, unless it is bound.
    pub fn bind(self, local: SocketAddr) -> io::Result<()> {
        let fd = self.0.as_raw_fd();
        if !is_bound(fd)? {
            bind(fd, &SockaddrStorage::from(local))?;
        }
        Ok(())
    }

    /// Sets the position that a queue begins at.
    pub fn set_position(self, queue: Queue, seq: u32) -> io::Result<()> {
        self.choose(queue)?;
        set_option(self.0.as_raw_fd(), libc::IPPROTO_TCP, TCP_QUEUE_SEQ, &seq)
    }

    /// Has what is sent appended to a queue.
    pub fn choose(self, queue: Queue) -> io::Result<()> {
        let queue = queue as i32;
        set_option(
            self.0.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_REPAIR_QUEUE,
            &queue,
        )
    }

    /// Sets its ends. Sends nothing. The peer takes segments of `mss` bytes: said later, the
    /// kernel would not use it before the path changes.
    pub fn connect(self, local: SocketAddr, remote: SocketAddr, mss: u32) -> io::Result<()> {
        let fd = self.0.as_raw_fd();
        let mss = i32::try_from(mss)
            .unwrap_or(MSS_MAX)
            .clamp(MSS_MIN, MSS_MAX);
        let set_mss = |mss: i32| set_option(fd, libc::IPPROTO_TCP, libc::TCP_MAXSEG, &mss);
        set_mss(mss)?;
        self.bind(local)?;
        connect(fd, &SockaddrStorage::from(remote))?;
        set_mss(0)
    }

    /// Sets what was negotiated.
    pub fn set_options(self, options: &[TcpOption]) -> io::Result<()> {
        for option in options {
            let level = libc::IPPROTO_TCP;
            set_option(self.0.as_raw_fd(), level, TCP_REPAIR_OPTIONS, option)?;
        }
        Ok(())
    }

    /// Sets the next timestamp, in milliseconds.
    pub fn set_timestamp(self, next: u32) -> io::Result<()> {
        // The lowest bit would choose microseconds.
        let next = next & !1;
        set_option(self.0.as_raw_fd(), libc::IPPROTO_TCP, TCP_TIMESTAMP, &next)
    }

    /// Its windows.
    pub fn window(self) -> io::Result<Window> {
        let level = libc::IPPROTO_TCP;
        let fd = self.0.as_raw_fd();
        get_option(fd, level, TCP_REPAIR_WINDOW, Window::default())
    }

    /// Sets its windows.
    pub fn set_window(self, window: &Window) -> io::Result<()> {
        let level = libc::IPPROTO_TCP;
        set_option(self.0.as_raw_fd(), level, TCP_REPAIR_WINDOW, window)
    }
}

fn is_bound(fd: std::os::fd::RawFd) -> io::Result<bool> {
    let name: SockaddrStorage = getsockname(fd)?;
    let port = match (name.as_sockaddr_in(), name.as_sockaddr_in6()) {
        (Some(name), _) => name.port(),
        (_, Some(name)) => name.port(),
        _ => 0,
    };
    Ok(port != 0)
}

/// Asks a peer for a connection, without waiting for its answer.
pub fn ask(fd: BorrowedFd<'_>, remote: SocketAddr) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    let asked = connect(fd.as_raw_fd(), &SockaddrStorage::from(remote));
    fcntl(fd, FcntlArg::F_SETFL(flags))?;
    match asked {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// An integer option of the socket itself.
pub fn option(fd: BorrowedFd<'_>, name: i32) -> io::Result<i32> {
    get_option(fd.as_raw_fd(), libc::SOL_SOCKET, name, 0i32)
}

/// Sets an integer option of the socket itself.
pub fn set(fd: BorrowedFd<'_>, name: i32, value: i32) -> io::Result<()> {
    set_option(fd.as_raw_fd(), libc::SOL_SOCKET, name, &value)
}

/// A buffer of a socket that takes more for a while.
#[derive(Debug)]
pub struct Widened<'a> {
    fd: BorrowedFd<'a>,
    force: i32,
    before: i32,
    locks: i32,
}

impl<'a> Widened<'a> {
    /// Makes the buffer (`SO_SNDBUF` or `SO_RCVBUF`) take `bytes` at least.
    pub fn new(fd: BorrowedFd<'a>, name: i32, bytes: usize) -> io::Result<Self> {
        let force = if name == libc::SO_SNDBUF {
            libc::SO_SNDBUFFORCE
        } else {
            libc::SO_RCVBUFFORCE
        };
        let before = option(fd, name)?;
        let locks = option(fd, SO_BUF_LOCK)?;
        // The kernel doubles it, and counts its own bookkeeping in: up to as much again for
        // what is sent in full packets, more for less.
        let wanted = i32::try_from(bytes.saturating_mul(2)).unwrap_or(i32::MAX / 2);
        if wanted.saturating_mul(2) > before {
            set(fd, force, wanted.clamp(1 << 20, i32::MAX / 2))?;
        }
        Ok(Self {
            fd,
            force,
            before,
            locks,
        })
    }

    /// Makes it what it was: fixed if the application had fixed it, else free to grow.
    pub fn restore(self) -> io::Result<()> {
        let bit = if self.force == libc::SO_SNDBUFFORCE {
            1
        } else {
            2
        };
        if self.locks & bit != 0 {
            set(self.fd, self.force, self.before / 2)?;
        }
        set(self.fd, SO_BUF_LOCK, self.locks)
    }
}

/// Sends without waiting: how many bytes were taken.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads from a live slice of the length given.
    let sent = unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    super::count(sent)
}

/// Sends no more.
pub fn shut(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// An unconnected TCP socket in a network namespace.
pub fn fresh_socket(netns: BorrowedFd<'_>, ipv6: bool) -> io::Result<std::os::fd::OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let family = if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    super::netns::within(netns, || {
        Ok(socket(
            family,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?)
    })
}
