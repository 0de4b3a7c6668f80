//! From the application to the outer interface, after waiting.

use super::super::GateError;
use super::super::flow::Verdict;
use super::super::hold::Held;
use super::super::packet::{Edit, Ip, Segment, flag};
use super::super::stats::Counters;
use super::super::sys::tun;
use super::super::translate::Answer;
use super::super::vnet::Vnet;
use super::inbound::{is_carried, is_of_link};
use super::{BATCH, Worker};
use std::time::{Duration, Instant};

/// How long what only an acknowledgement waits for may wait for company.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_micros(250);

impl Worker {
    pub(super) fn take_from_application(&mut self) -> Result<(), GateError> {
        for _ in 0..BATCH {
            if self.outlet.lock().hold.is_full() {
                break;
            }
            let read = tun::read(&self.shared.tun, &mut self.buffer);
            let Ok((vnet, len)) = read else {
                // None left; or the device is down, as if it were silent.
                break;
            };
            let packet = self.buffer.get(..len).unwrap_or_default().to_vec();
            if !self.leaving(vnet, packet)? {
                Counters::add(&self.shared.counters.out_dropped, 1);
            }
        }
        self.outlet.lock().count();
        Ok(())
    }

    /// Takes a packet; false if it goes no further.
    fn leaving(&mut self, vnet: Vnet, mut packet: Vec<u8>) -> Result<bool, GateError> {
        if self.halted {
            return Ok(false);
        }
        let Some(ip) = Ip::parse(&packet) else {
            return Ok(false);
        };
        let carried = is_carried(&ip) && !is_of_link(&ip, &packet);
        if !carried || !self.vips.contains(&ip.source) || ip.destination.is_unspecified() {
            return Ok(false);
        }
        let to = ip.destination;
        if ip.is_tcp() && !self.leaving_segment(ip, vnet, &mut packet)? {
            return Ok(false);
        }
        let awaited = is_awaited(&packet);
        let mut outlet = self.outlet.lock();
        // A mere acknowledgement is the kernel's own, but overtakes nothing.
        let depends = awaited || outlet.hold.last_question().is_some();
        let after = self.question.for_packet().filter(|_| depends);
        // Otherwise everything that may have led to it was appended before the kernel made it.
        let held = Held {
            label: self.appender.appended(),
            to,
            vnet,
            packet,
            since: Instant::now(),
        };
        let label = outlet.hold.push(held, after);
        drop(outlet);
        if let Some(label) = label.filter(|_| awaited) {
            self.awaited = label;
        }
        Ok(true)
    }

    fn leaving_segment(
        &mut self,
        ip: Ip,
        vnet: Vnet,
        packet: &mut Vec<u8>,
    ) -> Result<bool, GateError> {
        let Some(mut segment) = Segment::parse(packet, ip.clone()) else {
            return Ok(false);
        };
        if !self.translations.is_empty() {
            if let Answer::In(packets) = self.translations.outbound(packet, &segment, vnet) {
                for packet in packets {
                    self.deliver(Vnet::default(), &packet);
                }
                return Ok(true);
            }
            match Segment::parse(packet, ip) {
                Some(translated) => segment = translated,
                None => return Ok(false),
            }
        }
        let now_ms = self.now_ms();
        let verdict = self.tell(|tracker, sink| {
            tracker.tell_clock(now_ms, sink)?;
            tracker.outbound(&segment, now_ms, sink)
        })?;
        if verdict == Verdict::Drop {
            return Ok(false);
        }
        let mut edit = Edit::new(packet, &segment, vnet);
        edit.clear_urgent();
        if segment.has(flag::SYN) {
            edit.keep_known_options();
        }
        Ok(true)
    }

    /// Sends what may go, and has the journal hurry for what may not yet.
    pub(super) fn let_go(&mut self) {
        if let Some(label) = self.question.settle(&self.outlet, &self.appender) {
            self.awaited = label;
        }
        let waits = self.outlet.lock().let_go();
        match waits {
            Some(label) => self.hurry(label),
            None => self.haste.again_at = None,
        }
    }

    /// Has the journal hurry for what waits, up to `label`: at once if it is waited for elsewhere,
    /// too. A mere acknowledgement may as well leave with the answer that follows it.
    fn hurry(&mut self, label: u64) {
        let haste = &mut self.haste;
        haste.again_at = None;
        if haste.asked >= label {
            return;
        }
        if self.awaited <= haste.asked {
            let now = Instant::now();
            let until = *haste.patient_until.get_or_insert(now + ACKNOWLEDGED_WITHIN);
            if now < until {
                haste.again_at = Some(until);
                return;
            }
        }
        haste.again_at = self.appender.press(Duration::ZERO);
        if haste.again_at.is_none() {
            haste.asked = label;
            haste.patient_until = None;
        }
    }
}

/// Whether somebody waits for more of a packet than to be told what has arrived.
pub(super) fn is_awaited(packet: &[u8]) -> bool {
    let segment = Ip::parse(packet).and_then(|ip| Segment::parse(packet, ip));
    segment.is_none_or(|segment| {
        !segment.data.is_empty() || segment.flags & (flag::SYN | flag::FIN | flag::RST) != 0
    })
}
