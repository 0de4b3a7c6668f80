//! `ftrun events`.

use crate::cli::EventsArgs;
use crate::describe::{self, Describer, Owner};
use crate::event_json::{self, Line};
use crate::output::Stdout;
use crate::scan::{self, State};
use crate::{summary, sys};
use journal::{Event, EventIndex, Follow, ReadError, Reader, Tail, Tid};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How often a wait for more events looks whether somebody still reads ours.
const LOOK: Duration = Duration::from_millis(500);

/// How often a journal that is about to begin is looked for.
const BEGINNING: Duration = Duration::from_millis(10);

/// Prints the events that were asked for.
pub fn run(args: &EventsArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let mut reader = open(&dir, args.follow)?;
    let mut printer = EventPrinter {
        args,
        owner: Owner::default(),
        describer: Describer::new(),
        out: Stdout::lock(),
    };
    let state = loop {
        match reader.next() {
            Ok(Some((index, _))) if index.0 > args.to => {
                printer.out.flush()?;
                return Ok(ExitCode::SUCCESS);
            }
            Ok(Some((index, event))) => {
                printer.event(index, &event)?;
                continue;
            }
            Ok(None) => {}
            Err(error @ ReadError::Io { .. }) => return Err(error.into()),
            Err(error) => break State::Corrupt(error.to_string()),
        }
        let tail = reader.tail();
        if !args.follow || tail != Tail::Live {
            break State::of(tail);
        }
        if !wait(&mut reader, &mut printer)? {
            return Ok(ExitCode::SUCCESS);
        }
    };
    printer.out.flush()?;
    Ok(scan::conclude(&state))
}

/// Opens the journal. One that is to be followed may only be about to begin.
fn open(dir: &Path, follow: bool) -> Result<Reader, ReadError> {
    loop {
        match Reader::open(dir) {
            Err(ReadError::NoJournal { .. } | ReadError::NoHeader { .. })
                if follow && summary::is_in_use(dir) =>
            {
                std::thread::sleep(BEGINNING);
            }
            opened => return opened,
        }
    }
}

/// Waits for the next event, or the end, and handles what comes. `false` if nobody reads
/// standard output any more.
fn wait(reader: &mut Reader, printer: &mut EventPrinter<'_>) -> anyhow::Result<bool> {
    printer.out.flush()?;
    reader.set_follow(Some(Follow {
        timeout: Some(LOOK),
        cancel: None,
        ..Follow::default()
    }));
    let next = reader.next();
    let past_the_last = match next {
        Ok(Some((index, event))) => {
            let past = index.0 > printer.args.to;
            if !past {
                printer.event(index, &event)?;
            }
            past
        }
        // The end, or damage: the caller finds the same there.
        Ok(None) | Err(_) => false,
    };
    reader.set_follow(None);
    Ok(!past_the_last && !sys::is_reader_gone())
}

struct EventPrinter<'a> {
    args: &'a EventsArgs,
    owner: Owner,
    describer: Describer,
    out: Stdout,
}

impl EventPrinter<'_> {
    fn event(&mut self, index: EventIndex, event: &Event<'_>) -> anyhow::Result<()> {
        let thread = self.owner.of(event);
        // Always: it says what later events mean.
        let text = self.describer.describe(index, event);
        if !self.is_shown(index, thread, event) {
            return Ok(());
        }
        let kind = describe::kind(event);
        if self.args.json {
            return self.out.json_line(&Line {
                index: index.0,
                thread: thread.map(|tid| tid.0),
                kind,
                text: &text,
                detail: event_json::detail(event),
            });
        }
        let thread = thread.map_or_else(|| "-".to_owned(), |tid| tid.to_string());
        let kind = describe::kind_name(kind);
        self.out
            .line(&format!("{:>8} {thread:>7} {kind:<10} {text}", index.0))
    }

    fn is_shown(&self, index: EventIndex, thread: Option<Tid>, event: &Event<'_>) -> bool {
        let args = self.args;
        let of_thread =
            args.thread.is_empty() || thread.is_some_and(|thread| args.thread.contains(&thread.0));
        let of_kind = args.kind.is_empty() || args.kind.contains(&describe::kind(event));
        index.0 >= args.from && of_thread && of_kind
    }
}
