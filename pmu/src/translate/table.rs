//! The tables in the data area that lead indirect branches from application addresses to code in the
//! cache.
//!
//! *Near*: indexed by the low 16 bits of the address, one entry each; filled by the lookup code in the
//! cache itself. *Far*: open addressing with linear probing; filled from here. Entries of the near table
//! hold the negative address, so that the lookup compares without touching flags.

use super::layout::{ENTRY_BYTES, FAR_ENTRIES, Layout, NEAR_ENTRIES, TARGETS_MAX};
use super::writes::Writes;
use rustc_hash::FxHashMap;

/// Odd multiplier of the far table's hash; positive as a signed 32-bit number.
pub(super) const HASH_FACTOR: u32 = 0x61c8_8647;
/// The hash is taken from this bit of the product on.
pub(super) const HASH_SHIFT: u32 = 20;

/// What is in the tables.
#[derive(Debug)]
pub(super) struct Table {
    near: u64,
    far: u64,
    /// Which entry of the far table an address has.
    entries: FxHashMap<u64, u64>,
    used: Vec<u64>,
}

impl Table {
    /// Empty tables, and the writes that make them so in zeroed memory.
    pub(super) fn new(layout: &Layout, writes: &mut Writes) -> Self {
        let table = Self {
            near: layout.near_table(),
            far: layout.far_table(),
            entries: FxHashMap::default(),
            used: vec![0; usize::try_from(FAR_ENTRIES / 64).unwrap_or(0)],
        };
        table.forget_near(0, writes);
        table
    }

    /// Whether there is room for one more address.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < TARGETS_MAX
    }

    /// Whether an address has an entry.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.entries.contains_key(&address)
    }

    /// Leads an address to code in the cache. False if the table is full. Address 0 means an empty entry
    /// and is never found.
    pub(super) fn insert(&mut self, address: u64, code: u64, writes: &mut Writes) -> bool {
        if address == 0 {
            return true;
        }
        let known = self.entries.get(&address).copied();
        let Some(entry) = known.or_else(|| self.free_entry(address)) else {
            return false;
        };
        let at = self.far + entry * ENTRY_BYTES;
        writes.pair(at, address, code);
        if known.is_none() {
            self.entries.insert(address, entry);
        } else {
            // The lookup may have copied the old one.
            writes.pair(self.near_entry(address), address.wrapping_neg(), code);
        }
        true
    }

    fn free_entry(&mut self, address: u64) -> Option<u64> {
        if !self.has_room() {
            return None;
        }
        let first = hash(address);
        let entry = (0..FAR_ENTRIES)
            .map(|distance| (first + distance) % FAR_ENTRIES)
            .find(|entry| !self.is_used(*entry))?;
        let word = self.used.get_mut(usize::try_from(entry / 64).ok()?)?;
        *word |= 1 << (entry % 64);
        Some(entry)
    }

    fn is_used(&self, entry: u64) -> bool {
        usize::try_from(entry / 64)
            .ok()
            .and_then(|index| self.used.get(index))
            .is_none_or(|word| word >> (entry % 64) & 1 == 1)
    }

    /// Empties both tables.
    pub(super) fn clear(&mut self, writes: &mut Writes) {
        let entries = std::mem::take(&mut self.entries);
        for (address, entry) in entries {
            writes.pair(self.far + entry * ENTRY_BYTES, 0, 0);
            self.forget_near(address, writes);
        }
        self.used.fill(0);
    }

    fn near_entry(&self, address: u64) -> u64 {
        self.near + address % NEAR_ENTRIES * ENTRY_BYTES
    }

    /// Empties an entry of the near table. A key of 0 stands for address 0, which belongs to entry 0:
    /// that one gets the key of an address that belongs elsewhere.
    fn forget_near(&self, address: u64, writes: &mut Writes) {
        let key = u64::from(address.is_multiple_of(NEAR_ENTRIES));
        writes.pair(self.near_entry(address), key, 0);
    }
}

/// The entry of the far table where a search begins.
fn hash(address: u64) -> u64 {
    (address.wrapping_mul(u64::from(HASH_FACTOR)) >> HASH_SHIFT) % FAR_ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(writes: &Writes) -> FxHashMap<u64, u64> {
        let mut memory = FxHashMap::default();
        for write in writes.iter() {
            for (index, word) in write.bytes.chunks_exact(8).enumerate() {
                let value = u64::from_le_bytes(word.try_into().expect("8 bytes"));
                memory.insert(write.address + 8 * index as u64, value);
            }
        }
        memory
    }

    #[test]
    fn addresses_with_one_hash_follow_each_other() {
        let layout = Layout::contiguous(0x10_0000, 0x10_0000);
        let mut writes = Writes::default();
        let mut table = Table::new(&layout, &mut writes);
        // The product's bits above the hash do not matter.
        let same: Vec<u64> = (1..=1_000_000u64)
            .filter(|address| hash(*address) == 5)
            .take(3)
            .collect();
        assert_eq!(same.len(), 3);
        for address in &same {
            assert!(table.insert(*address, address + 7, &mut writes));
        }
        assert!(table.insert(same[1], 99, &mut writes));
        assert!(table.insert(0, 1, &mut writes));
        let far = |entry: u64| layout.far_table() + entry * ENTRY_BYTES;
        let memory = applied(&std::mem::take(&mut writes));
        assert_eq!(memory[&far(5)], same[0]);
        assert_eq!(memory[&far(6)], same[1]);
        assert_eq!(memory[&(far(6) + 8)], 99);
        assert_eq!(memory[&far(7)], same[2]);
        assert_eq!(memory[&layout.near_table()], 1, "address 0 is not found");
        table.clear(&mut writes);
        let memory = applied(&writes);
        assert_eq!(memory[&far(6)], 0);
        assert!(table.entries.is_empty());
    }

    #[test]
    fn a_full_table_says_so() {
        let layout = Layout::contiguous(0x10_0000, 0x10_0000);
        let mut writes = Writes::default();
        let mut table = Table::new(&layout, &mut writes);
        for address in 1..=TARGETS_MAX as u64 {
            assert!(table.insert(address << 4, 1, &mut writes));
        }
        assert!(!table.has_room());
        assert!(!table.insert(1, 1, &mut writes));
        assert!(table.insert(16, 2, &mut writes), "known already");
    }
}
