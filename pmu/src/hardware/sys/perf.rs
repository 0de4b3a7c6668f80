//! A counter by `perf_event_open`.
//!
//! Nothing here allocates: the probe's child uses it after a `fork`.

use super::super::{
    BranchCounter, CounterError, CounterSource, CounterSpec, OpenError, Period, Thread,
};
use super::errno;
use crate::Rcb;
use perf_event_open_sys::bindings::{self, perf_event_attr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Opens counters of the kernel's.
#[derive(Debug, Clone, Copy, Default)]
pub struct PerfEvents;

/// A counter of the kernel's.
#[derive(Debug)]
pub struct PerfCounter {
    fd: OwnedFd,
    signal: i32,
}

impl CounterSource for PerfEvents {
    type Counter = PerfCounter;

    fn open(&mut self, spec: &CounterSpec) -> Result<PerfCounter, OpenError> {
        let thread = match spec.thread {
            // SAFETY: no memory is involved.
            Thread::Calling => unsafe { libc::gettid() },
            Thread::Id(id) => id,
        };
        let fd = open(spec, thread)?;
        deliver(fd.as_raw_fd(), thread, spec.signal)?;
        Ok(PerfCounter {
            fd,
            signal: spec.signal,
        })
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the structure has 136 bytes"
)]
fn open(spec: &CounterSpec, thread: i32) -> Result<OwnedFd, OpenError> {
    const ANY_CPU: libc::c_int = -1;
    const NO_GROUP: libc::c_int = -1;
    let mut attributes = perf_event_attr {
        type_: spec.pmu,
        size: size_of::<perf_event_attr>() as u32,
        config: spec.event.0,
        ..perf_event_attr::default()
    };
    attributes.__bindgen_anon_1.sample_period = spec.period.branches();
    attributes.set_disabled(1);
    // On the CPU always or in error, never for a share of the time.
    attributes.set_pinned(1);
    attributes.set_exclude_kernel(1);
    attributes.set_exclude_hv(1);
    attributes.set_exclude_guest(1);
    // SAFETY: the kernel reads a structure that says its own size; what it asks for is to count.
    let fd = unsafe {
        perf_event_open_sys::perf_event_open(
            &raw mut attributes,
            thread,
            ANY_CPU,
            NO_GROUP,
            bindings::PERF_FLAG_FD_CLOEXEC.into(),
        )
    };
    if fd == -1 {
        return Err(OpenError {
            what: "perf_event_open",
            errno: errno(),
        });
    }
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[repr(C)]
struct Owner {
    kind: libc::c_int,
    thread: libc::pid_t,
}

/// Has the kernel send `signal` to `thread` when the counter overflows.
fn deliver(fd: RawFd, thread: i32, signal: i32) -> Result<(), OpenError> {
    // include/uapi/asm-generic/fcntl.h
    const F_SETOWN_EX: libc::c_int = 15;
    const F_SETSIG: libc::c_int = 10;
    const OWNER_THREAD: libc::c_int = 0;
    let owner = Owner {
        kind: OWNER_THREAD,
        thread,
    };
    // SAFETY: the kernel reads one structure.
    let owned = unsafe { libc::fcntl(fd, F_SETOWN_EX, &raw const owner) };
    if owned == -1 {
        return Err(OpenError {
            what: "fcntl(F_SETOWN_EX)",
            errno: errno(),
        });
    }
    for (what, command, value) in [
        ("fcntl(F_SETSIG)", F_SETSIG, signal),
        ("fcntl(F_SETFL)", libc::F_SETFL, libc::O_ASYNC),
    ] {
        // SAFETY: no memory is involved.
        if unsafe { libc::fcntl(fd, command, value) } == -1 {
            return Err(OpenError {
                what,
                errno: errno(),
            });
        }
    }
    Ok(())
}

impl PerfCounter {
    fn control(
        &self,
        what: &'static str,
        request: bindings::perf_event_ioctls,
        argument: u64,
    ) -> Result<(), CounterError> {
        // SAFETY: the requests that this module makes either take a number or read one that lives
        // until the end of this function.
        let done = unsafe { libc::ioctl(self.fd.as_raw_fd(), request.into(), argument) };
        if done == -1 {
            Err(CounterError::Kernel {
                what,
                errno: errno(),
            })
        } else {
            Ok(())
        }
    }

    /// Its descriptor, for a signal handler.
    pub(super) fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// What the counter with this descriptor says. Async-signal-safe.
pub(super) fn read(fd: RawFd) -> Result<Rcb, CounterError> {
    const BYTES: libc::ssize_t = 8;
    let mut value = 0u64;
    // SAFETY: the kernel fills `value`.
    let done = unsafe { libc::read(fd, (&raw mut value).cast(), size_of::<u64>()) };
    match done {
        BYTES => Ok(Rcb(value)),
        // The end of file says that a pinned event did not get a counter of the CPU's.
        0 => Err(CounterError::NotScheduled),
        _ => Err(CounterError::Kernel {
            what: "read",
            errno: errno(),
        }),
    }
}

impl BranchCounter for PerfCounter {
    fn enable(&mut self) -> Result<(), CounterError> {
        self.control("ioctl(PERF_EVENT_IOC_ENABLE)", bindings::ENABLE, 0)
    }

    fn disable(&mut self) -> Result<(), CounterError> {
        self.control("ioctl(PERF_EVENT_IOC_DISABLE)", bindings::DISABLE, 0)
    }

    fn reset(&mut self) -> Result<(), CounterError> {
        self.control("ioctl(PERF_EVENT_IOC_RESET)", bindings::RESET, 0)
    }

    fn set_period(&mut self, period: Period) -> Result<(), CounterError> {
        let branches = period.branches();
        // A pointer, whatever the binding's own function takes.
        self.control(
            "ioctl(PERF_EVENT_IOC_PERIOD)",
            bindings::PERIOD,
            (&raw const branches) as u64,
        )
    }

    fn read(&mut self) -> Result<Rcb, CounterError> {
        read(self.descriptor())
    }

    fn signal(&self) -> i32 {
        self.signal
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Bench, RawEvent};
    use super::*;

    /// Without a PMU the kernel's own events do: this one of page faults in user mode. `None` where
    /// a container forbids it, which is no failure of ours.
    fn page_faults() -> Option<PerfCounter> {
        use std::io::Write;
        const SOFTWARE: u32 = 1;
        const PAGE_FAULTS: u64 = 2;
        let spec = CounterSpec {
            pmu: SOFTWARE,
            ..CounterSpec::of_calling_thread(RawEvent(PAGE_FAULTS), libc::SIGURG)
        };
        let opened = PerfEvents.open(&spec);
        if let Err(error) = &opened {
            let _ = writeln!(std::io::stderr(), "no performance events here: {error}");
        }
        opened.ok()
    }

    /// Page faults, one a page.
    fn touch(pages: usize) {
        const PAGE: usize = 4096;
        let bytes = pages * PAGE;
        // SAFETY: new memory of no one else's, written inside its bounds and given back; without
        // huge pages every first write to a page is a fault.
        unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let memory = libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            libc::madvise(memory, bytes, libc::MADV_NOHUGEPAGE);
            for page in 0..pages {
                memory.cast::<u8>().add(page * PAGE).write_volatile(1);
            }
            libc::munmap(memory, bytes);
        }
    }

    #[test]
    fn an_event_of_the_kernels_is_counted() {
        let Some(mut counter) = page_faults() else {
            return;
        };
        touch(100);
        assert_eq!(counter.read(), Ok(Rcb(0)), "it is not enabled yet");
        counter.enable().expect("enabled");
        touch(100);
        counter.disable().expect("disabled");
        let counted = counter.read().expect("read").0;
        assert!((100..200).contains(&counted), "{counted}");
        counter.reset().expect("reset");
        assert_eq!(counter.read(), Ok(Rcb(0)));
        assert_eq!(counter.signal(), libc::SIGURG);
    }

    /// The only test that takes the signal's handler.
    #[test]
    fn an_event_of_the_kernels_interrupts_when_it_is_due() {
        let mut bench = super::super::bench::RealBench::new(libc::SIGURG);
        let Some(mut counter) = page_faults() else {
            return;
        };
        for due in [50, 20, 70] {
            counter.reset().expect("reset");
            counter
                .set_period(Period::new(due).expect("a period"))
                .expect("set");
            bench.watch(&counter);
            counter.enable().expect("enabled");
            touch(100);
            counter.disable().expect("disabled");
            let (times, first) = bench.interrupts();
            assert!(
                times >= 1 && (due..due + 3).contains(&first),
                "{times} {first}"
            );
        }
    }
}
