//! `ftrun follow`: a standby for a recording on this machine.

use crate::cli::FollowArgs;
use crate::messages;
use crate::record;
use anyhow::Context;
use journal::{EventIndex, Follow};
use std::process::ExitCode;
use std::sync::Arc;
use tracer::namespaces::{Network, Plan};
use tracer::replay::Sink;
use tracer::standby::{Ended, Options, run as follow};

/// Follows, and goes on with the application when its recording breaks off.
pub fn run(args: &FollowArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let affinity = tracer::affinity().context("reading the CPU affinity")?;
    let network = if args.private_network {
        Network::New
    } else {
        Network::Host
    };
    let options = Options {
        plan: Plan {
            network,
            ..Plan::default()
        },
        network: None,
        follow: Follow::default(),
        record: tracer::record::Options {
            affinity,
            ..tracer::record::Options::new(dir.clone())?
        },
        promote: Box::new(|| {
            messages::say("the recording broke off: going on with the application");
            true
        }),
        notice: Arc::new(record::notice),
    };
    match follow(&dir, options, &mut Quiet)? {
        Ended::Followed(outcome) => {
            messages::say(&format!(
                "followed the recording to its end, {} events",
                outcome.events
            ));
            Ok(outcome.status.map_or(ExitCode::SUCCESS, record::end_like))
        }
        Ended::TookOver(outcome) => Ok(record::end_like(outcome.status)),
    }
}

/// What the application wrote until now, the primary has shown.
struct Quiet;

impl Sink for Quiet {
    fn output(&mut self, _stream: u8, _bytes: &[u8]) {}

    fn progress(&mut self, _event: EventIndex, _read: u64, _total: u64) {}

    fn notice(&mut self, text: &str) {
        messages::say(text);
    }
}
