//! Serves one call by its rule: keeps what the kernel reads, performs the syscall, keeps what it
//! wrote.

use crate::attempt::{Attempt, has_passed, performed, undo, would_wait};
use crate::baton::is_open_for;
use crate::keep::{PIECE_BYTES, ROOM, Writer, keep_inputs, keep_outputs, moved_at_most};
use crate::layout::{
    CLASSES_LEN, CLOCKS_USED, FEED_AT, Frame, Info, Inside, OFF, OTHER_FILES, Off, Phase,
    RAW_SYSCALL, READS_BASES, REPLAYS, REWRITTEN, REWRITTEN_LEN, RING, RING_BYTES, RING_BYTES_AT,
    RING_DRAIN_AT, Ring, class,
};
use crate::memory::put;
use crate::opened::{class_looked_at, class_of, opened, set_class, told};
use crate::park::{Parked, park};
use crate::record::{Expected, LEAVES, LOOK, PAD, Piece, Record, aligned};
use crate::rules::{
    AT_EMPTY_PATH, Descriptors, INDEX, NONE, OPENS_FOR_WRITING, RULES, Rule, Span, Wait,
};
use core::arch::asm;
use core::sync::atomic::Ordering;

pub const EINTR: i64 = -4;
const EFAULT: i64 = -14;
pub const READ: u64 = 0;
pub const WRITE: u64 = 1;
pub const FSTAT: u64 = 5;
const IOCTL: u64 = 16;
pub const READV: u64 = 19;
const NEWFSTATAT: u64 = 262;
const PAGE: u64 = 4096;
/// `PIPE_BUF`: so much is written to a pipe at once, or not at all.
const PIPE_WRITES_WHOLE: u64 = 4096;

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

#[inline(always)]
pub fn set_arg(frame: &mut Frame, index: u8, value: u64) {
    let arg = match index {
        0 => &mut frame.rdi,
        1 => &mut frame.rsi,
        2 => &mut frame.rdx,
        3 => &mut frame.r10,
        4 => &mut frame.r8,
        _ => &mut frame.r9,
    };
    *arg = value;
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
        _ => rule.changes,
    };
    if changes && !replays && ring.changes.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    let known = if rule.class == 0 || replays {
        0
    } else {
        let fd = frame.rdi as u32;
        let known = match class_of(fd) {
            // It is looked at by this very call.
            class::UNSEEN if nr == FSTAT => class::KNOWN,
            _ => class_looked_at(fd),
        };
        let pipe = known & class::PIPE != 0 && matches!(nr, READ | WRITE | READV);
        if known & rule.class == 0 && !pipe {
            return 0;
        }
        known
    };
    let (second, class) = rule.second;
    if class != 0 && !replays {
        if class_looked_at(arg(frame, second) as u32) & class == 0 {
            return 0;
        }
    }
    // SAFETY: addresses of the agent's own.
    if rule.performs && unsafe { is_rewritten(frame.rdi, frame.rsi) } {
        return 0;
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
    if !unsafe { keep_inputs(&mut writer, rule.reads, frame) } {
        return 0;
    }
    if replays {
        // SAFETY: the feed is mapped.
        let Some(expected) = (unsafe { next_expected(ring, frame) }) else {
            return 0;
        };
        // What failed then may have been done in part, and what made it fail need not be there.
        // SAFETY: what the application asked for, and the kernel did when this was recorded.
        if rule.performs && (expected.result != 0 || unsafe { perform(nr, &performed(frame)) } != 0)
        {
            return 0;
        }
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
    let mut room = [0; 7];
    // SAFETY: memory of the application's may fault here; the record has what it passes.
    let Some(attempt) = (unsafe { Attempt::of(rule, frame, known, &mut room) }) else {
        return 0;
    };
    match rule.descriptors {
        // SAFETY: the number is one of those that have a class.
        Descriptors::Close => unsafe { set_class(frame.rdi as u32, 0) },
        // SAFETY: the record has what was read.
        Descriptors::Unblock if nr == IOCTL && unsafe { get(writer.first_piece()) } == 0 => {
            return 0;
        }
        _ => {}
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
    if !waits {
        // SAFETY: it was written before.
        unsafe { has_passed(attempt.left) }
    }
    if waits {
        let parked = if open && may_park(rule, known, frame) {
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
    if result >= 0 {
        match rule.descriptors {
            Descriptors::Open(how) => {
                let how = arg(frame, how) as u32;
                // SAFETY: a descriptor that nobody else knows yet; there is room.
                if unsafe { opened(&mut writer, result as u64, how) } {
                    flags = LOOK;
                }
            }
            Descriptors::New if (result as u64) < CLASSES_LEN => {
                // SAFETY: the number is small enough.
                unsafe { set_class(result as u32, 0) }
            }
            // SAFETY: the number is one of those that have a class.
            Descriptors::Unblock => unsafe { set_class(frame.rdi as u32, known & !class::SOCKET) },
            _ => {}
        }
        if rule.tells {
            // SAFETY: the kernel has written there.
            unsafe { has_told(&writer, frame) }
        }
    } else if rule.performs {
        flags = LOOK;
    }
    if attempt.whole && !waits && result >= 0 && (result as u64) < frame.rdx {
        return result as u32 + 1;
    }
    if flags == LOOK || (result == EFAULT && !rule.writes.is_empty()) {
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

/// Whether there may be rewritten code in memory of so many bytes: whoever changes that, the supervisor sees.
unsafe fn is_rewritten(start: u64, len: u64) -> bool {
    let end = start.saturating_add(len).saturating_add(PAGE - 1);
    let ranges = REWRITTEN as *const [u64; 2];
    // SAFETY: as the caller says.
    (0..REWRITTEN_LEN).any(|index| unsafe {
        let [first, behind] = ranges.add(index).read_volatile();
        first < end && start < behind
    })
}

/// Whether the thread may wait in a call without the CPU.
#[inline(always)]
fn may_park(rule: &Rule, known: u8, frame: &Frame) -> bool {
    match rule.wait {
        // What the kernel writes in part when the supervisor brings the thread out would show: the time that is left,
        // bytes.
        Wait::Time(..) => false,
        Wait::Descriptor if rule.class == class::WRITE => {
            known & class::PIPE != 0 && frame.rdx <= PIPE_WRITES_WHOLE
        }
        // Behind the wait nobody knows what it was to be written to.
        Wait::Descriptor => !rule
            .writes
            .iter()
            .any(|span| matches!(span, Span::Buffers(..) | Span::Received(_))),
        Wait::Never | Wait::Long | Wait::Timeout(_) | Wait::Parks => true,
    }
}

/// The application was told about a file. If it is one of a descriptor, that is known now.
#[inline(always)]
unsafe fn has_told(writer: &Writer, frame: &Frame) {
    match frame.rax {
        // SAFETY: the kernel has written there.
        FSTAT => unsafe { told(frame.rdi as u32, frame.rsi) },
        NEWFSTATAT if frame.r10 as u32 & AT_EMPTY_PATH != 0 => {
            // SAFETY: the record has the path, and the kernel has written.
            unsafe {
                if frame.rsi == 0 || (writer.first_piece() as *const u8).read() == 0 {
                    told(frame.rdi as u32, frame.rdx);
                }
            }
        }
        _ => {}
    }
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
            put(piece.addr, at + PIECE_BYTES, piece.len.into());
            at += PIECE_BYTES + aligned(piece.len.into());
        }
    }
    let used = ring.feed_used.load(Ordering::Relaxed) + u64::from(expected.len);
    ring.feed_used.store(used, Ordering::Relaxed);
    if used == ring.feed_len.load(Ordering::Relaxed) {
        this.report();
    }
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
