//! What the primary hears: how far the standby has come, answers, and what its role says.

use super::Shared;
use super::bulk::Flight;
use crate::link::channel::{Channel, Inbox};
use crate::link::error::LinkError;
use crate::link::message::Message;
use crate::link::{LinkEvent, clock};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// More answers do not wait to be heard; no frame names so many kept files.
const ANSWERS_MAX: usize = 1 << 20;

pub(super) struct Incoming {
    shared: Arc<Shared>,
    channel: Arc<Channel>,
    flight: Arc<Flight>,
    completed: bool,
    /// What the last `Progress` said.
    last: (u64, u64, u64),
}

impl Incoming {
    pub fn new(shared: &Arc<Shared>, channel: &Arc<Channel>, flight: Arc<Flight>) -> Self {
        Self {
            shared: Arc::clone(shared),
            channel: Arc::clone(channel),
            flight,
            completed: false,
            last: (0, 0, 0),
        }
    }

    /// Listens until the connection ends: why, if that was noticed here.
    pub fn run(mut self, mut inbox: Inbox) -> Option<LinkError> {
        let error = loop {
            if let Err(error) = self.listen(&mut inbox) {
                break error;
            }
        };
        let ours = self.channel.is_closed();
        self.channel.close();
        self.shared.signal.wake();
        // What the other node said counts, even if sending failed before it was read.
        (!ours || matches!(error, LinkError::Refused(_))).then_some(error)
    }

    fn listen(&mut self, inbox: &mut Inbox) -> Result<(), LinkError> {
        while let Some(message) = inbox.next()? {
            self.hear(&message)?;
        }
        self.channel
            .receive(inbox, self.shared.options.times.silence)
    }

    fn hear(&mut self, message: &Message<'_>) -> Result<(), LinkError> {
        match *message {
            Message::Progress {
                stored,
                applied,
                taken,
            } => self.progress(stored, applied, taken),
            Message::Answer { hash, from } => self.answer(hash, from),
            Message::Control { bytes } => {
                let event = LinkEvent::Control(bytes.to_vec());
                self.shared.listener.tell(event);
                Ok(())
            }
            Message::Ping { id } => self.shared.outbox.answer(&Message::Pong { id }),
            Message::Pong { id } => {
                let Some(time) = clock::now().monotonic_ns.checked_sub(id) else {
                    return Err(LinkError::Unexpected("an answer to no ping"));
                };
                self.shared.counters.round_trip(time);
                let event = LinkEvent::RoundTrip(Duration::from_nanos(time));
                self.shared.listener.tell(event);
                Ok(())
            }
            Message::Refuse { reason } => Err(LinkError::Refused(reason.into())),
            _ => Err(LinkError::Unexpected("a message for a standby")),
        }
    }

    fn answer(&self, hash: u128, from: Option<u64>) -> Result<(), LinkError> {
        let mut answers = self
            .flight
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            return Err(LinkError::Overrun);
        }
        answers.push_back((hash, from));
        drop(answers);
        self.shared.signal.wake();
        Ok(())
    }

    fn progress(&mut self, stored: u64, applied: u64, taken: u64) -> Result<(), LinkError> {
        if stored > self.flight.sent_events.load(Ordering::Acquire)
            || applied > stored
            || taken > self.flight.sent.load(Ordering::Acquire)
        {
            return Err(LinkError::Unexpected("it claims more than it was sent"));
        }
        let before = self.flight.taken.fetch_max(taken, Ordering::SeqCst);
        let commit = &self.shared.options.commit;
        let last = std::mem::replace(&mut self.last, (stored, applied, taken));
        // To repeat it is the way to say so without anything to show for it yet.
        if taken > before || last == self.last {
            commit.at_work();
        }
        commit.progress(stored, applied);
        if self.flight.waiting.swap(false, Ordering::SeqCst) {
            self.shared.signal.wake();
        }
        let ended = *self
            .flight
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = ended.filter(|events| stored >= *events && !self.completed) {
            self.completed = true;
            self.shared.listener.tell(LinkEvent::Complete { events });
        }
        Ok(())
    }
}
