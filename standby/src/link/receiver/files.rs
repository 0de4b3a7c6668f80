//! What would hold up the journal: looking for kept files on this node, and syncing segments.
//! Done by a thread of its own.

use super::Shared;
use crate::link::channel::Channel;
use crate::link::error::LinkError;
use crate::link::message::Message;
use crate::link::{spawn, wire};
use journal::{EndedSegment, FileStore};
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// So many jobs may wait; then storing waits.
const JOBS_MAX: usize = 256;

pub(super) enum Job {
    /// Whether this node has the content.
    Look {
        hash: u128,
        size: u64,
        path: Vec<u8>,
    },
    /// A segment that is complete.
    Sync(EndedSegment),
}

/// The thread, as long as this lives.
pub(super) struct Helper {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    pub fn start(shared: &Arc<Shared>, channel: &Arc<Channel>) -> Result<Self, LinkError> {
        let (jobs, work) = sync_channel(JOBS_MAX);
        let (shared, channel) = (Arc::clone(shared), Arc::clone(channel));
        let thread = spawn("link-files", move || {
            if let Err(error) = run(&shared, &channel, &work)
                && !channel.is_closed()
            {
                shared.lost(error);
                channel.close();
            }
        })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub fn give(&self, job: Job) -> Result<(), LinkError> {
        let given = self.jobs.as_ref().map(|jobs| jobs.send(job));
        match given {
            Some(Ok(())) => Ok(()),
            // It has said why.
            _ => Err(LinkError::Closed),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A defect in it was told where it happened.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, channel: &Channel, work: &Receiver<Job>) -> Result<(), LinkError> {
    let mut files = FileStore::open(&shared.options.dir)?;
    for job in work {
        match job {
            Job::Sync(segment) => segment.sync()?,
            Job::Look { .. } if channel.is_closed() => {}
            Job::Look { hash, size, path } => {
                let at_work = || {
                    shared.work.fetch_add(1, Ordering::Relaxed);
                };
                let from = if has(&mut files, (hash, size), &path, &at_work)? {
                    None
                } else {
                    Some(files.receive(hash, size)?.at())
                };
                let mut out = Vec::new();
                wire::encode(&mut out, &Message::Answer { hash, from })?;
                super::session::send(shared, channel, &out)?;
            }
        }
    }
    Ok(())
}

/// Whether the copy has the content, or can have it from the same path here.
fn has(
    files: &mut FileStore,
    (hash, size): (u128, u64),
    path: &[u8],
    at_work: &dyn Fn(),
) -> Result<bool, LinkError> {
    if files.has(hash, size)? {
        return Ok(true);
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let Some(file) = open_regular(path, size) else {
        return Ok(false);
    };
    match files.keep_same(&file, (hash, size), at_work) {
        Err(error) if error.is_full() => Err(error.into()),
        // What cannot be read is simply sent.
        Err(_) => Ok(false),
        same => Ok(same?),
    }
}

fn open_regular(path: &Path, size: u64) -> Option<File> {
    if !path.is_absolute() {
        return None;
    }
    // Neither a device nor a pipe is ever opened.
    let is_right = |metadata: &std::fs::Metadata| metadata.is_file() && metadata.len() == size;
    std::fs::metadata(path).ok().filter(is_right)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    file.metadata().ok().filter(is_right).map(|_| file)
}
