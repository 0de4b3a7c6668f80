//! The fuzz target of the gate without the fuzzer: packets, damaged or not, in any order.

#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use etherparse::{PacketBuilder, TcpOptionElement};
use proptest::collection::vec;
use proptest::prelude::*;
use standby::gate::fuzzing::packets;

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let numbers = (0u32..3000, 0u32..3000, any::<u16>());
    let data = vec(any::<u8>(), 0..60);
    (any::<(bool, bool)>(), 0u8..64, numbers, data).prop_map(
        |((outbound, ipv6), flags, (seq, ack, window), data)| {
            let (a, b) = if outbound { (9, 3) } else { (3, 9) };
            let ip = if ipv6 {
                PacketBuilder::ipv6([a; 16], [b; 16], 64)
            } else {
                PacketBuilder::ipv4([10, 0, 0, a], [10, 0, 0, b], 64)
            };
            let ports = if outbound { (80, 4000) } else { (4000, 80) };
            // Initial sequence numbers that belong together are frequent.
            let seq = if flags & 2 != 0 { seq % 4 } else { seq };
            let mut tcp = ip.tcp(ports.0, ports.1, seq, window);
            if flags & 1 != 0 {
                tcp = tcp.fin();
            }
            if flags & 2 != 0 {
                tcp = tcp.syn();
            }
            if flags & 12 == 12 {
                tcp = tcp.rst();
            }
            if flags & 16 != 0 {
                tcp = tcp.ack(if flags & 2 != 0 { ack % 4 } else { ack });
            }
            if flags & 32 != 0 {
                tcp = tcp.urg(1);
            }
            let options = [
                TcpOptionElement::MaximumSegmentSize(1000),
                TcpOptionElement::Timestamp(seq, ack),
                TcpOptionElement::SelectiveAcknowledgement((seq, ack), [None, None, None]),
            ];
            let tcp = tcp.options(&options).expect("there is room");
            let mut bytes = Vec::new();
            tcp.write(&mut bytes, &data).expect("memory");
            let mut framed = (bytes.len() as u16).to_le_bytes().to_vec();
            framed.push(u8::from(outbound) | window as u8 & 0xfe);
            framed.extend(bytes);
            framed
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn packets_in_any_order_are_survived(all in vec(packet(), 0..40)) {
        packets(&all.concat());
    }

    #[test]
    fn damaged_packets_are_survived(
        all in vec(packet(), 0..20),
        damage in vec((any::<usize>(), any::<u8>()), 0..20),
    ) {
        let mut bytes = all.concat();
        for (at, value) in damage {
            let len = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at % len) {
                *byte = value;
            }
        }
        packets(&bytes);
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..2000)) {
        packets(&bytes);
    }
}
