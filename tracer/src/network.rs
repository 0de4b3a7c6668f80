//! What the engine needs to know of the way to the network, and tells about it. Somebody else
//! sees the packets; the engine sees descriptors.

use crate::arrears::Arrears;
use crate::brake::Brake;
use crate::namespaces::Namespaces;
use crate::record::RecordError;
use journal::{Appender, ConnId, GateEvent};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How far a connection is that the application opens itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is there, and has this name if it leads out of the application.
    Done(Option<ConnId>),
    /// Its peer was asked for it.
    Begun,
    /// It has not been begun.
    Unknown,
}

/// An end of a connection inside the application.
#[derive(Debug)]
pub struct End {
    /// An unconnected socket that is to become it.
    pub socket: OwnedFd,
    /// Its address.
    pub address: SocketAddr,
    /// Bytes that came in and that nobody has read.
    pub unread: Vec<u8>,
    /// Nothing more will be written to it.
    pub shut: bool,
}

/// Who sees the packets.
pub trait Network: Send + Sync {
    /// While recording: the TCP connection between two addresses, from now on known to the
    /// application.
    fn connection(&self, local: SocketAddr, remote: SocketAddr) -> Option<ConnId>;

    /// While recording: the application has received bytes of a connection. With `taken`, so many
    /// are no longer to be read; otherwise they were only looked at. Whether the first ones are
    /// `bytes`, if there are any, and where they stand in the stream. `None` if the connection has
    /// not as many, or is not known any more: then nothing has changed.
    fn received(&self, conn: ConnId, bytes: &[u8], taken: Option<u64>) -> Option<Received> {
        let _ = (conn, bytes, taken);
        None
    }

    /// While recording: connections of which nothing will be found by [`Network::received`] any
    /// more. Each is told once.
    fn released(&self) -> Vec<ConnId> {
        Vec::new()
    }

    /// While recording: the application is lost. Nothing that its kernel sends from now on may
    /// leave. Done when this returns.
    fn halt(&self);

    /// While recording: waits, at most for `patience`, until everything that was journaled so far is
    /// committed, so that what others will find on storage may be changed. Whether it is.
    fn settled(&self, patience: Duration) -> bool {
        let _ = patience;
        true
    }

    /// In a shadow: the journal tells what passed.
    fn passed(&self, event: &GateEvent<'_>) -> io::Result<()>;

    /// In a shadow: the application knows a connection from now on.
    fn known(&self, conn: ConnId);

    /// In a shadow: the connection that the application opened between two ends, if its peer is
    /// known to have answered. Told once.
    fn opened(&self, local: SocketAddr, remote: SocketAddr) -> Option<ConnId>;

    /// In a shadow: whether an address is the application's own, so that connections with it
    /// pass nobody.
    fn is_inside(&self, address: IpAddr) -> bool;

    /// In a shadow: the application wrote to a connection.
    fn wrote(&self, conn: ConnId, bytes: &[u8]) -> io::Result<()>;

    /// In a shadow: the application took `len` bytes from a connection; which ones.
    fn took(&self, conn: ConnId, len: usize) -> io::Result<Vec<u8>>;

    /// In a shadow: the application will write no more.
    fn shut(&self, conn: ConnId);

    /// In a shadow: the application has closed its last descriptor.
    fn closed(&self, conn: ConnId);

    /// At a takeover: makes `socket`, which the application has, the live end of a connection.
    fn rebuild(&self, conn: ConnId, socket: OwnedFd) -> io::Result<()>;

    /// At a takeover: makes `socket`, which the application has, the connection that it is opening
    /// to `remote`, from `local` if that is known.
    fn go_on_opening(
        &self,
        socket: OwnedFd,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> io::Result<Opening>;

    /// At a takeover: an unconnected TCP socket where the application's are.
    fn socket(&self, ipv6: bool) -> io::Result<OwnedFd>;

    /// At a takeover: makes two sockets the ends of one connection inside the application.
    fn join(&self, ends: [End; 2]) -> io::Result<()>;

    /// At a takeover: all connections that the application has are rebuilt. What is left was
    /// closed by it before all was delivered, or not accepted yet. From now on packets flow.
    fn open(&self) -> io::Result<()>;
}

/// Bytes of a stream that the application received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Position of the first.
    pub position: u64,
    /// They are what the journal has there.
    pub same: bool,
}

/// What is there before the application starts, or goes on.
pub struct Ground<'a> {
    /// The recording's directory.
    pub dir: &'a Path,
    /// A hand of its journal.
    pub appender: Appender,
    /// What holds the recorder.
    pub brake: Brake,
    /// What the journal does not have yet.
    pub arrears: Arrears,
    /// The namespaces that the application is in, if it has its own.
    pub namespaces: Option<&'a Namespaces>,
}

/// Prepares the way to the network on the ground that is given, and waits until the application
/// may run.
pub type Attach = Box<dyn FnOnce(Ground<'_>) -> Result<Option<Arc<dyn Network>>, RecordError>>;
