//! A standby: follows a recording, possibly while it is made, with a shadow of the application, and
//! goes on with it when the recording breaks off.

use crate::namespaces::{Namespaces, Plan};
use crate::network::Network;
use crate::record::{self, RecordError};
use crate::replay::shadow::Shadow;
use crate::replay::{self, Outcome, ReplayError, Sink};
use crate::sys::{host, tsc};
use journal::{Follow, Reader, Tail};
use std::path::Path;
use std::sync::Arc;

/// How to follow, and to go on.
pub struct Options {
    /// Namespaces like those of the recorded application.
    pub plan: Plan,
    /// Who sees the packets, if anybody.
    pub network: Option<Arc<dyn Network>>,
    /// How to wait for more of the journal.
    pub follow: Follow,
    /// How to record after a takeover.
    pub record: record::Options,
    /// Whether to go on when the journal breaks off. Asked once, and answered when it is clear
    /// who may be active.
    pub promote: Box<dyn FnOnce() -> bool>,
    /// Told of a takeover once the application runs.
    pub notice: Arc<dyn Fn(record::Notice) + Send + Sync>,
}

/// How a standby ended.
#[derive(Debug)]
pub enum Ended {
    /// The recording was over, or it was not for this node to go on.
    Followed(Outcome),
    /// It took over, and the application has ended.
    TookOver(record::Outcome),
}

/// Why a standby failed.
#[derive(Debug, thiserror::Error)]
pub enum StandbyError {
    /// Following the recording failed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Going on with it failed.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Follows the recording in `dir` to its end, and goes on from there if it broke off and this
/// node may.
pub fn run(dir: &Path, options: Options, sink: &mut dyn Sink) -> Result<Ended, StandbyError> {
    let mut reader = Reader::open(dir).map_err(ReplayError::from)?;
    reader.set_follow(Some(options.follow));
    let cpu = replay::choose_cpu(reader.header().machine.pinned_cpu)?;
    let namespaces = Namespaces::create(&options.plan).map_err(ReplayError::from)?;
    host::set_affinity(&[cpu]).map_err(ReplayError::os("choosing a CPU"))?;
    let restricted =
        tsc::Restricted::begin().map_err(ReplayError::os("restricting the time stamp counter"))?;
    let mut session = replay::Session::new(dir)?;
    session.follow_with(Shadow::new(namespaces, options.network));
    let mut events = 0;
    let played = replay::play(&mut session, &mut reader, sink, &mut events);
    let end = match (&played, reader.end()) {
        (Ok(()), Some(end)) if reader.tail() != Tail::Whole => end,
        _ => {
            let digest = session.observed_digest();
            let status = session.end();
            played?;
            return Ok(Ended::Followed(Outcome {
                status,
                tail: reader.tail(),
                events,
                digest,
            }));
        }
    };
    if !(options.promote)() {
        let digest = session.observed_digest();
        let status = session.end();
        return Ok(Ended::Followed(Outcome {
            status,
            tail: reader.tail(),
            events,
            digest,
        }));
    }
    drop(reader);
    let taken = session.go_live()?;
    // Threads that are started now would inherit it.
    drop(restricted);
    let outcome = record::go_on(options.record, taken, &end, options.notice)?;
    Ok(Ended::TookOver(outcome))
}
