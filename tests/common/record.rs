//! Recording a command with the built `ftrun`, and replaying and comparing it.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, User};

use super::proc::{Exit, Output, Spawned, native_mode, run_command, show};
use super::scratch::Scratch;

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// The built binary, or the one that `FTRUN_TEST_BINARY` names (to develop tests beside an engine
/// that does not compile at the moment).
pub fn ftrun() -> PathBuf {
    let other = std::env::var_os("FTRUN_TEST_BINARY");
    other.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ftrun")), PathBuf::from)
}

/// A command to record. Its environment is small and the same everywhere; its cwd is `work/`.
pub struct Record<'a> {
    scratch: &'a Scratch,
    name: String,
    dir: Option<PathBuf>,
    command: OsString,
    args: Vec<OsString>,
    options: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
    user: Option<User>,
}

impl<'a> Record<'a> {
    pub fn new(scratch: &'a Scratch, command: impl AsRef<OsStr>) -> Record<'a> {
        Record {
            scratch,
            name: "main".to_owned(),
            dir: None,
            command: command.as_ref().to_owned(),
            args: Vec::new(),
            options: Vec::new(),
            envs: Vec::new(),
            cwd: scratch.work(),
            stdin: None,
            timeout: TIMEOUT_DEFAULT,
            user: None,
        }
    }

    /// A shell script: `/bin/sh -c TEXT`.
    pub fn sh(scratch: &'a Scratch, text: &str) -> Record<'a> {
        Record::new(scratch, "/bin/sh").arg("-c").arg(text)
    }

    /// A bash script: `/bin/bash -c TEXT`.
    pub fn bash(scratch: &'a Scratch, text: &str) -> Record<'a> {
        Record::new(scratch, "/bin/bash").arg("-c").arg(text)
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs
            .push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        dir.as_ref().clone_into(&mut self.cwd);
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// The time limit of the recording; the replay gets the same and a minute more.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Runs `ftrun` itself as this user, who gets the scratch directory.
    pub fn user(mut self, user: User) -> Self {
        self.scratch.give_to(&user);
        self.user = Some(user);
        self
    }

    /// Tells several recordings of one scratch apart.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Where the recording goes, if not into the scratch directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Has calls served from the first one on that can be, unless a whole run of the tests is made otherwise.
    pub fn at_once(self) -> Self {
        match agent_switch() {
            None => self.option(AT_ONCE),
            Some(_) => self,
        }
    }

    /// An option for `ftrun record` itself.
    pub fn option(mut self, option: impl AsRef<OsStr>) -> Self {
        self.options.push(option.as_ref().to_owned());
        self
    }

    fn command(&self, dir: &Path) -> Command {
        let mut command = if native_mode() {
            let notice = format!("NATIVE RUN, not recorded: {:?}\n", self.command);
            // Written past the test runner's capture: nobody shall take this for a pass.
            let _ = std::io::stderr().write_all(notice.as_bytes());
            Command::new(&self.command)
        } else {
            let binary = match &self.user {
                // Who need not be able to reach the build directory.
                Some(_) => self.scratch.private_binary(&ftrun()),
                None => ftrun(),
            };
            let mut command = Command::new(binary);
            command
                .arg("record")
                .arg("--dir")
                .arg(dir)
                .args(&self.options);
            let about_agent =
                |option: &OsString| AGENT_SWITCHES.iter().any(|(_, own)| option == own);
            if !self.options.iter().any(about_agent) {
                command.args(agent_switch());
            }
            if !self.options.iter().any(|option| option == COUNTER) {
                command.args(counter_switch());
            }
            command.arg("--").arg(&self.command);
            command
        };
        command.args(&self.args).current_dir(&self.cwd);
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command.env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.scratch.work().join("home"));
        command.env("TMPDIR", self.scratch.work().join("tmp"));
        command.env("LC_ALL", "C").env("TERM", "dumb");
        command.env("FTRUN_TEST_SCRATCH", self.scratch.root());
        for (key, value) in &self.envs {
            command.env(key, value);
        }
        command
    }

    /// Starts the recording and returns at once.
    #[track_caller]
    pub fn spawn(self) -> Running<'a> {
        let dir = self
            .dir
            .clone()
            .unwrap_or_else(|| self.scratch.recording(&self.name));
        let spawned = Spawned::start(self.command(&dir), self.stdin);
        Running {
            scratch: self.scratch,
            dir,
            spawned,
            timeout: self.timeout,
        }
    }

    /// Records to the end of the command.
    #[track_caller]
    pub fn run(self) -> Recorded<'a> {
        self.spawn().wait()
    }
}

/// A recording under way.
pub struct Running<'a> {
    scratch: &'a Scratch,
    dir: PathBuf,
    spawned: Spawned,
    timeout: Duration,
}

impl<'a> Running<'a> {
    /// The pid of the supervisor (of the command itself in a native run).
    pub fn pid(&self) -> Pid {
        self.spawned.pid()
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sends `signal` to the supervisor.
    pub fn signal(&self, signal: Signal) {
        self.spawned.signal(signal);
    }

    pub fn stdout_so_far(&self) -> Vec<u8> {
        self.spawned.stdout_so_far()
    }

    pub fn stderr_so_far(&self) -> Vec<u8> {
        self.spawned.stderr_so_far()
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        self.spawned.assert_running();
    }

    /// Waits until stdout or stderr contains `text`.
    #[track_caller]
    pub fn wait_for_output(&mut self, text: &str) {
        let deadline = std::time::Instant::now() + self.timeout;
        let contains = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).contains(text);
        while !contains(self.stdout_so_far()) && !contains(self.stderr_so_far()) {
            self.assert_running();
            assert!(
                std::time::Instant::now() < deadline,
                "no `{text}` within {:?}\n--- stdout: {}\n--- stderr: {}",
                self.timeout,
                show(&self.stdout_so_far()),
                show(&self.stderr_so_far())
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end within the time limit, counted from now.
    #[track_caller]
    pub fn wait(self) -> Recorded<'a> {
        let output = self.spawned.wait(self.timeout);
        Recorded {
            scratch: self.scratch,
            dir: self.dir,
            output,
            timeout: self.timeout,
        }
    }
}

/// A finished recording and what the recorded run showed.
pub struct Recorded<'a> {
    scratch: &'a Scratch,
    pub dir: PathBuf,
    pub output: Output,
    timeout: Duration,
}

impl Recorded<'_> {
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.output.exit,
            Exit::Code(code),
            "recorded run; {}",
            self.output
        );
        self
    }

    #[track_caller]
    pub fn expect_signal(&self, signal: Signal) -> &Self {
        let expected = Exit::Signal(signal as i32);
        assert_eq!(self.output.exit, expected, "recorded run; {}", self.output);
        self
    }

    /// Replays without comparing.
    #[track_caller]
    pub fn replay(&self) -> Output {
        replay(
            self.scratch,
            &self.dir,
            self.timeout + Duration::from_secs(60),
        )
    }

    /// The same with a counter.
    #[track_caller]
    pub fn replay_counting(&self, counter: &str) -> Output {
        let mut command = plain(self.scratch);
        command.args(["replay", COUNTER, counter]).arg(&self.dir);
        run_command(command, None, self.timeout + Duration::from_secs(60))
    }

    /// Checks the recording, then replays it (all without the originals): every checksum must
    /// hold, and the replay must do what was recorded.
    #[track_caller]
    pub fn assert_verifies_and_replays(&self) {
        if !native_mode() {
            verify(self.scratch, &self.dir, false, self.timeout).expect_code(0);
        }
        self.assert_replays();
    }

    /// Replays; the replay must show exactly the recorded bytes and the recorded end, and leave
    /// no process. In a native run there is nothing to replay, and it says so.
    #[track_caller]
    pub fn assert_replays(&self) {
        self.scratch.assert_no_process_left();
        if native_mode() {
            let _ = std::io::stderr().write_all(b"NATIVE RUN, nothing replayed\n");
            return;
        }
        self.assert_same(&self.replay());
    }

    /// What a replay has shown must be exactly what was recorded.
    #[track_caller]
    pub fn assert_same(&self, again: &Output) {
        let expected = Exit::Code(self.output.exit.replay_code());
        assert_eq!(
            again.exit, expected,
            "end of the replay; {again}\nrecorded: {}",
            self.output
        );
        assert_same("stdout", &self.output.stdout, &again.stdout, again);
        assert_same(
            "stderr",
            &self.output.app_stderr(),
            &again.app_stderr(),
            again,
        );
        self.scratch.assert_no_process_left();
    }
}

#[track_caller]
fn assert_same(what: &str, recorded: &[u8], replayed: &[u8], again: &Output) {
    if recorded == replayed {
        return;
    }
    let at = recorded
        .iter()
        .zip(replayed)
        .take_while(|(a, b)| a == b)
        .count();
    let around = |bytes: &[u8]| {
        let (from, to) = (at.saturating_sub(60), bytes.len().min(at + 120));
        String::from_utf8_lossy(&bytes[from.min(to)..to]).into_owned()
    };
    panic!(
        "{what} differs at byte {at} (recorded {} bytes, replayed {})\nrecorded: {:?}\n\
         replayed: {:?}\n{again}",
        recorded.len(),
        replayed.len(),
        around(recorded),
        around(replayed)
    );
}

/// `ftrun replay DIR` in an empty directory, without input and with hardly any environment.
#[track_caller]
pub fn replay(scratch: &Scratch, dir: &Path, limit: Duration) -> Output {
    let mut command = plain(scratch);
    command.arg("replay").args(agent_switch()).arg(dir);
    run_command(command, None, limit)
}

/// `ftrun verify DIR`, or `ftrun verify --replay DIR`.
#[track_caller]
pub fn verify(scratch: &Scratch, dir: &Path, with_replay: bool, limit: Duration) -> Output {
    let mut command = plain(scratch);
    command.arg("verify").args(agent_switch());
    if with_replay {
        command.arg("--replay");
    }
    command.arg(dir);
    run_command(command, None, limit)
}

/// What one replay of a whole recording did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Computed from the replayed program's registers, memory and output, not from the journal.
    pub digest: String,
    pub events: u64,
}

/// `ftrun verify --replay --json DIR`, which must succeed.
#[track_caller]
pub fn replay_digest(scratch: &Scratch, dir: &Path, limit: Duration) -> Replayed {
    let mut command = plain(scratch);
    command.args(["verify", "--replay", "--json"]);
    command.args(agent_switch()).arg(dir);
    let output = run_command(command, None, limit);
    output.expect_code(0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let (digest, events) = (&report["replay"]["digest"], &report["replay"]["events"]);
    Replayed {
        digest: digest.as_str().expect("a whole replay has one").to_owned(),
        events: events.as_u64().expect("a whole replay has some"),
    }
}

/// Serves calls from the first one on that can be.
pub const AT_ONCE: &str = "--agent-at-once";

/// Variables by which a whole run of the tests is made with another agent, and what they stand for: the
/// commands of the tests have an environment of their own.
const AGENT_SWITCHES: [(&str, &str); 2] = [
    ("FTRUN_AGENT_AT_ONCE", AT_ONCE),
    ("FTRUN_NO_AGENT", "--no-agent"),
];

/// What a whole run of the tests is made with.
pub fn agent_switch() -> Option<&'static str> {
    let given = |name: &str| std::env::var_os(name).is_some_and(|value| value == "1");
    let mut switches = AGENT_SWITCHES.iter();
    switches
        .find(|(name, _)| given(name))
        .map(|(_, option)| *option)
}

/// How conditional branches are counted.
pub const COUNTER: &str = "--counter";

/// With which counter a whole run of the tests records.
fn counter_switch() -> Vec<String> {
    let given = std::env::var("FTRUN_COUNTER").ok();
    given.map_or_else(Vec::new, |counter| vec![COUNTER.to_owned(), counter])
}

fn plain(scratch: &Scratch) -> Command {
    let mut command = Command::new(ftrun());
    command.current_dir(scratch.empty()).env_clear();
    command
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", scratch.empty());
    command.env("FTRUN_TEST_SCRATCH", scratch.root());
    command
}

/// Replays, requires exit code 0, and returns what was shown.
#[track_caller]
pub fn replay_ok(scratch: &Scratch, dir: &Path) -> Output {
    let output = replay(scratch, dir, TIMEOUT_DEFAULT);
    output.expect_code(0);
    output
}

/// The whole cycle for a command that ends by itself: records it, requires exit code `code`,
/// removes the originals, replays and compares. Returns the recorded run's output.
#[track_caller]
pub fn record_and_replay(record: Record<'_>, code: i32) -> Output {
    let scratch = record.scratch;
    let recorded = record.run();
    recorded.expect_code(code);
    scratch.assert_no_process_left();
    scratch.originals_gone();
    recorded.assert_replays();
    recorded.output
}
