//! Connections go on where another node left them: every byte, no reset, whatever state they
//! were in. The "other node" has what was committed, nothing else.

#![allow(
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests"
)]

mod common;

use common::client::{Client, Report};
use common::lab::{Lab, Place, VIP4, VIP6};
use common::node::{PORT, Serving, TakenOver, listen, make_tun};
use common::server;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

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
