//! A standby: follows a recording, possibly while it is made, with a shadow of the application, and
//! goes on with it when the recording breaks off.

use crate::arrears::Arrears;
use crate::brake::Brake;
use crate::namespaces::{Namespaces, Plan};
use crate::network::{Attach, Ground, Network};
use crate::record::{self, Keep, RecordError, Tree};
use crate::replay::shadow::Shadow;
use crate::replay::{self, Outcome, ReplayError, Replayed, Sink};
use crate::sys::{host, tsc};
use journal::{Follow, Reader, Tail, Writer, WriterOptions};
use std::path::Path;
use std::sync::Arc;

/// Prepares to follow connections, given the namespaces.
pub type Follows = Box<dyn FnOnce(&Namespaces) -> Result<Option<Arc<dyn Network>>, RecordError>>;

/// How to follow, and to go on.
pub struct Options {
    /// Namespaces like those of the recorded application.
    pub plan: Plan,
    /// Follows the application's connections. Called once the namespaces are there.
    pub network: Follows,
    /// What is done with directory trees, if the journal says the same; others that it tells of are
    /// compared. None: what it tells of trees does not count.
    pub trees: Option<Vec<Tree>>,
    /// How to wait for more of the journal.
    pub follow: Follow,
    /// Told how far the replay is whenever it has got further.
    pub applied: Box<dyn Fn(Replayed)>,
    /// How to record after a takeover.
    pub record: record::Options,
    /// Whether to go on when the journal breaks off. Asked once, and answered when it is clear
    /// who may be active.
    pub promote: Box<dyn FnOnce() -> bool>,
    /// The way to the network after a takeover.
    pub attach: Attach,
    /// Told when the application is live.
    pub went_live: Box<dyn FnOnce()>,
    /// Told what people should know.
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

/// Nothing of this node's own is on storage that only the active node may touch.
fn check_shared(dir: &Path, trees: &[Tree]) -> Result<(), ReplayError> {
    let failed = || ReplayError::os("looking for this node's own directories");
    let dir = std::fs::canonicalize(dir).map_err(failed())?;
    let here = std::env::current_dir().map_err(failed())?;
    for tree in trees.iter().filter(|tree| tree.keep == Keep::Shared) {
        let why = if dir.starts_with(&tree.root) {
            "the recording itself is in it"
        } else if here.starts_with(&tree.root) {
            "the application would start in it: start the standby somewhere else"
        } else {
            continue;
        };
        return Err(ReplayError::Tree {
            path: tree.root.display().to_string(),
            why: why.to_owned(),
        });
    }
    Ok(())
}

/// Follows the recording in `dir` to its end, and goes on from there if it broke off and this
/// node may.
pub fn run(dir: &Path, options: Options, sink: &mut dyn Sink) -> Result<Ended, StandbyError> {
    let mut reader = Reader::open(dir).map_err(ReplayError::from)?;
    reader.set_follow(Some(options.follow));
    let cpu = replay::choose_cpu(reader.header().machine.pinned_cpu)?;
    let namespaces = Namespaces::create(&options.plan).map_err(ReplayError::from)?;
    let network = (options.network)(&namespaces)?;
    host::set_affinity(&[cpu]).map_err(ReplayError::os("choosing a CPU"))?;
    let restricted =
        tsc::Restricted::begin().map_err(ReplayError::os("restricting the time stamp counter"))?;
    let mut session = replay::Session::new(dir)?;
    let mut shadow = Shadow::new(namespaces, network);
    if let Some(trees) = options.trees {
        check_shared(dir, &trees)?;
        shadow.mind_trees(trees)?;
    }
    session.follow_with(shadow);
    session.serve(options.record.agent);
    let mut events = 0;
    let played = replay::play(
        &mut session,
        &mut reader,
        sink,
        &mut events,
        &options.applied,
    );
    // Threads that are started from now on would inherit it.
    drop(restricted);
    let end = reader
        .end()
        .filter(|_| reader.tail() != Tail::Whole && played.is_ok());
    let Some(end) = end.filter(|_| (options.promote)()) else {
        let digest = session.observed_digest();
        let status = session.end();
        played?;
        return Ok(Ended::Followed(Outcome {
            status,
            tail: reader.tail(),
            events,
            digest,
        }));
    };
    drop(reader);
    let writer_options = WriterOptions {
        flush_ms: options.record.flush_ms,
        ..WriterOptions::default()
    };
    let brake = Brake::default();
    let arrears = Arrears::default();
    let namespaces = session.namespaces();
    let ready = || {
        let writer = Writer::resume(dir, &end, writer_options)?;
        let ground = Ground {
            dir,
            appender: writer.appender(),
            brake: brake.clone(),
            arrears: arrears.clone(),
            namespaces,
        };
        let network = (options.attach)(ground)?;
        Ok::<_, RecordError>((writer, network))
    };
    let (writer, network) = host::off_cpu(cpu, &options.record.affinity, ready)
        .map_err(RecordError::os("choosing a CPU"))??;
    let taken = session.go_live(network.clone())?;
    (options.went_live)();
    let outcome = record::go_on(
        options.record,
        taken,
        (writer, brake, arrears),
        network,
        options.notice,
    )?;
    Ok(Ended::TookOver(outcome))
}
