//! What `ftrun` says itself: on standard error, or in the log file, each line with a prefix.

use crate::output;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

static LOG_FILE: OnceLock<File> = OnceLock::new();

/// From now on, messages go to this file.
pub fn log_to(path: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("--log-file {}: cannot open it for writing", path.display()))?;
    // Options are read once.
    let _ = LOG_FILE.set(file);
    Ok(())
}

/// Says `text`, in one piece. Names in it may be anything: a terminal gets no escape codes.
pub fn say(text: &str) {
    let mut lines = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        lines.push_str("ftrun: ");
        lines.push_str(&output::shown(line));
        lines.push('\n');
    }
    // Nobody is left to be told that nobody listens.
    let _ = match LOG_FILE.get() {
        Some(mut file) => file.write_all(lines.as_bytes()),
        None => std::io::stderr().lock().write_all(lines.as_bytes()),
    };
}
