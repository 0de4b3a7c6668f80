//! Who has the last word on which node may be active.

pub mod command;
pub mod etcd;
pub mod none;

use super::machine::{Answer, Ask};
use std::time::Duration;

/// Keeps the one record that both nodes change, or stands in for it.
///
/// Calls block, but not for longer than the implementation's own limit. They come from one thread.
pub trait Witness: Send {
    /// Asks, and waits for the answer.
    fn ask(&mut self, ask: &Ask) -> Answer;

    /// Whether it keeps a record that both nodes see. If not, the first to act wins, and a primary
    /// leaves the standby a [head start](super::machine::Settings::head_start).
    fn keeps_record(&self) -> bool;

    /// What it is, for people.
    fn describe(&self) -> String;
}

/// How long a question may take, at least: less, and every hiccup of the witness is an outage.
pub const ASK_MS_MIN: u64 = 300;

/// How long a question may take with this detection time.
#[must_use]
pub fn ask_limit(detect: Duration) -> Duration {
    detect.max(Duration::from_millis(ASK_MS_MIN))
}
