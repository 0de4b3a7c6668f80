//! `ftrun ps`.

use crate::cli::PsArgs;
use crate::output::{self, Ending, Stdout, Table};
use crate::processes::{Process, Processes, Thread};
use crate::scan::{self, StateName};
use journal::Reader;
use serde::Serialize;
use std::process::ExitCode;

/// Deeper trees are not indented further.
const INDENT_MAX: usize = 30;
const COMMAND_CHARS_MAX: usize = 300;

#[derive(Debug, Serialize)]
struct Report {
    recording: String,
    state: StateName,
    reason: Option<String>,
    started_unix_ns: u64,
    processes: Vec<ProcessJson>,
}

#[derive(Debug, Serialize)]
struct ProcessJson {
    pid: i32,
    parent: Option<i32>,
    command: Vec<String>,
    started_unix_ns: u64,
    ended_unix_ns: Option<u64>,
    #[serde(flatten)]
    ending: Ending,
    threads: Vec<ThreadJson>,
}

#[derive(Debug, Serialize)]
struct ThreadJson {
    tid: i32,
    name: String,
    started_unix_ns: u64,
    ended_unix_ns: Option<u64>,
}

/// Shows the processes and threads.
pub fn run(args: &PsArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let created = Reader::open(&dir)?.header().created_unix_ns;
    let mut processes = Processes::new(created);
    let scanned = scan::scan(&dir, "reading the journal", |event, _| {
        processes.event(event);
    })?;
    if args.json.json {
        output::json(Report {
            recording: output::lossy(&dir),
            state: scanned.state.name(),
            reason: scanned.state.reason().map(str::to_owned),
            started_unix_ns: created,
            processes: processes
                .list
                .iter()
                .map(|process| to_json(&processes, process))
                .collect(),
        })?;
    } else {
        let mut out = Stdout::lock();
        table(&processes, created).print(&mut out)?;
        out.flush()?;
    }
    Ok(scan::conclude(&scanned.state))
}

fn to_json(all: &Processes, process: &Process) -> ProcessJson {
    let parent = process.parent.and_then(|index| all.list.get(index));
    let thread = |thread: &Thread| ThreadJson {
        tid: thread.tid,
        name: thread.name.clone(),
        started_unix_ns: thread.started_ns,
        ended_unix_ns: thread.ended_ns,
    };
    ProcessJson {
        pid: process.pid,
        parent: parent.map(|parent| parent.pid),
        command: process.command.clone(),
        started_unix_ns: process.started_ns,
        ended_unix_ns: process.ended_ns,
        ending: process
            .ended_ns
            .and(process.status)
            .map_or_else(Ending::none, Ending::of),
        threads: process.threads.iter().map(thread).collect(),
    }
}

fn table(processes: &Processes, created: u64) -> Table {
    let mut table = Table::new(
        &["ID", "START", "END", "ENDED", "COMMAND"],
        &[true, true, true, false, false],
    );
    let at = |ns: u64| output::span(ns.saturating_sub(created));
    let end = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), at);
    for (index, depth) in in_tree_order(processes) {
        let Some(process) = processes.list.get(index) else {
            continue;
        };
        let ended = process.ended_ns.and(process.status);
        table.row(vec![
            process.pid.to_string(),
            at(process.started_ns),
            end(process.ended_ns),
            ended.map_or_else(|| "-".to_owned(), output::ending),
            indented(
                depth,
                &output::brief(&output::command_line(&process.command), COMMAND_CHARS_MAX),
            ),
        ]);
        for thread in process.threads.iter().skip(1) {
            table.row(vec![
                thread.tid.to_string(),
                at(thread.started_ns),
                end(thread.ended_ns),
                String::new(),
                indented(depth + 1, &format!("{{{}}}", thread.name)),
            ]);
        }
    }
    table
}

fn indented(depth: usize, text: &str) -> String {
    if depth == 0 {
        return text.to_owned();
    }
    let indent = "   ".repeat(depth.min(INDENT_MAX) - 1);
    format!("{indent} \\_ {text}")
}

/// Every process below its parent, with its depth.
fn in_tree_order(processes: &Processes) -> Vec<(usize, usize)> {
    let mut children = vec![Vec::new(); processes.list.len()];
    let mut roots = Vec::new();
    for (index, process) in processes.list.iter().enumerate() {
        match process.parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(index),
            None => roots.push(index),
        }
    }
    let mut order = Vec::with_capacity(processes.list.len());
    let mut waiting: Vec<(usize, usize)> = roots.into_iter().rev().map(|root| (root, 0)).collect();
    while let Some((index, depth)) = waiting.pop() {
        order.push((index, depth));
        let below = children.get_mut(index).map(std::mem::take);
        let below = below.unwrap_or_default().into_iter().rev();
        waiting.extend(below.map(|child| (child, depth + 1)));
    }
    order
}
