//! Arguments of file syscalls that print in an own way.

use crate::model::StructId;
use crate::strace::args;
use crate::strace::call::Shown;
use crate::strace::fields::{Field, all, int};
use crate::strace::scalars::{address, hex, low};
use crate::strace::structs::{self, Form, braces, date, file_mode};
use crate::strace::text::{SHOWN_MAX, buffer, hexadecimal, joined, put, string};
use crate::strace::view::{number, signed};

/// The bits of a mode that say what kind of file it is.
const TYPE: u64 = 0o170_000;

/// Whether a file of this mode has a device number.
pub(super) const fn is_device(mode: u64) -> bool {
    matches!(mode & TYPE, 0o020_000 | 0o060_000)
}

/// Appends argument `index`, if it prints in an own way.
pub(super) fn argument(shown: &Shown<'_>, out: &mut String, index: usize) -> bool {
    let value = shown.arg(index);
    match (shown.def().name, index) {
        ("mknod", 1) | ("mknodat", 2) => file_mode(out, low(value).into()),
        ("getrandom", 0) => random(shown, out, value),
        ("getcwd", 0) => match shown.view.written(value) {
            Some(piece) if shown.done().is_some() => string(out, piece.bytes, usize::MAX),
            _ => address(out, value),
        },
        ("mincore", 2) => pages(shown, out, value),
        ("utimes", 1) | ("futimesat", 2) => instants(shown, out, value, 6),
        ("utimensat", 2) => instants(shown, out, value, 9),
        ("mount", 2 | 4) => limited(shown, out, value),
        ("setxattr" | "lsetxattr" | "fsetxattr", 1) => limited(shown, out, value),
        ("getxattr" | "lgetxattr" | "fgetxattr", 1) => limited(shown, out, value),
        ("removexattr" | "lremovexattr" | "fremovexattr", 1) => limited(shown, out, value),
        ("add_key", 0 | 1) | ("request_key", 0..=2) => limited(shown, out, value),
        ("name_to_handle_at", 2) => handle(shown, out, value),
        ("open_by_handle_at", 1) => match shown.view.before(value).filter(|_| value != 0) {
            Some(piece) if piece.bytes.len() >= HANDLE_HEAD => braces(out, |out| {
                put!(out, "handle_bytes={}", number(piece.bytes, 0, 4));
                handle_rest(out, piece.bytes);
            }),
            _ => address(out, value),
        },
        ("openat2", 2) if shown.arg(3) < StructId::OpenHow.size().into() => address(out, value),
        ("ustat", 1) => address(out, value),
        ("fcntl", 2) => return lock(shown, out, value),
        ("ioctl", 1) => command(shown, out, value),
        _ => return false,
    }
    true
}

/// A string of which only the beginning prints.
fn limited(shown: &Shown<'_>, out: &mut String, addr: u64) {
    args::path(shown, out, addr, SHOWN_MAX);
}

fn random(shown: &Shown<'_>, out: &mut String, addr: u64) {
    let Some(len) = shown.done() else {
        return address(out, addr);
    };
    let bytes = shown
        .view
        .written(addr)
        .map_or(&[][..], |piece| piece.bytes);
    buffer(out, bytes, len, hexadecimal);
}

fn pages(shown: &Shown<'_>, out: &mut String, addr: u64) {
    let piece = shown.view.written(addr).filter(|_| shown.done().is_some());
    let Some(piece) = piece else {
        return address(out, addr);
    };
    out.push('[');
    joined(
        out,
        ", ",
        piece.bytes.iter().take(SHOWN_MAX),
        |out, page| put!(out, "{}", page & 1),
    );
    if piece.bytes.len() > SHOWN_MAX {
        out.push_str(", ...");
    }
    out.push(']');
}

/// Two points in time, with a fraction of a second of so many digits, and their dates.
fn instants(shown: &Shown<'_>, out: &mut String, addr: u64, digits: usize) {
    const BYTES: usize = 16;
    let of = if digits == 6 {
        StructId::Timeval
    } else {
        StructId::Timespec
    };
    let Some(bytes) = shown
        .view
        .bytes_before(addr, 2 * BYTES)
        .filter(|_| addr != 0)
    else {
        return address(out, addr);
    };
    out.push('[');
    joined(out, ", ", bytes.chunks_exact(BYTES), |out, time| {
        const NOW: u64 = 0x3fff_ffff;
        const OMIT: u64 = 0x3fff_fffe;
        let fraction = number(time, 8, 8);
        match (digits, fraction) {
            (9, NOW) => return out.push_str("UTIME_NOW"),
            (9, OMIT) => return out.push_str("UTIME_OMIT"),
            _ => structs::value(out, of, time),
        }
        let limit = 10u64.saturating_pow(u32::try_from(digits).unwrap_or(0));
        if fraction < limit && (signed(time, 0, 8) != 0 || fraction != 0) {
            out.push_str(" /* ");
            date(out, signed(time, 0, 8), Some((fraction, digits)));
            out.push_str(" */");
        }
    });
    out.push(']');
}

/// Bytes before the handle itself.
const HANDLE_HEAD: usize = StructId::FileHandle.size() as usize;

/// A file handle: how much room there was, how much is needed, and if it was made, it.
fn handle(shown: &Shown<'_>, out: &mut String, addr: u64) {
    let Some(room) = shown.view.u32_before(addr).filter(|_| addr != 0) else {
        return address(out, addr);
    };
    braces(out, |out| {
        put!(out, "handle_bytes={room}");
        let overflow = shown.result == Some(-i64::from(libc::EOVERFLOW));
        let needed = shown.view.u32(addr).unwrap_or(room);
        if (overflow || shown.done().is_some()) && needed != room {
            put!(out, " => {needed}");
        }
        if let Some(piece) = shown.view.written(addr).filter(|_| shown.done().is_some()) {
            handle_rest(out, piece.bytes);
        }
    });
}

fn handle_rest(out: &mut String, bytes: &[u8]) {
    const SHOWN_BYTES_MAX: usize = 128;
    if bytes.len() < HANDLE_HEAD {
        return;
    }
    let len = usize::try_from(number(bytes, 0, 4)).unwrap_or(usize::MAX);
    let handle = &bytes[HANDLE_HEAD..];
    let handle = &handle[..handle.len().min(len).min(SHOWN_BYTES_MAX)];
    put!(out, ", handle_type={}, f_handle=", signed(bytes, 4, 4));
    hexadecimal(out, handle);
    if len > SHOWN_BYTES_MAX {
        out.push_str("...");
    }
}

/// A record lock: whose it is, if that was asked.
fn lock(shown: &Shown<'_>, out: &mut String, addr: u64) -> bool {
    const F_GETLK: u64 = 5;
    const F_OFD_GETLK: u64 = 36;
    let command = u64::from(low(shown.arg(1)));
    let get = matches!(command, F_GETLK | F_OFD_GETLK);
    let size = StructId::Flock.size() as usize;
    let found = if get {
        shown.view.bytes(addr, size)
    } else {
        shown.view.bytes_before(addr, size)
    };
    if !matches!(command, 5..=7 | 36..=38) {
        return false;
    }
    match (found, structs::form(StructId::Flock)) {
        (Some(bytes), Some(Form::Fields(fields))) if addr != 0 && !(get && shown.failed()) => {
            const OWNER: &[Field] = &[int("l_pid", 24)];
            braces(out, |out| {
                all(out, fields, bytes);
                if get {
                    all(out, OWNER, bytes);
                }
            });
        }
        _ => address(out, addr),
    }
    true
}

/// The number of an `ioctl`: a name, names, or what is encoded in it.
fn command(shown: &Shown<'_>, out: &mut String, value: u64) {
    let value = u64::from(low(value));
    match shown.call.command().map(|command| command.name) {
        // These numbers mean something to sound devices as well.
        Some("TCSETS") => out.push_str("SNDCTL_TMR_START or TCSETS"),
        Some("TCSETSW") => out.push_str("SNDCTL_TMR_STOP or TCSETSW"),
        Some("TCSETSF") => out.push_str("SNDCTL_TMR_CONTINUE or TCSETSF"),
        Some(name) => out.push_str(name),
        None => {
            let direction = match value >> 30 {
                0 => "_IOC_NONE",
                1 => "_IOC_WRITE",
                2 => "_IOC_READ",
                _ => "_IOC_READ|_IOC_WRITE",
            };
            put!(out, "_IOC({direction}, ");
            hex(out, value >> 8 & 0xff);
            out.push_str(", ");
            hex(out, value & 0xff);
            out.push_str(", ");
            hex(out, value >> 16 & 0x3fff);
            out.push(')');
        }
    }
}
