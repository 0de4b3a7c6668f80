//! Socket addresses.

use super::scalars::{choice, hex};
use super::text::{joined, put, quoted};
use super::view::number;
use crate::model::Names;
use crate::model::names::net::FAMILY;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes before what depends on the family.
const FAMILY_BYTES: usize = 2;
/// Greatest path of a Unix socket.
const PATH_BYTES_MAX: usize = 108;
const INET_BYTES_MIN: usize = 8;
const INET6_BYTES_MIN: usize = 24;
const INET6_BYTES: usize = 28;
const NETLINK_BYTES: usize = 12;
const VSOCK_BYTES: usize = 16;
const PACKET_BYTES_MIN: usize = 12;

/// Appends the address that these bytes are.
pub(super) fn show(out: &mut String, bytes: &[u8]) {
    let family = number(bytes, 0, FAMILY_BYTES);
    out.push_str("{sa_family=");
    choice(out, &FAMILY, family);
    let rest = bytes.get(FAMILY_BYTES..).unwrap_or_default();
    match i32::try_from(family).unwrap_or(-1) {
        libc::AF_UNIX => unix(out, rest),
        libc::AF_INET if bytes.len() >= INET_BYTES_MIN => {
            put!(out, ", sin_port=htons({}), sin_addr=", port(bytes));
            inet(out, &bytes[4..]);
        }
        libc::AF_INET6 if bytes.len() >= INET6_BYTES_MIN => {
            put!(out, ", sin6_port=htons({})", port(bytes));
            put!(
                out,
                ", sin6_flowinfo=htonl({}), ",
                super::scalars::low(number(bytes, 4, 4)).swap_bytes()
            );
            inet6(out, &bytes[8..], "sin6_addr");
            if bytes.len() >= INET6_BYTES {
                put!(out, ", sin6_scope_id={}", number(bytes, 24, 4));
            }
        }
        libc::AF_NETLINK if bytes.len() >= NETLINK_BYTES => {
            put!(
                out,
                ", nl_pid={}, nl_groups={:08x}",
                number(bytes, 4, 4),
                number(bytes, 8, 4)
            );
        }
        libc::AF_PACKET if bytes.len() >= PACKET_BYTES_MIN => packet(out, bytes),
        libc::AF_VSOCK if bytes.len() >= VSOCK_BYTES => {
            put!(out, ", svm_cid=");
            choice(out, &VSOCK_CID, number(bytes, 8, 4));
            out.push_str(", svm_port=");
            hex(out, number(bytes, 4, 4));
            put!(out, ", svm_flags={}", number(bytes, 12, 1));
        }
        _ if rest.is_empty() => {}
        _ => {
            out.push_str(", sa_data=");
            quoted(out, rest);
        }
    }
    out.push('}');
}

fn port(bytes: &[u8]) -> u64 {
    number(bytes, 2, 1) << 8 | number(bytes, 3, 1)
}

fn unix(out: &mut String, path: &[u8]) {
    let path = &path[..path.len().min(PATH_BYTES_MAX)];
    match path {
        [] => {}
        [0, name @ ..] => {
            out.push_str(", sun_path=@");
            quoted(out, name);
        }
        _ => {
            let end = path
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(path.len());
            out.push_str(", sun_path=");
            quoted(out, &path[..end]);
        }
    }
}

fn packet(out: &mut String, bytes: &[u8]) {
    let protocol = number(bytes, 2, 1) << 8 | number(bytes, 3, 1);
    out.push_str(", sll_protocol=htons(");
    ethernet(out, protocol);
    out.push_str("), sll_ifindex=");
    interface(out, number(bytes, 4, 4));
    out.push_str(", sll_hatype=");
    choice(out, &HARDWARE, number(bytes, 8, 2));
    out.push_str(", sll_pkttype=");
    choice(out, &PACKET_TYPE, number(bytes, 10, 1));
    let len = number(bytes, 11, 1);
    put!(out, ", sll_halen={len}");
    let address = bytes.get(12..).unwrap_or_default();
    let address = &address[..address.len().min(usize::try_from(len).unwrap_or(0)).min(8)];
    if !address.is_empty() {
        out.push_str(", sll_addr=[");
        joined(out, ", ", address, |out, byte| match byte {
            0 => out.push_str("00"),
            byte => put!(out, "{byte:#x}"),
        });
        out.push(']');
    }
}

/// Appends an interface. Only one has the same name on every machine.
pub(super) fn interface(out: &mut String, index: u64) {
    const LOOPBACK: u64 = 1;
    match index {
        LOOPBACK => out.push_str("if_nametoindex(\"lo\")"),
        index => put!(out, "{index}"),
    }
}

/// Appends the name of an Ethernet protocol.
pub(super) fn ethernet(out: &mut String, protocol: u64) {
    choice(out, &ETHERNET, protocol);
}

/// Appends an IPv4 address.
pub(super) fn inet(out: &mut String, bytes: &[u8]) {
    let address = Ipv4Addr::from(super::scalars::low(number(bytes, 0, 4)).swap_bytes());
    put!(out, "inet_addr(\"{address}\")");
}

/// Appends an IPv6 address that stands in field `name`.
pub(super) fn inet6(out: &mut String, bytes: &[u8], name: &str) {
    let mut octets = [0; 16];
    for (slot, byte) in octets.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    put!(
        out,
        "inet_pton(AF_INET6, \"{}\", &{name})",
        Ipv6Addr::from(octets)
    );
}

static HARDWARE: Names = Names {
    unknown: "ARPHRD_???",
    names: &[
        (0, "ARPHRD_NETROM"),
        (1, "ARPHRD_ETHER"),
        (32, "ARPHRD_INFINIBAND"),
        (512, "ARPHRD_PPP"),
        (768, "ARPHRD_TUNNEL"),
        (769, "ARPHRD_TUNNEL6"),
        (772, "ARPHRD_LOOPBACK"),
        (776, "ARPHRD_SIT"),
        (778, "ARPHRD_IPGRE"),
        (801, "ARPHRD_IEEE80211"),
        (803, "ARPHRD_IEEE80211_RADIOTAP"),
        (824, "ARPHRD_NETLINK"),
        (0xfffe, "ARPHRD_NONE"),
        (0xffff, "ARPHRD_VOID"),
    ],
};

static ETHERNET: Names = Names {
    unknown: "ETH_P_???",
    names: &[
        (0x1, "ETH_P_802_3"),
        (0x2, "ETH_P_AX25"),
        (0x3, "ETH_P_ALL"),
        (0x4, "ETH_P_802_2"),
        (0x0800, "ETH_P_IP"),
        (0x0806, "ETH_P_ARP"),
        (0x8100, "ETH_P_8021Q"),
        (0x86dd, "ETH_P_IPV6"),
        (0x888e, "ETH_P_PAE"),
        (0x88cc, "ETH_P_LLDP"),
        (0x9000, "ETH_P_LOOPBACK"),
    ],
};

static PACKET_TYPE: Names = Names {
    unknown: "PACKET_???",
    names: &[
        (0, "PACKET_HOST"),
        (1, "PACKET_BROADCAST"),
        (2, "PACKET_MULTICAST"),
        (3, "PACKET_OTHERHOST"),
        (4, "PACKET_OUTGOING"),
        (5, "PACKET_LOOPBACK"),
        (6, "PACKET_USER"),
        (7, "PACKET_KERNEL"),
    ],
};

static VSOCK_CID: Names = Names {
    unknown: "",
    names: &[
        (0, "VMADDR_CID_HYPERVISOR"),
        (1, "VMADDR_CID_LOCAL"),
        (2, "VMADDR_CID_HOST"),
        (0xffff_ffff, "VMADDR_CID_ANY"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let mut out = String::new();
        show(&mut out, bytes);
        assert_eq!(out, expected);
    }

    #[test]
    fn internet() {
        check(
            &[2, 0, 0xb2, 0x19, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            r#"{sa_family=AF_INET, sin_port=htons(45593), sin_addr=inet_addr("127.0.0.1")}"#,
        );
        let mut six = vec![10, 0, 0, 80, 5, 0, 0, 0];
        six.extend([0; 15]);
        six.extend([1, 0, 0, 0, 0]);
        check(
            &six,
            "{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(83886080), \
             inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}",
        );
    }

    #[test]
    fn local() {
        check(b"\x01\0", "{sa_family=AF_UNIX}");
        check(
            b"\x01\0/run/x\0junk",
            r#"{sa_family=AF_UNIX, sun_path="/run/x"}"#,
        );
        check(b"\x01\0/tm", r#"{sa_family=AF_UNIX, sun_path="/tm"}"#);
        check(
            b"\x01\0\0abstract",
            r#"{sa_family=AF_UNIX, sun_path=@"abstract"}"#,
        );
        check(
            &[16, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0],
            "{sa_family=AF_NETLINK, nl_pid=7, nl_groups=00000001}",
        );
    }

    #[test]
    fn others() {
        check(
            b"\x4d\0abcdefghijk\0\0\0",
            r#"{sa_family=0x4d /* AF_??? */, sa_data="abcdefghijk\0\0\0"}"#,
        );
        check(b"\x02\0\0", r#"{sa_family=AF_INET, sa_data="\0"}"#);
        check(b"", "{sa_family=AF_UNSPEC}");
        check(
            &[17, 0, 0, 3, 2, 0, 0, 0, 4, 3, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0],
            "{sa_family=AF_PACKET, sll_protocol=htons(ETH_P_ALL), sll_ifindex=2, sll_hatype=ARPHRD_LOOPBACK, \
             sll_pkttype=PACKET_HOST, sll_halen=6, sll_addr=[0x1, 0x2, 0x3, 0x4, 0x5, 0x6]}",
        );
    }
}
