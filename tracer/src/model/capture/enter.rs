//! A syscall's entry: what the kernel will read, and the plan of what it may write.

use super::exit::{Counted, Extent, Message, Plan};
use super::memory::{self, Memory, Strings};
use super::{
    BYTES_MAX, Call, CaptureError, Entry, Range, SHOWN_BYTES, SHOWN_ELEMENTS, SHOWN_STRUCT_BYTES,
    VECTORS_MAX,
};
use crate::model::types::{Dir, Kind, Mem, Nested, Policy, Shape, Size};
use journal::In;
use std::borrow::Cow;

/// Longest path, NUL included (`PATH_MAX`); no other string that the kernel reads is longer.
const PATH_BYTES_MAX: usize = 4096;
/// Longest string of a command line or an environment (`MAX_ARG_STRLEN`).
const STRING_BYTES_MAX: usize = 128 << 10;
/// More than the kernel takes of command line and environment together.
const STRINGS_BYTES_MAX: usize = 8 << 20;
/// Pointers of a string array that are read at once.
const POINTERS_AT_ONCE: usize = 64;
/// Greatest socket address (`sizeof(struct sockaddr_storage)`).
const SOCKADDR_BYTES_MAX: u64 = 128;
/// Greatest bit set that is looked at: far more bits than a process can have descriptors.
const BIT_SET_BYTES_MAX: u64 = 8 << 20;
/// Greatest structure that says its own size.
const SELF_SIZED_BYTES_MAX: u64 = 64 << 10;

const PAGE_BYTES: u64 = 4096;
const MSGHDR_BYTES: usize = 56;
const IOVEC_BYTES: u64 = 16;
const MMSGHDR_BYTES: u64 = 64;

impl Dir {
    const fn reads(self) -> bool {
        matches!(self, Self::In | Self::InOut)
    }

    const fn writes(self) -> bool {
        matches!(self, Self::Out | Self::InOut)
    }
}

impl Call {
    /// A buffer that the kernel will read, as far as the arguments alone tell: the first.
    #[must_use]
    pub fn first_input(&self) -> Option<(u64, u64)> {
        self.def
            .args
            .iter()
            .zip(self.args)
            .find_map(|(arg, value)| match arg.kind {
                Kind::Mem(Mem {
                    dir,
                    size: Size::Arg { index, scale },
                    ..
                }) if dir.reads() && value != 0 => {
                    let bytes = self.count(index).saturating_mul(scale.into());
                    Some((value, bytes)).filter(|_| bytes > 0)
                }
                _ => None,
            })
    }

    /// Collects what the kernel reads for this call, and plans what it may write.
    ///
    /// # Errors
    ///
    /// A sub-command that is not known, or cannot be recorded.
    pub fn enter(&self, mem: &dyn Memory) -> Result<(Entry, Vec<In<'static>>), CaptureError> {
        let mut entry = Entry::default();
        let mut ins = Vec::new();
        self.enter_at_hand(mem, &mut entry, &mut ins)?;
        let own = |input: In<'_>| In {
            head: input.head.into_owned(),
            ..input
        };
        Ok((entry, ins.into_iter().map(own).collect()))
    }

    /// As [`Call::enter`], with the plan in `entry`, in place of what that held, and what is read behind what
    /// `ins` holds; what `mem` has at hand is not copied.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn enter_at_hand<'m>(
        &self,
        mem: &'m dyn Memory,
        entry: &mut Entry,
        ins: &mut Vec<In<'m>>,
    ) -> Result<(), CaptureError> {
        entry.plans.clear();
        let mut capture = Capture {
            call: self,
            mem,
            ins,
            plans: &mut entry.plans,
        };
        if matches!(self.def.policy, Policy::Refuse(_)) {
            return Ok(());
        }
        for (index, (arg, value)) in self.def.args.iter().zip(self.args).enumerate() {
            // Most are what the table says, whatever the others are.
            if !matches!(arg.kind, Kind::Sub(_)) {
                capture.argument(&arg.kind, value);
                continue;
            }
            let resolved = self.resolve(index);
            self.check_sub(index, &resolved)?;
            if resolved.policy == Policy::Record {
                capture.argument(&resolved.kind, value);
            }
        }
        Ok(())
    }
}

/// A capture under way.
struct Capture<'c, 'm> {
    call: &'c Call,
    mem: &'m dyn Memory,
    ins: &'c mut Vec<In<'m>>,
    plans: &'c mut Vec<Plan>,
}

impl<'m> Capture<'_, 'm> {
    fn argument(&mut self, kind: &Kind, value: u64) {
        if value == 0 {
            // Either no pointer, or a null one.
            return;
        }
        match kind {
            Kind::Path => {
                let string = memory::string(self.mem, value, PATH_BYTES_MAX);
                self.keep(value, string);
            }
            Kind::Strings => self.strings(value),
            Kind::Mem(memory) => self.memory(memory, value),
            Kind::Iovec { dir, count } => {
                let buffers = self.vector(*dir, value, self.call.count(*count));
                if dir.writes() {
                    self.plans.push(Plan::Vector(buffers));
                }
            }
            Kind::Msghdr { dir } => {
                let header = memory::bytes(self.mem, value, MSGHDR_BYTES);
                let message = self.message(*dir, value, header);
                if dir.writes() {
                    self.plans.push(Plan::Message(message));
                }
            }
            Kind::Mmsghdr { dir, count } => self.messages(*dir, value, self.call.count(*count)),
            Kind::Nested(nested) => self.nested(nested, value),
            Kind::Int
            | Kind::Uint
            | Kind::Long
            | Kind::Ulong
            | Kind::Hex
            | Kind::Mode
            | Kind::Addr
            | Kind::Fd
            | Kind::DirFd
            | Kind::Signal
            | Kind::Pid
            | Kind::Id
            | Kind::Dev
            | Kind::Flags(_)
            | Kind::Choice(_)
            | Kind::Unused
            | Kind::Sub(_) => {}
        }
    }

    /// Keeps bytes that have been read anyway.
    fn keep(&mut self, addr: u64, bytes: Cow<'m, [u8]>) {
        if !bytes.is_empty() {
            self.ins.push(memory::whole(addr, bytes));
        }
    }

    /// Reads a range and keeps its beginning.
    fn look(&mut self, addr: u64, len: u64, shown: usize) {
        self.ins
            .extend(memory::input(self.mem, addr, len.min(BYTES_MAX), shown));
    }

    fn strings(&mut self, addr: u64) {
        let pointers = self.pointers(addr);
        let strings: Vec<u64> = pointers
            .chunks_exact(8)
            .map(|word| memory::number(word, 0, 8))
            .collect();
        self.keep(addr, pointers.into());
        let mut reader = Strings::new(self.mem);
        let mut left = STRINGS_BYTES_MAX;
        for addr in strings.into_iter().filter(|&addr| addr != 0) {
            let string = reader.read(addr, STRING_BYTES_MAX.min(left));
            left -= string.len();
            if !string.is_empty() {
                self.ins.push(memory::whole(addr, string.into()));
            }
        }
    }

    /// The pointers at `addr` up to and including the null one.
    fn pointers(&self, addr: u64) -> Vec<u8> {
        let mut pointers = Vec::new();
        while pointers.len() < STRINGS_BYTES_MAX {
            let at = addr.wrapping_add(pointers.len() as u64);
            let more = memory::bytes(self.mem, at, POINTERS_AT_ONCE * 8);
            let null = more.chunks_exact(8).position(|word| word == [0; 8]);
            let whole = null.map_or(more.len() / 8, |at| at + 1);
            pointers.extend_from_slice(&more[..whole * 8]);
            if null.is_some() || more.len() < POINTERS_AT_ONCE * 8 {
                break;
            }
        }
        pointers
    }

    fn memory(&mut self, memory: &Mem, addr: u64) {
        let (extent, bytes) = self.extent(memory.size, addr);
        if memory.dir.reads() {
            self.look(addr, bytes, shown(memory.shape));
        }
        if memory.dir.writes() {
            let max = bytes.min(BYTES_MAX);
            self.plans.push(Plan::Memory {
                addr,
                max,
                extent,
                on_error: memory.on_error,
            });
        }
    }

    /// How the number of bytes written follows at exit, and the number of bytes as far as
    /// the entry tells: what is read, and the most that can be written.
    fn extent(&self, size: Size, addr: u64) -> (Extent, u64) {
        let count = |index| self.call.count(index);
        match size {
            Size::Fixed(bytes) => (Extent::Max, bytes.into()),
            Size::Arg { index, scale } => (Extent::Max, count(index).saturating_mul(scale.into())),
            Size::Ret { max, scale } => (
                Extent::Result { scale },
                count(max).saturating_mul(scale.into()),
            ),
            Size::ArgPlus { index, plus } => {
                (Extent::Max, count(index).saturating_add(plus.into()))
            }
            Size::RetPlus { max, plus } => (
                Extent::ResultPlus { plus },
                count(max).saturating_add(plus.into()),
            ),
            Size::Pages { index } => (Extent::Max, count(index).div_ceil(PAGE_BYTES)),
            Size::Deref { index, scale } => {
                let at = self.call.arg(index);
                let len = memory::u32_at(self.mem, at).and_then(|len| i32::try_from(len).ok());
                let bytes = u64::try_from(len.unwrap_or(0)).unwrap_or(0) * u64::from(scale);
                (Extent::Number { at, scale }, bytes)
            }
            Size::Bits { index } => (
                Extent::Max,
                (count(index).div_ceil(64).saturating_mul(8)).min(BIT_SET_BYTES_MAX),
            ),
            Size::Cstr { max } => (Extent::Nul, count(max)),
            Size::SelfCounted { head, scale } => self.extent(
                Size::Counted {
                    at: 0,
                    bytes: 4,
                    head,
                    scale,
                },
                addr,
            ),
            Size::Counted {
                at,
                bytes,
                head,
                scale,
            } => {
                let counted = Counted {
                    at,
                    bytes,
                    head,
                    scale,
                };
                (Extent::Counted(counted), counted.len(self.mem, addr))
            }
            Size::SelfSized => {
                let bytes = u64::from(memory::u32_at(self.mem, addr).unwrap_or(0));
                (Extent::Sized, bytes.min(SELF_SIZED_BYTES_MAX))
            }
        }
    }

    /// An `iovec` array, and the buffers in it.
    fn vector(&mut self, dir: Dir, addr: u64, count: u64) -> Vec<Range> {
        let buffers = self.buffers(addr, count);
        if dir.reads() {
            let mut left = BYTES_MAX;
            for buffer in &buffers {
                let len = buffer.len.min(left);
                self.look(buffer.addr, len, SHOWN_BYTES);
                left -= len;
            }
        }
        buffers
    }

    fn buffers(&mut self, addr: u64, count: u64) -> Vec<Range> {
        if count > VECTORS_MAX {
            // The kernel refuses; nothing behind the pointer matters.
            return Vec::new();
        }
        let len = usize::try_from(count * IOVEC_BYTES).unwrap_or(0);
        let array = memory::bytes(self.mem, addr, len);
        let buffers = array
            .chunks_exact(16)
            .map(|entry| Range {
                addr: memory::number(entry, 0, 8),
                len: memory::number(entry, 8, 8).min(BYTES_MAX),
            })
            .collect();
        self.keep(addr, array);
        buffers
    }

    /// A `msghdr` that has been read, and what it points to.
    fn message(&mut self, dir: Dir, addr: u64, header: Cow<'m, [u8]>) -> Message {
        if header.len() < MSGHDR_BYTES {
            self.keep(addr, header);
            return Message::default();
        }
        let field = |offset, len| memory::number(&header, offset, len);
        let name_len = i32::try_from(field(8, 4)).map_or(0, i32::unsigned_abs);
        let name = Range {
            addr: field(0, 8),
            len: u64::from(name_len).min(SOCKADDR_BYTES_MAX),
        };
        let (vector, count) = (field(16, 8), field(24, 8));
        let control = Range {
            addr: field(32, 8),
            len: field(40, 8).min(BYTES_MAX),
        };
        let header_len = header.len() as u64;
        self.keep(addr, header);
        if dir.reads() {
            self.look(name.addr, name.len, SHOWN_STRUCT_BYTES);
        }
        let buffers = self.vector(dir, vector, count);
        if dir.reads() {
            self.look(control.addr, control.len, SHOWN_STRUCT_BYTES);
        }
        Message {
            header: Range {
                addr,
                len: header_len,
            },
            name,
            control,
            buffers,
        }
    }

    fn messages(&mut self, dir: Dir, addr: u64, count: u64) {
        // Unlike longer vectors, more messages than this are no error: the rest is ignored.
        let count = count.min(VECTORS_MAX);
        let len = usize::try_from(count * MMSGHDR_BYTES).unwrap_or(0);
        let array = memory::bytes(self.mem, addr, len);
        let mut messages = Vec::new();
        let mut at = addr;
        for header in array.chunks(64) {
            messages.push(self.message(dir, at, header.to_vec().into()));
            at = at.wrapping_add(MMSGHDR_BYTES);
        }
        self.plans.push(if dir.writes() {
            Plan::Messages(messages)
        } else {
            sent(&messages)
        });
    }

    fn nested(&mut self, nested: &Nested, addr: u64) {
        let (_, bytes) = self.extent(nested.head.size, addr);
        let len = usize::try_from(bytes.min(SELF_SIZED_BYTES_MAX)).unwrap_or(0);
        let head = memory::bytes(self.mem, addr, len);
        let pointer = memory::number(&head, nested.pointer.into(), 8);
        let count = memory::number(&head, nested.len.into(), nested.len_bytes.into());
        let buffer = Range {
            addr: pointer,
            len: count.saturating_mul(nested.scale.into()).min(BYTES_MAX),
        };
        let head_len = head.len() as u64;
        // Even a head that the kernel only writes says where its buffer is.
        self.keep(addr, head);
        if nested.buffer.reads() {
            self.look(buffer.addr, buffer.len, SHOWN_BYTES);
        }
        if nested.head.dir.writes() {
            let max = bytes.min(BYTES_MAX).max(head_len);
            let on_error = nested.head.on_error;
            self.plans.push(Plan::Memory {
                addr,
                max,
                extent: Extent::Max,
                on_error,
            });
        }
        if nested.buffer.writes() && buffer.addr != 0 {
            self.plans.push(Plan::Nested {
                buffer,
                count_at: addr.wrapping_add(nested.len.into()),
                count_bytes: nested.len_bytes,
                scale: nested.scale,
                on_error: nested.head.on_error,
            });
        }
    }
}

/// What sending several messages writes: the lengths in their headers.
fn sent(messages: &[Message]) -> Plan {
    let headers = messages
        .iter()
        .map(|message| Message {
            header: message.header,
            ..Message::default()
        })
        .collect();
    Plan::Messages(headers)
}

/// How much of an input is kept.
fn shown(shape: Shape) -> usize {
    match shape {
        Shape::Bytes | Shape::Opaque => SHOWN_BYTES,
        Shape::Text | Shape::Struct(_) => SHOWN_STRUCT_BYTES,
        Shape::Array(id) => (id.size() as usize * SHOWN_ELEMENTS).min(SHOWN_STRUCT_BYTES),
    }
}
