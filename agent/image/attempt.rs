//! Calls that may wait are tried first by others, which do not.

use crate::keep::{PIECE_BYTES, RECORD_BYTES, VECTOR_BYTES, Writer, word};
use crate::layout::{Frame, class};
use crate::memory::put;
use crate::record::{IN, Piece, aligned};
use crate::rules::{MADV_DONTNEED, MADV_FREE, Rule, Span, Wait};
use crate::serve::{READ, READV, WRITE, arg, set_arg};
use core::arch::asm;

const EAGAIN: i64 = -11;
const EPERM: i64 = -1;
const ENOSYS: i64 = -38;
const EOPNOTSUPP: i64 = -95;
const WRITEV: u64 = 20;
const PREADV2: u64 = 327;
const PWRITEV2: u64 = 328;
const RWF_NOWAIT: u64 = 8;
const SENDTO: u64 = 44;
const RECVFROM: u64 = 45;
const SENDMSG: u64 = 46;
const RECVMSG: u64 = 47;
const MSG_DONTWAIT: u64 = 0x40;

/// The syscall that is made in place of the one asked for.
pub struct Attempt {
    pub nr: u64,
    pub frame: Frame,
    /// It is another one, which does not wait.
    pub tries: bool,
    /// The one asked for writes all that it is to, and waits for that.
    pub whole: bool,
    /// Where it writes how much of its time is left, unless that is 0: the time, in so many parts of a second.
    pub left: (u64, u32),
}

impl Attempt {
    /// `None`: there is no such call. `room` is for what the other one passes, and stays where it is as long.
    ///
    /// # Safety
    ///
    /// What the call reads is kept already, and may fault here.
    #[inline(always)]
    pub unsafe fn of(rule: &Rule, frame: &Frame, known: u8, room: &mut [u64; 7]) -> Option<Self> {
        let mut attempt = Self {
            nr: frame.rax,
            frame: *frame,
            tries: false,
            whole: false,
            left: (0, 0),
        };
        match rule.wait {
            Wait::Never | Wait::Long | Wait::Parks => {
                if rule.performs {
                    attempt.frame = performed(frame);
                }
            }
            Wait::Timeout(index) => {
                // As an `int`: none, or less than none, is for ever.
                if arg(frame, index) as i32 != 0 {
                    attempt.tries = true;
                    set_arg(&mut attempt.frame, index, 0);
                }
            }
            Wait::Time(index, units) => {
                let at = arg(frame, index);
                // SAFETY: as the caller says.
                let left = unsafe { time(at, units) }?;
                if left.is_some_and(|left| left != 0) && rule.tells_time(index) {
                    attempt.left = (at, units);
                    // SAFETY: as the caller says: what cannot be written is not served.
                    unsafe { write_back(at) }
                }
                if left != Some(0) {
                    attempt.tries = true;
                    set_arg(&mut attempt.frame, index, room.as_ptr() as u64);
                }
            }
            Wait::Descriptor => {
                if known & class::SOCKET != 0 && !attempt.without_waiting(room) {
                    return None;
                }
                if known & class::PIPE != 0 && !attempt.through_a_pipe(room) {
                    return None;
                }
            }
        }
        Some(attempt)
    }

    #[inline(always)]
    fn through_a_pipe(&mut self, room: &mut [u64; 7]) -> bool {
        // Nothing to move is nothing to the calls with lists, but an error of some files.
        if self.nr != READV {
            if self.frame.rdx == 0 {
                return false;
            }
            room[..2].copy_from_slice(&[self.frame.rsi, self.frame.rdx]);
            self.frame.rsi = room.as_ptr() as u64;
            self.frame.rdx = 1;
        }
        self.whole = self.nr == WRITE;
        self.nr = match self.nr {
            READ | READV => PREADV2,
            WRITE => PWRITEV2,
            _ => return false,
        };
        self.tries = true;
        // Where the descriptor is.
        self.frame.r10 = u64::MAX;
        self.frame.r8 = u64::MAX;
        self.frame.r9 = RWF_NOWAIT;
        true
    }

    #[inline(always)]
    fn without_waiting(&mut self, room: &mut [u64; 7]) -> bool {
        self.tries = true;
        match self.nr {
            // To read nothing takes nothing; to receive nothing takes a datagram.
            READ if self.frame.rdx == 0 => return false,
            READ | WRITE => {
                self.whole = self.nr == WRITE;
                self.nr = if self.nr == READ { RECVFROM } else { SENDTO };
                self.frame.r10 = MSG_DONTWAIT;
                self.frame.r8 = 0;
                self.frame.r9 = 0;
            }
            RECVFROM | SENDTO => {
                self.tries = self.frame.r10 & MSG_DONTWAIT == 0;
                self.whole = self.tries && self.nr == SENDTO;
                self.frame.r10 |= MSG_DONTWAIT;
            }
            RECVMSG => {
                self.tries = self.frame.rdx & MSG_DONTWAIT == 0;
                self.frame.rdx |= MSG_DONTWAIT;
            }
            // The same of several buffers.
            // SAFETY: the record has the array.
            READV if unsafe { total(self.frame.rsi, self.frame.rdx) } == 0 => return false,
            READV => {
                // A `msghdr` without a name.
                room[2..4].copy_from_slice(&[self.frame.rsi, self.frame.rdx]);
                self.nr = RECVMSG;
                self.frame.rsi = room.as_ptr() as u64;
                self.frame.rdx = MSG_DONTWAIT;
            }
            // They write all of several buffers: what is left of these is nobody's call.
            WRITEV => return false,
            SENDMSG => {
                self.tries = false;
                return self.frame.rdx & MSG_DONTWAIT != 0;
            }
            _ => return false,
        }
        true
    }
}

/// Bytes that the buffers of an array have.
unsafe fn total(list: u64, count: u64) -> u64 {
    let mut total = 0;
    for index in 0..count {
        // SAFETY: memory of the application's, which was read before.
        total += unsafe { word(list + index * VECTOR_BYTES + 8) };
    }
    total
}

/// What is asked of the kernel in place of a call that changes memory: whether pages that are free keep their
/// content is its whim, and losing it at once the same every time.
#[inline(always)]
pub fn performed(frame: &Frame) -> Frame {
    let mut frame = *frame;
    if frame.rdx as u32 == MADV_FREE {
        frame.rdx = MADV_DONTNEED.into();
    }
    frame
}

/// A time behind a pointer, of so many parts of a second each unit: no time, some (not 0), or none is given.
/// `None`: it is none that the kernel takes.
#[inline(always)]
unsafe fn time(at: u64, units: u32) -> Option<Option<u64>> {
    if at == 0 {
        return Some(None);
    }
    // SAFETY: memory of the application's may fault.
    let (seconds, parts) = unsafe { (word(at), word(at + 8)) };
    // More than a second's parts only a `timeval` may have; what is left of it is not looked at here.
    let taken = seconds as i64 >= 0 && parts < units.into();
    taken.then_some(Some(seconds | parts))
}

/// The kernel has written how much time is left; hardly any has passed: a microsecond.
///
/// # Safety
///
/// The application's time can be written.
#[inline(always)]
pub unsafe fn has_passed((at, units): (u64, u32)) {
    if at == 0 {
        return;
    }
    let parts = u64::from(units / 1_000_000);
    // SAFETY: as the caller says.
    unsafe {
        let (mut seconds, mut rest) = (word(at), word(at + 8));
        if rest < parts && seconds > 0 {
            seconds -= 1;
            rest += u64::from(units);
        }
        (at as *mut [u64; 2]).write_unaligned([seconds, rest.saturating_sub(parts)]);
    }
}

/// Writes what is there.
#[inline(always)]
unsafe fn write_back(at: u64) {
    // SAFETY: memory of the application's may fault. Here and now, whatever the compiler thinks of it.
    unsafe {
        asm!(
            "mov {word}, qword ptr [{at}]",
            "mov qword ptr [{at}], {word}",
            "mov {word}, qword ptr [{at} + 8]",
            "mov qword ptr [{at} + 8], {word}",
            at = in(reg) at,
            word = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// Puts memory back as it was before an attempt, which may have changed what it only read.
#[inline(always)]
pub unsafe fn undo(writer: &Writer, rule: &Rule, frame: &Frame) {
    if matches!(rule.wait, Wait::Timeout(_) | Wait::Time(..)) && !rule.reads.is_empty() {
        // SAFETY: as the caller says.
        unsafe { put_back(writer, rule, frame) }
    }
}

#[inline(never)]
unsafe fn put_back(writer: &Writer, rule: &Rule, frame: &Frame) {
    let mut at = writer.start + RECORD_BYTES;
    while at < writer.at {
        // SAFETY: pieces follow each other in the record; the kernel has written to the same place.
        unsafe {
            let piece = (at as *const Piece).read();
            let written = rule.writes.iter().any(|span| match span {
                Span::Arg(pointer, ..) | Span::Bits(pointer, _) => {
                    arg(frame, *pointer) == piece.addr
                }
                _ => false,
            });
            if piece.kind == IN && written {
                put(piece.addr, at + PIECE_BYTES, piece.len.into());
            }
            at += PIECE_BYTES + aligned(piece.len.into());
        }
    }
}

#[inline(always)]
pub fn would_wait(rule: &Rule, result: i64) -> bool {
    match rule.wait {
        Wait::Never | Wait::Long | Wait::Parks => false,
        Wait::Timeout(_) | Wait::Time(..) => result == 0,
        // Older kernels do not know how to try a pipe, and some filter from outside may not let anybody.
        Wait::Descriptor => matches!(result, EAGAIN | EOPNOTSUPP | ENOSYS | EPERM),
    }
}
