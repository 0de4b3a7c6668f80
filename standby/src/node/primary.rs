//! The primary: the application is recorded behind a gate, and its journal goes to the standby.

use super::handover::Handover;
use super::parts::{self, Doors, Told};
use super::{NodeError, network::Live};
use crate::commit::Commit;
use crate::config;
use crate::gate::{Gate, Streams};
use crate::link::{self, Keys, LinkEvent, Sender, SenderOptions};
use crate::role::machine::Standing;
use crate::role::{Driver, Engine, Epoch, Event, Parts, Peer, Positions, Side};
use crate::status::Meters;
use crossbeam::channel::{self, Receiver};
use journal::Appender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracer::network::{Attach, Ground, Network};

/// How long the end of the journal may take to reach the standby.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// How long a node that goes on may take to say where the virtual addresses are. A takeover is a
/// matter of tens of milliseconds; on a busy machine, of many.
const MOVED_MAX: Duration = Duration::from_secs(2);
/// How long frames may come the old way after that: the time that an announcement takes through
/// a network, many times over.
const LEARNED_WITHIN: Duration = Duration::from_millis(100);

/// Told what people should know.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// A running protection. Dropped, it ends, and nothing goes out any more.
pub struct Protection {
    driver: Driver,
    _doors: Doors,
    sender: Arc<Sender>,
    complete: Receiver<()>,
    gate: Arc<Gate>,
}

impl Protection {
    /// The application is lost here, by no fault of its own: the standby may go on with it.
    pub fn application_lost(self, reason: &str) {
        self.driver
            .handle()
            .tell(Event::AppKilled(reason.to_owned()));
        std::thread::sleep(parts::LAST_WORDS);
    }

    /// Another node goes on with the application: what still comes here is passed on to it, until
    /// the network has learned where it is.
    pub fn handed_over(self) {
        self.gate.wait_moved(MOVED_MAX);
        std::thread::sleep(LEARNED_WITHIN);
    }

    /// The application has ended by itself: waits until the standby knows.
    pub fn application_ended(self) {
        let connected = self.sender.is_connected();
        if connected {
            // If it does not arrive, the standby finds a journal without an end.
            let _ = self.complete.recv_timeout(FAREWELL_MAX);
        }
        self.driver.handle().tell(Event::AppEnded);
        parts::let_last_words_out(&self.gate);
    }
}

/// Where the protection is kept, once it is there.
pub type Slot = Arc<Mutex<Option<Protection>>>;

/// What a recording is attached to so that it is protected: see [`tracer::record::record_with`].
/// The protection is put into `slot`.
#[must_use]
pub fn protect(config: config::Primary, slot: Slot, say: Say) -> Attach {
    Box::new(move |ground| {
        let (protection, live) = begin(&config, &ground, &say)?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(protection);
        let network: Arc<dyn Network> = Arc::new(live);
        Ok(Some(network))
    })
}

fn begin(
    config: &config::Primary,
    ground: &Ground<'_>,
    say: &Say,
) -> Result<(Protection, Live), NodeError> {
    let node = &config.node;
    let namespaces = ground.namespaces.ok_or(NodeError::NotIsolated)?;
    let keys = Keys::load(&node.keys)?;
    let commit = Arc::new(Commit::new(node.lag_max));
    if let Some(events) = config.die_after {
        die_after(events, &commit);
    }
    let tun = parts::make_tun(node, namespaces)?;
    let streams = Streams::new(false);
    let meters = Meters::default();
    let appender = (ground.appender.clone(), ground.arrears.clone());
    let live = parts::make_gate(node, tun, appender, &commit, streams, &meters)?;
    let told = Arc::new(Told::default());
    let (ended, complete) = channel::bounded(1);
    let heard = Arc::clone(&told);
    let options = SenderOptions::new(
        config.standby,
        keys,
        ground.dir.to_path_buf(),
        ground.appender.clone(),
        Arc::clone(&commit),
        link::Session::random()?,
        tracer::machine::describe(None),
    );
    let sender = Arc::new(Sender::start(options, move |event| {
        if matches!(event, LinkEvent::Complete { .. }) {
            let _ = ended.try_send(());
        }
        heard.link(event);
    })?);
    let link = Arc::downgrade(&sender);
    meters.feed(move |meters| {
        let stats = link.upgrade().map(|link| link.stats()).unwrap_or_default();
        meters.set_unstored_bytes(stats.backlog_bytes);
        meters.set_link_bytes(stats.sent_bytes, stats.received_bytes);
    });
    let (may_start, started) = channel::bounded(1);
    let handover = Handover::new(
        ground.brake.clone(),
        Arc::clone(&live.gate),
        ground.appender.clone(),
        Arc::clone(&commit),
    );
    let introduce = handover.introduce();
    let engine = Recorder {
        handover,
        appender: ground.appender.clone(),
        commit: Arc::clone(&commit),
        may_start,
        init: namespaces.init().0,
        say: Arc::clone(say),
    };
    let driver = Driver::start(Parts {
        settings: parts::settings(node, Side::Primary)?,
        ways: node.heartbeats.clone(),
        commit,
        peer: Box::new(Out(Arc::clone(&sender))),
        witness: node.witness()?,
        engine: Box::new(engine),
        meters,
    })?;
    introduce(driver.handle());
    told.set(driver.handle());
    let doors = Doors::open(node, ground.dir, &driver.handle())?;
    // Either it may start, or it is fenced.
    match started.recv() {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(NodeError::Fenced(reason)),
        Err(_) => return Err(NodeError::Fenced("the role has ended".to_owned())),
    }
    live.begin().map_err(NodeError::Network)?;
    let protection = Protection {
        driver,
        _doors: doors,
        sender,
        complete,
        gate: Arc::clone(&live.gate),
    };
    Ok((protection, live))
}

/// For tests: ends this process like a crash once the standby has so many events.
fn die_after(events: u64, commit: &Arc<Commit>) {
    let seen = Arc::downgrade(commit);
    commit.subscribe(move || {
        if seen
            .upgrade()
            .is_some_and(|commit| commit.committed() >= events)
        {
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        }
    });
}

struct Out(Arc<Sender>);

impl Peer for Out {
    fn send(&self, message: &[u8]) {
        // What cannot be sent is lost, as the role expects.
        let _ = self.0.send_control(message);
    }
}

struct Recorder {
    handover: Handover,
    appender: Appender,
    commit: Arc<Commit>,
    may_start: channel::Sender<Result<(), String>>,
    /// The end of this process ends the application.
    init: i32,
    say: Say,
}

impl Engine for Recorder {
    fn positions(&mut self, _side: Side) -> Positions {
        Positions {
            appended: self.appender.appended(),
            written: self.appender.written(),
            committed: self.commit.committed(),
            applied: self.commit.replayed(),
            signs: self.commit.signs(),
        }
    }

    fn start(&mut self, _epoch: Epoch) {
        let _ = self.may_start.try_send(Ok(()));
    }

    fn promote(&mut self, _epoch: Epoch) {}

    fn stop_input(&mut self) {
        if let Err(error) = self.handover.begin() {
            // The role calls it off when nothing is drained in time.
            (self.say)(&format!("the switchover cannot begin: {error}"));
        }
    }

    fn resume_input(&mut self) {
        self.handover.cancel();
    }

    fn fence(&mut self, reason: &str) {
        (self.say)(&format!("fenced: {reason}"));
        self.handover.end();
        let _ = self.may_start.try_send(Err(reason.to_owned()));
        let init = nix::unistd::Pid::from_raw(self.init);
        // Gone is as good.
        let _ = nix::sys::signal::kill(init, nix::sys::signal::Signal::SIGKILL);
    }

    fn standing(&mut self, standing: &Standing) {
        (self.say)(&format!("{}: {}", standing.state, standing.reason));
    }
}
