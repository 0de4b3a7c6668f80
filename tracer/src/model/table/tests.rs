//! The table's check of itself: what its entries promise to generic code.

use super::super::capture::SUB_DEPTH_MAX;
use super::{all, by_name, lookup};
use crate::model::types::{Dir, Kind, Mem, Policy, Shape, Size, Sub, Syscall, Unknown};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Calls `check` with every kind that an argument can turn out to be, and its place.
fn each_kind(check: &mut dyn FnMut(&Syscall, &str, &Kind)) {
    fn visit(
        syscall: &Syscall,
        place: &str,
        kind: &Kind,
        depth: usize,
        check: &mut dyn FnMut(&Syscall, &str, &Kind),
    ) {
        check(syscall, place, kind);
        let Kind::Sub(sub) = kind else { return };
        assert!(
            depth < SUB_DEPTH_MAX,
            "{place}: sub-commands of sub-commands"
        );
        for command in sub.commands {
            visit(
                syscall,
                &format!("{place}/{}", command.name),
                &command.kind,
                depth + 1,
                check,
            );
        }
        if let Unknown::As(kind) = sub.unknown {
            visit(syscall, &format!("{place}/unknown"), kind, depth + 1, check);
        }
    }
    for syscall in all() {
        for arg in syscall.args {
            let place = format!("{}({})", syscall.name, arg.name);
            visit(syscall, &place, &arg.kind, 0, check);
        }
    }
}

fn each_memory(check: &mut dyn FnMut(&Syscall, &str, &Mem)) {
    each_kind(&mut |syscall, place, kind| match kind {
        Kind::Mem(mem) => check(syscall, place, mem),
        Kind::Nested(nested) => check(syscall, place, &nested.head),
        _ => {}
    });
}

/// Arguments whose values say how much memory there is.
fn indices(kind: &Kind) -> Vec<u8> {
    let of_size = |size: Size| match size {
        Size::Fixed(_) | Size::SelfCounted { .. } | Size::Counted { .. } | Size::SelfSized => {
            vec![]
        }
        Size::Arg { index, .. }
        | Size::ArgPlus { index, .. }
        | Size::Pages { index }
        | Size::Deref { index, .. }
        | Size::Bits { index } => vec![index],
        Size::Ret { max, .. } | Size::RetPlus { max, .. } | Size::Cstr { max } => vec![max],
    };
    match kind {
        Kind::Mem(mem) => of_size(mem.size),
        Kind::Nested(nested) => of_size(nested.head.size),
        Kind::Iovec { count, .. } | Kind::Mmsghdr { count, .. } => vec![*count],
        Kind::Sub(sub) => [Some(sub.selector), sub.selector2]
            .into_iter()
            .flatten()
            .collect(),
        _ => vec![],
    }
}

#[test]
fn every_entry_is_found_by_number_and_by_name() {
    let mut names = HashMap::new();
    let mut numbers = HashMap::new();
    for syscall in [
        super::low::TABLE,
        super::low2::TABLE,
        super::high::TABLE,
        super::high2::TABLE,
    ]
    .into_iter()
    .flatten()
    {
        assert!(
            names.insert(syscall.name, syscall.nr).is_none(),
            "{} stands twice",
            syscall.name
        );
        assert!(
            numbers.insert(syscall.nr, syscall.name).is_none(),
            "{} stands twice",
            syscall.nr
        );
        assert!(std::ptr::eq(
            lookup(syscall.nr).expect("by number"),
            syscall
        ));
        assert!(std::ptr::eq(
            by_name(syscall.name).expect("by name"),
            syscall
        ));
    }
    assert_eq!(all().count(), names.len());
    assert!(lookup(u32::MAX).is_none() && lookup(1023).is_none() && by_name("").is_none());
}

#[test]
fn it_is_complete() {
    let recorded = all()
        .filter(|syscall| syscall.policy == Policy::Record)
        .count();
    assert!(recorded >= 300, "only {recorded} syscalls are recorded");
    for nr in (0..=334).chain(424..=462) {
        assert!(lookup(nr).is_some(), "syscall {nr} is missing");
    }
}

#[test]
fn numbers_are_those_of_the_c_library() {
    macro_rules! check {
        ($($name:ident)*) => {
            $(assert_eq!(
                by_name(stringify!($name).strip_prefix("SYS_").expect("prefix")).map(|it| i64::from(it.nr)),
                Some(libc::$name),
            );)*
        };
    }
    check! {
        SYS_read SYS_write SYS_open SYS_close SYS_stat SYS_fstat SYS_lstat SYS_poll SYS_lseek SYS_mmap
        SYS_mprotect SYS_munmap SYS_brk SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_ioctl
        SYS_pread64 SYS_pwrite64 SYS_readv SYS_writev SYS_access SYS_pipe SYS_select SYS_sched_yield
        SYS_mremap SYS_msync SYS_mincore SYS_madvise SYS_shmget SYS_shmat SYS_shmctl SYS_dup SYS_dup2
        SYS_pause SYS_nanosleep SYS_getitimer SYS_alarm SYS_setitimer SYS_getpid SYS_sendfile SYS_socket
        SYS_connect SYS_accept SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_shutdown SYS_bind
        SYS_listen SYS_getsockname SYS_getpeername SYS_socketpair SYS_setsockopt SYS_getsockopt
        SYS_clone SYS_fork SYS_vfork SYS_execve SYS_exit SYS_wait4 SYS_kill SYS_uname SYS_semget
        SYS_semop SYS_semctl SYS_shmdt SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_fcntl SYS_flock
        SYS_fsync SYS_fdatasync SYS_truncate SYS_ftruncate SYS_getdents SYS_getcwd SYS_chdir SYS_fchdir
        SYS_rename SYS_mkdir SYS_rmdir SYS_creat SYS_link SYS_unlink SYS_symlink SYS_readlink SYS_chmod
        SYS_fchmod SYS_chown SYS_fchown SYS_lchown SYS_umask SYS_gettimeofday SYS_getrlimit
        SYS_getrusage SYS_sysinfo SYS_times SYS_ptrace SYS_getuid SYS_syslog SYS_getgid SYS_setuid
        SYS_setgid SYS_geteuid SYS_getegid SYS_setpgid SYS_getppid SYS_getpgrp SYS_setsid SYS_setreuid
        SYS_setregid SYS_getgroups SYS_setgroups SYS_setresuid SYS_getresuid SYS_setresgid
        SYS_getresgid SYS_getpgid SYS_setfsuid SYS_setfsgid SYS_getsid SYS_capget SYS_capset
        SYS_rt_sigpending SYS_rt_sigtimedwait SYS_rt_sigqueueinfo SYS_rt_sigsuspend SYS_sigaltstack
        SYS_utime SYS_mknod SYS_uselib SYS_personality SYS_ustat SYS_statfs SYS_fstatfs SYS_sysfs
        SYS_getpriority SYS_setpriority SYS_sched_setparam SYS_sched_getparam SYS_sched_setscheduler
        SYS_sched_getscheduler SYS_sched_get_priority_max SYS_sched_get_priority_min
        SYS_sched_rr_get_interval SYS_mlock SYS_munlock SYS_mlockall SYS_munlockall SYS_vhangup
        SYS_modify_ldt SYS_pivot_root SYS__sysctl SYS_prctl SYS_arch_prctl SYS_adjtimex SYS_setrlimit
        SYS_chroot SYS_sync SYS_acct SYS_settimeofday SYS_mount SYS_umount2 SYS_swapon SYS_swapoff
        SYS_reboot SYS_sethostname SYS_setdomainname SYS_iopl SYS_ioperm SYS_init_module
        SYS_delete_module SYS_quotactl SYS_nfsservctl SYS_getpmsg SYS_putpmsg SYS_afs_syscall
        SYS_tuxcall SYS_security SYS_gettid SYS_readahead SYS_setxattr SYS_lsetxattr SYS_fsetxattr
        SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_listxattr SYS_llistxattr SYS_flistxattr
        SYS_removexattr SYS_lremovexattr SYS_fremovexattr
        SYS_tkill SYS_time SYS_futex SYS_sched_setaffinity SYS_sched_getaffinity SYS_set_thread_area
        SYS_io_setup SYS_io_destroy SYS_io_getevents SYS_io_submit SYS_io_cancel SYS_get_thread_area
        SYS_lookup_dcookie SYS_epoll_create SYS_epoll_ctl_old SYS_epoll_wait_old SYS_remap_file_pages
        SYS_getdents64 SYS_set_tid_address SYS_restart_syscall SYS_semtimedop SYS_fadvise64
        SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete
        SYS_clock_settime SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_exit_group
        SYS_epoll_wait SYS_epoll_ctl SYS_tgkill SYS_utimes SYS_vserver SYS_mbind SYS_set_mempolicy
        SYS_get_mempolicy SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify
        SYS_mq_getsetattr SYS_kexec_load SYS_waitid SYS_add_key SYS_request_key SYS_keyctl
        SYS_ioprio_set SYS_ioprio_get SYS_inotify_init SYS_inotify_add_watch SYS_inotify_rm_watch
        SYS_migrate_pages SYS_openat SYS_mkdirat SYS_mknodat SYS_fchownat SYS_futimesat SYS_newfstatat
        SYS_unlinkat SYS_renameat SYS_linkat SYS_symlinkat SYS_readlinkat SYS_fchmodat SYS_faccessat
        SYS_pselect6 SYS_ppoll SYS_unshare SYS_set_robust_list SYS_get_robust_list SYS_splice SYS_tee
        SYS_sync_file_range SYS_vmsplice SYS_move_pages SYS_utimensat SYS_epoll_pwait SYS_signalfd
        SYS_timerfd_create SYS_eventfd SYS_fallocate SYS_timerfd_settime SYS_timerfd_gettime
        SYS_accept4 SYS_signalfd4 SYS_eventfd2 SYS_epoll_create1 SYS_dup3 SYS_pipe2 SYS_inotify_init1
        SYS_preadv SYS_pwritev SYS_rt_tgsigqueueinfo SYS_perf_event_open SYS_recvmmsg
        SYS_fanotify_init SYS_fanotify_mark SYS_prlimit64 SYS_name_to_handle_at SYS_open_by_handle_at
        SYS_clock_adjtime SYS_syncfs SYS_sendmmsg SYS_setns SYS_getcpu SYS_process_vm_readv
        SYS_process_vm_writev SYS_kcmp SYS_finit_module SYS_sched_setattr SYS_sched_getattr
        SYS_renameat2 SYS_seccomp SYS_getrandom SYS_memfd_create SYS_kexec_file_load SYS_bpf
        SYS_execveat SYS_userfaultfd SYS_membarrier SYS_mlock2 SYS_copy_file_range SYS_preadv2
        SYS_pwritev2 SYS_pkey_mprotect SYS_pkey_alloc SYS_pkey_free SYS_statx SYS_rseq
        SYS_pidfd_send_signal SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register
        SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick SYS_pidfd_open
        SYS_clone3 SYS_close_range SYS_openat2 SYS_pidfd_getfd SYS_faccessat2 SYS_process_madvise
        SYS_epoll_pwait2 SYS_mount_setattr SYS_quotactl_fd SYS_landlock_create_ruleset
        SYS_landlock_add_rule SYS_landlock_restrict_self SYS_memfd_secret SYS_process_mrelease
        SYS_futex_waitv SYS_set_mempolicy_home_node
    }
}

#[test]
fn arguments_are_six_at_most_and_indices_stay_among_them() {
    for syscall in all() {
        assert!(syscall.args.len() <= 6, "{}", syscall.name);
    }
    each_kind(&mut |syscall, place, kind| {
        for index in indices(kind) {
            assert!(
                usize::from(index) < syscall.args.len(),
                "{place}: no argument {index}"
            );
        }
    });
}

#[test]
fn counts_are_numbers_and_lengths_behind_pointers_are_pointers() {
    let mut wrong = String::new();
    each_kind(&mut |syscall, place, kind| {
        let Kind::Mem(mem) = kind else { return };
        for index in indices(kind) {
            let Some(arg) = syscall.args.get(usize::from(index)) else {
                continue;
            };
            let good = match mem.size {
                Size::Deref { .. } => matches!(arg.kind, Kind::Mem(_)),
                _ => !matches!(
                    arg.kind,
                    Kind::Mem(_) | Kind::Path | Kind::Strings | Kind::Iovec { .. }
                ),
            };
            if !good {
                let _ = writeln!(wrong, "{place}: argument {} is no size", arg.name);
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn sizes_that_only_the_exit_tells_are_of_outputs() {
    each_memory(&mut |_, place, mem| {
        if matches!(
            mem.size,
            Size::Ret { .. } | Size::RetPlus { .. } | Size::Cstr { .. }
        ) {
            assert_eq!(mem.dir, Dir::Out, "{place}");
        }
        assert!(
            !(mem.on_error && mem.dir == Dir::In),
            "{place}: an input is not written on errors"
        );
    });
}

#[test]
fn sizes_are_whole_structures() {
    each_memory(&mut |_, place, mem| {
        let id = match mem.shape {
            Shape::Struct(id) | Shape::Array(id) => id,
            Shape::Bytes | Shape::Opaque | Shape::Text => return,
        };
        assert!(id.size() > 0, "{place}");
        match (mem.size, mem.shape) {
            (Size::Fixed(bytes), Shape::Struct(_)) => assert!(bytes > 0, "{place}"),
            (Size::Fixed(bytes), _) => assert_eq!(bytes % id.size(), 0, "{place}"),
            (Size::Arg { scale, .. } | Size::Ret { scale, .. }, Shape::Array(_)) => {
                assert!(
                    scale == 1 || scale == id.size(),
                    "{place}: counts by {scale} bytes"
                );
            }
            _ => {}
        }
    });
}

#[test]
fn nested_structures_are_of_a_size_that_holds_their_fields() {
    each_kind(&mut |_, place, kind| {
        let Kind::Nested(nested) = kind else { return };
        assert!(matches!(nested.len_bytes, 2 | 4 | 8), "{place}");
        match nested.head.size {
            Size::Fixed(bytes) => {
                assert!(u32::from(nested.pointer) + 8 <= bytes, "{place}: pointer");
                assert!(
                    u32::from(nested.len) + u32::from(nested.len_bytes) <= bytes,
                    "{place}: length"
                );
            }
            Size::Arg { .. } => {}
            _ => panic!("{place}: a nested structure's size is fixed, or an argument"),
        }
    });
}

#[test]
fn sub_commands_are_sorted() {
    let check = |place: &str, sub: &Sub| {
        for pair in sub.commands.windows(2) {
            let key = |at: usize| (pair[at].value, pair[at].value2);
            assert!(
                key(0) < key(1),
                "{place}: {} before {}",
                pair[0].name,
                pair[1].name
            );
        }
        for command in sub.commands {
            assert_eq!(
                command.value & sub.mask & u64::from(u32::MAX),
                command.value,
                "{place}: {}",
                command.name
            );
            assert!(
                sub.selector2.is_some() || command.value2 == 0,
                "{place}: {}",
                command.name
            );
            assert!(
                !command.name.is_empty(),
                "{place}: {:#x} has no name",
                command.value
            );
        }
    };
    each_kind(&mut |_, place, kind| {
        if let Kind::Sub(sub) = kind {
            check(place, sub);
        }
    });
}

#[test]
fn names_have_no_spaces() {
    each_kind(&mut |_, place, kind| {
        if let Kind::Flags(names) | Kind::Choice(names) = kind {
            assert!(!names.names.is_empty(), "{place}");
            for (_, name) in names.names {
                assert!(!name.is_empty() && !name.contains(' '), "{place}: {name:?}");
            }
        }
    });
}
