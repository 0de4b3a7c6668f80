//! Where packets enter and leave the application's network namespace. See `docs/GATE.md`.
//!
//! The namespace has one link, a TUN device whose other side is a descriptor of this process. A
//! thread copies packets between it and a raw socket on the outer interface, so that everything
//! passes through here and nothing else can: what comes in is journaled first, what goes out
//! waits until the standby has what it depends on.
//!
//! The alternative was to let the host's kernel route between the outer interface and a second
//! TUN device, and answer for the virtual addresses by proxy ARP. It needs forwarding switched
//! on, is subject to the host's firewall, `rp_filter` and policy routes, answers "unreachable"
//! and redirects by itself while the gate is closed, answers ARP whether or not the node is
//! active, decrements TTLs, and costs a second pass through the host's stack for every packet.
//! With a raw socket the host's kernel has no part in it: the virtual addresses have a hardware
//! address of their own, so that it drops the frames as not for it. The price is that neighbours
//! and next hops are looked up here.

mod craft;
mod filter;
mod flow;
mod hold;
mod inside;
mod model;
mod neighbour;
mod packet;
mod rebuild;
mod requirements;
mod routes;
mod stats;
mod sys;
mod translate;
mod vnet;
mod worker;

pub use hold::{HELD_BYTES_MAX, HELD_PACKETS_MAX};
pub use model::{
    ACK_LAG_BYTES_MAX, Ask, ConnState, ModelError, Own, Streams, Tail, Timestamps,
    UNCLAIMED_OVER_MAX,
};
pub use neighbour::{Mac, virtual_mac};
pub use rebuild::RebuildError;
pub use requirements::{missing, missing_capabilities};
pub use routes::Prefix;
pub use stats::{GateStats, HOLD_CLASSES};

/// The TUN device of an application's namespace.
pub mod tun {
    pub use super::sys::tun::create;
}

/// Bytes that an interface of the calling thread's network namespace takes in one packet.
pub fn mtu_of(dev: &str) -> io::Result<u32> {
    Ok(sys::device::find(dev)?.mtu)
}

/// What the gate makes of bytes, for fuzzing.
#[doc(hidden)]
pub mod fuzzing;

use crate::commit::Commit;
use crate::status::Meters;
use journal::{Appender, ConnId};
use stats::Counters;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tracer::arrears::Arrears;
use tracer::network::{End, Opening};
use worker::{Command, Wake, Worker};

/// How a gate is set up.
#[derive(Debug)]
pub struct GateOptions {
    /// The other side of the application's link: see [`tun::create`].
    pub tun: OwnedFd,
    /// The outer interface, in the calling thread's network namespace.
    pub dev: String,
    /// The virtual addresses, each with the length of its network's prefix.
    pub vips: Vec<Prefix>,
    /// Their hardware address, the same on both nodes; by default [`virtual_mac`].
    pub mac: Option<Mac>,
    /// The journal.
    pub appender: Appender,
    /// How many events it has before the first of the gate's, which nothing passes before.
    pub begins_behind: u64,
    /// What the journal does not have yet of what the application has done.
    pub arrears: Arrears,
    /// What may go out.
    pub commit: Arc<Commit>,
    /// The connections; those that are known already go on.
    pub streams: Streams,
    /// Told how long every packet has waited.
    pub meters: Meters,
}

/// Why there is no gate, or no longer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GateError {
    /// Something needed is not there.
    #[error("the gate needs {}", .0.join("; "))]
    Missing(Vec<String>),
    /// The system refused.
    #[error("cannot {doing}: {error}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// What comes in could not be journaled any more.
    #[error("the gate is shut for good: {0}")]
    Journal(#[from] journal::WriteError),
    /// The gate contradicted itself.
    #[error("the gate is shut for good: {0}")]
    Model(#[from] ModelError),
    /// The gate's thread is gone.
    #[error("the gate's thread ended unexpectedly")]
    Thread,
}

impl GateError {
    fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System {
            doing,
            error: Arc::new(error),
        }
    }
}

/// What the gate's thread and its owner share.
#[derive(Debug)]
struct Shared {
    tun: OwnedFd,
    streams: Streams,
    counters: Counters,
    failure: OnceLock<GateError>,
    wake: Wake,
}

/// A gate. It begins closed: nothing passes either way, and nobody learns where the virtual
/// addresses are. Dropped, it is closed for good.
#[derive(Debug)]
pub struct Gate {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// Sets a gate up.
    pub fn start(options: GateOptions) -> Result<Self, GateError> {
        let vips: Vec<IpAddr> = options.vips.iter().map(|vip| vip.addr).collect();
        let lacking = missing(&options.dev, &vips);
        if !lacking.is_empty() {
            return Err(GateError::Missing(lacking));
        }
        let shared = Arc::new(Shared {
            tun: options.tun,
            streams: options.streams,
            counters: Counters::default(),
            failure: OnceLock::new(),
            wake: Wake::new().map_err(GateError::system("make an eventfd"))?,
        });
        let (commands, inbox) = channel();
        let commit = Arc::clone(&options.commit);
        let setup = worker::Setup {
            shared: Arc::clone(&shared),
            inbox,
            dev: options.dev,
            vips: options.vips,
            mac: options.mac,
            appender: options.appender,
            begins_behind: options.begins_behind,
            arrears: options.arrears.clone(),
            commit: options.commit,
            meters: options.meters,
        };
        let mut worker = Worker::new(setup)?;
        let waking = Arc::downgrade(&shared);
        options.arrears.subscribe(move || {
            if let Some(shared) = waking.upgrade() {
                shared.wake.now();
            }
        });
        let outlet = worker.outlet().downgrade();
        commit.subscribe(move || {
            if let Some(outlet) = outlet.upgrade() {
                outlet.allowed();
            }
        });
        let thread = std::thread::Builder::new()
            .name("gate".into())
            .spawn(move || worker.run())
            .map_err(GateError::system("start the gate's thread"))?;
        Ok(Self {
            shared,
            commands,
            thread: Some(thread),
        })
    }

    /// Lets packets pass, says where the virtual addresses are, and sends what has waited. It
    /// has begun to when this returns.
    pub fn open(&self) -> Result<(), GateError> {
        self.ask(Command::Open)
    }

    /// Lets nothing pass any more. What waits is given up. Nothing leaves after this returns.
    pub fn close(&self) -> Result<(), GateError> {
        self.ask(Command::Close)
    }

    /// Lets nothing in, and nothing of it get lost: up to 16 MiB of what comes are kept. What waits to
    /// go out still goes. Once this node has no right any more, and another says that it has the
    /// virtual addresses, what was kept and what still comes is passed on to it.
    pub fn pause(&self) -> Result<(), GateError> {
        self.ask(Command::Pause)
    }

    /// Lets in what was kept, and what comes from now on.
    pub fn resume(&self) -> Result<(), GateError> {
        self.ask(Command::Resume)
    }

    /// Waits, after [`Gate::pause`], until another node has said that it has the virtual addresses,
    /// but not for longer than `patience`. Whether it has.
    pub fn wait_moved(&self, patience: Duration) -> bool {
        let (done, wait): (_, Receiver<()>) = channel();
        // Where nothing is kept or nobody is left to hear it, there is nothing to wait for.
        let asked = self.commands.send(Command::Moved(done)).is_ok();
        self.shared.wake.now();
        asked && wait.recv_timeout(patience).is_ok()
    }

    /// Says, before the gate opens, that the virtual addresses are here now. What comes from then
    /// on waits until it does.
    pub fn claim(&self) -> Result<(), GateError> {
        self.ask(Command::Claim)
    }

    /// The application is lost: closes for good, and nothing that its kernel says while it takes
    /// the connections down is journaled. Nothing leaves after this returns.
    pub fn halt(&self) -> Result<(), GateError> {
        self.ask(Command::Halt)
    }

    /// Makes `fd`, an unconnected TCP socket in the application's namespace, the connection
    /// `conn`. The gate must be closed until all connections are rebuilt.
    pub fn rebuild(&self, conn: ConnId, fd: BorrowedFd<'_>) -> Result<(), RebuildError> {
        let state = self.shared.streams.state(conn);
        let state = state.ok_or(RebuildError::Unknown(conn))?;
        rebuild::rebuild(fd, &state, |packet| {
            sys::tun::write(self.shared.tun.as_raw_fd(), vnet::Vnet::default(), packet)
        })
    }

    /// Makes `fd`, an unconnected TCP socket in the application's namespace, the connection that
    /// the application is opening to `remote`, from `local` if that is known: the one that is
    /// there, or else one that the peer is asked for again as it was before.
    pub fn go_on_opening(
        &self,
        fd: BorrowedFd<'_>,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<Opening, RebuildError> {
        let own = self.shared.streams.take_own(local, remote);
        let local = match own {
            Some(Own::Opened(conn)) => {
                self.rebuild(conn, fd)?;
                return Ok(Opening::Done(Some(conn)));
            }
            Some(Own::Asked(ask)) => {
                let local = SocketAddr::from(ask.asked.local);
                // Only a gate that has failed does not answer; it lets nothing out.
                let _ = self.ask(|done| Command::Asking(ask, done));
                local
            }
            None => match local {
                Some(local) => local,
                None => return Ok(Opening::Unknown),
            },
        };
        match rebuild::ask(fd, local, remote) {
            Ok(()) => Ok(Opening::Begun),
            Err(error) => Err(RebuildError::Asking {
                local: local.into(),
                remote: remote.into(),
                error,
            }),
        }
    }

    /// Makes two unconnected TCP sockets in the application's namespace the ends of a connection
    /// between them.
    pub fn join(ends: [End; 2]) -> io::Result<()> {
        inside::join(ends)
    }

    /// An unconnected TCP socket in a network namespace.
    pub fn socket(netns: BorrowedFd<'_>, ipv6: bool) -> io::Result<OwnedFd> {
        sys::repair::fresh_socket(netns, ipv6)
    }

    /// Rebuilds the connections that the application has closed and whose other end does not know
    /// that, or not all that was sent; the application's kernel brings them to their end.
    pub fn rebuild_orphans(&self, netns: BorrowedFd<'_>) -> Result<usize, RebuildError> {
        let orphans = self.shared.streams.orphans();
        for &conn in &orphans {
            let Some(state) = self.shared.streams.state(conn) else {
                continue;
            };
            let socket =
                sys::repair::fresh_socket(netns, SocketAddr::from(state.opened.local).is_ipv6())
                    .map_err(|error| RebuildError::Socket { conn, error })?;
            self.rebuild(conn, socket.as_fd())?;
        }
        Ok(orphans.len())
    }

    /// Repeats the handshake of all connections that the application has not accepted with
    /// its kernel, whose listening sockets must exist. How many there are.
    pub fn repeat_handshakes(&self) -> Result<usize, GateError> {
        let streams = &self.shared.streams;
        let states = streams.unaccepted().into_iter();
        let states: Vec<_> = states
            .filter_map(|conn| streams.state(conn))
            .filter(|state| !state.reset)
            .collect();
        let count = states.len();
        self.ask(|done| Command::Repeat(states, done))?;
        Ok(count)
    }

    /// The connections.
    #[must_use]
    pub fn connections(&self) -> &Streams {
        &self.shared.streams
    }

    /// What has passed, and what waits.
    #[must_use]
    pub fn stats(&self) -> GateStats {
        self.shared.counters.snapshot()
    }

    /// Why the gate is shut for good, if it is.
    #[must_use]
    pub fn failure(&self) -> Option<GateError> {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let known = self.shared.failure.get().cloned();
        known.or_else(|| ended.then_some(GateError::Thread))
    }

    fn ask(&self, command: impl FnOnce(Sender<()>) -> Command) -> Result<(), GateError> {
        let (done, wait): (_, Receiver<()>) = channel();
        let sent = self.commands.send(command(done));
        self.shared.wake.now();
        match sent.ok().and_then(|()| wait.recv().ok()) {
            Some(()) => self.shared.failure.get().cloned().map_or(Ok(()), Err),
            None => Err(self.failure().unwrap_or(GateError::Thread)),
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Without a thread there is nobody to stop.
        let _ = self.commands.send(Command::Stop);
        self.shared.wake.now();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
