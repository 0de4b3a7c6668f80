//! The general registers of an x86-64 thread and their signature.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The general registers, in the order of the kernel's `user_regs_struct`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are the architecture's")]
pub struct Regs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub eflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub fs_base: u64,
    pub gs_base: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
}

/// A 32-bit digest of everything in [`Regs`] that a program can see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signature(pub u32);

impl Regs {
    /// The six syscall arguments, in order.
    #[must_use]
    #[inline]
    pub const fn args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }

    /// Sets one of the six syscall arguments; an index above 5 changes nothing.
    pub const fn set_arg(&mut self, index: usize, value: u64) {
        match index {
            0 => self.rdi = value,
            1 => self.rsi = value,
            2 => self.rdx = value,
            3 => self.r10 = value,
            4 => self.r8 = value,
            5 => self.r9 = value,
            _ => {}
        }
    }

    /// The signature of a thread standing here.
    ///
    /// `orig_rax` is the kernel's own, `rax` is overwritten at a syscall's entry,
    /// and the selectors do not change in 64-bit programs: they are left out.
    /// Of the flags only those that a program sets itself count: the trap and
    /// resume flags belong to whoever traces it.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a digest is cut on purpose"
    )]
    #[inline]
    pub fn signature(&self) -> Signature {
        Signature(xxh3_64(&self.visible()) as u32)
    }

    /// What a signature is made of: all that a program can see, without what the kernel
    /// or a tracer changes.
    #[must_use]
    #[inline]
    pub fn visible(&self) -> [u8; 19 * 8] {
        const TRAP: u64 = 1 << 8;
        const RESUME: u64 = 1 << 16;
        let words = [
            self.r15,
            self.r14,
            self.r13,
            self.r12,
            self.rbp,
            self.rbx,
            self.r11 & !(TRAP | RESUME),
            self.r10,
            self.r9,
            self.r8,
            self.rcx,
            self.rdx,
            self.rsi,
            self.rdi,
            self.rip,
            self.eflags & !(TRAP | RESUME),
            self.rsp,
            self.fs_base,
            self.gs_base,
        ];
        let mut bytes = [0u8; 19 * 8];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_register_counts() {
        let base = Regs::default().signature();
        let mut one = Regs::default();
        for index in 0..6 {
            one.set_arg(index, 1);
            assert_ne!(one.signature(), base, "argument {index}");
            one.set_arg(index, 0);
        }
        one.rsp = 8;
        assert_ne!(one.signature(), base);
    }

    #[test]
    fn what_the_tracer_sets_does_not_count() {
        let one = Regs {
            eflags: 1 << 8,
            rax: 5,
            orig_rax: 9,
            ..Regs::default()
        };
        assert_eq!(one.signature(), Regs::default().signature());
    }
}
