//! The tables for people: what was measured, and beside it what it is to be.

use std::fmt;
use std::fs;
use std::time::UNIX_EPOCH;

use crate::jobs;
use crate::loops;
use crate::measure::{WAYS, Way};
use crate::servers;
use crate::targets;

#[path = "report/json.rs"]
mod json;

pub use json::json;

/// Above this load average figures are not worth keeping.
const LOAD_MAX: f64 = 1.5;
/// What counting in software may cost those that compute, as the geometric mean.
const COUNTING_MAX: f64 = 1.8;

/// Where and when.
pub struct Machine {
    unix_seconds: u64,
    kernel: String,
    cpu: String,
    cpus: usize,
    load: f64,
}

impl Machine {
    pub fn describe() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let name = info
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let name = name.and_then(|rest| rest.split_once(':'));
        let load = read("/proc/loadavg");
        Machine {
            unix_seconds: UNIX_EPOCH.elapsed().map_or(0, |age| age.as_secs()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu: name.map_or_else(String::new, |(_, name)| name.trim().to_owned()),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            load: load
                .split(' ')
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(f64::NAN),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Linux {}, {}, {} CPUs, load average {:.2}",
            self.kernel, self.cpu, self.cpus, self.load
        )?;
        if self.load > LOAD_MAX {
            writeln!(
                f,
                "The machine is not idle: these figures are not worth keeping."
            )?;
        }
        Ok(())
    }
}

pub fn jobs(outcomes: &[jobs::Outcome]) -> String {
    let head = [
        "job",
        "",
        "time",
        "ratio",
        "target",
        "CPU time",
        "ratio",
        "served",
        "stopped",
        "journal",
        "kept",
        "replay/rec.",
        "supervisor",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for outcome in outcomes {
        let target = targets::of(outcome.name);
        for way in run(&outcome.times) {
            let (time, cpu) = (outcome.time(way), outcome.cpu_time(way));
            let own = own_of(way);
            let target = match way {
                Way::Recorded => bound("≤", target.cost_max),
                Way::Software => bound("≤", target.software_max),
                _ => String::new(),
            };
            rows.push(vec![
                title(way, &outcome.title),
                way.name().to_owned(),
                seconds(time),
                ratio(time / outcome.time(Way::Native)),
                target,
                seconds(cpu),
                ratio(cpu / outcome.cpu_time(Way::Native)),
                own(outcome.calls.served.to_string()),
                own(outcome.calls.stopped.to_string()),
                own(bytes(outcome.journal_bytes)),
                own(bytes(outcome.kept_bytes)),
                own(ratio(outcome.replay / time)),
                own(bytes(outcome.peak_bytes)),
            ]);
        }
    }
    table(&rows) + &counting(outcomes)
}

/// What counting in software costs those that compute.
fn counting(outcomes: &[jobs::Outcome]) -> String {
    let ratio_of =
        |outcome: &jobs::Outcome| outcome.time(Way::Software) / outcome.time(Way::Native);
    let ratios: Vec<f64> = outcomes
        .iter()
        .filter(|outcome| jobs::COMPUTING.contains(&outcome.name))
        .map(ratio_of)
        .filter(|ratio| ratio.is_finite())
        .collect();
    if ratios.is_empty() {
        return String::new();
    }
    let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let mean = (sum / ratios.len() as f64).exp();
    format!(
        "\nCounted in software: geometric mean of {} that compute: {} (target ≤ {COUNTING_MAX})\n",
        ratios.len(),
        ratio(mean)
    )
}

pub fn servers(outcomes: &[servers::Outcome]) -> String {
    let head = [
        "server",
        "",
        "requests/s",
        "ratio",
        "target",
        "p99",
        "CPU/request",
        "ratio",
        "target",
        "served",
        "stopped",
        "journal/request",
        "replay/rec.",
        "supervisor",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for outcome in outcomes {
        let target = targets::of(outcome.name);
        let rate = |way| outcome.middle(way, |sample| sample.load.per_second);
        let cpu = |way| outcome.middle(way, |sample| sample.cpu_us_per_request);
        for way in run(&outcome.samples) {
            let own = own_of(way);
            rows.push(vec![
                title(way, &outcome.title),
                way.name().to_owned(),
                format!("{:.0}", rate(way)),
                ratio(rate(way) / rate(Way::Native)),
                own(bound("≥", target.throughput_min)),
                format!("{:.2} ms", outcome.middle(way, |sample| sample.load.p99)),
                format!("{:.1} µs", cpu(way)),
                ratio(cpu(way) / cpu(Way::Native)),
                own(bound("≤", target.cost_max)),
                own(format!("{:.2}", outcome.calls_per_request[0])),
                own(format!("{:.2}", outcome.calls_per_request[1])),
                own(format!("{:.0} B", outcome.journal_bytes_per_request)),
                own(ratio(outcome.replay / outcome.recorded)),
                own(bytes(outcome.peak_bytes)),
            ]);
        }
    }
    table(&rows)
}

pub fn loops(outcomes: &[loops::Outcome]) -> String {
    let head = [
        "operation",
        "",
        "time",
        "ratio",
        "CPU time",
        "ratio",
        "target",
        "served",
        "stopped",
        "journal",
        "replay/rec.",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for outcome in outcomes {
        let target = targets::of(outcome.name);
        let wall = |way| outcome.middle(way, |sample| sample.wall);
        let cpu = |way| outcome.middle(way, |sample| sample.cpu);
        for way in run(&outcome.samples) {
            let own = own_of(way);
            rows.push(vec![
                title(way, outcome.title),
                way.name().to_owned(),
                format!("{:.0} ns", wall(way)),
                ratio(wall(way) / wall(Way::Native)),
                format!("{:.0} ns", cpu(way)),
                ratio(cpu(way) / cpu(Way::Native)),
                own(bound("≤", target.cost_max)),
                own(format!("{:.2}", outcome.calls_per_call[0])),
                own(format!("{:.2}", outcome.calls_per_call[1])),
                own(format!("{:.1} B", outcome.journal_bytes_per_call)),
                own(ratio(outcome.replay / outcome.recorded)),
            ]);
        }
    }
    table(&rows)
}

/// The ways in which it was run.
fn run<T>(samples: &[Vec<T>; WAYS.len()]) -> impl Iterator<Item = Way> {
    WAYS.into_iter()
        .filter(|&way| !samples[way as usize].is_empty())
}

/// Once for each workload.
fn title(way: Way, text: &str) -> String {
    if way == Way::Native {
        text.to_owned()
    } else {
        String::new()
    }
}

/// What is known of the recording with the default settings only.
fn own_of(way: Way) -> impl Fn(String) -> String {
    move |text| {
        if way == Way::Recorded {
            text
        } else {
            String::new()
        }
    }
}

fn bound(sign: &str, value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{sign} {value:.2}"))
}

fn seconds(value: f64) -> String {
    format!("{value:.3} s")
}

fn ratio(value: f64) -> String {
    format!("× {value:.2}")
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn bytes(count: u64) -> String {
    format!("{:.1} MB", count as f64 / 1e6)
}

/// The first column to the left, the others to the right.
fn table(rows: &[Vec<String>]) -> String {
    if rows.len() < 2 {
        return String::new();
    }
    let columns = rows[0].len();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::from("\n");
    for row in rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
