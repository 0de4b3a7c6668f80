//! The UDP ways for heartbeats: a socket each, and a thread that listens to it.

use super::machine::PathId;
use super::seal::{DATAGRAM_BYTES_MAX, Keyring};
use super::sys;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a listener looks whether it should end.
const LOOK: Duration = Duration::from_millis(100);

/// One additional way: our address there, and the other node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Way {
    /// Ours.
    pub local: SocketAddr,
    /// The other node's.
    pub peer: SocketAddr,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.local, self.peer)
    }
}

/// What a listener has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// An authentic message.
    Message(Vec<u8>),
    /// The other node's kernel says that nobody listens there.
    Refused,
}

/// The open ways.
#[derive(Debug)]
pub(super) struct Ways {
    sockets: Vec<Arc<UdpSocket>>,
    keys: Arc<Keyring>,
    stop: Arc<AtomicBool>,
    listeners: Vec<JoinHandle<()>>,
}

impl Ways {
    /// Opens all. `heard` gets what is authentic, with its way, on another thread.
    pub fn open(
        ways: &[Way],
        keys: Arc<Keyring>,
        heard: impl Fn(PathId, Heard) + Send + Clone + 'static,
    ) -> Result<Self, (Way, io::Error)> {
        let mut open = Self {
            sockets: Vec::new(),
            keys,
            stop: Arc::default(),
            listeners: Vec::new(),
        };
        for (index, way) in ways.iter().enumerate() {
            let id =
                u8::try_from(index + 1).map_err(|_| (*way, io::Error::other("too many ways")))?;
            open.add(*way, PathId(id), heard.clone())
                .map_err(|error| (*way, error))?;
        }
        Ok(open)
    }

    fn add(
        &mut self,
        way: Way,
        id: PathId,
        heard: impl Fn(PathId, Heard) + Send + 'static,
    ) -> io::Result<()> {
        let socket = UdpSocket::bind(way.local)?;
        // Everything from elsewhere is the kernel's to refuse.
        socket.connect(way.peer)?;
        socket.set_read_timeout(Some(LOOK))?;
        let socket = Arc::new(socket);
        let (listening, keys, stop) = (
            Arc::clone(&socket),
            Arc::clone(&self.keys),
            Arc::clone(&self.stop),
        );
        let thread = std::thread::Builder::new()
            .name("ftrun-heartbeat".to_owned())
            .spawn(move || {
                sys::hurry();
                listen(&listening, &keys, &stop, |message| heard(id, message));
            })?;
        self.sockets.push(socket);
        self.listeners.push(thread);
        Ok(())
    }

    /// Sends on one. What cannot be sent is lost, as anything may be. Whether the other node's
    /// kernel has said that nobody listens there.
    pub fn send(&self, path: PathId, message: Vec<u8>) -> bool {
        let socket = usize::from(path.0)
            .checked_sub(1)
            .and_then(|index| self.sockets.get(index));
        socket.is_some_and(|socket| {
            let sent = socket.send(&self.keys.seal(message));
            sent.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        })
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for listener in self.listeners.drain(..) {
            // It has nothing to say, not even by a panic.
            let _ = listener.join();
        }
    }
}

fn listen(socket: &UdpSocket, keys: &Keyring, stop: &AtomicBool, heard: impl Fn(Heard)) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
    while !stop.load(Ordering::Acquire) {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                if let Some(message) = buffer
                    .get(..length)
                    .and_then(|datagram| keys.open(datagram))
                {
                    heard(Heard::Message(message.to_vec()));
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => heard(Heard::Refused),
            // The network is down: that may change.
            Err(_) => std::thread::sleep(LOOK / 10),
        }
    }
}
