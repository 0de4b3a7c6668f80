//! What a probe can find, in words that tell an operator what to do.

use super::super::{Cpu, Environment, RawEvent};
use std::fmt;

/// What a finding means for the hardware counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, with a limit.
    Limit,
    /// It cannot be used.
    Obstacle,
}

/// One thing that a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// No event can be opened because there is no PMU.
    NoPmu {
        /// A hypervisor hides it.
        virtual_machine: bool,
    },
    /// A kernel that was built without performance events, or a filter that says so.
    NoPerfEvents {
        /// A seccomp filter judges our system calls.
        filtered: bool,
    },
    /// `kernel.perf_event_paranoid` keeps it from us.
    Paranoid {
        /// Its value.
        level: i32,
    },
    /// Something else keeps it from us.
    Forbidden {
        /// `errno`.
        errno: i32,
        /// A seccomp filter judges our system calls.
        filtered: bool,
    },
    /// The measuring process was killed.
    Killed {
        /// By this signal.
        signal: i32,
    },
    /// The measuring process could not be started.
    NotProbed {
        /// Why.
        reason: String,
    },
    /// Every counter of the CPU is in use.
    Taken {
        /// The kernel has one for its NMI watchdog.
        nmi_watchdog: bool,
    },
    /// Opened or used, an event failed.
    Failed {
        /// The event.
        event: RawEvent,
        /// `errno`.
        errno: i32,
    },
    /// Events were counted, but no event counted the conditional branches of known code.
    WrongCount {
        /// The event, the likeliest of those tried.
        event: RawEvent,
        /// Branches of the code.
        expected: u64,
        /// What was counted.
        counted: u64,
    },
    /// Different counts of the same code.
    Nondeterministic {
        /// The event.
        event: RawEvent,
        /// The lowest.
        low: u64,
        /// The highest.
        high: u64,
    },
    /// An AMD core runs ahead of locked instructions, and counts what it takes back.
    SpecLockMap {
        /// Locked instructions that were run ahead of in the trial.
        ahead: u64,
        /// A virtual machine cannot switch it off.
        virtual_machine: bool,
    },
    /// A period that is set on an open counter is not obeyed at once.
    PeriodLate,
    /// Overflows never interrupt.
    NoInterrupts,
    /// Some overflows do not interrupt.
    LostInterrupts {
        /// As many.
        lost: u64,
        /// Of as many.
        of: u64,
    },
    /// An interrupt came before it was due.
    EarlyInterrupt {
        /// By how many branches.
        by: u64,
    },
    /// Interrupts come so late that approaching a position takes too long.
    LongSkid {
        /// Branches, at most seen.
        skid: u64,
    },
    /// The cores are of two kinds, whose counters differ.
    Hybrid {
        /// The kind that was probed: `cpu_core` or `cpu_atom`.
        pmu: &'static str,
    },
    /// On AMD the skid has no bound that is known.
    UnboundedSkid,
    /// No table has this CPU; the probe decided alone.
    UnknownCpu,
    /// The PMU is one that a hypervisor makes believe.
    VirtualPmu,
    /// Counters go on in system management mode.
    SmiCounted,
}

impl Finding {
    /// What it means for the hardware counter.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Hybrid { .. } | Self::UnboundedSkid | Self::SmiCounted => Severity::Limit,
            Self::UnknownCpu | Self::VirtualPmu => Severity::Note,
            _ => Severity::Obstacle,
        }
    }

    /// A word for it that programs can rely on.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoPmu { .. } => "no_pmu",
            Self::NoPerfEvents { .. } => "no_perf_events",
            Self::Paranoid { .. } => "paranoid",
            Self::Forbidden { .. } => "forbidden",
            Self::Killed { .. } => "killed",
            Self::NotProbed { .. } => "not_probed",
            Self::Taken { .. } => "taken",
            Self::Failed { .. } => "failed",
            Self::WrongCount { .. } => "wrong_count",
            Self::Nondeterministic { .. } => "nondeterministic",
            Self::SpecLockMap { .. } => "spec_lock_map",
            Self::PeriodLate => "period_late",
            Self::NoInterrupts => "no_interrupts",
            Self::LostInterrupts { .. } => "lost_interrupts",
            Self::EarlyInterrupt { .. } => "early_interrupt",
            Self::LongSkid { .. } => "long_skid",
            Self::Hybrid { .. } => "hybrid",
            Self::UnboundedSkid => "unbounded_skid",
            Self::UnknownCpu => "unknown_cpu",
            Self::VirtualPmu => "virtual_pmu",
            Self::SmiCounted => "smi_counted",
        }
    }

    /// What an operator can do about it, if anything.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        const CONTAINER: &str = "allow perf_event_open in the container's seccomp profile: \
                                 `docker run --cap-add PERFMON`, or a profile of your own";
        Some(match self {
            Self::NoPmu {
                virtual_machine: true,
            } => {
                "give the virtual machine a PMU: `-cpu host,pmu=on` with QEMU, `<pmu state='on'/>` with libvirt; \
                 in a cloud, an instance type that has one (often only whole machines)"
            }
            Self::NoPmu {
                virtual_machine: false,
            } => {
                "look for `Performance Events:` in the kernel's log; the firmware may have switched the PMU off"
            }
            Self::NoPerfEvents { filtered: true }
            | Self::Forbidden { filtered: true, .. }
            | Self::Killed {
                signal: libc::SIGSYS,
            } => CONTAINER,
            Self::NoPerfEvents { filtered: false } => "use a kernel with CONFIG_PERF_EVENTS",
            Self::Paranoid { .. } => {
                "`sysctl kernel.perf_event_paranoid=2`, or give ftrun the capability CAP_PERFMON"
            }
            Self::Forbidden {
                filtered: false, ..
            } => {
                "a security module forbids it: see its log, or give ftrun the capability CAP_PERFMON"
            }
            Self::Taken { nmi_watchdog: true } => {
                "`sysctl kernel.nmi_watchdog=0`, and end other users of performance events (perf)"
            }
            Self::Taken {
                nmi_watchdog: false,
            } => "end other users of performance events (perf)",
            Self::SpecLockMap {
                virtual_machine: false,
                ..
            } => {
                "switch SpecLockMap off: bit 54 of the register 0xc0011020 of every core, with wrmsr, after every \
                 start (known from the rr project's wiki, page \"Zen\")"
            }
            Self::SpecLockMap {
                virtual_machine: true,
                ..
            } => {
                "it can only be switched off on the host: bit 54 of the register 0xc0011020 of every core"
            }
            Self::Hybrid { .. } => {
                "keep ftrun on cores of one kind, with `taskset`: positions counted on one are counted on the same only"
            }
            Self::SmiCounted => {
                "`echo 1 > /sys/devices/cpu/freeze_on_smi` (or cpu_core), after every start"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPmu { virtual_machine: true } => f.write_str("this virtual machine has no PMU"),
            Self::NoPmu { virtual_machine: false } => f.write_str("the kernel knows no PMU of this CPU"),
            Self::NoPerfEvents { filtered: true } => {
                f.write_str("performance events are not there: the kernel has none, or the seccomp filter hides them")
            }
            Self::NoPerfEvents { filtered: false } => f.write_str("this kernel has no performance events"),
            Self::Paranoid { level } => {
                write!(f, "kernel.perf_event_paranoid is {level}: counters are for privileged processes")
            }
            Self::Forbidden { errno, filtered } => {
                let by = if *filtered { "a seccomp filter applies" } else { "by no setting of the kernel's" };
                write!(f, "opening a counter is forbidden ({}; {by})", error(*errno))
            }
            Self::Killed { signal: libc::SIGSYS } => {
                f.write_str("a seccomp filter kills processes that open counters")
            }
            Self::Killed { signal: libc::SIGALRM } => f.write_str("the trial of the counter did not end"),
            Self::Killed { signal } => write!(f, "the trial of the counter was killed by signal {signal}"),
            Self::NotProbed { reason } => write!(f, "the counter could not be tried: {reason}"),
            Self::Taken { .. } => f.write_str("all counters of the CPU are in use"),
            Self::Failed { event, errno } => write!(f, "counting event {event} failed ({})", error(*errno)),
            Self::WrongCount { event, expected, counted } => write!(
                f,
                "no event counts conditional branches exactly: event {event} counted {counted} of {expected}"
            ),
            Self::Nondeterministic { event, low, high } => write!(
                f,
                "event {event} counts the same code differently: from {low} to {high}"
            ),
            Self::SpecLockMap { ahead, .. } => write!(
                f,
                "the core runs ahead of locked instructions (SpecLockMap, {ahead} in the trial) and miscounts branches"
            ),
            Self::PeriodLate => f.write_str("a new period is obeyed after the next overflow only (PERF_EVENT_IOC_PERIOD)"),
            Self::NoInterrupts => f.write_str("the counter's overflows interrupt nobody"),
            Self::LostInterrupts { lost, of } => write!(f, "of {of} overflows, {lost} did not interrupt"),
            Self::EarlyInterrupt { by } => write!(f, "an interrupt came {by} conditional branches before it was due"),
            Self::LongSkid { skid } => write!(f, "interrupts come up to {skid} conditional branches late"),
            Self::Hybrid { pmu } => write!(f, "the CPU has cores of two kinds; tried was {pmu}"),
            Self::UnboundedSkid => {
                f.write_str("how late an interrupt may come has no known bound on this CPU: a replay that misses a position fails, and can be repeated")
            }
            Self::UnknownCpu => f.write_str("the CPU is in no table; the trial alone decided"),
            Self::VirtualPmu => f.write_str("the PMU is a hypervisor's"),
            Self::SmiCounted => f.write_str("counters go on in system management mode"),
        }
    }
}

fn error(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

/// A counter that the trial found fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usable {
    /// What counts.
    pub event: RawEvent,
    /// `perf_event_attr.type`.
    pub pmu: u32,
    /// The latest interrupt of the trial, in branches.
    pub skid_seen: u64,
    /// How long before a position, in branches, an interrupt is to be due
    /// ([`Limits::slack`](super::super::Limits::slack)).
    pub slack: u64,
}

/// All that a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The CPU.
    pub cpu: Cpu,
    /// Its name in the table of events.
    pub microarchitecture: Option<&'static str>,
    /// What the kernel says.
    pub environment: Environment,
    /// The counter, if it is fit.
    pub usable: Option<Usable>,
    /// What was found, the worst first.
    pub list: Vec<Finding>,
}

impl Findings {
    /// Why the hardware counter cannot be used: the first of its obstacles.
    #[must_use]
    pub fn obstacle(&self) -> Option<&Finding> {
        self.list
            .iter()
            .find(|finding| finding.severity() == Severity::Obstacle)
    }
}
