//! Exit codes: the application's, its signals, and those of ftrun itself.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::common::{Exit, Record, Scratch};
use crate::support::{answer, ask, base, record_tiny, refused};

#[test]
fn the_exit_code_is_the_applications() {
    let scratch = Scratch::new("exit-codes");
    for code in [0, 1, 77, 120, 125, 126, 127, 255] {
        let name = format!("code-{code}");
        let recorded = Record::sh(&scratch, &format!("exit {code}"))
            .name(&name)
            .run();
        recorded.expect_code(code);
        assert!(recorded.output.stderr.is_empty(), "{}", recorded.output);
        recorded.replay().expect_code(code);
    }
}

/// ftrun dies of the signal that the application died of; a replay tells it by its code.
#[test]
fn fatal_signals_are_the_applications() {
    let scratch = Scratch::new("fatal-signals");
    for signal in [
        Signal::SIGTERM,
        Signal::SIGKILL,
        Signal::SIGSEGV,
        Signal::SIGABRT,
        Signal::SIGINT,
        Signal::SIGPIPE,
    ] {
        let script = format!("kill -{} $$; sleep 10", signal as i32);
        let recorded = Record::sh(&scratch, &script).name(signal.as_str()).run();
        recorded.expect_signal(signal);
        assert!(recorded.output.stderr.is_empty(), "{}", recorded.output);
        recorded.replay().expect_code(128 + signal as i32);
    }
    let left: Vec<_> = fs::read_dir(scratch.work())
        .expect("work/")
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("core"))
        .collect();
    assert!(left.is_empty(), "core dumps of ftrun: {left:?}");
}

/// A signal to ftrun is one to the application.
#[test]
fn signals_are_forwarded() {
    let scratch = Scratch::new("forwarded");
    for (signal, name) in [
        (Signal::SIGTERM, "TERM"),
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGUSR1, "USR1"),
    ] {
        let script = format!(
            "trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.02; done"
        );
        let mut running = Record::sh(&scratch, &script).name(name).spawn();
        running.wait_for_output("ready");
        running.signal(signal);
        let recorded = running.wait();
        recorded.expect_code(5);
        assert_eq!(recorded.output.out(), format!("ready\ngot {name}\n"));
    }
    let mut running = Record::sh(&scratch, "echo ready; exec sleep 60").spawn();
    running.wait_for_output("ready");
    running.signal(Signal::SIGTERM);
    running.wait().expect_signal(Signal::SIGTERM);
}

#[test]
fn programs_that_cannot_be_started() {
    let scratch = Scratch::new("cannot-start");
    record_tiny(&scratch, "before");
    std::os::unix::fs::symlink("before", base(&scratch).join("latest")).expect("a link");
    let plain = scratch.write("plain", "not a program");
    let garbage = scratch.script("garbage", "\u{1}\u{2}\u{3}");
    let lost = scratch.script("lost", "#!/absent/interpreter\n");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let cases = [
        ("no-such-program-anywhere".to_owned(), 127, "not found"),
        (
            "/absent/program".to_owned(),
            127,
            "/absent/program: not found",
        ),
        (path(&plain), 126, "ermission denied"),
        (path(&scratch.work()), 126, "not a regular file"),
        (path(&garbage), 126, "xec format"),
        (path(&lost), 126, "/absent/interpreter"),
        (String::new(), 127, "not found"),
    ];
    for (program, code, part) in &cases {
        let output = ask(&scratch, ["--", program]);
        refused(&output, *code, &[part]);
    }
    // Nothing stays of recordings that never began.
    let names: Vec<_> = fs::read_dir(base(&scratch))
        .expect("the recordings")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(answer(&scratch, ["info"]).contains("/before\n"));
    // Nor in a directory that is named, if ftrun has made it.
    let dir = scratch.root().join("own");
    let args = [
        "--dir".as_ref(),
        dir.as_os_str(),
        "--".as_ref(),
        "/absent".as_ref(),
    ];
    ask(&scratch, args).expect_code(127);
    assert!(!dir.exists(), "it is left");
    fs::create_dir(&dir).expect("the scratch directory is ours");
    ask(&scratch, args).expect_code(127);
    let left = fs::read_dir(&dir).expect("it was there before").count();
    assert_eq!(left, 0, "something is left in it");
}

/// The checksums are right, the content is not: one byte that the program read is another.
#[test]
fn a_divergence_has_its_own_code() {
    let scratch = Scratch::new("divergence");
    let dir = record_tiny(&scratch, "tiny");
    let forged = base(&scratch).join("forged");
    fs::create_dir(&forged).expect("the scratch directory is ours");
    fs::rename(dir.join("files"), forged.join("files")).expect("our own recording");
    let mut reader = journal::Reader::open(&dir).expect("a whole journal");
    let header = reader.header().clone();
    let options = journal::WriterOptions::default();
    let mut writer = journal::Writer::create(&forged, &header, options).expect("a new journal");
    while let Some((_, mut event)) = reader.next().expect("a whole journal") {
        if let journal::Event::Syscall(enter, leave) = &mut event
            && i64::from(enter.nr) == libc::SYS_getrandom
        {
            let mut bytes = leave.outs[0].data.to_vec();
            bytes[0] ^= 1;
            leave.outs[0].data = bytes.into();
        }
        writer.append(&event).expect("the disk has room");
    }
    writer.finish().expect("the disk has room");
    let replayed = ask(&scratch, ["replay", "--quiet", "forged"]);
    refused(
        &replayed,
        120,
        &["diverged at event", "expected:", "found:"],
    );
    let checked = ask(&scratch, ["verify", "forged"]);
    assert_eq!(
        checked.exit,
        Exit::Code(0),
        "only a replay can tell; {checked}"
    );
    let checked = ask(&scratch, ["verify", "--replay", "forged"]);
    checked.expect_code(120);
    assert!(checked.err().contains("diverged at event"), "{checked}");
    assert!(checked.out().contains("the replay failed"), "{checked}");
}
