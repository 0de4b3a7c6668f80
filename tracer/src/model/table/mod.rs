//! The table of all x86-64 syscalls, and how to find one in it.

pub mod dsl;
mod high;
mod high2;
mod low;
mod low2;
#[cfg(test)]
mod tests;

use super::types::Syscall;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Numbers from here on are nobody's.
const NUMBERS_MAX: usize = 1024;

/// All syscalls, in the order of their numbers.
pub fn all() -> impl Iterator<Item = &'static Syscall> {
    by_number().iter().copied().flatten()
}

/// The syscall of that number, if this version knows it.
#[must_use]
pub fn lookup(nr: u32) -> Option<&'static Syscall> {
    by_number()
        .get(usize::try_from(nr).ok()?)
        .copied()
        .flatten()
}

/// The syscall of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Syscall> {
    static NAMES: OnceLock<HashMap<&'static str, &'static Syscall>> = OnceLock::new();
    NAMES
        .get_or_init(|| all().map(|syscall| (syscall.name, syscall)).collect())
        .get(name)
        .copied()
}

fn by_number() -> &'static [Option<&'static Syscall>] {
    static NUMBERS: OnceLock<Vec<Option<&'static Syscall>>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let mut slots = vec![None; NUMBERS_MAX];
        for syscall in [low::TABLE, low2::TABLE, high::TABLE, high2::TABLE]
            .into_iter()
            .flatten()
        {
            if let Some(slot) = slots.get_mut(syscall.nr as usize) {
                *slot = Some(syscall);
            }
        }
        slots
    })
}
