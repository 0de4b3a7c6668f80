//! Network namespaces without names, and processes that are started in one.

use super::{c_path, ok};
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A network namespace, which exists as long as this value, or a process or a socket in it.
#[derive(Debug)]
pub struct NetworkNamespace(File);

impl NetworkNamespace {
    /// Makes one. The calling thread stays where it is.
    pub fn new() -> io::Result<Self> {
        on_a_thread(|| {
            // SAFETY: no memory is involved; the calling thread does nothing else and ends.
            ok(unsafe { libc::unshare(libc::CLONE_NEWNET) }.into())?;
            File::open("/proc/thread-self/ns/net").map(Self)
        })?
    }

    /// Runs something on a thread of its own in there: sockets and processes that it makes stay there.
    pub fn within<T: Send>(&self, action: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_a_thread(|| {
            enter(self.0.as_raw_fd())?;
            Ok(action())
        })?
    }

    /// A path by which other processes find it while this value exists.
    pub fn path(&self) -> PathBuf {
        let (pid, fd) = (std::process::id(), self.0.as_raw_fd());
        PathBuf::from(format!("/proc/{pid}/fd/{fd}"))
    }

    /// Has a command run in there, in a session of its own, and with a mount namespace of its own in which
    /// `data` is found at `at`. It is killed when the calling thread ends.
    pub fn place(&self, command: &mut Command, data: &Path, at: &Path) -> io::Result<()> {
        let network = self.0.try_clone()?;
        let (data, at) = (c_path(data)?, c_path(at)?);
        let parent = std::process::id();
        // SAFETY: what is called between `fork` and `execve` is system calls, with memory that was made before.
        unsafe {
            command.pre_exec(move || {
                enter(network.as_raw_fd())?;
                ok(libc::setsid().into())?;
                ok(libc::unshare(libc::CLONE_NEWNS).into())?;
                let private = libc::MS_REC | libc::MS_PRIVATE;
                mount(c"none", c"/", private)?;
                mount(&data, &at, libc::MS_BIND)?;
                ok(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL).into())?;
                if libc::getppid().cast_unsigned() == parent {
                    Ok(())
                } else {
                    Err(io::Error::from_raw_os_error(libc::ESRCH))
                }
            });
        }
        Ok(())
    }
}

fn enter(network: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is involved.
    ok(unsafe { libc::setns(network, libc::CLONE_NEWNET) }.into())
}

fn mount(source: &CStr, target: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: two texts that end with NUL; what else a mount may have, this one has not.
    let done = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            std::ptr::null(),
            flags,
            std::ptr::null(),
        )
    };
    ok(done.into())
}

fn on_a_thread<T: Send>(action: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, action)?;
        thread
            .join()
            .map_err(|_| io::Error::other("a thread panicked"))
    })
}
