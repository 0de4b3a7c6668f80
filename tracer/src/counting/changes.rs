//! Which syscalls change what code there is.

use crate::advice;
use crate::layout::page_up;
use crate::model::capture::Call;
use std::ops::Range;

/// The addresses at which there may be other code behind a syscall with this result.
pub fn changed(call: &Call, result: i64) -> [Option<Range<u64>>; 2] {
    let [addr, len, third, ..] = call.args;
    let range = |at: u64, len: u64| Some(at..at.saturating_add(page_up(len)));
    let given = result.cast_unsigned();
    let failed = (-4095..0).contains(&result);
    match call.def.name {
        "mmap" if !failed => [range(given, len), None],
        // It may have done a part of it.
        "munmap" | "mprotect" | "pkey_mprotect" => [range(addr, len), None],
        "mremap" if !failed => [range(addr, len.max(third)), range(given, third)],
        "mremap" => [range(addr, len.max(third)), None],
        // How long it is, only the kernel knows.
        "shmat" if !failed => [Some(given..u64::MAX), None],
        "shmdt" => [Some(addr..u64::MAX), None],
        "madvise" if advice::discards(call.int(2)) => [range(addr, len), None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    fn of(nr: i64, args: [u64; 6], result: i64) -> [Option<Range<u64>>; 2] {
        let nr = u32::try_from(nr).expect("a number");
        let def = model::lookup(nr).expect("a known syscall");
        changed(&Call { def, args }, result)
    }

    #[test]
    fn what_is_mapped_moved_and_unmapped_is_other_code() {
        let at = 0x7f00_0000_0000;
        let map = of(libc::SYS_mmap, [0, 5000, 5, 2, 3, 0], at);
        assert_eq!(map, [Some(0x7f00_0000_0000..0x7f00_0000_2000), None]);
        assert_eq!(of(libc::SYS_mmap, [0, 5000, 5, 2, 3, 0], -12), [None, None]);
        let unmap = of(libc::SYS_munmap, [0x1000, 1, 0, 0, 0, 0], -22);
        assert_eq!(unmap, [Some(0x1000..0x2000), None]);
        let moved = of(libc::SYS_mremap, [0x1000, 0x1000, 0x3000, 1, 0, 0], 0x9000);
        assert_eq!(moved, [Some(0x1000..0x4000), Some(0x9000..0xc000)]);
        assert_eq!(of(libc::SYS_read, [0, 0x1000, 9, 0, 0, 0], 9), [None, None]);
    }
}
