//! What a protected application receives is in the journal once, and goes over the link once:
//! across a takeover, in whatever way the application reads it.
#![allow(missing_docs, clippy::print_stderr)]

use crate::common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::nodes::{Nodes, Place, Plan, VIP};
use common::{Build, Exit, Scratch, ftrun, heavy, program, run_command, verify};
use nix::sys::signal::Signal;

const PORT: u16 = 6379;
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes that nothing can compress, others for each seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).expect("eight bits")
    };
    (0..len).map(|_| next()).collect()
}

/// Sends all of it while nobody reads the answers; they are short.
fn ask(stream: &mut TcpStream, request: &[u8], answer: &[u8]) {
    stream.write_all(request).expect("it is there");
    let mut found = vec![0; answer.len()];
    stream.read_exact(&mut found).expect("it answers");
    assert!(found == answer, "another answer");
}

/// Writes a value and reads it back; how many bytes of payload were sent.
fn write_and_read(stream: &mut TcpStream, key: u64, value: &[u8]) -> u64 {
    let len = value.len();
    let head = format!("*3\r\n$3\r\nSET\r\n$8\r\n{key:08}\r\n${len}\r\n");
    let request = [head.as_bytes(), value, b"\r\n"].concat();
    ask(stream, &request, b"+OK\r\n");
    let get = format!("*2\r\n$3\r\nGET\r\n$8\r\n{key:08}\r\n");
    let answer = [format!("${len}\r\n").as_bytes(), value, b"\r\n"].concat();
    ask(stream, get.as_bytes(), &answer);
    (request.len() + get.len()) as u64
}

/// Bytes of a recording's segments.
fn journal_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir.join("journal")).expect("a recording");
    let sizes = entries.map(|entry| entry.and_then(|entry| entry.metadata()));
    sizes.map(|meta| meta.expect("a file").len()).sum()
}

/// Bytes that syscalls refer to, and bytes that they took.
fn referred(dir: &Path) -> (u64, u64) {
    let mut command = Command::new(ftrun());
    command.args(["events", "--json"]).arg(dir);
    let output = run_command(command, None, LIMIT);
    let (mut referred, mut taken) = (0, 0);
    for line in output.out().lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let found = find(&event);
        referred += found.0;
        taken += found.1;
    }
    (referred, taken)
}

fn find(value: &serde_json::Value) -> (u64, u64) {
    match value {
        serde_json::Value::Object(fields) => {
            if fields.get("effect").is_some_and(|kind| kind == "received") {
                let number = |name: &str| fields[name].as_u64().expect("a number");
                return (number("referred"), number("taken"));
            }
            fields.values().map(find).fold((0, 0), add)
        }
        serde_json::Value::Array(values) => values.iter().map(find).fold((0, 0), add),
        _ => (0, 0),
    }
}

fn add(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0 + b.0, a.1 + b.1)
}

#[test]
fn values_written_before_and_after_a_takeover() {
    let _turn = heavy();
    let scratch = Scratch::new("volume-redis");
    let server = program("redis-server");
    let server = server.to_str().expect("a path");
    let command = [server, "--save", "", "--protected-mode", "no"];
    let mut nodes = Nodes::start(&scratch, Plan::default(), &command);
    nodes.wait_for_port(PORT);
    let mut streams = nodes.connect_all(PORT, 5);
    let sizes = [1, 100, 1000, 5000, 70_000, 2_500_000];
    let mut sent = 0;
    let mut write = |streams: &mut [TcpStream], first: u64| {
        for (key, (size, stream)) in (first..).zip(sizes.iter().zip((0..).cycle())) {
            let stream = &mut streams[stream % 5];
            for round in 0..3 {
                let value = noise(key * 10 + round, *size);
                sent += write_and_read(stream, key * 10 + round, &value);
            }
        }
    };
    write(&mut streams, 0);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    write(&mut streams, 1000);
    drop(streams);
    let primary = nodes.wait(Place::Primary, LIMIT);
    assert_eq!(primary.exit, Exit::Signal(libc::SIGKILL), "{primary}");
    let words = ["-h", VIP, "shutdown", "nosave"];
    let cli = program("redis-cli");
    nodes.at_client(cli.to_str().expect("a path"), &words, LIMIT);
    nodes.wait(Place::Standby, LIMIT).expect_code(0);
    let dir = nodes.dir(Place::Standby);
    let (referred, taken) = referred(&dir);
    let bytes = journal_bytes(&dir);
    eprintln!("sent {sent}, taken {taken}, referred to {referred}, journal {bytes}");
    assert!(taken >= sent, "what was asked for arrived");
    assert_eq!(referred, taken, "all of it is found where it came in");
    // The start of the program alone takes some hundred kilobytes.
    assert!(bytes < sent + sent / 10 + (1 << 20), "it is there once");
    verify(&scratch, &dir, true, LIMIT).expect_code(0);
    drop(nodes);
    scratch.assert_no_process_left();
}

/// Reads in every way that there is, from one connection after the other, and sends back what it
/// has read.
const READER: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
static char a[700], b[900], c[2000];
static void back(int fd, const char *from, size_t len) { if (len && write(fd, from, len) != (ssize_t)len) exit(3); }
static void scattered(int fd, ssize_t got) {
    size_t first = got < 700 ? got : 700;
    back(fd, a, first);
    back(fd, b, got - first);
}
int main(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), pipes[2];
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(6379) };
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 16) || pipe(pipes)) return 2;
    for (int round = 0;; round++) {
        int fd = accept(listener, 0, 0);
        if (fd < 0) return 2;
        struct iovec two[2] = { { a, sizeof a }, { b, sizeof b } };
        char name[64], control[64];
        struct msghdr message = { name, sizeof name, two, 2, control, sizeof control, 0 };
        struct mmsghdr many[1] = { { { 0, 0, two, 2, 0, 0, 0 }, 0 } };
        ssize_t got = 1;
        for (int turn = 0; got > 0; turn++) {
            switch (turn % 8) {
            case 0: got = read(fd, c, sizeof c); back(fd, c, got); break;
            case 1: got = readv(fd, two, 2); scattered(fd, got); break;
            case 2: got = recv(fd, c, 300, 0); back(fd, c, got); break;
            case 3: got = recvmsg(fd, &message, 0); scattered(fd, got); break;
            case 4: {
                ssize_t seen = recv(fd, a, sizeof a, MSG_PEEK);
                got = seen > 0 ? recv(fd, c, seen, 0) : seen;
                if (got != seen || (got > 0 && memcmp(a, c, got))) return 4;
                back(fd, c, got);
                break;
            }
            case 5: {
                /* Into a pipe, past the application's memory. */
                got = splice(fd, 0, pipes[1], 0, 1000, 0);
                for (ssize_t left = got; left > 0;) {
                    ssize_t some = read(pipes[0], c, left);
                    if (some <= 0) return 5;
                    back(fd, c, some);
                    left -= some;
                }
                break;
            }
            case 6: got = recvmmsg(fd, many, 1, 0, 0) == 1 ? (ssize_t)many[0].msg_len : 0; scattered(fd, got); break;
            case 7: {
                socklen_t len = sizeof name;
                got = recvfrom(fd, c, sizeof c, 0, (void *)name, &len);
                back(fd, c, got);
                break;
            }
            }
        }
        int copy = dup(fd);
        close(fd);
        close(copy);
        if (round == 5) return 0;
    }
}
"#;

#[test]
fn every_way_to_read() {
    let _turn = heavy();
    let scratch = Scratch::new("volume-ways");
    let source = scratch.write("reader.c", READER);
    let reader = Build {
        compiler: "cc",
        flags: &["-O1"],
        source: &source,
        includes: &[],
    }
    .run();
    let command = [reader.to_str().expect("a path")];
    let mut nodes = Nodes::start(&scratch, Plan::default(), &command);
    let mut sent = 0;
    for round in 0..6 {
        let mut stream = match round {
            0 => nodes.first_connection(PORT),
            _ => nodes.connect(PORT),
        };
        for piece in 0..24 {
            let data = noise(
                round * 100 + piece,
                1 + 60 * usize::try_from(piece).expect("small"),
            );
            ask(&mut stream, &data, &data);
            sent += data.len() as u64;
        }
        if round == 2 {
            nodes.signal(Place::Primary, Signal::SIGKILL);
            let data = noise(7, 5000);
            ask(&mut stream, &data, &data);
            sent += 5000;
        }
        drop(stream);
    }
    nodes.wait(Place::Standby, LIMIT).expect_code(0);
    let dir = nodes.dir(Place::Standby);
    let (referred, taken) = referred(&dir);
    eprintln!("sent {sent}, taken {taken}, referred to {referred}");
    assert_eq!(taken, sent, "every byte was taken, however it was read");
    assert!(referred > sent / 2, "most were referred to");
    verify(&scratch, &dir, true, LIMIT).expect_code(0);
    drop(nodes);
    scratch.assert_no_process_left();
}
