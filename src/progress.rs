//! The progress bar of commands that may take long: on standard error, only if that is a
//! terminal, and never in the way of what the application wrote.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr, stdout};
use std::time::{Duration, Instant};

/// What is done sooner needs no bar.
const DELAY: Duration = Duration::from_millis(400);
const DRAWS_PER_SECOND: u8 = 10;
const TEMPLATE: &str =
    "ftrun: {msg} [{bar:30}] {percent:>3}%  {bytes} of {total_bytes}, {eta} left";

/// A bar that appears when it is worth it, or never. Gone when dropped.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    enabled: bool,
    began: Instant,
    bar: Option<ProgressBar>,
    /// What the application wrote last ended its line.
    at_line_start: bool,
}

impl Progress {
    /// Tells how far `what` is, while nothing else is printed.
    pub fn new(what: &'static str) -> Self {
        Self::enabled(what, stderr().is_terminal())
    }

    /// The same beside output of the application on both standard streams: where people read
    /// that on their terminal, it is the progress.
    pub fn beside_output(what: &'static str) -> Self {
        Self::enabled(what, stderr().is_terminal() && !stdout().is_terminal())
    }

    fn enabled(what: &'static str, enabled: bool) -> Self {
        Self {
            what,
            enabled,
            began: Instant::now(),
            bar: None,
            at_line_start: true,
        }
    }

    /// So much of so much is done.
    pub fn update(&mut self, done: u64, total: u64) {
        if !self.enabled || !self.at_line_start || self.began.elapsed() < DELAY {
            return;
        }
        let what = self.what;
        let bar = self.bar.get_or_insert_with(|| new_bar(what));
        bar.set_length(total);
        bar.set_position(done);
    }

    /// Clears the line for something else on standard error; the bar comes back with the
    /// next update.
    pub fn make_room(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Clears the line for bytes of the application on standard error, and stays away until
    /// they have ended their line: what is on a bar's line is erased with it.
    pub fn make_room_for(&mut self, bytes: &[u8]) {
        self.make_room();
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.make_room();
    }
}

fn new_bar(what: &'static str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(None, target).with_message(what);
    // The template is a constant; with the default style the bar would do as well.
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
