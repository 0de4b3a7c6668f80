//! Records of served calls, as they stand in the ring: a [`Record`], then [`Piece`]s, each with
//! its bytes, all aligned to 8. A record never wraps: where the rest of the ring is too short, a
//! record of [`PAD`] fills it.

use crate::layout::Frame;

/// The number of a record that only fills.
pub const PAD: u32 = u32::MAX;
/// Alignment of records and pieces.
pub const ALIGN: u64 = 8;

/// One served call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Record {
    /// Bytes of the record, its pieces included. First: all that a filler needs.
    pub len: u32,
    /// Number of the syscall, or [`PAD`].
    pub nr: u32,
    /// How many clock reads had been answered before it.
    pub clocks: u32,
    /// What there is to say of it: [`LOOK`], [`ENTERS`], [`LEAVES`].
    pub flags: u32,
    /// The result.
    pub result: i64,
    /// The registers of the application.
    pub frame: Frame,
    /// What `rcx` and the instruction pointer are at a syscall's entry.
    pub after: u64,
    /// The bases, 0 if they could not be read.
    pub fs_base: u64,
    /// See `fs_base`.
    pub gs_base: u64,
    /// The thread, by the supervisor's number. 0 in replay.
    pub thread: u64,
}

/// What it has opened is to be looked at by the supervisor, and the thread does nothing before that.
pub const LOOK: u32 = 1;
/// The thread waits in it from here on, without the CPU; there is no result yet.
pub const ENTERS: u32 = 2;
/// It has waited in it, and what it was about to read is in the record of its entry.
pub const LEAVES: u32 = 4;

/// Memory that belongs to a call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Piece {
    /// Its address.
    pub addr: u64,
    /// Bytes.
    pub len: u32,
    /// One of [`IN`], [`OUT`], [`TEXT`], [`FILE`].
    pub kind: u32,
}

/// In replay: a call that is going to be made, and what it gives. [`Piece`]s of what the kernel wrote
/// follow, each with its bytes.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Expected {
    /// Bytes of it, the pieces included.
    pub len: u32,
    /// Number of the syscall.
    pub nr: u32,
    /// How many of the arguments count.
    pub args_len: u32,
    /// How many pieces follow.
    pub pieces: u32,
    /// The result.
    pub result: i64,
    /// The address behind the syscall.
    pub after: u64,
    /// The arguments.
    pub args: [u64; 6],
}

/// The kernel read it.
pub const IN: u32 = 0;
/// The kernel wrote it.
pub const OUT: u32 = 1;
/// A string that the kernel read, NUL included.
pub const TEXT: u32 = 2;

/// No memory: device and inode of a file that was opened for writing.
pub const FILE: u32 = 3;

/// Rounds up to [`ALIGN`].
#[must_use]
#[inline]
pub const fn aligned(len: u64) -> u64 {
    len.saturating_add(ALIGN - 1) & !(ALIGN - 1)
}

const _: () = assert!(size_of::<Record>() == 24 + 128 + 32 && size_of::<Piece>() == 16);
