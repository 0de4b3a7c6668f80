//! The filter of the raw socket: what concerns the virtual addresses, and what tells who is
//! where. In a sandbox of the kernel, so that the gate is not woken for other traffic.

use super::neighbour::Mac;
use libc::sock_filter;
use std::net::{IpAddr, Ipv6Addr};

const LD_W_ABS: u16 = 0x20;
const LD_H_ABS: u16 = 0x28;
const JMP_JA: u16 = 0x05;
const JMP_JEQ_K: u16 = 0x15;
const RET_K: u16 = 0x06;
const WHOLE: u32 = 0x4_0000;

const SOURCE_AT: u32 = 6;
const ETHERTYPE_AT: u32 = 12;
const IPV4_DESTINATION_AT: u32 = 14 + 16;
const IPV6_DESTINATION_AT: u32 = 14 + 24;

const fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

const fn jump_equal(k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: JMP_JEQ_K,
        jt,
        jf,
        k,
    }
}

/// The solicited-node group of an address: whom neighbours ask.
#[must_use]
pub fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let o = addr.octets();
    Ipv6Addr::from([
        0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, o[13], o[14], o[15],
    ])
}

/// The filter for these addresses, and for whatever another node sends from their hardware address.
#[must_use]
pub fn program(vips: &[IpAddr], mac: Mac) -> Vec<sock_filter> {
    let mut ipv4 = vec![statement(LD_W_ABS, IPV4_DESTINATION_AT)];
    let mut ipv6 = Vec::new();
    for vip in vips {
        match vip {
            IpAddr::V4(vip) => {
                ipv4.extend([jump_equal(vip.to_bits(), 0, 1), statement(RET_K, WHOLE)])
            }
            IpAddr::V6(vip) => {
                ipv6.extend(ipv6_equal(*vip));
                ipv6.extend(ipv6_equal(solicited_node(*vip)));
            }
        }
    }
    ipv4.push(statement(RET_K, 0));
    ipv6.push(statement(RET_K, 0));
    // Frames of a VLAN belong to another interface.
    let vlan = libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT;
    let to_ipv6 = u32::try_from(ipv4.len()).unwrap_or(u32::MAX);
    let mut program = vec![
        statement(LD_W_ABS, vlan.cast_unsigned()),
        jump_equal(0, 1, 0),
        statement(RET_K, 0),
        statement(LD_W_ABS, SOURCE_AT),
        jump_equal(u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]]), 0, 3),
        statement(LD_H_ABS, SOURCE_AT + 4),
        jump_equal(u32::from(u16::from_be_bytes([mac[4], mac[5]])), 0, 1),
        statement(RET_K, WHOLE),
        statement(LD_H_ABS, ETHERTYPE_AT),
        jump_equal(0x0806, 0, 1),
        statement(RET_K, WHOLE),
        jump_equal(0x86dd, 0, 1),
        statement(JMP_JA, to_ipv6 + 2),
        jump_equal(0x0800, 1, 0),
        statement(RET_K, 0),
    ];
    program.extend(ipv4);
    program.extend(ipv6);
    program
}

/// Accepts this destination, else goes on.
fn ipv6_equal(addr: Ipv6Addr) -> Vec<sock_filter> {
    let bits = addr.to_bits();
    let mut block = Vec::new();
    for (word, left) in [(0u32, 7u8), (1, 5), (2, 3), (3, 1)] {
        let value = u32::try_from(bits >> (96 - 32 * word) & u128::from(u32::MAX)).unwrap_or(0);
        block.push(statement(LD_W_ABS, IPV6_DESTINATION_AT + 4 * word));
        block.push(jump_equal(value, 0, left));
    }
    block.push(statement(RET_K, WHOLE));
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program answers to a frame without a VLAN tag.
    fn run(program: &[sock_filter], frame: &[u8]) -> u32 {
        let mut at = 0;
        let mut a = 0u32;
        loop {
            let op = program[at];
            at += 1;
            let k = op.k as usize;
            match op.code {
                LD_W_ABS if op.k >= 0xffff_0000 => a = 0,
                LD_W_ABS => match frame.get(k..k + 4) {
                    Some(b) => a = u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
                    None => return 0,
                },
                LD_H_ABS => a = u32::from(u16::from_be_bytes([frame[k], frame[k + 1]])),
                JMP_JA => at += k,
                JMP_JEQ_K => at += usize::from(if a == op.k { op.jt } else { op.jf }),
                RET_K => return op.k,
                code => panic!("{code:#x}"),
            }
        }
    }

    fn frame(ethertype: u16, destination: IpAddr) -> Vec<u8> {
        let mut frame = vec![0; 80];
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        match destination {
            IpAddr::V4(addr) => frame[30..34].copy_from_slice(&addr.octets()),
            IpAddr::V6(addr) => frame[38..54].copy_from_slice(&addr.octets()),
        }
        frame
    }

    #[test]
    fn only_what_concerns_the_addresses_passes() {
        let addr = |text: &str| text.parse::<IpAddr>().expect("an address");
        let vips = ["10.0.0.9", "fd00::9", "10.0.0.10", "fd00::1:2:3"].map(addr);
        let mac = [2, 0xf7, 0, 0, 0, 9];
        let program = program(&vips, mac);
        for vip in vips {
            let ethertype = if vip.is_ipv4() { 0x0800 } else { 0x86dd };
            assert_eq!(run(&program, &frame(ethertype, vip)), WHOLE, "{vip}");
        }
        let groups = [addr("ff02::1:ff00:9"), addr("ff02::1:ff02:3")];
        for group in groups {
            assert_eq!(run(&program, &frame(0x86dd, group)), WHOLE, "{group}");
        }
        assert_eq!(run(&program, &frame(0x0806, addr("0.0.0.0"))), WHOLE);
        for other in ["10.0.0.8", "fd00::8", "ff02::1", "fd00::1:2:4"].map(addr) {
            let ethertype = if other.is_ipv4() { 0x0800 } else { 0x86dd };
            assert_eq!(run(&program, &frame(ethertype, other)), 0, "{other}");
        }
        assert_eq!(run(&program, &frame(0x88cc, addr("10.0.0.9"))), 0);
        assert_eq!(run(&program, &[0; 14]), 0);
        for (at, passes) in [(None, WHOLE), (Some(6), 0), (Some(11), 0)] {
            let mut announced = frame(0x86dd, addr("ff02::1"));
            announced[6..12].copy_from_slice(&mac);
            if let Some(at) = at {
                announced[at] ^= 1;
            }
            assert_eq!(run(&program, &announced), passes, "{at:?}");
        }
    }
}
