//! Who of the two nodes may be active.

mod active;
pub mod beat;
mod follower;
pub mod machine;
mod protect;
pub mod record;
mod shared;
#[cfg(test)]
mod sim;
pub mod state;
pub mod timing;
pub mod witness;

pub use beat::Beat;
pub use machine::{Action, Answer, Ask, Event, Machine, PathId, Positions, Rights, Settings};
pub use record::{Epoch, NodeId, Record, Session};
pub use state::{Side, State};
pub use timing::Timing;
