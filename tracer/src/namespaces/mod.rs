//! Namespaces for an application: its own process, IPC and thread ids, mounts, host name and
//! clocks, and its own network where asked for. A small init process, outside of what is
//! traced, holds them together; the supervisor stays outside and traces across their border.
//!
//! The end of the init process ends every process in them: it comes with [`Namespaces::end`],
//! with the end of the supervisor however that comes, and by being killed itself.

mod capabilities;
mod clocks;

pub use clocks::ClockOffsets;

use crate::sys::host;
use crate::sys::mounts;
use crate::sys::namespaces::init::{self, Ask, Init, Setup};
use crate::sys::namespaces::member::Home;
use crate::sys::wait::Pid;
use journal::Tid;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// What namespaces are to be like.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Where packets go.
    pub network: Network,
    /// What the clocks show, beyond what they show here.
    pub clocks: ClockOffsets,
    /// The host's name in there, if not the one that it has.
    pub hostname: Option<CString>,
}

/// The network of an application.
#[derive(Debug, Clone, Default)]
pub enum Network {
    /// The supervisor's.
    #[default]
    Host,
    /// A new one with nothing but a loopback device.
    New,
    /// This namespace.
    Given(Arc<OwnedFd>),
}

/// A kind of namespace that a file can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mounts.
    Mount,
    /// Network devices, addresses and sockets.
    Network,
    /// Process and thread ids.
    Pid,
}

/// A kind of System V object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipc {
    /// Shared memory.
    Memory,
    /// Message queues.
    Queue,
    /// Semaphore sets.
    Semaphores,
}

/// Why there are no namespaces, or why they cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// Not allowed.
    #[error(
        "namespaces of its own for the application take the capabilities {}, which this process does \
         not have", .missing.join(", ")
    )]
    Capabilities {
        /// What is missing.
        missing: Vec<&'static str>,
    },
    /// The kernel refused.
    #[error("namespaces for the application: {what}: {error}")]
    Kernel {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}

fn kernel(what: &'static str) -> impl Fn(io::Error) -> NamespaceError {
    move |error| NamespaceError::Kernel { what, error }
}

/// A file of the supervisor's that members can open by a path.
#[derive(Debug)]
pub struct Lent {
    number: i32,
    path: String,
}

impl Lent {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// A directory that is covered by a file system in memory.
#[derive(Debug)]
pub struct Cover {
    root: i32,
    device: u64,
}

impl Cover {
    /// The number of the device (as in `st_dev`) that covers it.
    #[must_use]
    pub const fn device(&self) -> u64 {
        self.device
    }
}

/// Namespaces with their init process.
#[derive(Debug)]
pub struct Namespaces {
    init: Pid,
    pidfd: OwnedFd,
    channel: Mutex<OwnedFd>,
    home: Home,
    clocks: ClockOffsets,
    /// The init process's parent, which lives as long as that.
    keeper: JoinHandle<()>,
}

impl Namespaces {
    /// Makes namespaces. Files that the calling process has open are not kept open by them.
    pub fn create(plan: &Plan) -> Result<Self, NamespaceError> {
        let missing = capabilities::missing(plan);
        if !missing.is_empty() {
            return Err(NamespaceError::Capabilities { missing });
        }
        let clocks = plan.clocks;
        let setup = Setup {
            new_network: matches!(plan.network, Network::New),
            network: match &plan.network {
                Network::Given(network) => Some(network.as_raw_fd()),
                Network::Host | Network::New => None,
            },
            offsets: clocks
                .lines()
                .map_err(kernel("reading the clocks' offsets"))?,
            hostname: plan.hostname.clone(),
        };
        let (tell, told) = mpsc::sync_channel(1);
        // The init process must be nobody's child that waits for the application.
        let keeper = std::thread::Builder::new()
            .name("init keeper".to_owned())
            .spawn(move || keep(&setup, &tell))
            .map_err(kernel("starting a thread"))?;
        let started = told
            .recv()
            .map_err(|_| kernel("starting a thread")(io::ErrorKind::BrokenPipe.into()))?;
        let Init {
            pid,
            pidfd,
            channel,
        } = started.map_err(|failed| NamespaceError::Kernel {
            what: failed.what,
            error: failed.error,
        })?;
        let home = Home::of(pid).map_err(kernel("looking at their first process"))?;
        Ok(Self {
            init: pid,
            pidfd,
            channel: Mutex::new(channel),
            home,
            clocks,
            keeper,
        })
    }

    /// Their init process.
    #[must_use]
    pub const fn init(&self) -> Pid {
        self.init
    }

    /// What their clocks show beyond the supervisor's.
    #[must_use]
    pub const fn clocks(&self) -> ClockOffsets {
        self.clocks
    }

    /// A file that stands for one of them.
    pub fn file(&self, kind: Kind) -> io::Result<File> {
        let name = match kind {
            Kind::Mount => "mnt",
            Kind::Network => "net",
            Kind::Pid => "pid",
        };
        File::open(format!("/proc/{}/ns/{name}", self.init))
    }

    /// Lets the next process or thread made in there have the number after `last`, or the
    /// next one that is free.
    pub fn set_last_pid(&self, last: i32) -> Result<(), NamespaceError> {
        self.ask(Ask::LastPid, last, None)
            .map(|_| ())
            .map_err(kernel("choosing the next process id"))
    }

    /// Lets the next object of this kind made in there have this id.
    pub fn set_next_ipc(&self, kind: Ipc, id: i32) -> Result<(), NamespaceError> {
        let ask = match kind {
            Ipc::Memory => Ask::SharedMemoryId,
            Ipc::Queue => Ask::QueueId,
            Ipc::Semaphores => Ask::SemaphoreId,
        };
        self.ask(ask, id, None)
            .map(|_| ())
            .map_err(kernel("choosing the next IPC id"))
    }

    /// What a process or thread is called here; `None` if it is not there.
    pub fn outer_of(&self, inner: Tid) -> Result<Option<Pid>, NamespaceError> {
        match self.ask(Ask::Outer, inner.0, None) {
            Ok((_, pid)) => Ok(Some(Pid(pid))),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(kernel("looking for a process")(error)),
        }
    }

    /// What a process or thread that is a member is called in there.
    pub fn inner_of(&self, outer: Pid) -> io::Result<Tid> {
        inner_of(outer)
    }

    /// Lets members open a file of this process, until it is taken back.
    pub fn lend(&self, file: &File) -> Result<Lent, NamespaceError> {
        let (number, _) = self
            .ask(Ask::Keep, 0, Some(file.as_raw_fd()))
            .map_err(kernel("lending a file"))?;
        Ok(Lent {
            number,
            path: format!("/proc/1/fd/{number}"),
        })
    }

    /// Ends what [`Namespaces::lend`] began.
    pub fn take_back(&self, lent: Lent) -> Result<(), NamespaceError> {
        self.ask(Ask::Close, lent.number, None)
            .map(|_| ())
            .map_err(kernel("taking a file back"))
    }

    /// Covers a directory, in there only, with an empty file system in memory.
    pub fn cover(&self, directory: &Path) -> Result<Cover, NamespaceError> {
        let failed = || kernel("covering a directory");
        let path = self.path(directory);
        let target = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(&path)
            .map_err(failed())?;
        let mount = mounts::in_memory().map_err(failed())?;
        let (target, _) = self
            .ask(Ask::Keep, 0, Some(target.as_raw_fd()))
            .map_err(failed())?;
        let covered = self.ask(Ask::Cover, target, Some(mount.as_raw_fd()));
        self.ask(Ask::Close, target, None).map_err(failed())?;
        let (root, _) = covered.map_err(failed())?;
        let meta = std::fs::metadata(path).map_err(failed())?;
        Ok(Cover {
            root,
            device: meta.dev(),
        })
    }

    /// Takes away what [`Namespaces::cover`] put over a directory. Files that are open in it stay.
    pub fn uncover(&self, cover: &Cover) -> Result<(), NamespaceError> {
        self.ask(Ask::Uncover, cover.root, None)
            .and_then(|_| self.ask(Ask::Close, cover.root, None))
            .map(|_| ())
            .map_err(kernel("uncovering a directory"))
    }

    /// A path of there as one of here.
    #[must_use]
    pub fn path(&self, inside: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.init));
        root.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// Ends every process in there and waits for it. Those that the calling thread traces
    /// must have been waited for: until then they cannot end.
    pub fn end(self) {
        let Self {
            channel, keeper, ..
        } = self;
        drop(channel);
        // It does not panic, and if it did, its child would be gone all the same.
        let _ = keeper.join();
    }

    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn pidfd(&self) -> RawFd {
        self.pidfd.as_raw_fd()
    }

    fn ask(&self, ask: Ask, value: i32, with: Option<RawFd>) -> io::Result<(i32, i32)> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        init::ask(channel.as_raw_fd(), ask, value, with)
    }
}

/// The init process's parent: waits for its end.
fn keep(setup: &Setup, tell: &mpsc::SyncSender<Result<Init, init::Failed>>) {
    let started = init::start(setup);
    let pid = started.as_ref().ok().map(|init| init.pid);
    if tell.send(started).is_ok()
        && let Some(pid) = pid
    {
        init::reap(pid);
    }
}

/// The id of a thread in the PID namespace directly below this process's.
pub(crate) fn inner_of(outer: Pid) -> io::Result<Tid> {
    let status = host::status_of(outer)?;
    parse_inner(&status).ok_or_else(|| io::Error::other("no NSpid line in /proc/<pid>/status"))
}

fn parse_inner(status: &str) -> Option<Tid> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok().map(Tid)
}

#[cfg(test)]
mod tests;
