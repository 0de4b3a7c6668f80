//! Reading a thread's memory with few reads: each is a system call of the supervisor.

use journal::{Bytes, In};
use std::borrow::Cow;
use std::cell::RefCell;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The memory of the thread that calls.
pub trait Memory {
    /// Reads up to `buf.len()` bytes at `addr`; returns how many, fewer where the memory
    /// is not readable.
    fn read(&self, addr: u64, buf: &mut [u8]) -> usize;

    /// The bytes that [`Memory::read`] would give, where they are at hand; `None` if they must be read.
    fn view(&self, addr: u64, len: usize) -> Option<&[u8]> {
        let _ = (addr, len);
        None
    }
}

/// Memory comes and goes by whole pages.
const PAGE_BYTES: usize = 4096;
/// Greatest piece in which bulk memory is read.
const PIECE_BYTES: usize = 64 << 10;

thread_local! {
    /// For bulk memory: one for all calls of a tracer thread.
    static PIECE: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE_BYTES]);
}

/// The input of `len` bytes at `addr`, of which the first `shown` are kept. `None` if
/// there is none: a null pointer, no bytes, or unreadable memory.
pub(super) fn input(mem: &dyn Memory, addr: u64, len: u64, shown: usize) -> Option<In<'_>> {
    if addr == 0 || len == 0 {
        return None;
    }
    let at_hand = usize::try_from(len).ok().filter(|len| *len <= PIECE_BYTES);
    if let Some(seen) = at_hand.and_then(|len| mem.view(addr, len)) {
        return (!seen.is_empty()).then(|| In {
            addr,
            len: seen.len() as u64,
            sum: low_half(xxh3_64(seen)),
            head: seen[..seen.len().min(shown)].into(),
        });
    }
    PIECE.with_borrow_mut(|piece| {
        let want = clamp(len, piece.len());
        let read = mem.read(addr, &mut piece[..want]).min(want);
        let head = piece[..read.min(shown)].to_vec();
        if read < want || len <= want as u64 {
            let sum = low_half(xxh3_64(&piece[..read]));
            let whole = In {
                addr,
                len: read as u64,
                sum,
                head: head.into(),
            };
            return (read > 0).then_some(whole);
        }
        let mut hash = Xxh3::new();
        hash.update(&piece[..read]);
        let mut done = read as u64;
        while done < len {
            let want = clamp(len - done, piece.len());
            let read = mem
                .read(addr.wrapping_add(done), &mut piece[..want])
                .min(want);
            hash.update(&piece[..read]);
            done += read as u64;
            if read < want {
                break;
            }
        }
        Some(In {
            addr,
            len: done,
            sum: low_half(hash.digest()),
            head: head.into(),
        })
    })
}

/// The input that consists of these bytes, all of them kept.
pub(super) fn whole(addr: u64, bytes: Cow<'_, [u8]>) -> In<'_> {
    In {
        addr,
        len: bytes.len() as u64,
        sum: low_half(xxh3_64(&bytes)),
        head: Bytes(bytes),
    }
}

/// As many bytes at `addr` as can be read, at most `len`.
pub(super) fn bytes(mem: &dyn Memory, addr: u64, len: usize) -> Cow<'_, [u8]> {
    if addr == 0 {
        return Cow::default();
    }
    if let Some(seen) = mem.view(addr, len) {
        return seen.into();
    }
    let mut bytes = vec![0; len];
    let read = mem.read(addr, &mut bytes).min(len);
    bytes.truncate(read);
    bytes.into()
}

/// The string at `addr` as [`Strings::read`] gives it.
pub(super) fn string(mem: &dyn Memory, addr: u64, max: usize) -> Cow<'_, [u8]> {
    match mem.view(addr, max) {
        Some(seen) => {
            let end = seen.iter().position(|&byte| byte == 0);
            seen[..end.map_or(seen.len(), |end| end + 1)].into()
        }
        None => Strings::new(mem).read(addr, max).into(),
    }
}

/// The 32-bit number at `addr`, if it can be read.
pub(super) fn u32_at(mem: &dyn Memory, addr: u64) -> Option<u32> {
    let mut word = [0; 4];
    (addr != 0 && mem.read(addr, &mut word) == 4).then(|| u32::from_le_bytes(word))
}

/// The little-endian number of `len` bytes at `offset` in `bytes`, 0 where there are none.
pub(super) fn number(bytes: &[u8], offset: usize, len: usize) -> u64 {
    let mut word = [0; 8];
    for (index, slot) in word.iter_mut().enumerate().take(len) {
        *slot = bytes.get(offset + index).copied().unwrap_or(0);
    }
    u64::from_le_bytes(word)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
const fn low_half(sum: u64) -> u32 {
    sum as u32
}

fn clamp(len: u64, max: usize) -> usize {
    usize::try_from(len).unwrap_or(max).min(max)
}

/// Reads strings, most of which lie close together, page by page; keeps the last page.
pub(super) struct Strings<'m> {
    mem: &'m dyn Memory,
    /// Address of the first byte kept.
    start: u64,
    /// What is kept: bytes up to the end of their page.
    page: Vec<u8>,
}

impl<'m> Strings<'m> {
    pub(super) fn new(mem: &'m dyn Memory) -> Self {
        Self {
            mem,
            start: 0,
            page: Vec::new(),
        }
    }

    /// The string at `addr` up to and including its NUL, at most `max` bytes; without a
    /// NUL if it ends at unreadable memory or is longer.
    pub(super) fn read(&mut self, addr: u64, max: usize) -> Vec<u8> {
        let mut string = Vec::new();
        let mut at = addr;
        while string.len() < max {
            let rest = self.from(at);
            let rest = &rest[..rest.len().min(max - string.len())];
            if rest.is_empty() {
                break;
            }
            if let Some(end) = rest.iter().position(|&byte| byte == 0) {
                string.extend_from_slice(&rest[..=end]);
                break;
            }
            string.extend_from_slice(rest);
            let Some(next) = at.checked_add(rest.len() as u64) else {
                break;
            };
            at = next;
        }
        string
    }

    /// The bytes from `addr` to the end of its page.
    fn from(&mut self, addr: u64) -> &[u8] {
        let cached = addr
            .checked_sub(self.start)
            .and_then(|offset| usize::try_from(offset).ok());
        let offset = match cached {
            Some(offset) if offset < self.page.len() => offset,
            _ => {
                let rest = PAGE_BYTES - usize::try_from(addr % PAGE_BYTES as u64).unwrap_or(0);
                self.page.resize(rest, 0);
                let read = self.mem.read(addr, &mut self.page).min(rest);
                self.page.truncate(read);
                self.start = addr;
                0
            }
        };
        &self.page[offset..]
    }
}
