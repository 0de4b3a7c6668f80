//! Servers whose threads race, killed under load: the standby stops every thread where the primary has.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::common::{Random, build_c, build_go, soaking};
use super::counting::Words;
use super::*;

const SERVED: u16 = 8000;
const CLIENTS: usize = 20;

/// A server that races.
struct Racer<'a> {
    name: &'a str,
    words: Words,
    command: &'a [&'a str],
    /// What ends it.
    end: &'a str,
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/protected")
        .join(name)
}

/// One life of a pair of nodes.
#[track_caller]
fn killed(racer: &Racer<'_>, moment: Duration) -> Sum {
    let scratch = Scratch::new("protected-racing");
    let mut nodes = Nodes::start(&scratch, Plan::default(), racer.command);
    nodes.wait_for_port(SERVED);
    let connections = nodes.connect_all(SERVED, CLIENTS);
    let clients = Clients::start_with(racer.words, connections, Duration::ZERO);
    clients.go_on_for(100, END_LIMIT);
    std::thread::sleep(moment);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(100, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    nodes.expect_killed(Place::Primary, END_LIMIT);
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    let mut last = nodes.connect(SERVED);
    last.write_all(racer.end.as_bytes()).expect("it is there");
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(0);
    assert_says(&standby, "TAKING-OVER");
    scratch.assert_no_process_left();
    sum
}

#[track_caller]
fn killed_often(racer: &Racer<'_>) {
    let count = if soaking() { 100 } else { 2 };
    let mut random = Random::new();
    let mut gaps = Vec::new();
    for number in 0..count {
        let moment = Duration::from_micros(random.below(300_000));
        eprint!("{}, kill {number} after {moment:?}: ", racer.name);
        let sum = killed(racer, moment);
        eprintln!("{} rounds, gap {} ms", sum.rounds, sum.gap.as_millis());
        assert!(sum.gap < GAP_MAX, "{sum:?}");
        gaps.push(sum.gap);
    }
    gaps.sort();
    let (median, last) = (gaps[count / 2].as_millis(), gaps[count - 1].as_millis());
    eprintln!(
        "{}: {count} kills, gaps p50 {median} ms, longest {last} ms",
        racer.name
    );
}

#[test]
fn racing_threads() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-racy");
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/guest.h");
    let built = build_c(&source("racy.c"), &[], &[&guests]);
    let program = scratch.private_binary(&built);
    let port = SERVED.to_string();
    let racer = Racer {
        name: "racing threads",
        words: Words::Redis,
        command: &[program.to_str().expect("a path"), &port],
        end: "SHUTDOWN\r\n",
    };
    killed_often(&racer);
}

#[test]
fn racing_goroutines_and_web_pages() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-go");
    let program = build_go(&scratch, &source("counter.go"), "counter");
    let at = format!(":{SERVED}");
    let racer = Racer {
        name: "net/http",
        words: Words::Http,
        command: &[program.to_str().expect("a path"), &at],
        end: "GET /quit HTTP/1.1\r\nHost: server\r\n\r\n",
    };
    killed_often(&racer);
}
