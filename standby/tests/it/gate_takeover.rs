//! Connections go on where another node left them: every byte, no reset, whatever state they
//! were in. The "other node" has what was committed, nothing else.

#![allow(
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests"
)]

use crate::common;

use common::client::{Client, Report};
use common::lab::{Lab, Place, VIP4, VIP6};
use common::node::{PORT, Serving, TakenOver, listen, make_tun};
use common::server;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use standby::gate::virtual_mac;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tracer::network::Opening;

fn to(vip: &str) -> SocketAddr {
    SocketAddr::new(vip.parse().expect("an address"), PORT)
}

fn start(lab: &Lab, vip: &str, kind: u8, stop: &Arc<AtomicBool>) -> JoinHandle<Report> {
    let (to, stop) = (to(vip), Arc::clone(stop));
    lab.spawn(Place::Client, move || Client::connect(to, kind).run(&stop))
}

fn median_and_max(mut stalls: Vec<Duration>) -> (Duration, Duration) {
    stalls.sort();
    (stalls[stalls.len() / 2], stalls[stalls.len() - 1])
}

/// Has the application connect.
fn dial(lab: &Lab, primary: &Serving, remote: SocketAddr) -> TcpStream {
    let patience = Duration::from_secs(10);
    let stream = lab.within(Place::PrimaryApp, || {
        TcpStream::connect_timeout(&remote, patience)
    });
    stream.unwrap_or_else(|error| {
        let gate = primary.node.gate();
        panic!(
            "{remote}: {error}: {:?}, {:?}",
            gate.failure(),
            gate.stats()
        )
    })
}

/// Has the application open connections to a peer that then is what a client is otherwise.
fn open_outbound(
    lab: &Lab,
    primary: &Serving,
    host: &str,
    kind: u8,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<Report> {
    let listener = lab.within(Place::Client, || TcpListener::bind((host, 0)));
    let listener = listener.expect("listens");
    let remote = listener.local_addr().expect("an address");
    let stop = Arc::clone(stop);
    let peer = lab.spawn(Place::Client, move || {
        let (stream, _) = listener.accept().expect("a connection");
        Client::over(stream, kind).run(&stop)
    });
    let stream = dial(lab, primary, remote);
    let local = stream.local_addr().expect("an address");
    primary.adopt(stream, local, remote);
    peer
}

/// Runs clients of one kind through a takeover; what they waited at most.
fn through_a_takeover(lab: &Lab, kinds: &[(u8, &str, usize)]) -> TakenOver {
    let tun = make_tun(lab, Place::StandbyApp);
    let listener = listen(lab, Place::StandbyApp);
    let primary = Serving::primary(lab);
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for (kind, vip, count) in kinds {
        for _ in 0..*count {
            clients.push((*kind, start(lab, vip, *kind, &stop)));
        }
    }
    wait_for("all to be accepted", || {
        primary.log.lock().expect("no panic").accepted() == clients.len()
    });
    // Into the middle of everything.
    std::thread::sleep(Duration::from_millis(300));
    let legacy = primary.kill();
    let standby = legacy.take_over(lab, tun, listener);
    std::thread::sleep(Duration::from_millis(800));
    stop.store(true, Ordering::Relaxed);
    let mut stalls = Vec::new();
    for (kind, client) in clients {
        let report = client.join().expect("a client that is content");
        if kind != server::AFTER_FIN && kind != server::SHUT_FIRST {
            stalls.push(report.stall);
        }
    }
    let failure = standby.serving.node.gate().failure();
    assert!(failure.is_none(), "{failure:?}");
    if !stalls.is_empty() {
        let (median, max) = median_and_max(stalls);
        eprintln!(
            "kinds {:?}: {} rebuilt, {} repeated, in {:?}; stall p50 {median:?}, max {max:?}",
            kinds
                .iter()
                .map(|(kind, vip, count)| format!("{count} {} {vip}", *kind as char))
                .collect::<Vec<_>>(),
            standby.rebuilt,
            standby.repeated,
            standby.took,
        );
    }
    standby
}

#[test]
fn echoing_clients_go_on() {
    let lab = Lab::new();
    let standby = through_a_takeover(&lab, &[(server::ECHO, VIP4, 8), (server::ECHO, VIP6, 8)]);
    assert_eq!(standby.rebuilt, 16);
}

#[test]
fn idle_readers_go_on() {
    let lab = Lab::new();
    through_a_takeover(&lab, &[(server::TICK, VIP4, 5), (server::TICK, VIP6, 5)]);
}

#[test]
fn downloads_go_on() {
    let lab = Lab::new();
    through_a_takeover(
        &lab,
        &[(server::DOWNLOAD, VIP4, 2), (server::DOWNLOAD, VIP6, 1)],
    );
}

#[test]
fn uploads_go_on() {
    let lab = Lab::new();
    through_a_takeover(
        &lab,
        &[(server::UPLOAD, VIP4, 2), (server::UPLOAD, VIP6, 1)],
    );
}

#[test]
fn half_closed_connections_keep_their_state() {
    let lab = Lab::new();
    let kinds = [
        (server::AFTER_FIN, VIP4, 2),
        (server::AFTER_FIN, VIP6, 2),
        (server::SHUT_FIRST, VIP4, 2),
        (server::SHUT_FIRST, VIP6, 2),
    ];
    let standby = through_a_takeover(&lab, &kinds);
    assert_eq!(standby.rebuilt, 8);
}

#[test]
fn connections_without_timestamps_and_sack_go_on() {
    let lab = Lab::new();
    lab.sysctl(Place::Client, "net.ipv4.tcp_timestamps", "0");
    lab.sysctl(Place::Client, "net.ipv4.tcp_sack", "0");
    lab.sysctl(Place::Client, "net.ipv4.tcp_window_scaling", "0");
    let kinds = [
        (server::ECHO, VIP4, 2),
        (server::DOWNLOAD, VIP4, 1),
        (server::UPLOAD, VIP6, 1),
    ];
    through_a_takeover(&lab, &kinds);
}

/// Waits for something that must become true.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "waiting for {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Clients whose connections the primary's application never accepted: silent ones, and one
/// that has spoken already. The new node's application accepts them.
#[test]
fn connections_that_nobody_accepted_are_accepted_later() {
    let lab = Lab::new();
    let tun = make_tun(&lab, Place::StandbyApp);
    let listener = listen(&lab, Place::StandbyApp);
    let primary = Serving::primary(&lab);
    let stop = Arc::new(AtomicBool::new(true));
    let log = Arc::clone(&primary.log);
    let standing = log.lock().expect("no panic");
    let mut clients = Vec::new();
    let (say, hear) = std::sync::mpsc::channel();
    let mut silent = Vec::new();
    for vip in [VIP4, VIP6] {
        for kind in [server::ECHO, server::DOWNLOAD, server::AFTER_FIN] {
            clients.push(start(&lab, vip, kind, &stop));
        }
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (say, stop) = (say.clone(), Arc::clone(&stop));
        clients.push(lab.spawn(Place::Client, move || {
            let client = Client::connect(to(vip), server::UPLOAD);
            say.send(()).expect("heard");
            wait.recv().expect("told");
            client.run(&stop)
        }));
        silent.push(go);
    }
    for _ in [VIP4, VIP6] {
        hear.recv().expect("connects");
    }
    let streams = primary.node.streams.clone();
    let came = |conn| streams.state(conn).is_some_and(|state| state.came > 0);
    wait_for("all to have said what they say", || {
        let all = streams.unaccepted();
        all.len() == 8 && all.into_iter().filter(|conn| came(*conn)).count() == 6
    });
    // The server may not take its next step before it is dead.
    let legacy = primary.kill_standing(standing);
    let standby = legacy.take_over(&lab, tun, listener);
    assert_eq!((standby.rebuilt, standby.repeated), (0, 8));
    for go in silent {
        go.send(()).expect("waits");
    }
    for client in clients {
        client.join().expect("a client that is content");
    }
    let failure = standby.serving.node.gate().failure();
    assert!(failure.is_none(), "{failure:?}");
}

#[test]
fn many_connections_go_on() {
    let lab = Lab::new();
    let kinds = [(server::TICK, VIP4, 150), (server::TICK, VIP6, 50)];
    let standby = through_a_takeover(&lab, &kinds);
    assert_eq!(standby.rebuilt, 200);
}

#[test]
fn connections_that_the_application_opened_go_on() {
    let lab = Lab::new();
    let tun = make_tun(&lab, Place::StandbyApp);
    let listener = listen(&lab, Place::StandbyApp);
    let primary = Serving::primary(&lab);
    let stop = Arc::new(AtomicBool::new(false));
    let mut peers = Vec::new();
    for host in ["10.77.0.3", "fd77::3"] {
        for kind in [
            server::ECHO,
            server::TICK,
            server::DOWNLOAD,
            server::UPLOAD,
            server::AFTER_FIN,
            server::SHUT_FIRST,
        ] {
            peers.push(open_outbound(&lab, &primary, host, kind, &stop));
        }
    }
    // Into the middle of everything.
    std::thread::sleep(Duration::from_millis(300));
    let standby = primary.kill().take_over(&lab, tun, listener);
    // Downloads may be over by then.
    assert!(standby.rebuilt >= 8, "{} rebuilt", standby.rebuilt);
    assert_eq!(standby.repeated, 0);
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    for peer in peers {
        peer.join().expect("a peer that is content");
    }
    let failure = standby.serving.node.gate().failure();
    assert!(failure.is_none(), "{failure:?}");
}

/// How many connections at the client have been asked for, and not answered for good.
fn half_open(lab: &Lab) -> usize {
    let read = || {
        ["tcp", "tcp6"].map(|table| {
            let path = format!("/proc/thread-self/net/{table}");
            std::fs::read_to_string(path).expect("a table of the kernel")
        })
    };
    let tables = lab.within(Place::Client, read);
    let states = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| line.split_whitespace().nth(3));
    states.filter(|state| *state == "03").count()
}

/// The primary dies before it hears that its application's connection was accepted. The new node
/// asks again; to the peer it is the same connection.
#[test]
fn a_connection_that_was_asked_for_comes_into_being() {
    for (host, vip) in [("10.77.0.3", VIP4), ("fd77::3", VIP6)] {
        let lab = Lab::new();
        let tun = make_tun(&lab, Place::StandbyApp);
        let listener = listen(&lab, Place::StandbyApp);
        let primary = Serving::primary(&lab);
        let peer = lab.within(Place::Client, || TcpListener::bind((host, 0)));
        let peer = peer.expect("listens");
        let remote = peer.local_addr().expect("an address");
        // So that who they are is known.
        let known = dial(&lab, &primary, remote);
        drop((known, peer.accept().expect("accepts")));
        let mac = virtual_mac(VIP4.parse().expect("an address"));
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        lab.lose(&mac, true);
        let family = if vip == VIP4 {
            AddressFamily::Inet
        } else {
            AddressFamily::Inet6
        };
        let fresh = |place| {
            lab.within(place, || {
                socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).expect("a socket")
            })
        };
        let asking = fresh(Place::PrimaryApp);
        let begun = connect(asking.as_raw_fd(), &SockaddrStorage::from(remote));
        assert_eq!(begun, Err(Errno::EINPROGRESS));
        let streams = primary.node.streams.clone();
        wait_for("the peer to have heard", || half_open(&lab) == 1);
        assert_eq!(streams.asked().len(), 1);
        let asked = streams.asked()[0].asked.clone();
        assert_eq!(asked.remote, remote.into());
        let standby = primary.kill().take_over_with(&lab, tun, listener, |gate| {
            let socket = fresh(Place::StandbyApp);
            let local = SocketAddr::from(asked.local);
            let way = gate.go_on_opening(socket.as_fd(), Some(local), remote);
            assert_eq!(way.expect("asks"), Opening::Begun);
            lab.lose(&mac, false);
            socket
        });
        let (accepted, from) = peer.accept().expect("accepts");
        assert_eq!(from, SocketAddr::from(asked.local));
        let own = TcpStream::from(standby.1);
        own.set_nonblocking(false).expect("an option");
        own.set_nodelay(true).expect("an option");
        for round in 0..100_u32 {
            let mut bytes = [0; 4];
            (&own).write_all(&round.to_le_bytes()).expect("writes");
            (&accepted).read_exact(&mut bytes).expect("reads");
            assert_eq!(u32::from_le_bytes(bytes), round);
            (&accepted).write_all(&bytes).expect("writes");
            (&own).read_exact(&mut bytes).expect("reads");
            assert_eq!(u32::from_le_bytes(bytes), round);
        }
        drop(accepted);
        assert_eq!((&own).read(&mut [0]).expect("its end"), 0);
        assert_eq!(half_open(&lab), 0);
        peer.set_nonblocking(true).expect("an option");
        assert!(peer.accept().is_err(), "one connection, not two");
        let failure = standby.0.serving.node.gate().failure();
        assert!(failure.is_none(), "{failure:?}");
    }
}
