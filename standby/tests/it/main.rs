//! The standby from outside: one program, because each costs seconds to build.

mod common;
mod link;
mod support;

mod config;
mod frozen;
mod gate_commit;
mod gate_fuzz;
mod gate_handover;
mod gate_takeover;
mod link_faults;
mod link_messages;
mod link_peers;
mod link_ship;
mod role;
mod status;
mod witness;
