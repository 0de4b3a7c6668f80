//! Writes that the embedder has to make, in order.

use super::insn::displacement;

/// Bytes to write at an address of the application's address space, in the cache or the data area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub address: u64,
    /// What.
    pub bytes: Vec<u8>,
}

impl Write {
    fn end(&self) -> u64 {
        self.address + self.bytes.len() as u64
    }
}

/// Writes so far. A later one may overwrite an earlier one.
#[derive(Debug, Default)]
pub(super) struct Writes {
    list: Vec<Write>,
}

impl Writes {
    pub(super) fn bytes(&mut self, address: u64, bytes: &[u8]) {
        if let Some(last) = self.list.last_mut()
            && last.end() == address
        {
            last.bytes.extend(bytes);
            return;
        }
        let bytes = bytes.to_vec();
        self.list.push(Write { address, bytes });
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

    pub(super) fn into_list(self) -> Vec<Write> {
        self.list
    }
}
