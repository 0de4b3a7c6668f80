//! What can go wrong on a link.

use super::keys::KeyError;
use super::wire::WireError;
use journal::{FileError, ShipError};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a link does not work, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other node cannot be reached.
    #[error("cannot connect to {to}: {error}")]
    Connect {
        /// Its address.
        to: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Nobody can connect to this node.
    #[error("cannot listen on {on}: {error}")]
    Listen {
        /// The address.
        on: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The key material is not usable.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The other node is not the one whose certificate we have, or what came was no TLS.
    #[error("not authenticated: {0}")]
    Tls(#[from] rustls::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Socket(io::Error),
    /// The connection was closed.
    #[error("the other node closed the connection")]
    Closed,
    /// Nothing came, though something should have.
    #[error("nothing came from the other node for {} ms", .0.as_millis())]
    Silent(Duration),
    /// The handshake took too long.
    #[error("the other node did not complete the handshake within {} ms", .0.as_millis())]
    Handshake(Duration),
    /// What came is no message.
    #[error("what came is not understood: {0}")]
    Wire(#[from] WireError),
    /// A message that has no place here.
    #[error("the other node sent what does not belong here: {0}")]
    Unexpected(&'static str),
    /// The other node said that it will not.
    #[error("the other node refused: {0}")]
    Refused(String),
    /// We will not.
    #[error("refused: {0}")]
    Differs(String),
    /// The journal cannot be read, or stored.
    #[error(transparent)]
    Journal(#[from] ShipError),
    /// A kept file cannot be read, or stored.
    #[error(transparent)]
    Files(#[from] FileError),
    /// A thread could not be started, or the directory not be prepared.
    #[error("cannot {doing}: {error}")]
    System {
        /// What was tried.
        doing: String,
        /// What the system said.
        error: io::Error,
    },
    /// The other node asks faster than it listens.
    #[error("the other node does not take answers")]
    Overrun,
    /// A newer connection took its place.
    #[error("the other node connected anew")]
    Replaced,
    /// This side was told to stop.
    #[error("the link was stopped")]
    Stopped,
}

impl LinkError {
    /// Whether a medium is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Journal(error) => error.is_full(),
            Self::Files(error) => error.is_full(),
            _ => false,
        }
    }
}

/// Why a control message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no connection.
    #[error("there is no connection")]
    NotConnected,
    /// It is too long.
    #[error("a control message has at most {} bytes", super::wire::CHUNK_BYTES_MAX)]
    TooLong,
    /// Too many wait.
    #[error("too many control messages wait to be sent")]
    Full,
}
