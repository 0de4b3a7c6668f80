//! Where code was rewritten in an address space, as the agent is told it: a few ranges of whole pages that have all of it,
//! and whatever lies between two that had to become one.

use crate::layout::{KERNEL_PAGE, page_up};
use agent::layout::REWRITTEN_LEN;
use std::ops::Range;

/// Bytes of the table.
pub const TABLE_BYTES: usize = REWRITTEN_LEN * 16;

/// The table that has these ranges.
pub fn table(ranges: impl Iterator<Item = Range<u64>>) -> [u8; TABLE_BYTES] {
    let pages = |range: Range<u64>| range.start & !(KERNEL_PAGE - 1)..page_up(range.end);
    let mut ranges: Vec<_> = ranges
        .filter(|range| !range.is_empty())
        .map(pages)
        .collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    while merged.len() > REWRITTEN_LEN {
        let gap = |pair: &[Range<u64>]| pair[1].start - pair[0].end;
        let nearest = merged
            .windows(2)
            .enumerate()
            .min_by_key(|(_, pair)| gap(pair));
        let Some((at, _)) = nearest else {
            break;
        };
        merged[at].end = merged[at + 1].end;
        merged.remove(at + 1);
    }
    let mut table = [0; TABLE_BYTES];
    for (entry, range) in table.chunks_exact_mut(16).zip(merged) {
        entry[..8].copy_from_slice(&range.start.to_le_bytes());
        entry[8..].copy_from_slice(&range.end.to_le_bytes());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(table: &[u8], address: u64) -> bool {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight"));
        let mut entries = table.chunks_exact(16);
        entries.any(|entry| (word(&entry[..8])..word(&entry[8..])).contains(&address))
    }

    #[test]
    fn few_ranges_are_what_they_are() {
        let table = table([0x5010..0x5015, 0x9fff..0xa001, 0x6000..0x6001].into_iter());
        for (address, there) in [
            (0x4fff, false),
            (0x5000, true),
            (0x6fff, true),
            (0x7000, false),
            (0x9000, true),
            (0xafff, true),
            (0xb000, false),
            (0, false),
        ] {
            assert_eq!(covers(&table, address), there, "{address:#x}");
        }
    }

    proptest! {
        #[test]
        fn all_are_there_however_many(starts in prop::collection::vec(0u64..1 << 40, 0..200), len in 1u64..9000) {
            let table = table(starts.iter().map(|start| *start..start + len));
            for start in starts {
                prop_assert!(covers(&table, start) && covers(&table, start + len - 1));
            }
        }
    }
}
