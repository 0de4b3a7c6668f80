//! What is known of descriptors that the agent has opened, or made.

use crate::keep::Writer;
use crate::layout::{CLASSES, CLASSES_LEN, Frame, MAPPED_AT, RING, class, mapped_bits};
use crate::rules::{O_CREAT, O_EXCL, OPENS_FOR_WRITING};
use crate::serve::{FSTAT, perform};

const STAT_BYTES: usize = 144;
/// `st_mode` is the lower half of this word (arch/x86/include/uapi/asm/stat.h).
const STAT_MODE_WORD: usize = 3;
const FSTATFS: u64 = 138;
const STATFS_BYTES: usize = 120;
const PROC_SUPER_MAGIC: u64 = 0x9fa0;
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;

/// What is known of a descriptor; 0, if it is too great to be looked up.
#[inline(always)]
pub fn class_of(fd: u32) -> u8 {
    if u64::from(fd) >= CLASSES_LEN {
        return 0;
    }
    // SAFETY: an address of the agent's own.
    unsafe { ((CLASSES + u64::from(fd)) as *const u8).read() }
}

/// # Safety
///
/// `fd` is smaller than `CLASSES_LEN`.
#[inline(always)]
pub unsafe fn set_class(fd: u32, class: u8) {
    // SAFETY: an address of the agent's own.
    unsafe { ((CLASSES + u64::from(fd)) as *mut u8).write(class) }
}

/// What is known of a descriptor, once it has been looked at.
#[inline(always)]
pub fn class_looked_at(fd: u32) -> u8 {
    match class_of(fd) {
        class::UNSEEN => look(fd),
        known => known,
    }
}

#[inline(never)]
fn look(fd: u32) -> u8 {
    let class = class_by(stat(fd.into()).as_ref());
    // SAFETY: it has a class.
    unsafe { set_class(fd, class) };
    class
}

/// What a file opened for reading is, by what the kernel tells of it.
#[inline(always)]
fn class_by(stat: Option<&[u64; STAT_BYTES / 8]>) -> u8 {
    match stat.map(|stat| stat[STAT_MODE_WORD] as u32 & S_IFMT) {
        Some(S_IFREG | S_IFDIR) => class::OPENED,
        _ => 0,
    }
}

fn stat(fd: u64) -> Option<[u64; STAT_BYTES / 8]> {
    let mut stat = [0u64; STAT_BYTES / 8];
    let frame = Frame {
        rdi: fd,
        rsi: stat.as_mut_ptr() as u64,
        ..Frame::default()
    };
    // SAFETY: the kernel writes one structure.
    (unsafe { perform(FSTAT, &frame) } == 0).then_some(stat)
}

/// The application was told what a descriptor is: that is known now, if it was not.
///
/// # Safety
///
/// The kernel has written a `struct stat` there.
#[inline(always)]
pub unsafe fn told(fd: u32, at: u64) {
    if class_of(fd) == class::UNSEEN {
        // SAFETY: as the caller says; the number has a class.
        unsafe {
            let stat = (at as *const [u64; STAT_BYTES / 8]).read_unaligned();
            set_class(fd, class_by(Some(&stat)));
        }
    }
}

/// A new descriptor: if it is one of a file or a directory, its calls may be served. Whether the
/// supervisor has to have a look at it: it is for writing, and what is written there may show elsewhere.
///
/// # Safety
///
/// Nobody else knows the descriptor yet, and there is room for one piece more.
#[inline(never)]
pub unsafe fn opened(writer: &mut Writer, fd: u64, flags: u32) -> bool {
    let writes = flags & OPENS_FOR_WRITING != 0;
    if fd >= CLASSES_LEN {
        return writes;
    }
    // SAFETY: the number is small enough; there is room for one piece more.
    unsafe {
        if !writes {
            // Most are looked at by the application next.
            set_class(fd as u32, class::UNSEEN);
            return false;
        }
        let stat = stat(fd);
        let [dev, inode, ..] = stat.unwrap_or_default();
        let made = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
        // One that was just made may have the number of another that was mapped.
        let plain = stat.is_some_and(|stat| stat[STAT_MODE_WORD] as u32 & S_IFMT == S_IFREG)
            && !is_mapped(dev, inode)
            && (made || is_stored(fd));
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
