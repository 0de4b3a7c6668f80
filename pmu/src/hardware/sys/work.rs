//! Code whose conditional branches are known to the last one.

use super::super::Work;
use std::arch::asm;

/// Executes `loops` times two conditional branches: one that is never taken, so that a counter of
/// taken ones is told apart, and one that is taken but for the last time.
pub fn run(work: Work, loops: u64) {
    match work {
        Work::Plain => plain(loops),
        Work::Locked => locked(loops),
    }
}

fn plain(loops: u64) {
    // SAFETY: only the named register and the flags change.
    unsafe {
        asm!(
            "2:",
            "test {left}, {left}",
            "jz 3f",
            "dec {left}",
            "jnz 2b",
            "3:",
            left = inout(reg) loops => _,
            options(nomem, nostack),
        );
    }
}

/// The same around an instruction that locks.
fn locked(loops: u64) {
    let mut cell = 0u64;
    // SAFETY: only the named registers, the flags and the cell change.
    unsafe {
        asm!(
            "2:",
            "test {left}, {left}",
            "jz 3f",
            "lock inc qword ptr [{cell}]",
            "dec {left}",
            "jnz 2b",
            "3:",
            left = inout(reg) loops => _,
            cell = in(reg) &raw mut cell,
            options(nostack),
        );
    }
}
