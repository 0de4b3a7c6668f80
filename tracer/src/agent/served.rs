//! Records of served calls, read: no byte of them is trusted, for the application can write where
//! they stand.

use crate::model::capture::Memory;
use crate::sys::ring::Ring;
use agent::layout::{Frame, RING_BYTES};
use agent::record::{
    ALIGN, ENTERS, FILE, IN, LEAVES, LOOK, OUT, PAD, Piece, Record, TEXT, aligned,
};
use pmu::Regs;
use std::cell::Cell;

/// So many bytes of records are copied at a time: they are still in the nearest cache when they are
/// looked at.
const AT_ONCE: u64 = 16 << 10;
/// Bytes that say how long a record is, and whether it only fills.
const START: usize = 8;
/// Bytes of the fixed part of a record.
const FIXED: usize = size_of::<Record>();
const PIECE: usize = size_of::<Piece>();
/// Code and stack segment of 64-bit programs, and what the other selectors are in them.
const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;

/// It is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent's records are broken: somebody else has written there")]
pub struct Broken;

/// Memory that belongs to a call, with what it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept<'r> {
    addr: u64,
    kind: u32,
    bytes: &'r [u8],
}

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All of a call.
    Whole,
    /// The entry of one in which the thread waits without the CPU.
    Entry,
    /// What came of that.
    Exit,
}

/// One served call, as it stands in its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served<'r> {
    /// All of it, or a part.
    pub kind: Kind,
    /// The thread, by the supervisor's number; 0 in replay.
    pub thread: i32,
    /// How many clock reads had been answered before it.
    pub clocks: u32,
    /// What it has opened is to be looked at; the thread has done nothing since.
    pub look: bool,
    /// The result.
    pub result: i64,
    /// The registers at the syscall's entry, as a stop there would show them. The bases are
    /// missing, unless the agent could read them.
    pub regs: Regs,
    /// Pieces, known to be well formed.
    pieces: &'r [u8],
}

/// Takes all that is unread out of a ring, by way of `buffer`: what the application could
/// change must be looked at once only. Ends at the first call that `each` fails for.
pub fn take<E>(
    ring: &Ring,
    buffer: &mut Vec<u8>,
    broken: impl Fn(Broken) -> E,
    mut each: impl FnMut(&Served<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut at_once = AT_ONCE;
    loop {
        let unread = ring.unread();
        if unread == 0 {
            return Ok(());
        }
        if unread > RING_BYTES {
            return Err(broken(Broken));
        }
        ring.read(buffer, at_once);
        let read = buffer.len() as u64;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let missing = missing(rest);
            if missing > 0 && read == at_once {
                break;
            }
            let (call, len) = next(rest).map_err(&broken)?;
            if let Some(call) = call {
                each(&call)?;
            }
            ring.took(len);
            rest = &rest[usize::try_from(len).unwrap_or(rest.len()).min(rest.len())..];
        }
        // The next one may be longer than what is usually read.
        let left = rest.len() as u64 + missing(rest);
        if left > RING_BYTES {
            return Err(broken(Broken));
        }
        at_once = left.max(AT_ONCE);
    }
}

/// How many bytes the record that begins in `bytes` has that are not there.
fn missing(bytes: &[u8]) -> u64 {
    let there = bytes.len() as u64;
    match int(bytes, 0) {
        _ if bytes.len() < START => START as u64 - there,
        Ok(len) => u64::from(len).saturating_sub(there),
        Err(Broken) => 0,
    }
}

/// Reads the first of the records in `bytes`, which reach up to the end of the ring or to what
/// is written: a call, if it says something, and how many bytes the record takes.
fn next(bytes: &[u8]) -> Result<(Option<Served<'_>>, u64), Broken> {
    let len = int(bytes, 0)?;
    let nr = int(bytes, 4)?;
    let whole = usize::try_from(len).map_err(|_| Broken)?;
    if u64::from(len) % ALIGN != 0 || whole < START || whole > bytes.len() {
        return Err(Broken);
    }
    if nr == PAD {
        return Ok((None, len.into()));
    }
    let record = &bytes[..whole];
    let fixed: &[u8; FIXED] = record.first_chunk().ok_or(Broken)?;
    let frame_at = 24;
    let at = |index: usize| word(fixed, frame_at + index * 8);
    let after = word(fixed, frame_at + size_of::<Frame>())?;
    let regs = Regs {
        r15: at(0)?,
        r14: at(1)?,
        r13: at(2)?,
        r12: at(3)?,
        rbp: at(4)?,
        rbx: at(5)?,
        r10: at(6)?,
        r9: at(7)?,
        r8: at(8)?,
        // As at a stop at the entry.
        rax: (-i64::from(libc::ENOSYS)).cast_unsigned(),
        orig_rax: nr.into(),
        rdx: at(10)?,
        rsi: at(11)?,
        rdi: at(12)?,
        eflags: at(14)?,
        r11: at(14)?,
        rsp: at(15)?,
        rip: after,
        rcx: after,
        cs: USER_CS,
        ss: USER_SS,
        fs_base: word(fixed, frame_at + size_of::<Frame>() + 8)?,
        gs_base: word(fixed, frame_at + size_of::<Frame>() + 16)?,
        ..Regs::default()
    };
    let mut pieces = &record[FIXED..];
    while let Some((kept, rest)) = piece(pieces)? {
        if !matches!(kept.kind, IN | OUT | TEXT | FILE) {
            return Err(Broken);
        }
        pieces = rest;
    }
    let flags = int(fixed, 12)?;
    let served = Served {
        kind: match flags & (ENTERS | LEAVES) {
            0 => Kind::Whole,
            ENTERS => Kind::Entry,
            LEAVES => Kind::Exit,
            _ => return Err(Broken),
        },
        thread: i32::try_from(word(fixed, frame_at + size_of::<Frame>() + 24)?)
            .map_err(|_| Broken)?,
        clocks: int(fixed, 8)?,
        look: flags & LOOK != 0,
        result: word(fixed, 16)?.cast_signed(),
        regs,
        pieces: &record[FIXED..],
    };
    Ok((Some(served), len.into()))
}

/// The first of some pieces, and those that follow it; `None` behind the last.
#[inline]
fn piece(pieces: &[u8]) -> Result<Option<(Kept<'_>, &[u8])>, Broken> {
    if pieces.is_empty() {
        return Ok(None);
    }
    let (addr, len, kind) = (word(pieces, 0)?, int(pieces, 8)?, int(pieces, 12)?);
    let end = PIECE + usize::try_from(len).map_err(|_| Broken)?;
    let bytes = pieces.get(PIECE..end).ok_or(Broken)?;
    let after = PIECE + usize::try_from(aligned(len.into())).map_err(|_| Broken)?;
    let rest = pieces.get(after..).unwrap_or_default();
    Ok(Some((Kept { addr, kind, bytes }, rest)))
}

#[inline]
fn int(bytes: &[u8], at: usize) -> Result<u32, Broken> {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map(u32::from_le_bytes).ok_or(Broken)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Result<u64, Broken> {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map(u64::from_le_bytes).ok_or(Broken)
}

/// The memory of a call as it was then: what the kernel was about to read, or what it had
/// written. Remembers whether somebody asked for more than that.
#[derive(Debug)]
pub struct Then<'r> {
    pieces: &'r [u8],
    written: bool,
    /// More was asked for.
    pub missing: Cell<bool>,
}

impl<'r> Served<'r> {
    /// What the kernel was about to read.
    #[must_use]
    pub const fn before(&self) -> Then<'r> {
        Then {
            pieces: self.pieces,
            written: false,
            missing: Cell::new(false),
        }
    }

    /// Device and inode of the file that it has opened for writing, if nobody has to look at it.
    #[must_use]
    pub fn file(&self) -> Option<(u64, u64)> {
        let mut pieces = self.pieces;
        while let Ok(Some((kept, rest))) = piece(pieces) {
            pieces = rest;
            if kept.kind == FILE {
                return Some((word(kept.bytes, 0).ok()?, word(kept.bytes, 8).ok()?));
            }
        }
        None
    }

    /// What it had written.
    #[must_use]
    pub const fn behind(&self) -> Then<'r> {
        Then {
            pieces: self.pieces,
            written: true,
            missing: Cell::new(false),
        }
    }
}

impl<'r> Then<'r> {
    /// What there is from `addr` on, and of what kind it is.
    fn find(&self, addr: u64) -> Option<(&'r [u8], u32)> {
        let mut found: Option<(&[u8], u32)> = None;
        let mut pieces = self.pieces;
        while let Ok(Some((kept, rest))) = piece(pieces) {
            pieces = rest;
            if kept.kind == FILE || (kept.kind == OUT) != self.written {
                continue;
            }
            let into = addr
                .checked_sub(kept.addr)
                .and_then(|into| usize::try_from(into).ok());
            let Some(bytes) = into.and_then(|into| kept.bytes.get(into..)) else {
                continue;
            };
            // The buffers of a list may overlap.
            if bytes.len() > found.map_or(0, |(bytes, _)| bytes.len()) {
                found = Some((bytes, kept.kind));
            }
        }
        found
    }

    /// The bytes of a range; fewer, if there are not as many.
    #[must_use]
    pub fn bytes(&self, addr: u64, len: usize) -> &'r [u8] {
        if len == 0 {
            return &[];
        }
        let Some((bytes, kind)) = self.find(addr) else {
            self.missing.set(true);
            return &[];
        };
        // Of strings the readers ask for whole pages.
        if bytes.len() < len && kind != TEXT {
            self.missing.set(true);
        }
        &bytes[..bytes.len().min(len)]
    }
}

impl Memory for Then<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> usize {
        let bytes = self.bytes(addr, buf.len());
        buf[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn view(&self, addr: u64, len: usize) -> Option<&[u8]> {
        Some(self.bytes(addr, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(pieces: &[(u64, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        bytes[4..8].copy_from_slice(&1u32.to_le_bytes());
        bytes[16..24].copy_from_slice(&(-5i64).to_le_bytes());
        for (addr, kind, data) in pieces {
            bytes.extend(addr.to_le_bytes());
            bytes.extend(u32::try_from(data.len()).expect("small").to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend_from_slice(data);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        let len = u32::try_from(bytes.len()).expect("small");
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes
    }

    fn served(record: &[u8]) -> Served<'_> {
        match next(record) {
            Ok((Some(served), _)) => served,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn memory_is_what_was_kept_and_asking_for_more_shows() {
        let bytes = record(&[
            (100, IN, b"hello"),
            (100, OUT, b"HELLO"),
            (200, TEXT, b"a\0"),
        ]);
        let call = served(&bytes);
        assert_eq!(call.result, -5);
        let mut buf = [0; 3];
        let before = call.before();
        assert_eq!((before.read(102, &mut buf), &buf), (3, b"llo"));
        let behind = call.behind();
        assert_eq!((behind.read(100, &mut buf), &buf), (3, b"HEL"));
        assert_eq!(before.read(200, &mut [0; 50]), 2);
        assert_eq!(before.read(100, &mut []), 0);
        let bytes = record(&[(100, IN, b"he"), (100, IN, b"hello")]);
        let overlapping = served(&bytes);
        let list = overlapping.before();
        assert_eq!(
            (list.read(100, &mut [0; 5]), list.missing.get()),
            (5, false)
        );
        assert!(!before.missing.get() && !behind.missing.get());
        assert_eq!(before.read(103, &mut buf), 2);
        assert!(before.missing.get());
        assert_eq!(behind.read(99, &mut buf), 0);
        assert!(behind.missing.get());
    }

    /// A ring that has these bytes from `tail` on.
    fn ring_with(tail: u64, bytes: &[u8]) -> Ring {
        use std::os::unix::fs::FileExt;
        let file = tempfile::tempfile().expect("a file");
        let ring = Ring::map(&file).expect("mapped");
        let at = agent::layout::RING_BYTES_AT + tail % RING_BYTES;
        file.write_all_at(bytes, at).expect("written");
        let head = tail + bytes.len() as u64;
        let ends = [head.to_le_bytes(), tail.to_le_bytes()].concat();
        file.write_all_at(&ends, 0).expect("written");
        ring
    }

    #[test]
    fn records_of_any_length_are_taken_in_order() {
        let long = vec![7; 3 * usize::try_from(AT_ONCE).expect("small")];
        let (mut all, mut lens) = (Vec::new(), Vec::new());
        for number in 0..300usize {
            let len = match number % 100 {
                50 => long.len(),
                odd => odd * 8,
            };
            all.extend(record(&[(100, IN, &long[..len])]));
            lens.push(len);
        }
        let ring = ring_with(5 * RING_BYTES + 16, &all);
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        let taken = served_lens(&ring, &mut buffer, &mut found);
        assert_eq!((taken, ring.unread()), (Ok(()), 0));
        assert_eq!(found, lens);
    }

    fn served_lens(
        ring: &Ring,
        buffer: &mut Vec<u8>,
        found: &mut Vec<usize>,
    ) -> Result<(), Broken> {
        take(
            ring,
            buffer,
            |broken| broken,
            |call| {
                found.push(call.before().bytes(100, 1 << 20).len());
                Ok(())
            },
        )
    }

    #[test]
    fn a_record_that_is_longer_than_what_is_written_is_broken() {
        let mut all = Vec::new();
        while (all.len() as u64) < AT_ONCE {
            all.extend(record(&[]));
        }
        let whole = all.len();
        for cut in [4, 8, 100] {
            all.truncate(whole);
            all.extend(&record(&[(100, IN, &[1; 1000])])[..cut]);
            let ring = ring_with(0, &all);
            let mut found = Vec::new();
            let taken = served_lens(&ring, &mut Vec::new(), &mut found);
            assert_eq!(taken, Err(Broken));
            assert_eq!(found.len(), whole / FIXED);
        }
    }

    #[test]
    fn a_file_is_no_memory() {
        let key = [5u64.to_le_bytes(), 7u64.to_le_bytes()].concat();
        let bytes = record(&[(0, FILE, &key)]);
        let call = served(&bytes);
        assert_eq!((call.file(), call.look), (Some((5, 7)), false));
        let before = call.before();
        assert_eq!(
            (before.read(0, &mut [0; 4]), before.missing.get()),
            (0, true)
        );
        let bytes = record(&[(0, FILE, &key[..12]), (0, IN, &key)]);
        assert_eq!(served(&bytes).file(), None);
    }

    #[test]
    fn filling_is_passed_over() {
        let mut bytes = vec![0; 64];
        bytes[..4].copy_from_slice(&48u32.to_le_bytes());
        bytes[4..8].copy_from_slice(&PAD.to_le_bytes());
        assert_eq!(next(&bytes), Ok((None, 48)));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>) {
            let _ = next(&bytes);
        }

        #[test]
        fn a_changed_record_is_read_or_refused(at in 0usize..400, byte: u8) {
            let mut bytes = record(&[(100, IN, b"hello"), (7, OUT, &[1; 100])]);
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok((Some(call), len)) = next(&bytes) {
                prop_assert!(usize::try_from(len).expect("small") <= bytes.len());
                let _ = call.before().read(100, &mut [0; 64]);
            }
        }
    }
}
