//! Clock reads, answered by the supervisor: the clocks are the same for every process, and
//! a stop at the syscall's exit costs more than the syscall.

use crate::model::capture::Call;
use crate::namespaces::ClockOffsets;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::Out;

/// Bytes of a `timespec` and of a `timeval`.
const PAIR_BYTES: usize = 16;

/// The result of a clock syscall and the memory that it wrote, done in the kernel's
/// stead. `None` for what only the kernel can answer: clocks of the process itself, time
/// zones, bad addresses.
pub fn read(tid: Pid, call: &Call, offsets: ClockOffsets) -> Option<(i64, Option<Out<'static>>)> {
    match call.def.name {
        "clock_gettime" => {
            let clock = i32::try_from(call.args[0])
                .ok()
                .filter(|clock| is_global(*clock))?;
            let (seconds, nanoseconds) = offsets.apply(clock, host::clock(clock)?);
            store(tid, call.args[1], seconds, nanoseconds).map(|out| (0, Some(out)))
        }
        "gettimeofday" if call.args[1] == 0 && call.args[0] != 0 => {
            let (seconds, nanoseconds) = host::clock(libc::CLOCK_REALTIME)?;
            store(tid, call.args[0], seconds, nanoseconds / 1000).map(|out| (0, Some(out)))
        }
        "time" if call.args[0] == 0 => {
            let (seconds, _) = host::clock(libc::CLOCK_REALTIME_COARSE)?;
            Some((seconds, None))
        }
        _ => None,
    }
}

const fn is_global(clock: i32) -> bool {
    matches!(
        clock,
        libc::CLOCK_REALTIME
            | libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_REALTIME_COARSE
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_BOOTTIME
            | libc::CLOCK_TAI
    )
}

fn store(tid: Pid, addr: u64, first: i64, second: i64) -> Option<Out<'static>> {
    let mut bytes = Vec::with_capacity(PAIR_BYTES);
    bytes.extend(first.to_le_bytes());
    bytes.extend(second.to_le_bytes());
    // Only where the application itself could write: the kernel would answer EFAULT.
    Remote(tid).write_permitted(addr, &bytes).then(|| Out {
        addr,
        data: bytes.into(),
    })
}
