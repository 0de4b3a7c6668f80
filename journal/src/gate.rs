//! What passes the gate between a protected application and its network: the part of
//! [`crate::Event`] that a standby needs to make TCP connections its own.
//!
//! A *position* in a stream counts its bytes from 0: the byte after the initial sequence
//! number has position 0.

use crate::Bytes;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Names a TCP connection of the recording.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct ConnId(pub u32);

/// See [`crate::Event::Gate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum GateEvent<'a> {
    /// A connection came into being: both initial sequence numbers are known.
    Opened(Opened),
    /// The next bytes of the inbound stream.
    Payload {
        /// Of which connection.
        conn: ConnId,
        /// How many bytes of output its peer has acknowledged since the event before that
        /// told so.
        acked: u64,
        /// The bytes.
        #[serde(borrow)]
        data: Bytes<'a>,
    },
    /// The peer has acknowledged output, and nothing else happened for long.
    Acked {
        /// Of which connection.
        conn: ConnId,
        /// How many bytes since the event before that told so.
        acked: u64,
        /// How many more bytes the peer has room for.
        window: u32,
    },
    /// The inbound stream is complete.
    Fin(ConnId),
    /// The peer has reset the connection.
    Reset(ConnId),
    /// The connection is over for the network.
    Forgotten(ConnId),
    /// Milliseconds of the clock that timestamps of connections are taken from; from an
    /// origin that means nothing.
    Clock(u64),
    /// No later event refers to bytes of this connection: they need not be kept.
    Released(ConnId),
    /// The application's kernel asks a peer for a connection.
    Asked(Asked),
}

/// A connection that its peer has not answered yet: see [`GateEvent::Asked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its name from now on: also in [`GateEvent::Opened`], if the peer answers.
    pub conn: ConnId,
    /// The application's end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Initial sequence number of the output.
    pub local_isn: u32,
    /// By how many bits the application's windows are to be shifted, if at all.
    pub scale: Option<u8>,
    /// The application's first timestamp, if timestamps are offered, at the time of the last
    /// [`GateEvent::Clock`].
    pub timestamp: Option<u32>,
}

/// A new connection: see [`GateEvent::Opened`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its name from now on.
    pub conn: ConnId,
    /// The application's end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Whether the peer opened it.
    pub inbound: bool,
    /// Initial sequence number of the output.
    pub local_isn: u32,
    /// Initial sequence number of the inbound stream.
    pub remote_isn: u32,
    /// The peer's maximum segment size.
    pub mss: u32,
    /// Window scales, if both ends scale.
    pub scales: Option<Scales>,
    /// Whether selective acknowledgements may be used.
    pub sack: bool,
    /// The application's first timestamp, if timestamps are used, at the time of the last
    /// [`GateEvent::Clock`].
    pub timestamp: Option<u32>,
}

/// How many bits windows are shifted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scales {
    /// In what the application's end announces.
    pub local: u8,
    /// In what the peer announces.
    pub remote: u8,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address.
    pub address: Address,
    /// The port.
    pub port: u16,
}

/// An internet address, as the number that its bytes are in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Address {
    /// IPv4.
    V4(u32),
    /// IPv6.
    V6(u128),
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self {
            address: match addr.ip().to_canonical() {
                IpAddr::V4(ip) => Address::V4(ip.to_bits()),
                IpAddr::V6(ip) => Address::V6(ip.to_bits()),
            },
            port: addr.port(),
        }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        let ip = match endpoint.address {
            Address::V4(bits) => IpAddr::V4(bits.into()),
            Address::V6(bits) => IpAddr::V6(bits.into()),
        };
        Self::new(ip, endpoint.port)
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}
