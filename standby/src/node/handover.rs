//! A planned switchover, as the primary's engine sees it: the application is held where it is,
//! what it has said goes out, and the journal ends. The gate keeps what comes from then on for
//! whoever goes on.

use crate::commit::Commit;
use crate::gate::Gate;
use crate::role::Handle;
use journal::Appender;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tracer::brake::Brake;

const LOOK: Duration = Duration::from_micros(500);
/// How long the network is watched before it is looked whether that is still wanted.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a switchover has to do with.
pub(super) struct Handover {
    parts: Arc<Parts>,
    /// The one under way.
    current: Option<Arc<AtomicBool>>,
}

struct Parts {
    brake: Brake,
    gate: Arc<Gate>,
    appender: Appender,
    commit: Arc<Commit>,
    /// Told when everything is out.
    role: OnceLock<Handle>,
    /// Held while the gate is told something.
    telling: Mutex<()>,
}

impl Handover {
    pub fn new(brake: Brake, gate: Arc<Gate>, appender: Appender, commit: Arc<Commit>) -> Self {
        Self {
            parts: Arc::new(Parts {
                brake,
                gate,
                appender,
                commit,
                role: OnceLock::new(),
                telling: Mutex::new(()),
            }),
            current: None,
        }
    }

    /// Makes it known whom to tell.
    pub fn introduce(&self) -> impl FnOnce(Handle) + use<> {
        let parts = Arc::clone(&self.parts);
        move |handle| {
            let _ = parts.role.set(handle);
        }
    }

    /// Begins to drain.
    pub fn begin(&mut self) -> io::Result<()> {
        let going = Arc::new(AtomicBool::new(true));
        self.current = Some(Arc::clone(&going));
        let parts = Arc::clone(&self.parts);
        std::thread::Builder::new()
            .name("ftrun-handover".to_owned())
            .spawn(move || parts.drain(&going))?;
        Ok(())
    }

    /// It is off: everything goes on.
    pub fn cancel(&mut self) {
        if let Some(going) = self.current.take() {
            let _telling = self.parts.telling();
            going.store(false, Ordering::SeqCst);
            // A gate that has failed lets nothing in either.
            let _ = self.parts.gate.resume();
            self.parts.brake.release();
        }
    }

    /// The application is another node's. If that was asked for, nothing of what happens to it
    /// here is journaled; otherwise it is found out how it was lost.
    pub fn end(&mut self) {
        if let Some(going) = self.current.take() {
            going.store(false, Ordering::SeqCst);
            self.parts.brake.end();
        }
    }
}

impl Parts {
    fn telling(&self) -> std::sync::MutexGuard<'_, ()> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drain(&self, going: &AtomicBool) {
        {
            let _telling = self.telling();
            if !going.load(Ordering::SeqCst) {
                return;
            }
            self.brake.hold();
            if self.gate.pause().is_err() {
                return;
            }
        }
        let last = self.settle(going);
        if let Some(role) = self.role.get()
            && going.load(Ordering::SeqCst)
        {
            role.drained(last);
            while going.load(Ordering::SeqCst) {
                if self.gate.wait_moved(PATIENCE) {
                    return role.claimed();
                }
                // A gate that has failed answers at once.
                std::thread::sleep(LOOK);
            }
        }
    }

    /// Waits until the standby has the whole journal, and nothing waits to go out. Where the
    /// journal ends then. Whether that takes too long, others decide.
    fn settle(&self, going: &AtomicBool) -> u64 {
        self.appender.hurry(Duration::ZERO);
        loop {
            let appended = self.appender.appended();
            let there = self.commit.committed() >= appended;
            // What the journal does not lead to is sent again by whoever goes on.
            let settled = there && self.gate.stats().held_labelled == 0;
            if settled || !going.load(Ordering::SeqCst) {
                return appended;
            }
            std::thread::sleep(LOOK);
        }
    }
}
