//! The memory that a call shows: what it read, and what it wrote.

use journal::{In, Out};

/// Bytes of one range, perhaps only the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'v> {
    /// Where the range begins.
    pub addr: u64,
    /// How long it is.
    pub len: u64,
    /// What is known of it.
    pub bytes: &'v [u8],
}

impl<'v> From<&'v In<'_>> for Piece<'v> {
    fn from(input: &'v In<'_>) -> Self {
        Self {
            addr: input.addr,
            len: input.len,
            bytes: &input.head,
        }
    }
}

impl<'v> From<&'v Out<'_>> for Piece<'v> {
    fn from(out: &'v Out<'_>) -> Self {
        Self {
            addr: out.addr,
            len: out.data.len() as u64,
            bytes: &out.data,
        }
    }
}

impl<'v> Piece<'v> {
    /// What of it lies at `addr` and after.
    fn at(self, addr: u64) -> Option<Self> {
        let skip = addr
            .checked_sub(self.addr)
            .filter(|&skip| skip < self.len)?;
        let bytes = usize::try_from(skip)
            .ok()
            .and_then(|skip| self.bytes.get(skip..));
        Some(Self {
            addr,
            len: self.len - skip,
            bytes: bytes.unwrap_or_default(),
        })
    }
}

/// Ranges in any order.
#[derive(Debug, Clone, Default)]
pub(super) struct View<'v> {
    read: Vec<Piece<'v>>,
    written: Vec<Piece<'v>>,
}

impl<'v> View<'v> {
    /// The memory of a call that has read `ins`.
    pub fn new(ins: &'v [In<'_>]) -> Self {
        Self {
            read: ins.iter().map(Piece::from).collect(),
            written: Vec::new(),
        }
    }

    /// It has written these as well.
    pub fn wrote(&mut self, pieces: impl IntoIterator<Item = Piece<'v>>) {
        self.written.extend(pieces);
    }

    /// What stood at `addr` when the call entered.
    pub fn before(&self, addr: u64) -> Option<Piece<'v>> {
        longest(&self.read, addr)
    }

    /// What the call wrote at `addr`.
    pub fn written(&self, addr: u64) -> Option<Piece<'v>> {
        longest(&self.written, addr)
    }

    /// What stands at `addr` now.
    pub fn now(&self, addr: u64) -> Option<Piece<'v>> {
        self.written(addr).or_else(|| self.before(addr))
    }

    /// All of the `len` bytes that stand at `addr` now.
    pub fn bytes(&self, addr: u64, len: usize) -> Option<&'v [u8]> {
        self.now(addr)?.bytes.get(..len)
    }

    /// All of the `len` bytes that stood at `addr` when the call entered.
    pub fn bytes_before(&self, addr: u64, len: usize) -> Option<&'v [u8]> {
        self.before(addr)?.bytes.get(..len)
    }

    /// The 32-bit number at `addr` when the call entered.
    pub fn u32_before(&self, addr: u64) -> Option<u32> {
        self.bytes_before(addr, 4)
            .map(|bytes| super::scalars::low(number(bytes, 0, 4)))
    }

    /// The 32-bit number at `addr` now.
    pub fn u32(&self, addr: u64) -> Option<u32> {
        self.bytes(addr, 4)
            .map(|bytes| super::scalars::low(number(bytes, 0, 4)))
    }
}

fn longest<'v>(pieces: &[Piece<'v>], addr: u64) -> Option<Piece<'v>> {
    pieces
        .iter()
        .filter_map(|piece| piece.at(addr))
        .max_by_key(|piece| (piece.bytes.len(), piece.len))
}

/// The little-endian number of `width` bytes at `offset`; 0 where there are none.
pub(super) fn number(bytes: &[u8], offset: usize, width: usize) -> u64 {
    let mut word = [0; 8];
    for (index, slot) in word.iter_mut().enumerate().take(width) {
        *slot = bytes
            .get(offset.saturating_add(index))
            .copied()
            .unwrap_or(0);
    }
    u64::from_le_bytes(word)
}

/// The signed number of `width` bytes at `offset`.
pub(super) fn signed(bytes: &[u8], offset: usize, width: usize) -> i64 {
    let shift = 64 - 8 * u32::try_from(width.clamp(1, 8)).unwrap_or(8);
    (number(bytes, offset, width) << shift).cast_signed() >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_piece_that_knows_most_is_taken() {
        let ins = [
            In {
                addr: 0x1000,
                len: 100,
                sum: 0,
                head: b"abcdef".as_slice().into(),
            },
            In {
                addr: 0x1002,
                len: 4,
                sum: 0,
                head: b"cd".as_slice().into(),
            },
        ];
        let mut view = View::new(&ins);
        assert_eq!(
            view.before(0x1002).map(|piece| piece.bytes),
            Some(b"cdef".as_slice())
        );
        assert_eq!(
            view.before(0x1050).map(|piece| (piece.bytes, piece.len)),
            Some((b"".as_slice(), 20))
        );
        assert!(view.before(0x1064).is_none() && view.before(0xfff).is_none());
        view.wrote([Piece {
            addr: 0x1004,
            len: 2,
            bytes: b"XY",
        }]);
        assert_eq!(view.bytes(0x1004, 2), Some(b"XY".as_slice()));
        assert_eq!(view.bytes_before(0x1004, 2), Some(b"ef".as_slice()));
        assert_eq!(view.bytes(0x1004, 3), None);
    }

    #[test]
    fn numbers_at_the_end_are_short() {
        assert_eq!(number(&[1, 2], 1, 4), 2);
        assert_eq!(number(&[], usize::MAX, 8), 0);
        assert_eq!(signed(&[0xff, 0xff], 0, 2), -1);
        assert_eq!(signed(&[0xff; 8], 0, 8), -1);
        assert_eq!(signed(&[1, 0], 0, 1), 1);
    }
}
