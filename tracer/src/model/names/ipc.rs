//! Names of System V and POSIX inter-process communication.

use crate::model::types::Names;

/// Flags of the get family, permission bits aside.
pub static IPC: Names = Names {
    unknown: "IPC_???",
    names: &[
        (0x200, "IPC_CREAT"),
        (0x400, "IPC_EXCL"),
        (0x800, "IPC_NOWAIT"),
    ],
};

/// Flags of `msgsnd` and `msgrcv`.
pub static MSG: Names = Names {
    unknown: "MSG_???",
    names: &[
        (0x1000, "MSG_NOERROR"),
        (0x2000, "MSG_EXCEPT"),
        (0x4000, "MSG_COPY"),
        (0x800, "IPC_NOWAIT"),
    ],
};

/// Flags of one semaphore operation.
pub static SEM: Names = Names {
    unknown: "SEM_???",
    names: &[(0x1000, "SEM_UNDO"), (0x800, "IPC_NOWAIT")],
};

/// Flags of `shmget`, permission bits aside.
pub static SHM_GET: Names = Names {
    unknown: "SHM_???",
    names: &[
        (0x200, "IPC_CREAT"),
        (0x400, "IPC_EXCL"),
        (0x800, "SHM_HUGETLB"),
        (0x1000, "SHM_NORESERVE"),
    ],
};

/// Flags of `shmat`.
pub static SHM_AT: Names = Names {
    unknown: "SHM_???",
    names: &[
        (0x1000, "SHM_RDONLY"),
        (0x2000, "SHM_RND"),
        (0x4000, "SHM_REMAP"),
        (0x8000, "SHM_EXEC"),
    ],
};
