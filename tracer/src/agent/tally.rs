//! Counts the syscall sites that were rewritten, and keeps why others were not: for people who ask
//! why a program's calls stop. Nothing depends on it.

use crate::sites::patch::Refused;
use std::collections::BTreeMap;

/// Sites that are named; of others there is only a number.
const NAMED_MAX: usize = 256;

/// Why a site stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Left {
    /// What is shown of the memory changed meanwhile.
    #[error("it lies in no mapping")]
    Unmapped,
    /// Code that can be written changes without a word.
    #[error("its memory is shared, can be written, or cannot be executed")]
    Memory,
    /// The pages of such a file are to stay the file's.
    #[error("the file with its code may be written to")]
    File,
    /// There is no room for trampolines.
    #[error("no place near it is free for trampolines")]
    NoPlace,
    /// The call came to the site by another way than the plan rests on.
    #[error("the call's number is not the one that the code says")]
    Number,
    /// Both would replace the same bytes.
    #[error("what would be replaced belongs to a neighbour that was rewritten")]
    Neighbour,
    /// It cannot be planned.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What became of the sites that were met often enough.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Rewritten, counted once for each address space.
    pub rewritten: u64,
    /// Left as they are, by where and why: in how many address spaces.
    pub left: BTreeMap<(String, Left), u64>,
    /// Those for which there was no room in `left`.
    pub unnamed: u64,
}

impl Tally {
    /// Counts a site that stays as it is.
    pub fn leave(&mut self, at: impl FnOnce() -> String, why: Left) {
        let key = (at(), why);
        if let Some(count) = self.left.get_mut(&key) {
            *count += 1;
        } else if self.left.len() < NAMED_MAX {
            self.left.insert(key, 1);
        } else {
            self.unnamed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_limited() {
        let mut tally = Tally::default();
        for number in 0..2 * NAMED_MAX {
            tally.leave(|| number.to_string(), Left::File);
        }
        tally.leave(|| "0".to_owned(), Left::File);
        assert_eq!(tally.left.len(), NAMED_MAX);
        assert_eq!(tally.left[&("0".to_owned(), Left::File)], 2);
        assert_eq!(tally.unnamed, NAMED_MAX as u64);
    }
}
