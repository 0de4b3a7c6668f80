//! Redis under the load of its own benchmark, and with files that are to be the same on both nodes.

use super::common::{assert_same_tree, copy_tree, free_port, wait_for_port};
use super::*;

/// What a command line client prints for one command.
#[track_caller]
fn ask(nodes: &Nodes<'_>, words: &[&str]) -> String {
    let cli = program("redis-cli");
    let fixed = ["-h", common::nodes::VIP, "--raw"];
    let words = [&fixed, words].concat();
    nodes
        .at_client(cli.to_str().expect("a path"), &words, END_LIMIT)
        .out()
}

#[test]
fn primary_killed_under_redis_benchmark() {
    const REQUESTS: u32 = 20_000;
    let _turn = heavy();
    let scratch = Scratch::new("protected-benchmark");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let benchmark = program("redis-benchmark");
    let count = REQUESTS.to_string();
    let words = ["-h", common::nodes::VIP, "-c", "50", "-n", &count];
    let words = [&words[..], &["-t", "incr", "--csv"]].concat();
    let load = nodes.start_at_client(benchmark.to_str().expect("a path"), &words);
    let key = "counter:__rand_int__";
    let so_far = |nodes: &Nodes<'_>| -> u32 {
        let found = ask(nodes, &["get", key]);
        found.trim().parse().unwrap_or(0)
    };
    wait_until("load", END_LIMIT, || so_far(&nodes) > REQUESTS / 10);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    let load = load.wait(Duration::from_secs(100));
    load.expect_code(0);
    let said = load.out() + &load.err();
    assert!(!said.to_lowercase().contains("error"), "{load}");
    // Every request was executed once.
    assert_eq!(so_far(&nodes), REQUESTS, "{}", nodes.said());
    eprintln!(
        "redis-benchmark: {}",
        load.out().lines().last().unwrap_or("?")
    );
    nodes.expect_killed(Place::Primary, END_LIMIT);
    end_on_standby(&mut nodes, &scratch);
}

#[test]
fn files_are_the_same_on_both_nodes() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-files");
    let more = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let mut nodes = redis(&scratch, &more, Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 20));
    clients.go_on_for(200, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("append-only file", sum);
    wait_until("standby that has replayed all", END_LIMIT, || {
        let lag = nodes.status(Place::Primary);
        lag.is_some_and(|status| status["lag"]["events"] == 0)
    });
    assert_same_tree(
        "primary and standby",
        &nodes.files(Place::Primary),
        &nodes.files(Place::Standby),
    );

    ask(&nodes, &["flushall"]);
    let clients = Clients::start(nodes.connect_all(PORT, 20));
    clients.go_on_for(100, END_LIMIT);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(200, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("append-only file, killed", sum);
    nodes.expect_killed(Place::Primary, END_LIMIT);

    // What another server makes of the files is what this one has in its memory.
    let digest = ask(&nodes, &["debug", "digest"]);
    let copy = scratch.path("copy");
    copy_tree(&nodes.files(Place::Standby), &copy);
    let port = free_port().to_string();
    let mut other = std::process::Command::new(program("redis-server"));
    other.args(["--port", &port, "--dir"]).arg(&copy).args(more);
    other.args(["--save", "", "--enable-debug-command", "yes"]);
    let other = common::Spawned::start(other, None);
    wait_for_port(port.parse().expect("a port"), END_LIMIT);
    let cli = program("redis-cli");
    let found = common::native(&cli, ["-p", &port, "--raw", "debug", "digest"], END_LIMIT);
    assert_eq!(found.out(), digest, "{}", nodes.said());
    drop(other);
    end_on_standby(&mut nodes, &scratch);
}
