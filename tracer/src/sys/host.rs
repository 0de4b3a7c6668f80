//! Small services of this machine's kernel: affinity, signals, descriptors of others.

use super::wait::Pid;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// A set of CPUs as the kernel lays it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSet(pub Vec<u8>);

impl CpuSet {
    /// The numbers in it.
    #[must_use]
    pub fn cpus(&self) -> Vec<usize> {
        (0..self.0.len() * 8)
            .filter(|cpu| self.0[cpu / 8] & (1 << (cpu % 8)) != 0)
            .collect()
    }
}

/// Whether a terminal controls this process.
#[must_use]
pub fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// The CPUs that the calling thread may use.
pub fn affinity() -> io::Result<CpuSet> {
    let mut bytes = vec![0u8; 1024];
    // SAFETY: the kernel fills at most `bytes.len()` bytes.
    let len = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            0,
            bytes.len(),
            bytes.as_mut_ptr(),
        )
    };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    bytes.truncate(len);
    Ok(CpuSet(bytes))
}

/// Confines the calling thread, and what it starts, to these CPUs.
pub fn set_affinity(cpus: &[usize]) -> io::Result<()> {
    let mut bytes = [0u8; 1024];
    for &cpu in cpus {
        if let Some(byte) = bytes.get_mut(cpu / 8) {
            *byte |= 1 << (cpu % 8);
        }
    }
    // SAFETY: the kernel reads `bytes`.
    let done =
        unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, bytes.len(), bytes.as_ptr()) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Runs `body` on the other ones of `allowed`, if there are any: the threads that it starts stay
/// there, and leave this CPU to the application. After that the calling thread is on `cpu`.
pub fn off_cpu<T>(cpu: usize, allowed: &CpuSet, body: impl FnOnce() -> T) -> io::Result<T> {
    let others: Vec<usize> = allowed
        .cpus()
        .into_iter()
        .filter(|one| *one != cpu)
        .collect();
    if !others.is_empty() {
        set_affinity(&others)?;
    }
    let done = body();
    set_affinity(&[cpu])?;
    Ok(done)
}

/// Makes a socket's, fifo's or device's entry: of this type (`S_IFMT` bits) and number.
pub fn make_node(path: &std::path::Path, kind: u32, device: u64) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the kernel reads a terminated string.
    let done = unsafe { libc::mknod(path.as_ptr(), kind | 0o600, device) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Sends a signal to one thread.
pub fn signal_thread(process: Pid, thread: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let done = unsafe { libc::syscall(libc::SYS_tgkill, process.0, thread.0, signal) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Sends a signal to a process.
pub fn signal_process(process: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let done = unsafe { libc::kill(process.0, signal) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The file behind descriptor `fd` of another process, opened anew for reading where
/// possible, so that file locks and positions of the application stay its own.
pub fn file_of(thread: Pid, fd: i32) -> io::Result<File> {
    match File::open(format!("/proc/{thread}/fd/{fd}")) {
        Ok(file) => Ok(file),
        Err(_) => duplicate_of(thread, fd),
    }
}

/// Address family and type of a socket.
#[must_use]
pub fn socket_kind(socket: &File) -> Option<(i32, i32)> {
    Some((
        socket_option(socket, libc::SO_DOMAIN)?,
        socket_option(socket, libc::SO_TYPE)?,
    ))
}

/// How many bytes must be there before a read from a socket ends.
#[must_use]
pub fn low_water(socket: &File) -> Option<i32> {
    socket_option(socket, libc::SO_RCVLOWAT)
}

fn socket_option(socket: &File, option: i32) -> Option<i32> {
    let mut value = 0i32;
    let mut len: libc::socklen_t = 4;
    // SAFETY: the kernel stores at most `len` bytes, which is the size of `value`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    (done == 0).then_some(value)
}

/// Whether something can be read from a descriptor at once.
#[must_use]
pub fn is_readable(file: &File) -> bool {
    let mut entry = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut entry, 1, 0) };
    ready == 1 && entry.revents & libc::POLLIN != 0
}

/// Stops a timer (`timerfd_create`), unless it runs again and again.
pub fn disarm_if_once(timer: &File) -> io::Result<()> {
    // SAFETY: all zero is a valid value.
    let mut value: libc::itimerspec = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel stores one structure in `value`.
    if unsafe { libc::timerfd_gettime(timer.as_raw_fd(), &raw mut value) } == -1 {
        return Err(io::Error::last_os_error());
    }
    if (value.it_interval.tv_sec, value.it_interval.tv_nsec) != (0, 0) {
        return Ok(());
    }
    value.it_value = value.it_interval;
    // SAFETY: the kernel reads one structure.
    match unsafe {
        libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const value, std::ptr::null_mut())
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Asks an epoll set for all that is ready among its entries, of which it has so many. Edges are
/// taken, and entries that are reported once disarmed.
pub fn take_all_events(set: &File, entries: usize) -> io::Result<()> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; entries.max(1)];
    let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
    // SAFETY: room for as many events as is said, which outlives the call.
    match unsafe { libc::epoll_wait(set.as_raw_fd(), events.as_mut_ptr(), room, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What `/proc` tells of a thread line by line. Its name is any bytes, such as a text that was cut in
/// the midst of a character; what is none is replaced.
pub fn status_of(thread: Pid) -> io::Result<String> {
    let status = std::fs::read(format!("/proc/{thread}/status"))?;
    Ok(String::from_utf8_lossy(&status).into_owned())
}

/// A duplicate of descriptor `fd` of another process: the same open file, its position included.
pub fn duplicate_of(thread: Pid, fd: i32) -> io::Result<File> {
    // Only a first thread can be opened.
    let status = status_of(thread)?;
    let process = status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
        .unwrap_or(thread.0);
    // SAFETY: no memory is involved.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    if pidfd == -1 {
        return Err(io::Error::last_os_error());
    }
    #[allow(clippy::cast_possible_truncation, reason = "descriptors are ints")]
    // SAFETY: a descriptor that the kernel has just made for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // SAFETY: no memory is involved.
    let found = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) };
    if found == -1 {
        return Err(io::Error::last_os_error());
    }
    #[allow(clippy::cast_possible_truncation, reason = "descriptors are ints")]
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { File::from_raw_fd(found as i32) })
}

/// The `O_` flags of an open file; none, if it cannot be asked.
#[must_use]
pub fn open_flags(file: &File) -> i32 {
    // SAFETY: no memory is involved.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    if flags == -1 { 0 } else { flags }
}

/// Whether two descriptors, each of a process, are of one open file.
pub fn same_open_file(a: (Pid, i32), b: (Pid, i32)) -> io::Result<bool> {
    const KCMP_FILE: i32 = 0;
    // SAFETY: no memory is involved.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, a.0.0, b.0.0, KCMP_FILE, a.1, b.1) };
    match order {
        -1 => Err(io::Error::last_os_error()),
        order => Ok(order == 0),
    }
}

/// Opens a file with flags as they are.
pub fn open(path: &std::path::Path, flags: i32) -> io::Result<File> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the kernel reads a terminated string.
    let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Locks an open file (`flock`) without waiting.
pub fn lock_whole(file: &File, exclusive: bool) -> io::Result<()> {
    let how = if exclusive {
        libc::LOCK_EX
    } else {
        libc::LOCK_SH
    };
    // SAFETY: no memory is involved.
    let done = unsafe { libc::flock(file.as_raw_fd(), how | libc::LOCK_NB) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Locks a range of an open file for itself (`F_OFD_SETLK`) without waiting.
pub fn lock_range(file: &File, range: &libc::flock) -> io::Result<()> {
    // SAFETY: the kernel reads a valid structure.
    let done = unsafe {
        libc::fcntl(
            file.as_raw_fd(),
            libc::F_OFD_SETLK,
            std::ptr::from_ref(range),
        )
    };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Head of a thread's list of robust futexes.
#[must_use]
pub fn robust_list(thread: Pid) -> Option<u64> {
    let (mut head, mut len) = (0u64, 0u64);
    // SAFETY: the kernel stores two words at the given addresses.
    let done = unsafe {
        libc::syscall(
            libc::SYS_get_robust_list,
            thread.0,
            &raw mut head,
            &raw mut len,
        )
    };
    (done == 0).then_some(head)
}

/// Device and inode of an open descriptor of this process.
#[must_use]
pub fn identity(fd: i32) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(format!("/proc/self/fd/{fd}")).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Lets this process have as many descriptors as it may: the supervisor keeps some for
/// every thread that it traces.
pub fn raise_descriptor_limit() {
    // SAFETY: both calls get a valid structure.
    unsafe {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// How far the stacks of a process may grow, and how far it may raise that itself, in bytes.
pub fn stack_limit(process: Pid) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel fills the structure.
    let done = unsafe {
        libc::prlimit(
            process.0,
            libc::RLIMIT_STACK,
            std::ptr::null(),
            &raw mut limit,
        )
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Lets the stacks of a process grow up to `bytes`.
pub fn set_stack_limit(process: Pid, bytes: u64) -> io::Result<()> {
    let (_, max) = stack_limit(process)?;
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: max.max(bytes),
    };
    // SAFETY: the kernel reads the structure.
    let done = unsafe {
        libc::prlimit(
            process.0,
            libc::RLIMIT_STACK,
            &raw const limit,
            std::ptr::null_mut(),
        )
    };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The next range at or after `at` that is no hole; all that is left if the filesystem
/// cannot tell. Moves the file's position.
pub fn next_data(file: &File, at: u64) -> io::Result<Option<(u64, u64)>> {
    let size = file.metadata()?.len();
    if at >= size {
        return Ok(None);
    }
    let seek = |at: u64, whence| {
        // SAFETY: no memory is involved.
        let found = unsafe { libc::lseek(file.as_raw_fd(), at.cast_signed(), whence) };
        u64::try_from(found).map_err(|_| io::Error::last_os_error())
    };
    let start = match seek(at, libc::SEEK_DATA) {
        Ok(start) => start,
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(None),
        Err(_) => return Ok(Some((at, size))),
    };
    let end = seek(start, libc::SEEK_HOLE).unwrap_or(size);
    Ok((start < size).then_some((start, end.clamp(start, size))))
}

/// A file that lives in memory only.
pub fn memory_file(name: &std::ffi::CStr) -> io::Result<File> {
    // SAFETY: a NUL-terminated name, which the kernel copies.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Fills `buf` with random bytes of the kernel.
pub fn random(buf: &mut [u8]) -> io::Result<()> {
    // SAFETY: the kernel fills at most `buf.len()` bytes; up to 256 are never cut short.
    let done = unsafe { libc::getrandom(buf.as_mut_ptr().cast(), buf.len(), 0) };
    if usize::try_from(done) == Ok(buf.len()) {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Seconds and nanoseconds of a clock of this machine.
#[must_use]
pub fn clock(id: i32) -> Option<(i64, i64)> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // By a syscall: the C library's way reads the time stamp counter (see `tsc`).
    // SAFETY: the kernel fills the structure.
    let done = unsafe { libc::syscall(libc::SYS_clock_gettime, id, &raw mut time) };
    (done == 0).then_some((time.tv_sec, time.tv_nsec))
}

/// Minutes west of Greenwich, and the kind of daylight saving: what is left of the kernel's
/// time zone.
#[must_use]
pub fn time_zone() -> Option<(i32, i32)> {
    let mut zone = [0i32; 2];
    let nowhere = std::ptr::null_mut::<libc::timeval>();
    // SAFETY: the kernel fills a structure of two ints.
    let done = unsafe { libc::syscall(libc::SYS_gettimeofday, nowhere, zone.as_mut_ptr()) };
    (done == 0).then_some((zone[0], zone[1]))
}

/// The processor that this thread runs on, and its node.
#[must_use]
pub fn processor() -> Option<(u32, u32)> {
    let (mut cpu, mut node) = (0u32, 0u32);
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the kernel stores two ints.
    let done = unsafe { libc::syscall(libc::SYS_getcpu, &raw mut cpu, &raw mut node, nothing) };
    (done == 0).then_some((cpu, node))
}

/// The instruction pointer of a thread that sleeps in the kernel; `None` if it does not, or nobody
/// may know.
#[must_use]
pub fn sleeps_at(tid: Pid) -> Option<u64> {
    // The last field, in hexadecimal (Documentation/filesystems/proc.rst).
    let text = std::fs::read_to_string(format!("/proc/{tid}/syscall")).ok()?;
    let ip = text.split_whitespace().next_back()?.strip_prefix("0x")?;
    u64::from_str_radix(ip, 16).ok()
}

/// The second word of what the kernel says of the CPU to programs (`AT_HWCAP2`).
#[must_use]
pub fn hardware_capabilities_2() -> u64 {
    // SAFETY: it reads the auxiliary vector of this process.
    unsafe { libc::getauxval(libc::AT_HWCAP2) }
}

/// Time since the machine started.
#[must_use]
pub fn uptime() -> Duration {
    since_zero(libc::CLOCK_MONOTONIC)
}

/// Time since the Unix epoch.
#[must_use]
pub fn unix_time() -> Duration {
    since_zero(libc::CLOCK_REALTIME)
}

fn since_zero(id: i32) -> Duration {
    let (seconds, nanoseconds) = clock(id).unwrap_or((0, 0));
    Duration::new(
        u64::try_from(seconds).unwrap_or(0),
        u32::try_from(nanoseconds).unwrap_or(0),
    )
}

/// Kills this process with `signal`, as the application died, without a core dump.
pub fn die_of(signal: i32) -> ! {
    // SAFETY: plain libc calls; the process ends here either way.
    unsafe {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
        libc::_exit(128 + signal)
    }
}
