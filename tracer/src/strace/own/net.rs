//! Arguments of sockets' syscalls that print in an own way.

use crate::model::names::net::SOCK_TYPE;
use crate::model::names::sockopt::LEVEL;
use crate::model::{Kind, Shape, StructId};
use crate::strace::call::Shown;
use crate::strace::scalars::{address, flags, int, low, name_of};
use crate::strace::sockaddr::{self, ethernet};
use crate::strace::structs::{self, interface};
use crate::strace::text::{joined, put, string};
use crate::strace::view::{number, signed};
use crate::strace::{errno, message};

/// Option values that strace shows as structures; all others are numbers or bytes.
const DECODED: [StructId; 9] = [
    StructId::Linger,
    StructId::Ucred,
    StructId::IpMreq,
    StructId::Ipv6Mreq,
    StructId::GroupReq,
    StructId::TpacketReq,
    StructId::TpacketStats,
    StructId::PacketMreq,
    StructId::SockFprog,
];

/// Appends argument `index`, if it prints in an own way.
pub(super) fn argument(shown: &Shown<'_>, out: &mut String, index: usize) -> bool {
    let value = shown.arg(index);
    match (shown.def().name, index) {
        ("socket" | "socketpair", 2) if int(shown.arg(0)) == libc::AF_PACKET => {
            out.push_str("htons(");
            ethernet(out, (value & 0xff) << 8 | value >> 8 & 0xff);
            out.push(')');
        }
        // Of pairs, strace knows only local ones.
        ("socketpair", 2) => put!(out, "{}", low(value)),
        ("socket" | "socketpair", 1) if low(value) & !SOCKET_TYPE_BITS != 0 => {
            flags(out, &SOCK_TYPE, u64::from(low(value) & SOCKET_TYPE_BITS));
            hex_bits(out, low(value) & !SOCKET_TYPE_BITS);
        }
        ("setsockopt" | "getsockopt", 1) => match name_of(&LEVEL, value) {
            Some(name) => out.push_str(name),
            None => put!(out, "{:#x} /* SOL_?? */", low(value)),
        },
        ("setsockopt" | "getsockopt", 2) => option_name(shown, out, low(value)),
        ("setsockopt", 3) => option(shown, out, value, low(shown.arg(4)).into(), false),
        ("getsockopt", 3) if shown.failed() || shown.view.u32(shown.arg(4)) == Some(0) => {
            address(out, value);
        }
        ("getsockopt", 3)
            if shown.command_is("SO_ERROR") && shown.view.u32(shown.arg(4)) == Some(4) =>
        {
            let error = shown
                .view
                .u32(value)
                .and_then(|error| i32::try_from(error).ok());
            match error.and_then(errno::name) {
                Some(name) => put!(out, "[{name}]"),
                None => put!(out, "[{}]", error.unwrap_or(0)),
            }
        }
        ("getsockopt", 3) => {
            let len_at = shown.arg(4);
            let len = shown
                .view
                .u32(len_at)
                .min(shown.view.u32_before(len_at))
                .unwrap_or(0);
            option(shown, out, value, len.into(), true);
        }
        ("ioctl", 2) => return request(shown, out, value),
        _ => return false,
    }
    true
}

/// The bits of a socket's type that have a meaning.
const SOCKET_TYPE_BITS: u32 = 0xf | 0x800 | 0x8_0000;

fn hex_bits(out: &mut String, bits: u32) {
    put!(out, "|{bits:#x} /* SOCK_??? */");
}

/// The name of an option, if its level has any.
fn option_name(shown: &Shown<'_>, out: &mut String, value: u32) {
    const LEVELS: [(u32, &str); 8] = [
        (0, "IP_???"),
        (1, "SO_???"),
        (6, "TCP_???"),
        (17, "UDP_???"),
        (41, "IPV6_???"),
        (58, "ICMPV6_???"),
        (263, "PACKET_???"),
        (270, "NETLINK_???"),
    ];
    let level = LEVELS.iter().find(|(level, _)| *level == low(shown.arg(1)));
    match (shown.call.command(), level) {
        (Some(command), _) => out.push_str(command.name),
        (None, Some((_, prefix))) => put!(out, "{value:#x} /* {prefix} */"),
        (None, None) => put!(out, "{value}"),
    }
}

fn option(shown: &Shown<'_>, out: &mut String, addr: u64, len: u64, now: bool) {
    const NUMBER_BYTES: u64 = 4;
    let shape = match shown.call.resolve(3).kind {
        Kind::Mem(mem) => Some(mem.shape),
        Kind::Nested(nested) => Some(nested.head.shape),
        _ => None,
    };
    let bytes = |len: u64| {
        let len = usize::try_from(len).ok()?;
        let view = &shown.view;
        if now {
            view.bytes(addr, len)
        } else {
            view.bytes_before(addr, len)
        }
    };
    match shape {
        Some(Shape::Struct(of)) if DECODED.contains(&of) && len >= u64::from(of.size()) => {
            match bytes(of.size().into()).filter(|_| structs::form(of).is_some()) {
                Some(bytes) => structs::behind(out, of, bytes),
                None => address(out, addr),
            }
        }
        _ if len == NUMBER_BYTES && addr != 0 => match bytes(len) {
            Some(bytes) => put!(out, "[{}]", signed(bytes, 0, 4)),
            None => address(out, addr),
        },
        _ => message::bytes(out, &shown.view, addr, len, now),
    }
}

/// The argument of an `ioctl` on network interfaces.
fn request(shown: &Shown<'_>, out: &mut String, addr: u64) -> bool {
    let of = match shown.call.resolve(2).kind {
        Kind::Mem(mem) => mem.shape,
        Kind::Nested(nested) => nested.head.shape,
        _ => return false,
    };
    let name = shown.call.command().map_or("", |command| command.name);
    match of {
        Shape::Struct(StructId::Ifreq) => {
            let asked = shown.failed() && !name.starts_with("SIOCS");
            match shown.view.bytes(addr, StructId::Ifreq.size() as usize) {
                Some(bytes) => interface(out, name, bytes, asked),
                None => address(out, addr),
            }
        }
        Shape::Struct(StructId::Ifconf) => interfaces(shown, out, addr),
        _ => return false,
    }
    true
}

fn interfaces(shown: &Shown<'_>, out: &mut String, addr: u64) {
    const ENTRY_BYTES: usize = StructId::Ifreq.size() as usize;
    const NAME_BYTES: usize = 16;
    const ADDRESS_BYTES: usize = 16;
    let Some(now) = shown.view.bytes(addr, 16) else {
        return address(out, addr);
    };
    let before = shown.view.bytes_before(addr, 16).unwrap_or(now);
    let (len, room, buffer) = (signed(now, 0, 4), signed(before, 0, 4), number(now, 8, 8));
    put!(out, "{{ifc_len={room}");
    if shown.failed() {
        return out.push('}');
    }
    if len != room || buffer == 0 {
        put!(out, " => {len}");
    }
    let count = usize::try_from(len).unwrap_or(0) / ENTRY_BYTES;
    put!(out, " /* {count} * sizeof(struct ifreq) */, ifc_buf=");
    match shown.view.bytes(buffer, count * ENTRY_BYTES) {
        Some(entries) if buffer != 0 => {
            out.push('[');
            joined(
                out,
                ", ",
                entries.chunks_exact(ENTRY_BYTES),
                |out, entry| {
                    out.push_str("{ifr_name=");
                    string(out, &entry[..NAME_BYTES], NAME_BYTES);
                    out.push_str(", ifr_addr=");
                    sockaddr::show(out, &entry[NAME_BYTES..NAME_BYTES + ADDRESS_BYTES]);
                    out.push('}');
                },
            );
            out.push(']');
        }
        _ => address(out, buffer),
    }
    out.push('}');
}
