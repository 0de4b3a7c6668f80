#!/usr/bin/env bash
# Format and lints, warnings as errors.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
# No target of cargo: the build script of the tracer builds it.
rustfmt --check --edition 2024 agent/image/main.rs
cargo clippy --workspace --all-targets --release -- -D warnings
# Only where its tool is: it needs the advisory database from the network.
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --offline check bans licenses sources
fi
