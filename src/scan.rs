//! Reading a journal from one end to the other, and saying how it ends. Damage is a value
//! here: what comes before it is as good as ever, and most commands show it.

use crate::progress::Progress;
use crate::{failure, messages};
use anyhow::Context;
use journal::{Event, Header, JOURNAL_DIR, ReadError, Reader, Tail, segment_name};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Events between two looks at the progress bar.
const PROGRESS_EVENTS: u64 = 1024;

/// How a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// In order.
    Whole,
    /// It was cut short: the reason.
    Torn(String),
    /// It is still being made.
    Live,
    /// It is damaged: the message.
    Corrupt(String),
}

/// [`State`] in one word, for JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "see State")]
pub enum StateName {
    Whole,
    Torn,
    Live,
    Corrupt,
}

impl State {
    /// How a journal with this tail ends.
    pub fn of(tail: Tail) -> Self {
        match tail {
            Tail::Whole => Self::Whole,
            Tail::Torn { reason, .. } => Self::Torn(reason),
            Tail::Live => Self::Live,
        }
    }

    /// In one word.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Whole => StateName::Whole,
            Self::Torn(_) => StateName::Torn,
            Self::Live => StateName::Live,
            Self::Corrupt(_) => StateName::Corrupt,
        }
    }

    /// Why it is not whole, as far as there is something to say.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Whole | Self::Live => None,
            Self::Torn(reason) | Self::Corrupt(reason) => Some(reason),
        }
    }

    /// What to tell people of a journal that has been shown up to its end; nothing if whole.
    pub fn early(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Torn(reason) => Some(format!("recording ends early ({reason})")),
            Self::Live => Some("recording ends early (it is still being made)".to_owned()),
            Self::Corrupt(error) => Some(error.clone()),
        }
    }
}

/// What a journal is, apart from its events.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// What it says about itself.
    pub header: Header,
    /// How it ends.
    pub state: State,
    /// Events that could be read.
    pub events: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Hands every event of the recording in `dir`, with the bytes of its record, to `each`.
/// Fails only if the medium does, or if there is no journal that can be begun.
pub fn scan(
    dir: &Path,
    what: &'static str,
    mut each: impl FnMut(&Event<'_>, usize),
) -> anyhow::Result<Scanned> {
    let mut reader = Reader::open(dir)?;
    let header = reader.header().clone();
    let mut progress = Progress::new(what);
    let state = loop {
        let (done, total) = reader.progress();
        match reader.next_sized() {
            Ok(Some((index, event, bytes))) => {
                if index.0 % PROGRESS_EVENTS == 0 {
                    progress.update(done, total);
                }
                each(&event, bytes);
            }
            Ok(None) => break State::of(reader.tail()),
            Err(error @ ReadError::Io { .. }) => {
                return Err(error).context("the journal cannot be read to its end");
            }
            Err(error) => break State::Corrupt(error.to_string()),
        }
    };
    Ok(Scanned {
        header,
        state,
        events: reader.position().0,
        bytes: reader.progress().0,
    })
}

/// Says how the journal ends, if that is not in order, and what a command that has shown
/// everything before that ends with.
pub fn conclude(state: &State) -> ExitCode {
    if let Some(text) = state.early() {
        messages::say(&text);
    }
    match state {
        State::Corrupt(_) => ExitCode::from(failure::OWN_FAILURE),
        _ => ExitCode::SUCCESS,
    }
}

/// Number of segments, and their bytes, of the journal in `dir`.
pub fn segments(dir: &Path) -> (u32, u64) {
    let journal = dir.join(JOURNAL_DIR);
    let mut bytes = 0;
    for number in 0..u32::MAX {
        match std::fs::metadata(journal.join(segment_name(number))) {
            Ok(meta) => bytes += meta.len(),
            Err(_) => return (number, bytes),
        }
    }
    (u32::MAX, bytes)
}
