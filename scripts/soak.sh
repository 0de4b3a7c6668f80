#!/usr/bin/env bash
# Longer and repeated runs of what `make test` runs once: servers under loads of a minute and more,
# memory watched over minutes, recordings replayed again and again, and kills, cuts and bit flips with
# ever new seeds. SOAK_MINUTES says how long (default 30; a round that was begun is finished). Before
# that, once, protected applications: half an hour under load, 500 kills, and 100 of each of two servers whose threads
# race, two hours; and the translator against single-stepping, 200,000 programs, an hour. The first failure ends it.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
unset FTRUN_TEST_NATIVE FTRUN_TEST_BINARY FTRUN_TEST_SEED FTRUN_TEST_KEEP FTRUN_DIR
export FTRUN_TEST_SOAK=1
# Once: half an hour of protection under load, and kills.
cargo test --release --quiet --test protected -- --test-threads=1 --nocapture load:: random:: racing::
cargo test --release --quiet -p pmu --test translate -- --test-threads=2
end=$((SECONDS + ${SOAK_MINUTES:-30} * 60))
round=0
while [ $SECONDS -lt $end ]; do
    round=$((round + 1))
    echo "soak: round $round, $(((end - SECONDS) / 60)) minutes left"
    for tests in real engine memory guests; do
        cargo test --release --quiet --test "$tests" -- --test-threads=2
    done
done
echo "soak: $round rounds passed"
