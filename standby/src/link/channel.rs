//! One authenticated connection: bytes in both directions, each direction used by its own
//! threads. TLS is done under a lock that is never held while the network is waited for.

use super::error::LinkError;
use super::message::Message;
use super::{sys, wire};
use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags};
use rustls::Connection;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Writing looks so often whether it should give up.
const WRITE_TICK: Duration = Duration::from_millis(50);
/// What may be in the kernel and not yet sent. Control messages wait behind it.
const UNSENT_BYTES_MAX: u32 = 128 << 10;
const READ_BYTES: usize = 128 << 10;
/// A buffer that was larger is not kept.
const SPARE_BYTES_MAX: usize = 1 << 20;

pub(super) struct Channel {
    socket: TcpStream,
    tls: Mutex<Connection>,
    /// Its lock orders what is sent.
    out: Mutex<Encrypted>,
    closed: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What is encrypted, and how much of it the network has taken.
#[derive(Default)]
struct Encrypted {
    bytes: Vec<u8>,
    at: usize,
}

impl Encrypted {
    fn left(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn reuse(&mut self) {
        self.at = 0;
        if self.bytes.capacity() > SPARE_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }
}

/// What was received and not yet used.
pub(super) struct Inbox {
    raw: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    first: bool,
    /// What the socket was told.
    patience: Option<Duration>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            raw: vec![0; READ_BYTES],
            plain: Vec::new(),
            at: 0,
            first: true,
            patience: None,
        }
    }
}

impl Inbox {
    /// The next whole message.
    pub fn next(&mut self) -> Result<Option<Message<'_>>, LinkError> {
        let Some((message, len)) = wire::decode(&self.plain[self.at..])? else {
            return Ok(None);
        };
        self.at += len;
        Ok(Some(message))
    }

    /// Whether [`Inbox::next`] has one.
    pub fn has_message(&self) -> Result<bool, LinkError> {
        Ok(wire::decode(&self.plain[self.at..])?.is_some())
    }

    fn make_room(&mut self) {
        self.plain.drain(..self.at);
        self.at = 0;
        if self.plain.is_empty() && self.plain.capacity() > SPARE_BYTES_MAX {
            self.plain = Vec::new();
        }
    }
}

impl Channel {
    /// Does the TLS handshake, to be done before `deadline`.
    pub fn establish(
        socket: TcpStream,
        mut tls: Connection,
        deadline: Instant,
        patience: Duration,
    ) -> Result<Self, LinkError> {
        let prepare = || {
            socket.set_nodelay(true)?;
            socket.set_write_timeout(Some(WRITE_TICK))?;
            sys::limit_unsent(&socket, UNSENT_BYTES_MAX)
        };
        prepare().map_err(LinkError::Socket)?;
        handshake(&socket, &mut tls, deadline, patience)?;
        tls.set_buffer_limit(None);
        Ok(Self {
            socket,
            tls: Mutex::new(tls),
            out: Mutex::default(),
            closed: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        })
    }

    /// Sends messages that were encoded. While the network takes nothing, `tick` is asked every
    /// [`WRITE_TICK`] whether to go on.
    pub fn send(
        &self,
        messages: &[u8],
        tick: &mut dyn FnMut() -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let mut out = self.lock_out();
        self.encrypt(messages, &mut out.bytes)?;
        while !out.left().is_empty() {
            match (&self.socket).write(out.left()) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(len) => self.took(&mut out, len),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        if self.is_closed() {
                            return Err(LinkError::Closed);
                        }
                        tick()?;
                    }
                    _ => return Err(LinkError::Socket(error)),
                },
            }
        }
        out.reuse();
        Ok(())
    }

    /// As [`Channel::send`], without waiting; false if the network has not taken all of it:
    /// the next call sends the rest first.
    pub fn send_now(&self, messages: &[u8]) -> Result<bool, LinkError> {
        let mut out = self.lock_out();
        self.encrypt(messages, &mut out.bytes)?;
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        while !out.left().is_empty() {
            match socket::send(self.socket.as_raw_fd(), out.left(), flags) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(len) => self.took(&mut out, len),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) => return Err(LinkError::Socket(errno.into())),
            }
        }
        out.reuse();
        Ok(true)
    }

    fn took(&self, out: &mut Encrypted, len: usize) {
        out.at += len;
        self.sent.fetch_add(len as u64, Ordering::Relaxed);
    }

    /// Whether the network has not taken all that was to be sent.
    pub fn has_rest(&self) -> bool {
        !self.lock_out().left().is_empty()
    }

    fn lock_out(&self) -> MutexGuard<'_, Encrypted> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encrypt(&self, messages: &[u8], out: &mut Vec<u8>) -> Result<(), LinkError> {
        let mut tls = self.lock_tls();
        tls.writer()
            .write_all(messages)
            .map_err(LinkError::Socket)?;
        while tls.wants_write() {
            tls.write_tls(out).map_err(LinkError::Socket)?;
        }
        Ok(())
    }

    /// Waits for more, at most for `patience`, and adds it to the inbox.
    pub fn receive(&self, inbox: &mut Inbox, patience: Duration) -> Result<(), LinkError> {
        inbox.make_room();
        if std::mem::take(&mut inbox.first) {
            // What came together with the end of the handshake.
            let had = inbox.plain.len();
            self.decrypt(0, inbox)?;
            if inbox.plain.len() > had {
                return Ok(());
            }
        }
        let patience_now = patience.max(Duration::from_millis(1));
        if inbox.patience != Some(patience_now) {
            self.socket
                .set_read_timeout(Some(patience_now))
                .map_err(LinkError::Socket)?;
            inbox.patience = Some(patience_now);
        }
        let len = loop {
            match (&self.socket).read(&mut inbox.raw) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(len) => break len,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        return Err(LinkError::Silent(patience));
                    }
                    _ => return Err(LinkError::Socket(error)),
                },
            }
        };
        self.received.fetch_add(len as u64, Ordering::Relaxed);
        self.decrypt(len, inbox)
    }

    fn decrypt(&self, len: usize, inbox: &mut Inbox) -> Result<(), LinkError> {
        let mut tls = self.lock_tls();
        let mut left = &inbox.raw[..len];
        loop {
            // Nothing is read after the other side has said that it closes.
            if !left.is_empty() && tls.read_tls(&mut left).map_err(LinkError::Socket)? == 0 {
                return Err(LinkError::Closed);
            }
            let state = tls.process_new_packets()?;
            let ready = state.plaintext_bytes_to_read();
            if ready > 0 {
                let had = inbox.plain.len();
                inbox.plain.resize(had + ready, 0);
                tls.reader()
                    .read_exact(&mut inbox.plain[had..])
                    .map_err(LinkError::Socket)?;
            }
            if left.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the connection: whoever sends or receives is woken.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // It may be closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Bytes sent and received after the handshake.
    pub fn bytes(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.sent), read(&self.received))
    }

    fn lock_tls(&self) -> MutexGuard<'_, Connection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn handshake(
    mut socket: &TcpStream,
    tls: &mut Connection,
    deadline: Instant,
    patience: Duration,
) -> Result<(), LinkError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => LinkError::Handshake(patience),
        _ => LinkError::Socket(error),
    };
    loop {
        while tls.wants_write() {
            tls.write_tls(&mut socket).map_err(failed)?;
        }
        if !tls.is_handshaking() {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LinkError::Handshake(patience));
        }
        socket
            .set_read_timeout(Some(left))
            .map_err(LinkError::Socket)?;
        if tls.read_tls(&mut socket).map_err(failed)? == 0 {
            return Err(LinkError::Closed);
        }
        if let Err(error) = tls.process_new_packets() {
            // It carries the alert. Nobody is owed it.
            let _ = tls.write_tls(&mut socket);
            return Err(error.into());
        }
    }
}
