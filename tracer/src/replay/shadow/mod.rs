//! A shadow: a replay that keeps the kernel's objects of the replayed processes as the recorded
//! ones have them (descriptors, files, children, signals, ids), so that it can go live.
//!
//! What a syscall does to such objects is data: [`table`]. Bytes inside pipes and connections are
//! kept beside them ([`streams`], [`crate::network::Network`]) until then.

mod begin;
mod deaths;
mod exec;
mod going_live;
mod kinds;
mod mappings;
mod spawn;
mod streams;
mod syscalls;
mod table;
mod transfers;

pub use going_live::{Stand, TakeOver, Thread};

use crate::model::capture::Call;
use crate::namespaces::Namespaces;
use crate::network::Network;
use crate::sys::wait::Pid;
use journal::{ConnId, ObjectId, Tid};
use kinds::Kind;
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
    /// The syscall whose effects are being applied.
    pub(super) call: Option<Call>,
    /// Signals that the kernel sent here, and that the journal has not delivered yet.
    sent: HashMap<Tid, Vec<[u8; 128]>>,
    /// Processes whose threads are all ending, or are being replaced.
    dying: HashSet<Tid>,
    /// Threads that the kernel has resumed in a syscall that it performs.
    performing: HashSet<Tid>,
    /// Files that are mapped shared: device and inode.
    objects: HashMap<ObjectId, (u64, u64)>,
    /// System V segments by id.
    segments: HashMap<u64, ObjectId>,
    /// Content of files by what identifies them.
    hashes: HashMap<mappings::Identity, u128>,
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
            call: None,
            sent: HashMap::new(),
            dying: HashSet::new(),
            performing: HashSet::new(),
            objects: HashMap::new(),
            segments: HashMap::new(),
            hashes: HashMap::new(),
        }
    }

    /// The namespaces that the application is in.
    pub(super) const fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// A signal came that is not the replay's doing.
    pub(super) fn note_signal(&mut self, process: Tid, info: [u8; 128]) {
        /// Signals kept for a process; the kernel itself keeps no more per user by default.
        const SIGNALS_MAX: usize = 4096;
        let list = self.sent.entry(process).or_default();
        if list.len() < SIGNALS_MAX {
            list.push(info);
        }
    }

    /// The journal delivers a signal.
    pub(super) fn delivered(&mut self, process: Tid, signal: i32) {
        if let Some(list) = self.sent.get_mut(&process)
            && let Some(index) = list.iter().position(|info| number(info) == signal)
        {
            list.remove(index);
        }
    }

    /// What a descriptor leads to.
    fn kind(&mut self, process: Tid, real: Pid, fd: i32) -> Kind {
        let known = self.kinds.entry(process).or_default();
        *known.entry(fd).or_insert_with(|| kinds::look_up(real, fd))
    }

    /// Descriptors of a process may lead elsewhere now.
    fn forget_kinds(&mut self, process: Tid) {
        self.kinds.remove(&process);
    }
}

/// The number of the signal that a `siginfo` tells of.
fn number(info: &[u8; 128]) -> i32 {
    i32::from_le_bytes([info[0], info[1], info[2], info[3]])
}
