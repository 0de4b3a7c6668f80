//! `ftrun status` and `ftrun switchover`, with nodes that this test plays.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

use assert_cmd::Command;
use serde_json::Value;
use standby::role::{Side, State};
use standby::status::socket::{Node, Server};
use standby::status::{Lag, PathReport, Report, SCHEMA_VERSION, WitnessReport};
use std::path::Path;
use std::sync::{Arc, Mutex};

struct Played {
    report: Mutex<Report>,
    /// What it is once a switchover was asked for, one after the other.
    then: Mutex<Vec<State>>,
}

impl Node for Played {
    fn report(&self) -> Report {
        let mut report = self.report.lock().unwrap();
        let now = report.clone();
        if report.state != State::Protected || report.note.is_some() {
            let mut then = self.then.lock().unwrap();
            if !then.is_empty() {
                report.state = then.remove(0);
            }
        }
        now
    }

    fn switchover(&self) -> Result<(), String> {
        let mut report = self.report.lock().unwrap();
        if report.state != State::Protected {
            return Err(format!(
                "it needs the state PROTECTED; now it is {}",
                report.state
            ));
        }
        report.note = Some("played".to_owned());
        Ok(())
    }
}

fn report(node: &str, role: Side, state: State) -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        node: node.to_owned(),
        peer: Some("other\u{1b}[31m".to_owned()),
        role,
        state,
        reason: "a reason".to_owned(),
        since_unix_ms: 1_735_689_599_000,
        epoch: 3,
        output: true,
        right_ms: Some(120),
        appended: 30,
        committed: 20,
        applied: 10,
        lag: Lag {
            events: 20,
            bytes: 2048,
            ms: 7,
        },
        held_packets: 4,
        takeovers: 1,
        paths: vec![PathReport {
            name: "link".to_owned(),
            heard_ms: Some(5),
            round_trip_us: Some(250),
        }],
        witness: WitnessReport {
            kind: "etcd http://10.0.0.3:2379".to_owned(),
            answered_ms: Some(12),
            trouble: None,
        },
        note: None,
    }
}

fn play(base: &Path, name: &str, report: Report, then: &[State]) -> Server {
    let dir = base.join(name);
    // What makes a directory a recording.
    std::fs::create_dir_all(dir.join("journal")).unwrap();
    std::fs::write(dir.join("journal/lock"), "1\n").unwrap();
    let node = Played {
        report: Mutex::new(report),
        then: Mutex::new(then.to_vec()),
    };
    Server::start(&dir, Arc::new(node)).unwrap()
}

fn ftrun(base: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("ftrun")
        .unwrap()
        .env("FTRUN_DIR", base)
        .args(args)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn status_tells_about_one_node_and_about_all() {
    let base = tempfile::tempdir().unwrap();
    let (code, _, told) = ftrun(base.path(), &["status"]);
    assert_eq!(code, 125);
    assert!(told.contains("no node runs in"), "{told}");
    let _a = play(
        base.path(),
        "app-0",
        report("a", Side::Primary, State::Protected),
        &[],
    );
    for args in [&["status"][..], &["status", "a"], &["status", "app-0"]] {
        let (code, out, _) = ftrun(base.path(), args);
        assert_eq!(code, 0);
        for part in [
            "PROTECTED",
            "a reason",
            "2024-12-31 23:59:59 UTC",
            "20 events, 2.0 KiB not stored, 7 ms",
            "link: 250 µs",
            "answered 12 ms ago",
            "120 ms",
        ] {
            assert!(out.contains(part), "{part} in {out}");
        }
        assert!(!out.contains('\u{1b}'), "nothing that a terminal obeys");
    }
    let _b = play(
        base.path(),
        "app-1",
        report("b", Side::Standby, State::Lagging),
        &[],
    );
    let (_, out, _) = ftrun(base.path(), &["status"]);
    assert!(
        out.lines()
            .any(|line| line.starts_with("b ") && line.contains("LAGGING")),
        "{out}"
    );
    let (code, out, _) = ftrun(base.path(), &["status", "--json"]);
    assert_eq!(code, 0);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["nodes"].as_array().unwrap().len(), 2);
    let first = &json["nodes"][0];
    assert_eq!(
        (first["state"].as_str(), first["lag"]["bytes"].as_u64()),
        (Some("PROTECTED"), Some(2048))
    );
    assert!(first.get("schema_version").is_none() && first["directory"].is_string());
    let (code, _, told) = ftrun(base.path(), &["status", "nobody"]);
    assert!(code == 125 && told.contains("no node `nobody`"), "{told}");
}

#[test]
fn switchover_tells_how_it_ended() {
    let base = tempfile::tempdir().unwrap();
    let states = [State::TakingOver, State::TakingOver, State::Fenced];
    let a = play(
        base.path(),
        "app-0",
        report("a", Side::Primary, State::Protected),
        &states,
    );
    let _b = play(
        base.path(),
        "app-1",
        report("b", Side::Standby, State::Protected),
        &[],
    );
    let (code, _, told) = ftrun(base.path(), &["switchover"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("is active now") && !told.contains('\u{1b}'),
        "{told}"
    );
    drop(a);
    let _a = play(
        base.path(),
        "app-0",
        report("a", Side::Primary, State::Protected),
        &[State::TakingOver, State::Protected],
    );
    let (code, _, told) = ftrun(base.path(), &["switchover", "a"]);
    assert!(
        code == 125 && told.contains("no switchover: played"),
        "{told}"
    );
    let _c = play(
        base.path(),
        "app-2",
        report("c", Side::Primary, State::Solo),
        &[],
    );
    let (code, _, told) = ftrun(base.path(), &["switchover", "c"]);
    assert!(
        code == 125 && told.contains("needs the state PROTECTED"),
        "{told}"
    );
    let (code, _, told) = ftrun(base.path(), &["switchover"]);
    assert!(code == 125 && told.contains("say which"), "{told}");
}
