//! What `--json` prints: compared with the checked-in snapshots, without what differs from
//! run to run and from machine to machine.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::common::{Exit, Scratch};
use crate::support::{
    answer, ask, base, edit_journal, first_segment, frames, json, parse, record_corrupt,
    record_family, record_tiny,
};

/// Compares with the snapshot. Where the answer is wanted from a test, nothing may overwrite
/// snapshots or let a difference pass.
macro_rules! snapshot {
    ($name:literal, $scratch:expr, $value:expr) => {{
        if std::env::var_os("CI").is_some() {
            for switch in ["INSTA_UPDATE", "INSTA_FORCE_PASS"] {
                let value = std::env::var(switch).unwrap_or_default();
                assert!(
                    ["", "no", "0"].contains(&value.as_str()),
                    "{switch} is set: snapshots would not be compared"
                );
            }
        }
        let mut redacted = $value;
        Redaction::new($scratch).apply("", &mut redacted);
        let text = serde_json::to_string_pretty(&redacted).expect("a JSON value");
        insta::assert_snapshot!($name, text);
    }};
}

/// Replaces what is not the same in every run.
struct Redaction {
    root: String,
    ids: HashMap<i64, usize>,
}

impl Redaction {
    fn new(scratch: &Scratch) -> Redaction {
        Redaction {
            root: scratch.root().to_str().expect("UTF-8").to_owned(),
            ids: HashMap::new(),
        }
    }

    /// The same id is the same number everywhere in a document.
    fn id(&mut self, id: i64) -> String {
        let next = self.ids.len() + 1;
        format!("[id {}]", self.ids.entry(id).or_insert(next))
    }

    fn apply(&mut self, key: &str, value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.apply(key, value)),
            Value::Object(map) => map
                .iter_mut()
                .for_each(|(key, value)| self.apply(key, value)),
            Value::Number(number) => {
                let number = number.as_i64();
                if let Some(text) = number.and_then(|number| self.number(key, number)) {
                    *value = text.into();
                }
            }
            Value::String(text) => *text = self.text(key, text),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn number(&mut self, key: &str, number: i64) -> Option<String> {
        match key {
            "pid" | "tid" | "thread" | "parent" | "spawned" | "former_thread" => {
                Some(self.id(number))
            }
            // Of clocks; those of syscalls are objects.
            "reads" => Some("[time]".to_owned()),
            "bytes" | "journal_bytes" | "disk_bytes" | "kept_bytes" => Some("[bytes]".to_owned()),
            "cpu_family" | "cpu_model" | "cpus" | "pinned_cpu" => Some("[machine]".to_owned()),
            _ if key.ends_with("_ns") => Some("[time]".to_owned()),
            _ => None,
        }
    }

    fn text(&mut self, key: &str, text: &str) -> String {
        match key {
            "kernel" | "cpu" | "cpu_vendor" => "[machine]".to_owned(),
            "hash" | "digest" => "[hash]".to_owned(),
            "ftrun_version" => "[version]".to_owned(),
            _ if text.starts_with("0x") => "[hex]".to_owned(),
            _ => text.replace(&self.root, "[scratch]"),
        }
    }
}

/// Lists of what depends on the system's libraries are cut to one entry.
fn cut(value: &mut Value, keys: &[&str]) {
    if let Value::Object(map) = value {
        for (key, value) in map.iter_mut() {
            match value {
                Value::Array(list) => {
                    if keys.contains(&key.as_str()) {
                        list.truncate(1);
                    }
                    list.iter_mut().for_each(|value| cut(value, keys));
                }
                _ => cut(value, keys),
            }
        }
    }
}

#[test]
fn verify() {
    let scratch = Scratch::new("json-verify");
    let dir = record_tiny(&scratch, "tiny");
    snapshot!(
        "verify_whole",
        &scratch,
        json(&scratch, &["verify", "tiny"])
    );
    let replayed = json(&scratch, &["verify", "--replay", "tiny"]);
    snapshot!("verify_replayed", &scratch, replayed);
    cut_first_frame(&dir);
    let output = ask(&scratch, ["verify", "--json", "tiny"]);
    output.expect_code(1);
    snapshot!("verify_torn", &scratch, parse(&output.out()));
    let dir = record_tiny(&scratch, "robbed");
    std::fs::remove_file(dir.join("files").join(only_file(&dir))).expect("our own file");
    let output = ask(&scratch, ["verify", "--json", "robbed"]);
    output.expect_code(125);
    let problems = &parse(&output.out())["problems"];
    let problem = problems[0].as_str().unwrap_or_default();
    assert!(problem.contains("lacks the kept file"), "{output}");
    assert!(output.err().contains(problem), "{output}");
}

/// A torn journal that always has the same events: none. How many frames there are otherwise
/// depends on the moment.
fn cut_first_frame(dir: &std::path::Path) {
    let first = frames(dir)[0];
    edit_journal(dir, |bytes| bytes.truncate(first + 10));
}

fn only_file(dir: &std::path::Path) -> std::ffi::OsString {
    let mut files = std::fs::read_dir(dir.join("files")).expect("kept files");
    files.next().expect("one").expect("readable").file_name()
}

#[test]
fn list() {
    let scratch = Scratch::new("json-list");
    snapshot!("ls_empty", &scratch, json(&scratch, &["ls"]));
    let whole = record_tiny(&scratch, "whole");
    let torn = record_tiny(&scratch, "torn");
    cut_first_frame(&torn);
    std::fs::remove_file(torn.join("meta.json")).expect("our own file");
    let damaged = record_tiny(&scratch, "damaged");
    std::fs::write(
        first_segment(&damaged),
        "no journal at all, but long enough for a head",
    )
    .expect("our own file");
    std::os::unix::fs::symlink("whole", base(&scratch).join("latest")).expect("a link");
    snapshot!("ls", &scratch, json(&scratch, &["ls"]));
    assert!(whole.is_dir());
}

#[test]
fn information() {
    let scratch = Scratch::new("json-info");
    record_family(&scratch, "family");
    let mut found = json(&scratch, &["info", "family"]);
    for key in ["events", "kept_files"] {
        assert!(found[key].as_u64() > Some(2), "{key} in {found}");
        found[key] = format!("[{key}]").into();
    }
    snapshot!("info", &scratch, found);
    record_corrupt(&scratch, "corrupt");
    let output = ask(&scratch, ["info", "--json", "corrupt"]);
    output.expect_code(125);
    let found = parse(&output.out());
    assert_eq!(found["state"], "corrupt", "{output}");
    assert_eq!(found["exit_code"], 0, "from the metadata; {output}");
}

#[test]
fn processes() {
    let scratch = Scratch::new("json-ps");
    record_family(&scratch, "family");
    snapshot!("ps", &scratch, json(&scratch, &["ps", "family"]));
}

/// The first event of each kind, with the first of each of its lists.
#[test]
fn events() {
    let scratch = Scratch::new("json-events");
    record_family(&scratch, "family");
    let text = answer(&scratch, ["events", "--json", "family"]);
    let mut firsts = Map::new();
    for (index, line) in text.lines().enumerate() {
        let mut event = parse(line);
        assert_eq!(event["index"], index, "{line}");
        let kind = event["kind"].as_str().expect("a kind").to_owned();
        // Words differ with addresses; `queries` looks at them.
        assert!(!event["text"].as_str().expect("words").is_empty(), "{line}");
        for varying in ["text", "index", "unix_ns"] {
            if let Some(value) = event.get_mut(varying) {
                *value = format!("[{varying}]").into();
            }
        }
        let syscall = event["syscall"].as_str().unwrap_or_default();
        let typical = match kind.as_str() {
            // Where the CPU, the C library or the kernel have a say.
            "trap" | "clocks" => false,
            "syscall" => syscall == "write",
            "enter" => syscall == "execve",
            _ => true,
        };
        if typical {
            let lists = ["environment", "mappings", "writes", "reads", "effects"];
            cut(&mut event, &lists);
            firsts.entry(kind).or_insert(event);
        }
    }
    snapshot!("events", &scratch, Value::Object(firsts));
}

#[test]
fn statistics() {
    let scratch = Scratch::new("json-stat");
    record_tiny(&scratch, "tiny");
    let mut found = json(&scratch, &["stat", "tiny"]);
    // Where the machine is busy, it takes more than one.
    let mut second = found["by_second"][0].take();
    second["events"] = "[events]".into();
    found["by_second"] = vec![second].into();
    // How many there are is the machine's affair.
    assert!(found["sites"]["rewritten"].is_number(), "{found}");
    found["sites"] = "[sites]".into();
    snapshot!("stat", &scratch, found);
}

/// Which checks there are; what they find is the machine's affair.
#[test]
fn doctor() {
    let scratch = Scratch::new("json-doctor");
    let mut found = json(&scratch, &["doctor"]);
    assert_eq!(found["can_record"], true, "{found}");
    for check in found["checks"].as_array_mut().expect("a list") {
        let state = check["state"].as_str().unwrap_or_default();
        assert!(["ok", "limited", "missing"].contains(&state), "{check}");
        assert_eq!(check["hint"].is_null(), state == "ok", "{check}");
        for varying in ["state", "found", "hint"] {
            check[varying] = format!("[{varying}]").into();
        }
        assert_ne!(check["needed_for"], "", "{check}");
    }
    counter(&mut found["counter"]);
    snapshot!("doctor", &scratch, found);
}

/// What `auto` takes agrees with what was found, on machines with a PMU and on those without.
fn counter(found: &mut serde_json::Value) {
    let hardware = found["auto"] == "hardware";
    assert!(hardware || found["auto"] == "software", "{found}");
    let findings = found["findings"].as_array().expect("a list");
    let obstacle = findings.iter().find(|one| one["severity"] == "obstacle");
    assert_eq!(obstacle.is_none(), hardware, "{found}");
    if let Some(obstacle) = obstacle {
        assert_eq!(obstacle["found"], found["why"], "{found}");
    }
    for field in ["event", "skid", "slack"] {
        assert_eq!(found[field].is_null(), !hardware, "{found}");
    }
    for (name, value) in found.as_object_mut().expect("an object") {
        *value = format!("[{name}]").into();
    }
}

/// JSON is for programs: one document, and nothing else on standard output, also on failure.
#[test]
fn failures_print_no_half_documents() {
    let scratch = Scratch::new("json-failures");
    for command in ["verify", "info", "ps", "events", "stat"] {
        let output = ask(&scratch, [command, "--json", "nothing"]);
        assert_eq!(output.exit, Exit::Code(125), "{command}; {output}");
        assert!(output.stdout.is_empty(), "{command}; {output}");
    }
}
