//! What the witness knows: one record, changed only by whoever knows what it says.

use serde::{Deserialize, Serialize};

/// A node's name may have this many bytes.
pub const NODE_BYTES_MAX: usize = 64;

/// The name of a node: of a machine, not of a run on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

/// What is wrong with a node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a node's name has 1 to {NODE_BYTES_MAX} letters, digits, dots, underscores and hyphens, and begins with none of the last three"
)]
pub struct BadNodeId;

impl NodeId {
    /// A name, if it is one: it becomes part of file names, keys and arguments of commands.
    pub fn new(name: &str) -> Result<Self, BadNodeId> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let first = name.bytes().next().ok_or(BadNodeId)?;
        if name.len() > NODE_BYTES_MAX || !first.is_ascii_alphanumeric() || !name.bytes().all(plain)
        {
            return Err(BadNodeId);
        }
        Ok(Self(name.to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NodeId {
    type Error = BadNodeId;
    fn try_from(name: String) -> Result<Self, BadNodeId> {
        Self::new(&name)
    }
}

impl From<NodeId> for String {
    fn from(node: NodeId) -> Self {
        node.0
    }
}

/// One run of ftrun on a node: random, never 0, never the same twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Session(pub u64);

impl Session {
    /// A run that no other has.
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 8];
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut bytes).ok()?;
        Some(Self(u64::from_le_bytes(bytes)))
    }
}

/// How many times the right to be active has changed hands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// Who may be active, and who may take over. Whoever changes it raises `change`, so no
/// content ever comes back, and a change that was meant for an older content fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The node that may be active.
    pub owner: NodeId,
    /// The run of it that may be.
    pub run: Session,
    /// How often the owner has changed.
    pub epoch: Epoch,
    /// How often the record has.
    pub change: u64,
    /// The run of the other node that has everything the owner let out, and so may take over.
    /// While this is none, the owner may let out what nobody else has.
    pub standby: Option<Session>,
    /// The application has ended by itself: nothing is left to take over.
    pub ended: bool,
}

impl Record {
    /// The same with another answer to who may take over.
    #[must_use]
    pub fn with_standby(&self, standby: Option<Session>) -> Self {
        Self {
            standby,
            change: self.change.saturating_add(1),
            ..self.clone()
        }
    }

    /// The next owner's, whose standby nobody is yet.
    #[must_use]
    pub fn taken(before: Option<&Self>, owner: NodeId, run: Session) -> Self {
        Self {
            owner,
            run,
            epoch: Epoch(before.map_or(0, |record| record.epoch.0).saturating_add(1)),
            change: before.map_or(0, |record| record.change).saturating_add(1),
            standby: None,
            ended: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless() {
        for good in ["a", "db-1", "db1.example.org", "9_x"] {
            assert_eq!(NodeId::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(NODE_BYTES_MAX + 1);
        for bad in ["", "-x", "../x", "a b", "ä", "a/b", "a\n", ".x", &long] {
            assert_eq!(NodeId::new(bad), Err(BadNodeId), "{bad}");
        }
    }

    #[test]
    fn a_record_is_readable_and_strict() {
        let record = Record::taken(None, NodeId::new("a").unwrap(), Session(7))
            .with_standby(Some(Session(9)));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            r#"{"owner":"a","run":7,"epoch":1,"change":2,"standby":9,"ended":false}"#
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert!(serde_json::from_str::<Record>(r#"{"owner":"../a","run":7}"#).is_err());
        let next = Record::taken(Some(&record), NodeId::new("b").unwrap(), Session(9));
        assert!(next.epoch > record.epoch && next.change > record.change && next.standby.is_none());
    }
}
