//! A node of the demo: `ftrun` as an operator would start it, in its network namespace.

use super::network::{DEV, Network, PREFIX, VIP, Which};
use super::wait_for;
use crate::nodes;
use anyhow::{Context, anyhow};
use standby::status::Report;
use standby::status::socket::Request;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const LINK_PORT: u16 = 7000;
const HEARTBEAT_PORT: u16 = 7001;
/// So much of what a node said goes into a message.
const LINES_SHOWN: usize = 8;

/// A running node; it is killed with this value.
#[derive(Debug)]
pub struct Node {
    which: Which,
    child: Child,
    /// Its recording.
    dir: PathBuf,
    messages: PathBuf,
}

/// Where things of a round are.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// All of the demo's; keys, and the directory that each node sees its own files in.
    pub demo: &'a Path,
    /// This round's.
    pub round: &'a Path,
}

impl Places<'_> {
    /// The server's log, as the server calls it.
    fn log_inside(self) -> PathBuf {
        self.data_inside().join("requests.log")
    }

    fn data_inside(self) -> PathBuf {
        self.demo.join("data")
    }

    fn of(self, what: &str, which: Which) -> PathBuf {
        self.round.join(format!("{what}{}", which.number()))
    }

    /// The server's log on one node.
    pub fn log(self, which: Which) -> PathBuf {
        self.of("data", which).join("requests.log")
    }
}

impl Node {
    /// Starts it. The standby has to be there first.
    pub fn start(which: Which, places: Places<'_>, network: &Network) -> anyhow::Result<Self> {
        let (dir, data) = (places.of("node", which), places.of("data", which));
        for dir in [&data, &places.data_inside()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let messages = places.of("messages", which);
        let failed = || format!("cannot write {}", messages.display());
        let out = File::create(&messages).with_context(failed)?;
        let err = out.try_clone().with_context(failed)?;
        let ftrun = std::env::current_exe().context("cannot find ftrun itself")?;
        let mut command = Command::new(&ftrun);
        command.args(options(which)).arg("--keys");
        command.arg(places.demo.join(format!("keys/node{}", which.number())));
        command.arg("--dir").arg(&dir);
        if which == Which::Primary {
            let server = [ftrun.into_os_string(), OsString::from("demo-server")];
            command.arg("--").args(server).arg(places.log_inside());
        }
        command.current_dir("/").stdin(Stdio::null());
        command.stdout(out).stderr(err);
        let at = places.data_inside();
        let child = network
            .of(which)
            .place(&mut command, &data, &at)
            .and_then(|()| command.spawn())
            .with_context(|| format!("cannot start node {}", which.number()))?;
        Ok(Self {
            which,
            child,
            dir,
            messages,
        })
    }

    /// What it says of itself, if it answers yet.
    pub fn status(&self) -> Option<Report> {
        nodes::ask(&self.dir, Request::Status).ok()
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let number = self.which.number();
        match self.child.try_wait().context("waiting for a node")? {
            None => Ok(()),
            Some(status) => Err(anyhow!("node {number} ended too early ({status})")),
        }
    }

    /// `SIGKILL`, to the supervisor, as when somebody kills it or its machine.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot kill the primary")
    }

    /// Has it hand over, as an operator would.
    pub fn switch_over(&self) -> anyhow::Result<Command> {
        let ftrun = std::env::current_exe().context("cannot find ftrun itself")?;
        let mut command = Command::new(ftrun);
        command.arg("switchover").arg(&self.dir);
        Ok(command)
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("the end of node {}", self.which.number());
        wait_for(&what, limit, || {
            self.child.try_wait().context("waiting for a node")
        })
    }

    /// The last that it said, for messages.
    pub fn said(&self) -> String {
        let text = std::fs::read(&self.messages).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LINES_SHOWN);
        let mut said = format!("node {} said last:", self.which.number());
        for line in &lines[from..] {
            said.push_str("\n  ");
            said.push_str(line.strip_prefix("ftrun: ").unwrap_or(line));
        }
        said
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn options(which: Which) -> Vec<String> {
    let other = match which {
        Which::Primary => Which::Standby,
        Which::Standby => Which::Primary,
    };
    let link = format!("{}:{LINK_PORT}", Which::Standby.cable());
    let first = match which {
        Which::Primary => vec!["--standby".to_owned(), link],
        Which::Standby => vec!["standby".to_owned(), "--listen".to_owned(), link],
    };
    let way = |which: Which| format!("{}:{HEARTBEAT_PORT}", which.address());
    let rest = [
        ("--vip", format!("{VIP}/{PREFIX}")),
        ("--dev", DEV.to_owned()),
        ("--service", "demo".to_owned()),
        ("--node", format!("node{}", which.number())),
        ("--heartbeat", format!("{}={}", way(which), way(other))),
        ("--witness", "none".to_owned()),
    ];
    let rest = rest
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value]);
    first.into_iter().chain(rest).collect()
}
