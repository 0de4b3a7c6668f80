//! The CPUs that the application believes to have.

use super::error::{RecordError, Step};
use super::session::Session;
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::Tid;

impl Session {
    /// `sched_setaffinity`: what was asked for is remembered, and told when somebody asks.
    pub(super) fn set_affinity(&mut self, tid: Pid, of: i32, len: u64, mask: u64) -> Step<i64> {
        let of = if of == 0 {
            Some(tid)
        } else {
            self.named(Tid(of))
        };
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0).min(1024)];
        let read = Remote(tid).read_some(mask, &mut bytes);
        if read < bytes.len() {
            return Ok(-i64::from(libc::EFAULT));
        }
        let allowed = &self.options.affinity.0;
        if !bytes
            .iter()
            .zip(allowed)
            .any(|(asked, has)| asked & has != 0)
        {
            return Ok(-i64::from(libc::EINVAL));
        }
        let granted = (0..allowed.len())
            .map(|index| bytes.get(index).copied().unwrap_or(0) & allowed[index])
            .collect();
        match of.and_then(|of| self.tasks.get_mut(&of)) {
            Some(task) => {
                task.affinity = Some(granted);
                Ok(0)
            }
            None => Ok(-i64::from(libc::ESRCH)),
        }
    }

    /// `sched_getaffinity`.
    pub(super) fn show_affinity(&mut self, tid: Pid, call: &Call, result: i64) -> Step {
        if call.def.name != "sched_getaffinity" || result <= 0 {
            return Ok(());
        }
        let of = call.int(0);
        let of = if of == 0 {
            Some(tid)
        } else {
            self.named(Tid(of))
        };
        let Some(task) = of.and_then(|of| self.tasks.get(&of)) else {
            return Ok(());
        };
        // Threads of the application have one CPU between them. To be told so keeps runtimes
        // from spinning while they wait for a thread that cannot run meanwhile.
        let mut one = vec![0u8; self.options.affinity.0.len()];
        if let Some(byte) = one.get_mut(self.cpu / 8) {
            *byte |= 1 << (self.cpu % 8);
        }
        let shown = task.affinity.as_ref().unwrap_or(&one);
        let len = usize::try_from(result).unwrap_or(0).min(shown.len());
        Remote(tid)
            .write(call.args[2], &shown[..len])
            .map_err(RecordError::os("answering sched_getaffinity"))?;
        Ok(())
    }
}
