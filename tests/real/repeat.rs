//! One recording replayed again and again: every replay must do the same, judged by a digest of
//! what the replayed program itself did (its registers, the memory that it handed to the kernel,
//! its output), into which nothing of the journal goes.

use crate::common;

use std::time::Duration;

use common::{Record, Recorded, Replayed, Scratch, heavy, program, replay_digest};

const LIMIT: Duration = Duration::from_secs(120);
const REPLAYS: usize = 20;

/// Processes, pipes, signals, threads, clocks, random numbers: little of it twice the same.
const SCRIPT: &str = r#"
    trap 'echo caught $(date +%N)' USR1
    for i in 1 2 3; do
        (head -c 2000 /dev/urandom | sha256sum; kill -USR1 $$) &
        date +%N | tr 0-9 a-j
    done
    python3 -c '
import os, threading, time, random
def run(number):
    for _ in range(20):
        print(number, time.perf_counter_ns(), random.random(), flush=True)
        time.sleep(0.001)
threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(hash("text"), os.getpid(), {str(i) for i in range(20)})'
    wait; wait; wait
    echo $RANDOM $$
"#;

#[track_caller]
fn replays_alike(scratch: &Scratch, recorded: &Recorded<'_>, times: usize) -> Replayed {
    let first = replay_digest(scratch, &recorded.dir, LIMIT);
    for number in 1..times {
        let again = replay_digest(scratch, &recorded.dir, LIMIT);
        assert_eq!(
            first, again,
            "replay {number} did something else than replay 0"
        );
    }
    first
}

#[test]
fn twenty_replays_are_the_same() {
    let _turn = heavy();
    let scratch = Scratch::new("repeat");
    let recorded = Record::bash(&scratch, SCRIPT).timeout(LIMIT).run();
    recorded.expect_code(0);
    scratch.originals_gone();
    let digest = replays_alike(&scratch, &recorded, REPLAYS);
    assert!(digest.events > 1000, "{digest:?}");
    recorded.assert_replays();
}

/// The digest is no constant: another run of the same program has another one.
#[test]
fn two_runs_are_not_the_same() {
    let scratch = Scratch::new("repeat-two");
    let record = |name: &str| {
        let recorded = Record::new(&scratch, program("date"))
            .arg("+%s.%N")
            .name(name)
            .run();
        recorded.expect_code(0);
        recorded
    };
    let (first, second) = (record("first"), record("second"));
    let digests = [&first, &second].map(|recorded| replays_alike(&scratch, recorded, 2));
    assert_ne!(digests[0].digest, digests[1].digest);
}
