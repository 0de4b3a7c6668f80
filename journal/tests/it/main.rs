//! The journal from outside: one program, because each costs seconds to build.

mod common;

mod corpus;
mod damage;
mod faults;
mod files;
mod follow;
mod layout;
mod memory;
mod references;
mod resume;
mod round_trip;
mod ship;
mod thread;
