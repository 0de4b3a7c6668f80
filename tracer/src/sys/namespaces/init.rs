//! The init process of namespaces: prepares them, then does what the supervisor asks until
//! that closes the channel or dies. Its end is the end of every process in them. Children
//! that come to it are reaped by the kernel, because it ignores SIGCHLD.

use super::{CloneArgs, Extra, Words, clone3, errno, receive, send, socket_pair, tell_senders};
use crate::sys::wait::Pid;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What the init process prepares.
#[derive(Debug)]
pub struct Setup {
    /// A network namespace of its own, with the loopback device up.
    pub new_network: bool,
    /// A network namespace to join.
    pub network: Option<RawFd>,
    /// Lines for `timens_offsets`; empty: the clocks are the supervisor's.
    pub offsets: Vec<u8>,
    /// The name of the node, if not the supervisor's.
    pub hostname: Option<CString>,
}

/// The steps of the preparation, as they are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
enum Stage {
    Done,
    Network,
    Descriptors,
    Propagation,
    Proc,
    SharedMemory,
    Queues,
    Hostname,
    Clocks,
    Loopback,
    Files,
}

const STAGES: [(Stage, &str); 11] = [
    (Stage::Done, "starting"),
    (Stage::Network, "joining the network namespace"),
    (Stage::Descriptors, "closing descriptors"),
    (Stage::Propagation, "making mounts private"),
    (Stage::Proc, "mounting /proc"),
    (Stage::SharedMemory, "mounting /dev/shm"),
    (Stage::Queues, "mounting /dev/mqueue"),
    (Stage::Hostname, "setting the host name"),
    (Stage::Clocks, "setting the clocks"),
    (Stage::Loopback, "bringing the loopback device up"),
    (Stage::Files, "opening the kernel's parameters"),
];

/// What is asked of an init process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Ask {
    /// The next process or thread gets the number after this.
    LastPid,
    /// The next System V shared memory segment gets this id.
    SharedMemoryId,
    /// The next System V message queue.
    QueueId,
    /// The next System V semaphore set.
    SemaphoreId,
    /// What a process or thread id in there is outside.
    Outer,
    /// Keep the descriptor that comes with this; the answer is its number.
    Keep,
    /// Close the descriptor of this number.
    Close,
    /// Attach the mount that comes with this over the directory of this number.
    Cover,
    /// Take the mount away whose root has this number.
    Uncover,
}

const ASKS: [Ask; 9] = [
    Ask::LastPid,
    Ask::SharedMemoryId,
    Ask::QueueId,
    Ask::SemaphoreId,
    Ask::Outer,
    Ask::Keep,
    Ask::Close,
    Ask::Cover,
    Ask::Uncover,
];

/// Files in `/proc/sys/kernel` for the first four of [`Ask`].
const PARAMETERS: [&CStr; 4] = [
    c"/proc/sys/kernel/ns_last_pid",
    c"/proc/sys/kernel/shm_next_id",
    c"/proc/sys/kernel/msg_next_id",
    c"/proc/sys/kernel/sem_next_id",
];

/// Why there are no namespaces.
#[derive(Debug)]
pub struct Failed {
    /// What was attempted.
    pub what: &'static str,
    /// Why it failed.
    pub error: io::Error,
}

/// An init process, child of the calling thread, with whose end it ends.
#[derive(Debug)]
pub struct Init {
    /// Its number here.
    pub pid: Pid,
    /// A descriptor for it.
    pub pidfd: OwnedFd,
    /// Where it is asked; it ends when this is closed.
    pub channel: OwnedFd,
}

/// Starts an init process in new namespaces and waits until all is prepared.
pub fn start(setup: &Setup) -> Result<Init, Failed> {
    let failed = |what| move |error| Failed { what, error };
    let (ours, theirs) = socket_pair().map_err(failed("making a socket"))?;
    tell_senders(ours.as_raw_fd()).map_err(failed("setting a socket up"))?;
    let mut flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_PIDFD;
    if setup.new_network {
        flags |= libc::CLONE_NEWNET;
    }
    let mut pidfd: RawFd = -1;
    let args = CloneArgs {
        flags: u64::from(flags.cast_unsigned()),
        pidfd: (&raw mut pidfd).addr() as u64,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        ..CloneArgs::default()
    };
    // SAFETY: the child goes straight to `run`, which never returns and calls plain syscalls.
    let pid = unsafe { clone3(&args) }.map_err(failed("making namespaces"))?;
    if pid == 0 {
        // SAFETY: this is the new process; `setup` is its own copy.
        unsafe { run(setup, theirs.as_raw_fd()) }
    }
    // SAFETY: the kernel has just stored a descriptor made for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    drop(theirs);
    let init = Init {
        pid: Pid(pid),
        pidfd,
        channel: ours,
    };
    match receive(init.channel.as_raw_fd()) {
        Ok(Some(([stage, 0], _))) if stage == Stage::Done as i32 => Ok(init),
        Ok(Some(([stage, error], _))) => {
            let what = STAGES.iter().find(|(known, _)| *known as i32 == stage);
            Err(Failed {
                what: what.map_or("preparing namespaces", |(_, what)| what),
                error: io::Error::from_raw_os_error(error),
            })
        }
        Ok(None) => Err(Failed {
            what: "preparing namespaces",
            error: io::Error::other("their first process was killed"),
        }),
        Err(error) => Err(Failed {
            what: "preparing namespaces",
            error,
        }),
    }
}

/// Waits for the end of an init process that this thread started.
pub fn reap(pid: Pid) {
    loop {
        // SAFETY: nothing is stored.
        let done = unsafe { libc::waitpid(pid.0, std::ptr::null_mut(), libc::__WALL) };
        if done != -1 || errno() != libc::EINTR {
            return;
        }
    }
}

/// Asks an init process for something; the answer, and a process id translated to ours.
pub fn ask(channel: RawFd, ask: Ask, value: i32, with: Option<RawFd>) -> io::Result<(i32, i32)> {
    let extra = with.map_or(Extra::None, Extra::Descriptor);
    send(channel, [ask as i32, value], extra)?;
    match receive(channel)? {
        Some(([0, answer], Extra::Process(pid))) => Ok((answer, pid)),
        Some(([0, answer], _)) => Ok((answer, 0)),
        Some(([error, _], _)) => Err(io::Error::from_raw_os_error(error)),
        None => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// The whole life of an init process.
///
/// # Safety
/// Only in a process of its own.
unsafe fn run(setup: &Setup, channel: RawFd) -> ! {
    // SAFETY: plain syscalls on live memory.
    unsafe {
        // If the supervisor is dead already, the channel says so.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"ftrun-init".as_ptr());
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        let mut parameters = [-1; PARAMETERS.len()];
        let (stage, error) = match prepare(setup, channel, &mut parameters) {
            Ok(()) => (Stage::Done, 0),
            Err(failed) => failed,
        };
        if send(channel, [stage as i32, error], Extra::None).is_err() || error != 0 {
            libc::_exit(1);
        }
        while let Ok(Some((words, extra))) = receive(channel) {
            let (answer, extra) = serve(words, extra, channel, parameters);
            // A process that is not there cannot be told of.
            let sent =
                send(channel, answer, extra).or_else(|_| send(channel, [errno(), 0], Extra::None));
            if sent.is_err() {
                break;
            }
        }
        libc::_exit(0)
    }
}

/// Whether a syscall succeeded; else its error at this stage.
fn checked(stage: Stage, done: impl Into<i64>) -> Result<(), (Stage, i32)> {
    if done.into() == -1 {
        Err((stage, errno()))
    } else {
        Ok(())
    }
}

/// Prepares the namespaces around this process.
unsafe fn prepare(
    setup: &Setup,
    channel: RawFd,
    parameters: &mut [RawFd; PARAMETERS.len()],
) -> Result<(), (Stage, i32)> {
    // SAFETY: plain syscalls on live, NUL-terminated memory.
    unsafe {
        if let Some(network) = setup.network {
            checked(Stage::Network, libc::setns(network, libc::CLONE_NEWNET))?;
        }
        // What it keeps open could keep others waiting for an end of file.
        checked(Stage::Descriptors, close_all_but(channel))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        checked(
            Stage::Propagation,
            mount(c"none", c"/", None, private, None),
        )?;
        let harmless = libc::MS_NOSUID | libc::MS_NODEV;
        let proc = mount(
            c"proc",
            c"/proc",
            Some(c"proc"),
            harmless | libc::MS_NOEXEC,
            None,
        );
        checked(Stage::Proc, proc)?;
        // What a machine does not have, these namespaces have not either.
        let shm = mount(
            c"tmpfs",
            c"/dev/shm",
            Some(c"tmpfs"),
            harmless,
            Some(c"mode=1777"),
        );
        if shm == -1 && errno() != libc::ENOENT {
            return Err((Stage::SharedMemory, errno()));
        }
        let queues = mount(c"mqueue", c"/dev/mqueue", Some(c"mqueue"), harmless, None);
        if queues == -1 && errno() != libc::ENOENT && errno() != libc::ENODEV {
            return Err((Stage::Queues, errno()));
        }
        if let Some(name) = &setup.hostname {
            let done = libc::sethostname(name.as_ptr(), name.as_bytes().len());
            checked(Stage::Hostname, done)?;
        }
        clocks(&setup.offsets)?;
        if setup.new_network {
            loopback_up()?;
        }
        for (path, fd) in PARAMETERS.iter().zip(parameters) {
            // Now, because the application may unmount /proc.
            *fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            if *fd == -1 && errno() != libc::ENOENT {
                return Err((Stage::Files, errno()));
            }
        }
    }
    Ok(())
}

unsafe fn close_all_but(kept: RawFd) -> i64 {
    let kept = kept.cast_unsigned();
    // SAFETY: nothing in this process uses the others any more.
    unsafe {
        if kept > 0 && libc::syscall(libc::SYS_close_range, 0u32, kept - 1, 0u32) == -1 {
            return -1;
        }
        libc::syscall(libc::SYS_close_range, kept + 1, u32::MAX, 0u32)
    }
}

unsafe fn mount(
    what: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> i32 {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: NUL-terminated strings or null.
    unsafe {
        libc::mount(
            what.as_ptr(),
            target.as_ptr(),
            pointer(kind),
            flags,
            pointer(data).cast(),
        )
    }
}

/// A time namespace: its offsets can be set before anybody is in it only.
unsafe fn clocks(offsets: &[u8]) -> Result<(), (Stage, i32)> {
    const CLONE_NEWTIME: i32 = 0x80;
    // SAFETY: plain syscalls on live, NUL-terminated memory.
    unsafe {
        checked(Stage::Clocks, libc::unshare(CLONE_NEWTIME))?;
        if !offsets.is_empty() {
            let path = c"/proc/self/timens_offsets";
            let fd = libc::open(path.as_ptr(), libc::O_WRONLY);
            checked(Stage::Clocks, fd)?;
            let done = libc::write(fd, offsets.as_ptr().cast(), offsets.len());
            checked(Stage::Clocks, i64::try_from(done).unwrap_or(-1))?;
            libc::close(fd);
        }
        let path = c"/proc/self/ns/time_for_children";
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY);
        checked(Stage::Clocks, fd)?;
        checked(Stage::Clocks, libc::setns(fd, CLONE_NEWTIME))?;
        libc::close(fd);
    }
    Ok(())
}

unsafe fn loopback_up() -> Result<(), (Stage, i32)> {
    // SAFETY: a zeroed ifreq is valid; the name fits and is NUL-terminated.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        checked(Stage::Loopback, fd)?;
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        checked(
            Stage::Loopback,
            libc::ioctl(fd, libc::SIOCGIFFLAGS, &raw mut request),
        )?;
        #[allow(clippy::cast_possible_truncation, reason = "a small bit")]
        let up = libc::IFF_UP as libc::c_short;
        request.ifr_ifru.ifru_flags |= up;
        checked(
            Stage::Loopback,
            libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw mut request),
        )?;
        libc::close(fd);
    }
    Ok(())
}

/// Does what was asked; the answer is an error number or 0, and a value.
unsafe fn serve(
    [asked, value]: Words,
    with: Extra,
    channel: RawFd,
    parameters: [RawFd; PARAMETERS.len()],
) -> (Words, Extra) {
    let refused = |error: i32| ([error, 0], Extra::None);
    let Some(ask) = ASKS.iter().find(|known| **known as i32 == asked) else {
        return refused(libc::ENOSYS);
    };
    match (ask, with) {
        (Ask::Outer, _) => ([0, 0], Extra::Process(value)),
        (Ask::Keep, Extra::Descriptor(fd)) => ([0, fd], Extra::None),
        (Ask::Keep, _) => refused(libc::EBADF),
        (Ask::Close, _) if value == channel || parameters.contains(&value) => refused(libc::EBADF),
        (Ask::Close, _) => {
            // SAFETY: a descriptor that was kept for the supervisor.
            if unsafe { libc::close(value) } == -1 {
                refused(errno())
            } else {
                ([0, 0], Extra::None)
            }
        }
        (Ask::Cover, Extra::Descriptor(mount)) => {
            // SAFETY: plain syscalls on terminated strings.
            let done = unsafe { cover(mount, value) };
            ([done, mount], Extra::None)
        }
        (Ask::Cover, _) => refused(libc::EBADF),
        // SAFETY: plain syscalls on terminated strings.
        (Ask::Uncover, _) => refused(unsafe { uncover(value) }),
        (Ask::LastPid | Ask::SharedMemoryId | Ask::QueueId | Ask::SemaphoreId, _) => {
            let index = usize::try_from(asked).unwrap_or(usize::MAX);
            match parameters.get(index) {
                Some(-1) | None => refused(libc::EOPNOTSUPP),
                // SAFETY: plain syscalls on live memory.
                Some(&fd) => ([unsafe { put(fd, value) }, 0], Extra::None),
            }
        }
    }
}

/// Attaches a mount over a directory; an error number or 0.
unsafe fn cover(mount: RawFd, directory: RawFd) -> i32 {
    // SAFETY: terminated strings.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount,
            c"".as_ptr(),
            directory,
            c"".as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH,
        )
    };
    if done == -1 { errno() } else { 0 }
}

/// Takes a mount away, by its root; an error number or 0.
unsafe fn uncover(root: RawFd) -> i32 {
    // SAFETY: terminated strings.
    unsafe {
        // Its path may lead elsewhere.
        if libc::fchdir(root) == -1 || libc::umount2(c".".as_ptr(), libc::MNT_DETACH) == -1 {
            let error = errno();
            libc::chdir(c"/".as_ptr());
            return error;
        }
        libc::chdir(c"/".as_ptr());
    }
    0
}

/// Writes a number, in decimal, into a parameter of the kernel; an error number or 0.
unsafe fn put(fd: RawFd, value: i32) -> i32 {
    let Ok(mut rest) = u32::try_from(value) else {
        return libc::EINVAL;
    };
    let mut digits = [0u8; 10];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let text = &digits[first..];
    // SAFETY: the kernel reads `text`.
    let done = unsafe { libc::pwrite(fd, text.as_ptr().cast(), text.len(), 0) };
    if usize::try_from(done) == Ok(text.len()) {
        0
    } else {
        errno()
    }
}
