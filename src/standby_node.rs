//! `ftrun standby`.

use crate::cli::StandbyArgs;
use crate::recordings::NewRecording;
use crate::{messages, nodes, record};
use anyhow::Context;
use journal::EventIndex;
use standby::config::{Log, Standby};
use standby::node::Follower;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::sync::Arc;
use tracer::replay::Sink;
use tracer::standby::Ended;

/// Follows a primary, and ends as the application does.
pub fn run(args: StandbyArgs) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.log_file {
        messages::log_to(path)?;
    }
    let config = Standby::new(args.protection, &nodes::host_name())?;
    if config.node.log == Log::Json {
        messages::use_json();
    }
    let affinity = tracer::affinity().context("reading the CPU affinity")?;
    let recording = NewRecording::create(args.dir.as_deref(), OsStr::new("standby"))?;
    let dir = recording.dir.clone();
    let options = tracer::record::Options {
        affinity,
        agent: args.agent.when(),
        flush_ms: record::PROTECTED_FLUSH_MS,
        ..tracer::record::Options::new(dir.clone())?
    };
    let follower = match Follower::begin(config, &dir, messages::of_node()) {
        Ok(follower) => follower,
        Err(error) => {
            recording.undo();
            return Err(error.into());
        }
    };
    match follower.run(&dir, options, Arc::new(record::notice), &mut Quiet)? {
        Ended::Followed(outcome) => {
            messages::say(&format!(
                "followed the application for {} events, and did not take over",
                outcome.events
            ));
            Ok(outcome.status.map_or(ExitCode::SUCCESS, record::end_like))
        }
        Ended::TookOver(outcome) => Ok(record::end_like(outcome.status)),
    }
}

/// What the application writes, the primary shows.
pub struct Quiet;

impl Sink for Quiet {
    fn output(&mut self, _stream: u8, _bytes: &[u8]) {}

    fn progress(&mut self, _event: EventIndex, _read: u64, _total: u64) {}

    fn notice(&mut self, text: &str) {
        messages::say(text);
    }
}
