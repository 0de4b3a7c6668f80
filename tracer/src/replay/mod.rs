//! Replay: reproduces a recorded execution from its journal alone, event by event, and
//! stops at the first difference. Nothing outside the replayed processes is touched.

mod check;
mod error;
mod fds;
mod memory;
mod observed;
mod positions;
mod serving;
mod session;
pub mod shadow;
mod signals;
mod stub;
mod syscalls;
mod task;
mod threads;

pub use error::{Divergence, ReplayError};

use crate::counting::Counting;
use crate::machine;
use crate::record::Agent;
use crate::sys::{host, tsc};
use journal::{EventIndex, Reader, Tail};
pub(crate) use session::Session;
use std::path::Path;

/// Who watches a replay.
pub trait Sink {
    /// Bytes that the application wrote to its standard output (1) or error (2).
    fn output(&mut self, stream: u8, bytes: &[u8]);
    /// An event was reproduced; bytes of the journal read, and in all.
    fn progress(&mut self, event: EventIndex, read: u64, total: u64);
    /// Something that people should know.
    fn notice(&mut self, text: &str);
}

/// What became of a replay.
#[derive(Debug)]
pub struct Outcome {
    /// Wait status of the first process, if the journal has it.
    pub status: Option<i32>,
    /// Whether the journal was whole.
    pub tail: Tail,
    /// Events reproduced.
    pub events: u64,
    /// A digest of what the replayed program did, computed without the journal: two
    /// replays with the same digest executed the same.
    pub digest: u128,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Events that are reproduced.
    pub events: u64,
    /// System calls among them that were served inside the program, without a stop.
    pub served: u64,
}

/// Events between two reports of progress.
const PROGRESS_EVENTS: u64 = 1024;

/// Replays the recording in `dir`. `agent` says whether calls are served inside the program; how it
/// was recorded does not matter. `counting` says how positions between sync points are found: they are counted in the
/// code cache unless it says otherwise.
pub fn replay(
    dir: &Path,
    agent: Agent,
    counting: Counting,
    sink: &mut dyn Sink,
) -> Result<Outcome, ReplayError> {
    let mut reader = Reader::open(dir)?;
    let recorded = &reader.header().machine;
    for difference in machine::differences(recorded, &machine::describe(None)) {
        sink.notice(&format!("{difference}; the replay may diverge"));
    }
    let cpu = choose_cpu(recorded.pinned_cpu)?;
    host::set_affinity(&[cpu]).map_err(ReplayError::os("choosing a CPU"))?;
    let _restricted =
        tsc::Restricted::begin().map_err(ReplayError::os("restricting the time stamp counter"))?;
    let mut session = Session::new(dir)?;
    session.serve(agent);
    session.stepped = counting == Counting::Stepped;
    let mut events = 0;
    let result = play(&mut session, &mut reader, sink, &mut events, &|_| ());
    let digest = session.observed.digest();
    let status = session.end();
    result?;
    let (read, total) = reader.progress();
    sink.progress(EventIndex(events), read, total);
    Ok(Outcome {
        status,
        tail: reader.tail().clone(),
        events,
        digest,
    })
}

/// Reproduces events up to where the journal ends.
pub(crate) fn play(
    session: &mut Session,
    reader: &mut Reader,
    sink: &mut dyn Sink,
    events: &mut u64,
    applied: &dyn Fn(Replayed),
) -> Result<(), ReplayError> {
    let tell = |session: &Session, events| {
        applied(Replayed {
            events: session.reproduced(events),
            served: session.served(),
        });
    };
    loop {
        if events.is_multiple_of(PROGRESS_EVENTS) {
            let (read, total) = reader.progress();
            sink.progress(EventIndex(*events), read, total);
        }
        if reader.may_wait() {
            session.catch_up(sink)?;
            tell(session, *events);
        }
        let Some((index, event)) = reader.next()? else {
            session.catch_up(sink)?;
            tell(session, *events);
            return Ok(());
        };
        *events = index.0 + 1;
        session.apply(index, &event, sink)?;
        tell(session, *events);
    }
}

/// The CPU that the recording ran on, if it is here, because CPUID tells its number.
pub(crate) fn choose_cpu(recorded: Option<u32>) -> Result<usize, ReplayError> {
    let here = host::affinity()
        .map_err(ReplayError::os("reading the CPU affinity"))?
        .cpus();
    let wanted = recorded.and_then(|cpu| usize::try_from(cpu).ok());
    Ok(wanted
        .filter(|cpu| here.contains(cpu))
        .or_else(|| here.first().copied())
        .unwrap_or(0))
}
