//! Signals to the supervisor itself.

use std::time::Duration;

/// Signals that are forwarded to the application. Not those that the kernel raises for
/// what this process does itself, and not SIGCHLD, of which the tracer gets one a stop.
const FORWARDED: [i32; 13] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGWINCH,
    libc::SIGURG,
    libc::SIGIO,
    libc::SIGPWR,
];

/// The mask before the forwarded signals were blocked.
pub struct SignalMask {
    original: libc::sigset_t,
}

/// What a wait brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// A forwarded signal.
    Signal {
        /// Its number.
        number: i32,
        /// The kernel sent it (a terminal, to the whole foreground group).
        from_kernel: bool,
    },
    /// The time is over.
    Nothing,
}

fn forwarded() -> libc::sigset_t {
    // SAFETY: a zeroed sigset_t is valid, and filled by sigaddset.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        for signal in FORWARDED {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

impl SignalMask {
    /// Blocks the forwarded signals in this thread and those that it starts.
    #[must_use]
    pub fn block_forwarded() -> Self {
        let mut set = forwarded();
        // SAFETY: both sets are valid.
        let original = unsafe {
            // A kept file beyond the file size limit is an error, and no death.
            libc::sigaddset(&raw mut set, libc::SIGXFSZ);
            let mut original: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut original);
            original
        };
        Self { original }
    }

    /// The mask as it was.
    #[must_use]
    pub const fn original(&self) -> libc::sigset_t {
        self.original
    }

    /// Waits for a forwarded signal.
    #[must_use]
    pub fn wait_forwarded(limit: Duration) -> Waited {
        let set = forwarded();
        let limit = libc::timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        // SAFETY: all three are valid for the call; siginfo_t is plain data.
        let (number, code) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (
                libc::sigtimedwait(&raw const set, &raw mut info, &raw const limit),
                info.si_code,
            )
        };
        if number > 0 {
            Waited::Signal {
                number,
                from_kernel: code > 0,
            }
        } else {
            Waited::Nothing
        }
    }
}
