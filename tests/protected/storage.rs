//! Files that both nodes are to have when the application starts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::asking::{self, SMALL};
use super::common::nodes::{Nodes, Place, Plan, Witness};
use super::common::touches::Touches;
use super::common::{
    Random, Scratch, assert_same_tree, build_c, descendants, heavy, journaled, program, soaking,
    tree, wait_until,
};
use super::counting::Clients;
use super::crowd::longest;
use super::{END_LIMIT, PORT, SITE, assert_says, end_on_standby, redis, report};
use nix::sys::signal::Signal;

/// nginx with its site on the primary, and what the standby has instead of it.
fn sites(scratch: &Scratch) {
    let seed = scratch.dir("seed");
    scratch.write("seed/nginx.conf", SITE);
    scratch.write("seed/html/small", SMALL);
    scratch.write("seed/html/deep/er/page", "a page");
    scratch.write("seed/html/empty", "");
    symlink("small", seed.join("html/link")).expect("a link");
    std::fs::hard_link(seed.join("html/small"), seed.join("html/twice")).expect("a name");
    UnixListener::bind(seed.join("stale.sock")).expect("a socket");
    let closed = std::fs::Permissions::from_mode(0o4751);
    std::fs::set_permissions(seed.join("html/deep/er/page"), closed).expect("our own file");
    let other = scratch.dir("seed-standby");
    scratch.write("seed-standby/nginx.conf", SITE);
    scratch.write("seed-standby/html/small", "of last year");
    scratch.write("seed-standby/html/deep", "a file where a directory belongs");
    scratch.write("seed-standby/html/old/page", "nobody knows it");
    scratch.write("seed-standby/html/twice", SMALL);
    symlink("nowhere", other.join("html/empty")).expect("a link");
}

fn nginx(scratch: &Scratch) -> Vec<String> {
    let server = program("nginx");
    let data = scratch.path("data");
    let words = [server.as_os_str(), "-p".as_ref(), data.as_os_str()];
    let more = ["-c", "nginx.conf", "-e", "stderr"];
    let words = words.map(|word| word.to_str().expect("a path").to_owned());
    words.into_iter().chain(more.map(str::to_owned)).collect()
}

fn plan(scratch: &Scratch, policy: &str) -> Plan {
    let rule = format!("{}={policy}", scratch.path("data").display());
    Plan {
        own_seed: true,
        options: vec!["--storage".to_owned(), rule],
        ..Plan::default()
    }
}

#[test]
fn unshared_files_are_copied_to_the_standby() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-copied");
    sites(&scratch);
    let command = nginx(&scratch);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut nodes = Nodes::start(&scratch, plan(&scratch, "unshared"), &command);
    nodes.wait_for_port(80);
    let clients = asking::pages(nodes.connect_all(80, 10));
    clients.go_on_for(100, END_LIMIT);
    let (primary, standby) = (nodes.files(Place::Primary), nodes.files(Place::Standby));
    // What the application itself makes comes a little later there.
    wait_until("the standby follows", END_LIMIT, || {
        tree(&primary) == tree(&standby)
    });
    assert_same_tree("copied", &primary, &standby);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(200, END_LIMIT);
    let gap = longest(clients.finish(|| nodes.said()));
    eprintln!("copied files: longest gap {} ms", gap.as_millis());
    nodes.expect_killed(Place::Primary, END_LIMIT);
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    drop(nodes);
    scratch.assert_no_process_left();
}

#[test]
fn readonly_files_that_differ_are_named() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-compared");
    sites(&scratch);
    let command = nginx(&scratch);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut nodes = Nodes::begin(&scratch, plan(&scratch, "readonly"), &command);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(125);
    assert_says(&standby, "/html/deep: it is something else on the primary");
    nodes.wait_for_port(80);
    let clients = asking::pages(nodes.connect_all(80, 5));
    clients.go_on_for(50, END_LIMIT);
    clients.finish(|| nodes.said());
    nodes.signal(Place::Primary, Signal::SIGTERM);
    nodes.wait(Place::Primary, END_LIMIT).expect_code(0);
    drop(nodes);
    scratch.assert_no_process_left();
}

/// Storage that both nodes reach.
fn shared(scratch: &Scratch) -> (PathBuf, Plan) {
    let dir = scratch.dir("shared");
    let rule = format!("{}=shared", dir.display());
    let plan = Plan {
        witness: Witness::Command(scratch.script("fence", "#!/bin/sh\nexit 0\n")),
        options: vec!["--storage".to_owned(), rule],
        ..Plan::default()
    };
    (dir, plan)
}

/// What was touched so far, the primary has touched, and nobody else.
#[track_caller]
fn assert_primary_alone(touches: &mut Touches, nodes: &mut Nodes<'_>) {
    let supervisor = nodes.supervisor(Place::Primary);
    let own = descendants(supervisor);
    let by = touches.by();
    let others: BTreeSet<i32> = by
        .iter()
        .copied()
        .filter(|pid| !own.iter().any(|own| own.as_raw() == *pid))
        .collect();
    assert!(!by.is_empty(), "the primary has touched nothing");
    assert!(
        others.is_empty(),
        "touched by {others:?}, not of the primary\n{}",
        nodes.said()
    );
}

#[test]
fn redis_goes_on_with_its_log_on_shared_storage() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-shared");
    let (dir, plan) = shared(&scratch);
    let more = ["--appendonly", "yes", "--appendfsync", "always", "--dir"];
    let more = [&more[..], &[dir.to_str().expect("a path")]].concat();
    let mut nodes = redis(&scratch, &more, plan);
    let log = dir.join("appendonlydir");
    // It listens before it has it.
    wait_until("the log", END_LIMIT, || log.exists());
    let mut touches = Touches::of(&[&dir, &log]);
    let clients = Clients::start(nodes.connect_all(PORT, 20));
    clients.go_on_for(500, END_LIMIT);
    assert_primary_alone(&mut touches, &mut nodes);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(500, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("log on shared storage", sum);
    nodes.expect_killed(Place::Primary, END_LIMIT);
    end_on_standby(&mut nodes, &scratch);
    assert_log_has(&log, sum.rounds);
}

/// Redis's log has every round of every client, once and in order.
#[track_caller]
fn assert_log_has(log: &Path, rounds: u64) {
    let mut text = String::new();
    let mut files: Vec<PathBuf> = fs::read_dir(log)
        .expect("the log is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "aof"))
        .collect();
    files.sort();
    for file in files {
        text += &fs::read_to_string(file).expect("the log is text");
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut found = 0;
    for line in text.lines().filter(|line| line.ends_with(';')) {
        let (client, round) = line.trim_end_matches(';').split_once('-').expect("a piece");
        let round: u64 = round.parse().expect("a number");
        let before = last.insert(client, round).unwrap_or(0);
        assert_eq!(round, before + 1, "client {client}");
        found += 1;
    }
    assert_eq!(found, rounds);
    assert_eq!(text.matches("INCR").count() as u64, rounds);
}

fn keeper(scratch: &Scratch, dir: &Path) -> Vec<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let source = tests.join("protected/keeper.c");
    let built = build_c(&source, &[], &[&tests.join("guests/guest.h")]);
    let program = scratch.private_binary(&built);
    fs::write(dir.join("slots"), format!("{:128}", "old\n")).expect("our own file");
    let words = [program.to_str(), Some("8000"), dir.to_str()];
    words.map(|word| word.expect("a path").to_owned()).to_vec()
}

/// Asks, and expects this answer.
#[track_caller]
fn ask(stream: &mut BufReader<TcpStream>, words: &str, answer: &str, nodes: &Nodes<'_>) {
    let sent = stream.get_mut().write_all(format!("{words}\n").as_bytes());
    let mut line = String::new();
    let heard = sent.and_then(|()| stream.read_line(&mut line));
    assert!(
        heard.is_ok() && line == format!("{answer}\n"),
        "{words}: {line:?}, {heard:?}\n{}",
        nodes.said()
    );
}

/// What the files have to have after so many rounds.
#[track_caller]
fn assert_kept(dir: &Path, rounds: u64) {
    let text = |name: &str| fs::read_to_string(dir.join(name)).expect("it is there");
    let lines: String = (1..=rounds).map(|round| format!("{round}\n")).collect();
    assert_eq!(text("log"), lines);
    let records: String = (1..=rounds).map(|round| format!("{round:015}\n")).collect();
    assert_eq!(text("records"), records);
    let slots: String = (0..8)
        .map(|slot| (1..=rounds).rev().find(|round| round % 8 == slot))
        .map(|round| format!("{:015}\n", round.expect("more rounds than slots")))
        .collect();
    assert_eq!(text("slots"), slots);
    assert_eq!(text("current"), format!("{rounds}\nwhole\n"));
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("it is there")
        .map(|entry| entry.expect("readable").file_name())
        .map(|name| name.into_string().expect("text"))
        .collect();
    names.sort();
    let last = format!("dir.{rounds}");
    assert_eq!(names, ["current", &last, "link", "log", "records", "slots"]);
}

/// How the primary dies.
enum Death {
    /// So long after the request of the 21st round was sent.
    After(Duration),
    /// Once the standby has so many events.
    At(u64),
}

/// Forty rounds, in which the primary dies; how many events it had.
#[track_caller]
fn kept_through(death: &Death) -> u64 {
    let scratch = Scratch::new("protected-keeper");
    let (dir, mut plan) = shared(&scratch);
    if let Death::At(events) = death {
        plan.primary = vec!["--die-after".to_owned(), events.to_string()];
    }
    let command = keeper(&scratch, &dir);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut nodes = Nodes::start(&scratch, plan, &command);
    nodes.wait_for_port(8000);
    let mut touches = Touches::of(&[&dir]);
    let mut stream = BufReader::new(nodes.connect(8000));
    let rounds = |rounds: RangeInclusive<u64>, stream: &mut _, nodes: &Nodes<'_>| {
        for round in rounds.map(|round| round.to_string()) {
            ask(stream, &round, &round, nodes);
        }
    };
    if let Death::After(moment) = death {
        rounds(1..=20, &mut stream, &nodes);
        assert_primary_alone(&mut touches, &mut nodes);
        let sent = stream.get_mut().write_all(b"21\n");
        sent.expect("the connection is there");
        std::thread::sleep(*moment);
        nodes.signal(Place::Primary, Signal::SIGKILL);
        let mut line = String::new();
        let heard = stream.read_line(&mut line);
        let said = nodes.said();
        assert!(heard.is_ok() && line == "21\n", "{heard:?}\n{said}");
        rounds(22..=40, &mut stream, &nodes);
    } else {
        rounds(1..=40, &mut stream, &nodes);
    }
    nodes.expect_killed(Place::Primary, END_LIMIT);
    ask(&mut stream, "check", "fine", &nodes);
    nodes.assert_one_active();
    stream.get_mut().write_all(b"quit\n").expect("it is there");
    nodes.wait(Place::Standby, END_LIMIT).expect_code(0);
    assert_kept(&dir, 40);
    let events = journaled(&nodes.dir(Place::Primary)).count;
    drop(nodes);
    scratch.assert_no_process_left();
    events
}

#[test]
fn files_on_shared_storage_are_opened_again_as_they_were_left() {
    let _turn = heavy();
    // A moment is not waited for: any is as good as another.
    let events = kept_through(&Death::After(Duration::from_millis(2)));
    // Two rounds and a half have so many.
    const SPAN: u64 = 300;
    let mut random = Random::new();
    let all = soaking();
    let count = if all { SPAN } else { 8 };
    for moment in 0..count {
        let at = if all { moment } else { random.below(SPAN) };
        eprintln!("the primary dies at {}", events - at);
        kept_through(&Death::At(events - at));
    }
}

#[test]
fn a_file_that_is_gone_from_shared_storage_is_named() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-shared-gone");
    let (dir, plan) = shared(&scratch);
    let command = keeper(&scratch, &dir);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut nodes = Nodes::start(&scratch, plan, &command);
    nodes.wait_for_port(8000);
    let mut stream = BufReader::new(nodes.connect(8000));
    ask(&mut stream, "1", "1", &nodes);
    fs::remove_file(dir.join("slots")).expect("it is there");
    nodes.signal(Place::Primary, Signal::SIGKILL);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    assert_says(&standby, "shared/slots on shared storage: opening it again");
    nodes.wait(Place::Primary, END_LIMIT);
    drop(nodes);
    scratch.assert_no_process_left();
}

#[test]
fn a_shared_mapping_of_shared_storage_is_refused() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-shared-mapped");
    let (dir, plan) = shared(&scratch);
    let file = dir.join("mapped");
    fs::write(&file, [0; 4096]).expect("our own file");
    let program = "import mmap,signal,sys; f = open(sys.argv[1],'r+b'); mmap.mmap(f.fileno(), 4096); signal.pause()";
    let file = file.to_str().expect("a path");
    let command = ["/usr/bin/python3", "-c", program, file];
    let mut nodes = Nodes::begin(&scratch, plan, &command);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    assert_says(
        &standby,
        "a shared mapping of a file on shared storage cannot be protected",
    );
    nodes.signal(Place::Primary, Signal::SIGTERM);
    nodes.wait(Place::Primary, END_LIMIT);
    drop(nodes);
    scratch.assert_no_process_left();
}
