//! The supervisor's memory stays what it is, however long it records or replays. Seconds in
//! `make test`, minutes in `make soak`. A program of its own: what others do to the disk at the same time
//! decides how much of the journal waits in memory.

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use common::{
    Record, Scratch, Spawned, assert_flat, build_c, ftrun, heavy, native_mode, resident, soaking,
};

const LIMIT: Duration = Duration::from_secs(900);
/// Allowed between the first and the last third. The journal's buffers, which depend on how fast
/// the disk is, are in it.
const GROWTH_BYTES_MAX: u64 = 6 << 20;

/// Samples the resident memory of a process until it has ended.
fn watch(pid: Pid) -> Vec<u64> {
    let mut samples = Vec::new();
    let start = Instant::now();
    while let Some(bytes) = resident(pid) {
        samples.push(bytes);
        assert!(start.elapsed() < LIMIT, "still there after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    samples
}

#[test]
fn stays_flat() {
    let _turn = heavy();
    let seconds = if soaking() { 240 } else { 12 };
    let scratch = Scratch::new("memory");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/churn.c");
    let churn = scratch.private_binary(&build_c(&source, &[], &[]));
    let record = Record::new(&scratch, churn).arg(seconds.to_string());
    let running = record.timeout(LIMIT).spawn();
    if native_mode() {
        running.wait().expect_code(0);
        return;
    }
    let samples = watch(running.pid());
    let recorded = running.wait();
    recorded.expect_code(0);
    assert_flat("the recorder", &samples, GROWTH_BYTES_MAX);
    scratch.originals_gone();

    let mut command = Command::new(ftrun());
    command
        .arg("replay")
        .arg(&recorded.dir)
        .current_dir(scratch.empty());
    let replaying = Spawned::start(command, None);
    let samples = watch(replaying.pid());
    let again = replaying.wait(LIMIT);
    again.expect_code(0);
    assert_eq!(again.out(), recorded.output.out());
    assert_flat("the replayer", &samples, GROWTH_BYTES_MAX);
}
