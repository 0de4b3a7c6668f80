//! What was found in a file is noted where its content is shared by recordings: the next need not look again.

use super::Found;
use journal::Pool;
use std::fs::File;
use std::ops::Range;
use xxhash_rust::const_xxh3::xxh3_64;

/// Whoever looks differently finds nothing of this: what looks is part of the name.
const LOOKS: [u64; 5] = [
    xxh3_64(include_bytes!("mod.rs")),
    xxh3_64(include_bytes!("elf.rs")),
    xxh3_64(include_bytes!("functions.rs")),
    xxh3_64(include_bytes!("gaps.rs")),
    xxh3_64(include_bytes!("../insn.rs")),
];

/// The notes on one file.
#[derive(Debug)]
pub struct Noted<'p> {
    pool: &'p Pool,
    hash: u128,
}

impl<'p> Noted<'p> {
    /// Those on the content with this hash.
    #[must_use]
    pub const fn new(pool: &'p Pool, hash: u128) -> Self {
        Self { pool, hash }
    }

    /// [`super::find`], or what it has found.
    #[must_use]
    pub fn find(&self, file: &File, part: &Range<u64>) -> Found {
        let kind = kind();
        let known = self.pool.note(self.hash, &kind);
        let known = known.and_then(|note| postcard::from_bytes::<Found>(&note).ok());
        if let Some(known) = known
            && known.covers(part)
        {
            return known;
        }
        let found = super::find(file, part);
        if let Ok(note) = postcard::to_allocvec(&found) {
            let _ = self.pool.add_note(self.hash, &kind, &note);
        }
        found
    }
}

fn kind() -> String {
    let looks = LOOKS
        .iter()
        .fold(0, |all: u64, one| all.rotate_left(7) ^ one);
    format!("sites-{looks:016x}")
}
