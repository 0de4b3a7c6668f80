//! Completion scripts, man pages, and what `doctor` finds where recording is not possible.

use std::fs;
use std::process::Command;

use crate::common::{Scratch, ftrun, program, run_command};
use crate::support::{LIMIT, answer, ask, bare, command, refused};

const COMMANDS: [&str; 15] = [
    "record",
    "replay",
    "verify",
    "ls",
    "rm",
    "info",
    "ps",
    "events",
    "strace",
    "stat",
    "demo",
    "doctor",
    "keys",
    "completions",
    "man",
];

#[test]
fn completions_know_every_subcommand() {
    let scratch = Scratch::new("completions");
    for shell in ["bash", "zsh", "fish"] {
        let script = answer(&scratch, ["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "no {command} for {shell}");
        }
        assert!(script.contains("outside-memory"), "no options for {shell}");
        let path = scratch.write(shell, &script);
        // Read by the shell itself, where it is installed; bash always is.
        let installed = ["/bin", "/usr/bin"].map(|dir| std::path::Path::new(dir).join(shell));
        if let Some(shell) = installed.iter().find(|shell| shell.exists()) {
            let mut check = Command::new(shell);
            check.arg("-n").arg(&path);
            let output = run_command(check, None, LIMIT);
            output.expect_code(0);
            assert!(output.stderr.is_empty(), "{output}");
        }
    }
}

#[test]
fn bash_completes() {
    let scratch = Scratch::new("bash-completes");
    let script = scratch.write("script", answer(&scratch, ["completions", "bash"]));
    let complete = |words: &[&str]| {
        let line = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                    _ftrun \"$1\" \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"";
        let mut bash = Command::new(program("bash"));
        bash.args(["--norc", "-c", line, "bash"]).arg(&script);
        bash.args(words).current_dir(scratch.empty());
        let output = run_command(bash, None, LIMIT);
        output.expect_code(0);
        output.out().trim().to_owned()
    };
    assert_eq!(complete(&["ftrun", "ver"]), "verify");
    assert_eq!(complete(&["ftrun", "verify", "--re"]), "--replay");
    assert_eq!(
        complete(&["ftrun", "record", "--on-journal-error", "c"]),
        "continue"
    );
}

#[test]
fn man_pages_are_written() {
    let scratch = Scratch::new("man");
    let dir = scratch.root().join("man/man1");
    let text = answer(&scratch, ["man".as_ref(), dir.as_os_str()]);
    assert!(text.is_empty(), "{text}");
    let page = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let main = page("ftrun.1");
    for command in COMMANDS {
        let text = page(&format!("ftrun-{command}.1"));
        let title = text.lines().find(|line| line.starts_with(".TH "));
        assert!(
            title.is_some_and(|title| title.contains(command)),
            "{command}: {text}"
        );
        let link = format!("ftrun\\-{command}(1)");
        assert!(main.contains(&link), "no {link} in {main}");
    }
    assert!(main.contains("Exit codes"), "{main}");
    let blocked = scratch.write("file", "x");
    let output = ask(&scratch, ["man".as_ref(), blocked.as_os_str()]);
    refused(&output, 125, &["cannot write man pages to"]);
}

#[test]
fn doctor_tries_what_recording_needs() {
    let scratch = Scratch::new("doctor");
    let text = answer(&scratch, ["doctor"]);
    assert!(text.ends_with("\nftrun can record here\n"), "{text}");
    let missing = |output: &crate::common::Output, name: &str| {
        output.expect_code(125);
        let text = output.out();
        let line = text
            .lines()
            .find(|line| line.contains(&format!(" {name} ")));
        assert!(
            line.is_some_and(|line| line.starts_with("missing ")),
            "{output}"
        );
        let last = text.lines().last().unwrap_or_default();
        assert!(last.starts_with("ftrun cannot record here: "), "{output}");
        assert!(last.contains(name), "{output}");
    };
    // Who is traced cannot trace his children.
    let mut traced = Command::new(program("strace"));
    traced
        .args(["-f", "-o", "/dev/null"])
        .arg(ftrun())
        .arg("doctor");
    traced.env("FTRUN_DIR", scratch.root());
    missing(&run_command(traced, None, LIMIT), "ptrace");
    let mut nowhere = command(&scratch, ["doctor"]);
    nowhere.env("FTRUN_DIR", "/proc/absent");
    missing(&run_command(nowhere, None, LIMIT), "directory");
    let mut homeless = bare(&scratch, ["doctor"]);
    homeless.env_remove("HOME");
    missing(&run_command(homeless, None, LIMIT), "directory");
}

/// Every probe ends, and leaves nothing behind.
#[test]
fn doctor_leaves_no_process() {
    let scratch = Scratch::new("doctor-leaves");
    for _ in 0..5 {
        ask(&scratch, ["doctor", "--json"]).expect_code(0);
    }
    scratch.assert_no_process_left();
}
