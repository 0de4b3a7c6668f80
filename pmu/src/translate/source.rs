//! Where application code comes from: the embedder's reader, and a window on it.

use super::stepped::INSTRUCTION_BYTES_MAX;
use std::ops::Range;

/// What is to be done with code on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PagePolicy {
    /// Translated; the embedder reports changes with
    /// [`Translator::invalidate`](super::Translator::invalidate).
    #[default]
    Watched,
    /// Translated; every block compares the code that it was made of with what is there, whenever it is executed, and
    /// ends behind whatever writes to memory. For code that changes without anybody saying so.
    Verified,
    /// Not translated: every instruction leaves with
    /// [`Special::NotTranslated`](super::Special::NotTranslated), to be stepped at its own address.
    /// For pages that cannot be read, or to compare with.
    Stepped,
}

/// Reads the application's code.
pub trait Code {
    /// Copies executable bytes from address `at` on; returns how many there are, at most the length of
    /// `into`. Less than that means that what follows cannot be executed (no mapping, or no right to).
    fn read(&self, at: u64, into: &mut [u8]) -> usize;

    /// The same of the bytes that are there, if [`Code::read`] shows others. With
    /// [`PagePolicy::Verified`] they are compared.
    fn memory(&self, at: u64, into: &mut [u8]) -> usize {
        self.read(at, into)
    }

    /// What to do with the page at `page` (an address on a page boundary).
    fn policy(&self, page: u64) -> PagePolicy {
        let _ = page;
        PagePolicy::Watched
    }
}

/// Bytes that are read at a time.
const WINDOW_BYTES: usize = 256;

/// A window that moves over the code, so that decoding does not read every instruction by itself.
pub(super) struct Window<'a> {
    code: &'a dyn Code,
    /// Where code is moved to.
    pub(super) cache: Range<u64>,
    start: u64,
    len: usize,
    bytes: [u8; WINDOW_BYTES],
}

impl<'a> Window<'a> {
    pub(super) fn new(code: &'a dyn Code, cache: &Range<u64>) -> Self {
        Self {
            code,
            cache: cache.clone(),
            start: 0,
            len: 0,
            bytes: [0; WINDOW_BYTES],
        }
    }

    /// The bytes at an address: as many as an instruction can have, fewer where no more can be read.
    pub(super) fn at(&mut self, address: u64) -> &[u8] {
        let inside = |start: u64, len: usize| {
            let from = usize::try_from(address.checked_sub(start)?).ok()?;
            let until = from.checked_add(INSTRUCTION_BYTES_MAX)?;
            (until <= len).then_some(from..until)
        };
        if let Some(range) = inside(self.start, self.len) {
            return &self.bytes[range];
        }
        self.start = address;
        self.len = self
            .code
            .read(address, &mut self.bytes)
            .min(self.bytes.len());
        &self.bytes[..self.len.min(INSTRUCTION_BYTES_MAX)]
    }

    pub(super) fn policy(&self, address: u64) -> PagePolicy {
        self.code.policy(address & !0xfff)
    }

    /// What is to be compared when a block of these addresses is executed.
    pub(super) fn memory(&self, start: u64, end: u64) -> Box<[u8]> {
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        let mut bytes = vec![0; len];
        let read = self.code.memory(start, &mut bytes).min(len);
        bytes.truncate(read);
        bytes.into_boxed_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Some300;

    impl Code for Some300 {
        fn read(&self, at: u64, into: &mut [u8]) -> usize {
            let left = usize::try_from(1300u64.saturating_sub(at)).expect("small");
            let len = left.min(into.len());
            for (index, byte) in into[..len].iter_mut().enumerate() {
                *byte = (at + index as u64).to_le_bytes()[0];
            }
            len
        }
    }

    #[test]
    fn every_address_shows_its_own_bytes() {
        let mut window = Window::new(&Some300, &(0..0));
        for address in (1000..1300).chain([1000, 1299, 1100]) {
            let bytes = window.at(address);
            assert_eq!(bytes[0], address.to_le_bytes()[0]);
            let left = usize::try_from(1300 - address).expect("small");
            assert_eq!(bytes.len(), left.min(15));
        }
        assert!(window.at(1300).is_empty());
        assert!(window.at(u64::MAX).is_empty());
    }
}
