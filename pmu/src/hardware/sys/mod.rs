//! All `unsafe` of this crate's hardware counter: performance events of the kernel, and a probe of
//! them in a process of its own.

pub mod bench;
pub mod child;
pub mod perf;
mod work;

/// The error number of the last system call.
fn errno() -> i32 {
    // SAFETY: the C library has one for every thread, for as long as the thread lives.
    unsafe { *libc::__errno_location() }
}
