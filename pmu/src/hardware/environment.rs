//! What the kernel says about performance events here, in files, before one is opened.

use std::fs;
use std::path::Path;

/// One PMU of the cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pmu {
    /// `cpu`; on a hybrid `cpu_core` or `cpu_atom`.
    pub name: &'static str,
    /// What `perf_event_attr.type` names it by.
    pub number: u32,
    /// The CPUs that have it; empty if the kernel does not say so, which means all.
    pub cpus: Vec<u32>,
}

/// What the kernel says. What cannot be read is `None`, false or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// `kernel.perf_event_paranoid`: who may count what. Up to 2, every process its own user
    /// mode. `None`: the kernel has no performance events.
    pub paranoid: Option<i32>,
    /// `CAP_PERFMON` or `CAP_SYS_ADMIN`: to such a process `paranoid` does not apply.
    pub privileged: bool,
    /// A seccomp filter judges this process's system calls, as in most containers.
    pub filtered: bool,
    /// The cores' PMUs: one, on a hybrid two, without a PMU none.
    pub pmus: Vec<Pmu>,
    /// `kernel.nmi_watchdog`: the kernel has one counter for itself.
    pub nmi_watchdog: bool,
    /// `freeze_on_smi` of an Intel PMU: whether it stands still in system management mode.
    pub freeze_on_smi: Option<bool>,
}

/// The names of cores' PMUs.
const PMUS: [&str; 3] = ["cpu", "cpu_core", "cpu_atom"];
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
/// From this value on, counters are for privileged processes (a patch of several distributions).
const PARANOID_TOO_MUCH: i32 = 3;

impl Environment {
    /// Of this machine and process.
    #[must_use]
    pub fn here() -> Self {
        Self::read(Path::new("/"))
    }

    /// From files under `root`.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let status = text("proc/thread-self/status").unwrap_or_default();
        let capabilities =
            field(&status, "CapEff:").and_then(|set| u64::from_str_radix(set, 16).ok());
        let pmu = |name: &'static str| {
            let device = format!("sys/bus/event_source/devices/{name}");
            Some(Pmu {
                name,
                number: text(&format!("{device}/type"))?.trim().parse().ok()?,
                cpus: list(&text(&format!("{device}/cpus")).unwrap_or_default()),
            })
        };
        Self {
            paranoid: text("proc/sys/kernel/perf_event_paranoid")
                .and_then(|text| text.trim().parse().ok()),
            privileged: capabilities.unwrap_or(0) & (CAP_SYS_ADMIN | CAP_PERFMON) != 0,
            filtered: field(&status, "Seccomp:") == Some("2"),
            pmus: PMUS.into_iter().filter_map(pmu).collect(),
            nmi_watchdog: text("proc/sys/kernel/nmi_watchdog")
                .is_some_and(|text| text.trim() == "1"),
            freeze_on_smi: ["cpu", "cpu_core"].iter().find_map(|name| {
                let text = text(&format!("sys/devices/{name}/freeze_on_smi"))?;
                Some(text.trim() == "1")
            }),
        }
    }

    /// Cores of two kinds.
    #[must_use]
    pub fn hybrid(&self) -> bool {
        self.pmus.len() > 1
    }

    /// `kernel.perf_event_paranoid` keeps this process from counting.
    #[must_use]
    pub fn too_paranoid(&self) -> bool {
        !self.privileged
            && self
                .paranoid
                .is_some_and(|level| level >= PARANOID_TOO_MUCH)
    }

    /// The PMU of this CPU.
    #[must_use]
    pub fn pmu_of(&self, cpu: u32) -> Option<&Pmu> {
        self.pmus
            .iter()
            .find(|pmu| pmu.cpus.is_empty() || pmu.cpus.contains(&cpu))
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    Some(
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))?
            .trim(),
    )
}

/// CPUs as the kernel lists them: `0-3,8`. What is no list is empty; more CPUs than Linux can
/// have (8192) are not believed.
fn list(text: &str) -> Vec<u32> {
    const CPUS_MAX: u32 = 8192;
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse(), last.parse::<u32>())
            && last < CPUS_MAX
        {
            cpus.extend(first..=last);
        }
    }
    cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(list("0-3,8\n"), [0, 1, 2, 3, 8]);
        for text in ["", "x", "3-", "-", "0-4294967295"] {
            assert!(list(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_hybrid_under_a_strict_kernel() {
        let root =
            std::env::temp_dir().join(format!("ftrun-pmu-environment-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("proc/sys/kernel/perf_event_paranoid", "4\n");
        write(
            "proc/thread-self/status",
            "CapEff:\t0000000000003000\nSeccomp:\t2\n",
        );
        write("sys/bus/event_source/devices/cpu_core/type", "4\n");
        write("sys/bus/event_source/devices/cpu_core/cpus", "0-7\n");
        write("sys/bus/event_source/devices/cpu_atom/type", "10\n");
        write("sys/bus/event_source/devices/cpu_atom/cpus", "8-11\n");
        write("sys/devices/cpu_core/freeze_on_smi", "0\n");
        let mut found = Environment::read(&root);
        fs::remove_dir_all(&root).expect("removed");
        assert!(found.hybrid() && found.filtered && !found.privileged && found.too_paranoid());
        assert_eq!(
            found.pmu_of(9).map(|pmu| (pmu.name, pmu.number)),
            Some(("cpu_atom", 10))
        );
        assert_eq!(found.pmu_of(12), None);
        assert_eq!(found.freeze_on_smi, Some(false));
        found.privileged = true;
        assert!(!found.too_paranoid());
    }

    #[test]
    fn nothing_can_be_read() {
        let found = Environment::read(Path::new("/nonexistent"));
        assert_eq!(found, Environment::default());
    }
}
