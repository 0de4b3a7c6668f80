//! What namespaces need of the kernel: an init process in new ones, and processes that become
//! members of them. Both are forks that execute nothing of the C library that could lock.

pub mod init;
pub mod member;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// `clone3`'s arguments (include/uapi/linux/sched.h), up to what is used here.
#[repr(C)]
#[derive(Debug, Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
}

/// Forks by a plain syscall, so that no lock of the C library matters. The child has this
/// thread only.
///
/// # Safety
/// The child may call async-signal-safe functions only, and must not return.
unsafe fn clone3(args: &CloneArgs) -> io::Result<i32> {
    // SAFETY: the structure is valid, has the size given, and its addresses are the caller's.
    let done = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_ref(args),
            size_of::<CloneArgs>(),
        )
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::try_from(done).unwrap_or(0))
}

/// A pair of connected sockets that keep messages apart and close at `execve`.
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel stores two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: two descriptors that the kernel has just made for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Messages that `fd` receives tell who sent them, in terms of the receiver's namespace.
fn tell_senders(fd: RawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads one int.
    let done = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_PASSCRED,
            (&raw const on).cast(),
            size_of::<libc::c_int>().try_into().unwrap_or(0),
        )
    };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Room for one control message of either kind used here.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Two words, as every message here has.
pub type Words = [i32; 2];

/// Sends two words; with a process id to be translated for the receiver, or a descriptor.
/// Async-signal-safe.
fn send(fd: RawFd, words: Words, extra: Extra) -> io::Result<()> {
    let mut control = Control([0; 64]);
    let mut bytes = libc::iovec {
        iov_base: words.as_ptr().cast_mut().cast(),
        iov_len: size_of::<Words>(),
    };
    // SAFETY: a zeroed msghdr is valid; the pointers set are to live memory of sufficient
    // size: a control message of at most a `ucred` fits into `Control`.
    let done = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut bytes;
        message.msg_iovlen = 1;
        let (kind, len) = match extra {
            Extra::None => (0, 0),
            Extra::Process(_) => (libc::SCM_CREDENTIALS, size_of::<libc::ucred>()),
            Extra::Descriptor(_) => (libc::SCM_RIGHTS, size_of::<RawFd>()),
        };
        if len > 0 {
            let len = u32::try_from(len).unwrap_or(0);
            message.msg_control = (&raw mut control).cast();
            message.msg_controllen = libc::CMSG_SPACE(len) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = libc::CMSG_LEN(len) as usize;
            match extra {
                Extra::None => {}
                Extra::Process(pid) => libc::CMSG_DATA(header)
                    .cast::<libc::ucred>()
                    .write_unaligned(libc::ucred {
                        pid,
                        uid: libc::getuid(),
                        gid: libc::getgid(),
                    }),
                Extra::Descriptor(fd) => {
                    libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd)
                }
            }
        }
        libc::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL)
    };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Sends a file, with [`PASSED_BYTES`] that mean nothing.
pub fn pass(to: RawFd, file: RawFd) -> io::Result<()> {
    send(to, [0; 2], Extra::Descriptor(file))
}

/// Bytes of a message with a file.
pub const PASSED_BYTES: usize = size_of::<Words>();

/// What goes with two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    None,
    Process(i32),
    Descriptor(RawFd),
}

/// Receives what [`send`] sent; `None` at the end. Async-signal-safe.
fn receive(fd: RawFd) -> io::Result<Option<(Words, Extra)>> {
    let mut words: Words = [0; 2];
    let mut control = Control([0; 64]);
    let mut bytes = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of::<Words>(),
    };
    // SAFETY: as in `send`; the kernel writes at most the lengths given, and the control
    // messages are walked within what it wrote.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut bytes;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of::<Control>();
        let done = loop {
            let done = libc::recvmsg(fd, &raw mut message, libc::MSG_CMSG_CLOEXEC);
            if done != -1 {
                break done;
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        };
        if done == 0 {
            return Ok(None);
        }
        let mut extra = Extra::None;
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET {
                let data = libc::CMSG_DATA(header);
                match (*header).cmsg_type {
                    libc::SCM_CREDENTIALS => {
                        let sender = data.cast::<libc::ucred>().read_unaligned();
                        extra = Extra::Process(sender.pid);
                    }
                    libc::SCM_RIGHTS => {
                        extra = Extra::Descriptor(data.cast::<RawFd>().read_unaligned());
                    }
                    _ => {}
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        if usize::try_from(done) != Ok(size_of::<Words>()) {
            return Err(io::Error::from_raw_os_error(libc::EPROTO));
        }
        Ok(Some((words, extra)))
    }
}

/// The last error's number. Async-signal-safe.
fn errno() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}
