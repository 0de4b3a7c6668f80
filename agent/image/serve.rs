//! Serves one call by its rule: keeps what the kernel reads, performs the syscall, keeps what it
//! wrote.

use crate::attempt::{Attempt, undo, would_wait};
use crate::baton::is_open_for;
use crate::layout::{
    CLASSES, CLASSES_LEN, CLOCKS_USED, FEED_AT, Frame, Info, Inside, MAPPED_AT, OFF, OTHER_FILES,
    Off, Phase, RAW_SYSCALL, READS_BASES, REPLAYS, RING, RING_BYTES, RING_BYTES_AT, RING_DRAIN_AT,
    Ring, class, mapped_bits,
};
use crate::memory::copy;
use crate::park::{Parked, park};
use crate::record::{Expected, FILE, IN, LEAVES, LOOK, OUT, PAD, Piece, Record, TEXT, aligned};
use crate::rules::{
    BYTES_MAX, Descriptors, INDEX, NONE, O_CREAT, O_EXCL, OPENS_FOR_WRITING, RULES, Rule, Span,
    TEXT_MAX, VECTORS_MAX, Wait,
};
use core::arch::asm;
use core::sync::atomic::Ordering;

pub const EINTR: i64 = -4;
const EFAULT: i64 = -14;
pub const READ: u64 = 0;
pub const WRITE: u64 = 1;
const FSTAT: u64 = 5;
const STAT_BYTES: usize = 144;
/// `st_mode` is the lower half of this word (arch/x86/include/uapi/asm/stat.h).
const STAT_MODE_WORD: usize = 3;
const FSTATFS: u64 = 138;
const STATFS_BYTES: usize = 120;
const PROC_SUPER_MAGIC: u64 = 0x9fa0;
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
/// `PIPE_BUF`: so much is written to a pipe at once, or not at all.
const PIPE_WRITES_WHOLE: u64 = 4096;
const MESSAGE_BYTES: u64 = 56;
const VECTOR_BYTES: u64 = 16;
pub const RECORD_BYTES: u64 = size_of::<Record>() as u64;
pub const PIECE_BYTES: u64 = size_of::<Piece>() as u64;
/// More than a record needs besides the bytes of its pieces.
const ROOM: u64 = RECORD_BYTES + (VECTORS_MAX + 4) * (PIECE_BYTES + 8) + 2 * TEXT_MAX;

/// # Safety
///
/// `at` is an address of the agent's own.
#[inline(always)]
unsafe fn get(at: u64) -> u32 {
    // SAFETY: as the caller says.
    unsafe { (at as *const u32).read_volatile() }
}

/// What the agent keeps of the thread that is inside. The supervisor reads and writes it, too.
#[derive(Clone, Copy)]
pub struct This(pub *mut Inside);

impl This {
    #[inline(always)]
    pub fn set_phase(self, phase: Phase) {
        // SAFETY: it is the thread's area.
        unsafe { (&raw mut (*self.0).phase).write_volatile(phase as u32) }
    }

    /// The thread reports once the call is served.
    #[inline(always)]
    pub fn report(self) {
        // SAFETY: as above.
        unsafe { (&raw mut (*self.0).exit_stop).write_volatile(1) }
    }

    /// Whether it is to.
    #[inline(always)]
    pub fn reports(self) -> bool {
        // SAFETY: as above.
        unsafe { (&raw const (*self.0).exit_stop).read_volatile() != 0 }
    }

    #[inline(always)]
    pub fn thread(self) -> u32 {
        // SAFETY: as above.
        unsafe { (&raw const (*self.0).thread).read_volatile() }
    }
}

/// The record being written.
pub struct Writer {
    pub start: u64,
    pub at: u64,
}

impl Writer {
    /// A record at an address where there is room.
    #[inline(always)]
    const fn new(start: u64) -> Self {
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
    unsafe fn file(&mut self, dev: u64, inode: u64) {
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

    /// Keeps an array of buffers and, of what is read, the buffers.
    unsafe fn vector(&mut self, list: u64, count: u64) -> bool {
        if count > VECTORS_MAX {
            return false;
        }
        let mut total = 0u64;
        // SAFETY: as in `piece`.
        unsafe {
            for index in 0..count {
                let len = ((list + index * VECTOR_BYTES + 8) as *const u64).read_unaligned();
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
                let base = (entry as *const u64).read_unaligned();
                let len = ((entry + 8) as *const u64).read_unaligned();
                if len > 0 {
                    self.piece(base, len, IN);
                }
            }
        }
        true
    }
}

#[inline(always)]
pub fn arg(frame: &Frame, index: u8) -> u64 {
    match index {
        0 => frame.rdi,
        1 => frame.rsi,
        2 => frame.rdx,
        3 => frame.r10,
        4 => frame.r8,
        _ => frame.r9,
    }
}

/// Performs a syscall unseen.
#[inline(always)]
pub unsafe fn perform(nr: u64, frame: &Frame) -> i64 {
    let mut result = nr;
    // SAFETY: what it does to the application's memory is what the application asked for.
    unsafe {
        asm!(
            "call {stub}",
            stub = in(reg) RAW_SYSCALL,
            inout("rax") result,
            in("rdi") frame.rdi,
            in("rsi") frame.rsi,
            in("rdx") frame.rdx,
            in("r10") frame.r10,
            in("r8") frame.r8,
            in("r9") frame.r9,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result as i64
}

/// 0: the call is not served. 1: it is, and the result is in the frame. More: so many bytes less one
/// of it are done, and the rest would wait; or one less is [`RETURNED`](crate::layout::RETURNED).
#[unsafe(no_mangle)]
extern "C" fn ftrun_agent_serve(inside: *mut Inside) -> u32 {
    // SAFETY: the addresses are the agent's own; those of the application are checked by use.
    unsafe { serve(This(inside), &mut (*inside).frame) }
}

#[inline(always)]
unsafe fn serve(this: This, frame: &mut Frame) -> u32 {
    let nr = frame.rax;
    let Some(index) = INDEX.get(nr as usize) else {
        return 0;
    };
    if *index == NONE {
        return 0;
    }
    // SAFETY: the ring is mapped.
    let ring = unsafe { &*(RING as *const Ring) };
    // SAFETY: an address of the agent's own.
    let off = unsafe { get(OFF) };
    if ring.stop.load(Ordering::Relaxed) != 0 || off == Off::All as u32 {
        return 0;
    }
    let Some(rule) = fitting(*index, frame) else {
        return 0;
    };
    if off != Off::Nothing as u32 && !rule.is_for_all() {
        return 0;
    }
    // SAFETY: an address of the agent's own.
    let replays = unsafe { get(REPLAYS) } != 0;
    // SAFETY: an address of the agent's own.
    if rule.tells && unsafe { get(OTHER_FILES) } != 0 {
        return 0;
    }
    let changes = match rule.descriptors {
        Descriptors::Open(flags) => arg(frame, flags) as u32 & OPENS_FOR_WRITING != 0,
        Descriptors::Keep | Descriptors::Close => rule.changes,
    };
    if changes && !replays && ring.changes.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    let known = if rule.class == 0 || replays {
        0
    } else {
        let fd = u64::from(frame.rdi as u32);
        if fd >= CLASSES_LEN {
            return 0;
        }
        // SAFETY: an address of the agent's own.
        let known = unsafe { ((CLASSES + fd) as *const u8).read() };
        let pipe = known & class::PIPE != 0 && (nr == READ || nr == WRITE);
        if known & rule.class == 0 && !pipe {
            return 0;
        }
        known
    };
    let (second, class) = rule.second;
    if class != 0 && !replays {
        let fd = u64::from(arg(frame, second) as u32);
        // SAFETY: an address of the agent's own.
        if fd >= CLASSES_LEN || unsafe { ((CLASSES + fd) as *const u8).read() } & class == 0 {
            return 0;
        }
    }
    let Some(moved) = moved_at_most(rule, frame) else {
        return 0;
    };
    // SAFETY: the ring is mapped.
    let Some(start) = (unsafe { make_room(ring, ROOM + moved) }) else {
        return 0;
    };
    let mut writer = Writer::new(start);
    // SAFETY: there is room.
    let kept = unsafe {
        keep_inputs(&mut writer, rule.reads, frame) && keep_inputs(&mut writer, rule.also, frame)
    };
    if !kept {
        return 0;
    }
    if replays {
        // SAFETY: the feed is mapped.
        let Some(expected) = (unsafe { next_expected(ring, frame) }) else {
            return 0;
        };
        this.set_phase(Phase::Performs);
        // SAFETY: there is room; the kernel has written there, when this was recorded.
        unsafe {
            give(ring, expected, this);
            finish(&writer, this, frame, expected.result, 0);
        }
        served(ring, &writer, this, frame, expected.result);
        return 1;
    }
    let open = is_open_for(&ring.baton, this.thread());
    if matches!(rule.wait, Wait::Long | Wait::Parks) && !open {
        return 0;
    }
    let buffer = [frame.rsi, frame.rdx];
    let Some(attempt) = Attempt::of(rule, frame, known, &buffer) else {
        return 0;
    };
    if rule.descriptors == Descriptors::Close {
        // SAFETY: the number is one of those that have a class.
        unsafe { set_class(frame.rdi as u32, 0) }
    }
    this.set_phase(Phase::Performs);
    let mut result = 0;
    let mut waits = rule.wait == Wait::Parks;
    if !waits {
        // SAFETY: a call of the application's, or one that asks for less.
        result = unsafe { perform(attempt.nr, &attempt.frame) };
        waits = attempt.tries && would_wait(rule, result);
    }
    let mut flags = 0;
    if waits {
        // What is written in part when the supervisor brings the thread out would show.
        let whole = rule.class != class::WRITE
            || known & class::PIPE != 0 && frame.rdx <= PIPE_WRITES_WHOLE;
        let parked = if open && whole {
            // SAFETY: the kernel has written there, and somebody may look at it meanwhile; the application's call,
            // whose record has room.
            unsafe {
                undo(&writer, rule, frame);
                park(ring, this, &writer, rule, frame)
            }
        } else {
            Parked::NotAtAll
        };
        match parked {
            Parked::Undisturbed(value) => result = value,
            // Whether the application is to see that is for the supervisor to find out.
            Parked::Behind(EINTR) => return Parked::REPORTED,
            Parked::Behind(value) => {
                // SAFETY: the ring is mapped.
                let Some(start) = (unsafe { make_room(ring, ROOM + moved) }) else {
                    return Parked::REPORTED;
                };
                writer = Writer::new(start);
                flags = LEAVES;
                result = value;
            }
            Parked::Reports => return Parked::REPORTED,
            Parked::NotAtAll => {}
        }
        // If the supervisor has seen what ended the wait, it has led the thread elsewhere.
        let again = match parked {
            Parked::Undisturbed(_) => result == EINTR,
            Parked::NotAtAll => true,
            Parked::Behind(_) | Parked::Reports => false,
        };
        if again {
            // SAFETY: the kernel has written there.
            unsafe { undo(&writer, rule, frame) };
            this.set_phase(Phase::Before);
            return 0;
        }
    }
    if let Descriptors::Open(how) = rule.descriptors
        && result >= 0
    {
        let how = arg(frame, how) as u32;
        // SAFETY: a descriptor that nobody else knows yet; there is room.
        if unsafe { opened(&mut writer, result as u64, how) } {
            flags = LOOK;
        }
    }
    if attempt.whole && !waits && result >= 0 && (result as u64) < frame.rdx {
        return result as u32 + 1;
    }
    if flags == LOOK || (result == EFAULT && rule.writes != Span::No) {
        // Or the kernel may have written a part. The supervisor has a look, before anything changes.
        this.report();
    }
    // SAFETY: there is room; the kernel wrote there.
    unsafe {
        keep_outputs(&mut writer, rule, frame, result);
        finish(&writer, this, frame, result, flags);
    }
    served(ring, &writer, this, frame, result);
    let unread = ring.head.load(Ordering::Relaxed) - ring.tail.load(Ordering::Relaxed);
    if unread > RING_DRAIN_AT {
        this.report();
    }
    1
}

/// # Safety
///
/// `fd` is smaller than `CLASSES_LEN`.
#[inline(always)]
unsafe fn set_class(fd: u32, class: u8) {
    // SAFETY: an address of the agent's own.
    unsafe { ((CLASSES + u64::from(fd)) as *mut u8).write(class) }
}

/// The rule for a call of which this is the first.
#[inline(always)]
fn fitting(first: u8, frame: &Frame) -> Option<&'static Rule> {
    let mut at = usize::from(first);
    let nr = RULES.get(at)?.nr;
    loop {
        let rule = RULES.get(at)?;
        if rule.nr != nr {
            return None;
        }
        if rule
            .when
            .iter()
            .all(|when| when.holds(|index| arg(frame, index)))
        {
            return Some(rule);
        }
        at += 1;
    }
}

/// A new descriptor: if it is one of a file or a directory, its calls may be served. Whether the
/// supervisor has to have a look at it: it is for writing, and what is written there may show elsewhere.
#[inline(never)]
unsafe fn opened(writer: &mut Writer, fd: u64, flags: u32) -> bool {
    let writes = flags & OPENS_FOR_WRITING != 0;
    if fd >= CLASSES_LEN {
        return writes;
    }
    let mut stat = [0u64; STAT_BYTES / 8];
    let frame = Frame {
        rdi: fd,
        rsi: stat.as_mut_ptr() as u64,
        ..Frame::default()
    };
    // SAFETY: the kernel writes one structure; the number is small enough; there is room for one piece more.
    unsafe {
        let done = perform(FSTAT, &frame) == 0;
        let kind = stat[STAT_MODE_WORD] as u32 & S_IFMT;
        if !writes {
            let plain = done && (kind == S_IFREG || kind == S_IFDIR);
            set_class(fd as u32, if plain { class::OPENED } else { 0 });
            return false;
        }
        let [dev, inode, ..] = stat;
        let made = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
        // One that was just made may have the number of another that was mapped.
        let plain = done && kind == S_IFREG && !is_mapped(dev, inode) && (made || is_stored(fd));
        set_class(fd as u32, if plain { class::OPENED_FOR_WRITING } else { 0 });
        if plain {
            writer.file(dev, inode);
        }
        !plain
    }
}

/// Whether what is written to a file may show elsewhere.
#[inline(always)]
unsafe fn is_mapped(dev: u64, inode: u64) -> bool {
    mapped_bits(dev, inode).iter().all(|bit| {
        let byte = RING + MAPPED_AT + (*bit as u64) / 8;
        // SAFETY: the number of a bit is small enough.
        unsafe { (byte as *const u8).read() & (1 << (bit % 8)) != 0 }
    })
}

/// Whether a file has bytes of its own: files of `/proc` are memory of processes.
#[inline(always)]
unsafe fn is_stored(fd: u64) -> bool {
    let mut about = [0u64; STATFS_BYTES / 8];
    let frame = Frame {
        rdi: fd,
        rsi: about.as_mut_ptr() as u64,
        ..Frame::default()
    };
    // SAFETY: the kernel writes one structure.
    unsafe { perform(FSTATFS, &frame) == 0 && about[0] != PROC_SUPER_MAGIC }
}

/// The record is complete.
#[inline(always)]
fn served(ring: &Ring, writer: &Writer, this: This, frame: &mut Frame, result: i64) {
    let head = ring.head.load(Ordering::Relaxed) + writer.len();
    ring.head.store(head, Ordering::Release);
    frame.rax = result as u64;
    this.set_phase(Phase::Done);
}

/// In replay: what this call gives, if it is the next one in the feed.
#[inline(always)]
unsafe fn next_expected<'f>(ring: &Ring, frame: &Frame) -> Option<&'f Expected> {
    let used = ring.feed_used.load(Ordering::Relaxed);
    if used >= ring.feed_len.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: the supervisor has written whole entries; the site has told where it is.
    let (expected, after) = unsafe {
        (
            &*((RING + FEED_AT + used) as *const Expected),
            (*(frame.info as *const Info)).after,
        )
    };
    if u64::from(expected.nr) != frame.rax || expected.after != after {
        return None;
    }
    let found = [
        frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9,
    ];
    let mut at = 0;
    while at < expected.args_len as usize && at < found.len() {
        if expected.args[at] != found[at] {
            return None;
        }
        at += 1;
    }
    Some(expected)
}

/// In replay: writes what the kernel wrote then, and goes on in the feed.
#[inline(always)]
unsafe fn give(ring: &Ring, expected: &Expected, this: This) {
    let mut at = core::ptr::from_ref(expected) as u64 + size_of::<Expected>() as u64;
    for _ in 0..expected.pieces {
        // SAFETY: pieces follow, with their bytes.
        unsafe {
            let piece = (at as *const Piece).read();
            copy(piece.addr, at + PIECE_BYTES, piece.len.into());
            at += PIECE_BYTES + aligned(piece.len.into());
        }
    }
    let used = ring.feed_used.load(Ordering::Relaxed) + u64::from(expected.len);
    ring.feed_used.store(used, Ordering::Relaxed);
    if used == ring.feed_len.load(Ordering::Relaxed) {
        this.report();
    }
}

/// How many bytes the call moves at most, besides what has a limit of its own; `None` if that is
/// more than is served.
#[inline(always)]
fn moved_at_most(rule: &Rule, frame: &Frame) -> Option<u64> {
    let bytes = |span: Span| match span {
        Span::No | Span::Text(_) => Some(0),
        Span::Fixed(_, bytes) => Some(u64::from(bytes)),
        Span::Arg(_, count, scale) => {
            let count = arg(frame, count);
            (count <= BYTES_MAX).then(|| count * u64::from(scale))
        }
        // What bounds the result is the next argument; it is an `int` in some calls.
        Span::Result(pointer, scale) => {
            let count = arg(frame, pointer + 1);
            (count <= BYTES_MAX).then(|| count * u64::from(scale))
        }
        Span::Vector(..) | Span::Message(_) => Some(BYTES_MAX),
    };
    let total = bytes(rule.reads)? + bytes(rule.also)? + bytes(rule.writes)?;
    (total <= 2 * BYTES_MAX).then_some(total)
}

/// The address of so many free bytes in a row.
#[inline(always)]
unsafe fn make_room(ring: &Ring, len: u64) -> Option<u64> {
    let head = ring.head.load(Ordering::Relaxed);
    let used = head - ring.tail.load(Ordering::Acquire);
    let offset = head % RING_BYTES;
    let rest = RING_BYTES - offset;
    let at = RING + RING_BYTES_AT + offset;
    if len <= rest {
        return (used + len <= RING_BYTES).then_some(at);
    }
    if used + rest + len > RING_BYTES {
        return None;
    }
    // SAFETY: inside the ring; `rest` is a multiple of the alignment.
    unsafe {
        (at as *mut u32).write(rest as u32);
        ((at + 4) as *mut u32).write(PAD);
    }
    ring.head.store(head + rest, Ordering::Release);
    Some(RING + RING_BYTES_AT)
}

/// Keeps what the kernel is going to read; whether all of it could be.
#[inline(always)]
unsafe fn keep_inputs(writer: &mut Writer, reads: Span, frame: &Frame) -> bool {
    // SAFETY: there is room; memory of the application's may fault here.
    unsafe {
        match reads {
            Span::No | Span::Result(..) => {}
            Span::Fixed(pointer, bytes) => writer.input(arg(frame, pointer), bytes.into()),
            Span::Arg(pointer, count, scale) => {
                let bytes = arg(frame, count) * u64::from(scale);
                writer.input(arg(frame, pointer), bytes);
            }
            Span::Text(pointer) => {
                let addr = arg(frame, pointer);
                return addr == 0 || writer.text(addr);
            }
            Span::Vector(list, count) => return writer.vector(arg(frame, list), arg(frame, count)),
            Span::Message(pointer) => {
                let addr = arg(frame, pointer);
                if addr == 0 {
                    return false;
                }
                let word = |at: u64| ((addr + at) as *const u64).read_unaligned();
                let (name, control, control_len) = (word(0), word(32), word(40));
                if name != 0 || (control != 0 && control_len != 0) {
                    return false;
                }
                writer.piece(addr, MESSAGE_BYTES, IN);
                return writer.vector(word(16), word(24));
            }
        }
    }
    true
}

/// Keeps what the kernel has written.
#[inline(always)]
unsafe fn keep_outputs(writer: &mut Writer, rule: &Rule, frame: &Frame, result: i64) {
    if result < 0 {
        return;
    }
    let (pointer, bytes) = match rule.writes {
        Span::Fixed(pointer, bytes) => (pointer, u64::from(bytes)),
        Span::Arg(pointer, count, scale) => (pointer, arg(frame, count) * u64::from(scale)),
        Span::Result(pointer, scale) => {
            let count = (result as u64).min(arg(frame, pointer + 1));
            (pointer, count * u64::from(scale))
        }
        Span::No | Span::Text(_) | Span::Vector(..) | Span::Message(_) => return,
    };
    let addr = arg(frame, pointer);
    if addr != 0 && bytes != 0 {
        // SAFETY: the kernel has written there.
        unsafe { writer.piece(addr, bytes, OUT) }
    }
}

/// Completes the record.
#[inline(always)]
pub unsafe fn finish(writer: &Writer, this: This, frame: &Frame, result: i64, flags: u32) {
    // SAFETY: addresses of the agent's own; the instructions exist if the supervisor says so.
    unsafe {
        let (mut fs_base, mut gs_base) = (0u64, 0u64);
        if get(READS_BASES) != 0 {
            asm!("rdfsbase {}", out(reg) fs_base, options(nomem, nostack, preserves_flags));
            asm!("rdgsbase {}", out(reg) gs_base, options(nomem, nostack, preserves_flags));
        }
        (writer.start as *mut Record).write(Record {
            len: writer.len() as u32,
            nr: frame.rax as u32,
            clocks: get(CLOCKS_USED),
            flags,
            result,
            frame: *frame,
            after: (*(frame.info as *const Info)).after,
            fs_base,
            gs_base,
            thread: this.thread().into(),
        });
    }
}
