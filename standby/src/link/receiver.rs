//! The standby's side: lets the one peer in, and stores what it ships.

mod files;
mod listen;
mod session;
mod store;

use super::channel::Channel;
use super::error::{ControlError, LinkError};
use super::handshake::Own;
use super::keys::Keys;
use super::message::Session;
use super::outbox::Outbox;
use super::signal::Signal;
use super::stats::{Counters, LinkStats};
use super::tls::Tls;
use super::{LinkEvent, LinkTimes, Listener, spawn};
use journal::{Machine, Progress};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use store::Store;

/// What a receiver needs.
#[derive(Debug)]
pub struct ReceiverOptions {
    /// Where the primary connects to.
    pub listen: SocketAddr,
    /// Key material of this node.
    pub keys: Keys,
    /// The copy of the recording; it is created.
    pub dir: PathBuf,
    /// This machine.
    pub machine: Machine,
    /// Patience.
    pub times: LinkTimes,
}

impl ReceiverOptions {
    /// With the usual patience.
    #[must_use]
    pub fn new(listen: SocketAddr, keys: Keys, dir: PathBuf, machine: Machine) -> Self {
        Self {
            listen,
            keys,
            dir,
            machine,
            times: LinkTimes::default(),
        }
    }
}

/// Stores a recording that is made elsewhere. Dropping it ends that, and tells readers that
/// nothing more will come.
pub struct Receiver {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
    address: SocketAddr,
    progress: Arc<Progress>,
}

/// What the threads of a receiver have in common.
struct Shared {
    options: ReceiverOptions,
    own: Own,
    tls: Tls,
    signal: Arc<Signal>,
    outbox: Outbox,
    listener: Listener,
    counters: Counters,
    applied: Arc<Applied>,
    /// Changes while a kept file is looked for, which takes its time.
    work: AtomicU64,
    /// The connection that was let in last.
    channel: Mutex<Option<Arc<Channel>>>,
    /// Held by the session that stores.
    store: Mutex<Store>,
    stopped: AtomicBool,
}

/// How far the replay is: set by it, told to the primary.
#[derive(Debug, Default)]
pub struct Applied {
    events: AtomicU64,
    /// Somebody sleeps until there is more.
    asked: AtomicBool,
    signal: Arc<Signal>,
}

impl Applied {
    /// The first `events` events are replayed. Cheap: it may be called for every event.
    #[inline]
    pub fn set(&self, events: u64) {
        self.events.store(events, Ordering::SeqCst);
        if self.asked.load(Ordering::SeqCst) && self.asked.swap(false, Ordering::SeqCst) {
            self.signal.wake();
        }
    }

    /// How many are.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::SeqCst)
    }

    /// Has the next change wake the signal. What was there just before is returned.
    fn ask(&self) -> u64 {
        self.asked.store(true, Ordering::SeqCst);
        self.events()
    }
}

impl Receiver {
    /// Begins to listen. `on_event` is called on the receiver's threads, one call after the
    /// other; it must be short, and not drop the receiver.
    pub fn start(
        options: ReceiverOptions,
        on_event: impl Fn(LinkEvent) + Send + 'static,
    ) -> Result<Self, LinkError> {
        let on = options.listen;
        let store = Store::open(&options.dir)?;
        let progress = store.replica.progress();
        let failed = |error| LinkError::Listen { on, error };
        let listener = Arc::new(TcpListener::bind(on).map_err(failed)?);
        let address = listener.local_addr().map_err(failed)?;
        let signal = Arc::new(Signal::default());
        let shared = Arc::new(Shared {
            own: Own {
                ftrun_version: env!("CARGO_PKG_VERSION").into(),
                machine: options.machine.clone(),
            },
            tls: Tls::new(&options.keys)?,
            outbox: Outbox::new(Arc::clone(&signal)),
            listener: Listener::new(on_event),
            counters: Counters::default(),
            applied: Arc::new(Applied {
                signal: Arc::clone(&signal),
                ..Applied::default()
            }),
            signal,
            work: AtomicU64::new(0),
            channel: Mutex::new(None),
            store: Mutex::new(store),
            stopped: AtomicBool::new(false),
            options,
        });
        let (own, socket) = (Arc::clone(&shared), Arc::clone(&listener));
        let thread = spawn("link-accept", move || listen::run(&own, &socket))?;
        Ok(Self {
            shared,
            listener,
            thread: Some(thread),
            address,
            progress,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Told of what is stored: for [`journal::Follow::progress`]. As soon as it has an event, the
    /// copy can be opened.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// For the replay to tell how far it is.
    #[must_use]
    pub fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.shared.applied)
    }

    /// Sends a message to the other role.
    pub fn send_control(&self, bytes: &[u8]) -> Result<(), ControlError> {
        self.shared.outbox.control(bytes)
    }

    /// Figures.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        let channel = self.shared.lock_channel();
        self.shared.counters.snapshot(channel.as_deref())
    }

    /// Ends every connection and takes no more: what is stored is all that will be, and readers
    /// that follow come to the end. It still holds the copy until it is dropped.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        // Wakes whoever accepts; it fails where there is nobody.
        let _ = nix::sys::socket::shutdown(
            std::os::fd::AsRawFd::as_raw_fd(&*self.listener),
            nix::sys::socket::Shutdown::Both,
        );
        if let Some(channel) = &*self.shared.lock_channel() {
            channel.close();
        }
        self.shared.signal.wake();
        // The session, if there is one, has stored what it was about to.
        drop(self.shared.lock_store());
        self.progress.stop();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A defect in it was told where it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn lock_channel(&self) -> MutexGuard<'_, Option<Arc<Channel>>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self, reason: LinkError) {
        self.listener.tell(LinkEvent::Lost { reason });
    }
}

/// Which recording a directory is a copy of.
fn same_session(known: Option<Session>, asked: Session) -> Result<(), LinkError> {
    match known {
        Some(known) if known != asked => Err(LinkError::Differs(format!(
            "this standby has a copy of recording {known}, not of {asked}: give it another directory"
        ))),
        _ => Ok(()),
    }
}
