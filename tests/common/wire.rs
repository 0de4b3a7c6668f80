//! What passes a bridge: through which of its ports something comes in the application's name.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Interface by index.
pub type Port = i32;

/// The ports of all packets in the application's name, in the order of their arrival.
pub struct Wire {
    taken: Arc<Mutex<Taken>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Begins to listen in the caller's network namespace.
    pub fn tap(address: &str) -> Self {
        let address: Ipv4Addr = address.parse().expect("an address");
        let socket = packets();
        let waiting = socket.try_clone().expect("descriptors are left");
        let taken = Arc::new(Mutex::new(Taken {
            socket,
            address,
            seen: Vec::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (to, ended) = (Arc::clone(&taken), Arc::clone(&stop));
        let thread = std::thread::spawn(move || listen(&waiting, &to, &ended));
        Self {
            taken,
            stop,
            thread: Some(thread),
        }
    }

    /// All that have arrived by now, whether the listener has come to them or not.
    pub fn seen(&self) -> Vec<Port> {
        let mut taken = self.taken.lock().expect("the listener does not panic");
        taken.take();
        taken.seen.clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn packets() -> OwnedFd {
    let all = i32::from(u16::try_from(libc::ETH_P_ALL).expect("a protocol").to_be());
    // SAFETY: no pointers; a fresh descriptor, or -1.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, all) };
    assert!(socket >= 0, "packets: {}", std::io::Error::last_os_error());
    // SAFETY: nobody else has it.
    unsafe { OwnedFd::from_raw_fd(socket) }
}

/// Where packets arrive, and what was taken from there so far.
struct Taken {
    socket: OwnedFd,
    address: Ipv4Addr,
    seen: Vec<Port>,
}

impl Taken {
    /// Takes what has arrived.
    fn take(&mut self) {
        let mut frame = [0; 2048];
        loop {
            let (length, port) = match receive(&self.socket, &mut frame) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A link that goes down is told once as an error of the next read.
                Err(_) => continue,
            };
            let frame = frame.get(..length).unwrap_or(&frame);
            if let Some(port) = port
                && sender(frame) == Some(self.address)
            {
                self.seen.push(port);
            }
        }
    }
}

fn listen(waiting: &OwnedFd, to: &Mutex<Taken>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(waiting.as_fd(), PollFlags::POLLIN)];
        if matches!(poll(&mut ready, PollTimeout::from(100_u8)), Ok(1..)) {
            to.lock().expect("nobody panics with it").take();
        }
    }
}

/// The length of a frame, and through which port it came in, if it did not go out.
fn receive(socket: &OwnedFd, frame: &mut [u8]) -> io::Result<(usize, Option<Port>)> {
    // SAFETY: all zeros are an address.
    let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut size = libc::socklen_t::try_from(size_of_val(&from)).expect("a small size");
    // SAFETY: the buffer and the address are alive, and as large as is said.
    let length = unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            frame.as_mut_ptr().cast(),
            frame.len(),
            libc::MSG_TRUNC | libc::MSG_DONTWAIT,
            (&raw mut from).cast(),
            &raw mut size,
        )
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let out = i32::from(from.sll_pkttype) == i32::from(libc::PACKET_OUTGOING);
    Ok((length, (!out).then_some(from.sll_ifindex)))
}

/// The IPv4 address in whose name a frame is.
fn sender(frame: &[u8]) -> Option<Ipv4Addr> {
    let at = match frame.get(12..14)? {
        [0x08, 0x00] => 26,
        [0x08, 0x06] => 28,
        _ => return None,
    };
    let bytes: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes))
}
