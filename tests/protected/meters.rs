//! What two live nodes tell of themselves is true: to Prometheus, to `ftrun status`, and in their
//! messages as JSON.
#![allow(missing_docs)]

use crate::common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::nodes::{Nodes, Place, Plan, VIP};
use common::{Exit, Output, Scratch, heavy, program};
use nix::sys::signal::Signal;
use serde_json::Value;

const PORT: u16 = 6379;
const LIMIT: Duration = Duration::from_secs(60);
const METRICS: &str = "127.0.0.1:9464";

/// What a node's metrics are at this moment.
struct Metrics(String);

impl Metrics {
    fn of(nodes: &Nodes<'_>, place: Place) -> Self {
        let mut text = String::new();
        // A connection lasts no longer than a second: more may pass on a machine that stands still.
        common::wait_until("answer", LIMIT, || {
            let stream = nodes.net().within(place, || TcpStream::connect(METRICS));
            let mut stream = stream.expect("it listens");
            text.clear();
            let asked = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
            let heard = asked.and_then(|()| stream.read_to_string(&mut text));
            heard.is_ok() && !text.is_empty()
        });
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        Self(text)
    }

    #[track_caller]
    fn get(&self, name: &str) -> f64 {
        let found = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = found.map(|value| value.parse().expect("a number"));
        value.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }
}

/// Waits until metrics and status fulfil something.
#[track_caller]
fn wait_until(
    nodes: &Nodes<'_>,
    place: Place,
    what: &str,
    fulfils: impl Fn(&Metrics, &Value) -> bool,
) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let metrics = Metrics::of(nodes, place);
        let status = nodes.status(place).unwrap_or_default();
        if fulfils(&metrics, &status) {
            return;
        }
        let said = nodes.said();
        assert!(
            Instant::now() < deadline,
            "{place:?}: not {what}: {status:#}\n{}\n{said}",
            metrics.0
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn ask(stream: &mut TcpStream, request: &str, answer: &str) {
    stream.write_all(request.as_bytes()).expect("it is there");
    let mut found = vec![0; answer.len()];
    stream.read_exact(&mut found).expect("it answers");
    assert_eq!(String::from_utf8_lossy(&found), answer);
}

/// Every line is an object; those of changes of the state have it.
#[track_caller]
fn assert_told(output: &Output, states: &[&str]) {
    let text = output.err();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    for line in &lines {
        for field in ["timestamp", "level", "message"] {
            assert!(line[field].is_string(), "{field} in {line}");
        }
    }
    for state in states {
        let told = lines.iter().any(|line| {
            line["message"] == "state" && line["state"] == *state && line["reason"].is_string()
        });
        assert!(told, "{state} in {text}");
    }
}

#[test]
fn meters_and_messages_of_two_nodes() {
    let _turn = heavy();
    let scratch = Scratch::new("meters");
    let server = program("redis-server");
    let server = server.to_str().expect("a path");
    let command = [server, "--save", "", "--protected-mode", "no"];
    let options = ["--metrics", METRICS, "--log", "json"];
    let plan = Plan {
        // Longer than it takes to look at a primary whose standby stands still, and less than clients wait.
        detect_ms: 5000,
        options: options.map(str::to_owned).to_vec(),
        ..Plan::default()
    };
    let mut nodes = Nodes::start(&scratch, plan, &command);
    nodes.wait_for_port(PORT);
    let mut client = nodes.connect(PORT);
    let before = Metrics::of(&nodes, Place::Primary);
    let value = "0123456789".repeat(100);
    let set = format!("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1000\r\n{value}\r\n");
    for _ in 0..50 {
        ask(&mut client, &set, "+OK\r\n");
    }
    let sent = 50.0 * 1030.0;
    let after = Metrics::of(&nodes, Place::Primary);
    let grown = |name: &str| after.get(name) - before.get(name);
    let payload = grown("ftrun_journal_bytes_total{kind=\"gate\"}");
    assert!((sent..sent * 1.1).contains(&payload), "{payload} of {sent}");
    assert!(grown("ftrun_journal_events_total{kind=\"gate\"}") >= 50.0);
    assert!(grown("ftrun_journal_events_total{kind=\"syscall\"}") >= 100.0);
    assert!(grown("ftrun_hold_seconds_count") >= 50.0);
    assert!(grown("ftrun_hold_seconds_sum") > 0.0);
    let link = grown("ftrun_link_sent_bytes_total");
    assert!(link > 0.0 && grown("ftrun_link_received_bytes_total") > 0.0);
    for way in ["link", "heartbeat-1"] {
        let name = format!("ftrun_heartbeat_round_trip_seconds{{path=\"{way}\"}}");
        wait_until(&nodes, Place::Primary, "heard", |metrics, status| {
            let paths = status["paths"].as_array().cloned().unwrap_or_default();
            let timed = |path: &Value| path["name"] == way && path["round_trip_us"].is_u64();
            metrics.0.contains(&name) && metrics.get(&name) > 0.0 && paths.iter().any(timed)
        });
    }
    wait_until(&nodes, Place::Primary, "up to date", |metrics, status| {
        metrics.get("ftrun_lag_events") == 0.0
            && metrics.get("ftrun_lag_seconds") == 0.0
            && metrics.get("ftrun_lag_bytes") == 0.0
            && metrics.get("ftrun_held_packets") == 0.0
            && status["lag"]["ms"] == 0
    });

    nodes.signal(Place::Standby, Signal::SIGSTOP);
    client.write_all(set.as_bytes()).expect("it is there");
    wait_until(&nodes, Place::Primary, "waiting", |metrics, status| {
        metrics.get("ftrun_held_packets") >= 1.0
            && metrics.get("ftrun_lag_events") >= 1.0
            && metrics.get("ftrun_lag_seconds") > 0.0
            && metrics.get("ftrun_lag_bytes") >= 1.0
            && status["held_packets"].as_u64() >= Some(1)
            && status["lag"]["bytes"].as_u64() >= Some(1)
            && status["lag"]["ms"].as_u64() >= Some(1)
    });
    nodes.signal(Place::Standby, Signal::SIGCONT);
    ask(&mut client, "", "+OK\r\n");
    nodes.wait_for_state(Place::Primary, "PROTECTED", LIMIT);

    let standby = Metrics::of(&nodes, Place::Standby);
    let served = standby.get("ftrun_replay_served_calls_total");
    let without = std::env::var_os("FTRUN_NO_AGENT").is_some_and(|value| value != "0");
    // Each request is a wait, a read and a write; those of the program's start are more.
    assert_eq!(served >= 100.0, !without, "{served} calls were served");
    assert_eq!(standby.get("ftrun_takeovers_total"), 0.0);
    assert!(standby.get("ftrun_link_received_bytes_total") > link);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    ask(&mut client, &set, "+OK\r\n");
    wait_until(&nodes, Place::Standby, "active", |metrics, status| {
        metrics.get("ftrun_takeovers_total") == 1.0
            && metrics.get("ftrun_journal_bytes_total{kind=\"gate\"}") >= 1030.0
            && metrics.get("ftrun_hold_seconds_count") >= 1.0
            && status["takeovers"] == 1
    });
    let cli = program("redis-cli");
    let words = ["-h", VIP, "shutdown", "nosave"];
    nodes.at_client(cli.to_str().expect("a path"), &words, LIMIT);
    let primary = nodes.wait(Place::Primary, LIMIT);
    assert_eq!(primary.exit, Exit::Signal(libc::SIGKILL), "{primary}");
    assert_told(&primary, &["FENCED", "SYNCING", "PROTECTED"]);
    let standby = nodes.wait(Place::Standby, LIMIT);
    standby.expect_code(0);
    assert_told(&standby, &["PROTECTED", "TAKING-OVER", "SOLO", "ENDED"]);
    scratch.assert_no_process_left();
}
