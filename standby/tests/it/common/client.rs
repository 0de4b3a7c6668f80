//! A client that looks at every byte, and at how long nothing happens.

use super::{pattern_bytes, server};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than any takeover here takes, and than any back-off in it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a client fared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    pub read: u64,
    pub wrote: u64,
    /// The longest time without progress.
    pub stall: Duration,
}

/// A conversation of one kind, until `stop`; then it is brought to its end.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    kind: u8,
    read: u64,
    wrote: u64,
    began: Instant,
    last: Instant,
    stall: Duration,
    shut: bool,
}

impl Client {
    /// Connects, without saying anything.
    pub fn connect(to: SocketAddr, kind: u8) -> Self {
        Self::over(
            TcpStream::connect_timeout(&to, PATIENCE).expect("connects"),
            kind,
        )
    }

    /// The same over a connection that is there already.
    pub fn over(stream: TcpStream, kind: u8) -> Self {
        stream.set_nonblocking(true).expect("an option");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream,
            kind,
            read: 0,
            wrote: 0,
            began: Instant::now(),
            last: Instant::now(),
            stall: Duration::ZERO,
            shut: false,
        }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// How much it may have sent now.
    fn limit(&self, stopping: bool) -> u64 {
        match self.kind {
            _ if self.wrote == 0 => 1,
            // One question at a time.
            server::ECHO if !stopping && self.wrote == self.read + 1 => self.wrote + 64,
            server::UPLOAD if !stopping => self.began.elapsed().as_millis() as u64 * 10_000,
            server::AFTER_FIN => 1000,
            server::SHUT_FIRST if !stopping => self.wrote.min(1 << 20) + 1000,
            _ => self.wrote.max(1),
        }
    }

    fn expected(&self) -> u64 {
        match self.kind {
            server::ECHO => self.wrote - 1,
            server::DOWNLOAD => server::DOWNLOAD_BYTES,
            server::UPLOAD => 8,
            server::AFTER_FIN => server::SHORT_BYTES,
            server::SHUT_FIRST => server::SHUT_BYTES,
            _ => 0,
        }
    }

    /// Talks until `stop` and beyond, to the end of both streams.
    pub fn run(mut self, stop: &AtomicBool) -> Report {
        self.last = Instant::now();
        loop {
            let stopping = stop.load(Ordering::Relaxed);
            if self.step(stopping) {
                let report = Report {
                    read: self.read,
                    wrote: self.wrote,
                    stall: self.stall,
                };
                assert!(
                    self.kind == server::TICK || self.read == self.expected(),
                    "{}: {report:?}",
                    self.kind as char
                );
                return report;
            }
            let silent = self.last.elapsed();
            assert!(
                silent < PATIENCE,
                "client {} of kind {}: nothing happens: {self:?}",
                self.stream.local_addr().expect("an address"),
                self.kind as char
            );
        }
    }

    fn progressed(&mut self) {
        self.stall = self.stall.max(self.last.elapsed());
        self.last = Instant::now();
    }

    fn wants_to_shut(&self, stopping: bool) -> bool {
        let all_answered = self.kind != server::ECHO || self.read + 1 == self.wrote;
        let by_itself = match self.kind {
            server::AFTER_FIN => self.wrote == self.limit(false),
            server::DOWNLOAD => self.read == server::DOWNLOAD_BYTES,
            _ => false,
        };
        (stopping && self.wrote >= 1 && all_answered && self.kind != server::DOWNLOAD) || by_itself
    }

    /// True at the end of the stream.
    fn step(&mut self, stopping: bool) -> bool {
        let limit = self.limit(stopping);
        let wants_to_write = !self.shut && self.wrote < limit;
        let mut flags = PollFlags::POLLIN;
        flags.set(PollFlags::POLLOUT, wants_to_write);
        let mut fds = [PollFd::new(self.stream.as_fd(), flags)];
        poll(&mut fds, PollTimeout::from(10u8)).expect("polls");
        if wants_to_write {
            let len = (limit - self.wrote).min(65536) as usize;
            let mut bytes = pattern_bytes(self.wrote, len);
            if self.wrote == 0 {
                bytes[0] = self.kind;
                bytes.truncate(1);
            }
            match (&self.stream).write(&bytes) {
                Ok(len) => {
                    self.wrote += len as u64;
                    self.progressed();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("client of kind {} writes: {error}", self.kind as char),
            }
        }
        if !self.shut && self.wants_to_shut(stopping) {
            self.shut = true;
            self.stream.shutdown(Shutdown::Write).expect("shuts");
        }
        let mut buffer = [0; 65536];
        match (&self.stream).read(&mut buffer) {
            Ok(0) if self.kind == server::SHUT_FIRST && !self.shut => false,
            Ok(0) => true,
            Ok(len) => {
                let expected = pattern_bytes(self.read, len);
                assert!(buffer[..len] == expected, "the client got other bytes");
                self.read += len as u64;
                self.progressed();
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("client of kind {} reads: {error}", self.kind as char),
        }
    }
}
