//! What the primary used, and what it says of itself.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::client::percentile;
use crate::common::nodes::{Net, Place};

/// CPU time of a process and of all that it is the parent or forefather of.
#[derive(Clone, Copy, Debug)]
pub struct Used(Duration);

impl Used {
    /// Up to now.
    pub fn by(pid: u32) -> Self {
        let parents = parents();
        let is_of = |mut one: u32| {
            while one != pid {
                match parents.get(&one) {
                    Some(parent) if *parent != 0 => one = *parent,
                    _ => return false,
                }
            }
            true
        };
        let of = parents.keys().copied().filter(|one| is_of(*one));
        Self(of.map(cpu).sum())
    }

    pub fn since(self, before: Self) -> Duration {
        self.0.saturating_sub(before.0)
    }
}

fn parents() -> HashMap<u32, u32> {
    let entries = fs::read_dir("/proc").expect("it is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may contain anything.
        let (_, rest) = stat.rsplit_once(')')?;
        Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
    };
    pids.filter_map(parent).collect()
}

/// What its threads ran, exact to the nanosecond.
fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let ran = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let tasks = tasks.into_iter().flatten().flatten();
    Duration::from_nanos(tasks.filter_map(ran).sum())
}

/// What the threads of a process and of its descendants used, by name: a tracer and what it
/// traces are told apart so.
pub fn by_thread(pid: u32) -> HashMap<String, (Duration, u64)> {
    let parents = parents();
    let mut all = HashMap::new();
    let mut pending = vec![pid];
    while let Some(pid) = pending.pop() {
        let children = parents.iter().filter(|(_, parent)| **parent == pid);
        pending.extend(children.map(|(child, _)| *child));
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let text = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let ran = text("schedstat");
            let ran = ran
                .split_whitespace()
                .next()
                .and_then(|ran| ran.parse().ok());
            let sleeps = text("status").lines().find_map(|line| {
                line.strip_prefix("voluntary_ctxt_switches:")?
                    .trim()
                    .parse()
                    .ok()
            });
            let entry: &mut (Duration, u64) =
                all.entry(text("comm").trim().to_owned()).or_default();
            entry.0 += Duration::from_nanos(ran.unwrap_or(0));
            entry.1 += sleeps.unwrap_or(0);
        }
    }
    all
}

/// What the primary's metrics are.
pub fn scrape(net: &Net, address: &str) -> String {
    let stream = net.within(Place::Primary, || TcpStream::connect(address));
    read(stream.expect("it listens"))
}

fn read(mut stream: TcpStream) -> String {
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
        .expect("it is there");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}

/// The value of one of them.
pub fn value(text: &str, name: &str) -> f64 {
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let found = found.unwrap_or_else(|| panic!("no {name} in {text}"));
    found.parse().expect("a number")
}

/// How far the replay was behind.
#[derive(Clone, Copy, Debug)]
pub struct Lag {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Looks at it while a load runs.
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<f64>>,
}

impl Watch {
    pub fn begin(net: &Net, address: &'static str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let inside = net.open(Place::Primary);
        let thread = std::thread::spawn(move || {
            inside.enter();
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let stream = TcpStream::connect(address).expect("it listens");
                seen.push(value(&read(stream), "ftrun_lag_seconds") * 1e3);
                std::thread::sleep(Duration::from_millis(10));
            }
            seen
        });
        Self { over, thread }
    }

    pub fn end(self) -> Lag {
        self.over.store(true, Ordering::Relaxed);
        let mut seen = self.thread.join().expect("it cannot panic");
        Lag {
            p50_ms: percentile(&mut seen, 50),
            p99_ms: percentile(&mut seen, 99),
        }
    }
}
