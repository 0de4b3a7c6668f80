//! Redis: a recorded server under a benchmark, with its two ways to keep data (append-only file
//! and snapshot by a forked child), and a whole session recorded with its clients.

use crate::common;

use std::time::Duration;

use common::{
    Record, Recorded, Running, Scratch, free_port, heavy, native, program, soaking, wait_for_port,
};

const LIMIT: Duration = Duration::from_secs(300);

/// A private redis-server with its data under the scratch directory.
fn server<'a>(scratch: &'a Scratch, port: u16, options: &[&str]) -> Record<'a> {
    let data = scratch.dir("data");
    let server = scratch.private_binary(&program("redis-server"));
    let record = Record::new(scratch, server).args(["--port", &port.to_string(), "--dir"]);
    record
        .arg(data)
        .args(["--bind", "127.0.0.1"])
        .args(options)
        .timeout(LIMIT)
}

/// A server listens before it has read its data.
fn wait_until_loaded(port: u16) {
    let begun = std::time::Instant::now();
    loop {
        let answer = native(
            program("redis-cli"),
            ["-p", &port.to_string(), "ping"],
            LIMIT,
        );
        if answer.out() == "PONG\n" {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn cli(port: u16, words: &[&str]) -> String {
    let port = port.to_string();
    let fixed = ["-h", "127.0.0.1", "-p", &port, "-e"];
    native(program("redis-cli"), fixed.iter().chain(words), LIMIT).out()
}

/// Runs redis-benchmark and returns its result lines, one per test.
fn benchmark(port: u16, words: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let fixed = ["-h", "127.0.0.1", "-p", &port, "--csv"];
    let output = native(program("redis-benchmark"), fixed.iter().chain(words), LIMIT);
    assert!(!output.out().contains("Error"), "{output}");
    output.out().lines().skip(1).map(str::to_owned).collect()
}

/// Stops the server over its own protocol, takes everything away, replays.
#[track_caller]
fn stop_and_replay(scratch: &Scratch, mut running: Running<'_>, port: u16) -> String {
    running.assert_running();
    // The answer to SHUTDOWN is the end of the connection.
    let port = port.to_string();
    native(
        program("redis-cli"),
        ["-h", "127.0.0.1", "-p", &port, "shutdown"],
        LIMIT,
    );
    let recorded: Recorded<'_> = running.wait();
    recorded.expect_code(0);
    let log = recorded.output.out();
    assert!(log.contains("Redis is now ready to exit"), "{log}");
    scratch.assert_no_process_left();
    scratch.originals_gone();
    recorded.assert_verifies_and_replays();
    log
}

fn number(info: &str, key: &str) -> u64 {
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {info}"))
        .trim()
        .parse()
        .expect("a number")
}

#[test]
fn two_hundred_thousand_requests() {
    let _turn = heavy();
    // Of each of two kinds.
    let requests = if soaking() { "500000" } else { "100000" };
    let scratch = Scratch::new("redis-load");
    let port = free_port();
    let running = server(&scratch, port, &["--save", "", "--appendonly", "no"]).spawn();
    wait_for_port(port, LIMIT);
    let lines = benchmark(
        port,
        &[
            "-t", "set,get", "-n", requests, "-c", "50", "-r", "10000", "-d", "100",
        ],
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
    let done = number(&cli(port, &["info", "stats"]), "total_commands_processed");
    assert!(done >= 200_000, "only {done} commands were recorded");
    stop_and_replay(&scratch, running, port);
}

#[test]
fn append_only_file_and_snapshots() {
    let _turn = heavy();
    let scratch = Scratch::new("redis-disk");
    let port = free_port();
    let options = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--save",
        "1 1000",
    ];
    let running = server(&scratch, port, &options).spawn();
    wait_for_port(port, LIMIT);
    benchmark(
        port,
        &[
            "-t",
            "set,lpush,hset,zadd,incr",
            "-n",
            "3000",
            "-c",
            "10",
            "-r",
            "1000",
        ],
    );
    // Both forks on demand besides those by themselves, and work while the children write.
    assert_eq!(cli(port, &["set", "kept", "value"]), "OK\n");
    let before = number(&cli(port, &["info", "persistence"]), "rdb_saves");
    // While one goes on by itself, none begins on demand.
    assert_eq!(cli(port, &["config", "set", "save", ""]), "OK\n");
    wait(port, "rdb_bgsave_in_progress", 0);
    assert_eq!(cli(port, &["bgsave"]), "Background saving started\n");
    benchmark(port, &["-t", "set", "-n", "2000", "-c", "5", "-r", "1000"]);
    wait(port, "rdb_bgsave_in_progress", 0);
    assert_eq!(
        cli(port, &["bgrewriteaof"]),
        "Background append only file rewriting started\n"
    );
    assert_eq!(cli(port, &["config", "set", "save", "1 1000"]), "OK\n");
    wait(port, "aof_rewrite_in_progress", 0);
    let info = cli(port, &["info", "persistence"]);
    assert!(number(&info, "rdb_saves") > before, "{info}");
    for status in [
        "rdb_last_bgsave_status",
        "aof_last_bgrewrite_status",
        "aof_last_write_status",
    ] {
        assert!(info.contains(&format!("{status}:ok")), "{info}");
    }
    let log = stop_and_replay(&scratch, running, port);
    assert!(
        log.contains("DB saved on disk") && log.contains("terminated with success"),
        "{log}"
    );
}

#[track_caller]
fn wait(port: u16, key: &str, value: u64) {
    common::wait_until(&format!("{key} = {value}"), Duration::from_secs(60), || {
        number(&cli(port, &["info", "persistence"]), key) == value
    });
}

/// A second server on the same files must find the data of the first: what the recorded server
/// wrote is real.
#[test]
fn recorded_server_keeps_its_data() {
    let scratch = Scratch::new("redis-reload");
    let port = free_port();
    let options = ["--appendonly", "yes", "--save", ""];
    let running = server(&scratch, port, &options).name("first").spawn();
    wait_for_port(port, LIMIT);
    for n in 0..50 {
        cli(port, &["rpush", "list", &format!("item {n}")]);
    }
    native(
        program("redis-cli"),
        ["-p", &port.to_string(), "shutdown"],
        LIMIT,
    );
    let first = running.wait();
    first.expect_code(0);

    let port = free_port();
    let running = server(&scratch, port, &options).name("second").spawn();
    wait_for_port(port, LIMIT);
    wait_until_loaded(port);
    assert_eq!(cli(port, &["llen", "list"]), "50\n");
    assert_eq!(cli(port, &["lindex", "list", "49"]), "item 49\n");
    native(
        program("redis-cli"),
        ["-p", &port.to_string(), "shutdown"],
        LIMIT,
    );
    let second = running.wait();
    second.expect_code(0);
    scratch.originals_gone();
    first.assert_replays();
    second.assert_replays();
}

#[test]
fn stopped_by_a_signal_to_the_supervisor() {
    let scratch = Scratch::new("redis-term");
    let port = free_port();
    let mut running = server(&scratch, port, &["--save", ""]).spawn();
    wait_for_port(port, LIMIT);
    assert_eq!(cli(port, &["ping"]), "PONG\n");
    running.assert_running();
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let recorded = running.wait();
    recorded.expect_code(0);
    assert!(
        recorded.output.out().contains("Received SIGTERM"),
        "{}",
        recorded.output
    );
    scratch.originals_gone();
    recorded.assert_replays();
}

/// Server, benchmark and command line client all inside one recording.
#[test]
fn whole_session() {
    let _turn = heavy();
    let scratch = Scratch::new("redis-session");
    let port = free_port();
    for name in ["redis-server", "redis-cli", "redis-benchmark"] {
        scratch.private_binary(&program(name));
    }
    let script = format!(
        r#"
        set -e
        bin/redis-server --port {port} --bind 127.0.0.1 --save '' --daemonize no --logfile log &
        until bin/redis-cli -p {port} ping 2>/dev/null; do sleep 0.05; done
        bin/redis-benchmark -p {port} -n 2000 -c 8 -t ping_mbulk,set,get,lrange_100 -q | tr '\r' '\n' | tail -n 1
        bin/redis-cli -p {port} set greeting 'hello world'
        bin/redis-cli -p {port} get greeting
        bin/redis-cli -p {port} eval 'return redis.call("incrby", KEYS[1], 41) + 1' 1 number
        bin/redis-cli -p {port} subscribe news > heard & listener=$!
        until [ "$(bin/redis-cli -p {port} publish news today)" = 1 ]; do sleep 0.02; done
        until grep -q today heard; do sleep 0.02; done
        kill $listener; cat heard
        bin/redis-cli -p {port} info server | tr -d '\r' | grep -E 'run_id|uptime_in|process_id'
        bin/redis-cli -p {port} shutdown
        wait; cat log
        "#
    );
    let output = common::record_and_replay(Record::bash(&scratch, &script).timeout(LIMIT), 0);
    for text in [
        "PONG",
        "hello world",
        "\n42\n",
        "today",
        "run_id",
        "ready to exit, bye",
    ] {
        assert!(output.out().contains(text), "no `{text}`: {output}");
    }
}
