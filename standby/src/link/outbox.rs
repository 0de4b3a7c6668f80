//! What goes out before all else: control messages and answers to pings.

use super::error::{ControlError, LinkError};
use super::message::Message;
use super::signal::Signal;
use super::wire::{self, CHUNK_BYTES_MAX};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More do not wait.
const MESSAGES_MAX: usize = 1024;
const BYTES_MAX: usize = 1 << 20;

/// Filled by any thread, emptied by the one that sends.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    signal: Arc<Signal>,
}

#[derive(Debug, Default)]
struct Queue {
    connected: bool,
    /// Encoded.
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Outbox {
    pub fn new(signal: Arc<Signal>) -> Self {
        Self {
            queue: Mutex::default(),
            signal,
        }
    }

    /// Queues a control message.
    pub fn control(&self, bytes: &[u8]) -> Result<(), ControlError> {
        if bytes.len() > CHUNK_BYTES_MAX {
            return Err(ControlError::TooLong);
        }
        let mut message = Vec::new();
        if wire::encode(&mut message, &Message::Control { bytes }).is_err() {
            return Err(ControlError::TooLong);
        }
        self.push(message)
    }

    /// Queues an answer.
    pub fn answer(&self, message: &Message<'_>) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        wire::encode(&mut bytes, message)?;
        match self.push(bytes) {
            Err(ControlError::Full) => Err(LinkError::Overrun),
            // The connection ends just now.
            _ => Ok(()),
        }
    }

    fn push(&self, message: Vec<u8>) -> Result<(), ControlError> {
        let mut queue = self.lock();
        if !queue.connected {
            return Err(ControlError::NotConnected);
        }
        if queue.messages.len() >= MESSAGES_MAX || queue.bytes + message.len() > BYTES_MAX {
            return Err(ControlError::Full);
        }
        queue.bytes += message.len();
        queue.messages.push_back(message);
        drop(queue);
        self.signal.wake();
        Ok(())
    }

    /// Nothing that waits is for another connection.
    pub fn set_connected(&self, connected: bool) {
        *self.lock() = Queue {
            connected,
            ..Queue::default()
        };
    }

    /// Takes what waits, up to about [`CHUNK_BYTES_MAX`] bytes of it.
    pub fn take(&self, out: &mut Vec<u8>) {
        let mut queue = self.lock();
        while out.len() < CHUNK_BYTES_MAX
            && let Some(message) = queue.messages.pop_front()
        {
            queue.bytes -= message.len();
            out.extend_from_slice(&message);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
