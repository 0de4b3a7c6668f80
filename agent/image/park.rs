//! Waits without the logical CPU: a thread that is going to wait frees it for others that the agent serves, and
//! asks for it when it comes back. See `agent/src/baton.rs`.

use crate::baton::{Asked, ask, publish, release, tend, withdraw};
use crate::keep::Writer;
use crate::layout::{CURRENT, Frame, Inside, MADE_ANEW, Phase, RAW_SYSCALL, RETURNED, RING, Ring};
use crate::record::ENTERS;
use crate::rules::{Rule, Wait};
use crate::serve::{This, arg, finish, perform};
use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering;

const FUTEX: u64 = 202;
const FUTEX_WAIT: u64 = 0;
const FUTEX_WAKE: u64 = 1;
const ETIMEDOUT: i64 = -110;
const CLOCK_GETTIME: u64 = 228;
const CLOCK_MONOTONIC: u64 = 1;
/// How long a thread sleeps for the CPU, in nanoseconds, before it reports: a slice.
const PATIENCE_NS: u64 = 10_000_000;
/// And how often, if others are always faster.
const SLEEPS_MAX: u32 = 8;

/// What came of a wait.
#[derive(Clone, Copy)]
pub enum Parked {
    /// Nobody has done anything meanwhile: the result of the call, of which there is no record yet.
    Undisturbed(i64),
    /// Its result; others may have had the CPU, and the record of its entry is written.
    Behind(i64),
    /// Its result is in the thread's area, and the supervisor is to see it.
    Reports,
    /// The recorder has the CPU.
    NotAtAll,
}

impl Parked {
    /// What the agent leaves with that reports so.
    pub const REPORTED: u32 = RETURNED + 1;
}

/// Waits in the call that this record is of, without the CPU.
///
/// # Safety
///
/// The record is the next one in the ring, and there is room for it. The call is the application's.
#[inline(never)]
pub unsafe fn park(ring: &Ring, this: This, writer: &Writer, rule: &Rule, frame: &Frame) -> Parked {
    let thread = this.thread();
    let ends = match rule.wait {
        Wait::Timeout(index) => arg(frame, index) as i32 > 0,
        Wait::Never | Wait::Long | Wait::Descriptor | Wait::Time(..) | Wait::Parks => false,
    };
    let head = ring.head.load(Ordering::Relaxed);
    // SAFETY: addresses of the agent's own; the record as the caller says.
    unsafe {
        let begun = &raw mut (*this.0).wait_begun;
        if ends {
            let now = Frame {
                rdi: CLOCK_MONOTONIC,
                rsi: begun as u64,
                ..Frame::default()
            };
            perform(CLOCK_GETTIME, &now);
        } else {
            begun.write([0; 2]);
        }
        finish(writer, this, frame, 0, ENTERS);
    }
    // From here on whoever takes the CPU, the recorder included, writes behind it.
    tend(ring, writer.len());
    let Some(wanted) = release(&ring.baton, thread) else {
        if withdraw(ring, head) {
            return Parked::NotAtAll;
        }
        // SAFETY: the area is the thread's.
        unsafe { (&raw mut (*this.0).result).write_volatile(MADE_ANEW) };
        this.set_phase(Phase::Returned);
        return Parked::Reports;
    };
    let word = RING + offset_of!(Ring, baton) as u64;
    if wanted {
        let wake = Frame {
            rdi: word,
            rsi: FUTEX_WAKE,
            rdx: 1,
            ..Frame::default()
        };
        // SAFETY: it touches no memory.
        unsafe { perform(FUTEX, &wake) };
    }
    // SAFETY: the application's call.
    let result = unsafe { wait(this, frame) };
    let mut sleeps = 0;
    loop {
        if this.reports() {
            return Parked::Reports;
        }
        match ask(&ring.baton, thread, sleeps > 0) {
            Asked::Took => {
                this.set_phase(Phase::Leaves);
                // SAFETY: an address of the agent's own, and the CPU is this thread's.
                unsafe {
                    let current = this.0 as u64 + size_of::<Frame>() as u64;
                    (CURRENT as *mut u64).write_volatile(current);
                }
                if withdraw(ring, head) {
                    this.set_phase(Phase::Performs);
                    return Parked::Undisturbed(result);
                }
                publish(ring);
                return Parked::Behind(result);
            }
            Asked::Shut => return Parked::Reports,
            // The word says by now that it is wanted, if others sleep, too.
            Asked::Sleep(_) if sleeps == SLEEPS_MAX => return Parked::Reports,
            Asked::Sleep(seen) => {
                let patience = [0, PATIENCE_NS];
                let sleep = Frame {
                    rdi: word,
                    rsi: FUTEX_WAIT,
                    rdx: seen.into(),
                    r10: patience.as_ptr() as u64,
                    ..Frame::default()
                };
                // SAFETY: the kernel reads the word and the time.
                if unsafe { perform(FUTEX, &sleep) } == ETIMEDOUT {
                    return Parked::Reports;
                }
                sleeps += 1;
            }
        }
    }
}

/// Makes a call that waits. Whoever stops the thread can tell how far it is: behind the syscall, `rcx` is the
/// address behind it.
#[inline(always)]
unsafe fn wait(this: This, frame: &Frame) -> i64 {
    let result: i64;
    // SAFETY: what it does to the application's memory is what the application asked for; the area is the thread's.
    unsafe {
        asm!(
            "xor ecx, ecx",
            "mov dword ptr [r12 + {phase}], {parks}",
            "call {stub}",
            "mov qword ptr [r12 + {result}], rax",
            "mov dword ptr [r12 + {phase}], {returned}",
            stub = in(reg) RAW_SYSCALL,
            phase = const offset_of!(Inside, phase),
            result = const offset_of!(Inside, result),
            parks = const Phase::Parks as u32,
            returned = const Phase::Returned as u32,
            in("r12") this.0,
            inout("rax") frame.rax => result,
            in("rdi") frame.rdi,
            in("rsi") frame.rsi,
            in("rdx") frame.rdx,
            in("r10") frame.r10,
            in("r8") frame.r8,
            in("r9") frame.r9,
            // Nothing that goes in may be there.
            out("rcx") _,
            lateout("r11") _,
        );
    }
    result
}
