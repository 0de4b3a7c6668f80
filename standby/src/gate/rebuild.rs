//! Makes an unconnected socket the connection that the application has, in the order that the
//! kernel demands.
//!
//! The socket must be in the application's network namespace, and the gate closed: until all
//! connections exist, the kernel would refuse segments of those that do not. What the peer may
//! not have is sent as new data after the repair, from its last known acknowledgement on: it
//! drops what it has. (Given to the kernel as sent already, it would wait for a time-out.)

use super::craft::Craft;
use super::model::ConnState;
use super::packet::flag;
use super::sys::repair::{self, Queue, Repair, TcpOption, Widened, Window};
use journal::{ConnId, Endpoint};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

/// Why a connection could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Nothing is known of it.
    #[error("there is no connection {}", .0.0)]
    Unknown(ConnId),
    /// There is no socket for it.
    #[error("cannot make a socket for connection {}: {error}", conn.0)]
    Socket {
        /// For which connection.
        conn: ConnId,
        /// What the system said.
        error: io::Error,
    },
    /// The peer could not be asked again.
    #[error("cannot ask {remote} for a connection of {local}: {error}")]
    Asking {
        /// The application's end.
        local: Endpoint,
        /// The other end.
        remote: Endpoint,
        /// What the system said.
        error: io::Error,
    },
    /// The kernel refused.
    #[error("cannot {doing} for connection {} of {local} with {remote}: {error}", conn.0)]
    Refused {
        /// What was tried.
        doing: &'static str,
        /// For which connection.
        conn: ConnId,
        /// Its end here.
        local: Endpoint,
        /// Its other end.
        remote: Endpoint,
        /// What the system said.
        error: io::Error,
    },
}

const OPTION_MSS: u32 = 2;
const OPTION_SCALE: u32 = 3;
const OPTION_SACK: u32 = 4;
const OPTION_TIMESTAMP: u32 = 8;
/// Packets that a new connection sends before it hears of the peer.
const FIRST_PACKETS: u32 = 10;
/// However large they may be.
const FIRST_BYTES: u32 = 16 << 10;

/// Positions of a connection as sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Of the first byte that the peer may not have.
    pub send: u32,
    /// Of the first byte that the application has not read.
    pub unread: u32,
    /// After the last byte that came in.
    pub next: u32,
}

impl Numbers {
    pub fn of(state: &ConnState) -> Self {
        let low = |position: u64| u32::try_from(position & u64::from(u32::MAX)).unwrap_or(0);
        let of = |isn: u32, position: u64| isn.wrapping_add(1).wrapping_add(low(position));
        let opened = &state.opened;
        let sent = state.wrote - state.unacknowledged.len() as u64;
        Self {
            send: of(opened.local_isn, sent),
            unread: of(opened.remote_isn, state.came - state.unread.len() as u64),
            next: of(opened.remote_isn, state.came),
        }
    }
}

/// Makes `fd` the connection; `inject` hands its kernel a packet as if from outside.
pub(super) fn rebuild(
    fd: BorrowedFd<'_>,
    state: &ConnState,
    inject: impl FnOnce(&[u8]) -> io::Result<()>,
) -> Result<(), RebuildError> {
    let failed = |doing: &'static str| {
        move |error: io::Error| RebuildError::Refused {
            doing,
            conn: state.opened.conn,
            local: state.opened.local,
            remote: state.opened.remote,
            error,
        }
    };
    let shared = Shared::of(fd).map_err(failed("read an option"))?;
    repaired(fd, state)
        .and_then(|repair| repair.end().map_err(|error| ("end the repair", error)))
        .map_err(|(doing, error)| failed(doing)(error))?;
    shared.restore(fd).map_err(failed("restore an option"))?;
    send_again(fd, &state.unacknowledged).map_err(failed("send again"))?;
    if let Some(packet) = last_words(state) {
        inject(&packet).map_err(failed("repeat the peer's end"))?;
    }
    if state.shut && !state.reset {
        repair::shut(fd).map_err(failed("shut it down"))?;
    }
    Ok(())
}

/// Options that the end of a repair clears.
pub(super) struct Shared([(i32, i32); 2]);

impl Shared {
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let value = |name| Ok::<_, io::Error>((name, repair::option(fd, name)?));
        Ok(Self([
            value(libc::SO_REUSEADDR)?,
            value(libc::SO_REUSEPORT)?,
        ]))
    }

    pub fn restore(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0
            .iter()
            .try_for_each(|(name, value)| repair::set(fd, *name, *value))
    }
}

/// Has the kernel ask `remote` for a connection, from `local`.
pub(super) fn ask(fd: BorrowedFd<'_>, local: SocketAddr, remote: SocketAddr) -> io::Result<()> {
    let ipv6 = repair::option(fd, libc::SO_DOMAIN)? == libc::AF_INET6;
    let shared = Shared::of(fd)?;
    let repair = Repair::begin(fd)?;
    let bound = repair.bind(address(local.into(), ipv6));
    repair.end_silently()?;
    shared.restore(fd)?;
    bound?;
    repair::ask(fd, address(remote.into(), ipv6))
}

pub(super) type Step = (&'static str, io::Error);

/// Brings a socket to where the end of the repair makes it the connection.
pub(super) fn repaired<'a>(fd: BorrowedFd<'a>, state: &ConnState) -> Result<Repair<'a>, Step> {
    fn at<T>(doing: &'static str, result: io::Result<T>) -> Result<T, Step> {
        result.map_err(|error| (doing, error))
    }
    let opened = &state.opened;
    let numbers = Numbers::of(state);
    let ipv6 = at("read the domain", repair::option(fd, libc::SO_DOMAIN))? == libc::AF_INET6;
    let repair = at("begin the repair", Repair::begin(fd))?;
    let positions = repair
        .set_position(Queue::Receive, numbers.unread)
        .and_then(|()| repair.set_position(Queue::Send, numbers.send));
    at("set the positions", positions)?;
    let (local, remote) = (opened.local, opened.remote);
    let ends = repair.connect(address(local, ipv6), address(remote, ipv6), opened.mss);
    at("set the ends", ends)?;
    at("set the options", repair.set_options(&options(state)))?;
    if let Some(timestamps) = state.timestamps {
        at("set the clock", repair.set_timestamp(timestamps.next))?;
    }
    at("restore unread data", unread(fd, repair, &state.unread))?;
    let window = at("read the window", repair.window())?;
    // The peer's room is what it said last, and what every peer has: it drops what is too much.
    let every = opened.mss.saturating_mul(FIRST_PACKETS).min(FIRST_BYTES);
    let snd_wnd = state.window.max(every);
    let window = Window {
        snd_wl1: numbers.next,
        snd_wnd,
        max_window: window.max_window.max(snd_wnd),
        rcv_wnd: window.rcv_wnd,
        rcv_wup: numbers.next,
    };
    at("set the window", repair.set_window(&window))?;
    Ok(repair)
}

fn options(state: &ConnState) -> Vec<TcpOption> {
    let opened = &state.opened;
    let mut options = vec![TcpOption {
        code: OPTION_MSS,
        value: opened.mss,
    }];
    // Without scales as well: the kernel has chosen one of its own meanwhile.
    let (local, remote) = opened.scales.map_or((0, 0), |scales| {
        (scales.local.min(14), scales.remote.min(14))
    });
    options.push(TcpOption {
        code: OPTION_SCALE,
        value: u32::from(remote) | u32::from(local) << 16,
    });
    for (has, code) in [
        (opened.sack, OPTION_SACK),
        (opened.timestamp.is_some(), OPTION_TIMESTAMP),
    ] {
        options.extend(has.then_some(TcpOption { code, value: 0 }));
    }
    options
}

/// An end as the socket takes it: one for IPv6 may serve IPv4, too.
fn address(end: Endpoint, ipv6: bool) -> SocketAddr {
    let addr = SocketAddr::from(end);
    match addr.ip() {
        IpAddr::V4(ip) if ipv6 => (ip.to_ipv6_mapped(), addr.port()).into(),
        _ => addr,
    }
}

fn unread(fd: BorrowedFd<'_>, repair: Repair<'_>, data: &[u8]) -> io::Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    let widened = Widened::new(fd, libc::SO_RCVBUF, data.len())?;
    repair.choose(Queue::Receive)?;
    all(fd, data)?;
    widened.restore()
}

fn send_again(fd: BorrowedFd<'_>, data: &[u8]) -> io::Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    let widened = Widened::new(fd, libc::SO_SNDBUF, data.len())?;
    all(fd, data)?;
    widened.restore()
}

fn all(fd: BorrowedFd<'_>, mut data: &[u8]) -> io::Result<()> {
    const PIECE_BYTES: usize = 32 << 10;
    while !data.is_empty() {
        let sent = repair::send(fd, &data[..data.len().min(PIECE_BYTES)])?;
        data = &data[sent..];
    }
    Ok(())
}

/// The peer's last segment, if it has sent one: the kernel cannot be told otherwise.
fn last_words(state: &ConnState) -> Option<Vec<u8>> {
    let numbers = Numbers::of(state);
    let flags = match (state.fin, state.reset) {
        (_, true) => flag::RST | flag::ACK,
        (true, false) => flag::FIN | flag::ACK,
        (false, false) => return None,
    };
    let scale = state
        .opened
        .scales
        .map_or(0, |scales| scales.remote.min(14));
    let room = state
        .window
        .max(state.opened.mss.saturating_mul(FIRST_PACKETS))
        >> scale;
    // A reset comes behind the FIN, if there was one.
    let behind = u32::from(state.fin && state.reset);
    Craft {
        source: state.opened.remote,
        destination: state.opened.local,
        seq: numbers.next.wrapping_add(behind),
        ack: numbers.send,
        flags,
        window: u16::try_from(room).unwrap_or(u16::MAX),
        options: &[],
        data: &[],
    }
    .packet()
}
