//! The gate's thread: sleeps until a packet comes, something may go, or a time has come.

mod forward;
mod inbound;
mod link;
mod outbound;
mod outlet;
mod question;

use super::flow::Tracker;
use super::model::{Ask, ConnState};
use super::neighbour::{Mac, virtual_mac};
use super::routes::Prefix;
use super::stats::Counters;
use super::sys::{device, packet, tun, wait};
use super::translate::Translations;
use super::vnet::Vnet;
use super::{GateError, Shared, filter};
use crate::commit::Commit;
use crate::status::Meters;
use forward::{Keeping, Kept};
use journal::{Appender, Event, GateEvent, WriteError};
use link::Link;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
pub(super) use outlet::Outlet;
use question::Question;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};
use tracer::arrears::Arrears;

/// Packets taken from one side before the other is looked at.
const BATCH: usize = 64;
/// The largest packet, large ones that the kernel has put together included.
const PACKET_BYTES_MAX: usize = 128 << 10;
/// When the virtual addresses are announced after the opening, in milliseconds.
const ANNOUNCE_MS: [u64; 9] = [0, 20, 50, 100, 200, 500, 1000, 2000, 5000];

const TUN: u64 = 0;
const OUTER: u64 = 1;
const WAKE: u64 = 2;

/// What the gate's owner wants.
#[derive(Debug)]
pub(super) enum Command {
    Open(Sender<()>),
    Close(Sender<()>),
    Halt(Sender<()>),
    Pause(Sender<()>),
    Resume(Sender<()>),
    /// Is answered once another node has the addresses.
    Moved(Sender<()>),
    Claim(Sender<()>),
    Repeat(Vec<ConnState>, Sender<()>),
    Asking(Ask, Sender<()>),
    Stop,
}

/// Where something may have come.
#[derive(Debug, Clone, Copy)]
struct Ready {
    tun: bool,
    outer: bool,
}

/// Wakes the thread up.
#[derive(Debug)]
pub(super) struct Wake {
    event: EventFd,
    waiting: AtomicBool,
}

impl Wake {
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self {
            event: EventFd::from_flags(flags)?,
            waiting: AtomicBool::new(false),
        })
    }

    /// Wakes it up.
    pub fn now(&self) {
        // A counter at its limit wakes, too.
        let _ = self.event.write(1);
    }

    /// Whether the thread sleeps while something waits to go.
    pub fn is_waiting(&self) -> bool {
        // What was allowed before this must be seen by whoever is about to wait.
        fence(Ordering::SeqCst);
        self.waiting.load(Ordering::SeqCst)
    }

    /// Something waits to go while the thread sleeps, or nothing does, or it is awake.
    fn set_waiting(&self, waits: bool) {
        self.waiting.store(waits, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

/// What the journal was asked for because of what waits.
#[derive(Debug, Default)]
struct Haste {
    /// Labels up to this one are on their way.
    asked: u64,
    /// When what only an acknowledgement waits for has waited long enough.
    patient_until: Option<Instant>,
    /// When to ask again, if not before.
    again_at: Option<Instant>,
}

/// What the thread needs.
#[derive(Debug)]
pub(super) struct Setup {
    pub shared: Arc<Shared>,
    pub inbox: Receiver<Command>,
    pub dev: String,
    pub vips: Vec<Prefix>,
    pub mac: Option<Mac>,
    pub appender: Appender,
    pub begins_behind: u64,
    pub arrears: Arrears,
    pub commit: Arc<Commit>,
    pub meters: Meters,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    inbox: Receiver<Command>,
    appender: Appender,
    begins_behind: u64,
    question: Question,
    commit: Arc<Commit>,
    vips: Vec<IpAddr>,
    epoll: Epoll,
    reading_tun: bool,
    socket: Arc<packet::Socket>,
    outlet: Outlet,
    tracker: Tracker,
    translations: Translations,
    /// Label of the last packet that somebody waits for.
    awaited: u64,
    haste: Haste,
    open: bool,
    /// The application is lost: what its kernel says of that is nobody's business.
    halted: bool,
    /// What comes in waits, in the socket.
    paused: bool,
    /// What comes in during a switchover, on the node that hands over.
    keeping: Option<Keeping>,
    /// The same, once that was called off.
    returned: VecDeque<Kept>,
    /// What the outer interface is looked at for.
    outer_flags: EpollFlags,
    /// Not open yet, but the addresses are this node's.
    claimed: bool,
    /// When the addresses are announced next, and how often they were.
    announce: Option<(Instant, usize)>,
    began: Instant,
    buffer: Vec<u8>,
}

impl Worker {
    pub fn new(setup: Setup) -> Result<Self, GateError> {
        let device =
            device::find(&setup.dev).map_err(GateError::system("look the interface up"))?;
        let vips: Vec<IpAddr> = setup.vips.iter().map(|vip| vip.addr).collect();
        let lowest = vips.iter().min().copied();
        let mac = setup.mac.or(lowest.map(virtual_mac)).unwrap_or_default();
        let groups: Vec<Ipv6Addr> = vips
            .iter()
            .filter_map(|vip| match vip {
                IpAddr::V6(vip) => Some(filter::solicited_node(*vip)),
                IpAddr::V4(_) => None,
            })
            .collect();
        let socket = packet::Socket::open(device.index, &filter::program(&vips, mac), mac, &groups)
            .map_err(GateError::system("receive packets from the interface"))?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .and_then(|epoll| {
                let tun = EpollEvent::new(EpollFlags::EPOLLIN, TUN);
                epoll.add(&setup.shared.tun, tun)?;
                let outer = EpollEvent::new(EpollFlags::EPOLLIN, OUTER);
                epoll.add(socket.fd(), outer)?;
                let wake = EpollEvent::new(EpollFlags::EPOLLIN, WAKE);
                epoll.add(&setup.shared.wake.event, wake)?;
                Ok(epoll)
            })
            .map_err(|errno| GateError::system("wait for packets")(errno.into()))?;
        let began = Instant::now();
        let socket = Arc::new(socket);
        let link = Link::new(Arc::clone(&socket), setup.dev, setup.vips, mac);
        let outlet = Outlet::new(
            link,
            Arc::clone(&setup.shared),
            Arc::clone(&setup.commit),
            setup.meters,
        );
        let tracker = Tracker::new(&setup.shared.streams, 0);
        Ok(Self {
            socket,
            outlet,
            shared: setup.shared,
            inbox: setup.inbox,
            appender: setup.appender,
            begins_behind: setup.begins_behind,
            question: Question::new(setup.arrears),
            commit: setup.commit,
            vips,
            epoll,
            reading_tun: true,
            tracker,
            translations: Translations::default(),
            awaited: 0,
            haste: Haste::default(),
            open: false,
            halted: false,
            paused: false,
            keeping: None,
            returned: VecDeque::new(),
            outer_flags: EpollFlags::EPOLLIN,
            claimed: false,
            announce: None,
            began,
            buffer: vec![0; PACKET_BYTES_MAX],
        })
    }

    /// What it sends with.
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Runs until it is told to stop.
    pub fn run(&mut self) {
        // The system rounds times up by this much; it is late then, no more.
        let _ = nix::sys::prctl::set_timerslack(1);
        if !self.until_begun() {
            return;
        }
        loop {
            let Ok(ready) = self.wait() else {
                return;
            };
            if !self.commands() {
                return;
            }
            if let Err(error) = self.round(ready) {
                // Nothing passes any more: what cannot be journaled must not happen.
                let _ = self.shared.failure.set(error);
                self.shut();
                self.obey_only();
                return;
            }
        }
    }

    /// Waits until the journal has what goes before the gate's events: what comes meanwhile waits in the kernel, as it
    /// does while the application begins. False to stop.
    fn until_begun(&mut self) -> bool {
        const LOOK: Duration = Duration::from_millis(1);
        while self.appender.appended() < self.begins_behind {
            if !self.commands() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Answers commands until it is told to stop.
    fn obey_only(&self) {
        while let Ok(command) = self.inbox.recv() {
            match command {
                Command::Open(done)
                | Command::Close(done)
                | Command::Halt(done)
                | Command::Pause(done)
                | Command::Resume(done)
                | Command::Claim(done)
                | Command::Repeat(_, done)
                | Command::Asking(_, done) => {
                    // Who does not wait does not need to know.
                    let _ = done.send(());
                }
                // Nobody will know.
                Command::Moved(_) => {}
                Command::Stop => return,
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait(&mut self) -> io::Result<Ready> {
        let waits = self.outlet.lock().hold.last_label().is_some();
        self.shared.wake.set_waiting(waits);
        // Nobody tells of what was allowed just before that.
        let patience = if self.outlet.lock().can_go() {
            Some(Duration::ZERO)
        } else {
            self.due()
                .map(|at| at.saturating_duration_since(Instant::now()))
        };
        let mut events = [EpollEvent::empty(); 3];
        let count = wait::wait(&self.epoll, &mut events, patience)?;
        self.shared.wake.set_waiting(false);
        let came = |from: u64| events[..count].iter().any(|event| event.data() == from);
        if came(WAKE) {
            // It only has to be not readable any more.
            let _ = self.shared.wake.event.read();
        }
        Ok(Ready {
            tun: came(TUN),
            outer: came(OUTER),
        })
    }

    /// When something is to be done even if nothing comes.
    fn due(&self) -> Option<Instant> {
        let sweep = self.tracker.sweep_due_ms();
        let sweep = sweep.map(|ms| self.began + Duration::from_millis(ms));
        let announce = self.announce.map(|(at, _)| at);
        let link = self.outlet.lock().link.due();
        let question = self.question.due();
        [sweep, announce, link, self.haste.again_at, question]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what the owner wants; false to stop.
    fn commands(&mut self) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            let done = match command {
                Command::Stop => return false,
                Command::Open(done) => {
                    self.open = !self.halted;
                    self.outlet.lock().open = self.open;
                    self.paused = false;
                    self.keeping = None;
                    self.claimed = false;
                    self.announce = Some((Instant::now(), 0));
                    done
                }
                Command::Close(done) => {
                    self.shut();
                    done
                }
                Command::Halt(done) => {
                    self.halted = true;
                    self.shut();
                    done
                }
                Command::Pause(done) => {
                    self.keeping.get_or_insert_default();
                    done
                }
                Command::Resume(done) => {
                    if let Some(keeping) = self.keeping.take() {
                        self.returned.extend(keeping.into_frames());
                    }
                    done
                }
                Command::Moved(done) => {
                    if let Some(keeping) = &mut self.keeping {
                        keeping.tell(done);
                    }
                    continue;
                }
                Command::Claim(done) => {
                    self.paused = true;
                    self.claimed = true;
                    self.announce = Some((Instant::now(), 0));
                    done
                }
                Command::Asking(ask, done) => {
                    self.translations.begin_asking(ask);
                    done
                }
                Command::Repeat(states, done) => {
                    for state in states {
                        if let Some(packet) = self.translations.begin(state) {
                            self.deliver(Vnet::default(), &packet);
                        }
                    }
                    done
                }
            };
            // Who does not wait does not need to know.
            let _ = done.send(());
        }
        true
    }

    fn shut(&mut self) {
        self.open = false;
        self.paused = false;
        self.claimed = false;
        self.announce = None;
        self.haste = Haste::default();
        self.outlet.lock().shut();
    }

    fn round(&mut self, ready: Ready) -> Result<(), GateError> {
        self.announce();
        let outer = ready.outer && !self.paused;
        self.take_what_was_kept()?;
        if outer {
            self.take_from_outside()?;
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.forward(&self.outlet.lock().link, &self.shared.counters);
        }
        // The kernel answers while it is given a packet.
        if ready.tun || outer {
            self.take_from_application()?;
        }
        self.let_go();
        let now = Instant::now();
        self.outlet
            .lock()
            .link
            .ask_again(now, &self.shared.counters);
        let now_ms = self.now_ms();
        if self.tracker.sweep_due_ms().is_some_and(|due| due <= now_ms) {
            let streams = self.shared.streams.clone();
            self.tell(|tracker, sink| tracker.sweep(&streams, now_ms, sink))?;
        }
        let counters = &self.shared.counters;
        Counters::set(&counters.connections, self.tracker.len());
        self.mind_tun()?;
        self.mind_outer()
    }

    /// Reads from the TUN device only while there is room: otherwise the kernel's queue fills.
    fn mind_tun(&mut self) -> Result<(), GateError> {
        let wanted = !self.outlet.lock().hold.is_full();
        if wanted != self.reading_tun {
            let flags = if wanted {
                EpollFlags::EPOLLIN
            } else {
                EpollFlags::empty()
            };
            self.epoll
                .modify(&self.shared.tun, &mut EpollEvent::new(flags, TUN))
                .map_err(|errno| GateError::system("wait for packets")(errno.into()))?;
            self.reading_tun = wanted;
        }
        Ok(())
    }

    /// Looks at the outer interface while what comes from there may come in, and while what
    /// is to go out waits for room.
    fn mind_outer(&mut self) -> Result<(), GateError> {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, !self.paused);
        let keeping = self.keeping.as_ref();
        let stalled = self.outlet.lock().link.is_stalled();
        flags.set(
            EpollFlags::EPOLLOUT,
            stalled || keeping.is_some_and(Keeping::is_stalled),
        );
        if flags != self.outer_flags {
            self.outer_flags = flags;
            self.epoll
                .modify(self.socket.fd(), &mut EpollEvent::new(flags, OUTER))
                .map_err(|errno| GateError::system("wait for packets")(errno.into()))?;
        }
        Ok(())
    }

    fn announce(&mut self) {
        let Some((at, times)) = self.announce else {
            return;
        };
        let now = Instant::now();
        if at > now {
            return;
        }
        if self.may_speak() {
            let link = &self.outlet.lock().link;
            link.announce(&self.vips, &self.shared.counters);
        }
        self.announce = ANNOUNCE_MS.get(times + 1).map(|ms| {
            let since = ms - ANNOUNCE_MS[times];
            (at + Duration::from_millis(since), times + 1)
        });
    }

    /// Whether this node is the one that has the addresses.
    fn may_speak(&self) -> bool {
        (self.open || self.claimed) && self.commit.may_go(0)
    }

    /// Has the tracker say something to the journal and the model.
    fn tell<T>(
        &mut self,
        what: impl FnOnce(&mut Tracker, &mut super::flow::Sink<'_>) -> Result<T, WriteError>,
    ) -> Result<T, GateError> {
        let (appender, shared) = (&self.appender, &self.shared);
        let over = self.question.is_over();
        let translations = &mut self.translations;
        let mut model = Ok(());
        let mut sink = |event: &GateEvent<'_>| {
            match appender.append(&Event::Gate(event.clone())) {
                // What is said of an application that is over, the journal has no room for.
                Err(WriteError::Ended) if over => return Ok(()),
                appended => appended?,
            };
            if model.is_ok() {
                model = shared.streams.apply(event);
            }
            match event {
                GateEvent::Payload { data, .. } => {
                    Counters::add(&shared.counters.journaled_bytes, data.len());
                }
                GateEvent::Forgotten(conn) => translations.forget(*conn),
                _ => {}
            }
            Ok(())
        };
        let said = what(&mut self.tracker, &mut sink);
        model?;
        Ok(said?)
    }

    /// Gives the application's kernel a packet.
    fn deliver(&self, vnet: Vnet, packet: &[u8]) {
        let counters = &self.shared.counters;
        match tun::write(self.shared.tun.as_raw_fd(), vnet, packet) {
            Ok(()) => {
                Counters::add(&counters.in_packets, 1);
                Counters::add(&counters.in_bytes, packet.len());
            }
            // As if the network had lost it.
            Err(_) => Counters::add(&counters.refused, 1),
        }
    }
}
