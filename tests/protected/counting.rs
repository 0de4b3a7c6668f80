//! Clients that know every byte of every answer: each counts on a connection of its own,
//! and adds to a text of its own, with Redis or with a server of web pages.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::common::{Random, segments_lost};
use super::crowd::{Crowd, Shift};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    Redis,
    Http,
}

impl Words {
    /// Counts, and adds to the text.
    fn round(self, id: usize, piece: &str) -> String {
        match self {
            Self::Redis => format!("INCR n{id}\r\nAPPEND t{id} {piece}\r\n"),
            Self::Http => {
                let piece = piece.replace(';', "%3B");
                page(&format!("/round?id={id}&piece={piece}"))
            }
        }
    }

    /// Asks for the text.
    fn text(self, id: usize) -> String {
        match self {
            Self::Redis => format!("GET t{id}\r\n"),
            Self::Http => page(&format!("/text?id={id}")),
        }
    }

    /// How often it was counted, and how long the text is.
    fn answer(self, answers: &mut impl BufRead) -> io::Result<String> {
        match self {
            Self::Redis => {
                let mut lines = String::new();
                answers.read_line(&mut lines)?;
                answers.read_line(&mut lines)?;
                Ok(lines)
            }
            Self::Http => content(answers),
        }
    }

    fn expected(self, round: u64, length: usize) -> String {
        match self {
            Self::Redis => format!(":{round}\r\n:{length}\r\n"),
            Self::Http => format!("{round} {length}\n"),
        }
    }

    fn whole_text(self, answers: &mut impl BufRead, text: &str) -> io::Result<bool> {
        match self {
            Self::Redis => {
                let expected = format!("${}\r\n{text}\r\n", text.len());
                let mut found = vec![0; expected.len()];
                answers.read_exact(&mut found)?;
                Ok(found == expected.as_bytes())
            }
            Self::Http => Ok(content(answers)? == format!("{text}\n")),
        }
    }
}

fn page(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: server\r\n\r\n")
}

/// What a page has, of which its head says how long it is; or which comes in pieces.
fn content(answers: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    let (mut length, mut pieces) = (0, false);
    answers.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(format!("{line:?}")));
    }
    while line != "\r\n" {
        line.clear();
        answers.read_line(&mut line)?;
        let head = line.to_ascii_lowercase();
        if let Some(number) = head.strip_prefix("content-length:") {
            length = number.trim().parse().map_err(io::Error::other)?;
        }
        pieces |= head.trim() == "transfer-encoding: chunked";
    }
    let mut found = Vec::new();
    loop {
        if pieces {
            line.clear();
            answers.read_line(&mut line)?;
            length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        }
        let from = found.len();
        found.resize(from + length, 0);
        answers.read_exact(&mut found[from..])?;
        if pieces {
            line.clear();
            answers.read_line(&mut line)?;
        }
        if !pieces || length == 0 {
            return String::from_utf8(found).map_err(io::Error::other);
        }
    }
}

/// What one client has seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    rounds: u64,
    gap: Duration,
    lost: u32,
}

/// Clients at work.
pub struct Clients(Crowd<Seen>);

/// What all of them have seen.
#[derive(Debug, Clone, Copy)]
pub struct Sum {
    pub rounds: u64,
    /// The longest time without an answer.
    pub gap: Duration,
    /// Of each client's longest time without an answer, the one in the middle.
    pub usual_gap: Duration,
    /// How many segments of the clients got lost on their way.
    pub lost: u32,
}

impl Clients {
    /// Begins; a client of Redis for each connection.
    pub fn start(connections: Vec<TcpStream>) -> Self {
        Self::start_pausing(connections, Duration::ZERO)
    }

    /// The same with clients that pause for up to so long after each answer, each time for another
    /// time.
    pub fn start_pausing(connections: Vec<TcpStream>, pause_max: Duration) -> Self {
        Self::start_with(Words::Redis, connections, pause_max)
    }

    /// The same of another server.
    pub fn start_with(words: Words, connections: Vec<TcpStream>, pause_max: Duration) -> Self {
        let pause_us_max = u64::try_from(pause_max.as_micros()).expect("a short pause");
        let mut seeds = Random::new();
        let seed = seeds.below(u64::MAX);
        Self(Crowd::start(connections, move |id, stream, shift| {
            let mut random = Random::from(seed.wrapping_mul(2 * id as u64 + 3));
            let pause = || {
                if pause_us_max > 0 {
                    let us = random.below(pause_us_max);
                    std::thread::sleep(Duration::from_micros(us));
                }
            };
            count(words, id, stream, pause, shift)
        }))
    }

    /// Waits until so many more rounds are over.
    #[track_caller]
    pub fn go_on_for(&self, rounds: u64, limit: Duration) {
        self.0.go_on_for(rounds, limit);
    }

    /// Lets every client finish its round and read back its text. Any client that has seen
    /// anything but the exact answers fails the test.
    #[track_caller]
    pub fn finish(self, said: impl Fn() -> String) -> Sum {
        let seen = self.0.finish(said);
        let mut gaps: Vec<Duration> = seen.iter().map(|one| one.gap).collect();
        gaps.sort();
        Sum {
            rounds: seen.iter().map(|one| one.rounds).sum(),
            gap: gaps.last().copied().unwrap_or_default(),
            usual_gap: gaps.get(gaps.len() / 2).copied().unwrap_or_default(),
            lost: seen.iter().map(|one| one.lost).sum(),
        }
    }
}

/// What is added in a round: 16 bytes that differ by client and round.
fn piece(id: usize, round: u64) -> String {
    format!("{id:05}-{round:09};")
}

fn count(
    words: Words,
    id: usize,
    stream: &TcpStream,
    mut pause: impl FnMut(),
    shift: &Shift,
) -> Result<Seen, String> {
    let mut answers = BufReader::new(stream);
    let (mut round, mut gap, mut text) = (0, Duration::ZERO, String::new());
    while !shift.is_over() {
        pause();
        let last = Instant::now();
        round += 1;
        let piece = piece(id, round);
        text += &piece;
        let failed = |error| format!("client {id}, round {round}: {error}");
        let mut out = stream;
        out.write_all(words.round(id, &piece).as_bytes())
            .map_err(failed)?;
        let (answer, expected) = (
            words.answer(&mut answers).map_err(failed)?,
            words.expected(round, text.len()),
        );
        if answer != expected {
            return Err(format!(
                "client {id}, round {round}: {answer:?} instead of {expected:?}"
            ));
        }
        gap = gap.max(last.elapsed());
        shift.count();
    }
    let failed = |error| format!("client {id}, at the end: {error}");
    let mut out = stream;
    out.write_all(words.text(id).as_bytes()).map_err(failed)?;
    if !words.whole_text(&mut answers, &text).map_err(failed)? {
        return Err(format!("client {id}: its text is not what it has added"));
    }
    let lost = segments_lost(stream);
    Ok(Seen {
        rounds: round,
        gap,
        lost,
    })
}
