//! Waiting for descriptors: the sets that are asked for, and those that came out.

use crate::model::StructId;
use crate::model::names::poll::EVENTS;
use crate::model::names::prctl::DUMPABLE;
use crate::model::names::sched::POLICY;
use crate::strace::call::Shown;
use crate::strace::scalars::{address, choice, flags, int, low, signal};
use crate::strace::signals;
use crate::strace::structs::{self, bit_numbers, date};
use crate::strace::text::{joined, put};
use crate::strace::view::{Piece, number, signed};

/// Names of the sets of `select`, from argument 1 on.
const SETS: [&str; 3] = ["in", "out", "except"];

/// Appends argument `index`, if it prints in an own way.
pub(super) fn argument(shown: &Shown<'_>, out: &mut String, index: usize) -> bool {
    let value = shown.arg(index);
    match (shown.def().name, index) {
        ("select" | "pselect6", 1..=3) => set(shown, out, value, shown.view.before(value)),
        ("pselect6", 5) => mask(shown, out, value),
        ("epoll_pwait" | "epoll_pwait2", 4) if shown.failed() => address(out, value),
        _ => return false,
    }
    true
}

/// An `fd_set`, of which as many bits count as argument 0 says.
fn set(shown: &Shown<'_>, out: &mut String, addr: u64, piece: Option<Piece<'_>>) {
    let bits = usize::try_from(int(shown.arg(0)));
    match (bits, piece.filter(|_| addr != 0)) {
        (Ok(0), _) if addr != 0 => out.push_str("[]"),
        (Ok(bits), Some(piece)) => {
            let mut bytes = piece.bytes[..piece.bytes.len().min(bits.div_ceil(8))].to_vec();
            if let Some(last) = bytes.last_mut().filter(|_| !bits.is_multiple_of(8)) {
                *last &= (1 << (bits % 8)) - 1;
            }
            bit_numbers(out, &bytes);
        }
        _ => address(out, addr),
    }
}

fn mask(shown: &Shown<'_>, out: &mut String, addr: u64) {
    let Some(bytes) = shown.view.bytes_before(addr, 16).filter(|_| addr != 0) else {
        return address(out, addr);
    };
    let (at, len) = (number(bytes, 0, 8), number(bytes, 8, 8));
    out.push_str("{sigmask=");
    match shown.view.bytes_before(at, signals::SET_BYTES) {
        Some(mask) if at != 0 && len == signals::SET_BYTES as u64 => signals::set(out, mask),
        _ => address(out, at),
    }
    put!(out, ", sigsetsize={len}}}");
}

/// Appends what is said about a successful call in parentheses after its result.
pub(in crate::strace) fn outcome(shown: &Shown<'_>, out: &mut String) {
    let Some(result) = shown.done() else { return };
    match shown.def().name {
        "poll" | "ppoll" | "select" | "pselect6" if result == 0 => out.push_str(" (Timeout)"),
        "poll" | "ppoll" => polled(shown, out),
        "select" | "pselect6" => selected(shown, out),
        "time" => {
            out.push_str(" (");
            date(out, result.cast_signed(), None);
            out.push(')');
        }
        "rt_sigtimedwait" => {
            out.push_str(" (");
            signal(out, result);
            out.push(')');
        }
        "sched_getscheduler" => {
            out.push_str(" (");
            choice(out, &POLICY, result);
            out.push(')');
        }
        "adjtimex" | "clock_adjtime" => {
            const STATES: [&str; 6] = [
                "TIME_OK",
                "TIME_INS",
                "TIME_DEL",
                "TIME_OOP",
                "TIME_WAIT",
                "TIME_ERROR",
            ];
            if let Some(state) = usize::try_from(result)
                .ok()
                .and_then(|result| STATES.get(result))
            {
                put!(out, " ({state})");
            }
        }
        "ioprio_get" => {
            out.push_str(" (");
            priority(out, result);
            out.push(')');
        }
        "fcntl" if shown.command_is("F_GETSIG") && result != 0 => {
            out.push_str(" (");
            signal(out, result);
            out.push(')');
        }
        "prctl" if low(shown.arg(0)) == PR_GET_DUMPABLE => {
            out.push_str(" (");
            choice(out, &DUMPABLE, result);
            out.push(')');
        }
        _ => {}
    }
}

const PR_GET_DUMPABLE: u32 = 3;

/// Class and level in one number.
pub(super) fn priority(out: &mut String, value: u64) {
    const CLASSES: [&str; 4] = [
        "IOPRIO_CLASS_NONE",
        "IOPRIO_CLASS_RT",
        "IOPRIO_CLASS_BE",
        "IOPRIO_CLASS_IDLE",
    ];
    const CLASS_SHIFT: u32 = 13;
    let class = usize::try_from(value >> CLASS_SHIFT).unwrap_or(usize::MAX);
    out.push_str("IOPRIO_PRIO_VALUE(");
    match CLASSES.get(class) {
        Some(name) => out.push_str(name),
        None => put!(out, "{class:#x} /* IOPRIO_CLASS_??? */"),
    }
    put!(out, ", {})", value & ((1 << CLASS_SHIFT) - 1));
}

/// The descriptors with events.
fn polled(shown: &Shown<'_>, out: &mut String) {
    const ENTRY_BYTES: usize = StructId::Pollfd.size() as usize;
    let count = usize::try_from(low(shown.arg(1))).unwrap_or(0);
    let entries = shown
        .view
        .now(shown.arg(0))
        .map_or(&[][..], |piece| piece.bytes);
    out.push_str(" ([");
    let ready = entries
        .chunks_exact(ENTRY_BYTES)
        .take(count)
        .filter(|entry| number(entry, 6, 2) != 0);
    joined(out, ", ", ready, |out, entry| {
        put!(out, "{{fd={}, revents=", signed(entry, 0, 4));
        flags(out, &EVENTS, number(entry, 6, 2));
        out.push('}');
    });
    out.push(']');
    if shown.def().name == "ppoll" {
        left(shown, out, shown.arg(2), ", left ");
    }
    out.push(')');
}

fn selected(shown: &Shown<'_>, out: &mut String) {
    let start = out.len();
    out.push_str(" (");
    let first = out.len();
    for (index, name) in SETS.iter().enumerate() {
        let addr = shown.arg(index + 1);
        let mut text = String::new();
        set(shown, &mut text, addr, shown.view.written(addr));
        if text.starts_with('[') && text != "[]" {
            put!(
                out,
                "{}{name} {text}",
                if out.len() > first { ", " } else { "" }
            );
        }
    }
    let separator = if out.len() > first {
        ", left "
    } else {
        "left "
    };
    left(shown, out, shown.arg(4), separator);
    if out.len() > first {
        out.push(')');
    } else {
        out.truncate(start);
    }
}

/// The time that was left.
fn left(shown: &Shown<'_>, out: &mut String, addr: u64, prefix: &str) {
    let of = if shown.def().name == "select" {
        StructId::Timeval
    } else {
        StructId::Timespec
    };
    let piece = shown.view.now(addr).filter(|_| addr != 0);
    if let Some(bytes) = piece.and_then(|piece| piece.bytes.get(..of.size() as usize)) {
        out.push_str(prefix);
        structs::value(out, of, bytes);
    }
}
