//! Positions across counters, and turns that are drawn by chance: what was counted in one way is found in another.
#![allow(missing_docs)]

use crate::common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Record, Recorded, Scratch, build_c, ftrun, native_mode, run_command};

const LIMIT: Duration = Duration::from_secs(120);

fn guest(path: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    build_c(&tests.join(path), &[], &[&tests.join("guests/guest.h")])
}

#[track_caller]
fn record<'s>(scratch: &'s Scratch, program: &Path, options: &[&str]) -> Recorded<'s> {
    let program = scratch.private_binary(program);
    let record = options.iter().fold(
        Record::new(scratch, program).timeout(LIMIT),
        |record, option| record.option(option),
    );
    let recorded = record.run();
    recorded.output.expect_code(0);
    recorded
}

/// How often threads were stopped between two sync points.
#[track_caller]
fn preemptions(recorded: &Recorded<'_>) -> usize {
    let mut command = std::process::Command::new(ftrun());
    command.args(["events", "--json"]).arg(&recorded.dir);
    let events = run_command(command, None, LIMIT);
    events.expect_code(0);
    let kind = |line: &&str| {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        event["kind"] == "preempt"
    };
    events.out().lines().filter(kind).count()
}

#[test]
fn what_is_counted_in_software_is_found_by_single_steps_and_the_other_way_round() {
    if native_mode() {
        return;
    }
    let program = guest("engine/positions/lost.c");
    let scratch = Scratch::new("positions-stepped");
    let recorded = record(&scratch, &program, &["--counter=software", "--chaos=1"]);
    assert!(preemptions(&recorded) >= 3, "nobody was stopped");
    for counter in ["stepped", "software", "auto"] {
        recorded.assert_same(&recorded.replay_counting(counter));
    }
    let scratch = Scratch::new("positions-from-steps");
    // So short that threads are stopped while they are stepped.
    let recorded = record(&scratch, &program, &["--counter=stepped", "--slice=1"]);
    assert!(preemptions(&recorded) >= 1, "nobody was stopped");
    for counter in ["software", "stepped"] {
        recorded.assert_same(&recorded.replay_counting(counter));
    }
}

#[test]
fn what_was_recorded_natively_is_found_in_software() {
    if native_mode() {
        return;
    }
    let program = guest("guests/race_counter.c");
    let scratch = Scratch::new("positions-auto");
    let recorded = record(&scratch, &program, &["--counter=auto", "--native-slice=10"]);
    assert!(preemptions(&recorded) >= 3, "nobody was stopped");
    recorded.assert_same(&recorded.replay_counting("software"));
}

#[test]
fn a_seed_brings_the_same_race_out_again() {
    const SEEDS: usize = 24;
    if native_mode() {
        return;
    }
    let program = guest("engine/positions/lost.c");
    // How long a program takes to begin, and where its stack is, depends on its environment.
    let shown = |seed: usize, environment: usize| {
        let scratch = Scratch::new("positions-chaos");
        let option = format!("--chaos={seed}");
        let recorded = Record::new(&scratch, scratch.private_binary(&program))
            .timeout(LIMIT)
            .env("PADDING", "x".repeat(environment))
            .option(option)
            .run();
        recorded.output.expect_code(0);
        recorded.assert_replays();
        recorded.output.out()
    };
    let mut found = 0;
    for seed in 1..=SEEDS {
        let first = shown(seed, 0);
        assert_eq!(first, shown(seed, 37 * seed), "seed {seed}");
        found += usize::from(first != "0 lost\n");
    }
    assert!(found >= 4, "only {found} of {SEEDS} seeds lost anything");
}

#[test]
fn a_seed_that_nobody_chose_is_said() {
    if native_mode() {
        return;
    }
    let program = guest("engine/positions/lost.c");
    let scratch = Scratch::new("positions-seed");
    let recorded = record(&scratch, &program, &["--chaos"]);
    let said = recorded.output.err();
    let (_, rest) = said.split_once("--chaos=").expect("it is said");
    let seed: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let scratch = Scratch::new("positions-same-seed");
    let again = record(&scratch, &program, &[&format!("--chaos={seed}")]);
    assert_eq!(recorded.output.out(), again.output.out());
}

#[test]
fn turns_by_chance_need_threads_that_are_counted() {
    let scratch = Scratch::new("positions-none");
    let record = Record::new(&scratch, "/bin/true");
    let recorded = record.option("--chaos=1").option("--counter=none").run();
    recorded.output.expect_code(125);
    assert!(recorded.output.err().contains("--counter software"));
}
