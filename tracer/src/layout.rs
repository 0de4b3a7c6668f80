//! Addresses that the engine claims in every traced address space.

/// The page from which syscalls pass the filter unseen: the supervisor's remote
/// syscalls now, the agent's later. The application may not map anything over it.
///
/// Below 2 GiB, where no default layout of the kernel places anything (position-
/// independent programs start at 0x5555…, mappings grow down from 0x7fff…, programs at
/// fixed addresses start at 4 MiB), and inside what sanitizers take for application memory.
pub const PAGE: u64 = 0x7000_0000;
/// Bytes of it.
pub const PAGE_LEN: u64 = 0x1000;
/// `syscall; int3` in it.
pub const PAGE_SYSCALL: u64 = PAGE + 0x100;
/// Where `int3` leaves the instruction pointer.
pub const PAGE_SYSCALL_DONE: u64 = PAGE_SYSCALL + 3;
/// Room for a path argument of a remote syscall.
pub const PAGE_DATA: u64 = PAGE + 0x800;
/// Bytes of that room.
pub const PAGE_DATA_LEN: usize = 0x800;

/// Bytes of the kernel's pages.
pub const KERNEL_PAGE: u64 = 4096;

/// Rounds up to a whole page.
#[must_use]
pub const fn page_up(value: u64) -> u64 {
    value.saturating_add(KERNEL_PAGE - 1) & !(KERNEL_PAGE - 1)
}

/// Whether a range touches the claimed page.
#[must_use]
pub const fn touches_page(start: u64, len: u64) -> bool {
    start < PAGE + PAGE_LEN && start.saturating_add(page_up(len)) > PAGE
}

/// `syscall; int3`.
pub const SYSCALL_INT3: [u8; 3] = [0x0f, 0x05, 0xcc];
