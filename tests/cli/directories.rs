//! Where recordings go, and what names stand for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{Scratch, run_command};
use crate::support::{LIMIT, answer, ask, bare, base, command, record_named, refused};

const TRUE: [&str; 2] = ["--", "/bin/true"];

fn is_whole(scratch: &Scratch, dir: &Path) -> bool {
    let output = ask(scratch, ["verify".as_ref(), dir.as_os_str()]);
    output.out().starts_with("whole: ")
}

fn mode(path: &Path) -> u32 {
    let meta = path.metadata().expect("it exists");
    meta.permissions().mode() & 0o777
}

#[test]
fn recordings_are_numbered_and_latest_is_the_last() {
    let scratch = Scratch::new("numbered");
    for number in 0..3 {
        record_named(&scratch, &["/bin/true"]).expect_code(0);
        let latest = fs::read_link(base(&scratch).join("latest")).expect("a link");
        assert_eq!(latest, Path::new(&format!("true-{number}")));
    }
    record_named(&scratch, &["/bin/sh", "-c", "exit 4"]).expect_code(4);
    assert!(answer(&scratch, ["info"]).contains("/sh-0\n"));
    ask(&scratch, ["replay"]).expect_code(4);
    ask(&scratch, ["replay", "true-1"]).expect_code(0);
    // A number that was in use does not come back.
    answer(&scratch, ["rm", "true-1"]);
    record_named(&scratch, &["/bin/true"]).expect_code(0);
    assert!(base(&scratch).join("true-3").is_dir());
}

#[test]
fn nobody_else_can_read_recordings() {
    let scratch = Scratch::new("private");
    record_named(&scratch, &["/bin/true"]).expect_code(0);
    let dir = base(&scratch).join("true-0");
    for path in [
        base(&scratch),
        dir.clone(),
        dir.join("journal"),
        dir.join("files"),
    ] {
        assert_eq!(mode(&path), 0o700, "{}", path.display());
    }
    assert_eq!(mode(&dir.join("meta.json")), 0o600);
    assert_eq!(mode(&dir.join("journal/00000000.ftj")), 0o600);
}

#[test]
fn the_environment_says_where() {
    let scratch = Scratch::new("environment");
    let root = scratch.root().to_owned();
    let (own, data, home) = (root.join("own"), root.join("data"), root.join("home"));
    let run = |set: &[(&str, &Path)]| {
        let mut command = bare(&scratch, TRUE);
        command.envs(set.iter().copied());
        run_command(command, None, LIMIT)
    };
    let empty = Path::new("");
    run(&[("FTRUN_DIR", &own), ("XDG_DATA_HOME", &data)]).expect_code(0);
    assert!(
        is_whole(&scratch, &own.join("true-0")),
        "FTRUN_DIR comes first"
    );
    run(&[("FTRUN_DIR", empty), ("XDG_DATA_HOME", &data)]).expect_code(0);
    assert!(
        is_whole(&scratch, &data.join("ftrun/true-0")),
        "then XDG_DATA_HOME"
    );
    for ignored in [empty, Path::new("relative")] {
        run(&[("XDG_DATA_HOME", ignored)]).expect_code(0);
    }
    assert!(
        is_whole(&scratch, &home.join(".local/share/ftrun/true-1")),
        "then HOME; a relative XDG_DATA_HOME does not count"
    );
    let mut lost = bare(&scratch, TRUE);
    lost.env_remove("HOME");
    refused(
        &run_command(lost, None, LIMIT),
        125,
        &["HOME", "FTRUN_DIR", "--dir"],
    );
    // Relative is allowed here: it is somebody's own choice.
    let mut relative = bare(&scratch, TRUE);
    relative.env("FTRUN_DIR", "here");
    run_command(relative, None, LIMIT).expect_code(0);
    assert!(is_whole(&scratch, &scratch.empty().join("here/true-0")));
}

#[test]
fn a_directory_of_ones_own() {
    let scratch = Scratch::new("own-directory");
    let record = |dir: &Path| {
        let args = [
            "--dir".as_ref(),
            dir.as_os_str(),
            "--".as_ref(),
            "/bin/true".as_ref(),
        ];
        ask(&scratch, args)
    };
    let deep = scratch.root().join("a/b/c");
    record(&deep).expect_code(0);
    assert!(is_whole(&scratch, &deep), "its parents are made");
    let empty = scratch.root().join("was-empty");
    fs::create_dir(&empty).expect("ours");
    record(&empty).expect_code(0);
    assert!(is_whole(&scratch, &empty), "an empty one is taken");
    for used in [deep, scratch.work()] {
        let names = [used.to_str().expect("UTF-8"), "not empty"];
        refused(&record(&used), 125, &names);
    }
    let file = scratch.write("file", "x");
    refused(&record(&file), 125, &["--dir", "file"]);
    refused(&record(&file.join("below")), 125, &["--dir", "below"]);
    assert!(
        !base(&scratch).exists(),
        "`latest` and names are for recordings by name"
    );
    // Relative, and found again by that path.
    ask(&scratch, ["--dir", "rel", "--", "/bin/true"]).expect_code(0);
    ask(&scratch, ["replay", "rel"]).expect_code(0);
    ask(&scratch, ["replay", "./rel"]).expect_code(0);
}

#[test]
fn a_base_that_cannot_be_made() {
    let scratch = Scratch::new("no-base");
    let file = scratch.write("file", "x");
    let mut record = command(&scratch, TRUE);
    record.env("FTRUN_DIR", &file);
    refused(
        &run_command(record, None, LIMIT),
        125,
        &["file", "FTRUN_DIR", "--dir"],
    );
    let mut list = command(&scratch, ["ls"]);
    list.env("FTRUN_DIR", &file);
    refused(
        &run_command(list, None, LIMIT),
        125,
        &["cannot read", "file"],
    );
}

/// A name here and a name there: what lies here and is a recording comes first.
#[test]
fn names_are_looked_up_here_and_there() {
    let scratch = Scratch::new("names");
    record_named(&scratch, &["/bin/sh", "-c", "exit 1"]).expect_code(1);
    ask(&scratch, ["replay", "sh-0"]).expect_code(1);
    fs::create_dir(scratch.empty().join("sh-0")).expect("ours");
    ask(&scratch, ["replay", "sh-0"]).expect_code(1);
    fs::remove_dir(scratch.empty().join("sh-0")).expect("ours");
    ask(&scratch, ["--dir", "sh-0", "--", "/bin/sh", "-c", "exit 2"]).expect_code(2);
    ask(&scratch, ["replay", "sh-0"]).expect_code(2);
    ask(&scratch, ["replay", "latest"]).expect_code(1);
    fs::remove_dir_all(base(&scratch).join("sh-0")).expect("ours");
    let output = ask(&scratch, ["replay"]);
    refused(&output, 125, &["sh-0"]);
}
