//! Socket options and network interfaces.

use super::{Form, fields};
use crate::model::names::net::IFF;
use crate::model::{Names, StructId};
use crate::strace::fields::{Field, Is, field, int, nested, uint, xint};
use crate::strace::sockaddr::{self, inet};
use crate::strace::text::{put, string};
use crate::strace::view::{number, signed};

const fn inet4(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Own(4, inet))
}

pub(super) fn form(of: StructId) -> Option<Form> {
    Some(match of {
        StructId::Sockaddr => Form::Own(sockaddr::show),
        StructId::Linger => fields![int("l_onoff", 0), int("l_linger", 4)],
        StructId::Ucred => {
            fields![
                int("pid", 0),
                field("uid", 4, Is::Id),
                field("gid", 8, Is::Id)
            ]
        }
        StructId::InAddr => Form::Own(inet),
        StructId::IpMreq => fields![inet4("imr_multiaddr", 0), inet4("imr_interface", 4)],
        StructId::IpMreqn => {
            fields![
                inet4("imr_multiaddr", 0),
                inet4("imr_address", 4),
                int("imr_ifindex", 8)
            ]
        }
        StructId::IpMreqSource => fields![
            inet4("imr_multiaddr", 0),
            inet4("imr_interface", 4),
            inet4("imr_sourceaddr", 8),
        ],
        StructId::InPktinfo => {
            fields![
                int("ipi_ifindex", 0),
                inet4("ipi_spec_dst", 4),
                inet4("ipi_addr", 8)
            ]
        }
        StructId::Ipv6Mreq => Form::Own(|out, bytes| {
            out.push('{');
            sockaddr::inet6(out, bytes, "ipv6mr_multiaddr");
            put!(out, ", ipv6mr_interface={}}}", number(bytes, 16, 4));
        }),
        StructId::GroupReq => {
            fields![
                uint("gr_interface", 0),
                nested("gr_group", 8, StructId::Sockaddr)
            ]
        }
        StructId::TpacketReq => fields![
            uint("tp_block_size", 0),
            uint("tp_block_nr", 4),
            uint("tp_frame_size", 8),
            uint("tp_frame_nr", 12),
        ],
        StructId::TpacketStats => fields![uint("packets", 0), uint("drops", 4)],
        StructId::SockTxtime => fields![int("clockid", 0), xint("flags", 4)],
        _ => return None,
    })
}

/// Appends a network interface as the request `command` tells it. `asked` says that it only
/// names the interface.
pub(in crate::strace) fn interface(out: &mut String, command: &str, bytes: &[u8], asked: bool) {
    const NAME_BYTES: usize = 16;
    let name = |out: &mut String| string(out, bytes.get(..NAME_BYTES).unwrap_or(bytes), NAME_BYTES);
    let value = bytes.get(NAME_BYTES..).unwrap_or_default();
    if command == "SIOCGIFNAME" {
        put!(out, "{{ifr_ifindex={}", signed(value, 0, 4));
        if !asked {
            out.push_str(", ifr_name=");
            name(out);
        }
        out.push('}');
        return;
    }
    out.push_str("{ifr_name=");
    name(out);
    let what = command
        .strip_prefix("SIOCGIF")
        .or_else(|| command.strip_prefix("SIOCSIF"));
    if let Some(what) = what.filter(|_| !asked) {
        member(out, what, value);
    }
    out.push('}');
}

fn member(out: &mut String, what: &str, value: &[u8]) {
    match what {
        "ADDR" | "DSTADDR" | "BRDADDR" | "NETMASK" => {
            let member = match what {
                "ADDR" => "addr",
                "DSTADDR" => "dstaddr",
                "BRDADDR" => "broadaddr",
                _ => "netmask",
            };
            put!(out, ", ifr_{member}=");
            sockaddr::show(out, value.get(..16).unwrap_or(value));
        }
        "HWADDR" => {
            out.push_str(", ifr_hwaddr={sa_family=");
            crate::strace::scalars::choice(out, &HARDWARE, number(value, 0, 2));
            out.push_str(", sa_data=");
            let bytes = value.get(2..8).unwrap_or_default();
            crate::strace::text::joined(out, ":", bytes, |out, byte| put!(out, "{byte:02x}"));
            out.push('}');
        }
        "FLAGS" => {
            out.push_str(", ifr_flags=");
            crate::strace::scalars::flags(out, &IFF, number(value, 0, 2));
        }
        "METRIC" => put!(out, ", ifr_metric={}", signed(value, 0, 4)),
        "MTU" => put!(out, ", ifr_mtu={}", signed(value, 0, 4)),
        "INDEX" => put!(out, ", ifr_ifindex={}", signed(value, 0, 4)),
        "TXQLEN" => put!(out, ", ifr_qlen={}", signed(value, 0, 4)),
        _ => {}
    }
}

static HARDWARE: Names = Names {
    unknown: "ARPHRD_???",
    names: &[
        (0, "ARPHRD_NETROM"),
        (1, "ARPHRD_ETHER"),
        (512, "ARPHRD_PPP"),
        (768, "ARPHRD_TUNNEL"),
        (769, "ARPHRD_TUNNEL6"),
        (772, "ARPHRD_LOOPBACK"),
        (776, "ARPHRD_SIT"),
        (778, "ARPHRD_IPGRE"),
        (801, "ARPHRD_IEEE80211"),
        (0xfffe, "ARPHRD_NONE"),
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::show;
    use super::*;

    #[test]
    fn options() {
        assert_eq!(
            show(StructId::Linger, &[(0, 4, 1), (4, 4, 2)]),
            "{l_onoff=1, l_linger=2}"
        );
        assert_eq!(
            show(StructId::Ucred, &[(0, 4, 5), (4, 4, u64::MAX)]),
            "{pid=5, uid=-1, gid=0}"
        );
        assert_eq!(
            show(StructId::IpMreq, &[(0, 4, 0x0100_00e0)]),
            r#"{imr_multiaddr=inet_addr("224.0.0.1"), imr_interface=inet_addr("0.0.0.0")}"#
        );
        assert_eq!(
            show(
                StructId::Ipv6Mreq,
                &[(0, 2, 0x02ff), (15, 1, 1), (16, 4, 3)]
            ),
            r#"{inet_pton(AF_INET6, "ff02::1", &ipv6mr_multiaddr), ipv6mr_interface=3}"#
        );
    }

    #[test]
    fn interfaces() {
        let show = |command, at: usize, value: &[u8]| {
            let mut bytes = [0; 40];
            bytes[..2].copy_from_slice(b"lo");
            bytes[at..at + value.len()].copy_from_slice(value);
            let mut out = String::new();
            interface(&mut out, command, &bytes, false);
            out
        };
        assert_eq!(
            show("SIOCGIFFLAGS", 16, &[0x49, 0]),
            r#"{ifr_name="lo", ifr_flags=IFF_UP|IFF_LOOPBACK|IFF_RUNNING}"#
        );
        assert_eq!(
            show("SIOCGIFINDEX", 16, &[1]),
            r#"{ifr_name="lo", ifr_ifindex=1}"#
        );
        assert_eq!(
            show("SIOCGIFADDR", 16, &[2, 0, 0, 0, 127, 0, 0, 1]),
            r#"{ifr_name="lo", ifr_addr={sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")}}"#
        );
        assert_eq!(
            show("SIOCGIFHWADDR", 16, &[4, 3]),
            r#"{ifr_name="lo", ifr_hwaddr={sa_family=ARPHRD_LOOPBACK, sa_data=00:00:00:00:00:00}}"#
        );
    }
}
