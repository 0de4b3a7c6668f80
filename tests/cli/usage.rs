//! What is typed wrong, and what ftrun says about it.

use std::process::Command;

use crate::common::{Scratch, ftrun, program, run_command};
use crate::support::{LIMIT, answer, ask, base, command, record_tiny, refused};

#[test]
fn wrong_arguments_are_named() {
    let scratch = Scratch::new("usage");
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["ftrun -- COMMAND", "--help"]),
        (&["--"], &["COMMAND"]),
        (&["record"], &["COMMAND"]),
        (&["echo", "hi"], &["echo", "ftrun -- COMMAND"]),
        (&["--bogus", "--", "true"], &["--bogus", "--help"]),
        (&["--dir"], &["--dir"]),
        (
            &["--on-journal-error", "panic", "--", "true"],
            &["panic", "stop", "continue"],
        ),
        (
            &[
                "--standby",
                "10.0.0.1:1",
                "--on-journal-error",
                "continue",
                "--",
                "true",
            ],
            &["--on-journal-error continue", "protected"],
        ),
        (&["events", "--kind", "nothing"], &["nothing", "thread-end"]),
        (&["events", "--from", "x"], &["--from"]),
        (&["events", "--thread", "1,x"], &["--thread"]),
        (&["rm"], &["RECORDING"]),
        (&["rm", "--all", "one"], &["--all"]),
        (&["keys"], &["DIR"]),
        (&["man"], &["DIR"]),
        (&["completions", "tcl"], &["tcl", "bash", "zsh", "fish"]),
        (&["verify", "one", "two"], &["two"]),
        (&["strace", "-e", "trace=nothing", "x"], &["-e", "nothing"]),
    ];
    for (args, parts) in cases {
        refused(&ask(&scratch, *args), 125, parts);
    }
    assert!(!base(&scratch).exists(), "nothing was recorded");
}

#[test]
fn help_is_no_failure() {
    let scratch = Scratch::new("help");
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["verify", "--help"],
        &["help", "rm"],
    ] {
        let text = answer(&scratch, args);
        assert!(text.contains("Usage: ftrun"), "{args:?}: {text}");
    }
    let long = answer(&scratch, ["--help"]);
    for code in ["120", "125", "126", "127"] {
        assert!(long.contains(code), "exit code {code} in {long}");
    }
    let version = answer(&scratch, ["--version"]);
    assert_eq!(version, format!("ftrun {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn recordings_that_are_none() {
    let scratch = Scratch::new("no-recording");
    let file = scratch.write("file", "x");
    let file = file.to_str().expect("UTF-8");
    for command in ["replay", "verify", "info", "ps", "events", "stat", "strace"] {
        refused(
            &ask(&scratch, [command]),
            125,
            &["no recording in", "ftrun -- COMMAND"],
        );
        refused(
            &ask(&scratch, [command, "absent"]),
            125,
            &["absent", "ftrun ls"],
        );
        refused(&ask(&scratch, [command, "/absent/x"]), 125, &["/absent/x"]);
        refused(
            &ask(&scratch, [command, file]),
            125,
            &["is not a recording"],
        );
        refused(&ask(&scratch, [command, "."]), 125, &["no recording here"]);
    }
}

/// What was recorded is the program's: stdout and stderr have nothing of ftrun.
#[test]
fn recording_says_nothing() {
    let scratch = Scratch::new("silent");
    let script = "echo out; echo err >&2";
    let output = ask(&scratch, ["--", "/bin/sh", "-c", script]);
    output.expect_code(0);
    assert_eq!(
        (output.out(), output.err()),
        ("out\n".into(), "err\n".into())
    );
    let again = ask(&scratch, ["replay"]);
    assert_eq!((again.out(), again.err()), ("out\n".into(), "err\n".into()));
    let quiet = ask(&scratch, ["replay", "--quiet"]);
    assert_eq!((quiet.out(), quiet.err()), (String::new(), String::new()));
}

#[test]
fn messages_go_to_the_log_file() {
    let scratch = Scratch::new("log-file");
    let log = scratch.root().join("log");
    let args = [
        "--log-file".as_ref(),
        log.as_os_str(),
        "--".as_ref(),
        "/absent".as_ref(),
    ];
    for times in 1..=2 {
        let output = ask(&scratch, args);
        output.expect_code(127);
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "{output}"
        );
        let text = std::fs::read_to_string(&log).expect("the log file");
        assert_eq!(text, "ftrun: /absent: not found\n".repeat(times));
    }
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&log.metadata().expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let output = ask(&scratch, ["--log-file", "/absent/log", "--", "true"]);
    refused(&output, 125, &["--log-file /absent/log"]);
}

/// `ftrun events | head`: whoever reads has seen enough, and that is no failure.
#[test]
fn a_closed_pipe_is_no_failure() {
    let scratch = Scratch::new("closed-pipe");
    let script = "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i + 1)); done";
    ask(&scratch, ["--", "/bin/sh", "-c", script]).expect_code(0);
    for query in ["events", "events --json", "strace"] {
        let line = format!("set -o pipefail; \"$0\" {query} | head -n 1");
        let mut bash = Command::new(program("bash"));
        bash.arg("-c")
            .arg(line)
            .arg(ftrun())
            .env("FTRUN_DIR", base(&scratch));
        let output = run_command(bash, None, LIMIT);
        output.expect_code(0);
        assert_eq!(output.out().lines().count(), 1, "{query}; {output}");
        assert!(output.stderr.is_empty(), "{query}; {output}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let scratch = Scratch::new("full-device");
    record_tiny(&scratch, "tiny");
    for query in [
        "ls",
        "info tiny",
        "ps tiny",
        "events tiny",
        "stat tiny",
        "verify tiny",
        "doctor",
    ] {
        let mut sh = Command::new(program("sh"));
        let line = format!("exec \"$0\" {query} > /dev/full");
        sh.arg("-c").arg(line).arg(ftrun());
        sh.env("FTRUN_DIR", base(&scratch))
            .current_dir(scratch.empty());
        let output = run_command(sh, None, LIMIT);
        refused(&output, 125, &["standard output", "No space left"]);
    }
}

/// A bar on a terminal only, and gone at the end.
#[test]
fn progress_is_shown_on_a_terminal() {
    let scratch = Scratch::new("progress");
    let script = "i=0; while [ $i -lt 40000 ]; do echo $i; i=$((i + 1)); done > /dev/null";
    ask(&scratch, ["--", "/bin/sh", "-c", script]).expect_code(0);
    let ftrun = ftrun();
    let ftrun = ftrun.to_str().expect("UTF-8");
    // With the agent it is over before anybody looks.
    for query in ["replay --quiet --no-agent", "verify --replay --no-agent"] {
        let mut on_terminal = command(&scratch, [] as [&str; 0]);
        let mut script = Command::new(program("script"));
        script.args(["-qec", &format!("{ftrun} {query}"), "/dev/null"]);
        script.env("TERM", "xterm").env("FTRUN_DIR", base(&scratch));
        let shown = run_command(script, Some(Vec::new()), LIMIT);
        shown.expect_code(0);
        assert!(
            shown.out().contains("ftrun: replaying ["),
            "{query}; {shown}"
        );
        on_terminal.args(query.split(' '));
        let silent = run_command(on_terminal, None, LIMIT);
        silent.expect_code(0);
        assert!(silent.stderr.is_empty(), "{query}; {silent}");
    }
}
