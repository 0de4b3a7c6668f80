#!/usr/bin/env bash
# Records a real Redis server under a real load, takes the server, its clients, its data and its network
# away, and reproduces the same execution from the recording. Part of scripts/demo.sh, which builds.
set -euo pipefail
cd "$(dirname "$0")/.."

requests=${DEMO_REQUESTS:-20000}

ftrun=$(realpath "${CARGO_TARGET_DIR:-target}/release/ftrun")

here=$(mktemp -d "${TMPDIR:-/tmp}/ftrun-demo-XXXXXX")
supervisor=
cleanup() {
    if [ -n "$supervisor" ]; then
        kill -9 "$supervisor" 2>/dev/null || true
    fi
    rm -rf "$here"
}
trap cleanup EXIT

fail() {
    echo "demo: FAILED: $*" >&2
    tail -n 20 "$here"/*.log >&2 || true
    exit 1
}

# Seconds and hundredths since the last call.
lap() {
    local now
    now=$(date +%s%N)
    printf '%d.%02d s' $(((now - lap_start) / 1000000000)) $(((now - lap_start) / 10000000 % 100))
    lap_start=$now
}
lap_start=$(date +%s%N)

# A port that nothing listens on, below those that the kernel gives to clients.
port=
for try in $(seq 1 50); do
    candidate=$((20000 + (RANDOM + try) % 10000))
    if ! (: </dev/tcp/127.0.0.1/$candidate) 2>/dev/null; then
        port=$candidate
        break
    fi
done
[ -n "$port" ] || fail "no free port"

mkdir "$here/server"
PATH="$PATH:/usr/sbin"
cp "$(command -v redis-server)" "$here/server/"
cli=(redis-cli -h 127.0.0.1 -p "$port")

echo "demo: \$ ftrun -- redis-server --port $port --appendonly yes ...   (a private copy of it)"
(
    cd "$here/server"
    exec "$ftrun" record --dir "$here/recording" -- ./redis-server --port "$port" \
        --bind 127.0.0.1 --appendonly yes --dir "$here/server" >"$here/recorded.log" 2>"$here/record-err.log"
) &
supervisor=$!
for _ in $(seq 1 200); do
    [ "$("${cli[@]}" ping 2>/dev/null || true)" = PONG ] && break
    kill -0 "$supervisor" 2>/dev/null || fail "the recorded server ended early"
    sleep 0.05
done
[ "$("${cli[@]}" ping 2>/dev/null || true)" = PONG ] || fail "the recorded server does not answer"
lap >/dev/null

redis-benchmark -h 127.0.0.1 -p "$port" -t set,get -n $((requests / 2)) -c 20 -r 1000 --csv \
    >"$here/benchmark.log" || fail "the benchmark failed"
"${cli[@]}" set demo "recorded at $(date +%T.%N)" >/dev/null
commands=$("${cli[@]}" info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p')
echo "demo: recorded $commands commands from 20 clients in $(lap)"
"${cli[@]}" bgsave >/dev/null
until "${cli[@]}" info persistence | grep -q 'rdb_bgsave_in_progress:0'; do sleep 0.05; done
"${cli[@]}" shutdown >/dev/null 2>&1 || true
code=0
wait "$supervisor" || code=$?
supervisor=
[ "$code" = 0 ] || fail "the recorded server ended with $code"
echo "demo: the server forked to save, then shut down; its log has $(wc -l <"$here/recorded.log") lines"
echo "demo: the recording takes $(du -sh "$here/recording/journal" | cut -f1) of journal and" \
    "$(du -sh "$here/recording/files" | cut -f1) of kept files"

rm -rf "$here/server"
echo "demo: server binary and data deleted, clients gone, nothing listens on port $port"

echo "demo: \$ ftrun replay"
lap >/dev/null
mkdir "$here/empty"
code=0
(cd "$here/empty" && exec env -i "$ftrun" replay "$here/recording") \
    >"$here/replayed.log" 2>"$here/replay-err.log" || code=$?
[ "$code" = 0 ] || fail "the replay ended with $code"
cmp "$here/recorded.log" "$here/replayed.log" || fail "the replay printed something else"
[ -z "$(ls -A "$here/empty")" ] || fail "the replay left files"
if (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; then
    fail "something listens on port $port after the replay"
fi
echo "demo: replayed in $(lap): the same process ids, times, signals and bytes;" \
    "the log is identical, and each of its system calls was compared"
tail -n 3 "$here/replayed.log" | sed 's/^/demo:   | /'
