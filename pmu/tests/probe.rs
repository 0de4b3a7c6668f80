//! The probe on this machine, with and without a PMU, and under system call filters.

use pmu::Counter;
use pmu::hardware::{
    BranchCounter, ChoiceError, CounterChoice, CounterSource, CounterSpec, Finding, Findings,
    PerfEvents, Severity, choose, probe,
};
use std::io::Write;

/// Whatever is found: either a counter or what is in the way of one.
fn consistent(findings: &Findings) {
    assert_ne!(
        findings.usable.is_some(),
        findings.obstacle().is_some(),
        "{findings:?}"
    );
    let severities: Vec<Severity> = findings.list.iter().map(Finding::severity).collect();
    assert!(
        severities.is_sorted_by(|one, next| one >= next),
        "{severities:?}"
    );
    let auto = choose(CounterChoice::Auto, findings).expect("there is always one");
    let hardware = choose(CounterChoice::Hardware, findings);
    match findings.usable {
        Some(usable) => {
            assert_eq!(
                (auto.counter, auto.hardware),
                (Counter::Hardware, Some(usable))
            );
            assert_eq!(hardware, Ok(auto));
            assert!(usable.slack > usable.skid_seen, "{usable:?}");
        }
        None => {
            assert_eq!((auto.counter, auto.hardware), (Counter::Software, None));
            let ChoiceError::NoHardware { reason, .. } = hardware.expect_err("there is none");
            assert_eq!(reason, auto.why);
        }
    }
}

#[test]
fn the_probe_answers_on_every_machine() {
    for cpu in [None, Some(0), Some(u32::MAX)] {
        consistent(&probe(cpu));
    }
}

/// Only where there is a PMU: says so where there is none, and shows nothing then.
#[test]
fn if_there_is_a_pmu_it_counts_known_code() {
    let findings = probe(None);
    let Some(usable) = findings.usable else {
        let why = findings.obstacle().expect("a reason");
        let _ = writeln!(std::io::stderr(), "no hardware counter was tried: {why}");
        return;
    };
    let spec = CounterSpec {
        pmu: usable.pmu,
        ..CounterSpec::of_calling_thread(usable.event, libc::SIGURG)
    };
    let mut counter = PerfEvents.open(&spec).expect("as in the probe");
    let mut count = |loops: u64| {
        counter.reset().expect("reset");
        counter.enable().expect("enabled");
        for number in 0..loops {
            std::hint::black_box(number);
        }
        counter.disable().expect("disabled");
        counter.read().expect("a count").0
    };
    count(1);
    let (short, long) = (count(10_000), count(30_000));
    // One conditional branch a round, whatever the compiler does with the rest.
    assert_eq!(long - short, 20_000);
    assert_eq!(count(10_000), short);
    let _ = writeln!(
        std::io::stderr(),
        "a hardware counter was tried: {usable:?}"
    );
}

/// Runs `probe` in a thread whose `perf_event_open` this filter answers.
fn filtered(answer: u32) -> Findings {
    const LOAD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let thread = std::thread::spawn(move || {
        let number = u32::try_from(libc::SYS_perf_event_open).expect("small");
        let mut filter = [
            instruction(LOAD, 0, 0, 0),
            instruction(JUMP_EQUAL, 0, 1, number),
            instruction(RETURN, 0, 0, answer),
            instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog {
            len: 4,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the kernel copies the program; both calls concern this thread alone.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            let done = libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            );
            assert_eq!(done, 0);
        }
        probe(None)
    });
    thread.join().expect("it does not panic")
}

#[test]
fn filters_are_named_as_what_forbids_it() {
    let error = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.cast_unsigned();
    for (answer, expected) in [
        (
            libc::SECCOMP_RET_KILL_PROCESS,
            Finding::Killed {
                signal: libc::SIGSYS,
            },
        ),
        (
            error(libc::EPERM),
            Finding::Forbidden {
                errno: libc::EPERM,
                filtered: true,
            },
        ),
        (
            error(libc::ENOSYS),
            Finding::NoPerfEvents { filtered: true },
        ),
    ] {
        let findings = filtered(answer);
        consistent(&findings);
        // Where unprivileged processes may not count at all, that is said first.
        if findings.environment.too_paranoid() && matches!(expected, Finding::Forbidden { .. }) {
            continue;
        }
        assert_eq!(findings.obstacle(), Some(&expected));
        assert!(
            expected
                .remedy()
                .is_some_and(|remedy| remedy.contains("seccomp"))
        );
    }
}

/// It is a process of its own, waited for.
#[test]
fn the_probe_leaves_no_child() {
    drop(probe(None));
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children.trim(), "");
}
