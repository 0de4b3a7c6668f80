//! Any bytes as packets, from outside and from the application, and what comes of them in the
//! journal in the model: nothing may panic, and what the gate says must be understood.

use super::flow::{Tracker, Verdict};
use super::model::Streams;
use super::packet::{Edit, Ip, Segment, without_data};
use super::vnet::{VNET_BYTES, Vnet};
use super::{neighbour, translate};
use std::net::IpAddr;

/// Runs one input: packets, each after two bytes of its length and one of flags, of which the
/// lowest says whether the application sent it.
pub fn packets(mut bytes: &[u8]) {
    let streams = Streams::new(true);
    let mut tracker = Tracker::new(&streams, 0);
    let mut translations = translate::Translations::default();
    let mut now_ms = 0;
    while let [low, high, flags, rest @ ..] = bytes {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (packet, rest) = rest.split_at(len);
        bytes = rest;
        now_ms += u64::from(flags >> 1);
        one(packet, flags & 1 != 0, now_ms, &streams, &mut tracker);
        if flags & 2 != 0 {
            for state in streams.all().into_iter().filter_map(|id| streams.state(id)) {
                translations.begin(state);
            }
            for ask in streams.asked() {
                translations.begin_asking(ask);
            }
        }
        let mut packet = packet.to_vec();
        if let Some(segment) = segment(&packet) {
            translations.inbound(&mut packet, &segment, Vnet::default());
            translations.outbound(&mut packet, &segment, Vnet::default());
        }
    }
    for conn in streams.all() {
        let state = streams.state(conn);
        assert!(state.is_some_and(|state| state.unread.len() as u64 <= state.came));
    }
}

fn segment(packet: &[u8]) -> Option<Segment> {
    Segment::parse(packet, Ip::parse(packet)?)
}

fn one(packet: &[u8], outbound: bool, now_ms: u64, streams: &Streams, tracker: &mut Tracker) {
    let _ = neighbour::parse_arp(packet);
    let Some(ip) = Ip::parse(packet) else {
        return;
    };
    let _ = ip.sum_is_right(packet);
    if let IpAddr::V6(source) = ip.source {
        let message = packet.get(ip.payload.clone()).unwrap_or_default();
        let _ = neighbour::parse_nd(source, [0; 6], message);
    }
    let Some(segment) = Segment::parse(packet, ip) else {
        return;
    };
    let mut sink = |event: &journal::GateEvent<'_>| {
        streams.apply(event).unwrap_or_else(|error| {
            panic!("{error}: {event:?}");
        });
        Ok(())
    };
    let verdict = if outbound {
        tracker.outbound(&segment, now_ms, &mut sink)
    } else {
        tracker.inbound(packet, &segment, now_ms, &mut sink)
    };
    assert!(verdict.is_ok());
    assert!(tracker.sweep(streams, now_ms, &mut sink).is_ok());
    if verdict.is_ok_and(|verdict| verdict == Verdict::Bare) {
        let bare = without_data(packet, &segment).and_then(|bare| {
            let ip = Ip::parse(&bare)?;
            assert!(ip.sum_is_right(&bare));
            Segment::parse(&bare, ip)
        });
        assert!(bare.is_some_and(|bare| bare.data.is_empty()));
    }
    let mut changed = packet.to_vec();
    let mut edit = Edit::new(&mut changed, &segment, Vnet::from_bytes([0; VNET_BYTES]));
    edit.clear_urgent();
    edit.keep_known_options();
    edit.shift_sack(1);
    edit.set_seq(segment.seq);
    edit.set_window(segment.window);
    assert_eq!(changed.len(), packet.len());
}
