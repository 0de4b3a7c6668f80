//! `ftrun demo`: it succeeds, tells what happened, and leaves nothing behind, however it ends.
//! That its client notices what it has to notice, the unit tests in `src/demo/` show.
#![allow(missing_docs)]

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{Exit, Output, Scratch, Spawned, ftrun, heavy, program, run_command, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);

/// Where the demo makes its directory.
fn place(scratch: &Scratch) -> PathBuf {
    scratch.path("tmp")
}

fn with_environment(mut command: Command, scratch: &Scratch) -> Command {
    command
        .current_dir(scratch.empty())
        .env("TMPDIR", place(scratch))
        .env("FTRUN_TEST_SCRATCH", scratch.root());
    command
}

fn demo(scratch: &Scratch, args: &[&str]) -> Command {
    let mut command = Command::new(ftrun());
    command.arg("demo").args(args);
    with_environment(command, scratch)
}

fn left_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("it is there");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// The namespaces have no names: they are gone with the last process in them.
#[track_caller]
fn assert_nothing_left(scratch: &Scratch) {
    scratch.assert_no_process_left();
    let left = left_in(&place(scratch));
    assert!(left.is_empty(), "{left:?}");
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
    let root = scratch.root().to_str().expect("UTF-8");
    assert!(!mounts.contains(root), "{mounts}");
}

#[test]
fn nothing_is_lost_and_nothing_left() {
    let _turn = heavy();
    let scratch = Scratch::new("demo");
    let args = ["--json", "--connections", "20", "--seconds", "2"];
    let output = run_command(demo(&scratch, &args), None, LIMIT);
    output.expect_code(0);
    assert!(output.stderr.is_empty(), "{output}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["ok"], true);
    assert_eq!(report["recordings"], Value::Null);
    let rounds = report["rounds"].as_array().expect("rounds");
    let events: Vec<_> = rounds.iter().map(|round| &round["event"]).collect();
    assert_eq!(events, ["kill", "switchover"]);
    for round in rounds {
        assert_eq!(round["connections"], 20, "{round}");
        for none in ["resets", "lost", "doubled", "damaged"] {
            assert_eq!(round[none], 0, "{none} in {round}");
        }
        let number = |name: &str| round[name].as_u64().expect("a number");
        // Each connection has an answer from the new node.
        assert!(number("requests_after") >= 20, "{round}");
        assert!(number("requests") > number("requests_after"), "{round}");
        assert!(number("gap_us") > 0, "{round}");
        let latency = |name: &str| round["latency"][name].as_u64().expect("a number");
        assert!(
            latency("p50_us") > 0 && latency("p50_us") <= latency("p99_us"),
            "{round}"
        );
        assert!(latency("p99_us") <= latency("max_us"), "{round}");
    }
    assert_nothing_left(&scratch);
}

#[test]
fn recordings_are_kept_if_asked_for() {
    let _turn = heavy();
    let scratch = Scratch::new("demo-keep");
    let args = ["--keep", "--connections", "5", "--seconds", "1"];
    let output = run_command(demo(&scratch, &args), None, LIMIT);
    output.expect_code(0);
    let text = output.out();
    assert!(text.ends_with("\nNothing was lost.\n"), "{output}");
    assert!(text.lines().count() <= 20, "{output}");
    scratch.assert_no_process_left();
    let left = left_in(&place(&scratch));
    let [dir] = &left[..] else {
        panic!("one directory, not {left:?}");
    };
    assert!(text.contains(dir.to_str().expect("UTF-8")), "{output}");
    let mut kept: Vec<_> = left_in(dir);
    kept.sort();
    assert_eq!(kept, [dir.join("kill"), dir.join("switchover")]);
    // The new node's recording goes from the first request to the server's end.
    for round in kept {
        let mut verify = Command::new(ftrun());
        verify.arg("verify").arg(round.join("node2"));
        run_command(verify, None, LIMIT).expect_code(0);
    }
}

/// Starts it, waits for a moment, sends a signal, and waits for the end.
#[track_caller]
fn signalled(scratch: &Scratch, moment: &str, signal: Signal) -> Output {
    let mut running = Spawned::start(demo(scratch, &["--connections", "10"]), None);
    wait_until(moment, LIMIT, || {
        running.assert_running();
        let begun = left_in(&place(scratch));
        begun.iter().any(|dir| {
            let meta = fs::metadata(dir.join(moment));
            meta.is_ok_and(|meta| meta.is_dir() || meta.len() > 0)
        })
    });
    running.signal(signal);
    running.wait(LIMIT)
}

#[test]
fn interrupted_it_leaves_nothing() {
    let _turn = heavy();
    for (moment, signal) in [
        // The nodes start; the load runs; the second round begins.
        ("kill", Signal::SIGINT),
        ("kill/data2/requests.log", Signal::SIGINT),
        ("switchover", Signal::SIGTERM),
    ] {
        let scratch = Scratch::new("demo-interrupted");
        let output = signalled(&scratch, moment, signal);
        assert_eq!(
            output.exit,
            Exit::Signal(signal as i32),
            "{moment}: {output}"
        );
        assert!(output.err().contains("interrupted"), "{moment}: {output}");
        assert_nothing_left(&scratch);
    }
}

#[test]
fn killed_it_leaves_no_process() {
    let _turn = heavy();
    let scratch = Scratch::new("demo-killed");
    let output = signalled(&scratch, "kill/data2/requests.log", Signal::SIGKILL);
    assert_eq!(output.exit, Exit::Signal(libc::SIGKILL), "{output}");
    scratch.assert_no_process_left();
}

#[track_caller]
fn assert_refused(scratch: &Scratch, output: &Output, parts: &[&str]) {
    output.expect_code(125);
    assert!(output.stdout.is_empty(), "{output}");
    let text = output.err();
    assert_eq!(text.lines().count(), 1, "one message: {output}");
    for part in parts {
        assert!(text.contains(part), "no `{part}`: {output}");
    }
    assert_nothing_left(scratch);
}

#[test]
fn what_is_missing_is_told_at_once() {
    let scratch = Scratch::new("demo-missing");
    let private = scratch.private_binary(&ftrun());
    let run = |name: &str, words: &[&str]| {
        let mut command = with_environment(Command::new(program(name)), &scratch);
        command.args(words).arg(&private).arg("demo");
        command
    };
    let mut nobody = run(
        "setpriv",
        &["--reuid=65534", "--regid=65534", "--clear-groups"],
    );
    nobody.env("PATH", "/nowhere");
    let output = run_command(nobody, None, LIMIT);
    assert_refused(
        &scratch,
        &output,
        &["root's rights; ", "`ip` (package iproute2)"],
    );

    let caps = "--bounding-set=-net_admin";
    let output = run_command(run("setpriv", &[caps]), None, LIMIT);
    assert_refused(&scratch, &output, &["CAP_NET_ADMIN"]);

    let script = "mount -t tmpfs none /dev/net && exec \"$@\"";
    let output = run_command(
        run("unshare", &["-m", "sh", "-c", script, "sh"]),
        None,
        LIMIT,
    );
    assert_refused(&scratch, &output, &["/dev/net/tun (No such file"]);
}

#[test]
fn failing_step_is_named_and_leaves_nothing() {
    let scratch = Scratch::new("demo-fails");
    scratch.script(
        "bin/ip",
        "#!/bin/sh\n[ \"$1\" = -V ] && exit 0\necho no bridges here >&2\nexit 1\n",
    );
    let mut command = demo(&scratch, &["--json"]);
    command.env(
        "PATH",
        format!("{}:/usr/bin:/bin", scratch.path("bin").display()),
    );
    let output = run_command(command, None, LIMIT);
    assert_refused(&scratch, &output, &["no bridges here"]);
}
