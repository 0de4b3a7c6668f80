//! Arguments, by what the table says they are.

use super::call::{Shown, asks};
use super::message::{self, Content, Transfer};
use super::own;
use super::scalars::{
    address, choice, device, directory, flags, hex, id, int, low, name_of, octal, signal, unknown,
};
use super::structs;
use super::text::{SHOWN_MAX, joined, put, quoted, string};
use super::view::{Piece, number};
use crate::model::names::keyctl::KEYRING;
use crate::model::{Dir, Kind, Mem, Shape, Size, StructId};

/// Longest path, NUL included.
const PATH_BYTES_MAX: u64 = 4096;

/// Appends argument `index`.
pub(super) fn argument(shown: &Shown<'_>, out: &mut String, index: usize) {
    if own::argument(shown, out, index) {
        return;
    }
    let value = shown.arg(index);
    let declared = shown
        .def()
        .args
        .get(index)
        .map_or(Kind::Unused, |arg| arg.kind);
    let resolved = shown.call.resolve(index);
    if let Some(command) = selected(shown, index) {
        return match command {
            Some(name) => out.push_str(name),
            None => {
                hex(out, low(value).into());
                unknown(out, own::unknown_command(shown.def().name));
            }
        };
    }
    if matches!(declared, Kind::Sub(_))
        && resolved.command.is_none()
        && matches!(resolved.kind, Kind::Unused)
    {
        return hex(out, value);
    }
    kind(shown, out, &resolved.kind, value);
}

/// The name of the sub-command that argument `index`, a plain number, selects: `None` if
/// it selects none, and `Some(None)` if it selects one that is not known.
fn selected(shown: &Shown<'_>, index: usize) -> Option<Option<&'static str>> {
    let plain = shown.def().args.get(index).is_some_and(|arg| {
        matches!(
            arg.kind,
            Kind::Int | Kind::Uint | Kind::Long | Kind::Ulong | Kind::Hex
        )
    });
    if !plain {
        return None;
    }
    let index = u8::try_from(index).ok()?;
    shown
        .def()
        .args
        .iter()
        .enumerate()
        .find_map(|(dependent, arg)| {
            let Kind::Sub(sub) = arg.kind else {
                return None;
            };
            let selects = match sub.selector2 {
                Some(second) => second == index,
                None => sub.selector == index,
            };
            selects.then(|| {
                shown
                    .call
                    .resolve(dependent)
                    .command
                    .map(|command| command.name)
            })
        })
}

fn kind(shown: &Shown<'_>, out: &mut String, kind: &Kind, value: u64) {
    match kind {
        Kind::Int | Kind::Fd | Kind::Pid => put!(out, "{}", int(value)),
        Kind::Uint => put!(out, "{}", low(value)),
        Kind::Long => put!(out, "{}", value.cast_signed()),
        Kind::Ulong => put!(out, "{value}"),
        Kind::Hex => hex(out, value),
        Kind::Mode => octal(out, low(value).into()),
        Kind::Addr => address(out, value),
        Kind::DirFd => directory(out, value),
        Kind::Signal => signal(out, value),
        Kind::Id => id(out, value),
        Kind::Dev => device(out, low(value).into()),
        Kind::Flags(names) => flags(out, names, value),
        Kind::Choice(names) => match name_of(names, value) {
            Some(name) => out.push_str(name),
            // Keys that are no special keyrings have numbers as any process has.
            None if std::ptr::eq(*names, &KEYRING) => put!(out, "{}", int(value)),
            None => choice(out, names, low(value).into()),
        },
        Kind::Unused | Kind::Sub(_) => hex(out, value),
        Kind::Path => path(shown, out, value, usize::MAX),
        Kind::Strings => strings(shown, out, value),
        Kind::Mem(mem) => memory(shown, out, mem, value),
        Kind::Nested(nested) => memory(shown, out, &nested.head, value),
        Kind::Iovec { dir, count } => {
            let content = match (dir, shown.done()) {
                (Dir::In | Dir::InOut, _) => Content::Sent,
                (Dir::Out, Some(result)) => Content::Received(result),
                (Dir::Out, None) => Content::Addresses,
            };
            let count = low(shown.arg(usize::from(*count)));
            message::vector(out, &shown.view, value, count.into(), content);
        }
        Kind::Msghdr { dir } => {
            let transfer = match (dir, shown.done()) {
                (Dir::In, _) => Transfer::Sent,
                (_, Some(result)) => Transfer::Received(result),
                (_, None) => Transfer::Failed,
            };
            message::header(out, &shown.view, value, transfer);
        }
        Kind::Mmsghdr { dir, .. } => match shown.done() {
            Some(count) => message::messages(out, &shown.view, value, count, *dir != Dir::In),
            None => address(out, value),
        },
    }
}

/// Appends the string at `addr`, of which `max` bytes are shown.
pub(super) fn path(shown: &Shown<'_>, out: &mut String, addr: u64, max: usize) {
    match shown.view.before(addr) {
        Some(piece) if addr != 0 && (piece.bytes.contains(&0) || piece.len >= PATH_BYTES_MAX) => {
            string(out, piece.bytes, max);
        }
        _ => address(out, addr),
    }
}

fn strings(shown: &Shown<'_>, out: &mut String, addr: u64) {
    let Some(list) = shown.view.before(addr).filter(|_| addr != 0) else {
        return address(out, addr);
    };
    let pointers = list.bytes.chunks_exact(8).map(|word| number(word, 0, 8));
    let ends = list.bytes.chunks_exact(8).any(|word| word == [0; 8]);
    let pointers: Vec<u64> = pointers.take_while(|&pointer| pointer != 0).collect();
    out.push('[');
    joined(
        out,
        ", ",
        pointers.iter().take(SHOWN_MAX),
        |out, &pointer| {
            path(shown, out, pointer, SHOWN_MAX);
        },
    );
    if pointers.len() > SHOWN_MAX {
        out.push_str(", ...");
    } else if !ends {
        // It runs into memory that cannot be read.
        out.push_str(if pointers.is_empty() { "" } else { ", " });
        address(out, addr.wrapping_add(pointers.len() as u64 * 8));
    }
    out.push(']');
}

/// Appends what lies behind a pointer.
pub(super) fn memory(shown: &Shown<'_>, out: &mut String, mem: &Mem, addr: u64) {
    let filled = mem.dir != Dir::In && !asks(mem);
    let lengths_only = mem.shape == Shape::Struct(StructId::Socklen);
    if addr == 0 || mem.shape == Shape::Opaque || filled && shown.failed() && !lengths_only {
        return address(out, addr);
    }
    let now = filled && shown.result.is_some();
    let len = length(shown, mem.size, addr, now);
    match mem.shape {
        Shape::Opaque => address(out, addr),
        Shape::Bytes => message::bytes(out, &shown.view, addr, len, now),
        Shape::Text => text(out, piece(shown, addr, now), addr, len),
        Shape::Struct(StructId::Sockaddr) => message::name(out, &shown.view, addr, len, now),
        Shape::Struct(StructId::Socklen) => lengths(shown, out, addr),
        Shape::Struct(of) => structure(out, of, piece(shown, addr, now), addr, len),
        Shape::Array(of) => array(out, of, piece(shown, addr, now), addr, len),
    }
}

fn piece<'v>(shown: &Shown<'v>, addr: u64, now: bool) -> Option<Piece<'v>> {
    if now {
        shown.view.now(addr)
    } else {
        shown.view.before(addr)
    }
}

/// How many bytes lie behind a pointer.
fn length(shown: &Shown<'_>, size: Size, addr: u64, now: bool) -> u64 {
    let arg = |index: u8| {
        let value = shown.arg(usize::from(index));
        match shown.def().args.get(usize::from(index)).map(|arg| arg.kind) {
            Some(Kind::Int | Kind::Uint) => low(value).into(),
            _ => value,
        }
    };
    let result = shown.done().unwrap_or(0);
    match size {
        Size::Fixed(bytes) => bytes.into(),
        Size::Arg { index, scale } => arg(index).saturating_mul(scale.into()),
        Size::Ret { max, scale } => result.min(arg(max)).saturating_mul(scale.into()),
        Size::ArgPlus { index, plus } => arg(index).saturating_add(plus.into()),
        Size::RetPlus { max, plus } => result.min(arg(max)).saturating_add(plus.into()),
        Size::Deref { index, scale } => {
            let at = shown.arg(usize::from(index));
            let before = shown.view.u32_before(at).unwrap_or(0);
            let after = shown.view.u32(at).unwrap_or(before);
            u64::from(before.min(after)).saturating_mul(scale.into())
        }
        _ => piece(shown, addr, now).map_or(0, |piece| piece.len),
    }
}

fn text(out: &mut String, piece: Option<Piece<'_>>, addr: u64, len: u64) {
    let Some(piece) = piece.filter(|_| len > 0) else {
        return if len == 0 {
            quoted(out, b"")
        } else {
            address(out, addr)
        };
    };
    let len = usize::try_from(len)
        .unwrap_or(usize::MAX)
        .min(piece.bytes.len());
    string(out, &piece.bytes[..len], SHOWN_MAX);
}

/// A `socklen_t`: as it was, and as it is now.
fn lengths(shown: &Shown<'_>, out: &mut String, addr: u64) {
    let (before, now) = (shown.view.u32_before(addr), shown.view.u32(addr));
    match (before, now) {
        (Some(before), Some(now)) if before != now => {
            put!(out, "[{} => {}]", before.cast_signed(), now.cast_signed());
        }
        (_, Some(now)) => put!(out, "[{}]", now.cast_signed()),
        _ => address(out, addr),
    }
}

/// Structures that print whatever their length is.
const VARIABLE: [StructId; 8] = [
    StructId::LandlockRulesetAttr,
    StructId::FdSet,
    StructId::CpuMask,
    StructId::NodeMask,
    StructId::SchedAttr,
    StructId::OpenHow,
    StructId::Utsname,
    StructId::Statx,
];

fn structure(out: &mut String, of: StructId, piece: Option<Piece<'_>>, addr: u64, len: u64) {
    let Some(piece) = piece else {
        return address(out, addr);
    };
    let len = usize::try_from(len)
        .unwrap_or(usize::MAX)
        .min(piece.bytes.len());
    let bytes = &piece.bytes[..len];
    let whole = bytes.len() >= of.size() as usize || VARIABLE.contains(&of) && !bytes.is_empty();
    match of {
        StructId::Dirent | StructId::Dirent64 => address(out, addr),
        StructId::Msgbuf if bytes.len() >= of.size() as usize => {
            structs::message_text(out, bytes, piece.len.saturating_sub(of.size().into()));
        }
        _ if whole && structs::form(of).is_some() => structs::behind(out, of, bytes),
        _ => address(out, addr),
    }
}

fn array(out: &mut String, of: StructId, piece: Option<Piece<'_>>, addr: u64, len: u64) {
    let size = of.size() as usize;
    let count = usize::try_from(len).unwrap_or(usize::MAX) / size;
    if let StructId::Dirent | StructId::Dirent64 = of {
        address(out, addr);
        return put!(
            out,
            " /* {} entries */",
            entries(piece.map_or(&[], |piece| piece.bytes))
        );
    }
    if count == 0 {
        return out.push_str("[]");
    }
    let bytes = piece.map_or(&[][..], |piece| piece.bytes);
    if bytes.len() < size || structs::form(of).is_none() {
        return address(out, addr);
    }
    let shown = (bytes.len() / size).min(count).min(SHOWN_MAX);
    out.push('[');
    joined(
        out,
        ", ",
        bytes.chunks_exact(size).take(shown),
        |out, bytes| {
            structs::value(out, of, bytes);
        },
    );
    if shown == SHOWN_MAX && count > shown {
        out.push_str(", ...");
    } else if count > shown {
        out.push_str(", ");
        address(out, addr.wrapping_add((shown * size) as u64));
    }
    out.push(']');
}

/// How many directory entries there are.
fn entries(bytes: &[u8]) -> usize {
    const LENGTH_AT: usize = 16;
    let (mut at, mut count) = (0usize, 0);
    while at + LENGTH_AT + 2 <= bytes.len() {
        let len = usize::try_from(number(bytes, at + LENGTH_AT, 2)).unwrap_or(0);
        if len == 0 {
            break;
        }
        at += len;
        count += 1;
    }
    count
}
