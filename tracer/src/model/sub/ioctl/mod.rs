//! `ioctl`. A number means the same for all descriptors here; where two drivers use one
//! number, it is the one that programs use.

mod devices;
mod files;
mod net;
mod tty;

use super::sorted;
use crate::model::table::dsl::sub_by;
use crate::model::types::Sub;

/// The argument of `ioctl`.
pub static ARG: Sub = sub_by(
    1,
    sorted!(
        tty::COMMANDS,
        net::COMMANDS,
        files::COMMANDS,
        devices::COMMANDS
    ),
);
