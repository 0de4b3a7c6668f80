//! Kills at random moments under load, of whatever keeps the application alive.

use super::common::{Random, soaking};
use super::*;

/// Whom it hits.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Supervisor,
    /// A process by its number inside: the init of the application's namespaces, or itself.
    Inside(i32),
}

const VICTIMS: [Victim; 3] = [Victim::Supervisor, Victim::Inside(1), Victim::Inside(2)];

/// One life of a pair of nodes; the time that a client had to wait, usually, and at most.
#[track_caller]
fn killed(victim: Victim, moment: Duration) -> (Duration, Duration) {
    let scratch = Scratch::new("protected-random");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 20));
    clients.go_on_for(100, END_LIMIT);
    // A moment is not waited for: any is as good as another.
    std::thread::sleep(moment);
    match victim {
        Victim::Supervisor => nodes.signal(Place::Primary, Signal::SIGKILL),
        Victim::Inside(number) => {
            kill(nodes.inside(Place::Primary, number), Signal::SIGKILL).expect("it runs");
        }
    }
    clients.go_on_for(150, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    assert!(sum.gap < GAP_MAX, "{sum:?}");
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    match victim {
        Victim::Supervisor => assert_eq!(primary.exit, Exit::Signal(libc::SIGKILL), "{primary}"),
        Victim::Inside(_) => assert_says(primary.expect_code(125), "killed from outside"),
    }
    end_on_standby(&mut nodes, &scratch);
    (sum.usual_gap, sum.gap)
}

#[test]
fn kills_at_random_moments() {
    let _turn = heavy();
    let count = if soaking() { 500 } else { 30 };
    let mut random = Random::new();
    let (mut usual, mut gaps) = (Vec::new(), Vec::new());
    for number in 0..count {
        let victim = VICTIMS[random.index(VICTIMS.len())];
        let moment = Duration::from_micros(random.below(100_000));
        eprint!(
            "kill {number}: {victim:?} after {} us: ",
            moment.as_micros()
        );
        let (middle, gap) = killed(victim, moment);
        eprintln!("{} ms, usually {} ms", gap.as_millis(), middle.as_millis());
        usual.push(middle);
        gaps.push(gap);
    }
    for (of, gaps) in [
        ("the usual client", &mut usual),
        ("the last client", &mut gaps),
    ] {
        gaps.sort();
        let at = |percent: usize| gaps[(gaps.len() - 1) * percent / 100].as_millis();
        let (median, late, last) = (at(50), at(95), at(100));
        eprintln!("{count} kills, {of}: gaps p50 {median} ms, p95 {late} ms, longest {last} ms");
    }
}
