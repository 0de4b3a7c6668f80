//! Addresses in a traced address space, all of them below 2 GiB so that code can name them by
//! 32-bit displacements. The tracer claims the pages in front of these for itself.

/// The agent's code, readable and executable.
pub const IMAGE: u64 = 0x7000_2000;
/// Bytes mapped for it.
pub const IMAGE_LEN: u64 = 0x8000;
/// Offset in the image of the address that faults are led to; see `image/entry.s`.
pub const IMAGE_RECOVER: usize = 8;
/// The same for faults behind a wait.
pub const IMAGE_RECOVER_BEHIND: usize = 16;
/// `syscall; ret`, where the filter lets syscalls pass.
pub const RAW_SYSCALL: u64 = 0x7000_0040;
/// Its bytes.
pub const RAW_SYSCALL_CODE: [u8; 3] = [0x0f, 0x05, 0xc3];
/// `syscall`, where the filter hands it over: with [`EXIT_NR`] the agent reports that it has
/// served a call and shall not go on.
pub const EXIT_SYSCALL: u64 = 0x7000_09f0;
/// Its bytes.
pub const EXIT_SYSCALL_CODE: [u8; 4] = [0x0f, 0x05, 0x0f, 0x0b];
/// A syscall number that no kernel has.
pub const EXIT_NR: u64 = 0x7fff_f74e;

/// What is the agent's own in one address space, readable and writable, not shared.
pub const LOCAL: u64 = IMAGE + IMAGE_LEN;
/// Bytes of it.
pub const LOCAL_LEN: u64 = AREAS - LOCAL + AREAS_LEN as u64 * AREA_LEN;
/// Address of the agent's entry: trampolines jump through this word.
pub const ENTRY_SLOT: u64 = LOCAL;
/// What is not served in this address space: [`Off`].
pub const OFF: u64 = LOCAL + 0x8;
/// Not 0: the `fs` and `gs` bases can be read by instructions.
pub const READS_BASES: u64 = LOCAL + 0xc;
/// Where the registers of the thread that has the CPU are saved: the end of its [`Inside::frame`].
pub const CURRENT: u64 = LOCAL + 0x10;
/// Not 0: syscalls are not performed, their results come from the feed.
pub const REPLAYS: u64 = LOCAL + 0x20;
/// Where the agent goes when it leaves.
pub const TARGET: u64 = LOCAL + 0x18;
/// Not 0: what tells which file something is stops, for it is another one to the application than to
/// the kernel.
pub const OTHER_FILES: u64 = LOCAL + 0x24;
/// Ranges of addresses, first and behind the last, in which the supervisor has rewritten code, or something else;
/// empty ones are unused.
pub const REWRITTEN: u64 = LOCAL + 0x100;
/// How many there are.
pub const REWRITTEN_LEN: usize = 32;
/// What is known of each descriptor, one byte each: [`class`].
pub const CLASSES: u64 = LOCAL + 0x1000;
/// Descriptors above are not served.
pub const CLASSES_LEN: u64 = 0x1000;
/// What threads have each for itself: the agent's stack, and above it an [`Inside`].
pub const AREAS: u64 = LOCAL + 0x2000;
/// Bytes of one.
pub const AREA_LEN: u64 = 0x2000;
/// How many there are. The last one is for all threads that have none of their own; they wait nowhere in the
/// agent.
pub const AREAS_LEN: usize = 32;
/// The one that threads have in common.
pub const AREA_COMMON: usize = AREAS_LEN - 1;

/// The address of an area's [`Inside`].
#[must_use]
pub const fn inside_at(area: usize) -> u64 {
    AREAS + (area as u64 + 1) * AREA_LEN - core::mem::size_of::<Inside>() as u64
}

/// What [`CURRENT`] is for the thread that has an area.
#[must_use]
pub const fn current_of(area: usize) -> u64 {
    inside_at(area) + core::mem::size_of::<Frame>() as u64
}

/// Records for the supervisor: a page that is [`Ring`], then the bytes. Shared.
pub const RING: u64 = LOCAL + LOCAL_LEN;
/// Offset of a bit for each [`mapped_bits`] of the files that somebody has mapped, or that are a standard
/// stream; some others have theirs in common with them. What is written to those is the supervisor's
/// concern.
pub const MAPPED_AT: u64 = 0x800;
/// Bytes of these bits.
pub const MAPPED_BYTES: usize = 0x800;
/// Offset of the records.
pub const RING_BYTES_AT: u64 = 0x1000;
/// Bytes of records.
pub const RING_BYTES: u64 = 1 << 20;
/// With so many bytes of unread records a thread reports once it has been served: the application does not stand still
/// for long meanwhile, and what is read is still in the cache.
pub const RING_DRAIN_AT: u64 = 128 << 10;
/// Offset of the feed: in replay, what calls are going to give ([`crate::record::Expected`]).
pub const FEED_AT: u64 = RING_BYTES_AT + RING_BYTES;
/// Bytes of it.
pub const FEED_BYTES: u64 = 1 << 20;
/// Bytes of all of it.
pub const RING_LEN: u64 = FEED_AT + FEED_BYTES;
/// First address behind all of the agent's.
pub const END: u64 = RING + RING_LEN;

/// How many clock reads the clock functions have answered since the recorder looked.
pub const CLOCKS_USED: u64 = 0x7000_1004;

/// How far the agent is with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// In none.
    Idle = 0,
    /// Looks at what the kernel will read.
    Before = 1,
    /// Performs the syscall, or keeps what it wrote.
    Performs = 2,
    /// The record is complete.
    Done = 3,
    /// Waits in the syscall, without the CPU.
    Parks = 4,
    /// Has waited, and [`Inside::result`] is what came of it; asks for the CPU.
    Returned = 5,
    /// Has the CPU again, and keeps what the kernel wrote while it waited.
    Leaves = 6,
}

/// What is not served in an address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Off {
    /// What no rule is for.
    #[default]
    Nothing = 0,
    /// Besides, what concerns descriptors, or waits: several processes are here, each with its own.
    Descriptors = 1,
    /// Anything.
    All = 2,
}

/// What is known of a descriptor. 0: nothing, its calls are not served.
pub mod class {
    /// Reading never waits.
    pub const READ: u8 = 1;
    /// Writing never waits, and nobody but the file itself is concerned.
    pub const WRITE: u8 = 2;
    /// A socket that waits: calls are made with `MSG_DONTWAIT` first.
    pub const SOCKET: u8 = 4;
    /// Calls that move no data may be served.
    pub const KNOWN: u8 = 8;
    /// Closing it concerns nobody but those who have it.
    pub const CLOSE: u8 = 16;
    /// What the kernel copies to it is seen by nobody but who reads it there.
    pub const COPIES: u8 = 32;
    /// It is a pipe or the like, which waits: reading and writing is tried with `RWF_NOWAIT` first.
    pub const PIPE: u8 = 64;
    /// The agent has opened it for reading, and not looked at it yet.
    pub const UNSEEN: u8 = 128;
    /// What a file or a directory is that the agent has opened for reading.
    pub const OPENED: u8 = READ | KNOWN | CLOSE;
    /// What a file is that the agent has opened for writing.
    pub const OPENED_FOR_WRITING: u8 = OPENED | WRITE | COPIES;
}

/// The application's registers as the agent saves them, in the order of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are the architecture's")]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// Address of the [`Info`] of the site.
    pub info: u64,
    pub flags: u64,
    pub rsp: u64,
}

/// What the agent keeps of one thread while that is inside.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(256))]
pub struct Inside {
    /// Its registers; the stack is below.
    pub frame: Frame,
    /// How far the agent is with the call that it serves: [`Phase`].
    pub phase: u32,
    /// Not 0: it reports by [`EXIT_SYSCALL`] once it has served the call that it is in.
    pub exit_stop: u32,
    /// The thread, by the supervisor's number. 0 in replay.
    pub thread: u32,
    /// Nothing yet.
    pub reserved: u32,
    /// What the call gave that it has waited in.
    pub result: i64,
    /// When that wait began, a `timespec` of `CLOCK_MONOTONIC`; zero if it has no end.
    pub wait_begun: [u64; 2],
    /// Nothing yet.
    pub room: [u64; 11],
    /// Room for the SSE registers.
    pub vectors: [[u64; 2]; 16],
}

/// What the agent reports instead of a number of bytes: the thread has waited without the CPU, has not got it
/// back, and [`Inside::result`] is what came of the wait.
pub const RETURNED: u32 = u32::MAX - 1;

/// The kernel makes a call anew that has this for its result, whatever has interrupted it
/// (include/linux/errno.h, `ERESTARTNOINTR`).
pub const MADE_ANEW: i64 = -513;

/// What a site's trampoline tells about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Info {
    /// Where the call is made as if there were no agent.
    pub trap: u64,
    /// Where the application goes on once it is served.
    pub done: u64,
    /// The address behind the `syscall` that the application was built with.
    pub after: u64,
    /// Nothing yet.
    pub reserved: u64,
}

/// The head of the ring.
#[derive(Debug)]
#[repr(C)]
pub struct Ring {
    /// Bytes written since the beginning; the agent's.
    pub head: core::sync::atomic::AtomicU64,
    /// Bytes consumed; the supervisor's.
    pub tail: core::sync::atomic::AtomicU64,
    /// Not 0: nothing is to be served, the supervisor wants to see the next call.
    pub stop: core::sync::atomic::AtomicU32,
    /// Who has the CPU, as far as threads hand it on by themselves: see [`crate::baton`].
    pub baton: core::sync::atomic::AtomicU32,
    /// Not 0: what changes files may be served, and at [`MAPPED_AT`] is what must not be.
    pub changes: core::sync::atomic::AtomicU32,
    /// The thread that `answers` are for.
    pub answers_for: core::sync::atomic::AtomicU32,
    /// Bytes of the record that is tentative, if one is: see [`crate::baton`].
    pub tentative: core::sync::atomic::AtomicU64,
    /// Bytes that the feed has; the supervisor's.
    pub feed_len: core::sync::atomic::AtomicU64,
    /// Bytes of it that were used; the agent's.
    pub feed_used: core::sync::atomic::AtomicU64,
    /// By the number of a call: what it gives one thread, and one more; 0: the kernel is to be asked. The
    /// supervisor's.
    pub answers: [core::sync::atomic::AtomicU64; ANSWERS_LEN],
}

/// Calls with greater numbers are not answered without the kernel.
pub const ANSWERS_LEN: usize = 192;

/// The numbers of the bits at [`MAPPED_AT`] that a file has, by device and inode.
#[must_use]
pub const fn mapped_bits(dev: u64, inode: u64) -> [usize; 2] {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    const BITS: u64 = MAPPED_BYTES as u64 * 8;
    let spread = (dev.rotate_left(32) ^ inode).wrapping_mul(SPREAD);
    [
        ((spread >> 48) % BITS) as usize,
        ((spread >> 32) % BITS) as usize,
    ]
}

const _: () = assert!(
    size_of::<Ring>() as u64 <= MAPPED_AT && MAPPED_AT + MAPPED_BYTES as u64 <= RING_BYTES_AT
);
const _: () = assert!(size_of::<Frame>() == 128 && size_of::<Info>() == 32);
const _: () = assert!(size_of::<Ring>() as u64 <= RING_BYTES_AT && RING_BYTES.is_power_of_two());
const _: () = assert!(END < 1 << 31 && CLASSES + CLASSES_LEN == AREAS);
const _: () = assert!(
    core::mem::offset_of!(Inside, frame) == 0
        && core::mem::offset_of!(Inside, vectors).is_multiple_of(16)
        && inside_at(0).is_multiple_of(256)
);
