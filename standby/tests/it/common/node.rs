//! Nodes with a gate: a primary that a simulated standby follows, and a takeover by what that
//! standby has.

use super::lab::{DEV, Lab, Place, vips};
use super::server::{Conn, Log, Op, apply, serve};
use journal::{
    ConnId, Event, FORMAT_VERSION, Header, Machine, MemoryStorage, Reader, Writer, WriterOptions,
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use standby::commit::Commit;
use standby::gate::{Gate, GateOptions, Prefix, Streams, tun};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracer::arrears::Arrears;

pub const PORT: u16 = 7000;

pub fn header() -> Header {
    Header {
        format_version: FORMAT_VERSION,
        ftrun_version: String::new(),
        created_unix_ns: 0,
        machine: Machine {
            kernel: String::new(),
            cpu_vendor: String::new(),
            cpu_family: 0,
            cpu_model: 0,
            cpu_name: String::new(),
            features: Vec::new(),
            xsave_size: 0,
            xcr0: 0,
            page_size: 4096,
            cpus: 1,
            pinned_cpu: None,
            counter: pmu::Counter::SyncPoint,
        },
    }
}

/// The TUN device of a place's application.
pub fn fresh_tun(lab: &Lab, app: Place) -> OwnedFd {
    let ns = lab.fd(app);
    tun::create(ns.as_fd(), "link0", 1500, &vips()).expect("a TUN device")
}

/// The same, once the application's kernel knows the way to its addresses. It learns it by and by,
/// and drops until then what comes for them.
pub fn make_tun(lab: &Lab, app: Place) -> OwnedFd {
    const LIMIT: Duration = Duration::from_secs(20);
    let tun = fresh_tun(lab, app);
    for vip in vips() {
        let socket = lab.within(app, || UdpSocket::bind((vip, 0)).expect("an address"));
        let patience = Duration::from_millis(10);
        socket.set_read_timeout(Some(patience)).expect("an option");
        let own = socket.local_addr().expect("an address");
        let begun = Instant::now();
        while socket.send_to(b"x", own).is_err() || socket.recv(&mut [0]).is_err() {
            assert!(begun.elapsed() < LIMIT, "no way to {vip}");
        }
    }
    tun
}

pub fn prefixes() -> Vec<Prefix> {
    let of = |addr: IpAddr| Prefix {
        addr,
        bits: if addr.is_ipv4() { 24 } else { 64 },
    };
    vips().into_iter().map(of).collect()
}

/// A gate with its journal.
pub struct Node {
    pub storage: MemoryStorage,
    pub writer: Option<Writer>,
    pub commit: Arc<Commit>,
    pub gate: Option<Gate>,
    pub streams: Streams,
    pub arrears: Arrears,
}

impl Node {
    /// A closed gate.
    pub fn new(lab: &Lab, host: Place, tun: OwnedFd, streams: Streams) -> Self {
        Self::with_vips(lab, host, tun, streams, prefixes())
    }

    /// The same for some of the addresses.
    pub fn with_vips(
        lab: &Lab,
        host: Place,
        tun: OwnedFd,
        streams: Streams,
        vips: Vec<Prefix>,
    ) -> Self {
        Self::behind(lab, host, tun, streams, vips, 0)
    }

    /// The same, behind so many events of others.
    pub fn behind(
        lab: &Lab,
        host: Place,
        tun: OwnedFd,
        streams: Streams,
        vips: Vec<Prefix>,
        begins_behind: u64,
    ) -> Self {
        let storage = MemoryStorage::new();
        let options = WriterOptions {
            compress: false,
            ..WriterOptions::default()
        };
        let writer = Writer::create_on(Box::new(storage.clone()), &header(), options);
        let writer = writer.expect("begins");
        let commit = Arc::new(Commit::new(u64::MAX));
        let arrears = Arrears::default();
        let options = GateOptions {
            meters: standby::status::Meters::default(),
            tun,
            dev: DEV.to_owned(),
            vips,
            mac: None,
            appender: writer.appender(),
            begins_behind,
            arrears: arrears.clone(),
            commit: Arc::clone(&commit),
            streams: streams.clone(),
        };
        let gate = lab.within(host, || Gate::start(options)).expect("a gate");
        Self {
            storage,
            writer: Some(writer),
            commit,
            gate: Some(gate),
            streams,
            arrears,
        }
    }

    pub fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("a gate")
    }

    pub fn writer(&self) -> &Writer {
        self.writer.as_ref().expect("a writer")
    }
}

/// The standby as the gate sees it: what is written is stored there at once.
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub fn new(node: &Node) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (appender, commit) = (node.writer().appender(), Arc::clone(&node.commit));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut known = 0;
                while !stop.load(Ordering::Relaxed) {
                    let written = appender.wait_written(known, Duration::from_millis(20));
                    if written > known {
                        known = written;
                        commit.advance(known);
                        commit.applied(known);
                    }
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}

/// A node that serves.
pub struct Serving {
    pub node: Node,
    pub log: Arc<Mutex<Log>>,
    pub server: JoinHandle<()>,
    pub follower: Option<Follower>,
}

pub fn listen(lab: &Lab, app: Place) -> TcpListener {
    lab.within(app, || TcpListener::bind(("::", PORT)))
        .expect("listens")
}

impl Serving {
    pub fn primary(lab: &Lab) -> Self {
        let tun = make_tun(lab, Place::PrimaryApp);
        let node = Node::new(lab, Place::Primary, tun, Streams::new(false));
        let log = Log::new(node.writer().appender(), node.streams.clone());
        let listener = listen(lab, Place::PrimaryApp);
        let server = std::thread::spawn({
            let log = Arc::clone(&log);
            move || serve(listener, Vec::new(), &log)
        });
        let follower = Some(Follower::new(&node));
        node.gate().open().expect("opens");
        Self {
            node,
            log,
            server,
            follower,
        }
    }

    /// Has the server serve a connection that its application opened.
    pub fn adopt(&self, stream: TcpStream, local: SocketAddr, remote: SocketAddr) {
        let mut log = self.log.lock().expect("no panic");
        log.adopt(stream, local, remote);
    }

    /// Dies: nothing passes any more. What the standby had of it by then.
    pub fn kill(self) -> Legacy {
        self.log.lock().expect("no panic").dead = true;
        self.died()
    }

    /// Dies while its application stands still, by the lock on `of`.
    pub fn kill_standing(self, of: MutexGuard<'_, Log>) -> Legacy {
        let mut log = of;
        log.dead = true;
        drop(log);
        self.died()
    }

    fn died(mut self) -> Legacy {
        self.node.gate = None;
        self.follower = None;
        let committed = self.node.commit.committed();
        self.server.join().expect("no panic");
        let ops = std::mem::take(&mut self.log.lock().expect("no panic").ops);
        Legacy {
            storage: self.node.storage.clone(),
            committed,
            ops,
        }
    }
}

/// What is left of a primary.
pub struct Legacy {
    storage: MemoryStorage,
    committed: u64,
    ops: Vec<Op>,
}

impl Legacy {
    /// What the standby's replay would have made of it: the model, and what the application did.
    fn replay(&self) -> (Streams, Vec<Op>) {
        let streams = Streams::new(true);
        let mut done = Vec::new();
        let mut reader = Reader::from_segments(self.storage.segments()).expect("a journal");
        for _ in 0..self.committed {
            let (_, event) = reader
                .next()
                .expect("readable")
                .expect("what was committed");
            match event {
                Event::Gate(event) => streams.apply(&event).expect("the model follows"),
                Event::Time(index) => {
                    let op = self.ops[index as usize].clone();
                    apply(&streams, &op);
                    done.push(op);
                }
                other => panic!("{other:?}"),
            }
        }
        (streams, done)
    }

    /// Goes on with what there is.
    pub fn take_over(&self, lab: &Lab, tun: OwnedFd, listener: TcpListener) -> TakenOver {
        self.take_over_with(lab, tun, listener, |_| {}).0
    }

    /// The same, with more to be done before the gate opens.
    pub fn take_over_with<T>(
        &self,
        lab: &Lab,
        tun: OwnedFd,
        listener: TcpListener,
        before: impl FnOnce(&Gate) -> T,
    ) -> (TakenOver, T) {
        let begun = Instant::now();
        let (streams, done) = self.replay();
        let node = Node::new(lab, Place::Standby, tun, streams.clone());
        node.commit.set_alone(true);
        let mut conns = Vec::new();
        for id in claimed(&done) {
            let state = streams.state(id);
            let Some(state) = state else {
                continue;
            };
            let fd = placeholder(lab, state.opened.local.into());
            node.gate().rebuild(id, fd.as_fd()).expect("rebuilt");
            if !state.closed {
                conns.push(server_conn(id, TcpStream::from(fd), &done));
            }
        }
        let rebuilt = conns.len();
        let repeated = node.gate().repeat_handshakes().expect("repeats");
        let result = before(node.gate());
        streams.forget_output();
        let log = Log::new(node.writer().appender(), streams);
        let server = std::thread::spawn({
            let log = Arc::clone(&log);
            move || serve(listener, conns, &log)
        });
        node.gate().open().expect("opens");
        let taken = TakenOver {
            serving: Serving {
                node,
                log,
                server,
                follower: None,
            },
            rebuilt,
            repeated,
            took: begun.elapsed(),
        };
        (taken, result)
    }
}

/// A node after its takeover.
pub struct TakenOver {
    pub serving: Serving,
    pub rebuilt: usize,
    pub repeated: usize,
    pub took: Duration,
}

/// The sockets that the replayed application has: as accepted by a listener for both versions.
fn placeholder(lab: &Lab, local: SocketAddr) -> OwnedFd {
    let _ = local;
    lab.within(Place::StandbyApp, || {
        let flags = SockFlag::SOCK_CLOEXEC;
        socket(AddressFamily::Inet6, SockType::Stream, flags, None).expect("a socket")
    })
}

fn claimed(ops: &[Op]) -> Vec<ConnId> {
    let claim = |op: &Op| match op {
        Op::Claimed(conn, _, _) => Some(*conn),
        _ => None,
    };
    ops.iter().filter_map(claim).collect()
}

/// The server's own state, as replay would have it.
fn server_conn(id: ConnId, stream: TcpStream, ops: &[Op]) -> Conn {
    let mut conn = Conn::new(id, stream);
    for op in ops {
        match op {
            Op::Read(other, len, kind) if *other == id => {
                conn.read += len;
                conn.kind = *kind;
            }
            Op::Wrote(other, bytes) if *other == id => conn.wrote += bytes.len() as u64,
            Op::Shut(other) if *other == id => conn.shut = true,
            _ => {}
        }
    }
    conn.wrote_before = conn.wrote;
    conn
}
