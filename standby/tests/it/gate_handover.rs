//! A node that hands over keeps what comes, and passes it on to the node that goes on, once each;
//! if it does not hand over after all, it takes it in itself.

#![allow(clippy::cast_possible_truncation, reason = "tests")]

use crate::common;

use common::lab::{Lab, Place, VIP4, VIP6};
use common::node::{Follower, Node, PORT, make_tun, prefixes};
use nix::sys::socket::{setsockopt, sockopt};
use standby::gate::Streams;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// What a client says last, again and again until it is told to end.
const LAST: u64 = u64::MAX;

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waiting for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A client that numbers its datagrams, and how many it has sent when it is told to end.
fn count(lab: &Lab, vip: &'static str, end: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let end = Arc::clone(end);
    lab.spawn(Place::Client, move || {
        let any = if vip == VIP4 { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).expect("binds");
        let say = |number: u64| {
            socket
                .send_to(&number.to_le_bytes(), (vip, PORT))
                .expect("sends");
            std::thread::sleep(Duration::from_micros(500));
        };
        let mut sent = 0;
        while !end.load(Ordering::Relaxed) {
            say(sent);
            sent += 1;
        }
        say(LAST);
        sent
    })
}

/// The application of a node, and what it has heard when it is told to end.
struct Listening {
    socket: UdpSocket,
    heard: Vec<u64>,
}

impl Listening {
    fn new(lab: &Lab, app: Place) -> Self {
        let socket = lab.within(app, || UdpSocket::bind(("::", PORT)).expect("binds"));
        socket.set_nonblocking(true).expect("an option");
        // Whatever comes while nobody looks: the ordinary buffer is full after a fifth of a second.
        setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20)).expect("root may");
        Self {
            socket,
            heard: Vec::new(),
        }
    }

    /// Hears what has arrived; whether the last is among it.
    fn hear(&mut self) -> bool {
        let mut bytes = [0; 8];
        while let Ok((8, _)) = self.socket.recv_from(&mut bytes) {
            self.heard.push(u64::from_le_bytes(bytes));
        }
        self.heard.contains(&LAST)
    }

    /// Waits until more has arrived.
    fn hear_more(&mut self) {
        let before = self.heard.len();
        wait_for("more to arrive", || {
            self.hear();
            self.heard.len() >= before + 20
        });
    }

    fn numbers(self) -> Vec<u64> {
        let numbers = self.heard.into_iter();
        numbers.filter(|number| *number != LAST).collect()
    }
}

fn node(lab: &Lab, host: Place, tun: OwnedFd, vip: &str) -> Node {
    let vip: IpAddr = vip.parse().expect("an address");
    let own = prefixes().into_iter().filter(|own| own.addr == vip);
    Node::with_vips(lab, host, tun, Streams::new(false), own.collect())
}

#[test]
fn what_comes_during_a_switchover_is_passed_on() {
    for vip in [VIP4, VIP6] {
        let lab = Lab::new();
        let first = make_tun(&lab, Place::PrimaryApp);
        let second = make_tun(&lab, Place::StandbyApp);
        let primary = node(&lab, Place::Primary, first, vip);
        let follower = Follower::new(&primary);
        let mut before = Listening::new(&lab, Place::PrimaryApp);
        let mut after = Listening::new(&lab, Place::StandbyApp);
        primary.gate().open().expect("opens");
        let end = Arc::new(AtomicBool::new(false));
        let client = count(&lab, vip, &end);
        before.hear_more();
        primary.gate().pause().expect("pauses");
        drop(follower);
        primary.commit.set_stopped(true);
        let standby = node(&lab, Place::Standby, second, vip);
        standby.commit.set_alone(true);
        assert_eq!(primary.gate().stats().forwarded, 0, "nobody else is there");
        standby.gate().claim().expect("claims");
        wait_for("what was kept to be passed on", || {
            primary.gate().stats().forwarded > 0
        });
        standby.gate().open().expect("opens");
        // It knows already.
        let begun = Instant::now();
        primary.gate().wait_moved(PATIENCE);
        assert!(begun.elapsed() < PATIENCE);
        after.hear_more();
        end.store(true, Ordering::Relaxed);
        let sent = client.join().expect("a client");
        wait_for("the last", || after.hear());
        before.hear();
        let (first, second) = (before.numbers(), after.numbers());
        let from = first.len() as u64;
        assert_eq!(first, (0..from).collect::<Vec<_>>(), "{vip}");
        let mut second = second;
        second.sort_unstable();
        assert_eq!(second, (from..sent).collect::<Vec<_>>(), "{vip}");
    }
}

#[test]
fn what_comes_during_one_that_is_called_off_comes_in() {
    for vip in [VIP4, VIP6] {
        let lab = Lab::new();
        let link = make_tun(&lab, Place::PrimaryApp);
        let primary = node(&lab, Place::Primary, link, vip);
        let _follower = Follower::new(&primary);
        let mut app = Listening::new(&lab, Place::PrimaryApp);
        primary.gate().open().expect("opens");
        let end = Arc::new(AtomicBool::new(false));
        let client = count(&lab, vip, &end);
        app.hear_more();
        primary.gate().pause().expect("pauses");
        // It resigns, and takes that back.
        primary.commit.set_stopped(true);
        app.hear();
        let kept = app.heard.len();
        let pause = Duration::from_millis(50);
        primary.gate().wait_moved(pause);
        app.hear();
        assert_eq!(app.heard.len(), kept, "nothing comes in meanwhile");
        primary.commit.set_stopped(false);
        primary.gate().resume().expect("goes on");
        app.hear_more();
        end.store(true, Ordering::Relaxed);
        let sent = client.join().expect("a client");
        wait_for("the last", || app.hear());
        let numbers = app.numbers();
        assert_eq!(numbers, (0..sent).collect::<Vec<_>>(), "{vip}");
        assert_eq!(primary.gate().stats().forwarded, 0, "{vip}");
    }
}
