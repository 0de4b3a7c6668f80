//! Runs the machine: a thread with a clock, the link, the UDP ways, the witness, and the engine around it.
//! It decides nothing itself.

use super::inbox::{Inbox, Popped};
use super::machine::{
    Action, Answer, Ask, Event, LINK, Machine, PathId, Positions, Settings, Standing,
};
use super::record::Epoch;
use super::seal::{Guard, Keyring, Opened};
use super::state::Side;
use super::sys;
use super::ways::{Heard, Way, Ways};
use super::witness::Witness;
use crate::clock::Time;
use crate::commit::Commit;
use crate::status::{Meters, Report, Snapshot};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Messages that may wait. Those beyond are dropped, as a network would.
const MESSAGES_MAX: usize = 1024;
/// Control messages over the link: what follows the first byte.
const CONTROL_BEAT: u8 = 1;
const CONTROL_SECRET: u8 = 2;

/// The link's control messages.
pub trait Peer: Send {
    /// Sends one to the other node, without waiting. What cannot be sent is lost.
    fn send(&self, message: &[u8]);
}

/// What the engine does about a decision. Called on the role's thread: must be short, and may use the
/// [`Handle`] to answer.
pub trait Engine: Send {
    /// How far the journal is. As a primary: the own one, and [`Commit`]'s counts.
    fn positions(&mut self, side: Side) -> Positions;
    /// The right is in hand: the application may start.
    fn start(&mut self, epoch: Epoch);
    /// The right is in hand: replay what is there, go live, and tell [`Handle::took_over`].
    fn promote(&mut self, epoch: Epoch);
    /// Let nothing in; when everything is out, tell [`Handle::drained`].
    fn stop_input(&mut self);
    /// The switchover is off.
    fn resume_input(&mut self);
    /// End the application here: another node is active, or will be.
    fn fence(&mut self, reason: &str);
    /// State or reason changed.
    fn standing(&mut self, standing: &Standing);
}

/// What a driver is made of.
pub struct Parts {
    /// The machine's settings; [`Settings::paths`] and [`Settings::head_start`] are filled in.
    pub settings: Settings,
    /// Ways besides the link.
    pub ways: Vec<Way>,
    /// The gate's.
    pub commit: Arc<Commit>,
    /// The link.
    pub peer: Box<dyn Peer>,
    /// The last word.
    pub witness: Box<dyn Witness>,
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// What others count, for the report.
    pub meters: Meters,
}

/// Why the role cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A way's own address is not to be had.
    #[error("--heartbeat {0}: cannot use it: {1}; the part before `=` is an address of this node")]
    Way(Way, io::Error),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// What the role's thread is told.
#[derive(Debug)]
enum Told {
    Event(Event),
    Message(PathId, Heard),
}

/// Tells the role what happened. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    /// Of events it has any number: the engine may tell something from within a call of the role's, and has
    /// little to tell.
    inbox: Inbox<Told>,
    snapshot: Arc<Snapshot>,
}

impl Handle {
    /// Something happened. See [`Event`]. Never waits.
    pub fn tell(&self, event: Event) {
        self.inbox.push(Told::Event(event));
    }

    /// The link brought a control message.
    pub fn control(&self, message: &[u8]) {
        let message = Heard::Message(message.to_vec());
        self.inbox
            .push_within(Told::Message(LINK, message), MESSAGES_MAX);
    }

    /// The application is live here.
    pub fn took_over(&self) {
        self.tell(Event::TookOver);
    }

    /// Everything is out; the journal ends at this count of events.
    pub fn drained(&self, appended: u64) {
        self.tell(Event::Drained(appended));
    }

    /// Another node has the virtual addresses.
    pub fn claimed(&self) {
        self.tell(Event::Claimed);
    }

    /// What the node says about itself.
    #[must_use]
    pub fn report(&self) -> Report {
        self.snapshot.report()
    }

    /// The same, kept up to date.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }
}

/// The running role. Dropped, it takes every right away, and ends.
#[derive(Debug)]
pub struct Driver {
    handle: Handle,
    commit: Arc<Commit>,
    role: Option<JoinHandle<()>>,
}

impl Driver {
    /// Begins: from here on the machine alone says what `commit` lets out.
    pub fn start(parts: Parts) -> Result<Self, DriverError> {
        let Parts {
            mut settings,
            ways,
            commit,
            peer,
            witness,
            engine,
            meters,
        } = parts;
        commit.set_stopped(true);
        settings.paths = u8::try_from(ways.len() + 1).unwrap_or(u8::MAX);
        if !witness.keeps_record() {
            settings.head_start = settings.timing.detect;
        }
        let keys = Arc::new(Keyring::new().ok_or(DriverError::Random)?);
        let inbox = Inbox::default();
        let heard = inbox.clone();
        let ways = Ways::open(&ways, Arc::clone(&keys), move |path, message| {
            heard.push_within(Told::Message(path, message), MESSAGES_MAX);
        })
        .map_err(|(way, error)| DriverError::Way(way, error))?;
        let snapshot = Arc::new(Snapshot::new(&settings, witness.describe(), meters));
        let handle = Handle {
            inbox: inbox.clone(),
            snapshot: Arc::clone(&snapshot),
        };
        let asks = Inbox::default();
        let (questions, answers) = (asks.clone(), inbox.clone());
        // Not waited for at the end: a fencing command may take its time.
        spawn("ftrun-witness", move || {
            answer_all(witness, &questions, &answers);
        })?;
        let body = Loop {
            guard: Guard::new(settings.session),
            patience: settings.timing.promise,
            pause: settings.timing.beat / 2,
            machine: Machine::new(settings, Time::now()),
            keys,
            ways,
            commit: Arc::clone(&commit),
            peer,
            engine,
            asks,
            snapshot,
            refused: Vec::new(),
        };
        let role = spawn("ftrun-role", move || body.run(&inbox))?;
        Ok(Self {
            handle,
            commit,
            role: Some(role),
        })
    }

    /// How to tell it what happened.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the report fulfils something; false if it does not in time.
    pub fn wait(&self, patience: Duration, fulfils: impl Fn(&Report) -> bool) -> bool {
        self.handle
            .snapshot
            .wait(Instant::now() + patience, fulfils)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.commit.set_stopped(true);
        self.handle.inbox.close();
        if let Some(role) = self.role.take() {
            // A panic there was reported when it happened.
            let _ = role.join();
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DriverError> {
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            sys::hurry();
            body();
        });
    thread.map_err(DriverError::Thread)
}

fn answer_all(mut witness: Box<dyn Witness>, questions: &Inbox<(u64, Ask)>, inbox: &Inbox<Told>) {
    while let Popped::Item((id, ask)) = questions.pop(None) {
        let answer: Answer = witness.ask(&ask);
        if let Answer::Unknown(trouble) | Answer::Unreachable(trouble) = &answer {
            tracing::debug!(trouble, "the witness does not answer");
        }
        inbox.push(Told::Event(Event::Answer(id, answer)));
    }
}

struct Loop {
    machine: Machine,
    guard: Guard,
    patience: Duration,
    pause: Duration,
    keys: Arc<Keyring>,
    ways: Ways,
    commit: Arc<Commit>,
    peer: Box<dyn Peer>,
    engine: Box<dyn Engine>,
    asks: Inbox<(u64, Ask)>,
    snapshot: Arc<Snapshot>,
    /// Ways on which sending brought a refusal.
    refused: Vec<PathId>,
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.asks.close();
    }
}

/// Whatever ends the thread, nothing goes out after it.
struct Stopped(Arc<Commit>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.set_stopped(true);
    }
}

impl Loop {
    fn run(mut self, inbox: &Inbox<Told>) {
        let _stopped = Stopped(Arc::clone(&self.commit));
        self.tick();
        let mut next = Instant::now() + self.pause;
        loop {
            match inbox.pop(Some(next)) {
                Popped::Item(Told::Event(event)) => self.handle(event),
                Popped::Item(Told::Message(path, Heard::Message(message))) => {
                    self.message(path, &message);
                }
                Popped::Item(Told::Message(path, Heard::Refused)) => {
                    self.handle(Event::WayRefused(path));
                }
                Popped::Late => {}
                Popped::Closed => return,
            }
            while let Some(path) = self.refused.pop() {
                self.handle(Event::WayRefused(path));
            }
            if Instant::now() >= next {
                self.tick();
                next = Instant::now() + self.pause;
            }
        }
    }

    fn tick(&mut self) {
        let side = self
            .machine
            .standing()
            .map_or(Side::Standby, |standing| standing.side);
        let positions = self.engine.positions(side);
        self.handle(Event::Positions(positions));
        self.handle(Event::Tick);
        self.snapshot
            .update(Time::now(), &self.machine, positions, &self.commit);
    }

    fn message(&mut self, path: PathId, message: &[u8]) {
        let beat = match (path, message.split_first()) {
            (LINK, Some((&CONTROL_SECRET, secret))) => return self.keys.learn(secret),
            (LINK, Some((&CONTROL_BEAT, beat))) => beat,
            (LINK, _) => return,
            _ => message,
        };
        match self.guard.unpack(Time::now(), self.patience, beat) {
            Ok(Opened::Live(from, beat)) => self.handle(Event::Beat { path, from, beat }),
            Ok(Opened::Hello | Opened::Stale) => {}
            Err(error) => self.snapshot.note(error.to_string()),
        }
    }

    fn handle(&mut self, event: Event) {
        if event == Event::LinkUp {
            let mut secret = vec![CONTROL_SECRET];
            secret.extend_from_slice(self.keys.secret());
            self.peer.send(&secret);
        }
        for action in self.machine.handle(Time::now(), event) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            // What takes a permission away first.
            Action::Rights(rights) => {
                if !rights.alone {
                    self.commit.set_alone(false);
                }
                if rights.stopped {
                    self.commit.set_stopped(true);
                }
                self.commit.set_right_until(rights.until);
                self.commit.set_alone(rights.alone);
                self.commit.set_stopped(rights.stopped);
            }
            Action::Beat(path, beat) => self.send(path, &beat),
            // The thread ends only after this one.
            Action::Ask(id, ask) => self.asks.push((id, ask)),
            Action::Start(epoch) => self.engine.start(epoch),
            Action::Promote(epoch) => {
                self.snapshot.took_over();
                self.engine.promote(epoch);
            }
            Action::StopInput => self.engine.stop_input(),
            Action::ResumeInput => self.engine.resume_input(),
            Action::Fence(reason) => {
                tracing::error!(reason, "fenced");
                self.engine.fence(&reason);
            }
            Action::Report(standing) => {
                tracing::info!(role = %standing.side, state = %standing.state, reason = standing.reason, "state");
                self.engine.standing(&standing);
                self.snapshot.standing(&standing, self.commit.has_right());
            }
            Action::Note(note) => {
                tracing::warn!("{note}");
                self.snapshot.note(note);
            }
        }
    }

    fn send(&mut self, path: PathId, beat: &super::Beat) {
        let packed = self.guard.pack(beat);
        if path == LINK {
            let mut message = Vec::with_capacity(packed.len() + 1);
            message.push(CONTROL_BEAT);
            message.extend_from_slice(&packed);
            self.peer.send(&message);
        } else {
            if self.ways.send(path, packed) {
                self.refused.push(path);
            }
        }
    }
}
