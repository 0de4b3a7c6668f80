//! `ftrun switchover`.

use crate::messages;
use crate::nodes::{self, Found};
use anyhow::{Context, bail};
use clap::Args;
use standby::role::State;
use standby::status::socket::Request;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A switchover that has not ended in this time has failed; the node calls it off much earlier.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Options of `switchover`.
#[derive(Debug, Args)]
pub struct SwitchoverArgs {
    /// Name of the primary, or name or directory of its recording [default: the only one here]
    #[arg(value_name = "NODE")]
    node: Option<OsString>,
}

/// Has the primary hand over to its standby, and waits for it.
pub fn run(args: &SwitchoverArgs) -> anyhow::Result<ExitCode> {
    let Found { dir, .. } = nodes::find_one(args.node.as_deref())?;
    let mut report = nodes::ask(&dir, Request::Switchover)?;
    let began = Instant::now();
    let mut begun = false;
    loop {
        match report.state {
            State::Fenced if report.peer.is_some() => {
                let peer = report.peer.unwrap_or_default();
                messages::say(&format!(
                    "node {peer} is active now, node {} is not",
                    report.node
                ));
                return Ok(ExitCode::SUCCESS);
            }
            State::TakingOver => begun = true,
            // Before it begins, the node is what it was.
            state if begun || began.elapsed() > PATIENCE => {
                let note = report.note.unwrap_or_else(|| report.reason.clone());
                bail!("no switchover: {note} (node {} is {state})", report.node);
            }
            _ => {}
        }
        if began.elapsed() > PATIENCE {
            bail!("the switchover does not end; see `ftrun status`");
        }
        std::thread::sleep(PAUSE);
        report = nodes::ask(&dir, Request::Status)
            .context("the primary has ended meanwhile; the other node's `ftrun status` tells whether it is active")?;
    }
}
