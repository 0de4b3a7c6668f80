//! Mappings of a shadow: of the files themselves, as the recorded processes have them, provided
//! that their content is that of the recording.

use super::Shadow;
use super::kinds::Kind;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use crate::sys::wait::Pid;
use journal::{Effect, FileId, Mapping, ObjectId, Source, Tid};
use std::fs::File;
use std::os::unix::fs::MetadataExt;

const FIXED: u64 = libc::MAP_FIXED.cast_unsigned() as u64;
const NO_RESERVE: u64 = libc::MAP_NORESERVE.cast_unsigned() as u64;
/// Files remembered at most; what is forgotten is only read again.
const HASHES_MAX: usize = 16 * 1024;

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    place: (u64, u64),
    size: u64,
    times: [(i64, i64); 2],
}

impl Session {
    /// Maps what the current syscall mapped. `false`: it is nothing that a shadow treats otherwise.
    pub(in crate::replay) fn map_live(
        &mut self,
        tid: Tid,
        mapping: &Mapping,
    ) -> Result<bool, ReplayError> {
        let Some(call) = self.shadow.as_ref().and_then(|shadow| shadow.call) else {
            return Ok(false);
        };
        let len = mapping.end.saturating_sub(mapping.start);
        if call.def.name == "shmat" {
            self.sites_remapped(tid, &(mapping.start..mapping.end))?;
            let again = libc::SHM_REMAP.cast_unsigned() as u64;
            let args = [call.args[0], mapping.start, call.args[2] | again, 0, 0, 0];
            let start = mapping.start.cast_signed();
            self.remote_as_then(tid, "shmat", libc::SYS_shmat, args, start)?;
            return Ok(true);
        }
        let held = mapping.source != Source::Zero && self.kind(tid, call.int(4))? == Kind::Held;
        let offset = match mapping.source {
            Source::Zero => return Ok(false),
            // Whether changes of the file show in a private mapping is nobody's promise.
            Source::File { id, offset } if held => {
                self.map_copy(tid, mapping, id, offset)?;
                return Ok(true);
            }
            Source::Object { .. } if held => {
                return Err(self.not_shadowed("a shared mapping of a file on shared storage"));
            }
            Source::File { id, offset } => {
                let file = self.readable(tid, call.int(4))?;
                self.check_content(id, &file)?;
                offset
            }
            Source::Object { offset, .. } => offset,
        };
        let kind = u64::from(mapping.flags) | FIXED | NO_RESERVE;
        let prot = u64::from(mapping.prot);
        let args = [mapping.start, len, prot, kind, call.args[4], offset];
        let start = mapping.start.cast_signed();
        self.remote_as_then(tid, "mmap", libc::SYS_mmap, args, start)?;
        Ok(true)
    }

    /// The file behind a descriptor of a thread.
    fn readable(&mut self, tid: Tid, fd: i32) -> Result<File, ReplayError> {
        let (_, real) = self.process(tid)?;
        host::file_of(real, fd).map_err(ReplayError::os("opening a mapped file"))
    }

    /// Whether a file has the content that the recording mapped.
    pub(super) fn check_content(&mut self, id: FileId, file: &File) -> Result<(), ReplayError> {
        let unknown = self.inconsistent(&format!("no kept file {}", id.0));
        let failed = || ReplayError::os("reading a mapped file");
        let Some(kept) = self.files.get(&id) else {
            return Err(unknown);
        };
        let meta = file.metadata().map_err(failed())?;
        let identity = Identity {
            place: (meta.dev(), meta.ino()),
            size: meta.size(),
            times: [
                (meta.mtime(), meta.mtime_nsec()),
                (meta.ctime(), meta.ctime_nsec()),
            ],
        };
        let known = self
            .shadow
            .as_ref()
            .and_then(|shadow| shadow.hashes.get(&identity).copied());
        let found = match known {
            Some(hash) => hash,
            None => journal::hash_file(file, meta.len()).map_err(failed())?.0,
        };
        if found != kept.hash {
            return Err(ReplayError::OtherFile {
                event: self.index,
                path: String::from_utf8_lossy(&kept.path).into_owned(),
            });
        }
        if let Some(shadow) = &mut self.shadow {
            if shadow.hashes.len() >= HASHES_MAX {
                shadow.hashes.clear();
            }
            shadow.hashes.insert(identity, found);
        }
        Ok(())
    }

    /// Effects that the kernel has brought about by itself, because the syscall was made.
    pub(in crate::replay) fn effect_is_real(
        &mut self,
        tid: Tid,
        effect: &Effect<'_>,
    ) -> Result<bool, ReplayError> {
        if self.shadow.is_none() {
            return Ok(false);
        }
        match effect {
            Effect::Object { id, .. } => {
                self.note_object(tid, *id)?;
                Ok(true)
            }
            Effect::Forget { id } => {
                if let Some(shadow) = &mut self.shadow {
                    shadow.objects.remove(id);
                }
                Ok(true)
            }
            Effect::Resize { .. } | Effect::ObjectWrite { .. } | Effect::Fill { .. } => Ok(true),
            Effect::Map(mapping) => self.map_live(tid, mapping),
            _ => Ok(false),
        }
    }

    /// The current syscall maps a file shared for the first time.
    fn note_object(&mut self, tid: Tid, id: ObjectId) -> Result<(), ReplayError> {
        let (_, real) = self.process(tid)?;
        let Some(Shadow {
            call: Some(call),
            objects,
            segments,
            ..
        }) = self.shadow.as_deref_mut()
        else {
            return Ok(());
        };
        if call.def.name == "shmat" {
            segments.insert(call.args[0], id);
            return Ok(());
        }
        objects.insert(id, place(real, call.int(4))?);
        Ok(())
    }
}

fn place(real: Pid, fd: i32) -> Result<(u64, u64), ReplayError> {
    let meta = std::fs::metadata(format!("/proc/{real}/fd/{fd}"))
        .map_err(ReplayError::os("looking at a mapped file"))?;
    Ok((meta.dev(), meta.ino()))
}
