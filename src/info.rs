//! `ftrun info`.

use crate::cli::InfoArgs;
use crate::describe::text;
use crate::meta::{self, Meta};
use crate::output::{self, Ending, Stdout};
use crate::processes::Processes;
use crate::scan::{self, State, StateName};
use crate::summary;
use journal::{Event, Header, Machine, Reader, Start};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use tracer::machine;

/// Notes that are kept: their number is not limited by the journal.
const NOTES_MAX: usize = 1000;

#[derive(Debug, Serialize)]
struct Report {
    recording: String,
    state: StateName,
    reason: Option<String>,
    /// Why the recording ended before the application, as far as it could be told.
    lost: Option<String>,
    command: Vec<String>,
    program: Option<String>,
    working_directory: Option<String>,
    started_unix_ns: u64,
    duration_ns: u64,
    #[serde(flatten)]
    ending: Ending,
    #[serde(skip)]
    wait_status: Option<i32>,
    events: u64,
    processes: usize,
    threads: usize,
    journal_bytes: u64,
    segments: u32,
    kept_files: usize,
    kept_bytes: u64,
    disk_bytes: u64,
    ftrun_version: String,
    format_version: u32,
    machine: MachineJson,
    /// Guarantees that were weakened.
    weakened: Vec<String>,
    /// Why it may not replay on this machine.
    differences: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MachineJson {
    kernel: String,
    cpu: String,
    cpu_vendor: String,
    cpu_family: u32,
    cpu_model: u32,
    cpus: u32,
    pinned_cpu: Option<u32>,
}

/// What only the events tell.
#[derive(Debug)]
struct Found {
    start: Option<(Vec<String>, String, String)>,
    wait_status: Option<i32>,
    last_ns: u64,
    kept_files: usize,
    kept_bytes: u64,
    notes: Vec<String>,
    processes: Processes,
}

impl Found {
    fn event(&mut self, event: &Event<'_>) {
        self.processes.event(event);
        match event {
            Event::Start(start) => self.start = Some(of_start(start)),
            Event::End(status) => self.wait_status = Some(*status),
            Event::Time(ns) => self.last_ns = *ns,
            Event::File(file) => {
                self.kept_files += 1;
                self.kept_bytes = self.kept_bytes.saturating_add(file.size);
            }
            Event::Note(note) if self.notes.len() < NOTES_MAX => {
                self.notes.push(note.clone().into_owned());
            }
            _ => {}
        }
    }
}

fn of_start(start: &Start<'_>) -> (Vec<String>, String, String) {
    let argv = start.argv.iter().map(|arg| text(arg)).collect();
    (argv, text(&start.program), text(&start.cwd))
}

/// Tells what the recording is.
pub fn run(args: &InfoArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let created = Reader::open(&dir)?.header().created_unix_ns;
    let mut found = Found {
        start: None,
        wait_status: None,
        last_ns: created,
        kept_files: 0,
        kept_bytes: 0,
        notes: Vec::new(),
        processes: Processes::new(created),
    };
    let scanned = scan::scan(&dir, "reading the journal", |event, _| found.event(event))?;
    let state = scanned.state.clone();
    let report = report(&dir, &scanned.header, &state, scanned.events, found);
    if args.json.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    if matches!(state, State::Corrupt(_)) {
        return Ok(scan::conclude(&state));
    }
    Ok(ExitCode::SUCCESS)
}

fn report(dir: &Path, header: &Header, state: &State, events: u64, found: Found) -> Report {
    let meta = Meta::read(dir);
    let finished = meta.as_ref().and_then(|meta| meta.finished_unix_ns);
    let last_ns = match state {
        State::Live => meta::unix_ns(),
        _ => finished.unwrap_or(found.last_ns),
    };
    let (segments, journal_bytes) = scan::segments(dir);
    let machine = &header.machine;
    let (command, program, cwd) = match found.start {
        Some((command, program, cwd)) => (command, Some(program), Some(cwd)),
        None => (
            meta.as_ref()
                .map_or_else(Vec::new, |meta| meta.command.clone()),
            None,
            None,
        ),
    };
    let wait_status = found
        .wait_status
        .or_else(|| meta.as_ref().and_then(|meta| meta.wait_status));
    let mut weakened = found.notes;
    weakened.extend(meta.iter().flat_map(|meta| meta.weakened.clone()));
    weakened.dedup();
    Report {
        recording: output::lossy(dir),
        state: state.name(),
        reason: state.reason().map(str::to_owned),
        lost: meta.and_then(|meta| meta.lost),
        command,
        program,
        working_directory: cwd,
        started_unix_ns: header.created_unix_ns,
        duration_ns: last_ns.saturating_sub(header.created_unix_ns),
        ending: wait_status.map_or_else(Ending::none, Ending::of),
        wait_status,
        events,
        processes: found.processes.list.len(),
        threads: found.processes.threads(),
        journal_bytes,
        segments,
        kept_files: found.kept_files,
        kept_bytes: found.kept_bytes,
        disk_bytes: summary::disk_usage(dir),
        ftrun_version: header.ftrun_version.clone(),
        format_version: header.format_version,
        machine: machine_json(machine),
        weakened,
        differences: machine::differences(machine, &machine::describe(None)),
    }
}

fn machine_json(machine: &Machine) -> MachineJson {
    MachineJson {
        kernel: machine.kernel.clone(),
        cpu: machine.cpu_name.clone(),
        cpu_vendor: machine.cpu_vendor.clone(),
        cpu_family: machine.cpu_family,
        cpu_model: machine.cpu_model,
        cpus: machine.cpus,
        pinned_cpu: machine.pinned_cpu,
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let status = report.wait_status.map(output::ending);
    let reason = report.reason.clone().unwrap_or_default();
    let ended = match (report.state, status) {
        (StateName::Live, _) => "recording now".to_owned(),
        (StateName::Corrupt, _) => "corrupt".to_owned(),
        (StateName::Whole, status) => status.unwrap_or_default(),
        (StateName::Torn, Some(ending)) => format!("cut short ({reason}), {ending}"),
        (StateName::Torn, None) => format!("cut short ({reason})"),
    };
    let machine = &report.machine;
    let mut fields = vec![
        ("recording", report.recording.clone()),
        ("command", output::command_line(&report.command)),
    ];
    if let (Some(program), Some(cwd)) = (&report.program, &report.working_directory) {
        fields.push(("program", program.clone()));
        fields.push(("directory", cwd.clone()));
    }
    fields.extend([
        (
            "started",
            format!("{} UTC", output::time(report.started_unix_ns)),
        ),
        ("duration", output::span(report.duration_ns)),
        ("ended", ended),
    ]);
    fields.extend(report.lost.iter().map(|lost| ("because", lost.clone())));
    fields.extend([
        (
            "content",
            format!(
                "{}, {} with {}",
                output::plural(report.events, "event"),
                output::plural(report.processes as u64, "process"),
                output::plural(report.threads as u64, "thread"),
            ),
        ),
        (
            "journal",
            format!(
                "{} in {}",
                output::size(report.journal_bytes),
                output::plural(report.segments.into(), "segment")
            ),
        ),
        (
            "kept files",
            format!(
                "{} ({})",
                report.kept_files,
                output::size(report.kept_bytes)
            ),
        ),
        ("on disk", output::size(report.disk_bytes)),
        (
            "made by",
            format!(
                "ftrun {}, journal format {}",
                report.ftrun_version, report.format_version
            ),
        ),
        (
            "made on",
            format!(
                "{} ({}), Linux {}",
                machine.cpu,
                output::plural(machine.cpus.into(), "CPU"),
                machine.kernel
            ),
        ),
    ]);
    fields.extend(report.weakened.iter().map(|note| ("note", note.clone())));
    let differences = report.differences.iter();
    fields.extend(differences.map(|difference| ("this machine", difference.clone())));
    let mut out = Stdout::lock();
    output::fields(&mut out, &fields)?;
    out.flush()
}
