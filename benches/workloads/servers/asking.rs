//! A client of memcached: one thread that has a request under way on each of many connections,
//! and looks at every byte of the answers. It is to take little of the CPUs that it shares with
//! the server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sources::Random;

use super::Load;

const KEYS: usize = 10_000;
const VALUE_BYTES: usize = 100;
/// Of so many requests one is a write.
const WRITE_EVERY: usize = 10;
/// Milliseconds without any answer that no working server lets pass.
const SILENCE_MS_MAX: u16 = 60_000;

fn value() -> String {
    "v".repeat(VALUE_BYTES)
}

fn set(key: usize, value: &str) -> String {
    format!("set key{key:05} 0 0 {VALUE_BYTES}\r\n{value}\r\n")
}

const STORED: &str = "STORED\r\n";

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    let silence = Duration::from_millis(SILENCE_MS_MAX.into());
    stream
        .set_read_timeout(Some(silence))
        .expect("a TCP socket");
    stream
}

/// Writes all keys, so that every read finds its value.
pub fn fill(port: u16) {
    const AT_ONCE: usize = 100;
    let mut stream = connect(port);
    let value = value();
    let mut answers = vec![0; AT_ONCE * STORED.len()];
    for first in (0..KEYS).step_by(AT_ONCE) {
        let many: String = (first..first + AT_ONCE)
            .map(|key| set(key, &value))
            .collect();
        stream.write_all(many.as_bytes()).expect("the server reads");
        stream.read_exact(&mut answers).expect("the server answers");
        assert_eq!(answers, STORED.repeat(AT_ONCE).as_bytes());
    }
}

/// A request under way.
struct Asked {
    at: Instant,
    answer: Vec<u8>,
    seen: usize,
}

/// The load: so many requests in all.
pub fn ask(port: u16, connections: usize, count: u32) -> Load {
    let streams: Vec<TcpStream> = (0..connections).map(|_| connect(port)).collect();
    for stream in &streams {
        stream.set_nonblocking(true).expect("a TCP socket");
    }
    let mut fds: Vec<PollFd> = streams
        .iter()
        .map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN))
        .collect();
    let (value, mut random) = (value(), Random::new(0x1234_5678_9abc_def1));
    let mut next = |stream: &TcpStream| {
        let key = random.below(KEYS);
        let (request, answer) = if random.below(WRITE_EVERY) == 0 {
            (set(key, &value), STORED.to_owned())
        } else {
            let answer = format!("VALUE key{key:05} 0 {VALUE_BYTES}\r\n{value}\r\nEND\r\n");
            (format!("get key{key:05}\r\n"), answer)
        };
        let at = Instant::now();
        // With one request under way there is room for it.
        (&*stream)
            .write_all(request.as_bytes())
            .expect("the server reads");
        Asked {
            at,
            answer: answer.into_bytes(),
            seen: 0,
        }
    };
    let count = usize::try_from(count).expect("32 bits");
    let mut took_us: Vec<f64> = Vec::with_capacity(count);
    let started = Instant::now();
    let mut asked: Vec<Option<Asked>> = streams.iter().map(|stream| Some(next(stream))).collect();
    let mut sent = connections;
    while took_us.len() < count {
        let ready = poll(&mut fds, PollTimeout::from(SILENCE_MS_MAX)).expect("our own sockets");
        assert!(ready > 0, "no answer within {SILENCE_MS_MAX} ms");
        for (index, stream) in streams.iter().enumerate() {
            if fds[index].any() != Some(true) {
                continue;
            }
            let request = asked[index].as_mut().expect("nothing comes unasked");
            if !answered(stream, request) {
                continue;
            }
            took_us.push(request.at.elapsed().as_secs_f64() * 1e6);
            asked[index] = (sent < count).then(|| next(stream));
            sent += usize::from(sent < count);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    took_us.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let requests = took_us.len() as f64;
    Load {
        requests,
        per_second: requests / seconds,
        p99: took_us[took_us.len() * 99 / 100] / 1e3,
    }
}

/// Takes what there is of the answer; whether it is complete.
fn answered(stream: &TcpStream, request: &mut Asked) -> bool {
    let mut buffer = [0; 512];
    let read = match (&*stream).read(&mut buffer) {
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
        Err(error) => panic!("the server has gone: {error}"),
    };
    let expected = request.answer.get(request.seen..request.seen + read);
    assert!(
        read > 0 && expected == Some(&buffer[..read]),
        "expected {:?}, got {:?}",
        String::from_utf8_lossy(&request.answer),
        String::from_utf8_lossy(&buffer[..read])
    );
    request.seen += read;
    request.seen == request.answer.len()
}
