//! What the two nodes say to each other: `docs/LINK.md` has the tables.

use journal::{Machine, ShipPosition};
use serde::{Deserialize, Serialize};

/// Version of the protocol.
pub const PROTOCOL_VERSION: u32 = 2;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// The first message, from the side that connects.
    Hello(Box<Hello>),
    /// The connection ends here, and why.
    Refuse {
        /// Why, for people.
        reason: &'a str,
    },
    /// The answer to a hello that was accepted.
    Welcome(Box<Welcome>),
    /// Asks for the clocks.
    AskClocks {
        /// Comes back in the answer.
        id: u32,
    },
    /// The clocks at this moment.
    Clocks {
        /// Of the question.
        id: u32,
        /// What they say.
        clocks: Clocks,
    },
    /// Bytes of a segment.
    Data {
        /// Which.
        segment: u32,
        /// Where in it.
        offset: u64,
        /// The bytes.
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// How far the standby has come.
    Progress {
        /// Events stored.
        stored: u64,
        /// Events replayed.
        applied: u64,
        /// Bytes of segments and kept files taken in on this connection.
        taken: u64,
    },
    /// A kept file that later frames need.
    Offer {
        /// XXH3-128 of its content.
        hash: u128,
        /// Bytes.
        size: u64,
        /// Where the application found it.
        #[serde(borrow, with = "serde_bytes")]
        path: &'a [u8],
    },
    /// The answer to an offer.
    Answer {
        /// Of the offer.
        hash: u128,
        /// From which byte the content is wanted; without it, it is there already.
        from: Option<u64>,
    },
    /// The content of a kept file follows.
    File {
        /// Of the offer.
        hash: u128,
        /// Of the answer.
        from: u64,
    },
    /// Bytes of the file.
    FileData {
        /// The bytes.
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// Zeros in the file that take no space.
    FileHole {
        /// How many.
        len: u64,
    },
    /// The file is complete.
    FileEnd,
    /// Something between the roles of the nodes, of which the link knows nothing.
    Control {
        /// It.
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// Shows that there is somebody, and asks for an answer.
    Ping {
        /// Comes back in the answer.
        id: u64,
    },
    /// The answer.
    Pong {
        /// Of the question.
        id: u64,
    },
    /// All of the journal was sent: nothing more will be written.
    Ended {
        /// Events that it has.
        events: u64,
        /// Why it ended, if it was not finished in order.
        failure: Option<&'a str>,
    },
    /// The next frame, whole: shorter than as bytes of its segment.
    Frame {
        /// Byte 4 of its head.
        codec: u8,
        /// Byte 5 of its head.
        flags: u8,
        /// Bytes of its records.
        raw_len: u32,
        /// Its events.
        count: u32,
        /// The checksum in its head, little-endian.
        crc: [u8; 4],
        /// The bytes behind its head.
        #[serde(borrow, with = "serde_bytes")]
        payload: &'a [u8],
    },
}

/// What the primary says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`]. Stays the first field for ever.
    pub protocol: u32,
    /// Version of its ftrun.
    pub ftrun_version: String,
    /// What it takes itself for.
    pub role: Role,
    /// Which recording.
    pub session: Session,
    /// On what it runs.
    pub machine: Machine,
    /// Its clocks.
    pub clocks: Clocks,
}

/// What the standby answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// Version of its ftrun.
    pub ftrun_version: String,
    /// What it takes itself for.
    pub role: Role,
    /// On what it runs.
    pub machine: Machine,
    /// Where to go on.
    pub position: Place,
    /// Events replayed.
    pub applied: u64,
}

/// What a node takes itself for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It records.
    Primary,
    /// It replays.
    Standby,
}

/// Names one recording on both nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session(pub u128);

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Two clocks of a node, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clocks {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// `CLOCK_BOOTTIME`.
    pub boottime_ns: u64,
}

/// A [`ShipPosition`] on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The segment.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// Events before it.
    pub events: u64,
    /// Checksum of what ends there.
    pub crc: u32,
}

impl From<ShipPosition> for Place {
    fn from(place: ShipPosition) -> Self {
        Self {
            segment: place.segment,
            offset: place.offset,
            events: place.events,
            crc: place.crc,
        }
    }
}

impl From<Place> for ShipPosition {
    fn from(place: Place) -> Self {
        Self {
            segment: place.segment,
            offset: place.offset,
            events: place.events,
            crc: place.crc,
        }
    }
}
