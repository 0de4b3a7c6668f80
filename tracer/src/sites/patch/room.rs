//! Where trampolines can be: what one asks for, and a region of addresses from which it is
//! given. Nothing is mapped here.

use super::{ADDRESS_END, PATCH_BYTES, TRAMPOLINE_BYTES_MAX};
use std::ops::RangeInclusive;

/// Bytes of a region that has room for every trampoline with one `int3` in its jump, whatever
/// else is there: these can be at a 256th of all addresses, in windows 64 KiB apart.
pub const REGION_BYTES: u64 = 128 << 10;
/// How trampolines are aligned: as the words in them.
const ALIGN: u64 = 8;
/// How far a displacement leads down.
const REACH: u64 = 1 << 31;

/// Room that a trampoline asks for. An address is fit ([`Wanted::admits`]) if it is within
/// reach of all that the trampoline refers to, aligned, and the jump that leads there has the
/// bytes that it must have. With one `int3` among these, every 64 KiB have some; with two, a
/// few megabytes away from the site there are some ([`Wanted::next`]) and then every 16 MiB;
/// with three only some near one place, almost a gigabyte below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes.
    pub len: u64,
    /// Addresses that are within reach.
    pub within: RangeInclusive<u64>,
    /// End of the jump, from where its displacement counts.
    pub from: u64,
    /// Bits of the displacement that are prescribed. Bits 0 to 7 never are.
    pub mask: u32,
    /// What these are.
    pub value: u32,
}

impl Wanted {
    /// Room of `len` bytes from where all of `targets` are within reach, for a jump that ends
    /// at `from` and has an `int3` at each of the addresses `traps`.
    pub(super) fn new(len: usize, from: u64, traps: &[u64], targets: &[u64]) -> Option<Self> {
        const MARGIN: u64 = (TRAMPOLINE_BYTES_MAX + PATCH_BYTES) as u64;
        const NEAR: u64 = REACH - MARGIN;
        let lowest = |target: &u64| target.saturating_sub(NEAR);
        let highest = |target: &u64| target.saturating_add(NEAR);
        let targets = || targets.iter().chain([&from]);
        let low = targets().map(lowest).max()?.max(ALIGN);
        let high = targets().map(highest).min()?.min(ADDRESS_END - MARGIN);
        let (mut mask, mut value) = (0u32, 0u32);
        for trap in traps {
            let byte = 4u64.checked_sub(from.checked_sub(*trap)?)?;
            let shift = u32::try_from(byte * 8).ok()?;
            mask |= 0xff << shift;
            value |= u32::from(super::INT3) << shift;
        }
        let wanted = Self {
            len: len as u64,
            within: low..=high,
            from,
            mask,
            value,
        };
        (low <= high && mask & 0xff == 0).then_some(wanted)
    }

    /// Whether a trampoline can be at an address.
    #[must_use]
    pub fn admits(&self, address: u64) -> bool {
        let displacement = address.wrapping_sub(self.from).cast_signed();
        self.within.contains(&address)
            && address.is_multiple_of(ALIGN)
            && i32::try_from(displacement)
                .is_ok_and(|displacement| displacement.cast_unsigned() & self.mask == self.value)
    }

    /// The first address, from `start` on, that a trampoline can be at.
    #[must_use]
    pub fn next(&self, start: u64) -> Option<u64> {
        /// Moves negative displacements in front of the positive ones.
        const SIGN: u32 = 1 << 31;
        let bottom = self.from.wrapping_sub(REACH);
        let mut at = start.max(*self.within.start());
        // A fit displacement may be found at no aligned address; the next that is aligned may
        // have another displacement, the fit ones next to that begin a window.
        for _ in 0..3 {
            at = at.checked_next_multiple_of(ALIGN)?;
            if at > *self.within.end() {
                return None;
            }
            if self.admits(at) {
                return Some(at);
            }
            let from_bottom = u32::try_from(at.wrapping_sub(bottom)).ok()?;
            let fit = next_fit(from_bottom, self.mask, (self.value ^ SIGN) & self.mask)?;
            at = bottom.wrapping_add(u64::from(fit));
        }
        None
    }
}

/// The first number from `start` on whose bits in `mask` are those of `value`.
fn next_fit(start: u32, mask: u32, value: u32) -> Option<u32> {
    let differing = (start ^ value) & mask;
    let Some(highest) = differing.checked_ilog2() else {
        return Some(start);
    };
    let below = (1u32 << highest) - 1;
    let bit = 1u32 << highest;
    if value & bit != 0 {
        // Bigger at this bit already: the free ones below it are zero.
        let kept = start & !(below | bit);
        return Some(kept | value & (below | bit));
    }
    // Smaller there: the free bits above it have to count on.
    let counted = (start | mask | below | bit).checked_add(1)?;
    Some(counted & !mask | value)
}

/// A range of addresses from which room is given, each byte once.
#[derive(Debug, Clone)]
pub struct Region {
    start: u64,
    len: u64,
    /// What was given, in ascending order: address and end.
    taken: Vec<(u64, u64)>,
}

impl Region {
    /// A region nothing of which is taken.
    #[must_use]
    pub fn new(start: u64, len: u64) -> Self {
        Self {
            start,
            len: len.min(u64::MAX - start),
            taken: Vec::new(),
        }
    }

    /// Where it begins.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Takes room; none if there is none that is fit.
    pub fn take(&mut self, wanted: &Wanted) -> Option<u64> {
        // Those that can be anywhere fill the region from its start; the others, which find
        // another window in the other half, begin there.
        let middle = self.start + self.len / 2;
        let found = if wanted.mask == 0 {
            self.find(wanted, self.start)
        } else {
            self.find(wanted, middle)
                .or_else(|| self.find(wanted, self.start))
        };
        let (index, address) = found?;
        self.taken.insert(index, (address, address + wanted.len));
        Some(address)
    }

    /// The first fit room from an address on, and where in `taken` it belongs.
    fn find(&self, wanted: &Wanted, from: u64) -> Option<(usize, u64)> {
        let limit = self.end();
        let mut at = wanted.next(from)?;
        let mut index = self.taken.partition_point(|(_, end)| *end <= at);
        loop {
            let end = at.checked_add(wanted.len)?;
            if end > limit {
                return None;
            }
            match self.taken.get(index) {
                Some((address, taken)) if *address < end => {
                    at = wanted.next(*taken)?;
                    index += self
                        .taken
                        .get(index..)?
                        .partition_point(|(_, end)| *end <= at);
                }
                _ => return Some((index, at)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted(from: u64, traps: &[u64]) -> Wanted {
        let traps: Vec<u64> = traps.iter().map(|trap| from - 5 + trap).collect();
        Wanted::new(64, from, &traps, &[]).expect("possible")
    }

    proptest! {
        #[test]
        fn the_next_fit_number_is_the_first(start: u16, mask: u16, value: u16) {
            let (mask, value) = (u32::from(mask) << 16 | 0xfff0, u32::from(value) << 16);
            // All bits but those of 16 are prescribed, so few have to be looked at.
            let (mask, value) = (mask.rotate_left(16), (value & mask).rotate_left(16));
            let start = u32::from(start);
            let naive = (start..0x10000).find(|number| number & mask == value & mask);
            let found = next_fit(start, mask, value & mask);
            if let Some(naive) = naive {
                prop_assert_eq!(found, Some(naive));
            } else if let Some(found) = found {
                prop_assert!(found >= 0x10000 && found & mask == value & mask);
            }
        }

        #[test]
        fn what_is_found_is_admitted_and_the_first(
            from in 0x1_0000u64..1 << 47,
            start in -0x8000_0000i64..0x8000_0000,
            inner in 0usize..4,
        ) {
            let traps: [&[u64]; 4] = [&[], &[2], &[2, 3], &[2, 4]];
            let wanted = wanted(from, traps[inner]);
            let start = from.saturating_add_signed(start);
            if let Some(found) = wanted.next(start) {
                prop_assert!(wanted.admits(found) && found >= start);
                let near = found.saturating_sub(0x2_0000).max(start)..found;
                prop_assert!(!near.into_iter().any(|address| wanted.admits(address)));
            } else {
                let last = start.saturating_add(0x2_0000).min(*wanted.within.end());
                prop_assert!(!(start..last).any(|address| wanted.admits(address)));
            }
        }

        #[test]
        fn no_byte_is_given_twice(sites in prop::collection::vec((0u64..0x10000, 0usize..2), 1..200)) {
            let mut region = Region::new(0x7fff_0000_0000, REGION_BYTES);
            let mut given: Vec<(u64, u64)> = Vec::new();
            for (site, inner) in sites {
                let traps: [&[u64]; 2] = [&[], &[2]];
                let wanted = wanted(0x7ffe_fff0_0000 + site, traps[inner]);
                let Some(at) = region.take(&wanted) else { continue };
                prop_assert!(wanted.admits(at));
                prop_assert!(at >= region.start() && at + 64 <= region.end());
                prop_assert!(given.iter().all(|(from, end)| at + 64 <= *from || *end <= at));
                given.push((at, at + 64));
            }
        }
    }

    #[test]
    fn sites_with_the_same_window_share_it() {
        let mut region = Region::new(0x10_0000, REGION_BYTES);
        let wanted = wanted(0x8_0005, &[2]);
        let given: Vec<u64> = std::iter::from_fn(|| region.take(&wanted)).collect();
        // Two windows of 256 bytes, and what begins in one may end behind it.
        assert!(given.len() >= 8, "{given:x?}");
        assert!(given.iter().all(|at| (at - 0x8_0005) & 0xff00 == 0xcc00));
    }

    #[test]
    fn every_site_finds_room_in_an_empty_region() {
        for site in 0..0x10000u64 {
            let mut region = Region::new(0x7fff_0000_0000, REGION_BYTES);
            let wanted = wanted(0x7fff_1000_0000 + site, &[2]);
            assert!(region.take(&wanted).is_some(), "{site:#x}");
        }
    }

    #[test]
    fn what_is_out_of_reach_is_not_given() {
        let wanted = wanted(0x1000_0000_0005, &[2]);
        for start in [
            0x1000,
            0x1000_0000_0000 + (1 << 31),
            1 << 46,
            u64::MAX - 4096,
        ] {
            assert_eq!(Region::new(start, REGION_BYTES).take(&wanted), None);
        }
        assert_eq!(Region::new(0x1000_0000_0000, 0).take(&wanted), None);
        assert_eq!(Wanted::new(64, 0x1000, &[], &[1 << 40]), None);
    }
}
