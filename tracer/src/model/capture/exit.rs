//! A syscall's exit: what the kernel may have written.

use super::memory::{self, Memory};
use super::{Call, CaptureError, Entry, Range};

/// What a syscall may write through one argument, as far as its entry tells.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// Memory behind the argument.
    Memory {
        /// Where.
        addr: u64,
        /// The most bytes that can be written, as far as known at entry.
        max: u64,
        /// How many are written.
        extent: Extent,
        /// Also when the syscall fails.
        on_error: bool,
    },
    /// Buffers that are filled one after the other with as many bytes as the result says.
    Vector(Vec<Range>),
    /// A message that is received.
    Message(Message),
    /// Messages, as many as the result says; each header ends with the message's length.
    Messages(Vec<Message>),
    /// The buffer of a nested structure.
    Nested {
        /// The buffer, as long as the structure said at entry.
        buffer: Range,
        /// Where in the structure the length stands.
        count_at: u64,
        /// Bytes of the length.
        count_bytes: u8,
        /// Bytes per unit of the length.
        scale: u32,
        /// Also when the syscall fails.
        on_error: bool,
    },
}

/// How many bytes behind an argument are written, if the syscall succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// As many as can be.
    Max,
    /// As many units as the result says.
    Result {
        /// Bytes per unit.
        scale: u32,
    },
    /// As many bytes as the result says, and more.
    ResultPlus {
        /// Bytes besides.
        plus: u32,
    },
    /// As many units as the 32-bit number there says.
    Number {
        /// Where it stands.
        at: u64,
        /// Bytes per unit.
        scale: u32,
    },
    /// Up to and including a NUL.
    Nul,
    /// A head, and as many entries as it says, before or after.
    Counted(Counted),
    /// As many bytes as the first 32-bit number says, before or after.
    Sized,
}

/// A head that counts the entries which follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// Offset of the count.
    pub at: u8,
    /// Bytes of the count.
    pub bytes: u8,
    /// Bytes of the head.
    pub head: u32,
    /// Bytes per entry.
    pub scale: u32,
}

impl Counted {
    /// Bytes of head and entries, as the head at `addr` now says.
    pub fn len(self, mem: &dyn Memory, addr: u64) -> u64 {
        let count = memory::bytes(mem, addr.wrapping_add(self.at.into()), self.bytes.into());
        let count = memory::number(&count, 0, self.bytes.into());
        count
            .saturating_mul(self.scale.into())
            .saturating_add(self.head.into())
            .min(COUNTED_BYTES_MAX)
    }
}

/// A `msghdr`: itself, and what it points to. Each range as it was at entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub header: Range,
    pub name: Range,
    pub control: Range,
    pub buffers: Vec<Range>,
}

/// How a syscall ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// With this result.
    Done(u64),
    /// With an error before it wrote anything but what the table says it writes on errors.
    Failed,
    /// With an error on the way: anything may be written.
    Broke,
}

/// Errors after which part of the output may stand in memory: a copy that met unreadable
/// memory, or a device that failed during direct input.
const BREAKING: [i32; 8] = [
    libc::EFAULT,
    libc::EIO,
    libc::ENODATA,
    libc::EREMOTEIO,
    libc::ENOLINK,
    libc::EILSEQ,
    libc::EBADMSG,
    libc::ENOMEM,
];

impl Outcome {
    fn of(result: i64) -> Self {
        match result {
            // The codes by which the kernel restarts a syscall (-512…-516) are among them.
            -4095..0 if BREAKING.iter().any(|&errno| result == -i64::from(errno)) => Self::Broke,
            -4095..0 => Self::Failed,
            _ => Self::Done(result.cast_unsigned()),
        }
    }
}

/// Structures that say their own length are believed up to here.
const COUNTED_BYTES_MAX: u64 = 16 << 20;

impl Call {
    /// Appends to `ranges` the memory that the kernel may have written. What has not been
    /// written, but might have been, does no harm there.
    ///
    /// # Errors
    ///
    /// None so far: what cannot be captured is refused at entry.
    pub fn outs(
        &self,
        entry: &Entry,
        result: i64,
        mem: &dyn Memory,
        ranges: &mut Vec<Range>,
    ) -> Result<(), CaptureError> {
        let outcome = Outcome::of(result);
        for plan in &entry.plans {
            let mut written = Written {
                mem,
                ranges,
                outcome,
            };
            match plan {
                Plan::Memory {
                    addr,
                    max,
                    extent,
                    on_error,
                } => {
                    written.memory(*addr, *max, *extent, *on_error);
                }
                Plan::Vector(buffers) => written.vector(buffers),
                Plan::Message(message) => written.message(message),
                Plan::Messages(messages) => written.messages(messages),
                Plan::Nested {
                    buffer,
                    count_at,
                    count_bytes,
                    scale,
                    on_error,
                } => {
                    written.nested(*buffer, *count_at, *count_bytes, *scale, *on_error);
                }
            }
        }
        Ok(())
    }
}

struct Written<'w> {
    mem: &'w dyn Memory,
    ranges: &'w mut Vec<Range>,
    outcome: Outcome,
}

impl Written<'_> {
    fn push(&mut self, addr: u64, len: u64) {
        if addr != 0 && len != 0 {
            self.ranges.push(Range { addr, len });
        }
    }

    fn memory(&mut self, addr: u64, max: u64, extent: Extent, on_error: bool) {
        let result = match self.outcome {
            Outcome::Done(result) => Some(result),
            Outcome::Failed if !on_error => return,
            Outcome::Failed | Outcome::Broke => None,
        };
        let len = match (extent, result) {
            (Extent::Result { scale }, Some(result)) => {
                result.saturating_mul(scale.into()).min(max)
            }
            (Extent::ResultPlus { plus }, Some(result)) => {
                result.saturating_add(plus.into()).min(max)
            }
            (Extent::Number { at, scale }, Some(_)) => memory::u32_at(self.mem, at)
                .map_or(max, |len| {
                    u64::from(len).saturating_mul(scale.into()).min(max)
                }),
            (Extent::Nul, Some(_)) => self.string(addr, max),
            (Extent::Counted(counted), _) => counted.len(self.mem, addr).max(max),
            (Extent::Sized, _) => {
                let now = u64::from(memory::u32_at(self.mem, addr).unwrap_or(0));
                now.max(max).min(COUNTED_BYTES_MAX)
            }
            // Fixed by the entry, or the most possible after a failure.
            _ => max,
        };
        self.push(addr, len);
    }

    /// Length of the string at `addr`, NUL included, at most `max`.
    fn string(&self, addr: u64, max: u64) -> u64 {
        let max = usize::try_from(max.min(COUNTED_BYTES_MAX)).unwrap_or(0);
        memory::Strings::new(self.mem).read(addr, max).len() as u64
    }

    fn vector(&mut self, buffers: &[Range]) {
        let mut left = match self.outcome {
            Outcome::Done(result) => result,
            Outcome::Failed => 0,
            Outcome::Broke => u64::MAX,
        };
        for buffer in buffers {
            let len = buffer.len.min(left);
            self.push(buffer.addr, len);
            left -= len;
        }
    }

    fn message(&mut self, message: &Message) {
        if self.outcome == Outcome::Failed {
            return;
        }
        self.push(message.header.addr, message.header.len);
        self.vector(&message.buffers);
        if self.outcome == Outcome::Broke {
            self.push(message.name.addr, message.name.len);
            self.push(message.control.addr, message.control.len);
            return;
        }
        let len = usize::try_from(message.header.len).unwrap_or(0);
        let header = memory::bytes(self.mem, message.header.addr, len);
        if header.len() == len {
            let name_len = memory::number(&header, 8, 4);
            let control_len = memory::number(&header, 40, 8);
            self.push(message.name.addr, name_len.min(message.name.len));
            self.push(message.control.addr, control_len.min(message.control.len));
        }
    }

    fn messages(&mut self, messages: &[Message]) {
        let (count, broke) = match self.outcome {
            Outcome::Done(count) => (usize::try_from(count).unwrap_or(usize::MAX), false),
            Outcome::Failed => return,
            Outcome::Broke => (usize::MAX, true),
        };
        for message in messages.iter().take(count) {
            // The length of each message is its own result.
            let at = message.header.addr.wrapping_add(56);
            let received = memory::u32_at(self.mem, at).map_or(u64::MAX, u64::from);
            let outcome = if broke {
                Outcome::Broke
            } else {
                Outcome::Done(received)
            };
            Written {
                mem: self.mem,
                ranges: self.ranges,
                outcome,
            }
            .message(message);
        }
    }

    fn nested(&mut self, buffer: Range, count_at: u64, bytes: u8, scale: u32, on_error: bool) {
        let len = match self.outcome {
            Outcome::Failed if !on_error => return,
            Outcome::Failed | Outcome::Broke => buffer.len,
            Outcome::Done(_) => {
                let count = memory::bytes(self.mem, count_at, bytes.into());
                let count = memory::number(&count, 0, bytes.into());
                count.saturating_mul(scale.into()).min(buffer.len)
            }
        };
        self.push(buffer.addr, len);
    }
}
