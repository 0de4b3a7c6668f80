//! What a recording is, found out without reading its journal through, however damaged it
//! is: for lists.

use crate::describe;
use crate::meta::{self, Meta};
use crate::scan::{self, StateName};
use journal::{Event, JOURNAL_DIR, Reader};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A recording that has no journal yet is given so long to begin it.
const START_NS: u64 = 5_000_000_000;
/// Bytes of the unit in which file systems count.
const BLOCK_BYTES: u64 = 512;

/// A recording at a glance.
#[derive(Debug, Clone)]
pub struct Summary {
    /// When it began, in nanoseconds since the Unix epoch.
    pub started_ns: Option<u64>,
    /// How long it took, or has taken by now.
    pub duration_ns: Option<u64>,
    /// Bytes on disk.
    pub bytes: u64,
    /// What is known of its state. Only reading all of it would tell whether it is whole.
    pub state: StateName,
    /// Why it is not, as far as there is something to say.
    pub problem: Option<String>,
    /// Wait status of the first process.
    pub wait_status: Option<i32>,
    /// The command line.
    pub command: Vec<String>,
}

impl Summary {
    /// Looks at the recording in `dir`.
    pub fn of(dir: &Path) -> Self {
        let mut summary = Self {
            started_ns: None,
            duration_ns: None,
            bytes: disk_usage(dir),
            state: StateName::Torn,
            problem: None,
            wait_status: None,
            command: Vec::new(),
        };
        let meta = Meta::read(dir);
        if let Some(meta) = &meta {
            summary.take_meta(meta);
        }
        summary.look_at_journal(dir, meta.is_some());
        if is_in_use(dir) {
            summary.state = StateName::Live;
            summary.problem = None;
        }
        let ended = match summary.state {
            StateName::Live => Some(meta::unix_ns()),
            _ => meta
                .and_then(|meta| meta.finished_unix_ns)
                .or_else(|| last_written_ns(dir)),
        };
        if let (Some(started), Some(ended)) = (summary.started_ns, ended) {
            summary.duration_ns = Some(ended.saturating_sub(started));
        }
        summary
    }

    fn take_meta(&mut self, meta: &Meta) {
        self.started_ns = Some(meta.started_unix_ns);
        self.command.clone_from(&meta.command);
        self.wait_status = meta.wait_status;
        self.problem.clone_from(&meta.lost);
        if meta.wait_status.is_some() && meta.lost.is_none() {
            self.state = StateName::Whole;
        }
    }

    /// Sees whether the journal begins as it must; without metadata, reads all of it.
    fn look_at_journal(&mut self, dir: &Path, has_meta: bool) {
        let corrupt = |summary: &mut Self, problem: String| {
            summary.state = StateName::Corrupt;
            summary.problem = Some(problem);
        };
        match Reader::open(dir) {
            Err(error) => return corrupt(self, error.to_string()),
            Ok(reader) if !has_meta => {
                self.started_ns = Some(reader.header().created_unix_ns);
            }
            Ok(_) => return,
        }
        let scanned = scan::scan(dir, "reading a journal", |event, _| match event {
            Event::Start(start) => {
                self.command = start.argv.iter().map(|arg| describe::text(arg)).collect();
            }
            Event::End(status) => self.wait_status = Some(*status),
            _ => {}
        });
        match scanned {
            Ok(scanned) => {
                self.state = scanned.state.name();
                self.problem = scanned.state.reason().map(str::to_owned);
            }
            Err(error) => corrupt(self, format!("{error:#}")),
        }
    }

    /// How it ended, in a few words.
    pub fn ending(&self) -> String {
        let status = self.wait_status.map(crate::output::ending);
        match (self.state, status) {
            (StateName::Live, _) => "recording now".to_owned(),
            (StateName::Corrupt, _) => "damaged".to_owned(),
            (StateName::Whole, Some(ending)) => ending,
            (StateName::Whole, None) => "unknown".to_owned(),
            // The application went on without a recording.
            (StateName::Torn, Some(ending)) => format!("cut short, {ending}"),
            (StateName::Torn, None) => "cut short".to_owned(),
        }
    }
}

/// Whether the recording in `dir` is being made: its journal is locked, or it has just begun
/// and has none.
pub fn is_in_use(dir: &Path) -> bool {
    if matches!(journal::writer_of(dir), Ok(Some(_))) {
        return true;
    }
    let begun = dir
        .join(JOURNAL_DIR)
        .join(journal::segment_name(0))
        .exists();
    let starting = |meta: Meta| {
        let age_ns = meta::unix_ns().checked_sub(meta.started_unix_ns);
        meta.finished_unix_ns.is_none() && age_ns.is_some_and(|age_ns| age_ns < START_NS)
    };
    !begun && Meta::read(dir).is_some_and(starting)
}

/// Bytes that the recording takes on disk.
pub fn disk_usage(dir: &Path) -> u64 {
    let size = |meta: Metadata| meta.blocks().saturating_mul(BLOCK_BYTES);
    let inside = |dir: &Path| -> u64 {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        // A directory entry's metadata is that of a link, not of what it names.
        let sizes = entries.filter_map(|entry| entry.metadata().ok().map(size));
        sizes.sum()
    };
    let own = std::fs::metadata(dir).map(size).unwrap_or(0);
    own + inside(dir) + inside(&dir.join(JOURNAL_DIR)) + inside(&dir.join(FILES_DIR))
}

/// The directory of kept files.
pub const FILES_DIR: &str = "files";

/// When the last segment was last written.
fn last_written_ns(dir: &Path) -> Option<u64> {
    let (segments, _) = scan::segments(dir);
    let last = journal::segment_name(segments.checked_sub(1)?);
    let changed = std::fs::metadata(dir.join(JOURNAL_DIR).join(last))
        .and_then(|meta| meta.modified())
        .ok()?;
    let since = changed.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}
