//! Witnesses: real etcd servers, healthy, frozen, restarted, without a leader; fencing commands.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

use crate::support;

use nix::sys::signal::Signal;
use standby::role::machine::About;
use standby::role::witness::Witness;
use standby::role::witness::command::Fencing;
use standby::role::{Answer, Ask, NodeId, Record, Session};
use std::time::{Duration, Instant};
use support::etcd::Cluster;

fn record(owner: &str, run: u64) -> Record {
    Record::taken(None, NodeId::new(owner).unwrap(), Session(run))
}

fn swap(expected: Option<&Record>, new: &Record) -> Ask {
    Ask::Swap {
        expected: expected.cloned(),
        new: new.clone(),
        about: About::default(),
    }
}

fn done(answer: &Answer) -> bool {
    leased(answer, Duration::from_millis(LONG_MS))
}

/// Done, with nearly the lease that was asked for.
fn leased(answer: &Answer, asked: Duration) -> bool {
    matches!(answer, Answer::Done { lease: Some(lease) } if *lease <= asked && *lease > asked / 2)
}

/// Says that its owner lives until that is done once: then it has a connection and a lease.
fn keep(witness: &mut impl Witness, record: &Record) {
    let deadline = Instant::now() + PATIENT;
    while !done(&witness.ask(&Ask::Keep(record.clone()))) {
        assert!(Instant::now() < deadline, "{:?}", witness.ask(&READ));
    }
}

const READ: Ask = Ask::Read { hint: None };
/// Longer than a test lasts.
const LONG_MS: u64 = 600_000;
/// Long enough for a slow disk, and for a machine that stands still for a while.
const PATIENT: Duration = Duration::from_secs(60);

#[test]
fn etcd_swaps_only_what_is_expected_and_the_lease_runs_out() {
    let cluster = Cluster::start(1);
    let mut a = cluster.patient(0, LONG_MS, PATIENT);
    let mut b = cluster.patient(0, 2000, PATIENT);
    assert_eq!(
        a.ask(&READ),
        Answer::Current {
            record: None,
            alive: false
        }
    );
    let first = record("a", 1);
    assert!(done(&a.ask(&swap(None, &first))));
    assert_eq!(
        b.ask(&swap(None, &record("b", 2))),
        Answer::Refused(Some(first.clone()))
    );
    assert_eq!(
        b.ask(&READ),
        Answer::Current {
            record: Some(first.clone()),
            alive: true
        }
    );
    assert!(done(&a.ask(&Ask::Keep(first.clone()))));
    let second = Record::taken(Some(&first), NodeId::new("b").unwrap(), Session(2));
    let answer = b.ask(&swap(Some(&first), &second));
    assert!(leased(&answer, Duration::from_secs(2)), "{answer:?}");
    assert_eq!(
        a.ask(&Ask::Keep(first.clone())),
        Answer::Refused(Some(second.clone()))
    );
    assert_eq!(
        a.ask(&swap(Some(&first), &first.with_standby(None))),
        Answer::Refused(Some(second.clone()))
    );
    // Nobody prolongs b's lease.
    let deadline = Instant::now() + PATIENT;
    loop {
        match a.ask(&READ) {
            Answer::Current {
                record: Some(found),
                alive,
            } if found == second => {
                if !alive {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "the lease never ends");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_frozen_etcd_costs_no_more_than_the_limit() {
    let cluster = Cluster::start(1);
    let mut ready = cluster.patient(0, LONG_MS, PATIENT);
    let mut a = cluster.witness(0, LONG_MS);
    let first = record("a", 1);
    assert!(done(&ready.ask(&swap(None, &first))));
    keep(&mut a, &first);
    cluster.signal(0, Signal::SIGSTOP);
    let began = Instant::now();
    assert!(matches!(a.ask(&READ), Answer::Unreachable(_)));
    let changed = first.with_standby(Some(Session(9)));
    assert!(
        matches!(a.ask(&swap(Some(&first), &changed)), Answer::Unknown(_)),
        "it may yet be done"
    );
    assert!(began.elapsed() < PATIENT, "{:?}", began.elapsed());
    cluster.signal(0, Signal::SIGCONT);
    // Whichever it was, the next change settles it.
    let again = first.with_standby(None);
    match ready.ask(&swap(Some(&first), &again)) {
        Answer::Done { .. } => {}
        Answer::Refused(Some(actual)) => assert_eq!(actual, changed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restarted_etcd_remembers() {
    let mut cluster = Cluster::start(1);
    let mut a = cluster.patient(0, LONG_MS, Duration::from_secs(10));
    let first = record("a", 1);
    assert!(done(&a.ask(&swap(None, &first))));
    cluster.kill(0);
    assert!(matches!(a.ask(&READ), Answer::Unreachable(_)));
    cluster.run(0);
    cluster.wait(0);
    keep(&mut a, &first);
    assert_eq!(
        a.ask(&READ),
        Answer::Current {
            record: Some(first),
            alive: true
        }
    );
}

#[test]
fn a_cluster_that_loses_its_leader_goes_on_and_one_without_a_majority_does_not() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    let mut a = cluster.witness(leader, LONG_MS);
    let first = record("a", 1);
    let mut ready = cluster.patient(leader, LONG_MS, PATIENT);
    assert!(done(&ready.ask(&swap(None, &first))));
    keep(&mut a, &first);
    cluster.signal(leader, Signal::SIGSTOP);
    let deadline = Instant::now() + PATIENT;
    let mut current = first.clone();
    loop {
        let next = current.with_standby(Some(Session(2)));
        match a.ask(&swap(Some(&current), &next)) {
            Answer::Done { .. } => break,
            Answer::Refused(Some(actual)) if actual == next => break,
            Answer::Refused(Some(actual)) => current = actual,
            Answer::Unknown(_) => {}
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "no new leader");
    }
    cluster.signal((leader + 1) % 3, Signal::SIGSTOP);
    assert!(
        matches!(a.ask(&READ), Answer::Unreachable(_)),
        "one of three must not answer"
    );
    for index in [leader, (leader + 1) % 3] {
        cluster.signal(index, Signal::SIGCONT);
    }
}

#[test]
fn what_is_no_record_is_an_error_and_no_record() {
    let cluster = Cluster::start(1);
    let mut a = cluster.patient(0, LONG_MS, PATIENT);
    let put = std::process::Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args([
            "--endpoints",
            &cluster.url(0),
            "put",
            "/ftrun/test/record",
            "nonsense",
        ])
        .output()
        .unwrap();
    assert!(put.status.success());
    match a.ask(&READ) {
        Answer::Unreachable(trouble) => assert!(trouble.contains("no record"), "{trouble}"),
        other => panic!("{other:?}"),
    }
}

fn fencing(script: &str, limit: Duration) -> (Fencing, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fence");
    let text = format!("#!/bin/sh\ncd {}\n{script}\n", dir.path().display());
    // By another process: a child that another test makes meanwhile would have it open for writing, and
    // then nobody can execute it.
    let written = std::process::Command::new("sh")
        .args([
            "-c",
            "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"",
            "sh",
            &text,
        ])
        .arg(&path)
        .status()
        .unwrap();
    assert!(written.success());
    let fencing = Fencing::new(path, NodeId::new("b").unwrap(), limit);
    (fencing, dir)
}

fn takeover() -> Ask {
    let before = record("a", 1).with_standby(Some(Session(2)));
    let new = Record::taken(Some(&before), NodeId::new("b").unwrap(), Session(2));
    swap(Some(&before), &new)
}

#[test]
fn a_fencing_command_is_told_whom_and_why() {
    let (mut fencing, dir) = fencing(
        "echo \"$1 $2 $FTRUN_NODE $FTRUN_EPOCH $FTRUN_REASON\" > told",
        PATIENT,
    );
    assert_eq!(fencing.ask(&takeover()), Answer::Done { lease: None });
    let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
    assert_eq!(told, "fence a b 2 takeover\n");
    // Nobody needs to be off for these.
    let mine = record("b", 2);
    for ask in [
        swap(None, &mine),
        swap(Some(&mine), &mine.with_standby(Some(Session(3)))),
        Ask::Keep(mine.clone()),
    ] {
        std::fs::remove_file(dir.path().join("told")).ok();
        assert_eq!(fencing.ask(&ask), Answer::Done { lease: None });
        assert!(!dir.path().join("told").exists());
    }
}

#[test]
fn a_standby_is_switched_off_only_if_it_might_take_over() {
    let script = "echo \"$2 $FTRUN_REASON\" > told";
    let (mut fencing, dir) = fencing(script, PATIENT);
    let told = dir.path().join("told");
    let before = record("b", 2).with_standby(Some(Session(3)));
    let alone = |harmless| Ask::Swap {
        expected: Some(before.clone()),
        new: before.with_standby(None),
        about: About {
            peer: Some(NodeId::new("c").unwrap()),
            harmless,
        },
    };
    assert_eq!(fencing.ask(&alone(true)), Answer::Done { lease: None });
    assert!(!told.exists());
    assert_eq!(fencing.ask(&alone(false)), Answer::Done { lease: None });
    assert_eq!(std::fs::read_to_string(told).unwrap(), "c alone\n");
}

#[test]
fn a_fencing_command_that_fails_hangs_or_is_killed_grants_nothing() {
    const SHORT: Duration = Duration::from_millis(300);
    for (script, limit, expected) in [
        ("exit 1", PATIENT, "exit code 1"),
        ("exit 17", PATIENT, "exit code 17"),
        ("kill -9 $$", PATIENT, "exit code 137"),
        ("sleep 1000", SHORT, "longer than 300 ms"),
        ("sleep 1000 & sleep 1000", SHORT, "longer than 300 ms"),
        ("kill -9 $PPID; exit 0", PATIENT, "killed"),
    ] {
        let (mut fencing, _dir) = fencing(script, limit);
        let began = Instant::now();
        match fencing.ask(&takeover()) {
            Answer::Unreachable(trouble) => {
                assert!(trouble.contains(expected), "{script}: {trouble}")
            }
            other => panic!("{script}: {other:?}"),
        }
        assert!(began.elapsed() < PATIENT, "{script}");
    }
    let mut missing = Fencing::new(
        "/nonexistent/fence".into(),
        NodeId::new("b").unwrap(),
        Duration::from_secs(5),
    );
    assert!(matches!(missing.ask(&takeover()), Answer::Unreachable(_)));
}
