//! A node: link, gate and role around the engine. The primary records behind a gate and ships the
//! journal; the standby follows it, and becomes the same kind of node when it takes over.

mod follower;
mod handover;
mod network;
mod parts;
mod primary;

pub use follower::{Follower, FollowerError};
pub use primary::{Protection, Say, Slot, protect};

use crate::gate;
use std::io;
use std::net::SocketAddr;

/// Why a node cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// An option is wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The keys are not what they should be.
    #[error(transparent)]
    Keys(#[from] crate::link::KeyError),
    /// No link.
    #[error(transparent)]
    Link(#[from] crate::link::LinkError),
    /// No gate.
    #[error(transparent)]
    Gate(#[from] gate::GateError),
    /// No role.
    #[error(transparent)]
    Role(#[from] crate::role::DriverError),
    /// The application's network.
    #[error("the application's network: {0}")]
    Network(io::Error),
    /// Nobody can ask for the status.
    #[error("the status socket: {0}")]
    Status(io::Error),
    /// Nobody can read the metrics.
    #[error("--metrics {0}: {1}")]
    Metrics(SocketAddr, io::Error),
    /// The application may not run here.
    #[error("not active here: {0}")]
    Fenced(String),
    /// It has no namespaces of its own.
    #[error("a protected application needs namespaces of its own")]
    NotIsolated,
}

impl From<NodeError> for tracer::record::RecordError {
    fn from(error: NodeError) -> Self {
        Self::Protection(error.to_string())
    }
}
