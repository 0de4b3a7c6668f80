//! Running a command natively, recorded or traced, and what it used.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{Scratch, ftrun, native, program};

/// How a command is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Native,
    /// With the default settings.
    Recorded,
    /// No system call is served inside the application: every one stops.
    NoAgent,
    /// Conditional branches are counted from the start, in software.
    Software,
    Strace,
}

pub const WAYS: [Way; 5] = [
    Way::Native,
    Way::Recorded,
    Way::NoAgent,
    Way::Software,
    Way::Strace,
];

impl Way {
    pub const fn name(self) -> &'static str {
        match self {
            Way::Native => "native",
            Way::Recorded => "recorded",
            Way::NoAgent => "no-agent",
            Way::Software => "software",
            Way::Strace => "strace",
        }
    }
}

/// A command that is run again and again.
pub struct Runner {
    pub words: Vec<OsString>,
    pub cwd: PathBuf,
    one_cpu: bool,
    /// Where recordings go. The first of a program is dearer: the others share what it has kept.
    recordings: PathBuf,
    trace: PathBuf,
    log: PathBuf,
}

/// Something that runs.
pub struct Running {
    child: Child,
    started: Instant,
    watch: Watch,
    log: PathBuf,
}

/// What it used, from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub wall: Duration,
    /// User and system time of the command and of everything that it ran and waited for.
    pub cpu: Duration,
    /// Peak memory of the started process alone (recorded: of the supervisor).
    pub peak_bytes: u64,
}

/// System calls of a recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    /// They did not stop.
    pub served: u64,
    pub stopped: u64,
}

impl Calls {
    /// For each of so many requests, what `more` has above `less`.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn each(more: Calls, less: Calls, requests: f64) -> [f64; 2] {
        let of = |more: u64, less: u64| (more as f64 - less as f64) / requests;
        [of(more.served, less.served), of(more.stopped, less.stopped)]
    }
}

impl Runner {
    pub fn new<S: Into<OsString>>(
        scratch: &Scratch,
        words: impl IntoIterator<Item = S>,
        cwd: &Path,
    ) -> Runner {
        Runner {
            words: words.into_iter().map(Into::into).collect(),
            cwd: cwd.to_owned(),
            one_cpu: false,
            recordings: scratch.recording("bench"),
            trace: scratch.root().join("strace.out"),
            log: scratch.root().join("log"),
        }
    }

    /// Natively it gets one CPU: what a recording gives to all threads and processes together.
    pub fn on_one_cpu(mut self) -> Runner {
        self.one_cpu = true;
        self
    }

    /// The latest recording.
    fn recording(&self) -> PathBuf {
        self.recordings.join("latest")
    }

    /// Starts it; whatever an earlier run left besides the command's own files is gone.
    pub fn start(&self, way: Way) -> Running {
        if let Ok(before) = self.recording().canonicalize() {
            let _ = fs::remove_dir_all(before);
        }
        let _ = fs::remove_file(&self.trace);
        // What earlier runs wrote is not to be written out during this one.
        nix::unistd::sync();
        let mut command = match way {
            Way::Native if self.one_cpu => {
                let mut command = Command::new(program("taskset"));
                command.arg("-c").arg(one_cpu().to_string());
                command.arg(&self.words[0]);
                command
            }
            Way::Native => Command::new(&self.words[0]),
            Way::Recorded | Way::NoAgent | Way::Software => {
                let mut command = Command::new(ftrun());
                command.arg("record").env("FTRUN_DIR", &self.recordings);
                match way {
                    Way::NoAgent => command.arg("--no-agent"),
                    Way::Software => command.args(["--counter", "software"]),
                    _ => &mut command,
                };
                command.arg("--").arg(&self.words[0]);
                command
            }
            Way::Strace => {
                let mut command = Command::new(program("strace"));
                command.args(["-f", "--seccomp-bpf", "-o"]).arg(&self.trace);
                command.arg("--").arg(&self.words[0]);
                command
            }
        };
        command.args(&self.words[1..]).current_dir(&self.cwd);
        start(command, &self.log)
    }

    /// Runs it to its end, which must be a good one.
    pub fn run(&self, way: Way) -> Used {
        self.start(way).wait()
    }

    /// Replays the latest recording.
    pub fn replay(&self) -> Used {
        let mut command = Command::new(ftrun());
        command
            .args(["replay", "--quiet"])
            .arg(self.recording())
            .current_dir(&self.cwd);
        start(command, &self.log).wait()
    }

    /// How many calls of the latest recording were served, and how many stopped.
    pub fn calls(&self) -> Calls {
        let output = native(
            ftrun(),
            [
                "stat".as_ref(),
                "--json".as_ref(),
                self.recording().as_os_str(),
            ],
            Duration::from_secs(600),
        );
        let found: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let rows = found["by_syscall"].as_array().expect("a list");
        let sum = |what: &str| {
            let counts = rows.iter().map(|row| row[what].as_u64());
            counts
                .map(|count| count.expect("the recording has ended"))
                .sum()
        };
        Calls {
            served: sum("served"),
            stopped: sum("stopped"),
        }
    }

    /// Bytes of the latest recording's journal.
    pub fn journal_bytes(&self) -> u64 {
        size(&self.recording().join("journal"))
    }

    /// Bytes of its kept files.
    pub fn kept_bytes(&self) -> u64 {
        size(&self.recording().join("files"))
    }
}

fn start(mut command: Command, log: &Path) -> Running {
    let file = File::create(log).expect("the scratch directory is ours");
    command.env("LC_ALL", "C").stdin(Stdio::null());
    // The default settings, whatever a test run before has exported.
    for name in ["FTRUN_AGENT_AT_ONCE", "FTRUN_NO_AGENT", "FTRUN_COUNTER"] {
        command.env_remove(name);
    }
    command.stdout(file.try_clone().expect("descriptors are left"));
    command.stderr(file);
    let started = Instant::now();
    let child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let watch = Watch::begin(child.id());
    Running {
        child,
        started,
        watch,
        log: log.to_owned(),
    }
}

/// The first of the CPUs that we may use.
fn one_cpu() -> usize {
    let set = sched_getaffinity(Pid::from_raw(0)).expect("it always can be asked");
    let mut all = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu) == Ok(true));
    all.next().expect("we run on one")
}

/// One wait at a time: what children used is counted for the whole process.
static WAITING: Mutex<()> = Mutex::new(());

impl Running {
    /// Waits for its end, which must be a good one.
    pub fn wait(mut self) -> Used {
        let _alone = WAITING.lock().expect("no waiter panics");
        let before = children();
        let status = self.child.wait().expect("our own child");
        let wall = self.started.elapsed();
        let cpu = children() - before;
        let peak_bytes = self.watch.end();
        if !status.success() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            panic!("it ended with {status}:\n{log}");
        }
        Used {
            wall,
            cpu,
            peak_bytes,
        }
    }
}

/// What all children that were waited for have used: exact, for the kernel scales user
/// and system time so that their sum is what the scheduler measured.
fn children() -> Duration {
    let usage: Usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it always can be asked");
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Looks at a process's peak memory until it has ended.
struct Watch {
    over: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn begin(id: u32) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let peak = Arc::new(AtomicU64::new(0));
        let (stop, found) = (Arc::clone(&over), Arc::clone(&peak));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                found.fetch_max(peak_bytes(id), Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(50));
            }
        });
        Watch { over, peak, thread }
    }

    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("it cannot panic");
        self.peak.load(Ordering::Relaxed)
    }
}

fn peak_bytes(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.map(|meta| meta.len()).sum()
}

/// The middle one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}
