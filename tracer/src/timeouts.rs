//! Time-outs that count from the start of a syscall: a thread that had waited for a part of one when
//! the primary ended waits for the rest of it.

use crate::layout::{PAGE_DATA, PAGE_DATA_LEN};
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::Out;
use pmu::Regs;
use std::time::Duration;

/// How a time-out is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Milliseconds, an `int`.
    Ms,
    /// A `timespec` that the kernel reads.
    Read,
    /// A `timespec`, or a `timeval` with this many units a second: the kernel writes to it what
    /// is left.
    Updated(u64),
}

const NS: u64 = 1_000_000_000;
/// Slots for time-outs in the page of the engine, behind what remote syscalls use there at a
/// takeover. The kernel reads one when its thread goes on, before the next thread does.
const SLOTS: u64 = PAGE_DATA + 0x200;
const SLOT_BYTES: u64 = 16;
const SLOT_COUNT: u64 = (PAGE_DATA_LEN as u64 - 0x200) / SLOT_BYTES;

/// The argument with a syscall's relative time-out.
fn timeout_of(call: &Call) -> Option<(usize, Unit)> {
    let (index, unit) = match call.def.name {
        "nanosleep" => (0, Unit::Read),
        "clock_nanosleep" if call.int(1) & libc::TIMER_ABSTIME == 0 => (2, Unit::Read),
        "poll" => (2, Unit::Ms),
        "epoll_wait" | "epoll_pwait" => (3, Unit::Ms),
        "epoll_pwait2" | "semtimedop" => (3, Unit::Read),
        "rt_sigtimedwait" => (2, Unit::Read),
        "ppoll" => (2, Unit::Updated(NS)),
        "pselect6" | "recvmmsg" => (4, Unit::Updated(NS)),
        "select" => (4, Unit::Updated(1_000_000)),
        _ => return None,
    };
    let given = match unit {
        Unit::Ms => call.int(index) > 0,
        _ => call.args[index] != 0,
    };
    given.then_some((index, unit))
}

/// Whether the time at which a call begins matters.
pub fn has_timeout(call: &Call) -> bool {
    timeout_of(call).is_some()
}

/// Shortens a call's time-out by the time that is over, in its registers, or in memory of the
/// application: what changed there. Of the numbered slots each is for one call at a time; where
/// they run out, a call waits anew.
pub fn shorten(
    real: Pid,
    call: &Call,
    regs: &mut Regs,
    over: Duration,
    slot: u64,
) -> Option<Out<'static>> {
    let (index, unit) = timeout_of(call)?;
    let memory = Remote(real);
    let over_ns = u64::try_from(over.as_nanos()).unwrap_or(u64::MAX);
    let (at, per_second) = match unit {
        Unit::Ms => {
            let ms = u64::try_from(call.int(index)).unwrap_or(0);
            let left = ms.saturating_sub(over_ns / 1_000_000);
            regs.set_arg(index, left);
            return None;
        }
        Unit::Read => (call.args[index], NS),
        Unit::Updated(per_second) => (call.args[index], per_second),
    };
    let mut bytes = [0; 16];
    memory.read_exact(at, &mut bytes).ok()?;
    // What is no time, the kernel refuses.
    let left = rest(bytes, over_ns, per_second)?;
    if unit == Unit::Read {
        let room = SLOTS + slot * SLOT_BYTES;
        if slot < SLOT_COUNT && memory.write(room, &left).is_ok() {
            regs.set_arg(index, room);
        }
        return None;
    }
    memory.write(at, &left).ok()?;
    Some(Out {
        addr: at,
        data: left.to_vec().into(),
    })
}

/// What is left of a time of seconds and parts of them.
fn rest(time: [u8; 16], over_ns: u64, per_second: u64) -> Option<[u8; 16]> {
    let [seconds, parts] = [0, 8].map(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&time[at..at + 8]);
        i64::from_le_bytes(word)
    });
    let (seconds, parts) = (u64::try_from(seconds).ok()?, u64::try_from(parts).ok()?);
    let whole =
        u128::from(seconds) * u128::from(NS) + u128::from(parts) * u128::from(NS / per_second);
    let left = whole.saturating_sub(over_ns.into());
    let seconds = u64::try_from(left / u128::from(NS)).ok()?;
    let parts = u64::try_from(left % u128::from(NS)).ok()? / (NS / per_second);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seconds.to_le_bytes());
    bytes[8..].copy_from_slice(&parts.to_le_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    fn time(seconds: i64, parts: i64) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seconds.to_le_bytes());
        bytes[8..].copy_from_slice(&parts.to_le_bytes());
        bytes
    }

    #[test]
    fn what_is_left_of_a_time() {
        assert_eq!(
            rest(time(5, 0), 4_900_000_000, NS),
            Some(time(0, 100_000_000))
        );
        assert_eq!(rest(time(1, 5), 1_000_000_010, NS), Some(time(0, 0)));
        assert_eq!(
            rest(time(2, 500_000), 1_000_000, 1_000_000),
            Some(time(2, 499_000))
        );
        assert_eq!(rest(time(-1, 0), 1, NS), None);
    }

    #[test]
    fn times_that_name_a_moment_are_left_alone() {
        let call = |name: &str, args| Call {
            def: model::by_name(name).expect("a syscall"),
            args,
        };
        let absolute = libc::TIMER_ABSTIME.unsigned_abs().into();
        assert!(!has_timeout(&call(
            "clock_nanosleep",
            [1, absolute, 8, 0, 0, 0]
        )));
        assert!(has_timeout(&call("clock_nanosleep", [1, 0, 8, 0, 0, 0])));
        assert!(!has_timeout(&call(
            "poll",
            [0, 0, u64::from(u32::MAX), 0, 0, 0]
        )));
        assert!(has_timeout(&call("poll", [0, 0, 10, 0, 0, 0])));
    }
}
