//! The names of what a node can be, and what it says about itself.

use serde::{Deserialize, Serialize};

/// Where a node stands. What each means to the operator is in the operator's guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum State {
    /// The standby does not have everything yet.
    Syncing,
    /// The standby has everything that was let out, and may take over.
    Protected,
    /// The same, but output waits for the standby.
    Lagging,
    /// Active without a standby.
    Solo,
    /// On the way to being active, or to handing over.
    TakingOver,
    /// Not allowed to let anything out.
    Fenced,
    /// The standby's replay did something else than the application: no protection.
    Diverged,
    /// The application has ended by itself, on both nodes.
    Ended,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Syncing,
        Self::Protected,
        Self::Lagging,
        Self::Solo,
        Self::TakingOver,
        Self::Fenced,
        Self::Diverged,
        Self::Ended,
    ];

    /// As it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syncing => "SYNCING",
            Self::Protected => "PROTECTED",
            Self::Lagging => "LAGGING",
            Self::Solo => "SOLO",
            Self::TakingOver => "TAKING-OVER",
            Self::Fenced => "FENCED",
            Self::Diverged => "DIVERGED",
            Self::Ended => "ENDED",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Which of the two a node is now. A standby that has taken over is the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// It runs the application.
    Primary,
    /// It replays it.
    Standby,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_name() {
        for state in State::ALL {
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, format!("\"{}\"", state.name()));
        }
    }
}
