//! `meta.json` of a recording: what people want to know of it without reading its journal.
//! Nothing depends on it: a recording without one replays as well.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

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
