//! Clients of memcached and of a web server that know every byte of every answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Shift};

/// Begins; a client of memcached for each connection.
pub fn memcached(connections: Vec<TcpStream>) -> Crowd<Duration> {
    Crowd::start(connections, ask)
}

/// Begins; each asks for the page `/small` again and again.
pub fn pages(connections: Vec<TcpStream>) -> Crowd<Duration> {
    Crowd::start(connections, page)
}

fn ask(id: usize, stream: &TcpStream, shift: &Shift) -> Result<Duration, String> {
    let mut answers = BufReader::new(stream);
    let mut exchange = |request: &str, expected: &str| {
        let mut out = stream;
        let failed = |error| format!("client {id}, {request:?}: {error}");
        out.write_all(request.as_bytes()).map_err(failed)?;
        let mut found = vec![0; expected.len()];
        answers.read_exact(&mut found).map_err(failed)?;
        if found == expected.as_bytes() {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&found).into_owned();
        Err(format!(
            "client {id}, {request:?}: {found:?} instead of {expected:?}"
        ))
    };
    exchange(&format!("set n{id} 0 0 1\r\n0\r\n"), "STORED\r\n")?;
    let (mut round, mut gap, mut last) = (0, Duration::ZERO, Instant::now());
    while !shift.is_over() {
        round += 1;
        let text = format!("{id}-{round}-").repeat(round % 200 + 1);
        let size = text.len();
        exchange(&format!("incr n{id} 1\r\n"), &format!("{round}\r\n"))?;
        exchange(&format!("set t{id} 0 0 {size}\r\n{text}\r\n"), "STORED\r\n")?;
        let stored = format!("VALUE t{id} 0 {size}\r\n{text}\r\nEND\r\n");
        exchange(&format!("get t{id}\r\n"), &stored)?;
        gap = gap.max(last.elapsed());
        last = Instant::now();
        shift.count();
    }
    Ok(gap)
}

/// What `/small` is.
pub const SMALL: &str = "small\n";

fn page(id: usize, stream: &TcpStream, shift: &Shift) -> Result<Duration, String> {
    let mut answers = BufReader::new(stream);
    let (mut gap, mut last) = (Duration::ZERO, Instant::now());
    while !shift.is_over() {
        let failed = |error| format!("client {id}: {error}");
        let mut out = stream;
        out.write_all(b"GET /small HTTP/1.1\r\nHost: tested\r\n\r\n")
            .map_err(failed)?;
        let length = head(&mut answers).map_err(failed)?;
        let mut body = vec![0; length];
        answers.read_exact(&mut body).map_err(failed)?;
        if body != SMALL.as_bytes() {
            return Err(format!("client {id}: another page"));
        }
        gap = gap.max(last.elapsed());
        last = Instant::now();
        shift.count();
    }
    Ok(gap)
}

/// Reads the head of an answer; the length of its body.
fn head(from: &mut impl BufRead) -> std::io::Result<usize> {
    let (mut length, mut first) = (None, true);
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        if first && line != "HTTP/1.1 200 OK\r\n" {
            return Err(std::io::Error::other(format!(
                "an answer that begins {line:?}"
            )));
        }
        first = false;
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim_end().parse().ok();
        }
        if line == "\r\n" {
            return length.ok_or_else(|| std::io::Error::other("no length"));
        }
    }
}

/// A page that is read bit by bit.
pub struct Download {
    from: BufReader<TcpStream>,
    read: usize,
}

impl Download {
    /// Asks for it.
    #[track_caller]
    pub fn begin(mut stream: TcpStream, path: &str, length: usize) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: tested\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is there");
        let mut from = BufReader::new(stream);
        assert_eq!(head(&mut from).expect("an answer"), length);
        Self { from, read: 0 }
    }

    /// Reads up to a position, and compares.
    #[track_caller]
    pub fn read_to(&mut self, whole: &[u8], end: usize) {
        let mut piece = vec![0; 64 << 10];
        while self.read < end {
            let count = piece.len().min(end - self.read);
            let piece = &mut piece[..count];
            let got = self.from.read_exact(piece);
            got.unwrap_or_else(|error| panic!("after {} bytes: {error}", self.read));
            assert!(
                *piece == whole[self.read..self.read + count],
                "another byte after {}",
                self.read
            );
            self.read += count;
        }
    }
}
