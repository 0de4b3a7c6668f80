//! Programs that do something and end: how long they take.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::Options;
use crate::common::{Scratch, heavy, program};
use crate::measure::{Calls, Runner, WAYS, Way, median};
use crate::sources;

pub const NAMES: [&str; 5] = ["python", "gzip", "cp", "make", "make-parallel"];

/// What was measured of one job. Times in seconds, one for each round: by the clock, and of all
/// CPUs together.
pub struct Outcome {
    pub name: &'static str,
    pub title: String,
    pub times: [Vec<f64>; WAYS.len()],
    pub cpu_times: [Vec<f64>; WAYS.len()],
    pub replay: f64,
    pub journal_bytes: u64,
    pub kept_bytes: u64,
    pub peak_bytes: u64,
    pub calls: Calls,
}

impl Outcome {
    pub fn time(&self, way: Way) -> f64 {
        median(self.times[way as usize].iter().copied())
    }

    pub fn cpu_time(&self, way: Way) -> f64 {
        median(self.cpu_times[way as usize].iter().copied())
    }
}

struct Job {
    title: String,
    words: Vec<OsString>,
    /// What must be gone before each run.
    results: Vec<PathBuf>,
}

fn job(name: &str, scratch: &Scratch, options: &Options) -> Job {
    let words = |words: &[&str]| words.iter().map(OsString::from).collect();
    match name {
        "python" => {
            let python = program("python3").into_os_string();
            let mut all = vec![python];
            all.extend(["-c".into(), "import json, ssl, asyncio".into()]);
            Job {
                title: "python3: import json, ssl, asyncio".to_owned(),
                words: all,
                results: Vec::new(),
            }
        }
        "gzip" => {
            let bytes = options.pick(66_000_000, 8_000_000);
            scratch.write("text", sources::text(bytes));
            Job {
                title: format!("gzip of {} MB", bytes / 1_000_000),
                words: words(&["gzip", "-k", "text"]),
                results: vec![scratch.path("text.gz")],
            }
        }
        "cp" => {
            let (files, bytes) = options.pick((5000, 200_000_000), (500, 20_000_000));
            sources::tree(&scratch.dir("tree"), files, bytes);
            Job {
                title: format!("cp of {files} files, {} MB", bytes / 1_000_000),
                words: words(&["cp", "-r", "tree", "copy"]),
                results: vec![scratch.path("copy")],
            }
        }
        "make" | "make-parallel" => {
            let compilers = options.pick(200, 40);
            sources::project(&scratch.work(), compilers);
            let cpus = std::thread::available_parallelism().map_or(1, usize::from);
            let at_once = if name == "make" { 1 } else { cpus };
            Job {
                title: format!("make -j{at_once}, {compilers} compilers"),
                words: words(&["make", "-s", &format!("-j{at_once}")]),
                results: vec![scratch.path("out")],
            }
        }
        _ => panic!("no job is called {name}"),
    }
}

pub fn measure(name: &'static str, options: &Options) -> Outcome {
    let scratch = Scratch::new("bench");
    let job = job(name, &scratch, options);
    let mut words = job.words;
    words[0] = program(words[0].to_str().expect("a name")).into_os_string();
    let runner = Runner::new(&scratch, words, &scratch.work());
    let _turn = heavy();
    let mut outcome = Outcome {
        name,
        title: job.title,
        times: Default::default(),
        cpu_times: Default::default(),
        replay: f64::NAN,
        journal_bytes: 0,
        kept_bytes: 0,
        peak_bytes: 0,
        calls: Calls::default(),
    };
    // The first run fills the page cache and is not counted.
    let rounds = options.rounds(5, 3);
    clear(&job.results);
    runner.run(Way::Native);
    for round in 1..=rounds {
        eprintln!("workloads: {name}, round {round} of {rounds}");
        for way in options.ways(round) {
            clear(&job.results);
            let used = runner.run(way);
            outcome.times[way as usize].push(used.wall.as_secs_f64());
            outcome.cpu_times[way as usize].push(used.cpu.as_secs_f64());
            if way == Way::Recorded {
                outcome.peak_bytes = outcome.peak_bytes.max(used.peak_bytes);
                outcome.journal_bytes = runner.journal_bytes();
                outcome.kept_bytes = runner.kept_bytes();
            }
        }
    }
    if !outcome.times[Way::Recorded as usize].is_empty() {
        clear(&job.results);
        runner.run(Way::Recorded);
        outcome.calls = runner.calls();
        outcome.replay =
            median((0..options.rounds(3, 1)).map(|_| runner.replay().wall.as_secs_f64()));
    }
    outcome
}

fn clear(results: &[PathBuf]) {
    for path in results {
        if path.is_dir() {
            fs::remove_dir_all(path).expect("our own directory");
        } else {
            let _ = fs::remove_file(path);
        }
    }
}
