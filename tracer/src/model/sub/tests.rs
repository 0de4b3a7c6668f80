//! What the tables of sub-commands promise, and whether their numbers are the kernel's.

use super::{fcntl, files, futex, ioctl, ipc, keyctl, prctl, processes, ptrace, quota, sockopt};
use crate::model::types::{Block, Dir, Kind, Policy, Size, Sub, SubCommand, Unknown};

const ALL: [(&str, &Sub); 35] = [
    ("fcntl", &fcntl::ARG),
    ("openat mode", &files::OPENAT_MODE),
    ("mq_open mode", &files::MQ_OPEN_MODE),
    ("mq_open attr", &files::MQ_OPEN_ATTR),
    ("mknodat dev", &files::MKNODAT_DEV),
    ("epoll_ctl", &files::EPOLL_EVENT),
    ("name_to_handle_at", &files::MNT_ID),
    ("fsconfig", &files::FSCONFIG_VALUE),
    ("landlock_add_rule", &files::LANDLOCK_RULE),
    ("futex uaddr", &futex::UADDR),
    ("futex val", &futex::VAL),
    ("futex timeout", &futex::TIMEOUT),
    ("futex uaddr2", &futex::UADDR2),
    ("futex val3", &futex::VAL3),
    ("ioctl", &ioctl::ARG),
    ("shmctl", &ipc::SHMCTL),
    ("msgctl", &ipc::MSGCTL),
    ("semctl", &ipc::SEMCTL),
    ("keyctl 2", &keyctl::ARG2),
    ("keyctl 3", &keyctl::ARG3),
    ("keyctl 4", &keyctl::ARG4),
    ("keyctl 5", &keyctl::ARG5),
    ("prctl 2", &prctl::ARG2),
    ("prctl 3", &prctl::ARG3),
    ("prctl 4", &prctl::ARG4),
    ("prctl 5", &prctl::ARG5),
    ("arch_prctl", &prctl::ARCH),
    ("kcmp first", &processes::KCMP_FIRST),
    ("kcmp second", &processes::KCMP_SECOND),
    ("seccomp", &processes::SECCOMP),
    ("ptrace addr", &ptrace::ADDR),
    ("ptrace data", &ptrace::DATA),
    ("quotactl", &quota::ADDR),
    ("setsockopt", &sockopt::SET),
    ("getsockopt", &sockopt::GET),
];

fn find(sub: &'static Sub, value: u64, value2: u64) -> &'static SubCommand {
    let key = (value & sub.mask & u64::from(u32::MAX), value2);
    let at = sub
        .commands
        .binary_search_by_key(&key, |command| (command.value, command.value2));
    &sub.commands[at.unwrap_or_else(|_| panic!("no command {value:#x}, {value2}"))]
}

#[test]
fn commands_are_sorted_and_unique() {
    for (place, sub) in ALL {
        assert!(!sub.commands.is_empty(), "{place}");
        for pair in sub.commands.windows(2) {
            let key = |at: usize| (pair[at].value, pair[at].value2);
            assert!(
                key(0) < key(1),
                "{place}: {} before {}",
                pair[0].name,
                pair[1].name
            );
        }
    }
}

#[test]
fn selected_values_survive_the_mask() {
    for (place, sub) in ALL {
        for command in sub.commands {
            assert_eq!(
                command.value & sub.mask,
                command.value,
                "{place}: {}",
                command.name
            );
            assert!(
                u32::try_from(command.value).is_ok(),
                "{place}: {}",
                command.name
            );
            assert!(
                sub.selector2.is_some() || command.value2 == 0,
                "{place}: {}",
                command.name
            );
        }
    }
}

#[test]
fn arguments_of_one_syscall_agree_in_policy_and_waiting() {
    let groups: [&[&Sub]; 4] = [
        &[
            &futex::UADDR,
            &futex::VAL,
            &futex::TIMEOUT,
            &futex::UADDR2,
            &futex::VAL3,
        ],
        &[&keyctl::ARG2, &keyctl::ARG3, &keyctl::ARG4, &keyctl::ARG5],
        &[&prctl::ARG2, &prctl::ARG3, &prctl::ARG4, &prctl::ARG5],
        &[&ptrace::ADDR, &ptrace::DATA],
    ];
    for group in groups {
        for other in &group[1..] {
            assert_eq!(group[0].commands.len(), other.commands.len());
            for (one, other) in group[0].commands.iter().zip(other.commands) {
                assert_eq!((one.value, one.name), (other.value, other.name));
                assert_eq!(
                    (one.policy, one.block),
                    (other.policy, other.block),
                    "{}",
                    one.name
                );
            }
        }
    }
}

/// What is behind the argument of an `ioctl`: direction and bytes, if they are fixed.
fn memory(kind: &Kind) -> Option<(Dir, u32)> {
    let mem = match kind {
        Kind::Mem(mem) => mem,
        Kind::Nested(nested) => &nested.head,
        _ => return None,
    };
    match mem.size {
        Size::Fixed(bytes) => Some((mem.dir, bytes)),
        Size::Counted { head, .. } => Some((mem.dir, head)),
        _ => None,
    }
}

#[test]
fn ioctls_move_at_least_what_their_numbers_say() {
    // The number says one thing and the kernel does another: a pointer in place of a
    // value, a value in place of a structure, more than was planned.
    const LIARS: &[&str] = &[
        "FS_IOC_GETFLAGS",
        "FS_IOC_SETFLAGS",
        "FS_IOC_GETVERSION",
        "FS_IOC_SETVERSION",
        "FS_IOC_SET_ENCRYPTION_POLICY",
        "FS_IOC_GET_ENCRYPTION_PWSALT",
        "FS_IOC_GET_ENCRYPTION_POLICY",
        "FS_IOC_SHUTDOWN",
        "FUSE_DEV_IOC_CLONE",
        "BLKBSZGET",
        "BLKBSZSET",
        "TUNSETSTEERINGEBPF",
        "TUNSETFILTEREBPF",
    ];
    let mut checked = 0;
    for command in ioctl::ARG.commands {
        let (direction, bytes) = (command.value >> 30, (command.value >> 16) & 0x3fff);
        let Some((dir, there)) = memory(&command.kind) else {
            continue;
        };
        if direction == 0 || command.value >> 16 == 0 || LIARS.contains(&command.name) {
            continue;
        }
        assert!(
            u64::from(there) >= bytes,
            "{}: {there} bytes of {bytes}",
            command.name
        );
        // The kernel's `_IOC_READ` (2) means that the program reads, so that the kernel writes.
        if direction & 2 != 0 && command.name != "SECCOMP_IOCTL_NOTIF_SEND" {
            let written = dir != Dir::In || matches!(command.kind, Kind::Nested(_));
            assert!(written, "{} writes", command.name);
        }
        checked += 1;
    }
    assert!(checked > 80, "only {checked} numbers encode a size");
}

macro_rules! numbers {
    ($sub:expr, $($name:ident)*) => {
        $(
            #[allow(
                clippy::cast_sign_loss,
                clippy::cast_possible_truncation,
                reason = "numbers of 32 bits, some declared signed, some longer"
            )]
            {
                let value = u64::from(libc::$name as u32);
                assert_eq!(find(&$sub, value, 0).name, stringify!($name));
            }
        )*
    };
}

#[test]
fn numbers_are_those_of_the_c_library() {
    numbers! { ioctl::ARG,
        TCGETS TCSETS TCSETSW TCSETSF TCGETA TCSETA TCSETAW TCSETAF TCSBRK TCXONC TCFLSH TIOCEXCL TIOCNXCL
        TIOCSCTTY TIOCGPGRP TIOCSPGRP TIOCOUTQ TIOCSTI TIOCGWINSZ TIOCSWINSZ TIOCMGET TIOCMBIS TIOCMBIC
        TIOCMSET FIONREAD TIOCLINUX TIOCCONS TIOCGSERIAL TIOCSSERIAL TIOCPKT FIONBIO TIOCNOTTY TIOCSETD
        TIOCGETD TCSBRKP TIOCSBRK TIOCCBRK TIOCGSID TCGETS2 TCSETS2 TCSETSW2 TCSETSF2 TIOCGRS485
        TIOCSRS485 TIOCGPTN TIOCSPTLCK TIOCGDEV TIOCSIG TIOCVHANGUP TIOCGPKT TIOCGPTLCK TIOCGEXCL
        TIOCGPTPEER FIONCLEX FIOCLEX FIOASYNC FIOQSIZE TIOCMIWAIT TIOCGICOUNT
        SIOCADDRT SIOCDELRT SIOCGIFNAME SIOCGIFCONF SIOCGIFFLAGS SIOCSIFFLAGS SIOCGIFADDR SIOCSIFADDR
        SIOCGIFDSTADDR SIOCGIFBRDADDR SIOCGIFNETMASK SIOCGIFMETRIC SIOCGIFMTU SIOCSIFMTU SIOCGIFHWADDR
        SIOCSIFHWADDR SIOCADDMULTI SIOCDELMULTI SIOCGIFINDEX SIOCGIFTXQLEN SIOCETHTOOL SIOCDARP SIOCGARP
        SIOCSARP SIOCGIFMAP
        TUNSETIFF TUNGETFEATURES TUNGETIFF TUNSETPERSIST TUNSETOFFLOAD TUNSETVNETHDRSZ
        FICLONE FICLONERANGE FS_IOC_GETFLAGS FS_IOC_SETFLAGS FS_IOC_GETVERSION
        BLKSSZGET BLKPBSZGET BLKIOMIN BLKIOOPT

        NS_GET_USERNS NS_GET_PARENT NS_GET_NSTYPE NS_GET_OWNER_UID

    }
    numbers! { fcntl::ARG,
        F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN
        F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_SETLEASE F_GETLEASE F_NOTIFY F_CANCELLK F_DUPFD_CLOEXEC
        F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS

    }
    numbers! { prctl::ARG2,
        PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_SET_DUMPABLE PR_GET_KEEPCAPS PR_SET_KEEPCAPS
        PR_SET_NAME PR_GET_NAME PR_GET_SECCOMP PR_SET_SECCOMP PR_CAPBSET_READ PR_CAPBSET_DROP PR_GET_TSC
        PR_SET_TSC PR_GET_SECUREBITS PR_SET_SECUREBITS PR_SET_TIMERSLACK PR_GET_TIMERSLACK PR_MCE_KILL
        PR_MCE_KILL_GET PR_SET_MM PR_SET_PTRACER PR_SET_CHILD_SUBREAPER PR_GET_CHILD_SUBREAPER
        PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS PR_GET_TID_ADDRESS PR_SET_THP_DISABLE PR_GET_THP_DISABLE
        PR_CAP_AMBIENT PR_SET_VMA PR_SCHED_CORE
    }
    numbers! { ptrace::DATA,
        PTRACE_TRACEME PTRACE_PEEKTEXT PTRACE_PEEKDATA PTRACE_PEEKUSER PTRACE_POKETEXT PTRACE_POKEDATA
        PTRACE_POKEUSER PTRACE_CONT PTRACE_KILL PTRACE_SINGLESTEP PTRACE_GETREGS PTRACE_SETREGS
        PTRACE_GETFPREGS PTRACE_SETFPREGS PTRACE_ATTACH PTRACE_DETACH PTRACE_SYSCALL PTRACE_SYSEMU
        PTRACE_SETOPTIONS PTRACE_GETEVENTMSG PTRACE_GETSIGINFO PTRACE_SETSIGINFO PTRACE_GETREGSET
        PTRACE_SETREGSET PTRACE_SEIZE PTRACE_INTERRUPT PTRACE_LISTEN PTRACE_PEEKSIGINFO
        PTRACE_GET_SYSCALL_INFO
    }
    numbers! { futex::UADDR,
        FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI
        FUTEX_UNLOCK_PI FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI
        FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2
    }
    numbers! { ipc::SEMCTL, IPC_RMID IPC_SET IPC_STAT IPC_INFO GETPID GETVAL GETALL GETNCNT GETZCNT SETVAL
    SETALL SEM_STAT SEM_INFO SEM_STAT_ANY }
    numbers! { ipc::SHMCTL, IPC_RMID IPC_SET IPC_STAT SHM_LOCK SHM_UNLOCK }
    numbers! { ipc::MSGCTL, IPC_RMID IPC_SET IPC_STAT IPC_INFO MSG_STAT MSG_INFO }
    numbers! { files::EPOLL_EVENT, EPOLL_CTL_ADD EPOLL_CTL_MOD EPOLL_CTL_DEL }
    numbers! { processes::SECCOMP,
    SECCOMP_SET_MODE_STRICT SECCOMP_SET_MODE_FILTER SECCOMP_GET_ACTION_AVAIL SECCOMP_GET_NOTIF_SIZES }
}

macro_rules! options {
    ($level:ident: $($name:ident)*) => {
        $(
            #[allow(clippy::cast_sign_loss, reason = "small positive numbers")]
            {
                let (level, option) = (libc::$level as u64, libc::$name as u64);
                assert_eq!(find(&sockopt::SET, level, option).name, stringify!($name));
                assert_eq!(find(&sockopt::GET, level, option).name, stringify!($name));
            }
        )*
    };
}

#[test]
fn socket_options_are_those_of_the_c_library() {
    options! { SOL_SOCKET:
    SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_KEEPALIVE
    SO_OOBINLINE SO_PRIORITY SO_LINGER SO_REUSEPORT SO_PASSCRED SO_PEERCRED SO_RCVLOWAT SO_SNDLOWAT
    SO_BINDTODEVICE SO_ATTACH_FILTER SO_ACCEPTCONN SO_PEERSEC SO_MARK SO_PROTOCOL SO_DOMAIN
    SO_BUSY_POLL SO_INCOMING_CPU SO_ATTACH_BPF SO_COOKIE SO_ZEROCOPY SO_TXTIME }
    options! { SOL_IP: IP_TOS IP_TTL IP_HDRINCL IP_OPTIONS IP_PKTINFO IP_MTU_DISCOVER IP_RECVERR IP_FREEBIND
    IP_TRANSPARENT IP_MULTICAST_IF IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_ADD_MEMBERSHIP
    IP_DROP_MEMBERSHIP IP_BIND_ADDRESS_NO_PORT }
    options! { SOL_IPV6: IPV6_UNICAST_HOPS IPV6_MULTICAST_IF IPV6_ADD_MEMBERSHIP IPV6_V6ONLY IPV6_RECVPKTINFO
    IPV6_PKTINFO IPV6_TCLASS IPV6_FREEBIND IPV6_MTU }
    options! { SOL_TCP: TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT
    TCP_LINGER2 TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_INFO TCP_QUICKACK TCP_CONGESTION
    TCP_USER_TIMEOUT TCP_REPAIR TCP_FASTOPEN TCP_ULP TCP_FASTOPEN_CONNECT }
    options! { SOL_UDP: UDP_SEGMENT UDP_GRO }
    options! { SOL_NETLINK: NETLINK_ADD_MEMBERSHIP NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK }
    options! { SOL_PACKET: PACKET_ADD_MEMBERSHIP PACKET_RX_RING PACKET_VERSION PACKET_FANOUT }
}

#[test]
fn memory_shared_with_the_kernel_is_refused() {
    for sub in [&sockopt::SET, &sockopt::GET] {
        for (level, option) in [
            (libc::SOL_PACKET, libc::PACKET_RX_RING),
            (libc::SOL_XDP, libc::XDP_UMEM_REG),
        ] {
            let key = (
                u64::from(level.unsigned_abs()),
                u64::from(option.unsigned_abs()),
            );
            assert_eq!(
                find(sub, key.0, key.1).policy,
                Policy::Refuse(libc::ENOPROTOOPT)
            );
        }
    }
}

#[test]
fn waiting_is_told_where_programs_wait() {
    assert_eq!(find(&futex::TIMEOUT, 0x189, 0).name, "FUTEX_WAIT_BITSET");
    assert_eq!(find(&futex::TIMEOUT, 0x189, 0).block, Block::May);
    assert_eq!(find(&futex::TIMEOUT, 0x81, 0).block, Block::Never);
    assert_eq!(find(&fcntl::ARG, 7, 0).block, Block::May);
    assert_eq!(find(&fcntl::ARG, 6, 0).block, Block::Never);
}

#[test]
fn the_futex_word_is_memory_only_where_it_changes() {
    let changes =
        |sub: &'static Sub, operation| matches!(find(sub, operation, 0).kind, Kind::Mem(_));
    let of = |sub| {
        (0..14)
            .filter(|&operation| changes(sub, operation))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&futex::UADDR), [6, 7, 8, 13]);
    assert_eq!(of(&futex::UADDR2), [5, 11, 12]);
}

#[test]
fn an_unknown_ioctl_stops_the_recording() {
    assert!(matches!(ioctl::ARG.unknown, Unknown::Stop));
}
