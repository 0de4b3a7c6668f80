//! The end of a stream of bytes that is still needed, by position.

use std::collections::VecDeque;

/// Room that an empty tail may keep.
const KEPT_BYTES: usize = 64 << 10;

/// Bytes `start..end` of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    start: u64,
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Position of the first byte kept.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Position after the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Goes on at `end` without keeping anything before it.
    pub fn skip_to(&mut self, end: u64) {
        self.bytes.clear();
        self.start = end;
    }

    /// Gives up what is before `position`.
    pub fn release(&mut self, position: u64) {
        let count = position.saturating_sub(self.start).min(self.len());
        self.bytes
            .drain(..usize::try_from(count).unwrap_or(usize::MAX));
        self.start += count;
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = VecDeque::new();
        }
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of a range, as two pieces; `None` if not all of it is kept.
    #[must_use]
    pub fn get(&self, position: u64, len: usize) -> Option<(&[u8], &[u8])> {
        let from = usize::try_from(position.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(len).filter(|to| *to <= self.bytes.len())?;
        let (first, second) = self.bytes.as_slices();
        let cut = first.len();
        Some((
            &first[from.min(cut)..to.min(cut)],
            &second[from.saturating_sub(cut)..to.saturating_sub(cut)],
        ))
    }

    /// All bytes from `position` on.
    #[must_use]
    pub fn copy_from(&self, position: u64) -> Vec<u8> {
        let len = usize::try_from(self.end().saturating_sub(position)).unwrap_or(0);
        self.get(position, len)
            .map_or_else(Vec::new, |(first, second)| [first, second].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_whatever_is_given_up() {
        let mut tail = Tail::default();
        for round in 0..100u64 {
            tail.push(&round.to_le_bytes());
            if round >= 3 {
                tail.release((round - 3) * 8 + 1);
                let (first, second) = tail.get((round - 1) * 8, 8).expect("kept");
                assert_eq!([first, second].concat(), (round - 1).to_le_bytes());
            }
        }
        assert_eq!((tail.start(), tail.end()), (96 * 8 + 1, 800));
        assert!(tail.get(96 * 8, 1).is_none() && tail.get(799, 2).is_none());
        tail.release(10_000);
        assert_eq!((tail.start(), tail.end(), tail.len()), (800, 800, 0));
        assert_eq!(tail.get(800, 0), Some((&[][..], &[][..])));
    }
}
