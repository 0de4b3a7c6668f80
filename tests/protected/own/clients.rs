//! Clients of the server with connections of its own, who know every byte of every answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::backend::body;
use crate::crowd::{Crowd, Shift};

/// What one client has seen.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub rounds: u32,
    /// The longest time without an answer.
    pub gap: Duration,
}

/// Begins; a client for each connection.
pub fn start(connections: Vec<TcpStream>) -> Crowd<Seen> {
    Crowd::start(connections, ask)
}

fn ask(id: usize, stream: &TcpStream, shift: &Shift) -> Result<Seen, String> {
    let id = u32::try_from(id).expect("few");
    let mut answers = BufReader::new(stream);
    let (mut n, mut gap, mut last) = (0, Duration::ZERO, Instant::now());
    let mut before = (0, 0);
    while !shift.is_over() {
        n += 1;
        let failed = |error| format!("client {id}, request {n}: {error}");
        let mut out = stream;
        out.write_all(format!("{id} {n}\n").as_bytes())
            .map_err(failed)?;
        let mut line = String::new();
        answers.read_line(&mut line).map_err(failed)?;
        let body = body(id, n);
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let [found, number, total, count, length] = numbers[..] else {
            return Err(format!("client {id}, request {n}: {line:?}"));
        };
        let length_is = body.len() as u64;
        let right = (found, number, length) == (id.into(), n.into(), length_is);
        // Others count, too, but nobody counts back.
        if !right || total <= before.0 || count <= before.1 {
            return Err(format!(
                "client {id}, request {n}: {line:?} after {before:?}"
            ));
        }
        before = (total, count);
        let mut bytes = vec![0; body.len()];
        answers.read_exact(&mut bytes).map_err(failed)?;
        if bytes != body {
            return Err(format!("client {id}, request {n}: other bytes"));
        }
        gap = gap.max(last.elapsed());
        last = Instant::now();
        shift.count();
    }
    Ok(Seen { rounds: n, gap })
}
