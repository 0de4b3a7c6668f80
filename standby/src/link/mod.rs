//! The journal's way from the primary to the standby: one authenticated connection on which a
//! recording is copied while it is made. `docs/LINK.md` describes the protocol byte by byte.
//! Who of the two may be active is no matter of the link: it carries what the roles say to each
//! other, and reports what happens to it.

mod channel;
mod clock;
mod error;
mod handshake;
mod keys;
mod machine;
mod message;
mod outbox;
mod receiver;
mod sender;
mod signal;
mod stats;
mod sys;
mod tls;
mod wire;

pub use clock::ClockOffsets;
pub use error::{ControlError, LinkError};
pub use handshake::Peer;
pub use keys::{KeyError, Keys, generate};
pub use machine::{Differences, compare as compare_machines};
pub use message::{Clocks, Hello, Message, PROTOCOL_VERSION, Place, Role, Session, Welcome};
pub use receiver::{Applied, Receiver, ReceiverOptions};
pub use sender::{Sender, SenderOptions};
pub use stats::LinkStats;
pub use wire::{BODY_BYTES_MAX, CHUNK_BYTES_MAX, HEAD_BYTES, WireError, decode, encode};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happens to a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// Both sides have accepted each other.
    Connected(Box<Peer>),
    /// There is no connection any more, or an attempt to have one failed. It is tried again.
    Lost {
        /// Why.
        reason: LinkError,
    },
    /// Somebody connected to the standby and was not let in: strangers, peers that do not fit. It
    /// says nothing of the connection that there may be.
    Rejected {
        /// Why.
        reason: LinkError,
    },
    /// The other role says something.
    Control(Vec<u8>),
    /// A heartbeat came back after this time.
    RoundTrip(Duration),
    /// More of the journal than allowed is not stored by the standby.
    BacklogExceeded {
        /// Bytes of it.
        bytes: u64,
    },
    /// The standby has stored the whole journal, which has ended.
    Complete {
        /// Events in it.
        events: u64,
    },
    /// The primary's journal has ended, and is stored here as far as it goes.
    JournalEnded {
        /// Events in it.
        events: u64,
        /// Why, if not in order.
        failure: Option<String>,
    },
}

/// What a link waits for, and how long.
#[derive(Debug, Clone, Copy)]
pub struct LinkTimes {
    /// A sign of life is sent so often.
    pub heartbeat: Duration,
    /// Without one for so long, the connection is given up.
    pub silence: Duration,
    /// A connection must be accepted by both sides within this time.
    pub handshake: Duration,
    /// The pause after the first failed attempt to connect; it doubles …
    pub retry_min: Duration,
    /// … up to this.
    pub retry_max: Duration,
}

impl Default for LinkTimes {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            silence: Duration::from_millis(500),
            handshake: Duration::from_secs(5),
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(500),
        }
    }
}

impl Session {
    /// A name that no other recording has.
    pub fn random() -> Result<Self, LinkError> {
        let mut bytes = [0; 16];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
        Ok(Self(u128::from_le_bytes(bytes)))
    }
}

/// Whom events are told, one after the other.
#[derive(Clone)]
struct Listener(Arc<Mutex<dyn Fn(LinkEvent) + Send>>);

impl Listener {
    fn new(on_event: impl Fn(LinkEvent) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(on_event)))
    }

    fn tell(&self, event: LinkEvent) {
        let on_event = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        on_event(event);
    }
}

/// Starts a thread that leaves signals to others.
fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>, LinkError> {
    use nix::sys::signal::{SigSet, SigmaskHow};
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let thread = std::thread::Builder::new().name(name.into()).spawn(body);
    if let Ok(mask) = mask {
        let _ = mask.thread_set_mask();
    }
    thread.map_err(|error| LinkError::System {
        doing: format!("start the thread {name}"),
        error,
    })
}
