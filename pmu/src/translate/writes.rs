//! Writes that the embedder has to make, in order.

use super::insn::displacement;

/// Bytes to write at an address of the application's address space, in the cache or the data area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write<'a> {
    /// Where.
    pub address: u64,
    /// What.
    pub bytes: &'a [u8],
}

/// Writes to make, in order: a later one may overwrite an earlier one.
#[derive(Debug, Default)]
pub struct Writes {
    /// Address, and end of the bytes; they begin where those of the one before end.
    spans: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

impl Writes {
    /// The writes.
    pub fn iter(&self) -> impl Iterator<Item = Write<'_>> {
        let starts = std::iter::once(0).chain(self.spans.iter().map(|(_, end)| *end));
        self.spans
            .iter()
            .zip(starts)
            .filter_map(|((address, end), start)| {
                let bytes = self.bytes.get(start..*end)?;
                let address = *address;
                Some(Write { address, bytes })
            })
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(super) fn bytes(&mut self, address: u64, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        let end = self.bytes.len();
        let [.., before, last] = self.spans.as_mut_slice() else {
            self.spans.push((address, end));
            return;
        };
        if last.0 + (start - before.1) as u64 == address {
            last.1 = end;
        } else {
            self.spans.push((address, end));
        }
    }

    /// Two words next to each other.
    pub(super) fn pair(&mut self, address: u64, first: u64, second: u64) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&first.to_le_bytes());
        bytes[8..].copy_from_slice(&second.to_le_bytes());
        self.bytes(address, &bytes);
    }

    /// The displacement of a branch. False if it does not reach.
    pub(super) fn link(&mut self, site: u64, target: u64) -> bool {
        let Some(displacement) = displacement(site.wrapping_add(4), target) else {
            return false;
        };
        self.bytes(site, &displacement);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_write() {
        let mut writes = Writes::default();
        assert!(writes.is_empty());
        for (address, bytes) in [
            (10, &[1u8, 2][..]),
            (20, &[3]),
            (21, &[4, 5]),
            (23, &[6]),
            (9, &[7]),
        ] {
            writes.bytes(address, bytes);
        }
        let list: Vec<(u64, &[u8])> = writes
            .iter()
            .map(|write| (write.address, write.bytes))
            .collect();
        let expected: [(u64, &[u8]); 3] = [(10, &[1, 2]), (20, &[3, 4, 5, 6]), (9, &[7])];
        assert_eq!(list, expected);
    }

    #[test]
    fn a_link_that_does_not_reach_is_refused() {
        let mut writes = Writes::default();
        assert!(!writes.link(0x1000, 0x1_0000_0000));
        assert!(writes.link(0x1000, 0x1004));
        assert_eq!(
            writes.iter().next().map(|write| write.bytes),
            Some(&[0; 4][..])
        );
    }
}
