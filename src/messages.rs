//! What `ftrun` says itself: on standard error, or in the log file, each line with a prefix.

use crate::output;
use anyhow::Context;
use standby::config::Log;
use standby::status::log;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

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

static JSON: AtomicBool = AtomicBool::new(false);

/// From now on, messages are JSON, one object a line. What a node tells of itself is among them.
pub fn use_json() {
    JSON.store(true, Ordering::Relaxed);
    log::start(Log::Json, |line| write(&format!("{line}\n")));
}

/// What a node says of itself: nothing, where it is told as JSON already.
pub fn of_node() -> Arc<dyn Fn(&str) + Send + Sync> {
    if JSON.load(Ordering::Relaxed) {
        Arc::new(|_| {})
    } else {
        Arc::new(say)
    }
}

/// Says `text`, in one piece. Names in it may be anything: a terminal gets no escape codes.
pub fn say(text: &str) {
    if JSON.load(Ordering::Relaxed) {
        return log::say(text);
    }
    let mut lines = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        lines.push_str("ftrun: ");
        lines.push_str(&output::shown(line));
        lines.push('\n');
    }
    write(&lines);
}

fn write(lines: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = match LOG_FILE.get() {
        Some(mut file) => file.write_all(lines.as_bytes()),
        None => std::io::stderr().lock().write_all(lines.as_bytes()),
    };
}
