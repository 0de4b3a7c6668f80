//! Numbers: plain, hexadecimal, named, and as the sets of names that their bits are.

use super::text::put;
use crate::model::Names;
use crate::model::names::signals;

/// First real-time signal.
const RT_FIRST: u64 = 32;
/// Greatest signal number.
const SIGNAL_MAX: u64 = 64;

/// The low half, as the kernel reads arguments that are no more.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the kernel cuts it as well"
)]
pub(super) const fn low(value: u64) -> u32 {
    value as u32
}

/// The low half, signed.
pub(super) const fn int(value: u64) -> i32 {
    low(value).cast_signed()
}

/// Appends a hexadecimal number.
pub(super) fn hex(out: &mut String, value: u64) {
    if value == 0 {
        out.push('0');
    } else {
        put!(out, "{value:#x}");
    }
}

/// Appends an address.
pub(super) fn address(out: &mut String, value: u64) {
    if value == 0 {
        out.push_str("NULL");
    } else {
        put!(out, "{value:#x}");
    }
}

/// Appends permission bits, three digits at least.
pub(super) fn octal(out: &mut String, value: u64) {
    if value == 0 {
        out.push_str("000");
    } else {
        put!(out, "{:0>3}", format!("0{value:o}"));
    }
}

/// Appends a user or group id; all ones mean "none".
pub(super) fn id(out: &mut String, value: u64) {
    match low(value) {
        u32::MAX => out.push_str("-1"),
        id => put!(out, "{id}"),
    }
}

/// Appends a descriptor, or that the working directory stands in its place.
pub(super) fn directory(out: &mut String, value: u64) {
    match int(value) {
        libc::AT_FDCWD => out.push_str("AT_FDCWD"),
        fd => put!(out, "{fd}"),
    }
}

/// Appends a device number in its parts.
pub(super) fn device(out: &mut String, value: u64) {
    let major = (value >> 8) & 0xfff | (value >> 32) & 0xffff_f000;
    let minor = value & 0xff | (value >> 12) & 0xffff_ff00;
    out.push_str("makedev(");
    hex(out, major);
    out.push_str(", ");
    hex(out, minor);
    out.push(')');
}

/// The name of a signal, without `SIG`.
pub(super) fn signal_stem(out: &mut String, number: u64) {
    match signals::SIGNAL
        .names
        .iter()
        .find(|(value, _)| *value == number)
    {
        Some((_, name)) => out.push_str(name.strip_prefix("SIG").unwrap_or(name)),
        None if number == RT_FIRST => out.push_str("RTMIN"),
        None => put!(out, "RT_{}", number.wrapping_sub(RT_FIRST)),
    }
}

/// Appends the name of a signal, or a number that is none.
pub(super) fn signal(out: &mut String, value: u64) {
    match u64::from(low(value)) {
        number @ 1..=SIGNAL_MAX => {
            out.push_str("SIG");
            signal_stem(out, number);
        }
        _ => put!(out, "{}", int(value)),
    }
}

/// The name of `value`. Registers may hold anything above a number of 32 bits.
pub(super) fn name_of(names: &Names, value: u64) -> Option<&'static str> {
    let find = |value: u64| names.names.iter().find(|(known, _)| *known == value);
    find(value)
        .or_else(|| find(low(value).into()))
        .map(|(_, name)| *name)
}

/// Appends the name of `value`.
pub(super) fn choice(out: &mut String, names: &Names, value: u64) {
    match name_of(names, value) {
        Some(name) => out.push_str(name),
        None => unnamed(out, names, narrow(value)),
    }
}

/// Appends a value without a name.
fn unnamed(out: &mut String, names: &Names, value: u64) {
    hex(out, value);
    unknown(out, names.unknown);
}

/// Appends the comment after a value without a name.
pub(super) fn unknown(out: &mut String, prefix: &str) {
    if !prefix.is_empty() {
        put!(out, " /* {prefix} */");
    }
}

/// Appends the names of the bits of `value`.
pub(super) fn flags(out: &mut String, names: &Names, value: u64) {
    whole(out, names, narrow(value));
}

/// Appends the names of the bits of a number that has 64 of them.
pub(super) fn whole(out: &mut String, names: &Names, value: u64) {
    let rest = bits(out, names, value);
    match rest {
        Rest::Nothing => out.push('0'),
        Rest::Unnamed(rest) if rest == value => unnamed(out, names, value),
        Rest::Unnamed(rest) => put!(out, "|{rest:#x}"),
        Rest::Named => {}
    }
}

/// What [`bits`] left.
enum Rest {
    /// All is printed.
    Named,
    /// There was nothing to print.
    Nothing,
    /// These bits have no names.
    Unnamed(u64),
}

fn bits(out: &mut String, names: &Names, value: u64) -> Rest {
    let (mut rest, mut any) = (value, false);
    let last = names.names.len().saturating_sub(1);
    for (index, (bits, name)) in names.names.iter().enumerate() {
        let prints = match *bits {
            0 => !any && (value == 0 || index != last),
            bits => rest & bits == bits,
        };
        if prints {
            if any {
                out.push('|');
            }
            out.push_str(name);
            rest &= !bits;
            any = true;
        }
    }
    match (rest, any) {
        (0, true) => Rest::Named,
        (0, false) => Rest::Nothing,
        _ => Rest::Unnamed(rest),
    }
}

/// A number of 32 bits that was extended with its sign.
fn narrow(value: u64) -> u64 {
    const SIGN_EXTENSION: u64 = 0xffff_ffff_8000_0000;
    if value & SIGN_EXTENSION == SIGN_EXTENSION {
        low(value).into()
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::{at, fcntl, fs, mman};

    fn show(print: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        print(&mut out);
        out
    }

    #[test]
    fn sets_of_flags() {
        let open = |value| show(|out| flags(out, &fcntl::OPEN, value));
        assert_eq!(open(0), "O_RDONLY");
        assert_eq!(open(0o2000000), "O_RDONLY|O_CLOEXEC");
        assert_eq!(open(0o1102), "O_RDWR|O_CREAT|O_TRUNC");
        assert_eq!(open(0x8000_0001), "O_WRONLY|0x80000000");
        let prot = |value| show(|out| flags(out, &mman::PROT, value));
        assert_eq!(prot(0), "PROT_NONE");
        assert_eq!(prot(3), "PROT_READ|PROT_WRITE");
        assert_eq!(prot(0x40), "0x40 /* PROT_??? */");
        let access = |value| show(|out| flags(out, &at::ACCESS_MODE, value));
        assert_eq!(access(0), "F_OK");
        assert_eq!(access(6), "R_OK|W_OK");
        assert_eq!(show(|out| flags(out, &at::RENAME, 0)), "0");
    }

    #[test]
    fn one_of_several_names() {
        assert_eq!(show(|out| choice(out, &fs::WHENCE, 1)), "SEEK_CUR");
        assert_eq!(
            show(|out| choice(out, &fs::WHENCE, 0xffff_0000_0000_0001)),
            "SEEK_CUR"
        );
        assert!(show(|out| choice(out, &fs::WHENCE, 99)).starts_with("0x63 /* SEEK_"));
    }

    #[test]
    fn numbers() {
        assert_eq!(show(|out| octal(out, 0)), "000");
        assert_eq!(show(|out| octal(out, 0o22)), "022");
        assert_eq!(show(|out| octal(out, 0o4755)), "04755");
        assert_eq!(show(|out| octal(out, 1)), "001");
        assert_eq!(show(|out| device(out, 0x8800)), "makedev(0x88, 0)");
        assert_eq!(show(|out| id(out, u64::MAX)), "-1");
        assert_eq!(show(|out| directory(out, -100i64 as u64)), "AT_FDCWD");
        assert_eq!(show(|out| directory(out, 0xffff_ff9c)), "AT_FDCWD");
        assert_eq!(show(|out| signal(out, 9)), "SIGKILL");
        assert_eq!(show(|out| signal(out, 32)), "SIGRTMIN");
        assert_eq!(show(|out| signal(out, 37)), "SIGRT_5");
        assert_eq!(show(|out| signal(out, 0)), "0");
        assert_eq!(show(|out| signal(out, 164)), "164");
    }
}
