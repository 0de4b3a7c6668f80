//! What sends on one connection: heartbeats, what goes out before all else, and the journal. It is
//! used by the link's thread, which can wait, and by those who hurry, who cannot.

use super::Shared;
use super::bulk::Bulk;
use crate::link::channel::Channel;
use crate::link::clock;
use crate::link::error::LinkError;
use crate::link::message::Message;
use crate::link::wire;
use std::sync::Arc;
use std::time::Instant;

pub(super) struct Pump {
    channel: Arc<Channel>,
    bulk: Bulk,
    /// Encoded messages.
    out: Vec<u8>,
    ping_at: Instant,
    /// What went wrong where nobody could be told.
    failure: Option<LinkError>,
}

impl Pump {
    pub fn new(channel: &Arc<Channel>, bulk: Bulk) -> Self {
        Self {
            channel: Arc::clone(channel),
            bulk,
            out: Vec::new(),
            ping_at: Instant::now(),
            failure: None,
        }
    }

    /// Sends a part of what there is, and waits for the network. If there was nothing: until when
    /// there will be, if nobody says so before.
    pub fn send(&mut self, shared: &Shared) -> Result<Option<Instant>, LinkError> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.gather(shared)?;
        let in_flight = self.bulk.in_flight();
        shared.look_at_backlog(in_flight);
        if self.out.is_empty() && !self.channel.has_rest() {
            return Ok(Some(self.ping_at));
        }
        self.channel.send(&self.out, &mut || {
            shared.look_at_backlog(in_flight);
            if shared.is_stopped() {
                Err(LinkError::Stopped)
            } else {
                Ok(())
            }
        })?;
        Ok(None)
    }

    /// Sends a part of what there is, as far as the network takes it at once. Whether nothing is
    /// left.
    pub fn send_now(&mut self, shared: &Shared) -> bool {
        let sent = self.failure.is_none()
            && self.try_send(shared).unwrap_or_else(|error| {
                self.failure = Some(error);
                false
            });
        sent && self.bulk.is_level(shared)
    }

    fn try_send(&mut self, shared: &Shared) -> Result<bool, LinkError> {
        self.gather(shared)?;
        shared.note_backlog(self.bulk.in_flight());
        self.channel.send_now(&self.out)
    }

    fn gather(&mut self, shared: &Shared) -> Result<(), LinkError> {
        self.out.clear();
        shared.outbox.take(&mut self.out);
        let now = Instant::now();
        if now >= self.ping_at {
            let id = clock::now().monotonic_ns;
            wire::encode(&mut self.out, &Message::Ping { id })?;
            self.ping_at = now + shared.options.times.heartbeat;
        }
        self.bulk.fill(shared, &mut self.out)
    }
}
