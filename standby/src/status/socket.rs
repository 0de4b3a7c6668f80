//! The unix socket in a node's directory: a line of JSON asks, a line of JSON answers.
//!
//! Only the owner of the directory can connect. Whatever he sends, each connection costs at most a line's
//! memory and a while's thread, and there are few of them.

use super::report::{Report, SCHEMA_VERSION};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Its name in a recording's directory.
pub const SOCKET_NAME: &str = "control";
/// A request is no longer.
pub const REQUEST_BYTES_MAX: u64 = 4096;
/// An answer is no longer.
pub const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Connections at the same time; more have to come again.
pub const CONNECTIONS_MAX: usize = 16;
/// Requests over one connection.
const REQUESTS_MAX: usize = 1 << 20;
/// How long a connection may be idle, or not take its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_MS: u16 = 100;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How are you?
    Status,
    /// Hand over to the standby.
    Switchover,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    schema_version: u32,
    request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Report>,
}

/// Whoever can answer.
pub trait Node: Send + Sync {
    /// The status.
    fn report(&self) -> Report;
    /// Begins a switchover; how it goes shows in the status. Says why not, if not.
    fn switchover(&self) -> Result<(), String>;
}

impl Node for crate::role::driver::Handle {
    fn report(&self) -> Report {
        Self::report(self)
    }

    fn switchover(&self) -> Result<(), String> {
        use crate::role::{Event, Side, State};
        let report = Self::report(self);
        if report.role != Side::Primary {
            return Err("this node is the standby; ask the primary".to_owned());
        }
        if report.state != State::Protected {
            return Err(format!(
                "it needs the state PROTECTED; now it is {}: {}",
                report.state, report.reason
            ));
        }
        self.tell(Event::Switchover);
        Ok(())
    }
}

/// The listening socket. Dropped, it is gone.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens in `dir`. What is left of an earlier run there is replaced.
    pub fn start(dir: &Path, node: Arc<dyn Node>) -> io::Result<Self> {
        let place = Place::open(dir)?;
        let new = format!(".{SOCKET_NAME}-{}", std::process::id());
        let _ = std::fs::remove_file(dir.join(&new));
        let listener = UnixListener::bind(place.path(&new))?;
        // Nobody finds it before its rights are right.
        std::fs::set_permissions(dir.join(&new), Permissions::from_mode(0o600))?;
        let path = dir.join(SOCKET_NAME);
        std::fs::rename(dir.join(&new), &path)?;
        listener.set_nonblocking(true)?;
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("ftrun-status".to_owned())
            .spawn(move || serve(&listener, &node, &stopped))?;
        Ok(Self {
            path,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A directory, by a path that is short enough for a socket's address, however long its own is.
struct Place(File);

impl Place {
    fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self(File::open(dir)?))
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }
}

fn serve(listener: &UnixListener, node: &Arc<dyn Node>, stop: &Arc<AtomicBool>) {
    let open = Arc::<AtomicUsize>::default();
    while !stop.load(Ordering::Acquire) {
        let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut ready, PollTimeout::from(LOOK_MS)), Ok(count) if count > 0) {
            continue;
        }
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (node, left) = (Arc::clone(node), Open(Arc::clone(&open)));
        let stop = Arc::clone(stop);
        // Without a thread, the connection is closed.
        let _ = std::thread::Builder::new()
            .name("ftrun-status".to_owned())
            .spawn(move || {
                let _left = left;
                // A connection that ends badly concerns only whoever is at its other end.
                let _ = converse(&stream, node.as_ref(), &stop);
            });
    }
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn converse(stream: &UnixStream, node: &dyn Node, stop: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    for _ in 0..REQUESTS_MAX {
        let mut line = Vec::new();
        (&mut reader)
            .take(REQUEST_BYTES_MAX)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() || stop.load(Ordering::Acquire) {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let mut answer = serde_json::to_vec(&answer(&line, node))?;
        answer.push(b'\n');
        (&mut &*stream).write_all(&answer)?;
        if !whole {
            // Where the next request begins cannot be known.
            return Ok(());
        }
    }
    Ok(())
}

fn answer(line: &[u8], node: &dyn Node) -> Answered {
    let refused = |error: String| Answered {
        schema_version: SCHEMA_VERSION,
        error: Some(error),
        status: None,
    };
    let asked: Asked = match serde_json::from_slice(line) {
        Ok(asked) => asked,
        Err(error) => return refused(format!("not a request: {error}")),
    };
    if asked.schema_version != SCHEMA_VERSION {
        return refused(format!(
            "requests have schema_version {SCHEMA_VERSION} here"
        ));
    }
    if asked.request == Request::Switchover
        && let Err(error) = node.switchover()
    {
        return refused(error);
    }
    Answered {
        schema_version: SCHEMA_VERSION,
        error: None,
        status: Some(node.report()),
    }
}

/// Why a node does not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("no node runs there ({0})")]
    Nobody(io::Error),
    /// It did not answer as a node does.
    #[error("the node does not answer: {0}")]
    Io(io::Error),
    /// It answered something else.
    #[error("the answer is none of a node of this version of ftrun: {0}")]
    Strange(String),
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// Asks the node whose directory is `dir`.
pub fn ask(dir: &Path, request: Request) -> Result<Report, AskError> {
    let place = Place::open(dir).map_err(AskError::Nobody)?;
    let stream = UnixStream::connect(place.path(SOCKET_NAME)).map_err(AskError::Nobody)?;
    let asked = Asked {
        schema_version: SCHEMA_VERSION,
        request,
    };
    let line = converse_once(&stream, &asked).map_err(AskError::Io)?;
    let answered: Answered =
        serde_json::from_slice(&line).map_err(|error| AskError::Strange(error.to_string()))?;
    match answered {
        Answered {
            error: Some(error), ..
        } => Err(AskError::Refused(error)),
        Answered {
            status: Some(status),
            ..
        } => Ok(status),
        Answered { .. } => Err(AskError::Strange("it is empty".to_owned())),
    }
}

fn converse_once(mut stream: &UnixStream, asked: &Asked) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(asked)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut answer)?;
    Ok(answer)
}
