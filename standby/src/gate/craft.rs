//! Segments that the gate makes itself: as the peer of a connection would.

use super::packet::flag;
use etherparse::{PacketBuilder, TcpOptionElement};
use journal::{Address, Endpoint};

const TTL: u8 = 64;

/// A segment to be made.
#[derive(Debug, Clone, Copy)]
pub struct Craft<'a> {
    /// From whom.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Position of its first byte.
    pub seq: u32,
    /// Position of the next byte expected.
    pub ack: u32,
    /// See [`flag`].
    pub flags: u8,
    /// As it shall stand there.
    pub window: u16,
    /// Options.
    pub options: &'a [TcpOptionElement],
    /// Its data.
    pub data: &'a [u8],
}

impl Craft<'_> {
    /// The packet; `None` if it is too large, or goes from one IP version to the other.
    #[must_use]
    pub fn packet(&self) -> Option<Vec<u8>> {
        let ip = match (self.source.address, self.destination.address) {
            (Address::V4(source), Address::V4(destination)) => {
                PacketBuilder::ipv4(source.to_be_bytes(), destination.to_be_bytes(), TTL)
            }
            (Address::V6(source), Address::V6(destination)) => {
                PacketBuilder::ipv6(source.to_be_bytes(), destination.to_be_bytes(), TTL)
            }
            _ => return None,
        };
        let ports = (self.source.port, self.destination.port);
        let mut tcp = ip.tcp(ports.0, ports.1, self.seq, self.window);
        for (bit, set) in [
            (flag::FIN, tcp_fin as fn(_) -> _),
            (flag::SYN, tcp_syn),
            (flag::RST, tcp_rst),
            (flag::PSH, tcp_psh),
        ] {
            if self.flags & bit != 0 {
                tcp = set(tcp);
            }
        }
        if self.flags & flag::ACK != 0 {
            tcp = tcp.ack(self.ack);
        }
        let tcp = tcp.options(self.options).ok()?;
        let mut packet = Vec::with_capacity(tcp.size(self.data.len()));
        tcp.write(&mut packet, self.data).ok()?;
        Some(packet)
    }
}

type Step = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

fn tcp_fin(step: Step) -> Step {
    step.fin()
}

fn tcp_syn(step: Step) -> Step {
    step.syn()
}

fn tcp_rst(step: Step) -> Step {
    step.rst()
}

fn tcp_psh(step: Step) -> Step {
    step.psh()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::packet::{Edit, Ip, Options, Segment, without_data};
    use crate::gate::vnet::Vnet;

    fn end(address: Address, port: u16) -> Endpoint {
        Endpoint { address, port }
    }

    fn both() -> [(Endpoint, Endpoint); 2] {
        let v6 = |last: u128| Address::V6(0xfd00 << 112 | last);
        [
            (
                end(Address::V4(0x0a00_0001), 40_000),
                end(Address::V4(0x0a00_0002), 80),
            ),
            (end(v6(1), 40_000), end(v6(2), 80)),
        ]
    }

    fn parse(packet: &[u8]) -> Segment {
        let ip = Ip::parse(packet).expect("an IP packet");
        assert!(ip.sum_is_right(packet), "{packet:02x?}");
        Segment::parse(packet, ip).expect("a segment")
    }

    #[test]
    fn what_is_made_is_understood_and_changes_keep_its_checksum() {
        let options = [
            TcpOptionElement::MaximumSegmentSize(1400),
            TcpOptionElement::Noop,
            TcpOptionElement::Timestamp(7, 9),
            TcpOptionElement::SelectiveAcknowledgement((100, 200), [Some((300, 400)), None, None]),
        ];
        for (source, destination) in both() {
            let craft = Craft {
                source,
                destination,
                seq: u32::MAX,
                ack: 5,
                flags: flag::ACK | flag::PSH,
                window: 1000,
                options: &options[..],
                data: b"hello",
            };
            let mut packet = craft.packet().expect("fits");
            let segment = parse(&packet);
            assert_eq!((segment.seq, segment.ack), (u32::MAX, 5));
            assert_eq!(&packet[segment.data.clone()], b"hello");
            assert_eq!(segment.options.timestamp, Some((7, 9)));
            let mut edit = Edit::new(&mut packet, &segment, Vnet::default());
            edit.set_seq(17);
            edit.set_ack(18);
            edit.set_window(19);
            edit.shift_timestamp(100, u32::MAX);
            edit.shift_sack(1);
            let changed = parse(&packet);
            assert_eq!((changed.seq, changed.ack, changed.window), (17, 18, 19));
            assert_eq!(changed.options.timestamp, Some((107, 8)));
            let sack = TcpOptionElement::SelectiveAcknowledgement(
                (101, 201),
                [Some((301, 401)), None, None],
            );
            let tcp = etherparse::TcpSlice::from_slice(&packet[changed.ip.payload.clone()]);
            let tcp = tcp.expect("TCP");
            assert!(
                tcp.options_iterator()
                    .any(|option| option == Ok(sack.clone()))
            );
            let bare = without_data(&packet, &changed).expect("has room");
            assert!(parse(&bare).data.is_empty());
            let mut edit = Edit::new(&mut packet, &changed, Vnet::default());
            edit.keep_known_options();
            let kept = parse(&packet).options;
            let expected = Options {
                mss: Some(1400),
                timestamp: Some((107, 8)),
                ..Options::default()
            };
            assert_eq!(kept, expected);
        }
    }
}
