//! `ftrun follow`: a standby for a recording on this machine.

use crate::cli::FollowArgs;
use crate::messages;
use crate::record;
use crate::standby_node::Quiet;
use anyhow::Context;
use journal::Follow;
use std::process::ExitCode;
use std::sync::Arc;
use tracer::namespaces::{Network, Plan};
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
        network: Box::new(|_| Ok(None)),
        trees: None,
        follow: Follow::default(),
        applied: Box::new(|_| ()),
        record: tracer::record::Options {
            affinity,
            agent: args.agent.when(),
            ..tracer::record::Options::new(dir.clone())?
        },
        promote: Box::new(|| {
            messages::say("the recording broke off: going on with the application");
            true
        }),
        attach: Box::new(|_| Ok(None)),
        went_live: Box::new(|| ()),
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
