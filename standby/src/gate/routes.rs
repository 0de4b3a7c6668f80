//! The way to an address that nobody has written from yet: the outer interface's routes.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Any address in it.
    pub addr: IpAddr,
    /// How many bits they have in common.
    pub bits: u8,
}

impl Prefix {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        let (width, a, b) = match (self.addr, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (32, u128::from(a.to_bits()), b.to_bits().into()),
            (IpAddr::V6(a), IpAddr::V6(b)) => (128, a.to_bits(), b.to_bits()),
            _ => return false,
        };
        let rest = width - u32::from(self.bits).min(width);
        (a ^ b).checked_shr(rest).unwrap_or(0) == 0
    }
}

/// A route through the outer interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: Prefix,
    /// By which router; without one the destination is a neighbour.
    pub via: Option<IpAddr>,
    metric: u32,
}

/// The neighbour by which `to` is reached: the most specific of the routes, the cheapest of
/// those. Without any the destination is taken for a neighbour.
#[must_use]
pub fn next_hop(routes: &[Route], to: IpAddr) -> IpAddr {
    routes
        .iter()
        .filter(|route| route.to.contains(to))
        .max_by_key(|route| (route.to.bits, u32::MAX - route.metric))
        .and_then(|route| route.via)
        .unwrap_or(to)
}

/// The routes of the calling thread's network namespace through `device`.
pub fn read(device: &str) -> io::Result<Vec<Route>> {
    let mut routes = parse_ipv4(&fs::read_to_string("/proc/thread-self/net/route")?, device);
    // A kernel without IPv6 has no such file.
    match fs::read_to_string("/proc/thread-self/net/ipv6_route") {
        Ok(text) => routes.extend(parse_ipv6(&text, device)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(routes)
}

const RTF_UP: u32 = 1;
const RTF_GATEWAY: u32 = 2;
const RTF_REJECT: u32 = 0x200;
const RTF_LOCAL: u32 = 0x8000_0000;

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

fn parse_ipv4(text: &str, device: &str) -> Vec<Route> {
    let line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [name, to, via, flags, _, _, metric, mask, ..] = fields[..] else {
            return None;
        };
        let flags = hex(flags)?;
        if name != device || flags & RTF_UP == 0 || flags & RTF_REJECT != 0 {
            return None;
        }
        // In the machine's order.
        let addr = |word: &str| Some(Ipv4Addr::from(hex(word)?.to_ne_bytes()));
        let to = Prefix {
            addr: addr(to)?.into(),
            bits: u8::try_from(hex(mask)?.count_ones()).ok()?,
        };
        let via = (flags & RTF_GATEWAY != 0).then_some(addr(via)?.into());
        let metric = metric.parse().ok()?;
        Some(Route { to, via, metric })
    };
    text.lines().skip(1).filter_map(line).collect()
}

fn parse_ipv6(text: &str, device: &str) -> Vec<Route> {
    let line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [to, bits, _, _, via, metric, _, _, flags, name] = fields[..] else {
            return None;
        };
        let flags = hex(flags)?;
        let bad = RTF_REJECT | RTF_LOCAL;
        if name != device || flags & RTF_UP == 0 || flags & bad != 0 {
            return None;
        }
        let addr = |word: &str| Some(Ipv6Addr::from(u128::from_str_radix(word, 16).ok()?));
        let to = Prefix {
            addr: addr(to)?.into(),
            bits: u8::try_from(hex(bits)?).ok()?,
        };
        let via = (flags & RTF_GATEWAY != 0).then_some(addr(via)?.into());
        let metric = hex(metric)?;
        Some(Route { to, via, metric })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: &str = "\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	FE01A8C0	0003	0	0	100	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
eth0	0000000A	0101A8C0	0003	0	0	50	000000FF	0	0	0
eth1	00000000	0100000A	0003	0	0	10	00000000	0	0	0
";
    const IPV6: &str = "\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd0000000000000000000000000000fe 00000400 00000001 00000000 00000003     eth0
fd000000000000000000000000000002 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001     eth0
";

    #[test]
    fn the_most_specific_route_of_the_interface_counts() {
        let mut routes = parse_ipv4(IPV4, "eth0");
        routes.extend(parse_ipv6(IPV6, "eth0"));
        assert_eq!(routes.len(), 5);
        let cases = [
            ("192.168.1.77", "192.168.1.77"),
            ("8.8.8.8", "192.168.1.254"),
            ("10.1.2.3", "192.168.1.1"),
            ("fd00::77", "fd00::77"),
            ("2001:db8::1", "fd00::fe"),
        ];
        for (to, hop) in cases {
            let addr = |text: &str| text.parse::<IpAddr>().expect("an address");
            assert_eq!(next_hop(&routes, addr(to)), addr(hop), "{to}");
        }
        assert!(parse_ipv4("nonsense\nmore", "eth0").is_empty());
        assert!(parse_ipv6("nonsense\nmore", "eth0").is_empty());
    }
}
