//! The outer network: to whom packets go there, and what is said about the virtual addresses.

use super::super::hold::Held;
use super::super::neighbour::{self, Frame, Mac, Table};
use super::super::routes::{self, Prefix, Route};
use super::super::stats::Counters;
use super::super::sys::packet::{ETH_BYTES, Socket};
use super::super::vnet::Vnet;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many packets wait for one neighbour to be found.
const WAITING_MAX: usize = 256;
/// For how many neighbours packets wait.
const SOUGHT_MAX: usize = 1024;
/// How often a neighbour is asked for.
const TRIES: u32 = 4;
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Routes are read again after this long, if one is needed.
const ROUTES_FRESH: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Sought {
    /// In whose name.
    vip: IpAddr,
    packets: Vec<Held>,
    asked: u32,
    again: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    socket: Arc<Socket>,
    dev: String,
    own: Vec<Prefix>,
    mac: Mac,
    table: Table,
    routes: Vec<Route>,
    routes_read: Option<Instant>,
    sought: HashMap<IpAddr, Sought>,
    /// What the interface had no room for.
    stalled: Option<Held>,
}

impl Link {
    pub fn new(socket: Arc<Socket>, dev: String, own: Vec<Prefix>, mac: Mac) -> Self {
        Self {
            socket,
            dev,
            own,
            mac,
            table: Table::default(),
            routes: Vec::new(),
            routes_read: None,
            sought: HashMap::new(),
            stalled: None,
        }
    }

    /// The virtual addresses' own hardware address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// See [`neighbour::forwarder`].
    pub fn forwarder(&self) -> Mac {
        neighbour::forwarder(self.mac)
    }

    /// Passes a frame on to the node that has the virtual addresses; false if there is no room.
    pub fn forward(
        &self,
        eth: &[u8; ETH_BYTES],
        vnet: Vnet,
        packet: &[u8],
        counters: &Counters,
    ) -> bool {
        let mut eth = *eth;
        eth[..6].copy_from_slice(&self.mac);
        eth[6..12].copy_from_slice(&self.forwarder());
        match self.socket.send(&eth, vnet, packet) {
            Ok(()) => Counters::add(&counters.forwarded, 1),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // As if the network had lost it.
            Err(_) => Counters::add(&counters.refused, 1),
        }
        true
    }

    /// Whether the interface has no room.
    pub fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Gives up everything that waits.
    pub fn forget(&mut self) {
        self.sought.clear();
        self.stalled = None;
    }

    /// When somebody is to be asked for again.
    pub fn due(&self) -> Option<Instant> {
        self.sought.values().map(|sought| sought.again).min()
    }

    /// A packet from `addr` came from `mac`.
    pub fn learn(&mut self, addr: IpAddr, mac: Mac, counters: &Counters) {
        self.heard_of(addr, mac, Instant::now(), counters);
    }

    /// Somebody is there.
    pub fn heard_of(&mut self, addr: IpAddr, mac: Mac, now: Instant, counters: &Counters) {
        self.table.learn(addr, mac, now);
        if let Some(sought) = self.sought.remove(&addr) {
            for held in sought.packets {
                self.send(held, counters);
            }
        }
    }

    /// Says where the virtual addresses are.
    pub fn announce(&self, vips: &[IpAddr], counters: &Counters) {
        for frame in vips
            .iter()
            .filter_map(|vip| neighbour::announcement(*vip, self.mac))
        {
            self.say(&frame, counters);
        }
    }

    /// Answers a question for `vip`.
    pub fn answer(&self, vip: IpAddr, from: Option<IpAddr>, to: Mac, counters: &Counters) {
        if let Some(frame) = neighbour::answer(vip, self.mac, from, to) {
            Counters::add(&counters.answered, 1);
            self.say(&frame, counters);
        }
    }

    fn say(&self, frame: &Frame, counters: &Counters) {
        let sent = self.socket.send(&frame.eth, Vnet::default(), &frame.body);
        if sent.is_err() {
            // As if the network had lost it: it is said again.
            Counters::add(&counters.refused, 1);
        }
    }

    /// Sends a packet, or keeps it until its neighbour is found.
    pub fn send(&mut self, held: Held, counters: &Counters) {
        let now = Instant::now();
        let to = held.to;
        let hop = || routes::next_hop(&self.routes, to);
        match self.table.find(to, hop, now) {
            Some((mac, fresh_enough)) => {
                if fresh_enough {
                    self.seek(to, &held, now, counters);
                }
                self.transmit(mac, held, counters);
            }
            None => self.wait_for_neighbour(held, now, counters),
        }
    }

    fn transmit(&mut self, mac: Mac, held: Held, counters: &Counters) {
        let eth = neighbour::ethernet(mac, self.mac, held.to.is_ipv6());
        match self.socket.send(&eth, held.vnet, &held.packet) {
            Ok(()) => {
                Counters::add(&counters.out_packets, 1);
                Counters::add(&counters.out_bytes, held.packet.len());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.stalled.is_none() => {
                self.stalled = Some(held);
            }
            // As if the network had lost it.
            Err(_) => Counters::add(&counters.refused, 1),
        }
    }

    /// Sends what the interface had no room for.
    pub fn retry(&mut self, counters: &Counters) {
        if let Some(held) = self.stalled.take() {
            self.send(held, counters);
        }
    }

    fn hop(&mut self, to: IpAddr, now: Instant) -> IpAddr {
        let old = self
            .routes_read
            .is_none_or(|at| now.duration_since(at) >= ROUTES_FRESH);
        if old {
            self.routes_read = Some(now);
            // Without routes everybody is taken for a neighbour.
            self.routes = routes::read(&self.dev).unwrap_or_default();
        }
        if self.own.iter().any(|own| own.contains(to)) {
            return to;
        }
        routes::next_hop(&self.routes, to)
    }

    /// Asks for a neighbour that is known, but has been silent for long.
    fn seek(&mut self, to: IpAddr, held: &Held, now: Instant, counters: &Counters) {
        let hop = self.hop(to, now);
        if self.sought.contains_key(&hop) || self.sought.len() >= SOUGHT_MAX {
            return;
        }
        if let Some(vip) = source(&held.packet) {
            self.begin(hop, vip, Vec::new(), now, counters);
        }
    }

    fn wait_for_neighbour(&mut self, held: Held, now: Instant, counters: &Counters) {
        let hop = self.hop(held.to, now);
        // With the routes it may turn out that the way is known.
        if let Some((mac, _)) = self.table.find(hop, || hop, now) {
            return self.transmit(mac, held, counters);
        }
        if let Some(sought) = self.sought.get_mut(&hop) {
            if sought.packets.len() < WAITING_MAX {
                sought.packets.push(held);
            } else {
                Counters::add(&counters.out_dropped, 1);
            }
            return;
        }
        match source(&held.packet) {
            Some(vip) if self.sought.len() < SOUGHT_MAX => {
                self.begin(hop, vip, vec![held], now, counters);
            }
            _ => Counters::add(&counters.out_dropped, 1),
        }
    }

    fn begin(
        &mut self,
        hop: IpAddr,
        vip: IpAddr,
        packets: Vec<Held>,
        now: Instant,
        counters: &Counters,
    ) {
        let sought = Sought {
            vip,
            packets,
            asked: 1,
            again: now + ASK_AGAIN,
        };
        self.sought.insert(hop, sought);
        if let Some(frame) = neighbour::question(vip, self.mac, hop) {
            self.say(&frame, counters);
        }
    }

    /// Asks again for those who have not answered, and gives up those who never do.
    pub fn ask_again(&mut self, now: Instant, counters: &Counters) {
        let mut frames = Vec::new();
        let mac = self.mac;
        self.sought.retain(|hop, sought| {
            if sought.again > now {
                return true;
            }
            if sought.asked >= TRIES {
                Counters::add(&counters.out_dropped, sought.packets.len());
                return false;
            }
            sought.asked += 1;
            sought.again = now + ASK_AGAIN;
            frames.extend(neighbour::question(sought.vip, mac, *hop));
            true
        });
        for frame in frames {
            self.say(&frame, counters);
        }
    }
}

fn source(packet: &[u8]) -> Option<IpAddr> {
    super::super::packet::Ip::parse(packet).map(|ip| ip.source)
}
