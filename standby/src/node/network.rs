//! What the engine and the gate say to each other.

use crate::commit::Commit;
use crate::gate::{Gate, Streams};
use journal::{Appender, ConnId, Endpoint, GateEvent};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tracer::network::{End, Network, Opening, Received};

/// How often what only a standby needs is forgotten.
const TIDY_PAUSE: Duration = Duration::from_millis(100);

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// Follows the connections of a shadow.
pub(super) struct Following {
    pub streams: Streams,
    /// The virtual addresses.
    pub vips: Vec<IpAddr>,
}

impl Network for Following {
    fn connection(&self, _local: SocketAddr, _remote: SocketAddr) -> Option<ConnId> {
        None
    }

    fn halt(&self) {}

    fn passed(&self, event: &GateEvent<'_>) -> io::Result<()> {
        self.streams.apply(event).map_err(other)
    }

    fn known(&self, conn: ConnId) {
        if let Some(state) = self.streams.state(conn) {
            let address = |end: Endpoint| SocketAddr::from(end);
            // The same rule as on the primary gives the same connection.
            let _ = self
                .streams
                .claim(address(state.opened.local), address(state.opened.remote));
        }
    }

    fn wrote(&self, conn: ConnId, bytes: &[u8]) -> io::Result<()> {
        self.streams.wrote(conn, bytes).map_err(other)
    }

    fn took(&self, conn: ConnId, len: usize) -> io::Result<Vec<u8>> {
        let position = self.streams.position(conn).unwrap_or(0);
        let bytes = self.streams.resolve(conn, position, len).map_err(other)?;
        self.streams.read(conn, len as u64).map_err(other)?;
        Ok(bytes)
    }

    fn shut(&self, conn: ConnId) {
        // One that is over is not there any more.
        let _ = self.streams.shut(conn);
    }

    fn closed(&self, conn: ConnId) {
        let _ = self.streams.closed(conn);
    }

    fn opened(&self, local: SocketAddr, remote: SocketAddr) -> Option<ConnId> {
        self.streams.claim_own(local, remote)
    }

    fn is_inside(&self, address: IpAddr) -> bool {
        is_inside(&self.vips, address)
    }

    fn rebuild(&self, _conn: ConnId, _socket: OwnedFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn go_on_opening(
        &self,
        _socket: OwnedFd,
        _local: Option<SocketAddr>,
        _remote: SocketAddr,
    ) -> io::Result<Opening> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn socket(&self, _ipv6: bool) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn join(&self, _ends: [End; 2]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The connections of an application that is live here.
pub(super) struct Live {
    pub gate: Arc<Gate>,
    /// The application's network namespace.
    pub netns: OwnedFd,
    /// The virtual addresses.
    pub vips: Vec<IpAddr>,
    /// A hand of the journal.
    pub appender: Appender,
    /// What may be let out.
    pub commit: Arc<Commit>,
    /// Signalled when that changes.
    pub changed: Arc<Changed>,
}

/// Wakes who waits for a commit.
#[derive(Default)]
pub(super) struct Changed {
    lock: Mutex<()>,
    signal: Condvar,
}

impl Changed {
    /// Signals changes of what may be let out from now on.
    pub fn of(commit: &Commit) -> Arc<Self> {
        let changed = Arc::<Self>::default();
        let told = Arc::downgrade(&changed);
        commit.subscribe(move || {
            if let Some(changed) = told.upgrade() {
                drop(changed.lock.lock());
                changed.signal.notify_all();
            }
        });
        changed
    }

    /// Waits until `done`, at most for `patience`; whether it is.
    fn wait(&self, patience: Duration, done: impl Fn() -> bool) -> bool {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .signal
            .wait_timeout_while(held, patience, |()| !done())
            .unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }
}

impl Network for Live {
    fn settled(&self, patience: Duration) -> bool {
        let events = self.appender.appended();
        if self.commit.may_go(events) {
            return true;
        }
        self.appender.hurry(Duration::ZERO);
        self.changed.wait(patience, || self.commit.may_go(events))
    }

    fn connection(&self, local: SocketAddr, remote: SocketAddr) -> Option<ConnId> {
        self.gate.connections().claim(local, remote)
    }

    fn received(&self, conn: ConnId, bytes: &[u8], taken: Option<u64>) -> Option<Received> {
        let found = self.gate.connections().received(conn, bytes, taken);
        found.map(|(position, same)| Received { position, same })
    }

    fn released(&self) -> Vec<ConnId> {
        self.gate.connections().take_gone()
    }

    fn halt(&self) {
        // A gate that has failed lets nothing out either.
        let _ = self.gate.halt();
    }

    fn passed(&self, _event: &GateEvent<'_>) -> io::Result<()> {
        Ok(())
    }

    fn known(&self, _conn: ConnId) {}

    fn wrote(&self, _conn: ConnId, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn took(&self, _conn: ConnId, _len: usize) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn shut(&self, _conn: ConnId) {}

    fn closed(&self, conn: ConnId) {
        let _ = self.gate.connections().closed(conn);
    }

    fn opened(&self, local: SocketAddr, remote: SocketAddr) -> Option<ConnId> {
        self.gate.connections().claim_own(local, remote)
    }

    fn is_inside(&self, address: IpAddr) -> bool {
        is_inside(&self.vips, address)
    }

    fn go_on_opening(
        &self,
        socket: OwnedFd,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> io::Result<Opening> {
        let begun = self.gate.go_on_opening(socket.as_fd(), local, remote);
        begun.map_err(other)
    }

    fn socket(&self, ipv6: bool) -> io::Result<OwnedFd> {
        Gate::socket(self.netns.as_fd(), ipv6)
    }

    fn join(&self, ends: [End; 2]) -> io::Result<()> {
        Gate::join(ends)
    }

    fn rebuild(&self, conn: ConnId, socket: OwnedFd) -> io::Result<()> {
        self.gate.rebuild(conn, socket.as_fd()).map_err(other)
    }

    fn open(&self) -> io::Result<()> {
        self.gate
            .rebuild_orphans(self.netns.as_fd())
            .map_err(other)?;
        self.gate.repeat_handshakes().map_err(other)?;
        self.begin()
    }
}

/// Whether an address leads nowhere but to the application itself.
fn is_inside(vips: &[IpAddr], address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified() || vips.contains(&address)
}

impl Live {
    /// Opens the gate. From now on what only a takeover by this node would need is forgotten.
    pub fn begin(&self) -> io::Result<()> {
        self.gate.connections().forget_output();
        self.gate.connections().list_gone();
        self.gate.open().map_err(other)?;
        let tidied = Arc::downgrade(&self.gate);
        std::thread::Builder::new()
            .name("ftrun-tidy".to_owned())
            .spawn(move || {
                while let Some(gate) = tidied.upgrade() {
                    gate.connections().tidy();
                    drop(gate);
                    std::thread::sleep(TIDY_PAUSE);
                }
            })?;
        Ok(())
    }
}
