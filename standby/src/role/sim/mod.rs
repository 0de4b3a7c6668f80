//! Two nodes and a witness in one thread, with every fault that a seed can think of: what must
//! never happen is checked at every step, and that all is well again after the faults.
//!
//! `FTRUN_SIM_SEED=N cargo test -p standby sim` repeats the run of one seed, and tells what happens.

mod faults;
mod net;
mod node;
mod world;

use faults::Faults;
use world::World;

/// Of the tests that are about one fault alone, with `FTRUN_SIM_SEEDS` of all.
const SEEDS: u64 = 40;
/// Of the test with everything.
const SEEDS_ALL: u64 = 400;

fn seeds(usual: u64) -> Vec<u64> {
    let set = |name| std::env::var(name).map(|value| value.parse::<u64>().expect("a number"));
    match set("FTRUN_SIM_SEED") {
        Ok(seed) => vec![seed],
        Err(_) => (1..=set("FTRUN_SIM_SEEDS").unwrap_or(usual)).collect(),
    }
}

fn run_all(faults: Faults, usual: u64) -> world::Totals {
    let mut totals = world::Totals::default();
    for seed in seeds(usual) {
        let mut world = World::new(seed, faults);
        world.run();
        totals.add(&world.totals);
    }
    totals
}

#[test]
fn no_fault_makes_two_active_or_loses_an_output() {
    let totals = run_all(Faults::ALL, SEEDS_ALL);
    // The check is worth nothing if nothing happens.
    if std::env::var_os("FTRUN_SIM_SEED").is_none() {
        assert!(totals.takeovers > SEEDS_ALL / 2, "{totals:?}");
        assert!(totals.alone > SEEDS_ALL / 2, "{totals:?}");
        assert!(totals.released > SEEDS_ALL * 5_000, "{totals:?}");
        assert!(totals.protected_again > SEEDS_ALL, "{totals:?}");
    }
}

#[test]
fn a_loaded_but_healthy_pair_stays_as_it_is() {
    let totals = run_all(Faults::JITTER, SEEDS);
    assert_eq!(totals.takeovers, 0, "{totals:?}");
    assert_eq!(totals.alone, 0, "{totals:?}");
}

#[test]
fn a_silent_witness_does_not_disturb_a_protected_pair() {
    let totals = run_all(Faults::WITNESS_ONLY, SEEDS);
    assert_eq!(totals.takeovers, 0, "{totals:?}");
    assert_eq!(totals.alone, 0, "{totals:?}");
}

#[test]
fn a_switchover_loses_nothing_and_is_fast() {
    let totals = run_all(Faults::SWITCHOVER, SEEDS);
    assert!(totals.takeovers > 0, "{totals:?}");
    assert!(totals.switchover_gap_max_ms <= 150, "{totals:?}");
}
