# Each target installs what it needs (Debian 12 or newer, with a Rust toolchain); see scripts/.

.PHONY: demo test lint bench soak fuzz setup

# Kills a protected server's node under load; then records Redis, takes everything away, replays.
demo:
	scripts/demo.sh

# Format, lints and all tests.
test:
	scripts/test.sh

lint:
	scripts/lint.sh

# BENCH_QUICK=1 makes it short.
bench:
	scripts/bench.sh

# SOAK_MINUTES=30
soak:
	scripts/soak.sh

# FUZZ_SECONDS=300 for each target
fuzz:
	scripts/fuzz.sh

# Only installs what the others would.
setup:
	scripts/setup.sh
