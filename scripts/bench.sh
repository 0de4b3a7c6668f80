#!/usr/bin/env bash
# All criterion benchmarks of the workspace. Close other programs first: there is no second try here.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cargo bench --workspace --benches
