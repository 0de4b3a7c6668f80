//! A primary in a process of its own that is frozen, overtaken, and wakes with its gate in full swing.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

use crate::support;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use standby::clock::Time;
use standby::commit::Commit;
use standby::role::machine::{OnLag, Standing};
use standby::role::seal::new_session;
use standby::role::witness::Witness;
use standby::role::witness::etcd::{Etcd, EtcdConfig};
use standby::role::{
    Driver, Engine, Epoch, Event, Handle, NodeId, Parts, Peer, Positions, Settings, Side, State,
    Timing,
};
use standby::status::Meters;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use support::etcd::Cluster;
use support::port::free_udp_port;

const CHILD: &str = "FTRUN_FROZEN_CHILD";
const DETECT: Duration = Duration::from_millis(1000);

/// A link for control messages between processes: datagrams on the loopback interface.
struct Datagrams(Arc<UdpSocket>);

impl Peer for Datagrams {
    fn send(&self, message: &[u8]) {
        let _ = self.0.send(message);
    }
}

struct Idle(Arc<OnceLock<Handle>>);

impl Engine for Idle {
    fn positions(&mut self, _side: Side) -> Positions {
        Positions::default()
    }
    fn start(&mut self, _epoch: Epoch) {}
    fn promote(&mut self, _epoch: Epoch) {
        self.0.get().unwrap().took_over();
    }
    fn stop_input(&mut self) {}
    fn resume_input(&mut self) {}
    fn fence(&mut self, _reason: &str) {}
    fn standing(&mut self, _standing: &Standing) {}
}

fn start(side: Side, own: SocketAddr, other: SocketAddr, etcd: String) -> (Driver, Arc<Commit>) {
    let socket = Arc::new(UdpSocket::bind(own).unwrap());
    socket.connect(other).unwrap();
    let witness: Box<dyn Witness> = Box::new(
        Etcd::new(EtcdConfig {
            endpoints: vec![etcd],
            service: "frozen".to_owned(),
            lease: Duration::from_secs(2),
            limit: DETECT,
            ca: None,
            identity: None,
        })
        .unwrap(),
    );
    let handle = Arc::<OnceLock<Handle>>::default();
    let commit = Arc::new(Commit::new(10));
    let driver = Driver::start(Parts {
        settings: Settings {
            side,
            node: NodeId::new(if side == Side::Primary { "a" } else { "b" }).unwrap(),
            session: new_session().unwrap(),
            timing: Timing::new(DETECT, Duration::from_secs(2)),
            paths: 1,
            lag_max: 10,
            on_lag: OnLag::Slow,
            head_start: Duration::ZERO,
            start_over: false,
        },
        ways: Vec::new(),
        commit: Arc::clone(&commit),
        peer: Box::new(Datagrams(Arc::clone(&socket))),
        witness,
        engine: Box::new(Idle(Arc::clone(&handle))),
        meters: Meters::new(),
    })
    .unwrap();
    assert!(handle.set(driver.handle()).is_ok());
    let bring = driver.handle();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        loop {
            if let Ok(length) = socket.recv(&mut buffer) {
                bring.control(&buffer[..length]);
            }
        }
    });
    let tell = driver.handle();
    // The secret for other ways is told when the link comes up; there are none, and it may be lost.
    tell.tell(Event::LinkUp);
    (driver, commit)
}

/// Not a test of its own: the primary's process.
#[test]
#[ignore = "another test runs it in a process of its own"]
fn child() {
    let asked = std::env::var(CHILD).expect("the other test says what to do");
    let mut words = asked.split(' ');
    let mut address = || words.next().unwrap().parse::<SocketAddr>().unwrap();
    let (own, other, clients) = (address(), address(), address());
    let etcd = words.next().unwrap().to_owned();
    let (_driver, commit) = start(Side::Primary, own, other, etcd);
    let out = UdpSocket::bind("127.0.0.1:0").unwrap();
    out.connect(clients).unwrap();
    // The gate: each packet carries the time at which it was decided to send it.
    loop {
        let decided = Time::now();
        if commit.may_go(0) {
            let _ = out.send(&decided.0.to_le_bytes());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_thawed_primary_lets_nothing_out_that_it_had_not_decided_on_before() {
    let cluster = Cluster::start(1);
    let clients = UdpSocket::bind("127.0.0.1:0").unwrap();
    clients
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let [a, b] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_udp_port())));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "frozen::child", "--ignored", "--nocapture"])
        .env(
            CHILD,
            format!(
                "{a} {b} {} {}",
                clients.local_addr().unwrap(),
                cluster.url(0)
            ),
        )
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _killed = Killed(child);
    let (standby, _) = start(Side::Standby, b, a, cluster.url(0));
    assert!(
        standby.wait(support::PATIENCE, |report| report.state == State::Protected),
        "{:?}",
        standby.handle().report()
    );
    let next = || {
        let mut packet = [0; 8];
        clients
            .recv(&mut packet)
            .ok()
            .map(|_| Time(u64::from_le_bytes(packet)))
    };
    let deadline = Time::now().after(support::PATIENCE);
    while next().is_none() {
        assert!(Time::now() < deadline, "the primary serves");
    }
    kill(pid, Signal::SIGSTOP).unwrap();
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    let frozen = Time::now();
    assert!(
        standby.wait(support::PATIENCE, |report| report.state == State::Solo
            && report.output)
    );
    while next().is_some() {}
    kill(pid, Signal::SIGCONT).unwrap();
    // At most what stood between its decision and the system call; nothing that was decided now.
    let began = Time::now();
    while Time::now().since(began) < Duration::from_secs(2) {
        if let Some(decided) = next() {
            assert!(
                decided < frozen,
                "decided {:?} after it was frozen",
                decided.since(frozen)
            );
        }
    }
    let report = standby.handle().report();
    assert_eq!((report.state, report.role), (State::Solo, Side::Primary));
    // It is still there, and knows.
    assert!(
        standby.wait(support::PATIENCE, |report| {
            report.paths[0].heard_ms.is_some_and(|ms| ms < 500)
        }),
        "{:?}",
        standby.handle().report()
    );
}
