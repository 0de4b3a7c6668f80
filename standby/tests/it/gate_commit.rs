//! No packet leaves before what it depends on is committed, pure acknowledgements included; what
//! waits leaves in order; nobody answers for the virtual addresses but an open gate.

#![allow(
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests"
)]

use crate::common;

use common::lab::{DEV, Lab, Place, VIP4, VIP6};
use common::node::{Follower, Node, PORT, fresh_tun, listen, make_tun, prefixes};
use common::{pattern_bytes, server};
use journal::{Event, GateEvent, Reader};
use standby::gate::Streams;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waiting for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn primary(lab: &Lab) -> Node {
    let tun = make_tun(lab, Place::PrimaryApp);
    Node::new(lab, Place::Primary, tun, Streams::new(false))
}

fn written(node: &Node) -> u64 {
    let appender = node.writer().appender();
    let count = appender.appended();
    appender.hurry(Duration::ZERO);
    appender.wait_written(count.saturating_sub(1), PATIENCE)
}

#[test]
fn nothing_leaves_before_it_is_committed() {
    let lab = Lab::new();
    let node = primary(&lab);
    let listener = listen(&lab, Place::PrimaryApp);
    node.gate().open().expect("opens");
    // A handshake needs an answer, and gets none until it is allowed.
    let to: SocketAddr = (VIP4.parse::<std::net::IpAddr>().expect("an address"), PORT).into();
    let (say, hear) = channel();
    let client = lab.spawn(Place::Client, move || {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).expect("connects");
        say.send("connected").expect("heard");
        (&stream).write_all(b"hello").expect("writes");
        let mut answer = [0; 5];
        (&stream).read_exact(&mut answer).expect("reads");
        say.send("answered").expect("heard");
        answer
    });
    wait_for("a held packet", || node.gate().stats().held_packets > 0);
    let before = node.gate().stats();
    assert_eq!(before.out_packets, 0);
    // What comes later, a repeated request or a mark of time, it does not depend on.
    let events = written(&node);
    assert!(hear.recv_timeout(Duration::from_millis(300)).is_err());
    // One less than what it depends on is not enough.
    node.commit.applied(u64::MAX);
    node.commit.advance(events - 1);
    assert!(hear.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!(node.gate().stats().out_packets, 0);
    node.commit.advance(events);
    assert_eq!(hear.recv_timeout(PATIENCE), Ok("connected"));
    // What the client says is acknowledged to nobody before it is safe.
    let (mut stream, _) = listener.accept().expect("accepts");
    let mut asked = [0; 5];
    stream.read_exact(&mut asked).expect("reads");
    assert_eq!(&asked, b"hello");
    let out = node.gate().stats().out_packets;
    wait_for("a held acknowledgement", || {
        node.gate().stats().held_packets > 0
    });
    stream.write_all(b"world").expect("writes");
    assert!(hear.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!(node.gate().stats().out_packets, out);
    let _follower = Follower::new(&node);
    assert_eq!(hear.recv_timeout(PATIENCE), Ok("answered"));
    assert_eq!(&client.join().expect("a client"), b"world");
    let stats = node.gate().stats();
    assert!(stats.hold_us.iter().sum::<u64>() > 0 && stats.journaled_bytes == 5);
    assert!(
        stats.hold_us[17..].iter().any(|count| *count > 0),
        "{stats:?}"
    );
}

#[test]
fn what_an_application_said_last_goes_out_though_its_journal_has_ended() {
    let lab = Lab::new();
    let node = primary(&lab);
    let listener = listen(&lab, Place::PrimaryApp);
    node.commit.set_alone(true);
    node.gate().open().expect("opens");
    let to: SocketAddr = (VIP4.parse::<std::net::IpAddr>().expect("an address"), PORT).into();
    let connect = || {
        let client = lab.within(Place::Client, || TcpStream::connect_timeout(&to, PATIENCE));
        let client = client.expect("connects");
        client.set_read_timeout(Some(PATIENCE)).expect("an option");
        (client, listener.accept().expect("accepts").0)
    };
    let (mut client, mut server) = connect();
    let (mut other, idle) = connect();
    node.commit.set_alone(false);
    server.write_all(b"world").expect("writes");
    wait_for("a held answer", || node.gate().stats().held_packets > 0);
    node.arrears.end();
    let appender = node.writer().appender();
    appender.append(&Event::End(0)).expect("appends");
    // What somebody else still says comes to nobody, and harms nobody.
    let dropped = node.gate().stats().in_dropped;
    other.write_all(b"late").expect("writes");
    wait_for("a packet for nobody", || {
        node.gate().stats().in_dropped > dropped
    });
    drop(other);
    drop(idle);
    node.commit.set_alone(true);
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("reads");
    assert_eq!(&answer, b"world");
}

/// Whether the client gets a datagram back from an echo at the virtual address.
fn answers(lab: &Lab, vip: &str) -> bool {
    let to: SocketAddr = (vip.parse::<std::net::IpAddr>().expect("an address"), PORT).into();
    lab.within(Place::Client, || {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let client = UdpSocket::bind(any).expect("binds");
        let patience = Duration::from_millis(500);
        client.set_read_timeout(Some(patience)).expect("an option");
        // Without a neighbour there is an error instead of silence.
        client.send_to(b"x", to).is_ok() && client.recv(&mut [0; 2]).is_ok()
    })
}

/// Waits until the client gets an answer from each of the virtual addresses.
fn both_answer(lab: &Lab) {
    for vip in [VIP4, VIP6] {
        wait_for(&format!("an answer of {vip}"), || answers(lab, vip));
    }
}

/// Echoes datagrams until it gets an empty one.
fn echo(lab: &Lab) -> std::thread::JoinHandle<()> {
    let socket = lab.within(Place::PrimaryApp, || {
        UdpSocket::bind(("::", PORT)).expect("binds")
    });
    std::thread::spawn(move || {
        let mut bytes = [0; 2];
        while let Ok((1, from)) = socket.recv_from(&mut bytes) {
            socket.send_to(&bytes[..1], from).expect("sends");
        }
    })
}

#[test]
fn only_an_open_gate_answers() {
    let lab = Lab::new();
    let node = primary(&lab);
    let echo = echo(&lab);
    node.commit.set_alone(true);
    assert!(!answers(&lab, VIP4) && !answers(&lab, VIP6));
    assert_eq!(node.gate().stats().answered, 0);
    node.gate().open().expect("opens");
    both_answer(&lab);
    // Not only because it announces itself.
    lab.ip(Place::Client, &format!("neigh flush dev {DEV}"));
    let answered = node.gate().stats().answered;
    both_answer(&lab);
    assert!(node.gate().stats().answered >= answered + 2);
    node.gate().close().expect("closes");
    let out = node.gate().stats().out_packets;
    assert!(!answers(&lab, VIP4) && !answers(&lab, VIP6));
    assert_eq!(node.gate().stats().out_packets, out);
    // Without the right to be active it is silent, too, however open.
    node.gate().open().expect("opens");
    node.commit.set_stopped(true);
    lab.ip(Place::Client, &format!("neigh flush dev {DEV}"));
    let answered = node.gate().stats().answered;
    assert!(!answers(&lab, VIP4) && !answers(&lab, VIP6));
    assert_eq!(node.gate().stats().answered, answered);
    lab.within(Place::PrimaryApp, || {
        let own = UdpSocket::bind(("::", 0)).expect("binds");
        own.send_to(b"", (VIP4, PORT)).expect("sends");
    });
    echo.join().expect("no panic");
}

#[test]
fn datagrams_pass_both_ways_and_large_ones_in_fragments() {
    let lab = Lab::new();
    let node = primary(&lab);
    let _follower = Follower::new(&node);
    node.gate().open().expect("opens");
    let socket = lab.within(Place::PrimaryApp, || {
        UdpSocket::bind(("::", PORT)).expect("binds")
    });
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    for vip in [VIP4, VIP6] {
        let to: SocketAddr = (vip.parse::<std::net::IpAddr>().expect("an address"), PORT).into();
        let client = lab.spawn(Place::Client, move || {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let client = UdpSocket::bind(any).expect("binds");
            client.set_read_timeout(Some(PATIENCE)).expect("an option");
            for len in [0, 1, 1000, 8000] {
                client.send_to(&pattern_bytes(0, len), to).expect("sends");
                let mut answer = vec![0; 10_000];
                let got = client.recv(&mut answer).expect("an answer");
                assert!(answer[..got] == pattern_bytes(7, len));
            }
        });
        for len in [0, 1, 1000, 8000] {
            let mut question = vec![0; 10_000];
            let (got, from) = socket.recv_from(&mut question).unwrap_or_else(|error| {
                panic!(
                    "no question of {len} bytes to {vip}: {error}, {:?}",
                    node.gate().stats()
                )
            });
            assert!(question[..got] == pattern_bytes(0, len));
            socket.send_to(&pattern_bytes(7, len), from).expect("sends");
        }
        client.join().expect("a client");
    }
}

#[test]
fn the_application_reaches_others_and_what_it_reads_is_journaled() {
    let lab = Lab::new();
    let node = primary(&lab);
    let _follower = Follower::new(&node);
    node.gate().open().expect("opens");
    for host in ["10.77.0.3", "fd77::3"] {
        let to: SocketAddr = (host.parse::<std::net::IpAddr>().expect("an address"), 9000).into();
        let listener = lab.within(Place::Client, || {
            std::net::TcpListener::bind(to).expect("listens")
        });
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepts");
            stream
                .write_all(&pattern_bytes(0, 100_000))
                .expect("writes");
        });
        let mut stream = lab.within(Place::PrimaryApp, || {
            TcpStream::connect_timeout(&to, PATIENCE).expect("connects")
        });
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("reads");
        assert!(all == pattern_bytes(0, 100_000));
        peer.join().expect("a peer");
        let local = stream.local_addr().expect("an address");
        let conn = node.streams.claim(local, to).expect("a known connection");
        assert!(node.streams.reference(conn, 0, &all));
        assert!(!node.streams.reference(conn, 1, &all[..10]));
        let state = node.streams.state(conn).expect("known");
        assert!(!state.opened.inbound && state.came == 100_000);
    }
}

#[test]
fn nothing_passes_before_the_journal_begins() {
    let lab = Lab::new();
    let tun = make_tun(&lab, Place::PrimaryApp);
    let streams = Streams::new(false);
    let node = Node::behind(&lab, Place::Primary, tun, streams, prefixes(), 1);
    node.commit.set_alone(true);
    let _listener = listen(&lab, Place::PrimaryApp);
    node.gate().open().expect("opens");
    let to: SocketAddr = (VIP4.parse::<std::net::IpAddr>().expect("an address"), PORT).into();
    let (say, hear) = channel();
    let client = lab.spawn(Place::Client, move || {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).expect("connects");
        say.send(()).expect("heard");
        stream
    });
    assert!(hear.recv_timeout(Duration::from_millis(300)).is_err());
    let appender = node.writer().appender();
    assert_eq!(appender.appended(), 0);
    appender.append(&Event::Time(0)).expect("room");
    // By the client's next attempt at the latest.
    assert_eq!(hear.recv_timeout(PATIENCE), Ok(()));
    assert!(appender.appended() > 1);
    client.join().expect("no panic");
}

#[test]
fn little_is_journaled_beside_the_payload() {
    let lab = Lab::new();
    let node = primary(&lab);
    let _follower = Follower::new(&node);
    let listener = listen(&lab, Place::PrimaryApp);
    let log = server::Log::new(node.writer().appender(), node.streams.clone());
    let serving = std::thread::spawn({
        let log = Arc::clone(&log);
        move || server::serve(listener, Vec::new(), &log)
    });
    node.gate().open().expect("opens");
    const REQUESTS: u64 = 2000;
    let to: SocketAddr = (VIP4.parse::<std::net::IpAddr>().expect("an address"), PORT).into();
    lab.within(Place::Client, || {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE).expect("connects");
        stream.set_nodelay(true).expect("an option");
        stream.write_all(&[server::ECHO]).expect("writes");
        let mut answer = [0; 100];
        for request in 0..REQUESTS {
            let bytes = pattern_bytes(1 + request * 100, 100);
            stream.write_all(&bytes).expect("writes");
            stream.read_exact(&mut answer).expect("reads");
            assert!(answer[..] == pattern_bytes(request * 100, 100));
        }
    });
    log.lock().expect("no panic").dead = true;
    serving.join().expect("no panic");
    written(&node);
    let mut gate_bytes = 0;
    let mut gate_events = 0u64;
    let mut reader = Reader::from_segments(node.storage.segments()).expect("a journal");
    while let Some((_, event)) = reader.next().expect("readable") {
        if matches!(event, Event::Gate(_)) {
            gate_bytes += postcard::to_stdvec(&event).expect("encodes").len() as u64 + 1;
            gate_events += 1;
        }
        if let Event::Gate(GateEvent::Payload { data, .. }) = event {
            assert!(data.len() <= 100);
        }
    }
    let per_request = (gate_bytes - REQUESTS * 100) as f64 / REQUESTS as f64;
    eprintln!(
        "{gate_events} events of the gate for {REQUESTS} requests, {per_request:.1} bytes each besides the payload"
    );
    assert!(per_request < 16.0, "{per_request}");
}

/// An application that begins at once finds the addresses usable: none that the kernel still
/// looks for others of, so that connections come from another one.
#[test]
fn addresses_are_there_at_once() {
    let lab = Lab::new();
    let _tun = fresh_tun(&lab, Place::StandbyApp);
    for (vip, peer) in [(VIP4, "10.77.0.3"), (VIP6, "fd77::3")] {
        let (bound, source) = lab.within(Place::StandbyApp, || {
            let any = if vip == VIP4 { "0.0.0.0" } else { "::" };
            let socket = UdpSocket::bind((any, 0)).expect("an address");
            socket.connect((peer, 1)).expect("a route");
            (UdpSocket::bind((vip, 0)), socket.local_addr())
        });
        bound.unwrap_or_else(|error| panic!("{vip}: {error}"));
        let source = source.expect("an address");
        assert_eq!(source.ip().to_string(), vip);
    }
}
