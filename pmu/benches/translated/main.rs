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
    measure(&command, near, options);
}

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
