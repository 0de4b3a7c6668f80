//! Interpreters, runtimes and compiled languages: CPython, Perl, Node, JVM, Go, C, C++, Rust.

use crate::common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{
    Build, Output, Record, Scratch, free_port, heavy, native, program, record_and_replay,
};

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/servers")
        .join(name)
}

fn copy_source(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.write(
        name,
        std::fs::read(source(name)).expect("a file of this repository"),
    )
}

#[track_caller]
fn python(part: &str) -> Output {
    let scratch = Scratch::new(&format!("python-{part}"));
    let python = scratch.private_binary(&program("python3"));
    let script = copy_source(&scratch, "threads.py");
    // The private copy looks for its library beside itself first; this says where it is.
    let record = Record::new(&scratch, python)
        .env("PYTHONHOME", "/usr")
        .arg(script)
        .arg(part);
    let output = record_and_replay(record.timeout(Duration::from_secs(120)), 0);
    assert!(output.out().ends_with("ok\n"), "{output}");
    output
}

#[test]
fn python_threads() {
    python("threads");
}

#[test]
fn python_asyncio() {
    python("asyncio");
}

#[test]
fn python_multiprocessing() {
    python("processes");
}

#[test]
fn python_subprocess() {
    python("subprocesses");
}

#[test]
fn python_inputs() {
    python("inputs");
}

#[test]
fn perl() {
    let scratch = Scratch::new("perl");
    let perl = scratch.private_binary(&program("perl"));
    let script = copy_source(&scratch, "mix.pl");
    let output = record_and_replay(Record::new(&scratch, perl).arg(script), 0);
    assert!(output.out().ends_with("ok\n"), "{output}");
}

#[test]
fn node_serves_itself() {
    let scratch = Scratch::new("node-self");
    let node = scratch.private_binary(&program("node"));
    let script = copy_source(&scratch, "http.js");
    let record = Record::new(&scratch, node).arg(script).args(["0", "self"]);
    let output = record_and_replay(record.timeout(Duration::from_secs(120)), 0);
    assert!(output.out().contains("stopping"), "{output}");
}

#[test]
fn node_under_load() {
    const REQUESTS: &str = "2000";
    let _turn = heavy();
    let scratch = Scratch::new("node-load");
    let node = scratch.private_binary(&program("node"));
    let script = copy_source(&scratch, "http.js");
    let port = free_port();
    let limit = Duration::from_secs(180);
    let record = Record::new(&scratch, node)
        .arg(script)
        .arg(port.to_string())
        .timeout(limit);
    let mut running = record.spawn();
    running.wait_for_output("listening");
    for path in ["", "hash", "file"] {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let load = native(
            program("ab"),
            ["-n", REQUESTS, "-c", "8", "-k", "-l", &url],
            limit,
        );
        let wanted = format!("Complete requests:      {REQUESTS}\nFailed requests:        0\n");
        assert!(load.out().contains(&wanted), "{load}");
    }
    running.assert_running();
    native(
        program("curl"),
        ["-sS", &format!("http://127.0.0.1:{port}/stop")],
        limit,
    );
    let recorded = running.wait();
    recorded.expect_code(0);
    assert!(
        recorded.output.out().contains("served 6001 "),
        "{}",
        recorded.output
    );
    scratch.originals_gone();
    recorded.assert_replays();
}

#[test]
fn java_virtual_machine() {
    let scratch = Scratch::new("java");
    let keys = scratch.path("keys");
    // The runtime without a compiler brings one real program: the key tool.
    let record = Record::new(&scratch, program("keytool")).args([
        "-genkeypair",
        "-keyalg",
        "EC",
        "-alias",
        "test",
        "-dname",
        "CN=test",
        "-storepass",
        "password",
        "-v",
        "-keystore",
    ]);
    record_and_replay(record.arg(keys).timeout(Duration::from_secs(180)), 0);
}

#[track_caller]
fn compiled(build: &Build<'_>) -> Output {
    let built = build.run();
    let scratch = Scratch::new(build.compiler);
    let copy = scratch.private_binary(&built);
    record_and_replay(Record::new(&scratch, copy), 0)
}

#[test]
fn static_musl_binary() {
    let flags = &["-O2", "-g", "-static", "-pthread"];
    let source = &source("static.c");
    let output = compiled(&Build {
        compiler: "musl-gcc",
        flags,
        source,
        includes: &[],
    });
    assert!(output.out().contains("child"), "{output}");
}

#[test]
fn static_glibc_binary() {
    let flags = &["-O2", "-g", "-static", "-pthread"];
    let source = &source("static.c");
    let output = compiled(&Build {
        compiler: "gcc",
        flags,
        source,
        includes: &[],
    });
    assert!(output.out().contains("child"), "{output}");
}

#[test]
fn cpp_threads() {
    let flags = &["-O2", "-g", "-std=c++17", "-pthread"];
    let source = &source("threads.cc");
    let output = compiled(&Build {
        compiler: "g++",
        flags,
        source,
        includes: &[],
    });
    assert!(output.out().contains("caught seven\n"), "{output}");
}

#[test]
fn rust_threads() {
    let flags = &["-O", "-g", "--edition=2024"];
    let source = &source("threads.rs");
    let output = compiled(&Build {
        compiler: "rustc",
        flags,
        source,
        includes: &[],
    });
    assert!(output.out().ends_with("ok\n"), "{output}");
    assert!(output.err().contains("on purpose"), "{output}");
}

#[test]
fn go_goroutines() {
    let scratch = Scratch::new("go");
    let copy = copy_source(&scratch, "goroutines.go");
    let binary = common::build_go(&scratch, &copy, "goroutines");
    let output = record_and_replay(Record::new(&scratch, binary), 0);
    assert!(output.out().ends_with("ok\n"), "{output}");
}
