#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (default 300) each. Needs a nightly toolchain and
# cargo-fuzz, and installs them through rustup and cargo if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
if ! rustup toolchain list | grep -q '^nightly'; then
    rustup toolchain install nightly --profile minimal
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --locked
fi
seconds=${FUZZ_SECONDS:-300}
for target in $(cargo +nightly fuzz list); do
    echo "fuzz: $target for $seconds s"
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048
done
