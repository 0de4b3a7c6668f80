//! The header before packets that the kernel has not finished: checksums to be made, large
//! packets to be cut.

/// Bytes of the header.
pub const VNET_BYTES: usize = 10;

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;

/// `struct virtio_net_hdr`, counted from the start of the IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vnet {
    flags: u8,
    gso_type: u8,
    hdr_len: u16,
    gso_size: u16,
    csum_start: u16,
    csum_offset: u16,
}

impl Vnet {
    /// From the kernel's bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; VNET_BYTES]) -> Self {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            flags: bytes[0],
            gso_type: bytes[1],
            hdr_len: word(2),
            gso_size: word(4),
            csum_start: word(6),
            csum_offset: word(8),
        }
    }

    /// The kernel's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; VNET_BYTES] {
        let mut bytes = [0; VNET_BYTES];
        bytes[0] = self.flags;
        bytes[1] = self.gso_type;
        let words = [
            self.hdr_len,
            self.gso_size,
            self.csum_start,
            self.csum_offset,
        ];
        for (index, word) in words.into_iter().enumerate() {
            bytes[2 + 2 * index..4 + 2 * index].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The same for a frame that has `bytes` more before the packet.
    #[must_use]
    pub fn pushed(mut self, bytes: u16) -> Self {
        if self.flags & NEEDS_CSUM != 0 {
            self.csum_start = self.csum_start.saturating_add(bytes);
        }
        if self.gso_type != 0 {
            self.hdr_len = self.hdr_len.saturating_add(bytes);
        }
        self
    }

    /// The same for the packet in a frame that has `bytes` before it.
    #[must_use]
    pub fn pulled(mut self, bytes: u16) -> Self {
        if self.flags & NEEDS_CSUM != 0 {
            self.csum_start = self.csum_start.saturating_sub(bytes);
        }
        self.hdr_len = self.hdr_len.saturating_sub(bytes);
        self
    }

    /// Whether the checksum field holds the sum of the pseudo header only.
    #[must_use]
    pub fn is_partial(self) -> bool {
        self.flags & NEEDS_CSUM != 0
    }

    /// Whether nobody needs to look at the checksum.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        self.flags & (NEEDS_CSUM | DATA_VALID) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_positions_move() {
        let vnet = Vnet::from_bytes([1, 1, 40, 0, 0xb4, 5, 20, 0, 16, 0]);
        assert_eq!(Vnet::from_bytes(vnet.to_bytes()), vnet);
        assert_eq!(vnet.pushed(14).csum_start, 34);
        assert_eq!(vnet.pushed(14).pulled(14), vnet);
        assert!(vnet.is_partial() && vnet.is_trusted());
        assert_eq!(Vnet::default().pushed(14), Vnet::default());
    }
}
