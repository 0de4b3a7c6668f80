//! The directory of one test: what the recorded program may use (and loses before the replay), and
//! beside it the recording.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, SysconfVar, User, chown, sysconf};
use tempfile::TempDir;

use super::proc::writing_a_program;

/// A temporary directory with `work/` (the originals), recordings beside it, and an empty
/// directory to replay in. At the end of the test it is removed and its processes are killed.
pub struct Scratch {
    root: TempDir,
    /// Whoever began before that is not of this test.
    begun_ticks: u64,
}

impl Scratch {
    #[track_caller]
    pub fn new(name: &str) -> Scratch {
        let prefix = format!("ftrun-test-{name}-");
        let root = TempDir::with_prefix(prefix).expect("the temporary directory is writable");
        let begun_ticks = ticks_since_boot();
        let scratch = Scratch { root, begun_ticks };
        for dir in ["work", "work/bin", "work/home", "work/tmp", "empty"] {
            fs::create_dir(scratch.root.path().join(dir)).expect("a fresh directory");
        }
        // Servers that refuse root run as another user inside: let it through.
        for dir in ["", "work", "work/tmp"] {
            let mode = if dir == "work/tmp" { 0o1777 } else { 0o755 };
            let path = scratch.root.path().join(dir);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own directory");
        }
        scratch
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The originals: cwd, data and private binaries of the recorded program.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// An empty directory: where replays run.
    pub fn empty(&self) -> PathBuf {
        self.root.path().join("empty")
    }

    /// The directory of the recording called `name`.
    pub fn recording(&self, name: &str) -> PathBuf {
        self.root.path().join(format!("recording-{name}"))
    }

    /// A path under `work/`.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.work().join(relative)
    }

    /// Creates a directory under `work/`.
    pub fn dir(&self, relative: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(&path).expect("work/ is ours");
        path
    }

    /// Writes a file under `work/`, with its directories.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a path below work/")).expect("work/ is ours");
        fs::write(&path, content).expect("work/ is ours");
        path
    }

    /// Writes an executable script under `work/`.
    pub fn script(&self, relative: &str, content: &str) -> PathBuf {
        let path = writing_a_program(|| self.write(relative, content));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
        path
    }

    /// A private copy of `original` in `work/bin`, to be taken away before the replay.
    pub fn private_binary(&self, original: &Path) -> PathBuf {
        let name = original.file_name().expect("a program has a name");
        let copy = self.work().join("bin").join(name);
        self.copy_program(original, &copy);
        copy
    }

    /// Copies a program that is to be executed.
    pub fn copy_program(&self, original: &Path, to: &Path) {
        writing_a_program(|| fs::copy(original, to)).expect("programs are readable");
        fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("our own copy");
    }

    /// A private copy of a shared library in `work/lib`; use with `LD_LIBRARY_PATH`.
    pub fn private_library(&self, original: &Path) -> PathBuf {
        let dir = self.dir("lib");
        let copy = dir.join(original.file_name().expect("a library has a name"));
        fs::copy(original, &copy).expect("libraries are readable");
        dir
    }

    /// Makes a user the owner of the directories that exist.
    pub fn give_to(&self, user: &User) {
        for dir in ["", "work", "work/bin", "work/home", "work/tmp"] {
            let path = self.root.path().join(dir);
            chown(&path, Some(user.uid), Some(user.gid)).expect("only root gives things away");
        }
    }

    /// Deletes everything the recorded program had and made: binaries, data, sockets.
    #[track_caller]
    pub fn originals_gone(&self) {
        fs::remove_dir_all(self.work()).expect("work/ exists until the originals are removed");
    }

    /// Fails if a process that belongs to this test is still there (after a grace of 30 s).
    #[track_caller]
    pub fn assert_no_process_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "processes left behind: {left:#?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processes of this test by environment, command line, executable and cwd. Several
    /// marks, because servers that set their title overwrite their environment.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let mark = self
            .root
            .path()
            .to_str()
            .expect("temporary paths are UTF-8");
        let own = std::process::id().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let proc = entry.path();
            let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
            let state = stat
                .rsplit_once(')')
                .map_or("", |(_, rest)| rest.trim_start());
            if state.is_empty() || state.starts_with('Z') || state.starts_with('X') {
                continue;
            }
            let begun = state.split(' ').nth(19).and_then(|at| at.parse().ok());
            if begun.is_some_and(|begun: u64| begun < self.begun_ticks) {
                continue;
            }
            let contains = |file: &str| {
                let bytes = fs::read(proc.join(file)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(mark)
            };
            let links = |link: &str| {
                fs::read_link(proc.join(link)).is_ok_and(|to| to.starts_with(self.root.path()))
            };
            // The memory of somebody who ends at this moment is not gone before it has been read:
            // nobody's is read without need.
            if links("exe") || links("cwd") || contains("cmdline") || contains("environ") {
                let cmdline = fs::read(proc.join("cmdline")).unwrap_or_default();
                let cmdline = String::from_utf8_lossy(&cmdline).replace('\0', " ");
                found.push((
                    name.parse().expect("digits"),
                    format!("{state:.20} {cmdline}"),
                ));
            }
        }
        found
    }
}

/// Now, in the unit of the times at which processes began.
fn ticks_since_boot() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("there is such a clock");
    let per_second = sysconf(SysconfVar::CLK_TCK).expect("it is known");
    let per_second = u128::try_from(per_second.expect("it is fixed")).expect("more than none");
    let ticks = Duration::from(now).as_nanos() * per_second / 1_000_000_000;
    u64::try_from(ticks).expect("no machine runs that long")
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if std::env::var_os("FTRUN_TEST_KEEP").is_some() {
            self.root.disable_cleanup(true);
        }
    }
}
