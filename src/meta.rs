//! `meta.json` of a recording: what people want to know of it without reading its journal.
//! Nothing depends on it: a recording without one replays as well.

use crate::describe;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tracer::record;

const FILE: &str = "meta.json";
const FILE_NEW: &str = ".meta.json.new";
/// Nothing that this program writes is larger.
const BYTES_MAX: u64 = 16 << 20;
const SCHEMA_VERSION: u32 = 1;

/// The content of `meta.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meta {
    /// Raised when the meaning of a field changes.
    pub schema_version: u32,
    /// The recording ftrun.
    pub ftrun_version: String,
    /// The command line, bytes that are not UTF-8 replaced.
    pub command: Vec<String>,
    /// When the recording began, in nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// When it ended; absent while it goes on and after it was cut short.
    pub finished_unix_ns: Option<u64>,
    /// Wait status of the first process.
    pub wait_status: Option<i32>,
    /// Why the recording ended before the application.
    pub lost: Option<String>,
    /// Guarantees that did not hold for this recording, with the reason.
    pub weakened: Vec<String>,
    /// What was served; absent as `finished_unix_ns` is, and of older recordings.
    pub served: Option<Served>,
}

/// Which syscalls did not stop, and why others did. The journal does not say it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Served {
    /// Calls that did not stop, by name.
    pub calls: BTreeMap<String, u64>,
    /// Places with a syscall that were rewritten so that it need not stop, in all programs.
    pub sites_rewritten: u64,
    /// Places that were not.
    pub sites_left: Vec<LeftSite>,
    /// How many more of those there were.
    pub sites_unnamed: u64,
}

/// A place with a syscall that was not rewritten.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeftSite {
    /// File and offset in it, or the address.
    pub at: String,
    /// The reason.
    pub why: String,
    /// In how many programs.
    pub times: u64,
}

impl From<&record::Served> for Served {
    fn from(served: &record::Served) -> Self {
        let left = served.sites_left.iter().map(|site| LeftSite {
            at: site.at.clone(),
            why: site.why.clone(),
            times: site.times,
        });
        Self {
            calls: served
                .calls
                .iter()
                .map(|(&nr, &calls)| (describe::syscall(nr), calls))
                .collect(),
            sites_rewritten: served.sites_rewritten,
            sites_left: left.collect(),
            sites_unnamed: served.sites_unnamed,
        }
    }
}

impl Meta {
    /// Of a recording that begins now.
    pub fn begin(command: &[OsString]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            ftrun_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command
                .iter()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
            started_unix_ns: unix_ns(),
            finished_unix_ns: None,
            wait_status: None,
            lost: None,
            weakened: Vec::new(),
            served: None,
        }
    }

    /// Writes it into the recording `dir`; a reader sees the old content or the new.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let path = dir.join(FILE);
        let new = dir.join(FILE_NEW);
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let written = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| std::fs::rename(&new, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads it; `None` if there is none that can be understood.
    pub fn read(dir: &Path) -> Option<Self> {
        let path = dir.join(FILE);
        let len = std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file)?
            .len();
        if len > BYTES_MAX {
            return None;
        }
        serde_json::from_slice(&std::fs::read(&path).ok()?).ok()
    }

    /// Removes it.
    pub fn remove(dir: &Path) {
        for file in [FILE, FILE_NEW] {
            let _ = std::fs::remove_file(dir.join(file));
        }
    }
}

/// Nanoseconds since the Unix epoch.
pub fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        })
}
