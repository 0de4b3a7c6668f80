//! `ftrun doctor`: tries what recording needs, and what makes it better, on this machine.

use crate::cli::DoctorArgs;
use crate::failure::OWN_FAILURE;
use crate::output::{self, Stdout};
use crate::recordings;
use crate::sys::{self, Counting};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracer::machine;

const KERNEL_MIN: (u32, u32) = (5, 15);
/// With less, a recording of any length soon fills it.
const FREE_BYTES_MIN: u64 = 1 << 30;
const FREE_INODES_MIN: u64 = 10_000;
/// From this value on, counters are for privileged processes.
const PARANOID_TOO_MUCH: i32 = 3;
/// Under this one, a process may attach to its own children only, which is enough.
const PTRACE_CHILDREN: i32 = 1;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Limited,
    Missing,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: Level,
    /// Without it, nothing can be recorded.
    required: bool,
    /// What was found.
    found: String,
    /// What to change, or what follows.
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, state: Level, found: impl Into<String>) -> Self {
        Self {
            name,
            state,
            required: false,
            found: found.into(),
            hint: None,
        }
    }

    /// Of something that either works or, for a reason, does not.
    fn of<T, E: std::fmt::Display>(
        name: &'static str,
        result: &Result<T, E>,
        (works, fails): (&str, &str),
        otherwise: Level,
    ) -> Self {
        match result {
            Ok(_) => Self::new(name, Level::Ok, works),
            Err(error) => Self::new(name, otherwise, format!("{fails}: {}", reason(error))),
        }
    }

    fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// What to do unless all is well.
    fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.state != Level::Ok {
            self.hint = Some(hint.into());
        }
        self
    }
}

#[derive(Debug, Serialize)]
struct Report {
    can_record: bool,
    checks: Vec<Check>,
}

/// Tries everything. Ends with failure if nothing can be recorded here.
pub fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut checks = vec![kernel()];
    checks.extend(tracing());
    checks.push(tsc());
    checks.push(directory());
    checks.push(cpus());
    checks.push(cpuid());
    checks.push(counters());
    checks.push(paranoid());
    checks.push(checkpoint_restore());
    checks.push(tcp_repair());
    checks.push(tun());
    let can_record = checks
        .iter()
        .all(|check| !check.required || check.state != Level::Missing);
    let report = Report { can_record, checks };
    if args.json.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(ExitCode::from(if can_record { 0 } else { OWN_FAILURE }))
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = Stdout::lock();
    let width = report.checks.iter().map(|check| check.name.len()).max();
    let width = width.unwrap_or(0);
    for check in &report.checks {
        let Check { name, found, .. } = check;
        out.line(&format!(
            "{:<8} {name:<width$}  {found}",
            check.state.name()
        ))?;
        if let Some(hint) = &check.hint {
            out.line(&format!("{:9}{:width$}  -> {hint}", "", ""))?;
        }
    }
    out.line("")?;
    if report.can_record {
        out.line("ftrun can record here")?;
    } else {
        let missing = report.checks.iter();
        let missing = missing.filter(|check| check.required && check.state == Level::Missing);
        let names: Vec<&str> = missing.map(|check| check.name).collect();
        out.line(&format!("ftrun cannot record here: {}", names.join(", ")))?;
    }
    out.flush()
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
            return vec![Check::new("ptrace", Level::Missing, found).required()];
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
    .hint("a program that executes RDTSC itself will diverge when it is replayed")
}

fn directory() -> Check {
    const NAME: &str = "directory";
    let base = match recordings::base() {
        Ok(base) => base,
        Err(error) => {
            return Check::new(NAME, Level::Missing, format!("{error:#}"))
                .required()
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
        Err(error) => return Check::new(NAME, Level::Limited, error.to_string()),
    };
    let state = if cpus > 1 { Level::Ok } else { Level::Limited };
    let found = format!("{} may be used", output::plural(cpus as u64, "CPU"));
    Check::new(NAME, state, found)
        .hint("the journal is written on the CPU that the application runs on; with a second one, recording is faster")
}

fn cpuid() -> Check {
    Check::of(
        "cpuid",
        &sys::cpuid_faulting(),
        ("CPUID can be trapped", "CPUID cannot be trapped"),
        Level::Limited,
    )
    .hint("recordings replay on machines with the same CPU features only, as they do today on every machine")
}

fn counters() -> Check {
    const NAME: &str = "counters";
    const WHAT: &str = "nothing needs it yet; it will allow preemption between syscalls";
    match sys::count_branches() {
        Ok(Counting::Exact(event)) => {
            let found = format!("conditional branches are counted exactly (event {event:#x})");
            Check::new(NAME, Level::Ok, found)
        }
        Ok(Counting::Wrong(_)) => Check::new(
            NAME,
            Level::Missing,
            "the kernel opens counters, but none counts conditional branches exactly",
        )
        .hint(format!("a virtual machine needs a virtual PMU; {WHAT}")),
        Err(error) => {
            let hint = if error.kind() == io::ErrorKind::PermissionDenied {
                "set it with `sysctl kernel.perf_event_paranoid=2`, or allow perf_event_open in the container"
            } else {
                "a virtual machine needs a virtual PMU"
            };
            let found = format!("the CPU's counters cannot be opened: {}", reason(&error));
            Check::new(NAME, Level::Missing, found).hint(format!("{hint}; {WHAT}"))
        }
    }
}

fn paranoid() -> Check {
    const NAME: &str = "perf_event_paranoid";
    match number("/proc/sys/kernel/perf_event_paranoid") {
        None => Check::new(
            NAME,
            Level::Missing,
            "this kernel has no performance events",
        )
        .hint("nothing needs them yet"),
        Some(value) => {
            let state = if value < PARANOID_TOO_MUCH {
                Level::Ok
            } else {
                Level::Limited
            };
            Check::new(NAME, state, value.to_string()).hint(
                "counters are for privileged processes: `sysctl kernel.perf_event_paranoid=2`",
            )
        }
    }
}

fn checkpoint_restore() -> Check {
    Check::of(
        "process ids",
        &sys::set_tid(),
        (
            "ids of children can be chosen (CAP_CHECKPOINT_RESTORE)",
            "ids of children cannot be chosen",
        ),
        Level::Missing,
    )
    .hint("nothing needs it yet; restoring checkpoints will: it takes CAP_CHECKPOINT_RESTORE")
}

fn tcp_repair() -> Check {
    Check::of(
        "tcp repair",
        &sys::tcp_repair(),
        (
            "TCP connections can be taken over (CAP_NET_ADMIN)",
            "TCP connections cannot be taken over",
        ),
        Level::Missing,
    )
    .hint("nothing needs it yet; taking over connections will: it takes CAP_NET_ADMIN")
}

fn tun() -> Check {
    Check::of(
        "tun",
        &sys::tun(),
        ("/dev/net/tun can be opened", "/dev/net/tun cannot be opened"),
        Level::Missing,
    )
    .hint("nothing needs it yet; taking over connections will: `modprobe tun`, and permission to open /dev/net/tun")
}

/// An error without the number that the standard library adds.
fn reason(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
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
