//! Which syscalls the agent serves, and what memory each reads and writes: as much as the
//! supervisor's own model of it looks at. What a rule does not say is not served.

use crate::layout::class;

/// Memory behind arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// As many bytes.
    Fixed(u8, u32),
    /// As many bytes as another argument says, times a factor.
    Arg(u8, u8, u32),
    /// As many bytes as the result says, times a factor.
    Result(u8, u32),
    /// As many bits as another argument says, in whole words of 64.
    Bits(u8, u8),
    /// A string.
    Text(u8),
    /// The buffers of an `iovec` array, whose length another argument says; and the array.
    Vector(u8, u8),
    /// The same of a `msghdr`, without an address and control data; and the structure.
    Message(u8),
    /// Of what is read, an `iovec` array, whose length another argument says; of what is written, its buffers, one
    /// after the other, as many bytes as the result says.
    Buffers(u8, u8),
    /// The same of a `msghdr` without room for control data; and the structure and the address, if it is written.
    Received(u8),
    /// A length behind the second argument; of what is written, besides, as many bytes behind the first as it says
    /// before and after.
    Address(u8, u8),
}

impl Rule {
    /// Whether it is the same whichever descriptors a process has, as far as the agent is concerned.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        let keeps = matches!(self.descriptors, Descriptors::Keep);
        keeps && self.class == 0 && self.second.1 == 0 && matches!(self.wait, Wait::Never)
    }

    /// Whether the kernel writes how much is left of the time behind this argument.
    #[must_use]
    pub fn tells_time(&self, index: u8) -> bool {
        let told = |span: &Span| matches!(span, Span::Fixed(at, _) if *at == index);
        self.writes.iter().any(told)
    }

    /// Whether it is for a call with these arguments.
    #[must_use]
    pub fn fits(&self, args: &[u64; 6]) -> bool {
        let arg = |index: u8| args.get(usize::from(index)).copied().unwrap_or(0);
        self.when.iter().all(|when| when.holds(arg))
    }
}

/// Whether a call could wait, and what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It does not.
    Never,
    /// By its descriptor: see [`class`].
    Descriptor,
    /// For nobody, but it may take long: it is served where nobody else wants the CPU.
    Long,
    /// For as long as this argument says, in milliseconds: it is tried with 0 first. What it then
    /// answers with 0 would wait.
    Timeout(u8),
    /// Until the time behind this argument has passed, of so many parts of a second each unit, or for ever if there
    /// is none. It is tried with no time first.
    Time(u8, u32),
    /// It waits, unless the kernel finds that there is no reason to: it is made without the CPU, where the agent
    /// may hand that on.
    Parks,
}

/// A `timeval` behind this argument.
const fn timeval(index: u8) -> Wait {
    Wait::Time(index, 1_000_000)
}

/// A `timespec` behind this argument.
const fn timespec(index: u8) -> Wait {
    Wait::Time(index, 1_000_000_000)
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
    /// It is at least this, as a whole.
    AtLeast(u8, u32),
    /// It is one of these, other bits masked out.
    OneOf(u8, u32, &'static [u32]),
}

impl When {
    /// Whether it does, with these arguments.
    #[inline]
    pub fn holds(&self, arg: impl Fn(u8) -> u64) -> bool {
        #[allow(clippy::cast_possible_truncation, reason = "as the kernel does")]
        let half = |index| arg(index) as u32;
        match *self {
            Self::Always => true,
            Self::Zero(index) => arg(index) == 0,
            Self::AtLeast(index, least) => arg(index) >= least as u64,
            Self::BothZero(first, second) => arg(first) | arg(second) == 0,
            Self::Only(index, bits) => half(index) & !bits == 0,
            Self::OneOf(index, mask, values) => {
                let value = half(index) & !mask;
                values.contains(&value)
            }
        }
    }
}

/// What a call does to descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptors {
    /// Nothing.
    Keep,
    /// The one in the first argument is gone.
    Close,
    /// The result is a new one; this argument has the flags of `open`.
    Open(u8),
    /// The result is a new one, of which nothing is known.
    New,
    /// The one in the first argument waits no more.
    Unblock,
}

/// What the agent needs to know of one syscall.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its number.
    pub nr: u16,
    /// What must be known of the descriptor in the first argument; 0: it has none.
    pub class: u8,
    /// The same of a descriptor in another argument: which one, and what.
    pub second: (u8, u8),
    /// It changes files, and not those of a descriptor that is known for writing.
    pub changes: bool,
    /// It tells which file something is: device and inode.
    pub tells: bool,
    /// It changes memory: it is performed in replay, too. An error stops, for a part may have been done.
    pub performs: bool,
    /// What it does to descriptors.
    pub descriptors: Descriptors,
    /// Whether it waits.
    pub wait: Wait,
    /// What the kernel reads.
    pub reads: &'static [Span],
    /// What it writes if it succeeds.
    pub writes: &'static [Span],
    /// When it is served.
    pub when: [When; 2],
}

const fn rule(nr: u16) -> Rule {
    Rule {
        nr,
        class: 0,
        second: (0, 0),
        changes: false,
        tells: false,
        performs: false,
        descriptors: Descriptors::Keep,
        wait: Wait::Never,
        reads: &[],
        writes: &[],
        when: [When::Always, When::Always],
    }
}

/// One that changes a file that these strings name.
const fn changes(nr: u16, reads: &'static [Span]) -> Rule {
    Rule {
        changes: true,
        reads,
        ..rule(nr)
    }
}

/// One that reads into a buffer.
const fn fills(nr: u16) -> Rule {
    Rule {
        class: class::READ,
        wait: Wait::Descriptor,
        writes: &[Span::Result(1, 1)],
        ..rule(nr)
    }
}

/// One that writes a buffer.
const fn takes(nr: u16) -> Rule {
    Rule {
        class: class::WRITE,
        wait: Wait::Descriptor,
        reads: &[Span::Arg(1, 2, 1)],
        ..rule(nr)
    }
}

/// One that reads into several buffers.
const fn scatters(nr: u16) -> Rule {
    Rule {
        reads: &[Span::Buffers(1, 2)],
        writes: &[Span::Buffers(1, 2)],
        ..fills(nr)
    }
}

/// One that writes several buffers.
const fn gathers(nr: u16) -> Rule {
    Rule {
        reads: &[Span::Vector(1, 2)],
        ..takes(nr)
    }
}

/// One that waits for the disk.
const fn syncs(nr: u16) -> Rule {
    Rule {
        class: class::WRITE,
        wait: Wait::Parks,
        ..rule(nr)
    }
}

/// One that accepts a connection, and tells the address of its other end.
const fn accepts(nr: u16) -> Rule {
    Rule {
        descriptors: Descriptors::New,
        wait: Wait::Descriptor,
        ..addresses(nr)
    }
}

/// One that tells the address of a socket.
const fn addresses(nr: u16) -> Rule {
    Rule {
        class: class::CLOSE,
        reads: &[Span::Address(1, 2)],
        writes: &[Span::Address(1, 2)],
        ..rule(nr)
    }
}

/// Addresses from here on are not the agent's, nor pages that the tracer claims.
const OUTSIDE: u32 = 1 << 31;
const MSG_PEEK: u32 = 0x2;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_NOSIGNAL: u32 = 0x4000;
const MSG_MORE: u32 = 0x8000;
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const O_NONBLOCK: u32 = 0x800;
/// `O_LARGEFILE`, as the kernel tells it.
const O_LARGEFILE: u32 = 0x8000;
const TCGETS: u32 = 0x5401;
const FIONREAD: u32 = 0x541b;
/// Its argument is a pointer to an `int`.
pub const FIONBIO: u32 = 0x5421;
const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;
const FICLONE: u32 = 0x4004_9409;
const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;
const IPPROTO_TCP: u32 = 6;
const SOL_SOCKET: u32 = 1;
const SO_TYPE: u32 = 3;
const SO_ERROR: u32 = 4;
/// `MADV_DONTNEED`.
pub const MADV_DONTNEED: u32 = 4;
/// `MADV_FREE`.
pub const MADV_FREE: u32 = 8;
/// The path is empty and the file is that of the descriptor.
pub const AT_EMPTY_PATH: u32 = 0x1000;
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_NO_AUTOMOUNT: u32 = 0x800;
/// Flags of `open` that neither write nor make anything: O_NOCTTY, O_NONBLOCK, O_DSYNC, O_DIRECT, O_LARGEFILE,
/// O_DIRECTORY, O_NOFOLLOW, O_NOATIME, O_CLOEXEC, O_SYNC.
const OPENS_FOR_READING: u32 = 0x100
    | 0x800
    | 0x1000
    | 0x4000
    | 0x8000
    | 0x1_0000
    | 0x2_0000
    | 0x4_0000
    | 0x8_0000
    | 0x10_0000;
/// `O_CREAT`.
pub const O_CREAT: u32 = 0x40;
/// `O_EXCL`.
pub const O_EXCL: u32 = 0x80;
const O_TRUNC: u32 = 0x200;
const O_APPEND: u32 = 0x400;
/// The bits of `open`'s flags that say what the descriptor is for; other than 0: (also) for writing.
pub const O_ACCMODE: u32 = 3;
/// Flags of `open` with which it may change a file, or lets it be changed.
pub const OPENS_FOR_WRITING: u32 = O_ACCMODE | O_CREAT | O_TRUNC;
const OPENS: u32 = OPENS_FOR_READING | OPENS_FOR_WRITING | O_EXCL | O_APPEND;
const RUSAGE_BYTES: u32 = 144;
const STATX_BYTES: u32 = 256;
const TMS_BYTES: u32 = 32;
const SIGSET_BYTES: u32 = 8;
const OFFSET_BYTES: u32 = 8;
const INT_BYTES: u32 = 4;
const FUTEX_WAIT: u32 = 0;
const FUTEX_WAKE: u32 = 1;
const FUTEX_WAIT_BITSET: u32 = 9;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_FLAGS: u32 = 128 | 256;
const EPOLL_EVENT_BYTES: u32 = 12;
const STAT_BYTES: u32 = 144;
const STATFS_BYTES: u32 = 120;
const SIGACTION_BYTES: u32 = 32;
const TERMIOS_BYTES: u32 = 36;
const UTSNAME_BYTES: u32 = 390;
const RLIMIT_BYTES: u32 = 16;
const SYSINFO_BYTES: u32 = 112;
const TIMES_BYTES: u32 = 32;
const TIME_BYTES: u32 = 16;
const POLLFD_BYTES: u32 = 8;

/// What `select` and `pselect6` read, and write.
const SETS: &[Span] = &[
    Span::Bits(1, 0),
    Span::Bits(2, 0),
    Span::Bits(3, 0),
    Span::Fixed(4, TIME_BYTES),
];
/// The same of `ppoll`.
const POLLED: &[Span] = &[Span::Arg(0, 1, POLLFD_BYTES), Span::Fixed(2, TIME_BYTES)];

/// All rules, in the order of the numbers (arch/x86/entry/syscalls/syscall_64.tbl).
pub const RULES: &[Rule] = &[
    // read
    fills(0),
    // write
    takes(1),
    // open
    Rule {
        descriptors: Descriptors::Open(1),
        reads: &[Span::Text(0)],
        when: [When::Only(1, OPENS), When::Always],
        ..rule(2)
    },
    // close
    Rule {
        class: class::CLOSE,
        descriptors: Descriptors::Close,
        ..rule(3)
    },
    // stat
    Rule {
        tells: true,
        reads: &[Span::Text(0)],
        writes: &[Span::Fixed(1, STAT_BYTES)],
        ..rule(4)
    },
    // fstat
    Rule {
        tells: true,
        class: class::KNOWN,
        writes: &[Span::Fixed(1, STAT_BYTES)],
        ..rule(5)
    },
    // lstat
    Rule {
        tells: true,
        reads: &[Span::Text(0)],
        writes: &[Span::Fixed(1, STAT_BYTES)],
        ..rule(6)
    },
    // poll
    Rule {
        wait: Wait::Timeout(2),
        reads: &[Span::Arg(0, 1, POLLFD_BYTES)],
        writes: &[Span::Arg(0, 1, POLLFD_BYTES)],
        ..rule(7)
    },
    // lseek
    Rule {
        class: class::KNOWN,
        ..rule(8)
    },
    // rt_sigaction
    Rule {
        reads: &[Span::Fixed(1, SIGACTION_BYTES)],
        writes: &[Span::Fixed(2, SIGACTION_BYTES)],
        when: [When::OneOf(3, 0, &[SIGSET_BYTES]), When::Always],
        ..rule(13)
    },
    // rt_sigprocmask
    Rule {
        reads: &[Span::Fixed(1, SIGSET_BYTES)],
        writes: &[Span::Fixed(2, SIGSET_BYTES)],
        when: [When::OneOf(3, 0, &[SIGSET_BYTES]), When::Always],
        ..rule(14)
    },
    // ioctl
    Rule {
        class: class::KNOWN,
        writes: &[Span::Fixed(2, 4)],
        when: [When::OneOf(1, 0, &[FIONREAD]), When::Always],
        ..rule(16)
    },
    Rule {
        class: class::KNOWN,
        writes: &[Span::Fixed(2, TERMIOS_BYTES)],
        when: [When::OneOf(1, 0, &[TCGETS]), When::Always],
        ..rule(16)
    },
    Rule {
        class: class::KNOWN,
        when: [When::OneOf(1, 0, &[FIOCLEX, FIONCLEX]), When::Always],
        ..rule(16)
    },
    Rule {
        class: class::COPIES,
        when: [When::OneOf(1, 0, &[FICLONE]), When::Always],
        ..rule(16)
    },
    Rule {
        class: class::SOCKET,
        descriptors: Descriptors::Unblock,
        reads: &[Span::Fixed(2, INT_BYTES)],
        when: [When::OneOf(1, 0, &[FIONBIO]), When::Always],
        ..rule(16)
    },
    // pread64
    fills(17),
    // pwrite64
    takes(18),
    // readv
    scatters(19),
    // writev
    gathers(20),
    // access
    Rule {
        reads: &[Span::Text(0)],
        ..rule(21)
    },
    // select
    Rule {
        wait: timeval(4),
        reads: SETS,
        writes: SETS,
        ..rule(23)
    },
    // sched_yield
    Rule {
        wait: Wait::Parks,
        ..rule(24)
    },
    // madvise
    Rule {
        performs: true,
        when: [
            When::OneOf(2, 0, &[MADV_DONTNEED, MADV_FREE]),
            When::AtLeast(0, OUTSIDE),
        ],
        ..rule(28)
    },
    // nanosleep
    Rule {
        wait: Wait::Parks,
        reads: &[Span::Fixed(0, TIME_BYTES)],
        when: [When::Zero(1), When::Always],
        ..rule(35)
    },
    // getpid
    rule(39),
    // sendfile
    Rule {
        class: class::COPIES,
        second: (1, class::READ),
        wait: Wait::Descriptor,
        reads: &[Span::Fixed(2, OFFSET_BYTES)],
        writes: &[Span::Fixed(2, OFFSET_BYTES)],
        ..rule(40)
    },
    // accept
    accepts(43),
    // sendto
    Rule {
        class: class::WRITE,
        wait: Wait::Descriptor,
        reads: &[Span::Arg(1, 2, 1)],
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
        writes: &[Span::Result(1, 1)],
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
        reads: &[Span::Message(1)],
        when: [
            When::Only(2, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE),
            When::Always,
        ],
        ..rule(46)
    },
    // recvmsg
    Rule {
        class: class::READ,
        wait: Wait::Descriptor,
        reads: &[Span::Received(1)],
        writes: &[Span::Received(1)],
        when: [
            When::Only(2, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_CMSG_CLOEXEC),
            When::Always,
        ],
        ..rule(47)
    },
    // shutdown
    Rule {
        class: class::CLOSE,
        ..rule(48)
    },
    // getsockname, getpeername
    addresses(51),
    addresses(52),
    // setsockopt
    Rule {
        class: class::KNOWN,
        reads: &[Span::Arg(3, 4, 1)],
        when: [When::OneOf(1, 0, &[IPPROTO_TCP]), When::Always],
        ..rule(54)
    },
    // getsockopt
    Rule {
        class: class::KNOWN,
        reads: &[Span::Address(3, 4)],
        writes: &[Span::Address(3, 4)],
        when: [
            When::OneOf(1, 0, &[SOL_SOCKET]),
            When::OneOf(2, 0, &[SO_TYPE, SO_ERROR]),
        ],
        ..rule(55)
    },
    // uname
    Rule {
        writes: &[Span::Fixed(0, UTSNAME_BYTES)],
        ..rule(63)
    },
    // fcntl
    Rule {
        class: class::KNOWN,
        when: [
            When::OneOf(1, 0, &[F_GETFD, F_SETFD, F_GETFL]),
            When::Always,
        ],
        ..rule(72)
    },
    Rule {
        class: class::SOCKET,
        descriptors: Descriptors::Unblock,
        when: [
            When::OneOf(1, 0, &[F_SETFL]),
            When::OneOf(2, O_ACCMODE | O_LARGEFILE, &[O_NONBLOCK]),
        ],
        ..rule(72)
    },
    // fsync, fdatasync: others need not wait for the disk.
    syncs(74),
    syncs(75),
    // getcwd
    Rule {
        writes: &[Span::Result(0, 1)],
        ..rule(79)
    },
    // rename, mkdir, rmdir, link, unlink, symlink
    changes(82, &[Span::Text(0), Span::Text(1)]),
    changes(83, &[Span::Text(0)]),
    changes(84, &[Span::Text(0)]),
    changes(86, &[Span::Text(0), Span::Text(1)]),
    changes(87, &[Span::Text(0)]),
    changes(88, &[Span::Text(0), Span::Text(1)]),
    // readlink
    Rule {
        reads: &[Span::Text(0)],
        writes: &[Span::Result(1, 1)],
        ..rule(89)
    },
    // chmod
    changes(90, &[Span::Text(0)]),
    // fchmod
    Rule {
        class: class::KNOWN,
        ..changes(91, &[])
    },
    // chown
    changes(92, &[Span::Text(0)]),
    // fchown
    Rule {
        class: class::KNOWN,
        ..changes(93, &[])
    },
    // lchown
    changes(94, &[Span::Text(0)]),
    // umask
    rule(95),
    // getrlimit
    Rule {
        writes: &[Span::Fixed(1, RLIMIT_BYTES)],
        ..rule(97)
    },
    // getrusage
    Rule {
        writes: &[Span::Fixed(1, RUSAGE_BYTES)],
        ..rule(98)
    },
    // sysinfo
    Rule {
        writes: &[Span::Fixed(0, SYSINFO_BYTES)],
        ..rule(99)
    },
    // times
    Rule {
        writes: &[Span::Fixed(0, TMS_BYTES)],
        ..rule(100)
    },
    // getuid, getgid, geteuid, getegid, getppid, getpgrp
    rule(102),
    rule(104),
    rule(107),
    rule(108),
    rule(110),
    rule(111),
    // statfs
    Rule {
        reads: &[Span::Text(0)],
        writes: &[Span::Fixed(1, STATFS_BYTES)],
        ..rule(137)
    },
    // fstatfs
    Rule {
        class: class::KNOWN,
        writes: &[Span::Fixed(1, STATFS_BYTES)],
        ..rule(138)
    },
    // gettid
    rule(186),
    // futex
    Rule {
        wait: Wait::Parks,
        when: [
            When::OneOf(1, FUTEX_FLAGS, &[FUTEX_WAIT, FUTEX_WAIT_BITSET]),
            When::Zero(3),
        ],
        ..rule(202)
    },
    Rule {
        wait: Wait::Parks,
        reads: &[Span::Fixed(3, TIME_BYTES)],
        when: [
            When::OneOf(1, FUTEX_FLAGS, &[FUTEX_WAIT, FUTEX_WAIT_BITSET]),
            When::Always,
        ],
        ..rule(202)
    },
    Rule {
        when: [
            When::OneOf(1, FUTEX_FLAGS, &[FUTEX_WAKE, FUTEX_WAKE_BITSET]),
            When::Always,
        ],
        ..rule(202)
    },
    // getdents64
    fills(217),
    // fadvise64
    Rule {
        class: class::KNOWN,
        ..rule(221)
    },
    // clock_nanosleep
    Rule {
        wait: Wait::Parks,
        reads: &[Span::Fixed(2, TIME_BYTES)],
        when: [When::Zero(3), When::Always],
        ..rule(230)
    },
    // epoll_wait
    Rule {
        class: class::KNOWN,
        wait: Wait::Timeout(3),
        writes: &[Span::Result(1, EPOLL_EVENT_BYTES)],
        ..rule(232)
    },
    // epoll_ctl
    Rule {
        class: class::KNOWN,
        reads: &[Span::Fixed(3, EPOLL_EVENT_BYTES)],
        ..rule(233)
    },
    // openat
    Rule {
        descriptors: Descriptors::Open(2),
        reads: &[Span::Text(1)],
        when: [When::Only(2, OPENS), When::Always],
        ..rule(257)
    },
    // mkdirat, fchownat
    changes(258, &[Span::Text(1)]),
    changes(260, &[Span::Text(1)]),
    // newfstatat
    Rule {
        tells: true,
        reads: &[Span::Text(1)],
        writes: &[Span::Fixed(2, STAT_BYTES)],
        when: [
            When::Only(3, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT),
            When::Always,
        ],
        ..rule(262)
    },
    // unlinkat, renameat, linkat, symlinkat
    changes(263, &[Span::Text(1)]),
    changes(264, &[Span::Text(1), Span::Text(3)]),
    changes(265, &[Span::Text(1), Span::Text(3)]),
    changes(266, &[Span::Text(0), Span::Text(2)]),
    // readlinkat
    Rule {
        reads: &[Span::Text(1)],
        writes: &[Span::Result(2, 1)],
        ..rule(267)
    },
    // fchmodat
    changes(268, &[Span::Text(1)]),
    // faccessat
    Rule {
        reads: &[Span::Text(1)],
        ..rule(269)
    },
    // pselect6
    Rule {
        wait: timespec(4),
        reads: SETS,
        writes: SETS,
        when: [When::Zero(5), When::Always],
        ..rule(270)
    },
    // ppoll
    Rule {
        wait: timespec(2),
        reads: POLLED,
        writes: POLLED,
        when: [When::Zero(3), When::Always],
        ..rule(271)
    },
    // utimensat
    changes(280, &[Span::Text(1), Span::Fixed(2, TIMES_BYTES)]),
    // epoll_pwait
    Rule {
        class: class::KNOWN,
        wait: Wait::Timeout(3),
        writes: &[Span::Result(1, EPOLL_EVENT_BYTES)],
        when: [When::Zero(4), When::Always],
        ..rule(281)
    },
    // accept4
    accepts(288),
    // preadv, pwritev
    scatters(295),
    gathers(296),
    // prlimit64
    Rule {
        writes: &[Span::Fixed(3, RLIMIT_BYTES)],
        when: [When::Zero(2), When::Always],
        ..rule(302)
    },
    // renameat2
    changes(316, &[Span::Text(1), Span::Text(3)]),
    // getrandom
    Rule {
        writes: &[Span::Result(0, 1)],
        ..rule(318)
    },
    // copy_file_range
    Rule {
        class: class::READ,
        second: (2, class::COPIES),
        wait: Wait::Long,
        when: [When::Zero(1), When::Zero(3)],
        ..rule(326)
    },
    // statx
    Rule {
        tells: true,
        reads: &[Span::Text(1)],
        writes: &[Span::Fixed(4, STATX_BYTES)],
        ..rule(332)
    },
    // faccessat2
    Rule {
        reads: &[Span::Text(1)],
        ..rule(439)
    },
    // epoll_pwait2
    Rule {
        class: class::KNOWN,
        wait: timespec(3),
        reads: &[Span::Fixed(3, TIME_BYTES)],
        writes: &[Span::Result(1, EPOLL_EVENT_BYTES)],
        when: [When::Zero(4), When::Always],
        ..rule(441)
    },
];

/// Calls that give what the kernel keeps of the thread that makes them, and that nobody else changes.
/// Once known, it is given without asking the kernel: getpid, getuid, getgid, geteuid, getegid, gettid.
/// (Not getppid: it changes when another process ends.)
pub const ANSWERED: [u16; 6] = [39, 102, 104, 107, 108, 186];

/// Numbers from here on have no rule.
pub const NUMBERS_MAX: usize = 442;
/// No rule.
pub const NONE: u8 = u8::MAX;

/// The index in [`RULES`] of each number's rule; of the first, if it has several.
pub const INDEX: [u8; NUMBERS_MAX] = index();

const fn index() -> [u8; NUMBERS_MAX] {
    let mut table = [NONE; NUMBERS_MAX];
    let mut at = 0;
    while at < RULES.len() {
        #[allow(clippy::cast_possible_truncation, reason = "there are few")]
        let index = at as u8;
        if table[RULES[at].nr as usize] == NONE {
            table[RULES[at].nr as usize] = index;
        }
        at += 1;
    }
    table
}

/// The rules of a syscall.
pub fn all(nr: u64) -> impl Iterator<Item = &'static Rule> {
    let index = usize::try_from(nr).ok().and_then(|nr| INDEX.get(nr));
    let rules = index.and_then(|index| RULES.get(usize::from(*index)..));
    let rules = rules.unwrap_or_default().iter();
    rules.take_while(move |rule| u64::from(rule.nr) == nr)
}

/// The rule of a syscall with these arguments.
#[must_use]
pub fn fitting(nr: u64, args: &[u64; 6]) -> Option<&'static Rule> {
    all(nr).find(|rule| rule.fits(args))
}

/// The rule of a syscall; the first, if there are several.
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
        assert!(RULES.windows(2).all(|pair| pair[0].nr <= pair[1].nr));
        assert!(RULES.len() < usize::from(NONE));
        for rule in RULES {
            assert_eq!(find(rule.nr.into()).map(|found| found.nr), Some(rule.nr));
        }
        for nr in ANSWERED {
            let rule = find(nr.into()).expect("it is served");
            assert!(rule.reads.is_empty() && rule.writes.is_empty(), "{nr}");
            assert_eq!(rule.when, [When::Always, When::Always], "{nr}");
            assert!(usize::from(nr) < crate::layout::ANSWERS_LEN, "{nr}");
        }
        let ioctl = |request: u64| fitting(16, &[0, request, 0, 0, 0, 0]).map(|rule| rule.writes);
        assert_eq!(ioctl(FIONREAD.into()), Some(&[Span::Fixed(2, 4)][..]));
        assert_eq!(
            ioctl(TCGETS.into()),
            Some(&[Span::Fixed(2, TERMIOS_BYTES)][..])
        );
        assert_eq!(ioctl(0x5402), None);
        assert!(find(57).is_none() && find(u64::MAX).is_none() && find(1 << 32).is_none());
    }
}
