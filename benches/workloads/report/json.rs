//! The report for programs: every single figure, not only the medians.

use serde_json::{Map, Value, json};

use crate::jobs;
use crate::loops;
use crate::measure::{WAYS, Way};
use crate::servers;
use crate::targets;

use super::Machine;

pub fn json(
    machine: &Machine,
    quick: bool,
    jobs: &[jobs::Outcome],
    servers: &[servers::Outcome],
    loops: &[loops::Outcome],
) -> Value {
    json!({
        "unix_seconds": machine.unix_seconds,
        "kernel": machine.kernel,
        "cpu": machine.cpu,
        "cpus": machine.cpus,
        "load_average": machine.load,
        "quick": quick,
        "jobs": jobs.iter().map(job).collect::<Vec<_>>(),
        "servers": servers.iter().map(server).collect::<Vec<_>>(),
        "loops": loops.iter().map(operation).collect::<Vec<_>>(),
    })
}

fn job(outcome: &jobs::Outcome) -> Value {
    json!({
        "name": outcome.name,
        "title": outcome.title,
        "seconds": by_way(&outcome.times, |time| *time),
        "cpu_seconds": by_way(&outcome.cpu_times, |time| *time),
        "ratio": outcome.time(Way::Recorded) / outcome.time(Way::Native),
        "ratio_max": targets::of(outcome.name).cost_max,
        "replay_seconds": outcome.replay,
        "calls_served": outcome.calls.served,
        "calls_stopped": outcome.calls.stopped,
        "journal_bytes": outcome.journal_bytes,
        "kept_bytes": outcome.kept_bytes,
        "supervisor_peak_bytes": outcome.peak_bytes,
    })
}

fn server(outcome: &servers::Outcome) -> Value {
    let ratio = |of: fn(&servers::Sample) -> f64| {
        outcome.middle(Way::Recorded, of) / outcome.middle(Way::Native, of)
    };
    let target = targets::of(outcome.name);
    json!({
        "name": outcome.name,
        "title": outcome.title,
        "requests_per_second": by_way(&outcome.samples, |sample| sample.load.per_second),
        "p99_ms": by_way(&outcome.samples, |sample| sample.load.p99),
        "cpu_us_per_request": by_way(&outcome.samples, |sample| sample.cpu_us_per_request),
        "ratio": ratio(|sample| sample.cpu_us_per_request),
        "ratio_max": target.cost_max,
        "throughput_ratio": ratio(|sample| sample.load.per_second),
        "throughput_ratio_min": target.throughput_min,
        "served_per_request": outcome.calls_per_request[0],
        "stopped_per_request": outcome.calls_per_request[1],
        "journal_bytes_per_request": outcome.journal_bytes_per_request,
        "recorded_seconds": outcome.recorded,
        "replay_seconds": outcome.replay,
        "supervisor_peak_bytes": outcome.peak_bytes,
    })
}

fn operation(outcome: &loops::Outcome) -> Value {
    let cpu = |way| outcome.middle(way, |sample| sample.cpu);
    json!({
        "name": outcome.name,
        "title": outcome.title,
        "ns_per_call": by_way(&outcome.samples, |sample| sample.wall),
        "cpu_ns_per_call": by_way(&outcome.samples, |sample| sample.cpu),
        "ratio": cpu(Way::Recorded) / cpu(Way::Native),
        "ratio_max": targets::of(outcome.name).cost_max,
        "served_per_call": outcome.calls_per_call[0],
        "stopped_per_call": outcome.calls_per_call[1],
        "journal_bytes_per_call": outcome.journal_bytes_per_call,
        "recorded_seconds": outcome.recorded,
        "replay_seconds": outcome.replay,
    })
}

/// One figure of each round, for every way.
fn by_way<T>(samples: &[Vec<T>; WAYS.len()], of: impl Fn(&T) -> f64) -> Value {
    let all = |way: Way| samples[way as usize].iter().map(&of).collect::<Vec<f64>>();
    let named = super::run(samples).map(|way| (way.name().to_owned(), json!(all(way))));
    named.collect::<Map<_, _>>().into()
}
