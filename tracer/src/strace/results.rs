//! Results of calls.

use super::call::Shown;
use super::scalars::{flags, octal};
use super::text::put;
use super::{errno, own};
use crate::model::names::fcntl::LEASE;
use crate::model::names::sched::MEMBARRIER;
use crate::model::{Names, Ret};

/// Whether a result is an error, or a code by which the kernel restarts the call.
pub(super) const fn is_error(result: i64) -> bool {
    -4095 <= result && result < 0
}

/// Appends the result of a call that has returned.
pub(super) fn show(shown: &Shown<'_>, out: &mut String) {
    let Some(result) = shown.result else {
        return out.push('?');
    };
    if is_error(result) {
        return error(out, result);
    }
    let value = result.cast_unsigned();
    match shown.call.ret() {
        _ if shown.def().name == "membarrier" && shown.arg(0) == 0 => {
            // What there is; the first name is the question.
            let names = Names {
                unknown: MEMBARRIER.unknown,
                names: &MEMBARRIER.names[1..],
            };
            named(shown, out, &names, value);
        }
        _ if shown.command_is("F_GETLEASE") => {
            super::scalars::hex(out, value);
            out.push_str(" (");
            super::scalars::choice(out, &LEASE, value);
            out.push(')');
        }
        Ret::Never => out.push('?'),
        Ret::Hex if value == 0 => out.push('0'),
        Ret::Hex => put!(out, "{value:#x}"),
        Ret::Octal => octal(out, value),
        Ret::Flags(names) => named(shown, out, names, value),
        _ => put!(out, "{result}"),
    }
    own::outcome(shown, out);
}

/// Appends an error.
pub(super) fn error(out: &mut String, result: i64) {
    if let Some((name, meaning)) = errno::restart(result) {
        return put!(out, "? {name} ({meaning})");
    }
    let errno = i32::try_from(-result).unwrap_or(0);
    match errno::name(errno) {
        Some(name) => put!(out, "-1 {name} ({})", errno::text(errno)),
        None => put!(out, "-1 (errno {errno})"),
    }
}

/// A set of flags, as a number and by name.
fn named(shown: &Shown<'_>, out: &mut String, names: &Names, value: u64) {
    const F_GETFD: &str = "F_GETFD";
    const F_GETFL: &str = "F_GETFL";
    const F_GET_SEALS: &str = "F_GET_SEALS";
    super::scalars::hex(out, value);
    if value == 0 && !names.names.iter().any(|(value, _)| *value == 0) {
        return;
    }
    out.push_str(match shown.call.command().map(|command| command.name) {
        Some(F_GETFD | F_GETFL) => " (flags ",
        Some(F_GET_SEALS) => " (seals ",
        _ => " (",
    });
    flags(out, names, value);
    out.push(')');
}
