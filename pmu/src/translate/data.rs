//! What the supervisor reads of the data area when a thread has stopped.

use super::layout::{DATA_READ_BYTES, Slot};

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
        self.words[slot as usize / 8]
    }

    /// The counter's word as it stands. It may have counted a branch that has not executed yet:
    /// [`AppState::counter`](super::AppState::counter) is the exact one.
    #[must_use]
    pub const fn raw_counter(&self) -> i64 {
        self.get(Slot::Counter).cast_signed()
    }

    pub(super) const fn exit(&self) -> u32 {
        let [a, b, c, d, ..] = self.get(Slot::Exit).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}
