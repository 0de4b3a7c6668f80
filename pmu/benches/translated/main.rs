//! Programs natively and through the code cache, in turns: what the software counter costs.
//!
//! `cargo bench -p pmu --bench translated [-- [--libraries|--program|--low] [--register] command ...]`; without a
//! command, those that are there of a fixed list. Prints user CPU time; the supervisor's own work (translation,
//! exits) is not part of it, but exits are shown.
#![allow(clippy::print_stdout, reason = "that is what a benchmark is for")]
#![allow(clippy::unwrap_used, reason = "modules shared with the tests")]
#![allow(dead_code, reason = "modules shared with the tests")]

#[path = "../../tests/translate/exec.rs"]
mod exec;
#[path = "../../tests/translate/sys.rs"]
mod sys;
#[path = "../../tests/translate/work.rs"]
mod work;

use exec::Near;
use pmu::translate::{Counting, Options};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;

const ROUNDS: usize = 3;
const CODE_BYTES: u64 = 64 << 20;

fn main() {
    let mut near = Near::Libraries;
    let mut options = Options::default();
    let mut command: Vec<String> = std::env::args().skip(1).collect();
    command.retain(|argument| {
        match argument.as_str() {
            "--libraries" => near = Near::Libraries,
            "--program" => near = Near::Program,
            "--low" => near = Near::Low,
            "--register" => options.counting = Counting::Register,
            "--bench" => {}
            eager if eager.starts_with("--eager=") => {
                options.eager_blocks = eager[8..].parse().expect("a number");
            }
            _ => return true,
        }
        false
    });
    if !command.is_empty() {
        measure(&command, near, options);
        return;
    }
    let own = std::env::current_exe().expect("this program has a file");
    let own = own.to_string_lossy().into_owned();
    for line in USUAL {
        let command: Vec<String> = line.iter().map(|word| word.replace("OWN", &own)).collect();
        if std::path::Path::new(line[0]).exists() {
            measure(&command, near, options);
        } else {
            println!("{}: not here", line[0]);
        }
    }
}

/// Programs that are on most machines; OWN is this program's file, as input.
const USUAL: [&[&str]; 7] = [
    &[
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done",
    ],
    &["/usr/bin/gzip", "-c", "OWN"],
    &["/usr/bin/xz", "-3", "-c", "OWN"],
    &["/usr/bin/bzip2", "-c", "OWN"],
    &["/usr/bin/openssl", "dgst", "-sha256", "OWN"],
    &[
        "/usr/bin/sqlite3",
        ":memory:",
        "with recursive n(i) as (select 1 union all select i+1 from n where i<1000000) \
         select count(*), sum(i*i%7), max(i||'x') from n",
    ],
    &[
        "/usr/bin/python3",
        "-S",
        "-E",
        "-c",
        "def f(n): return n if n<2 else f(n-1)+f(n-2)\nprint(f(24), sum(i*i%7 for i in range(1000000)))",
    ],
];

fn measure(command: &[String], near: Near, options: Options) {
    let arguments: Vec<CString> = command
        .iter()
        .map(|argument| CString::new(argument.as_str()).expect("no zero byte"))
        .collect();
    let sink = File::create("/dev/null").expect("there is one");
    let (mut native, mut translated, mut supervisor) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..ROUNDS {
        native.push(exec::native(&arguments, sink.as_raw_fd()).1);
        let before = sys::thread_cpu_ns();
        let outcome = exec::translated(&arguments, sink.as_raw_fd(), CODE_BYTES, near, options);
        supervisor.push(sys::thread_cpu_ns() - before);
        translated.push(outcome.user_ns);
        last = Some(outcome);
    }
    let best = |times: &[u64]| times.iter().copied().min().unwrap_or(0) as f64 / 1e9;
    let (native, translated) = (best(&native), best(&translated));
    println!(
        "{command:?}: native {native:.3} s, translated {translated:.3} s, {:.2} x",
        translated / native
    );
    println!("supervisor {:.3} s; {last:?}", best(&supervisor));
}
