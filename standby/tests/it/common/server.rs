//! A server without secrets: what it sends is a function of how far it has read and written, so
//! that it can go on anywhere. What it does, it notes in the journal as a recorder would: after
//! it was done.

use super::pattern_bytes;
use journal::{Appender, ConnId, Event};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use standby::gate::Streams;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a client wants, by its first byte.
pub const ECHO: u8 = b'E';
pub const DOWNLOAD: u8 = b'D';
pub const UPLOAD: u8 = b'U';
/// Says something now and then.
pub const TICK: u8 = b'T';
/// Answers with the whole download once the client has shut its side.
pub const AFTER_FIN: u8 = b'F';
/// Says something, shuts its side, and goes on reading.
pub const SHUT_FIRST: u8 = b'S';

pub const DOWNLOAD_BYTES: u64 = 24 << 20;
pub const SHORT_BYTES: u64 = 100_000;
pub const SHUT_BYTES: u64 = 1000;

#[derive(Debug, Clone)]
pub enum Op {
    Claimed(ConnId, SocketAddr, SocketAddr),
    /// How much, on a connection of which kind.
    Read(ConnId, u64, u8),
    Wrote(ConnId, Vec<u8>),
    Shut(ConnId),
    Closed(ConnId),
}

/// What a recorder would know.
#[derive(Debug)]
pub struct Log {
    pub ops: Vec<Op>,
    pub dead: bool,
    adopted: Vec<Conn>,
    appender: Appender,
    streams: Streams,
}

impl Log {
    pub fn new(appender: Appender, streams: Streams) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            ops: Vec::new(),
            dead: false,
            adopted: Vec::new(),
            appender,
            streams,
        }))
    }

    /// Another connection, which the application opened itself.
    pub fn adopt(&mut self, stream: TcpStream, local: SocketAddr, remote: SocketAddr) {
        let id = self
            .streams
            .claim(local, remote)
            .expect("a known connection");
        self.note(Op::Claimed(id, local, remote));
        self.adopted.push(Conn::new(id, stream));
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> usize {
        let claims = self.ops.iter().filter(|op| matches!(op, Op::Claimed(..)));
        claims.count()
    }

    fn note(&mut self, op: Op) {
        apply(&self.streams, &op);
        let index = self.ops.len() as u64;
        self.ops.push(op);
        self.appender.append(&Event::Time(index)).expect("appends");
    }
}

/// Tells a model what the application did.
pub fn apply(streams: &Streams, op: &Op) {
    match op {
        Op::Claimed(conn, local, remote) => {
            assert_eq!(streams.claim(*local, *remote), Some(*conn));
            Ok(())
        }
        Op::Read(conn, len, _) => streams.read(*conn, *len),
        Op::Wrote(conn, bytes) => streams.wrote(*conn, bytes),
        Op::Shut(conn) => streams.shut(*conn),
        Op::Closed(conn) => streams.closed(*conn),
    }
    .expect("the model follows");
}

/// A connection of the server.
#[derive(Debug)]
pub struct Conn {
    pub id: ConnId,
    pub stream: TcpStream,
    pub kind: u8,
    pub read: u64,
    pub wrote: u64,
    pub eof: bool,
    pub shut: bool,
    /// When it began here, and how much was written by then.
    pub began: Instant,
    pub wrote_before: u64,
}

impl Conn {
    pub fn new(id: ConnId, stream: TcpStream) -> Self {
        stream.set_nonblocking(true).expect("an option");
        Self {
            id,
            stream,
            kind: 0,
            read: 0,
            wrote: 0,
            eof: false,
            shut: false,
            began: Instant::now(),
            wrote_before: 0,
        }
    }

    fn paced(&self, bytes_per_ms: u64) -> u64 {
        self.wrote_before + self.began.elapsed().as_millis() as u64 * bytes_per_ms
    }

    /// Up to where it may write now.
    fn limit(&self) -> u64 {
        match self.kind {
            ECHO => self.read - 1,
            DOWNLOAD => DOWNLOAD_BYTES.min(self.paced(40_000)),
            TICK => self.paced(10),
            UPLOAD if self.eof => 8,
            AFTER_FIN if self.eof => SHORT_BYTES.min(self.paced(50)),
            SHUT_FIRST => SHUT_BYTES,
            _ => 0,
        }
    }

    fn wants_to_read(&self) -> bool {
        !self.eof
    }

    fn is_done(&self) -> bool {
        let all = match self.kind {
            UPLOAD => 8,
            AFTER_FIN => SHORT_BYTES,
            DOWNLOAD => DOWNLOAD_BYTES,
            SHUT_FIRST => SHUT_BYTES,
            ECHO => self.read - 1,
            _ => 0,
        };
        self.eof && self.wrote >= all
    }

    /// One step; true to close.
    fn step(&mut self, log: &mut Log) -> bool {
        let mut buffer = [0; 65536];
        if self.wants_to_read() {
            let room = if self.kind == 0 { 1 } else { buffer.len() };
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) => self.eof = true,
                Ok(len) => {
                    let bytes = &buffer[..len];
                    assert!(
                        log.streams.reference(self.id, self.read, bytes),
                        "what was read is what was journaled"
                    );
                    self.took(bytes);
                    log.note(Op::Read(self.id, len as u64, self.kind));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("the server reads: {error}"),
            }
        }
        if self.wrote < self.limit() {
            let len = (self.limit() - self.wrote).min(65536) as usize;
            let bytes = pattern_bytes(self.wrote, len);
            match self.stream.write(&bytes) {
                Ok(len) => {
                    self.wrote += len as u64;
                    log.note(Op::Wrote(self.id, bytes[..len].to_vec()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("the server writes: {error}"),
            }
        }
        if self.kind == SHUT_FIRST && self.wrote == SHUT_BYTES && !self.shut {
            self.shut = true;
            self.stream.shutdown(Shutdown::Write).expect("shuts");
            log.note(Op::Shut(self.id));
        }
        self.is_done()
    }

    /// Looks at every byte.
    pub fn took(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.kind == 0 {
            self.kind = bytes[0];
            self.read = 1;
            bytes = &bytes[1..];
        }
        let expected = pattern_bytes(self.read, bytes.len());
        assert!(bytes == expected, "the server got other bytes");
        self.read += bytes.len() as u64;
    }
}

/// Serves until the log says that the node is dead, whose sockets are then left as they are.
pub fn serve(listener: TcpListener, mut conns: Vec<Conn>, log: &Mutex<Log>) {
    listener.set_nonblocking(true).expect("an option");
    loop {
        wait(&listener, &conns);
        let mut log = log.lock().expect("no panic");
        if log.dead {
            std::mem::forget((listener, conns));
            return;
        }
        if let Ok((stream, remote)) = listener.accept() {
            let local = stream.local_addr().expect("an address");
            let id = log
                .streams
                .claim(local, remote)
                .expect("a known connection");
            log.note(Op::Claimed(id, local, remote));
            conns.push(Conn::new(id, stream));
        }
        conns.append(&mut log.adopted);
        conns.retain_mut(|conn| {
            let done = conn.step(&mut log);
            if done {
                log.note(Op::Closed(conn.id));
            }
            !done
        });
    }
}

fn wait(listener: &TcpListener, conns: &[Conn]) {
    let mut fds = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    for conn in conns {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, conn.wants_to_read());
        flags.set(PollFlags::POLLOUT, conn.wrote < conn.limit());
        fds.push(PollFd::new(conn.stream.as_fd(), flags));
    }
    poll(&mut fds, PollTimeout::from(10u8)).expect("polls");
}
