//! The primary's side: connects, ships what is written, and connects again.

mod bulk;
mod incoming;
mod pump;

use super::channel::{Channel, Inbox};
use super::error::{ControlError, LinkError};
use super::handshake::{Deadline, Own, introduce};
use super::keys::Keys;
use super::message::Session;
use super::outbox::Outbox;
use super::signal::Signal;
use super::stats::{Counters, LinkStats};
use super::tls::Tls;
use super::{LinkEvent, LinkTimes, Listener, spawn};
use crate::commit::Commit;
use bulk::Bulk;
use incoming::Incoming;
use journal::{Appender, By, Machine};
use pump::Pump;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a sender needs.
#[derive(Debug)]
pub struct SenderOptions {
    /// The standby.
    pub to: SocketAddr,
    /// Key material of this node.
    pub keys: Keys,
    /// The recording.
    pub dir: PathBuf,
    /// A hand of its journal.
    pub appender: Appender,
    /// Is told what the standby has stored and replayed.
    pub commit: Arc<Commit>,
    /// Names the recording.
    pub session: Session,
    /// This machine.
    pub machine: Machine,
    /// If the standby lacks more of the journal, that is an event.
    pub backlog_bytes_max: u64,
    /// So much may be on its way.
    pub window_bytes: u64,
    /// Patience.
    pub times: LinkTimes,
}

impl SenderOptions {
    /// With the usual limits: 1 GiB of backlog, 4 MiB on their way.
    #[must_use]
    pub fn new(
        to: SocketAddr,
        keys: Keys,
        dir: PathBuf,
        appender: Appender,
        commit: Arc<Commit>,
        session: Session,
        machine: Machine,
    ) -> Self {
        Self {
            to,
            keys,
            dir,
            appender,
            commit,
            session,
            machine,
            backlog_bytes_max: 1 << 30,
            window_bytes: 4 << 20,
            times: LinkTimes::default(),
        }
    }
}

/// Ships a recording while it is made. Dropping it ends that.
pub struct Sender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of a sender have in common.
struct Shared {
    options: SenderOptions,
    own: Own,
    tls: Tls,
    signal: Arc<Signal>,
    outbox: Outbox,
    listener: Listener,
    counters: Counters,
    channel: Mutex<Option<Arc<Channel>>>,
    /// What sends, while there is a connection. Whoever sends holds it.
    pump: Mutex<Option<Pump>>,
    stopped: AtomicBool,
    backlog_told: AtomicBool,
    /// Bytes of the journal before what the standby has last asked for, or was sent.
    sent_bytes: AtomicU64,
}

impl Sender {
    /// Begins to connect and to ship. `on_event` is called on the sender's threads, one call
    /// after the other; it must be short, and not drop the sender.
    pub fn start(
        options: SenderOptions,
        on_event: impl Fn(LinkEvent) + Send + 'static,
    ) -> Result<Self, LinkError> {
        let signal = Arc::new(Signal::default());
        let shared = Arc::new(Shared {
            own: Own {
                ftrun_version: env!("CARGO_PKG_VERSION").into(),
                machine: options.machine.clone(),
            },
            tls: Tls::new(&options.keys)?,
            outbox: Outbox::new(Arc::clone(&signal)),
            signal,
            listener: Listener::new(on_event),
            counters: Counters::default(),
            channel: Mutex::new(None),
            pump: Mutex::new(None),
            stopped: AtomicBool::new(false),
            backlog_told: AtomicBool::new(false),
            sent_bytes: AtomicU64::new(0),
            options,
        });
        let told = Arc::downgrade(&shared);
        shared.options.appender.watch(move |by| {
            let shared = told.upgrade();
            if let Some(shared) = &shared {
                shared.written(by);
            }
            shared.is_some()
        });
        let own = Arc::clone(&shared);
        let thread = spawn("link-out", move || own.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Sends a message to the other role, before everything that waits.
    pub fn send_control(&self, bytes: &[u8]) -> Result<(), ControlError> {
        self.shared.outbox.control(bytes)
    }

    /// Figures.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        let channel = self.shared.lock_channel();
        self.shared.counters.snapshot(channel.as_deref())
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.lock_channel().is_some()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(channel) = &*self.shared.lock_channel() {
            channel.close();
        }
        self.shared.signal.wake();
        if let Some(thread) = self.thread.take() {
            // A defect in it was told where it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(self: &Arc<Self>) {
        let times = self.options.times;
        let mut pause = times.retry_min;
        while !self.is_stopped() {
            let connected = self.counters.connections.load(Ordering::Relaxed);
            let reason = match self.connect() {
                Ok(never) => match never {},
                Err(reason) => reason,
            };
            let refused = matches!(reason, LinkError::Refused(_));
            self.listener.tell(LinkEvent::Lost { reason });
            // Who refuses what comes will not take it a moment later either.
            if self.counters.connections.load(Ordering::Relaxed) > connected && !refused {
                pause = times.retry_min;
            }
            self.rest(pause);
            pause = (pause * 2).min(times.retry_max);
        }
    }

    /// Waits before the next attempt.
    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while !self.is_stopped() {
            self.look_at_backlog(0);
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.signal.wait(left);
        }
    }

    /// One connection, from its beginning to its end.
    fn connect(self: &Arc<Self>) -> Result<std::convert::Infallible, LinkError> {
        let SenderOptions {
            to, session, times, ..
        } = self.options;
        let deadline = Deadline::new(times.handshake);
        let socket = TcpStream::connect_timeout(&to, times.handshake)
            .map_err(|error| LinkError::Connect { to, error })?;
        let tls = self.tls.connect()?;
        let channel = Channel::establish(socket, tls, deadline.at, deadline.patience)?;
        let channel = Arc::new(channel);
        let mut inbox = Inbox::default();
        let (peer, welcome) = introduce(&channel, &mut inbox, &self.own, session, deadline)?;
        let bulk = Bulk::begin(self, &welcome)?;
        if welcome.applied > welcome.position.events {
            return Err(LinkError::Unexpected("more was replayed than stored"));
        }
        self.options.commit.advance(welcome.position.events);
        self.options.commit.applied(welcome.applied);
        *self.lock_channel() = Some(Arc::clone(&channel));
        self.outbox.set_connected(true);
        self.counters.connections.fetch_add(1, Ordering::Relaxed);
        self.listener.tell(LinkEvent::Connected(Box::new(peer)));
        let reason = self.serve(&channel, inbox, bulk);
        self.outbox.set_connected(false);
        *self.lock_channel() = None;
        self.counters.ended(&channel);
        Err(reason)
    }

    fn serve(self: &Arc<Self>, channel: &Arc<Channel>, inbox: Inbox, bulk: Bulk) -> LinkError {
        let incoming = Incoming::new(self, channel, bulk.flight());
        let thread = match spawn("link-in", move || incoming.run(inbox)) {
            Ok(thread) => thread,
            Err(error) => return error,
        };
        *self.lock_pump() = Some(Pump::new(channel, bulk));
        let ours = self.send_all(channel);
        *self.lock_pump() = None;
        if let Err(error @ (LinkError::Journal(_) | LinkError::Files(_))) = &ours {
            let goodbye = Deadline::new(self.options.times.silence);
            super::handshake::decline(channel, &error.to_string(), goodbye);
        }
        channel.close();
        let theirs = thread.join();
        let ours = match ours {
            Ok(never) => match never {},
            Err(error) => error,
        };
        if self.is_stopped() {
            return LinkError::Stopped;
        }
        match theirs {
            // What ended the connection first is why.
            Ok(Some(error)) => error,
            _ => ours,
        }
    }

    /// Sends what there is to send until the connection ends.
    fn send_all(&self, channel: &Channel) -> Result<std::convert::Infallible, LinkError> {
        loop {
            if self.is_stopped() {
                return Err(LinkError::Stopped);
            }
            if channel.is_closed() {
                return Err(LinkError::Closed);
            }
            let idle_until = match &mut *self.lock_pump() {
                Some(pump) => pump.send(self)?,
                None => return Err(LinkError::Closed),
            };
            if let Some(until) = idle_until {
                self.signal
                    .wait(until.saturating_duration_since(Instant::now()));
            }
        }
    }

    /// The journal is written further, or has ended. Who hurries sends by itself: waking up a
    /// thread takes longer.
    fn written(&self, by: By) {
        if by == By::Presser
            && let Ok(mut pump) = self.pump.try_lock()
            && pump.as_mut().is_some_and(|pump| pump.send_now(self))
        {
            return;
        }
        self.signal.wake();
    }

    /// What is written and the standby does not have.
    fn note_backlog(&self, in_flight: u64) -> u64 {
        let written = self.options.appender.written_bytes();
        let sent = self.sent_bytes.load(Ordering::Relaxed);
        let bytes = written.saturating_sub(sent) + in_flight;
        self.counters.backlog.store(bytes, Ordering::Relaxed);
        bytes
    }

    /// Reports it if it is too much.
    fn look_at_backlog(&self, in_flight: u64) {
        let bytes = self.note_backlog(in_flight);
        let max = self.options.backlog_bytes_max;
        if bytes > max && !self.backlog_told.swap(true, Ordering::Relaxed) {
            self.listener.tell(LinkEvent::BacklogExceeded { bytes });
        } else if bytes <= max / 2 {
            self.backlog_told.store(false, Ordering::Relaxed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn lock_pump(&self) -> MutexGuard<'_, Option<Pump>> {
        self.pump.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_channel(&self) -> MutexGuard<'_, Option<Arc<Channel>>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
