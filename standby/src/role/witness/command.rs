//! A fencing command: makes sure that the other node is off before this one goes on without it.
//!
//! Called as `PATH fence NODE`, where NODE is the node to be off, with `FTRUN_NODE` (this node),
//! `FTRUN_EPOCH` and `FTRUN_REASON` (`takeover` or `alone`) in its environment. Exit code 0 says: NODE
//! lets nothing out any more, and will not until it is started anew. Any other code, a signal, or
//! more time than allowed says: not known. It is asked again then; it must bear that.

use super::Witness;
use crate::role::machine::{About, Answer, Ask};
use crate::role::record::{NodeId, Record};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long the command may take, unless told otherwise.
pub const FENCE_MS_DEFAULT: u64 = 30_000;
/// What it writes is kept up to there, for the message.
const OUTPUT_BYTES_MAX: u64 = 4096;
/// The exit code comes back through a pipe: the supervisor waits for all its children, and whose
/// end it meets first is not known.
const WRAPPER: &str = r#""$@" 1>&2; printf '\n=%d' $?"#;

/// See the module.
#[derive(Debug)]
pub struct Fencing {
    path: PathBuf,
    node: NodeId,
    limit: Duration,
}

impl Fencing {
    /// The command, this node's name, and how long the command may take.
    #[must_use]
    pub fn new(path: PathBuf, node: NodeId, limit: Duration) -> Self {
        Self { path, node, limit }
    }

    fn fence(&self, target: &NodeId, epoch: u64, reason: &str) -> Answer {
        match self.run(target, epoch, reason) {
            Ok(0) => Answer::Done { lease: None },
            Ok(code) => Answer::Unreachable(format!(
                "{} fence {target}: exit code {code}",
                self.path.display()
            )),
            Err(error) => {
                Answer::Unreachable(format!("{} fence {target}: {error}", self.path.display()))
            }
        }
    }

    fn run(&self, target: &NodeId, epoch: u64, reason: &str) -> io::Result<i32> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", WRAPPER, "ftrun-fence"])
            .arg(&self.path)
            .args(["fence", target.as_str()])
            .env("FTRUN_NODE", self.node.as_str())
            .env("FTRUN_EPOCH", epoch.to_string())
            .env("FTRUN_REASON", reason)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let code = self.code_of(&mut child);
        // Whatever it has left behind. Its group is gone if nothing is.
        if let Ok(pid) = i32::try_from(child.id()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        // Someone else may have met its end before.
        let _ = child.wait();
        code
    }

    fn code_of(&self, child: &mut Child) -> io::Result<i32> {
        let Some(output) = child.stdout.take() else {
            return Err(io::Error::other("no pipe"));
        };
        let (done, code) = mpsc::channel();
        // Ends when the group is killed, at the latest.
        std::thread::Builder::new()
            .name("ftrun-fence".to_owned())
            .spawn(move || {
                let mut text = String::new();
                let read = output.take(OUTPUT_BYTES_MAX).read_to_string(&mut text);
                let code = read
                    .ok()
                    .and_then(|_| text.rsplit('=').next()?.parse().ok());
                let _ = done.send(code);
            })?;
        match code.recv_timeout(self.limit) {
            Ok(Some(code)) => Ok(code),
            Ok(None) => Err(io::Error::other("it was killed")),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it took longer than {} ms", self.limit.as_millis()),
            )),
        }
    }
}

impl Witness for Fencing {
    fn ask(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::Read { hint } => Answer::Current {
                record: hint.clone(),
                alive: false,
            },
            Ask::Swap {
                expected: Some(before),
                new,
                about,
            } => self.swap(before, new, about),
            Ask::Swap { expected: None, .. } | Ask::Keep(_) => Answer::Done { lease: None },
        }
    }

    fn keeps_record(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        format!("command {}", self.path.display())
    }
}

impl Fencing {
    fn swap(&self, before: &Record, new: &Record, about: &About) -> Answer {
        if new.owner != before.owner {
            return self.fence(&before.owner, new.epoch.0, "takeover");
        }
        let alone = before.standby.is_some() && new.standby.is_none();
        match &about.peer {
            Some(peer) if alone && !about.harmless => self.fence(peer, new.epoch.0, "alone"),
            // One that was never heard has nothing to take over.
            _ => Answer::Done { lease: None },
        }
    }
}
