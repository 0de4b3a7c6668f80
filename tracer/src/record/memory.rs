//! Mappings while recording: files kept by content, shared memory objects, patched code.

use super::changes::{Descriptors, FileKey};
use super::error::{RecordError, Step};
use super::journal_out::Output;
use super::session::Session;
use super::task::SpaceId;
use crate::maps::{self, Area};
use crate::model::capture::Call;
use crate::sites;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{Effect, FileId, FileStore, Mapping, ObjectId, Out, Source, Write};
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, XFS_SUPER_MAGIC, fstatfs,
};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::time::{Duration, UNIX_EPOCH};

/// A file that changed as recently as this may change again within the same time stamp.
const RACY: Duration = Duration::from_secs(1);
/// Bytes of a file compared or copied in one piece.
pub(super) const PIECE: usize = 1 << 20;
/// Files remembered at most; what is forgotten is only read and declared again.
const CACHED_FILES_MAX: usize = 16 * 1024;
/// Shared objects beyond which unmapped ones are looked for.
const OBJECTS_BEFORE_SWEEP: usize = 64;

/// A file that has not changed for so long does not do so unseen: a store to a mapping of it is told by its time stamps only once
/// what was stored before has been written to the disk, which happens after half a minute.
const SETTLED: Duration = Duration::from_mins(5);
/// Filesystems of which that is known.
const ON_DISKS: [FsType; 4] = [
    EXT4_SUPER_MAGIC,
    XFS_SUPER_MAGIC,
    BTRFS_SUPER_MAGIC,
    F2FS_SUPER_MAGIC,
];
const ELF_MAGIC: [u8; 4] = *b"\x7fELF";

/// How long ago a time stamp is; nothing if it is to come.
fn age(seconds: i64) -> Duration {
    let then = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    host::unix_time().saturating_sub(then)
}

/// Whether what the kernel says of a file tells its content, to other recordings, too: if it is a program or a library, on a disk,
/// and has not changed lately.
fn is_settled_program(file: &File, meta: &std::fs::Metadata) -> bool {
    let mut magic = [0; ELF_MAGIC.len()];
    let lately = age(meta.mtime()).min(age(meta.ctime())) < SETTLED;
    !lately
        && file.read_exact_at(&mut magic, 0).is_ok()
        && magic == ELF_MAGIC
        && fstatfs(file).is_ok_and(|fs| ON_DISKS.contains(&fs.filesystem_type()))
}

/// What to do about memory that a process outside the recording can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideMemory {
    /// End the recording.
    Refuse,
    /// Say so, and go on.
    Warn,
}

/// A file's content at one time, as far as the kernel tells without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    dev: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (modified, changed) = (self.modified, self.changed);
        write!(f, "{}-{}-{}", self.dev, self.inode, self.size)?;
        write!(f, "-{}-{}", modified.0, modified.1)?;
        write!(f, "-{}-{}", changed.0, changed.1)
    }
}

impl Identity {
    fn of(meta: &std::fs::Metadata) -> Self {
        Self {
            dev: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// A file that is mapped shared.
pub(super) struct Object {
    pub id: ObjectId,
    pub file: File,
    pub size: u64,
}

/// What the recorder knows of mapped files and patched code.
pub struct Memories {
    store: FileStore,
    outside: OutsideMemory,
    kept: HashMap<Identity, FileId>,
    by_hash: HashMap<u128, FileId>,
    hashes: HashMap<FileId, u128>,
    pub(super) objects: HashMap<FileKey, Object>,
    segments: HashMap<u64, ObjectId>,
    next_object: u32,
    sites: HashMap<FileId, sites::Found>,
    /// Of parts of files, whether no instruction that matters can be cut there.
    whole: HashMap<(FileId, u64, u64), bool>,
    patched: HashMap<SpaceId, HashSet<u64>>,
    pub(super) descriptors: Descriptors,
}

/// Replacements whose addresses are no farther apart are written together, in bytes: each write is
/// three syscalls, here and in replay.
const PATCHED_TOGETHER: u64 = 2048;

impl Memories {
    /// Nothing mapped yet.
    pub fn new(store: FileStore, outside: OutsideMemory) -> Self {
        Self {
            store,
            outside,
            kept: HashMap::new(),
            by_hash: HashMap::new(),
            hashes: HashMap::new(),
            objects: HashMap::new(),
            segments: HashMap::new(),
            next_object: 0,
            sites: HashMap::new(),
            whole: HashMap::new(),
            patched: HashMap::new(),
            descriptors: Descriptors::default(),
        }
    }

    /// Goes on where a replay has arrived.
    pub fn go_on(&mut self, next_object: u32, segments: &HashMap<u64, ObjectId>) {
        self.next_object = next_object;
        self.segments.clone_from(segments);
    }

    /// Learns what is mapped, and patched, in an address space.
    pub fn adopt_space(
        &mut self,
        space: SpaceId,
        tid: Pid,
        objects: &HashMap<FileKey, ObjectId>,
    ) -> Result<(), RecordError> {
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        for area in areas.iter().filter(|area| area.inode != 0) {
            let Some(file) = open_area(tid, area) else {
                continue;
            };
            let meta = file
                .metadata()
                .map_err(RecordError::os("looking at a mapped file"))?;
            let key = (meta.dev(), meta.ino());
            if area.shared
                && let Some(id) = objects.get(&key)
            {
                let size = meta.len();
                let id = *id;
                let object = Object { id, file, size };
                self.descriptors.looked_at.add(key);
                self.objects.entry(key).or_insert(object);
                continue;
            }
            self.descriptors.mapped_private(&meta);
            if area.prot & libc::PROT_EXEC.cast_unsigned() != 0 {
                self.find_patched(space, tid, area, &file);
            }
        }
        Ok(())
    }

    fn find_patched(&mut self, space: SpaceId, tid: Pid, area: &Area, file: &File) {
        let part = area.offset..area.offset.saturating_add(area.len());
        let sites = sites::find(file, &part);
        let inside = sites
            .sites
            .iter()
            .filter(|(at, _)| *at >= area.offset && *at - area.offset < area.len());
        for (at, code) in inside {
            let addr = area.start + (at - area.offset);
            let mut found = vec![0; code.len()];
            if Remote(tid).read_some(addr, &mut found) == code.len() && found == *code {
                self.patched.entry(space).or_default().insert(addr);
            }
        }
    }

    /// Whether an instruction at `addr` was patched to trap.
    pub fn is_patched(&self, space: SpaceId, addr: u64) -> bool {
        self.patched
            .get(&space)
            .is_some_and(|sites| sites.contains(&addr))
    }

    /// A copy of an address space was made.
    pub fn forked(&mut self, from: SpaceId, to: SpaceId) {
        if let Some(sites) = self.patched.get(&from).cloned() {
            self.patched.insert(to, sites);
        }
    }

    /// Forgets address spaces that no thread has any more.
    pub fn spaces_left(&mut self, left: impl Iterator<Item = SpaceId>) {
        let left: HashSet<SpaceId> = left.collect();
        self.patched.retain(|space, _| left.contains(space));
    }

    /// Keeps a file by content.
    pub fn keep(
        &mut self,
        out: &mut Output,
        file: &File,
        path: &[u8],
    ) -> Result<FileId, RecordError> {
        let failed = |error: String| RecordError::Keep {
            path: String::from_utf8_lossy(path).into_owned(),
            error,
        };
        let meta = file.metadata().map_err(|error| failed(error.to_string()))?;
        let identity = Identity::of(&meta);
        if let Some(id) = self.kept.get(&identity) {
            return Ok(*id);
        }
        if self.kept.len() >= CACHED_FILES_MAX {
            self.kept.clear();
            self.by_hash.clear();
            self.hashes.clear();
            self.sites.clear();
            self.whole.clear();
        }
        let kept = if self.store.pool().is_some() && is_settled_program(file, &meta) {
            let identity = identity.to_string();
            self.store.keep_identified(file, meta.len(), &identity)
        } else {
            self.store.keep(file, meta.len())
        };
        let kept = kept.map_err(|error| failed(error.to_string()))?;
        let id = match self.by_hash.get(&kept.hash) {
            Some(id) => *id,
            None => {
                let id = out.declare(kept.hash, kept.size, path)?;
                self.by_hash.insert(kept.hash, id);
                self.hashes.insert(id, kept.hash);
                id
            }
        };
        let settled = meta
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .is_some_and(|at| host::unix_time().saturating_sub(at) > RACY);
        if settled {
            self.kept.insert(identity, id);
        }
        Ok(id)
    }

    /// Keeps the file behind an area of a fresh address space.
    pub fn keep_area(
        &mut self,
        out: &mut Output,
        tid: Pid,
        area: &Area,
    ) -> Result<(FileId, File), RecordError> {
        let file = open_area(tid, area).ok_or_else(|| RecordError::Keep {
            path: String::from_utf8_lossy(&area.name).into_owned(),
            error: "the mapped file is no longer where it was".to_owned(),
        })?;
        if let Ok(meta) = file.metadata() {
            self.descriptors.mapped_private(&meta);
        }
        let id = self.keep(out, &file, &area.name)?;
        Ok((id, file))
    }

    /// Patches instructions that cannot be made to trap otherwise, in an executable
    /// mapping of a kept file; what was written is added to `out`. Gives the pages that may have
    /// a read of the time stamp counter left; `None`: there is no telling.
    #[allow(
        clippy::too_many_arguments,
        reason = "a range of a file at an address of a thread"
    )]
    pub fn patch(
        &mut self,
        space: SpaceId,
        tid: Pid,
        id: FileId,
        file: &File,
        start: u64,
        offset: u64,
        len: u64,
        out: &mut Vec<Out<'static>>,
    ) -> Option<Vec<std::ops::Range<u64>>> {
        let end = offset.saturating_add(len);
        let part = offset..end;
        let noted = (self.store.pool())
            .and_then(|pool| Some(sites::Noted::new(pool, *self.hashes.get(&id)?)));
        let find = || match &noted {
            Some(noted) => noted.find(file, &part),
            None => sites::find(file, &part),
        };
        let sites = match self.sites.entry(id) {
            Entry::Occupied(known) if known.get().covers(&part) => known.into_mut(),
            Entry::Occupied(mut known) => {
                known.insert(find());
                known.into_mut()
            }
            Entry::Vacant(unknown) => unknown.insert(find()),
        };
        if self.whole.len() >= CACHED_FILES_MAX {
            self.whole.clear();
        }
        let mut certain = *self
            .whole
            .entry((id, offset, len))
            .or_insert_with(|| sites::is_whole(file, offset, len));
        let guards = sites
            .guards
            .iter()
            .map(|range| range.start.max(offset)..range.end.min(end))
            .filter(|range| range.start < range.end)
            .map(|range| start + (range.start - offset)..start + (range.end - offset))
            .collect();
        let inside: Vec<_> = sites
            .sites
            .iter()
            .filter(|(at, code)| *at >= offset && at.saturating_add(code.len() as u64) <= end)
            .map(|(at, code)| (start + (at - offset), code))
            .collect();
        let near = |a: &(u64, &Vec<u8>), b: &(u64, &Vec<u8>)| b.0 - a.0 <= PATCHED_TOGETHER;
        let memory = Remote(tid);
        let groups: Vec<_> = inside.chunk_by(near).collect();
        let pieces: Vec<_> = groups
            .iter()
            .map_while(|group| replaced(memory, group))
            .collect();
        let written = if pieces.is_empty() {
            0
        } else {
            memory.write_pieces(&pieces)
        };
        certain &= written == groups.len();
        for (group, (addr, data)) in groups.iter().zip(pieces).take(written) {
            let patched = self.patched.entry(space).or_default();
            patched.extend(group.iter().map(|(addr, _)| *addr));
            let data = data.into();
            out.push(Out { addr, data });
        }
        certain.then_some(guards)
    }

    /// The object for a file that is mapped shared, made if there is none yet.
    fn object(
        &mut self,
        out: &mut Output,
        file: File,
        path: &[u8],
        recorded: &HashSet<i32>,
        effects: &mut Vec<Effect<'static>>,
    ) -> Result<ObjectId, RecordError> {
        let meta = file
            .metadata()
            .map_err(RecordError::os("looking at a mapped file"))?;
        let key = (meta.dev(), meta.ino());
        if let Some(object) = self.objects.get(&key) {
            return Ok(object.id);
        }
        self.check_outside(out, &meta, path, recorded)?;
        if self.objects.len() >= OBJECTS_BEFORE_SWEEP {
            self.sweep(recorded, effects);
        }
        let content = if meta.len() == 0 {
            None
        } else {
            Some(self.keep(out, &file, path)?)
        };
        let id = self.new_object();
        effects.push(Effect::Object {
            id,
            size: meta.len(),
            content,
        });
        self.descriptors.forget();
        self.descriptors.looked_at.add(key);
        self.objects.insert(
            key,
            Object {
                id,
                file,
                size: meta.len(),
            },
        );
        Ok(id)
    }

    /// A name for one more object.
    pub(super) const fn new_object(&mut self) -> ObjectId {
        let id = ObjectId(self.next_object);
        self.next_object += 1;
        id
    }

    /// Forgets objects that no recorded process maps any more.
    fn sweep(&mut self, recorded: &HashSet<i32>, effects: &mut Vec<Effect<'static>>) {
        let mut mapped = HashSet::new();
        for pid in recorded {
            for area in maps::read(Pid(*pid)).unwrap_or_default() {
                mapped.insert(area.inode);
            }
        }
        self.objects.retain(|(_, inode), object| {
            let keep = mapped.contains(inode);
            if !keep {
                effects.push(Effect::Forget { id: object.id });
            }
            keep
        });
    }

    /// Whether a process outside the recording maps the file for writing.
    fn check_outside(
        &self,
        out: &mut Output,
        meta: &std::fs::Metadata,
        path: &[u8],
        recorded: &HashSet<i32>,
    ) -> Result<(), RecordError> {
        let Some(pid) = outside_writer(meta, recorded) else {
            return Ok(());
        };
        let path = String::from_utf8_lossy(path).into_owned();
        match self.outside {
            OutsideMemory::Refuse => Err(RecordError::OutsideMemory { path, pid }),
            OutsideMemory::Warn => out.note(&format!(
                "{path} is mapped for writing by process {pid} outside the recording; what it writes \
                 is not recorded"
            )),
        }
    }
}

/// Several replacements, by address in ascending order, with what is between them.
fn replaced(memory: Remote, group: &[(u64, &Vec<u8>)]) -> Option<(u64, Vec<u8>)> {
    let (addr, _) = *group.first()?;
    let end = group
        .iter()
        .map(|(at, code)| at + code.len() as u64)
        .max()?;
    let mut data = vec![0; usize::try_from(end - addr).ok()?];
    memory.read_exact(addr, &mut data).ok()?;
    for (at, code) in group {
        let from = usize::try_from(at - addr).ok()?;
        data.get_mut(from..from + code.len())?.copy_from_slice(code);
    }
    Some((addr, data))
}

/// Opens the file that an area maps, making sure that it is that file.
fn open_area(tid: Pid, area: &Area) -> Option<File> {
    let path = std::ffi::OsString::from_vec(area.name.clone());
    let candidates = [
        std::path::PathBuf::from(format!("/proc/{tid}/exe")),
        std::path::PathBuf::from(format!("/proc/{tid}/root"))
            .join(std::path::Path::new(&path).strip_prefix("/").ok()?),
        std::path::PathBuf::from(format!(
            "/proc/{tid}/map_files/{:x}-{:x}",
            area.start, area.end
        )),
    ];
    candidates.into_iter().find_map(|candidate| {
        let file = File::open(candidate).ok()?;
        (file.metadata().ok()?.ino() == area.inode).then_some(file)
    })
}

/// A process that is not recorded and has the file mapped shared and writable.
fn outside_writer(meta: &std::fs::Metadata, recorded: &HashSet<i32>) -> Option<i32> {
    let inode = meta.ino();
    let writable = libc::PROT_WRITE.cast_unsigned();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        if recorded.contains(&pid) {
            continue;
        }
        let areas = maps::read(Pid(pid)).unwrap_or_default();
        if areas.iter().any(|area| {
            area.inode == inode
                && area.shared
                && area.prot & writable != 0
                && area.name.starts_with(b"/")
                && maps::same_device(area.dev, meta.dev())
        }) {
            return Some(pid);
        }
    }
    None
}

impl Session {
    fn recorded_processes(&self) -> HashSet<i32> {
        self.tasks.values().map(|task| task.tgid.0).collect()
    }

    /// A successful `mmap`.
    pub(super) fn mapped(
        &mut self,
        tid: Pid,
        call: &Call,
        start: u64,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        let [_, len, prot, flags, fd, offset] = call.args;
        let anonymous = flags & libc::MAP_ANONYMOUS.cast_unsigned() as u64 != 0;
        let shared = flags & u64::from(libc::MAP_SHARED.cast_unsigned()) != 0;
        let end = start + crate::layout::page_up(len);
        #[allow(clippy::cast_possible_truncation, reason = "PROT_ bits fit")]
        let prot = prot as u32;
        let grows = libc::MAP_GROWSDOWN.cast_unsigned();
        #[allow(clippy::cast_possible_truncation, reason = "masked")]
        let flags = if shared {
            libc::MAP_SHARED
        } else {
            libc::MAP_PRIVATE
        }
        .cast_unsigned()
            | (flags as u32 & grows);
        let mut mapping = Mapping {
            start,
            end,
            prot,
            flags,
            source: Source::Zero,
        };
        let executable = prot & libc::PROT_EXEC.cast_unsigned() != 0;
        let writable = prot & libc::PROT_WRITE.cast_unsigned() != 0;
        if executable && (anonymous || shared || writable) {
            self.close_counter(tid);
        }
        if anonymous {
            effects.push(Effect::Map(mapping));
            return Ok(());
        }
        #[allow(clippy::cast_possible_truncation, reason = "descriptors are ints")]
        let fd = fd as i32;
        let link = std::fs::read_link(format!("/proc/{tid}/fd/{fd}")).unwrap_or_default();
        let path = link.into_os_string().into_vec();
        let meta = std::fs::metadata(format!("/proc/{tid}/fd/{fd}"))
            .map_err(RecordError::os("looking at a mapped file"))?;
        if meta.file_type().is_char_device()
            && (libc::major(meta.rdev()), libc::minor(meta.rdev())) == DEV_ZERO
        {
            if executable {
                self.close_counter(tid);
            }
            if shared && offset != 0 {
                // The memory behind it is as large as the mapping, which begins in its midst: the
                // last pages lie beyond its end.
                let id = self.memories.new_object();
                let (size, content) = (end - start, None);
                mapping.source = Source::Object { id, offset };
                effects.push(Effect::Object { id, size, content });
                effects.push(Effect::Map(mapping));
                effects.push(Effect::Forget { id });
                return Ok(());
            }
            effects.push(Effect::Map(mapping));
            return Ok(());
        }
        if !meta.is_file() {
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: format!("a mapping of the device {}", String::from_utf8_lossy(&path)),
            }
            .into());
        }
        let file = host::file_of(tid, fd).map_err(|error| RecordError::Keep {
            path: String::from_utf8_lossy(&path).into_owned(),
            error: error.to_string(),
        })?;
        if shared {
            let recorded = self.recorded_processes();
            let id = self
                .memories
                .object(&mut self.out, file, &path, &recorded, effects)?;
            mapping.source = Source::Object { id, offset };
            effects.push(Effect::Map(mapping));
            return Ok(());
        }
        if let Some(object) = self.memories.objects.get(&(meta.dev(), meta.ino())) {
            // What is stored through a shared map shows in a private one as well.
            let id = object.id;
            mapping.source = Source::Object { id, offset };
            effects.push(Effect::Map(mapping));
            if executable {
                self.close_counter(tid);
            }
            return Ok(());
        }
        self.memories.descriptors.mapped_private(&meta);
        let id = self.memories.keep(&mut self.out, &file, &path)?;
        mapping.source = Source::File { id, offset };
        effects.push(Effect::Map(mapping));
        if executable {
            let readable = prot & libc::PROT_READ.cast_unsigned() != 0;
            let guards = self.patch_range(tid, id, &file, (start, offset, end - start), effects);
            let guards = guards.filter(|guards| readable || guards.is_empty());
            self.more_code(tid, guards);
        }
        Ok(())
    }

    fn patch_range(
        &mut self,
        tid: Pid,
        id: FileId,
        file: &File,
        (start, offset, len): (u64, u64, u64),
        effects: &mut Vec<Effect<'static>>,
    ) -> Option<Vec<std::ops::Range<u64>>> {
        let (space, thread) = self.tasks.get(&tid).map(|task| (task.space, task.id))?;
        let mut outs = Vec::new();
        let guards = self
            .memories
            .patch(space, tid, id, file, start, offset, len, &mut outs);
        effects.extend(outs.into_iter().map(|out| {
            Effect::Write(Write {
                tid: thread,
                addr: out.addr,
                data: out.data,
            })
        }));
        guards
    }

    /// Memory was moved, or has become larger: then there may be more of a file's code.
    pub(super) fn code_moved(&mut self, tid: Pid, start: u64) -> Step {
        let space = self.tasks.get(&tid).map(|task| task.space);
        if !space.is_some_and(|space| self.counter.is_open(space)) {
            return Ok(());
        }
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        let executable = |area: &&Area| area.prot & libc::PROT_EXEC.cast_unsigned() != 0;
        let mut areas = areas.iter().filter(executable);
        if areas.any(|area| (area.start..area.end).contains(&start)) {
            self.close_counter(tid);
        }
        Ok(())
    }

    /// A file mapping may have become executable.
    pub(super) fn made_executable(
        &mut self,
        tid: Pid,
        addr: u64,
        len: u64,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        // Whatever was written there before.
        self.close_counter(tid);
        let end = addr.saturating_add(len);
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        let writable = libc::PROT_WRITE.cast_unsigned();
        for area in areas {
            let file_backed = area.inode != 0 && !area.shared && area.prot & writable == 0;
            if !file_backed || area.end <= addr || area.start >= end {
                continue;
            }
            let Some(file) = open_area(tid, &area) else {
                continue;
            };
            let id = self.memories.keep(&mut self.out, &file, &area.name)?;
            self.patch_range(
                tid,
                id,
                &file,
                (area.start, area.offset, area.len()),
                effects,
            );
        }
        Ok(())
    }

    /// A successful `shmat`.
    pub(super) fn attached(
        &mut self,
        tid: Pid,
        call: &Call,
        start: u64,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        let Some(area) = areas.iter().find(|area| area.start == start) else {
            return Ok(());
        };
        if area.prot & libc::PROT_EXEC.cast_unsigned() != 0 {
            self.close_counter(tid);
        }
        self.guards_replaced(tid, &(area.start..area.end));
        let id = match self.memories.segments.get(&call.args[0]) {
            Some(id) => *id,
            None => {
                let id = self.memories.new_object();
                self.memories.segments.insert(call.args[0], id);
                effects.push(Effect::Object {
                    id,
                    size: area.len(),
                    content: None,
                });
                let memory = Remote(tid);
                let mut at = area.start;
                let mut data = vec![0; PIECE];
                while at < area.end {
                    let want = usize::try_from(area.end - at).unwrap_or(PIECE).min(PIECE);
                    let read = memory.read_some(at, &mut data[..want]);
                    if read == 0 {
                        break;
                    }
                    if data[..read].iter().any(|&byte| byte != 0) {
                        let data = data[..read].to_vec().into();
                        effects.push(Effect::ObjectWrite {
                            id,
                            offset: at - area.start,
                            data,
                        });
                    }
                    at += read as u64;
                }
                id
            }
        };
        effects.push(Effect::Map(Mapping {
            start,
            end: area.end,
            prot: area.prot,
            flags: libc::MAP_SHARED.cast_unsigned(),
            source: Source::Object { id, offset: 0 },
        }));
        Ok(())
    }
}

const DEV_ZERO: (u32, u32) = (1, 5);
