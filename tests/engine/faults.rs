//! What goes wrong around a recording: a killed supervisor, a full disk, journals that are cut,
//! damaged, forged or of another version, kept files that are gone. Each ends as documented,
//! nothing hangs, and no process stays.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use common::{
    Build, Exit, Output, Random, Record, Recorded, Scratch, ftrun, heavy, native, program, replay,
    run_command, show, verify, wait_until,
};

const LIMIT: Duration = Duration::from_secs(30);

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/servers")
        .join(name)
}

/// Builds and records the tiny program: a journal small enough to be tried byte by byte.
#[track_caller]
fn tiny(scratch: &Scratch) -> Recorded<'_> {
    let flags = &[
        "-O1",
        "-static",
        "-nostdlib",
        "-fno-stack-protector",
        "-fno-builtin",
    ];
    let source = &source("tiny.c");
    let built = Build {
        compiler: "gcc",
        flags,
        source,
        includes: &[],
    }
    .run();
    let recorded = Record::new(scratch, scratch.private_binary(&built)).run();
    recorded.expect_code(0);
    assert_eq!(recorded.output.stdout.len(), 33, "{}", recorded.output);
    recorded
}

fn segment(recording: &Path) -> PathBuf {
    recording.join("journal/00000000.ftj")
}

/// A second recording directory with the same kept files, whose journal can be written at will.
fn copy_recording(from: &Path, to: &Path) {
    native(
        program("cp"),
        ["-a".as_ref(), from.as_os_str(), to.as_os_str()],
        LIMIT,
    );
}

/// The same of one that is being made: a file is kept before the journal names it, and has a hidden name
/// until it is whole.
fn copy_live_recording(from: &Path, to: &Path) {
    for part in ["journal", "files"] {
        fs::create_dir_all(to.join(part)).expect("our own directory");
        for entry in fs::read_dir(from.join(part)).expect("a recording") {
            let name = entry.expect("a name").file_name();
            if !name.to_string_lossy().starts_with('.') {
                let (source, copy) = (from.join(part).join(&name), to.join(part).join(&name));
                fs::copy(source, copy).expect("it stays");
            }
        }
    }
    fs::copy(from.join("meta.json"), to.join("meta.json")).expect("every recording has it");
}

/// Every failure must say what is wrong, and nothing may panic.
#[track_caller]
fn assert_explained(output: &Output, about: &str) {
    let text = output.err();
    assert!(
        text.lines().any(|line| line.starts_with("ftrun: ")),
        "no message: {about}; {output}"
    );
    assert!(!text.contains("panicked"), "{about}; {output}");
}

/// A replay of part of a recording: code 0, a beginning of the recorded output, and a word on it.
#[track_caller]
fn assert_ends_early(output: &Output, recorded: &[u8], about: &str) {
    assert_eq!(output.exit, Exit::Code(0), "{about}; {output}");
    assert!(
        recorded.starts_with(&output.stdout),
        "not what was shown: {about}; {output}"
    );
    assert!(
        output.err().contains("ftrun: recording ends early"),
        "{about}; {output}"
    );
}

// ---- the supervisor is killed ----

/// Works in several processes until it is killed, and shows what it does.
const BUSY: &str = r#"
    work() { while :; do echo "$1 $RANDOM $(date +%N | tr 1 2)"; done; }
    (trap '' TERM HUP; work ignoring) &
    setsid sh -c 'while :; do echo session $$; sleep 0.01; done' &
    python3 -c '
import threading, time
def run():
    while True:
        print("thread", time.time(), flush=True)
        time.sleep(0.005)
for _ in range(3):
    threading.Thread(target=run).start()' &
    work first
"#;

#[test]
fn supervisor_killed_at_random_moments() {
    let _turn = heavy();
    let mut random = Random::new();
    for round in 0..10 {
        let scratch = Scratch::new("kill");
        let mut running = Record::bash(&scratch, BUSY).spawn();
        running.wait_for_output("first");
        // In half of the rounds something is in the journal for sure.
        let begun = round % 2 == 0;
        if begun {
            wait_until("output in the journal", LIMIT, || {
                let mut events = Command::new(ftrun());
                events.arg("events").arg(running.dir());
                let shown = run_command(events, None, LIMIT);
                shown.out().contains("write(1, \"first ")
            });
        }
        let pause = Duration::from_millis(random.below(700));
        std::thread::sleep(pause);
        running.assert_running();
        running.signal(Signal::SIGKILL);
        let recorded = running.wait();
        recorded.expect_signal(Signal::SIGKILL);
        let about = format!("round {round}, killed after {pause:?}");
        scratch.assert_no_process_left();
        let checked = verify(&scratch, &recorded.dir, false, LIMIT);
        assert_eq!(
            checked.exit,
            Exit::Code(1),
            "a torn tail: {about}; {checked}"
        );
        scratch.originals_gone();
        let again = recorded.replay();
        assert_ends_early(&again, &recorded.output.stdout, &about);
        // What was written is not lost.
        assert!(!begun || !again.stdout.is_empty(), "{about}; {again}");
        scratch.assert_no_process_left();
    }
}

/// Killed before or while the program starts: there may be no journal at all yet.
#[test]
fn supervisor_killed_while_it_starts() {
    let mut random = Random::new();
    for round in 0..40 {
        let scratch = Scratch::new("kill-start");
        let running = Record::sh(&scratch, "while :; do echo x; sleep 0.001; done").spawn();
        let pause = Duration::from_micros(random.below(20_000));
        std::thread::sleep(pause);
        running.signal(Signal::SIGKILL);
        let recorded = running.wait();
        recorded.expect_signal(Signal::SIGKILL);
        let about = format!("round {round}, killed after {pause:?}");
        scratch.assert_no_process_left();
        let again = recorded.replay();
        if again.exit == Exit::Code(125) {
            assert_explained(&again, &about);
        } else {
            assert_ends_early(&again, &recorded.output.stdout, &about);
        }
        scratch.assert_no_process_left();
    }
}

/// Killing a replay must leave nothing either.
#[test]
fn replay_killed() {
    let scratch = Scratch::new("kill-replay");
    let script = "for i in $(seq 1 300); do /bin/echo $i; done; echo end";
    let recorded = Record::bash(&scratch, script).run();
    recorded.expect_code(0);
    scratch.originals_gone();
    let mut random = Random::new();
    for _ in 0..8 {
        let mut command = Command::new(ftrun());
        command
            .arg("replay")
            .arg(&recorded.dir)
            .current_dir(scratch.empty());
        command.env("FTRUN_TEST_SCRATCH", scratch.root());
        let spawned = common::Spawned::start(command, None);
        std::thread::sleep(Duration::from_millis(random.below(200)));
        spawned.signal(Signal::SIGKILL);
        spawned.wait(LIMIT);
        scratch.assert_no_process_left();
    }
    recorded.assert_replays();
}

/// The journal of a program that runs is readable, and its replay is a replay of a part.
#[test]
fn replay_while_it_is_recorded() {
    let scratch = Scratch::new("live");
    let mut running = Record::bash(&scratch, BUSY).spawn();
    running.wait_for_output("thread");
    std::thread::sleep(Duration::from_millis(300));
    running.assert_running();
    let copy = scratch.root().join("copy");
    copy_live_recording(running.dir(), &copy);
    running.signal(Signal::SIGKILL);
    let recorded = running.wait();
    let again = replay(&scratch, &copy, LIMIT);
    assert_ends_early(&again, &recorded.output.stdout, "a copy made while it ran");
    scratch.assert_no_process_left();
}

// ---- the journal is cut or damaged ----

#[test]
fn journal_cut_at_every_byte() {
    let _turn = heavy();
    let scratch = Scratch::new("cut");
    let recorded = tiny(&scratch);
    let whole = fs::read(segment(&recorded.dir)).expect("the journal's only segment");
    let head = 32 + u32::from_le_bytes(whole[24..28].try_into().expect("four bytes")) as usize;
    assert!(
        head < whole.len() && whole.len() < 64 * 1024,
        "not a small journal"
    );
    scratch.originals_gone();
    let cut = |from: usize| {
        let copy = scratch.root().join(format!("cut-{from}"));
        copy_recording(&recorded.dir, &copy);
        for length in (from..whole.len()).step_by(2) {
            fs::write(segment(&copy), &whole[..length]).expect("our own copy");
            let about = format!("cut to {length} of {} bytes", whole.len());
            let again = replay(&scratch, &copy, LIMIT);
            let readable = length >= head;
            if readable {
                assert_ends_early(&again, &recorded.output.stdout, &about);
            } else {
                assert_eq!(again.exit, Exit::Code(125), "{about}; {again}");
                assert_explained(&again, &about);
            }
            if length % 8 < 2 {
                let checked = verify(&scratch, &copy, false, LIMIT);
                let expected = Exit::Code(if readable { 1 } else { 125 });
                assert_eq!(checked.exit, expected, "{about}; {checked}");
            }
        }
    };
    std::thread::scope(|scope| {
        let cut = &cut;
        let halves = [scope.spawn(move || cut(0)), scope.spawn(move || cut(1))];
        for half in halves {
            half.join().expect("every cut ends as stated");
        }
    });
    recorded.assert_replays();
    scratch.assert_no_process_left();
}

/// Cuts a journal of several frames, with processes and threads alive at the cut.
#[test]
fn larger_journal_cut_at_random() {
    let scratch = Scratch::new("cut-larger");
    let script = "for i in 1 2 3 4 5 6; do (echo $i; sleep 0.02; /bin/echo $i again) | cat; done";
    let recorded = Record::bash(&scratch, script).run();
    recorded.expect_code(0);
    scratch.originals_gone();
    let whole = fs::read(segment(&recorded.dir)).expect("the journal's only segment");
    let mut random = Random::new();
    let copy = scratch.root().join("copy");
    copy_recording(&recorded.dir, &copy);
    for _ in 0..60 {
        let length = 4096 + random.index(whole.len() - 4096);
        fs::write(segment(&copy), &whole[..length]).expect("our own copy");
        let again = replay(&scratch, &copy, LIMIT);
        assert_ends_early(
            &again,
            &recorded.output.stdout,
            &format!("cut to {length} bytes"),
        );
        scratch.assert_no_process_left();
    }
}

/// Flips one bit. The checksums must find it: a torn tail if it hit the last frame, else damage.
#[test]
fn bits_flipped_at_random() {
    let scratch = Scratch::new("flip");
    let script = "echo start; date +%N; head -c 3000 /dev/urandom | sha256sum; sleep 0.1; echo end";
    let recorded = Record::bash(&scratch, script).run();
    recorded.expect_code(0);
    scratch.originals_gone();
    let whole = fs::read(segment(&recorded.dir)).expect("the journal's only segment");
    let copy = scratch.root().join("copy");
    copy_recording(&recorded.dir, &copy);
    let mut random = Random::new();
    for _ in 0..150 {
        let (at, bit) = (random.index(whole.len()), random.below(8));
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << bit;
        fs::write(segment(&copy), &damaged).expect("our own copy");
        let about = format!("bit {bit} of byte {at} flipped (of {})", whole.len());
        let checked = verify(&scratch, &copy, false, LIMIT);
        let code = match checked.exit {
            Exit::Code(code) => code,
            Exit::Signal(_) => panic!("{about}; {checked}"),
        };
        assert!(code == 1 || code == 125, "not found: {about}; {checked}");
        let again = replay(&scratch, &copy, LIMIT);
        if code == 1 {
            assert_ends_early(&again, &recorded.output.stdout, &about);
        } else {
            assert_eq!(again.exit, Exit::Code(125), "{about}; {again}");
            assert_explained(&again, &about);
            assert!(
                recorded.output.stdout.starts_with(&again.stdout),
                "{about}; {again}"
            );
        }
        scratch.assert_no_process_left();
    }
}

/// Garbage of every kind in place of a journal.
#[test]
fn journals_that_are_none() {
    let scratch = Scratch::new("garbage");
    let recorded = tiny(&scratch);
    let whole = fs::read(segment(&recorded.dir)).expect("the journal's only segment");
    let mut random = Random::new();
    let noise: Vec<u8> = (0..5000)
        .map(|_| random.below(256).to_le_bytes()[0])
        .collect();
    let mut noisy_frames = whole[..600.min(whole.len())].to_vec();
    noisy_frames.extend(&noise);
    let cases: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("text", b"this is not a journal\n".repeat(50)),
        ("noise", noise),
        ("zeros", vec![0; 10_000]),
        ("backwards", whole.iter().rev().copied().collect()),
    ];
    for (what, bytes) in cases {
        fs::write(segment(&recorded.dir), bytes).expect("our own file");
        for output in [
            replay(&scratch, &recorded.dir, LIMIT),
            verify(&scratch, &recorded.dir, false, LIMIT),
        ] {
            assert_eq!(output.exit, Exit::Code(125), "{what}; {output}");
            assert_explained(&output, what);
        }
    }
    fs::write(segment(&recorded.dir), noisy_frames).expect("our own file");
    let again = replay(&scratch, &recorded.dir, LIMIT);
    assert_ends_early(
        &again,
        &recorded.output.stdout,
        "noise after the first frames",
    );
    for path in [
        scratch.root().join("absent"),
        scratch.empty(),
        PathBuf::from("/dev/null"),
    ] {
        let output = replay(&scratch, &path, LIMIT);
        assert_eq!(output.exit, Exit::Code(125), "{}; {output}", path.display());
        assert_explained(&output, "no recording");
    }
}

#[test]
fn journal_of_a_newer_version() {
    let scratch = Scratch::new("version");
    let recorded = tiny(&scratch);
    let path = segment(&recorded.dir);
    let mut bytes = fs::read(&path).expect("the journal's only segment");
    let version = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
    bytes[8..12].copy_from_slice(&(version + 1).to_le_bytes());
    fs::write(&path, bytes).expect("our own file");
    for output in [
        replay(&scratch, &recorded.dir, LIMIT),
        verify(&scratch, &recorded.dir, false, LIMIT),
    ] {
        assert_eq!(output.exit, Exit::Code(125), "{output}");
        assert_explained(&output, "a newer version");
        for number in [version, version + 1] {
            assert!(
                output.err().contains(&number.to_string()),
                "no {number} in {output}"
            );
        }
        assert!(output.err().contains("version"), "{output}");
    }
}

// ---- what belongs to a recording is gone or changed ----

#[test]
fn kept_files_removed_or_changed() {
    let scratch = Scratch::new("kept");
    let recorded = Record::new(&scratch, scratch.private_binary(&program("date"))).run();
    recorded.expect_code(0);
    scratch.originals_gone();
    let files: Vec<PathBuf> = fs::read_dir(recorded.dir.join("files"))
        .expect("the kept files")
        .map(|entry| entry.expect("a name").path())
        .collect();
    assert!(
        files.len() >= 3,
        "program, loader and libc at least: {files:?}"
    );
    for file in &files {
        let content = fs::read(file).expect("a kept file");
        let mut flipped = content.clone();
        flipped[content.len() / 2] ^= 1;
        let shorter = &content[..content.len() - 1];
        for (what, damaged) in [
            ("removed", None),
            ("flipped", Some(&flipped[..])),
            ("cut", Some(shorter)),
        ] {
            let about = format!("{} {what}", file.display());
            fs::remove_file(file).expect("our own file");
            if let Some(bytes) = damaged {
                fs::write(file, bytes).expect("our own file");
            }
            let again = replay(&scratch, &recorded.dir, LIMIT);
            assert_eq!(again.exit, Exit::Code(125), "{about}; {again}");
            assert_explained(&again, &about);
            let checked = verify(&scratch, &recorded.dir, false, LIMIT);
            assert_eq!(checked.exit, Exit::Code(125), "{about}; {checked}");
            let _ = fs::remove_file(file);
            fs::write(file, &content).expect("our own file");
        }
    }
    recorded.assert_replays();
}

/// A journal whose checksums are right but whose content is not: only the comparison of every
/// event can find it. One random byte that the program read is changed; what it then prints is not
/// what the journal says.
#[test]
fn forged_input_is_a_divergence() {
    let scratch = Scratch::new("forged");
    let recorded = tiny(&scratch);
    let forged = scratch.root().join("forged");
    copy_recording(&recorded.dir, &forged);
    fs::remove_dir_all(forged.join("journal")).expect("our own copy");
    let mut reader = journal::Reader::open(&recorded.dir).expect("a whole journal");
    let options = journal::WriterOptions::default();
    let header = reader.header().clone();
    let mut writer = journal::Writer::create(&forged, &header, options).expect("a new journal");
    let mut changed = 0;
    while let Some((_, mut event)) = reader.next().expect("a whole journal") {
        if let journal::Event::Syscall(enter, leave) = &mut event
            && enter.nr == 318
        {
            let mut bytes = leave.outs[0].data.to_vec();
            assert_eq!(bytes.len(), 16, "what getrandom gave");
            bytes[7] ^= 0x10;
            leave.outs[0].data = bytes.into();
            changed += 1;
        }
        writer.append(&event).expect("the disk has room");
    }
    writer.finish().expect("the disk has room");
    assert_eq!(changed, 1, "one getrandom");
    let again = replay(&scratch, &forged, LIMIT);
    assert_eq!(again.exit, Exit::Code(120), "{again}");
    assert_explained(&again, "a forged input");
    assert_ne!(again.stdout, recorded.output.stdout, "{again}");
    let checked = verify(&scratch, &forged, true, LIMIT);
    assert_eq!(checked.exit, Exit::Code(120), "{checked}");
    recorded.assert_replays();
    scratch.assert_no_process_left();
}

/// A directory that holds a recording is not written over.
#[test]
fn recording_into_a_directory_in_use() {
    let scratch = Scratch::new("in-use");
    let first = tiny(&scratch);
    let before = fs::read(segment(&first.dir)).expect("the journal");
    let mut command = Command::new(ftrun());
    command
        .args(["record", "--dir"])
        .arg(&first.dir)
        .args(["--", "/bin/echo", "never"]);
    let output = run_command(command, None, LIMIT);
    assert_eq!(output.exit, Exit::Code(125), "{output}");
    assert_explained(&output, "a directory that is not empty");
    assert!(output.stdout.is_empty(), "{output}");
    assert_eq!(
        before,
        fs::read(segment(&first.dir)).expect("the journal"),
        "it was overwritten"
    );
    first.assert_replays();
}

// ---- the disk is full ----

/// Records on a file system of `size`, in a mount namespace of its own, and copies what is there
/// afterwards to `copy`. Returns the output and the recording's exit status.
#[track_caller]
fn record_on_full_disk(scratch: &Scratch, size: &str, option: &str, copy: &Path) -> (Output, i32) {
    let flags = &["-O1", "-static"];
    let source = &source("reader.c");
    let built = Build {
        compiler: "gcc",
        flags,
        source,
        includes: &[],
    }
    .run();
    let reader = scratch.private_binary(&built);
    let disk = scratch.root().join("disk");
    fs::create_dir(&disk).expect("the scratch directory is ours");
    let script = format!(
        "mount -t tmpfs -o size={size} ftrun-test {disk} || exit 99
         {ftrun} record --dir {disk}/recording {option} -- {reader} 400
         status=$?; df {disk} | tail -n 1 >&2; cp -a {disk}/recording {copy} || exit 98
         echo $status > {status}",
        disk = disk.display(),
        ftrun = ftrun().display(),
        reader = reader.display(),
        copy = copy.display(),
        status = scratch.root().join("status").display(),
    );
    let mut command = Command::new(program("unshare"));
    // Without root, a user namespace gives the right to mount.
    command.arg(if nix::unistd::getuid().is_root() {
        "-m"
    } else {
        "-Urm"
    });
    command
        .args(["/bin/sh", "-c", &script])
        .env("FTRUN_TEST_SCRATCH", scratch.root());
    let output = run_command(command, None, Duration::from_secs(120));
    output.expect_code(0);
    let status = fs::read_to_string(scratch.root().join("status")).expect("the script wrote it");
    (output, status.trim().parse().expect("a number"))
}

#[track_caller]
fn check_full_disk(option: &str, check: impl Fn(&Output, i32)) {
    let scratch = Scratch::new("disk-full");
    let copy = scratch.root().join("copy");
    // Large enough for the program's kept copy, too small for the 26 MB that it reads.
    let (output, status) = record_on_full_disk(&scratch, "8m", option, &copy);
    assert_explained(&output, "the disk is full");
    check(&output, status);
    scratch.assert_no_process_left();
    scratch.originals_gone();
    let checked = verify(&scratch, &copy, false, LIMIT);
    assert_eq!(checked.exit, Exit::Code(1), "a torn tail; {checked}");
    let again = replay(&scratch, &copy, LIMIT);
    assert_ends_early(&again, &output.stdout, option);
    assert!(
        again.out().contains("block 20:"),
        "some MB were recorded; {again}"
    );
    scratch.assert_no_process_left();
}

#[test]
fn disk_full_ends_the_recording() {
    check_full_disk("", |output, status| {
        assert_eq!(status, 125, "{output}");
        assert!(!output.out().contains("all 400 blocks"), "{output}");
    });
}

#[test]
fn disk_full_and_the_program_goes_on() {
    check_full_disk("--on-journal-error continue", |output, status| {
        assert_eq!(status, 3, "the program's own exit code; {output}");
        assert!(output.out().ends_with("all 400 blocks\n"), "{output}");
        assert_eq!(
            output.out().lines().count(),
            401,
            "{}",
            show(&output.stdout)
        );
    });
}

/// No room even for the copy of the program: nothing starts, or it ends at once.
#[test]
fn disk_full_from_the_beginning() {
    let scratch = Scratch::new("disk-tiny");
    let copy = scratch.root().join("copy");
    let started = Instant::now();
    let (output, status) = record_on_full_disk(&scratch, "64k", "", &copy);
    assert_eq!(status, 125, "{output}");
    assert_explained(&output, "the disk is full");
    assert!(started.elapsed() < LIMIT, "{output}");
    scratch.assert_no_process_left();
}
