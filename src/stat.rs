//! `ftrun stat`.

use crate::cli::{EventKind, StatArgs};
use crate::describe::{self, Owner};
use crate::meta::{LeftSite, Meta, Served};
use crate::output::{self, Stdout, Table};
use crate::scan::{self, Scanned, StateName};
use journal::{Event, Reader, Tid};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::ExitCode;
use tracer::record::is_error;

/// Lines for the seconds of a recording; a longer one has several seconds a line.
const SECOND_ROWS_MAX: u64 = 60;
const NS: u64 = 1_000_000_000;

/// Events, and the bytes of their records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Count {
    events: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

/// A syscall's share.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Calls {
    calls: u64,
    errors: u64,
    /// Of its events, and of the data sent ahead of them.
    bytes: u64,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Counts {
    all: Count,
    kinds: BTreeMap<EventKind, Count>,
    threads: BTreeMap<Tid, Count>,
    syscalls: BTreeMap<u32, Calls>,
    seconds: BTreeMap<u64, Count>,
    owner: Owner,
    /// The syscalls that threads are in.
    entered: HashMap<Tid, u32>,
    /// Bytes sent ahead of a thread's next syscall.
    ahead: HashMap<Tid, u64>,
    started_ns: u64,
    now_ns: u64,
}

impl Counts {
    /// Nothing yet of a recording that began then.
    pub fn new(started_ns: u64) -> Self {
        Self {
            all: Count::default(),
            kinds: BTreeMap::new(),
            threads: BTreeMap::new(),
            syscalls: BTreeMap::new(),
            seconds: BTreeMap::new(),
            owner: Owner::default(),
            entered: HashMap::new(),
            ahead: HashMap::new(),
            started_ns,
            now_ns: started_ns,
        }
    }

    /// Takes the next event, whose record has so many bytes.
    pub fn event(&mut self, event: &Event<'_>, bytes: usize) {
        let bytes = bytes as u64;
        let one = Count { events: 1, bytes };
        if let Event::Time(ns) = event {
            self.now_ns = *ns;
        }
        let second = self.now_ns.saturating_sub(self.started_ns) / NS;
        self.all.add(one);
        self.kinds
            .entry(describe::kind(event))
            .or_default()
            .add(one);
        self.seconds.entry(second).or_default().add(one);
        let Some(tid) = self.owner.of(event) else {
            return;
        };
        self.threads.entry(tid).or_default().add(one);
        self.syscall(tid, event, bytes);
    }

    fn syscall(&mut self, tid: Tid, event: &Event<'_>, bytes: u64) {
        let (nr, result, calls) = match event {
            Event::Data(_) => {
                *self.ahead.entry(tid).or_default() += bytes;
                return;
            }
            Event::Enter(enter) => {
                self.entered.insert(tid, enter.nr);
                (enter.nr, None, 1)
            }
            Event::Syscall(enter, leave) => (enter.nr, Some(leave.result), 1),
            Event::Leave(leave) => {
                // A thread that replaced the program may have taken over another's id.
                let former = leave.effects.iter().find_map(|effect| match effect {
                    journal::Effect::Exec(exec) => Some(exec.former),
                    _ => None,
                });
                match self.entered.remove(&former.unwrap_or(tid)) {
                    Some(nr) => (nr, Some(leave.result), 0),
                    None => return,
                }
            }
            _ => return,
        };
        let counted = self.syscalls.entry(nr).or_default();
        counted.calls += calls;
        counted.bytes += bytes;
        if let Some(result) = result {
            counted.errors += u64::from(is_error(result));
            counted.bytes += self.ahead.remove(&tid).unwrap_or(0);
        }
    }

    fn duration_ns(&self) -> u64 {
        self.now_ns.saturating_sub(self.started_ns)
    }
}

/// The counts, for JSON.
#[derive(Debug, Serialize)]
struct Report {
    recording: String,
    state: StateName,
    reason: Option<String>,
    events: u64,
    bytes: u64,
    journal_bytes: u64,
    duration_ns: u64,
    by_kind: Vec<KindRow>,
    by_thread: Vec<ThreadRow>,
    by_syscall: Vec<SyscallRow>,
    by_second: Vec<SecondRow>,
    /// Absent where the recording's end did not come.
    sites: Option<Sites>,
}

/// Places with a syscall that were met often enough to be rewritten.
#[derive(Debug, Serialize)]
struct Sites {
    rewritten: u64,
    left: Vec<LeftSite>,
    /// How many more were left.
    unnamed: u64,
}

#[derive(Debug, Serialize)]
struct KindRow {
    kind: EventKind,
    #[serde(flatten)]
    count: Count,
}

#[derive(Debug, Serialize)]
struct ThreadRow {
    thread: i32,
    #[serde(flatten)]
    count: Count,
}

#[derive(Debug, Serialize)]
struct SyscallRow {
    syscall: String,
    #[serde(flatten)]
    calls: Calls,
    /// Calls that did not stop; absent as `sites` is.
    served: Option<u64>,
    /// Calls that did.
    stopped: Option<u64>,
}

#[derive(Debug, Serialize)]
struct SecondRow {
    second: u64,
    #[serde(flatten)]
    count: Count,
}

/// Counts.
pub fn run(args: &StatArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let mut counts = Counts::new(Reader::open(&dir)?.header().created_unix_ns);
    let scanned = scan::scan(&dir, "reading the journal", |event, bytes| {
        counts.event(event, bytes);
    })?;
    let served = Meta::read(&dir).and_then(|meta| meta.served);
    let report = report(&dir, &scanned, &counts, served);
    if args.json.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(scan::conclude(&scanned.state))
}

fn report(dir: &Path, scanned: &Scanned, counts: &Counts, served: Option<Served>) -> Report {
    let of_calls = |name: &str, calls: &Calls| {
        let served = served.as_ref()?.calls.get(name).copied().unwrap_or(0);
        Some((served, calls.calls.saturating_sub(served)))
    };
    let mut by_syscall: Vec<SyscallRow> = counts
        .syscalls
        .iter()
        .map(|(&nr, &calls)| {
            let syscall = describe::syscall(nr);
            let (served, stopped) = of_calls(&syscall, &calls).unzip();
            SyscallRow {
                syscall,
                calls,
                served,
                stopped,
            }
        })
        .collect();
    by_syscall.sort_by(|a, b| (b.calls.calls, &a.syscall).cmp(&(a.calls.calls, &b.syscall)));
    Report {
        recording: output::lossy(dir),
        state: scanned.state.name(),
        reason: scanned.state.reason().map(str::to_owned),
        events: counts.all.events,
        bytes: counts.all.bytes,
        journal_bytes: scanned.bytes,
        duration_ns: counts.duration_ns(),
        by_kind: counts
            .kinds
            .iter()
            .map(|(&kind, &count)| KindRow { kind, count })
            .collect(),
        by_thread: counts
            .threads
            .iter()
            .map(|(tid, &count)| ThreadRow {
                thread: tid.0,
                count,
            })
            .collect(),
        by_syscall,
        by_second: counts
            .seconds
            .iter()
            .map(|(&second, &count)| SecondRow { second, count })
            .collect(),
        sites: served.map(|served| Sites {
            rewritten: served.sites_rewritten,
            left: served.sites_left,
            unnamed: served.sites_unnamed,
        }),
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = Stdout::lock();
    out.line(&format!(
        "{} in {}: {}, {} compressed",
        output::plural(report.events, "event"),
        output::span(report.duration_ns),
        output::size(report.bytes),
        output::size(report.journal_bytes),
    ))?;
    out.line("")?;
    const COUNT: &[bool] = &[false, true, true, true];
    let cells = |name: String, count: Count| {
        let share = percent(count.bytes, report.bytes);
        vec![
            name,
            count.events.to_string(),
            output::size(count.bytes),
            share,
        ]
    };
    let mut table = Table::new(&["KIND", "EVENTS", "BYTES", "SHARE"], COUNT);
    for row in &report.by_kind {
        table.row(cells(describe::kind_name(row.kind), row.count));
    }
    table.print(&mut out)?;
    out.line("")?;
    let mut table = Table::new(&["THREAD", "EVENTS", "BYTES", "SHARE"], COUNT);
    for row in &report.by_thread {
        table.row(cells(row.thread.to_string(), row.count));
    }
    table.print(&mut out)?;
    out.line("")?;
    let mut table = Table::new(
        &[
            "SYSCALL", "CALLS", "SERVED", "STOPPED", "ERRORS", "BYTES", "SHARE",
        ],
        &[false, true, true, true, true, true, true],
    );
    for row in &report.by_syscall {
        table.row(vec![
            row.syscall.clone(),
            row.calls.calls.to_string(),
            known(row.served),
            known(row.stopped),
            row.calls.errors.to_string(),
            output::size(row.calls.bytes),
            percent(row.calls.bytes, report.bytes),
        ]);
    }
    table.print(&mut out)?;
    out.line("")?;
    let mut table = Table::new(&["SECOND", "EVENTS", "BYTES", "SHARE"], COUNT);
    for (second, count) in condensed(&report.by_second) {
        table.row(cells(second.to_string(), count));
    }
    table.print(&mut out)?;
    if let Some(sites) = &report.sites {
        print_sites(&mut out, sites)?;
    }
    out.flush()
}

fn known(count: Option<u64>) -> String {
    count.map_or_else(|| "?".to_owned(), |count| count.to_string())
}

fn print_sites(out: &mut Stdout, sites: &Sites) -> anyhow::Result<()> {
    out.line("")?;
    out.line(&format!(
        "{} rewritten so that syscalls are served, {} left as they are",
        output::plural(sites.rewritten, "site"),
        sites.left.len() as u64 + sites.unnamed,
    ))?;
    if sites.left.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["SITE", "PROGRAMS", "WHY"], &[false, true, false]);
    for site in &sites.left {
        table.row(vec![
            site.at.clone(),
            site.times.to_string(),
            site.why.clone(),
        ]);
    }
    table.print(out)?;
    if sites.unnamed > 0 {
        out.line(&format!("and {} more", sites.unnamed))?;
    }
    Ok(())
}

/// At most [`SECOND_ROWS_MAX`] spans of equal length, with the second that each begins with.
fn condensed(seconds: &[SecondRow]) -> BTreeMap<u64, Count> {
    let last = seconds.iter().map(|row| row.second).max().unwrap_or(0);
    let span = (last / SECOND_ROWS_MAX) + 1;
    let mut rows: BTreeMap<u64, Count> = BTreeMap::new();
    for row in seconds {
        rows.entry(row.second / span * span)
            .or_default()
            .add(row.count);
    }
    rows
}

fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{}%", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recordings_have_few_lines() {
        let one = Count {
            events: 1,
            bytes: 10,
        };
        let rows = |seconds: &[u64]| -> Vec<(u64, u64)> {
            let seconds: Vec<SecondRow> = seconds
                .iter()
                .map(|&second| SecondRow { second, count: one })
                .collect();
            let rows = condensed(&seconds).into_iter();
            rows.map(|(second, count)| (second, count.events)).collect()
        };
        assert_eq!(rows(&[0, 1, 59]), [(0, 1), (1, 1), (59, 1)]);
        assert_eq!(rows(&[0, 1, 60, 119]), [(0, 2), (60, 1), (118, 1)]);
        assert_eq!(rows(&[u64::MAX / NS]).len(), 1);
        assert_eq!(rows(&[]), []);
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(0, 0), "0.0%");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0%");
    }
}
