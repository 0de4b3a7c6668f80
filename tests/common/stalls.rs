//! How long threads of this machine stood still that had nothing to wait for, for tests that such a time may
//! have disturbed, and their messages.

use std::collections::HashMap;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const LOOK: Duration = Duration::from_millis(10);
/// Ordinary scheduling is less. Many short times together are as bad as a long one.
const WORTH_TELLING: Duration = Duration::from_millis(20);
const TOLD_MAX: usize = 30;

static WATCH: Once = Once::new();
static SEEN: Mutex<Vec<Stall>> = Mutex::new(Vec::new());

struct Stall {
    cpu: usize,
    took: Duration,
    ended: Instant,
}

/// Watches from now on, to the end of the process: every CPU, since one may stand still alone.
pub fn watch() {
    WATCH.call_once(|| {
        let ours = sched_getaffinity(Pid::from_raw(0)).expect("every thread has CPUs");
        let ours = (0..CpuSet::count()).filter(|cpu| ours.is_set(*cpu).unwrap_or(false));
        for cpu in ours {
            std::thread::spawn(move || watch_cpu(cpu));
        }
    });
}

fn watch_cpu(cpu: usize) {
    let mut only = CpuSet::new();
    let pinned = only
        .set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
    pinned.expect("one of ours");
    loop {
        let before = Instant::now();
        std::thread::sleep(LOOK);
        let took = before.elapsed().saturating_sub(LOOK);
        if took > WORTH_TELLING {
            let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = Instant::now();
            seen.push(Stall { cpu, took, ended });
        }
    }
}

/// How long all of it was that was seen since then, on the CPU where it was longest.
pub fn since(then: Instant) -> Duration {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stood: HashMap<usize, Duration> = HashMap::new();
    for stall in seen.iter().filter(|stall| stall.ended >= then) {
        *stood.entry(stall.cpu).or_default() += stall.took;
    }
    stood.into_values().max().unwrap_or_default()
}

/// What was seen last, the latest last.
pub fn seen() -> String {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.is_empty() {
        return "none".to_owned();
    }
    let tell = |stall: &Stall| {
        let ago = stall.ended.elapsed().as_millis();
        format!(
            "{} ms on CPU {}, {ago} ms ago",
            stall.took.as_millis(),
            stall.cpu
        )
    };
    let last = &seen[seen.len().saturating_sub(TOLD_MAX)..];
    last.iter().map(tell).collect::<Vec<_>>().join("; ")
}
