//! Addresses that the engine claims in every traced address space.

/// The first of the pages that the engine claims: code. The application may not map
/// anything over them.
///
/// Below 2 GiB, where no default layout of the kernel places anything (position-
/// independent programs start at 0x5555…, mappings grow down from 0x7fff…, programs at
/// fixed addresses start at 4 MiB), and inside what sanitizers take for application memory.
pub const PAGE: u64 = 0x7000_0000;
/// Bytes of it.
pub const PAGE_LEN: u64 = 0x1000;
/// Syscalls from here, the start of the page, pass the filter unseen: the supervisor's
/// remote syscalls, and the agent's.
pub const UNSEEN_LEN: u64 = 0x800;
/// `syscall; int3` in it.
pub const PAGE_SYSCALL: u64 = PAGE + 0x100;
/// Where `int3` leaves the instruction pointer.
pub const PAGE_SYSCALL_DONE: u64 = PAGE_SYSCALL + 3;
/// The agent's code.
pub const AGENT: u64 = PAGE + 0x200;
/// The agent's syscalls that the supervisor shall see: behind what passes unseen.
pub const AGENT_SEEN: u64 = PAGE + UNSEEN_LEN;
/// Room for a path argument of a remote syscall.
pub const PAGE_DATA: u64 = PAGE + 0xa00;
/// Bytes of that room.
pub const PAGE_DATA_LEN: usize = 0x600;
/// The agent's data: a page that is readable and writable.
pub const AGENT_DATA: u64 = PAGE + PAGE_LEN;
/// Bytes of it.
pub const AGENT_DATA_LEN: u64 = 0x1000;
/// Room behind the agent's own data that the kernel can write to for a remote syscall.
pub const KERNEL_ROOM: u64 = AGENT_DATA + 0xfc0;
/// What clock reads gave, in front of the pages: readable and writable.
pub const READS: u64 = PAGE - READS_LEN;
/// Bytes of it.
pub const READS_LEN: u64 = 0x1_0000;
/// First address of all that is claimed.
pub const CLAIMED: u64 = READS;
/// Bytes of all that is claimed.
pub const CLAIMED_LEN: u64 = READS_LEN + PAGE_LEN + AGENT_DATA_LEN;

/// Where the code cache of counted threads lies: code, then data. Mapped only where there is one.
pub const CACHE: u64 = 0x6000_0000;
/// Bytes of its code.
pub const CACHE_CODE_LEN: u64 = 64 << 20;
/// Bytes of all of it.
pub const CACHE_LEN: u64 = CACHE_CODE_LEN + pmu::translate::DATA_BYTES;

/// The page at a fixed address through which old programs call the kernel: what is called
/// there is emulated, seccomp sees it as a syscall, but there is no exit to stop at.
pub const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;

/// Whether an instruction pointer is in that page.
#[must_use]
pub const fn is_vsyscall(ip: u64) -> bool {
    ip & !(KERNEL_PAGE - 1) == VSYSCALL
}

/// Bytes of the kernel's pages.
pub const KERNEL_PAGE: u64 = 4096;

/// Rounds up to a whole page.
#[must_use]
pub const fn page_up(value: u64) -> u64 {
    value.saturating_add(KERNEL_PAGE - 1) & !(KERNEL_PAGE - 1)
}

/// Whether a range touches the claimed pages.
#[must_use]
pub const fn touches_page(start: u64, len: u64) -> bool {
    start < CLAIMED + CLAIMED_LEN && start.saturating_add(page_up(len)) > CLAIMED
}

/// `syscall; int3`.
pub const SYSCALL_INT3: [u8; 3] = [0x0f, 0x05, 0xcc];
