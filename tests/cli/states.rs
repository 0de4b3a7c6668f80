//! Recordings that are not whole: being made, cut short, damaged.

use nix::sys::signal::Signal;

use crate::common::{Exit, Scratch, Spawned, wait_until};
use crate::support::{
    LIMIT, answer, ask, base, command, edit_journal, first_segment, frames, json, parse,
    record_corrupt, record_script, record_tiny, refused,
};

const QUERIES: [&str; 4] = ["info", "ps", "events", "stat"];

#[test]
fn a_recording_that_is_being_made() {
    let scratch = Scratch::new("live");
    let mut running = record_script(&scratch, "live", "echo ready; exec sleep 60").spawn();
    running.wait_for_output("ready");
    // What waits in memory is written after 20 ms.
    wait_until("the events wanted", LIMIT, || {
        ask(&scratch, ["events", "live"])
            .out()
            .contains("\"ready\\n\"")
    });
    let list = answer(&scratch, ["ls"]);
    assert!(list.contains("recording now"), "{list}");
    let row = &json(&scratch, &["ls"])["recordings"][0];
    assert_eq!(
        (&row["state"], &row["exit_code"]),
        (&"live".into(), &serde_json::Value::Null)
    );
    assert!(answer(&scratch, ["info", "live"]).contains("recording now"));
    let checked = ask(&scratch, ["verify", "live"]);
    checked.expect_code(1);
    assert!(
        checked.out().starts_with("still being made, good so far: "),
        "{checked}"
    );
    let replayed = ask(&scratch, ["replay", "live"]);
    replayed.expect_code(0);
    assert_eq!(replayed.out(), "ready\n");
    assert!(
        replayed
            .err()
            .contains("ends early (it is still being made)"),
        "{replayed}"
    );
    let shown = ask(&scratch, ["ps", "live"]);
    shown.expect_code(0);
    assert!(shown.err().contains("it is still being made"), "{shown}");
    running.signal(Signal::SIGTERM);
    running.wait().expect_signal(Signal::SIGTERM);
    assert!(answer(&scratch, ["ls"]).contains("signal 15"));
    assert!(answer(&scratch, ["verify", "live"]).starts_with("whole: "));
}

/// `--follow` shows events while they come, and ends with the recording.
#[test]
fn events_are_followed_to_the_end() {
    let scratch = Scratch::new("follow");
    let script = "echo first; read line; echo $line; exit 6";
    let fifo = scratch.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let script = format!("exec < {}; {script}", fifo.display());
    let running = record_script(&scratch, "live", &script).spawn();
    let mut wanted = command(&scratch, ["events", "--follow", "live"]);
    // The recording may still be about to begin: that is followed as well.
    wait_until("the recording", LIMIT, || {
        running.dir().join("meta.json").exists()
    });
    wanted.stdin(std::process::Stdio::null());
    let follower = Spawned::start(wanted, None);
    let mut feeder = std::fs::OpenOptions::new()
        .write(true)
        .open(&fifo)
        .expect("a reader");
    let shows = |text: &str| String::from_utf8_lossy(&follower.stdout_so_far()).contains(text);
    wait_until("the events wanted", LIMIT, || shows("\"first\\n\""));
    assert!(!shows("second"));
    std::io::Write::write_all(&mut feeder, b"second\n").expect("a reader");
    drop(feeder);
    running.wait().expect_code(6);
    let followed = follower.wait(LIMIT);
    followed.expect_code(0);
    assert!(followed.stderr.is_empty(), "{followed}");
    assert_eq!(followed.out(), answer(&scratch, ["events", "live"]));
    // Of a recording that is over, it is the same as without.
    assert_eq!(followed.out(), answer(&scratch, ["events", "-f", "live"]));
}

/// Nobody reads any more, and nothing happens: the follower notices all the same.
#[test]
fn a_follower_whose_reader_is_gone_ends() {
    let scratch = Scratch::new("follow-closed");
    let mut running = record_script(&scratch, "live", "echo ready; exec sleep 60").spawn();
    running.wait_for_output("ready");
    let mut sh = std::process::Command::new(crate::common::program("sh"));
    let line = "\"$0\" events --follow live | head -n 1";
    sh.arg("-c").arg(line).arg(crate::common::ftrun());
    sh.env("FTRUN_DIR", base(&scratch))
        .current_dir(scratch.empty());
    let output = crate::common::run_command(sh, None, LIMIT);
    output.expect_code(0);
    running.signal(Signal::SIGKILL);
    running.wait().expect_signal(Signal::SIGKILL);
}

#[test]
fn a_recording_that_was_cut_short() {
    let scratch = Scratch::new("torn");
    let mut running = record_script(&scratch, "torn", "echo ready; exec sleep 60").spawn();
    running.wait_for_output("ready");
    wait_until("the events wanted", LIMIT, || {
        ask(&scratch, ["events", "torn"])
            .out()
            .contains("\"ready\\n\"")
    });
    running.signal(Signal::SIGKILL);
    running.wait().expect_signal(Signal::SIGKILL);
    let list = answer(&scratch, ["ls"]);
    assert!(list.contains("cut short"), "{list}");
    let info = answer(&scratch, ["info", "torn"]);
    assert!(info.contains("cut short ("), "{info}");
    let checked = ask(&scratch, ["verify", "torn"]);
    checked.expect_code(1);
    assert!(checked.out().starts_with("ends early ("), "{checked}");
    let checked = ask(&scratch, ["verify", "--replay", "torn"]);
    checked.expect_code(1);
    assert!(checked.out().contains("\nreplayed "), "{checked}");
    for query in ["ps", "events", "stat", "strace"] {
        let output = ask(&scratch, [query, "torn"]);
        output.expect_code(0);
        assert!(!output.stdout.is_empty(), "{query}; {output}");
        assert!(
            output.err().contains("ftrun: recording ends early"),
            "{query}; {output}"
        );
    }
    let processes = ask(&scratch, ["ps", "--json", "torn"]);
    let process = &parse(&processes.out())["processes"][0];
    assert!(process["ended_unix_ns"].is_null(), "{processes}");
    scratch.assert_no_process_left();
}

#[test]
fn a_recording_that_is_damaged() {
    let scratch = Scratch::new("corrupt");
    let dir = record_corrupt(&scratch, "corrupt");
    let checked = ask(&scratch, ["verify", "corrupt"]);
    checked.expect_code(125);
    assert!(checked.out().starts_with("corrupt: "), "{checked}");
    assert!(checked.err().contains("is corrupt at offset"), "{checked}");
    for query in QUERIES {
        let output = ask(&scratch, [query, "corrupt"]);
        output.expect_code(125);
        assert!(
            output.err().contains("is corrupt at offset"),
            "{query}; {output}"
        );
        assert!(
            !output.stdout.is_empty(),
            "what is good is shown: {query}; {output}"
        );
    }
    // Where the list does not read, it cannot know.
    assert!(answer(&scratch, ["ls"]).contains("exit 0"));
    edit_journal(&dir, |bytes| bytes[3] ^= 1);
    assert!(answer(&scratch, ["ls"]).contains("damaged"));
    for query in QUERIES {
        refused(
            &ask(&scratch, [query, "corrupt"]),
            125,
            &["is not a journal"],
        );
    }
    std::fs::remove_file(first_segment(&dir)).expect("our own file");
    assert!(answer(&scratch, ["ls"]).contains("damaged"));
    refused(
        &ask(&scratch, ["info", "corrupt"]),
        125,
        &["no recording here"],
    );
}

/// A kept file is as much of the recording as its journal.
#[test]
fn a_kept_file_that_is_damaged() {
    let scratch = Scratch::new("kept-damaged");
    let dir = record_tiny(&scratch, "tiny");
    let files = std::fs::read_dir(dir.join("files")).expect("kept files");
    let file = files.flatten().next().expect("the program").path();
    let content = std::fs::read(&file).expect("a kept file");
    let mut flipped = content.clone();
    flipped[content.len() / 2] ^= 1;
    let damaged = [
        &flipped[..],
        &content[1..],
        &content[..content.len() - 1],
        b"",
    ];
    for bytes in damaged {
        std::fs::remove_file(&file).expect("our own file");
        std::fs::write(&file, bytes).expect("our own file");
        let checked = ask(&scratch, ["verify", "tiny"]);
        checked.expect_code(125);
        assert!(checked.err().contains("has changed"), "{checked}");
        assert!(checked.out().starts_with("corrupt: "), "{checked}");
    }
    std::fs::write(&file, content).expect("our own file");
    ask(&scratch, ["verify", "tiny"]).expect_code(0);
    // One that the journal does not name is none of it.
    std::fs::write(file.with_file_name("0".repeat(32)), "x").expect("our own file");
    ask(&scratch, ["verify", "tiny"]).expect_code(0);
}

/// Checksums that are right over events that cannot follow one another.
#[test]
fn a_journal_that_contradicts_itself() {
    let scratch = Scratch::new("contradiction");
    let dir = record_tiny(&scratch, "tiny");
    let forged = base(&scratch).join("forged");
    std::fs::create_dir(&forged).expect("ours");
    let mut reader = journal::Reader::open(&dir).expect("a whole journal");
    let header = reader.header().clone();
    let options = journal::WriterOptions::default();
    let mut writer = journal::Writer::create(&forged, &header, options).expect("a new journal");
    let mut written = 0;
    while let Some((_, event)) = reader.next().expect("a whole journal") {
        if !matches!(event, journal::Event::Enter(_)) {
            writer.append(&event).expect("the disk has room");
            written += 1;
        }
    }
    writer.finish().expect("the disk has room");
    assert!(written > 5);
    std::fs::rename(dir.join("files"), forged.join("files")).expect("our own recording");
    let checked = ask(&scratch, ["verify", "forged"]);
    checked.expect_code(125);
    assert!(
        checked.err().contains("contradicts itself at event"),
        "{checked}"
    );
    // Whatever it is, it can be looked at.
    for query in QUERIES {
        let output = ask(&scratch, [query, "forged"]);
        assert_eq!(output.exit, Exit::Code(0), "{query}; {output}");
    }
}

/// Every cut and many flipped bits: an answer, never a panic, and always the same verdict.
#[test]
fn damage_of_every_kind_is_survived() {
    let scratch = Scratch::new("damage");
    let dir = record_tiny(&scratch, "tiny");
    let whole = std::fs::read(first_segment(&dir)).expect("a journal");
    let first = frames(&dir)[0];
    let check = |what: String| {
        for query in ["ls", "info tiny", "ps tiny", "events tiny", "stat tiny"] {
            let output = ask(&scratch, query.split(' '));
            let Exit::Code(code) = output.exit else {
                panic!("{query}, {what}; {output}")
            };
            assert!(code == 0 || code == 125, "{query}, {what}; {output}");
            assert!(
                !output.err().contains("panicked"),
                "{query}, {what}; {output}"
            );
        }
    };
    for length in (0..first)
        .step_by(23)
        .chain([first, first + 1, whole.len() - 1])
    {
        edit_journal(&dir, |bytes| *bytes = whole[..length].to_vec());
        check(format!("cut to {length}"));
    }
    for at in (0..first + 64).step_by(17) {
        edit_journal(&dir, |bytes| {
            bytes.clone_from(&whole);
            bytes[at] ^= 0x81;
        });
        check(format!("byte {at} flipped"));
    }
}
