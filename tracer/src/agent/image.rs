//! The image of the agent that serves syscalls, built by `build.rs`.

use agent::layout::{IMAGE, IMAGE_LEN, IMAGE_RECOVER, IMAGE_RECOVER_BEHIND};

static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/agent.bin"));

/// Its bytes; they belong at [`IMAGE`].
#[must_use]
pub fn bytes() -> &'static [u8] {
    BYTES
}

/// Where trampolines enter it.
#[must_use]
pub fn entry() -> u64 {
    word(0)
}

/// Where a thread is led whose agent cannot read memory.
#[must_use]
pub fn recover() -> u64 {
    word(IMAGE_RECOVER)
}

/// The same behind a wait without the CPU.
#[must_use]
pub fn recover_behind() -> u64 {
    word(IMAGE_RECOVER_BEHIND)
}

/// Whether an address lies in it.
#[must_use]
pub const fn contains(address: u64) -> bool {
    address >= IMAGE && address < IMAGE + IMAGE_LEN
}

fn word(at: usize) -> u64 {
    let bytes = BYTES.get(at..at + 8).and_then(|word| word.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_fits_and_its_header_leads_into_it() {
        let len = u64::try_from(bytes().len()).expect("small");
        assert!(len <= IMAGE_LEN, "{len}");
        for address in [entry(), recover(), recover_behind()] {
            assert!((IMAGE + 24..IMAGE + len).contains(&address), "{address:#x}");
        }
    }
}
