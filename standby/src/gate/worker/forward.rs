//! What comes while a switchover is under way. It is for this node if that is called off, and else
//! for the one that goes on, which has said by its announcement where it is: the network takes
//! frames there from then on, those that came here before included.

use super::super::neighbour::{self, Heard, Mac};
use super::super::packet::Ip;
use super::super::stats::Counters;
use super::super::sys::packet::ETH_BYTES;
use super::super::vnet::Vnet;
use super::inbound::ARP;
use super::link::Link;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::mpsc::Sender;

/// How many bytes are kept; what is more gets lost.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A frame from outside.
#[derive(Debug)]
pub(super) struct Kept {
    pub eth: [u8; ETH_BYTES],
    pub vnet: Vnet,
    pub packet: Vec<u8>,
}

impl Kept {
    fn source(&self) -> Mac {
        let mut source: Mac = [0; 6];
        source.copy_from_slice(&self.eth[6..12]);
        source
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    frames: VecDeque<Kept>,
    bytes: usize,
    /// Another node has the addresses.
    moved: bool,
    /// Who wants to know that.
    told: Vec<Sender<()>>,
}

impl Keeping {
    /// Takes a frame. `yields`: this node has no right to the addresses any more.
    pub fn take(
        &mut self,
        frame: Kept,
        vips: &[IpAddr],
        link: &Link,
        yields: bool,
        counters: &Counters,
    ) {
        let source = frame.source();
        if source == link.mac() {
            if yields && !self.moved {
                self.moved = true;
                for told in self.told.drain(..) {
                    // Who does not wait does not need to know.
                    let _ = told.send(());
                }
            }
            return;
        }
        // What another gate has passed on already is not passed on again.
        let wanted = source != link.forwarder() && is_for(vips, &frame);
        if !wanted || self.bytes + frame.packet.len() > KEPT_BYTES_MAX {
            return Counters::add(&counters.in_dropped, 1);
        }
        self.bytes += frame.packet.len();
        self.frames.push_back(frame);
    }

    /// Passes on what the other node is to have.
    pub fn forward(&mut self, link: &Link, counters: &Counters) {
        while self.moved
            && let Some(frame) = self.frames.front()
        {
            if !link.forward(&frame.eth, frame.vnet, &frame.packet, counters) {
                return;
            }
            self.bytes -= frame.packet.len();
            self.frames.pop_front();
        }
    }

    /// Whether the interface has no room.
    pub fn is_stalled(&self) -> bool {
        self.moved && !self.frames.is_empty()
    }

    /// Has `told` answered once another node has the addresses.
    pub fn tell(&mut self, told: Sender<()>) {
        if self.moved {
            let _ = told.send(());
        } else {
            self.told.push(told);
        }
    }

    /// It is for this node after all.
    pub fn into_frames(self) -> VecDeque<Kept> {
        self.frames
    }
}

/// Whether a frame is for the virtual addresses, or a question for one.
fn is_for(vips: &[IpAddr], frame: &Kept) -> bool {
    if frame.eth[12..] == ARP.to_be_bytes() {
        let heard = neighbour::parse_arp(&frame.packet);
        return matches!(heard, Some(Heard::Question { target, .. }) if vips.contains(&target));
    }
    // The kernel's filter has seen to the destination.
    Ip::parse(&frame.packet).is_some()
}
