//! Signals that ask for an end, turned into a value that is looked at: so that whoever is asked can
//! put things back before.

use super::ok;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// From now on, SIGHUP, SIGINT and SIGTERM do not end this process. Those that it was started to ignore
/// stay ignored.
pub fn catch() -> io::Result<()> {
    extern "C" fn note(signal: libc::c_int) {
        CAUGHT.store(signal, Ordering::Relaxed);
    }
    let handler: extern "C" fn(libc::c_int) = note;
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        // SAFETY: zeros are a valid structure; the kernel fills it with what is now.
        let (done, mut action) = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            (
                libc::sigaction(signal, std::ptr::null(), &raw mut action),
                action,
            )
        };
        ok(done.into())?;
        if action.sa_sigaction == libc::SIG_IGN {
            continue;
        }
        action.sa_sigaction = handler as libc::sighandler_t;
        // SAFETY: a valid structure; the handler stores one word and does nothing else.
        let done = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        ok(done.into())?;
    }
    Ok(())
}

/// The signal that has come, if one has.
pub fn caught() -> Option<i32> {
    match CAUGHT.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}
