//! From the outer interface to the application.

use super::super::GateError;
use super::super::flow::Verdict;
use super::super::neighbour::{self, Heard, Mac};
use super::super::packet::{Edit, Ip, Segment, flag, without_data};
use super::super::stats::Counters;
use super::super::sys::packet::ETH_BYTES;
use super::super::vnet::Vnet;
use super::forward::Kept;
use super::{BATCH, Worker};
use etherparse::ip_number;
use std::net::IpAddr;
use std::time::Instant;

pub(super) const ARP: u16 = 0x0806;
const ICMP_REDIRECT: u8 = 5;
/// Of neighbour and group discovery in ICMPv6: between a host and its link only.
const LINK_TYPES: [std::ops::RangeInclusive<u8>; 3] = [130..=137, 141..=143, 151..=153];

/// Whether an ICMP message concerns the link, not the application.
pub(super) fn is_of_link(ip: &Ip, packet: &[u8]) -> bool {
    if ip.fragment {
        return false;
    }
    let kind = packet.get(ip.payload.start).copied().unwrap_or(0);
    match ip.protocol {
        p if p == ip_number::IPV6_ICMP.0 => LINK_TYPES.iter().any(|range| range.contains(&kind)),
        p if p == ip_number::ICMP.0 => kind == ICMP_REDIRECT,
        _ => false,
    }
}

/// Whether the gate knows what a protocol means for a takeover.
pub(super) fn is_carried(ip: &Ip) -> bool {
    let udp_icmp = [ip_number::UDP, ip_number::ICMP, ip_number::IPV6_ICMP];
    (ip.is_tcp() && !ip.fragment) || udp_icmp.iter().any(|number| number.0 == ip.protocol)
}

fn reparsed(packet: &[u8]) -> Option<Segment> {
    Segment::parse(packet, Ip::parse(packet)?)
}

impl Worker {
    pub(super) fn take_from_outside(&mut self) -> Result<(), GateError> {
        for _ in 0..BATCH {
            let mut buffer = std::mem::take(&mut self.buffer);
            let received = self.socket.receive(&mut buffer);
            let done = match received {
                Ok(Some((eth, vnet, len))) => {
                    let frame = buffer.get(..len).unwrap_or_default();
                    self.arrived(&eth, vnet, frame).map(|()| false)
                }
                Ok(None) => {
                    Counters::add(&self.shared.counters.in_dropped, 1);
                    Ok(false)
                }
                // None left; or the interface is gone for now, as if it were silent.
                Err(_) => Ok(true),
            };
            self.buffer = buffer;
            if done? {
                break;
            }
        }
        Ok(())
    }

    /// A frame that is for this node, or will be if a switchover is called off.
    fn arrived(
        &mut self,
        eth: &[u8; ETH_BYTES],
        vnet: Vnet,
        packet: &[u8],
    ) -> Result<(), GateError> {
        let yields = !self.commit.has_right();
        let Some(keeping) = &mut self.keeping else {
            return self.frame(eth, vnet, packet);
        };
        let frame = Kept {
            eth: *eth,
            vnet,
            packet: packet.to_vec(),
        };
        let counters = &self.shared.counters;
        let link = &self.outlet.lock().link;
        keeping.take(frame, &self.vips, link, yields, counters);
        Ok(())
    }

    /// Takes in what came during a switchover that was called off.
    pub(super) fn take_what_was_kept(&mut self) -> Result<(), GateError> {
        while let Some(Kept { eth, vnet, packet }) = self.returned.pop_front() {
            self.frame(&eth, vnet, &packet)?;
        }
        Ok(())
    }

    fn frame(&mut self, eth: &[u8; ETH_BYTES], vnet: Vnet, packet: &[u8]) -> Result<(), GateError> {
        let mut source: Mac = [0; 6];
        source.copy_from_slice(&eth[6..12]);
        if u16::from_be_bytes([eth[12], eth[13]]) == ARP {
            if let Some(heard) = neighbour::parse_arp(packet) {
                self.heard(&heard);
            }
            return Ok(());
        }
        if !self.open || !self.packet(source, vnet, packet)? {
            Counters::add(&self.shared.counters.in_dropped, 1);
        }
        Ok(())
    }

    /// Takes a packet; false if it goes no further.
    fn packet(&mut self, mac: Mac, vnet: Vnet, packet: &[u8]) -> Result<bool, GateError> {
        let Some(ip) = Ip::parse(packet) else {
            return Ok(false);
        };
        // Short frames are padded.
        let packet = packet.get(..ip.payload.end).unwrap_or_default();
        if is_of_link(&ip, packet) {
            self.discovery(&ip, mac, packet);
            return Ok(true);
        }
        if !is_carried(&ip) || self.vips.contains(&ip.source) {
            return Ok(false);
        }
        let source = ip.source;
        let taken = if ip.is_tcp() {
            self.segment(ip, vnet, packet)?
        } else {
            self.deliver(vnet, packet);
            true
        };
        // One that the node before has passed on says nothing of where its sender is.
        if taken {
            let link = &mut self.outlet.lock().link;
            if mac != link.forwarder() {
                link.learn(source, mac, &self.shared.counters);
            }
        }
        Ok(taken)
    }

    fn segment(&mut self, ip: Ip, vnet: Vnet, packet: &[u8]) -> Result<bool, GateError> {
        if !vnet.is_trusted() && !ip.sum_is_right(packet) {
            return Ok(false);
        }
        let Some(segment) = Segment::parse(packet, ip) else {
            return Ok(false);
        };
        let now_ms = self.now_ms();
        let verdict = self.tell(|tracker, sink| tracker.inbound(packet, &segment, now_ms, sink))?;
        let brings = !segment.data.is_empty() || segment.has(flag::SYN);
        let (mut packet, vnet) = match verdict {
            Verdict::Drop => return Ok(false),
            // Nobody is left for it.
            _ if brings && self.question.is_over() => return Ok(false),
            Verdict::Bare => match without_data(packet, &segment) {
                Some(bare) => (bare, Vnet::default()),
                None => return Ok(false),
            },
            Verdict::Pass if self.translations.is_empty() && segment.flags & flag::URG == 0 => {
                self.deliver(vnet, packet);
                return Ok(true);
            }
            Verdict::Pass | Verdict::Acknowledge(_) => (packet.to_vec(), vnet),
        };
        let mut edit = Edit::new(&mut packet, &segment, vnet);
        edit.clear_urgent();
        if segment.has(flag::SYN) {
            edit.keep_known_options();
        }
        if let Verdict::Acknowledge(ack) = verdict {
            edit.set_ack(ack);
            edit.drop_sack();
        }
        if !self.translations.is_empty() {
            // The numbers may have changed.
            let Some(segment) = reparsed(&packet) else {
                return Ok(false);
            };
            self.translations.inbound(&mut packet, &segment, vnet);
        }
        self.deliver(vnet, &packet);
        Ok(true)
    }

    /// Neighbour discovery of IPv6.
    fn discovery(&mut self, ip: &Ip, mac: Mac, packet: &[u8]) {
        const HOP_LIMIT_AT: usize = 7;
        const NOT_FORWARDED: u8 = 255;
        let IpAddr::V6(source) = ip.source else {
            return;
        };
        if packet.get(HOP_LIMIT_AT) != Some(&NOT_FORWARDED) || !ip.sum_is_right(packet) {
            return;
        }
        let message = packet.get(ip.payload.clone()).unwrap_or_default();
        if let Some(heard) = neighbour::parse_nd(source, mac, message)
            && !heard.is_at(self.outlet.lock().link.forwarder())
        {
            self.heard(&heard);
        }
    }

    fn heard(&mut self, heard: &Heard) {
        let counters = &self.shared.counters;
        match heard {
            Heard::Question { from, mac, target } => {
                if self.vips.contains(target) && self.may_speak() {
                    let link = &mut self.outlet.lock().link;
                    link.answer(*target, *from, *mac, counters);
                    if let Some(from) = from {
                        link.learn(*from, *mac, counters);
                    }
                }
            }
            Heard::Answer { from, mac } => {
                let link = &mut self.outlet.lock().link;
                link.heard_of(*from, *mac, Instant::now(), counters);
            }
        }
    }
}
