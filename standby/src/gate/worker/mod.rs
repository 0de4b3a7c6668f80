//! The gate's thread: sleeps until a packet comes, something may go, or a time has come.

mod forward;
mod inbound;
mod link;
mod outbound;

use super::flow::Tracker;
use super::hold::Hold;
use super::model::{Ask, ConnState};
use super::neighbour::{Mac, virtual_mac};
use super::routes::Prefix;
use super::stats::Counters;
use super::sys::{device, packet, tun};
use super::translate::Translations;
use super::vnet::Vnet;
use super::{GateError, Shared, filter};
use crate::commit::Commit;
use crate::status::Meters;
use forward::{Keeping, Kept};
use journal::{Appender, Event, GateEvent, WriteError};
use link::Link;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

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
    /// Is answered, with nothing, once another node has the addresses.
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

    /// Wakes it up if something waits to go.
    pub fn if_waiting(&self) {
        // What was allowed before this must be seen by whoever is about to wait.
        fence(Ordering::SeqCst);
        if self.waiting.swap(false, Ordering::SeqCst) {
            self.now();
        }
    }

    /// Something waits to go, or nothing does.
    fn set_waiting(&self, waits: bool) {
        self.waiting.store(waits, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
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
    pub commit: Arc<Commit>,
    pub meters: Meters,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    inbox: Receiver<Command>,
    appender: Appender,
    commit: Arc<Commit>,
    meters: Meters,
    vips: Vec<IpAddr>,
    epoll: Epoll,
    reading_tun: bool,
    link: Link,
    tracker: Tracker,
    translations: Translations,
    hold: Hold,
    /// Label of the last packet that somebody waits for, and of what was hurried for one.
    awaited: u64,
    hurried: u64,
    /// Label of what the journal was asked for last, be it with patience.
    mentioned: u64,
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
        let tracker = Tracker::new(&setup.shared.streams, 0);
        Ok(Self {
            link: Link::new(socket, setup.dev, setup.vips, mac),
            shared: setup.shared,
            inbox: setup.inbox,
            appender: setup.appender,
            commit: setup.commit,
            meters: setup.meters,
            vips,
            epoll,
            reading_tun: true,
            tracker,
            translations: Translations::default(),
            hold: Hold::default(),
            awaited: 0,
            hurried: 0,
            mentioned: 0,
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

    /// Runs until it is told to stop.
    pub fn run(&mut self) {
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

    /// Answers commands until it is told to stop.
    fn obey_only(&self) {
        while let Ok(command) = self.inbox.recv() {
            match command {
                Command::Open(done)
                | Command::Close(done)
                | Command::Halt(done)
                | Command::Pause(done)
                | Command::Resume(done)
                | Command::Moved(done)
                | Command::Claim(done)
                | Command::Repeat(_, done)
                | Command::Asking(_, done) => {
                    // Who does not wait does not need to know.
                    let _ = done.send(());
                }
                Command::Stop => return,
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait(&mut self) -> nix::Result<Ready> {
        let waits = self.hold.last_label().is_some();
        self.shared.wake.set_waiting(waits);
        // Nobody tells of what was allowed just before that.
        let can_go = self.open && self.hold.may_go(|label| self.commit.may_go(label));
        let due = self.due();
        let timeout = match due {
            _ if can_go && !self.link.is_stalled() => EpollTimeout::ZERO,
            None => EpollTimeout::NONE,
            Some(at) => {
                let ms = at.saturating_duration_since(Instant::now()).as_millis() + 1;
                let ms = i32::try_from(ms).unwrap_or(i32::MAX);
                EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::MAX)
            }
        };
        let mut events = [EpollEvent::empty(); 3];
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(errno) => return Err(errno),
        };
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
        [sweep, announce, self.link.due()]
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
        self.hold.clear();
        self.link.forget();
        self.count_held();
    }

    fn round(&mut self, ready: Ready) -> Result<(), GateError> {
        self.announce();
        let outer = ready.outer && !self.paused;
        self.take_what_was_kept()?;
        if outer {
            self.take_from_outside()?;
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.forward(&self.link, &self.shared.counters);
        }
        // The kernel answers while it is given a packet.
        if ready.tun || outer {
            self.take_from_application()?;
        }
        self.let_go();
        self.link.ask_again(Instant::now(), &self.shared.counters);
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
        let wanted = !self.hold.is_full();
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
        let stalled = self.link.is_stalled() || keeping.is_some_and(Keeping::is_stalled);
        flags.set(EpollFlags::EPOLLOUT, stalled);
        if flags != self.outer_flags {
            self.outer_flags = flags;
            self.epoll
                .modify(self.link.socket().fd(), &mut EpollEvent::new(flags, OUTER))
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
            self.link.announce(&self.vips, &self.shared.counters);
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
        let translations = &mut self.translations;
        let mut model = Ok(());
        let mut sink = |event: &GateEvent<'_>| {
            appender.append(&Event::Gate(event.clone()))?;
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

    fn count_held(&self) {
        let counters = &self.shared.counters;
        let (packets, bytes) = self.hold.size();
        Counters::set(&counters.held_packets, packets);
        Counters::set(&counters.held_bytes, bytes);
        counters
            .held_bytes_most
            .fetch_max(bytes as u64, Ordering::Relaxed);
    }
}
