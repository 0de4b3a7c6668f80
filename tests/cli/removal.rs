//! `ftrun rm`: what it removes, and what it refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::sys::signal::Signal;

use crate::common::Scratch;
use crate::support::{
    answer, ask, base, edit_journal, first_segment, record_named, record_script, record_tiny,
    refused,
};

fn latest(scratch: &Scratch) -> Option<String> {
    let target = fs::read_link(base(scratch).join("latest")).ok()?;
    Some(target.to_string_lossy().into_owned())
}

#[test]
fn latest_names_the_latest_that_is_left() {
    let scratch = Scratch::new("rm-latest");
    for program in ["/bin/true", "/bin/echo", "/bin/true"] {
        record_named(&scratch, &[program]).expect_code(0);
    }
    assert_eq!(latest(&scratch).as_deref(), Some("true-1"));
    assert_eq!(answer(&scratch, ["rm", "true-0"]), "");
    assert_eq!(latest(&scratch).as_deref(), Some("true-1"));
    answer(&scratch, ["rm", "true-1"]);
    assert_eq!(latest(&scratch).as_deref(), Some("echo-0"));
    answer(&scratch, ["rm", "latest"]);
    assert_eq!(latest(&scratch), None);
    assert!(
        !base(&scratch).join("latest").is_symlink(),
        "the link is gone"
    );
    let left = fs::read_dir(base(&scratch)).expect("the base").count();
    assert_eq!(left, 0, "everything is gone");
}

/// What programs are kept for a recording is shared with the next, if they lie where it is known that they stay as they are.
#[test]
fn programs_are_stored_once_for_several_recordings() {
    const DISKS: [i64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];
    let scratch = Scratch::new("rm-shared");
    let links = |name: &str| {
        let files = fs::read_dir(base(&scratch).join(name).join("files")).expect("it has files");
        let links = files.map(|file| {
            file.expect("an entry")
                .metadata()
                .expect("is there")
                .nlink()
        });
        links.collect::<Vec<_>>()
    };
    record_named(&scratch, &["/bin/true"]).expect_code(0);
    record_named(&scratch, &["/bin/true"]).expect_code(0);
    let fs_type = nix::sys::statfs::statfs("/bin/true")
        .expect("a filesystem")
        .filesystem_type();
    let (shared, alone) = if DISKS.contains(&fs_type.0) {
        (3, 2)
    } else {
        (1, 1)
    };
    // The program and its libraries; not the table of libraries.
    let programs =
        |name: &str, count: u64| links(name).iter().filter(|found| **found == count).count();
    assert!(programs("true-0", shared) >= 3, "{:?}", links("true-0"));
    assert!(programs("true-1", shared) >= 3, "{:?}", links("true-1"));
    answer(&scratch, ["rm", "true-0"]);
    assert!(programs("true-1", alone) >= 3, "{:?}", links("true-1"));
    assert_eq!(answer(&scratch, ["verify", "true-1"]).lines().count(), 1);
    record_named(&scratch, &["/bin/true"]).expect_code(0);
    assert!(programs("true-2", shared) >= 3, "{:?}", links("true-2"));
    answer(&scratch, ["verify", "--replay", "true-2"]);
    answer(&scratch, ["rm", "--all"]);
    let left = fs::read_dir(base(&scratch)).expect("the base").count();
    assert_eq!(left, 0, "everything is gone");
}

#[test]
fn several_by_name_and_by_path() {
    let scratch = Scratch::new("rm-several");
    let one = record_tiny(&scratch, "one");
    let two = record_tiny(&scratch, "two");
    let three = record_tiny(&scratch, "three");
    let output = ask(
        &scratch,
        ["rm", "one", "absent", three.to_str().expect("UTF-8")],
    );
    refused(&output, 125, &["absent"]);
    assert!(
        !one.exists() && two.exists() && !three.exists(),
        "the others are removed"
    );
    // With a path, also outside of the base, and without touching others' links.
    let elsewhere = scratch.root().join("elsewhere");
    fs::create_dir(&elsewhere).expect("ours");
    fs::rename(&two, elsewhere.join("two")).expect("ours");
    symlink("two", elsewhere.join("latest")).expect("a link");
    refused(
        &ask(&scratch, ["rm", "../elsewhere/latest"]),
        125,
        &["symbolic link"],
    );
    answer(&scratch, ["rm", "../elsewhere/two"]);
    assert!(!elsewhere.join("two").exists());
    assert!(elsewhere.join("latest").is_symlink(), "not ours");
}

#[test]
fn what_is_being_made_stays() {
    let scratch = Scratch::new("rm-live");
    record_tiny(&scratch, "old");
    let mut running = record_script(&scratch, "live", "echo ready; exec sleep 60").spawn();
    running.wait_for_output("ready");
    refused(
        &ask(&scratch, ["rm", "live"]),
        125,
        &["is being made", "nothing removed"],
    );
    let output = ask(&scratch, ["rm", "--all"]);
    output.expect_code(0);
    assert!(
        output.err().contains("is being made: left alone"),
        "{output}"
    );
    assert!(!base(&scratch).join("old").exists());
    assert!(first_segment(running.dir()).exists());
    running.signal(Signal::SIGTERM);
    let recorded = running.wait();
    recorded.expect_signal(Signal::SIGTERM);
    answer(&scratch, ["rm", "--all"]);
    assert!(!recorded.dir.exists());
    answer(&scratch, ["rm", "--all"]);
}

/// Above all, it removes nothing that is not a recording.
#[test]
fn what_is_no_recording_stays() {
    let scratch = Scratch::new("rm-others");
    let logs = scratch.dir("logs");
    scratch.write("logs/journal/system.journal", "not ours");
    scratch.write("logs/files/notes", "not ours");
    let file = scratch.write("file", "x");
    let own = record_tiny(&scratch, "own");
    symlink(&own, scratch.path("link")).expect("a link");
    for (path, part) in [
        (logs.as_path(), "is not a recording"),
        (&scratch.empty(), "is not a recording"),
        (&file, "is not a recording"),
        (&scratch.path("link"), "symbolic link"),
        (Path::new("/"), "is not a recording"),
        (&base(&scratch), "is not a recording"),
    ] {
        let output = ask(&scratch, ["rm".as_ref(), path.as_os_str()]);
        refused(&output, 125, &[part]);
    }
    assert!(logs.join("journal/system.journal").exists() && logs.join("files/notes").exists());
    assert!(own.join("journal").is_dir(), "not through a link");
    // Somebody put something of his own into a recording.
    fs::write(own.join("notes.txt"), "precious").expect("ours");
    fs::write(own.join("files/notes"), "precious").expect("ours");
    refused(
        &ask(&scratch, ["rm", "own"]),
        125,
        &["no part of a recording"],
    );
    assert!(own.join("notes.txt").exists() && own.join("files/notes").exists());
    assert!(!own.join("journal").exists(), "what is ours is gone");
}

#[test]
fn remains_can_be_removed() {
    let scratch = Scratch::new("rm-remains");
    let damaged = record_tiny(&scratch, "damaged");
    edit_journal(&damaged, |bytes| bytes.clear());
    let beheaded = record_tiny(&scratch, "beheaded");
    fs::remove_dir_all(beheaded.join("journal")).expect("ours");
    let bare = record_tiny(&scratch, "bare");
    fs::remove_file(bare.join("meta.json")).expect("ours");
    fs::remove_dir_all(bare.join("files")).expect("ours");
    for dir in [&damaged, &beheaded, &bare] {
        let name = dir.file_name().expect("a name");
        assert!(answer(&scratch, ["ls"]).contains(&*name.to_string_lossy()));
        answer(&scratch, ["rm".as_ref(), name]);
        assert!(!dir.exists(), "{}", dir.display());
    }
}
