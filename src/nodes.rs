//! Finds the nodes of this machine by their sockets.

use crate::recordings;
use anyhow::{Context, bail};
use standby::status::Report;
use standby::status::socket::{self, AskError, Request, SOCKET_NAME};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A node that answers.
#[derive(Debug)]
pub struct Found {
    /// Its directory.
    pub dir: PathBuf,
    /// What it says.
    pub report: Report,
}

/// The nodes that `name` stands for: that of a recording or directory, or of this name; all, without one.
pub fn find(name: Option<&OsStr>) -> anyhow::Result<Vec<Found>> {
    let Some(name) = name else {
        let base = recordings::base()?;
        let found = all(&base)?;
        if found.is_empty() {
            bail!(
                "no node runs in {}: name the directory of one, or start one with `ftrun --standby` or `ftrun standby`",
                base.display()
            );
        }
        return Ok(found);
    };
    if let Some(dir) = directory(name) {
        let report = ask(&dir, Request::Status)?;
        return Ok(vec![Found { dir, report }]);
    }
    let base = recordings::base()?;
    let mut found = all(&base)?;
    found.retain(|found| found.report.node.as_bytes() == name.as_bytes());
    if found.is_empty() {
        bail!(
            "no node `{}` runs in {}; `ftrun status` lists those that do",
            name.display(),
            base.display()
        );
    }
    Ok(found)
}

/// The only node that `name` stands for.
pub fn find_one(name: Option<&OsStr>) -> anyhow::Result<Found> {
    let mut found = find(name)?;
    if found.len() > 1 {
        // Whoever wants the primary changed does not mean a standby here.
        found.retain(|found| found.report.role == standby::role::Side::Primary);
    }
    let count = found.len();
    let one = found.pop();
    match one {
        Some(one) if count == 1 => Ok(one),
        _ => bail!("{count} primaries run here: say which by its node's name or directory"),
    }
}

/// Asks a node.
pub fn ask(dir: &Path, request: Request) -> anyhow::Result<Report> {
    socket::ask(dir, request).with_context(|| format!("{}", dir.display()))
}

fn directory(name: &OsStr) -> Option<PathBuf> {
    let here = PathBuf::from(name);
    let named = recordings::base().ok().map(|base| base.join(name));
    [Some(here), named]
        .into_iter()
        .flatten()
        .find(|dir| dir.join(SOCKET_NAME).symlink_metadata().is_ok())
}

fn all(base: &Path) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for dir in recordings::list(base)? {
        match socket::ask(&dir, Request::Status) {
            Ok(report) => found.push(Found { dir, report }),
            // A recording that is over, or that nobody protects.
            Err(AskError::Nobody(_)) => {}
            Err(error) => crate::messages::say(&format!("{}: {error}", dir.display())),
        }
    }
    Ok(found)
}

/// The name of this machine, by which a node is known if nothing else is said.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
