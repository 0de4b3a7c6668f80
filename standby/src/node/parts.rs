//! What both kinds of node are made of.

use super::NodeError;
use super::network::{Changed, Live};
use crate::commit::Commit;
use crate::config;
use crate::gate::{self, Gate, GateOptions, Prefix, Streams};
use crate::link::{LinkError, LinkEvent};
use crate::role::{DriverError, Event, Handle, Settings, Side};
use crate::status::http;
use crate::status::{Meters, socket};
use journal::Appender;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracer::arrears::Arrears;
use tracer::namespaces::{Kind, Namespaces};

/// How long the last heartbeat, which says what happened, may take to leave.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(50);

/// The application's only interface.
const TUN_NAME: &str = "eth0";

/// Makes the application's interface.
pub(super) fn make_tun(
    node: &config::Node,
    namespaces: &Namespaces,
) -> Result<(OwnedFd, OwnedFd), NodeError> {
    let netns = OwnedFd::from(namespaces.file(Kind::Network).map_err(NodeError::Network)?);
    let addresses = addresses(node);
    let mtu = gate::mtu_of(&node.dev).map_err(NodeError::Network)?;
    let tun =
        gate::tun::create(netns.as_fd(), TUN_NAME, mtu, &addresses).map_err(NodeError::Network)?;
    Ok((tun, netns))
}

/// The virtual addresses.
pub(super) fn addresses(node: &config::Node) -> Vec<IpAddr> {
    node.vips.iter().map(|vip| vip.ip).collect()
}

/// Sets up the gate, closed.
pub(super) fn make_gate(
    node: &config::Node,
    (tun, netns): (OwnedFd, OwnedFd),
    (appender, arrears): (Appender, Arrears),
    commit: &Arc<Commit>,
    streams: Streams,
    meters: &Meters,
) -> Result<Live, NodeError> {
    let journal = appender.clone();
    let own = appender.clone();
    let gate = Gate::start(GateOptions {
        tun,
        dev: node.dev.clone(),
        vips: node
            .vips
            .iter()
            .map(|vip| Prefix {
                addr: vip.ip,
                bits: vip.prefix,
            })
            .collect(),
        mac: None,
        appender,
        // The recorder's start.
        begins_behind: 1,
        arrears,
        commit: Arc::clone(commit),
        streams,
        meters: meters.clone(),
    })?;
    let gate = Arc::new(gate);
    let watched = Arc::downgrade(&gate);
    meters.feed(move |meters| {
        let held = watched.upgrade().map(|gate| gate.stats().held_packets);
        meters.set_held_packets(held.unwrap_or(0));
        meters.set_journaled(&journal.counts());
    });
    let vips = addresses(node);
    Ok(Live {
        gate,
        netns,
        vips,
        appender: own,
        commit: Arc::clone(commit),
        changed: Changed::of(commit),
    })
}

/// The application has ended by itself: waits until what it has said last has gone out.
pub(super) fn let_last_words_out(gate: &Gate) {
    /// It may be that nothing may go out.
    const MAX: Duration = Duration::from_secs(1);
    const LOOK: Duration = Duration::from_millis(1);
    // Its kernel may say something yet.
    std::thread::sleep(LAST_WORDS);
    let until = Instant::now() + MAX;
    while gate.stats().held_packets > 0 && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
}

/// The role's settings.
pub(super) fn settings(node: &config::Node, side: Side) -> Result<Settings, NodeError> {
    Ok(Settings {
        side,
        node: node.node.clone(),
        session: crate::role::Session::random().ok_or(DriverError::Random)?,
        timing: node.timing,
        paths: 0,
        lag_max: node.lag_max,
        on_lag: node.on_lag,
        head_start: Duration::ZERO,
        start_over: node.start_over,
    })
}

/// A role that does not exist yet when the first events come.
#[derive(Default)]
pub(super) struct Told(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    handle: Option<Handle>,
    early: Vec<LinkEvent>,
}

impl Told {
    /// From now on events go here.
    pub fn set(&self, handle: Handle) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event in inner.early.drain(..) {
            forward(&handle, &event);
        }
        inner.handle = Some(handle);
    }

    /// An event of the link.
    pub fn link(&self, event: LinkEvent) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &inner.handle {
            Some(handle) => forward(handle, &event),
            None => inner.early.push(event),
        }
    }
}

/// Whether the other node's kernel has ended the connection, as it does when the process ends
/// there: in order, or with a reset because something was left unread.
fn is_closed(reason: &LinkError) -> bool {
    use std::io::ErrorKind;
    match reason {
        LinkError::Closed => true,
        LinkError::Socket(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        ),
        _ => false,
    }
}

fn forward(handle: &Handle, event: &LinkEvent) {
    match event {
        LinkEvent::Connected(_) => handle.tell(Event::LinkUp),
        LinkEvent::Lost { reason } => {
            if let LinkError::Refused(why) = reason {
                handle.tell(Event::LinkRefused(why.clone()));
            }
            handle.tell(Event::LinkDown {
                closed: is_closed(reason),
            });
        }
        LinkEvent::Control(message) => handle.control(message),
        LinkEvent::BacklogExceeded { .. } => handle.tell(Event::BacklogExceeded),
        LinkEvent::Rejected { .. }
        | LinkEvent::RoundTrip(_)
        | LinkEvent::Complete { .. }
        | LinkEvent::JournalEnded { .. } => {}
    }
}

/// Where people ask.
pub(super) struct Doors {
    _status: socket::Server,
    _metrics: Option<http::Endpoint>,
}

impl Doors {
    /// Opens them.
    pub fn open(node: &config::Node, dir: &Path, handle: &Handle) -> Result<Self, NodeError> {
        let status =
            socket::Server::start(dir, Arc::new(handle.clone())).map_err(NodeError::Status)?;
        let metrics = node
            .metrics
            .map(|address| {
                let snapshot = handle.snapshot();
                http::Endpoint::start(address, move || snapshot.metrics())
                    .map_err(|error| NodeError::Metrics(address, error))
            })
            .transpose()?;
        Ok(Self {
            _status: status,
            _metrics: metrics,
        })
    }
}
