//! What is known of every TCP connection: from the journal, what came in and what its peer has
//! acknowledged; from the application (recorded or replayed), what it read, wrote and closed.
//! No I/O: a function of these two, the same on both nodes.
//!
//! Of the inbound stream the bytes are kept that the application has not read. Of the output, on
//! a node that may have to send it again, those that the peer is not known to have acknowledged:
//! what the application's kernel would take without acknowledgement (its send buffer), and
//! [`ACK_LAG_BYTES_MAX`] more, because that much progress may go without an event.

mod conn;
mod tail;

pub use conn::{ConnState, Timestamps};
pub use tail::Tail;

use conn::Conn;
use journal::{Asked, ConnId, Endpoint, GateEvent};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many bytes of output the peer may acknowledge before an event tells it.
pub const ACK_LAG_BYTES_MAX: u64 = 64 << 10;
/// How many connections that are over for the network wait for an application that never
/// accepts them; the oldest make room.
pub const UNCLAIMED_OVER_MAX: usize = 4096;

/// Why the model cannot follow. It never happens with a journal that a gate has written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A name that no connection has.
    #[error("there is no connection {}", .0.0)]
    Unknown(ConnId),
    /// A name that has been used.
    #[error("connection {} is opened again", .0.0)]
    Again(ConnId),
    /// Bytes that were read are no longer, or not yet, there.
    #[error("bytes {position} to {} of connection {} are not at hand", position + len, conn.0)]
    NotKept {
        /// Of which connection.
        conn: ConnId,
        /// The first.
        position: u64,
        /// How many.
        len: u64,
    },
    /// More was read than came in.
    #[error("{len} bytes are read from connection {}, which has {unread} unread", conn.0)]
    TooFar {
        /// Of which connection.
        conn: ConnId,
        /// How many were read.
        len: u64,
        /// How many there were.
        unread: u64,
    },
    /// More bytes were acknowledged than a connection can have.
    #[error("connection {} has acknowledged more than there can be", .0.0)]
    Acknowledged(ConnId),
}

/// A connection that the application has asked a peer for, who has not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What was asked.
    pub asked: Asked,
    /// A timestamp that is above all that were sent, if any are.
    pub next_timestamp: Option<u32>,
}

/// A connection that the application opens: how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// The peer has answered.
    Opened(ConnId),
    /// It has not.
    Asked(Ask),
}

/// Asked for, at this time of the clock.
#[derive(Debug)]
struct Pending {
    asked: Asked,
    clock: u64,
    claimed: bool,
}

#[derive(Debug, Default)]
struct Model {
    conns: BTreeMap<ConnId, Conn>,
    asked: BTreeMap<ConnId, Pending>,
    /// Connections of two ends, oldest first: an older one may not have been accepted yet.
    ends: HashMap<(Endpoint, Endpoint), VecDeque<ConnId>>,
    /// Connections that are over, and that the application does not know yet.
    unclaimed_over: VecDeque<ConnId>,
    next: u32,
    clock: u64,
    keep_output: bool,
    /// Connections that are gone from here, until somebody has asked for them.
    gone: Option<Vec<ConnId>>,
}

/// The connections of a protected application, for all who need to know.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<Mutex<Model>>);

impl Streams {
    /// No connections yet. `keep_output` is for a node that may have to send output again.
    #[must_use]
    pub fn new(keep_output: bool) -> Self {
        Self(Arc::new(Mutex::new(Model {
            keep_output,
            ..Model::default()
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event of the journal.
    pub fn apply(&self, event: &GateEvent<'_>) -> Result<(), ModelError> {
        self.lock().apply(event)
    }

    /// The connection between two ends, from now on known to the application. Of several, the
    /// first that is not; else the last.
    #[must_use]
    pub fn claim(&self, local: SocketAddr, remote: SocketAddr) -> Option<ConnId> {
        self.lock().claim(local.into(), remote.into())
    }

    /// The connection that the application opened between two ends and does not know to be there,
    /// if it is; from now on it knows.
    #[must_use]
    pub fn claim_own(&self, local: SocketAddr, remote: SocketAddr) -> Option<ConnId> {
        self.lock().claim_own(local.into(), remote.into())
    }

    /// The connection that the application is opening to `remote`, from `local` if that is known
    /// (an unspecified address stands for any). Whoever asks next is told of another one.
    #[must_use]
    pub fn take_own(&self, local: Option<SocketAddr>, remote: SocketAddr) -> Option<Own> {
        self.lock().take_own(local, remote.into())
    }

    /// Those that peers were asked for, and have not answered.
    #[must_use]
    pub fn asked(&self) -> Vec<Ask> {
        let model = self.lock();
        let all = model.asked.values();
        all.map(|pending| pending.ask(model.clock)).collect()
    }

    /// Whether `bytes`, just read at `position` of the inbound stream, are what the journal has
    /// there: then they need not be stored again.
    #[must_use]
    pub fn reference(&self, conn: ConnId, position: u64, bytes: &[u8]) -> bool {
        let model = self.lock();
        let found = model.conns.get(&conn);
        found.is_some_and(|conn| conn.has(position, bytes))
    }

    /// The bytes that a reference stands for.
    pub fn resolve(&self, conn: ConnId, position: u64, len: usize) -> Result<Vec<u8>, ModelError> {
        let model = self.lock();
        let found = model.conns.get(&conn).ok_or(ModelError::Unknown(conn))?;
        let (first, second) = found
            .inbound
            .get(position, len)
            .ok_or(ModelError::NotKept {
                conn,
                position,
                len: len as u64,
            })?;
        Ok([first, second].concat())
    }

    /// How far the application has read the inbound stream.
    #[must_use]
    pub fn position(&self, conn: ConnId) -> Option<u64> {
        let model = self.lock();
        Some(model.conns.get(&conn)?.inbound.start())
    }

    /// The application has received bytes, and `taken` so many of the stream, if it did not only
    /// look at them. Where the first stands, and whether `bytes` are what the journal has there.
    /// `None` if there are not as many: then nothing has changed.
    #[must_use]
    pub fn received(&self, conn: ConnId, bytes: &[u8], taken: Option<u64>) -> Option<(u64, bool)> {
        let mut model = self.lock();
        let found = model.conns.get_mut(&conn)?;
        let position = found.inbound.start();
        let same = !bytes.is_empty() && found.has(position, bytes);
        found.read(taken.unwrap_or(0)).ok()?;
        Some((position, same))
    }

    /// From now on, those that are gone are listed.
    pub fn list_gone(&self) {
        self.lock().gone.get_or_insert_default();
    }

    /// Connections that are gone since this was last asked.
    #[must_use]
    pub fn take_gone(&self) -> Vec<ConnId> {
        self.lock()
            .gone
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The application has read the next `len` bytes.
    pub fn read(&self, conn: ConnId, len: u64) -> Result<(), ModelError> {
        self.with(conn, |conn, _| conn.read(len))
    }

    /// The application has written.
    pub fn wrote(&self, conn: ConnId, bytes: &[u8]) -> Result<(), ModelError> {
        self.with(conn, |conn, keep| {
            conn.wrote(bytes, keep);
            Ok(())
        })
    }

    /// The application will write no more.
    pub fn shut(&self, conn: ConnId) -> Result<(), ModelError> {
        self.with(conn, |conn, _| {
            conn.shut = true;
            Ok(())
        })
    }

    /// The application has closed the connection's last descriptor.
    pub fn closed(&self, conn: ConnId) -> Result<(), ModelError> {
        let mut model = self.lock();
        let found = model
            .conns
            .get_mut(&conn)
            .ok_or(ModelError::Unknown(conn))?;
        found.closed = true;
        found.shut = true;
        if found.over {
            model.remove(conn);
        }
        Ok(())
    }

    /// All connections.
    #[must_use]
    pub fn all(&self) -> Vec<ConnId> {
        self.lock().conns.keys().copied().collect()
    }

    /// Those that a peer opened, that are not over, and that the application has not accepted.
    #[must_use]
    pub fn unaccepted(&self) -> Vec<ConnId> {
        self.some(|conn| conn.opened.inbound && !conn.claimed && !conn.over)
    }

    /// Those that the application has closed, and the network has not seen the end of.
    #[must_use]
    pub fn orphans(&self) -> Vec<ConnId> {
        self.some(|conn| conn.closed && !conn.over)
    }

    /// Everything that is known of a connection.
    #[must_use]
    pub fn state(&self, conn: ConnId) -> Option<ConnState> {
        let model = self.lock();
        let found = model.conns.get(&conn)?;
        Some(found.state(model.clock))
    }

    /// Whether the application has closed the connection; it has if there is none.
    #[must_use]
    pub fn is_closed(&self, conn: ConnId) -> bool {
        self.lock().conns.get(&conn).is_none_or(|conn| conn.closed)
    }

    /// On an active node: forgets connections that are over.
    pub fn tidy(&self) {
        let mut model = self.lock();
        let mut over = Vec::new();
        for (id, conn) in &model.conns {
            if conn.over && (conn.claimed || !conn.opened.inbound) {
                over.push(*id);
            }
        }
        for id in over {
            model.remove(id);
        }
    }

    /// The node has become active: output is no longer kept.
    pub fn forget_output(&self) {
        let mut model = self.lock();
        model.keep_output = false;
        for conn in model.conns.values_mut() {
            conn.forget_output();
        }
    }

    /// The name that the next connection gets.
    pub(super) fn next(&self) -> ConnId {
        ConnId(self.lock().next)
    }

    /// The last clock told.
    pub(super) fn clock(&self) -> u64 {
        self.lock().clock
    }

    fn some(&self, which: impl Fn(&Conn) -> bool) -> Vec<ConnId> {
        let model = self.lock();
        let all = model.conns.iter();
        all.filter(|(_, conn)| which(conn))
            .map(|(id, _)| *id)
            .collect()
    }

    fn with(
        &self,
        conn: ConnId,
        action: impl FnOnce(&mut Conn, bool) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let mut model = self.lock();
        let keep = model.keep_output;
        let found = model.conns.get_mut(&conn);
        action(found.ok_or(ModelError::Unknown(conn))?, keep)
    }
}

impl Model {
    fn apply(&mut self, event: &GateEvent<'_>) -> Result<(), ModelError> {
        match event {
            GateEvent::Opened(opened) => {
                let id = opened.conn;
                if self.asked.remove(&id).is_none() {
                    self.name(id)?;
                }
                let ends = (opened.local, opened.remote);
                self.ends.entry(ends).or_default().push_back(id);
                let conn = Conn::new(opened.clone(), self.clock);
                self.conns.insert(id, conn);
                Ok(())
            }
            GateEvent::Payload { conn, acked, data } => {
                let found = self.get(*conn)?;
                found.acked(*acked)?;
                found.came(data);
                Ok(())
            }
            GateEvent::Acked {
                conn,
                acked,
                window,
            } => {
                let found = self.get(*conn)?;
                found.window = *window;
                found.reset = false;
                found.acked(*acked)
            }
            GateEvent::Fin(conn) => {
                self.get(*conn)?.fin = true;
                Ok(())
            }
            GateEvent::Reset(conn) => {
                self.get(*conn)?.reset = true;
                Ok(())
            }
            GateEvent::Forgotten(conn) if self.asked.remove(conn).is_some() => Ok(()),
            GateEvent::Asked(asked) => {
                self.name(asked.conn)?;
                let pending = Pending {
                    asked: asked.clone(),
                    clock: self.clock,
                    claimed: false,
                };
                self.asked.insert(asked.conn, pending);
                Ok(())
            }
            GateEvent::Forgotten(conn) => {
                let found = self.get(*conn)?;
                found.over = true;
                let (closed, claimed) = (found.closed, found.claimed);
                if closed {
                    self.remove(*conn);
                } else if !claimed {
                    self.unclaimed_over.push_back(*conn);
                    self.make_room();
                }
                Ok(())
            }
            GateEvent::Clock(ms) => {
                self.clock = self.clock.max(*ms);
                Ok(())
            }
            // That is for readers of the journal.
            GateEvent::Released(_) => Ok(()),
        }
    }

    /// A name is used for the first time.
    fn name(&mut self, id: ConnId) -> Result<(), ModelError> {
        if id.0 < self.next {
            return Err(ModelError::Again(id));
        }
        self.next = id.0.saturating_add(1);
        Ok(())
    }

    fn get(&mut self, conn: ConnId) -> Result<&mut Conn, ModelError> {
        self.conns.get_mut(&conn).ok_or(ModelError::Unknown(conn))
    }

    fn claim(&mut self, local: Endpoint, remote: Endpoint) -> Option<ConnId> {
        let ids = self.ends.get(&(local, remote))?;
        let conns = &self.conns;
        let is_new = |id: &&ConnId| conns.get(id).is_some_and(|conn| !conn.claimed);
        let id = *ids.iter().find(is_new).or_else(|| ids.back())?;
        self.conns.get_mut(&id)?.claimed = true;
        Some(id)
    }

    fn claim_own(&mut self, local: Endpoint, remote: Endpoint) -> Option<ConnId> {
        let ids = self.ends.get(&(local, remote))?;
        let conns = &self.conns;
        let is_new = |id: &&ConnId| {
            let conn = conns.get(id);
            conn.is_some_and(|conn| !conn.claimed && !conn.opened.inbound)
        };
        let id = *ids.iter().find(is_new)?;
        self.conns.get_mut(&id)?.claimed = true;
        Some(id)
    }

    fn take_own(&mut self, local: Option<SocketAddr>, remote: Endpoint) -> Option<Own> {
        if let Some(local) = local
            && let Some(id) = self.claim_own(local.into(), remote)
        {
            return Some(Own::Opened(id));
        }
        let fits = |end: Endpoint| {
            local.is_none_or(|local| {
                let any = local.ip().to_canonical().is_unspecified();
                end.port == local.port() && (any || end == Endpoint::from(local))
            })
        };
        let opened = self.conns.iter_mut().find(|(_, conn)| {
            let opened = &conn.opened;
            let new = !conn.claimed && !conn.over && !opened.inbound;
            new && opened.remote == remote && fits(opened.local)
        });
        if let Some((id, conn)) = opened {
            conn.claimed = true;
            return Some(Own::Opened(*id));
        }
        let clock = self.clock;
        let pending = self.asked.values_mut().find(|pending| {
            let asked = &pending.asked;
            !pending.claimed && asked.remote == remote && fits(asked.local)
        })?;
        pending.claimed = true;
        Some(Own::Asked(pending.ask(clock)))
    }

    fn make_room(&mut self) {
        while self.unclaimed_over.len() > UNCLAIMED_OVER_MAX {
            let Some(id) = self.unclaimed_over.pop_front() else {
                return;
            };
            if self.conns.get(&id).is_some_and(|conn| !conn.claimed) {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: ConnId) {
        let Some(conn) = self.conns.remove(&id) else {
            return;
        };
        if let Some(gone) = &mut self.gone {
            gone.push(id);
        }
        let ends = (conn.opened.local, conn.opened.remote);
        if let Some(ids) = self.ends.get_mut(&ends) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.ends.remove(&ends);
            }
        }
    }
}

impl Pending {
    fn ask(&self, clock: u64) -> Ask {
        let first = self.asked.timestamp;
        Ask {
            asked: self.asked.clone(),
            next_timestamp: first.map(|first| Timestamps::after(first, self.clock, clock).next),
        }
    }
}
