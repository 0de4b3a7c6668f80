//! `--isolate`: what a program sees of its namespaces, and that nothing of them is left behind
//! however they end. (That everything else is as without them, `guests.rs` shows.)

use crate::common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{
    Exit, Record, Running, Scratch, build_c, ftrun, make_child, record_and_replay, replay,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn guest(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let source = tests.join("engine/isolated").join(format!("{name}.c"));
    build_c(&source, &[], &[&tests.join("guests/guest.h")])
}

fn isolated<'s>(scratch: &'s Scratch, name: &str) -> Record<'s> {
    Record::new(scratch, scratch.private_binary(&guest(name))).option("--isolate")
}

#[test]
fn ids_are_those_of_a_small_world() {
    let scratch = Scratch::new("isolated-ids");
    record_and_replay(isolated(&scratch, "ids"), 11);
}

#[test]
fn the_same_ids_every_time() {
    let run = |name: &str| {
        let scratch = Scratch::new(name);
        record_and_replay(isolated(&scratch, "ids"), 11).out()
    };
    assert_eq!(run("isolated-ids-first"), run("isolated-ids-second"));
}

#[test]
fn ipc_is_its_own() {
    let scratch = Scratch::new("isolated-ipc");
    let name = format!("ftrun-test-{}", std::process::id());
    let record = isolated(&scratch, "ipc").arg(format!("/{name}"));
    record_and_replay(record, 0);
    assert!(!Path::new("/dev/shm").join(name).exists());
}

#[test]
fn names_and_mounts_are_its_own() {
    let scratch = Scratch::new("isolated-names");
    let before = nix::sys::utsname::uname().expect("there is always one");
    let mounted = scratch.dir("mounted");
    let record = isolated(&scratch, "names")
        .arg(before.nodename())
        .arg(&mounted);
    let recorded = record.run();
    recorded.expect_code(0);
    let empty = fs::read_dir(&mounted)
        .expect("it is there")
        .next()
        .is_none();
    assert!(empty, "the mount shows outside");
    scratch.originals_gone();
    recorded.assert_replays();
    let after = nix::sys::utsname::uname().expect("there is always one");
    assert_eq!(before.nodename(), after.nodename());
}

#[test]
fn a_network_of_its_own_has_a_loopback_device() {
    let scratch = Scratch::new("isolated-network");
    let record = Record::sh(&scratch, "cat /proc/net/fib_trie /proc/net/dev")
        .option("--isolate")
        .option("--private-network");
    let shown = record_and_replay(record, 0).out();
    // Two lines of headings, one for each device.
    let (_, devices) = shown.split_once("Inter-").expect("a heading");
    assert!(
        devices.lines().count() == 3 && devices.contains(" lo:"),
        "{shown}"
    );
    assert!(shown.contains("127.0.0.1"), "{shown}");
}

/// A recording of processes that wait for ever, and its init process.
fn waiting(scratch: &Scratch) -> (Running<'_>, Pid) {
    let mut running = isolated(scratch, "waits").spawn();
    running.wait_for_output("waiting");
    let init = init_of(running.pid());
    (running, init)
}

/// The init process that a supervisor started.
fn init_of(supervisor: Pid) -> Pid {
    let children = children_of(supervisor);
    let init = children.iter().find(|(_, name)| name == "ftrun-init");
    init.expect("the supervisor has an init process").0
}

/// The children of a process, with their names.
fn children_of(parent: Pid) -> Vec<(Pid, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("mounted").flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Number, (name), state, parent.
        let Some((head, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let is_child = rest.split(' ').nth(1) == Some(&parent.to_string());
        if let Some((pid, name)) = head.split_once(" (")
            && is_child
        {
            let pid = pid.parse().expect("a number");
            found.push((Pid::from_raw(pid), name.to_owned()));
        }
    }
    found
}

#[track_caller]
fn assert_gone(pid: Pid) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while kill(pid, None).is_ok() {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_supervisor_leaves_nothing() {
    let scratch = Scratch::new("isolated-supervisor-killed");
    let (running, init) = waiting(&scratch);
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().output.exit, Exit::Signal(9));
    assert_gone(init);
    scratch.assert_no_process_left();
}

#[test]
fn a_stopped_init_does_not_outlive_its_supervisor() {
    let scratch = Scratch::new("isolated-init-stopped");
    let (running, init) = waiting(&scratch);
    kill(init, Signal::SIGSTOP).expect("it is there");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().output.exit, Exit::Signal(9));
    assert_gone(init);
    scratch.assert_no_process_left();
}

#[test]
fn a_killed_init_ends_the_recording_in_order() {
    let scratch = Scratch::new("isolated-init-killed");
    let (running, init) = waiting(&scratch);
    kill(init, Signal::SIGKILL).expect("it is there");
    let recorded = running.wait();
    // That is how the first process ended.
    recorded.expect_signal(Signal::SIGKILL);
    assert_gone(init);
    scratch.assert_no_process_left();
    scratch.originals_gone();
    recorded.assert_verifies_and_replays();
}

#[test]
fn supervisors_killed_while_they_start_leave_nothing() {
    let program = guest("waits");
    for delay_us in (0..20).map(|step| step * 1500) {
        let scratch = Scratch::new("isolated-start-killed");
        let program = scratch.private_binary(&program);
        let running = Record::new(&scratch, program).option("--isolate").spawn();
        std::thread::sleep(Duration::from_micros(delay_us));
        running.signal(Signal::SIGKILL);
        assert_eq!(running.wait().output.exit, Exit::Signal(9));
        scratch.assert_no_process_left();
    }
}

#[test]
fn signals_to_the_supervisor_reach_the_application() {
    let scratch = Scratch::new("isolated-signal");
    let (running, init) = waiting(&scratch);
    let [(first, _)] = children_of(init)[..] else {
        panic!("not one process: {:?}", children_of(init));
    };
    running.signal(Signal::SIGTERM);
    assert_gone(first);
    // Its child and the daemon go on, as they would without namespaces.
    kill(init, Signal::SIGKILL).expect("it is there");
    running.wait().expect_signal(Signal::SIGTERM);
    scratch.assert_no_process_left();
}

/// With a terminal, keys that raise signals work as without namespaces.
#[test]
fn an_interrupt_from_the_terminal_reaches_the_application() {
    let scratch = Scratch::new("isolated-terminal");
    // Whenever the key comes, the trap runs soon: a signal that finds no `sleep` yet ends none.
    let text = "trap 'echo caught; exit 3' INT; echo ready; i=0
        while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done; exit 9";
    let script = scratch.write("interrupted.sh", text);
    for (name, option) in [("plain", ""), ("isolated", "--isolate")] {
        let dir = scratch.recording(name);
        let line = format!(
            "exec env --default-signal=INT {} record {option} --dir {} -- /bin/sh {}",
            ftrun().display(),
            dir.display(),
            script.display()
        );
        // It gives the command a terminal of its own. Who started the tests may ignore the signal,
        // and a shell cannot catch what was ignored before it.
        let mut terminal = Command::new("script");
        terminal
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            // Not whatever shell the user has.
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut terminal = make_child(&mut terminal).expect("util-linux is installed");
        let mut keys = terminal.stdin.take().expect("piped");
        let mut lines = BufReader::new(terminal.stdout.take().expect("piped")).lines();
        let mut shown = |expected: &str| {
            let found = lines.by_ref().any(|line| {
                let line = line.expect("text");
                line.contains(expected)
            });
            assert!(found, "{name}: no {expected}");
        };
        shown("ready");
        keys.write_all(b"\x03").expect("it listens");
        shown("caught");
        let end = terminal.wait().expect("our own child");
        assert_eq!(end.code(), Some(3), "{name}");
        replay(&scratch, &dir, Duration::from_secs(60)).expect_code(3);
    }
    scratch.assert_no_process_left();
}
