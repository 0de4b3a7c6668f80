//! The query commands as people read them.

use serde_json::Value;

use crate::common::{Record, Scratch};
use crate::support::{
    answer, ask, base, built, json, record_family, record_named, record_script, record_tiny,
};

/// The line that begins with this word.
#[track_caller]
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line[name.len()..].trim().to_owned()
}

#[test]
fn ls_is_a_table() {
    let scratch = Scratch::new("ls");
    let output = ask(&scratch, ["ls"]);
    output.expect_code(0);
    assert!(output.stdout.is_empty(), "{output}");
    assert!(output.err().contains("no recording in"), "{output}");
    record_named(&scratch, &["/bin/sh", "-c", "exit 7"]).expect_code(7);
    record_script(&scratch, "killed", "kill -9 $$").run();
    std::fs::create_dir(crate::support::base(&scratch).join("other")).expect("ours");
    let text = answer(&scratch, ["ls"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "a heading and two recordings: {text}");
    assert!(lines[0].starts_with("NAME "), "{text}");
    assert!(
        lines[1].starts_with("sh-0 ") && lines[1].contains("exit 7"),
        "{text}"
    );
    assert!(lines[1].ends_with("/bin/sh -c 'exit 7'"), "{text}");
    assert!(
        lines[2].starts_with("killed ") && lines[2].contains("signal 9"),
        "{text}"
    );
}

#[test]
fn info_tells_what_was_recorded() {
    let scratch = Scratch::new("info");
    let dir = record_family(&scratch, "family");
    let text = answer(&scratch, ["info", "family"]);
    assert_eq!(field(&text, "recording"), dir.to_str().expect("UTF-8"));
    assert!(
        field(&text, "command").ends_with("family 'an argument'"),
        "{text}"
    );
    assert_eq!(
        field(&text, "directory"),
        scratch.work().to_str().expect("UTF-8")
    );
    assert_eq!(field(&text, "ended"), "exit 3");
    assert!(
        field(&text, "content").ends_with("3 processes with 4 threads"),
        "{text}"
    );
    assert!(!text.contains("this machine"), "it is this machine: {text}");
}

#[test]
fn ps_is_a_tree() {
    let scratch = Scratch::new("ps");
    record_family(&scratch, "family");
    let text = answer(&scratch, ["ps", "family"]);
    let columns = |line: &str| {
        let line = line.trim_start();
        let (id, rest) = line.split_once(' ').expect("a table");
        let rest: Vec<&str> = rest.split_whitespace().skip(2).collect();
        (id.to_owned(), rest.join(" "))
    };
    let rows: Vec<(String, String)> = text.lines().skip(1).map(columns).collect();
    let shown: Vec<&str> = rows.iter().map(|(_, row)| row.as_str()).collect();
    let original = scratch.work().join("bin/family");
    let family = format!("{} 'an argument'", original.display());
    assert_eq!(
        shown,
        [
            format!("exit 3 {family}"),
            "\\_ {worker}".to_owned(),
            format!("signal 15 \\_ {family}"),
            "exit 0 \\_ true and nothing else".to_owned(),
        ],
        "{text}"
    );
    let mut ids: Vec<&String> = rows.iter().map(|(id, _)| id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{text}");
}

#[test]
fn events_are_one_a_line() {
    let scratch = Scratch::new("events");
    record_family(&scratch, "family");
    let text = answer(&scratch, ["events", "family"]);
    let whole = json(&scratch, &["verify", "family"]);
    assert_eq!(text.lines().count() as u64, whole["events"], "{text}");
    for (index, line) in text.lines().enumerate() {
        let first = line.split_whitespace().next();
        assert_eq!(first, Some(index.to_string().as_str()), "{line}");
    }
    for part in [
        " start      ",
        " enter      execve(\"",
        "; program ",
        "; map 0x",
        " spawn      thread ",
        " spawn      process ",
        "SIGUSR1 {si_signo=SIGUSR1, si_code=SI_TKILL",
        "; handler at 0x",
        "SIGTERM {",
        "; fatal\n",
        " thread-end signal 15\n",
        " thread-end exit 3\n",
        "execve(\"/bin/true\", [\"true\", \"and\", \"nothing\", \"else\"]",
        "write(1, \"signal 10\\n\", 10) = 10\n",
        " end        exit 3\n",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn events_can_be_chosen() {
    let scratch = Scratch::new("choose");
    record_family(&scratch, "family");
    let events = |options: &[&str]| {
        let args = ["events", "family"].iter().chain(options).copied();
        let text = answer(&scratch, args);
        text.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let all = events(&[]);
    assert_eq!(events(&["--from", "5", "--to", "9"]), all[5..=9]);
    assert_eq!(events(&["--from", "5", "--to", "5"]), all[5..=5]);
    assert_eq!(events(&["--from", "9", "--to", "5"]), [] as [&str; 0]);
    let last = (all.len() - 1).to_string();
    assert_eq!(events(&["--from", &last]), all[all.len() - 1..]);
    assert_eq!(events(&["--from", "99999999"]), [] as [&str; 0]);
    let column = |line: &String, column: usize| {
        let word = line.split_whitespace().nth(column);
        word.unwrap_or_default().to_owned()
    };
    let kinds = events(&["--kind", "spawn,thread-end"]);
    let of_kind: Vec<&String> = all
        .iter()
        .filter(|line| ["spawn", "thread-end"].contains(&column(line, 2).as_str()))
        .collect();
    assert_eq!(of_kind.len(), 3 + 4, "three births, four ends");
    assert!(kinds.iter().eq(of_kind), "{kinds:#?}");
    let child = column(&kinds[2], 1);
    let of_thread = events(&["--thread", &child]);
    let expected: Vec<&String> = all.iter().filter(|line| column(line, 1) == child).collect();
    assert!(of_thread.iter().eq(expected), "{of_thread:#?}");
    assert_eq!(events(&["--thread", "0"]), [] as [&str; 0]);
    let both = events(&["--thread", &child, "--kind", "thread-end"]);
    assert_eq!(both.len(), 1, "{both:?}");
}

#[test]
fn stat_adds_up() {
    let scratch = Scratch::new("stat");
    record_family(&scratch, "family");
    let found = json(&scratch, &["stat", "family"]);
    let sum = |list: &str, what: &str| -> u64 {
        let rows = found[list].as_array().expect("a list");
        rows.iter()
            .map(|row| row[what].as_u64().expect("a number"))
            .sum()
    };
    for list in ["by_kind", "by_second"] {
        assert_eq!(sum(list, "events"), found["events"], "{list} in {found}");
        assert_eq!(sum(list, "bytes"), found["bytes"], "{list} in {found}");
    }
    let syscalls = found["by_syscall"].as_array().expect("a list");
    let calls = |name: &str| {
        let row = syscalls.iter().find(|row| row["syscall"] == name);
        row.map_or(0, |row| row["calls"].as_u64().unwrap_or(0))
    };
    // One execve starts the program, one is the child's.
    assert_eq!(
        (calls("execve"), calls("wait4"), calls("exit_group")),
        (2, 2, 2)
    );
    let text = answer(&scratch, ["stat", "family"]);
    for heading in ["KIND ", "THREAD ", "SYSCALL ", "SECOND "] {
        assert!(text.lines().any(|line| line.starts_with(heading)), "{text}");
    }
}

/// The journal does not say which calls stopped; the metadata does, and why.
#[test]
fn stat_tells_what_was_served() {
    let scratch = Scratch::new("served");
    let original = scratch.work().join("bin/calls");
    scratch.copy_program(&built("calls", &["-O1"]), &original);
    std::fs::create_dir_all(base(&scratch)).expect("the scratch directory is ours");
    for (name, option) in [("served", "--agent-at-once"), ("stopped", "--no-agent")] {
        let record = Record::new(&scratch, &original).dir(base(&scratch).join(name));
        record.option(option).run().expect_code(0);
    }
    let of_getpid = |found: &Value| {
        let mut rows = found["by_syscall"].as_array().expect("a list").iter();
        let row = rows.find(|row| row["syscall"] == "getpid");
        let row = row.expect("it calls it");
        ["calls", "served", "stopped"].map(|what| row[what].as_u64().expect("a number"))
    };
    let found = json(&scratch, &["stat", "served"]);
    let [calls, served, stopped] = of_getpid(&found);
    assert_eq!((calls, served + stopped), (560, 560), "{found}");
    // The first of the one place, and all of the other; one more where something else was due.
    assert!((450..500).contains(&served), "{found}");
    assert!(found["sites"]["rewritten"].as_u64() > Some(0), "{found}");
    let left = found["sites"]["left"].as_array().expect("a list");
    let why = "its memory is shared, can be written, or cannot be executed";
    assert!(left.iter().any(|site| site["why"] == why), "{found}");
    let text = answer(&scratch, ["stat", "served"]);
    assert!(text.lines().any(|line| line.ends_with(why)), "{text}");

    let found = json(&scratch, &["stat", "stopped"]);
    assert_eq!(of_getpid(&found), [560, 0, 560], "{found}");
    assert_eq!(found["sites"]["rewritten"], 0, "{found}");

    let dir = base(&scratch).join("served");
    std::fs::remove_file(dir.join("meta.json")).expect("our own file");
    let found = json(&scratch, &["stat", "served"]);
    assert!(found["sites"].is_null(), "nobody knows: {found}");
    let text = answer(&scratch, ["stat", "served"]);
    let row = text.lines().find(|line| line.starts_with("getpid "));
    let row = row.unwrap_or_else(|| panic!("no getpid in {text}"));
    let cells: Vec<&str> = row.split_whitespace().take(4).collect();
    assert_eq!(cells, ["getpid", "560", "?", "?"]);
}

/// The metadata is for people: everything works without it.
#[test]
fn metadata_is_not_needed() {
    let scratch = Scratch::new("no-metadata");
    let dir = record_tiny(&scratch, "tiny");
    let before = json(&scratch, &["ls"]);
    for content in [None, Some(""), Some("{\"schema_version\": 1}"), Some("[")] {
        match content {
            None => std::fs::remove_file(dir.join("meta.json")).expect("our own file"),
            Some(text) => std::fs::write(dir.join("meta.json"), text).expect("our own file"),
        }
        let found = json(&scratch, &["ls"]);
        for same in ["name", "state", "exit_code", "command"] {
            let (now, then) = (
                &found["recordings"][0][same],
                &before["recordings"][0][same],
            );
            assert_eq!(now, then, "{same} with {content:?}");
        }
        assert_eq!(
            field(&answer(&scratch, ["info", "tiny"]), "ended"),
            "exit 0"
        );
        ask(&scratch, ["replay", "tiny"]).expect_code(0);
    }
}
