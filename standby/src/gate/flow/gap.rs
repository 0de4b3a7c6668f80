//! Data that came before what should be before them.

use std::collections::BTreeMap;

/// How many bytes may wait for a gap of one connection to be filled.
pub const GAP_BYTES_MAX: usize = 8 << 20;
/// In how many pieces.
pub const GAP_PIECES_MAX: usize = 8192;

/// Pieces of a stream by position.
#[derive(Debug, Default)]
pub(super) struct Gap {
    pieces: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
}

impl Gap {
    /// Keeps a piece; false if there is no room for it.
    pub fn insert(&mut self, position: u64, data: &[u8]) -> bool {
        let known = self.pieces.get(&position).map_or(0, Vec::len);
        if known >= data.len() {
            return true;
        }
        let bytes = self.bytes - known + data.len();
        if bytes > GAP_BYTES_MAX || (known == 0 && self.pieces.len() >= GAP_PIECES_MAX) {
            return false;
        }
        self.bytes = bytes;
        self.pieces.insert(position, data.to_vec());
        true
    }

    /// What now follows without a gap after the first `end` bytes.
    pub fn take(&mut self, end: u64) -> Option<Vec<u8>> {
        loop {
            let first = self.pieces.first_entry()?;
            let position = *first.key();
            if position > end {
                return None;
            }
            let mut piece = first.remove();
            self.bytes -= piece.len();
            let old = usize::try_from(end - position).unwrap_or(usize::MAX);
            if old < piece.len() {
                piece.drain(..old);
                return Some(piece);
            }
        }
    }
}
