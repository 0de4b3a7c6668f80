//! Files that the agent must not open for writing without a look of the recorder's: those that somebody
//! has mapped, for what is written to them shows in memory, and the standard streams, which replay shows.
//! Kept as bits, so that the agent can look by itself; some other files share theirs.

use super::changes::FileKey;
use agent::layout::{MAPPED_BYTES, mapped_bits};

/// A set of files, and of some that are not in it.
#[derive(Debug)]
pub(super) struct LookedAt {
    bits: Box<[u8; MAPPED_BYTES]>,
    version: u64,
}

impl Default for LookedAt {
    fn default() -> Self {
        Self {
            bits: Box::new([0; MAPPED_BYTES]),
            version: 1,
        }
    }
}

impl LookedAt {
    /// One more. None is ever taken out: a file that is mapped no longer costs a stop, no more.
    pub fn add(&mut self, (dev, inode): FileKey) {
        for bit in mapped_bits(dev, inode) {
            if let Some(byte) = self.bits.get_mut(bit / 8)
                && *byte & (1 << (bit % 8)) == 0
            {
                *byte |= 1 << (bit % 8);
                self.version += 1;
            }
        }
    }

    /// Changes with the set; never 0.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The set.
    pub fn bits(&self) -> &[u8; MAPPED_BYTES] {
        &self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let mut set = LookedAt::default();
        let first = set.version();
        let is_in = |set: &LookedAt, key: FileKey| {
            let set = mapped_bits(key.0, key.1).map(|bit| set.bits()[bit / 8] & (1 << (bit % 8)));
            set.iter().all(|bit| *bit != 0)
        };
        for inode in 0..200 {
            set.add((0xfe00, inode));
        }
        assert_ne!(set.version(), first);
        assert!((0..200).all(|inode| is_in(&set, (0xfe00, inode))));
        let others = (200..10_200).filter(|inode| is_in(&set, (0xfe00, *inode)));
        assert!(others.count() < 100);
        let version = set.version();
        set.add((0xfe00, 7));
        assert_eq!(set.version(), version);
    }
}
