//! Descendants that lost their parents: adopted, so that their end can be waited for.

use super::ok;
use std::io;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);

/// From now on, whoever loses its parent among the descendants of this process becomes its child.
pub fn adopt() -> io::Result<()> {
    // SAFETY: no memory is involved.
    ok(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }.into())
}

/// Waits until no child is left; whether that came to be within the limit. The children must have been
/// made to end, and nobody else may wait for one.
pub fn reap(limit: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        // SAFETY: no status is asked for.
        let done = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) };
        match ok(done.into()) {
            Ok(()) if done > 0 => {}
            Ok(()) if Instant::now() >= deadline => return Ok(false),
            Ok(()) => std::thread::sleep(PAUSE),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
