//! Two nodes with real threads, clocks, sockets and an etcd: what they do when something is lost.

use crate::support;

use nix::sys::signal::Signal;
use standby::role::machine::OnLag;
use standby::role::witness::none::NoWitness;
use standby::role::{Event, Side, State};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::etcd::Cluster;
use support::{Options, Pair, link, pair};

/// A detection time that a test does not live to see: what happens, happens for another reason.
const NEVER_MS: u64 = 60_000;

fn protected(cluster: &Cluster, options: &Options) -> Pair {
    let nodes = pair(options, |_| Box::new(cluster.witness(0, options.lease_ms)));
    nodes.0.until_state(State::Protected);
    nodes.1.until_state(State::Protected);
    nodes
}

#[test]
fn the_standby_takes_over_from_a_silent_primary_and_not_before() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(&cluster, &Options::default());
    assert!(a.commit.has_right() && !b.commit.has_right());
    world.appended.store(100, Ordering::Release);
    a.until("committed", |report| report.committed == 100);
    let began = Instant::now();
    // Its machine is gone: nobody says anything.
    world.cut.store(true, Ordering::Release);
    // Its last word may be a while ago, if its thread was late.
    let heard = b.handle.report().paths[0].heard_ms.unwrap_or(1000);
    drop(a);
    let report = b.until_state(State::Solo);
    let gap = began.elapsed();
    assert!(
        gap + Duration::from_millis(heard) >= Duration::from_millis(900),
        "sooner than the detection time: {gap:?} and {heard} ms"
    );
    assert_eq!(
        (report.role, report.epoch, report.takeovers),
        (Side::Primary, 2, 1)
    );
    b.until("output", |report| report.output);
    assert!(world.told().contains(&"b promote 2".to_owned()));
}

#[test]
fn a_closed_link_is_enough_when_nothing_else_is_heard() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(
        &cluster,
        &Options {
            detect_ms: NEVER_MS,
            ..Options::default()
        },
    );
    world.cut.store(true, Ordering::Release);
    drop(a);
    b.handle.tell(Event::LinkDown { closed: true });
    b.until_state(State::Solo);
}

#[test]
fn while_another_way_is_heard_a_closed_link_is_no_reason() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(
        &cluster,
        &Options {
            ways: true,
            detect_ms: 500,
            ..Options::default()
        },
    );
    for node in [&a, &b] {
        let report = node.until("a round trip on both ways", |report| {
            let timed = |us: Option<u64>| us.is_some_and(|us| us < 500_000);
            report.paths.len() == 2 && report.paths.iter().all(|path| timed(path.round_trip_us))
        });
        assert_eq!(report.takeovers, 0, "{report:?}");
    }
    world.cut.store(true, Ordering::Release);
    for node in [&a, &b] {
        node.handle.tell(Event::LinkDown { closed: true });
    }
    // It goes on alone: what it journals does not arrive over there.
    a.until_state(State::Solo);
    let report = b.until("told", |report| report.state == State::Lagging);
    assert_eq!((report.role, report.takeovers), (Side::Standby, 0));
    // And back.
    link(&a, &b, &world, true);
    a.until_state(State::Protected);
    b.until_state(State::Protected);
}

#[test]
fn a_silent_witness_changes_nothing_until_it_is_needed() {
    let cluster = Cluster::start(1);
    let options = Options {
        detect_ms: 2000,
        ..Options::default()
    };
    let (a, b, world) = protected(&cluster, &options);
    cluster.signal(0, Signal::SIGSTOP);
    a.until("trouble", |report| report.witness.trouble.is_some());
    std::thread::sleep(Duration::from_millis(2 * options.lease_ms));
    let report = a.until_state(State::Protected);
    assert!(report.output, "longer than the lease: {report:?}");
    // Now the standby is lost, too: nobody may be active.
    world.cut.store(true, Ordering::Release);
    drop(b);
    let report = a.until_state(State::Fenced);
    assert!(
        !report.output && report.reason.contains("witness does not answer"),
        "{report:?}"
    );
    cluster.signal(0, Signal::SIGCONT);
    a.until_state(State::Solo);
    a.until("output", |report| report.output);
}

#[test]
fn alone_and_without_the_witness_the_lease_runs_out() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(&cluster, &Options::default());
    world.cut.store(true, Ordering::Release);
    drop(b);
    a.until_state(State::Solo);
    cluster.signal(0, Signal::SIGSTOP);
    let report = a.until_state(State::Fenced);
    assert!(
        !report.output && report.reason.contains("lease"),
        "{report:?}"
    );
    cluster.signal(0, Signal::SIGCONT);
    a.until_state(State::Solo);
}

#[test]
fn a_primary_that_was_overtaken_is_fenced_before_it_lets_anything_out() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(&cluster, &Options::default());
    link(&a, &b, &world, false);
    // Whoever asked the witness first. If it was the primary, it goes on alone and the standby may not.
    let deadline = Instant::now() + support::PATIENCE;
    loop {
        let (left, right) = (a.commit.has_right(), b.commit.has_right());
        assert!(!(left && right), "both may let something out");
        let settled = |report: &standby::status::Report| report.state == State::Solo;
        if settled(&a.handle.report()) || settled(&b.handle.report()) {
            break;
        }
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    link(&a, &b, &world, true);
    if b.handle.report().role == Side::Primary {
        let report = a.until_state(State::Fenced);
        assert!(
            report.reason.contains("node b has taken over"),
            "{report:?}"
        );
        assert!(!a.commit.has_right());
    } else {
        a.until_state(State::Protected);
    }
}

#[test]
fn a_divergence_costs_protection_and_nothing_else() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(&cluster, &Options::default());
    // Not even the witness is needed for it.
    cluster.signal(0, Signal::SIGSTOP);
    b.handle.tell(Event::Diverged(
        "event 7: expected read, found write".to_owned(),
    ));
    let report = b.until_state(State::Diverged);
    assert!(report.reason.contains("event 7"));
    a.until_state(State::Diverged);
    assert!(
        a.commit.may_go(u64::MAX - 1),
        "it goes on without protection"
    );
    cluster.signal(0, Signal::SIGCONT);
    // The diverged one never takes over.
    world.cut.store(true, Ordering::Release);
    drop(a);
    std::thread::sleep(Duration::from_millis(2500));
    let report = b.handle.report();
    assert_eq!(
        (report.role, report.state),
        (Side::Standby, State::Diverged)
    );
}

#[test]
fn a_switchover_hands_over_and_the_old_primary_stays_silent() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(
        &cluster,
        &Options {
            detect_ms: NEVER_MS,
            ..Options::default()
        },
    );
    world.appended.store(42, Ordering::Release);
    a.handle.tell(Event::Switchover);
    b.until_state(State::Solo);
    let report = a.until_state(State::Fenced);
    assert!(report.reason.contains("taken over"), "{report:?}");
    assert!(!a.commit.has_right());
    let told = world.told();
    assert!(
        told.contains(&"a stop input".to_owned()) && !told.contains(&"a resume input".to_owned())
    );
}

#[test]
fn a_replay_that_stands_still_costs_time_or_protection() {
    for on_lag in [OnLag::Slow, OnLag::Drop] {
        let cluster = Cluster::start(1);
        let (a, b, world) = protected(
            &cluster,
            &Options {
                on_lag,
                detect_ms: NEVER_MS,
                ..Options::default()
            },
        );
        world.stuck.store(true, Ordering::Release);
        world.appended.store(5000, Ordering::Release);
        a.until_state(State::Lagging);
        b.until_state(State::Lagging);
        assert!(!a.commit.may_go(5000) && a.commit.may_go(1000));
        let report = a.until("a lag", |report| report.lag.ms > 100);
        assert_eq!(report.lag.events, 5000);
        if on_lag == OnLag::Drop {
            let report = a.until("alone", |report| {
                report.reason.contains("does not have everything")
            });
            assert_eq!(report.state, State::Syncing);
            assert!(a.commit.may_go(5000), "protection is dropped");
        } else {
            std::thread::sleep(Duration::from_secs(3));
            assert_eq!(
                a.handle.report().state,
                State::Lagging,
                "protection is kept"
            );
        }
        world.stuck.store(false, Ordering::Release);
        a.until_state(State::Protected);
    }
}

#[test]
fn an_application_that_ends_by_itself_is_no_failover() {
    let cluster = Cluster::start(1);
    let (a, b, world) = protected(&cluster, &Options::default());
    a.handle.tell(Event::AppEnded);
    a.until_state(State::Ended);
    b.until_state(State::Ended);
    world.cut.store(true, Ordering::Release);
    drop(a);
    b.handle.tell(Event::LinkDown { closed: true });
    std::thread::sleep(Duration::from_millis(2000));
    assert_eq!(b.handle.report().takeovers, 0);
}

#[test]
fn an_application_that_is_killed_is_taken_over_at_once() {
    let cluster = Cluster::start(1);
    let (a, b, _world) = protected(
        &cluster,
        &Options {
            detect_ms: NEVER_MS,
            ..Options::default()
        },
    );
    a.handle.tell(Event::AppKilled("SIGKILL".to_owned()));
    b.until_state(State::Solo);
    a.until_state(State::Fenced);
}

#[test]
fn without_a_witness_a_silent_primary_is_replaced_too() {
    let (a, b, world) = pair(&Options::default(), |_| Box::new(NoWitness));
    a.until_state(State::Protected);
    b.until_state(State::Protected);
    let report = a.handle.report();
    assert!(
        report.witness.kind.contains("makes both active"),
        "{report:?}"
    );
    world.cut.store(true, Ordering::Release);
    drop(a);
    assert_eq!(b.until_state(State::Solo).epoch, 2);
}
