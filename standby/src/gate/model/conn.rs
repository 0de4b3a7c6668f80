//! One connection of the model.

use super::{ModelError, Tail};
use journal::{ConnId, Opened};

/// More than any connection transfers.
const POSITION_MAX: u64 = 1 << 62;

/// A connection as it is followed.
#[derive(Debug, Clone)]
pub(super) struct Conn {
    pub opened: Opened,
    clock: u64,
    /// What the application has not read.
    pub inbound: Tail,
    /// What the peer is not known to have acknowledged, as far as the application wrote it.
    output: Tail,
    acknowledged: u64,
    pub window: u32,
    pub fin: bool,
    pub reset: bool,
    pub shut: bool,
    pub closed: bool,
    pub claimed: bool,
    /// For the network.
    pub over: bool,
}

/// Everything known of a connection: what it takes to be it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnState {
    /// How it began.
    pub opened: Opened,
    /// How many bytes came in.
    pub came: u64,
    /// The last of them, which the application has not read.
    pub unread: Vec<u8>,
    /// How many bytes the application wrote.
    pub wrote: u64,
    /// The last of them, which the peer may not have.
    pub unacknowledged: Vec<u8>,
    /// The peer's room, as last told.
    pub window: u32,
    /// The inbound stream is complete.
    pub fin: bool,
    /// The peer has reset the connection.
    pub reset: bool,
    /// The application will write no more.
    pub shut: bool,
    /// The application has closed it.
    pub closed: bool,
    /// The application knows it.
    pub claimed: bool,
    /// The network has seen its end.
    pub over: bool,
    /// Where its timestamps are, if it has any.
    pub timestamps: Option<Timestamps>,
}

/// How to go on with a connection's timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// One that is above all that were sent.
    pub next: u32,
}

impl Timestamps {
    /// How far above an estimate from the journal's clock one goes. A clock is told at least
    /// every second in which something is sent, and is told before; a second more is what a
    /// connection may be older than the clock that it refers to.
    pub const MARGIN_MS: u64 = 5000;

    /// Where timestamps are of which the `first` was sent when the clock was at `then`.
    pub(super) fn after(first: u32, then: u64, now: u64) -> Self {
        let ms = now.saturating_sub(then) + Self::MARGIN_MS;
        // Timestamps count modulo 2^32.
        let ms = u32::try_from(ms & u64::from(u32::MAX)).unwrap_or(0);
        Self {
            next: first.wrapping_add(ms),
        }
    }
}

impl Conn {
    pub fn new(opened: Opened, clock: u64) -> Self {
        Self {
            opened,
            clock,
            inbound: Tail::default(),
            output: Tail::default(),
            acknowledged: 0,
            window: 0,
            fin: false,
            reset: false,
            shut: false,
            closed: false,
            claimed: false,
            over: false,
        }
    }

    fn id(&self) -> ConnId {
        self.opened.conn
    }

    pub fn came(&mut self, data: &[u8]) {
        self.reset = false;
        if self.closed {
            // Nobody will read it.
            self.inbound.skip_to(self.inbound.end() + data.len() as u64);
        } else {
            self.inbound.push(data);
        }
    }

    pub fn acked(&mut self, more: u64) -> Result<(), ModelError> {
        let acknowledged = self.acknowledged.saturating_add(more);
        if acknowledged > POSITION_MAX {
            return Err(ModelError::Acknowledged(self.id()));
        }
        self.acknowledged = acknowledged;
        self.output.release(acknowledged);
        Ok(())
    }

    pub fn read(&mut self, len: u64) -> Result<(), ModelError> {
        let unread = self.inbound.len();
        if len > unread {
            return Err(ModelError::TooFar {
                conn: self.id(),
                len,
                unread,
            });
        }
        self.inbound.release(self.inbound.start() + len);
        Ok(())
    }

    /// Whether the inbound stream has these bytes at `position`.
    pub fn has(&self, position: u64, bytes: &[u8]) -> bool {
        let kept = self.inbound.get(position, bytes.len());
        kept.is_some_and(|(first, second)| {
            let (head, rest) = bytes.split_at(first.len());
            head == first && rest == second
        })
    }

    pub fn wrote(&mut self, bytes: &[u8], keep: bool) {
        if keep {
            self.output.push(bytes);
            self.output.release(self.acknowledged);
        } else {
            self.output.skip_to(self.output.end() + bytes.len() as u64);
        }
    }

    pub fn forget_output(&mut self) {
        self.output.skip_to(self.output.end());
    }

    pub fn state(&self, clock: u64) -> ConnState {
        let first = self.opened.timestamp;
        let timestamps = first.map(|first| Timestamps::after(first, self.clock, clock));
        ConnState {
            opened: self.opened.clone(),
            came: self.inbound.end(),
            unread: self.inbound.copy_from(self.inbound.start()),
            wrote: self.output.end(),
            unacknowledged: self.output.copy_from(self.output.start()),
            window: self.window,
            fin: self.fin,
            reset: self.reset,
            shut: self.shut,
            closed: self.closed,
            claimed: self.claimed,
            over: self.over,
            timestamps,
        }
    }
}
