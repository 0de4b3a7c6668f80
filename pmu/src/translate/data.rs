//! The words of the data area that the supervisor reads when a thread has stopped, and the counters.

use super::layout::{DATA_READ_BYTES, SHARDS, Slot};

/// The words of the data area's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    words: [u64; DATA_READ_BYTES / 8],
}

impl Data {
    /// From the first [`DATA_READ_BYTES`] bytes of the data area.
    #[must_use]
    pub fn parse(bytes: &[u8; DATA_READ_BYTES]) -> Self {
        let mut words = [0; DATA_READ_BYTES / 8];
        for (word, from) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut le = [0; 8];
            le.copy_from_slice(from);
            *word = u64::from_le_bytes(le);
        }
        Self { words }
    }

    pub(super) const fn get(&self, slot: Slot) -> u64 {
        self.words[slot.index()]
    }

    pub(super) const fn exit(&self) -> u32 {
        let [a, b, c, d, ..] = self.get(Slot::EXIT).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// What each counter has counted since it was set.
    pub(super) fn counted(&self) -> [u64; SHARDS] {
        std::array::from_fn(|shard| self.words[shard].wrapping_sub(self.words[SHARDS + shard]))
    }

    /// Conditional branches until the stop. One may be counted that has not executed yet.
    pub(super) fn left(&self) -> u64 {
        let counted = self
            .counted()
            .iter()
            .fold(0, |sum: u64, n| sum.wrapping_add(*n));
        self.get(Slot::LEFT).saturating_sub(counted)
    }
}

/// The words that make the counters stop after `left` more branches at the latest, however these are
/// divided among them, and after that many exactly once `left` is 1. `expected`: how they were divided
/// lately; the counters that count most get most, so that stops on the way are few.
pub(super) fn counters(left: u64, expected: &[u64; SHARDS]) -> [u8; COUNTER_BYTES] {
    // If each counter may count `own` branches without stopping, one more stops: `sum + 1 <= left`.
    let spare = left.clamp(1, LEFT_MAX) - 1;
    let sum = expected
        .iter()
        .fold(0, |sum: u64, n| sum.saturating_add(*n));
    let weights = expected.map(|n| u128::from(n) + u128::from(sum / 16) + 1);
    let total: u128 = weights.iter().sum();
    let mut bytes = [0; COUNTER_BYTES];
    for (shard, weight) in weights.into_iter().enumerate() {
        // At most `spare`: it fits.
        let own = u64::try_from(u128::from(spare) * weight / total).unwrap_or(0);
        let value = (own + 1).wrapping_neg().to_le_bytes();
        bytes[shard * 8..shard * 8 + 8].copy_from_slice(&value);
        let set_to = usize::from(Slot::SET_TO) + shard * 8;
        bytes[set_to..set_to + 8].copy_from_slice(&value);
    }
    bytes[COUNTER_BYTES - 8..].copy_from_slice(&left.to_le_bytes());
    bytes
}

/// Bytes of the counters, of what they were set to, and of what was left.
pub(super) const COUNTER_BYTES: usize = 2 * SHARDS * 8 + 8;

/// The farthest stop. Farther ones are set again on the way.
const LEFT_MAX: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: &[u8; COUNTER_BYTES]) -> Data {
        let mut all = [0; DATA_READ_BYTES];
        all[..COUNTER_BYTES].copy_from_slice(bytes);
        Data::parse(&all)
    }

    #[test]
    fn counters_stop_in_time_whoever_counts() {
        let mut skewed = [5; SHARDS];
        skewed[1] = 1 << 40;
        let mut one = [0; SHARDS];
        one[0] = 1;
        let shares = [[0; SHARDS], one, [u64::MAX; SHARDS], skewed];
        for expected in shares {
            for left in [1, 2, 3, 4, 5, 7, 100, 1 << 40, u64::MAX] {
                let data = data(&counters(left, &expected));
                assert_eq!(data.left(), left);
                let limits: Vec<u64> = (0..SHARDS)
                    .map(|shard| data.words[shard].wrapping_neg())
                    .collect();
                assert!(limits.iter().all(|limit| *limit >= 1));
                // All count as much as they can without stopping; the next stops.
                let latest = limits.iter().map(|limit| limit - 1).sum::<u64>() + 1;
                assert!(latest <= left, "{expected:?} {left}");
            }
        }
    }

    #[test]
    fn what_is_counted_is_not_left() {
        let mut data = data(&counters(100, &[0; SHARDS]));
        data.words[0] = data.words[0].wrapping_add(3);
        data.words[2] = data.words[2].wrapping_add(4);
        assert_eq!(data.counted()[..3], [3, 0, 4]);
        assert_eq!(data.left(), 93);
    }
}
