//! What a node tells about itself: to its operator over a unix socket ([`socket`]), to Prometheus over
//! HTTP ([`http`]). It changes nothing, but for the one request that the socket may bring.

pub mod http;
mod lag;
pub mod log;
mod meters;
mod report;
mod snapshot;
pub mod socket;

pub use meters::Meters;
pub use report::{Lag, PathReport, Report, SCHEMA_VERSION, WitnessReport};
pub use snapshot::Snapshot;
