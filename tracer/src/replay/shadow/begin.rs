//! The first process of a shadow.

use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::fork;
use journal::Start;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Session {
    /// Starts the program itself, with the id that it had then.
    pub(in crate::replay) fn start_live(&mut self, start: &Start<'_>) -> Result<(), ReplayError> {
        let Some(shadow) = &self.shadow else {
            return Ok(());
        };
        let path = Path::new(OsStr::from_bytes(&start.program));
        std::env::set_current_dir(OsStr::from_bytes(&start.cwd)).map_err(ReplayError::os(
            format!("entering {}", String::from_utf8_lossy(&start.cwd)),
        ))?;
        let argv = start.argv.iter().map(|arg| arg.as_ref());
        let envp = start.envp.iter().map(|var| var.as_ref());
        let mut program = fork::Program::new(path, argv, envp)
            .map_err(ReplayError::os("preparing the program"))?;
        program.own_session = true;
        shadow.namespaces.set_last_pid(start.tid.0 - 1)?;
        let real = fork::spawn(&program, Some(&shadow.namespaces))
            .map_err(ReplayError::os("starting the program"))?;
        let found = shadow
            .namespaces
            .inner_of(real)
            .map_err(ReplayError::os("looking at the first process"))?;
        if found != start.tid {
            return Err(self.inconsistent(&format!(
                "its first process has id {}, here {found}: was it recorded with --isolate?",
                start.tid
            )));
        }
        self.first_task(start, real)
    }
}
