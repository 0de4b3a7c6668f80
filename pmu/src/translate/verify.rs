//! Code that changes without anybody saying so: a block of it compares, before it is executed, what it was made of
//! with what is there.
//!
//! Four bytes at a time, where those are aligned, by their difference in `ecx`, with `lea`: no flags change. A block ends behind whatever
//! writes to memory, so what has been compared cannot have changed when it is executed.

use super::blocks::Key;
use super::emit::Emitter;
use super::gpr::Gpr;
use super::layout::Slot;
use super::source::Code;
use super::state::{Shape, Spilled};
use super::store::{ExitKind, Full, leave};
use super::translator::Translator;

/// Bytes of what leaves: two registers restored, the exit word, the jump.
const STALE_BYTES: u64 = 7 + 7 + 10 + 5;

impl Emitter<'_> {
    /// Leaves if the code at `start` is not `bytes`; all registers are in place before and behind it.
    pub(super) fn verify(&mut self, start: u64, bytes: &[u8]) -> Result<(), Full> {
        let shape = self.shape(start);
        let held = Shape {
            spilled: Spilled::RAX.and(Spilled::RCX),
            ..shape
        };
        let exit = self.store.add_exit(ExitKind::Stale, start)?;
        let gate = self.store.routines.gate;
        let stale = self.store.cold_code(STALE_BYTES, |piece| {
            piece.shape(held);
            piece.load(Gpr::RCX, Slot::RCX);
            piece.load(Gpr::RAX, Slot::RAX);
            leave(piece, exit, gate, shape);
        })?;
        self.piece.shape(shape);
        self.piece.store(Slot::RAX, Gpr::RAX);
        self.piece.store(Slot::RCX, Gpr::RCX);
        self.piece.shape(held);
        self.piece.constant64(Gpr::RAX, start);
        for (offset, chunk) in chunks(start, bytes) {
            let offset = i32::try_from(offset).map_err(|_| Full)?;
            let (load, value): (&[u8], u32) = match *chunk {
                [a, b, c, d] => (&[0x8b], u32::from_le_bytes([a, b, c, d])),
                [a, b] => (&[0x0f, 0xb7], u16::from_le_bytes([a, b]).into()),
                [a] => (&[0x0f, 0xb6], a.into()),
                _ => return Err(Full),
            };
            self.piece.raw(load); // mov or movzx ecx, [rax + offset]
            self.piece.raw(&[0x88]);
            self.piece.raw(&offset.to_le_bytes());
            self.piece.raw(&[0x8d, 0x89]); // lea ecx, [rcx - value]
            self.piece.raw(&value.wrapping_neg().to_le_bytes());
            self.piece.raw(&[0xe3, 5]); // jrcxz over the
            self.piece.jump(stale);
        }
        self.piece.load(Gpr::RCX, Slot::RCX);
        self.piece.load(Gpr::RAX, Slot::RAX);
        self.piece.shape(shape);
        Ok(())
    }
}

/// All bytes, in parts that can be loaded at once, and where they are. Each is aligned: the application may have set the
/// flag by which others fault.
fn chunks(start: u64, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut chunks = Vec::with_capacity(bytes.len() / 4 + 4);
    let mut at = 0;
    while at < bytes.len() {
        let address = start.wrapping_add(at as u64);
        let fits = |len: usize| address.is_multiple_of(len as u64) && at + len <= bytes.len();
        let len = [4, 2].into_iter().find(|len| fits(*len)).unwrap_or(1);
        chunks.push((at, &bytes[at..at + len]));
        at += len;
    }
    chunks
}

impl Translator {
    /// Drops a block if its code is another one now.
    pub(super) fn drop_if_stale(&mut self, code: &dyn Code, key: Key) {
        let Some(entry) = self.blocks.get(&key) else {
            return;
        };
        let Some(then) = &entry.verified else {
            return;
        };
        let mut now = vec![0; then.len()];
        if code.memory(entry.start, &mut now) == now.len() && *now == **then {
            return;
        }
        let range = entry.start..entry.end;
        self.invalidate(range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_compared() {
        for (len, start) in (0..40).flat_map(|len| (0..8).map(move |start| (len, start))) {
            let bytes: Vec<u8> = (0..len).collect();
            let mut seen = vec![false; bytes.len()];
            for (at, chunk) in chunks(start, &bytes) {
                assert!(matches!(chunk.len(), 1 | 2 | 4), "{len}");
                assert!((start + at as u64).is_multiple_of(chunk.len() as u64));
                for (index, byte) in chunk.iter().enumerate() {
                    assert_eq!(usize::from(*byte), at + index);
                    seen[at + index] = true;
                }
            }
            assert!(seen.iter().all(|seen| *seen), "{len}");
        }
    }
}
