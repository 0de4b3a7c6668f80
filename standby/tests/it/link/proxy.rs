//! A network that can be cut, stalled, slowed down and corrupted: forwards TCP connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[derive(Default)]
struct State {
    /// Nothing is forwarded while it is set.
    stalled: Mutex<bool>,
    changed: Condvar,
    /// Bytes per second in each direction; 0: as fast as it goes.
    rate: AtomicU64,
    /// Damage one byte of the next piece from the client, if so many bytes have passed.
    corrupt_after: AtomicU64,
    /// End the connection once so many bytes from the client have passed.
    cut_after: AtomicU64,
    refusing: AtomicBool,
    stopped: AtomicBool,
    forwarded: [AtomicU64; 2],
    open: Mutex<Vec<TcpStream>>,
    to: Mutex<Option<SocketAddr>>,
}

pub struct Proxy {
    state: Arc<State>,
    address: SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

const NEVER: u64 = u64::MAX;

impl Proxy {
    pub fn to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let own = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            corrupt_after: AtomicU64::new(NEVER),
            cut_after: AtomicU64::new(NEVER),
            to: Mutex::new(Some(address)),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || accept(&shared, &listener));
        Self {
            state,
            address: own,
            thread: Some(thread),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections go.
    pub fn redirect(&self, to: SocketAddr) {
        *self.state.to.lock().expect("no panic") = Some(to);
    }

    /// Ends every connection.
    pub fn cut(&self) {
        for socket in self.state.open.lock().expect("no panic").drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Ends new connections at once.
    pub fn refuse(&self, refusing: bool) {
        self.state.refusing.store(refusing, Ordering::SeqCst);
    }

    pub fn stall(&self, stalled: bool) {
        *self.state.stalled.lock().expect("no panic") = stalled;
        self.state.changed.notify_all();
    }

    pub fn slow(&self, bytes_per_second: u64) {
        self.state.rate.store(bytes_per_second, Ordering::SeqCst);
    }

    pub fn corrupt_after(&self, bytes: u64) {
        self.state.corrupt_after.store(bytes, Ordering::SeqCst);
    }

    pub fn cut_after(&self, bytes: u64) {
        self.state.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Bytes from the primary, and to it.
    pub fn forwarded(&self) -> [u64; 2] {
        [0, 1].map(|way: usize| self.state.forwarded[way].load(Ordering::SeqCst))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.stall(false);
        self.cut();
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.cut();
    }
}

fn accept(state: &Arc<State>, listener: &TcpListener) {
    while let Ok((client, _)) = listener.accept() {
        if state.stopped.load(Ordering::SeqCst) {
            return;
        }
        let to = *state.to.lock().expect("no panic");
        if state.refusing.load(Ordering::SeqCst) {
            continue;
        }
        let Some(server) = to.and_then(|to| TcpStream::connect(to).ok()) else {
            continue;
        };
        let pair = [(0, &client, &server), (1, &server, &client)];
        for (way, from, into) in pair {
            let (from, into) = (
                from.try_clone().expect("copies"),
                into.try_clone().expect("copies"),
            );
            from.set_nodelay(true).expect("a socket");
            let state = Arc::clone(state);
            std::thread::spawn(move || forward(&state, way, from, into));
        }
        state
            .open
            .lock()
            .expect("no panic")
            .extend([client, server]);
    }
}

fn forward(state: &State, way: usize, mut from: TcpStream, mut into: TcpStream) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let stalled = state.stalled.lock().expect("no panic");
        drop(state.changed.wait_while(stalled, |stalled| *stalled));
        let before = state.forwarded[way].load(Ordering::SeqCst);
        if way == 0 && before + len as u64 > state.corrupt_after.load(Ordering::SeqCst) {
            state.corrupt_after.store(NEVER, Ordering::SeqCst);
            buffer[len / 2] ^= 0x40;
        }
        if way == 0 && before + len as u64 > state.cut_after.load(Ordering::SeqCst) {
            state.cut_after.store(NEVER, Ordering::SeqCst);
            break;
        }
        let rate = state.rate.load(Ordering::SeqCst);
        if rate > 0 {
            std::thread::sleep(Duration::from_secs_f64(len as f64 / rate as f64));
        }
        if into.write_all(&buffer[..len]).is_err() {
            break;
        }
        state.forwarded[way].fetch_add(len as u64, Ordering::SeqCst);
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = into.shutdown(Shutdown::Both);
}
