//! Names and arguments that would command a terminal: nothing of them reaches it raw.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::common::{Output, Record, Scratch, ftrun, run_command};
use crate::support::{LIMIT, command, record_tiny, tiny};

/// Ends lines, changes colours, sets titles, reverses the direction; and is no UTF-8.
const EVIL: &[u8] = b"a\n\x1b[31m\x1b]0;t\x07\r\x7f\xc2\x9b2J\xe2\x80\xae\xff'\"\\ $(x)";

fn is_harmless(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}'))
}

#[track_caller]
fn harmless(output: &Output, what: &str) {
    assert!(is_harmless(&output.stdout), "stdout of {what}; {output}");
    assert!(is_harmless(&output.stderr), "stderr of {what}; {output}");
}

#[test]
fn names_are_shown_harmless() {
    let scratch = Scratch::new("hostile");
    let base: PathBuf = scratch.root().join(OsStr::from_bytes(EVIL));
    let program = scratch.work().join(OsStr::from_bytes(EVIL));
    scratch.copy_program(&tiny(), &program);
    let ask = |args: &[&OsStr]| {
        let mut command = command(&scratch, args);
        command.env("FTRUN_DIR", &base);
        run_command(command, None, LIMIT)
    };
    let evil = OsStr::from_bytes(EVIL);
    let os = OsStr::new;
    let recorded = ask(&[os("--"), program.as_os_str(), evil]);
    recorded.expect_code(0);
    harmless(&recorded, "the recording");
    for query in [
        "ls",
        "ls --json",
        "info",
        "info --json",
        "ps",
        "ps --json",
        "events",
        "events --json",
        "stat",
        "stat --json",
        "verify",
        "verify --json",
        "verify --replay",
        "replay",
        "doctor",
        "doctor --json",
        "strace",
    ] {
        let args: Vec<&OsStr> = query.split(' ').map(OsStr::new).collect();
        let output = ask(&args);
        output.expect_code(0);
        harmless(&output, query);
    }
    let list = ask(&[os("ls")]);
    assert_eq!(list.out().lines().count(), 2, "one line for each; {list}");
    // The same in what is refused.
    for args in [
        &[os("replay"), evil][..],
        &[os("rm"), evil],
        &[os("--"), os("/absent/\u{1b}[31m")],
        &[evil],
        &[os("events"), os("--kind"), evil],
        &[os("--dir"), base.as_os_str(), os("--"), os("/bin/true")],
        &[os("strace"), os("-e"), os("trace=\u{1b}[31m")],
    ] {
        let output = ask(args);
        harmless(&output, "a refusal");
        assert!(!output.stderr.is_empty(), "{output}");
        for line in output.err().lines() {
            assert!(line.starts_with("ftrun: "), "{line}; {output}");
        }
    }
    // A journal that is damaged is told with its path.
    let dir = fs::read_link(base.join("latest")).expect("a link");
    fs::write(base.join(dir).join("journal/00000000.ftj"), "x").expect("our own file");
    for query in ["verify", "info", "ls", "replay"] {
        harmless(&ask(&[os(query)]), query);
    }
}

/// What the application writes is its own, byte for byte.
#[test]
fn output_is_not_touched() {
    let scratch = Scratch::new("raw-output");
    let script = r"printf 'a\n\033[31m\007\377\r'; printf '\033]0;t\007' >&2";
    let recorded = Record::sh(&scratch, script).run();
    recorded.expect_code(0);
    assert_eq!(recorded.output.stdout, b"a\n\x1b[31m\x07\xff\r");
    recorded.assert_replays();
}

/// Recordings of others lie in the base under any name.
#[test]
fn listed_names_may_be_anything() {
    let scratch = Scratch::new("hostile-list");
    let dir = record_tiny(&scratch, "plain");
    let evil = dir.with_file_name(OsStr::from_bytes(EVIL));
    fs::rename(&dir, &evil).expect("ours");
    let mut list = std::process::Command::new(ftrun());
    list.arg("ls")
        .env("FTRUN_DIR", crate::support::base(&scratch));
    let output = run_command(list, None, LIMIT);
    output.expect_code(0);
    harmless(&output, "ls");
    assert!(
        output
            .out()
            .contains(r"a\n\x1b[31m\x1b]0;t\x07\r\x7f\u009b2J\u202e"),
        "{output}"
    );
    let mut remove = command(&scratch, [OsStr::new("rm"), OsStr::from_bytes(EVIL)]);
    remove.env("FTRUN_DIR", crate::support::base(&scratch));
    run_command(remove, None, LIMIT).expect_code(0);
    assert!(!evil.exists());
}
