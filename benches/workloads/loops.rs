//! One operation again and again: nanoseconds for each.
//!
//! As with servers, a small and a large number are run, and the difference is what the
//! additional operations cost.

use std::path::Path;

use crate::Options;
use crate::common::{Scratch, build_c, heavy};
use crate::measure::{Calls, Runner, WAYS, Way, median};

pub const NAMES: [&str; 3] = ["clock", "getpid", "switch"];

/// One measurement, in nanoseconds for each operation: by the clock, and of all CPUs together.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub wall: f64,
    pub cpu: f64,
}

/// What was measured of one operation.
pub struct Outcome {
    pub name: &'static str,
    pub title: &'static str,
    pub samples: [Vec<Sample>; WAYS.len()],
    pub journal_bytes_per_call: f64,
    /// Seconds of the large number: recorded, and replayed.
    pub recorded: f64,
    pub replay: f64,
    /// System calls for an operation: served, and stopped.
    pub calls_per_call: [f64; 2],
}

impl Outcome {
    pub fn middle(&self, way: Way, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples[way as usize].iter().map(of))
    }
}

pub fn measure(name: &'static str, options: &Options) -> Outcome {
    let scratch = Scratch::new("bench");
    let (title, few, many): (_, u32, u32) = match name {
        "clock" => ("clock_gettime (vDSO)", 50_000, 2_050_000),
        "getpid" => ("getpid", 20_000, 520_000),
        "switch" => (
            "a futex hand-over to another thread and back",
            1_000,
            26_000,
        ),
        _ => panic!("no loop is called {name}"),
    };
    let many = options.pick(many, few + (many - few) / 5);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/workloads/loops.c");
    let binary = build_c(&source, &[], &[]);
    let runner = |count: u32| {
        let words = [binary.clone().into(), name.into(), count.to_string().into()];
        // Threads have one CPU when recorded; two that hand over between CPUs do something else.
        Runner::new::<std::ffi::OsString>(&scratch, words, &scratch.work()).on_one_cpu()
    };
    let (small, large) = (runner(few), runner(many));
    let more = f64::from(many - few);
    let _turn = heavy();
    let mut outcome = Outcome {
        name,
        title,
        samples: Default::default(),
        journal_bytes_per_call: f64::NAN,
        recorded: f64::NAN,
        replay: f64::NAN,
        calls_per_call: [f64::NAN; 2],
    };
    let (mut recorded, mut replayed, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = options.rounds(5, 3);
    for round in 1..=rounds {
        eprintln!("workloads: {name}, round {round} of {rounds}");
        for way in options.ways(round) {
            let low = small.run(way);
            let bytes_low = small.journal_bytes();
            let first = way == Way::Recorded && round == 1;
            let calls_low = first.then(|| small.calls());
            let high = large.run(way);
            outcome.samples[way as usize].push(Sample {
                wall: (high.wall.as_secs_f64() - low.wall.as_secs_f64()) * 1e9 / more,
                cpu: (high.cpu.as_secs_f64() - low.cpu.as_secs_f64()) * 1e9 / more,
            });
            if let Some(less) = calls_low {
                outcome.calls_per_call = Calls::each(large.calls(), less, more);
            }
            if way == Way::Recorded {
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                bytes.push((large.journal_bytes() as f64 - bytes_low as f64) / more);
                recorded.push(high.wall.as_secs_f64());
                replayed.push(large.replay().wall.as_secs_f64());
            }
        }
    }
    outcome.journal_bytes_per_call = median(bytes);
    outcome.recorded = median(recorded);
    outcome.replay = median(replayed);
    outcome
}
