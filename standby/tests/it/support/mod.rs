//! Two nodes in one process, with a link that can be cut, and engines that only note what they are told.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test ends there")]

pub mod etcd;
#[path = "../../../../tests/common/port.rs"]
pub mod port;

use standby::commit::Commit;
use standby::role::machine::{OnLag, Standing};
use standby::role::seal::new_session;
use standby::role::ways::Way;
use standby::role::witness::Witness;
use standby::role::{
    Driver, Engine, Epoch, Event, Handle, NodeId, Parts, Peer, Positions, Settings, Side, State,
    Timing,
};
use standby::status::{Meters, Report};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Long enough for a machine that does something else, too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the engines of both nodes share with the test.
#[derive(Default)]
pub struct World {
    pub appended: AtomicU64,
    pub cut: AtomicBool,
    /// The replay stands still.
    pub stuck: AtomicBool,
    pub told: Mutex<Vec<String>>,
}

impl World {
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

struct Line {
    world: Arc<World>,
    other: Arc<OnceLock<Handle>>,
}

impl Peer for Line {
    fn send(&self, message: &[u8]) {
        if !self.world.cut.load(Ordering::Acquire)
            && let Some(other) = self.other.get()
        {
            other.control(message);
        }
    }
}

struct Notes {
    name: &'static str,
    world: Arc<World>,
    commit: Arc<Commit>,
    own: Arc<OnceLock<Handle>>,
}

impl Notes {
    fn note(&self, what: &str) {
        self.world
            .told
            .lock()
            .unwrap()
            .push(format!("{} {what}", self.name));
    }
}

impl Engine for Notes {
    fn positions(&mut self, side: Side) -> Positions {
        let appended = self.world.appended.load(Ordering::Acquire);
        if side == Side::Primary && !self.world.cut.load(Ordering::Acquire) {
            self.commit.advance(appended);
            if !self.world.stuck.load(Ordering::Acquire) {
                self.commit.applied(appended);
            }
        }
        match side {
            Side::Primary => Positions {
                appended,
                written: appended,
                committed: self.commit.committed(),
                applied: self.commit.replayed(),
                signs: 0,
            },
            Side::Standby => Positions {
                appended,
                written: appended,
                committed: appended,
                signs: 0,
                applied: if self.world.stuck.load(Ordering::Acquire) {
                    0
                } else {
                    appended
                },
            },
        }
    }
    fn start(&mut self, epoch: Epoch) {
        self.note(&format!("start {}", epoch.0));
    }
    fn promote(&mut self, epoch: Epoch) {
        self.note(&format!("promote {}", epoch.0));
        self.own.get().unwrap().took_over();
    }
    fn stop_input(&mut self) {
        self.note("stop input");
        let appended = self.world.appended.load(Ordering::Acquire);
        self.own.get().unwrap().drained(appended);
    }
    fn resume_input(&mut self) {
        self.note("resume input");
    }
    fn fence(&mut self, reason: &str) {
        self.note(&format!("fence: {reason}"));
    }
    fn standing(&mut self, standing: &Standing) {
        self.note(&format!("{}", standing.state));
    }
}

pub struct TestNode {
    pub driver: Driver,
    pub handle: Handle,
    pub commit: Arc<Commit>,
}

impl TestNode {
    pub fn until(&self, what: &str, fulfils: impl Fn(&Report) -> bool) -> Report {
        assert!(
            self.driver.wait(PATIENCE, fulfils),
            "never {what}: {:#?}",
            self.handle.report()
        );
        self.handle.report()
    }

    pub fn until_state(&self, state: State) -> Report {
        self.until(state.name(), |report| report.state == state)
    }
}

pub struct Options {
    pub ways: bool,
    pub detect_ms: u64,
    pub lease_ms: u64,
    pub on_lag: OnLag,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ways: false,
            // A test machine runs much else.
            detect_ms: 1000,
            lease_ms: 2000,
            on_lag: OnLag::Slow,
        }
    }
}

pub type Pair = (TestNode, TestNode, Arc<World>);

/// Starts both nodes, and brings the link up.
pub fn pair(options: &Options, witness: impl Fn(&str) -> Box<dyn Witness>) -> Pair {
    let world = Arc::<World>::default();
    let (to_a, to_b) = (
        Arc::<OnceLock<Handle>>::default(),
        Arc::<OnceLock<Handle>>::default(),
    );
    let ways = if options.ways {
        two_ways()
    } else {
        [Vec::new(), Vec::new()]
    };
    let [way_a, way_b] = ways;
    let a = node(
        "a",
        Side::Primary,
        options,
        way_a,
        &world,
        &to_a,
        &to_b,
        witness("a"),
    );
    let b = node(
        "b",
        Side::Standby,
        options,
        way_b,
        &world,
        &to_b,
        &to_a,
        witness("b"),
    );
    a.until("start", |report| {
        report.epoch > 0 || report.state == State::Fenced && report.reason.contains("active")
    });
    link(&a, &b, &world, true);
    (a, b, world)
}

pub fn link(a: &TestNode, b: &TestNode, world: &World, up: bool) {
    world.cut.store(!up, Ordering::Release);
    for node in [a, b] {
        node.handle.tell(if up {
            Event::LinkUp
        } else {
            Event::LinkDown { closed: false }
        });
    }
}

/// Ports that were free a moment ago, on both ends of a way.
fn two_ways() -> [Vec<Way>; 2] {
    let free: Vec<_> = (0..2)
        .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();
    let [one, two] = [0, 1].map(|index: usize| free[index].local_addr().unwrap());
    [
        vec![Way {
            local: one,
            peer: two,
        }],
        vec![Way {
            local: two,
            peer: one,
        }],
    ]
}

#[allow(clippy::too_many_arguments, reason = "it only puts parts together")]
fn node(
    name: &'static str,
    side: Side,
    options: &Options,
    ways: Vec<Way>,
    world: &Arc<World>,
    own: &Arc<OnceLock<Handle>>,
    other: &Arc<OnceLock<Handle>>,
    witness: Box<dyn Witness>,
) -> TestNode {
    let commit = Arc::new(Commit::new(1000));
    let driver = Driver::start(Parts {
        settings: Settings {
            side,
            node: NodeId::new(name).unwrap(),
            session: new_session().unwrap(),
            timing: Timing::new(
                Duration::from_millis(options.detect_ms),
                Duration::from_millis(options.lease_ms),
            ),
            paths: 1,
            lag_max: 1000,
            on_lag: options.on_lag,
            head_start: Duration::ZERO,
            start_over: false,
        },
        ways,
        commit: Arc::clone(&commit),
        peer: Box::new(Line {
            world: Arc::clone(world),
            other: Arc::clone(other),
        }),
        witness,
        engine: Box::new(Notes {
            name,
            world: Arc::clone(world),
            commit: Arc::clone(&commit),
            own: Arc::clone(own),
        }),
        meters: Meters::new(),
    })
    .unwrap();
    let handle = driver.handle();
    assert!(own.set(handle.clone()).is_ok());
    TestNode {
        driver,
        handle,
        commit,
    }
}
