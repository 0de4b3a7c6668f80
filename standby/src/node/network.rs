//! What the engine and the gate say to each other.

use crate::gate::{Gate, Streams};
use journal::{ConnId, Endpoint, GateEvent};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tracer::network::{Network, Received};

/// How often what only a standby needs is forgotten.
const TIDY_PAUSE: Duration = Duration::from_millis(100);

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// Follows the connections of a shadow.
pub(super) struct Following(pub Streams);

impl Network for Following {
    fn connection(&self, _local: SocketAddr, _remote: SocketAddr) -> Option<ConnId> {
        None
    }

    fn halt(&self) {}

    fn passed(&self, event: &GateEvent<'_>) -> io::Result<()> {
        self.0.apply(event).map_err(other)
    }

    fn known(&self, conn: ConnId) {
        if let Some(state) = self.0.state(conn) {
            let address = |end: Endpoint| SocketAddr::from(end);
            // The same rule as on the primary gives the same connection.
            let _ = self
                .0
                .claim(address(state.opened.local), address(state.opened.remote));
        }
    }

    fn wrote(&self, conn: ConnId, bytes: &[u8]) -> io::Result<()> {
        self.0.wrote(conn, bytes).map_err(other)
    }

    fn took(&self, conn: ConnId, len: usize) -> io::Result<Vec<u8>> {
        let position = self.0.position(conn).unwrap_or(0);
        let bytes = self.0.resolve(conn, position, len).map_err(other)?;
        self.0.read(conn, len as u64).map_err(other)?;
        Ok(bytes)
    }

    fn shut(&self, conn: ConnId) {
        // One that is over is not there any more.
        let _ = self.0.shut(conn);
    }

    fn closed(&self, conn: ConnId) {
        let _ = self.0.closed(conn);
    }

    fn rebuild(&self, _conn: ConnId, _socket: OwnedFd) -> io::Result<()> {
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
}

impl Network for Live {
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
