//! The records of a journal: what happened, in the one total order of the application.
//!
//! Events borrow their bulk data, so that writing one copies it once and
//! reading one copies nothing. Encoding is postcard's (see `docs/JOURNAL.md`):
//! the order of variants and fields here *is* the format; append only, and
//! raise [`crate::FORMAT_VERSION`] on any other change.

use crate::{Bytes, ConnId, Endpoint, GateEvent};
use pmu::{Position, Regs, Signature};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A thread id as the application sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tid(pub i32);

impl std::fmt::Display for Tid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of an event in its journal, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventIndex(pub u64);

/// Names a kept file of the recording: see [`KeptFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// Names a shared memory object of the recording: see [`Effect::Object`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub u32);

/// One record. All but [`Event::Switch`], [`Event::File`], [`Event::Time`],
/// [`Event::Note`], [`Event::End`], [`Event::Gate`] and [`Event::Tree`] belong to the current thread: the one
/// named by the last `Switch` or, before any, by [`Event::Start`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// The first event: the program's first thread, standing before its `execve`.
    #[serde(borrow)]
    Start(Start<'a>),
    /// The events that follow belong to this thread.
    Switch(Tid),
    /// A syscall that entered and left with no event of another thread between.
    Syscall(#[serde(borrow)] Enter<'a>, #[serde(borrow)] Leave<'a>),
    /// A syscall entered; other threads go on before it leaves.
    #[serde(borrow)]
    Enter(Enter<'a>),
    /// The syscall last entered by the current thread left.
    #[serde(borrow)]
    Leave(Leave<'a>),
    /// Output bytes of the syscall that the next `Syscall` or `Leave` of this thread
    /// completes, sent ahead because they are many.
    #[serde(borrow)]
    Data(Out<'a>),
    /// A signal was delivered.
    #[serde(borrow)]
    Signal(Signal<'a>),
    /// An instruction whose result is not a function of the program's state.
    Trap(Trap),
    /// The scheduler took the logical CPU away at a position that is no sync point.
    Preempt(Position),
    /// The current thread, inside a syscall that it entered, created another one.
    #[serde(borrow)]
    Spawn(Spawn<'a>),
    /// The current thread ended.
    #[serde(borrow)]
    ThreadEnd(ThreadEnd<'a>),
    /// Declares a kept file, before its first use.
    #[serde(borrow)]
    File(KeptFile<'a>),
    /// Nanoseconds since the Unix epoch, at intervals; for people, not for replay.
    Time(u64),
    /// A guarantee was weakened: what, and why.
    Note(#[serde(borrow)] Cow<'a, str>),
    /// The recording ended in order, with the wait status of the first process.
    End(i32),
    /// Clock reads that the agent answered inside the current thread, between its last
    /// sync point and the one that its next event stands for.
    Clocks(Vec<ClockRead>),
    /// What the gate let in, or saw of a connection.
    #[serde(borrow)]
    Gate(GateEvent<'a>),
    /// Something in a directory tree that a standby is to have as it was before the application
    /// ran.
    #[serde(borrow)]
    Tree(TreeEntry<'a>),
    /// The state of the current thread and of its memory at the position that its next event names.
    State(State),
    /// Memory that the kernel may have written to already, for calls that others are still in: in the state that the
    /// current thread's next event tells, these bytes count as zero.
    InFlight(Vec<Span>),
}

/// A thread's state, by which a position is found that counting conditional branches does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its registers.
    pub regs: Regs,
    /// A digest of its vector registers.
    pub vectors: u32,
    /// The pages that it could have written to and that were there: runs of neighbours.
    pub pages: Vec<PageRun>,
    /// Words in them that had changed lately: where they differ, nothing else needs to be looked at.
    pub words: Vec<Word>,
}

/// Four bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Their address.
    pub addr: u64,
    /// What they were.
    pub value: i32,
}

/// Neighbouring pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRun {
    /// Address of the first.
    pub start: u64,
    /// The low half of the XXH3-64 of the content of each.
    pub hashes: Vec<u32>,
}

/// A part of a directory tree. A tree begins with [`TreeItem::Begin`] or
/// [`TreeItem::BeginShared`], parents come before what is in them, and ends with
/// [`TreeItem::End`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry<'a> {
    /// Absolute path.
    #[serde(borrow)]
    pub path: Bytes<'a>,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Owner's group id.
    pub gid: u32,
    /// Nanoseconds since the Unix epoch of the last change of content.
    pub modified_ns: i64,
    /// What it is.
    #[serde(borrow)]
    pub item: TreeItem<'a>,
}

/// What a part of a tree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TreeItem<'a> {
    /// The tree itself, a directory. Whether a standby makes its own the same; otherwise it only
    /// compares.
    Begin(bool),
    /// A directory.
    Directory,
    /// A regular file with the content of a kept one.
    File(FileId),
    /// A regular file that is compared only: XXH3-128 of its content, and bytes.
    Content(u128, u64),
    /// A symbolic link to this.
    Link(#[serde(borrow)] Bytes<'a>),
    /// Another name of the file at this path, which came before.
    Again(#[serde(borrow)] Bytes<'a>),
    /// A socket, fifo or device: type (`S_IFMT` bits) and device number.
    Node(u32, u64),
    /// Nothing else is in the tree.
    End,
    /// The root, a directory, of a tree that the active node alone touches: on storage that both
    /// nodes reach.
    BeginShared,
    /// A regular file there: bytes.
    Size(u64),
}

/// Names of the kinds of events, in the order of the variants of [`Event`].
pub const EVENT_NAMES: [&str; 20] = [
    "start",
    "switch",
    "syscall",
    "enter",
    "leave",
    "data",
    "signal",
    "trap",
    "preempt",
    "spawn",
    "thread-end",
    "file",
    "time",
    "note",
    "end",
    "clocks",
    "gate",
    "tree",
    "state",
    "in-flight",
];

/// What one clock read gave, as two words: seconds, and nanoseconds or microseconds. Each
/// word is the difference to the read before it in the same event (to 0 for the first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRead {
    /// First word.
    pub first: i64,
    /// Second word.
    pub second: i64,
}

impl ClockRead {
    /// The reads as differences.
    #[must_use]
    pub fn encode(words: &[[i64; 2]]) -> Vec<Self> {
        let mut before = [0i64; 2];
        words
            .iter()
            .map(|now| {
                let read = Self {
                    first: now[0].wrapping_sub(before[0]),
                    second: now[1].wrapping_sub(before[1]),
                };
                before = *now;
                read
            })
            .collect()
    }

    /// The words that the reads gave.
    #[must_use]
    pub fn decode(reads: &[Self]) -> Vec<[i64; 2]> {
        let mut now = [0i64; 2];
        reads
            .iter()
            .map(|read| {
                now[0] = now[0].wrapping_add(read.first);
                now[1] = now[1].wrapping_add(read.second);
                now
            })
            .collect()
    }
}

/// What was started: see [`Event::Start`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start<'a> {
    /// Thread id, and process id, of the first thread.
    pub tid: Tid,
    /// Absolute path of the program.
    #[serde(borrow)]
    pub program: Bytes<'a>,
    /// The command line.
    #[serde(borrow)]
    pub argv: Vec<Bytes<'a>>,
    /// The environment.
    #[serde(borrow)]
    pub envp: Vec<Bytes<'a>>,
    /// The working directory.
    #[serde(borrow)]
    pub cwd: Bytes<'a>,
    /// Bytes that a stack may grow to (the soft `RLIMIT_STACK`; `u64::MAX`: no limit).
    pub stack_limit: u64,
}

/// The arguments of a syscall; only those that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Args {
    values: [u64; 6],
    len: u8,
}

impl Args {
    /// The first `len` (at most six) of `values`.
    #[must_use]
    #[inline]
    pub const fn new(values: [u64; 6], len: usize) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "at most six")]
        let len = if len > 6 { 6 } else { len as u8 };
        Self { values, len }
    }

    /// The arguments taken.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u64] {
        &self.values[..usize::from(self.len)]
    }

    /// Argument `index`, or 0 if the syscall does not take it.
    #[must_use]
    pub fn get(&self, index: usize) -> u64 {
        self.as_slice().get(index).copied().unwrap_or(0)
    }

    /// All six, those not taken as 0.
    #[must_use]
    pub fn to_array(&self) -> [u64; 6] {
        std::array::from_fn(|index| self.get(index))
    }
}

impl Serialize for Args {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl<'de> Deserialize<'de> for Args {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Args;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("at most six syscall arguments")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Args, A::Error> {
                let mut args = Args::default();
                while let Some(value) = seq.next_element()? {
                    let slot = args.values.get_mut(usize::from(args.len)).ok_or_else(|| {
                        serde::de::Error::custom("more than six syscall arguments")
                    })?;
                    *slot = value;
                    args.len += 1;
                }
                Ok(args)
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
}

/// A syscall at its entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enter<'a> {
    /// The x86-64 syscall number.
    pub nr: u32,
    /// Its arguments.
    pub args: Args,
    /// Address of the instruction after the `syscall` instruction.
    pub ip: u64,
    /// Signature of the registers at entry.
    pub signature: Signature,
    /// Memory that the kernel reads for it: for checks, and for people.
    #[serde(borrow)]
    pub ins: Vec<In<'a>>,
}

/// Memory read by a syscall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct In<'a> {
    /// Where it lies.
    pub addr: u64,
    /// How many bytes.
    pub len: u64,
    /// Low 32 bits of XXH3-64 over all `len` bytes.
    pub sum: u32,
    /// The first bytes: all of a structure or a string, the beginning of a buffer.
    #[serde(borrow)]
    pub head: Bytes<'a>,
}

/// Memory written by a syscall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Out<'a> {
    /// Where it lies.
    pub addr: u64,
    /// What stands there afterwards.
    #[serde(borrow)]
    pub data: Bytes<'a>,
}

/// A syscall at its exit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leave<'a> {
    /// What the kernel left in `rax`, restart codes (-512…-516) included.
    pub result: i64,
    /// Memory of the current thread that it wrote.
    #[serde(borrow)]
    pub outs: Vec<Out<'a>>,
    /// What else it did.
    #[serde(borrow)]
    pub effects: Vec<Effect<'a>>,
}

/// What a syscall does besides returning and writing memory.
#[allow(
    clippy::large_enum_variant,
    reason = "effects are rare and short-lived"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect<'a> {
    /// The program was replaced.
    #[serde(borrow)]
    Exec(Exec<'a>),
    /// Memory was mapped, over whatever was there.
    Map(Mapping),
    /// All registers after the syscall, where they are not "as before, plus a result".
    Regs(Regs),
    /// Memory of another address space, or of this one for another reason than the
    /// syscall's own outputs, changed.
    #[serde(borrow)]
    Write(Write<'a>),
    /// A shared memory object came into being, with the content of a kept file or zeros.
    Object {
        /// Its name from now on.
        id: ObjectId,
        /// Bytes.
        size: u64,
        /// What it contains, if not zeros.
        content: Option<FileId>,
    },
    /// A shared memory object changed its size.
    Resize {
        /// Which one.
        id: ObjectId,
        /// Bytes.
        size: u64,
    },
    /// Bytes of a shared memory object changed by other means than through a mapping.
    ObjectWrite {
        /// Which one.
        id: ObjectId,
        /// Where in it.
        offset: u64,
        /// What stands there now.
        #[serde(borrow)]
        data: Bytes<'a>,
    },
    /// Bytes that went to the application's standard output or error without
    /// having been in its memory.
    Echo {
        /// 1 or 2.
        stream: u8,
        /// The bytes.
        #[serde(borrow)]
        data: Bytes<'a>,
    },
    /// A shared memory object that nothing maps any more.
    Forget {
        /// Which one.
        id: ObjectId,
    },
    /// A shared memory object has the content of a kept file now, up to its size.
    Fill {
        /// Which one.
        id: ObjectId,
        /// What it contains.
        content: FileId,
    },
    /// A descriptor of the current process leads to the application's standard output or
    /// error, by a way that replay cannot follow.
    Stream {
        /// The descriptor.
        fd: i32,
        /// 1 or 2.
        stream: u8,
    },
    /// A descriptor of the current process is an end of a TCP connection.
    Connection {
        /// The descriptor.
        fd: i32,
        /// The connection, by the number that the gate gave it.
        conn: u32,
    },
    /// Bytes of the inbound stream of a TCP connection were received. Those that stand in
    /// memory afterwards are in the journal already, as [`GateEvent::Payload`]; a
    /// [`crate::Reader`] gives them as outputs of the syscall, before its other ones.
    Received {
        /// Which connection.
        conn: ConnId,
        /// Position in the stream of the first of them.
        position: u64,
        /// How many were taken out of the stream: 0 if they were only looked at.
        taken: u64,
        /// Where they stand, one piece after the other; nowhere, if that is stored as
        /// output or nothing of them came into memory.
        spans: Vec<Span>,
    },
    /// An internet socket has an end that the kernel chose, or is an end of a connection that the
    /// gate does not know: one inside the application, or one that is not there yet.
    Socket {
        /// A descriptor of it, of the current process.
        fd: i32,
        /// Its own end.
        local: Endpoint,
        /// The other end, if it has one.
        remote: Option<Endpoint>,
    },
    /// Advice for a range of memory (`madvise`) failed in its midst: for what is before, it has
    /// been followed.
    Advised {
        /// The first address for which it has not.
        end: u64,
    },
}

/// A range of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First address.
    pub addr: u64,
    /// Bytes.
    pub len: u64,
}

/// A new thread or process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spawn<'a> {
    /// Its thread id.
    pub tid: Tid,
    /// The `CLONE_` flags in effect, exit signal excluded.
    pub flags: u64,
    /// Its first registers.
    pub regs: Regs,
    /// Thread ids that the kernel stored, in the memory of either.
    #[serde(borrow)]
    pub writes: Vec<Write<'a>>,
}

/// A new program in the current process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec<'a> {
    /// Path of the executable.
    #[serde(borrow)]
    pub path: Bytes<'a>,
    /// Thread id that the calling thread had before it became the leader.
    pub former: Tid,
    /// Its first registers.
    pub regs: Regs,
    /// The whole address space.
    pub maps: Vec<Mapping>,
    /// Content that differs from what the mappings' sources give.
    #[serde(borrow)]
    pub content: Vec<Out<'a>>,
}

/// A range of an address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// `PROT_` bits.
    pub prot: u32,
    /// `MAP_SHARED` or `MAP_PRIVATE`, and `MAP_GROWSDOWN`.
    pub flags: u32,
    /// Where its bytes come from.
    pub source: Source,
}

/// Where the bytes of a mapping come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Zeros.
    Zero,
    /// A kept file, private to the mapping.
    File {
        /// Which one.
        id: FileId,
        /// Offset of `start` in it.
        offset: u64,
    },
    /// A shared memory object.
    Object {
        /// Which one.
        id: ObjectId,
        /// Offset of `start` in it.
        offset: u64,
    },
}

/// Memory of one address space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write<'a> {
    /// A thread of that address space.
    pub tid: Tid,
    /// Where.
    pub addr: u64,
    /// What stands there now.
    #[serde(borrow)]
    pub data: Bytes<'a>,
}

/// A signal that reached a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal<'a> {
    /// The kernel's `siginfo_t`, without trailing zeros.
    #[serde(borrow)]
    pub info: Bytes<'a>,
    /// Where it was delivered.
    pub at: Delivery,
    /// What it did.
    #[serde(borrow)]
    pub action: Action<'a>,
}

impl Signal<'_> {
    /// The signal number.
    #[must_use]
    pub fn number(&self) -> i32 {
        let word: Vec<u8> = self.info.iter().copied().chain([0; 4]).take(4).collect();
        i32::from_le_bytes([word[0], word[1], word[2], word[3]])
    }
}

/// Where a signal was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// The instruction at this address raised it.
    Fault {
        /// Address of the instruction.
        ip: u64,
        /// Registers there.
        signature: Signature,
    },
    /// At the thread's last sync point, before it executed anything else.
    Here,
    /// Before the thread's next syscall, which it re-executes after the handler.
    Entry {
        /// Address of the `syscall` instruction.
        ip: u64,
        /// Registers there.
        signature: Signature,
    },
    /// At an exact position.
    At(Position),
}

/// What a signal did.
#[allow(
    clippy::large_enum_variant,
    reason = "signals are rare and short-lived"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action<'a> {
    /// Nothing that the thread could see.
    None,
    /// A handler was entered.
    Handler {
        /// The signal frame as the kernel wrote it.
        #[serde(borrow)]
        frame: Out<'a>,
        /// Registers at the handler's first instruction.
        regs: Regs,
    },
    /// The process ended of it; the threads' ends follow.
    Fatal,
    /// The process stopped.
    Stop,
}

/// The kinds of [`Trap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrapKind {
    /// `rdtsc`: `value` is the counter.
    Rdtsc,
    /// `rdtscp`: `aux` is the processor id.
    Rdtscp,
    /// `rdrand`: `value` is the number.
    Rdrand,
    /// `rdseed`: `value` is the number.
    Rdseed,
    /// `cpuid`: `value` is `ebx:eax`, `aux` is `edx:ecx`.
    Cpuid,
}

/// A nondeterministic instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// Which.
    pub kind: TrapKind,
    /// Its address.
    pub ip: u64,
    /// Registers before it.
    pub signature: Signature,
    /// Its result.
    pub value: u64,
    /// The second part of its result.
    pub aux: u64,
}

/// The end of a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThreadEnd<'a> {
    /// Its wait status.
    pub status: i32,
    /// Memory that the kernel changed for it at its end: robust futexes, the cleared thread id.
    #[serde(borrow)]
    pub writes: Vec<Write<'a>>,
}

/// A file kept with the recording, by content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptFile<'a> {
    /// Its name from now on.
    pub id: FileId,
    /// XXH3-128 of its content; the lower-case hexadecimal digits are its name under `files/`.
    pub hash: u128,
    /// Bytes.
    pub size: u64,
    /// Where the application found it.
    #[serde(borrow)]
    pub path: Bytes<'a>,
}
