//! The clone family: arguments by name, in an order of their own.

use crate::model::StructId;
use crate::model::names::sched::CLONE;
use crate::strace::call::{Shown, When};
use crate::strace::fields::{Field, Is, all, field, pointer, ulong, xlong};
use crate::strace::scalars::{address, flags, signal};
use crate::strace::structs::braces;
use crate::strace::text::put;
use crate::strace::view::{number, signed};

const PIDFD: u64 = 0x1000;
const SETTLS: u64 = 0x8_0000;
const PARENT_SETTID: u64 = 0x10_0000;
const CHILD_CLEARTID: u64 = 0x20_0000;
const CHILD_SETTID: u64 = 0x100_0000;
const INTO_CGROUP: u64 = 0x2_0000_0000;
/// The exit signal, in the flags of `clone`.
const SIGNAL: u64 = 0xff;
/// `CLONE_ARGS_SIZE_VER0`.
const ARGS_BYTES_MIN: usize = 64;

/// Arguments of `clone` that print, in order.
pub(super) fn order(shown: &Shown<'_>) -> Vec<usize> {
    let given = shown.arg(0);
    let wanted = [
        (1, true),
        (0, true),
        (2, given & (PARENT_SETTID | PIDFD) != 0),
        (4, given & SETTLS != 0),
        (3, given & (CHILD_SETTID | CHILD_CLEARTID) != 0),
    ];
    wanted
        .into_iter()
        .filter(|(_, prints)| *prints)
        .map(|(index, _)| index)
        .collect()
}

/// Appends argument `index` of `clone`.
pub(super) fn argument(shown: &Shown<'_>, out: &mut String, index: usize) -> bool {
    let value = shown.arg(index);
    match index {
        0 => {
            out.push_str("flags=");
            if value & !SIGNAL != 0 {
                flags(out, &CLONE, value & !SIGNAL);
                if value & SIGNAL != 0 {
                    out.push('|');
                }
            }
            if value & SIGNAL != 0 || value == 0 {
                signal(out, value & SIGNAL);
            }
        }
        1 => {
            out.push_str("child_stack=");
            address(out, value);
        }
        2 => {
            out.push_str("parent_tid=");
            stored(shown, out, value);
        }
        3 => {
            out.push_str("child_tidptr=");
            address(out, value);
        }
        _ => {
            out.push_str("tls=");
            address(out, value);
        }
    }
    true
}

/// The number that the kernel stored at `addr`.
fn stored(shown: &Shown<'_>, out: &mut String, addr: u64) {
    match shown
        .view
        .written(addr)
        .and_then(|piece| piece.bytes.get(..4))
    {
        Some(bytes) if shown.done().is_some() => put!(out, "[{}]", signed(bytes, 0, 4)),
        _ => address(out, addr),
    }
}

fn given<'v>(shown: &Shown<'v>) -> Option<&'v [u8]> {
    let len = usize::try_from(shown.arg(1))
        .ok()?
        .min(StructId::CloneArgs.size() as usize);
    shown
        .view
        .bytes_before(shown.arg(0), len)
        .filter(|bytes| bytes.len() >= ARGS_BYTES_MIN)
}

/// When the structure of `clone3` prints.
pub(super) fn when(shown: &Shown<'_>) -> When {
    let stores = given(shown).is_some_and(|args| number(args, 0, 8) & (PIDFD | PARENT_SETTID) != 0);
    if stores { When::Both } else { When::Entry }
}

/// Appends the structure of `clone3`, if that is argument `index`.
pub(super) fn structure(shown: &Shown<'_>, out: &mut String, index: usize) -> bool {
    const STACK: &[Field] = &[pointer("stack", 40), xlong("stack_size", 48)];
    const EXIT_SIGNAL: &[Field] = &[field(
        "exit_signal",
        32,
        Is::Own(8, |out, bytes| signal(out, number(bytes, 0, 8))),
    )];
    let Some(args) = given(shown).filter(|_| index == 0) else {
        return false;
    };
    let set = number(args, 0, 8);
    let optional = |out: &mut String, wanted: bool, field: Field| {
        if wanted {
            field.show(out, args);
        }
    };
    braces(out, |out| {
        out.push_str("flags=");
        flags(out, &CLONE, set);
        optional(out, set & PIDFD != 0, pointer("pidfd", 8));
        optional(
            out,
            set & (CHILD_SETTID | CHILD_CLEARTID) != 0,
            pointer("child_tid", 16),
        );
        optional(out, set & PARENT_SETTID != 0, pointer("parent_tid", 24));
        all(out, EXIT_SIGNAL, args);
        all(out, STACK, args);
        optional(out, set & SETTLS != 0, pointer("tls", 56));
        let ids =
            args.len() > ARGS_BYTES_MIN && (number(args, 64, 8) != 0 || number(args, 72, 8) != 0);
        if ids {
            set_tid(out, number(args, 64, 8), number(args, 72, 8));
        }
        optional(out, set & INTO_CGROUP != 0, ulong("cgroup", 80));
    });
    true
}

/// The array itself is not part of what is recorded.
fn set_tid(out: &mut String, addr: u64, count: u64) {
    out.push_str(", set_tid=");
    address(out, addr);
    put!(out, ", set_tid_size={count}");
}

/// Appends the ids that `clone3` stored.
pub(super) fn change(shown: &Shown<'_>, out: &mut String) {
    let Some(args) = given(shown).filter(|_| shown.done().is_some()) else {
        return;
    };
    let set = number(args, 0, 8);
    out.push_str(" => ");
    braces(out, |out| {
        for (flag, name, at) in [(PIDFD, "pidfd", 8), (PARENT_SETTID, "parent_tid", 24)] {
            if set & flag != 0 {
                crate::strace::fields::name(out, name);
                stored(shown, out, number(args, at, 8));
            }
        }
    });
}
