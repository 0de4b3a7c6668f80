//! Advice (`madvise`) that programs can tell from none.

/// Newer than the C library's list (include/uapi/asm-generic/mman-common.h).
pub const MADV_DONTNEED_LOCKED: i32 = 24;
/// The same.
pub const MADV_GUARD_INSTALL: i32 = 102;
/// The same.
pub const MADV_GUARD_REMOVE: i32 = 103;

/// Whether advice, as [`performed`], changes what memory holds, what a fork does with it, or whether it can
/// be accessed.
pub const fn matters(advice: i32) -> bool {
    matches!(
        advice,
        libc::MADV_DONTNEED
            | libc::MADV_REMOVE
            | libc::MADV_DONTFORK
            | libc::MADV_DOFORK
            | libc::MADV_WIPEONFORK
            | libc::MADV_KEEPONFORK
            | MADV_DONTNEED_LOCKED
            | MADV_GUARD_INSTALL
            | MADV_GUARD_REMOVE
    )
}

/// Advice after which memory does not have what it had.
pub const fn discards(advice: i32) -> bool {
    matches!(
        advice,
        libc::MADV_DONTNEED
            | MADV_DONTNEED_LOCKED
            | libc::MADV_FREE
            | libc::MADV_REMOVE
            | MADV_GUARD_INSTALL
    )
}

/// The advice that is given where a program gives this: whether memory that it frees keeps its content is the
/// kernel's whim, and losing it at once the same every time.
pub const fn performed(advice: i32) -> i32 {
    match advice {
        libc::MADV_FREE => libc::MADV_DONTNEED,
        other => other,
    }
}
