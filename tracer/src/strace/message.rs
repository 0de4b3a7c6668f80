//! Buffer lists and socket messages with what belongs to them.

use super::scalars::{address, flags, hex, int, low};
use super::sockaddr;
use super::structs;
use super::text::{SHOWN_MAX, buffer, joined, put, quoted};
use super::view::{View, number, signed};
use crate::model::capture::Call;
use crate::model::names::net::MSG;
use crate::model::names::sockopt::LEVEL;
use crate::model::{self, StructId};

const IOVEC_BYTES: usize = 16;
const MSGHDR_BYTES: usize = 56;
const MMSGHDR_BYTES: usize = 64;
const CMSGHDR_BYTES: usize = 16;
/// Control messages begin at multiples of this.
const CMSG_ALIGN: usize = 8;
/// Greatest socket address.
const ADDRESS_BYTES_MAX: usize = 128;

/// What of the buffers is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// All that was read from them.
    Sent,
    /// As many bytes as were written to them, one after the other.
    Received(u64),
    /// Nothing: only where they are.
    Addresses,
}

/// Appends `count` buffers of the list at `addr`.
pub(super) fn vector(out: &mut String, view: &View<'_>, addr: u64, count: u64, content: Content) {
    if addr == 0 || count == 0 {
        return if addr == 0 {
            address(out, addr)
        } else {
            out.push_str("[]")
        };
    }
    let list = view.before(addr).map_or(&[][..], |piece| piece.bytes);
    if list.len() < IOVEC_BYTES {
        return address(out, addr);
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let shown = count.min(SHOWN_MAX).min(list.len() / IOVEC_BYTES);
    let mut content = content;
    out.push('[');
    joined(
        out,
        ", ",
        list.chunks_exact(IOVEC_BYTES).take(shown),
        |out, entry| {
            let (base, len) = (number(entry, 0, 8), number(entry, 8, 8));
            out.push_str("{iov_base=");
            match &mut content {
                Content::Addresses => address(out, base),
                Content::Sent => bytes(out, view, base, len, false),
                Content::Received(left) => {
                    let written = len.min(*left);
                    *left -= written;
                    bytes(out, view, base, written, true);
                }
            }
            put!(out, ", iov_len={len}}}");
        },
    );
    if count > shown {
        out.push_str(if shown == SHOWN_MAX { ", ..." } else { ", 0x0" });
        if shown < SHOWN_MAX {
            // The list ends in unreadable memory: strace says where.
            out.truncate(out.len() - "0x0".len());
            address(out, addr.wrapping_add((shown * IOVEC_BYTES) as u64));
        }
    }
    out.push(']');
}

/// Appends the `len` bytes at `addr`, as they were or as they are now.
pub(super) fn bytes(out: &mut String, view: &View<'_>, addr: u64, len: u64, now: bool) {
    if addr == 0 {
        return address(out, addr);
    }
    if len == 0 {
        return out.push_str("\"\"");
    }
    let piece = if now {
        view.now(addr)
    } else {
        view.before(addr)
    };
    let wanted = usize::try_from(len).unwrap_or(usize::MAX).min(SHOWN_MAX);
    match piece.and_then(|piece| piece.bytes.get(..wanted)) {
        Some(bytes) => buffer(out, bytes, len, quoted),
        None => address(out, addr),
    }
}

/// How a message was transferred.
#[derive(Debug, Clone, Copy)]
pub(super) enum Transfer {
    /// It was sent.
    Sent,
    /// It was received, as many bytes of it.
    Received(u64),
    /// It was not received.
    Failed,
}

/// Appends the `msghdr` at `addr`.
pub(super) fn header(out: &mut String, view: &View<'_>, addr: u64, transfer: Transfer) {
    let received = matches!(transfer, Transfer::Received(_));
    let found = if received {
        view.bytes(addr, MSGHDR_BYTES)
    } else {
        view.bytes_before(addr, MSGHDR_BYTES)
    };
    let Some(header) = found else {
        return address(out, addr);
    };
    let before = view.bytes_before(addr, MSGHDR_BYTES).unwrap_or(header);
    let field = |at, width| number(header, at, width);
    if let Transfer::Failed = transfer {
        return put!(out, "{{msg_namelen={}}}", int(field(8, 4)));
    }
    let (len_before, len) = (number(before, 8, 4), field(8, 4));
    out.push_str("{msg_name=");
    name(out, view, field(0, 8), len.min(len_before), received);
    put!(out, ", msg_namelen={}", int(len_before));
    if len != len_before {
        put!(out, " => {}", int(len));
    }
    out.push_str(", msg_iov=");
    let content = match transfer {
        Transfer::Received(count) => Content::Received(count),
        Transfer::Sent | Transfer::Failed => Content::Sent,
    };
    vector(out, view, field(16, 8), field(24, 8), content);
    put!(out, ", msg_iovlen={}", field(24, 8));
    let (control_at, control_len) = (field(32, 8), field(40, 8));
    if control_len != 0 {
        out.push_str(", msg_control=");
        control(out, view, control_at, control_len, received);
    }
    put!(out, ", msg_controllen={control_len}, msg_flags=");
    flags(out, &MSG, field(48, 4));
    out.push('}');
}

/// Appends the address of `len` bytes at `addr`.
pub(super) fn name(out: &mut String, view: &View<'_>, addr: u64, len: u64, now: bool) {
    const FAMILY_BYTES: usize = 2;
    let len = usize::try_from(len).unwrap_or(0).min(ADDRESS_BYTES_MAX);
    let piece = if now {
        view.now(addr)
    } else {
        view.before(addr)
    };
    match piece.and_then(|piece| piece.bytes.get(..len)) {
        Some(bytes) if addr != 0 && len >= FAMILY_BYTES => sockaddr::show(out, bytes),
        _ => address(out, addr),
    }
}

fn control(out: &mut String, view: &View<'_>, addr: u64, len: u64, now: bool) {
    let piece = if now {
        view.now(addr)
    } else {
        view.before(addr)
    };
    let known = piece.map_or(&[][..], |piece| piece.bytes);
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(known.len());
    let mut rest = &known[..len];
    if addr == 0 || rest.len() < CMSGHDR_BYTES {
        return address(out, addr);
    }
    out.push('[');
    let mut first = true;
    while rest.len() >= CMSGHDR_BYTES {
        if !std::mem::take(&mut first) {
            out.push_str(", ");
        }
        let claimed = usize::try_from(number(rest, 0, 8)).unwrap_or(usize::MAX);
        let end = claimed.clamp(CMSGHDR_BYTES, rest.len());
        control_message(out, &rest[..end]);
        if claimed < CMSGHDR_BYTES {
            break;
        }
        rest = rest
            .get(end.next_multiple_of(CMSG_ALIGN)..)
            .unwrap_or_default();
    }
    out.push(']');
}

const SOL_IP: u64 = 0;
const SOL_SOCKET: u64 = 1;

fn control_message(out: &mut String, message: &[u8]) {
    const SCM_RIGHTS: u64 = 1;
    const SCM_CREDENTIALS: u64 = 2;
    let (level, kind) = (number(message, 8, 4), number(message, 12, 4));
    put!(out, "{{cmsg_len={}, cmsg_level=", number(message, 0, 8));
    super::scalars::choice(out, &LEVEL, level);
    out.push_str(", cmsg_type=");
    match (level, kind, option(level, kind)) {
        (SOL_SOCKET, SCM_RIGHTS, _) => out.push_str("SCM_RIGHTS"),
        (SOL_SOCKET, SCM_CREDENTIALS, _) => out.push_str("SCM_CREDENTIALS"),
        (SOL_SOCKET | SOL_IP, _, Some(name)) => out.push_str(name),
        _ => hex(out, kind),
    }
    let data = &message[CMSGHDR_BYTES..];
    let known = DATA.iter().find(|of| (of.0, of.1) == (level, kind));
    let cut = known.is_some_and(|(.., bytes, _)| data.len() < *bytes);
    // Of other levels strace shows nothing, and of that of IP only what is whole.
    let shows = level == SOL_SOCKET || level == SOL_IP && !cut;
    if !data.is_empty() && shows {
        out.push_str(", cmsg_data=");
        match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS) => {
                out.push('[');
                joined(out, ", ", data.chunks_exact(4), |out, fd| {
                    put!(out, "{}", signed(fd, 0, 4))
                });
                out.push(']');
            }
            (SOL_SOCKET, SCM_CREDENTIALS) => structs::value(out, StructId::Ucred, data),
            _ => match known {
                Some((.., show)) if !cut => show(out, data),
                Some(_) => out.push_str("???"),
                None => quoted(out, data),
            },
        }
    }
    out.push('}');
}

/// How the data of a control message prints: level, type, the bytes that it has at least.
type Data = (u64, u64, usize, fn(&mut String, &[u8]));

const DATA: [Data; 9] = [
    (SOL_SOCKET, 29, 16, |out, data| {
        structs::value(out, StructId::Timeval, data);
    }),
    (SOL_SOCKET, 35, 16, |out, data| {
        structs::value(out, StructId::Timespec, data);
    }),
    (SOL_SOCKET, 37, 48, |out, data| {
        out.push('[');
        joined(out, ", ", data.chunks_exact(16), |out, time| {
            structs::value(out, StructId::Timespec, time);
        });
        out.push(']');
    }),
    (SOL_IP, libc::IP_PKTINFO as u64, 12, packet_info),
    (SOL_IP, libc::IP_TTL as u64, 4, |out, data| {
        put!(out, "[{}]", number(data, 0, 4));
    }),
    (SOL_IP, libc::IP_TOS as u64, 1, |out, data| {
        out.push('[');
        hex(out, number(data, 0, 1));
        out.push(']');
    }),
    (SOL_IP, libc::IP_RECVERR as u64, 32, error_report),
    (SOL_IP, libc::IP_ORIGDSTADDR as u64, 16, sockaddr::show),
    (SOL_IP, 23 /* IP_CHECKSUM */, 4, |out, data| {
        put!(out, "[{}]", number(data, 0, 4));
    }),
];

fn packet_info(out: &mut String, data: &[u8]) {
    out.push_str("{ipi_ifindex=");
    sockaddr::interface(out, number(data, 0, 4));
    out.push_str(", ipi_spec_dst=");
    sockaddr::inet(out, &data[4..8]);
    out.push_str(", ipi_addr=");
    sockaddr::inet(out, &data[8..12]);
    out.push('}');
}

fn error_report(out: &mut String, data: &[u8]) {
    put!(
        out,
        "{{ee_errno={}, ee_origin={}, ee_type={}, ee_code={}, ee_info={}, ee_data={}, offender=",
        number(data, 0, 4),
        number(data, 4, 1),
        number(data, 5, 1),
        number(data, 6, 1),
        number(data, 8, 4),
        number(data, 12, 4),
    );
    sockaddr::show(out, &data[16..]);
    out.push('}');
}

/// The name of the socket option that a control message is named after.
fn option(level: u64, kind: u64) -> Option<&'static str> {
    let def = model::by_name("getsockopt")?;
    let call = Call {
        def,
        args: [0, level, kind, 0, 0, 0],
    };
    call.command().map(|command| command.name)
}

/// Appends `count` messages of the array at `addr`, each with its own length.
pub(super) fn messages(out: &mut String, view: &View<'_>, addr: u64, count: u64, received: bool) {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(1024);
    out.push('[');
    let addresses = (0..count as u64).map(|index| addr.wrapping_add(index * MMSGHDR_BYTES as u64));
    joined(out, ", ", addresses.take(SHOWN_MAX), |out, at| {
        let len = view
            .bytes(at.wrapping_add(MSGHDR_BYTES as u64), 4)
            .map_or(0, |bytes| number(bytes, 0, 4));
        out.push_str("{msg_hdr=");
        let transfer = if received {
            Transfer::Received(len)
        } else {
            Transfer::Sent
        };
        header(out, view, at, transfer);
        put!(out, ", msg_len={}}}", low(len));
    });
    if count > SHOWN_MAX {
        out.push_str(", ...");
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::In;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn input(addr: u64, bytes: Vec<u8>) -> In<'static> {
        In {
            addr,
            len: bytes.len() as u64,
            sum: 0,
            head: bytes.into(),
        }
    }

    fn show(print: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        print(&mut out);
        out
    }

    #[test]
    fn buffer_lists() {
        let ins = [
            input(0x100, words(&[0x200, 3, 0, 0, 0x300, 5])),
            input(0x200, b"abc".to_vec()),
            input(0x300, b"defgh".to_vec()),
        ];
        let view = View::new(&ins);
        assert_eq!(
            show(|out| vector(out, &view, 0x100, 3, Content::Sent)),
            r#"[{iov_base="abc", iov_len=3}, {iov_base=NULL, iov_len=0}, {iov_base="defgh", iov_len=5}]"#
        );
        assert_eq!(
            show(|out| vector(out, &view, 0x100, 3, Content::Addresses)),
            "[{iov_base=0x200, iov_len=3}, {iov_base=NULL, iov_len=0}, {iov_base=0x300, iov_len=5}]"
        );
        assert_eq!(
            show(|out| vector(out, &view, 0x999, 3, Content::Sent)),
            "0x999"
        );
        assert_eq!(show(|out| vector(out, &view, 0, 0, Content::Sent)), "NULL");
        let mut filled = View::new(&ins);
        filled.wrote([super::super::view::Piece {
            addr: 0x200,
            len: 2,
            bytes: b"xy",
        }]);
        assert_eq!(
            show(|out| vector(out, &filled, 0x100, 1, Content::Received(2))),
            r#"[{iov_base="xy", iov_len=3}]"#
        );
    }

    #[test]
    fn messages_with_descriptors() {
        let mut control = words(&[24]);
        control.extend([1u32, 1, 3, 4].iter().flat_map(|word| word.to_le_bytes()));
        let ins = [
            input(0x100, words(&[0, 0, 0x200, 1, 0x400, 24, 0])),
            input(0x200, words(&[0x300, 7])),
            input(0x300, b"message".to_vec()),
            input(0x400, control),
        ];
        let view = View::new(&ins);
        assert_eq!(
            show(|out| header(out, &view, 0x100, Transfer::Sent)),
            "{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"message\", iov_len=7}], \
             msg_iovlen=1, msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, \
             cmsg_type=SCM_RIGHTS, cmsg_data=[3, 4]}], msg_controllen=24, msg_flags=0}"
        );
        assert_eq!(
            show(|out| header(out, &view, 0x100, Transfer::Failed)),
            "{msg_namelen=0}"
        );
    }

    #[test]
    fn damaged_control_data() {
        for claimed in [0, 1, 15, 16, 17, 1 << 40, u64::MAX] {
            let ins = [input(0x400, words(&[claimed, 0, claimed, claimed]))];
            let view = View::new(&ins);
            let text = show(|out| control(out, &view, 0x400, u64::MAX, false));
            assert!(text.starts_with('[') && text.ends_with(']'), "{text}");
        }
    }
}
