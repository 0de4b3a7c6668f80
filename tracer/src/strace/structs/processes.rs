//! Processes, signals' dispositions, scheduling and the machine.

use super::{Form, braces, fields, some_fields};
use crate::model::names::epoll::EVENTS as EPOLL_EVENTS;
use crate::model::names::futex::FUTEX2;
use crate::model::names::poll::EVENTS as POLL_EVENTS;
use crate::model::names::prctl::CAP;
use crate::model::names::sched::{ATTR_FLAGS, POLICY};
use crate::model::names::signals::{HANDLER, SA, STACK};
use crate::model::{Names, StructId};
use crate::strace::fields::{
    Field, Is, all, field, int, nested, pointer, uint, ulong, ushort, xlong,
};
use crate::strace::scalars::{address, name_of, whole};
use crate::strace::signals;
use crate::strace::text::{joined, put};
use crate::strace::view::{number, signed};

pub(super) fn form(of: StructId) -> Option<Form> {
    Some(match of {
        StructId::LandlockRulesetAttr => Form::Own(landlock_rules),
        StructId::LandlockPathBeneath => fields![
            field("allowed_access", 0, Is::Flags(8, &LANDLOCK_FILES)),
            int("parent_fd", 8),
        ],
        StructId::Pollfd => Form::Own(pollfd),
        StructId::EpollEvent => fields![
            field("events", 0, Is::Flags(4, &EPOLL_EVENTS)),
            field(
                "data",
                4,
                Is::Own(8, |out, bytes| {
                    put!(
                        out,
                        "{{u32={}, u64={}}}",
                        number(bytes, 0, 4),
                        number(bytes, 0, 8)
                    );
                })
            ),
        ],
        StructId::Sigaction => Form::Own(sigaction),
        StructId::Siginfo => Form::Own(signals::info),
        StructId::SigAltStack => fields![
            pointer("ss_sp", 0),
            field("ss_flags", 8, Is::Flags(4, &STACK)),
            ulong("ss_size", 16),
        ],
        StructId::Rusage => some_fields![
            nested("ru_utime", 0, StructId::Timeval),
            nested("ru_stime", 16, StructId::Timeval),
        ],
        StructId::Rlimit => {
            fields![
                field("rlim_cur", 0, Is::Own(8, limit)),
                field("rlim_max", 8, Is::Own(8, limit))
            ]
        }
        StructId::Sysinfo => fields![
            field("uptime", 0, Is::Signed(8)),
            field("loads", 8, Is::Array(StructId::Ulong, 3)),
            ulong("totalram", 32),
            ulong("freeram", 40),
            ulong("sharedram", 48),
            ulong("bufferram", 56),
            ulong("totalswap", 64),
            ulong("freeswap", 72),
            ushort("procs", 80),
            ulong("totalhigh", 88),
            ulong("freehigh", 96),
            uint("mem_unit", 104),
        ],
        StructId::Utsname => {
            some_fields![
                field("sysname", 0, Is::Text(65)),
                field("nodename", 65, Is::Text(65))
            ]
        }
        StructId::SchedAttr => fields![
            uint("size", 0),
            field("sched_policy", 4, Is::Choice(4, &POLICY)),
            field("sched_flags", 8, Is::Flags(8, &ATTR_FLAGS)),
            int("sched_nice", 16),
            uint("sched_priority", 20),
            ulong("sched_runtime", 24),
            ulong("sched_deadline", 32),
            ulong("sched_period", 40),
            uint("sched_util_min", 48),
            uint("sched_util_max", 52),
        ],
        StructId::CapHeader => {
            fields![
                field("version", 0, Is::Choice(4, &CAP_VERSION)),
                int("pid", 4)
            ]
        }
        StructId::FutexWaitv => fields![
            xlong("val", 0),
            pointer("uaddr", 8),
            field("flags", 16, Is::Flags(4, &FUTEX2)),
        ],
        StructId::SockFprog => fields![ushort("len", 0), pointer("filter", 8)],
        StructId::SeccompNotifSizes => fields![
            ushort("seccomp_notif", 0),
            ushort("seccomp_notif_resp", 2),
            ushort("seccomp_data", 4),
        ],
        StructId::Iovec | StructId::RemoteIovec => {
            fields![pointer("iov_base", 0), ulong("iov_len", 8)]
        }
        _ => return None,
    })
}

fn pollfd(out: &mut String, bytes: &[u8]) {
    const EVENTS: &[Field] = &[field("events", 4, Is::Flags(2, &POLL_EVENTS))];
    braces(out, |out| {
        put!(out, "fd={}", signed(bytes, 0, 4));
        if signed(bytes, 0, 4) >= 0 {
            all(out, EVENTS, bytes);
        }
    });
}

fn sigaction(out: &mut String, bytes: &[u8]) {
    const RESTORER: u64 = 0x0400_0000;
    const MIDDLE: &[Field] = &[
        nested("sa_mask", 24, StructId::Sigset),
        field(
            "sa_flags",
            8,
            Is::Own(8, |out, bytes| whole(out, &SA, number(bytes, 0, 8))),
        ),
    ];
    let handler = number(bytes, 0, 8);
    braces(out, |out| {
        out.push_str("sa_handler=");
        match HANDLER.names.iter().find(|(value, _)| *value == handler) {
            Some((_, name)) => out.push_str(name),
            None => address(out, handler),
        }
        all(out, MIDDLE, bytes);
        if number(bytes, 8, 8) & RESTORER != 0 {
            all(out, const { &[pointer("sa_restorer", 16)] }, bytes);
        }
    });
}

/// Appends a resource limit.
fn limit(out: &mut String, bytes: &[u8]) {
    match number(bytes, 0, 8) {
        u64::MAX => out.push_str("RLIM64_INFINITY"),
        value if value > 1024 && value.is_multiple_of(1024) => put!(out, "{}*1024", value / 1024),
        value => put!(out, "{value}"),
    }
}

/// Appends the capabilities of a thread: three sets, of one or two words each.
pub(in crate::strace) fn capabilities(out: &mut String, bytes: &[u8]) {
    const SETS: [&str; 3] = ["effective", "permitted", "inheritable"];
    braces(out, |out| {
        joined(out, ", ", SETS.iter().enumerate(), |out, (index, name)| {
            let set = number(bytes, index * 4, 4) | number(bytes, 12 + index * 4, 4) << 32;
            put!(out, "{name}=");
            if set == 0 {
                out.push('0');
            }
            let members = (0..64u64).filter(|bit| set & 1 << bit != 0);
            joined(out, "|", members, |out, bit| match name_of(&CAP, bit) {
                Some(name) => put!(out, "1<<{name}"),
                None => put!(out, "{:#x}", 1u64 << bit),
            });
        });
    });
}

static CAP_VERSION: Names = Names {
    unknown: "_LINUX_CAPABILITY_VERSION_???",
    names: &[
        (0x1998_0330, "_LINUX_CAPABILITY_VERSION_1"),
        (0x2007_1026, "_LINUX_CAPABILITY_VERSION_2"),
        (0x2008_0522, "_LINUX_CAPABILITY_VERSION_3"),
    ],
};

/// As much as the caller's version of the structure has.
fn landlock_rules(out: &mut String, bytes: &[u8]) {
    const FIELDS: &[Field] = &[
        field("handled_access_fs", 0, Is::Flags(8, &LANDLOCK_FILES)),
        field("handled_access_net", 8, Is::Hex(8)),
        field("scoped", 16, Is::Hex(8)),
    ];
    super::braces(out, |out| all(out, FIELDS, bytes));
}

static LANDLOCK_FILES: Names = Names {
    unknown: "LANDLOCK_ACCESS_FS_???",
    names: &[
        (0x1, "LANDLOCK_ACCESS_FS_EXECUTE"),
        (0x2, "LANDLOCK_ACCESS_FS_WRITE_FILE"),
        (0x4, "LANDLOCK_ACCESS_FS_READ_FILE"),
        (0x8, "LANDLOCK_ACCESS_FS_READ_DIR"),
        (0x10, "LANDLOCK_ACCESS_FS_REMOVE_DIR"),
        (0x20, "LANDLOCK_ACCESS_FS_REMOVE_FILE"),
        (0x40, "LANDLOCK_ACCESS_FS_MAKE_CHAR"),
        (0x80, "LANDLOCK_ACCESS_FS_MAKE_DIR"),
        (0x100, "LANDLOCK_ACCESS_FS_MAKE_REG"),
        (0x200, "LANDLOCK_ACCESS_FS_MAKE_SOCK"),
        (0x400, "LANDLOCK_ACCESS_FS_MAKE_FIFO"),
        (0x800, "LANDLOCK_ACCESS_FS_MAKE_BLOCK"),
        (0x1000, "LANDLOCK_ACCESS_FS_MAKE_SYM"),
        (0x2000, "LANDLOCK_ACCESS_FS_REFER"),
        (0x4000, "LANDLOCK_ACCESS_FS_TRUNCATE"),
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::show;
    use super::*;

    #[test]
    fn dispositions() {
        assert_eq!(
            show(StructId::Sigaction, &[]),
            "{sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}"
        );
        assert_eq!(
            show(
                StructId::Sigaction,
                &[
                    (0, 8, 0x4000),
                    (8, 8, 0x1400_0000),
                    (16, 8, 0x7f00),
                    (24, 8, 1 << 14)
                ]
            ),
            "{sa_handler=0x4000, sa_mask=[TERM], sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x7f00}"
        );
        assert_eq!(
            show(StructId::SigAltStack, &[(8, 4, 2)]),
            "{ss_sp=NULL, ss_flags=SS_DISABLE, ss_size=0}"
        );
    }

    #[test]
    fn descriptors_that_are_waited_for() {
        assert_eq!(
            show(StructId::Pollfd, &[(0, 4, 11), (4, 2, 1)]),
            "{fd=11, events=POLLIN}"
        );
        assert_eq!(show(StructId::Pollfd, &[(0, 4, u64::MAX)]), "{fd=-1}");
        assert_eq!(
            show(StructId::EpollEvent, &[(0, 4, 0x8000_0004), (4, 8, 7)]),
            "{events=EPOLLOUT|EPOLLET, data={u32=7, u64=7}}"
        );
    }

    #[test]
    fn limits_and_the_machine() {
        assert_eq!(
            show(StructId::Rlimit, &[(0, 8, 8 << 20), (8, 8, u64::MAX)]),
            "{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}"
        );
        assert_eq!(
            show(StructId::Rlimit, &[(0, 8, 1234), (8, 8, 1024)]),
            "{rlim_cur=1234, rlim_max=1024}"
        );
        assert_eq!(
            show(
                StructId::Utsname,
                &[(0, 8, u64::from_le_bytes(*b"Linux\0\0\0")), (65, 2, 0x6d76)]
            ),
            r#"{sysname="Linux", nodename="vm", ...}"#
        );
        assert_eq!(
            show(StructId::Rusage, &[(24, 8, 4004)]),
            "{ru_utime={tv_sec=0, tv_usec=0}, ru_stime={tv_sec=0, tv_usec=4004}, ...}"
        );
        assert_eq!(
            show(
                StructId::Sysinfo,
                &[(0, 8, 4734), (8, 8, 5), (80, 2, 123), (104, 4, 1)]
            ),
            "{uptime=4734, loads=[5, 0, 0], totalram=0, freeram=0, sharedram=0, bufferram=0, \
             totalswap=0, freeswap=0, procs=123, totalhigh=0, freehigh=0, mem_unit=1}"
        );
    }

    #[test]
    fn sets_of_capabilities() {
        let mut out = String::new();
        let mut bytes = [0; 24];
        bytes[0] = 3;
        bytes[16] = 1 << 6;
        capabilities(&mut out, &bytes);
        assert_eq!(
            out,
            "{effective=1<<CAP_CHOWN|1<<CAP_DAC_OVERRIDE, permitted=1<<CAP_PERFMON, inheritable=0}"
        );
    }
}
