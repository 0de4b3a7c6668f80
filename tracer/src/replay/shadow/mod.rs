//! A shadow: a replay that keeps the kernel's objects of the replayed processes as the recorded
//! ones have them (descriptors, files, children, signals, ids), so that it can go live.
//!
//! What a syscall does to such objects is data: [`table`]. Bytes of connections with the outside are
//! kept beside them ([`crate::network::Network`]) until then.

mod answers;
mod begin;
mod connections;
mod deaths;
mod epolls;
mod exec;
mod files;
mod going_live;
mod held;
mod inner;
mod inside;
mod kinds;
mod locks;
mod mappings;
mod queues;
mod reopen;
mod served;
mod signals;
mod sockets;
mod spawn;
mod streams;
mod syscalls;
mod table;
mod transfers;
mod tree;
mod unsure;

pub use answers::Answer;
pub use going_live::{Stand, TakeOver, Thread};
pub use table::is_taking;

use crate::identities::Identities;
use crate::model::capture::Call;
use crate::namespaces::Namespaces;
use crate::network::Network;
use crate::record::{Keep, Tree};
use crate::replay::error::ReplayError;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use held::StandIn;
use inner::Inner;
use journal::{ConnId, Endpoint, ObjectId, Tid};
use kinds::Kind;
use pmu::Regs;
use signals::Signals;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use streams::Streams;

/// What a shadow keeps beside the replay itself.
pub struct Shadow {
    namespaces: Namespaces,
    network: Option<Arc<dyn Network>>,
    streams: Streams,
    /// Descriptors looked up: of a process, by number.
    kinds: HashMap<Tid, HashMap<i32, Kind>>,
    /// Connections by the inode of their socket.
    conns: HashMap<u64, ConnId>,
    /// Connections that the application asked for, by the inode of their socket: both ends.
    pending: HashMap<u64, (Endpoint, Endpoint)>,
    /// Connections between sockets of the application.
    inner: Inner,
    /// Sockets that the application reads no more from.
    deaf: HashSet<u64>,
    /// At a takeover: sockets whose connection was gone on with.
    opening: HashMap<u64, (Endpoint, Endpoint)>,
    /// At a takeover: what the syscall gives that a thread stands in.
    answers: HashMap<Tid, answers::Answer>,
    /// At a takeover: how many time-outs were shortened.
    timeouts: u64,
    /// The syscall whose effects are being applied.
    pub(super) call: Option<Call>,
    /// What the current syscall took from a pipe or socket.
    taken: Option<inside::Taken>,
    /// What it took from a connection inside the application: how many bytes, by which call.
    taken_inner: Option<(u64, Call, usize)>,
    /// Calls on semaphores and queues that have left in the journal, and were not made here yet.
    owed: Vec<queues::Owed>,
    /// Signals that the kernel sent here, against what the journal delivers.
    signals: Signals,
    /// What epoll sets have reported and are not to report again.
    epolls: epolls::Epolls,
    /// Which files here are those of the journal.
    identities: Identities,
    /// Both ends of fifos that somebody is still opening, by inode.
    fifos: HashMap<u64, std::fs::File>,
    /// Processes whose threads are all ending, or are being replaced.
    dying: HashMap<Tid, i32>,
    /// Threads that the kernel has resumed in a syscall that it performs.
    performing: HashSet<Tid>,
    /// Processes that a signal has stopped, and the threads that it was delivered to.
    halted: HashMap<Tid, Tid>,
    /// Processes that were sent SIGSTOP or SIGKILL, of which nothing is seen yet.
    struck: HashMap<Tid, i32>,
    /// Threads whose process has become another program already, though the journal does not have
    /// it yet: their ids before that, and the stop that tells of it.
    replaced: HashMap<Tid, (Pid, Stopped)>,
    /// At a takeover: those of them that stand at its exit, with their registers.
    performed: HashMap<Tid, Regs>,
    /// Files that are mapped shared: device and inode.
    objects: HashMap<ObjectId, (u64, u64)>,
    /// System V segments by id.
    segments: HashMap<u64, ObjectId>,
    /// Content of files by what identifies them.
    hashes: HashMap<mappings::Identity, u128>,
    /// Directory trees that are made the same, or compared; none if that is nobody's business.
    trees: Option<tree::Trees>,
    /// What stands for storage that both nodes reach.
    held: Vec<StandIn>,
}

impl Shadow {
    /// Nothing followed yet.
    #[must_use]
    pub fn new(namespaces: Namespaces, network: Option<Arc<dyn Network>>) -> Self {
        Self {
            namespaces,
            network,
            streams: Streams::default(),
            kinds: HashMap::new(),
            conns: HashMap::new(),
            pending: HashMap::new(),
            inner: Inner::default(),
            deaf: HashSet::new(),
            opening: HashMap::new(),
            answers: HashMap::new(),
            timeouts: 0,
            call: None,
            taken: None,
            taken_inner: None,
            owed: Vec::new(),
            signals: Signals::default(),
            epolls: epolls::Epolls::default(),
            identities: Identities::default(),
            fifos: HashMap::new(),
            dying: HashMap::new(),
            performing: HashSet::new(),
            halted: HashMap::new(),
            struck: HashMap::new(),
            replaced: HashMap::new(),
            performed: HashMap::new(),
            objects: HashMap::new(),
            segments: HashMap::new(),
            hashes: HashMap::new(),
            trees: None,
            held: Vec::new(),
        }
    }

    /// Minds directory trees that the journal tells of: these as they say, others are compared.
    pub fn mind_trees(&mut self, trees: Vec<Tree>) -> Result<(), ReplayError> {
        for tree in trees.iter().filter(|tree| tree.keep == Keep::Shared) {
            self.held.push(StandIn::over(&tree.root, &self.namespaces)?);
        }
        self.trees = Some(tree::Trees::new(trees));
        Ok(())
    }

    /// The namespaces that the application is in.
    pub(super) const fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Whether a thread's process has become another program, which the journal does not have yet.
    pub(super) fn is_replaced(&self, tid: Tid) -> bool {
        self.replaced.contains_key(&tid)
    }

    /// What a descriptor leads to.
    fn kind(&mut self, process: Tid, real: Pid, fd: i32) -> Kind {
        let known = self.kinds.entry(process).or_default();
        if let Some(kind) = known.get(&fd) {
            return *kind;
        }
        // A number that leads nowhere may lead somewhere soon.
        let Some(mut found) = kinds::look_up(real, fd) else {
            return Kind::Other;
        };
        if found == Kind::File && held::leads_into(&self.held, &held::link(real, fd)) {
            found = Kind::Held;
        }
        known.insert(fd, found);
        found
    }

    /// Descriptors of a process may lead elsewhere now.
    fn forget_kinds(&mut self, process: Tid) {
        self.kinds.remove(&process);
    }
}
