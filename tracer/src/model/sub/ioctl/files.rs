//! Files, file systems, block devices and loop devices.

use crate::model::structs::StructId as S;
use crate::model::sub::nested;
use crate::model::table::dsl::{
    ADDR, FD, INT, LONG, ULONG, UNUSED, cmd, fixed, in_mem, in_struct, inout_mem, inout_struct,
    out_mem, out_struct,
};
use crate::model::types::{Dir, Kind, Shape, Size, SubCommand};

/// A structure that ends in as many entries as it says, both ways: offset and bytes of the
/// count, bytes before the entries, bytes per entry.
const fn counted(id: S, at: u8, bytes: u8, scale: u32) -> Kind {
    inout_mem(
        Size::Counted {
            at,
            bytes,
            head: id.size(),
            scale,
        },
        Shape::Struct(id),
    )
    .on_error()
}

/// A name of up to 256 bytes.
const LABEL: u32 = 256;

/// Operations on the data of a disk count as waiting only where they take seconds.
pub const COMMANDS: &[SubCommand] = &[
    cmd(0x1, "FIBMAP", inout_struct(S::Int).on_error()),
    cmd(0x2, "FIGETBSZ", out_struct(S::Int)),
    cmd(0xc004_5877, "FIFREEZE", ADDR).waits(),
    cmd(0xc004_5878, "FITHAW", ADDR).waits(),
    cmd(0xc018_5879, "FITRIM", inout_struct(S::FstrimRange)).waits(),
    // What fallocate does, in the words of another file system.
    cmd(0x4030_5828, "FS_IOC_RESVSP", ADDR).refuse(libc::ENOTTY),
    cmd(0x4030_5829, "FS_IOC_UNRESVSP", ADDR).refuse(libc::ENOTTY),
    cmd(0x4030_582a, "FS_IOC_RESVSP64", ADDR).refuse(libc::ENOTTY),
    cmd(0x4030_582b, "FS_IOC_UNRESVSP64", ADDR).refuse(libc::ENOTTY),
    cmd(0x4030_5839, "FS_IOC_ZERO_RANGE", ADDR).refuse(libc::ENOTTY),
    cmd(0x4004_9409, "FICLONE", FD),
    cmd(0x4020_940d, "FICLONERANGE", in_struct(S::FileCloneRange)),
    cmd(
        0xc018_9436,
        "FIDEDUPERANGE",
        counted(S::FileDedupeRange, 16, 2, 32),
    ),
    cmd(0xc020_660b, "FS_IOC_FIEMAP", counted(S::Fiemap, 24, 4, 56)),
    // The numbers encode a `long`, the kernel moves an `int`.
    cmd(0x8008_6601, "FS_IOC_GETFLAGS", out_struct(S::HexInt)),
    cmd(0x4008_6602, "FS_IOC_SETFLAGS", in_struct(S::HexInt)),
    cmd(0x8008_7601, "FS_IOC_GETVERSION", out_struct(S::Int)),
    cmd(0x4008_7602, "FS_IOC_SETVERSION", in_struct(S::Int)),
    cmd(0x801c_581f, "FS_IOC_FSGETXATTR", out_struct(S::Fsxattr)),
    cmd(0x401c_5820, "FS_IOC_FSSETXATTR", in_struct(S::Fsxattr)),
    cmd(
        0x8100_9431,
        "FS_IOC_GETFSLABEL",
        out_mem(fixed(LABEL), Shape::Text),
    ),
    cmd(
        0x4100_9432,
        "FS_IOC_SETFSLABEL",
        in_mem(fixed(LABEL), Shape::Text),
    ),
    cmd(0x8011_1500, "FS_IOC_GETFSUUID", out_struct(S::FsUuid2)),
    cmd(
        0x8081_1501,
        "FS_IOC_GETFSSYSFSPATH",
        out_struct(S::FsSysfsPath),
    ),
    cmd(
        0x800c_581e,
        "XFS_IOC_DIOINFO",
        out_mem(fixed(12), Shape::Opaque),
    ),
    cmd(
        0xc060_6610,
        "PAGEMAP_SCAN",
        nested(
            inout_mem(fixed(96), Shape::Opaque).on_error(),
            40,
            48,
            8,
            24,
            Dir::Out,
        ),
    ),
    cmd(0xc068_6611, "PROCMAP_QUERY", ADDR).refuse(libc::ENOTTY),
    // Encryption and verification.
    cmd(
        0x800c_6613,
        "FS_IOC_SET_ENCRYPTION_POLICY",
        in_struct(S::FscryptPolicyV1),
    ),
    cmd(
        0x4010_6614,
        "FS_IOC_GET_ENCRYPTION_PWSALT",
        out_mem(fixed(16), Shape::Bytes),
    ),
    cmd(
        0x400c_6615,
        "FS_IOC_GET_ENCRYPTION_POLICY",
        out_struct(S::FscryptPolicyV1),
    ),
    cmd(
        0xc009_6616,
        "FS_IOC_GET_ENCRYPTION_POLICY_EX",
        inout_struct(S::FscryptGetPolicyEx).on_error(),
    ),
    cmd(
        0xc050_6617,
        "FS_IOC_ADD_ENCRYPTION_KEY",
        inout_mem(fixed(80), Shape::Opaque).on_error(),
    ),
    cmd(
        0xc040_6618,
        "FS_IOC_REMOVE_ENCRYPTION_KEY",
        inout_mem(fixed(64), Shape::Opaque).on_error(),
    ),
    cmd(
        0xc040_6619,
        "FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS",
        inout_mem(fixed(64), Shape::Opaque).on_error(),
    ),
    cmd(
        0xc080_661a,
        "FS_IOC_GET_ENCRYPTION_KEY_STATUS",
        inout_mem(fixed(128), Shape::Opaque).on_error(),
    ),
    cmd(
        0x8010_661b,
        "FS_IOC_GET_ENCRYPTION_NONCE",
        out_mem(fixed(16), Shape::Bytes),
    ),
    cmd(
        0x4080_6685,
        "FS_IOC_ENABLE_VERITY",
        in_mem(fixed(128), Shape::Opaque),
    )
    .waits(),
    cmd(
        0xc004_6686,
        "FS_IOC_MEASURE_VERITY",
        counted(S::FsverityDigest, 2, 2, 1),
    ),
    cmd(
        0xc028_6687,
        "FS_IOC_READ_VERITY_METADATA",
        nested(in_mem(fixed(40), Shape::Opaque), 24, 16, 8, 1, Dir::Out),
    ),
    // FAT.
    cmd(
        0x8004_7210,
        "FAT_IOCTL_GET_ATTRIBUTES",
        out_struct(S::HexInt),
    ),
    cmd(
        0x4004_7211,
        "FAT_IOCTL_SET_ATTRIBUTES",
        in_struct(S::HexInt),
    ),
    cmd(
        0x8004_7213,
        "FAT_IOCTL_GET_VOLUME_ID",
        out_struct(S::HexInt),
    ),
    cmd(
        0x8230_7201,
        "VFAT_IOCTL_READDIR_BOTH",
        out_mem(fixed(560), Shape::Opaque),
    ),
    cmd(
        0x8230_7202,
        "VFAT_IOCTL_READDIR_SHORT",
        out_mem(fixed(560), Shape::Opaque),
    ),
    // Block devices. Sizes of the numbers are the kernel's, not those that they encode.
    cmd(0x125d, "BLKROSET", in_struct(S::Int)),
    cmd(0x125e, "BLKROGET", out_struct(S::Int)),
    cmd(0x125f, "BLKRRPART", UNUSED).waits(),
    cmd(0x1260, "BLKGETSIZE", out_struct(S::Ulong)),
    cmd(0x1261, "BLKFLSBUF", UNUSED).waits(),
    cmd(0x1262, "BLKRASET", ULONG),
    cmd(0x1263, "BLKRAGET", out_struct(S::Long)),
    cmd(0x1264, "BLKFRASET", ULONG),
    cmd(0x1265, "BLKFRAGET", out_struct(S::Long)),
    cmd(0x1267, "BLKSECTGET", out_struct(S::Ushort)),
    cmd(0x1268, "BLKSSZGET", out_struct(S::Int)),
    cmd(0x1269, "BLKPG", in_struct(S::BlkpgIoctlArg)),
    cmd(0x8008_1270, "BLKBSZGET", out_struct(S::Int)),
    cmd(0x4008_1271, "BLKBSZSET", in_struct(S::Int)),
    cmd(0x8008_1272, "BLKGETSIZE64", out_struct(S::Ulong)),
    cmd(0x1277, "BLKDISCARD", in_struct(S::BlkRange)).waits(),
    cmd(0x1278, "BLKIOMIN", out_struct(S::Uint)),
    cmd(0x1279, "BLKIOOPT", out_struct(S::Uint)),
    cmd(0x127a, "BLKALIGNOFF", out_struct(S::Int)),
    cmd(0x127b, "BLKPBSZGET", out_struct(S::Uint)),
    cmd(0x127c, "BLKDISCARDZEROES", out_struct(S::Uint)),
    cmd(0x127d, "BLKSECDISCARD", in_struct(S::BlkRange)).waits(),
    cmd(0x127e, "BLKROTATIONAL", out_struct(S::Ushort)),
    cmd(0x127f, "BLKZEROOUT", in_struct(S::BlkRange)).waits(),
    cmd(0x8008_1280, "BLKGETDISKSEQ", out_struct(S::Ulong)),
    cmd(0x8004_1284, "BLKGETZONESZ", out_struct(S::Uint)),
    cmd(0x8004_1285, "BLKGETNRZONES", out_struct(S::Uint)),
    cmd(0x301, "HDIO_GETGEO", out_struct(S::HdGeometry)),
    cmd(
        0x30d,
        "HDIO_GET_IDENTITY",
        out_mem(fixed(512), Shape::Opaque),
    ),
    cmd(0x5325, "CDROM_MEDIA_CHANGED", INT),
    cmd(0x5326, "CDROM_DRIVE_STATUS", INT),
    cmd(0x5327, "CDROM_DISC_STATUS", UNUSED),
    cmd(0x5331, "CDROM_GET_CAPABILITY", UNUSED),
    cmd(0x2285, "SG_IO", ADDR).refuse(libc::ENOTTY),
    cmd(0x2282, "SG_GET_VERSION_NUM", out_struct(S::Int)),
    cmd(
        0x5382,
        "SCSI_IOCTL_GET_IDLUN",
        out_mem(fixed(8), Shape::Opaque),
    ),
    cmd(0x5386, "SCSI_IOCTL_GET_BUS_NUMBER", out_struct(S::Int)),
    // Loop devices.
    cmd(0x4c00, "LOOP_SET_FD", FD),
    cmd(0x4c01, "LOOP_CLR_FD", UNUSED),
    cmd(0x4c02, "LOOP_SET_STATUS", in_struct(S::LoopInfo)),
    cmd(0x4c03, "LOOP_GET_STATUS", out_struct(S::LoopInfo)),
    cmd(0x4c04, "LOOP_SET_STATUS64", in_struct(S::LoopInfo64)),
    cmd(0x4c05, "LOOP_GET_STATUS64", out_struct(S::LoopInfo64)),
    cmd(0x4c06, "LOOP_CHANGE_FD", FD),
    cmd(0x4c07, "LOOP_SET_CAPACITY", UNUSED),
    cmd(0x4c08, "LOOP_SET_DIRECT_IO", ULONG),
    cmd(0x4c09, "LOOP_SET_BLOCK_SIZE", ULONG),
    cmd(0x4c0a, "LOOP_CONFIGURE", in_struct(S::LoopConfig)),
    cmd(0x4c80, "LOOP_CTL_ADD", LONG),
    cmd(0x4c81, "LOOP_CTL_REMOVE", LONG),
    cmd(0x4c82, "LOOP_CTL_GET_FREE", UNUSED),
    cmd(0x8004_e500, "FUSE_DEV_IOC_CLONE", in_struct(S::Fd)),
    cmd(0x8004_587d, "FS_IOC_SHUTDOWN", in_struct(S::HexInt)),
];
