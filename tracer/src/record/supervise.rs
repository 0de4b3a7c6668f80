//! What happens beside the tracer: signals sent to `ftrun` go on to the application, and a
//! thread that keeps others waiting is named.

use super::watch::{LONG, Watch};
use crate::sys::signals::{SignalMask, Waited};
use crate::sys::wait::Pid;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A thread has computed for long without a sync point, and others wait for it.
    Computing(i32),
}

/// The threads that do it; they end with the process.
pub struct Supervision {
    mask: SignalMask,
    target: Arc<AtomicI32>,
    watch: Arc<Watch>,
}

impl Supervision {
    /// Blocks the signals that are forwarded and starts the threads.
    pub fn begin(notice: Arc<dyn Fn(Notice) + Send + Sync>) -> Self {
        let mask = SignalMask::block_forwarded();
        let target = Arc::new(AtomicI32::new(0));
        let watch = Arc::new(Watch::default());
        let forward = Arc::clone(&target);
        let watched = Arc::clone(&watch);
        std::thread::spawn(move || look_after(&forward, &watched, notice.as_ref()));
        Self {
            mask,
            target,
            watch,
        }
    }

    /// The mask that the application should start with.
    pub const fn original_mask(&self) -> libc::sigset_t {
        self.mask.original()
    }

    /// Signals go to this process from now on.
    pub fn forward_to(&self, pid: Pid) {
        self.target.store(pid.0, Ordering::SeqCst);
    }

    /// What the recorder tells about itself.
    pub fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }
}

/// The process that signals go to; it is about to be started.
fn await_target(target: &AtomicI32) -> i32 {
    const STARTS_WITHIN: Duration = Duration::from_secs(5);
    const LOOK: Duration = Duration::from_millis(1);
    let mut waited = Duration::ZERO;
    loop {
        let pid = target.load(Ordering::SeqCst);
        if pid > 0 || waited >= STARTS_WITHIN {
            return pid;
        }
        std::thread::sleep(LOOK);
        waited += LOOK;
    }
}

fn look_after(target: &AtomicI32, watch: &Watch, notice: &dyn Fn(Notice)) {
    let mut last = (0, 0);
    let mut named = HashSet::new();
    loop {
        match SignalMask::wait_forwarded(LONG) {
            // The terminal's own signals reach the application by themselves.
            Waited::Signal {
                from_kernel: true, ..
            } => {}
            Waited::Signal { number, .. } => {
                let pid = await_target(target);
                if pid > 0 {
                    // If it has ended meanwhile, nobody is left to be told.
                    let _ = crate::sys::host::signal_process(Pid(pid), number);
                }
            }
            Waited::Nothing => {
                if let Some(tid) = watch.look(&mut last)
                    && named.insert(tid.0)
                {
                    notice(Notice::Computing(tid.0));
                }
            }
        }
    }
}
