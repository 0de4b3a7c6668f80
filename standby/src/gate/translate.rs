//! Connections that the application had not accepted yet. The kernel's queue of them cannot be
//! filled by repair; so their handshake is repeated with the new kernel, in the peer's name. It
//! chooses another initial sequence number and other timestamps: from then on both are
//! translated in every segment. *Outside* is what the peer sees, *inside* what the kernel sees.

use super::craft::Craft;
use super::flow::Half;
use super::model::{Ask, ConnState};
use super::packet::{Edit, Segment, flag};
use super::rebuild::Numbers;
use super::vnet::Vnet;
use etherparse::TcpOptionElement;
use journal::{ConnId, Endpoint};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a connection that is over may still have segments under way: as long as Linux
/// remembers one (`TCP_TIMEWAIT_LEN`).
const LINGER: Duration = Duration::from_secs(60);
/// Data given to the kernel at once.
const PIECE_BYTES: usize = 32 << 10;

#[derive(Debug)]
enum Stage {
    /// The kernel has not answered yet.
    Asked(Box<ConnState>),
    /// The kernel is about to ask a peer again, who was asked by another node.
    Asking(Box<Ask>),
    /// It has.
    Known(Differences),
}

#[derive(Debug, Clone, Copy)]
struct Differences {
    /// Sequence numbers, outside less inside.
    seq: u32,
    /// Timestamps, outside less inside.
    stamp: u32,
    /// The first timestamp inside: none before it was ever sent there.
    first_stamp: u32,
    scale_outside: u8,
    scale_inside: u8,
}

/// What the gate is to do with an answer of the kernel.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It goes out.
    Out,
    /// It does not: the peer has gone on already. These packets go in instead.
    In(Vec<Vec<u8>>),
}

#[derive(Debug)]
struct Entry {
    conn: ConnId,
    stage: Stage,
    /// Since when both ends have said that they are done.
    over: Option<Instant>,
}

/// The connections whose numbers differ.
#[derive(Debug, Default)]
pub struct Translations(HashMap<(Endpoint, Endpoint), Entry>);

impl Translations {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins with a connection: the segment that asks the kernel for it.
    pub fn begin(&mut self, state: ConnState) -> Option<Vec<u8>> {
        let opened = state.opened.clone();
        let mss = u16::try_from(opened.mss).unwrap_or(u16::MAX);
        let mut options = vec![TcpOptionElement::MaximumSegmentSize(mss)];
        if opened.sack {
            options.push(TcpOptionElement::SelectiveAcknowledgementPermitted);
        }
        if opened.timestamp.is_some() {
            // Zero is no timestamp that later ones could be older than.
            options.push(TcpOptionElement::Timestamp(0, 0));
        }
        if let Some(scales) = opened.scales {
            options.push(TcpOptionElement::WindowScale(scales.remote));
        }
        let syn = Craft {
            source: opened.remote,
            destination: opened.local,
            seq: opened.remote_isn,
            ack: 0,
            flags: flag::SYN,
            window: u16::MAX,
            options: &options,
            data: &[],
        };
        let packet = syn.packet()?;
        let stage = Stage::Asked(Box::new(state));
        let ends = (opened.local, opened.remote);
        self.insert(ends, opened.conn, stage);
        Some(packet)
    }

    /// Begins with a connection that the kernel is about to ask its peer for: to the peer that is
    /// the segment that another node has sent already.
    pub fn begin_asking(&mut self, ask: Ask) {
        let ends = (ask.asked.local, ask.asked.remote);
        let conn = ask.asked.conn;
        let stage = Stage::Asking(Box::new(ask));
        self.insert(ends, conn, stage);
    }

    fn insert(&mut self, ends: (Endpoint, Endpoint), conn: ConnId, stage: Stage) {
        let over = None;
        self.0.insert(ends, Entry { conn, stage, over });
    }

    /// A connection is over. The last segments are still under way, and may come again: what is
    /// known is kept for as long as a kernel remembers a connection, or until a new one has the
    /// same ends.
    pub fn forget(&mut self, conn: ConnId) {
        let now = Instant::now();
        self.0.retain(|_, entry| {
            if entry.conn == conn {
                entry.over = Some(now);
            }
            entry.over.is_none_or(|at| now.duration_since(at) < LINGER)
        });
    }

    /// A first segment makes an end of what was there before.
    fn begin_anew(&mut self, ends: (Endpoint, Endpoint), segment: &Segment) {
        if segment.has(flag::SYN)
            && !segment.has(flag::ACK)
            && self.0.get(&ends).is_some_and(|entry| entry.over.is_some())
        {
            self.0.remove(&ends);
        }
    }

    /// Makes a segment from outside one for the kernel.
    pub fn inbound(&mut self, packet: &mut Vec<u8>, segment: &Segment, vnet: Vnet) {
        let ends = (segment.destination, segment.source);
        self.begin_anew(ends, segment);
        let Some(Entry {
            stage: Stage::Known(by),
            ..
        }) = self.0.get(&ends)
        else {
            return;
        };
        if !segment.has(flag::ACK) {
            return;
        }
        let mut edit = Edit::new(packet, segment, vnet);
        edit.set_ack(segment.ack.wrapping_sub(by.seq));
        edit.shift_sack(0u32.wrapping_sub(by.seq));
        if let Some((_, echo)) = segment.options.timestamp {
            let inside = echo.wrapping_sub(by.stamp);
            // The peer may still echo the node before.
            let early = inside.wrapping_sub(by.first_stamp).cast_signed() < 0;
            let inside = if early { by.first_stamp } else { inside };
            edit.shift_timestamp(0, inside.wrapping_sub(echo));
        }
    }

    /// Makes a segment of the kernel one for outside.
    pub fn outbound(&mut self, packet: &mut Vec<u8>, segment: &Segment, vnet: Vnet) -> Answer {
        let ends = (segment.source, segment.destination);
        self.begin_anew(ends, segment);
        let Some(Entry { stage, .. }) = self.0.get_mut(&ends) else {
            return Answer::Out;
        };
        let mut answer = Answer::Out;
        if let Stage::Asked(state) = stage {
            if segment.has(flag::RST) {
                // Nobody listens any more: the peer must find that credible.
                let mut edit = Edit::new(packet, segment, vnet);
                edit.set_seq(Numbers::of(state).send);
                self.0.remove(&ends);
                return answer;
            }
            if !segment.has(flag::SYN | flag::ACK) {
                return answer;
            }
            if state.came > 0 || state.fin {
                answer = Answer::In(what_came(state, segment));
            }
            *stage = Stage::Known(differences(state, segment));
        }
        if let Stage::Asking(ask) = stage
            && segment.has(flag::SYN)
        {
            *stage = Stage::Known(renewed(ask, segment));
        }
        let Stage::Known(by) = stage else {
            return answer;
        };
        let mut edit = Edit::new(packet, segment, vnet);
        edit.set_seq(segment.seq.wrapping_add(by.seq));
        edit.shift_timestamp(by.stamp, 0);
        if segment.has(flag::SYN) {
            edit.set_scale(by.scale_outside);
        } else if by.scale_inside != by.scale_outside {
            let room = u32::from(segment.window) << by.scale_inside >> by.scale_outside;
            edit.set_window(u16::try_from(room).unwrap_or(u16::MAX));
        }
        answer
    }
}

fn differences(state: &ConnState, syn_ack: &Segment) -> Differences {
    let half = Half::new(syn_ack, false, 0);
    let inside = half.options.timestamp.map_or(0, |stamp| stamp.0);
    let outside = state.timestamps.map_or(inside, |stamps| stamps.next);
    Differences {
        seq: state.opened.local_isn.wrapping_sub(half.isn),
        stamp: outside.wrapping_sub(inside),
        first_stamp: inside,
        scale_outside: state.opened.scales.map_or(0, |scales| scales.local.min(14)),
        scale_inside: half.options.scale.unwrap_or(0),
    }
}

fn renewed(ask: &Ask, syn: &Segment) -> Differences {
    let inside = syn.options.timestamp.map_or(0, |stamp| stamp.0);
    Differences {
        seq: ask.asked.local_isn.wrapping_sub(syn.seq),
        stamp: ask.next_timestamp.unwrap_or(inside).wrapping_sub(inside),
        first_stamp: inside,
        scale_outside: ask.asked.scale.unwrap_or(0).min(14),
        scale_inside: syn.options.scale.unwrap_or(0).min(14),
    }
}

/// The end of the handshake, and everything that came after it.
fn what_came(state: &ConnState, syn_ack: &Segment) -> Vec<Vec<u8>> {
    let isn = state.opened.remote_isn;
    let mut craft = Craft {
        source: state.opened.remote,
        destination: state.opened.local,
        seq: isn.wrapping_add(1),
        ack: syn_ack.seq.wrapping_add(1),
        flags: flag::ACK,
        window: u16::MAX,
        options: &[],
        data: &[],
    };
    let mut packets = Vec::from_iter(craft.packet());
    craft.flags = flag::ACK | flag::PSH;
    for piece in state.unread.chunks(PIECE_BYTES) {
        craft.data = piece;
        packets.extend(craft.packet());
        let len = u32::try_from(piece.len()).unwrap_or(0);
        craft.seq = craft.seq.wrapping_add(len);
    }
    if state.fin {
        craft.data = &[];
        craft.flags = flag::ACK | flag::FIN;
        packets.extend(craft.packet());
    }
    packets
}
