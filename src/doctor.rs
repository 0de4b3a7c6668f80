//! `ftrun doctor`: tries what recording and protection need, and what makes them better, on this
//! machine.

mod counter;
mod machine;
mod protection;

pub use protection::runs;

use crate::cli::DoctorArgs;
use crate::failure::OWN_FAILURE;
use crate::output::{self, Stdout};
use serde::Serialize;
use std::process::ExitCode;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Limited,
    Missing,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: Level,
    /// Without it, nothing can be recorded.
    required: bool,
    /// What it is needed for.
    needed_for: &'static str,
    /// What was found.
    found: String,
    /// What to change, or what follows.
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, state: Level, found: impl Into<String>) -> Self {
        Self {
            name,
            state,
            required: false,
            needed_for: "",
            found: found.into(),
            hint: None,
        }
    }

    /// Of something that either works or, for a reason, does not.
    fn of<T, E: std::fmt::Display>(
        name: &'static str,
        result: &Result<T, E>,
        (works, fails): (&str, &str),
        otherwise: Level,
    ) -> Self {
        match result {
            Ok(_) => Self::new(name, Level::Ok, works),
            Err(error) => Self::new(name, otherwise, format!("{fails}: {}", reason(error))),
        }
    }

    /// Without it, nothing can be recorded.
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn needed_for(mut self, what: &'static str) -> Self {
        self.needed_for = what;
        self
    }

    /// What to do unless all is well.
    fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.state != Level::Ok {
            self.hint = Some(hint.into());
        }
        self
    }
}

#[derive(Debug, Serialize)]
struct Report {
    can_record: bool,
    checks: Vec<Check>,
    counter: counter::Report,
}

/// Tries everything. Ends with failure if nothing can be recorded here.
pub fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let findings = pmu::hardware::probe(None);
    let mut checks = machine::checks();
    checks.extend(counter::checks(&findings));
    checks.extend(protection::checks());
    let can_record = checks
        .iter()
        .all(|check| !check.required || check.state != Level::Missing);
    let counter = counter::Report::of(&findings)?;
    let report = Report {
        can_record,
        checks,
        counter,
    };
    if args.json.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(ExitCode::from(if can_record { 0 } else { OWN_FAILURE }))
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = Stdout::lock();
    let width = report.checks.iter().map(|check| check.name.len()).max();
    let width = width.unwrap_or(0);
    for check in &report.checks {
        let Check { name, found, .. } = check;
        out.line(&format!(
            "{:<8} {name:<width$}  {found}",
            check.state.name()
        ))?;
        if let Some(hint) = &check.hint {
            let needed_for = check.needed_for;
            out.line(&format!("{:9}{:width$}  for {needed_for}", "", ""))?;
            out.line(&format!("{:9}{:width$}  -> {hint}", "", ""))?;
        }
    }
    out.line("")?;
    for line in report.counter.lines() {
        out.line(&line)?;
    }
    out.line("")?;
    if report.can_record {
        out.line("ftrun can record here")?;
    } else {
        let missing = report.checks.iter();
        let missing = missing.filter(|check| check.required && check.state == Level::Missing);
        let names: Vec<&str> = missing.map(|check| check.name).collect();
        out.line(&format!("ftrun cannot record here: {}", names.join(", ")))?;
    }
    out.flush()
}

/// An error without the number that the standard library adds.
fn reason(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}
