//! Who of the two nodes may be active.

mod active;
pub mod beat;
pub mod driver;
mod follower;
mod inbox;
pub mod machine;
mod protect;
pub mod record;
pub mod seal;
mod shared;
#[cfg(test)]
mod sim;
pub mod state;
#[cfg(test)]
mod steps;
mod sys;
pub mod timing;
pub mod ways;
pub mod witness;

pub use beat::Beat;
pub use driver::{Driver, DriverError, Engine, Handle, Parts, Peer};
pub use machine::{Action, Answer, Ask, Event, Machine, PathId, Positions, Rights, Settings};
pub use record::{Epoch, NodeId, Record, Session};
pub use state::{Side, State};
pub use timing::Timing;
