//! The safe face of the kernel interfaces that the engine needs: all `unsafe` of this
//! crate is below here.

pub mod agent;
pub mod aside;
#[cfg(test)]
pub mod execute;
pub mod flow;
pub mod fork;
pub mod host;
pub mod mem;
pub mod mounts;
pub mod namespaces;
pub mod procmap;
pub mod ptrace;
pub mod ring;
pub mod seccomp;
pub mod signals;
pub mod sockets;
pub mod tick;
pub mod tsc;
pub mod wait;
