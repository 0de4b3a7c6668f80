//! Looks at counted threads that may wait for others by spinning: they give the CPU up early.

use crate::counting::{Pass, Passes, Read, Verdict};
use pmu::Regs;

/// Conditional branches up to the first look while others wait, and up to the last one. Each takes two stops at least.
const FIRST: u64 = 4096;
const LAST: u64 = 1 << 24;
/// How much farther it is to the next look where one has found that the thread computes, and where it has found it waiting
/// for the same as before: what looks like waiting and is not has whole slices soon.
const COMPUTES: u64 = 4;
const WAITS_STILL: u64 = 2;

/// Looks at one thread.
#[derive(Debug)]
pub struct Looks {
    /// Branches up to the next one.
    distance: u64,
    /// What has been seen behind one branch after the other, at a look that goes on.
    passes: Option<Passes>,
    /// What the thread waited for when it gave the CPU up, if that was what the last look found.
    waits_for: Option<Vec<Pass>>,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            distance: FIRST,
            passes: None,
            waits_for: None,
        }
    }
}

impl Looks {
    /// Branches to go until the thread is looked at.
    pub const fn left(&self) -> u64 {
        match self.passes {
            Some(_) => 1,
            None => self.distance,
        }
    }

    /// The thread stands behind a branch: whether it waits for somebody else. It may have to go on to another branch
    /// before that can be told.
    pub fn spins(&mut self, regs: &Regs, read: Read<'_>) -> bool {
        let passes = self.passes.get_or_insert_default();
        match passes.add(regs, read) {
            Verdict::Unknown => return false,
            Verdict::Spins(words) => {
                let still = self.waits_for.as_ref() == Some(&words);
                self.distance = if still {
                    (self.distance * WAITS_STILL).min(LAST)
                } else {
                    FIRST
                };
                self.waits_for = Some(words);
            }
            Verdict::Computes => {
                self.distance = (self.distance * COMPUTES).min(LAST);
                self.waits_for = None;
            }
        }
        self.passes = None;
        self.waits_for.is_some()
    }

    /// The thread has given the CPU up.
    pub fn turn_ended(&mut self) {
        self.passes = None;
        if self.waits_for.is_none() {
            self.distance = FIRST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cmp [rbx], eax; jne
    fn read(word: u32) -> impl Fn(u64, &mut [u8]) -> usize {
        move |at, into: &mut [u8]| {
            let code = [0x39, 0x03, 0x75, 0xfc];
            let inside = at
                .checked_sub(0x1000)
                .and_then(|from| usize::try_from(from).ok());
            let code = inside.and_then(|from| code.get(from..));
            let word = word.to_le_bytes();
            let bytes = code.unwrap_or(&word);
            let len = bytes.len().min(into.len());
            into[..len].copy_from_slice(&bytes[..len]);
            len
        }
    }

    #[test]
    fn who_waits_for_the_same_is_looked_at_ever_later() {
        let regs = Regs {
            rip: 0x1000,
            rbx: 0x2000,
            ..Regs::default()
        };
        let mut looks = Looks::default();
        let mut turn = |word: u32| {
            let distance = looks.left();
            assert!(!looks.spins(&regs, &read(word)), "one look does not tell");
            assert_eq!(looks.left(), 1);
            assert!(looks.spins(&regs, &read(word)));
            looks.turn_ended();
            distance
        };
        let distances = [5, 5, 5, 5, 6, 6].map(&mut turn);
        assert_eq!(distances, [1, 1, 2, 4, 8, 1].map(|times| times * FIRST));
        for word in 6..9 {
            // It moves on.
            looks.spins(&regs, &read(word));
            assert!(!looks.spins(&regs, &read(word + 100)));
        }
        assert_eq!(looks.left(), FIRST * 2 * COMPUTES.pow(3));
        looks.turn_ended();
        assert_eq!(looks.left(), FIRST);
    }
}
