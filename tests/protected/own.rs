//! Protected applications with connections of their own: to others, and inside themselves.
//! Nothing that goes over them is lost or doubled, and nobody sees a reset.
#![allow(missing_docs, clippy::print_stderr)]

mod backend;
mod clients;
use crate::common;
mod messages;

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use backend::Door;
use common::nodes::{GAP_MAX, Nodes, Place, Plan, VIP};
use common::{Scratch, build_c, heavy, verify};
use messages::{Exchange, echo_socket};
use nix::sys::signal::Signal;

const PORT: u16 = 8000;
const BACKEND: &str = "10.77.0.3";
const KEPT: u16 = 8001;
const SINGLE: u16 = 8002;
const END_LIMIT: Duration = Duration::from_secs(60);

fn guest(name: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let source = tests.join("protected/own").join(format!("{name}.c"));
    let built = build_c(&source, &[], &[&tests.join("guests/guest.h")]);
    built.to_str().expect("a path").to_owned()
}

fn listen(nodes: &Nodes<'_>, port: u16) -> TcpListener {
    let listener = nodes.within_client(|| TcpListener::bind((BACKEND, port)));
    listener.expect("the client's ports are free")
}

/// The server through the death of its primary, `moments` times.
#[track_caller]
fn killed(kind: &str, moments: u64) {
    let _turn = heavy();
    for moment in 0..moments {
        let scratch = Scratch::new(&format!("own-{kind}"));
        let (kept, single) = (KEPT.to_string(), SINGLE.to_string());
        let program = scratch.private_binary(Path::new(&guest("server")));
        let program = program.to_str().expect("a path");
        let command = [program, kind, "8000", BACKEND, &kept, &single];
        let mut nodes = Nodes::start(&scratch, Plan::default(), &command);
        let kept = Door::kept(listen(&nodes, KEPT));
        let single = Door::single(listen(&nodes, SINGLE));
        nodes.wait_for_port(PORT);
        let crowd = clients::start(nodes.connect_all(PORT, 12));
        crowd.go_on_for(60, END_LIMIT);
        // A moment is not waited for: any is as good as another.
        std::thread::sleep(Duration::from_micros(41_117 * moment));
        nodes.signal(Place::Primary, Signal::SIGKILL);
        crowd.go_on_for(120, END_LIMIT);
        let seen = crowd.finish(|| nodes.said());
        for door in [&kept, &single] {
            let last = door.assert_in_order(|| nodes.said());
            for (id, seen) in (0..).zip(&seen) {
                assert_eq!(last.get(&id), Some(&seen.rounds), "client {id}");
            }
        }
        let rounds: u32 = seen.iter().map(|one| one.rounds).sum();
        let gap = seen.iter().map(|one| one.gap).max().unwrap_or_default();
        eprintln!(
            "{kind}, moment {moment}: {rounds} rounds, longest gap {} ms",
            gap.as_millis()
        );
        assert!(gap < GAP_MAX, "{gap:?}");
        nodes.expect_killed(Place::Primary, END_LIMIT);
        let (before, after) = nodes.assert_one_active();
        assert!(before > 0 && after > 0, "{before} and {after} packets");
        nodes
            .connect(PORT)
            .write_all(b"quit\n")
            .expect("it is there");
        nodes.wait(Place::Standby, END_LIMIT).expect_code(0);
        let dir = nodes.dir(Place::Standby);
        verify(&scratch, &dir, true, END_LIMIT).expect_code(0);
        scratch.assert_no_process_left();
    }
}

#[test]
fn threads_with_connections_of_their_own() {
    killed("threads", 4);
}

#[test]
fn workers_with_connections_of_their_own() {
    killed("workers", 4);
}

/// Sends everything back, on every connection.
fn echo(listener: TcpListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("accepts");
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
}

fn read_line(stream: &mut impl Read) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it is there");
        line.push(byte[0]);
    }
    String::from_utf8(line).expect("text")
}

#[test]
fn connections_in_every_state() {
    let _turn = heavy();
    let scratch = Scratch::new("own-states");
    let program = scratch.private_binary(Path::new(&guest("states")));
    let program = program.to_str().expect("a path");
    let (open, silent) = (KEPT.to_string(), "10.77.0.77");
    let command = [program, "8000", BACKEND, &open, "8002", silent];
    let mut nodes = Nodes::start(&scratch, Plan::default(), &command);
    let (peer, asked) = nodes.within_client(|| {
        let any = ("0.0.0.0", KEPT);
        (TcpListener::bind(any), UdpSocket::bind(any))
    });
    let (peer, asked) = (peer.expect("listens"), asked.expect("listens"));
    // The first connection is the one that it answers.
    let mut control = nodes.first_connection(PORT);
    let (mut ended, _) = peer.accept().expect("asked for");
    let mut bytes = Vec::new();
    ended.read_to_end(&mut bytes).expect("its end");
    assert_eq!(bytes, b"ended");
    let (mut heard, _) = peer.accept().expect("asked for");
    heard.read_exact(&mut bytes).expect("there is more");
    heard.write_all(b"all").expect("writes");
    heard.shutdown(Shutdown::Write).expect("ends");
    let mut question = [0; 8];
    let (_, asker) = asked.recv_from(&mut question).expect("a question");
    assert_eq!(&question, b"question");
    assert_eq!(read_line(&mut control), "ready\n", "{}", nodes.said());
    // What was sent before has passed the gate once this is answered.
    control.write_all(b"sync\n").expect("writes");
    assert_eq!(read_line(&mut control), "synced\n", "{}", nodes.said());
    nodes.signal(Place::Primary, Signal::SIGKILL);
    nodes.expect_killed(Place::Primary, END_LIMIT);
    let address = ["addr", "add", "10.77.0.77/32", "dev", "eth0"];
    nodes.at_client("ip", &address, END_LIMIT);
    control.write_all(b"go\n").expect("writes");
    ended.write_all(b"answer").expect("writes");
    drop(ended);
    echo(peer);
    let mut over = Vec::new();
    heard.read_to_end(&mut over).expect("its end");
    assert_eq!(over, b"over", "{}", nodes.said());
    asked.send_to(b"answer", asker).expect("sends");
    let patience = Some(Duration::from_secs(60));
    control.set_read_timeout(patience).expect("an option");
    // Of the end itself nothing may come: the way to the network ends with the application.
    assert_eq!(read_line(&mut control), "well\n", "{}", nodes.said());
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    nodes.wait(Place::Standby, END_LIMIT).expect_code(0);
    let dir = nodes.dir(Place::Standby);
    verify(&scratch, &dir, true, END_LIMIT).expect_code(0);
    scratch.assert_no_process_left();
}

/// A backend for datagrams.
fn tell(socket: UdpSocket) {
    std::thread::spawn(move || {
        let mut bytes = [0; 256];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let answer = [&bytes[..length], b" it is"].concat();
            let _ = socket.send_to(&answer, from);
        }
    });
}

/// Waits until every exchange has got some rounds further.
#[track_caller]
fn all_go_on(exchanges: &[Exchange], nodes: &Nodes<'_>) {
    const ROUNDS: u64 = 10;
    let from: Vec<u64> = exchanges.iter().map(Exchange::rounds).collect();
    let deadline = Instant::now() + END_LIMIT;
    let behind = |(one, from): (&Exchange, &u64)| one.rounds() < from + ROUNDS;
    while exchanges.iter().zip(&from).any(behind) {
        assert!(Instant::now() < deadline, "{}", nodes.said());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn datagrams_echo_requests_and_the_other_protocol() {
    const VIP6: &str = "fd77::9";
    let _turn = heavy();
    let scratch = Scratch::new("own-datagrams");
    let program = scratch.private_binary(Path::new(&guest("datagrams")));
    let program = program.to_str().expect("a path");
    let port = KEPT.to_string();
    let plan = Plan {
        options: vec!["--vip".to_owned(), format!("{VIP6}/64")],
        ..Plan::default()
    };
    let mut nodes = Nodes::start(&scratch, plan, &[program, "8000", BACKEND, &port]);
    let address = ["addr", "add", "fd77::3/64", "dev", "eth0", "nodad"];
    nodes.at_client("ip", &address, END_LIMIT);
    nodes.wait_for_port(PORT);
    let vips: [IpAddr; 2] = [VIP, VIP6].map(|vip| vip.parse().expect("an address"));
    let (mut exchanges, mut streams) = (Vec::new(), Vec::new());
    nodes.within_client(|| {
        tell(UdpSocket::bind((BACKEND, KEPT)).expect("listens"));
        for vip in vips {
            let any: IpAddr = if vip.is_ipv4() {
                [0; 4].into()
            } else {
                [0; 16].into()
            };
            let to = SocketAddr::new(vip, PORT);
            for asks in [false, true] {
                let socket = UdpSocket::bind((any, 0)).expect("an address");
                exchanges.push(Exchange::datagrams(socket, to, asks));
            }
            exchanges.push(Exchange::echoes(echo_socket(vip.is_ipv6()), vip));
            streams.push(TcpStream::connect_timeout(&to, GAP_MAX).expect("connects"));
        }
    });
    let echoed = |stream: &mut TcpStream, round: u8| {
        stream.set_read_timeout(Some(GAP_MAX)).expect("an option");
        let (sent, mut found) = ([round; 1000], [0; 1000]);
        stream.write_all(&sent).expect("it is there");
        stream.read_exact(&mut found).expect("it comes back");
        assert_eq!(sent, found);
    };
    all_go_on(&exchanges, &nodes);
    streams.iter_mut().for_each(|stream| echoed(stream, 1));
    nodes.signal(Place::Primary, Signal::SIGKILL);
    streams.iter_mut().for_each(|stream| echoed(stream, 2));
    all_go_on(&exchanges, &nodes);
    streams.iter_mut().for_each(|stream| echoed(stream, 3));
    for exchange in exchanges {
        let what = exchange.what.clone();
        let gap = exchange.finish(|| nodes.said());
        eprintln!("{what}: longest gap {} ms", gap.as_millis());
        assert!(gap < GAP_MAX, "{what}: {gap:?}");
    }
    nodes.expect_killed(Place::Primary, END_LIMIT);
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    streams[1].write_all(b"quit").expect("it is there");
    nodes.wait(Place::Standby, END_LIMIT).expect_code(0);
    let dir = nodes.dir(Place::Standby);
    verify(&scratch, &dir, true, END_LIMIT).expect_code(0);
    scratch.assert_no_process_left();
}
