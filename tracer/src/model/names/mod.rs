//! Names of values and flags, one file per topic, spelled and ordered as strace prints them.

pub mod at;
pub mod epoll;
pub mod fcntl;
pub mod file;
pub mod fs;
pub mod futex;
pub mod ioctl;
pub mod ipc;
pub mod keyctl;
pub mod machine;
pub mod mman;
pub mod mount;
pub mod net;
pub mod poll;
pub mod prctl;
pub mod ptrace;
pub mod quota;
pub mod sched;
pub mod security;
pub mod signals;
pub mod sockopt;
pub mod timer;
