//! Shells and the small tools they start: pipelines, job control, archives, searches.

use crate::common;

use std::time::Duration;

use common::{Record, Scratch, program, record_and_replay};

/// Records a bash script with a private bash; it must end with code 0 and replay.
#[track_caller]
fn bash(name: &str, script: &str) -> String {
    let scratch = Scratch::new(name);
    let bash = scratch.private_binary(&program("bash"));
    let record = Record::new(&scratch, bash).args(["--norc", "-c", script]);
    record_and_replay(record.timeout(Duration::from_secs(60)), 0).out()
}

#[test]
fn echo() {
    let scratch = Scratch::new("echo");
    let output = record_and_replay(Record::new(&scratch, "/bin/echo").arg("hi"), 0);
    assert_eq!(output.out(), "hi\n");
}

#[test]
fn pipelines() {
    let out = bash(
        "pipelines",
        r#"
        set -u
        echo "$RANDOM $$ $PPID $BASHPID $(date +%s.%N) $EPOCHREALTIME"
        seq 1 2000 | awk '{ s += $1; print s }' | sort -rn | head -n 3; echo "${PIPESTATUS[@]}"
        yes | head -n 2; echo "${PIPESTATUS[@]}"
        echo "sum $(seq 1 100 | paste -sd+ | bc)"
        diff <(seq 1 6) <(seq 1 2 6); echo "diff $?"
        while read -r first rest; do echo "<$first|$rest>"; done < <(printf 'a b c\nd e\n')
        { echo one; echo two >&2; echo three; } 2>&1 | cat -n
        tr a-z A-Z <<< "here string"
        cat <<END | rev
a document
END
        for i in 3 1 2; do (sleep 0.0$i; echo "child $i") & done; wait
        coproc UP { tr -u a-z A-Z 2>/dev/null || cat; }
        echo "to the coprocess" >&"${UP[1]}"; exec {UP[1]}>&-; cat <&"${UP[0]}"
        (exit 7); echo "status $?"
        mkfifo pipe; (echo "through a fifo" > pipe) & cat pipe; wait
        head -c 200000 /dev/urandom | tee random | sha256sum; sha256sum < random; wc -c < random
        "#,
    );
    assert!(out.contains("sum 5050\n"), "{out}");
    assert!(out.contains("through a fifo\n"), "{out}");
    assert!(
        out.contains("141 0\n"),
        "`yes` must have died of SIGPIPE: {out}"
    );
}

#[test]
fn traps_and_signals() {
    let out = bash(
        "traps",
        r#"
        trap 'echo exit trap' EXIT
        trap 'echo usr1' USR1
        kill -USR1 $$
        (trap 'echo child term; exit 3' TERM; touch up; while :; do sleep 0.02; done) & child=$!
        until [ -e up ]; do sleep 0.01; done
        kill -TERM $child; wait $child; echo "child $?"
        sleep 30 & kill -9 $!; wait $!; echo "killed $?"
        timeout 0.2 sleep 30; echo "timeout $?"
        sh -c 'kill -SEGV $$'; echo "segv $?"
        "#,
    );
    for line in [
        "usr1",
        "child term",
        "child 3",
        "killed 137",
        "timeout 124",
        "segv 139",
    ] {
        assert!(out.lines().any(|l| l == line), "no `{line}` in {out}");
    }
    assert!(out.ends_with("exit trap\n"), "{out}");
}

const JOBS: &str = r#"
    set -m
    sleep 30 & kill -STOP %1; until jobs | grep -q Stopped; do sleep 0.01; done; jobs
    kill -CONT %1; kill -TERM %1; wait %1; echo "first $?"
    head -c 100000 /dev/zero | wc -c
    sh -c 'kill -TSTP $$; echo resumed'; echo "stopped $?"; jobs; fg; echo "continued $?"
    (sleep 0.05; exit 5) & (sleep 0.1; exit 6) & wait -n; echo "next $?"; wait -n; echo "next $?"
"#;

#[track_caller]
fn check_jobs(out: &str) {
    for text in [
        "Stopped",
        "first 143",
        "stopped 148",
        "resumed",
        "continued 0",
        "next 5",
        "next 6",
    ] {
        assert!(out.contains(text), "no `{text}` in {out}");
    }
}

#[test]
fn job_control() {
    check_jobs(&bash("jobs", JOBS));
}

#[test]
fn job_control_on_a_terminal() {
    let scratch = Scratch::new("tty");
    let bash = scratch.private_binary(&program("bash"));
    scratch.write("jobs.sh", format!("tty; stty size; {JOBS}"));
    let inside = format!("{} --norc jobs.sh", bash.display());
    let record = Record::new(&scratch, program("script")).args(["-qefc", &inside, "typescript"]);
    let output = record_and_replay(record, 0);
    check_jobs(&output.out());
    assert!(output.out().contains("/dev/pts/"), "{output}");
}

#[test]
fn interactive_shell_reads_commands() {
    let scratch = Scratch::new("interactive");
    let bash = scratch.private_binary(&program("bash"));
    let commands = "echo pid $$\ncd tmp\npwd\nfor i in 1 2 3; do echo line $i; done\nexit 4\n";
    let record = Record::new(&scratch, bash)
        .args(["--norc", "-i"])
        .stdin(commands);
    let output = record_and_replay(record, 4);
    assert!(output.out().contains("line 3\n"), "{output}");
}

#[test]
fn archives() {
    let out = bash(
        "archives",
        r#"
        set -e
        mkdir -p tree/{a,b,c}/{d,e}; for i in $(seq 1 40); do
            head -c $((i * 997)) /dev/urandom > tree/a/d/random$i
            seq 1 $((i * 100)) > tree/b/e/numbers$i
        done
        ln -s ../a tree/c/link; ln tree/a/d/random1 tree/c/hard
        tar cf plain.tar tree; gzip -k plain.tar; xz -kT2 -1 plain.tar
        tar czf by-tar.tgz tree; tar cJf by-tar.txz tree
        for f in plain.tar.gz plain.tar.xz by-tar.tgz by-tar.txz; do
            mkdir out; tar xf $f -C out; diff -r tree out/tree; rm -r out; echo "$f same"
        done
        gunzip -c plain.tar.gz | cmp - plain.tar; xz -dc plain.tar.xz | sha256sum; sha256sum < plain.tar
        ls -l --time-style=full-iso *.tar* *.t?z
        "#,
    );
    assert_eq!(out.matches(" same\n").count(), 4, "{out}");
}

#[test]
fn searches() {
    let out = bash(
        "searches",
        r#"
        set -e
        for d in $(seq 1 20); do mkdir -p tree/$d/sub; for f in 1 2 3 4 5; do
            echo "needle $((d * f)) in $d/$f" > tree/$d/sub/file$f; done; done
        find tree -type f | wc -l
        find tree -name 'file3' -newermt '2001-01-01' -exec grep -l 'needle 30 ' {} +
        grep -rc needle tree | wc -l
        grep -rhoE 'needle [0-9]+' tree | sort | uniq -c | sort -k1,1nr -k2 | head -n 3
        find tree -type f -print0 | xargs -0 -P2 -n10 sha256sum | sort | sha256sum
        find tree -printf '%i %s %m %T@ %p\n' | sort -k5 | tail -n 3
        find tree -type f -delete; find tree -type f | wc -l
        "#,
    );
    assert!(out.starts_with("100\n") && out.ends_with("\n0\n"), "{out}");
}
