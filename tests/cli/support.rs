//! What the tests of the command line share: a directory of recordings, asking `ftrun`
//! something about it, and small programs to record.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::{Build, Output, Record, Scratch, ftrun, native_mode, run_command, wait_until};

pub const LIMIT: Duration = Duration::from_secs(60);

/// Where recordings are kept by name in these tests.
pub fn base(scratch: &Scratch) -> PathBuf {
    scratch.root().join("recordings")
}

/// `ftrun ARGS`, with nothing in its environment but where recordings are.
pub fn command<S: AsRef<OsStr>>(scratch: &Scratch, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = bare(scratch, args);
    command.env("FTRUN_DIR", base(scratch));
    command
}

/// The same without `FTRUN_DIR`.
pub fn bare<S: AsRef<OsStr>>(scratch: &Scratch, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(ftrun());
    command.args(args).current_dir(scratch.empty()).env_clear();
    command
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", scratch.root().join("home"))
        .env("LC_ALL", "C")
        .env("FTRUN_TEST_SCRATCH", scratch.root());
    command
}

/// What `ftrun ARGS` says.
#[track_caller]
pub fn ask<S: AsRef<OsStr>>(scratch: &Scratch, args: impl IntoIterator<Item = S>) -> Output {
    run_command(command(scratch, args), None, LIMIT)
}

/// What `ftrun ARGS` prints; it must succeed and say nothing else.
#[track_caller]
pub fn answer<S: AsRef<OsStr>>(scratch: &Scratch, args: impl IntoIterator<Item = S>) -> String {
    let output = ask(scratch, args);
    output.expect_code(0);
    assert!(output.stderr.is_empty(), "{output}");
    output.out()
}

/// The JSON that `ftrun ARGS --json` prints.
#[track_caller]
pub fn json(scratch: &Scratch, args: &[&str]) -> serde_json::Value {
    let text = answer(scratch, args.iter().copied().chain(["--json"]));
    parse(&text)
}

#[track_caller]
pub fn parse(text: &str) -> serde_json::Value {
    let value: serde_json::Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(value["schema_version"], 1, "{text}");
    value
}

/// `ftrun` failed with `code`, printed nothing on stdout, and said on stderr, each line with
/// its prefix, why: all of `parts`.
#[track_caller]
pub fn refused(output: &Output, code: i32, parts: &[&str]) {
    output.expect_code(code);
    assert!(output.stdout.is_empty(), "{output}");
    let text = output.err();
    assert!(!text.is_empty(), "no message; {output}");
    for line in text.lines() {
        assert!(line.starts_with("ftrun: "), "no prefix: {line}; {output}");
    }
    for part in parts {
        assert!(text.contains(part), "no `{part}`; {output}");
    }
}

/// Records `command`, with the recording's name chosen by `ftrun`.
#[track_caller]
pub fn record_named(scratch: &Scratch, args: &[&str]) -> Output {
    let args = ["--"].iter().chain(args).copied();
    run_command(command(scratch, args), None, LIMIT)
}

/// Records a shell script under a name of ours.
pub fn record_script<'a>(scratch: &'a Scratch, name: &str, script: &str) -> Record<'a> {
    assert!(!native_mode(), "these tests are about recordings");
    fs::create_dir_all(base(scratch)).expect("the scratch directory is ours");
    Record::sh(scratch, script).dir(base(scratch).join(name))
}

/// Builds a C program of these tests.
pub fn built(name: &str, flags: &[&str]) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let source = if name == "tiny" {
        tests.join("servers/tiny.c")
    } else {
        tests.join("cli").join(format!("{name}.c"))
    };
    Build {
        compiler: "gcc",
        flags,
        source: &source,
        includes: &[],
    }
    .run()
}

/// The tiny program: sixteen random bytes, printed; no library.
pub fn tiny() -> PathBuf {
    let flags = &[
        "-O1",
        "-static",
        "-nostdlib",
        "-fno-stack-protector",
        "-fno-builtin",
    ];
    built("tiny", flags)
}

/// Records the tiny program under a name of ours; the recording's directory.
#[track_caller]
pub fn record_tiny(scratch: &Scratch, name: &str) -> PathBuf {
    fs::create_dir_all(base(scratch)).expect("the scratch directory is ours");
    let original = scratch.work().join("bin/tiny");
    scratch.copy_program(&tiny(), &original);
    let recorded = Record::new(scratch, original)
        .dir(base(scratch).join(name))
        .run();
    recorded.expect_code(0);
    recorded.dir
}

/// Records a program with a thread, two children, a handled signal and clock reads.
#[track_caller]
pub fn record_family(scratch: &Scratch, name: &str) -> PathBuf {
    fs::create_dir_all(base(scratch)).expect("the scratch directory is ours");
    let original = scratch.work().join("bin/family");
    scratch.copy_program(&built("family", &["-O1", "-pthread"]), &original);
    // What an event shows besides, where the agent comes, is not the subject.
    let recorded = Record::new(scratch, original)
        .option("--no-agent")
        .arg("an argument")
        .dir(base(scratch).join(name))
        .run();
    recorded.expect_code(3);
    recorded.dir
}

pub fn first_segment(dir: &Path) -> PathBuf {
    dir.join("journal/00000000.ftj")
}

/// Where frames begin in the first segment.
pub fn frames(dir: &Path) -> Vec<usize> {
    let bytes = fs::read(first_segment(dir)).expect("a journal");
    let magic = [0xf7, b'F', b'R', b'M'];
    let found = bytes.windows(magic.len()).enumerate();
    found
        .filter(|(_, window)| *window == magic)
        .map(|(at, _)| at)
        .collect()
}

/// Changes the journal's first segment.
pub fn edit_journal(dir: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let path = first_segment(dir);
    let mut bytes = fs::read(&path).expect("a journal");
    edit(&mut bytes);
    fs::write(&path, bytes).expect("our own file");
}

/// A recording that is damaged in its middle: readable, and corrupt.
#[track_caller]
pub fn record_corrupt(scratch: &Scratch, name: &str) -> PathBuf {
    let fifo = scratch.path("go-on");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let script = "echo one; read x; /bin/true; echo two; read x; echo three";
    let script = format!("exec < {}; {script}", fifo.display());
    let running = record_script(scratch, name, &script).spawn();
    let feeder = fs::OpenOptions::new().write(true).open(&fifo);
    let mut feeder = feeder.expect("a reader");
    // Each is a frame of its own, because it is written before the next one begins.
    for said in ["one", "two"] {
        let shown = format!("\"{said}\\n\"");
        wait_until("the events wanted", LIMIT, || {
            ask(scratch, ["events", name]).out().contains(&shown)
        });
        std::io::Write::write_all(&mut feeder, b"\n").expect("a reader");
    }
    let recorded = running.wait();
    recorded.expect_code(0);
    let frames = frames(&recorded.dir);
    assert!(frames.len() >= 3, "several frames: {frames:?}");
    edit_journal(&recorded.dir, |bytes| bytes[frames[1] + 40] ^= 1);
    recorded.dir
}
