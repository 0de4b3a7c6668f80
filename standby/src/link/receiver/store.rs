//! The copy on disk: segments, kept files, and which recording it is a copy of.

use super::same_session;
use crate::link::error::LinkError;
use crate::link::message::Session;
use journal::{FileStore, Incoming, JOURNAL_DIR, Replica, segment_name};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The name of the recording, in the copy's directory.
const SESSION_FILE: &str = "session";

#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    session: Option<Session>,
    pub replica: Replica,
    pub files: FileStore,
    /// The kept file that is coming in.
    pub incoming: Option<Incoming>,
}

impl Store {
    /// Opens the copy in `dir`, or begins one.
    pub fn open(dir: &Path) -> Result<Self, LinkError> {
        let failed = |error| LinkError::System {
            doing: format!("create {}", dir.display()),
            error,
        };
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        let session = read_session(dir)?;
        if session.is_none() && dir.join(JOURNAL_DIR).join(segment_name(0)).exists() {
            return Err(LinkError::Differs(format!(
                "{} has a recording that did not come over a link: give the standby another directory",
                dir.display()
            )));
        }
        Ok(Self {
            dir: dir.into(),
            session,
            replica: Replica::open(dir)?,
            files: FileStore::open_or_create(dir)?,
            incoming: None,
        })
    }

    /// Becomes, or goes on being, the copy of this recording.
    pub fn belong_to(&mut self, session: Session) -> Result<(), LinkError> {
        same_session(self.session, session)?;
        if self.session.is_none() {
            write_session(&self.dir, session)?;
            self.session = Some(session);
        }
        Ok(())
    }

    /// Forgets what came in part.
    pub fn interrupt(&mut self) {
        self.replica.forget_partial();
        self.incoming = None;
    }
}

fn read_session(dir: &Path) -> Result<Option<Session>, LinkError> {
    let path = dir.join(SESSION_FILE);
    let failed = |error| LinkError::System {
        doing: format!("read {}", path.display()),
        error,
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let session = u128::from_str_radix(text.trim_end(), 16)
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    Ok(Some(Session(session)))
}

/// Under another name first: it is there as a whole, or not at all.
fn write_session(dir: &Path, session: Session) -> Result<(), LinkError> {
    let path = dir.join(SESSION_FILE);
    let temporary = dir.join(".session");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        writeln!(file, "{session}")?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)
    };
    write().map_err(|error| LinkError::System {
        doing: format!("write {}", path.display()),
        error,
    })
}
