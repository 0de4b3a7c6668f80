//! What a node tells: over the socket, whatever is sent to it, and to Prometheus.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

use crate::support;

use standby::role::State;
use standby::role::witness::none::NoWitness;
use standby::status::http::{CONNECTION_TIME_MAX, Endpoint, HEAD_BYTES_MAX};
use standby::status::socket::{
    self, AskError, CONNECTIONS_MAX, REQUEST_BYTES_MAX, Request, Server,
};
use standby::status::{Meters, SCHEMA_VERSION};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Options, Pair, pair};

fn nodes() -> Pair {
    let nodes = pair(&Options::default(), |_| Box::new(NoWitness));
    nodes.0.until_state(State::Protected);
    nodes.1.until_state(State::Protected);
    nodes
}

fn raw(dir: &Path, request: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(dir.join(socket::SOCKET_NAME)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    // It may hang up before it has read everything.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn a_node_answers_and_hands_over_when_asked() {
    let (a, b, _world) = nodes();
    // Longer than a socket's address may be.
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("d".repeat(200));
    std::fs::create_dir(&dir).unwrap();
    let server = Server::start(&dir, Arc::new(a.handle.clone())).unwrap();
    let path = dir.join(socket::SOCKET_NAME);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let report = socket::ask(&dir, Request::Status).unwrap();
    assert_eq!(
        (report.schema_version, report.state),
        (SCHEMA_VERSION, State::Protected)
    );
    assert_eq!(
        (report.node.as_str(), report.peer.as_deref()),
        ("a", Some("b"))
    );
    let json = serde_json::to_value(&report).unwrap();
    for field in [
        "role",
        "state",
        "reason",
        "since_unix_ms",
        "appended",
        "committed",
        "applied",
        "lag",
        "held_packets",
        "paths",
        "witness",
        "takeovers",
    ] {
        assert!(json.get(field).is_some(), "{field}");
    }
    let other = tempfile::tempdir().unwrap();
    let standby = Server::start(other.path(), Arc::new(b.handle.clone())).unwrap();
    match socket::ask(other.path(), Request::Switchover) {
        Err(AskError::Refused(why)) => assert!(why.contains("ask the primary"), "{why}"),
        other => panic!("{other:?}"),
    }
    socket::ask(&dir, Request::Switchover).unwrap();
    b.until_state(State::Solo);
    match socket::ask(&dir, Request::Switchover) {
        Err(AskError::Refused(why)) => assert!(why.contains("needs the state PROTECTED"), "{why}"),
        other => panic!("{other:?}"),
    }
    drop((server, standby));
    assert!(!path.exists());
    assert!(matches!(
        socket::ask(&dir, Request::Status),
        Err(AskError::Nobody(_))
    ));
    // What a killed node leaves behind is no node, and no obstacle.
    let listener =
        std::os::unix::net::UnixListener::bind(other.path().join(socket::SOCKET_NAME)).unwrap();
    drop(listener);
    assert!(matches!(
        socket::ask(other.path(), Request::Status),
        Err(AskError::Nobody(_))
    ));
    let _again = Server::start(other.path(), Arc::new(b.handle.clone())).unwrap();
    assert_eq!(
        socket::ask(other.path(), Request::Status).unwrap().state,
        State::Solo
    );
}

#[test]
fn whatever_is_sent_to_the_socket_it_goes_on_answering() {
    let (a, _b, _world) = nodes();
    let dir = tempfile::tempdir().unwrap();
    let _server = Server::start(dir.path(), Arc::new(a.handle.clone())).unwrap();
    let long = vec![b'x'; 10 * usize::try_from(REQUEST_BYTES_MAX).unwrap()];
    let deep = "[".repeat(4000);
    for request in [
        &b"\n"[..],
        b"\0\xff\xfe\n",
        b"{}\n",
        b"null\n",
        b"{\"schema_version\":1}\n",
        b"{\"schema_version\":99,\"request\":\"status\"}\n",
        b"{\"schema_version\":1,\"request\":\"destroy\"}\n",
        b"{\"schema_version\":1,\"request\":\"status\",\"x\":1}\n",
        b"{\"schema_version\":1e999,\"request\":\"status\"}\n",
        deep.as_bytes(),
        &long,
    ] {
        let answer = raw(dir.path(), request);
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert!(
            answer["error"].is_string() && answer.get("status").is_none(),
            "{answer}"
        );
    }
    assert!(raw(dir.path(), b"").is_empty());
    // Several in one connection.
    let one = b"{\"schema_version\":1,\"request\":\"status\"}\n";
    let answer = raw(dir.path(), &one.repeat(3));
    assert_eq!(answer.iter().filter(|byte| **byte == b'\n').count(), 3);
    // Connections that say nothing fill it up, but nothing waits for them longer than they last.
    let idle: Vec<_> = (0..CONNECTIONS_MAX * 2)
        .map(|_| UnixStream::connect(dir.path().join(socket::SOCKET_NAME)).unwrap())
        .collect();
    drop(idle);
    let deadline = Instant::now() + Duration::from_secs(10);
    while socket::ask(dir.path(), Request::Status).is_err() {
        assert!(Instant::now() < deadline, "it does not answer any more");
    }
    assert_eq!(a.handle.report().state, State::Protected);
}

fn get(endpoint: &Endpoint, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(endpoint.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    let _ = stream.write_all(request);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn prometheus_gets_what_it_expects_and_others_get_nothing() {
    let (a, _b, _world) = nodes();
    let snapshot = a.handle.snapshot();
    let endpoint =
        Endpoint::start("127.0.0.1:0".parse().unwrap(), move || snapshot.metrics()).unwrap();
    let scrape = || get(&endpoint, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = scrape();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for line in [
        "ftrun_state{state=\"PROTECTED\"} 1",
        "ftrun_state{state=\"SOLO\"} 0",
        "ftrun_output_allowed 1",
        "ftrun_witness_up 1",
        "ftrun_takeovers_total 0",
        "ftrun_held_packets 0",
        "ftrun_lag_bytes 0",
        "ftrun_lag_events 0",
        "# TYPE ftrun_hold_seconds histogram",
        "# EOF",
    ] {
        assert!(
            answer.lines().any(|found| found == line),
            "{line} in {answer}"
        );
    }
    assert!(
        answer.contains("ftrun_heartbeat_round_trip_seconds{path=\"link\"} "),
        "{answer}"
    );
    let length: usize = answer
        .split_once("Content-Length: ")
        .unwrap()
        .1
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), length);
    assert!(get(&endpoint, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(get(&endpoint, b"POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(get(&endpoint, b"\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert_eq!(get(&endpoint, &vec![b'x'; HEAD_BYTES_MAX * 2]), "");
    // One that says nothing holds it up for its time, and no longer.
    let _silent = TcpStream::connect(endpoint.address()).unwrap();
    let began = Instant::now();
    assert!(scrape().starts_with("HTTP/1.1 200"));
    assert!(began.elapsed() < CONNECTION_TIME_MAX + support::PATIENCE);
}

#[test]
fn what_others_count_is_in_the_metrics() {
    let (a, _b, _world) = nodes();
    let meters = Meters::new();
    meters.set_held_packets(3);
    meters.set_unstored_bytes(4096);
    meters.held_for(Duration::from_micros(300));
    let mut counts = [journal::Count::default(); journal::EVENT_NAMES.len()];
    counts[16] = journal::Count {
        events: 2,
        bytes: 100,
    };
    // However often it is looked at.
    meters.feed(move |meters| meters.set_journaled(&counts));
    let _ = meters.text(&a.handle.report());
    let text = meters.text(&a.handle.report());
    for line in [
        "ftrun_held_packets 3",
        "ftrun_lag_bytes 4096",
        "ftrun_hold_seconds_count 1",
        "ftrun_journal_bytes_total{kind=\"gate\"} 100",
        "ftrun_journal_events_total{kind=\"gate\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}
