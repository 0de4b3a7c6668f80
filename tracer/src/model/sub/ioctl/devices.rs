//! Kernel objects that are files: namespaces, pidfds, seccomp listeners, epoll, timers; and
//! the random, clock and input devices.

use crate::model::structs::StructId as S;
use crate::model::table::dsl::{
    HEX, INT, PID, UINT, ULONG, UNUSED, cmd, fixed, in_mem, in_struct, inout_mem, inout_struct,
    out_struct,
};
use crate::model::types::{Kind, Ret, Shape, Size, SubCommand};

/// `struct pidfd_info` in the versions that exist: the kernel fills as much as the number says.
const fn pidfd_info(bytes: u32) -> Kind {
    inout_mem(fixed(bytes), Shape::Struct(S::PidfdInfo)).on_error()
}

/// Input devices' commands of variable length are not here: they stop the recording.
pub const COMMANDS: &[SubCommand] = &[
    // Virtual machines: memory that the kernel and other programs share.
    cmd(0xae00, "KVM_GET_API_VERSION", UNUSED).refuse(libc::ENOTTY),
    cmd(0xae01, "KVM_CREATE_VM", UNUSED).refuse(libc::ENOTTY),
    // Namespaces.
    cmd(0xb701, "NS_GET_USERNS", UNUSED).gives(Ret::Fd),
    cmd(0xb702, "NS_GET_PARENT", UNUSED).gives(Ret::Fd),
    cmd(0xb703, "NS_GET_NSTYPE", UNUSED).gives(Ret::Hex),
    cmd(0xb704, "NS_GET_OWNER_UID", out_struct(S::Uid)),
    cmd(0x8008_b705, "NS_GET_MNTNS_ID", out_struct(S::Ulong)),
    cmd(0x8004_b706, "NS_GET_PID_FROM_PIDNS", PID),
    cmd(0x8004_b707, "NS_GET_TGID_FROM_PIDNS", PID),
    cmd(0x8004_b708, "NS_GET_PID_IN_PIDNS", PID),
    cmd(0x8004_b709, "NS_GET_TGID_IN_PIDNS", PID),
    cmd(0x8010_b70a, "NS_MNT_GET_INFO", out_struct(S::MntNsInfo)),
    cmd(0x8010_b70b, "NS_MNT_GET_NEXT", out_struct(S::MntNsInfo)).gives(Ret::Fd),
    cmd(0x8010_b70c, "NS_MNT_GET_PREV", out_struct(S::MntNsInfo)).gives(Ret::Fd),
    cmd(0x8008_b70d, "NS_GET_ID", out_struct(S::Ulong)),
    // Processes.
    cmd(0xff01, "PIDFD_GET_CGROUP_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff02, "PIDFD_GET_IPC_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff03, "PIDFD_GET_MNT_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff04, "PIDFD_GET_NET_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff05, "PIDFD_GET_PID_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff06, "PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff07, "PIDFD_GET_TIME_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff08, "PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff09, "PIDFD_GET_USER_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xff0a, "PIDFD_GET_UTS_NAMESPACE", UNUSED).gives(Ret::Fd),
    cmd(0xc040_ff0b, "PIDFD_GET_INFO", pidfd_info(64)),
    cmd(0xc048_ff0b, "PIDFD_GET_INFO", pidfd_info(72)),
    cmd(0xc050_ff0b, "PIDFD_GET_INFO", pidfd_info(80)),
    cmd(
        0xc050_2100,
        "SECCOMP_IOCTL_NOTIF_RECV",
        inout_struct(S::SeccompNotif),
    )
    .waits(),
    cmd(
        0xc018_2101,
        "SECCOMP_IOCTL_NOTIF_SEND",
        in_struct(S::SeccompNotifResp),
    ),
    cmd(
        0x4008_2102,
        "SECCOMP_IOCTL_NOTIF_ID_VALID",
        in_struct(S::HexLong),
    ),
    cmd(
        0x4018_2103,
        "SECCOMP_IOCTL_NOTIF_ADDFD",
        in_struct(S::SeccompNotifAddfd),
    )
    .gives(Ret::Fd),
    cmd(0x4008_2104, "SECCOMP_IOCTL_NOTIF_SET_FLAGS", HEX),
    // Waiting.
    cmd(0x4008_8a01, "EPIOCSPARAMS", in_struct(S::EpollParams)),
    cmd(0x8008_8a02, "EPIOCGPARAMS", out_struct(S::EpollParams)),
    cmd(0x4008_5400, "TFD_IOC_SET_TICKS", in_struct(S::Ulong)),
    cmd(0x4004_4900, "INOTIFY_IOC_SETNEXTWD", INT),
    cmd(0x5760, "IOC_WATCH_QUEUE_SET_SIZE", UINT),
    cmd(
        0x5761,
        "IOC_WATCH_QUEUE_SET_FILTER",
        in_mem(fixed(8), Shape::Opaque),
    ),
    // Random numbers.
    cmd(0x8004_5200, "RNDGETENTCNT", out_struct(S::Int)),
    cmd(0x4004_5201, "RNDADDTOENTCNT", in_struct(S::Int)),
    cmd(
        0x4008_5203,
        "RNDADDENTROPY",
        in_mem(
            Size::Counted {
                at: 4,
                bytes: 4,
                head: 8,
                scale: 1,
            },
            Shape::Struct(S::RandPoolInfo),
        ),
    ),
    cmd(0x5204, "RNDZAPENTCNT", UNUSED),
    cmd(0x5206, "RNDCLEARPOOL", UNUSED),
    cmd(0x5207, "RNDRESEEDCRNG", UNUSED),
    // The real-time clock.
    cmd(0x7001, "RTC_AIE_ON", UNUSED),
    cmd(0x7002, "RTC_AIE_OFF", UNUSED),
    cmd(0x7003, "RTC_UIE_ON", UNUSED),
    cmd(0x7004, "RTC_UIE_OFF", UNUSED),
    cmd(0x7005, "RTC_PIE_ON", UNUSED),
    cmd(0x7006, "RTC_PIE_OFF", UNUSED),
    cmd(0x4024_7007, "RTC_ALM_SET", in_struct(S::RtcTime)),
    cmd(0x8024_7008, "RTC_ALM_READ", out_struct(S::RtcTime)),
    cmd(0x8024_7009, "RTC_RD_TIME", out_struct(S::RtcTime)),
    cmd(0x4024_700a, "RTC_SET_TIME", in_struct(S::RtcTime)),
    cmd(0x8008_700b, "RTC_IRQP_READ", out_struct(S::Ulong)),
    cmd(0x4008_700c, "RTC_IRQP_SET", ULONG),
    cmd(0x8008_700d, "RTC_EPOCH_READ", out_struct(S::Ulong)),
    cmd(0x4008_700e, "RTC_EPOCH_SET", ULONG),
    cmd(0x4028_700f, "RTC_WKALM_SET", in_struct(S::RtcWkalrm)),
    cmd(0x8028_7010, "RTC_WKALM_RD", out_struct(S::RtcWkalrm)),
    cmd(0x8004_7013, "RTC_VL_READ", out_struct(S::HexInt)),
    // Input.
    cmd(0x8004_4501, "EVIOCGVERSION", out_struct(S::HexInt)),
    cmd(0x8008_4502, "EVIOCGID", out_struct(S::InputId)),
    cmd(0x8008_4503, "EVIOCGREP", out_struct(S::KbdRepeat)),
    cmd(0x4008_4503, "EVIOCSREP", in_struct(S::KbdRepeat)),
    cmd(
        0x8008_4504,
        "EVIOCGKEYCODE",
        inout_mem(fixed(8), Shape::Opaque).on_error(),
    ),
    cmd(
        0x4008_4504,
        "EVIOCSKEYCODE",
        in_mem(fixed(8), Shape::Opaque),
    ),
    cmd(
        0x8028_4504,
        "EVIOCGKEYCODE_V2",
        inout_struct(S::InputKeymapEntry).on_error(),
    ),
    cmd(
        0x4028_4504,
        "EVIOCSKEYCODE_V2",
        in_struct(S::InputKeymapEntry),
    ),
    cmd(0x8004_4584, "EVIOCGEFFECTS", out_struct(S::Int)),
    cmd(
        0x4030_4580,
        "EVIOCSFF",
        inout_struct(S::FfEffect).on_error(),
    ),
    cmd(0x4004_4581, "EVIOCRMFF", INT),
    cmd(0x4004_4590, "EVIOCGRAB", INT),
    cmd(0x4004_4591, "EVIOCREVOKE", INT),
    cmd(0x4004_45a0, "EVIOCSCLOCKID", in_struct(S::Int)),
];
