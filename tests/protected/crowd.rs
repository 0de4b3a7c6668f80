//! Clients at work, each on a connection of its own.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many of those who have seen something wrong are heard.
const HEARD: usize = 5;

/// What clients work until, and count their rounds in.
#[derive(Clone, Default)]
pub struct Shift(Arc<(AtomicBool, AtomicU64)>);

impl Shift {
    /// Whether they are to finish.
    pub fn is_over(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    /// One more round is over.
    pub fn count(&self) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
    }

    /// Rounds of all so far.
    fn rounds(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }
}

/// Clients at work; each tells what it has seen, or what was wrong.
pub struct Crowd<T> {
    shift: Shift,
    threads: Vec<JoinHandle<Result<T, String>>>,
}

impl<T: Send + 'static> Crowd<T> {
    /// Begins; a client for each connection, which is told its number.
    pub fn start<F>(connections: Vec<TcpStream>, client: F) -> Self
    where
        F: Fn(usize, &TcpStream, &Shift) -> Result<T, String> + Clone + Send + 'static,
    {
        let shift = Shift::default();
        let threads = connections.into_iter().enumerate().map(|(id, stream)| {
            let (shift, client) = (shift.clone(), client.clone());
            std::thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(move || client(id, &stream, &shift))
                .expect("threads for clients")
        });
        Self {
            threads: threads.collect(),
            shift,
        }
    }

    /// Waits until so many more rounds are over, or a client is.
    #[track_caller]
    pub fn go_on_for(&self, rounds: u64, limit: Duration) {
        let (from, deadline) = (self.shift.rounds(), Instant::now() + limit);
        while self.shift.rounds() < from + rounds {
            if self.threads.iter().any(JoinHandle::is_finished) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "only {} of {rounds} rounds within {limit:?}",
                self.shift.rounds() - from
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets every client finish; what each has seen. Any to which something was wrong fails the test.
    #[track_caller]
    pub fn finish(self, said: impl Fn() -> String) -> Vec<T> {
        self.shift.0.0.store(true, Ordering::Relaxed);
        let count = self.threads.len();
        let (mut seen, mut wrong) = (Vec::new(), Vec::new());
        for thread in self.threads {
            match thread.join().expect("clients report") {
                Ok(one) => seen.push(one),
                Err(what) => wrong.push(what),
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {count} clients: {:#?}\n{}",
            wrong.len(),
            &wrong[..wrong.len().min(HEARD)],
            said()
        );
        seen
    }
}

/// The longest of what clients have seen.
pub fn longest(gaps: Vec<Duration>) -> Duration {
    gaps.into_iter().max().unwrap_or_default()
}
