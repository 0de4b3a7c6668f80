//! One round of the demo: two fresh nodes, a load, the event in the middle of it, and what came of it.

use super::check;
use super::client::{Clients, Seen, connect};
use super::network::{Network, VIP, Which};
use super::node::{Node, Places};
use super::protocol::STOP;
use super::report::Outcome;
use super::server::PORT;
use super::wait_for;
use anyhow::{Context, anyhow, bail};
use serde::Serialize;
use standby::role::State;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(60);
/// For a takeover, and for all that has to end after it.
const END_LIMIT: Duration = Duration::from_secs(30);

/// What happens in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The primary is killed.
    Kill,
    /// The primary hands over.
    Switchover,
}

impl Event {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Switchover => "switchover",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Kill => "The primary is killed (SIGKILL)",
            Self::Switchover => "The primary hands over (ftrun switchover)",
        }
    }
}

/// A round to be run.
#[derive(Debug)]
pub struct Round<'a> {
    /// What happens.
    pub event: Event,
    /// How many connections.
    pub connections: u16,
    /// How long the load lasts.
    pub load: Duration,
    /// Where.
    pub network: &'a Network,
    /// The demo's directory.
    pub place: &'a Path,
}

impl Round<'_> {
    /// Runs it. `tell` prints a line.
    pub fn run(&self, tell: &dyn Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<Outcome> {
        tell(self.event.title())?;
        let round = self.place.join(self.event.name());
        DirBuilder::new()
            .mode(0o700)
            .create(&round)
            .with_context(|| format!("cannot create {}", round.display()))?;
        let places = Places {
            demo: self.place,
            round: &round,
        };
        let begun = Instant::now();
        let standby = Node::start(Which::Standby, places, self.network)?;
        let primary = Node::start(Which::Primary, places, self.network)?;
        let mut pair = Pair { primary, standby };
        let outcome = self.with_nodes(&mut pair, places, begun);
        let outcome = outcome.map_err(|error| {
            let (primary, standby) = (pair.primary.said(), pair.standby.said());
            anyhow!("{error:#}\n{primary}\n{standby}")
        })?;
        for line in outcome.lines() {
            tell(&line)?;
        }
        Ok(outcome)
    }

    fn with_nodes(
        &self,
        pair: &mut Pair,
        places: Places<'_>,
        begun: Instant,
    ) -> anyhow::Result<Outcome> {
        pair.wait_for_protection()?;
        let protected = begun.elapsed();
        let mut streams = self.connections()?;
        let stopper = streams.pop().context("one connection more")?;
        let clients = Clients::start(streams).context("cannot start the clients")?;
        pause(self.load / 2)?;
        // On a busy machine the standby may be late, or lost for a while.
        pair.wait_for_protection()?;
        let beginning = Instant::now();
        clients.event();
        self.happen(pair)?;
        wait_for("a takeover", END_LIMIT, || {
            pair.standby.check()?;
            let report = pair.standby.status();
            let active =
                report.is_some_and(|report| report.state == State::Solo && report.takeovers == 1);
            Ok(active.then_some(()))
        })?;
        pause((self.load / 2).saturating_sub(beginning.elapsed()))?;
        clients.stop();
        wait_for("the last answers", END_LIMIT, || {
            Ok(clients.finished().then_some(()))
        })?;
        let seen = clients.join()?;
        let log = std::fs::read_to_string(places.log(Which::Standby))
            .context("cannot read the server's log on the new node")?;
        stop_server(&stopper, pair)?;
        Ok(outcome(self.event, protected, seen, &log))
    }

    /// So many, and one to stop the server by.
    fn connections(&self) -> anyhow::Result<Vec<TcpStream>> {
        let server: SocketAddr = format!("{VIP}:{PORT}").parse()?;
        let first = wait_for("the server", START_LIMIT, || {
            match self.network.client.within(|| connect(server))? {
                Ok(stream) => Ok(Some(stream)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
                Err(error) => Err(error).context("cannot connect to the server"),
            }
        })?;
        let rest = self
            .network
            .client
            .within(|| {
                (0..self.connections)
                    .map(|_| connect(server))
                    .collect::<io::Result<Vec<_>>>()
            })
            .and_then(|streams| streams)
            .context("cannot connect to the server")?;
        Ok(std::iter::once(first).chain(rest).collect())
    }

    fn happen(&self, pair: &mut Pair) -> anyhow::Result<()> {
        let ended = match self.event {
            Event::Kill => {
                pair.primary.kill()?;
                let status = pair.primary.wait(END_LIMIT)?;
                (status.signal() == Some(libc::SIGKILL), status)
            }
            Event::Switchover => {
                run(&mut pair.primary.switch_over()?)?;
                let status = pair.primary.wait(END_LIMIT)?;
                (status.success(), status)
            }
        };
        match ended {
            (true, _) => Ok(()),
            (false, status) => bail!("the primary ended in another way: {status}"),
        }
    }
}

struct Pair {
    primary: Node,
    standby: Node,
}

impl Pair {
    fn wait_for_protection(&mut self) -> anyhow::Result<()> {
        let mut last = None;
        let waited = wait_for("state PROTECTED", START_LIMIT, || {
            self.primary.check()?;
            self.standby.check()?;
            let report = self.primary.status();
            let state = report.as_ref().map(|report| report.state);
            last = report.or(last.take());
            Ok((state == Some(State::Protected)).then_some(()))
        });
        waited.map_err(|error| match last {
            Some(report) => anyhow!("{error:#} ({}: {})", report.state, report.reason),
            None => error,
        })
    }
}

fn pause(span: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + span;
    wait_for("a pause", span + END_LIMIT, || {
        Ok((Instant::now() >= end).then_some(()))
    })
}

/// The server ends by itself, and the node with it.
fn stop_server(mut stopper: &TcpStream, pair: &mut Pair) -> anyhow::Result<()> {
    stopper
        .write_all(STOP.as_bytes())
        .context("cannot tell the server to end")?;
    let status: ExitStatus = pair.standby.wait(END_LIMIT)?;
    if !status.success() {
        bail!("the new node did not end as the server did: {status}");
    }
    Ok(())
}

/// Runs a command that has to succeed, and that a signal to us ends.
fn run(command: &mut Command) -> anyhow::Result<()> {
    struct Running(Child);
    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn();
    let mut running = Running(child.context("cannot start ftrun")?);
    let status = wait_for("the switchover", END_LIMIT, || {
        running.0.try_wait().context("waiting for ftrun")
    })?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(mut stderr) = running.0.stderr.take() {
        io::Read::read_to_string(&mut stderr, &mut said).context("reading what ftrun said")?;
    }
    bail!("no switchover ({status}): {}", said.trim())
}

fn outcome(event: Event, protected: Duration, seen: Vec<Seen>, log: &str) -> Outcome {
    let mut outcome = Outcome::new(event, protected, &seen);
    let told: Vec<_> = seen.into_iter().map(|seen| seen.told).collect();
    outcome.add_log(&check::log(log, &told));
    outcome
}
