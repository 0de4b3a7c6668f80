//! Names of epoll, poll and eventfd.

use crate::model::types::Names;

/// Operations of `epoll_ctl`.
pub static CTL: Names = Names {
    unknown: "EPOLL_CTL_???",
    names: &[
        (1, "EPOLL_CTL_ADD"),
        (3, "EPOLL_CTL_MOD"),
        (2, "EPOLL_CTL_DEL"),
    ],
};

/// Flags of `epoll_create1`.
pub static CREATE: Names = Names {
    unknown: "EPOLL_???",
    names: &[(0x8_0000, "EPOLL_CLOEXEC")],
};

/// Events of epoll.
pub static EVENTS: Names = Names {
    unknown: "EPOLL???",
    names: &[
        (0x1, "EPOLLIN"),
        (0x2, "EPOLLPRI"),
        (0x4, "EPOLLOUT"),
        (0x40, "EPOLLRDNORM"),
        (0x80, "EPOLLRDBAND"),
        (0x100, "EPOLLWRNORM"),
        (0x200, "EPOLLWRBAND"),
        (0x400, "EPOLLMSG"),
        (0x8, "EPOLLERR"),
        (0x10, "EPOLLHUP"),
        (0x2000, "EPOLLRDHUP"),
        (0x1000_0000, "EPOLLEXCLUSIVE"),
        (0x2000_0000, "EPOLLWAKEUP"),
        (0x4000_0000, "EPOLLONESHOT"),
        (0x8000_0000, "EPOLLET"),
    ],
};

/// Flags of `eventfd2`.
pub static EVENTFD: Names = Names {
    unknown: "EFD_???",
    names: &[
        (0x1, "EFD_SEMAPHORE"),
        (0x8_0000, "EFD_CLOEXEC"),
        (0x800, "EFD_NONBLOCK"),
    ],
};

/// Flags of `signalfd4`.
pub static SIGNALFD: Names = Names {
    unknown: "SFD_???",
    names: &[(0x8_0000, "SFD_CLOEXEC"), (0x800, "SFD_NONBLOCK")],
};

/// Flags of `inotify_init1`.
pub static INOTIFY_INIT: Names = Names {
    unknown: "IN_???",
    names: &[(0x800, "IN_NONBLOCK"), (0x8_0000, "IN_CLOEXEC")],
};

/// Events and flags of `inotify_add_watch`.
pub static INOTIFY: Names = Names {
    unknown: "IN_???",
    names: &[
        (0x1, "IN_ACCESS"),
        (0x2, "IN_MODIFY"),
        (0x4, "IN_ATTRIB"),
        (0x8, "IN_CLOSE_WRITE"),
        (0x10, "IN_CLOSE_NOWRITE"),
        (0x20, "IN_OPEN"),
        (0x40, "IN_MOVED_FROM"),
        (0x80, "IN_MOVED_TO"),
        (0x100, "IN_CREATE"),
        (0x200, "IN_DELETE"),
        (0x400, "IN_DELETE_SELF"),
        (0x800, "IN_MOVE_SELF"),
        (0x2000, "IN_UNMOUNT"),
        (0x4000, "IN_Q_OVERFLOW"),
        (0x8000, "IN_IGNORED"),
        (0x100_0000, "IN_ONLYDIR"),
        (0x200_0000, "IN_DONT_FOLLOW"),
        (0x400_0000, "IN_EXCL_UNLINK"),
        (0x1000_0000, "IN_MASK_CREATE"),
        (0x2000_0000, "IN_MASK_ADD"),
        (0x4000_0000, "IN_ISDIR"),
        (0x8000_0000, "IN_ONESHOT"),
    ],
};

/// Flags of `pipe2` and `dup3`.
pub static PIPE: Names = Names {
    unknown: "O_???",
    names: &[
        (0x80, "O_EXCL"),
        (0x800, "O_NONBLOCK"),
        (0x4000, "O_DIRECT"),
        (0x8_0000, "O_CLOEXEC"),
    ],
};
