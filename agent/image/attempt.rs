//! Calls that may wait are tried first by others, which do not.

use crate::layout::{Frame, class};
use crate::memory::copy;
use crate::rules::{Rule, Span, Wait};
use crate::serve::{PIECE_BYTES, READ, RECORD_BYTES, WRITE, Writer, arg};

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
const MSG_DONTWAIT: u64 = 0x40;

/// The syscall that is made in place of the one asked for.
pub struct Attempt {
    pub nr: u64,
    pub frame: Frame,
    /// It is another one, which does not wait.
    pub tries: bool,
    /// The one asked for writes all that it is to, and waits for that.
    pub whole: bool,
}

impl Attempt {
    /// `None`: there is no such call.
    #[inline(always)]
    pub fn of(rule: &Rule, frame: &Frame, known: u8, buffer: &[u64; 2]) -> Option<Self> {
        let mut attempt = Self {
            nr: frame.rax,
            frame: *frame,
            tries: false,
            whole: false,
        };
        match rule.wait {
            Wait::Never | Wait::Long | Wait::Parks => {}
            Wait::Timeout(index) => {
                // As an `int`: none, or less than none, is for ever.
                if arg(frame, index) as i32 != 0 {
                    attempt.tries = true;
                    match index {
                        2 => attempt.frame.rdx = 0,
                        _ => attempt.frame.r10 = 0,
                    }
                }
            }
            Wait::Descriptor => {
                if known & class::SOCKET != 0 && !attempt.without_waiting() {
                    return None;
                }
                if known & class::PIPE != 0 && !attempt.through_a_pipe(buffer) {
                    return None;
                }
            }
        }
        Some(attempt)
    }

    /// `buffer` is what a plain read or write has for one.
    #[inline(always)]
    fn through_a_pipe(&mut self, buffer: &[u64; 2]) -> bool {
        // Nothing to move is nothing to the calls with lists, but an error of some files.
        if buffer[1] == 0 {
            return false;
        }
        self.tries = true;
        self.whole = self.nr == WRITE;
        self.nr = if self.nr == READ { PREADV2 } else { PWRITEV2 };
        self.frame.rsi = buffer.as_ptr() as u64;
        self.frame.rdx = 1;
        // Where the descriptor is.
        self.frame.r10 = u64::MAX;
        self.frame.r8 = u64::MAX;
        self.frame.r9 = RWF_NOWAIT;
        true
    }

    #[inline(always)]
    fn without_waiting(&mut self) -> bool {
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

/// Puts memory back as it was before an attempt, which may have changed what it only read.
#[inline(always)]
pub unsafe fn undo(writer: &Writer, rule: &Rule, frame: &Frame) {
    if let (Span::Arg(pointer, count, scale), Span::Arg(..)) = (rule.writes, rule.reads) {
        let bytes = arg(frame, count) * u64::from(scale);
        if bytes != 0 {
            let kept = writer.start + RECORD_BYTES + PIECE_BYTES;
            // SAFETY: the piece holds so many bytes; the kernel has written to the same place.
            unsafe { copy(arg(frame, pointer), kept, bytes) }
        }
    }
}

#[inline(always)]
pub fn would_wait(rule: &Rule, result: i64) -> bool {
    match rule.wait {
        Wait::Never | Wait::Long | Wait::Parks => false,
        Wait::Timeout(_) => result == 0,
        // Older kernels do not know how to try a pipe, and some filter from outside may not let anybody.
        Wait::Descriptor => matches!(result, EAGAIN | EOPNOTSUPP | ENOSYS | EPERM),
    }
}
