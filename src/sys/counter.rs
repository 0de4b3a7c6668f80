//! The CPU's counter of retired conditional branches, tried on code whose branches are
//! known.

use super::ok;
use std::arch::asm;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// This raw event counts exactly, and the same every time.
    Exact(u64),
    /// Events can be opened, but none counts what was executed: the last result.
    Wrong(u64),
}

/// Raw events for retired conditional branches: Intel since Ice Lake, Intel before, AMD. Not
/// chosen by a table of models: the right one counts right.
const EVENTS: [u64; 3] = [0x11c4, 0x01c4, 0xd1];
const TYPE_RAW: u32 = 4;
const LOOPS: u64 = 100_000;
const BRANCHES_PER_LOOP: u64 = 2;
/// Branches of the C library between the counter's start and its end.
const BESIDES_MAX: u64 = 200;
const DISABLED: u64 = 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HV: u64 = 1 << 6;
const ENABLE: libc::c_ulong = 0x2400;
const DISABLE: libc::c_ulong = 0x2401;

/// The first version of the kernel's `struct perf_event_attr`.
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

const ATTRIBUTES_BYTES: u32 = 64;
const _: () = assert!(size_of::<Attributes>() == ATTRIBUTES_BYTES as usize);

/// Counts the branches of a loop with each event. Fails if none can be opened.
pub fn count_branches() -> io::Result<Counting> {
    let mut wrong = None;
    let mut refused = None;
    for event in EVENTS {
        let counted = open(event).and_then(|counter| Ok((count(&counter)?, count(&counter)?)));
        match counted {
            Ok((first, second)) if first == second && is_right(first) => {
                return Ok(Counting::Exact(event));
            }
            Ok((_, second)) => wrong = Some(second),
            Err(error) => refused = Some(error),
        }
    }
    match (wrong, refused) {
        (Some(count), _) => Ok(Counting::Wrong(count)),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Counting::Wrong(0)),
    }
}

const fn is_right(count: u64) -> bool {
    let least = LOOPS * BRANCHES_PER_LOOP;
    count >= least && count <= least + BESIDES_MAX
}

fn open(event: u64) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: TYPE_RAW,
        size: ATTRIBUTES_BYTES,
        config: event,
        flags: DISABLED | EXCLUDE_KERNEL | EXCLUDE_HV,
        ..Attributes::default()
    };
    const THIS_THREAD: libc::pid_t = 0;
    const ANY_CPU: libc::c_int = -1;
    const NO_GROUP: libc::c_int = -1;
    const CLOEXEC: libc::c_ulong = 8;
    // SAFETY: the kernel reads a structure that says its own size.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            THIS_THREAD,
            ANY_CPU,
            NO_GROUP,
            CLOEXEC,
        )
    };
    ok(fd)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What the counter adds while the loop runs.
fn count(counter: &OwnedFd) -> io::Result<u64> {
    let fd = counter.as_raw_fd();
    let before = read(fd)?;
    // SAFETY: neither takes an argument.
    ok(unsafe { libc::ioctl(fd, ENABLE, 0) }.into())?;
    branch();
    // SAFETY: as above.
    ok(unsafe { libc::ioctl(fd, DISABLE, 0) }.into())?;
    Ok(read(fd)? - before)
}

fn read(fd: libc::c_int) -> io::Result<u64> {
    let mut value = 0u64;
    // SAFETY: the kernel fills `value`.
    let done = unsafe { libc::read(fd, (&raw mut value).cast(), size_of::<u64>()) };
    ok(done as libc::c_long)?;
    Ok(value)
}

/// Executes [`LOOPS`] times two conditional branches: one that is never taken, so that a
/// counter of taken ones is told apart, and one that is.
fn branch() {
    // SAFETY: only the named registers and the flags change.
    unsafe {
        asm!(
            "2:",
            "test {left}, {left}",
            "jz 3f",
            "dec {left}",
            "jnz 2b",
            "3:",
            left = inout(reg) LOOPS => _,
            options(nomem, nostack),
        );
    }
}
