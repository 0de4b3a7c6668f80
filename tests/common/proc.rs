//! Child processes with captured output and a time limit that kills the whole process group.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    fn of(status: ExitStatus) -> Exit {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => panic!("neither exited nor killed: {status:?}"),
        }
    }

    /// The exit code with which `ftrun replay` reports this end: replay itself does not die.
    pub fn replay_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// What a finished command left.
#[derive(Clone, Debug)]
pub struct Output {
    pub exit: Exit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Output {
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// stderr without the lines `ftrun` itself wrote: the application's own bytes.
    pub fn app_stderr(&self) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.stderr.len());
        for line in self.stderr.split_inclusive(|&byte| byte == b'\n') {
            if !line.starts_with(b"ftrun: ") {
                kept.extend_from_slice(line);
            }
        }
        kept
    }

    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.exit, Exit::Code(code), "wrong exit; {self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} after {:.2} s", self.exit, self.took.as_secs_f64())?;
        writeln!(f, "--- stdout: {}", show(&self.stdout))?;
        write!(f, "--- stderr: {}", show(&self.stderr))
    }
}

/// Bytes for a failure message: length, and the tail where errors usually are.
pub fn show(bytes: &[u8]) -> String {
    const TAIL_BYTES_MAX: usize = 3000;
    let from = bytes.len().saturating_sub(TAIL_BYTES_MAX);
    let dots = if from > 0 { "[...] " } else { "" };
    format!(
        "({} bytes)\n{dots}{}",
        bytes.len(),
        String::from_utf8_lossy(&bytes[from..])
    )
}

/// Whether commands run without `ftrun` (for developing a scenario only).
pub fn native_mode() -> bool {
    std::env::var_os("FTRUN_TEST_NATIVE").is_some_and(|value| value != "0" && !value.is_empty())
}

/// Held for reading while a child is made, and for writing while a program is written: a child
/// made in between inherits the descriptor until its own `execve`, and as long as it has it the
/// fresh program is "busy" for everybody.
static WRITING: RwLock<()> = RwLock::new(());

/// Writes a program (or a script) that is to be executed.
pub(super) fn writing_a_program<T>(write: impl FnOnce() -> T) -> T {
    let _nobody_forks = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    write()
}

/// Makes a child while nobody writes a program. Whoever can, uses [`Spawned`].
pub fn make_child(command: &mut Command) -> io::Result<Child> {
    let _no_file_half_written = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Runs a command that needs no limit, and whose end is nobody's business.
pub(super) fn run_quietly(command: &mut Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = make_child(command);
    let _ = child.and_then(|mut child| child.wait());
}

/// Runs `command` to its end, or kills its process group after `limit` and panics.
#[track_caller]
pub fn run_command(command: Command, stdin: Option<Vec<u8>>, limit: Duration) -> Output {
    Spawned::start(command, stdin).wait(limit)
}

/// Runs a program outside the recording (a client, a preparation) and requires exit code 0.
#[track_caller]
pub fn native<S: AsRef<std::ffi::OsStr>>(
    program: impl AsRef<std::ffi::OsStr>,
    args: impl IntoIterator<Item = S>,
    limit: Duration,
) -> Output {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C");
    let output = run_command(command, None, limit);
    output.expect_code(0);
    output
}

/// A running child with its output being collected.
pub struct Spawned {
    child: Child,
    what: String,
    started: Instant,
    stdout: Pipe,
    stderr: Pipe,
    ended: bool,
}

/// A job started with `&` by a script ignores SIGINT and SIGQUIT, and so does all that it
/// starts: what is tested must not depend on how the tests were started.
fn with_default_signals(command: &mut Command) {
    let reset = || {
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
            // SAFETY: the default action has no handler that could be unsafe.
            unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl) }?;
        }
        Ok(())
    };
    // SAFETY: `signal` is async-signal-safe and allocates nothing.
    unsafe { command.pre_exec(reset) };
}

impl Spawned {
    /// Starts `command` in a process group of its own.
    #[track_caller]
    pub fn start(mut command: Command, stdin: Option<Vec<u8>>) -> Spawned {
        let what = format!("{command:?}");
        command.process_group(0);
        command.stdin(if stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        with_default_signals(&mut command);
        let started = Instant::now();
        let mut child = match make_child(&mut command) {
            Ok(child) => child,
            Err(error) => panic!("cannot start {what}: {error}"),
        };
        if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // A child that does not read its input is its own affair: EPIPE is no failure here.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        let stdout = Pipe::collect(child.stdout.take().expect("stdout was piped"));
        let stderr = Pipe::collect(child.stderr.take().expect("stderr was piped"));
        Spawned {
            child,
            what,
            started,
            stdout,
            stderr,
            ended: false,
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("pids fit in i32"))
    }

    /// Sends `signal` to this one process, not to its group.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the child has not been waited for, so its pid is ours");
    }

    pub fn stdout_so_far(&self) -> Vec<u8> {
        self.stdout.so_far()
    }

    pub fn stderr_so_far(&self) -> Vec<u8> {
        self.stderr.so_far()
    }

    /// Panics with both outputs if the process has ended already.
    #[track_caller]
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().expect("our own child") {
            self.ended = true;
            panic!(
                "{} ended too early: {:?}\n--- stdout: {}\n--- stderr: {}",
                self.what,
                Exit::of(status),
                show(&self.stdout.so_far()),
                show(&self.stderr.so_far())
            );
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.ended |= self.child.try_wait().expect("our own child").is_some();
        self.ended
    }

    /// Waits for the end; after `limit` kills the process group and panics with both outputs.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Output {
        let deadline = Instant::now() + limit;
        let mut nap = Duration::from_millis(1);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            if Instant::now() >= deadline {
                let stacks = describe_group(self.pid());
                self.kill_group();
                panic!(
                    "{} did not end within {limit:?} and was killed\n--- processes:\n{stacks}\n\
                     --- stdout: {}\n--- stderr: {}",
                    self.what,
                    show(&self.stdout.so_far()),
                    show(&self.stderr.so_far())
                );
            }
            thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(20));
        };
        self.ended = true;
        let took = self.started.elapsed();
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        let output = Output {
            exit: Exit::of(status),
            stdout: stdout.unwrap_or_else(|| self.stdout.so_far()),
            stderr: stderr.unwrap_or_else(|| self.stderr.so_far()),
            took,
        };
        assert!(
            self.stdout.closed() && self.stderr.closed(),
            "{} ended, but something still holds its stdout or stderr open; {output}",
            self.what
        );
        output
    }

    fn kill_group(&mut self) {
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
        self.ended = true;
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        if !self.ended {
            self.kill_group();
        }
    }
}

/// All processes that descend from one and have not been left to another.
pub fn descendants(of: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = std::fs::read_dir("/proc")
        .expect("/proc is mounted")
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, rest) = stat.rsplit_once(')')?;
            let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
            Some((Pid::from_raw(pid), Pid::from_raw(parent)))
        })
        .collect();
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        let children = parents.iter().filter(|(_, of)| *of == parent);
        found.extend(children.map(|(pid, _)| *pid));
        at += 1;
    }
    found.remove(0);
    found
}

/// Resident memory of a process, without pages of files.
pub fn resident(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}

/// The number of a process in a process id namespace of its own, if it is in one.
pub fn inner_number(pid: Pid) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    let numbers: Vec<i32> = line
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    (numbers.len() > 1).then(|| numbers[numbers.len() - 1])
}

/// State and kernel wait channel of each thread of the processes in the group and of those that
/// descend from them, for the message of a time-out.
fn describe_group(group: Pid) -> String {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return String::new();
    };
    // By id: the parent, and whether it is one of them.
    let mut known = HashMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(fields) = stat_fields(&entry.path())
            && let (Ok(pid), Ok(parent)) = (name.parse::<i32>(), fields[1].parse::<i32>())
        {
            known.insert(pid, (parent, fields[2] == group.to_string()));
        }
    }
    let belongs = |mut pid: i32| {
        while let Some((parent, own)) = known.get(&pid) {
            if *own {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let mut pids: Vec<i32> = known.keys().copied().filter(|pid| belongs(*pid)).collect();
    pids.sort_unstable();
    let mut text = String::new();
    for pid in pids {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let path = task.path();
            let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap_or_default();
            let state = stat_fields(&path).map_or_else(String::new, |fields| fields[0].clone());
            text += &format!(
                "{pid} {} ({}) state {state} wchan {} syscall {}\n",
                task.file_name().display(),
                read("comm").trim(),
                read("wchan"),
                read("syscall").trim(),
            );
        }
    }
    text
}

/// The fields of a `stat` file behind the name, which may contain anything: state, parent, group …
fn stat_fields(path: &Path) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(path.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    (fields.len() > 2).then_some(fields)
}

/// One output pipe, read by a thread so that the child never blocks on it.
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    done: Receiver<()>,
    closed: bool,
}

impl Pipe {
    fn collect(mut from: impl Read + Send + 'static) -> Pipe {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (sender, done) = channel();
        let sink = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(got) = from.read(&mut chunk) {
                if got == 0 {
                    break;
                }
                sink.lock()
                    .expect("no reader panics")
                    .extend_from_slice(&chunk[..got]);
            }
            let _ = sender.send(());
        });
        Pipe {
            bytes,
            done,
            closed: false,
        }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("no reader panics").clone()
    }

    /// The whole output, or nothing if a leaked process keeps the pipe open.
    fn finish(&mut self) -> Option<Vec<u8>> {
        self.closed = self.done.recv_timeout(Duration::from_secs(30)).is_ok();
        self.closed
            .then(|| std::mem::take(&mut *self.bytes.lock().expect("no reader panics")))
    }

    fn closed(&self) -> bool {
        self.closed
    }
}
