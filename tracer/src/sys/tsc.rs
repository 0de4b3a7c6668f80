//! The time stamp counter. Most traced threads may not read it; the kernel keeps that as a bit
//! of CR4, and changing the bit at every switch between tracer and tracee costs more than
//! the switch itself (about 5 µs in a virtual machine, twice for every stop). So the tracer
//! takes the same restriction upon itself, as long as most of them have it. Its own clocks are read by plain syscalls; what
//! reads the counter all the same (the C library's clocks do) is emulated.

use std::io;
use std::sync::Once;

/// While it lives, the thread that made it may not read the counter directly.
#[derive(Debug)]
pub struct Restricted {
    only_here: std::marker::PhantomData<*const ()>,
}

impl Restricted {
    /// Restricts the calling thread.
    pub fn begin() -> io::Result<Self> {
        static HANDLER: Once = Once::new();
        let mut installed = Ok(());
        HANDLER.call_once(|| installed = install());
        installed?;
        set_mode(libc::PR_TSC_SIGSEGV)?;
        Ok(Self {
            only_here: std::marker::PhantomData,
        })
    }
}

/// Has the calling thread, which has a [`Restricted`], restricted or not: like the threads that it
/// takes turns with.
pub fn follow(restricted: bool) {
    let mode = if restricted {
        libc::PR_TSC_SIGSEGV
    } else {
        libc::PR_TSC_ENABLE
    };
    // If it fails, switches cost more.
    let _ = set_mode(mode);
}

impl Drop for Restricted {
    fn drop(&mut self) {
        // What was possible before is possible again; if not, reads are emulated.
        let _ = set_mode(libc::PR_TSC_ENABLE);
    }
}

/// The counter, and the number of the CPU and node with it.
#[must_use]
pub fn read() -> (u64, u32) {
    let mode = mode();
    if mode == libc::PR_TSC_SIGSEGV {
        // If this fails, the instruction is emulated.
        let _ = set_mode(libc::PR_TSC_ENABLE);
    }
    let mut aux = 0u32;
    // SAFETY: every x86-64 CPU of the last fifteen years has RDTSCP; it stores one word.
    let value = unsafe { core::arch::x86_64::__rdtscp(&raw mut aux) };
    if mode == libc::PR_TSC_SIGSEGV {
        let _ = set_mode(libc::PR_TSC_SIGSEGV);
    }
    (value, aux)
}

fn mode() -> i32 {
    let mut mode: libc::c_int = 0;
    // SAFETY: the kernel stores one int.
    unsafe { libc::prctl(libc::PR_GET_TSC, &raw mut mode) };
    mode
}

fn set_mode(mode: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    if unsafe { libc::prctl(libc::PR_SET_TSC, mode, 0, 0, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What was installed for SIGSEGV before: faults that are none of ours go there.
static mut FORMER: std::mem::MaybeUninit<libc::sigaction> = std::mem::MaybeUninit::zeroed();

fn install() -> io::Result<()> {
    // SAFETY: both structures are valid; `FORMER` is written here only, once, before the
    // handler can run.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(
            libc::SIGSEGV,
            &raw const action,
            (&raw mut FORMER).cast::<libc::sigaction>(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Emulates RDTSC and RDTSCP; anything else faults again under the former handler.
extern "C" fn on_fault(
    _signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    const RDTSC: [u8; 2] = [0x0f, 0x31];
    const RDTSCP: [u8; 3] = [0x0f, 0x01, 0xf9];
    // SAFETY: the kernel passes a valid ucontext; the general registers are plain words. The
    // instruction pointer is read only if it is executable memory, which the fault proves,
    // unless the fault was the fetch itself: then the address of the fault is the pointer.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let slot = |index: libc::c_int| usize::try_from(index).unwrap_or(0);
        let ip = registers[slot(libc::REG_RIP)];
        let general_protection = registers[slot(libc::REG_TRAPNO)] == 13;
        if general_protection {
            let code = ip as *const u8;
            let len = if *code == RDTSC[0] && *code.add(1) == RDTSC[1] {
                Some(RDTSC.len())
            } else if *code == RDTSCP[0] && *code.add(1) == RDTSCP[1] && *code.add(2) == RDTSCP[2] {
                Some(RDTSCP.len())
            } else {
                None
            };
            if let Some(len) = len {
                let (value, aux) = read();
                registers[slot(libc::REG_RAX)] = (value & 0xffff_ffff).cast_signed();
                registers[slot(libc::REG_RDX)] = (value >> 32).cast_signed();
                if len == RDTSCP.len() {
                    registers[slot(libc::REG_RCX)] = i64::from(aux);
                }
                registers[slot(libc::REG_RIP)] = ip.wrapping_add(i64::try_from(len).unwrap_or(0));
                return;
            }
        }
        libc::sigaction(
            libc::SIGSEGV,
            (&raw const FORMER).cast::<libc::sigaction>(),
            std::ptr::null_mut(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_restricted_thread_still_tells_the_time() {
        let before = Instant::now();
        {
            let _restricted = Restricted::begin().expect("this kernel can");
            assert_eq!(mode(), libc::PR_TSC_SIGSEGV);
            let (first, _) = read();
            assert!(Instant::now() >= before, "emulated");
            assert_eq!(mode(), libc::PR_TSC_SIGSEGV);
            assert!(read().0 > first);
        }
        assert_eq!(mode(), libc::PR_TSC_ENABLE);
    }
}
