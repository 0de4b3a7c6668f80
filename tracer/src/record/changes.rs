//! What syscalls do to files that somebody has mapped, and to memory through files: writes
//! to a file that is mapped shared or private, and through `/proc/<pid>/mem`.
//!
//! A look at what a descriptor leads to costs as much as a syscall. So nothing is looked at
//! while no file that is mapped could change, and what was seen is remembered until a
//! syscall may have changed descriptors.

use super::error::{RecordError, Step};
use super::journal_out::Output;
use super::looked_at::LookedAt;
use super::memory::{Memories, Object, PIECE};
use super::task::Thread;
use crate::layout::page_up;
use crate::maps::{self, Area};
use crate::model::FileChange;
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{Effect, Mapping, Source, Tid, Write};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Device and inode.
pub(super) type FileKey = (u64, u64);

/// Files that were opened for writing and are remembered at most; beyond, every file that
/// is mapped private counts as one that may change.
const WRITTEN_MAX: usize = 64 * 1024;

/// What is known of descriptors.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    /// How often what they lead to was forgotten because files had changed.
    forgotten: u64,
    /// Those that lead to nothing of interest, by process.
    plain: HashSet<(Pid, i32)>,
    /// Files that were opened for writing.
    written: HashSet<FileKey>,
    written_overflow: bool,
    /// Files that were mapped private, and their length then.
    private: HashMap<FileKey, u64>,
    /// Files that are both, and their length when last looked at.
    watched: HashMap<FileKey, u64>,
    /// `/proc/<pid>/mem` was opened for writing.
    memory_files: bool,
    /// Files that are not to be opened for writing without a look.
    pub looked_at: LookedAt,
}

/// What a descriptor leads to.
#[derive(Debug, Clone, Copy, Default)]
struct Behind {
    key: FileKey,
    len: u64,
    shared: bool,
    private: bool,
    /// The memory of this process, as its procfs calls it.
    memory_of: Option<Tid>,
}

impl Descriptors {
    /// Forgets what descriptors lead to.
    pub fn forget(&mut self) {
        self.forgotten += 1;
        self.plain.clear();
    }

    /// A syscall was made that may have changed descriptors.
    pub fn changed(&mut self, name: &str) {
        if !self.plain.is_empty() && !keeps_descriptors(name) {
            self.plain.clear();
        }
    }

    /// A file was mapped private.
    pub fn mapped_private(&mut self, meta: &std::fs::Metadata) {
        let key = (meta.dev(), meta.ino());
        self.looked_at.add(key);
        if self.private.insert(key, meta.len()).is_none()
            && (self.written_overflow || self.written.contains(&key))
        {
            self.watched.insert(key, meta.len());
            self.forget();
        }
    }

    /// Descriptor `fd` may be written through from now on; what it leads to.
    pub fn opened_for_writing(&mut self, tid: Pid, fd: i32) -> Option<std::fs::Metadata> {
        let path = format!("/proc/{tid}/fd/{fd}");
        let meta = std::fs::metadata(&path).ok()?;
        if !meta.is_file() {
            return Some(meta);
        }
        self.written((meta.dev(), meta.ino()));
        if memory_file(&path).is_some() {
            self.memory_files = true;
            self.forget();
        }
        Some(meta)
    }

    /// A file may be written to from now on.
    pub fn written(&mut self, key: FileKey) {
        if self.written.len() >= WRITTEN_MAX {
            self.written.clear();
            self.written_overflow = true;
            self.watched.extend(&self.private);
        }
        if self.written.insert(key)
            && let Some(len) = self.private.get(&key)
        {
            self.watched.insert(key, *len);
            self.forget();
        }
    }
}

/// The process whose memory a descriptor is, given its entry in `/proc`.
fn memory_file(entry: &str) -> Option<Tid> {
    let target = std::fs::read_link(entry).ok()?;
    let text = target.to_str()?.strip_suffix("/mem")?;
    text.strip_prefix("/proc/")?
        .rsplit('/')
        .next()?
        .parse()
        .ok()
        .map(Tid)
}

impl Memories {
    fn behind(&mut self, process: Pid, tid: Pid, fd: i32) -> Option<Behind> {
        let seen = &mut self.descriptors;
        if seen.plain.contains(&(process, fd)) {
            return None;
        }
        let path = format!("/proc/{tid}/fd/{fd}");
        let meta = std::fs::metadata(&path).ok()?;
        let key = (meta.dev(), meta.ino());
        let behind = Behind {
            key,
            len: meta.len(),
            shared: self.objects.contains_key(&key),
            private: seen.watched.contains_key(&key),
            memory_of: if seen.memory_files {
                memory_file(&path)
            } else {
                None
            },
        };
        if behind.shared || behind.private || behind.memory_of.is_some() {
            return Some(behind);
        }
        seen.plain.insert((process, fd));
        None
    }

    /// What the answers of [`Self::is_plain`] rest on: while this is the same, so are they.
    pub fn descriptor_basis(&self) -> (u64, bool) {
        (self.descriptors.forgotten, self.follows_changes())
    }

    /// Files that are mapped private and may be written, by device and inode.
    pub fn changing_files(&self) -> impl Iterator<Item = FileKey> {
        self.descriptors.watched.keys().copied()
    }

    /// Whether changes of any file show in memory.
    fn follows_changes(&self) -> bool {
        let seen = &self.descriptors;
        !self.objects.is_empty() || !seen.watched.is_empty() || seen.memory_files
    }

    /// Whether nothing that is written to a descriptor shows in memory.
    pub fn is_plain(&mut self, process: Pid, tid: Pid, fd: i32) -> bool {
        !self.follows_changes() || self.behind(process, tid, fd).is_none()
    }

    /// Journals what a syscall did to memory by changing a file. `processes` has a thread
    /// of each process.
    pub fn file_changed(
        &mut self,
        out: &mut Output,
        (process, thread): (Pid, Thread),
        call: &Call,
        result: i64,
        processes: &dyn Fn() -> HashMap<Pid, Thread>,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        if !self.follows_changes() {
            return Ok(());
        }
        let tid = thread.tid;
        match call.def.file_change {
            FileChange::None => Ok(()),
            FileChange::Length => {
                if may_change_length(call) {
                    self.lengths(effects);
                    if let Some((key, len)) = resized_file(tid, call, result) {
                        self.private_resized(thread, key, len, effects);
                    }
                }
                Ok(())
            }
            FileChange::Write { fd, offset } => {
                let fd = call.int(usize::from(fd));
                let Some(behind) = self.behind(process, tid, fd) else {
                    return Ok(());
                };
                let written = u64::try_from(result).unwrap_or(0);
                let start = start(tid, call, fd, offset, behind.len, written);
                if let Some(target) = behind.memory_of {
                    memory_written(&processes(), target, start, written, effects);
                }
                self.changed(
                    out,
                    thread,
                    &behind,
                    Some((start, written)),
                    processes,
                    effects,
                )
            }
            FileChange::Any { fd } => {
                let fd = call.int(usize::from(fd));
                match self.behind(process, tid, fd) {
                    Some(behind) => self.changed(out, thread, &behind, None, processes, effects),
                    None => Ok(()),
                }
            }
        }
    }

    fn lengths(&mut self, effects: &mut Vec<Effect<'static>>) {
        for object in self.objects.values_mut() {
            let size = object
                .file
                .metadata()
                .map_or(object.size, |meta| meta.len());
            resized(object, size, effects);
        }
    }

    /// A file that is mapped private may have another length: where it ends, accesses fault.
    /// Followed in the process that changed it.
    fn private_resized(
        &mut self,
        thread: Thread,
        key: FileKey,
        len: u64,
        effects: &mut Vec<Effect<'static>>,
    ) {
        let Some(before) = self.descriptors.watched.get_mut(&key) else {
            return;
        };
        let before = std::mem::replace(before, len);
        if before == len {
            return;
        }
        let mut gone = Vec::new();
        for (area, range) in private_areas(thread.tid, key, page_up(len.min(before)), u64::MAX) {
            let end = range
                .end
                .min(area.start + (page_up(len) - area.offset.min(page_up(len))));
            let mapping = |start, end, source| Mapping {
                start,
                end,
                prot: area.prot,
                flags: libc::MAP_PRIVATE.cast_unsigned(),
                source,
            };
            if len < before {
                let id = self.new_object();
                effects.push(Effect::Object {
                    id,
                    size: 0,
                    content: None,
                });
                let source = Source::Object { id, offset: 0 };
                effects.push(Effect::Map(mapping(range.start, range.end, source)));
                gone.push(Effect::Forget { id });
            } else if end > range.start {
                effects.push(Effect::Map(mapping(range.start, end, Source::Zero)));
                seen(thread, range.start, end - range.start, effects);
            }
        }
        effects.extend(gone);
        // The rest of the last page.
        let short = len.min(before);
        for (_, range) in private_areas(thread.tid, key, short, page_up(short)) {
            seen(thread, range.start, range.end - range.start, effects);
        }
    }

    /// A range of a file, or any part of it, has another content now.
    fn changed(
        &mut self,
        out: &mut Output,
        thread: Thread,
        behind: &Behind,
        range: Option<(u64, u64)>,
        processes: &dyn Fn() -> HashMap<Pid, Thread>,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        if behind.private {
            self.private_resized(thread, behind.key, behind.len, effects);
            let (start, len) = range.unwrap_or((0, behind.len));
            private_changed(&processes(), behind.key, start, len, effects);
        }
        let Some(object) = self.objects.get_mut(&behind.key) else {
            return Ok(());
        };
        resized(object, behind.len, effects);
        if let Some((start, len)) = range
            && len <= PIECE as u64
        {
            copy_range(object, start, len, effects);
            return Ok(());
        }
        let (id, file) = (object.id, object.file.try_clone());
        let file = file.map_err(RecordError::os("looking at a shared object"))?;
        let content = self.keep(out, &file, b"(changed in place)")?;
        effects.push(Effect::Fill { id, content });
        Ok(())
    }
}

/// Opening a file changes its length only with `O_TRUNC`.
fn may_change_length(call: &Call) -> bool {
    let flags = match call.def.name {
        "open" => call.int(1),
        "openat" => call.int(2),
        _ => return true,
    };
    flags & libc::O_TRUNC != 0
}

/// Where in the file a syscall wrote.
fn start(tid: Pid, call: &Call, fd: i32, offset: Option<u8>, len: u64, written: u64) -> u64 {
    const RWF_APPEND: i32 = 0x10;
    const RWF_NOAPPEND: i32 = 0x20;
    const FLAGS: usize = 5;
    let info = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    let mut appends = field("flags:")
        .and_then(|text| i32::from_str_radix(text.trim(), 8).ok())
        .is_some_and(|flags| flags & libc::O_APPEND != 0);
    let mut offset = offset.map(|index| call.args[usize::from(index)]);
    if call.def.name == "pwritev2" {
        let flags = call.int(FLAGS);
        appends = flags & RWF_APPEND != 0 || appends && flags & RWF_NOAPPEND == 0;
        // -1: at the file's position.
        offset = offset.filter(|&offset| offset != u64::MAX);
    }
    match offset {
        Some(_) if appends => len.saturating_sub(written),
        Some(offset) => offset,
        None => field("pos:")
            .and_then(|text| text.trim().parse::<u64>().ok())
            .unwrap_or(0)
            .saturating_sub(written),
    }
}

/// What recorded processes see of a changed range of a file that they have mapped private.
/// In pages of their own that is what it was; in replay all of it becomes their own.
fn private_changed(
    processes: &HashMap<Pid, Thread>,
    key: FileKey,
    start: u64,
    len: u64,
    effects: &mut Vec<Effect<'static>>,
) {
    for &thread in processes.values() {
        for (_, range) in private_areas(thread.tid, key, start, start.saturating_add(len)) {
            seen(thread, range.start, range.end - range.start, effects);
        }
    }
}

/// The areas of a process that map part of a range of a file private, and the addresses of
/// that part.
fn private_areas(tid: Pid, (dev, inode): FileKey, start: u64, end: u64) -> Vec<(Area, Range<u64>)> {
    let areas = maps::read(tid).unwrap_or_default().into_iter();
    areas
        .filter(|area| !area.shared && area.inode == inode && maps::same_device(area.dev, dev))
        .filter_map(|area| {
            let first = start.max(area.offset);
            let last = end.min(area.offset.saturating_add(area.len()));
            let range = area.start + first.saturating_sub(area.offset)
                ..area.start + last.saturating_sub(area.offset);
            (first < last).then_some((area, range))
        })
        .collect()
}

/// The file whose length a syscall may have changed, and its length.
fn resized_file(tid: Pid, call: &Call, result: i64) -> Option<(FileKey, u64)> {
    const PATH_BYTES_MAX: usize = 4096;
    let meta = match call.def.name {
        "ftruncate" => std::fs::metadata(format!("/proc/{tid}/fd/{}", call.int(0))),
        "truncate" => {
            let mut path = vec![0; PATH_BYTES_MAX];
            let read = Remote(tid).read_some(call.args[0], &mut path);
            let len = path[..read].iter().position(|&byte| byte == 0)?;
            let path = Path::new(OsStr::from_bytes(&path[..len]));
            let base = if path.is_absolute() { "root" } else { "cwd" };
            let path = path.strip_prefix("/").unwrap_or(path);
            std::fs::metadata(Path::new(&format!("/proc/{tid}/{base}")).join(path))
        }
        _ => std::fs::metadata(format!("/proc/{tid}/fd/{result}")),
    };
    let meta = meta.ok()?;
    Some(((meta.dev(), meta.ino()), meta.len()))
}

/// A process's memory was written through its file in `/proc`.
fn memory_written(
    processes: &HashMap<Pid, Thread>,
    target: Tid,
    addr: u64,
    len: u64,
    effects: &mut Vec<Effect<'static>>,
) {
    // The file may name a thread.
    let named = |thread: &&Thread| thread.process == target || thread.id == target;
    if let Some(&thread) = processes.values().find(named) {
        seen(thread, addr, len, effects);
    }
}

/// Journals memory of a thread as it is now.
fn seen(thread: Thread, addr: u64, len: u64, effects: &mut Vec<Effect<'static>>) {
    let memory = Remote(thread.tid);
    let mut done = 0;
    while done < len {
        let want = usize::try_from(len - done).unwrap_or(PIECE).min(PIECE);
        let mut data = vec![0; want];
        let read = memory.read_some(addr + done, &mut data);
        if read == 0 {
            break;
        }
        data.truncate(read);
        effects.push(Effect::Write(Write {
            tid: thread.id,
            addr: addr + done,
            data: data.into(),
        }));
        done += read as u64;
    }
}

fn resized(object: &mut Object, size: u64, effects: &mut Vec<Effect<'static>>) {
    if object.size != size {
        object.size = size;
        effects.push(Effect::Resize {
            id: object.id,
            size,
        });
    }
}

fn copy_range(object: &Object, start: u64, len: u64, effects: &mut Vec<Effect<'static>>) {
    let mut at = start;
    let end = start.saturating_add(len);
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let mut data = vec![0; want];
        match object.file.read_at(&mut data, at) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                data.truncate(count);
                effects.push(Effect::ObjectWrite {
                    id: object.id,
                    offset: at,
                    data: data.into(),
                });
                at += count as u64;
            }
        }
    }
}

/// Whether a syscall leaves all descriptors as they are.
pub(super) fn keeps_descriptors(name: &str) -> bool {
    KEEP_DESCRIPTORS.binary_search(&name).is_ok()
}

/// Frequent syscalls that leave every descriptor what it is, sorted.
const KEEP_DESCRIPTORS: &[&str] = &[
    "access",
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "copy_file_range",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fallocate",
    "fdatasync",
    "fstat",
    "fsync",
    "ftruncate",
    "futex",
    "getpeername",
    "getpid",
    "getppid",
    "getrandom",
    "getrusage",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "lseek",
    "lstat",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "poll",
    "ppoll",
    "pread64",
    "preadv",
    "preadv2",
    "pselect6",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "recvfrom",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "select",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "stat",
    "statx",
    "time",
    "write",
    "writev",
];
