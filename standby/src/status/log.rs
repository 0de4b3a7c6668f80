//! Messages as lines: for people, or as JSON, one object a line. Where lines go is the caller's business.

use crate::config::Log;
use std::io::{self, Write};
use std::sync::Arc;
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;

/// What takes a line, without its end.
type Line = dyn Fn(&str) + Send + Sync;

#[derive(Clone)]
struct Lines(Arc<Line>);

/// One message on its way.
struct Message {
    lines: Lines,
    text: Vec<u8>,
}

impl Write for Message {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        for line in String::from_utf8_lossy(&self.text).lines() {
            (self.lines.0)(line);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Message;

    fn make_writer(&'a self) -> Message {
        Message {
            lines: self.clone(),
            text: Vec::new(),
        }
    }
}

/// Takes messages in this form. JSON has `timestamp`, `level`, `message`, and what else is known, at the
/// top of each object.
#[must_use]
pub fn dispatch(form: Log, write: impl Fn(&str) + Send + Sync + 'static) -> Dispatch {
    let lines = Lines(Arc::new(write));
    let common = tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_ansi(false)
        .with_target(false)
        .with_writer(lines);
    match form {
        Log::Text => common.without_time().with_level(false).into(),
        Log::Json => common
            .with_timer(SystemTime)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .into(),
    }
}

/// The same for the whole process, once; later calls change nothing.
pub fn start(form: Log, write: impl Fn(&str) + Send + Sync + 'static) {
    let _ = tracing::dispatcher::set_global_default(dispatch(form, write));
}

/// Says something in this form.
pub fn say(text: &str) {
    tracing::info!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn lines(form: Log) -> Vec<String> {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let to = Arc::clone(&lines);
        let dispatch = dispatch(form, move |line| to.lock().unwrap().push(line.to_owned()));
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!(state = "SOLO", reason = "no\nstandby \u{1b}[31m", "state");
            tracing::debug!("not told");
            tracing::warn!("careful");
        });
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn json_is_one_object_a_line() {
        let lines = lines(Log::Json);
        assert_eq!(lines.len(), 2);
        let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(first["message"], "state");
        assert_eq!(first["state"], "SOLO");
        assert_eq!(first["reason"], "no\nstandby \u{1b}[31m");
        assert_eq!(first["level"], "INFO");
        assert!(first["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_is_for_people() {
        let lines = lines(Log::Text);
        assert!(
            lines[0].contains("state") && lines[0].contains("SOLO"),
            "{lines:?}"
        );
        assert!(
            lines.iter().any(|line| line.trim() == "careful"),
            "{lines:?}"
        );
    }
}
