//! Connections whose segments come in any order, in any pieces, several times over.

use super::*;
use crate::gate::craft::Craft;
use crate::gate::model::ACK_LAG_BYTES_MAX;
use crate::gate::packet::Ip;
use etherparse::TcpOptionElement;
use journal::{Address, Endpoint};
use proptest::prelude::*;

const LOCAL: Endpoint = Endpoint {
    address: Address::V4(0x0a00_0009),
    port: 80,
};
const REMOTE: Endpoint = Endpoint {
    address: Address::V6(0),
    port: 40_000,
};

fn remote() -> Endpoint {
    Endpoint {
        address: Address::V4(0x0a00_0003),
        ..REMOTE
    }
}

fn byte(position: usize) -> u8 {
    (position % 251) as u8
}

/// Both ends and the gate between them.
struct World {
    tracker: Tracker,
    streams: Streams,
    events: Vec<u64>,
}

impl World {
    fn new(local_isn: u32, remote_isn: u32) -> Self {
        let streams = Streams::new(true);
        let mut world = Self {
            tracker: Tracker::new(&streams, 0),
            streams,
            events: Vec::new(),
        };
        let options = [
            TcpOptionElement::MaximumSegmentSize(1000),
            TcpOptionElement::WindowScale(7),
        ];
        world.segment(false, remote_isn, 0, flag::SYN, &options, &[]);
        let both = flag::SYN | flag::ACK;
        let next = remote_isn.wrapping_add(1);
        world.segment(true, local_isn, next, both, &options, &[]);
        world.segment(false, next, local_isn.wrapping_add(1), flag::ACK, &[], &[]);
        world
    }

    fn segment(
        &mut self,
        outbound: bool,
        seq: u32,
        ack: u32,
        flags: u8,
        options: &[TcpOptionElement],
        data: &[u8],
    ) -> Verdict {
        let (source, destination) = if outbound {
            (LOCAL, remote())
        } else {
            (remote(), LOCAL)
        };
        let craft = Craft {
            source,
            destination,
            seq,
            ack,
            flags,
            window: u16::MAX,
            options,
            data,
        };
        let packet = craft.packet().expect("fits");
        let segment = Segment::parse(&packet, Ip::parse(&packet).expect("IP")).expect("TCP");
        let (streams, events) = (&self.streams, &mut self.events);
        let mut sink = |event: &GateEvent<'_>| {
            streams.apply(event).expect("the model follows");
            if let GateEvent::Payload { data, .. } = event {
                events.push(data.len() as u64);
            }
            Ok(())
        };
        let verdict = if outbound {
            self.tracker.outbound(&segment, 0, &mut sink)
        } else {
            self.tracker.inbound(&packet, &segment, 0, &mut sink)
        };
        verdict.expect("memory does not fail")
    }

    fn state(&self) -> ConnState {
        self.streams.state(ConnId(0)).expect("it was opened")
    }
}

proptest! {
    #[test]
    fn what_the_kernel_can_acknowledge_is_journaled(
        isns in any::<(u32, u32)>(),
        near_the_end in any::<bool>(),
        len in 1usize..20_000,
        pieces in proptest::collection::vec((0usize..20_000, 1usize..3000), 0..60),
    ) {
        let remote_isn = if near_the_end { u32::MAX - 5000 } else { isns.1 };
        let mut world = World::new(isns.0, remote_isn);
        let ack = isns.0.wrapping_add(1);
        let mut kernel = vec![false; len];
        let all = (0..len).step_by(700).map(|start| (start, 700));
        for (start, size) in pieces.into_iter().chain(all) {
            let start = start.min(len - 1);
            let end = (start + size).min(len);
            let data: Vec<u8> = (start..end).map(byte).collect();
            let seq = remote_isn.wrapping_add(1).wrapping_add(start as u32);
            let fin = if end == len { flag::FIN } else { 0 };
            match world.segment(false, seq, ack, flag::ACK | fin, &[], &data) {
                Verdict::Pass => kernel[start..end].fill(true),
                verdict => prop_assert!(false, "{verdict:?}"),
            }
            let in_order = kernel.iter().position(|has| !has).unwrap_or(len);
            let state = world.state();
            prop_assert_eq!(state.came, in_order as u64);
            prop_assert!(state.unread.iter().enumerate().all(|(at, got)| *got == byte(at)));
        }
        let state = world.state();
        prop_assert!(state.fin && state.came == len as u64);
        // Every byte once.
        prop_assert_eq!(world.events.iter().sum::<u64>(), len as u64);
    }

    #[test]
    fn what_the_peer_may_lack_is_kept(
        isn in any::<u32>(),
        steps in proptest::collection::vec((1usize..30_000, 0u64..100, any::<bool>()), 1..60),
    ) {
        let mut world = World::new(isn, 7);
        let (mut wrote, mut acked) = (0u64, 0u64);
        for (size, percent, speaks) in steps {
            let data: Vec<u8> = (wrote as usize..wrote as usize + size).map(byte).collect();
            world.streams.wrote(ConnId(0), &data).expect("known");
            let seq = isn.wrapping_add(1).wrapping_add(wrote as u32);
            world.segment(true, seq, 8, flag::ACK, &[], &data);
            wrote += size as u64;
            acked = acked.max(wrote * percent / 100);
            let ack = isn.wrapping_add(1).wrapping_add(acked as u32);
            let came = world.state().came as u32;
            let said: &[u8] = if speaks { b"x" } else { b"" };
            world.segment(false, 8 + came, ack, flag::ACK, &[], said);
            let state = world.state();
            let kept = state.unacknowledged.len() as u64;
            prop_assert_eq!(state.wrote, wrote);
            prop_assert!(kept >= wrote - acked);
            prop_assert!(kept < wrote - acked + ACK_LAG_BYTES_MAX);
            let first = (wrote - kept) as usize;
            let bytes = state.unacknowledged.iter().enumerate();
            prop_assert!(bytes.clone().all(|(at, got)| *got == byte(first + at)));
        }
    }
}

#[test]
fn data_of_nobody_reach_nobody() {
    let mut world = World::new(1, 2);
    let streams = Streams::new(false);
    world.tracker = Tracker::new(&streams, 0);
    world.streams = streams;
    let verdict = world.segment(false, 3, 2, flag::ACK, &[], b"data");
    assert_eq!(verdict, Verdict::Bare);
    let verdict = world.segment(true, 3, 2, flag::ACK, &[], b"data");
    assert_eq!(verdict, Verdict::Drop);
    // An answer to a question that was not seen.
    let verdict = world.segment(true, 3, 2, flag::SYN | flag::ACK, &[], &[]);
    assert_eq!(verdict, Verdict::Drop);
    assert!(world.streams.all().is_empty());
}

#[test]
fn a_connection_is_forgotten_when_both_ends_are_done() {
    let mut world = World::new(100, 200);
    assert!(!world.state().over);
    world.segment(true, 101, 201, flag::ACK | flag::FIN, &[], b"bye");
    world.segment(false, 201, 105, flag::ACK, &[], &[]);
    assert!(!world.state().over);
    world.segment(false, 201, 105, flag::ACK | flag::FIN, &[], &[]);
    let state = world.state();
    assert!(state.over && state.fin);
    world.streams.closed(ConnId(0)).expect("known");
    assert!(world.streams.state(ConnId(0)).is_none());
    let (local, remote) = (LOCAL.into(), remote().into());
    assert_eq!(world.streams.claim(local, remote), None);
}

#[test]
fn a_reset_that_the_kernel_did_not_take_is_taken_back() {
    let mut world = World::new(100, 200);
    world.segment(false, 500, 101, flag::RST, &[], &[]);
    assert!(!world.state().reset, "out of order");
    world.segment(false, 201, 101, flag::RST, &[], &[]);
    assert!(world.state().reset);
    world.segment(true, 101, 201, flag::ACK, &[], b"still here");
    assert!(!world.state().reset);
}

#[test]
fn another_node_may_have_been_ahead() {
    let mut world = World::new(100, 200);
    world.segment(true, 101, 201, flag::ACK, &[], &[7; 1000]);
    world.streams.wrote(ConnId(0), &[7; 1000]).expect("known");
    world.tracker = Tracker::new(&world.streams, 0);
    world.segment(true, 101, 201, flag::ACK, &[], &[7; 300]);
    let verdict = world.segment(false, 201, 1101, flag::ACK, &[], b"more");
    assert_eq!(verdict, Verdict::Acknowledge(401));
    assert_eq!(world.state().came, 4);
    world.segment(true, 401, 205, flag::ACK, &[], &[7; 700]);
    let verdict = world.segment(false, 205, 1101, flag::ACK, &[], &[]);
    assert_eq!(verdict, Verdict::Pass);
    // Nobody can be ahead any more: what acknowledges more is nonsense, which the kernel drops.
    let verdict = world.segment(false, 205, 5000, flag::ACK, &[], &[]);
    assert_eq!(verdict, Verdict::Pass);
}

#[test]
fn what_the_application_asks_for_is_told_once() {
    let streams = Streams::new(true);
    let mut world = World {
        tracker: Tracker::new(&streams, 0),
        streams,
        events: Vec::new(),
    };
    let options = [
        TcpOptionElement::WindowScale(7),
        TcpOptionElement::Timestamp(1000, 0),
    ];
    let ask = |world: &mut World, isn: u32| {
        let verdict = world.segment(true, isn, 0, flag::SYN, &options, &[]);
        assert_eq!(verdict, Verdict::Pass);
        world.streams.asked()
    };
    // Again and again; then another one; that one is refused.
    for _ in 0..3 {
        let asked = ask(&mut world, 100);
        assert_eq!(asked.len(), 1);
        let first = &asked[0].asked;
        assert_eq!((first.conn, first.local_isn), (ConnId(0), 100));
        assert_eq!((first.scale, first.timestamp), (Some(7), Some(1000)));
        assert!(asked[0].next_timestamp.is_some_and(|next| next > 1000));
    }
    let asked = ask(&mut world, 200);
    assert_eq!((asked.len(), asked[0].asked.conn), (1, ConnId(1)));
    world.segment(false, 0, 100 + 1, flag::RST | flag::ACK, &[], &[]);
    assert_eq!(world.streams.asked().len(), 1, "of the one before");
    world.segment(false, 0, 200 + 1, flag::RST | flag::ACK, &[], &[]);
    assert_eq!(world.streams.asked().len(), 0);
    // One is answered: late repetitions are nothing new.
    ask(&mut world, 300);
    let both = flag::SYN | flag::ACK;
    world.segment(false, 500, 300 + 1, both, &options, &[]);
    assert_eq!(ask(&mut world, 300).len(), 0);
    assert_eq!(world.streams.all(), [ConnId(2)]);
    let (local, remote) = (LOCAL.into(), remote().into());
    assert_eq!(world.streams.claim_own(local, remote), Some(ConnId(2)));
    assert_eq!(world.streams.claim_own(local, remote), None);
}

/// Another node goes on where it is known what was asked, and hears the answer.
#[test]
fn an_answer_may_come_to_another_node() {
    let streams = Streams::new(true);
    let mut world = World {
        tracker: Tracker::new(&streams, 0),
        streams,
        events: Vec::new(),
    };
    let options = [TcpOptionElement::WindowScale(7)];
    world.segment(true, 100, 0, flag::SYN, &options, &[]);
    world.tracker = Tracker::new(&world.streams, 0);
    let found = world.streams.take_own(None, remote().into());
    assert!(
        matches!(found, Some(crate::gate::Own::Asked(_))),
        "{found:?}"
    );
    assert_eq!(world.streams.take_own(None, remote().into()), None);
    // The kernel asks anew; translated it is the same.
    world.segment(true, 100, 0, flag::SYN, &options, &[]);
    world.segment(false, 500, 101, flag::SYN | flag::ACK, &options, &[]);
    let state = world.state();
    assert_eq!(
        (state.opened.local_isn, state.opened.remote_isn),
        (100, 500)
    );
    assert!(!state.opened.inbound && world.streams.asked().is_empty());
}
