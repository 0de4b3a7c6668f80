//! What a syscall costs: natively, recorded, and replayed. One operation of each kind, as
//! the difference between a program that does many and one that does none. What is measured
//! is the CPU time of the program and of whoever records or replays it: they take turns on
//! one CPU, so that is all the time there is, and other programs do not count.
//!
//! The program under test is this one, started again with other arguments; so is the one
//! that records or replays it, because an engine has its process for itself.

#![allow(missing_docs, reason = "nobody calls it")]

#[path = "syscalls/guest.rs"]
mod guest;

use criterion::{Criterion, SamplingMode};
use guest::Kind;
use journal::EventIndex;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tracer::record::{Agent, Options};
use tracer::replay::Sink;

/// Runs of the program that does nothing; the fastest is taken off.
const IDLE_RUNS: usize = 7;

fn main() {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let dir = || Path::new(&args[1]);
    match args.first().and_then(|arg| arg.to_str()) {
        Some("guest") => guest::run(number(&args[1]), number(&args[2])),
        Some("record") => {
            let options = Options::new(dir().to_owned()).expect("the CPU affinity can be read");
            let outcome = tracer::record::record(options, &args[2..], Arc::new(|_| {}));
            assert_eq!(outcome.expect("it can be recorded").status, 0);
        }
        Some("replay") => {
            let outcome = tracer::replay::replay(
                dir(),
                Agent::WhenItPays,
                tracer::Counting::Never,
                &mut Nobody,
            )
            .expect("it can be replayed");
            assert_eq!(outcome.status, Some(0));
        }
        _ => {
            let mut criterion = Criterion::default()
                .sample_size(10)
                .warm_up_time(Duration::from_millis(1))
                .configure_from_args();
            for kind in guest::KINDS {
                operations(&mut criterion, kind);
            }
            criterion.final_summary();
        }
    }
}

fn number(word: &OsStr) -> usize {
    let parsed = word.to_str().and_then(|word| word.parse().ok());
    parsed.expect("a number")
}

/// Sees nothing of a replay.
struct Nobody;

impl Sink for Nobody {
    fn output(&mut self, _stream: u8, _bytes: &[u8]) {}
    fn progress(&mut self, _event: EventIndex, _read: u64, _total: u64) {}
    fn notice(&mut self, _text: &str) {}
}

fn operations(criterion: &mut Criterion, kind: &Kind) {
    let mut group = criterion.benchmark_group(kind.name);
    group.sampling_mode(SamplingMode::Flat);
    let measure = |count: usize, run: &dyn Fn(usize) -> Duration| {
        let idle = (0..IDLE_RUNS).map(|_| run(0)).min().unwrap_or_default();
        move |iterations: u64, busy: Duration| {
            let each = busy.saturating_sub(idle).as_secs_f64() / count as f64;
            // Criterion takes nothing for an error.
            Duration::from_secs_f64((each * iterations as f64).max(1e-9))
        }
    };
    let native = |count| used_by(&guest_words(kind, count));
    let each = measure(kind.native, &native);
    group.bench_function("native", |bencher| {
        bencher.iter_custom(|iterations| each(iterations, native(kind.native)));
    });
    let recorded = |count| record(kind, count).1;
    let each = measure(kind.recorded, &recorded);
    group.bench_function("recorded", |bencher| {
        bencher.iter_custom(|iterations| each(iterations, recorded(kind.recorded)));
    });
    let (empty, full) = (record(kind, 0).0, record(kind, kind.recorded).0);
    let replayed = |count| {
        let dir = if count == 0 { &empty } else { &full };
        used_by(&["replay".into(), dir.path().join("recording").into()])
    };
    let each = measure(kind.recorded, &replayed);
    group.bench_function("replayed", |bencher| {
        bencher.iter_custom(|iterations| each(iterations, replayed(kind.recorded)));
    });
    group.finish();
}

fn record(kind: &Kind, count: usize) -> (TempDir, Duration) {
    let dir = TempDir::with_prefix("ftrun-bench-").expect("the temporary directory is writable");
    let recording = dir.path().join("recording");
    std::fs::create_dir(&recording).expect("our own directory");
    let mut words = vec!["record".into(), recording.into()];
    words.push(this_program());
    words.extend(guest_words(kind, count));
    let took = used_by(&words);
    (dir, took)
}

fn guest_words(kind: &Kind, count: usize) -> Vec<OsString> {
    let index = guest::KINDS
        .iter()
        .position(|other| other.name == kind.name)
        .expect("a kind of the list");
    vec![
        "guest".into(),
        index.to_string().into(),
        count.to_string().into(),
    ]
}

fn this_program() -> OsString {
    let path = std::env::current_exe().expect("Linux tells it");
    path.into_os_string()
}

/// The CPU time of all children that were waited for, and theirs.
fn children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it always can be asked");
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Runs this program with these arguments; the CPU time that it and its children used.
fn used_by(words: &[OsString]) -> Duration {
    let mut command = Command::new(this_program());
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let before = children();
    let status = command.status().expect("this program can be started");
    let took = children() - before;
    assert!(status.success(), "{words:?} ended with {status}");
    took
}
