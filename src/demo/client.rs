//! The demo's client: a thread for each connection sends its numbered requests, one after the other,
//! measures how long each answer takes, and has every byte of it checked.

use super::check::{Checker, Told, Wrong};
use super::protocol::LINE_BYTES_MAX;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between an answer and the next request of the same connection.
const PAUSE: Duration = Duration::from_millis(100);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Without an answer for so long, a request is lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const STACK_BYTES: usize = 256 << 10;

/// What one connection has seen.
#[derive(Debug)]
pub struct Seen {
    /// What the server has told.
    pub told: Told,
    /// How long each answer took.
    pub waits: Vec<Duration>,
    /// How many of them came after the event.
    pub after: usize,
    /// What ended the connection before its time.
    pub trouble: Option<Trouble>,
}

/// What ends a connection before its time.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The other end did.
    #[error("the connection was reset: {0}")]
    Reset(io::Error),
    /// No answer.
    #[error("no answer within {} s", ANSWER_LIMIT.as_secs())]
    Silence,
    /// A wrong answer.
    #[error("a wrong answer ({0:?}): {1:?}")]
    Wrong(Wrong, String),
    /// More than was asked for.
    #[error("{0} bytes that nobody has asked for")]
    Surplus(usize),
}

#[derive(Debug, Default)]
struct Flags {
    /// The event has happened.
    after: AtomicBool,
    stop: AtomicBool,
}

/// Connections at work.
#[derive(Debug)]
pub struct Clients {
    flags: Arc<Flags>,
    streams: Vec<TcpStream>,
    threads: Vec<JoinHandle<Seen>>,
}

/// Connects, from the network namespace of the calling thread.
pub fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, CONNECT_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

impl Clients {
    /// Begins; a client for each connection.
    pub fn start(streams: Vec<TcpStream>) -> io::Result<Self> {
        let mut clients = Self {
            flags: Arc::default(),
            streams: Vec::new(),
            threads: Vec::new(),
        };
        let count = u32::try_from(streams.len()).unwrap_or(u32::MAX).max(1);
        for (number, stream) in streams.into_iter().enumerate() {
            clients.streams.push(stream.try_clone()?);
            let flags = Arc::clone(&clients.flags);
            // Not all at once.
            let first = PAUSE / count * u32::try_from(number).unwrap_or(0);
            let thread = std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    std::thread::sleep(first);
                    work(number, &stream, &flags)
                })?;
            clients.threads.push(thread);
        }
        Ok(clients)
    }

    /// Answers from now on come after the event.
    pub fn event(&self) {
        self.flags.after.store(true, Ordering::Relaxed);
    }

    /// One more request on each connection, then no more.
    pub fn stop(&self) {
        self.flags.stop.store(true, Ordering::Relaxed);
    }

    /// Whether all have their last answer.
    pub fn finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// What each connection has seen.
    pub fn join(mut self) -> io::Result<Vec<Seen>> {
        let threads = std::mem::take(&mut self.threads);
        let seen = threads.into_iter().map(|thread| {
            let ended = thread.join();
            ended.map_err(|_| io::Error::other("a client of the demo panicked"))
        });
        seen.collect()
    }
}

impl Drop for Clients {
    /// Where a step failed, nobody waits for answers any more.
    fn drop(&mut self) {
        self.event();
        self.stop();
        for stream in &self.streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(number: usize, stream: &TcpStream, flags: &Flags) -> Seen {
    let mut checker = Checker::new(number);
    let mut answers = BufReader::new(stream);
    let (mut waits, mut after) = (Vec::new(), 0);
    let mut trouble = None;
    loop {
        let last = flags.stop.load(Ordering::Relaxed);
        let begun = Instant::now();
        let asked = ask(stream, &mut answers, &mut checker);
        if let Err(what) = asked {
            trouble = Some(what);
            break;
        }
        waits.push(begun.elapsed());
        after += usize::from(flags.after.load(Ordering::Relaxed));
        if last {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    if trouble.is_none() {
        trouble = end(stream, &mut answers).err();
    }
    Seen {
        told: checker.into_told(),
        waits,
        after,
        trouble,
    }
}

fn ask(
    mut stream: &TcpStream,
    answers: &mut impl BufRead,
    checker: &mut Checker,
) -> Result<(), Trouble> {
    let request = checker.next();
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    let limit = LINE_BYTES_MAX as u64;
    let mut from = answers.by_ref().take(limit);
    from.read_until(b'\n', &mut answer).map_err(failed)?;
    if answer.is_empty() {
        return Err(Trouble::Reset(io::ErrorKind::UnexpectedEof.into()));
    }
    let answer = String::from_utf8_lossy(&answer);
    checker
        .judge(&answer)
        .map_err(|wrong| Trouble::Wrong(wrong, answer.into_owned()))
}

/// Ends the connection as it should end, with nothing left to be read.
fn end(stream: &TcpStream, answers: &mut impl Read) -> Result<(), Trouble> {
    stream.shutdown(Shutdown::Write).map_err(failed)?;
    let mut rest = Vec::new();
    let limit = LINE_BYTES_MAX as u64;
    answers.take(limit).read_to_end(&mut rest).map_err(failed)?;
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Trouble::Surplus(rest.len()))
    }
}

fn failed(error: io::Error) -> Trouble {
    match error.kind() {
        // What the kernel says when a time limit of a socket is over.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Silence,
        _ => Trouble::Reset(error),
    }
}
