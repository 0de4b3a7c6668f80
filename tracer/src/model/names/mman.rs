//! Names of memory protection, mapping and advice.

use crate::model::types::Names;

/// Protection of pages.
pub static PROT: Names = Names {
    unknown: "PROT_???",
    names: &[
        (0x1, "PROT_READ"),
        (0x2, "PROT_WRITE"),
        (0x4, "PROT_EXEC"),
        (0x8, "PROT_SEM"),
        (0x0100_0000, "PROT_GROWSDOWN"),
        (0x0200_0000, "PROT_GROWSUP"),
        (0x0, "PROT_NONE"),
    ],
};

/// Flags of `mmap`. Of the sizes of huge pages only those that this architecture has are named.
pub static MAP: Names = Names {
    unknown: "MAP_???",
    names: &[
        (0x3, "MAP_SHARED_VALIDATE"),
        (0x1, "MAP_SHARED"),
        (0x2, "MAP_PRIVATE"),
        (0x10, "MAP_FIXED"),
        (0x20, "MAP_ANONYMOUS"),
        (0x40, "MAP_32BIT"),
        (0x80, "MAP_ABOVE4G"),
        (0x4000, "MAP_NORESERVE"),
        (0x8000, "MAP_POPULATE"),
        (0x1_0000, "MAP_NONBLOCK"),
        (0x100, "MAP_GROWSDOWN"),
        (0x800, "MAP_DENYWRITE"),
        (0x1000, "MAP_EXECUTABLE"),
        (0x2000, "MAP_LOCKED"),
        (0x2_0000, "MAP_STACK"),
        (0x4_0000, "MAP_HUGETLB"),
        (0x8_0000, "MAP_SYNC"),
        (0x10_0000, "MAP_FIXED_NOREPLACE"),
        (30 << 26, "30<<MAP_HUGE_SHIFT"),
        (21 << 26, "21<<MAP_HUGE_SHIFT"),
        (0x400_0000, "MAP_UNINITIALIZED"),
        (0x0, "MAP_FILE"),
    ],
};

/// Flags of `mremap`.
pub static MREMAP: Names = Names {
    unknown: "MREMAP_???",
    names: &[
        (0x1, "MREMAP_MAYMOVE"),
        (0x2, "MREMAP_FIXED"),
        (0x4, "MREMAP_DONTUNMAP"),
    ],
};

/// Flags of `msync`.
pub static MSYNC: Names = Names {
    unknown: "MS_???",
    names: &[(0x4, "MS_SYNC"), (0x1, "MS_ASYNC"), (0x2, "MS_INVALIDATE")],
};

/// Flags of `mlockall`.
pub static MLOCKALL: Names = Names {
    unknown: "MCL_???",
    names: &[
        (0x1, "MCL_CURRENT"),
        (0x2, "MCL_FUTURE"),
        (0x4, "MCL_ONFAULT"),
    ],
};

/// Advice of `madvise`.
pub static MADVISE: Names = Names {
    unknown: "MADV_???",
    names: &[
        (0, "MADV_NORMAL"),
        (1, "MADV_RANDOM"),
        (2, "MADV_SEQUENTIAL"),
        (3, "MADV_WILLNEED"),
        (4, "MADV_DONTNEED"),
        (8, "MADV_FREE"),
        (9, "MADV_REMOVE"),
        (10, "MADV_DONTFORK"),
        (11, "MADV_DOFORK"),
        (12, "MADV_MERGEABLE"),
        (13, "MADV_UNMERGEABLE"),
        (14, "MADV_HUGEPAGE"),
        (15, "MADV_NOHUGEPAGE"),
        (16, "MADV_DONTDUMP"),
        (17, "MADV_DODUMP"),
        (18, "MADV_WIPEONFORK"),
        (19, "MADV_KEEPONFORK"),
        (20, "MADV_COLD"),
        (21, "MADV_PAGEOUT"),
        (22, "MADV_POPULATE_READ"),
        (23, "MADV_POPULATE_WRITE"),
        (24, "MADV_DONTNEED_LOCKED"),
        (25, "MADV_COLLAPSE"),
        (100, "MADV_HWPOISON"),
        (101, "MADV_SOFT_OFFLINE"),
        (102, "MADV_GUARD_INSTALL"),
        (103, "MADV_GUARD_REMOVE"),
    ],
};
