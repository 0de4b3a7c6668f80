//! A signal to the tracer thread at intervals, so that a wait for one traced thread does not
//! last for ever when that thread waits for another. Armed only while threads contend.
//!
//! A tick that comes while the thread does not wait interrupts nothing. It is remembered: a traced thread's own timer may keep
//! step with this one, so that every tick comes together with a report.

use std::cell::Cell;
use std::io;
use std::time::Duration;

const SECOND_NS: i64 = 1_000_000_000;

/// Interrupts a thread of this process that has a [`Tick`], as that does.
pub fn interrupt(thread: i32) {
    // SAFETY: numbers only. A thread that has ended meanwhile needs no signal.
    unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGRTMAX());
    }
}

/// The timer of one thread; it interrupts that thread's system calls.
#[derive(Debug)]
pub struct Tick {
    timer: libc::timer_t,
    thread: i32,
    armed: bool,
    interval_ns: i64,
    only_here: std::marker::PhantomData<*const ()>,
}

thread_local! {
    /// Whether a tick has come since somebody asked. Without a destructor: the handler only stores to it.
    static TICKED: Cell<bool> = const { Cell::new(false) };
}

extern "C" fn ticked(_signal: libc::c_int) {
    TICKED.set(true);
}

/// Whether a tick has come since the last call.
pub fn take() -> bool {
    TICKED.replace(false)
}

impl Tick {
    /// A timer for the calling thread, not yet armed: of ticks so far apart.
    pub fn new(interval: Duration) -> io::Result<Self> {
        let signal = libc::SIGRTMAX();
        // SAFETY: all structures are valid and zeroed where not set; the handler only stores to a
        // variable of its thread that needs no initialisation.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ticked as *const () as usize;
            // Without SA_RESTART: the point is to interrupt.
            if libc::sigaction(signal, &raw const action, std::ptr::null_mut()) == -1 {
                return Err(io::Error::last_os_error());
            }
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&raw mut set, signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            let thread = libc::gettid();
            event.sigev_notify_thread_id = thread;
            let mut timer: libc::timer_t = std::mem::zeroed();
            if libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self {
                timer,
                thread,
                armed: false,
                interval_ns: i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX),
                only_here: std::marker::PhantomData,
            })
        }
    }

    /// The thread that it interrupts.
    pub const fn thread(&self) -> i32 {
        self.thread
    }

    /// Ticks from now on, if it did not already.
    pub fn arm(&mut self) {
        if !self.armed {
            // What came before is over.
            take();
            self.armed = self.set(self.interval_ns);
        }
    }

    /// Ticks no more.
    pub fn disarm(&mut self) {
        if self.armed {
            self.armed = !self.set(0);
        }
    }

    fn set(&self, interval_ns: i64) -> bool {
        let interval = libc::timespec {
            tv_sec: interval_ns / SECOND_NS,
            tv_nsec: interval_ns % SECOND_NS,
        };
        let spec = libc::itimerspec {
            it_interval: interval,
            it_value: interval,
        };
        // SAFETY: the timer is ours, the structure valid.
        unsafe { libc::timer_settime(self.timer, 0, &raw const spec, std::ptr::null_mut()) == 0 }
    }
}

impl Drop for Tick {
    fn drop(&mut self) {
        // SAFETY: the timer is ours and not used afterwards.
        unsafe { libc::timer_delete(self.timer) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_tick_that_interrupts_nothing_is_remembered() {
        let mut tick = Tick::new(Duration::from_millis(1)).expect("a timer");
        assert!(!take());
        tick.arm();
        let begin = Instant::now();
        while !TICKED.get() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it never ticks");
            std::hint::spin_loop();
        }
        tick.disarm();
        assert!(take() && !take());
    }
}
