//! Where turns are drawn by chance: whoever the last thread has woken is known of before anything is drawn, so that the
//! same seed draws from the same threads.

use super::error::{Step, Stumble};
use super::session::{Awaited, Session};
use super::task::State;

impl Session {
    /// If turns are drawn by chance, waits until no thread without the CPU is about to report: what the others have done is
    /// done.
    pub(super) fn settle(&mut self) -> Step {
        if self.schedule.branches().is_none() {
            return Ok(());
        }
        while self.is_anybody_under_way() {
            // One may go to sleep again without a report.
            self.tick.arm();
            match self.await_report(None) {
                Awaited::Report(pid, status) => match self.note(pid, status) {
                    Err(Stumble::Gone) => self.vanished(pid),
                    other => other?,
                },
                Awaited::Interrupted => {}
                Awaited::Nobody => break,
                Awaited::Failed(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether a thread that waits in the kernel has been woken, or one that ends has not done so yet.
    fn is_anybody_under_way(&mut self) -> bool {
        self.tasks.values_mut().any(|task| match task.state {
            State::Waiting => task.kernel_state() == Some(b'R'),
            State::Ending => !matches!(task.kernel_state(), Some(b'Z' | b'X' | b't' | b'T') | None),
            _ => false,
        })
    }
}
