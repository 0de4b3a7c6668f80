//! Who is where on the outer network: questions for the virtual addresses, answers to the
//! gate's own, and what the senders of packets tell by sending.

use super::filter::solicited_node;
use super::sys::packet::{ALL_NODES, ETH_BYTES, multicast_mac};
use etherparse::checksum::Sum16BitWords;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// A hardware address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const OPTION_SOURCE: u8 = 1;
const OPTION_TARGET: u8 = 2;

/// How many addresses are known at most; then all are learned anew.
pub const KNOWN_MAX: usize = 65_536;
/// After this long without a sign of life an address is asked for again.
pub const FRESH: Duration = Duration::from_secs(30);

/// The Ethernet header of a frame with an IP packet.
#[must_use]
pub fn ethernet(to: Mac, from: Mac, ipv6: bool) -> [u8; ETH_BYTES] {
    head(to, from, if ipv6 { IPV6 } else { IPV4 })
}

fn head(to: Mac, from: Mac, ethertype: [u8; 2]) -> [u8; ETH_BYTES] {
    let mut eth = [0; ETH_BYTES];
    eth[..6].copy_from_slice(&to);
    eth[6..12].copy_from_slice(&from);
    eth[12..].copy_from_slice(&ethertype);
    eth
}

/// A hardware address that belongs to a virtual one, the same on both nodes: what is sent there
/// is not for the host's own kernel, and stays right when the address moves.
#[must_use]
pub fn virtual_mac(vip: IpAddr) -> Mac {
    let hash = match vip {
        IpAddr::V4(vip) => xxhash_rust::xxh3::xxh3_64(&vip.octets()),
        IpAddr::V6(vip) => xxhash_rust::xxh3::xxh3_64(&vip.octets()),
    };
    let h = hash.to_le_bytes();
    // Locally administered, for one station.
    [0x02, 0xf7, h[0], h[1], h[2], h[3]]
}

/// The hardware address from which a node passes on what came for the virtual addresses at `mac`
/// to the node that has them now: neither its own, which the network must not look for here, nor
/// that of whoever sent it.
#[must_use]
pub fn forwarder(mac: Mac) -> Mac {
    /// Part of no address that [`virtual_mac`] makes, nor of a group's.
    const FORWARDED: u8 = 0x08;
    let mut forwarder = mac;
    forwarder[0] ^= FORWARDED;
    forwarder
}

/// A frame that is not of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its Ethernet header.
    pub eth: [u8; ETH_BYTES],
    /// The rest.
    pub body: Vec<u8>,
}

/// What a frame about neighbours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Somebody, who is there, wants to know where the target is.
    Question {
        /// Who asks; nobody who checks whether the address is free.
        from: Option<IpAddr>,
        /// Where that is.
        mac: Mac,
        /// Who is asked for.
        target: IpAddr,
    },
    /// An address is there.
    Answer {
        /// Which.
        from: IpAddr,
        /// Where.
        mac: Mac,
    },
}

impl Heard {
    /// Whether it says that somebody is there.
    #[must_use]
    pub fn is_at(&self, there: Mac) -> bool {
        let (Self::Question { mac, .. } | Self::Answer { mac, .. }) = self;
        *mac == there
    }
}

/// Looks at an ARP packet.
#[must_use]
pub fn parse_arp(body: &[u8]) -> Option<Heard> {
    let body: &[u8; 28] = body.first_chunk()?;
    if body[..6] != [0, 1, 8, 0, 6, 4] || body[6] != 0 {
        return None;
    }
    let mac = mac(&body[8..14])?;
    let sender = Ipv4Addr::new(body[14], body[15], body[16], body[17]);
    let target = Ipv4Addr::new(body[24], body[25], body[26], body[27]);
    let from = (!sender.is_unspecified()).then_some(IpAddr::V4(sender));
    match body[7] {
        // It announces itself.
        ARP_REQUEST if sender == target => Some(Heard::Answer { from: from?, mac }),
        ARP_REQUEST => Some(Heard::Question {
            from,
            mac,
            target: target.into(),
        }),
        ARP_REPLY => Some(Heard::Answer { from: from?, mac }),
        _ => None,
    }
}

/// Looks at an ICMPv6 message from `source`, whose checksum is right and which no router has
/// forwarded.
#[must_use]
pub fn parse_nd(source: Ipv6Addr, link: Mac, message: &[u8]) -> Option<Heard> {
    let target = Ipv6Addr::from(*message.get(8..24)?.first_chunk()?);
    let options = message.get(24..)?;
    match *message.first()? {
        SOLICITATION => Some(Heard::Question {
            from: (!source.is_unspecified()).then_some(source.into()),
            mac: nd_option(options, OPTION_SOURCE).unwrap_or(link),
            target: target.into(),
        }),
        ADVERTISEMENT => Some(Heard::Answer {
            from: target.into(),
            mac: nd_option(options, OPTION_TARGET).unwrap_or(link),
        }),
        _ => None,
    }
}

fn nd_option(mut options: &[u8], wanted: u8) -> Option<Mac> {
    while let [kind, units, ..] = *options {
        let len = usize::from(units) * 8;
        let option = options.get(..len).filter(|option| !option.is_empty())?;
        if kind == wanted {
            return mac(option.get(2..8)?);
        }
        options = &options[len..];
    }
    None
}

fn mac(bytes: &[u8]) -> Option<Mac> {
    let mac: Mac = *bytes.first_chunk()?;
    // A group is nowhere.
    (mac[0] & 1 == 0).then_some(mac)
}

/// An ARP or neighbour question for `target`, in the name of `vip`.
#[must_use]
pub fn question(vip: IpAddr, own: Mac, target: IpAddr) -> Option<Frame> {
    match (vip, target) {
        (IpAddr::V4(vip), IpAddr::V4(target)) => Some(Frame {
            eth: head(BROADCAST, own, ARP),
            body: arp(ARP_REQUEST, own, vip, [0; 6], target),
        }),
        (IpAddr::V6(vip), IpAddr::V6(target)) => {
            let group = solicited_node(target);
            Some(Frame {
                eth: head(multicast_mac(group), own, IPV6),
                body: nd(vip, group, SOLICITATION, 0, target, OPTION_SOURCE, own),
            })
        }
        _ => None,
    }
}

/// The answer to a question for `vip`.
#[must_use]
pub fn answer(vip: IpAddr, own: Mac, from: Option<IpAddr>, to: Mac) -> Option<Frame> {
    const SOLICITED_OVERRIDE: u8 = 0x60;
    match (vip, from) {
        (IpAddr::V4(vip), Some(IpAddr::V4(from))) => Some(Frame {
            eth: head(to, own, ARP),
            body: arp(ARP_REPLY, own, vip, to, from),
        }),
        (IpAddr::V4(vip), None) => Some(Frame {
            eth: head(to, own, ARP),
            body: arp(ARP_REPLY, own, vip, to, Ipv4Addr::UNSPECIFIED),
        }),
        (IpAddr::V6(vip), Some(IpAddr::V6(from))) => Some(Frame {
            eth: head(to, own, IPV6),
            body: nd(
                vip,
                from,
                ADVERTISEMENT,
                SOLICITED_OVERRIDE,
                vip,
                OPTION_TARGET,
                own,
            ),
        }),
        (IpAddr::V6(_), None) => announcement(vip, own),
        _ => None,
    }
}

/// Tells everybody where `vip` is.
#[must_use]
pub fn announcement(vip: IpAddr, own: Mac) -> Option<Frame> {
    const OVERRIDE: u8 = 0x20;
    match vip {
        IpAddr::V4(vip) => Some(Frame {
            eth: head(BROADCAST, own, ARP),
            body: arp(ARP_REQUEST, own, vip, [0; 6], vip),
        }),
        IpAddr::V6(v6) => Some(Frame {
            eth: head(multicast_mac(ALL_NODES), own, IPV6),
            body: nd(
                v6,
                ALL_NODES,
                ADVERTISEMENT,
                OVERRIDE,
                v6,
                OPTION_TARGET,
                own,
            ),
        }),
    }
}

fn arp(operation: u8, own: Mac, sender: Ipv4Addr, to: Mac, target: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, operation];
    body.extend(own);
    body.extend(sender.octets());
    body.extend(to);
    body.extend(target.octets());
    body
}

fn nd(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: u8,
    flags: u8,
    target: Ipv6Addr,
    option: u8,
    own: Mac,
) -> Vec<u8> {
    const LEN: u8 = 32;
    let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    message.extend([option, 1]);
    message.extend(own);
    let sum = Sum16BitWords::new()
        .add_16bytes(source.octets())
        .add_16bytes(destination.octets())
        .add_4bytes([0, 0, 0, LEN])
        .add_4bytes([0, 0, 0, 58])
        .add_slice(&message);
    message[2..4].copy_from_slice(&sum.ones_complement().to_ne_bytes());
    // Hop limit 255: no router forwarded it.
    let mut packet = vec![0x60, 0, 0, 0, 0, LEN, 58, 255];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(message);
    packet
}

#[derive(Debug, Clone, Copy)]
struct Known {
    mac: Mac,
    seen: Instant,
}

/// Where addresses are, as far as known.
#[derive(Debug, Default)]
pub struct Table(HashMap<IpAddr, Known>);

impl Table {
    /// An address gave a sign of life.
    pub fn learn(&mut self, addr: IpAddr, mac: Mac, now: Instant) {
        if mac[0] & 1 != 0 || addr.is_multicast() || addr.is_unspecified() {
            return;
        }
        if self.0.len() >= KNOWN_MAX && !self.0.contains_key(&addr) {
            self.0.clear();
        }
        self.0.insert(addr, Known { mac, seen: now });
    }

    /// Where `to` is, and whether to ask again all the same. `hop` is the neighbour by which it
    /// is reached.
    #[must_use]
    pub fn find(&self, to: IpAddr, hop: impl Fn() -> IpAddr, now: Instant) -> Option<(Mac, bool)> {
        if let Some(mac) = group_mac(to) {
            return Some((mac, false));
        }
        let own = self.0.get(&to);
        if let Some(own) = own
            && now.duration_since(own.seen) < FRESH
        {
            return Some((own.mac, false));
        }
        let by = self.0.get(&hop());
        let newest = [own, by].into_iter().flatten().max_by_key(|one| one.seen)?;
        Some((newest.mac, now.duration_since(newest.seen) >= FRESH))
    }
}

/// The hardware address of a group, if it is one.
fn group_mac(addr: IpAddr) -> Option<Mac> {
    match addr {
        IpAddr::V4(addr) if addr.is_broadcast() => Some(BROADCAST),
        IpAddr::V4(addr) if addr.is_multicast() => {
            let o = addr.octets();
            Some([1, 0, 0x5e, o[1] & 0x7f, o[2], o[3]])
        }
        IpAddr::V6(addr) if addr.is_multicast() => Some(multicast_mac(addr)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::packet::Ip;

    const OWN: Mac = [2, 0, 0, 0, 0, 1];
    const THEIRS: Mac = [2, 0, 0, 0, 0, 2];

    fn addr(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn heard(frame: &Frame) -> Option<Heard> {
        if frame.eth[12..] == ARP {
            return parse_arp(&frame.body);
        }
        let ip = Ip::parse(&frame.body).expect("IPv6");
        assert!(ip.sum_is_right(&frame.body));
        let IpAddr::V6(source) = ip.source else {
            panic!("IPv6")
        };
        let link = *frame.eth[6..].first_chunk().expect("six");
        parse_nd(source, link, &frame.body[ip.payload])
    }

    #[test]
    fn questions_answers_and_announcements_are_understood() {
        for (vip, other) in [("10.0.0.9", "10.0.0.1"), ("fd00::9", "fd00::1")] {
            let (vip, other) = (addr(vip), addr(other));
            let asked = question(vip, OWN, other).expect("one version");
            let question = Heard::Question {
                from: Some(vip),
                mac: OWN,
                target: other,
            };
            assert_eq!(heard(&asked), Some(question));
            let told = answer(vip, OWN, Some(other), THEIRS).expect("one version");
            let here = Heard::Answer {
                from: vip,
                mac: OWN,
            };
            assert_eq!(told.eth[..6], THEIRS);
            assert_eq!(heard(&told), Some(here.clone()));
            let announced = announcement(vip, OWN).expect("always");
            assert_eq!(heard(&announced), Some(here));
        }
        assert!(parse_arp(&[0; 27]).is_none() && parse_arp(&[0; 28]).is_none());
        assert!(parse_nd(Ipv6Addr::LOCALHOST, OWN, &[135; 30]).is_some());
        assert!(parse_nd(Ipv6Addr::LOCALHOST, OWN, &[135; 23]).is_none());
        assert!(nd_option(&[1, 0, 0], 1).is_none());
    }

    #[test]
    fn the_freshest_sign_of_life_counts() {
        let mut table = Table::default();
        let begin = Instant::now();
        let (far, router) = (addr("8.8.8.8"), addr("10.0.0.1"));
        let hop = || router;
        assert_eq!(table.find(far, hop, begin), None);
        table.learn(far, OWN, begin);
        assert_eq!(table.find(far, hop, begin), Some((OWN, false)));
        let later = begin + FRESH;
        assert_eq!(table.find(far, hop, later), Some((OWN, true)));
        table.learn(router, THEIRS, later);
        assert_eq!(table.find(far, hop, later), Some((THEIRS, false)));
        table.learn(addr("10.0.0.3"), [0xff; 6], begin);
        assert_eq!(
            table.find(addr("10.0.0.3"), || addr("10.0.0.3"), begin),
            None
        );
        assert_eq!(
            table.find(addr("224.0.0.251"), hop, begin),
            Some(([1, 0, 0x5e, 0, 0, 251], false))
        );
    }
}
