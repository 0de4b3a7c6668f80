//! What the application asks of itself and the supervisor has asked of it already: the state is
//! kept here, because the kernel's own is the supervisor's.

use super::error::{RecordError, Step};
use super::session::Session;
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;

impl Session {
    /// The result of a prctl that the kernel must not perform.
    pub(super) fn answer_prctl(&mut self, tid: Pid, call: &Call) -> Option<i64> {
        let [option, value, ..] = call.args.map(as_int);
        match option {
            libc::PR_SET_TSC => Some(self.set_tsc_mode(tid, value)),
            _ => None,
        }
    }

    fn set_tsc_mode(&mut self, tid: Pid, mode: i32) -> i64 {
        let denied = match mode {
            libc::PR_TSC_ENABLE => false,
            libc::PR_TSC_SIGSEGV => true,
            _ => return -i64::from(libc::EINVAL),
        };
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.tsc_denied = denied;
        }
        0
    }

    /// The kernel answered what the supervisor set.
    pub(super) fn show_tsc_mode(&self, tid: Pid, addr: u64) -> Step {
        let denied = self.tasks.get(&tid).is_some_and(|task| task.tsc_denied);
        let mode = if denied {
            libc::PR_TSC_SIGSEGV
        } else {
            libc::PR_TSC_ENABLE
        };
        Remote(tid)
            .write(addr, &mode.to_le_bytes())
            .map_err(RecordError::os("answering prctl"))?;
        Ok(())
    }
}

/// What the kernel takes of an argument that is an int.
#[allow(
    clippy::cast_possible_truncation,
    reason = "that is what the kernel does"
)]
const fn as_int(register: u64) -> i32 {
    register as i32
}
