//! `ftrun record`, and `ftrun -- COMMAND`.

use crate::cli::{self, RecordArgs};
use crate::messages;
use crate::meta::{self, Meta};
use crate::recordings::NewRecording;
use anyhow::{Context, bail};
use journal::WriterOptions;
use standby::config::{Log, Primary};
use standby::node::{Slot, protect};
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tracer::Counting;
use tracer::namespaces::{Network, Plan};
use tracer::network::Attach;
use tracer::record::{Notice, OnJournalError, Options, Outcome, OutsideMemory, RecordError, Rules};

/// How long an event of a protected application may wait to be written, in milliseconds.
pub const PROTECTED_FLUSH_MS: u64 = 2;

/// Records, and ends as the application did.
pub fn run(args: RecordArgs) -> anyhow::Result<ExitCode> {
    let goes_on = matches!(args.on_journal_error, cli::OnJournalError::Continue);
    if goes_on && args.protection.wanted() {
        bail!(
            "--on-journal-error continue: what goes on without a journal cannot be protected by a standby"
        );
    }
    let protection = args
        .protection
        .wanted()
        .then(|| Primary::new(args.protection.clone(), &crate::nodes::host_name()))
        .transpose()?;
    if let Some(path) = &args.log_file {
        messages::log_to(path)?;
    }
    if protection
        .as_ref()
        .is_some_and(|config| config.node.log == Log::Json)
    {
        messages::use_json();
    }
    let (counting, rules) = schedule(&args)?;
    let program = args.command.first().map_or(OsStr::new(""), |name| name);
    let affinity = tracer::affinity().context("reading the CPU affinity")?;
    let recording = NewRecording::create(args.dir.as_deref(), program)?;
    let dir = recording.dir.clone();
    let mut meta = Meta::begin(&args.command);
    if let Err(error) = meta.write(&dir) {
        recording.undo();
        return Err(error);
    }
    let trees = match &protection {
        Some(config) => config.node.trees()?,
        None => Vec::new(),
    };
    let options = Options {
        trees,
        on_journal_error: match args.on_journal_error {
            cli::OnJournalError::Stop => OnJournalError::Stop,
            cli::OnJournalError::Continue => OnJournalError::Continue,
        },
        outside_memory: match args.outside_memory {
            cli::OutsideMemory::Refuse => OutsideMemory::Refuse,
            cli::OutsideMemory::Warn => OutsideMemory::Warn,
        },
        affinity,
        isolate: match &protection {
            Some(_) => Some(Plan {
                network: Network::New,
                ..Plan::default()
            }),
            None => args.isolate.then(|| plan(&args)),
        },
        flush_ms: if protection.is_some() {
            PROTECTED_FLUSH_MS
        } else {
            WriterOptions::default().flush_ms
        },
        agent: args.agent.when(),
        counting,
        rules,
        events_max: args.protection.die_after,
        shares_with: recording.base().map(Path::to_owned),
        ..Options::new(dir.clone())?
    };
    let slot = Slot::default();
    let attach: Attach = match protection {
        Some(config) => protect(config, Arc::clone(&slot), messages::of_node()),
        None => Box::new(|_| Ok(None)),
    };
    let recorded = tracer::record::record_with(options, &args.command, Arc::new(notice), attach);
    let protection = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    match recorded {
        Ok(outcome) => {
            if let Some(protection) = protection {
                protection.application_ended();
            }
            finished(&mut meta, &outcome);
            if let Err(error) = meta.write(&dir) {
                messages::say(&format!("{error:#}; the recording itself is not affected"));
            }
            Ok(end_like(outcome.status))
        }
        Err(error @ RecordError::HandedOver) => {
            if let Some(protection) = protection {
                protection.handed_over();
            }
            messages::say(&error.to_string());
            meta.finished_unix_ns = Some(meta::unix_ns());
            meta.lost = Some(error.to_string());
            meta.write(&dir)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            if let Some(protection) = protection {
                protection.application_lost(&error.to_string());
            }
            if matches!(
                error,
                RecordError::NotFound(_)
                    | RecordError::NotExecutable { .. }
                    | RecordError::Namespaces(_)
                    | RecordError::Protection(_)
            ) {
                Meta::remove(&dir);
                recording.undo();
            } else {
                meta.finished_unix_ns = Some(meta::unix_ns());
                meta.lost = Some(error.to_string());
                // The error that is reported matters more than one more of the same kind.
                let _ = meta.write(&dir);
            }
            Err(error.into())
        }
    }
}

/// How branches are counted, and how threads take turns.
fn schedule(args: &RecordArgs) -> anyhow::Result<(Counting, Rules)> {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let counting = args.counter.counting();
    let rules = Rules {
        slice: ms(args.schedule.slice),
        native_slice: ms(args.schedule.native_slice),
        chaos: args.schedule.chaos.map(|seed| seed.unwrap_or_else(a_seed)),
    };
    let Some(seed) = rules.chaos else {
        return Ok((counting, rules));
    };
    match counting {
        Counting::Adaptive | Counting::Software => {}
        Counting::Never | Counting::Stepped => {
            bail!("--chaos needs threads that are counted: --counter software");
        }
    }
    messages::say(&format!("--chaos={seed} draws the same turns again"));
    Ok((Counting::Software, rules))
}

/// A short one, to be typed again.
fn a_seed() -> u64 {
    meta::unix_ns() / 1000 % 1_000_000
}

fn plan(args: &RecordArgs) -> Plan {
    Plan {
        network: if args.private_network {
            Network::New
        } else {
            Network::Host
        },
        ..Plan::default()
    }
}

fn finished(meta: &mut Meta, outcome: &Outcome) {
    meta.finished_unix_ns = Some(meta::unix_ns());
    meta.wait_status = Some(outcome.status);
    meta.served = Some((&outcome.served).into());
    if let Some(error) = &outcome.lost {
        messages::say(&format!(
            "the journal could not be written ({error}): the application went on without a recording, \
             which can be replayed up to there"
        ));
        meta.lost = Some(error.to_string());
    }
}

/// Tells people what the recorder noticed.
pub fn notice(notice: Notice) {
    match notice {
        Notice::Computing(tid) => messages::say(&format!(
            "thread {tid} has been computing for seconds without a system call while others, or a signal, wait for it; \
             they go on when it makes one"
        )),
    }
}

/// Ends as a process with this wait status did: with its exit code, or of its signal.
pub fn end_like(status: i32) -> ExitCode {
    if libc::WIFSIGNALED(status) {
        tracer::die_of(libc::WTERMSIG(status));
    }
    ExitCode::from(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
}
