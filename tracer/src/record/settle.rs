//! Where turns are drawn by chance: whoever the last thread has woken is known of before anything is drawn, so that the
//! same seed draws from the same threads.

use super::error::Step;
use super::session::{Awaited, Session};
use super::task::State;
use crate::sys::wait::Pid;

impl Session {
    /// If turns are drawn by chance, waits until no thread without the CPU is about to report: what the others have done is
    /// done. `running` is stopped between two of its sync points.
    pub(super) fn settle(&mut self, running: Option<Pid>) -> Step {
        if self.schedule.branches().is_none() {
            return Ok(());
        }
        while self.is_anybody_under_way() {
            // One may go to sleep again without a report.
            self.tick.arm();
            match self.await_report(None) {
                Awaited::Report(pid, status) => match running {
                    Some(running) => self.note_beside(running, pid, status)?,
                    None => self.note_if_there(pid, status)?,
                },
                Awaited::Interrupted => {}
                Awaited::Nobody => break,
                Awaited::Failed(error) => return Err(error.into()),
            }
        }
        self.schedule.among(!self.ready.is_empty());
        Ok(())
    }

    /// Whether a thread that waits in the kernel has been woken, be it that its report has not been taken yet, or one that
    /// ends has not done so yet.
    fn is_anybody_under_way(&mut self) -> bool {
        self.tasks.values_mut().any(|task| match task.state {
            State::Waiting => matches!(task.kernel_state(), Some(b'R' | b't')),
            State::Ending => !matches!(task.kernel_state(), Some(b'Z' | b'X' | b'T') | None),
            _ => false,
        })
    }
}
