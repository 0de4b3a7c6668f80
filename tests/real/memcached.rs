//! Memcached: several worker threads, a client that speaks its text protocol over many
//! connections.

use crate::common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use common::{Record, Scratch, free_port, heavy, program, unprivileged_user, wait_for_port};

const CLIENTS: usize = 8;
const ROUNDS: usize = 1500;

/// One connection: sets, gets and checks every answer.
fn client(port: u16, number: usize) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a TCP socket");
    let mut reader = BufReader::new(stream.try_clone().expect("descriptors are left"));
    let mut writer = stream;
    let mut ask = |request: String, lines: usize| {
        writer
            .write_all(request.as_bytes())
            .expect("the server reads");
        let mut answer = String::new();
        for _ in 0..lines {
            reader
                .read_line(&mut answer)
                .expect("the server answers within a minute");
        }
        answer
    };
    for round in 0..ROUNDS {
        let value = format!("value-{number}-{round}-{}", "x".repeat(round % 700));
        let set = format!(
            "set key{number}-{} 0 0 {}\r\n{value}\r\n",
            round % 100,
            value.len()
        );
        assert_eq!(ask(set, 1), "STORED\r\n");
        let got = ask(format!("get key{number}-{}\r\n", round % 100), 3);
        let header = format!("VALUE key{number}-{} 0 {}\r\n", round % 100, value.len());
        assert_eq!(got, format!("{header}{value}\r\nEND\r\n"));
    }
    assert_eq!(ask("get absent\r\n".to_owned(), 1), "END\r\n");
}

#[test]
fn eight_clients_four_threads() {
    let _turn = heavy();
    let scratch = Scratch::new("memcached");
    let server = scratch.private_binary(&program("memcached"));
    let port = free_port();
    let mut record = Record::new(&scratch, server).args(["-l", "127.0.0.1", "-t", "4", "-m", "32"]);
    record = record.args(["-U", "0", "-v", "-p", &port.to_string()]);
    if let Some(user) = unprivileged_user() {
        record = record.args(["-u", &user.name]);
    }
    let mut running = record.timeout(Duration::from_secs(180)).spawn();
    wait_for_port(port, Duration::from_secs(60));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| thread::spawn(move || client(port, n)))
        .collect();
    for client in clients {
        client.join().expect("every answer was right");
    }
    running.assert_running();
    running.signal(Signal::SIGTERM);
    let recorded = running.wait();
    recorded.expect_code(0);
    scratch.originals_gone();
    recorded.assert_replays();
}
