//! The tables for people, and JSON.

use std::fmt;
use std::fs;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::jobs;
use crate::measure::{WAYS, Way};
use crate::servers;

/// Above this load average figures are not worth keeping.
const LOAD_MAX: f64 = 1.5;

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
        "CPU time",
        "ratio",
        "journal",
        "kept",
        "replay/rec.",
        "supervisor",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for outcome in outcomes {
        for way in WAYS {
            let (time, cpu) = (outcome.time(way), outcome.cpu_time(way));
            let own = |text: String| {
                if way == Way::Recorded {
                    text
                } else {
                    String::new()
                }
            };
            rows.push(vec![
                if way == Way::Native {
                    outcome.title.clone()
                } else {
                    String::new()
                },
                name(way).to_owned(),
                seconds(time),
                ratio(time / outcome.time(Way::Native)),
                seconds(cpu),
                ratio(cpu / outcome.cpu_time(Way::Native)),
                own(bytes(outcome.journal_bytes)),
                own(bytes(outcome.kept_bytes)),
                own(ratio(outcome.replay / time)),
                own(bytes(outcome.peak_bytes)),
            ]);
        }
    }
    table(&rows)
}

pub fn servers(outcomes: &[servers::Outcome]) -> String {
    let head = [
        "server",
        "",
        "requests/s",
        "ratio",
        "p99",
        "CPU/request",
        "ratio",
        "journal/request",
        "replay/rec.",
        "supervisor",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for outcome in outcomes {
        let rate = |way| outcome.middle(way, |sample| sample.load.per_second);
        let cpu = |way| outcome.middle(way, |sample| sample.cpu_us_per_request);
        for way in WAYS {
            let own = |text: String| {
                if way == Way::Recorded {
                    text
                } else {
                    String::new()
                }
            };
            rows.push(vec![
                if way == Way::Native {
                    outcome.title.clone()
                } else {
                    String::new()
                },
                name(way).to_owned(),
                format!("{:.0}", rate(way)),
                ratio(rate(way) / rate(Way::Native)),
                format!("{:.2} ms", outcome.middle(way, |sample| sample.load.p99)),
                format!("{:.1} µs", cpu(way)),
                ratio(cpu(way) / cpu(Way::Native)),
                own(format!("{:.0} B", outcome.journal_bytes_per_request)),
                own(ratio(outcome.replay / outcome.recorded)),
                own(bytes(outcome.peak_bytes)),
            ]);
        }
    }
    table(&rows)
}

pub fn json(
    machine: &Machine,
    quick: bool,
    jobs: &[jobs::Outcome],
    servers: &[servers::Outcome],
) -> Value {
    let jobs: Vec<Value> = jobs
        .iter()
        .map(|outcome| {
            json!({
                "name": outcome.name,
                "title": outcome.title,
                "seconds": by_way(|way| json!(outcome.times[way as usize])),
                "cpu_seconds": by_way(|way| json!(outcome.cpu_times[way as usize])),
                "replay_seconds": outcome.replay,
                "journal_bytes": outcome.journal_bytes,
                "kept_bytes": outcome.kept_bytes,
                "supervisor_peak_bytes": outcome.peak_bytes,
            })
        })
        .collect();
    let servers: Vec<Value> = servers
        .iter()
        .map(|outcome| {
            let all = |way: Way, of: fn(&servers::Sample) -> f64| {
                json!(
                    outcome.samples[way as usize]
                        .iter()
                        .map(of)
                        .collect::<Vec<f64>>()
                )
            };
            json!({
                "name": outcome.name,
                "title": outcome.title,
                "requests_per_second": by_way(|way| all(way, |sample| sample.load.per_second)),
                "p99_ms": by_way(|way| all(way, |sample| sample.load.p99)),
                "cpu_us_per_request": by_way(|way| all(way, |sample| sample.cpu_us_per_request)),
                "journal_bytes_per_request": outcome.journal_bytes_per_request,
                "recorded_seconds": outcome.recorded,
                "replay_seconds": outcome.replay,
                "supervisor_peak_bytes": outcome.peak_bytes,
            })
        })
        .collect();
    json!({
        "unix_seconds": machine.unix_seconds,
        "kernel": machine.kernel,
        "cpu": machine.cpu,
        "cpus": machine.cpus,
        "load_average": machine.load,
        "quick": quick,
        "jobs": jobs,
        "servers": servers,
    })
}

fn by_way(of: impl Fn(Way) -> Value) -> Value {
    WAYS.iter()
        .map(|&way| (name(way).to_owned(), of(way)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

const fn name(way: Way) -> &'static str {
    match way {
        Way::Native => "native",
        Way::Recorded => "recorded",
        Way::Strace => "strace",
    }
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
