//! Where things lie in the cache's memory: the code region, and the data area at a fixed distance
//! from it with the counter, the exit word, the spill slots and the tables of indirect targets.
//! `docs/TRANSLATOR.md` draws it.

use std::ops::Range;

/// Bytes of the header at the start of the data area: everything but the tables.
pub(super) const HEADER_BYTES: usize = 0x1000;

/// How many bytes from the start of the data area [`Data::parse`](super::Data::parse) needs.
pub const DATA_READ_BYTES: usize = 0xd0;

/// Entries of the first-level table: indexed by the low 16 bits of an application address.
pub(super) const NEAR_ENTRIES: u64 = 1 << 16;
/// Bytes of an entry of either table.
pub(super) const ENTRY_BYTES: u64 = 16;
/// Entries of the second-level table (a power of two).
pub(super) const FAR_ENTRIES: u64 = 1 << 17;
/// Targets after which the cache is emptied: an open-addressed table must not fill up.
pub(super) const TARGETS_MAX: usize = 1 << 16;

/// Bytes that the data area takes; it begins and ends on a page boundary.
pub const DATA_BYTES: u64 = HEADER_BYTES as u64 + (NEAR_ENTRIES + FAR_ENTRIES) * ENTRY_BYTES;

/// The least a code region can be: the shared routines, and room for some blocks.
pub const CODE_BYTES_MIN: u64 = 0x2000;
/// The most a code region can be, so that every part reaches every other and the data area.
pub const CODE_BYTES_MAX: u64 = 1 << 30;

/// Counters. Branches next to each other use different ones, because adding to a word in memory again
/// has to wait until the last addition is there.
pub(super) const SHARDS: usize = 8;

/// A word of the header, by its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u8);

impl Slot {
    /// What the counters held when they were set.
    pub(super) const SET_TO: u8 = 0x40;
    /// Conditional branches that were left to the stop then.
    pub(super) const LEFT: Self = Self(0x80);
    /// Index of the exit through which the code was left (32 bits).
    pub(super) const EXIT: Self = Self(0x88);
    /// The application's `rax`.
    pub(super) const RAX: Self = Self(0x90);
    /// The application's `rcx`.
    pub(super) const RCX: Self = Self(0x98);
    /// The application's `rdx`.
    pub(super) const RDX: Self = Self(0xa0);
    /// The application's `rbx`.
    pub(super) const RBX: Self = Self(0xa8);
    /// The application's `r11`.
    pub(super) const R11: Self = Self(0xb0);
    /// The register that holds an absolute address for one instruction.
    pub(super) const SCRATCH: Self = Self(0xb8);
    /// `ax` after `lahf; seto al`.
    pub(super) const FLAGS: Self = Self(0xc0);
    /// The application address that an indirect branch goes to.
    pub(super) const TARGET: Self = Self(0xc8);

    /// A counter: conditional branches, counted upwards to 0.
    pub(super) const fn counter(shard: usize) -> Self {
        Self((shard % SHARDS * 8).to_le_bytes()[0])
    }

    pub(super) const fn offset(self) -> u64 {
        self.0 as u64
    }

    /// Its index among the header's words.
    pub(super) const fn index(self) -> usize {
        self.0 as usize / 8
    }
}

/// Where the cache lies in the application's address space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Executable memory for generated code.
    pub code: Range<u64>,
    /// Start of [`DATA_BYTES`] bytes that are readable and writable, and zero at the start.
    pub data: u64,
}

/// Why a layout cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The code region is empty, too small, or larger than its parts can reach.
    #[error("the code region has {0} bytes; {CODE_BYTES_MIN} to {CODE_BYTES_MAX} are possible")]
    CodeSize(u64),
    /// An address is not on a page boundary.
    #[error("{0:#x} is not on a page boundary")]
    Unaligned(u64),
    /// Code and data area overlap, or leave the lower half of the address space.
    #[error("the code region and the data area overlap or leave the user address space")]
    Overlap,
    /// Code and data area are more than 2 GiB apart.
    #[error("the data area is out of the code's reach")]
    TooFar,
}

/// End of the addresses that user code has.
const USER_END: u64 = 1 << 47;

impl Layout {
    /// Code region first, data area right behind it: the usual arrangement of one mapping of
    /// `code_bytes + DATA_BYTES` bytes at `base`.
    #[must_use]
    pub const fn contiguous(base: u64, code_bytes: u64) -> Self {
        let end = base.saturating_add(code_bytes);
        Self {
            code: base..end,
            data: end,
        }
    }

    /// End of the data area.
    pub(super) const fn data_end(&self) -> u64 {
        self.data.saturating_add(DATA_BYTES)
    }

    pub(super) const fn near_table(&self) -> u64 {
        self.data + HEADER_BYTES as u64
    }

    pub(super) const fn far_table(&self) -> u64 {
        self.near_table() + NEAR_ENTRIES * ENTRY_BYTES
    }

    pub(super) fn check(&self) -> Result<(), LayoutError> {
        let size = self.code.end.saturating_sub(self.code.start);
        if !(CODE_BYTES_MIN..=CODE_BYTES_MAX).contains(&size) {
            return Err(LayoutError::CodeSize(size));
        }
        let unaligned = [self.code.start, self.code.end, self.data]
            .into_iter()
            .find(|address| !address.is_multiple_of(0x1000));
        if let Some(address) = unaligned {
            return Err(LayoutError::Unaligned(address));
        }
        let apart = self.code.end <= self.data || self.data_end() <= self.code.start;
        if !apart || self.code.start == 0 || self.code.end.max(self.data_end()) > USER_END {
            return Err(LayoutError::Overlap);
        }
        let low = self.code.start.min(self.data);
        let high = self.code.end.max(self.data_end());
        if high - low > i32::MAX.unsigned_abs().into() {
            return Err(LayoutError::TooFar);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_layouts_are_refused() {
        let good = Layout::contiguous(0x7000_0000, 0x10_0000);
        assert_eq!(good.check(), Ok(()));
        let small = Layout::contiguous(0x7000_0000, 0x1000);
        assert_eq!(small.check(), Err(LayoutError::CodeSize(0x1000)));
        let crooked = Layout::contiguous(0x7000_0800, 0x10_0000);
        assert_eq!(crooked.check(), Err(LayoutError::Unaligned(0x7000_0800)));
        let over = Layout {
            data: 0x7000_1000,
            ..good.clone()
        };
        assert_eq!(over.check(), Err(LayoutError::Overlap));
        let far = Layout {
            data: 0x7_0000_0000,
            ..good.clone()
        };
        assert_eq!(far.check(), Err(LayoutError::TooFar));
        let high = Layout::contiguous(u64::MAX - 0xfff, 0x10_0000);
        assert!(high.check().is_err());
        #[allow(clippy::reversed_empty_ranges, reason = "what is tested")]
        let reversed = Layout {
            code: 0x9000_0000..0x7000_0000,
            data: 0x9100_0000,
        };
        assert_eq!(reversed.check(), Err(LayoutError::CodeSize(0)));
    }

    #[test]
    fn the_header_holds_every_slot() {
        assert!(Slot::TARGET.offset() + 8 <= DATA_READ_BYTES as u64);
        const { assert!(DATA_READ_BYTES <= HEADER_BYTES) };
        assert_eq!(usize::from(Slot::SET_TO), SHARDS * 8);
        assert_eq!(Slot::LEFT.index(), 2 * SHARDS);
        assert!(DATA_BYTES.is_multiple_of(0x1000));
        assert!((TARGETS_MAX as u64) * 2 <= FAR_ENTRIES);
    }
}
