//! The standby: follows the primary's journal with a shadow of the application, and takes over.

use super::NodeError;
use super::network::{Following, Live};
use super::parts::{self, Doors, LAST_WORDS, Told};
use super::primary::Say;
use crate::commit::Commit;
use crate::config;
use crate::gate::Streams;
use crate::link::{Applied, ClockOffsets, Keys, LinkEvent, Receiver, ReceiverOptions};
use crate::role::machine::Standing;
use crate::role::{Driver, Engine, Epoch, Event, Parts, Peer, Positions, Side};
use crate::status::Meters;
use crossbeam::channel;
use journal::{Follow, Progress};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tracer::namespaces::{self, Plan};
use tracer::network::{Ground, Network};
use tracer::record::{Notice, RecordError, Tree};
use tracer::replay::Sink;
use tracer::standby::{Ended, Options, StandbyError};

/// Why following ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// The node could not begin.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] StandbyError),
}

/// A node that waits for a primary.
pub struct Follower {
    config: config::Standby,
    receiver: Arc<Receiver>,
    driver: Driver,
    _doors: Doors,
    commit: Arc<Commit>,
    trees: Vec<Tree>,
    meters: Meters,
    clocks: channel::Receiver<ClockOffsets>,
    decision: channel::Receiver<bool>,
}

impl Follower {
    /// Begins to listen; the journal will be in `dir`.
    pub fn begin(config: config::Standby, dir: &Path, say: Say) -> Result<Self, NodeError> {
        let node = &config.node;
        let trees = node.trees()?;
        let keys = Keys::load(&node.keys)?;
        let told = Arc::new(Told::default());
        let heard = Arc::clone(&told);
        let (connected, clocks) = channel::unbounded();
        let machine = tracer::machine::describe(None);
        let options = ReceiverOptions::new(config.listen, keys, dir.to_path_buf(), machine);
        let receiver = Arc::new(Receiver::start(options, move |event| {
            if let LinkEvent::Connected(peer) = &event
                && let Some(clocks) = peer.clocks
            {
                let _ = connected.send(clocks);
            }
            heard.link(event);
        })?);
        let commit = Arc::new(Commit::new(node.lag_max));
        let meters = Meters::default();
        let link = Arc::downgrade(&receiver);
        meters.feed(move |meters| {
            if let Some(stats) = link.upgrade().map(|link| link.stats()) {
                meters.set_link_bytes(stats.sent_bytes, stats.received_bytes);
            }
        });
        let (decide, decision) = channel::bounded(1);
        let engine = Replayer {
            receiver: Arc::downgrade(&receiver),
            progress: receiver.progress(),
            applied: receiver.applied(),
            decide,
            say,
        };
        let driver = Driver::start(Parts {
            settings: parts::settings(node, Side::Standby)?,
            ways: node.heartbeats.clone(),
            commit: Arc::clone(&commit),
            peer: Box::new(In(Arc::downgrade(&receiver))),
            witness: node.witness()?,
            engine: Box::new(engine),
            meters: meters.clone(),
        })?;
        told.set(driver.handle());
        let doors = Doors::open(node, dir, &driver.handle())?;
        Ok(Self {
            config,
            receiver,
            driver,
            _doors: doors,
            commit,
            trees,
            meters,
            clocks,
            decision,
        })
    }

    /// Follows until the application has ended, here or on the primary.
    pub fn run(
        self,
        dir: &Path,
        record: tracer::record::Options,
        notice: Arc<dyn Fn(Notice) + Send + Sync>,
        sink: &mut dyn Sink,
    ) -> Result<Ended, FollowerError> {
        let Self {
            config,
            receiver,
            driver,
            _doors: doors,
            commit,
            trees,
            meters,
            clocks,
            decision,
        } = self;
        let progress = receiver.progress();
        // Without a journal there is nothing to follow; it may never come.
        let _ = progress.wait(0, None);
        let offsets = clocks.try_iter().next();
        let plan = Plan {
            network: namespaces::Network::New,
            clocks: offsets.map(differences).unwrap_or_default(),
            hostname: None,
        };
        let streams = Streams::new(true);
        let tun: Arc<Mutex<Option<(OwnedFd, OwnedFd)>>> = Arc::default();
        let handle = driver.handle();
        let (node, kept, followed) = (config.node.clone(), Arc::clone(&tun), streams.clone());
        let network = Box::new(move |namespaces: &namespaces::Namespaces| {
            let made = parts::make_tun(&node, namespaces)?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            let vips = parts::addresses(&node);
            let streams = followed;
            let network: Arc<dyn Network> = Arc::new(Following { streams, vips });
            Ok(Some(network))
        });
        let node = config.node.clone();
        let gates = meters.clone();
        // The way to the network, for longer than the application lives.
        let way: Arc<Mutex<Option<Arc<Live>>>> = Arc::default();
        let held = Arc::clone(&way);
        let attach = Box::new(move |ground: Ground<'_>| {
            let made = tun.lock().unwrap_or_else(PoisonError::into_inner).take();
            let made = made.ok_or(NodeError::NotIsolated)?;
            let appender = (ground.appender, ground.arrears);
            let live = parts::make_gate(&node, made, appender, &commit, streams, &gates)?;
            // Peers need not wait for their timers if what they send meanwhile is not lost.
            live.gate.claim().map_err(NodeError::Gate)?;
            let live = Arc::new(live);
            *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&live));
            let network: Arc<dyn Network> = live;
            Ok::<_, RecordError>(Some(network))
        });
        let applied: Arc<Applied> = receiver.applied();
        let live = handle.clone();
        let options = Options {
            plan,
            network,
            trees: Some(trees),
            follow: Follow {
                progress: Some(Arc::clone(&progress)),
                ..Follow::default()
            },
            applied: Box::new(move |replayed| {
                applied.set(replayed.events);
                meters.set_served_calls(replayed.served);
            }),
            record,
            promote: Box::new(move || {
                let decided = decision.recv().unwrap_or(false);
                // It holds the journal.
                drop(receiver);
                decided
            }),
            attach,
            went_live: Box::new(move || live.took_over()),
            notice,
        };
        let ended = tracer::standby::run(dir, options, sink);
        match &ended {
            Ok(_) => handle.tell(Event::AppEnded),
            Err(StandbyError::Replay(error)) => handle.tell(Event::Diverged(error.to_string())),
            Err(StandbyError::Record(error)) => {
                handle.tell(Event::TakeoverFailed(error.to_string()));
            }
        }
        match way.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(live) if ended.is_ok() => parts::let_last_words_out(&live.gate),
            _ => std::thread::sleep(LAST_WORDS),
        }
        drop(doors);
        drop(driver);
        Ok(ended?)
    }
}

/// What the application's clocks show beyond those of this machine.
fn differences(offsets: ClockOffsets) -> namespaces::ClockOffsets {
    namespaces::ClockOffsets {
        monotonic_ns: offsets.monotonic_ns.into(),
        boottime_ns: offsets.boottime_ns.into(),
    }
}

struct In(Weak<Receiver>);

impl Peer for In {
    fn send(&self, message: &[u8]) {
        if let Some(receiver) = self.0.upgrade() {
            // What cannot be sent is lost, as the role expects.
            let _ = receiver.send_control(message);
        }
    }
}

struct Replayer {
    receiver: Weak<Receiver>,
    progress: Arc<Progress>,
    applied: Arc<Applied>,
    decide: channel::Sender<bool>,
    say: Say,
}

impl Engine for Replayer {
    fn positions(&mut self, _side: Side) -> Positions {
        let stored = self.progress.events();
        Positions {
            appended: stored,
            written: stored,
            committed: stored,
            applied: self.applied.events(),
            signs: 0,
        }
    }

    fn start(&mut self, _epoch: Epoch) {}

    fn promote(&mut self, _epoch: Epoch) {
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.stop();
        }
        let _ = self.decide.try_send(true);
    }

    fn stop_input(&mut self) {}

    fn resume_input(&mut self) {}

    fn fence(&mut self, reason: &str) {
        (self.say)(&format!("fenced: {reason}"));
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.stop();
        }
        let _ = self.decide.try_send(false);
    }

    fn standing(&mut self, standing: &Standing) {
        (self.say)(&format!("{}: {}", standing.state, standing.reason));
    }
}
