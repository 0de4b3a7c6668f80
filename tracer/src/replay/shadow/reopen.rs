//! At a takeover: what stands for shared storage goes away, and what the application has open there
//! becomes the files themselves, as it left them.
//!
//! The primary lets no syscall that changes shared storage begin before this node knows of it. So of
//! what the journal does not have, the storage has at most what threads stand in here:
//! [`super::unsure`].

use super::held::{self, link};
use super::locks::{self, Lock};
use super::unsure;
use crate::layout;
use crate::remote;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::namespaces::{self, PASSED_BYTES};
use crate::sys::ptrace::Resume;
use crate::sys::wait::{Pid, Status};
use journal::Tid;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Flags that are about opening, not about what is open.
const ONCE: i32 = libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC | libc::O_NOCTTY | libc::O_CLOEXEC;
/// `__O_TMPFILE` (include/uapi/asm-generic/fcntl.h): the file has got a name since.
const WITHOUT_NAME: i32 = 0o20_000_000;

const VFORK: u64 = libc::CLONE_VFORK.cast_unsigned() as u64;

/// A descriptor of a process, through one of its threads that is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holder {
    tid: Tid,
    process: Tid,
    real: Pid,
    fd: i32,
    closes: bool,
}

/// An open file.
#[derive(Debug)]
struct Open {
    holders: Vec<Holder>,
    identity: (u64, u64),
    /// Where it is; nothing if it has no name any more.
    path: Option<PathBuf>,
    is_dir: bool,
    size: u64,
    position: u64,
    flags: i32,
    locks: Vec<Lock>,
}

impl Session {
    /// Gives the application the storage itself.
    pub(super) fn reopen_held(&mut self, tids: &[Tid]) -> Result<(), ReplayError> {
        if self
            .shadow
            .as_ref()
            .is_none_or(|shadow| shadow.held.is_empty())
        {
            return Ok(());
        }
        let open = self.held_files(tids)?;
        let places = self.held_places(tids)?;
        let unsure = self.unsure(tids)?;
        self.uncover()?;
        let shrinks = unsure::may_shrink(&unsure);
        for file in &open {
            self.reopen(file, shrinks)?;
        }
        for (tid, path) in places {
            self.work_in(tid, &path)?;
        }
        self.settle_unsure(unsure)
    }

    /// A thread that the kernel has let make a process is at the exit of that syscall in a moment. It
    /// may be the only one through which its descriptors can be changed.
    pub(super) fn await_performed(&mut self, tids: &[Tid]) -> Result<(), ReplayError> {
        for &tid in tids {
            let performing = self
                .shadow
                .as_ref()
                .is_some_and(|shadow| shadow.performing.contains(&tid));
            if !performing || self.waits_for_child(tid)? {
                continue;
            }
            let status = self.await_own_stop(tid, Resume::Syscall)?;
            let regs = match &self.task(tid)?.stopped {
                Some(stopped) if status == Status::Syscall => stopped.regs()?,
                _ => {
                    let found = self.describe_stop(tid, status);
                    return Err(self.diverged("the end of a syscall", found));
                }
            };
            if let Some(shadow) = &mut self.shadow {
                shadow.performing.remove(&tid);
                shadow.performed.insert(tid, regs);
            }
        }
        Ok(())
    }

    /// Whether the syscall of a thread ends when a child that it makes has executed something.
    pub(super) fn waits_for_child(&mut self, tid: Tid) -> Result<bool, ReplayError> {
        let (_, real) = self.process(tid)?;
        let call = self.task(tid)?.call.as_ref().and_then(|call| call.call);
        let flags = match call.map(|call| (call.def.name, call.args[0])) {
            Some(("fork", _)) => 0,
            Some(("clone", flags)) => flags,
            Some(("clone3", at)) => Remote(real)
                .read_u64(at)
                .map_err(ReplayError::os("reading a syscall's arguments"))?,
            _ => VFORK,
        };
        Ok(flags & VFORK != 0)
    }

    fn uncover(&mut self) -> Result<(), ReplayError> {
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        for stand_in in &shadow.held {
            shadow.namespaces.uncover(&stand_in.cover)?;
            let root = shadow.namespaces.path(&stand_in.root);
            let meta = std::fs::metadata(&root).map_err(ReplayError::os(format!(
                "looking at the shared storage {}",
                stand_in.root.display()
            )))?;
            if let Some(shown) = stand_in.shown.filter(|shown| *shown != meta.dev()) {
                shadow.identities.device_is(meta.dev(), shown);
            }
        }
        Ok(())
    }

    /// What is open there.
    fn held_files(&mut self, tids: &[Tid]) -> Result<Vec<Open>, ReplayError> {
        let mut all: Vec<Open> = Vec::new();
        let mut seen = HashSet::new();
        for &tid in tids {
            let (process, real) = self.process(tid)?;
            if !seen.insert(process) {
                continue;
            }
            let stopped = self
                .tasks
                .values()
                .find(|task| task.tgid == process && task.stopped.is_some())
                .map(|task| (task.tid, task.real));
            for fd in crate::maps::descriptors(real) {
                let way = link(real, fd);
                let Some(meta) = self.held_meta(&way) else {
                    continue;
                };
                let Some((tid, real)) = stopped else {
                    return Err(self.not_shadowed(
                        "a process that is being started from one with files on shared storage",
                    ));
                };
                let info = std::fs::read_to_string(format!("/proc/{real}/fdinfo/{fd}"))
                    .map_err(ReplayError::os("looking at a descriptor"))?;
                let flags = field(&info, "flags:", 8).unwrap_or(0);
                #[allow(clippy::cast_possible_truncation, reason = "flags are an int")]
                let flags = flags as i32;
                let holder = Holder {
                    tid,
                    process,
                    real,
                    fd,
                    closes: flags & libc::O_CLOEXEC != 0,
                };
                let identity = (meta.dev(), meta.ino());
                let locks = locks::parse(&info);
                let known = find(&mut all, identity, &holder)?;
                if let Some(known) = known {
                    known.holders.push(holder);
                    known
                        .locks
                        .extend(locks.into_iter().map(|lock| lock.of(process)));
                    continue;
                }
                if !meta.is_file() && !meta.is_dir() {
                    return Err(self.not_shadowed("a fifo, socket or device on shared storage"));
                }
                all.push(Open {
                    holders: vec![holder],
                    identity,
                    path: self.name_of(&way, &meta)?,
                    is_dir: meta.is_dir(),
                    size: meta.len(),
                    position: field(&info, "pos:", 10).unwrap_or(0),
                    flags,
                    locks: locks.into_iter().map(|lock| lock.of(process)).collect(),
                });
            }
        }
        Ok(all)
    }

    /// If a way leads to what stands for shared storage.
    fn held_meta(&self, way: &Path) -> Option<Metadata> {
        let shadow = self.shadow.as_ref()?;
        held::leads_into(&shadow.held, way)
            .then(|| std::fs::metadata(way).ok())
            .flatten()
    }

    /// The name that an open file has now, as the application sees it.
    fn name_of(&self, way: &Path, meta: &Metadata) -> Result<Option<PathBuf>, ReplayError> {
        let Some(shadow) = &self.shadow else {
            return Ok(None);
        };
        let is_it = |path: &Path| {
            std::fs::symlink_metadata(path)
                .is_ok_and(|found| (found.dev(), found.ino()) == (meta.dev(), meta.ino()))
        };
        let name = std::fs::read_link(way).map_err(ReplayError::os("looking at a descriptor"))?;
        if is_it(&shadow.namespaces.path(&name)) {
            return Ok(Some(name));
        }
        // It was opened by a name that it has no more, and may have others.
        if meta.nlink() == 0 || meta.is_dir() {
            return Ok(None);
        }
        for stand_in in &shadow.held {
            let mut left = vec![stand_in.root.clone()];
            while let Some(dir) = left.pop() {
                let failed = || ReplayError::os("looking for a file's name");
                for entry in std::fs::read_dir(shadow.namespaces.path(&dir)).map_err(failed())? {
                    let entry = entry.map_err(failed())?;
                    let path = dir.join(entry.file_name());
                    if is_it(&entry.path()) {
                        return Ok(Some(path));
                    }
                    if entry.file_type().map_err(failed())?.is_dir() {
                        left.push(path);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Threads whose working directory is there.
    fn held_places(&mut self, tids: &[Tid]) -> Result<Vec<(Tid, PathBuf)>, ReplayError> {
        let mut places = Vec::new();
        for &tid in tids {
            let (_, real) = self.process(tid)?;
            let way = PathBuf::from(format!("/proc/{real}/cwd"));
            if let Some(meta) = self.held_meta(&way) {
                let Some(path) = self.name_of(&way, &meta)? else {
                    return Err(self.not_shadowed("a removed working directory on shared storage"));
                };
                if self.task(tid)?.stopped.is_none() {
                    return Err(self.not_shadowed(
                        "a process that is being started from one in shared storage",
                    ));
                }
                places.push((tid, path));
            }
        }
        Ok(places)
    }

    fn reopen(&mut self, open: &Open, shrinks: bool) -> Result<(), ReplayError> {
        let Some(first) = open.holders.first() else {
            return Ok(());
        };
        let failed = |what: &str, error| {
            let path = open.path.as_deref().unwrap_or(Path::new("")).display();
            ReplayError::os(format!("{path} on shared storage: {what}"))(error)
        };
        let file = match &open.path {
            Some(path) => {
                let found = self.opened(first, path, open.flags);
                found.map_err(|error| failed("opening it again", error))?
            }
            // Its content is gone with the primary. Who reads or writes it is told so: EBADF.
            None => host::open(Path::new("/"), libc::O_PATH)
                .map_err(|error| failed("in the place of a removed file", error))?,
        };
        if open.path.is_some() {
            check(open, &file, shrinks)
                .map_err(|error| failed("it is not as it was left", error))?;
            if open.flags & libc::O_PATH == 0 {
                (&file)
                    .seek(SeekFrom::Start(open.position))
                    .map_err(|error| failed("finding the position", error))?;
            }
            for lock in &open.locks {
                locks::take(|| Ok::<_, ReplayError>(lock.take_of_file(&file)))?
                    .map_err(|error| failed("locking it again", error))?;
            }
        }
        for holder in &open.holders {
            // Processes may share their descriptors.
            if self.held_meta(&link(holder.real, holder.fd)).is_some() {
                self.give(holder, &file)?;
            }
        }
        for lock in open.locks.iter().filter(|_| open.path.is_some()) {
            let Some(range) = lock.of_process() else {
                continue;
            };
            let holder = open
                .holders
                .iter()
                .find(|holder| Some(holder.process) == lock.process);
            let holder = *holder.unwrap_or(first);
            let room = layout::KERNEL_ROOM;
            Remote(holder.real)
                .write(room, &range)
                .map_err(|error| failed("locking it again", error))?;
            let set = libc::F_SETLK.unsigned_abs().into();
            let args = [word(holder.fd), set, room, 0, 0, 0];
            let taken = locks::take(|| {
                let found = self.remote_result(holder.tid, libc::SYS_fcntl, args)?;
                Ok::<_, ReplayError>(outcome(found))
            })?;
            taken.map_err(|error| failed("locking it again", error))?;
        }
        Ok(())
    }

    /// Opens a file as the process that has it would; if that may not, or not by this name, as the
    /// supervisor.
    fn opened(&mut self, holder: &Holder, path: &Path, flags: i32) -> io::Result<File> {
        let mut flags = flags & !(ONCE | WITHOUT_NAME);
        if flags & libc::O_PATH == 0 {
            flags |= libc::O_NOFOLLOW;
        }
        let other = |error: ReplayError| io::Error::other(error.to_string());
        if let Ok(name) = remote::place_path(holder.real, path.as_os_str().as_bytes()) {
            let close = libc::O_CLOEXEC;
            let args = [word(libc::AT_FDCWD), name, word(flags | close), 0, 0, 0];
            let found = self
                .remote_result(holder.tid, libc::SYS_openat, args)
                .map_err(other)?;
            if let Ok(fd) = i32::try_from(found)
                && fd >= 0
            {
                let file = host::duplicate_of(holder.real, fd);
                self.remote_any(holder.tid, libc::SYS_close, [word(fd), 0, 0, 0, 0, 0])
                    .map_err(other)?;
                return file;
            }
        }
        let Some(shadow) = &self.shadow else {
            return Err(io::ErrorKind::NotFound.into());
        };
        host::open(&shadow.namespaces.path(path), flags)
    }

    /// Puts an open file in the place of a descriptor.
    fn give(&mut self, holder: &Holder, file: &File) -> Result<(), ReplayError> {
        let fd = self.pass(holder, file)?;
        let close = if holder.closes { libc::O_CLOEXEC } else { 0 };
        let args = [word(fd), word(holder.fd), word(close), 0, 0, 0];
        self.remote(holder.tid, "dup3", libc::SYS_dup3, args)?;
        self.remote(
            holder.tid,
            "close",
            libc::SYS_close,
            [word(fd), 0, 0, 0, 0, 0],
        )?;
        self.forget_descriptor(holder.tid, holder.fd.into())
    }

    /// Hands an open file to a process; its number there.
    fn pass(&mut self, holder: &Holder, file: &File) -> Result<i32, ReplayError> {
        let (tid, memory) = (holder.tid, Remote(holder.real));
        let failed = || ReplayError::os("passing a file on shared storage to its process");
        // The agent's own data is put back.
        let room = layout::AGENT_DATA;
        let mut before = [0; Message::BYTES];
        memory.read_exact(room, &mut before).map_err(failed())?;
        let kind = word(libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC);
        let args = [word(libc::AF_UNIX), kind, 0, room, 0, 0];
        self.remote(tid, "socketpair", libc::SYS_socketpair, args)?;
        let mut ends = [0; 8];
        memory.read_exact(room, &mut ends).map_err(failed())?;
        let end =
            |at: usize| i32::from_le_bytes([ends[at], ends[at + 1], ends[at + 2], ends[at + 3]]);
        let ours = host::duplicate_of(holder.real, end(0)).map_err(failed())?;
        namespaces::pass(ours.as_raw_fd(), file.as_raw_fd()).map_err(failed())?;
        memory.write(room, &Message::at(room)).map_err(failed())?;
        let flags = word(libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC);
        let args = [word(end(4)), room, flags, 0, 0, 0];
        self.remote(tid, "recvmsg", libc::SYS_recvmsg, args)?;
        let mut number = [0; 4];
        memory
            .read_exact(room + Message::NUMBER, &mut number)
            .map_err(failed())?;
        memory.write(room, &before).map_err(failed())?;
        for at in [0, 4] {
            self.remote(
                tid,
                "close",
                libc::SYS_close,
                [word(end(at)), 0, 0, 0, 0, 0],
            )?;
        }
        Ok(i32::from_le_bytes(number))
    }

    /// Lets a thread work in a directory.
    fn work_in(&mut self, tid: Tid, path: &Path) -> Result<(), ReplayError> {
        let (process, real) = self.process(tid)?;
        // Threads may share theirs.
        if self
            .held_meta(&PathBuf::from(format!("/proc/{real}/cwd")))
            .is_none()
        {
            return Ok(());
        }
        let holder = Holder {
            tid,
            process,
            real,
            fd: -1,
            closes: true,
        };
        let dir = self
            .opened(&holder, path, libc::O_PATH | libc::O_DIRECTORY)
            .map_err(ReplayError::os(format!(
                "{} on shared storage: entering it again",
                path.display()
            )))?;
        let fd = self.pass(&holder, &dir)?;
        self.remote(tid, "fchdir", libc::SYS_fchdir, [word(fd), 0, 0, 0, 0, 0])?;
        self.remote(tid, "close", libc::SYS_close, [word(fd), 0, 0, 0, 0, 0])?;
        Ok(())
    }
}

/// Whether a file on the storage is the one that was left, as long as it was. What it has beyond
/// that was begun by the primary, and will be done again.
fn check(open: &Open, file: &File, shrinks: bool) -> io::Result<()> {
    let meta = file.metadata()?;
    if open.flags & libc::O_PATH != 0 {
        return Ok(());
    }
    if meta.is_dir() != open.is_dir || meta.is_file() == open.is_dir {
        return Err(io::Error::other("it is something else now"));
    }
    if open.is_dir {
        return Ok(());
    }
    let (found, left) = (meta.len(), open.size);
    if found < left && !shrinks {
        let why = format!(
            "it has {found} bytes of the {left} that were written: the storage lost what the other \
             node had written; it has to be mounted so that nothing is lost (sync)"
        );
        return Err(io::Error::other(why));
    }
    if found > left && open.flags & libc::O_ACCMODE != libc::O_RDONLY {
        file.set_len(left)?;
    }
    Ok(())
}

/// The open file that a descriptor is one of.
fn find<'a>(
    all: &'a mut [Open],
    identity: (u64, u64),
    holder: &Holder,
) -> Result<Option<&'a mut Open>, ReplayError> {
    for open in all.iter_mut().filter(|open| open.identity == identity) {
        if let Some(first) = open.holders.first()
            && host::same_open_file((first.real, first.fd), (holder.real, holder.fd))
                .map_err(ReplayError::os("comparing descriptors"))?
        {
            return Ok(Some(open));
        }
    }
    Ok(None)
}

/// A number in `/proc/<pid>/fdinfo/<fd>`.
fn field(info: &str, name: &str, radix: u32) -> Option<u64> {
    let text = info.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(text.trim(), radix).ok()
}

/// What a syscall's result says.
fn outcome(result: i64) -> io::Result<()> {
    match i32::try_from(-result) {
        Ok(error) if error > 0 => Err(io::Error::from_raw_os_error(error)),
        _ => Ok(()),
    }
}

fn word(value: i32) -> u64 {
    i64::from(value).cast_unsigned()
}

/// Room for receiving a file: a `msghdr`, a buffer's description, a control message, a buffer.
struct Message;

impl Message {
    const VECTOR: usize = 56;
    const CONTROL: usize = 72;
    const CONTROL_LEN: usize = 24;
    const BUFFER: usize = Self::CONTROL + Self::CONTROL_LEN;
    const BYTES: usize = Self::BUFFER + PASSED_BYTES;
    /// Behind the control message's header.
    const NUMBER: u64 = (Self::CONTROL + 16) as u64;

    fn at(room: u64) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let mut put = |at: usize, value: u64| {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        put(16, room + Self::VECTOR as u64);
        put(24, 1);
        put(32, room + Self::CONTROL as u64);
        put(40, Self::CONTROL_LEN as u64);
        put(Self::VECTOR, room + Self::BUFFER as u64);
        put(Self::VECTOR + 8, PASSED_BYTES as u64);
        bytes
    }
}

/// Where an open descriptor of this process leads.
pub(super) fn name_here(file: &File) -> io::Result<PathBuf> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Ok(PathBuf::from(OsStr::from_bytes(
        path.as_os_str().as_bytes(),
    )))
}
