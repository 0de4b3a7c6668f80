//! The vocabulary in which the syscall table is written.
//!
//! Everything that generic code needs to record, inject, check and print a
//! syscall is data of these types. What a syscall *means* (threads, memory
//! layout, signals) is not here: such syscalls name a [`Handler`].

pub use super::structs::StructId;

/// One x86-64 syscall.
#[derive(Debug)]
pub struct Syscall {
    /// Its number.
    pub nr: u32,
    /// Its name, as in the kernel's table.
    pub name: &'static str,
    /// Its arguments, in order.
    pub args: &'static [Arg],
    /// How its result prints.
    pub ret: Ret,
    /// What the recorder does with it.
    pub policy: Policy,
    /// Whether it can wait for something other than the machine itself.
    pub block: Block,
    /// Code that it needs besides this table.
    pub handler: Handler,
    /// Whether it changes the content or the length of a file: see [`FileChange`].
    pub file_change: FileChange,
}

/// One argument.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Its name in the kernel's prototype.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// What an argument, or the value of a sub-command's argument, is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Signed 32-bit number.
    Int,
    /// Unsigned 32-bit number.
    Uint,
    /// Signed 64-bit number.
    Long,
    /// Unsigned 64-bit number (sizes, counts).
    Ulong,
    /// Number that prints in hexadecimal.
    Hex,
    /// Permission bits, octal.
    Mode,
    /// Address that the kernel neither reads nor writes through.
    Addr,
    /// File descriptor.
    Fd,
    /// File descriptor, or `AT_FDCWD`.
    DirFd,
    /// Signal number.
    Signal,
    /// Process or thread id.
    Pid,
    /// User or group id (-1 prints as -1).
    Id,
    /// Device number.
    Dev,
    /// Bit set.
    Flags(&'static Names),
    /// One of a list of values.
    Choice(&'static Names),
    /// Not looked at by the kernel, not printed.
    Unused,
    /// Pointer to a NUL-terminated string that the kernel reads.
    Path,
    /// Pointer to a null-terminated array of such strings.
    Strings,
    /// Pointer to memory.
    Mem(Mem),
    /// Pointer to an array of `struct iovec`, as many as argument `count` says, and
    /// through it to buffers. With `Dir::Out` the result says how many bytes are valid.
    Iovec {
        /// Way of the buffers' bytes; the array itself is read.
        dir: Dir,
        /// Index of the argument that counts the entries.
        count: u8,
    },
    /// Pointer to a `struct msghdr`, and through it to name, buffers and control data.
    Msghdr {
        /// `In` for sending, `Out` for receiving.
        dir: Dir,
    },
    /// Pointer to an array of `struct mmsghdr`.
    Mmsghdr {
        /// `In` for sending, `Out` for receiving.
        dir: Dir,
        /// Index of the argument that counts the entries.
        count: u8,
    },
    /// Pointer to a structure of fixed size that itself points to a buffer.
    Nested(Nested),
    /// What it is depends on the value of other arguments.
    Sub(&'static Sub),
}

/// A structure with a pointer and a length in it: `struct ifconf`, `struct iovec`, … . The
/// structure itself prints; the buffer behind it does not.
#[derive(Debug, Clone, Copy)]
pub struct Nested {
    /// The structure, of [`Size::Fixed`] or [`Size::Arg`].
    pub head: Mem,
    /// Offset of the pointer in it.
    pub pointer: u8,
    /// Offset of the length in it.
    pub len: u8,
    /// Bytes of the length: 2, 4 or 8.
    pub len_bytes: u8,
    /// Bytes per unit of the length.
    pub scale: u32,
    /// Way of the buffer's bytes. What is written is as much as the smaller of the lengths
    /// at entry and at exit says.
    pub buffer: Dir,
}

/// Memory behind a pointer. A null pointer is always allowed here.
#[derive(Debug, Clone, Copy)]
pub struct Mem {
    /// Way of the bytes.
    pub dir: Dir,
    /// How many.
    pub size: Size,
    /// What they are.
    pub shape: Shape,
    /// The kernel may write it also when the syscall fails (only for `Out` and `InOut`).
    pub on_error: bool,
}

/// Which way memory flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dir {
    /// The kernel reads it.
    In,
    /// The kernel writes it.
    Out,
    /// Both.
    InOut,
}

/// How many bytes lie behind a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Always as many.
    Fixed(u32),
    /// Argument `index` times `scale`.
    Arg {
        /// Index of the argument.
        index: u8,
        /// Bytes per unit.
        scale: u32,
    },
    /// The syscall's result times `scale`, at most argument `max` times `scale`
    /// (only for `Out`).
    Ret {
        /// Index of the argument that bounds it.
        max: u8,
        /// Bytes per unit.
        scale: u32,
    },
    /// Argument `index` and `plus` more (`struct msgbuf`: a text's length, and its type).
    ArgPlus {
        /// Index of the argument.
        index: u8,
        /// Bytes besides.
        plus: u32,
    },
    /// The syscall's result, at most argument `max`, and `plus` more (only for `Out`).
    RetPlus {
        /// Index of the argument that bounds the result.
        max: u8,
        /// Bytes besides.
        plus: u32,
    },
    /// One byte for each page of as many bytes as argument `index` says.
    Pages {
        /// Index of the argument.
        index: u8,
    },
    /// The 32-bit number behind pointer argument `index` (a `socklen_t`): at entry for
    /// what is read; the smaller of the values at entry and at exit for what is written.
    Deref {
        /// Index of the pointer argument.
        index: u8,
        /// Bytes per unit.
        scale: u32,
    },
    /// A bit set of as many bits as argument `index` says, in 64-bit words (`fd_set`).
    Bits {
        /// Index of the argument.
        index: u8,
    },
    /// Up to and including a NUL, at most argument `max` bytes (only for `Out`).
    Cstr {
        /// Index of the argument that bounds it.
        max: u8,
    },
    /// The first 32-bit number behind the pointer itself counts entries of `scale`
    /// bytes, which follow a head of `head` bytes.
    SelfCounted {
        /// Bytes before the first entry, the count included.
        head: u32,
        /// Bytes per entry.
        scale: u32,
    },
    /// The number of `bytes` bytes at offset `at` behind the pointer itself counts entries of
    /// `scale` bytes, which follow a head of `head` bytes.
    Counted {
        /// Offset of the count.
        at: u8,
        /// Bytes of the count: 2, 4 or 8.
        bytes: u8,
        /// Bytes before the first entry, the count included.
        head: u32,
        /// Bytes per entry.
        scale: u32,
    },
    /// The first 32-bit number behind the pointer itself is the size in bytes.
    SelfSized,
}

/// What the bytes behind a pointer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Anything: prints as a string with escapes.
    Bytes,
    /// Anything: prints as an address.
    Opaque,
    /// A string, perhaps NUL-terminated.
    Text,
    /// One structure.
    Struct(StructId),
    /// As many structures as fit.
    Array(StructId),
}

/// How a result prints.
#[derive(Debug, Clone, Copy)]
pub enum Ret {
    /// Signed number.
    Int,
    /// Address or other hexadecimal number.
    Hex,
    /// File descriptor.
    Fd,
    /// Octal number.
    Octal,
    /// Number in hexadecimal, and if it is not 0 the names of its bits in parentheses.
    Flags(&'static Names),
    /// Never returns.
    Never,
    /// `fcntl` and the like: depends on the sub-command.
    Sub,
}

impl Ret {
    /// Whether the result is a new descriptor.
    #[must_use]
    pub const fn is_descriptor(self) -> bool {
        matches!(self, Self::Fd)
    }
}

/// What the recorder does with a syscall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Run it and record what it did; replay injects that.
    Record,
    /// Do not run it: it answers this errno, as on a kernel without it.
    Refuse(i32),
    /// Stop the recording with an error that names it.
    Unsupported,
}

/// Whether a syscall can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// It returns as soon as the machine has done the work.
    Never,
    /// It can wait for another thread, a peer, a clock or a person.
    May,
}

/// Syscalls with semantics that a table cannot express. Each is implemented once for
/// recording and once for replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handler {
    /// None: the table says all.
    None,
    /// fork, vfork, clone, clone3.
    Clone,
    /// execve, execveat.
    Exec,
    /// exit.
    Exit,
    /// exit_group.
    ExitGroup,
    /// mmap.
    Mmap,
    /// munmap.
    Munmap,
    /// mremap.
    Mremap,
    /// mprotect, pkey_mprotect.
    Mprotect,
    /// brk.
    Brk,
    /// madvise.
    Madvise,
    /// remap_file_pages and others that rearrange mappings in ways not modelled.
    MemoryOther,
    /// shmat.
    Shmat,
    /// shmdt.
    Shmdt,
    /// clock_gettime, gettimeofday, time: the supervisor can read the clock itself.
    Clock,
    /// arch_prctl.
    ArchPrctl,
    /// setrlimit, prlimit64: how far stacks grow.
    ResourceLimit,
    /// personality: changes what later mappings may do.
    Personality,
    /// prctl.
    Prctl,
    /// rt_sigreturn.
    Sigreturn,
    /// restart_syscall: takes the arguments of the syscall that it continues.
    Restart,
    /// set_robust_list.
    SetRobustList,
    /// set_tid_address.
    SetTidAddress,
    /// futex: the word changes in some operations.
    Futex,
    /// sched_yield: others that could run are next.
    Yield,
    /// seccomp.
    Seccomp,
    /// ptrace.
    Ptrace,
    /// sched_setaffinity, sched_getaffinity.
    Affinity,
    /// process_vm_writev: memory of another process.
    ProcessVmWrite,
    /// perf_event_open, bpf and others that share memory with the kernel.
    SharedWithKernel,
    /// close_range, close, dup2 …: nothing for replay, but descriptors matter to ftrun.
    Descriptors,
    /// unshare, setns: namespaces.
    Namespaces,
}

/// How a syscall changes a file, so that mappings of that file can be kept coherent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It does not.
    None,
    /// It writes as many bytes as it returns to the file of descriptor argument `fd`, at
    /// the file's position or at the offset in argument `offset`.
    Write {
        /// Index of the descriptor argument.
        fd: u8,
        /// Index of the offset argument, if it takes one by value.
        offset: Option<u8>,
    },
    /// It may change any range, and the length, of the file of descriptor argument `fd`
    /// (fallocate, copy_file_range with its own offsets).
    Any {
        /// Index of the descriptor argument.
        fd: u8,
    },
    /// It may change the length of a file, and nothing else (truncate, open with `O_TRUNC`).
    Length,
}

/// Named values of a flag set or a list. In order: for flag sets a name whose bits are
/// all set prints and consumes them, so composite names stand before their parts. A name
/// of value 0 prints if no name before it did, the last one in the list only if the whole
/// value is 0: `O_RDONLY` stands after `O_RDWR` and before the flags, `PROT_NONE` last.
#[derive(Debug)]
pub struct Names {
    /// Prefix that an unknown value prints in a comment, as strace does: `O_???`. If it is
    /// empty, an unknown value prints as a plain number.
    pub unknown: &'static str,
    /// Value and name.
    pub names: &'static [(u64, &'static str)],
}

/// Sub-commands: what an argument is, by the value of others. The selecting argument prints
/// as the name of the sub-command where its own kind is a plain number.
#[derive(Debug)]
pub struct Sub {
    /// Index of the argument that selects.
    pub selector: u8,
    /// A second selector, if one argument is not enough (`setsockopt`: level, name).
    pub selector2: Option<u8>,
    /// Mask applied to the (first) selector's value before the lookup.
    pub mask: u64,
    /// The known sub-commands, sorted by (value, value2).
    pub commands: &'static [SubCommand],
    /// What an unknown one is.
    pub unknown: Unknown,
}

/// One sub-command.
#[derive(Debug, Clone, Copy)]
pub struct SubCommand {
    /// Value of the selecting argument.
    pub value: u64,
    /// Value of the second one, 0 if there is none.
    pub value2: u64,
    /// Its name.
    pub name: &'static str,
    /// What the dependent argument is.
    pub kind: Kind,
    /// How the result prints, where the syscall says `Ret::Sub`.
    pub ret: Ret,
    /// What the recorder does with it.
    pub policy: Policy,
    /// Whether it can wait.
    pub block: Block,
}

/// What happens on an unknown sub-command.
#[derive(Debug, Clone, Copy)]
pub enum Unknown {
    /// The recording stops with an error that names syscall and value.
    Stop,
    /// It answers this errno, as on a kernel without it.
    Errno(i32),
    /// The argument is this (for number-like arguments whose commands differ in nothing else).
    As(&'static Kind),
}
