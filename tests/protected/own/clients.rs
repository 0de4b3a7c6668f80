//! Clients of the server with connections of its own, who know every byte of every answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::backend::body;

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<Seen, String>>>,
}

/// What one client has seen.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub rounds: u32,
    /// The longest time without an answer.
    pub gap: Duration,
}

impl Clients {
    /// Begins; a client for each connection.
    pub fn start(connections: Vec<TcpStream>) -> Self {
        let (stop, rounds) = (Arc::default(), Arc::default());
        let threads = connections.into_iter().enumerate().map(|(id, stream)| {
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            let id = u32::try_from(id).expect("few");
            std::thread::spawn(move || ask(id, &stream, &stop, &rounds))
        });
        Self {
            threads: threads.collect(),
            stop,
            rounds,
        }
    }

    /// Waits until so many more rounds are over.
    #[track_caller]
    pub fn go_on_for(&self, rounds: u64, limit: Duration) {
        let from = self.rounds.load(Ordering::Relaxed);
        let deadline = Instant::now() + limit;
        while self.rounds.load(Ordering::Relaxed) < from + rounds {
            if self.threads.iter().any(JoinHandle::is_finished) {
                return;
            }
            assert!(Instant::now() < deadline, "no {rounds} rounds in {limit:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets every client finish; what each has seen.
    #[track_caller]
    pub fn finish(self, said: impl Fn() -> String) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        let (mut seen, mut wrong) = (Vec::new(), Vec::new());
        for result in threads.map(|thread| thread.join().expect("clients report")) {
            match result {
                Ok(one) => seen.push(one),
                Err(what) => wrong.push(what),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", said());
        seen
    }
}

fn ask(id: u32, stream: &TcpStream, stop: &AtomicBool, rounds: &AtomicU64) -> Result<Seen, String> {
    let mut answers = BufReader::new(stream);
    let (mut n, mut gap, mut last) = (0, Duration::ZERO, Instant::now());
    let mut before = (0, 0);
    while !stop.load(Ordering::Relaxed) {
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
        rounds.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Seen { rounds: n, gap })
}
