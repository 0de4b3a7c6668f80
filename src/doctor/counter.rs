//! The hardware counter: what the probe found, and what `auto` makes of it.

use super::{Check, Level};
use pmu::Counter;
use pmu::hardware::{CounterChoice, Finding, Findings, Severity, choose};
use serde::Serialize;

const NEEDED_FOR: &str =
    "positions between system calls (preemption, signals, races) at full speed";

/// What was found, whole, for programs.
#[derive(Debug, Serialize)]
pub struct Report {
    cpu: String,
    microarchitecture: Option<&'static str>,
    /// What `auto` takes.
    auto: &'static str,
    why: String,
    /// The raw event that counts, of the hardware counter.
    event: Option<String>,
    /// Branches that its interrupts come late, at most seen.
    skid: Option<u64>,
    /// Branches before a position at which an interrupt is due.
    slack: Option<u64>,
    findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Found {
    name: &'static str,
    severity: &'static str,
    found: String,
    hint: Option<&'static str>,
}

impl Report {
    /// Of what the probe found.
    pub fn of(findings: &Findings) -> anyhow::Result<Self> {
        let chosen = choose(CounterChoice::Auto, findings)?;
        let usable = findings.usable;
        Ok(Self {
            cpu: findings.cpu.to_string(),
            microarchitecture: findings.microarchitecture,
            auto: name(chosen.counter),
            why: chosen.why,
            event: usable.map(|usable| usable.event.to_string()),
            skid: usable.map(|usable| usable.skid_seen),
            slack: usable.map(|usable| usable.slack),
            findings: findings.list.iter().map(found).collect(),
        })
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let kind = self.microarchitecture.map_or_else(
            || "in no table of counters".to_owned(),
            |name| format!("a {name}"),
        );
        vec![
            format!("CPU: {}, {kind}", self.cpu),
            format!("counter: auto takes {}: {}", self.auto, self.why),
        ]
    }
}

const fn name(counter: Counter) -> &'static str {
    match counter {
        Counter::Hardware => CounterChoice::Hardware.name(),
        Counter::Stepped => CounterChoice::Stepped.name(),
        Counter::Software | Counter::SyncPoint | Counter::State => CounterChoice::Software.name(),
    }
}

fn found(finding: &Finding) -> Found {
    Found {
        name: finding.name(),
        severity: match finding.severity() {
            Severity::Note => "note",
            Severity::Limit => "limit",
            Severity::Obstacle => "obstacle",
        },
        found: finding.to_string(),
        hint: finding.remedy(),
    }
}

/// As checks like the others.
pub fn checks(findings: &Findings) -> [Check; 2] {
    [counters(findings), paranoid(findings)]
}

fn counters(findings: &Findings) -> Check {
    const NAME: &str = "counters";
    let worst = findings.list.first();
    let limited = worst.filter(|finding| finding.severity() >= Severity::Limit);
    let (state, found) = match (findings.usable, limited) {
        (None, _) => (
            Level::Missing,
            limited.map_or_else(|| "nothing was found".to_owned(), ToString::to_string),
        ),
        (Some(_), Some(limit)) => (Level::Limited, limit.to_string()),
        (Some(usable), None) => (
            Level::Ok,
            format!(
                "conditional branches are counted exactly (event {})",
                usable.event
            ),
        ),
    };
    let remedy = worst.and_then(Finding::remedy);
    Check::new(NAME, state, found).needed_for(NEEDED_FOR).hint(
        remedy
            .unwrap_or("nothing can be done about it; the software counter does the same, slower"),
    )
}

fn paranoid(findings: &Findings) -> Check {
    const NAME: &str = "perf_event_paranoid";
    let environment = &findings.environment;
    let Some(level) = environment.paranoid else {
        let found = "this kernel has no performance events";
        return Check::new(NAME, Level::Missing, found)
            .needed_for(NEEDED_FOR)
            .hint("use a kernel with CONFIG_PERF_EVENTS");
    };
    let state = if environment.too_paranoid() {
        Level::Limited
    } else {
        Level::Ok
    };
    Check::new(NAME, state, level.to_string())
        .needed_for(NEEDED_FOR)
        .hint("counters are for privileged processes: `sysctl kernel.perf_event_paranoid=2`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmu::hardware::{Cpu, Environment, RawEvent, Usable};

    fn findings(usable: bool, list: Vec<Finding>) -> Findings {
        let usable = usable.then_some(Usable {
            event: RawEvent(0x51_01c4),
            pmu: 4,
            skid_seen: 12,
            slack: 200,
        });
        let environment = Environment {
            paranoid: Some(2),
            ..Environment::default()
        };
        Findings {
            cpu: Cpu::default(),
            microarchitecture: usable.map(|_| "Skylake"),
            environment,
            usable,
            list,
        }
    }

    #[test]
    fn with_and_without_a_pmu() {
        for (usable, list, state, auto) in [
            (true, vec![], Level::Ok, "hardware"),
            (true, vec![Finding::VirtualPmu], Level::Ok, "hardware"),
            (
                true,
                vec![Finding::UnboundedSkid],
                Level::Limited,
                "hardware",
            ),
            (
                false,
                vec![Finding::NoInterrupts],
                Level::Missing,
                "software",
            ),
            (false, vec![], Level::Missing, "software"),
        ] {
            let findings = findings(usable, list);
            let [counters, paranoid] = checks(&findings);
            assert_eq!(counters.state, state, "{findings:?}");
            assert_eq!(counters.hint.is_none(), state == Level::Ok);
            assert_eq!((paranoid.state, counters.required), (Level::Ok, false));
            let report = Report::of(&findings).expect("auto always has one");
            assert_eq!(report.auto, auto);
            assert_eq!(report.event.is_some(), usable);
            assert_eq!(report.findings.len(), findings.list.len());
        }
    }

    #[test]
    fn what_people_read() {
        let report = Report::of(&findings(true, vec![])).expect("auto always has one");
        assert_eq!(
            report.lines(),
            [
                "CPU: a CPU without a name (family 0x0, model 0x0, stepping 0), a Skylake",
                "counter: auto takes hardware: event 0x5101c4 counts conditional branches exactly, \
                 and its interrupts come at most 12 of them late",
            ]
        );
    }

    #[test]
    fn a_strict_kernel() {
        let mut findings = findings(false, vec![Finding::Paranoid { level: 4 }]);
        findings.environment.paranoid = Some(4);
        let [counters, paranoid] = checks(&findings);
        assert!(counters.hint.is_some_and(|hint| hint.contains("sysctl")));
        assert_eq!(paranoid.state, Level::Limited);
    }
}
