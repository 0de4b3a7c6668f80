//! `ftrun ls`.

use crate::cli::LsArgs;
use crate::output::{self, Ending, Stdout, Table};
use crate::scan::StateName;
use crate::summary::Summary;
use crate::{messages, recordings};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const COMMAND_CHARS_MAX: usize = 100;

#[derive(Debug, Serialize)]
struct Report {
    directory: String,
    recordings: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    path: String,
    latest: bool,
    started_unix_ns: Option<u64>,
    duration_ns: Option<u64>,
    /// On disk.
    bytes: u64,
    state: StateName,
    #[serde(flatten)]
    ending: Ending,
    problem: Option<String>,
    command: Vec<String>,
    #[serde(skip)]
    ended: String,
}

/// Lists the recordings, the oldest first.
pub fn run(args: &LsArgs) -> anyhow::Result<ExitCode> {
    let base = recordings::base()?;
    let latest = recordings::latest(&base);
    let mut rows: Vec<Row> = recordings::list(&base)?
        .into_iter()
        .map(|dir| {
            let latest = latest.as_deref() == Some(dir.as_path());
            row(dir, latest)
        })
        .collect();
    rows.sort_by_key(|row| row.started_unix_ns);
    if args.json.json {
        output::json(Report {
            directory: output::lossy(&base),
            recordings: rows,
        })?;
    } else if rows.is_empty() {
        messages::say(&format!(
            "no recording in {} yet: `ftrun -- COMMAND` makes one",
            base.display()
        ));
    } else {
        print(&rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(dir: PathBuf, latest: bool) -> Row {
    let summary = Summary::of(&dir);
    Row {
        name: name(&dir),
        latest,
        started_unix_ns: summary.started_ns,
        duration_ns: summary.duration_ns,
        bytes: summary.bytes,
        state: summary.state,
        ending: summary.wait_status.map_or_else(Ending::none, Ending::of),
        ended: summary.ending(),
        problem: summary.problem,
        command: summary.command,
        path: output::lossy(&dir),
    }
}

fn name(dir: &Path) -> String {
    dir.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn print(rows: &[Row]) -> anyhow::Result<()> {
    let mut table = Table::new(
        &[
            "NAME",
            "STARTED (UTC)",
            "DURATION",
            "SIZE",
            "ENDED",
            "COMMAND",
        ],
        &[false, false, true, true, false, false],
    );
    let unknown = || "?".to_owned();
    for row in rows {
        table.row(vec![
            row.name.clone(),
            row.started_unix_ns.map_or_else(unknown, output::time),
            row.duration_ns.map_or_else(unknown, output::span),
            output::size(row.bytes),
            row.ended.clone(),
            output::brief(&output::command_line(&row.command), COMMAND_CHARS_MAX),
        ]);
    }
    let mut out = Stdout::lock();
    table.print(&mut out)?;
    out.flush()
}
