//! Protection for a long time under load: neither node grows, the standby does not fall behind,
//! and its copy of the journal replays. Seconds in `make test`, half an hour in `make soak`.

use super::common::{assert_flat, resident, soaking, verify};
use super::*;

/// Allowed between the first and the last third; the journal's buffers are in it.
const GROWTH_BYTES_MAX: u64 = 8 << 20;

#[test]
fn nodes_under_load_stay_what_they_are() {
    let _turn = heavy();
    let span = Duration::from_secs(if soaking() { 30 * 60 } else { 10 });
    let scratch = Scratch::new("protected-load");
    // Nobody is lost here, however busy the machine is, or if it stands still for a while.
    let plan = Plan {
        detect_ms: 5000,
        ..Plan::default()
    };
    let mut nodes = redis(&scratch, &[], plan);
    let benchmark = program("redis-benchmark");
    let words = ["-h", common::nodes::VIP, "-c", "20", "-l", "-q"];
    let words = [&words[..], &["-n", "10000", "-t", "set,get,incr"]].concat();
    let load = nodes.start_at_client(benchmark.to_str().expect("a path"), &words);
    let both = [Place::Primary, Place::Standby];
    let mut memory = [Vec::new(), Vec::new()];
    let (mut lags, mut late) = (Vec::new(), 0);
    let end = std::time::Instant::now() + span;
    // Looks that are few tell nothing.
    while std::time::Instant::now() < end || lags.len() < 12 {
        for (place, samples) in both.into_iter().zip(&mut memory) {
            let supervisor = nodes.supervisor(place);
            samples.push(resident(supervisor).expect("it runs"));
        }
        let status = nodes.status(Place::Primary).expect("it runs");
        // Late is not lost.
        let state = status["state"].as_str().unwrap_or_default();
        assert!(
            matches!(state, "PROTECTED" | "LAGGING"),
            "{status:#?}\n{}",
            nodes.said()
        );
        late += u32::from(state == "LAGGING");
        lags.push(status["lag"]["ms"].as_u64().expect("a number"));
        std::thread::sleep(span / 100);
    }
    drop(load);
    for (place, samples) in both.into_iter().zip(&memory) {
        let what = format!("{place:?}");
        let (first, last) = assert_flat(&what, samples, GROWTH_BYTES_MAX);
        eprintln!("{what}: {first} bytes at first, {last} at last");
    }
    lags.sort_unstable();
    let at = |percent: usize| lags[(lags.len() - 1) * percent / 100];
    let (median, high, last) = (at(50), at(99), at(100));
    eprintln!("lag of the replay: p50 {median} ms, p99 {high} ms, longest {last} ms");
    eprintln!("LAGGING at {late} of {} looks", lags.len());
    let primary = end_on_primary(&mut nodes);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(0);
    assert_says(&standby, "did not take over");
    assert!(!primary.err().contains("DIVERGED"), "{primary}");
    // The copy is a recording like any other.
    verify(
        &scratch,
        &nodes.dir(Place::Standby),
        true,
        span * 4 + END_LIMIT,
    )
    .expect_code(0);
    scratch.assert_no_process_left();
}
