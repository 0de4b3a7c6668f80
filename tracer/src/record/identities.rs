//! After a takeover: files are to the application what they were where it ran before.

use super::error::Step;
use super::is_error;
use super::session::Session;
use crate::identities::Told;
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;

impl Session {
    /// A syscall has told of a file.
    pub(super) fn show_identity(&self, tid: Pid, call: &Call, result: i64) -> Step {
        let (Some(identities), Some(told), false) =
            (&self.identities, Told::by(call), is_error(result))
        else {
            return Ok(());
        };
        let (addr, len) = told.range();
        let mut bytes = vec![0; len];
        let read = Remote(tid).read_some(addr, &mut bytes);
        let Some(real) = told.read(&bytes[..read]) else {
            return Ok(());
        };
        let shown = identities.shown(real);
        if shown != real {
            told.write(&mut bytes, shown);
            // The kernel has just written there.
            Remote(tid)
                .write(addr, &bytes)
                .map_err(super::RecordError::os("telling of a file"))?;
        }
        Ok(())
    }
}
