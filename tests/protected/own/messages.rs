//! Clients that exchange single packets with an address: datagrams and echo requests. A network may
//! lose them; nothing else may become of them.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// After this long a packet is taken for lost, and sent again.
const AGAIN: Duration = Duration::from_millis(100);
/// Nothing for so long is no loss of packets.
const GIVE_UP: Duration = Duration::from_secs(60);

/// What one round is: everything that is heard must be what is expected, or late.
type Round = Box<dyn FnMut(u32) -> Result<bool, String> + Send>;

/// A client at work.
pub struct Exchange {
    pub what: String,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<Result<Duration, String>>,
}

impl Exchange {
    fn start(what: String, mut round: Round) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let (mut n, mut gap, mut last) = (0, Duration::ZERO, Instant::now());
            while !stopped.load(Ordering::Relaxed) {
                n += 1;
                while !round(n)? {
                    if last.elapsed() > GIVE_UP {
                        return Err(format!("nothing after round {n}"));
                    }
                }
                gap = gap.max(last.elapsed());
                last = Instant::now();
                let counter: &AtomicU64 = &counted;
                counter.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(gap)
        });
        Self {
            what,
            stop,
            rounds,
            thread,
        }
    }

    /// Datagrams that come back as they are, or as the backend answers them.
    pub fn datagrams(socket: UdpSocket, to: SocketAddr, asks: bool) -> Self {
        socket.set_read_timeout(Some(AGAIN)).expect("an option");
        let what = format!("datagrams to {to}, asking: {asks}");
        Self::start(
            what,
            Box::new(move |n| {
                let (say, expected) = if asks {
                    (format!("ask {n}"), format!("{n} it is"))
                } else {
                    (format!("round {n}"), format!("round {n}"))
                };
                socket
                    .send_to(say.as_bytes(), to)
                    .map_err(|error| format!("sending to {to}: {error}"))?;
                let mut bytes = [0; 256];
                loop {
                    let length = match socket.recv(&mut bytes) {
                        Ok(length) => length,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                        Err(error) => return Err(format!("from {to}: {error}")),
                    };
                    let heard = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    if heard == expected {
                        return Ok(true);
                    }
                    let number = |word: &str| word.parse::<u32>().ok();
                    let late = heard.split(' ').find_map(number).is_some_and(|of| of < n);
                    if !late {
                        return Err(format!("from {to}: {heard:?} instead of {expected:?}"));
                    }
                }
            }),
        )
    }

    /// Echo requests, from a socket as [`echo_socket`] makes it.
    pub fn echoes(socket: OwnedFd, to: IpAddr) -> Self {
        let address = SockaddrStorage::from(SocketAddr::new(to, 0));
        let what = format!("echo requests to {to}");
        Self::start(
            what,
            Box::new(move |n| {
                let packet = request(to, n);
                sendto(socket.as_raw_fd(), &packet, &address, MsgFlags::empty())
                    .map_err(|error| format!("sending to {to}: {error}"))?;
                let mut bytes = [0; 256];
                loop {
                    let Ok(length) = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) else {
                        return Ok(false);
                    };
                    // In IPv4 its header comes first.
                    let head = if to.is_ipv4() { 20 } else { 0 };
                    let reply = bytes[..length].get(head..).unwrap_or_default();
                    let expected = if to.is_ipv4() { 0 } else { 129 };
                    if reply.first() == Some(&expected) && reply.get(4..) == packet.get(4..) {
                        return Ok(true);
                    }
                }
            }),
        )
    }

    /// How many rounds are over.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Ends it; the longest time without an answer.
    #[track_caller]
    pub fn finish(self, said: impl Fn() -> String) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join().expect("clients report") {
            Ok(gap) => gap,
            Err(what) => panic!("{}: {what}\n{}", self.what, said()),
        }
    }
}

/// A socket for echo requests, in the caller's network namespace.
pub fn echo_socket(ipv6: bool) -> OwnedFd {
    let (family, protocol) = if ipv6 {
        (AddressFamily::Inet6, SockProtocol::IcmpV6)
    } else {
        (AddressFamily::Inet, SockProtocol::Icmp)
    };
    let made = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol);
    let made = made.expect("root may");
    let again = i64::try_from(AGAIN.as_millis()).expect("short");
    let patience = TimeVal::milliseconds(again);
    setsockopt(&made, sockopt::ReceiveTimeout, &patience).expect("an option");
    made
}

/// An echo request with a number; the kernel sums up those of IPv6.
fn request(to: IpAddr, n: u32) -> Vec<u8> {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0, 0x12, 0x34, 0, 1];
    packet.extend(n.to_be_bytes());
    if to.is_ipv4() {
        let words = packet
            .chunks(2)
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let sum = !u16::try_from(sum).expect("folded");
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}
