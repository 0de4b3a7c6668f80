//! What recording costs real programs: each is run as it is and under `ftrun`, in turns, in one
//! run on one machine; and once under `strace -f --seccomp-bpf`. `make bench` runs it.
//!
//! `cargo bench --bench workloads -- [--json FILE] [--rounds N] [--ways WAY,…] [NAME…]`;
//! `BENCH_QUICK=1` makes it short. docs/PERFORMANCE.md says how to read it.

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
#[path = "workloads/loops.rs"]
mod loops;
#[path = "workloads/measure.rs"]
mod measure;
#[path = "workloads/options.rs"]
mod options;
#[path = "workloads/report.rs"]
mod report;
#[path = "workloads/servers.rs"]
mod servers;
#[path = "workloads/sources.rs"]
mod sources;
#[path = "workloads/targets.rs"]
mod targets;

pub use options::Options;

fn main() {
    let all = [&jobs::NAMES[..], &servers::NAMES[..], &loops::NAMES[..]].concat();
    let options = Options::read(&all);
    let machine = report::Machine::describe();
    println!("{machine}");
    let jobs: Vec<jobs::Outcome> = options
        .wanted(&jobs::NAMES)
        .into_iter()
        .map(|name| jobs::measure(name, &options))
        .collect();
    print!("{}", report::jobs(&jobs));
    let servers: Vec<servers::Outcome> = options
        .wanted(&servers::NAMES)
        .into_iter()
        .map(|name| servers::measure(name, &options))
        .collect();
    print!("{}", report::servers(&servers));
    let loops: Vec<loops::Outcome> = options
        .wanted(&loops::NAMES)
        .into_iter()
        .map(|name| loops::measure(name, &options))
        .collect();
    print!("{}", report::loops(&loops));
    if let Some(path) = &options.json {
        let whole = report::json(&machine, options.quick, &jobs, &servers, &loops);
        std::fs::write(path, format!("{whole:#}\n")).expect("the file can be written");
        eprintln!("workloads: wrote {}", path.display());
    }
}
