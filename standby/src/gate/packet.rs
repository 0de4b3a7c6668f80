//! Reading and changing IP packets. Any bytes are accepted: what is not understood is `None`.

use super::vnet::Vnet;
use etherparse::checksum::Sum16BitWords;
use etherparse::{IpSlice, LenSource, TcpSlice, ip_number};
use journal::{Address, Endpoint};
use std::net::IpAddr;
use std::ops::Range;

/// Bits of the TCP flags.
pub mod flag {
    /// No more data.
    pub const FIN: u8 = 1;
    /// First segment.
    pub const SYN: u8 = 2;
    /// Reset.
    pub const RST: u8 = 4;
    /// Push.
    pub const PSH: u8 = 8;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;
    /// The urgent pointer counts.
    pub const URG: u8 = 32;
}

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;
const OPTION_SCALE: u8 = 3;
const OPTION_SACK_PERMITTED: u8 = 4;
const OPTION_SACK: u8 = 5;
const OPTION_TIMESTAMP: u8 = 8;

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// From whom.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// The number of the protocol inside, behind all extension headers.
    pub protocol: u8,
    /// Whether it is a part of a larger packet.
    pub fragment: bool,
    /// Where the protocol's bytes are.
    pub payload: Range<usize>,
}

impl Ip {
    /// Looks at a packet.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let ip = IpSlice::from_slice(packet).ok()?;
        let payload = ip.payload();
        // A length of zero means that it does not fit there.
        if payload.len_source == LenSource::Slice {
            return None;
        }
        let start = payload
            .payload
            .as_ptr()
            .addr()
            .checked_sub(packet.as_ptr().addr())?;
        Some(Self {
            source: ip.source_addr(),
            destination: ip.destination_addr(),
            protocol: payload.ip_number.0,
            fragment: payload.fragmented,
            payload: start..start.checked_add(payload.payload.len())?,
        })
    }

    /// Whether it is TCP.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.protocol == ip_number::TCP.0
    }

    fn pseudo_sum(&self, len: usize) -> Sum16BitWords {
        let sum = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Sum16BitWords::new()
                .add_4bytes(source.octets())
                .add_4bytes(destination.octets()),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Sum16BitWords::new()
                .add_16bytes(source.octets())
                .add_16bytes(destination.octets()),
            // One packet has one version.
            _ => Sum16BitWords::new(),
        };
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        sum.add_2bytes([0, self.protocol])
            .add_4bytes(len.to_be_bytes())
    }

    /// Whether the checksum of TCP, UDP or ICMPv6 inside is right.
    #[must_use]
    pub fn sum_is_right(&self, packet: &[u8]) -> bool {
        packet.get(self.payload.clone()).is_some_and(|payload| {
            let sum = self.pseudo_sum(payload.len()).add_slice(payload);
            sum.ones_complement() == 0
        })
    }
}

/// What the options of a TCP segment say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The largest segment.
    pub mss: Option<u16>,
    /// Bits that windows are shifted by.
    pub scale: Option<u8>,
    /// Whether selective acknowledgements may be used.
    pub sack_permitted: bool,
    /// The sender's clock and the echo of the receiver's.
    pub timestamp: Option<(u32, u32)>,
}

/// A TCP segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The packet around it.
    pub ip: Ip,
    /// From whom.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Position of its first byte.
    pub seq: u32,
    /// Position of the next byte expected in the other direction.
    pub ack: u32,
    /// See [`flag`].
    pub flags: u8,
    /// As it stands there.
    pub window: u16,
    /// Its options.
    pub options: Options,
    /// Where its data are.
    pub data: Range<usize>,
}

impl Segment {
    /// Looks at a packet that is TCP, and whole.
    #[must_use]
    pub fn parse(packet: &[u8], ip: Ip) -> Option<Self> {
        if !ip.is_tcp() || ip.fragment {
            return None;
        }
        let tcp = TcpSlice::from_slice(packet.get(ip.payload.clone())?).ok()?;
        let start = ip.payload.start + tcp.header_len();
        let flags = *packet.get(ip.payload.start + 13)?;
        let mut options = Options::default();
        for (kind, place) in OptionPlaces::new(tcp.options()) {
            let value = tcp.options().get(place)?;
            match (kind, value) {
                (OPTION_MSS, &[_, _, a, b]) => options.mss = Some(u16::from_be_bytes([a, b])),
                (OPTION_SCALE, &[_, _, bits]) => options.scale = Some(bits.min(14)),
                (OPTION_SACK_PERMITTED, _) => options.sack_permitted = true,
                (OPTION_TIMESTAMP, &[_, _, a, b, c, d, e, f, g, h]) => {
                    let value = u32::from_be_bytes([a, b, c, d]);
                    options.timestamp = Some((value, u32::from_be_bytes([e, f, g, h])));
                }
                _ => {}
            }
        }
        Some(Self {
            source: endpoint(ip.source, tcp.source_port()),
            destination: endpoint(ip.destination, tcp.destination_port()),
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            flags,
            window: tcp.window_size(),
            options,
            data: start..ip.payload.end,
            ip,
        })
    }

    /// Whether all of these flags are set.
    #[must_use]
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

fn endpoint(ip: IpAddr, port: u16) -> Endpoint {
    let address = match ip {
        IpAddr::V4(ip) => Address::V4(ip.to_bits()),
        IpAddr::V6(ip) => Address::V6(ip.to_bits()),
    };
    Endpoint { address, port }
}

/// The options of a segment by kind and place. Stops at what makes no sense.
struct OptionPlaces<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> OptionPlaces<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Iterator for OptionPlaces<'_> {
    type Item = (u8, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.bytes.get(self.at)? {
                OPTION_END => return None,
                OPTION_NOP => self.at += 1,
                kind => {
                    let len = usize::from(*self.bytes.get(self.at + 1)?);
                    let place = self.at..self.at + len;
                    if len < 2 || place.end > self.bytes.len() {
                        return None;
                    }
                    self.at = place.end;
                    return Some((kind, place));
                }
            }
        }
    }
}

/// Changes a TCP segment in its packet, and keeps its checksum right.
#[derive(Debug)]
pub struct Edit<'a> {
    packet: &'a mut Vec<u8>,
    segment: &'a Segment,
    /// The checksum does not cover the segment yet.
    partial: bool,
}

impl<'a> Edit<'a> {
    /// Of a packet that was parsed.
    pub fn new(packet: &'a mut Vec<u8>, segment: &'a Segment, vnet: Vnet) -> Self {
        Self {
            packet,
            segment,
            partial: vnet.is_partial(),
        }
    }

    /// Sets the sequence number.
    pub fn set_seq(&mut self, seq: u32) {
        self.put(4, &seq.to_be_bytes());
    }

    /// Sets the acknowledgement number.
    pub fn set_ack(&mut self, ack: u32) {
        self.put(8, &ack.to_be_bytes());
    }

    /// Sets the window.
    pub fn set_window(&mut self, window: u16) {
        self.put(14, &window.to_be_bytes());
    }

    /// Makes urgent data ordinary data: they are a part of the stream, but not read as such.
    pub fn clear_urgent(&mut self) {
        if self.segment.flags & flag::URG != 0 {
            self.put(13, &[self.segment.flags & !flag::URG]);
            self.put(18, &[0, 0]);
        }
    }

    /// Replaces the options that the gate cannot take over: only those that every rebuilt
    /// connection has again are negotiated.
    pub fn keep_known_options(&mut self) {
        let known = [
            OPTION_MSS,
            OPTION_SCALE,
            OPTION_SACK_PERMITTED,
            OPTION_TIMESTAMP,
        ];
        for (kind, place) in self.places() {
            if !known.contains(&kind) {
                self.put(place.start, &vec![OPTION_NOP; place.len()]);
            }
        }
    }

    /// Sets how many bits windows are shifted by, where the segment says it.
    pub fn set_scale(&mut self, bits: u8) {
        for (_, place) in self.places() {
            if self.packet.get(self.segment.ip.payload.start + place.start) == Some(&OPTION_SCALE) {
                self.put(place.start + 2, &[bits]);
            }
        }
    }

    /// Takes selective acknowledgements out.
    pub fn drop_sack(&mut self) {
        for (_, place) in self.places().into_iter().filter(|p| p.0 == OPTION_SACK) {
            self.put(place.start, &vec![OPTION_NOP; place.len()]);
        }
    }

    /// Shifts the positions in selective acknowledgements.
    pub fn shift_sack(&mut self, by: u32) {
        for (_, place) in self.places().into_iter().filter(|p| p.0 == OPTION_SACK) {
            for at in (place.start + 2..place.end.saturating_sub(3)).step_by(4) {
                self.add(at, by);
            }
        }
    }

    /// Shifts the sender's clock and the echo in timestamps.
    pub fn shift_timestamp(&mut self, value: u32, echo: u32) {
        let stamps = self.places();
        for (_, place) in stamps.into_iter().filter(|p| p.0 == OPTION_TIMESTAMP) {
            if place.len() == 10 {
                self.add(place.start + 2, value);
                if self.segment.flags & flag::ACK != 0 {
                    self.add(place.start + 6, echo);
                }
            }
        }
    }

    /// Options by their place in the TCP header.
    fn places(&self) -> Vec<(u8, Range<usize>)> {
        let start = self.segment.ip.payload.start + 20;
        let options = self
            .packet
            .get(start..self.segment.data.start)
            .unwrap_or_default();
        OptionPlaces::new(options)
            .map(|(kind, place)| (kind, place.start + 20..place.end + 20))
            .collect()
    }

    fn add(&mut self, at: usize, by: u32) {
        let place = self.segment.ip.payload.start + at;
        if let Some(bytes) = self.packet.get(place..).and_then(<[u8]>::first_chunk) {
            let value = u32::from_be_bytes(*bytes).wrapping_add(by);
            self.put(at, &value.to_be_bytes());
        }
    }

    /// Replaces bytes of the TCP header.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let tcp = self.segment.ip.payload.start;
        // Whole words of the checksum.
        let words = at & !1..(at + bytes.len() + 1) & !1;
        let Some(header) = self.packet.get_mut(tcp..self.segment.data.start) else {
            return;
        };
        if words.end > header.len() {
            return;
        }
        let before = Sum16BitWords::new().add_slice(&header[words.clone()]);
        header[at..at + bytes.len()].copy_from_slice(bytes);
        if self.partial {
            return;
        }
        let after = Sum16BitWords::new().add_slice(&header[words]);
        // RFC 1624: HC' = ~(~HC + ~m + m').
        let old = !u16::from_ne_bytes([header[16], header[17]]);
        let sum = Sum16BitWords::new()
            .add_2bytes(old.to_ne_bytes())
            .add_2bytes(before.ones_complement().to_ne_bytes())
            .add_2bytes((!after.ones_complement()).to_ne_bytes());
        header[16..18].copy_from_slice(&sum.ones_complement().to_ne_bytes());
    }
}

/// The same segment without its data.
#[must_use]
pub fn without_data(packet: &[u8], segment: &Segment) -> Option<Vec<u8>> {
    let mut bare = packet.get(..segment.data.start)?.to_vec();
    let cut = segment.data.len();
    match segment.ip.source {
        IpAddr::V4(_) => {
            let len = u16::from_be_bytes([bare[2], bare[3]]);
            let len = usize::from(len).checked_sub(cut)?;
            bare[2..4].copy_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
            bare[10..12].fill(0);
            let header = usize::from(bare[0] & 0xf) * 4;
            let sum = Sum16BitWords::new().add_slice(bare.get(..header)?);
            bare[10..12].copy_from_slice(&sum.ones_complement().to_ne_bytes());
        }
        IpAddr::V6(_) => {
            let len = u16::from_be_bytes([bare[4], bare[5]]);
            let len = usize::from(len).checked_sub(cut)?;
            bare[4..6].copy_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
        }
    }
    let start = segment.ip.payload.start;
    bare.get_mut(start + 16..start + 18)?.fill(0);
    let tcp = bare.get(start..)?;
    let sum = segment.ip.pseudo_sum(tcp.len()).add_slice(tcp);
    let sum = sum.ones_complement().to_ne_bytes();
    bare[start + 16..start + 18].copy_from_slice(&sum);
    Some(bare)
}
