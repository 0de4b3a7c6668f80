//! Options of both nodes: from the command line and from a TOML file with the same names, checked and
//! put into one struct for each side.

mod check;
mod options;
mod parse;
mod trees;

pub use check::{
    ConfigError, Log, Node, OnLag, Primary, Standby, StorageRule, VipAddress, WitnessChoice,
    WitnessTls,
};
pub use options::{NodeOptions, PrimaryOptions, StandbyOptions};
pub use parse::{Storage, StoragePolicy};
