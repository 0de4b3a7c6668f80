#!/usr/bin/env bash
# Everything that must hold before a change goes in: format, lints, all tests (release build).
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
# Switches for developing tests would weaken them here.
unset FTRUN_TEST_NATIVE FTRUN_TEST_BINARY FTRUN_TEST_SEED FTRUN_TEST_KEEP FTRUN_TEST_SOAK
unset FTRUN_SIM_SEED FTRUN_SIM_SEEDS FTRUN_AGENT_AT_ONCE FTRUN_NO_AGENT FTRUN_COUNTER
# A snapshot that differs is a failure, and stays as it is.
unset INSTA_FORCE_PASS INSTA_WORKSPACE_ROOT
export INSTA_UPDATE=no
# Where recordings go must not depend on who runs this.
unset FTRUN_DIR
export RUST_BACKTRACE=${RUST_BACKTRACE:-0}

scripts/lint.sh

# One test more at once than there are CPUs, and three at least: many only wait. Tests that load the
# machine take turns by themselves (tests/common/load.rs).
cpus=$(nproc)
threads=$((cpus > 2 ? cpus + 1 : 3))
cargo test --release --workspace --no-fail-fast -- --test-threads="$threads"
# Once more with every call served that can be, and with none (docs/TESTING.md). `--workspace`: with the same
# features as before, so that nothing is built again. What says by itself what is served did so before.
for switch in FTRUN_AGENT_AT_ONCE FTRUN_NO_AGENT; do
    echo "test.sh: with $switch=1"
    env "$switch=1" cargo test --release --workspace --no-fail-fast --test guests --test real -- \
        --test-threads="$threads" --skip served:: --skip races::software
done
