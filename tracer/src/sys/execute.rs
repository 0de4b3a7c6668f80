//! Executes machine code in this process, for tests: with given registers, and if asked, with
//! a record of every instruction.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::sync::Once;

const PAGE: u64 = 4096;
/// The flag that makes every instruction trap.
const STEP: u64 = 1 << 8;
/// Steps that are recorded, at most.
const STEPS_MAX: usize = 10_000;

core::arch::global_asm!(
    "ftrun_test_execute:",
    // rdi: code; rsi: registers
    "push rbx; push rbp; push r12; push r13; push r14; push r15",
    "push rsi; push rdi",
    "push qword ptr [rsi + 128]",
    "mov rax, [rsi]; mov rcx, [rsi + 8]; mov rdx, [rsi + 16]; mov rbx, [rsi + 24]",
    "mov rbp, [rsi + 40]; mov rdi, [rsi + 56]; mov r8, [rsi + 64]; mov r9, [rsi + 72]",
    "mov r10, [rsi + 80]; mov r11, [rsi + 88]; mov r12, [rsi + 96]; mov r13, [rsi + 104]",
    "mov r14, [rsi + 112]; mov r15, [rsi + 120]; mov rsi, [rsi + 48]",
    "popfq",
    "call qword ptr [rsp]",
    "pushfq; push rax; mov rax, [rsp + 24]",
    "mov [rax + 8], rcx; mov [rax + 16], rdx; mov [rax + 24], rbx; mov [rax + 40], rbp",
    "mov [rax + 48], rsi; mov [rax + 56], rdi; mov [rax + 64], r8; mov [rax + 72], r9",
    "mov [rax + 80], r10; mov [rax + 88], r11; mov [rax + 96], r12; mov [rax + 104], r13",
    "mov [rax + 112], r14; mov [rax + 120], r15",
    "pop rcx; mov [rax], rcx; pop rcx; mov [rax + 128], rcx",
    "pushfq; and qword ptr [rsp], -0x101; popfq",
    "add rsp, 16",
    "pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx",
    "cld",
    "ret",
);

unsafe extern "C" {
    fn ftrun_test_execute(code: u64, registers: *mut Registers);
}

/// `rax`, `rcx`, `rdx`, `rbx`, `rsp`, `rbp`, `rsi`, `rdi`, `r8` to `r15`, and the flags. `rsp` is
/// only told.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    pub general: [u64; 16],
    pub flags: u64,
}

/// What a thread does with traps.
#[derive(Default)]
struct Watch {
    /// Recorded is what is executed in here.
    within: Vec<Range<u64>>,
    steps: Vec<(u64, Registers)>,
    /// Where to go from an `int3`.
    moves: Vec<(u64, u64)>,
    moved: Vec<u64>,
}

thread_local! {
    static WATCH: RefCell<Watch> = const {
        RefCell::new(Watch { within: Vec::new(), steps: Vec::new(), moves: Vec::new(), moved: Vec::new() })
    };
}

/// What was observed.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Each instruction's address, and the registers before it.
    pub steps: Vec<(u64, Registers)>,
    /// The addresses of each `int3` that was met.
    pub moved: Vec<u64>,
}

/// Calls `code`, which has to return as a function does, and whose `int3` at the first address
/// of each of `moves` leads to the second.
pub fn call(code: u64, registers: &mut Registers, moves: &[(u64, u64)]) -> Observed {
    run(code, registers, moves, &[])
}

/// The same, with a record of what is executed in some ranges of addresses.
pub fn trace(
    code: u64,
    registers: &mut Registers,
    moves: &[(u64, u64)],
    within: &[Range<u64>],
) -> Observed {
    registers.flags |= STEP;
    run(code, registers, moves, within)
}

fn run(
    code: u64,
    registers: &mut Registers,
    moves: &[(u64, u64)],
    within: &[Range<u64>],
) -> Observed {
    handle_traps();
    WATCH.set(Watch {
        within: within.to_vec(),
        steps: Vec::with_capacity(STEPS_MAX),
        moves: moves.to_vec(),
        moved: Vec::with_capacity(STEPS_MAX),
    });
    // SAFETY: the caller, a test, made the code, which returns and touches no memory of others.
    unsafe { ftrun_test_execute(code, registers) };
    registers.flags &= !STEP;
    let seen = WATCH.take();
    Observed {
        steps: seen.steps,
        moved: seen.moved,
    }
}

fn handle_traps() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: all zeros is a valid value of this plain structure.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_trap as *const () as usize;
        // Code under test uses what lies below its stack pointer only as far as the red zone.
        action.sa_flags = libc::SA_SIGINFO;
        // SAFETY: the handler has the type that SA_SIGINFO asks for.
        let done =
            unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    });
}

extern "C" fn on_trap(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const BREAKPOINT: i64 = 3;
    // SAFETY: the kernel hands over a context, which nothing else refers to.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let at = |name: i32| usize::try_from(name).expect("an index");
    let rip = at(libc::REG_RIP);
    // Not borrowed here: the code under test runs while nothing of the watch is in use.
    WATCH.with_borrow_mut(|watch| {
        if registers[at(libc::REG_TRAPNO)] == BREAKPOINT {
            let address = (registers[rip] - 1).cast_unsigned();
            let to = watch.moves.iter().find(|(from, _)| *from == address);
            let Some((_, to)) = to else {
                std::process::abort();
            };
            registers[rip] = to.cast_signed();
            if watch.moved.len() < STEPS_MAX {
                watch.moved.push(address);
            }
        }
        let address = registers[rip].cast_unsigned();
        let inside = watch.within.iter().any(|range| range.contains(&address));
        if inside && watch.steps.len() < STEPS_MAX {
            let general = [
                libc::REG_RAX,
                libc::REG_RCX,
                libc::REG_RDX,
                libc::REG_RBX,
                libc::REG_RSP,
                libc::REG_RBP,
                libc::REG_RSI,
                libc::REG_RDI,
                libc::REG_R8,
                libc::REG_R9,
                libc::REG_R10,
                libc::REG_R11,
                libc::REG_R12,
                libc::REG_R13,
                libc::REG_R14,
                libc::REG_R15,
            ]
            .map(|name| registers[at(name)].cast_unsigned());
            let flags = registers[at(libc::REG_EFL)].cast_unsigned();
            watch.steps.push((address, Registers { general, flags }));
        }
    });
}

/// Addresses of its own, at which code can be put.
pub struct Arena {
    start: u64,
    len: u64,
}

impl Arena {
    /// Claims addresses, of which nothing is accessible; below 2 GiB if asked.
    pub fn new(len: u64, low: bool) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let flags = if low { flags | libc::MAP_32BIT } else { flags };
        let size = usize::try_from(len).expect("an address");
        // SAFETY: a new mapping where the kernel finds room.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), size, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(at, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        Self {
            start: at.addr() as u64,
            len,
        }
    }

    /// Its first address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Puts bytes at an address, and makes its pages accessible and executable.
    pub fn put(&self, address: u64, bytes: &[u8]) {
        let end = address + bytes.len() as u64;
        assert!(self.start <= address && end <= self.start + self.len);
        let first = address / PAGE * PAGE;
        let len = usize::try_from(end.next_multiple_of(PAGE) - first).expect("small");
        let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        // SAFETY: the pages are this arena's.
        let done = unsafe { libc::mprotect(first as *mut libc::c_void, len, all) };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
        // SAFETY: they are writable now, and no reference to them exists.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let len = usize::try_from(self.len).expect("an address");
        // SAFETY: the mapping is this arena's, and no code in it runs any more.
        unsafe { libc::munmap(self.start as *mut libc::c_void, len) };
    }
}
