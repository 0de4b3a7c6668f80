//! Which syscalls the agent serves, and what memory each reads and writes: as much as the
//! supervisor's own model of it looks at. What a rule does not say is not served.

use crate::layout::class;

/// Memory behind an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// None.
    No,
    /// As many bytes.
    Fixed(u8, u32),
    /// As many bytes as another argument says, times a factor.
    Arg(u8, u8, u32),
    /// As many bytes as the result says, times a factor.
    Result(u8, u32),
    /// A string.
    Text(u8),
    /// The buffers of an `iovec` array, whose length another argument says; and the array.
    Vector(u8, u8),
    /// The same of a `msghdr`, without an address and control data; and the structure.
    Message(u8),
}

/// Whether a call could wait, and what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It does not.
    Never,
    /// By its descriptor: see [`class`].
    Descriptor,
    /// For as long as this argument says, in milliseconds: it is tried with 0 first. What it then
    /// answers with 0 would wait.
    Timeout(u8),
}

/// A condition on an argument, of which the kernel looks at the lower half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// No condition.
    Always,
    /// The argument is zero, as a whole.
    Zero(u8),
    /// Both arguments are.
    BothZero(u8, u8),
    /// No other bits are set.
    Only(u8, u32),
    /// It is one of these, other bits masked out.
    OneOf(u8, u32, &'static [u32]),
}

/// What a call does to descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptors {
    /// Nothing.
    Keep,
    /// The one in the first argument is gone.
    Close,
    /// The result is a new one, for reading.
    Open,
}

/// What the agent needs to know of one syscall.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its number.
    pub nr: u16,
    /// What must be known of the descriptor in the first argument; 0: it has none.
    pub class: u8,
    /// The same of a descriptor in the second argument.
    pub second: u8,
    /// What it does to descriptors.
    pub descriptors: Descriptors,
    /// Whether it waits.
    pub wait: Wait,
    /// What the kernel reads.
    pub reads: Span,
    /// What it writes if it succeeds.
    pub writes: Span,
    /// When it is served.
    pub when: [When; 2],
}

const fn rule(nr: u16) -> Rule {
    Rule {
        nr,
        class: 0,
        second: 0,
        descriptors: Descriptors::Keep,
        wait: Wait::Never,
        reads: Span::No,
        writes: Span::No,
        when: [When::Always, When::Always],
    }
}

const MSG_PEEK: u32 = 0x2;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_NOSIGNAL: u32 = 0x4000;
const MSG_MORE: u32 = 0x8000;
const F_GETFD: u32 = 1;
const F_GETFL: u32 = 3;
const FIONREAD: u32 = 0x541b;
const IPPROTO_TCP: u32 = 6;
const AT_EMPTY_PATH: u32 = 0x1000;
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_NO_AUTOMOUNT: u32 = 0x800;
/// Flags of `open` that neither write nor make anything: O_NONBLOCK, O_LARGEFILE, O_DIRECTORY,
/// O_NOFOLLOW, O_NOATIME, O_CLOEXEC.
const OPENS_FOR_READING: u32 = 0x800 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x4_0000 | 0x8_0000;
const RUSAGE_BYTES: u32 = 144;
const STATX_BYTES: u32 = 256;
const TMS_BYTES: u32 = 32;
const SIGSET_BYTES: u32 = 8;
const OFFSET_BYTES: u32 = 8;
const FUTEX_WAKE: u32 = 1;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_FLAGS: u32 = 128 | 256;
const EPOLL_EVENT_BYTES: u32 = 12;
const STAT_BYTES: u32 = 144;
const POLLFD_BYTES: u32 = 8;

/// All rules, in the order of the numbers (arch/x86/entry/syscalls/syscall_64.tbl).
pub const RULES: &[Rule] = &[
    // read
    Rule {
        class: class::READ,
        wait: Wait::Descriptor,
        writes: Span::Result(1, 1),
        ..rule(0)
    },
    // write
    Rule {
        class: class::WRITE,
        wait: Wait::Descriptor,
        reads: Span::Arg(1, 2, 1),
        ..rule(1)
    },
    // close
    Rule {
        class: class::CLOSE,
        descriptors: Descriptors::Close,
        ..rule(3)
    },
    // stat
    Rule {
        reads: Span::Text(0),
        writes: Span::Fixed(1, STAT_BYTES),
        ..rule(4)
    },
    // fstat
    Rule {
        class: class::KNOWN,
        writes: Span::Fixed(1, STAT_BYTES),
        ..rule(5)
    },
    // lstat
    Rule {
        reads: Span::Text(0),
        writes: Span::Fixed(1, STAT_BYTES),
        ..rule(6)
    },
    // poll
    Rule {
        wait: Wait::Timeout(2),
        reads: Span::Arg(0, 1, POLLFD_BYTES),
        writes: Span::Arg(0, 1, POLLFD_BYTES),
        ..rule(7)
    },
    // lseek
    Rule {
        class: class::KNOWN,
        ..rule(8)
    },
    // rt_sigprocmask
    Rule {
        reads: Span::Fixed(1, SIGSET_BYTES),
        writes: Span::Fixed(2, SIGSET_BYTES),
        when: [When::OneOf(3, 0, &[SIGSET_BYTES]), When::Always],
        ..rule(14)
    },
    // ioctl
    Rule {
        class: class::KNOWN,
        writes: Span::Fixed(2, 4),
        when: [When::OneOf(1, 0, &[FIONREAD]), When::Always],
        ..rule(16)
    },
    // pread64
    Rule {
        class: class::READ,
        wait: Wait::Descriptor,
        writes: Span::Result(1, 1),
        ..rule(17)
    },
    // pwrite64
    Rule {
        class: class::WRITE,
        wait: Wait::Descriptor,
        reads: Span::Arg(1, 2, 1),
        ..rule(18)
    },
    // writev
    Rule {
        class: class::WRITE,
        wait: Wait::Descriptor,
        reads: Span::Vector(1, 2),
        ..rule(20)
    },
    // access
    Rule {
        reads: Span::Text(0),
        ..rule(21)
    },
    // getpid
    rule(39),
    // sendfile
    Rule {
        class: class::WRITE,
        second: class::READ,
        wait: Wait::Descriptor,
        reads: Span::Fixed(2, OFFSET_BYTES),
        writes: Span::Fixed(2, OFFSET_BYTES),
        ..rule(40)
    },
    // sendto
    Rule {
        class: class::WRITE,
        wait: Wait::Descriptor,
        reads: Span::Arg(1, 2, 1),
        when: [
            When::Zero(4),
            When::Only(3, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE),
        ],
        ..rule(44)
    },
    // recvfrom
    Rule {
        class: class::READ,
        wait: Wait::Descriptor,
        writes: Span::Result(1, 1),
        when: [
            When::BothZero(4, 5),
            When::Only(3, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK),
        ],
        ..rule(45)
    },
    // sendmsg
    Rule {
        class: class::WRITE,
        wait: Wait::Descriptor,
        reads: Span::Message(1),
        when: [
            When::Only(2, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE),
            When::Always,
        ],
        ..rule(46)
    },
    // setsockopt
    Rule {
        class: class::KNOWN,
        reads: Span::Arg(3, 4, 1),
        when: [When::OneOf(1, 0, &[IPPROTO_TCP]), When::Always],
        ..rule(54)
    },
    // fcntl
    Rule {
        class: class::KNOWN,
        when: [When::OneOf(1, 0, &[F_GETFD, F_GETFL]), When::Always],
        ..rule(72)
    },
    // readlink
    Rule {
        reads: Span::Text(0),
        writes: Span::Result(1, 1),
        ..rule(89)
    },
    // getrusage
    Rule {
        writes: Span::Fixed(1, RUSAGE_BYTES),
        ..rule(98)
    },
    // times
    Rule {
        writes: Span::Fixed(0, TMS_BYTES),
        ..rule(100)
    },
    // getuid, getgid, geteuid, getegid, getppid, getpgrp
    rule(102),
    rule(104),
    rule(107),
    rule(108),
    rule(110),
    rule(111),
    // gettid
    rule(186),
    // futex
    Rule {
        when: [
            When::OneOf(1, FUTEX_FLAGS, &[FUTEX_WAKE, FUTEX_WAKE_BITSET]),
            When::Always,
        ],
        ..rule(202)
    },
    // getdents64
    Rule {
        class: class::READ,
        wait: Wait::Descriptor,
        writes: Span::Result(1, 1),
        ..rule(217)
    },
    // epoll_wait
    Rule {
        class: class::KNOWN,
        wait: Wait::Timeout(3),
        writes: Span::Result(1, EPOLL_EVENT_BYTES),
        ..rule(232)
    },
    // epoll_ctl
    Rule {
        class: class::KNOWN,
        reads: Span::Fixed(3, EPOLL_EVENT_BYTES),
        ..rule(233)
    },
    // openat
    Rule {
        descriptors: Descriptors::Open,
        reads: Span::Text(1),
        when: [When::Only(2, OPENS_FOR_READING), When::Always],
        ..rule(257)
    },
    // newfstatat
    Rule {
        reads: Span::Text(1),
        writes: Span::Fixed(2, STAT_BYTES),
        when: [
            When::Only(3, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT),
            When::Always,
        ],
        ..rule(262)
    },
    // readlinkat
    Rule {
        reads: Span::Text(1),
        writes: Span::Result(2, 1),
        ..rule(267)
    },
    // faccessat
    Rule {
        reads: Span::Text(1),
        ..rule(269)
    },
    // epoll_pwait
    Rule {
        class: class::KNOWN,
        wait: Wait::Timeout(3),
        writes: Span::Result(1, EPOLL_EVENT_BYTES),
        when: [When::Zero(4), When::Always],
        ..rule(281)
    },
    // getrandom
    Rule {
        writes: Span::Result(0, 1),
        ..rule(318)
    },
    // statx
    Rule {
        reads: Span::Text(1),
        writes: Span::Fixed(4, STATX_BYTES),
        ..rule(332)
    },
];

/// Calls that give what the kernel keeps of the thread that makes them, and that nobody else changes.
/// Once known, it is given without asking the kernel: getpid, getuid, getgid, geteuid, getegid, gettid.
/// (Not getppid: it changes when another process ends.)
pub const ANSWERED: [u16; 6] = [39, 102, 104, 107, 108, 186];

/// Numbers from here on have no rule.
pub const NUMBERS_MAX: usize = 335;
/// No rule.
pub const NONE: u8 = u8::MAX;

/// The index in [`RULES`] of each number's rule.
pub const INDEX: [u8; NUMBERS_MAX] = index();

const fn index() -> [u8; NUMBERS_MAX] {
    let mut table = [NONE; NUMBERS_MAX];
    let mut at = 0;
    while at < RULES.len() {
        #[allow(clippy::cast_possible_truncation, reason = "there are few")]
        let index = at as u8;
        table[RULES[at].nr as usize] = index;
        at += 1;
    }
    table
}

/// The rule of a syscall.
#[must_use]
pub fn find(nr: u64) -> Option<&'static Rule> {
    let index = usize::try_from(nr).ok().and_then(|nr| INDEX.get(nr))?;
    RULES.get(usize::from(*index))
}

/// Greatest number of bytes that a served call moves.
pub const BYTES_MAX: u64 = 64 << 10;
/// Greatest `iovec` array that is served.
pub const VECTORS_MAX: u64 = 64;
/// Longest string, NUL included.
pub const TEXT_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_in_order_and_found() {
        assert!(RULES.windows(2).all(|pair| pair[0].nr < pair[1].nr));
        for rule in RULES {
            assert_eq!(find(rule.nr.into()).map(|found| found.nr), Some(rule.nr));
        }
        for nr in ANSWERED {
            let rule = find(nr.into()).expect("it is served");
            assert_eq!((rule.reads, rule.writes), (Span::No, Span::No), "{nr}");
            assert_eq!(rule.when, [When::Always, When::Always], "{nr}");
            assert!(usize::from(nr) < crate::layout::ANSWERS_LEN, "{nr}");
        }
        assert!(find(57).is_none() && find(u64::MAX).is_none() && find(1 << 32).is_none());
    }
}
