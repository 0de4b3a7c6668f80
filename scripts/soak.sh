#!/usr/bin/env bash
# Longer and repeated runs of what `make test` runs once: loads of a minute, kills, cuts and bit
# flips with ever new seeds. SOAK_MINUTES says how long (default 30). The first failure ends it.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
unset FTRUN_TEST_NATIVE FTRUN_TEST_BINARY FTRUN_TEST_SEED FTRUN_DIR
export FTRUN_TEST_SOAK=1
end=$((SECONDS + ${SOAK_MINUTES:-30} * 60))
round=0
while [ $SECONDS -lt $end ]; do
    round=$((round + 1))
    echo "soak: round $round, $(((end - SECONDS) / 60)) minutes left"
    cargo test --release --quiet --test faults -- --test-threads=2
    cargo test --release --quiet --test 'real_*' -- --test-threads=2
    if [ -e tests/guests.rs ]; then
        cargo test --release --quiet --test guests -- --test-threads=2
    fi
done
echo "soak: $round rounds passed"
