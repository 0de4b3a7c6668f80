//! Doing something in another network namespace, without moving there.

use std::io;
use std::os::fd::BorrowedFd;

/// Runs `action` on a thread of its own inside the network namespace `netns`: sockets and
/// devices that it makes belong there for ever.
pub fn within<T: Send>(
    netns: BorrowedFd<'_>,
    action: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::setns(netns, nix::sched::CloneFlags::CLONE_NEWNET)?;
            action()
        });
        inside
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the helping thread ended unexpectedly")))
    })
}
