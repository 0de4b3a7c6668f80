//! What of the application's memory goes into the record of a call: as much as its rule says.

use crate::layout::Frame;
use crate::memory::copy;
use crate::record::{FILE, IN, OUT, Piece, Record, TEXT, aligned};
use crate::rules::{BYTES_MAX, Rule, Span, TEXT_MAX, VECTORS_MAX};
use crate::serve::arg;

const MESSAGE_BYTES: u64 = 56;
pub const VECTOR_BYTES: u64 = 16;
/// Greatest socket address (`sizeof(struct sockaddr_storage)`).
const ADDRESS_BYTES_MAX: u64 = 128;
const LENGTH_BYTES: u64 = 4;
pub const RECORD_BYTES: u64 = size_of::<Record>() as u64;
pub const PIECE_BYTES: u64 = size_of::<Piece>() as u64;
/// More than a record needs besides the bytes of its pieces.
pub const ROOM: u64 = RECORD_BYTES + (VECTORS_MAX + 4) * (PIECE_BYTES + 8) + 2 * TEXT_MAX;

/// # Safety
///
/// Memory of the application's may fault.
#[inline(always)]
pub unsafe fn word(at: u64) -> u64 {
    // SAFETY: as the caller says.
    unsafe { (at as *const u64).read_unaligned() }
}

/// # Safety
///
/// Memory of the application's may fault.
#[inline(always)]
unsafe fn half(at: u64) -> u32 {
    // SAFETY: as the caller says.
    unsafe { (at as *const u32).read_unaligned() }
}

/// The record being written.
pub struct Writer {
    pub start: u64,
    pub at: u64,
}

impl Writer {
    /// A record at an address where there is room.
    #[inline(always)]
    pub const fn new(start: u64) -> Self {
        Self {
            start,
            at: start + RECORD_BYTES,
        }
    }

    #[inline(always)]
    pub const fn len(&self) -> u64 {
        self.at - self.start
    }

    /// Keeps memory. The room was made sure of.
    #[inline(always)]
    unsafe fn piece(&mut self, addr: u64, len: u64, kind: u32) {
        // SAFETY: inside the ring; the source may fault before the syscall is performed.
        unsafe {
            (self.at as *mut Piece).write(Piece {
                addr,
                len: len as u32,
                kind,
            });
            copy(self.at + PIECE_BYTES, addr, len);
        }
        self.at += PIECE_BYTES + aligned(len);
    }

    /// Keeps what is going to be read, if there is any.
    #[inline(always)]
    unsafe fn input(&mut self, addr: u64, len: u64) {
        if addr != 0 && len != 0 {
            // SAFETY: as in `piece`.
            unsafe { self.piece(addr, len, IN) }
        }
    }

    /// Keeps what file it is that was opened.
    #[inline(always)]
    pub unsafe fn file(&mut self, dev: u64, inode: u64) {
        let key = [dev, inode];
        // SAFETY: as in `piece`, and nothing faults.
        unsafe { self.piece(key.as_ptr() as u64, size_of_val(&key) as u64, FILE) }
    }

    /// Keeps a string up to its NUL; whether there is one.
    unsafe fn text(&mut self, addr: u64) -> bool {
        let to = self.at + PIECE_BYTES;
        let mut len = 0;
        // SAFETY: as in `piece`.
        unsafe {
            while len < TEXT_MAX {
                let byte = ((addr + len) as *const u8).read();
                ((to + len) as *mut u8).write(byte);
                len += 1;
                if byte == 0 {
                    (self.at as *mut Piece).write(Piece {
                        addr,
                        len: len as u32,
                        kind: TEXT,
                    });
                    self.at += PIECE_BYTES + aligned(len);
                    return true;
                }
            }
        }
        false
    }

    /// Keeps an array of buffers, and the buffers, if they are read.
    unsafe fn vector(&mut self, list: u64, count: u64, read: bool) -> bool {
        if count > VECTORS_MAX {
            return false;
        }
        let mut total = 0u64;
        // SAFETY: as in `piece`.
        unsafe {
            for index in 0..count {
                let len = word(list + index * VECTOR_BYTES + 8);
                if len > BYTES_MAX {
                    return false;
                }
                total += len;
            }
            if total > BYTES_MAX {
                return false;
            }
            if count > 0 {
                self.piece(list, count * VECTOR_BYTES, IN);
            }
            for index in 0..count {
                let entry = list + index * VECTOR_BYTES;
                let len = word(entry + 8);
                if read && len > 0 {
                    self.piece(word(entry), len, IN);
                }
            }
        }
        true
    }

    /// Keeps a `msghdr` and its buffers: those, if they are read.
    unsafe fn message(&mut self, addr: u64, read: bool) -> bool {
        if addr == 0 {
            return false;
        }
        // SAFETY: as in `piece`.
        unsafe {
            let (name, control, control_len) = (word(addr), word(addr + 32), word(addr + 40));
            if (read && name != 0) || (control != 0 && control_len != 0) {
                return false;
            }
            self.piece(addr, MESSAGE_BYTES, IN);
            self.vector(word(addr + 16), word(addr + 24), read)
        }
    }

    /// Keeps an address that was written, of so many bytes, as far as there was room.
    unsafe fn address(&mut self, addr: u64, room: u32, bytes: u32) {
        let bytes = u64::from(room.min(bytes)).min(ADDRESS_BYTES_MAX);
        if addr != 0 && bytes != 0 {
            // SAFETY: as in `piece`.
            unsafe { self.piece(addr, bytes, OUT) }
        }
    }

    /// Where the bytes of a piece are that was kept in front of any other.
    pub const fn first_piece(&self) -> u64 {
        self.start + RECORD_BYTES + PIECE_BYTES
    }

    /// Keeps so many bytes that were written to the buffers of an array, one after the other.
    unsafe fn scattered(&mut self, list: u64, count: u64, bytes: u64) {
        let mut left = bytes;
        let mut index = 0;
        while index < count && left > 0 {
            let entry = list + index * VECTOR_BYTES;
            // SAFETY: the array is a copy in the ring; the kernel has written to the buffers.
            unsafe {
                let len = word(entry + 8).min(left);
                if len > 0 {
                    self.piece(word(entry), len, OUT);
                }
                left -= len;
            }
            index += 1;
        }
    }
}

/// How many bytes the call moves at most, besides what has a limit of its own; `None` if that is
/// more than is served.
#[inline(always)]
pub fn moved_at_most(rule: &Rule, frame: &Frame) -> Option<u64> {
    let mut total = 0;
    for span in rule.reads.iter().chain(rule.writes) {
        total += match *span {
            Span::Text(_) => 0,
            Span::Fixed(_, bytes) => u64::from(bytes),
            Span::Arg(_, count, scale) => limited(arg(frame, count))? * u64::from(scale),
            // What bounds the result is the next argument; it is an `int` in some calls.
            Span::Result(pointer, scale) => limited(arg(frame, pointer + 1))? * u64::from(scale),
            Span::Bits(_, count) => bits(limited(arg(frame, count) as u32 as u64)?),
            Span::Vector(..) | Span::Message(_) | Span::Buffers(..) => BYTES_MAX,
            Span::Received(_) => BYTES_MAX + MESSAGE_BYTES + ADDRESS_BYTES_MAX,
            Span::Address(..) => LENGTH_BYTES + ADDRESS_BYTES_MAX,
        };
    }
    (total <= 3 * BYTES_MAX).then_some(total)
}

#[inline(always)]
fn limited(count: u64) -> Option<u64> {
    (count <= BYTES_MAX).then_some(count)
}

/// Bytes of so many bits.
#[inline(always)]
const fn bits(count: u64) -> u64 {
    count.div_ceil(64) * 8
}

/// Keeps what the kernel is going to read; whether all of it could be.
#[inline(always)]
pub unsafe fn keep_inputs(writer: &mut Writer, reads: &[Span], frame: &Frame) -> bool {
    for span in reads {
        // SAFETY: there is room; memory of the application's may fault here.
        unsafe {
            match *span {
                Span::Result(..) => {}
                Span::Fixed(pointer, bytes) => writer.input(arg(frame, pointer), bytes.into()),
                Span::Arg(pointer, count, scale) => {
                    let bytes = arg(frame, count) * u64::from(scale);
                    writer.input(arg(frame, pointer), bytes);
                }
                Span::Bits(pointer, count) => {
                    writer.input(arg(frame, pointer), bits(arg(frame, count) as u32 as u64));
                }
                Span::Text(pointer) => {
                    let addr = arg(frame, pointer);
                    if addr != 0 && !writer.text(addr) {
                        return false;
                    }
                }
                Span::Address(_, length) => writer.input(arg(frame, length), LENGTH_BYTES),
                Span::Vector(list, count) | Span::Buffers(list, count) => {
                    let read = matches!(span, Span::Vector(..));
                    if !writer.vector(arg(frame, list), arg(frame, count), read) {
                        return false;
                    }
                }
                Span::Message(pointer) | Span::Received(pointer) => {
                    let read = matches!(span, Span::Message(_));
                    if !writer.message(arg(frame, pointer), read) {
                        return false;
                    }
                }
            }
        }
    }
    true
}

/// Keeps what the kernel has written.
#[inline(always)]
pub unsafe fn keep_outputs(writer: &mut Writer, rule: &Rule, frame: &Frame, result: i64) {
    if result < 0 {
        return;
    }
    for span in rule.writes {
        let (pointer, bytes) = match *span {
            Span::Fixed(pointer, bytes) => (pointer, u64::from(bytes)),
            Span::Arg(pointer, count, scale) => (pointer, arg(frame, count) * u64::from(scale)),
            Span::Bits(pointer, count) => (pointer, bits(arg(frame, count) as u32 as u64)),
            Span::Result(pointer, scale) => {
                let count = (result as u64).min(arg(frame, pointer + 1));
                (pointer, count * u64::from(scale))
            }
            Span::Buffers(..) | Span::Received(_) | Span::Address(..) => {
                // SAFETY: the kernel has written there.
                unsafe { keep_by_inputs(writer, span, frame, result as u64) };
                continue;
            }
            Span::Text(_) | Span::Vector(..) | Span::Message(_) => continue,
        };
        let addr = arg(frame, pointer);
        if addr != 0 && bytes != 0 {
            // SAFETY: the kernel has written there.
            unsafe { writer.piece(addr, bytes, OUT) }
        }
    }
}

/// Keeps what was written to where the first thing says that the kernel has read, which is in the record.
#[inline(never)]
unsafe fn keep_by_inputs(writer: &mut Writer, span: &Span, frame: &Frame, result: u64) {
    let first = writer.first_piece();
    // SAFETY: the kernel has written there; the record has what it read.
    unsafe {
        match *span {
            Span::Buffers(_, count) => writer.scattered(first, arg(frame, count), result),
            Span::Received(pointer) => {
                let addr = arg(frame, pointer);
                let (name, room, count) = (word(first), half(first + 8), word(first + 24));
                let list = first + aligned(MESSAGE_BYTES) + PIECE_BYTES;
                writer.piece(addr, MESSAGE_BYTES, OUT);
                writer.scattered(list, count, result);
                writer.address(name, room, half(addr + 8));
            }
            Span::Address(pointer, length) => {
                let at = arg(frame, length);
                if at != 0 {
                    writer.piece(at, LENGTH_BYTES, OUT);
                    writer.address(arg(frame, pointer), half(first), half(at));
                }
            }
            _ => {}
        }
    }
}
