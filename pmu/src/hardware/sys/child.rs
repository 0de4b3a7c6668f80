//! Runs the measurement in a child: a system call filter that kills, a counter that hangs and the
//! signals of counters are no business of the process that asks.

use super::super::{CounterSpec, MeasureError, Measured, RawEvent, measure};
use super::bench::RealBench;
use super::errno;
use std::io;
use std::ptr::NonNull;

/// A measurement takes some 20 ms.
const SECONDS_MAX: libc::c_uint = 10;

/// Memory that a child writes and its parent reads.
struct Shared(NonNull<Measured>);

impl Shared {
    fn new() -> io::Result<Self> {
        // SAFETY: new memory, of no one else's.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Measured>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(memory.cast())
            .map(Self)
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: what was mapped above; nothing borrows from it.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Measured>()) };
    }
}

/// Measures `events` on the CPU with this number.
pub fn run(
    events: &[RawEvent],
    locked: Option<RawEvent>,
    pmu: u32,
    cpu: u32,
) -> Result<Measured, MeasureError> {
    let shared = Shared::new().map_err(MeasureError::NotStarted)?;
    let spec = CounterSpec {
        pmu,
        ..CounterSpec::of_calling_thread(RawEvent(0), libc::SIGURG)
    };
    // A child that ends without a signal: who ignores SIGCHLD, or waits for any child, neither loses
    // it nor finds it. SAFETY: like a fork, as no flag says otherwise; the child runs nothing but
    // system calls and code that neither allocates nor takes a lock, and ends.
    let child = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if child == 0 {
        alone(cpu);
        let measured = measure(&mut RealBench::new(spec.signal), &spec, events, locked);
        // SAFETY: memory of the right size and alignment that only this process writes.
        unsafe {
            shared.0.write(measured);
            libc::_exit(0);
        }
    }
    if child == -1 {
        return Err(MeasureError::NotStarted(io::Error::last_os_error()));
    }
    let status = i32::try_from(child)
        .map_err(io::Error::other)
        .and_then(wait);
    let status = status.map_err(MeasureError::NotStarted)?;
    if libc::WIFSIGNALED(status) {
        return Err(MeasureError::Killed(libc::WTERMSIG(status)));
    }
    // SAFETY: the child has ended; it wrote a whole value, which holds nothing but numbers, before
    // it ended itself.
    Ok(unsafe { shared.0.read() })
}

/// What the child is to be: on one CPU, deaf to nothing that matters here, and not for ever.
fn alone(cpu: u32) {
    // SAFETY: zeros are a valid set of CPUs and of signals; the kernel reads both. Errors leave the
    // child on any CPU, which is worse but no reason to give up.
    unsafe {
        let mut cpus: libc::cpu_set_t = std::mem::zeroed();
        if (cpu as usize) < 8 * size_of::<libc::cpu_set_t>() {
            libc::CPU_SET(cpu as usize, &mut cpus);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const cpus);
        }
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const signals, std::ptr::null_mut());
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(SECONDS_MAX);
    }
}

fn wait(child: libc::pid_t) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel fills the status.
        let done = unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) };
        if done != -1 {
            return Ok(status);
        }
        if errno() != libc::EINTR {
            return Err(io::Error::last_os_error());
        }
    }
}

/// The CPU that the calling thread is on.
pub fn current_cpu() -> u32 {
    // SAFETY: no memory is involved.
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).unwrap_or(0)
}
