//! What recording costs real programs: each is run as it is, under `ftrun`, and under
//! `strace -f --seccomp-bpf`, in turns, in one run on one machine. `make bench` runs it.
//!
//! `cargo bench --bench workloads -- [--json FILE] [--rounds N] [NAME…]`; `BENCH_QUICK=1`
//! makes it short. docs/PERFORMANCE.md says how to read it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a report for people"
)]
#![allow(missing_docs, reason = "nobody calls it")]

#[path = "../tests/common/mod.rs"]
mod common;

#[path = "workloads/jobs.rs"]
mod jobs;
#[path = "workloads/measure.rs"]
mod measure;
#[path = "workloads/report.rs"]
mod report;
#[path = "workloads/servers.rs"]
mod servers;
#[path = "workloads/sources.rs"]
mod sources;

use std::path::PathBuf;

/// What was asked for.
pub struct Options {
    /// Smaller amounts and fewer rounds.
    pub quick: bool,
    rounds: Option<usize>,
    names: Vec<String>,
    json: Option<PathBuf>,
}

impl Options {
    fn read() -> Options {
        let quick = std::env::var_os("BENCH_QUICK").is_some_and(|value| value != "0");
        let mut options = Options {
            quick,
            rounds: None,
            names: Vec::new(),
            json: std::env::var_os("BENCH_JSON").map(PathBuf::from),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // From cargo.
                "--bench" => {}
                "--json" => options.json = Some(args.next().expect("--json FILE").into()),
                "--rounds" => {
                    let count = args.next().and_then(|text| text.parse().ok());
                    options.rounds = Some(count.expect("--rounds NUMBER"));
                }
                _ => options.names.push(arg),
            }
        }
        options
    }

    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        let usual = if self.quick { quick } else { full };
        self.rounds.unwrap_or(usual).max(1)
    }

    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| name.contains(wanted))
    }
}

fn main() {
    let options = Options::read();
    let machine = report::Machine::describe();
    println!("{machine}");
    let jobs: Vec<jobs::Outcome> = jobs::NAMES
        .iter()
        .filter(|name| options.wants(name))
        .map(|name| jobs::measure(name, &options))
        .collect();
    print!("{}", report::jobs(&jobs));
    let servers: Vec<servers::Outcome> = servers::NAMES
        .iter()
        .filter(|name| options.wants(name))
        .map(|name| servers::measure(name, &options))
        .collect();
    print!("{}", report::servers(&servers));
    if let Some(path) = &options.json {
        let whole = report::json(&machine, options.quick, &jobs, &servers);
        std::fs::write(path, format!("{whole:#}\n")).expect("the file can be written");
        eprintln!("workloads: wrote {}", path.display());
    }
}
