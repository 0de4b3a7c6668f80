#!/usr/bin/env bash
# All benchmarks: the journal alone, single syscalls, real programs, a protected one. BENCH_QUICK=1 makes it short;
# arguments (`--json FILE`, `--ways`, names) go to the real programs. Close other programs first: there is no second try
# here. docs/PERFORMANCE.md says how to read the results.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
quick=()
if [ "${BENCH_QUICK:-0}" != 0 ]; then
    quick=(--quick)
fi
cargo bench --quiet -p journal --bench append -- "${quick[@]}"
cargo bench --quiet -p tracer --bench syscalls -- "${quick[@]}"
cargo bench --quiet -p ftrun --bench workloads -- "$@"
# Network namespaces need it.
if [ "$(id -u)" = 0 ]; then
    cargo bench --quiet -p ftrun --bench protected
else
    echo "bench.sh: what protection costs is measured by root only" >&2
fi
