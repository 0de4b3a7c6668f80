//! Protected applications under load, and what befalls their nodes: no connection is reset, no
//! acknowledged byte is lost or doubled, and never are two nodes active.
#![allow(missing_docs, clippy::print_stderr)]

mod asking;
#[path = "../common/mod.rs"]
mod common;
mod counting;
mod crowd;
mod disks;
mod every;
mod lasting;
mod ledger;
mod load;
mod meters;
mod own;
mod pausing;
mod placement;
mod postgres;
mod racing;
mod random;
mod storage;
mod volume;
mod witness;

use std::time::Duration;

use asking::{Download, SMALL};
use common::nodes::{GAP_MAX, Nodes, Place, Plan, Witness};
use common::{Exit, Output, Scratch, heavy, program, wait_until};
use counting::{Clients, Sum};
use crowd::longest;
use nix::sys::signal::{Signal, kill};

const PORT: u16 = 6379;
const END_LIMIT: Duration = Duration::from_secs(60);

/// Redis on both nodes.
#[track_caller]
fn redis<'a>(scratch: &'a Scratch, more: &[&str], plan: Plan) -> Nodes<'a> {
    let server = program("redis-server");
    let server = server.to_str().expect("a path");
    let fixed = ["--save", "", "--protected-mode", "no"];
    let debug = ["--enable-debug-command", "yes"];
    let command = [&[server][..], &fixed, &debug, more].concat();
    let nodes = Nodes::start(scratch, plan, &command);
    nodes.wait_for_port(PORT);
    nodes
}

/// Ends Redis by its own means.
fn shutdown(nodes: &Nodes<'_>) {
    let words = ["-h", common::nodes::VIP, "shutdown", "nosave"];
    let cli = program("redis-cli");
    nodes.at_client(cli.to_str().expect("a path"), &words, END_LIMIT);
}

#[track_caller]
fn report(what: &str, sum: Sum) {
    eprintln!(
        "{what}: {} rounds, longest gap {} ms",
        sum.rounds,
        sum.gap.as_millis()
    );
    assert!(sum.gap < GAP_MAX, "{what}: {sum:?}");
}

#[track_caller]
fn assert_says(output: &Output, words: &str) {
    assert!(output.err().contains(words), "no `{words}`: {output}");
}

/// The standby has gone on after the primary was killed: the application ends there.
#[track_caller]
fn end_on_standby(nodes: &mut Nodes<'_>, scratch: &Scratch) {
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    shutdown(nodes);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(0);
    assert_says(&standby, "TAKING-OVER");
    nodes.assert_one_active();
    scratch.assert_no_process_left();
}

#[test]
fn primary_killed_under_two_hundred_connections() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-200");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 200));
    clients.go_on_for(2000, END_LIMIT);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(2000, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("killed under 200 connections", sum);
    nodes.expect_killed(Place::Primary, END_LIMIT);
    end_on_standby(&mut nodes, &scratch);
}

/// Everything that keeps the application alive can be killed; its supervisor reports the rest.
#[track_caller]
fn killed_inside(name: &str, number: i32) {
    let _turn = heavy();
    let scratch = Scratch::new(name);
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 100));
    clients.go_on_for(1000, END_LIMIT);
    let victim = nodes.inside(Place::Primary, number);
    kill(victim, Signal::SIGKILL).expect("it runs");
    clients.go_on_for(1000, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report(name, sum);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(125);
    assert_says(&primary, "killed from outside");
    end_on_standby(&mut nodes, &scratch);
}

#[test]
fn application_killed() {
    killed_inside("protected-application", 2);
}

#[test]
fn init_of_the_application_killed() {
    killed_inside("protected-init", 1);
}

#[test]
fn frozen_primary_thawed_after_the_takeover() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-frozen");
    let mut nodes = redis(&scratch, &[], Plan::of_silence());
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.signal(Place::Primary, Signal::SIGSTOP);
    clients.go_on_for(300, END_LIMIT);
    nodes.signal(Place::Primary, Signal::SIGCONT);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("frozen", sum);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    assert_says(&primary, "fenced:");
    end_on_standby(&mut nodes, &scratch);
}

#[test]
fn planned_switchover() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-switchover");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 50));
    clients.go_on_for(500, END_LIMIT);
    let wrong = nodes.switchover(Place::Standby);
    wrong.expect_code(125);
    assert_says(&wrong, "ask the primary");
    clients.go_on_for(100, END_LIMIT);
    nodes.switch_over();
    clients.go_on_for(1000, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("switchover", sum);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(0);
    assert_says(&primary, "goes on at another node");
    let standby = nodes.status(Place::Standby).expect("it is there");
    assert_eq!(standby["state"], "SOLO", "{standby:#?}");
    end_on_standby(&mut nodes, &scratch);
}

/// The link ends with the switchover: that the other node is active is seen on the network alone.
#[test]
fn planned_switchover_without_another_way() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-link-only");
    let plan = Plan {
        link_only: true,
        ..Plan::default()
    };
    let mut nodes = redis(&scratch, &[], plan);
    let clients = Clients::start(nodes.connect_all(PORT, 5));
    clients.go_on_for(50, END_LIMIT);
    nodes.switch_over();
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(0);
    assert_says(&primary, "goes on at another node");
    clients.go_on_for(100, END_LIMIT);
    clients.finish(|| nodes.said());
    end_on_standby(&mut nodes, &scratch);
}

/// Nothing happens in the application from the beginning of the switchover to its end.
#[test]
fn planned_switchover_of_an_idle_application() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-idle");
    let mut nodes = redis(&scratch, &["--hz", "1"], Plan::default());
    let connections = nodes.connect_all(PORT, 2);
    nodes.switch_over();
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(0);
    assert_says(&primary, "goes on at another node");
    let clients = Clients::start(connections);
    clients.go_on_for(50, END_LIMIT);
    clients.finish(|| nodes.said());
    end_on_standby(&mut nodes, &scratch);
}

/// The application ends where it began, and never was anywhere else.
#[track_caller]
fn end_on_primary(nodes: &mut Nodes<'_>) -> Output {
    shutdown(nodes);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(0);
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after == 0, "{before} and {after} packets");
    primary
}

#[test]
fn standby_killed() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-alone");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.signal(Place::Standby, Signal::SIGKILL);
    nodes.wait_for_state(Place::Primary, "SOLO", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("standby killed", sum);
    nodes.expect_killed(Place::Standby, END_LIMIT);
    end_on_primary(&mut nodes);
    scratch.assert_no_process_left();
}

#[test]
fn standby_frozen_and_thawed() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-standby-frozen");
    let mut nodes = redis(&scratch, &[], Plan::of_silence());
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.signal(Place::Standby, Signal::SIGSTOP);
    nodes.wait_for_state(Place::Primary, "SOLO", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    nodes.signal(Place::Standby, Signal::SIGCONT);
    nodes.wait_for_state(Place::Primary, "PROTECTED", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("standby frozen", sum);
    end_on_primary(&mut nodes);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(0);
    assert_says(&standby, "did not take over");
    scratch.assert_no_process_left();
}

#[test]
fn clients_cut_off_and_back() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-clients");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    // Nothing is to happen in the meantime: the nodes have nothing to do with it.
    nodes.bridge(Place::Client, false);
    std::thread::sleep(Duration::from_secs(1));
    nodes.bridge(Place::Client, true);
    clients.go_on_for(300, END_LIMIT);
    nodes.assert_protected();
    nodes.bridge(Place::Client, false);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    nodes.wait_for_state(Place::Standby, "SOLO", END_LIMIT);
    nodes.bridge(Place::Client, true);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("clients cut off", sum);
    nodes.expect_killed(Place::Primary, END_LIMIT);
    end_on_standby(&mut nodes, &scratch);
}

#[test]
fn cable_between_the_nodes_cut() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-cable");
    let mut nodes = redis(&scratch, &[], Plan::of_silence());
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.cable(false);
    nodes.wait_for_state(Place::Primary, "SOLO", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    nodes.cable(true);
    nodes.wait_for_state(Place::Primary, "PROTECTED", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("cable cut", sum);
    end_on_primary(&mut nodes);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    assert_says(&standby, "did not take over");
    scratch.assert_no_process_left();
}

#[test]
fn application_that_ends() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-end");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 5));
    clients.go_on_for(50, END_LIMIT);
    clients.finish(|| nodes.said());
    end_on_primary(&mut nodes);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(0);
    assert_says(&standby, "did not take over");
    nodes.assert_one_active();
    scratch.assert_no_process_left();
}

#[test]
fn application_that_crashes() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-crash");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let mut client = nodes.connect(PORT);
    std::io::Write::write_all(&mut client, b"DEBUG SEGFAULT\r\n").expect("it is there");
    for place in [Place::Primary, Place::Standby] {
        let node = nodes.wait(place, END_LIMIT);
        assert_eq!(node.exit, Exit::Signal(libc::SIGSEGV), "{place:?}: {node}");
    }
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after == 0, "{before} and {after} packets");
    scratch.assert_no_process_left();
}

/// A fencing command for two nodes: a node that is cut off reaches nobody whom it could ask, and
/// who is fenced by the other is off the bridge already.
fn fencing(scratch: &Scratch) -> std::path::PathBuf {
    let cut = scratch.path("cut-off");
    scratch.script(
        "fence",
        &format!(
            "#!/bin/sh\n[ \"$(cat {0})\" != \"$FTRUN_NODE\" ] && [ \"$(cat {0})\" = \"$2\" ]\n",
            cut.display()
        ),
    )
}

#[test]
fn primary_cut_off_and_back_after_the_takeover() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-cut-off");
    scratch.write("cut-off", "nobody");
    let plan = Plan {
        witness: Witness::Command(fencing(&scratch)),
        ..Plan::of_silence()
    };
    let mut nodes = redis(&scratch, &[], plan);
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.cable(false);
    nodes.bridge(Place::Primary, false);
    scratch.write("cut-off", "p");
    clients.go_on_for(300, END_LIMIT);
    nodes.bridge(Place::Primary, true);
    nodes.cable(true);
    clients.go_on_for(300, END_LIMIT);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    assert_says(&primary, "fenced:");
    clients.go_on_for(100, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("cut off", sum);
    end_on_standby(&mut nodes, &scratch);
}

#[test]
fn memcached_killed() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-memcached");
    let server = program("memcached");
    let server = server.to_str().expect("a path");
    let fixed = ["-u", "root", "-l", "0.0.0.0", "-p", "11211"];
    let command = [&[server][..], &fixed, &["-t", "2", "-A"]].concat();
    let mut nodes = Nodes::start(&scratch, Plan::default(), &command);
    nodes.wait_for_port(11211);
    let clients = asking::memcached(nodes.connect_all(11211, 20));
    clients.go_on_for(200, END_LIMIT);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(400, END_LIMIT);
    let gap = longest(clients.finish(|| nodes.said()));
    eprintln!("memcached: longest gap {} ms", gap.as_millis());
    nodes.expect_killed(Place::Primary, END_LIMIT);
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    let mut client = nodes.connect(11211);
    std::io::Write::write_all(&mut client, b"shutdown\r\n").expect("it is there");
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(0);
    assert_says(&standby, "TAKING-OVER");
    scratch.assert_no_process_left();
}

const SITE: &str = "
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    sendfile on; keepalive_requests 1000000; keepalive_timeout 60;
    server { listen 80; root html; }
}
";

#[test]
fn nginx_killed_during_a_download() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-nginx");
    let big: Vec<u8> = (0..6_000_000_u32).flat_map(u32::to_le_bytes).collect();
    scratch.write("seed/nginx.conf", SITE);
    scratch.write("seed/html/big", &big);
    scratch.write("seed/html/small", SMALL);
    let data = scratch.path("data");
    let server = program("nginx");
    let (server, data) = (
        server.to_str().expect("a path"),
        data.to_str().expect("a path"),
    );
    let command = [server, "-p", data, "-c", "nginx.conf", "-e", "stderr"];
    let mut nodes = Nodes::start(&scratch, Plan::default(), &command);
    nodes.wait_for_port(80);
    let clients = asking::pages(nodes.connect_all(80, 10));
    let mut download = Download::begin(nodes.connect(80), "/big", big.len());
    clients.go_on_for(100, END_LIMIT);
    download.read_to(&big, 1 << 20);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    download.read_to(&big, big.len());
    clients.go_on_for(200, END_LIMIT);
    let gap = longest(clients.finish(|| nodes.said()));
    eprintln!("nginx: longest gap {} ms", gap.as_millis());
    nodes.expect_killed(Place::Primary, END_LIMIT);
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    drop(nodes);
    scratch.assert_no_process_left();
}
