//! `ftrun verify`.

use crate::cli::VerifyArgs;
use crate::order::Order;
use crate::output::{self, Ending};
use crate::progress::Progress;
use crate::scan::{self, State, StateName};
use crate::{failure, messages};
use journal::{Event, EventIndex, FileStore};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use tracer::Counting;
use tracer::record::Agent;
use tracer::replay::Sink;

/// The recording can be read, but ends early.
const ENDS_EARLY: u8 = 1;

/// What was found, for JSON.
#[derive(Debug, Serialize)]
struct Report {
    recording: String,
    state: StateName,
    /// Why the journal is not whole.
    reason: Option<String>,
    events: u64,
    journal_bytes: u64,
    segments: u32,
    kept_files: usize,
    kept_bytes: u64,
    /// Everything that is damaged.
    problems: Vec<String>,
    /// With `--replay`.
    replay: Option<Replay>,
}

/// What a replay did, for JSON.
#[derive(Debug, Serialize)]
struct Replay {
    events: Option<u64>,
    /// What the replayed program did, in short: the same for every replay of a recording.
    digest: Option<String>,
    #[serde(flatten)]
    ending: Ending,
    error: Option<String>,
}

/// Checks the recording; its exit code tells what it is.
pub fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let mut report = check(&dir)?;
    let mut code = match report.state {
        StateName::Whole => 0,
        StateName::Torn | StateName::Live => ENDS_EARLY,
        StateName::Corrupt => failure::OWN_FAILURE,
    };
    if args.replay && report.problems.is_empty() {
        let (replay, failed) = replay(&dir, args.agent.when(), args.counter.counting());
        report.replay = Some(replay);
        code = failed.unwrap_or(code);
    }
    for problem in &report.problems {
        messages::say(problem);
    }
    if let Some(error) = report
        .replay
        .as_ref()
        .and_then(|replay| replay.error.as_ref())
    {
        messages::say(error);
    }
    if args.json.json {
        output::json(&report)?;
    } else {
        output::write_all(text(&report).as_bytes())?;
    }
    Ok(ExitCode::from(code))
}

fn check(dir: &Path) -> anyhow::Result<Report> {
    let mut kept = BTreeMap::new();
    let mut order = Order::default();
    let scanned = scan::scan(dir, "checking the journal", |event, _| {
        order.event(event);
        if let Event::File(file) = event {
            kept.insert(file.hash, file.size);
        }
    })?;
    let mut problems = Vec::new();
    if let State::Corrupt(error) = &scanned.state {
        problems.push(error.clone());
    }
    problems.extend(order.problem());
    check_kept(dir, &kept, &mut problems);
    let state = if problems.is_empty() {
        scanned.state.name()
    } else {
        StateName::Corrupt
    };
    Ok(Report {
        recording: output::lossy(dir),
        state,
        reason: scanned.state.reason().map(str::to_owned),
        events: scanned.events,
        journal_bytes: scanned.bytes,
        segments: scan::segments(dir).0,
        kept_files: kept.len(),
        kept_bytes: total_bytes(&kept),
        problems,
        replay: None,
    })
}

/// Reads every kept file that the journal names. Others are no part of the recording: a
/// supervisor that was killed may leave them.
fn check_kept(dir: &Path, kept: &BTreeMap<u128, u64>, problems: &mut Vec<String>) {
    if kept.is_empty() {
        return;
    }
    let store = match FileStore::open(dir) {
        Ok(store) => store,
        Err(error) => return problems.push(error.to_string()),
    };
    let total = total_bytes(kept);
    let mut done = 0u64;
    let mut progress = Progress::new("checking kept files");
    for (&hash, &size) in kept {
        progress.update(done, total);
        if let Err(error) = store.verify(hash) {
            problems.push(error.to_string());
        }
        done = done.saturating_add(size);
    }
}

/// Sizes are what the journal says, and it may say anything.
fn total_bytes(kept: &BTreeMap<u128, u64>) -> u64 {
    kept.values()
        .fold(0, |total, &size| total.saturating_add(size))
}

/// Replays in silence. The second result is the exit code if it failed.
fn replay(dir: &Path, agent: Agent, counting: Counting) -> (Replay, Option<u8>) {
    let mut sink = Quiet(Progress::new("replaying"));
    let result = tracer::replay::replay(dir, agent, counting, &mut sink);
    drop(sink);
    match result {
        Ok(outcome) => {
            let replay = Replay {
                events: Some(outcome.events),
                digest: Some(format!("{:032x}", outcome.digest)),
                ending: outcome.status.map_or_else(Ending::none, Ending::of),
                error: None,
            };
            (replay, None)
        }
        Err(error) => {
            let error = error.into();
            let replay = Replay {
                events: None,
                digest: None,
                ending: Ending::none(),
                error: Some(format!("{error:#}")),
            };
            (replay, Some(failure::code(&error)))
        }
    }
}

fn text(report: &Report) -> String {
    let state = match (report.state, &report.reason) {
        (StateName::Whole, _) => "whole".to_owned(),
        (StateName::Live, _) => "still being made, good so far".to_owned(),
        (StateName::Torn, reason) => format!(
            "ends early ({}), good up to there",
            reason.as_deref().unwrap_or("cut short")
        ),
        (StateName::Corrupt, _) => "corrupt".to_owned(),
    };
    let mut text = format!(
        "{state}: {} in {} ({}), {} ({})\n",
        output::plural(report.events, "event"),
        output::plural(report.segments.into(), "segment"),
        output::size(report.journal_bytes),
        output::plural(report.kept_files as u64, "kept file"),
        output::size(report.kept_bytes),
    );
    if let Some(replay) = &report.replay {
        text.push_str(&match replay.events {
            Some(events) => format!("replayed {}\n", output::plural(events, "event")),
            None => "the replay failed\n".to_owned(),
        });
    }
    text
}

/// Shows nothing of a replay but how far it is.
struct Quiet(Progress);

impl Sink for Quiet {
    fn output(&mut self, _stream: u8, _bytes: &[u8]) {}

    fn progress(&mut self, _event: EventIndex, read: u64, total: u64) {
        self.0.update(read, total);
    }

    fn notice(&mut self, text: &str) {
        self.0.make_room();
        messages::say(text);
    }
}
