//! The trial on simulated counters: what is wrong with one is what is found.

use super::super::super::{CounterSpec, Faults, measure};
use super::super::simulated_bench::{AHEAD, EVENT, SimulatedBench};
use super::*;

fn cpu() -> Cpu {
    Cpu {
        vendor: Vendor::Intel,
        family: 6,
        model: 0x8f,
        ..Cpu::default()
    }
}

fn spec() -> CounterSpec {
    CounterSpec::of_calling_thread(RawEvent(0), 16)
}

fn find(bench: &mut SimulatedBench, cpu: Cpu) -> Findings {
    let zen = cpu.vendor == Vendor::Amd;
    let events = super::super::super::candidates(&cpu);
    let measured = measure(bench, &spec(), &events, zen.then_some(AHEAD));
    judge(cpu, Environment::default(), 0, Ok(measured))
}

fn found(faults: Faults) -> Findings {
    find(&mut SimulatedBench::new(faults, 7), cpu())
}

fn name(findings: &Findings) -> &'static str {
    findings.obstacle().map_or("none", Finding::name)
}

#[test]
fn a_good_counter() {
    let findings = found(Faults {
        skid_max: 40,
        ..Faults::default()
    });
    let usable = findings.usable.expect("it is fit");
    assert_eq!((usable.event, usable.pmu), (EVENT, CounterSpec::ANY_CORE));
    assert!((1..=20).contains(&usable.skid_seen), "{usable:?}");
    assert_eq!(usable.slack, 250, "twice what the table says");
    assert_eq!(
        (findings.list.len(), findings.microarchitecture),
        (0, Some("Sapphire Rapids"))
    );
}

#[test]
fn each_fault_is_found() {
    let none = Faults::default();
    for (faults, expected) in [
        (
            Faults {
                lost_per_mille: 1000,
                ..none
            },
            "no_interrupts",
        ),
        (
            Faults {
                lost_per_mille: 300,
                ..none
            },
            "lost_interrupts",
        ),
        (
            Faults {
                twice_per_mille: 1,
                ..none
            },
            "nondeterministic",
        ),
        (
            Faults {
                missed_per_mille: 1,
                ..none
            },
            "nondeterministic",
        ),
        (
            Faults {
                missed_per_mille: 500,
                ..none
            },
            "wrong_count",
        ),
        (
            Faults {
                twice_per_mille: 1000,
                ..none
            },
            "wrong_count",
        ),
        (
            Faults {
                skid_max: 29_000,
                ..none
            },
            "long_skid",
        ),
        (
            Faults {
                period_late: true,
                ..none
            },
            "period_late",
        ),
        (
            Faults {
                refused: libc::ENOENT,
                ..none
            },
            "no_pmu",
        ),
        (
            Faults {
                refused: libc::ENOSYS,
                ..none
            },
            "no_perf_events",
        ),
        (
            Faults {
                refused: libc::EPERM,
                ..none
            },
            "forbidden",
        ),
        (
            Faults {
                refused: libc::EBUSY,
                ..none
            },
            "taken",
        ),
        (
            Faults {
                refused: libc::EINVAL,
                ..none
            },
            "failed",
        ),
    ] {
        let findings = found(faults);
        assert_eq!(name(&findings), expected, "{faults:?}: {:?}", findings.list);
        assert_eq!(findings.usable, None, "{faults:?}");
    }
}

#[test]
fn an_interrupt_that_comes_early() {
    let mut measured = measure(
        &mut SimulatedBench::new(Faults::default(), 1),
        &spec(),
        &[EVENT],
        None,
    );
    measured.events[0].late[3] = -5;
    let findings = judge(cpu(), Environment::default(), 0, Ok(measured));
    assert_eq!(
        findings.obstacle(),
        Some(&Finding::EarlyInterrupt { by: 5 })
    );
}

#[test]
fn an_unknown_cpu_is_tried_with_every_event() {
    let mut bench = SimulatedBench::new(Faults::default(), 1);
    bench.event = RawEvent(0x51_01c4);
    let findings = find(
        &mut bench,
        Cpu {
            model: 0xfe,
            ..cpu()
        },
    );
    let usable = findings.usable.expect("the third event is right");
    assert_eq!((usable.event, usable.slack), (RawEvent(0x51_01c4), 20_000));
    assert_eq!(findings.list, [Finding::UnknownCpu]);
    bench.event = RawEvent(1);
    assert_eq!(name(&find(&mut bench, cpu())), "wrong_count");
}

#[test]
fn a_core_that_runs_ahead_of_locks_is_refused() {
    let zen = Cpu {
        vendor: Vendor::Amd,
        family: 0x19,
        virtual_machine: true,
        ..Cpu::default()
    };
    let mut bench = SimulatedBench::new(Faults::default(), 1);
    bench.event = RawEvent(0x51_00d1);
    let findings = find(&mut bench, zen.clone());
    assert!(findings.usable.is_some(), "{findings:?}");
    let names: Vec<_> = findings.list.iter().map(Finding::name).collect();
    assert_eq!(names, ["unbounded_skid", "virtual_pmu"]);
    bench.ahead = true;
    let findings = find(&mut bench, zen);
    assert_eq!((name(&findings), findings.usable), ("spec_lock_map", None));
}

#[test]
fn what_forbids_it_is_told() {
    let measured = measure(
        &mut SimulatedBench::new(
            Faults {
                refused: libc::EACCES,
                ..Faults::default()
            },
            1,
        ),
        &spec(),
        &[EVENT],
        None,
    );
    let judged = |environment| judge(cpu(), environment, 0, Ok(measured));
    let strict = Environment {
        paranoid: Some(4),
        ..Environment::default()
    };
    assert_eq!(
        judged(strict.clone()).obstacle(),
        Some(&Finding::Paranoid { level: 4 })
    );
    let errno = libc::EACCES;
    let container = Environment {
        privileged: true,
        filtered: true,
        ..strict
    };
    assert_eq!(
        judged(container).obstacle(),
        Some(&Finding::Forbidden {
            errno,
            filtered: true
        })
    );
    let module = Environment {
        paranoid: Some(2),
        ..Environment::default()
    };
    assert_eq!(
        judged(module).obstacle(),
        Some(&Finding::Forbidden {
            errno,
            filtered: false
        })
    );
    let killed = judge(
        cpu(),
        Environment::default(),
        0,
        Err(MeasureError::Killed(libc::SIGSYS)),
    );
    assert_eq!(
        killed.obstacle(),
        Some(&Finding::Killed {
            signal: libc::SIGSYS
        })
    );
    assert_eq!(killed.usable, None);
}

#[test]
fn a_counter_that_others_have() {
    let mut measured = measure(
        &mut SimulatedBench::new(Faults::default(), 1),
        &spec(),
        &[EVENT],
        None,
    );
    measured.events[0].failed = -1;
    let environment = Environment {
        nmi_watchdog: true,
        ..Environment::default()
    };
    let findings = judge(cpu(), environment, 0, Ok(measured));
    assert_eq!(
        findings.obstacle(),
        Some(&Finding::Taken { nmi_watchdog: true })
    );
}

#[test]
fn any_numbers_are_judged() {
    let mut event = EventMeasured {
        event: u64::MAX,
        ..EventMeasured::default()
    };
    event.plain = [[u64::MAX; 2]; 6];
    event.locked = [[0, u64::MAX]; 6];
    event.interrupts = [u64::MAX; ROUNDS];
    event.late = [i64::MIN; ROUNDS];
    let mut measured = Measured {
        tried: u32::MAX,
        ahead: u64::MAX,
        ..Measured::default()
    };
    assert!(
        judge(cpu(), Environment::default(), 0, Ok(measured))
            .usable
            .is_none()
    );
    measured.events = [event; 4];
    assert!(
        judge(cpu(), Environment::default(), 0, Ok(measured))
            .usable
            .is_none()
    );
    event.plain = [[20_000, 50_000]; 6];
    measured.events = [event; 4];
    assert!(
        judge(cpu(), Environment::default(), 0, Ok(measured))
            .usable
            .is_none()
    );
    event.late = [i64::MAX; ROUNDS];
    measured.events = [event; 4];
    assert!(
        judge(cpu(), Environment::default(), 0, Ok(measured))
            .usable
            .is_none()
    );
}

#[test]
fn every_finding_speaks() {
    for finding in [
        Finding::NoPmu {
            virtual_machine: false,
        },
        Finding::Killed {
            signal: libc::SIGALRM,
        },
        Finding::Forbidden {
            errno: libc::EPERM,
            filtered: true,
        },
        Finding::Hybrid { pmu: "cpu_core" },
        Finding::SmiCounted,
    ] {
        let text = finding.to_string();
        assert!(!text.contains("os error") && !text.ends_with('.'), "{text}");
    }
}
