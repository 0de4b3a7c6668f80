//! `ftrun status`.

use crate::cli::JsonArg;
use crate::nodes::{self, Found};
use crate::output::{self, Stdout, Table};
use clap::Args;
use serde::Serialize;
use standby::status::Report;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

const WATCH_PAUSE: Duration = Duration::from_millis(500);
/// A node that was not heard on a way for so long is shown as silent there.
const SILENT_MS: u64 = 10_000;

/// Options of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print it again and again, until interrupted; with --json, one object a line
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    json: JsonArg,
    /// Name of a node, or name or directory of a recording [default: all nodes of this user here]
    #[arg(value_name = "NODE")]
    node: Option<OsString>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    directory: String,
    #[serde(flatten)]
    report: Body<'a>,
}

/// A report's fields but for the version, which the document has.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Body<'a>(#[serde(serialize_with = "without_version")] &'a Report);

fn without_version<S: serde::Serializer>(report: &&Report, to: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(report).map_err(serde::ser::Error::custom)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("schema_version");
    }
    value.serialize(to)
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    nodes: Vec<Row<'a>>,
}

impl<'a> Document<'a> {
    fn of(found: &'a [Found]) -> Self {
        let row = |found: &'a Found| Row {
            directory: output::lossy(&found.dir),
            report: Body(&found.report),
        };
        Self {
            nodes: found.iter().map(row).collect(),
        }
    }
}

/// Tells how the nodes are.
pub fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    loop {
        let found = nodes::find(args.node.as_deref())?;
        if args.json.json {
            let document = Document::of(&found);
            if args.watch {
                let mut out = Stdout::lock();
                out.json_line(&output::Versioned::new(document))?;
                out.flush()?;
            } else {
                output::json(document)?;
            }
        } else {
            print(&found)?;
        }
        if !args.watch {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(WATCH_PAUSE);
    }
}

fn print(found: &[Found]) -> anyhow::Result<()> {
    let mut out = Stdout::lock();
    if let [one] = found {
        output::fields(&mut out, &fields(one))?;
        out.line("")?;
        return out.flush();
    }
    let mut table = Table::new(
        &["NODE", "ROLE", "STATE", "LAG", "HELD", "REASON"],
        &[false, false, false, true, true, false],
    );
    for Found { report, .. } in found {
        table.row(vec![
            report.node.clone(),
            report.role.to_string(),
            report.state.to_string(),
            format!("{} ms", report.lag.ms),
            report.held_packets.to_string(),
            report.reason.clone(),
        ]);
    }
    table.print(&mut out)?;
    out.line("")?;
    out.flush()
}

fn fields(found: &Found) -> Vec<(&'static str, String)> {
    let Found { dir, report } = found;
    let peer = report.peer.as_deref().unwrap_or("not heard yet");
    let right = match (report.output, report.right_ms) {
        (false, _) => "none: nothing goes out".to_owned(),
        (true, None) => "without limit".to_owned(),
        (true, Some(ms)) => format!("{ms} ms, if nothing prolongs it"),
    };
    let mut fields = vec![
        ("node", report.node.clone()),
        ("role", report.role.to_string()),
        ("state", report.state.to_string()),
        ("reason", report.reason.clone()),
        (
            "since",
            format!(
                "{} UTC",
                output::time(report.since_unix_ms.saturating_mul(1_000_000))
            ),
        ),
        ("other node", peer.to_owned()),
        ("right to send", right),
        ("journal", output::plural(report.appended, "event")),
        ("stored", output::plural(report.committed, "event")),
        ("replayed", output::plural(report.applied, "event")),
        (
            "lag",
            format!(
                "{}, {} not stored, {} ms",
                output::plural(report.lag.events, "event"),
                output::size(report.lag.bytes),
                report.lag.ms
            ),
        ),
        ("held packets", report.held_packets.to_string()),
        ("takeovers", report.takeovers.to_string()),
    ];
    for path in &report.paths {
        let state = match (path.heard_ms, path.round_trip_us) {
            (Some(ms), _) if ms > SILENT_MS => format!("{}: silent for {} s", path.name, ms / 1000),
            (Some(_), Some(us)) => format!("{}: {us} µs there and back", path.name),
            (Some(_), None) => format!("{}: heard", path.name),
            (None, _) => format!("{}: not heard yet", path.name),
        };
        fields.push(("way", state));
    }
    let witness = &report.witness;
    fields.push(("witness", witness.kind.clone()));
    fields.push((
        "witness",
        match (&witness.trouble, witness.answered_ms) {
            (Some(trouble), _) => format!("does not answer: {trouble}"),
            (None, Some(ms)) => format!("answered {ms} ms ago"),
            (None, None) => "not asked yet".to_owned(),
        },
    ));
    if let Some(note) = &report.note {
        fields.push(("note", note.clone()));
    }
    fields.push(("directory", output::lossy(dir)));
    fields
}
