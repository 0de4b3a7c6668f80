//! Developers' tools: git, make with the C compiler, cargo with the Rust compiler.

use crate::common;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::{Record, Scratch, heavy, program, record_and_replay, run_command};

const LIMIT: Duration = Duration::from_secs(400);

#[test]
fn git_clone_commit_gc() {
    let _turn = heavy();
    let scratch = Scratch::new("git");
    let git = scratch.private_binary(&program("git"));
    let script = r#"
        set -e
        git config --global user.name Tester; git config --global user.email tester@example.org
        git config --global init.defaultBranch main; git config --global pack.threads 2
        git config --global protocol.file.allow always
        git init -q origin; cd origin
        for n in $(seq 1 12); do
            mkdir -p dir$((n % 3)); seq 1 $((n * 50)) > dir$((n % 3))/file$n; echo "line $n" >> log
            git add -A; git commit -q -m "commit $n"
        done
        git checkout -q -b side HEAD~4; echo side > side; git add side; git commit -q -m side
        git checkout -q main; git merge -q --no-edit side; git tag -a v1 -m one
        git log --oneline --graph | head -n 5
        cd ..; git clone -q "file://$PWD/origin" copy; cd copy
        echo more >> log; git commit -q -a -m more; git push -q origin HEAD:refs/heads/more
        git diff --stat v1 HEAD; git gc -q --aggressive --prune=now; git fsck --full; git count-objects -v
        git fetch -q; git status --short --branch; git stash list; git blame -s log | tail -n 1
        cd ../origin; git repack -q -a -d; git rev-list --all --count; git log -1 --format='%H %cd'
    "#;
    let record = Record::bash(&scratch, script).env("GIT_EXEC_PATH", scratch.path("bin"));
    let path = format!(
        "{}:/usr/bin:/bin",
        git.parent().expect("work/bin").display()
    );
    let output = record_and_replay(record.env("PATH", path).timeout(LIMIT), 0);
    assert!(output.out().contains("\n15\n"), "{output}");
}

/// A library and a program of eight files with a header, a test and a clean step.
fn c_project(scratch: &Scratch) {
    let mut calls = String::new();
    for n in 0..8 {
        let text = format!(
            "#include <stdio.h>\n#include \"all.h\"\nint part{n}(int x) {{\n    char text[64];\n    \
             snprintf(text, sizeof text, \"%d\", x * {n});\n    return text[0] + x * {n};\n}}\n"
        );
        scratch.write(&format!("project/part{n}.c"), text);
        calls += &format!("    sum += part{n}({n} + 3);\n");
    }
    let header: String = (0..8).map(|n| format!("int part{n}(int x);\n")).collect();
    scratch.write("project/all.h", header);
    let main = format!(
        "#include <stdio.h>\n#include \"all.h\"\nint main(void) {{\n    int sum = 0;\n{calls}    \
         printf(\"sum %d at %s\\n\", sum, __TIME__);\n    return 0;\n}}\n"
    );
    scratch.write("project/main.c", main);
    scratch.write(
        "project/Makefile",
        "CFLAGS = -O1 -g -Wall\nPARTS = $(patsubst %.c,%.o,$(wildcard part*.c))\n\
         all: run\nprogram: main.o libparts.a\n\t$(CC) -o $@ $^\n\
         libparts.a: $(PARTS)\n\tar rcs $@ $^\n%.o: %.c all.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\n\
         run: program\n\t./program\nclean:\n\trm -f *.o *.a program\n",
    );
}

#[test]
fn make_two_jobs() {
    let _turn = heavy();
    let scratch = Scratch::new("make");
    c_project(&scratch);
    let make = scratch.private_binary(&program("make"));
    let record = Record::new(&scratch, make).args(["-j2", "-C", "project", "CC=gcc"]);
    let output = record_and_replay(record.timeout(LIMIT), 0);
    assert!(output.out().contains("\nsum "), "{output}");
}

#[test]
fn make_reports_a_compile_error() {
    let _turn = heavy();
    let scratch = Scratch::new("make-error");
    c_project(&scratch);
    scratch.write(
        "project/part3.c",
        "int part3(int x) { return x + nothing; }\n",
    );
    let record = Record::new(&scratch, program("make")).args(["-j2", "-C", "project", "CC=gcc"]);
    let output = record_and_replay(record.timeout(LIMIT), 2);
    assert!(output.err().contains("nothing"), "{output}");
}

/// Cargo and rustc themselves: what is first in `PATH` may be a proxy that picks them.
fn toolchain() -> PathBuf {
    let mut command = Command::new("rustc");
    command.args(["--print", "sysroot"]);
    let output = run_command(command, None, LIMIT);
    output.expect_code(0);
    PathBuf::from(output.out().trim()).join("bin")
}

#[test]
fn cargo_build() {
    let _turn = heavy();
    let scratch = Scratch::new("cargo");
    scratch.write(
        "crate/Cargo.toml",
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    scratch.write(
        "crate/src/lib.rs",
        "pub fn double(n: u32) -> u32 {\n    n * 2\n}\n",
    );
    scratch.write(
        "crate/src/main.rs",
        "fn main() {\n    println!(\"twice 21 is {}\", small::double(21));\n}\n",
    );
    let bin = toolchain();
    let cargo = scratch.private_binary(&bin.join("cargo"));
    let record = Record::new(&scratch, cargo).args(["run", "--offline", "--jobs", "2"]);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let record = record
        .env("PATH", path)
        .env("CARGO_HOME", scratch.path("home/cargo"));
    let record = record
        .env("RUSTC", bin.join("rustc"))
        .cwd(scratch.path("crate"));
    let output = record_and_replay(record.timeout(LIMIT), 0);
    assert_eq!(output.out(), "twice 21 is 42\n");
}
