//! Code in which nothing counts: code of the embedder's own in the application's address space, which
//! the application runs through.

use super::translator::Translator;
use std::ops::Range;

/// Ranges of addresses: sorted, apart from each other, none empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    fn new(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_unstable_by_key(|range| range.start);
        let mut apart: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        Self(apart)
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        let after = self.0.partition_point(|range| range.start <= address);
        let last = after.checked_sub(1).and_then(|index| self.0.get(index));
        last.is_some_and(|range| address < range.end)
    }

    /// The next address behind `address` at which a range begins or ends.
    pub(super) fn boundary_behind(&self, address: u64) -> Option<u64> {
        let index = self.0.partition_point(|range| range.end <= address);
        let range = self.0.get(index)?;
        Some(if address < range.start {
            range.start
        } else {
            range.end
        })
    }

    /// What is in one of two and not in the other.
    fn difference(&self, other: &Self) -> Vec<Range<u64>> {
        let all = self.0.iter().chain(&other.0);
        let mut boundaries: Vec<u64> = all.flat_map(|range| [range.start, range.end]).collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        let pairs = boundaries.iter().zip(boundaries.iter().skip(1));
        pairs
            .filter(|(start, _)| self.contains(**start) != other.contains(**start))
            .map(|(start, end)| *start..*end)
            .collect()
    }
}

impl Translator {
    /// Says in which ranges of application addresses nothing counts, in place of those that were given
    /// before. Conditional branches that begin there run in the cache as all others do, but are not
    /// counted, and no stop is at one.
    ///
    /// Blocks with code whose status changes are dropped, so the rule of [`Translator::invalidate`]
    /// holds: no thread may be left inside the cache.
    pub fn set_uncounted(&mut self, ranges: Vec<Range<u64>>) {
        let new = Ranges::new(ranges);
        let changed = self.uncounted.difference(&new);
        self.uncounted = new;
        for range in changed {
            self.invalidate(range);
        }
    }

    /// Whether a conditional branch at an application address counts.
    #[must_use]
    pub fn is_counted(&self, address: u64) -> bool {
        !self.uncounted.contains(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let ranges = Ranges::new(vec![30..40, 10..20, 5..5, 15..25, 25..27, 12..13]);
        assert_eq!(ranges.0, vec![10..27, 30..40]);
        for address in 0..50 {
            let inside = (10..27).contains(&address) || (30..40).contains(&address);
            assert_eq!(ranges.contains(address), inside, "{address}");
        }
    }

    #[test]
    fn the_next_boundary_is_behind_the_address() {
        let ranges = Ranges::new(vec![10..20, 30..40]);
        let expected = [
            (0, Some(10)),
            (9, Some(10)),
            (10, Some(20)),
            (19, Some(20)),
            (20, Some(30)),
            (39, Some(40)),
            (40, None),
            (u64::MAX, None),
        ];
        for (address, boundary) in expected {
            assert_eq!(ranges.boundary_behind(address), boundary, "{address}");
        }
    }

    #[test]
    fn only_what_changes_differs() {
        let one = Ranges::new(vec![10..20, 30..40]);
        let other = Ranges::new(vec![15..35, 50..60]);
        assert_eq!(one.difference(&other), vec![10..15, 20..30, 35..40, 50..60]);
        assert_eq!(one.difference(&one), Vec::<Range<u64>>::new());
        assert_eq!(Ranges::default().difference(&one), one.0);
    }
}
