#!/usr/bin/env bash
# Shows what ftrun is for, in a minute: a protected server survives its node, and a recorded one is
# reproduced without its files, its clients and its network.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
echo "demo: building (release)"
cargo build --release --quiet
ftrun=$(realpath "${CARGO_TARGET_DIR:-target}/release/ftrun")

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "demo: namespaces take root: run it as root, or with a sudo that asks for no password" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi

echo "demo: \$ ftrun demo"
"${as_root[@]}" "$ftrun" demo
echo
scripts/demo-replay.sh
echo "demo: OK"
