//! What measurements mean.

use super::super::{CounterSpec, Cpu, Environment, RawEvent, Vendor, known};
use super::findings::{Finding, Findings, Severity, Usable};
use super::measure::{BRANCHES_PER_LOOP, EventMeasured, LOOPS, MeasureError, Measured, ROUNDS};

/// A slack beyond which approaching a position by breakpoints takes seconds (a hit and a step are
/// about 40 µs, measured on Linux 6.18 in a virtual machine).
const SLACK_MAX: u64 = 50_000;
/// Of a CPU that no table has, and the least of any.
const SLACK_UNKNOWN: u64 = 10_000;
const SLACK_MIN: u64 = 200;
/// A trial of 24 interrupts does not see the worst.
const SKID_MARGIN: u64 = 4;

/// Judges what was measured on the CPU with the number `on`.
#[must_use]
pub fn judge(
    cpu: Cpu,
    environment: Environment,
    on: u32,
    measured: Result<Measured, MeasureError>,
) -> Findings {
    let mut list = Vec::new();
    let usable = match measured {
        Err(MeasureError::Killed(signal)) => {
            list.push(Finding::Killed { signal });
            None
        }
        Err(MeasureError::NotStarted(error)) => {
            list.push(Finding::NotProbed {
                reason: error.to_string(),
            });
            None
        }
        Ok(measured) => {
            let usable = judge_events(&cpu, &environment, on, &measured, &mut list);
            lock_map(&cpu, &measured, &mut list);
            usable
        }
    };
    if usable.is_some() {
        remarks(&cpu, &environment, on, &mut list);
    }
    list.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    let obstacle = list
        .iter()
        .any(|finding| finding.severity() == Severity::Obstacle);
    Findings {
        microarchitecture: known(&cpu).map(|known| known.name),
        usable: usable.filter(|_| !obstacle),
        cpu,
        environment,
        list,
    }
}

fn judge_events(
    cpu: &Cpu,
    environment: &Environment,
    on: u32,
    measured: &Measured,
    list: &mut Vec<Finding>,
) -> Option<Usable> {
    let tried = usize::try_from(measured.tried)
        .unwrap_or(0)
        .min(measured.events.len());
    let tried = &measured.events[..tried];
    let Some(right) = tried.iter().find(|event| event.exact()) else {
        list.push(why_none(cpu, environment, tried));
        return None;
    };
    let event = RawEvent(right.event);
    if !right.exact_when_locking() {
        let (low, high) = spread(&right.locked);
        list.push(Finding::Nondeterministic { event, low, high });
    }
    let skid_seen = interrupts(right, list)?;
    let expected = known(cpu).map_or(SLACK_UNKNOWN, |known| known.skid_max);
    let slack = expected
        .saturating_mul(2)
        .max(skid_seen.saturating_mul(SKID_MARGIN))
        .max(SLACK_MIN);
    if slack > SLACK_MAX {
        list.push(Finding::LongSkid { skid: skid_seen });
    }
    let pmu = environment
        .pmu_of(on)
        .map_or(CounterSpec::ANY_CORE, |pmu| pmu.number);
    Some(Usable {
        event,
        pmu,
        skid_seen,
        slack,
    })
}

/// Why no event counted right. An event that was counted says more than one that was refused.
fn why_none(cpu: &Cpu, environment: &Environment, tried: &[EventMeasured]) -> Finding {
    let worked = tried
        .iter()
        .find(|event| event.refused == 0 && event.failed == 0);
    if let Some(counted) = worked {
        return wrong(counted);
    }
    let first = tried.first().copied().unwrap_or_default();
    let event = RawEvent(first.event);
    if tried.iter().any(|event| event.failed == -1) {
        return Finding::Taken {
            nmi_watchdog: environment.nmi_watchdog,
        };
    }
    let filtered = environment.filtered;
    match first.refused {
        0 => Finding::Failed {
            event,
            errno: first.failed,
        },
        // What the kernel says of a kind of event that no driver took on.
        libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP => Finding::NoPmu {
            virtual_machine: cpu.virtual_machine,
        },
        libc::ENOSYS => Finding::NoPerfEvents { filtered },
        libc::EACCES | libc::EPERM => match environment.paranoid {
            Some(level) if environment.too_paranoid() => Finding::Paranoid { level },
            _ => Finding::Forbidden {
                errno: first.refused,
                filtered,
            },
        },
        libc::EBUSY | libc::EMFILE | libc::ENFILE => Finding::Taken {
            nmi_watchdog: environment.nmi_watchdog,
        },
        errno => Finding::Failed { event, errno },
    }
}

fn wrong(counted: &EventMeasured) -> Finding {
    let event = RawEvent(counted.event);
    let expected = LOOPS[1] * BRANCHES_PER_LOOP;
    let (low, high) = spread(&counted.plain);
    // A counter that is off by less than a hundredth counts the right thing, but not always.
    if low != high
        && low.abs_diff(expected) < expected / 100
        && high.abs_diff(expected) < expected / 100
    {
        return Finding::Nondeterministic { event, low, high };
    }
    Finding::WrongCount {
        event,
        expected,
        counted: high,
    }
}

/// The lowest and the highest count of the long run.
fn spread(counts: &[[u64; 2]]) -> (u64, u64) {
    let long = || counts.iter().map(|&[_, long]| long);
    (long().min().unwrap_or(0), long().max().unwrap_or(0))
}

/// The greatest skid, unless interrupts cannot be relied on.
fn interrupts(event: &EventMeasured, list: &mut Vec<Finding>) -> Option<u64> {
    let came = || {
        event
            .interrupts
            .iter()
            .zip(&event.late)
            .filter(|(times, _)| **times > 0)
    };
    let number = came().count();
    let earliest = came().map(|(_, &late)| late).min().unwrap_or(0);
    if number == 0 {
        list.push(if event.fresh_interrupts > 0 {
            Finding::PeriodLate
        } else {
            Finding::NoInterrupts
        });
        return None;
    }
    if number < ROUNDS {
        list.push(Finding::LostInterrupts {
            lost: (ROUNDS - number) as u64,
            of: ROUNDS as u64,
        });
    }
    if earliest < 0 {
        list.push(Finding::EarlyInterrupt {
            by: earliest.unsigned_abs(),
        });
    }
    let latest = came().map(|(_, &late)| late).max().unwrap_or(0);
    Some(u64::try_from(latest).unwrap_or(0))
}

fn lock_map(cpu: &Cpu, measured: &Measured, list: &mut Vec<Finding>) {
    if measured.ahead > 0 {
        list.push(Finding::SpecLockMap {
            ahead: measured.ahead,
            virtual_machine: cpu.virtual_machine,
        });
    }
}

fn remarks(cpu: &Cpu, environment: &Environment, on: u32, list: &mut Vec<Finding>) {
    if environment.hybrid() {
        let pmu = environment.pmu_of(on).map_or("cpu", |pmu| pmu.name);
        list.push(Finding::Hybrid { pmu });
    }
    if matches!(cpu.vendor, Vendor::Amd | Vendor::Hygon) {
        list.push(Finding::UnboundedSkid);
    }
    if known(cpu).is_none() {
        list.push(Finding::UnknownCpu);
    }
    if cpu.virtual_machine {
        list.push(Finding::VirtualPmu);
    }
    if environment.freeze_on_smi == Some(false) {
        list.push(Finding::SmiCounted);
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
