//! Programs that do something and end: how long they take.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Options;
use crate::common::{Scratch, build_c, heavy, program};
use crate::measure::{Calls, Runner, WAYS, Way, median};
use crate::sources;

pub const NAMES: [&str; 11] = [
    "python",
    "quicksort",
    "gzip",
    "xz",
    "bzip2",
    "sqlite",
    "python-loop",
    "sha256",
    "cp",
    "make",
    "make-parallel",
];
/// Those that do nothing but compute.
pub const COMPUTING: [&str; 7] = [
    "quicksort",
    "gzip",
    "xz",
    "bzip2",
    "sqlite",
    "python-loop",
    "sha256",
];

/// Whether a job is there to see what counting in software costs: those, and a start.
pub fn is_counted(name: &str) -> bool {
    name == "python" || COMPUTING.contains(&name)
}

/// For `sqlite3`: inserts, an index, and queries with and without it.
fn statements(rows: usize) -> String {
    format!(
        "create table t (a integer primary key, b integer, c text);\n\
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})\n\
         insert into t select i, (i * 7919) % 100003, printf('%08x-%d', i * 2654435761, i) from n;\n\
         create index b on t (b);\n\
         select count(*), sum(b), max(c) from t where c like '%77%';\n\
         select count(*) from t x join t y on x.b = y.b where x.a < {rows} / 10;\n\
         update t set c = upper(c) where b % 3 = 0;\n\
         select sum(length(c)), group_concat(substr(c, 1, 1), '') from t where a % 1000 = 0;\n"
    )
}

/// For `python3`: arithmetic, calls, lists and dictionaries.
const LOOP: &str = "
import sys
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def run(times):
    total, seen = 0, {}
    for i in range(times * 100000):
        total = (total * 31 + i) % 1000003
        seen[total % 1000] = seen.get(total % 1000, 0) + 1
    words = sorted(str(i * 7919 % 100003) for i in range(times * 10000))
    return total, len(seen), words[len(words) // 2], fib(20 + times // 4)
print(run(int(sys.argv[1])))
";

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
        "quicksort" => {
            let source =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/workloads/quicksort.c");
            let built = build_c(&source, &[], &[]);
            let times = options.pick("12", "2");
            let mut all = vec![built.into_os_string()];
            all.extend(["2000000".into(), times.into()]);
            Job {
                title: format!("quicksort of 2,000,000 numbers, {times} times"),
                words: all,
                results: Vec::new(),
            }
        }
        "xz" | "bzip2" => {
            let bytes = match name {
                "xz" => options.pick(4_000_000, 1_000_000),
                _ => options.pick(40_000_000, 4_000_000),
            };
            scratch.write("text", sources::text(bytes));
            let level = if name == "xz" { "-3" } else { "-9" };
            let ending = if name == "xz" { "xz" } else { "bz2" };
            Job {
                title: format!("{name} {level} of {} MB", bytes / 1_000_000),
                words: words(&[name, "-k", level, "text"]),
                results: vec![scratch.path(&format!("text.{ending}"))],
            }
        }
        "sqlite" => {
            let rows = options.pick(1_000_000, 100_000);
            scratch.write("statements", statements(rows));
            Job {
                title: format!("sqlite3: {rows} rows, an index, queries"),
                words: words(&["sqlite3", ":memory:", ".read statements"]),
                results: Vec::new(),
            }
        }
        "python-loop" => {
            scratch.write("loop.py", LOOP);
            let times = options.pick("40", "8");
            Job {
                title: "python3: loops, calls, lists".to_owned(),
                words: words(&["python3", "loop.py", times]),
                results: Vec::new(),
            }
        }
        "sha256" => {
            let bytes = options.pick(800_000_000, 100_000_000);
            let text = sources::text(bytes / 10).repeat(10);
            scratch.write("text", text);
            Job {
                title: format!("openssl sha256 of {} MB", bytes / 1_000_000),
                words: words(&["openssl", "dgst", "-sha256", "text"]),
                results: Vec::new(),
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
    if !Path::new(&words[0]).is_absolute() {
        words[0] = program(words[0].to_str().expect("a name")).into_os_string();
    }
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
    let (aside, mut number) = (scratch.dir("aside"), 0);
    let mut clear = || put_aside(&job.results, &aside, &mut number);
    clear();
    runner.run(Way::Native);
    for round in 1..=rounds {
        eprintln!("workloads: {name}, round {round} of {rounds}");
        let ways = if is_counted(name) {
            options.ways_counted(round)
        } else {
            options.ways(round)
        };
        for way in ways {
            clear();
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
        clear();
        runner.run(Way::Recorded);
        outcome.calls = runner.calls();
        outcome.replay =
            median((0..options.rounds(3, 1)).map(|_| runner.replay().wall.as_secs_f64()));
    }
    outcome
}

/// Puts aside what a run has made. Nothing is removed before the end: a filesystem does not use again at once what was
/// removed (ext4 looks for other inodes, for seconds), and the next run would pay for that.
fn put_aside(results: &[PathBuf], aside: &Path, number: &mut u32) {
    for path in results {
        let to = aside.join(number.to_string());
        match fs::rename(path, to) {
            Ok(()) => *number += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{}", path.display()),
        }
    }
}
