//! What recording needs of the machine.

use super::{Check, Level, reason};
use crate::output;
use crate::recordings;
use crate::sys;
use std::io;
use std::path::{Path, PathBuf};
use tracer::machine;

const KERNEL_MIN: (u32, u32) = (5, 15);
/// With less, a recording of any length soon fills it.
const FREE_BYTES_MIN: u64 = 1 << 30;
const FREE_INODES_MIN: u64 = 10_000;
/// Under this one, a process may attach to its own children only, which is enough.
const PTRACE_CHILDREN: i32 = 1;
const TRACING: &str = "recording and replay: programs are traced";
const RECORDINGS: &str = "keeping recordings";
const SPEED: &str = "fast recording";

/// In the order in which they are printed.
pub fn checks() -> Vec<Check> {
    let mut checks = vec![kernel()];
    checks.extend(tracing());
    checks.extend([tsc(), directory(), cpus(), cpuid()]);
    checks
}

fn kernel() -> Check {
    let release = machine::describe(None).kernel;
    let state = match version(&release) {
        Some(version) if version >= KERNEL_MIN => Level::Ok,
        Some(_) => Level::Missing,
        // The other checks tell whether it can do what is needed.
        None => Level::Limited,
    };
    let (major, minor) = KERNEL_MIN;
    Check::new("kernel", state, format!("Linux {release}"))
        .required()
        .needed_for("everything")
        .hint(format!("ftrun needs Linux {major}.{minor} or newer"))
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The three services by which programs are traced.
fn tracing() -> Vec<Check> {
    let tried = match sys::trace_a_child() {
        Ok(tried) => tried,
        Err(error) => {
            let found = format!("cannot start a child: {error}");
            let check = Check::new("ptrace", Level::Missing, found).required();
            let hint = "look at the limits of processes (`ulimit -u`) and memory";
            return vec![check.needed_for(TRACING).hint(hint)];
        }
    };
    let step = |name, result: &Option<io::Result<()>>, says| match result {
        Some(result) => Check::of(name, result, says, Level::Missing),
        None => Check::new(name, Level::Missing, "not tried: a child cannot be traced"),
    };
    let scope = number("/proc/sys/kernel/yama/ptrace_scope");
    let works = match scope {
        Some(scope) => format!("a child can be traced (kernel.yama.ptrace_scope is {scope})"),
        None => "a child can be traced".to_owned(),
    };
    let attach_hint = match scope {
        Some(scope) if scope > PTRACE_CHILDREN => {
            format!(
                "kernel.yama.ptrace_scope is {scope}: set it with `sysctl kernel.yama.ptrace_scope=1`"
            )
        }
        _ => "in a container, allow it: `docker run --cap-add SYS_PTRACE`".to_owned(),
    };
    let in_container = "a container's seccomp profile may forbid it: \
                        `docker run --security-opt seccomp=unconfined`";
    vec![
        step(
            "ptrace",
            &tried.attach,
            (&works, "a child cannot be traced"),
        )
        .required()
        .needed_for(TRACING)
        .hint(attach_hint),
        step(
            "memory",
            &tried.memory,
            (
                "a child's memory can be read",
                "a child's memory cannot be read",
            ),
        )
        .required()
        .needed_for(TRACING)
        .hint(in_container),
        step(
            "seccomp",
            &tried.seccomp,
            (
                "a filter hands syscalls over",
                "no filter hands syscalls over",
            ),
        )
        .required()
        .needed_for(TRACING)
        .hint(in_container),
    ]
}

fn tsc() -> Check {
    Check::of(
        "tsc",
        &sys::tsc_trapping(),
        (
            "reading the time stamp counter can be trapped",
            "reading the time stamp counter cannot be trapped",
        ),
        Level::Limited,
    )
    .needed_for("programs that read the time stamp counter themselves")
    .hint("a program that executes RDTSC itself will diverge when it is replayed")
}

fn directory() -> Check {
    const NAME: &str = "directory";
    let base = match recordings::base() {
        Ok(base) => base,
        Err(error) => {
            return Check::new(NAME, Level::Missing, format!("{error:#}"))
                .required()
                .needed_for(RECORDINGS)
                .hint("set FTRUN_DIR, or use --dir");
        }
    };
    // What does not exist yet will be made.
    let existing = existing(&base);
    let free = try_writing(&existing).and_then(|()| sys::free_space(&existing));
    let (bytes, inodes) = match free {
        Ok(free) => free,
        Err(error) => {
            let found = format!("{}: {}", existing.display(), reason(&error));
            return Check::new(NAME, Level::Missing, found)
                .required()
                .needed_for(RECORDINGS)
                .hint("set FTRUN_DIR to a directory that can be written, or use --dir");
        }
    };
    let state = if bytes < FREE_BYTES_MIN || inodes < FREE_INODES_MIN {
        Level::Limited
    } else {
        Level::Ok
    };
    let found = format!("{}: {} free", base.display(), output::size(bytes));
    Check::new(NAME, state, found)
        .required()
        .needed_for(RECORDINGS)
        .hint("a recording ends when its disk is full: make room, or set FTRUN_DIR")
}

/// Makes a directory in `dir`, and removes it.
fn try_writing(dir: &Path) -> io::Result<()> {
    let trial = dir.join(format!(".ftrun-doctor-{}", std::process::id()));
    std::fs::create_dir(&trial)?;
    std::fs::remove_dir(&trial)
}

/// The deepest directory on the way to `path` that exists.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find(|path| path.exists());
    found.unwrap_or(Path::new("/")).to_owned()
}

fn cpus() -> Check {
    const NAME: &str = "cpus";
    let cpus = match tracer::affinity() {
        Ok(cpus) => cpus.cpus().len(),
        Err(error) => {
            let check = Check::new(NAME, Level::Limited, error.to_string());
            return check
                .needed_for(SPEED)
                .hint("look at the CPU affinity (`taskset -p`)");
        }
    };
    let state = if cpus > 1 { Level::Ok } else { Level::Limited };
    let found = format!("{} may be used", output::plural(cpus as u64, "CPU"));
    Check::new(NAME, state, found)
        .needed_for(SPEED)
        .hint("the journal is written on the CPU that the application runs on; with a second one, recording is faster")
}

fn cpuid() -> Check {
    Check::of(
        "cpuid",
        &sys::cpuid_faulting(),
        ("CPUID can be trapped", "CPUID cannot be trapped"),
        Level::Limited,
    )
    .needed_for("replay on machines with other CPU features")
    .hint("recordings replay on machines with the same CPU features only, as they do today on every machine")
}

/// The number in a file of the kernel.
fn number(path: &str) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_versions() {
        for (release, expected) in [
            ("5.15.0", Some((5, 15))),
            ("6.1.0-18-amd64", Some((6, 1))),
            ("4.19", Some((4, 19))),
            ("6.18.44-fc-v669", Some((6, 18))),
            ("", None),
            ("unknown", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!(version("6.1") >= Some(KERNEL_MIN) && version("5.9") < Some(KERNEL_MIN));
    }

    #[test]
    fn the_way_to_a_directory_exists() {
        let here = std::env::temp_dir();
        assert_eq!(existing(&here.join("no/such/directory")), here);
        assert_eq!(existing(Path::new("/")), Path::new("/"));
    }
}
