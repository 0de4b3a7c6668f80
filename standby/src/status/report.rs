//! One node's status, as `ftrun status --json` prints it.

use crate::role::{Side, State};
use serde::{Deserialize, Serialize};

/// Raised when the meaning of a field changes.
pub const SCHEMA_VERSION: u32 = 1;

/// A node's status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The node's name.
    pub node: String,
    /// The other node's, once it was heard.
    pub peer: Option<String>,
    /// What the node is now.
    pub role: Side,
    /// Where it stands.
    pub state: State,
    /// Why.
    pub reason: String,
    /// Since when, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// How often the right to be active had changed hands when this node, or its primary, got it.
    pub epoch: u64,
    /// Whether output may go out now, if the standby has it where it must.
    pub output: bool,
    /// How long the present right lasts if nothing prolongs it; none if without limit, or there is none.
    pub right_ms: Option<u64>,
    /// Events in the journal of the active node, as far as known here.
    pub appended: u64,
    /// Events that the standby has stored.
    pub committed: u64,
    /// Events that it has replayed.
    pub applied: u64,
    /// How far the standby is behind.
    pub lag: Lag,
    /// Packets that wait in the gate.
    pub held_packets: u64,
    /// Takeovers by this node since it was started.
    pub takeovers: u64,
    /// The ways to the other node; the first is the link.
    pub paths: Vec<PathReport>,
    /// The witness.
    pub witness: WitnessReport,
    /// The latest thing that an operator should know, if any.
    pub note: Option<String>,
}

/// How far the standby is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Events appended and not yet replayed.
    pub events: u64,
    /// Bytes of the journal that are not yet stored.
    pub bytes: u64,
    /// Age of the oldest event that is not yet replayed.
    pub ms: u64,
}

/// A way to the other node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathReport {
    /// `link`, or `heartbeat-1` and so on.
    pub name: String,
    /// How long ago the other node was heard there.
    pub heard_ms: Option<u64>,
    /// There and back.
    pub round_trip_us: Option<u64>,
}

/// The witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessReport {
    /// Which.
    pub kind: String,
    /// How long ago it last answered.
    pub answered_ms: Option<u64>,
    /// What it says, or does not, if it does not answer.
    pub trouble: Option<String>,
}
