//! One authenticated connection at the standby: stores what comes, and says how far that is.

use super::Shared;
use super::files::{Helper, Job};
use super::store::Store;
use crate::link::channel::{Channel, Inbox};
use crate::link::error::LinkError;
use crate::link::handshake::{self, Deadline, Peer};
use crate::link::message::{Message, Session};
use crate::link::{LinkEvent, clock, spawn, wire};
use journal::LeanHead;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The replay's progress is told at most so often, if nothing else is to be said.
const APPLIED_PAUSE: Duration = Duration::from_millis(5);
/// Kept files that were offered and have not come.
const OFFERS_MAX: usize = 1 << 20;

/// How a connection ended.
pub(super) enum Ended {
    /// It was never accepted.
    Before(LinkError),
    /// It was.
    After(LinkError),
}

/// Runs a session that was let in.
pub(super) fn run(
    shared: &Arc<Shared>,
    store: &mut Store,
    channel: &Arc<Channel>,
    mut inbox: Inbox,
    peer: Peer,
    asked: Session,
    deadline: Deadline,
) -> Result<Infallible, Ended> {
    let mut before = || -> Result<(), LinkError> {
        if let Err(error) = store.belong_to(asked) {
            handshake::decline(channel, &error.to_string(), deadline);
            return Err(error);
        }
        let position = store.replica.position();
        let applied = shared.applied.events().min(position.events);
        handshake::welcome(channel, &shared.own, position, applied, deadline)
    };
    before().map_err(Ended::Before)?;
    shared.outbox.set_connected(true);
    shared.counters.connections.fetch_add(1, Ordering::Relaxed);
    shared.listener.tell(LinkEvent::Connected(Box::new(peer)));
    let done = serve(shared, store, channel, &mut inbox);
    shared.outbox.set_connected(false);
    done.map_err(Ended::After)
}

fn serve(
    shared: &Arc<Shared>,
    store: &mut Store,
    channel: &Arc<Channel>,
    inbox: &mut Inbox,
) -> Result<Infallible, LinkError> {
    let taken = Arc::new(AtomicU64::new(0));
    let helper = Helper::start(shared, channel)?;
    let teller = Teller {
        shared: Arc::clone(shared),
        channel: Arc::clone(channel),
        taken: Arc::clone(&taken),
        stored: store.replica.progress(),
    };
    let out = spawn("link-out", move || teller.run())?;
    let mut intake = Intake {
        shared,
        store,
        channel,
        helper: &helper,
        offers: HashMap::new(),
        taken: &taken,
    };
    let done = intake.run(inbox);
    if let Err(error) = &done {
        intake.say_why(error);
    }
    channel.close();
    shared.signal.wake();
    drop(helper);
    // A defect in it was told where it happened.
    let _ = out.join();
    done
}

/// Stores what comes.
struct Intake<'a> {
    shared: &'a Arc<Shared>,
    store: &'a mut Store,
    channel: &'a Arc<Channel>,
    helper: &'a Helper,
    /// Sizes of the kept files that were offered.
    offers: HashMap<u128, u64>,
    taken: &'a AtomicU64,
}

impl Intake<'_> {
    fn run(&mut self, inbox: &mut Inbox) -> Result<Infallible, LinkError> {
        let silence = self.shared.options.times.silence;
        loop {
            let before = self.taken.load(Ordering::Relaxed);
            while let Some(message) = inbox.next()? {
                self.hear(&message)?;
            }
            if self.taken.load(Ordering::Relaxed) > before {
                self.tell_progress()?;
            }
            while let Some(segment) = self.store.replica.take_ended() {
                self.helper.give(Job::Sync(segment))?;
            }
            self.channel.receive(inbox, silence)?;
        }
    }

    fn hear(&mut self, message: &Message<'_>) -> Result<(), LinkError> {
        match *message {
            Message::Data {
                segment,
                offset,
                bytes,
            } => {
                self.store.replica.push(segment, offset, bytes)?;
                let len = self.took(bytes.len());
                let count = &self.shared.counters.journal;
                count.fetch_add(len, Ordering::Relaxed);
                Ok(())
            }
            Message::Frame {
                codec,
                flags,
                raw_len,
                count,
                crc,
                payload,
            } => {
                let crc = u32::from_le_bytes(crc);
                let head = LeanHead {
                    codec,
                    flags,
                    raw_len,
                    count,
                    crc,
                };
                let len = self.store.replica.push_frame(head, payload)?;
                self.took(len);
                let count = &self.shared.counters.journal;
                count.fetch_add(len as u64, Ordering::Relaxed);
                Ok(())
            }
            Message::Offer { hash, size, path } => {
                if self.offers.len() >= OFFERS_MAX {
                    return Err(LinkError::Overrun);
                }
                self.offers.insert(hash, size);
                let path = path.to_vec();
                self.helper.give(Job::Look { hash, size, path })
            }
            Message::File { hash, from } => self.begin_file(hash, from),
            Message::FileData { bytes } => {
                self.incoming()?.data(bytes)?;
                let len = self.took(bytes.len());
                let count = &self.shared.counters.files;
                count.fetch_add(len, Ordering::Relaxed);
                Ok(())
            }
            Message::FileHole { len } => Ok(self.incoming()?.hole(len)?),
            Message::FileEnd => {
                let incoming = self.store.incoming.take();
                incoming.ok_or(NO_FILE)?.finish()?;
                Ok(())
            }
            Message::Control { bytes } => {
                let event = LinkEvent::Control(bytes.to_vec());
                self.shared.listener.tell(event);
                Ok(())
            }
            Message::Ping { id } => self.say(&Message::Pong { id }),
            Message::Pong { id } => {
                let Some(time) = clock::now().monotonic_ns.checked_sub(id) else {
                    return Err(LinkError::Unexpected("an answer to no ping"));
                };
                self.shared.counters.round_trip(time);
                let event = LinkEvent::RoundTrip(Duration::from_nanos(time));
                self.shared.listener.tell(event);
                Ok(())
            }
            Message::Ended { events, failure } => {
                if self.store.replica.position().events != events {
                    return Err(LinkError::Unexpected("an end elsewhere"));
                }
                let failure = failure.map(str::to_owned);
                let event = LinkEvent::JournalEnded { events, failure };
                self.shared.listener.tell(event);
                self.tell_progress()
            }
            Message::Refuse { reason } => Err(LinkError::Refused(reason.into())),
            _ => Err(LinkError::Unexpected("a message for a primary")),
        }
    }

    fn took(&self, bytes: usize) -> u64 {
        let len = bytes as u64;
        self.taken.fetch_add(len, Ordering::AcqRel);
        len
    }

    fn incoming(&mut self) -> Result<&mut journal::Incoming, LinkError> {
        self.store.incoming.as_mut().ok_or(NO_FILE)
    }

    fn begin_file(&mut self, hash: u128, from: u64) -> Result<(), LinkError> {
        if self.store.incoming.is_some() {
            return Err(LinkError::Unexpected("a file within a file"));
        }
        let Some(size) = self.offers.remove(&hash) else {
            return Err(LinkError::Unexpected("a file that was not offered"));
        };
        let incoming = self.store.files.receive(hash, size)?;
        if incoming.at() != from {
            return Err(LinkError::Unexpected("a file from another place"));
        }
        self.store.incoming = Some(incoming);
        Ok(())
    }

    fn tell_progress(&self) -> Result<(), LinkError> {
        let message = progress(self.shared, &self.store.replica.progress(), self.taken);
        self.say(&message)
    }

    fn say(&self, message: &Message<'_>) -> Result<(), LinkError> {
        let mut out = Vec::new();
        wire::encode(&mut out, message)?;
        send(self.shared, self.channel, &out)
    }

    /// The primary is told what went wrong here.
    fn say_why(&self, error: &LinkError) {
        let ours = matches!(
            error,
            LinkError::Journal(_)
                | LinkError::Files(_)
                | LinkError::Wire(_)
                | LinkError::Unexpected(_)
                | LinkError::Overrun
        );
        if ours && !self.channel.is_closed() {
            let deadline = Deadline::new(self.shared.options.times.silence);
            handshake::decline(self.channel, &error.to_string(), deadline);
        }
    }
}

const NO_FILE: LinkError = LinkError::Unexpected("content of no file");

/// How far everything is at this moment; the replay never seems to be further than the copy.
fn progress(shared: &Shared, stored: &journal::Progress, taken: &AtomicU64) -> Message<'static> {
    let applied = shared.applied.events();
    let stored = stored.events();
    Message::Progress {
        stored,
        applied: applied.min(stored),
        taken: taken.load(Ordering::Acquire),
    }
}

/// A primary that does not take answers for as long as it may be silent is given up.
pub(super) fn send(shared: &Shared, channel: &Channel, messages: &[u8]) -> Result<(), LinkError> {
    let patience = shared.options.times.silence;
    let begun = Instant::now();
    channel.send(messages, &mut || {
        if shared.is_stopped() {
            Err(LinkError::Stopped)
        } else if begun.elapsed() > patience {
            Err(LinkError::Overrun)
        } else {
            Ok(())
        }
    })
}

/// Says what nobody has asked for: heartbeats, control messages, the replay's progress.
struct Teller {
    shared: Arc<Shared>,
    channel: Arc<Channel>,
    taken: Arc<AtomicU64>,
    stored: Arc<journal::Progress>,
}

impl Teller {
    fn run(self) {
        if self.tell().is_err() {
            // The other thread notices, and says why.
            self.channel.close();
        }
    }

    fn tell(&self) -> Result<(), LinkError> {
        let heartbeat = self.shared.options.times.heartbeat;
        let mut out = Vec::new();
        let mut ping_at = Instant::now();
        let mut applied = self.shared.applied.events();
        let work = || self.shared.work.load(Ordering::Relaxed);
        let mut worked = work();
        while !self.channel.is_closed() {
            out.clear();
            self.shared.outbox.take(&mut out);
            let now = Instant::now();
            let ping_due = now >= ping_at;
            if ping_due {
                let id = clock::now().monotonic_ns;
                wire::encode(&mut out, &Message::Ping { id })?;
                ping_at = now + heartbeat;
            }
            let at_work = ping_due && worked != work();
            worked = if ping_due { work() } else { worked };
            let applied_now = self.shared.applied.ask();
            let advanced = applied_now != applied;
            if advanced || at_work {
                applied = applied_now;
                let message = progress(&self.shared, &self.stored, &self.taken);
                wire::encode(&mut out, &message)?;
            }
            if !out.is_empty() {
                send(&self.shared, &self.channel, &out)?;
            }
            let mut pause = ping_at.saturating_duration_since(Instant::now());
            if advanced {
                // More of it, if it comes, is told together.
                self.shared.applied.asked.store(false, Ordering::SeqCst);
                pause = pause.min(APPLIED_PAUSE);
            }
            self.shared.signal.wait(pause);
        }
        Ok(())
    }
}
