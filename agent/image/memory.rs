//! Copies, and the functions that compiled code calls by name.

use core::arch::asm;

/// Copies bytes between places that do not overlap.
///
/// # Safety
///
/// Both ranges are the application's or the agent's own; reading may fault, which the supervisor
/// resolves.
#[inline(always)]
pub unsafe fn copy(to: u64, from: u64, len: u64) {
    // SAFETY: as the caller says.
    unsafe {
        if len <= 32 && len >= 8 {
            // Two overlapping halves of whole words: shorter than the start of `rep movsb`.
            let mut at = 0;
            while at + 8 <= len {
                word(to + at, from + at);
                at += 8;
            }
            word(to + len - 8, from + len - 8);
            return;
        }
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
            options(nostack, preserves_flags));
    }
}

/// The same, from the first byte on that differs: memory that is what it is to be need not be writable.
///
/// # Safety
///
/// As that of [`copy`]; what is there already can be read.
pub unsafe fn put(to: u64, from: u64, len: u64) {
    let mut same = 0;
    // SAFETY: as the caller says.
    unsafe {
        let word = |at: u64| (at as *const u64).read_unaligned();
        while same + 8 <= len && word(to + same) == word(from + same) {
            same += 8;
        }
        let byte = |at: u64| (at as *const u8).read();
        while same < len && byte(to + same) == byte(from + same) {
            same += 1;
        }
        if same < len {
            copy(to + same, from + same, len - same);
        }
    }
}

#[inline(always)]
unsafe fn word(to: u64, from: u64) {
    // SAFETY: as the caller of `copy` says.
    unsafe { (to as *mut u64).write_unaligned((from as *const u64).read_unaligned()) }
}

/// # Safety
///
/// As that of C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: as the caller says.
    unsafe {
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
///
/// As that of C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    // SAFETY: as the caller says.
    unsafe {
        asm!("rep stosb", inout("rdi") to => _, in("al") byte as u8, inout("rcx") len => _,
            options(nostack, preserves_flags));
    }
    to
}
