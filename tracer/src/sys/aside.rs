//! Standing aside for a traced thread that shares this thread's CPU, until it has come to rest.

use std::time::Duration;

/// So often the CPU is only offered. Where nobody else wants it, once is enough. Where somebody
/// does, more would be harmful: on Linux, a thread that yields is taken to have used up its slice
/// (kernel/sched/fair.c, `yield_task_fair`), which puts it, and whoever it wakes, behind others.
const YIELDS_MAX: u32 = 2;
/// After that, this long.
const SLEEP: Duration = Duration::from_micros(20);
/// The slice that is asked for, in nanoseconds: the shortest that Linux grants.
const SLICE_NS: u64 = 100_000;

/// One wait for a thread to come to rest.
#[derive(Debug, Default)]
pub struct Aside {
    times: u32,
}

impl Aside {
    /// Lets others run for a moment.
    pub fn stand(&mut self) {
        if self.times < YIELDS_MAX {
            self.times += 1;
            // SAFETY: no memory is involved.
            unsafe { libc::sched_yield() };
        } else {
            std::thread::sleep(SLEEP);
        }
    }
}

/// Has the calling thread give the CPU up after short slices, and get it again sooner. Before
/// Linux 6.12 nobody can ask for that.
pub fn ask_for_short_slices() {
    // SAFETY: the structure is plain data.
    let mut attr: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0);
    // SAFETY: the kernel stores at most `size` bytes.
    let known = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) };
    if known == 0 && attr.sched_policy == libc::SCHED_OTHER.cast_unsigned() {
        attr.sched_runtime = SLICE_NS;
        // SAFETY: the kernel reads the structure. Refused is as good: it is slower then.
        let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    }
}
