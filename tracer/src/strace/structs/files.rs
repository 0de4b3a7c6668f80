//! What file systems tell.

use super::{Form, braces, fields, some_fields};
use crate::model::names::at::{RESOLVE, STATX_MASK};
use crate::model::names::fcntl::{LOCK, OPEN, OWNER};
use crate::model::names::fs::WHENCE;
use crate::model::{Names, StructId};
use crate::strace::fields::{Field, Is, all, field, int, long, uint, ulong, xint, xlong};
use crate::strace::scalars::{flags, hex, octal};
use crate::strace::text::put;
use crate::strace::view::number;

/// The bits of a mode that say what kind of file it is.
const TYPE: u64 = 0o170_000;
const CHARACTER_DEVICE: u64 = 0o020_000;
const BLOCK_DEVICE: u64 = 0o060_000;

pub(super) fn form(of: StructId) -> Option<Form> {
    Some(match of {
        StructId::Stat => Form::Own(stat),
        StructId::Statx => some_fields![
            field("stx_mask", 0, Is::Flags(4, &STATX_MASK)),
            field("stx_attributes", 8, Is::Flags(8, &STATX_ATTRIBUTES)),
            field(
                "stx_mode",
                28,
                Is::Own(2, |out, bytes| file_mode(out, number(bytes, 0, 2)))
            ),
            ulong("stx_size", 40),
        ],
        StructId::Statfs => fields![
            field("f_type", 0, Is::Choice(8, &FILE_SYSTEM)),
            long("f_bsize", 8),
            ulong("f_blocks", 16),
            ulong("f_bfree", 24),
            ulong("f_bavail", 32),
            ulong("f_files", 40),
            ulong("f_ffree", 48),
            field("f_fsid", 56, Is::Own(8, file_system_id)),
            long("f_namelen", 64),
            long("f_frsize", 72),
            field("f_flags", 80, Is::Flags(8, &MOUNTED)),
        ],
        StructId::Ustat => fields![
            uint("f_tfree", 0),
            ulong("f_tinode", 8),
            field("f_fname", 16, Is::Bytes(6)),
            field("f_fpack", 22, Is::Bytes(6)),
        ],
        StructId::Flock => fields![
            field("l_type", 0, Is::Choice(2, &LOCK)),
            field("l_whence", 2, Is::Choice(2, &WHENCE)),
            long("l_start", 8),
            long("l_len", 16),
        ],
        StructId::OwnerEx => fields![field("type", 0, Is::Choice(4, &OWNER)), int("pid", 4)],
        StructId::OpenHow => Form::Own(open_how),
        StructId::CachestatRange => fields![xlong("off", 0), xlong("len", 8)],
        StructId::Fsxattr => some_fields![
            xint("fsx_xflags", 0),
            uint("fsx_extsize", 4),
            uint("fsx_nextents", 8),
            uint("fsx_projid", 12),
            uint("fsx_cowextsize", 16),
        ],
        StructId::FileCloneRange => fields![
            long("src_fd", 0),
            ulong("src_offset", 8),
            ulong("src_length", 16),
            ulong("dest_offset", 24),
        ],
        StructId::FstrimRange => fields![xlong("start", 0), xlong("len", 8), xlong("minlen", 16)],
        _ => return None,
    })
}

fn stat(out: &mut String, bytes: &[u8]) {
    const DEVICE: &[Field] = &[field("st_rdev", 40, Is::Device(8))];
    const SIZE: &[Field] = &[long("st_size", 48)];
    let mode = number(bytes, 24, 4);
    out.push_str("{st_mode=");
    file_mode(out, mode);
    let more = match mode & TYPE {
        CHARACTER_DEVICE | BLOCK_DEVICE => DEVICE,
        _ => SIZE,
    };
    all(out, more, bytes);
    out.push_str(", ...}");
}

/// Appends a mode with the type of the file and the special bits by name.
pub(in crate::strace) fn file_mode(out: &mut String, mode: u64) {
    const TYPES: [(u64, &str); 7] = [
        (0o010_000, "S_IFIFO"),
        (0o020_000, "S_IFCHR"),
        (0o040_000, "S_IFDIR"),
        (0o060_000, "S_IFBLK"),
        (0o100_000, "S_IFREG"),
        (0o120_000, "S_IFLNK"),
        (0o140_000, "S_IFSOCK"),
    ];
    const SPECIAL: [(u64, &str); 3] = [
        (0o4000, "S_ISUID|"),
        (0o2000, "S_ISGID|"),
        (0o1000, "S_ISVTX|"),
    ];
    match TYPES.iter().find(|(value, _)| mode & TYPE == *value) {
        Some((_, name)) => put!(out, "{name}|"),
        None if mode & TYPE != 0 => put!(out, "0{:o}|", mode & TYPE),
        None => {}
    }
    for (bit, name) in SPECIAL {
        if mode & bit != 0 {
            out.push_str(name);
        }
    }
    octal(out, mode & 0o777);
}

fn file_system_id(out: &mut String, bytes: &[u8]) {
    out.push_str("{val=[");
    hex(out, number(bytes, 0, 4));
    out.push_str(", ");
    hex(out, number(bytes, 4, 4));
    out.push_str("]}");
}

fn open_how(out: &mut String, bytes: &[u8]) {
    const MODE: &[Field] = &[field("mode", 8, Is::Octal(8))];
    const RESTRICTIONS: &[Field] = &[field("resolve", 16, Is::Flags(8, &RESOLVE))];
    braces(out, |out| {
        out.push_str("flags=");
        flags(out, &OPEN, number(bytes, 0, 8));
        if super::super::own::creates(number(bytes, 0, 8)) {
            all(out, MODE, bytes);
        }
        all(out, RESTRICTIONS, bytes);
    });
}

static STATX_ATTRIBUTES: Names = Names {
    unknown: "STATX_ATTR_???",
    names: &[
        (0x4, "STATX_ATTR_COMPRESSED"),
        (0x10, "STATX_ATTR_IMMUTABLE"),
        (0x20, "STATX_ATTR_APPEND"),
        (0x40, "STATX_ATTR_NODUMP"),
        (0x800, "STATX_ATTR_ENCRYPTED"),
        (0x1000, "STATX_ATTR_AUTOMOUNT"),
        (0x2000, "STATX_ATTR_MOUNT_ROOT"),
        (0x10_0000, "STATX_ATTR_VERITY"),
        (0x20_0000, "STATX_ATTR_DAX"),
    ],
};

static MOUNTED: Names = Names {
    unknown: "ST_???",
    names: &[
        (0x20, "ST_VALID"),
        (0x1, "ST_RDONLY"),
        (0x2, "ST_NOSUID"),
        (0x4, "ST_NODEV"),
        (0x8, "ST_NOEXEC"),
        (0x10, "ST_SYNCHRONOUS"),
        (0x40, "ST_MANDLOCK"),
        (0x80, "ST_WRITE"),
        (0x100, "ST_APPEND"),
        (0x200, "ST_IMMUTABLE"),
        (0x400, "ST_NOATIME"),
        (0x800, "ST_NODIRATIME"),
        (0x1000, "ST_RELATIME"),
        (0x2000, "ST_NOSYMFOLLOW"),
    ],
};

static FILE_SYSTEM: Names = Names {
    unknown: "???_SUPER_MAGIC",
    names: &[
        (0x0102_1994, "TMPFS_MAGIC"),
        (0x0102_1997, "V9FS_MAGIC"),
        (0x0027_e0eb, "CGROUP_SUPER_MAGIC"),
        (0x00c3_6400, "CEPH_SUPER_MAGIC"),
        (0x0bad_1dea, "FUTEXFS_SUPER_MAGIC"),
        (0x1161_9702, "SECRETMEM_MAGIC"),
        (0x1980_0202, "MQUEUE_MAGIC"),
        (0x1cd1, "DEVPTS_SUPER_MAGIC"),
        (0x2fc1_2fc1, "ZFS_SUPER_MAGIC"),
        (0x3153_464a, "JFS_SUPER_MAGIC"),
        (0x4244, "HFS_SUPER_MAGIC"),
        (0x4d44, "MSDOS_SUPER_MAGIC"),
        (0x5346_544e, "NTFS_SB_MAGIC"),
        (0x5846_5342, "XFS_SUPER_MAGIC"),
        (0x5265_4973, "REISERFS_SUPER_MAGIC"),
        (0x5346_314d, "M1FS_SUPER_MAGIC"),
        (0x5346_4846, "HFSPLUS_SUPER_MAGIC"),
        (0x534f_434b, "SOCKFS_MAGIC"),
        (0x6165_676c, "PSTOREFS_MAGIC"),
        (0x6265_6570, "CONFIGFS_MAGIC"),
        (0x6265_6572, "SYSFS_MAGIC"),
        (0x6367_7270, "CGROUP2_SUPER_MAGIC"),
        (0x6462_6720, "DEBUGFS_MAGIC"),
        (0x6573_5546, "FUSE_SUPER_MAGIC"),
        (0x6969, "NFS_SUPER_MAGIC"),
        (0x6e73_6673, "NSFS_MAGIC"),
        (0x7363_6673, "SECURITYFS_MAGIC"),
        (0x7371_7368, "SQUASHFS_MAGIC"),
        (0x7469_6e69, "TIPC_MAGIC"),
        (0x7472_6163, "TRACEFS_MAGIC"),
        (0x794c_7630, "OVERLAYFS_SUPER_MAGIC"),
        (0x8584_58f6, "RAMFS_MAGIC"),
        (0x9123_683e, "BTRFS_SUPER_MAGIC"),
        (0x9584_58f6, "HUGETLBFS_MAGIC"),
        (0x9660, "ISOFS_SUPER_MAGIC"),
        (0x9fa0, "PROC_SUPER_MAGIC"),
        (0x9fa2, "USBDEVICE_SUPER_MAGIC"),
        (0xcafe_4a11, "BPF_FS_MAGIC"),
        (0xde5e_81e4, "EFIVARFS_MAGIC"),
        (0xef53, "EXT2_SUPER_MAGIC"),
        (0xf2f5_2010, "F2FS_SUPER_MAGIC"),
        (0xf97c_ff8c, "SELINUX_MAGIC"),
        (0xff53_4d42, "CIFS_NUMBER"),
        (0xfe53_4d42, "SMB2_SUPER_MAGIC"),
        (0x0904_1934, "ANON_INODE_FS_MAGIC"),
        (0x5049_5045, "PIPEFS_MAGIC"),
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::show;
    use super::*;

    #[test]
    fn files() {
        assert_eq!(
            show(StructId::Stat, &[(24, 4, 0o100_640), (48, 8, 70)]),
            "{st_mode=S_IFREG|0640, st_size=70, ...}"
        );
        assert_eq!(
            show(StructId::Stat, &[(24, 4, 0o020_666), (40, 8, 0x103)]),
            "{st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}"
        );
        assert_eq!(
            show(StructId::Stat, &[(24, 4, 0o041_777), (48, 8, 4096)]),
            "{st_mode=S_IFDIR|S_ISVTX|0777, st_size=4096, ...}"
        );
        assert_eq!(
            show(
                StructId::Statx,
                &[(0, 4, 0x1fff), (28, 2, 0o100_640), (40, 8, 70)]
            ),
            "{stx_mask=STATX_ALL|STATX_MNT_ID, stx_attributes=0, stx_mode=S_IFREG|0640, \
             stx_size=70, ...}"
        );
    }

    #[test]
    fn file_systems() {
        assert_eq!(
            show(
                StructId::Statfs,
                &[
                    (0, 8, 0x9fa0),
                    (8, 8, 4096),
                    (56, 4, 0x15),
                    (64, 8, 255),
                    (72, 8, 4096),
                    (80, 8, 0x1020)
                ]
            ),
            "{f_type=PROC_SUPER_MAGIC, f_bsize=4096, f_blocks=0, f_bfree=0, f_bavail=0, \
             f_files=0, f_ffree=0, f_fsid={val=[0x15, 0]}, f_namelen=255, f_frsize=4096, \
             f_flags=ST_VALID|ST_RELATIME}"
        );
    }

    #[test]
    fn how_files_are_opened() {
        assert_eq!(
            show(StructId::OpenHow, &[(16, 8, 8)]),
            "{flags=O_RDONLY, resolve=RESOLVE_BENEATH}"
        );
        assert_eq!(
            show(StructId::OpenHow, &[(0, 8, 0x42), (8, 8, 0o600)]),
            "{flags=O_RDWR|O_CREAT, mode=0600, resolve=0}"
        );
    }
}
