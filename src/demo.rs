//! `ftrun demo`: two nodes and a client on this machine, a primary that is killed, one that hands
//! over, and what the client noticed. It uses what operators use: the commands and the status socket.

mod check;
mod client;
mod needs;
mod network;
mod node;
mod protocol;
mod report;
mod round;
mod server;

pub use server::{ServerArgs, run as serve};

use crate::cli::JsonArg;
use crate::output::{self, Stdout};
use crate::sys::{interrupt, orphans};
use anyhow::{Context, bail};
use clap::Args;
use network::Network;
use report::Report;
use round::{Event, Round};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Something was lost, reset, doubled or damaged.
const LOSS: u8 = 1;
/// How long the processes of a node may take to end once they were killed.
const REAP_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Connections of the client, all of them kept from beginning to end
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    connections: u16,
    /// Seconds of load in each of the two rounds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// Keep the recordings and messages of the nodes
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    json: JsonArg,
}

/// Prints what happens, while it happens.
#[derive(Debug, Clone, Copy)]
struct Teller {
    silent: bool,
}

impl Teller {
    fn say(self, text: &str) -> anyhow::Result<()> {
        if self.silent {
            return Ok(());
        }
        let mut out = Stdout::lock();
        out.line(text)?;
        out.flush()
    }
}

/// Runs both rounds, and removes all traces of them, however they end.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    needs::check()?;
    interrupt::catch().context("cannot prepare for signals")?;
    orphans::adopt().context("cannot prepare to wait for the nodes' processes")?;
    let place = tempfile::Builder::new()
        .prefix("ftrun-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .context("cannot make a directory")?;
    let done = rounds(args, place.path());
    let gone = orphans::reap(REAP_LIMIT);
    let kept = clean_up(place, args.keep);
    if let Some(signal) = interrupt::caught() {
        crate::messages::say("interrupted");
        if let Err(error) = kept {
            crate::messages::say(&format!("{error:#}"));
        }
        tracer::die_of(signal);
    }
    let (rounds, kept) = match (done, kept) {
        (Ok(rounds), kept) => (rounds, kept?),
        (Err(error), Ok(None)) => return Err(error),
        (Err(error), Ok(Some(path))) => {
            bail!("{error:#}\neverything is kept in {}", path.display())
        }
        (Err(error), Err(left)) => bail!("{error:#}\n{left:#}"),
    };
    if !gone.context("cannot wait for the nodes' processes")? {
        bail!("processes of the nodes are left: they do not end");
    }
    let report = Report::new(args.connections, args.seconds, rounds, kept);
    if args.json.json {
        output::json(&report)?;
    } else {
        let teller = Teller { silent: false };
        report
            .lines()
            .iter()
            .try_for_each(|line| teller.say(line))?;
    }
    for line in report.troubles() {
        crate::messages::say(line);
    }
    Ok(ExitCode::from(if report.ok() { 0 } else { LOSS }))
}

fn rounds(args: &DemoArgs, place: &Path) -> anyhow::Result<Vec<report::Outcome>> {
    let tell = Teller {
        silent: args.json.json,
    };
    tell.say(&format!(
        "Two nodes and a client, each in a network namespace of its own. At {}:{} a sample server with a",
        network::VIP,
        server::PORT
    ))?;
    tell.say("thread for each connection, which counts requests in memory and in a file.")?;
    let network = Network::new()?;
    let keys = place.join("keys");
    standby::link::generate(&keys).context("no keys were made")?;
    let mut outcomes = Vec::new();
    for event in [Event::Kill, Event::Switchover] {
        let round = Round {
            event,
            connections: args.connections,
            load: Duration::from_secs(args.seconds),
            network: &network,
            place,
        };
        outcomes.push(round.run(&|line| tell.say(line))?);
    }
    Ok(outcomes)
}

/// Removes everything; with `keep`, everything but the keys. Returns where it is.
fn clean_up(place: TempDir, keep: bool) -> anyhow::Result<Option<PathBuf>> {
    if !keep {
        let path = place.path().to_owned();
        place
            .close()
            .with_context(|| format!("cannot remove {}", path.display()))?;
        return Ok(None);
    }
    let path = place.keep();
    for left in ["keys", "data"] {
        let left = path.join(left);
        if left.exists() {
            std::fs::remove_dir_all(&left)
                .with_context(|| format!("cannot remove {}", left.display()))?;
        }
    }
    Ok(Some(path))
}

/// Waits until something is there; a signal, or a failed look, ends it.
fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if interrupt::caught().is_some() {
            bail!("interrupted");
        }
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}
