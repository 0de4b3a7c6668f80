//! All that is unsafe in these tests: memory shared with a traced child, and ptrace.

use pmu::Regs;
use std::cell::Cell;
use std::ffi::{CStr, CString, c_void};
use std::io::{Error, Result};
use std::ops::Range;
use std::ptr;

/// Memory at a fixed address, shared with children that are forked later.
#[derive(Debug)]
pub struct Shared {
    range: Range<u64>,
}

impl Shared {
    /// Maps it, readable, writable and executable.
    pub fn map(at: u64, len: u64) -> Result<Self> {
        let address = ptr::without_provenance_mut::<c_void>(usize::try_from(at).unwrap());
        let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: NOREPLACE: nothing that is mapped already is touched.
        let found = unsafe {
            libc::mmap(
                address,
                usize::try_from(len).unwrap(),
                protection,
                flags,
                -1,
                0,
            )
        };
        if found == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        assert_eq!(found, address);
        Ok(Self {
            range: at..at + len,
        })
    }

    pub fn contains(&self, address: u64) -> bool {
        self.range.contains(&address)
    }

    /// How many bytes there are from an address on.
    pub fn left(&self, address: u64) -> u64 {
        if self.contains(address) {
            self.range.end - address
        } else {
            0
        }
    }

    pub fn read(&self, address: u64, into: &mut [u8]) {
        assert!(self.left(address) >= into.len() as u64);
        let from = ptr::with_exposed_provenance::<u8>(usize::try_from(address).unwrap());
        // SAFETY: it is inside the mapping, which stays; the child that shares it is stopped.
        unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
    }

    pub fn write(&self, address: u64, bytes: &[u8]) {
        assert!(self.left(address) >= bytes.len() as u64);
        let to = ptr::with_exposed_provenance_mut::<u8>(usize::try_from(address).unwrap());
        // SAFETY: as for reading; no reference into the mapping exists.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }
}

/// Where and why a child stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A signal is about to be delivered, or a step is done.
    Signal(i32),
    /// At a system call, which is not performed.
    Syscall,
    /// It is gone.
    Gone,
}

/// How a child goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Until something happens; system calls are not performed.
    Run,
    /// One instruction; a system call is performed.
    Step,
}

/// A forked child, stopped and traced. Dies when dropped.
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
    /// It stands at a system call that is not performed.
    in_syscall: Cell<bool>,
    status: Cell<i32>,
    used: Cell<(u64, u64)>,
}

/// Not in the libc crate's list for every target.
const PTRACE_SYSEMU: libc::c_uint = 31;

impl Child {
    fn new(pid: libc::pid_t) -> Self {
        Self {
            pid,
            in_syscall: Cell::new(false),
            status: Cell::new(0),
            used: Cell::new((0, 0)),
        }
    }

    /// A copy of this process that stops at once.
    pub fn fork() -> Result<Self> {
        // SAFETY: the child calls async-signal-safe functions only.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: these take no pointers that matter, and are async-signal-safe.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::raise(libc::SIGSTOP);
                libc::_exit(1);
            }
        }
        Self::begun(pid, libc::SIGSTOP)
    }

    /// A child that was forked, and begins with a stop by this signal.
    fn begun(pid: libc::pid_t, signal: i32) -> Result<Self> {
        if pid < 0 {
            return Err(Error::last_os_error());
        }
        let child = Self::new(pid);
        assert_eq!(child.wait(), Stop::Signal(signal), "it starts");
        let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
        child.request(
            libc::PTRACE_SETOPTIONS,
            0,
            usize::try_from(options).unwrap(),
        )?;
        Ok(child)
    }

    fn request(&self, request: libc::c_uint, address: usize, data: usize) -> Result<()> {
        // SAFETY: callers pass pointers to memory of the size that the request needs, or none.
        let result = unsafe { libc::ptrace(request, self.pid, address, data) };
        if result == -1 {
            return Err(Error::last_os_error());
        }
        Ok(())
    }

    pub fn wait(&self) -> Stop {
        let mut status = 0;
        // SAFETY: a structure of numbers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: status and usage are written to variables of the right types.
        let result =
            unsafe { libc::wait4(self.pid, &raw mut status, libc::__WALL, &raw mut usage) };
        if result != self.pid {
            return Stop::Gone;
        }
        if !libc::WIFSTOPPED(status) {
            self.status.set(status);
            let ns = |time: libc::timeval| {
                u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_usec * 1000).unwrap()
            };
            self.used.set((ns(usage.ru_utime), ns(usage.ru_stime)));
            return Stop::Gone;
        }
        match libc::WSTOPSIG(status) {
            signal if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
            signal => Stop::Signal(signal),
        }
    }

    /// Lets it go on and waits. No signal is delivered.
    pub fn go(&self, how: Go) -> Stop {
        let request = match how {
            Go::Run => PTRACE_SYSEMU,
            Go::Step => libc::PTRACE_SINGLESTEP,
        };
        if self.in_syscall.take() && how == Go::Step {
            // The first step only leaves the system call.
            if self.request(request, 0, 0).is_err() {
                return Stop::Gone;
            }
            assert_eq!(self.wait(), Stop::Signal(libc::SIGTRAP));
        }
        if self.request(request, 0, 0).is_err() {
            return Stop::Gone;
        }
        let stop = self.wait();
        self.in_syscall.set(stop == Stop::Syscall);
        stop
    }

    pub fn regs(&self) -> Regs {
        let mut regs = Regs::default();
        let to = (&raw mut regs).expose_provenance();
        self.request(libc::PTRACE_GETREGS, 0, to)
            .expect("the child is stopped");
        regs
    }

    pub fn set_regs(&self, regs: &Regs) {
        // Never taken for one in a system call, which might be restarted.
        let regs = Regs {
            orig_rax: u64::MAX,
            ..*regs
        };
        let from = (&raw const regs).expose_provenance();
        self.request(libc::PTRACE_SETREGS, 0, from)
            .expect("the child is stopped");
    }

    /// The extended state (x87, SSE, AVX, ...), as XSAVE writes it.
    pub fn xstate(&self) -> Vec<u8> {
        let mut bytes = vec![0u8; 1 << 14];
        let mut vector = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        let to = (&raw mut vector).expose_provenance();
        self.request(libc::PTRACE_GETREGSET, 0x202, to)
            .expect("the child is stopped");
        bytes.truncate(vector.iov_len);
        bytes
    }

    pub fn set_xstate(&self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let vector = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        let from = (&raw const vector).expose_provenance();
        self.request(libc::PTRACE_SETREGSET, 0x202, from)
            .expect("the child is stopped");
    }
}

/// CPU time of the calling thread.
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time is written to a variable of its type.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

impl Child {
    /// A program, stopped before its first instruction, without randomised addresses. Its output goes
    /// to a file descriptor.
    pub fn exec(arguments: &[CString], output: i32) -> Result<Self> {
        let mut pointers: Vec<*const libc::c_char> =
            arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(ptr::null());
        let environment: [*const libc::c_char; 2] = [c"LC_ALL=C".as_ptr(), ptr::null()];
        // SAFETY: the child calls async-signal-safe functions only.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: async-signal-safe functions; the strings and lists were made before the fork.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::personality(0x0004_0000);
                libc::dup2(output, 1);
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::execve(pointers[0], pointers.as_ptr(), environment.as_ptr());
                libc::_exit(127);
            }
        }
        Self::begun(pid, libc::SIGTRAP)
    }

    /// Delivers a signal and executes nothing but its delivery.
    pub fn deliver(&self, signal: i32) -> Stop {
        let signal = usize::try_from(signal).unwrap();
        if self.request(libc::PTRACE_SINGLESTEP, 0, signal).is_err() {
            return Stop::Gone;
        }
        self.wait()
    }

    /// Lets it run freely, to its end. Returns its status.
    pub fn run_to_end(&self) -> i32 {
        let mut signal = 0;
        loop {
            if self.request(libc::PTRACE_CONT, 0, signal).is_err() {
                return self.status.get();
            }
            match self.wait() {
                Stop::Gone => return self.status.get(),
                Stop::Signal(found) => signal = usize::try_from(found).unwrap(),
                Stop::Syscall => signal = 0,
            }
        }
    }

    /// How it ended, as `wait` says it.
    pub fn status(&self) -> i32 {
        self.status.get()
    }

    /// User and system time that it used, in nanoseconds, once it is gone.
    pub fn used_ns(&self) -> (u64, u64) {
        self.used.get()
    }

    /// Writes to its memory. The pages have to be writable.
    pub fn write(&self, writes: &[(u64, &[u8])]) -> Result<()> {
        for batch in writes.chunks(256) {
            let local: Vec<libc::iovec> = batch
                .iter()
                .map(|(_, bytes)| libc::iovec {
                    iov_base: bytes.as_ptr().cast_mut().cast(),
                    iov_len: bytes.len(),
                })
                .collect();
            let remote: Vec<libc::iovec> = batch
                .iter()
                .map(|(address, bytes)| libc::iovec {
                    iov_base: ptr::without_provenance_mut(usize::try_from(*address).unwrap()),
                    iov_len: bytes.len(),
                })
                .collect();
            let total: usize = batch.iter().map(|(_, bytes)| bytes.len()).sum();
            // SAFETY: the local vectors describe slices that are only read; the remote ones are checked
            // by the kernel.
            let written = unsafe {
                libc::process_vm_writev(
                    self.pid,
                    local.as_ptr(),
                    local.len() as libc::c_ulong,
                    remote.as_ptr(),
                    remote.len() as libc::c_ulong,
                    0,
                )
            };
            if usize::try_from(written) != Ok(total) {
                return Err(Error::last_os_error());
            }
        }
        Ok(())
    }

    /// Reads its memory; returns how much of it could be read.
    pub fn read(&self, address: u64, into: &mut [u8]) -> usize {
        let local = libc::iovec {
            iov_base: into.as_mut_ptr().cast(),
            iov_len: into.len(),
        };
        // Page by page, so that what can be read is.
        let mut remote = Vec::new();
        let mut at = address;
        let end = address.saturating_add(into.len() as u64);
        while at < end {
            let next = (at | 0xfff).saturating_add(1).min(end);
            remote.push(libc::iovec {
                iov_base: ptr::without_provenance_mut(usize::try_from(at).unwrap()),
                iov_len: usize::try_from(next - at).unwrap(),
            });
            at = next;
        }
        // SAFETY: the local vector describes a slice that is exclusively borrowed.
        let read = unsafe {
            libc::process_vm_readv(
                self.pid,
                &raw const local,
                1,
                remote.as_ptr(),
                remote.len() as libc::c_ulong,
                0,
            )
        };
        usize::try_from(read).unwrap_or(0)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the child is not reaped yet, so the number is its.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        while self.wait() != Stop::Gone {}
    }
}

/// Keeps the calling thread and its later children on one CPU: a stop costs a fraction.
pub fn stay_on_this_cpu() {
    // SAFETY: the set is a plain bit set that these functions fill and read.
    unsafe {
        let cpu = libc::sched_getcpu();
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(usize::try_from(cpu).unwrap_or(0), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// `qsort` of libc.
pub fn qsort(numbers: &mut [u64]) {
    // SAFETY: base, number and size describe the slice; the function compares two of its elements.
    unsafe {
        libc::qsort(
            numbers.as_mut_ptr().cast(),
            numbers.len(),
            8,
            Some(crate::work::compare),
        );
    }
}

/// Compares what `qsort` passes.
pub fn compare(one: *const c_void, other: *const c_void) -> i32 {
    // SAFETY: `qsort` passes pointers to elements of the slice.
    let (one, other) = unsafe { (*one.cast::<u64>(), *other.cast::<u64>()) };
    one.cmp(&other) as i32
}

/// `snprintf` of libc; returns how much it wrote.
pub fn print(text: &mut [u8], number: f64, other: u64) -> usize {
    // SAFETY: the format has conversions for these arguments; the length is the buffer's.
    let len = unsafe {
        libc::snprintf(
            text.as_mut_ptr().cast(),
            text.len(),
            crate::work::FORMAT,
            number,
            c"text".as_ptr(),
            other,
            number,
        )
    };
    usize::try_from(len).unwrap_or(0).min(text.len())
}

/// `strtod` of libc.
pub fn parse(text: &CStr) -> f64 {
    // SAFETY: the text ends with a zero; no end is asked for.
    unsafe { libc::strtod(text.as_ptr(), ptr::null_mut()) }
}

/// `strlen`, `strchr` and `memchr` of libc.
pub fn search(text: &[u8], byte: u8) -> u64 {
    let start = text.as_ptr();
    // SAFETY: the text ends with a zero, and has at least 100 bytes.
    let (len, first, other) = unsafe {
        (
            libc::strlen(start.cast()),
            libc::strchr(start.cast(), byte.into()),
            libc::memchr(start.cast(), byte.into(), 100),
        )
    };
    let distance = |found: usize| found.saturating_sub(start.addr()) as u64;
    len as u64 + distance(first.addr()) + distance(other.addr())
}
