//! Short forms, so that an entry of the syscall table takes one or two lines.
//!
//! ```text
//! s!(0 read(fd: FD, buf: out_ret(2), count: ULONG) -> Int).waits()
//! cmd(0x5401, "TCGETS", out_struct(StructId::Termios))
//! ```

use super::super::types::{
    Arg, Block, Dir, FileChange, Handler, Kind, Mem, Names, Policy, Ret, Shape, Size, StructId,
    Sub, SubCommand, Syscall, Unknown,
};

/// One entry: number, name, arguments with their kinds, and the kind of the result
/// (a variant of [`Ret`]). It records, never waits and has no handler unless the
/// methods of [`Syscall`] below say otherwise.
macro_rules! s {
    ($nr:literal $name:ident ( $($arg:ident : $kind:expr),* $(,)? ) -> $ret:ident $(($names:expr))?) => {{
        const ARGS: &[$crate::model::Arg] =
            &[$($crate::model::Arg { name: stringify!($arg), kind: $kind }),*];
        $crate::model::table::dsl::syscall($nr, stringify!($name), ARGS, $crate::model::Ret::$ret $(($names))?)
    }};
}
pub(crate) use s;

/// What [`s!`] expands to.
pub const fn syscall(nr: u32, name: &'static str, args: &'static [Arg], ret: Ret) -> Syscall {
    Syscall {
        nr,
        name,
        args,
        ret,
        policy: Policy::Record,
        block: Block::Never,
        handler: Handler::None,
        file_change: FileChange::None,
    }
}

impl Syscall {
    /// It can wait.
    pub(super) const fn waits(mut self) -> Self {
        self.block = Block::May;
        self
    }

    /// It is not run and answers this errno.
    pub(super) const fn refuse(mut self, errno: i32) -> Self {
        self.policy = Policy::Refuse(errno);
        self
    }

    /// It stops the recording.
    pub(super) const fn unsupported(mut self) -> Self {
        self.policy = Policy::Unsupported;
        self
    }

    /// It needs this handler.
    pub(super) const fn by(mut self, handler: Handler) -> Self {
        self.handler = handler;
        self
    }

    /// It changes files.
    pub(super) const fn changes(mut self, change: FileChange) -> Self {
        self.file_change = change;
        self
    }
}

/// Signed 32-bit number.
pub const INT: Kind = Kind::Int;
/// Unsigned 32-bit number.
pub const UINT: Kind = Kind::Uint;
/// Signed 64-bit number.
pub const LONG: Kind = Kind::Long;
/// Unsigned 64-bit number.
pub const ULONG: Kind = Kind::Ulong;
/// Hexadecimal number.
pub const HEX: Kind = Kind::Hex;
/// Permission bits.
pub const MODE: Kind = Kind::Mode;
/// Address that is not followed.
pub const ADDR: Kind = Kind::Addr;
/// File descriptor.
pub const FD: Kind = Kind::Fd;
/// File descriptor or `AT_FDCWD`.
pub const DIRFD: Kind = Kind::DirFd;
/// Signal number.
pub const SIGNAL: Kind = Kind::Signal;
/// Process or thread id.
pub const PID: Kind = Kind::Pid;
/// User or group id.
pub const ID: Kind = Kind::Id;
/// Device number.
pub const DEV: Kind = Kind::Dev;
/// Not looked at.
pub const UNUSED: Kind = Kind::Unused;
/// String that is read.
pub const PATH: Kind = Kind::Path;
/// Null-terminated array of strings that are read.
pub const STRINGS: Kind = Kind::Strings;

/// Bit set with these names.
pub const fn flags(names: &'static Names) -> Kind {
    Kind::Flags(names)
}

/// One of these names.
pub const fn choice(names: &'static Names) -> Kind {
    Kind::Choice(names)
}

/// What it is depends on other arguments.
pub const fn sub(sub: &'static Sub) -> Kind {
    Kind::Sub(sub)
}

/// As many bytes.
pub const fn fixed(bytes: u32) -> Size {
    Size::Fixed(bytes)
}

/// Argument `index` counts units of `scale` bytes.
pub const fn count(index: u8, scale: u32) -> Size {
    Size::Arg { index, scale }
}

/// The result counts units of `scale` bytes, argument `max` bounds it.
pub const fn result(max: u8, scale: u32) -> Size {
    Size::Ret { max, scale }
}

/// The `socklen_t` behind argument `index` counts bytes.
pub const fn socklen(index: u8) -> Size {
    Size::Deref { index, scale: 1 }
}

/// Memory that the kernel reads.
pub const fn in_mem(size: Size, shape: Shape) -> Kind {
    Kind::Mem(Mem {
        dir: Dir::In,
        size,
        shape,
        on_error: false,
    })
}

/// Memory that the kernel writes.
pub const fn out_mem(size: Size, shape: Shape) -> Kind {
    Kind::Mem(Mem {
        dir: Dir::Out,
        size,
        shape,
        on_error: false,
    })
}

/// Memory that the kernel reads and writes.
pub const fn inout_mem(size: Size, shape: Shape) -> Kind {
    Kind::Mem(Mem {
        dir: Dir::InOut,
        size,
        shape,
        on_error: false,
    })
}

impl Kind {
    /// The kernel may write the memory also when the syscall fails.
    pub(crate) const fn on_error(self) -> Self {
        match self {
            Self::Mem(mem) => Self::Mem(Mem {
                on_error: true,
                ..mem
            }),
            Self::Nested(nested) => Self::Nested(super::super::types::Nested {
                head: Mem {
                    on_error: true,
                    ..nested.head
                },
                ..nested
            }),
            other => other,
        }
    }
}

/// Buffer that the kernel reads; argument `index` counts its bytes.
pub const fn in_buf(index: u8) -> Kind {
    in_mem(count(index, 1), Shape::Bytes)
}

/// Buffer that the kernel writes; the result, bounded by argument `max`, counts the bytes.
pub const fn out_ret(max: u8) -> Kind {
    out_mem(result(max, 1), Shape::Bytes)
}

/// Buffer that the kernel writes; argument `index` counts its bytes.
pub const fn out_buf(index: u8) -> Kind {
    out_mem(count(index, 1), Shape::Bytes)
}

/// One structure that the kernel reads.
pub const fn in_struct(id: StructId) -> Kind {
    in_mem(Size::Fixed(id.size()), Shape::Struct(id))
}

/// One structure that the kernel writes.
pub const fn out_struct(id: StructId) -> Kind {
    out_mem(Size::Fixed(id.size()), Shape::Struct(id))
}

/// One structure that the kernel reads and writes.
pub const fn inout_struct(id: StructId) -> Kind {
    inout_mem(Size::Fixed(id.size()), Shape::Struct(id))
}

/// Structures that the kernel reads; argument `index` counts them.
pub const fn in_array(id: StructId, index: u8) -> Kind {
    in_mem(count(index, id.size()), Shape::Array(id))
}

/// Structures that the kernel writes; argument `index` counts them.
pub const fn out_array(id: StructId, index: u8) -> Kind {
    out_mem(count(index, id.size()), Shape::Array(id))
}

/// Structures that the kernel reads and writes; argument `index` counts them.
pub const fn inout_array(id: StructId, index: u8) -> Kind {
    inout_mem(count(index, id.size()), Shape::Array(id))
}

/// Structures that the kernel writes; the result, bounded by argument `max`, counts them.
pub const fn out_array_ret(id: StructId, max: u8) -> Kind {
    out_mem(result(max, id.size()), Shape::Array(id))
}

/// As many structures as stated that the kernel reads.
pub const fn in_n(id: StructId, n: u32) -> Kind {
    in_mem(Size::Fixed(n * id.size()), Shape::Array(id))
}

/// As many structures as stated that the kernel writes.
pub const fn out_n(id: StructId, n: u32) -> Kind {
    out_mem(Size::Fixed(n * id.size()), Shape::Array(id))
}

/// Buffers that the kernel reads; argument `count` counts the `struct iovec`s.
pub const fn in_iovec(count: u8) -> Kind {
    Kind::Iovec {
        dir: Dir::In,
        count,
    }
}

/// Buffers that the kernel writes; argument `count` counts the `struct iovec`s.
pub const fn out_iovec(count: u8) -> Kind {
    Kind::Iovec {
        dir: Dir::Out,
        count,
    }
}

/// Socket address that the kernel reads; argument `len` counts its bytes.
pub const fn in_sockaddr(len: u8) -> Kind {
    in_mem(count(len, 1), Shape::Struct(StructId::Sockaddr))
}

/// Socket address that the kernel writes; the `socklen_t` behind argument `len` bounds it.
pub const fn out_sockaddr(len: u8) -> Kind {
    out_mem(socklen(len), Shape::Struct(StructId::Sockaddr))
}

/// Sub-command `value`: records, never waits, its result is a number.
pub const fn cmd(value: u64, name: &'static str, kind: Kind) -> SubCommand {
    cmd2(value, 0, name, kind)
}

/// Sub-command selected by two arguments.
pub const fn cmd2(value: u64, value2: u64, name: &'static str, kind: Kind) -> SubCommand {
    SubCommand {
        value,
        value2,
        name,
        kind,
        ret: Ret::Int,
        policy: Policy::Record,
        block: Block::Never,
    }
}

impl SubCommand {
    /// It can wait.
    pub(crate) const fn waits(mut self) -> Self {
        self.block = Block::May;
        self
    }

    /// It is not run and answers this errno.
    pub(crate) const fn refuse(mut self, errno: i32) -> Self {
        self.policy = Policy::Refuse(errno);
        self
    }

    /// It stops the recording.
    pub(crate) const fn unsupported(mut self) -> Self {
        self.policy = Policy::Unsupported;
        self
    }

    /// Its result prints so.
    pub(crate) const fn gives(mut self, ret: Ret) -> Self {
        self.ret = ret;
        self
    }
}

/// Sub-commands selected by argument `selector`; an unknown one stops the recording.
pub const fn sub_by(selector: u8, commands: &'static [SubCommand]) -> Sub {
    Sub {
        selector,
        selector2: None,
        mask: u64::MAX,
        commands,
        unknown: Unknown::Stop,
    }
}

impl Sub {
    /// Only these bits of the selector count.
    pub(crate) const fn masked(mut self, mask: u64) -> Self {
        self.mask = mask;
        self
    }

    /// This argument selects, too.
    pub(crate) const fn and_by(mut self, selector2: u8) -> Self {
        self.selector2 = Some(selector2);
        self
    }

    /// What an unknown sub-command is.
    pub(crate) const fn otherwise(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }
}
