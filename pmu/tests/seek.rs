//! Random programs, random stop points, counters with every fault: a seek ends exactly at its
//! target or says why not.

#[path = "seek/thread.rs"]
mod thread;

use pmu::hardware::{Faults, Limits, Place, SeekError};
use pmu::{Rcb, Signature};
use proptest::prelude::*;
use thread::{Instruction, Run, Thread};

/// A stretch of execution.
#[derive(Debug, Clone)]
struct Stretch {
    /// Instructions of one round; the last may be a conditional branch.
    body: u64,
    branch: bool,
    rounds: u64,
    /// The first address: few, so that stretches overlap.
    ip: u64,
    /// Registers change with each round.
    counting: bool,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    (1u64..6, any::<bool>(), 1u64..80, 0u64..8, any::<bool>()).prop_map(
        |(body, branch, rounds, ip, counting)| Stretch {
            body,
            branch,
            rounds,
            ip,
            counting,
        },
    )
}

/// Loops that branch, loops that do not (`jmp`, computed goto), repeated string instructions (a
/// body of one), with registers that change or not: everything comes by the same addresses again.
fn program() -> impl Strategy<Value = Vec<Instruction>> {
    prop::collection::vec(stretch(), 1..25).prop_map(|stretches| {
        let mut program = Vec::new();
        for stretch in stretches {
            for round in 0..stretch.rounds {
                for step in 0..stretch.body {
                    let changing = if stretch.counting { round % 7 } else { 0 };
                    program.push(Instruction {
                        ip: 0x1000 + stretch.ip + step,
                        signature: Signature(u32::try_from(changing * 8 + step).expect("small")),
                        branch: stretch.branch && step + 1 == stretch.body,
                    });
                }
            }
        }
        program
    })
}

/// The same with registers that tell every instruction from every other.
fn program_of_states() -> impl Strategy<Value = Vec<Instruction>> {
    program().prop_map(|mut program| {
        for (index, instruction) in (0..).zip(&mut program) {
            instruction.signature = Signature(index);
        }
        program
    })
}

fn limits(slack: u64) -> Limits {
    Limits {
        period_min: 1 + slack / 8,
        steps_max: 1 << 20,
        ..Limits::with_slack(slack)
    }
}

/// Cases of each random test.
fn cases() -> u32 {
    let given = std::env::var("FTRUN_TEST_CASES").ok();
    let soak =
        std::env::var_os("FTRUN_TEST_SOAK").is_some_and(|value| value != "0" && !value.is_empty());
    let cases = given.and_then(|cases| cases.parse().ok()).unwrap_or(2000);
    if soak { cases * 100 } else { cases }
}

/// Where to start and where to stop, in this order.
fn ends(
    program: &[Instruction],
    one: &prop::sample::Index,
    other: &prop::sample::Index,
) -> (usize, usize) {
    let (one, other) = (one.index(program.len()), other.index(program.len()));
    (one.min(other), one.max(other))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// A counter that counts right and whose skid is below the slack always gets there, to the first
    /// place that is equal to the target.
    #[test]
    fn an_exact_counter_gets_there(
        program in program(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        slack in 1u64..60, skid in 0u64..60, seed in any::<u64>(),
    ) {
        let (start, stop) = ends(&program, &one, &other);
        let faults = Faults { skid_max: skid.min(slack - 1), ..Faults::default() };
        let mut thread = Thread::new(&program, start, faults, seed);
        let target = thread.place(stop);
        let run = thread.seek(target, limits(slack));
        let first = (start..).find(|&at| thread.place(at) == target);
        prop_assert_eq!(run.end, Ok(first.expect("the stop point is one")));
    }

    /// Where places look the same, the embedder's comparison of memory decides.
    #[test]
    fn memory_decides_among_equal_places(
        program in program(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        slack in 1u64..60, seed in any::<u64>(),
    ) {
        let (start, stop) = ends(&program, &one, &other);
        let faults = Faults { skid_max: slack - 1, ..Faults::default() };
        let mut thread = Thread::new(&program, start, faults, seed);
        let target = thread.place(stop);
        let run = thread.seek_exactly(target, limits(slack), stop);
        prop_assert_eq!(run.end, Ok(stop));
    }

    /// Interrupts that are lost, early, or later than the slack; periods that are ignored: the count
    /// is right all the same, so an arrival is at the target, and everything else is an error.
    #[test]
    fn unreliable_interrupts_never_lead_astray(
        program in program(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        slack in 1u64..60, skid in 0u64..200, lost in 0u64..600, early in 0u64..50, period_late in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let (start, stop) = ends(&program, &one, &other);
        let faults = Faults {
            skid_max: skid, lost_per_mille: lost, early_per_mille: early, period_late, ..Faults::default()
        };
        let mut thread = Thread::new(&program, start, faults, seed);
        let target = thread.place(stop);
        match thread.seek(target, limits(slack)).end {
            Ok(at) => prop_assert_eq!(thread.place(at), target),
            Err(SeekError::OverRun { .. } | SeekError::LostInterrupt { .. } | SeekError::SyncPoint { .. }
                | SeekError::Stuck { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    /// Branches that are counted twice, or not, or by interrupts; counts that go backwards. Registers
    /// that are those of the target are then at the target.
    #[test]
    fn a_wrong_count_never_leads_astray(
        program in program_of_states(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        slack in 1u64..60, skid in 0u64..60, twice in 0u64..200, missed in 0u64..200, added in 0u64..3,
        backwards in 0u64..100, lost in 0u64..300, seed in any::<u64>(),
    ) {
        let (start, stop) = ends(&program, &one, &other);
        let faults = Faults {
            skid_max: skid, twice_per_mille: twice, missed_per_mille: missed, added_by_interrupt: added,
            backwards_per_mille: backwards, lost_per_mille: lost, ..Faults::default()
        };
        let mut thread = Thread::new(&program, start, faults, seed);
        let target = thread.place(stop);
        if let Ok(at) = thread.seek(target, limits(slack)).end {
            prop_assert_eq!(at, stop);
        }
    }

    /// A target that the program never passes is never found.
    #[test]
    fn what_is_not_there_is_not_found(
        program in program(), one in any::<prop::sample::Index>(), rcb in 0u64..3000, seed in any::<u64>(),
    ) {
        let start = one.index(program.len());
        let mut thread = Thread::new(&program, start, Faults { skid_max: 19, ..Faults::default() }, seed);
        let target = Place { rcb: Rcb(rcb), ip: 0x1003, signature: Signature(999) };
        let limits = limits(20);
        let run = thread.seek(target, limits);
        match run.end {
            Ok(at) => prop_assert!(false, "arrived at {at}"),
            // The thread does not run on: an interrupt is due right behind the target.
            Err(SeekError::OverRun { by }) if thread.place(start).rcb <= target.rcb => {
                prop_assert!(by <= limits.period_min + 19, "{by}");
            }
            Err(_) => {}
        }
    }
}

/// What a position cannot show, because the thread is in the same state in every round, the count at
/// the next sync point does show.
#[test]
fn a_wrong_count_in_an_unchanging_loop_shows_at_the_next_sync_point() {
    let spin = [(0x10, false), (0x11, true)].map(|(ip, branch)| Instruction {
        ip,
        signature: Signature(1),
        branch,
    });
    let program = spin.repeat(2000);
    let mut exact = Thread::new(&program, 0, Faults::default(), 1);
    let target = exact.place(3000);
    assert_eq!(exact.seek(target, limits(100)).end, Ok(3000));
    let recorded = exact.run_to_the_end();
    let faults = Faults {
        twice_per_mille: 10,
        ..Faults::default()
    };
    let mut wrong = Thread::new(&program, 0, faults, 1);
    let early = wrong.seek(target, limits(100)).end.expect("it looks right");
    assert!(early < 3000, "{early}");
    let counted = wrong.run_to_the_end();
    assert_eq!(recorded, Rcb(2000));
    assert_ne!(counted, recorded);
}

/// How much it takes: one interrupt, and as many breakpoints as the slack has visits.
#[test]
fn a_long_way_takes_few_stops() {
    let program: Vec<Instruction> = (0..100_000u32)
        .map(|index| Instruction {
            ip: u64::from(index % 10),
            signature: Signature(index),
            branch: index % 10 == 9,
        })
        .collect();
    let faults = Faults {
        skid_max: 99,
        ..Faults::default()
    };
    let mut thread = Thread::new(&program, 0, faults, 3);
    let target = thread.place(95_005);
    let Run { end, stats } = thread.seek(target, limits(200));
    assert_eq!(end, Ok(95_005));
    assert_eq!((stats.early, stats.lost), (0, 0));
    assert!(
        stats.interrupts == 1 && stats.breakpoints <= 201,
        "{stats:?}"
    );
}
