//! Address spaces in replay: mappings are made where they were, from kept files and from
//! files in memory.

use super::Sink;
use super::error::ReplayError;
use super::session::{Session, shared_path};
use crate::advice;
use crate::layout::{KERNEL_PAGE, page_up};
use crate::model::Handler;
use crate::model::capture::Call;
use crate::remote::{self, RemoteError};
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use journal::{Effect, FileId, Mapping, ObjectId, Source, Tid};
use pmu::Regs;
use std::fs::File;
use std::os::unix::fs::FileExt;

const PRIVATE: u64 = libc::MAP_PRIVATE.cast_unsigned() as u64;
const ANONYMOUS: u64 = libc::MAP_ANONYMOUS.cast_unsigned() as u64;
const FIXED: u64 = libc::MAP_FIXED.cast_unsigned() as u64;
const NO_RESERVE: u64 = libc::MAP_NORESERVE.cast_unsigned() as u64;
const PROT_WRITE: u64 = libc::PROT_WRITE.cast_unsigned() as u64;
const PIECE: usize = 1 << 20;
/// Kept files open at a time.
const OPEN_FILES_MAX: usize = 256;

impl Session {
    /// Performs a remote syscall that must succeed in thread `tid`.
    pub(super) fn remote(
        &mut self,
        tid: Tid,
        what: &'static str,
        nr: i64,
        args: [u64; 6],
    ) -> Result<u64, ReplayError> {
        self.before_remapping(tid, nr, args)?;
        self.remotely(tid, |stopped, base, met| {
            remote::must(stopped, base, what, nr, args, met)
        })
    }

    /// Performs a remote syscall and returns its result, be it an error.
    pub(super) fn remote_result(
        &mut self,
        tid: Tid,
        nr: i64,
        args: [u64; 6],
    ) -> Result<i64, ReplayError> {
        self.before_remapping(tid, nr, args)?;
        self.remotely(tid, |stopped, base, met| {
            remote::call(stopped, base, nr, args, met)
        })
    }

    /// What was rewritten where memory is going to be mapped anew is given up.
    fn before_remapping(&mut self, tid: Tid, nr: i64, args: [u64; 6]) -> Result<(), ReplayError> {
        let range = |at: u64, len: u64| at..at.saturating_add(page_up(len));
        match nr {
            libc::SYS_mmap | libc::SYS_munmap => self.sites_remapped(tid, &range(args[0], args[1])),
            libc::SYS_mprotect if args[2] & PROT_WRITE != 0 => {
                self.sites_remapped(tid, &range(args[0], args[1]))
            }
            libc::SYS_madvise if i32::try_from(args[2]).is_ok_and(advice::discards) => {
                self.sites_remapped(tid, &range(args[0], args[1]))
            }
            libc::SYS_mremap => {
                self.sites_remapped(tid, &range(args[0], args[1]))?;
                self.sites_remapped(tid, &range(args[4], args[2]))
            }
            _ => Ok(()),
        }
    }

    fn remotely<T>(
        &mut self,
        tid: Tid,
        perform: impl FnOnce(Stopped, &Regs, &mut remote::Met) -> Result<(Stopped, T), RemoteError>,
    ) -> Result<T, ReplayError> {
        let stopped = self.take_stop(tid)?;
        let base = self.task(tid)?.regs;
        // What the world sends now is not part of this execution.
        let mut outside = remote::Met::new();
        let (stopped, result) = perform(stopped, &base, &mut outside)?;
        self.task(tid)?.stopped = Some(stopped);
        for info in outside {
            self.note_outside(tid, info)?;
        }
        Ok(result)
    }

    /// Performs a remote syscall that must give what it gave then, be it an error.
    pub(super) fn remote_as_then(
        &mut self,
        tid: Tid,
        what: &'static str,
        nr: i64,
        args: [u64; 6],
        result: i64,
    ) -> Result<(), ReplayError> {
        let found = self.remote_result(tid, nr, args)?;
        if found == result {
            Ok(())
        } else {
            Err(self.diverged(
                format!("{what} with result {result}"),
                format!("{what} with result {found}"),
            ))
        }
    }

    /// Writes memory of a thread.
    pub(super) fn write(&mut self, tid: Tid, addr: u64, data: &[u8]) -> Result<(), ReplayError> {
        let real = self.task(tid)?.real;
        Remote(real).write(addr, data).map_err(|error| {
            self.diverged(
                format!("{} writable bytes at {addr:#x}", data.len()),
                error.to_string(),
            )
        })
    }

    /// Applies what a syscall did besides returning and writing its own memory.
    pub(super) fn effect(
        &mut self,
        tid: Tid,
        effect: &Effect<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), ReplayError> {
        if let Effect::Object { id, .. } = effect {
            self.next_object = self.next_object.max(id.0 + 1);
        }
        if self.effect_is_real(tid, effect)? {
            return Ok(());
        }
        match effect {
            Effect::Map(mapping) => self.map(tid, mapping),
            Effect::Write(write) => {
                self.memory_changed(write)?;
                self.write(write.tid, write.addr, &write.data)
            }
            Effect::Object { id, size, content } => self.make_object(*id, *size, *content),
            Effect::Resize { id, size } => {
                let file = self.object(*id)?;
                file.set_len(*size)
                    .map_err(ReplayError::os("resizing a shared object"))
            }
            Effect::ObjectWrite { id, offset, data } => {
                let file = self.object(*id)?;
                file.write_all_at(data, *offset)
                    .map_err(ReplayError::os("writing a shared object"))
            }
            Effect::Fill { id, content } => {
                self.kept_path(*content)?;
                let from = self.files.get(content).and_then(|kept| kept.file.as_ref());
                let (Some(from), Some(to)) = (from, self.objects.get(id)) else {
                    return Err(self.inconsistent("new content for an unknown shared object"));
                };
                fill(from, to).map_err(ReplayError::os("filling a shared object"))
            }
            Effect::Forget { id } => {
                self.objects.remove(id);
                Ok(())
            }
            Effect::Echo { stream, data } => {
                sink.output(*stream, data);
                Ok(())
            }
            // The last are for others to apply.
            Effect::Exec(_)
            | Effect::Regs(_)
            | Effect::Stream { .. }
            | Effect::Connection { .. }
            | Effect::Received { .. }
            | Effect::Socket { .. }
            | Effect::Advised { .. } => Ok(()),
        }
    }

    /// What some syscalls do to the address space, besides what the journal describes.
    pub(super) fn perform(
        &mut self,
        tid: Tid,
        call: &Call,
        result: i64,
    ) -> Result<(), ReplayError> {
        let [a, b, c, d, ..] = call.args;
        match call.def.handler {
            Handler::Munmap => {
                self.remote(tid, "munmap", libc::SYS_munmap, [a, b, 0, 0, 0, 0])?;
            }
            Handler::Mprotect => {
                let args = [a, b, c, 0, 0, 0];
                self.remote_as_then(tid, "mprotect", libc::SYS_mprotect, args, result)?;
            }
            Handler::Mremap => self.remap(tid, [a, b, c, d], result.cast_unsigned())?,
            Handler::Brk => self.set_break(tid, result.cast_unsigned())?,
            Handler::Madvise => self.advise(tid, a, b, call.int(2), result)?,
            // READ_IMPLIES_EXEC decides what later mappings allow.
            Handler::Personality => {
                self.remote(
                    tid,
                    "personality",
                    libc::SYS_personality,
                    [a, 0, 0, 0, 0, 0],
                )?;
            }
            Handler::ResourceLimit => self.limit_stack(tid, call)?,
            Handler::Shmat => {
                let space = std::rc::Rc::clone(&self.task(tid)?.space);
                let len = self.attached_len;
                space
                    .borrow_mut()
                    .attached
                    .insert(result.cast_unsigned(), len);
            }
            Handler::Shmdt => {
                let space = std::rc::Rc::clone(&self.task(tid)?.space);
                let len = space.borrow_mut().attached.remove(&a);
                if let Some(len) = len {
                    self.remote(tid, "munmap", libc::SYS_munmap, [a, len, 0, 0, 0, 0])?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn remap(
        &mut self,
        tid: Tid,
        [old, old_len, new_len, flags]: [u64; 4],
        result: u64,
    ) -> Result<(), ReplayError> {
        let may_move = libc::MREMAP_MAYMOVE.cast_unsigned() as u64;
        let fixed = libc::MREMAP_FIXED.cast_unsigned() as u64;
        let flags = if result == old {
            flags & !(fixed | may_move)
        } else {
            flags | fixed | may_move
        };
        let found = self.remote(
            tid,
            "mremap",
            libc::SYS_mremap,
            [old, old_len, new_len, flags, result, 0],
        )?;
        if found != result {
            return Err(self.diverged(
                format!("mremap to {result:#x}"),
                format!("mremap to {found:#x}"),
            ));
        }
        Ok(())
    }

    fn set_break(&mut self, tid: Tid, result: u64) -> Result<(), ReplayError> {
        let space = std::rc::Rc::clone(&self.task(tid)?.space);
        space.borrow_mut().first_brk.get_or_insert(result);
        let before = space.borrow_mut().brk.replace(result);
        let Some(before) = before else { return Ok(()) };
        let (from, to) = (page_up(before), page_up(result));
        if to > from {
            let prot = (libc::PROT_READ | libc::PROT_WRITE).cast_unsigned().into();
            let flags = PRIVATE | ANONYMOUS | FIXED | NO_RESERVE;
            self.remote(
                tid,
                "mmap",
                libc::SYS_mmap,
                [from, to - from, prot, flags, u64::MAX, 0],
            )?;
        } else if to < from {
            self.remote(tid, "munmap", libc::SYS_munmap, [to, from - to, 0, 0, 0, 0])?;
        }
        Ok(())
    }

    /// Of all resource limits, that of the stack decides what memory there is.
    fn limit_stack(&mut self, tid: Tid, call: &Call) -> Result<(), ReplayError> {
        const RLIMIT_STACK: i32 = libc::RLIMIT_STACK.cast_signed();
        let (target, resource, addr) = if call.def.name == "setrlimit" {
            (0, call.int(0), call.args[1])
        } else {
            (call.int(0), call.int(1), call.args[2])
        };
        if resource != RLIMIT_STACK || addr == 0 {
            return Ok(());
        }
        let real = self.task(tid)?.real;
        let bytes = Remote(real)
            .read_u64(addr)
            .map_err(ReplayError::os("reading a resource limit"))?;
        let target = if target == 0 { tid } else { Tid(target) };
        match self.tasks.get(&target).map(|task| task.real) {
            Some(real) => self.set_stack_limit(real, bytes),
            // Outside the recording.
            None => Ok(()),
        }
    }

    pub(super) fn set_stack_limit(&self, real: Pid, bytes: u64) -> Result<(), ReplayError> {
        host::set_stack_limit(real, bytes).map_err(|error| {
            ReplayError::os("letting the stack grow as it could then (raise `ulimit -s`)")(error)
        })
    }

    /// Advice that changes content, or what a fork does.
    fn advise(
        &mut self,
        tid: Tid,
        addr: u64,
        len: u64,
        advice: i32,
        result: i64,
    ) -> Result<(), ReplayError> {
        let advice = advice::performed(advice);
        if advice::matters(advice) {
            let advice = advice.cast_unsigned().into();
            let args = [addr, len, advice, 0, 0, 0];
            self.remote_as_then(tid, "madvise", libc::SYS_madvise, args, result)?;
        }
        Ok(())
    }

    /// Advice that failed in the midst of its range, at `end`.
    pub(super) fn advise_in_part(
        &mut self,
        tid: Tid,
        call: &Call,
        end: u64,
        result: i64,
    ) -> Result<(), ReplayError> {
        let [start, len, ..] = call.args;
        let range = start..start.saturating_add(page_up(len));
        if call.def.handler != Handler::Madvise || !range.contains(&end) {
            return Err(self.inconsistent("advice that was followed beyond its range"));
        }
        let advice = advice::performed(call.int(2));
        let args = [start, end - start, advice.cast_unsigned().into(), 0, 0, 0];
        let found = self.remote_result(tid, libc::SYS_madvise, args)?;
        // Holes in the part are told only if nothing worse comes, which then it did.
        if [0, -i64::from(libc::ENOMEM)].contains(&found) {
            return Ok(());
        }
        Err(self.diverged(
            format!("madvise up to {end:#x}, then result {result}"),
            format!("madvise with result {found}"),
        ))
    }

    /// Makes a mapping.
    pub(super) fn map(&mut self, tid: Tid, mapping: &Mapping) -> Result<(), ReplayError> {
        let len = mapping.end.saturating_sub(mapping.start);
        if len == 0 || !mapping.start.is_multiple_of(KERNEL_PAGE) {
            return Err(self.inconsistent("a mapping of no pages"));
        }
        if self.is_mapped_by_agent(tid, mapping)? {
            return Ok(());
        }
        self.attached_len = len;
        let prot = u64::from(mapping.prot);
        let kind = u64::from(mapping.flags) | FIXED | NO_RESERVE;
        match mapping.source {
            Source::Zero => {
                let args = [mapping.start, len, prot, kind | ANONYMOUS, u64::MAX, 0];
                self.remote(tid, "mmap", libc::SYS_mmap, args)?;
                Ok(())
            }
            Source::File { id, offset } => {
                let path = self.kept_path(id)?;
                let args = [
                    mapping.start,
                    len,
                    prot,
                    PRIVATE | FIXED | NO_RESERVE,
                    0,
                    offset,
                ];
                match self.map_path(tid, &path, libc::O_RDONLY, args) {
                    // The recording lies on a file system from which nothing may be executed.
                    Err(ReplayError::Remote(remote::RemoteError::Failed { error, .. }))
                        if error.raw_os_error() == Some(libc::EPERM) =>
                    {
                        self.map_copy(tid, mapping, id, offset)
                    }
                    other => other,
                }
            }
            Source::Object { id, offset } => {
                let path = shared_path(self.object(id)?);
                let args = [mapping.start, len, prot, kind, 0, offset];
                self.map_path(tid, &path, libc::O_RDWR, args)
            }
        }
    }

    fn map_path(
        &mut self,
        tid: Tid,
        path: &str,
        mode: i32,
        mut args: [u64; 6],
    ) -> Result<(), ReplayError> {
        let real = self.task(tid)?.real;
        let name = remote::place_path(real, path.as_bytes())?;
        let at = libc::AT_FDCWD.cast_unsigned().into();
        let mode = mode.cast_unsigned().into();
        let fd = self.remote(
            tid,
            "opening a kept file",
            libc::SYS_openat,
            [at, name, mode, 0, 0, 0],
        )?;
        args[4] = fd;
        let mapped = self.remote(tid, "mapping a kept file", libc::SYS_mmap, args);
        if self.task(tid)?.stopped.is_some() {
            self.remote(tid, "close", libc::SYS_close, [fd, 0, 0, 0, 0, 0])?;
        }
        mapped.map(|_| ())
    }

    pub(super) fn map_copy(
        &mut self,
        tid: Tid,
        mapping: &Mapping,
        id: FileId,
        offset: u64,
    ) -> Result<(), ReplayError> {
        let zero = Mapping {
            source: Source::Zero,
            ..*mapping
        };
        self.map(tid, &zero)?;
        self.kept_path(id)?;
        let mut at = 0;
        let len = mapping.end - mapping.start;
        let mut piece = vec![0; PIECE];
        while at < len {
            let Some(file) = self.files.get(&id).and_then(|kept| kept.file.as_ref()) else {
                break;
            };
            let want = usize::try_from(len - at).unwrap_or(PIECE).min(PIECE);
            let read = file
                .read_at(&mut piece[..want], offset + at)
                .map_err(ReplayError::os("reading a kept file"))?;
            if read == 0 {
                break;
            }
            self.write(tid, mapping.start + at, &piece[..read])?;
            at += read as u64;
        }
        Ok(())
    }

    fn kept_path(&mut self, id: FileId) -> Result<String, ReplayError> {
        let unknown = self.inconsistent(&format!("no kept file {}", id.0));
        let Some(kept) = self.files.get(&id) else {
            return Err(unknown);
        };
        if let Some(file) = &kept.file {
            return Ok(shared_path(file));
        }
        // Executing something else than then must not go unnoticed.
        if !kept.checked {
            self.store.verify(kept.hash)?;
        }
        let file = self.store.open_kept(kept.hash)?;
        let path = shared_path(&file);
        if self.open_files >= OPEN_FILES_MAX {
            self.open_files = 0;
            for other in self.files.values_mut() {
                other.file = None;
            }
        }
        self.open_files += 1;
        if let Some(kept) = self.files.get_mut(&id) {
            kept.file = Some(file);
            kept.checked = true;
        }
        Ok(path)
    }

    fn object(&self, id: ObjectId) -> Result<&File, ReplayError> {
        self.objects
            .get(&id)
            .ok_or_else(|| self.inconsistent(&format!("no shared object {}", id.0)))
    }

    fn make_object(
        &mut self,
        id: ObjectId,
        size: u64,
        content: Option<FileId>,
    ) -> Result<(), ReplayError> {
        let file = host::memory_file(c"ftrun-shared")
            .map_err(ReplayError::os("making a file in memory"))?;
        if let Some(content) = content {
            self.kept_path(content)?;
            if let Some(from) = self.files.get(&content).and_then(|kept| kept.file.as_ref()) {
                copy(from, &file).map_err(ReplayError::os("filling a shared object"))?;
            }
        }
        file.set_len(size)
            .map_err(ReplayError::os("sizing a shared object"))?;
        self.objects.insert(id, file);
        Ok(())
    }
}

/// Overwrites a shared object, zeros included.
fn fill(from: &File, to: &File) -> std::io::Result<()> {
    let size = to.metadata()?.len();
    to.set_len(0)?;
    to.set_len(size)?;
    copy(from, to)
}

fn copy(from: &File, to: &File) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    // Holes may be many times as long as the data.
    while let Some((start, end)) = host::next_data(from, at)? {
        at = start;
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let read = from.read_at(&mut piece[..want], at)?;
            if read == 0 {
                return Ok(());
            }
            if piece[..read].iter().any(|&byte| byte != 0) {
                to.write_all_at(&piece[..read], at)?;
            }
            at += read as u64;
        }
    }
    Ok(())
}
