//! Clients that ask one thing after the other, each on a thread and a connection of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use crate::common::nodes::{Net, Place};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A counter of 16 characters: a small request, and a small answer.
    Incr,
    /// A value of 1000 bytes that nothing can compress.
    Set,
}

const VALUE_BYTES: usize = 1000;

impl Request {
    /// Bytes of payload that a request has.
    pub fn bytes(self) -> f64 {
        let mut out = Vec::new();
        self.write(&mut Noise(1), &mut out);
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let len = out.len() as f64;
        len
    }

    fn write(self, noise: &mut Noise, out: &mut Vec<u8>) {
        let key = noise.next() % 100_000;
        out.clear();
        match self {
            Self::Incr => write!(out, "*2\r\n$4\r\nINCR\r\n$16\r\ncounter:{key:08}\r\n"),
            Self::Set => write!(
                out,
                "*3\r\n$3\r\nSET\r\n$16\r\nkeys---:{key:08}\r\n${VALUE_BYTES}\r\n"
            ),
        }
        .expect("memory");
        if self == Self::Set {
            let end = out.len() + VALUE_BYTES;
            while out.len() < end {
                out.extend(noise.next().to_le_bytes());
            }
            out.truncate(end);
            out.extend(b"\r\n");
        }
    }
}

/// Numbers that look random.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// What clients saw.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    pub p50_us: f64,
    pub p99_us: f64,
    pub per_second: f64,
}

/// Asks so many times in all; the connections come back.
pub fn run(streams: Vec<TcpStream>, request: Request, count: usize) -> (Answers, Vec<TcpStream>) {
    let each = (count / streams.len()).max(1);
    let total = each * streams.len();
    let began = Instant::now();
    let threads: Vec<_> = (1..)
        .zip(streams)
        .map(|(seed, stream)| {
            std::thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(move || ask(stream, request, each, seed))
                .expect("threads for clients")
        })
        .collect();
    let mut times = Vec::with_capacity(total);
    let mut streams = Vec::new();
    for thread in threads {
        let (some, stream) = thread.join().expect("a client");
        times.extend(some);
        streams.push(stream);
    }
    let wall = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let answers = Answers {
        p50_us: percentile(&mut times, 50),
        p99_us: percentile(&mut times, 99),
        per_second: total as f64 / wall,
    };
    (answers, streams)
}

fn ask(mut stream: TcpStream, request: Request, count: usize, seed: u64) -> (Vec<f64>, TcpStream) {
    let mut noise = Noise(seed * 0x9e37_79b9_7f4a_7c15);
    let (mut out, mut answer) = (Vec::new(), [0; 64]);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        request.write(&mut noise, &mut out);
        let began = Instant::now();
        stream.write_all(&out).expect("it is there");
        let len = stream.read(&mut answer).expect("it answers");
        times.push(began.elapsed().as_secs_f64() * 1e6);
        let good = matches!(answer.first(), Some(b':' | b'+')) && answer[..len].ends_with(b"\r\n");
        assert!(good, "{}", answer[..len].escape_ascii());
    }
    (times, stream)
}

/// So many round trips of a hundred bytes over the cable between the nodes, in microseconds.
pub fn round_trips(net: &Net, count: usize) -> Vec<f64> {
    let listener = net.within(Place::Standby, || TcpListener::bind("10.78.0.2:7777"));
    let listener = listener.expect("a free port");
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("a fresh connection");
        let mut bytes = [0; 100];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes).expect("it is there");
        }
    });
    let stream = net.within(Place::Primary, || TcpStream::connect("10.78.0.2:7777"));
    let mut stream = stream.expect("it listens");
    stream.set_nodelay(true).expect("a fresh connection");
    let mut bytes = [0; 100];
    let times = (0..count).map(|_| {
        let began = Instant::now();
        stream.write_all(&bytes).expect("it is there");
        stream.read_exact(&mut bytes).expect("it answers");
        began.elapsed().as_secs_f64() * 1e6
    });
    let times = times.collect();
    drop(stream);
    echo.join().expect("it ends");
    times
}

/// Ends Redis by its own means.
pub fn shutdown(net: &Net, address: &str, port: u16) {
    let mut stream = net.connect_all(Place::Client, address, port, 1).remove(0);
    stream
        .write_all(b"SHUTDOWN NOSAVE\r\n")
        .expect("it is there");
    // Until it is gone.
    let _ = stream.read(&mut [0; 64]);
}

/// The value below which so many percent are.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = values.len() * percent / 100;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
