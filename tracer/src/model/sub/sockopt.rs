//! Socket options: the value, by level and option.
//!
//! The length of a value comes with the call, so an option that is not listed is recorded
//! no worse than one that is; only its name does not print. Values are shown as strace
//! shows them: those that it has no form for as bytes.

use super::{Row, column, nested, row, sorted};
use crate::model::structs::StructId as S;
use crate::model::table::dsl::{count, in_mem, inout_mem, out_mem, socklen, sub_by};
use crate::model::types::{Dir, Kind, Shape, Size, Sub, Unknown};

/// Levels.
mod level {
    /// `SOL_SOCKET`.
    pub const SOCKET: u64 = 1;
    /// `SOL_IP`.
    pub const IP: u64 = 0;
    /// `SOL_IPV6`.
    pub const IPV6: u64 = 41;
    /// `SOL_TCP`.
    pub const TCP: u64 = 6;
    /// `SOL_UDP`.
    pub const UDP: u64 = 17;
    /// `SOL_RAW`.
    pub const RAW: u64 = 255;
    /// `SOL_ICMPV6`.
    pub const ICMPV6: u64 = 58;
    /// `SOL_NETLINK`.
    pub const NETLINK: u64 = 270;
    /// `SOL_PACKET`.
    pub const PACKET: u64 = 263;
    /// `AF_VSOCK`.
    pub const VSOCK: u64 = 40;
    /// `SOL_ALG`.
    pub const ALG: u64 = 279;
    /// `SOL_TLS`.
    pub const TLS: u64 = 282;
    /// `SOL_MPTCP`.
    pub const MPTCP: u64 = 284;
    /// `SOL_XDP`.
    pub const XDP: u64 = 283;
}

const INT: Shape = Shape::Struct(S::Int);
const BYTES: Shape = Shape::Bytes;
/// A value that is set, and that is got.
const SET_BYTES: Kind = set(BYTES);
const GET_BYTES: Kind = get(BYTES);
const GET_INT: Kind = get(INT);
/// A filter program.
const FILTER: Kind = nested(set(Shape::Struct(S::SockFprog)), 8, 0, 2, 8, Dir::In);
/// It comes back as an array; the length counts instructions.
const FILTER_BACK: Kind = out_mem(
    Size::Deref { index: 4, scale: 8 },
    Shape::Array(S::SockFilter),
);
/// The kernel stores the label that it chose.
const FLOW_LABEL: Kind = inout_mem(count(4, 1), Shape::Opaque).on_error();
/// `struct ipt_replace`: the kernel stores the old counters where it points to.
const IP_TABLE: Kind = nested(set(Shape::Opaque), 88, 84, 4, 16, Dir::Out);
/// `struct arpt_replace`.
const ARP_TABLE: Kind = nested(set(Shape::Opaque), 72, 68, 4, 16, Dir::Out);

const fn set(shape: Shape) -> Kind {
    in_mem(count(4, 1), shape)
}

const fn get(shape: Shape) -> Kind {
    out_mem(socklen(4), shape)
}

/// An option with a value of the same shape both ways.
const fn opt(level: u64, value: u64, name: &'static str, shape: Shape) -> Row {
    own(level, value, name, set(shape), get(shape))
}

/// An option with values of its own kinds: set, got.
const fn own(level: u64, value: u64, name: &'static str, set: Kind, get: Kind) -> Row {
    let mut row = row(level, name, [set, get]);
    row.command.value2 = value;
    row
}

/// Options of `SOL_SOCKET`.
const SOCKET: &[Row] = &[
    opt(level::SOCKET, 1, "SO_DEBUG", INT),
    opt(level::SOCKET, 2, "SO_REUSEADDR", INT),
    opt(level::SOCKET, 3, "SO_TYPE", INT),
    opt(level::SOCKET, 4, "SO_ERROR", INT),
    opt(level::SOCKET, 5, "SO_DONTROUTE", INT),
    opt(level::SOCKET, 6, "SO_BROADCAST", INT),
    opt(level::SOCKET, 7, "SO_SNDBUF", INT),
    opt(level::SOCKET, 8, "SO_RCVBUF", INT),
    opt(level::SOCKET, 9, "SO_KEEPALIVE", INT),
    opt(level::SOCKET, 10, "SO_OOBINLINE", INT),
    opt(level::SOCKET, 11, "SO_NO_CHECK", INT),
    opt(level::SOCKET, 12, "SO_PRIORITY", INT),
    opt(level::SOCKET, 13, "SO_LINGER", Shape::Struct(S::Linger)),
    opt(level::SOCKET, 14, "SO_BSDCOMPAT", INT),
    opt(level::SOCKET, 15, "SO_REUSEPORT", INT),
    opt(level::SOCKET, 16, "SO_PASSCRED", INT),
    opt(level::SOCKET, 17, "SO_PEERCRED", Shape::Struct(S::Ucred)),
    opt(level::SOCKET, 18, "SO_RCVLOWAT", INT),
    opt(level::SOCKET, 19, "SO_SNDLOWAT", INT),
    opt(level::SOCKET, 20, "SO_RCVTIMEO_OLD", BYTES),
    opt(level::SOCKET, 21, "SO_SNDTIMEO_OLD", BYTES),
    opt(level::SOCKET, 22, "SO_SECURITY_AUTHENTICATION", INT),
    opt(level::SOCKET, 23, "SO_SECURITY_ENCRYPTION_TRANSPORT", INT),
    opt(level::SOCKET, 24, "SO_SECURITY_ENCRYPTION_NETWORK", INT),
    opt(level::SOCKET, 25, "SO_BINDTODEVICE", BYTES),
    own(level::SOCKET, 26, "SO_ATTACH_FILTER", FILTER, FILTER_BACK),
    opt(level::SOCKET, 27, "SO_DETACH_FILTER", INT),
    opt(level::SOCKET, 28, "SO_PEERNAME", BYTES),
    opt(level::SOCKET, 29, "SO_TIMESTAMP_OLD", INT),
    opt(level::SOCKET, 30, "SO_ACCEPTCONN", INT),
    opt(level::SOCKET, 31, "SO_PEERSEC", BYTES),
    opt(level::SOCKET, 32, "SO_SNDBUFFORCE", INT),
    opt(level::SOCKET, 33, "SO_RCVBUFFORCE", INT),
    opt(level::SOCKET, 34, "SO_PASSSEC", INT),
    opt(level::SOCKET, 35, "SO_TIMESTAMPNS_OLD", INT),
    opt(level::SOCKET, 36, "SO_MARK", INT),
    opt(
        level::SOCKET,
        37,
        "SO_TIMESTAMPING_OLD",
        Shape::Struct(S::HexInt),
    ),
    opt(level::SOCKET, 38, "SO_PROTOCOL", INT),
    opt(level::SOCKET, 39, "SO_DOMAIN", INT),
    opt(level::SOCKET, 40, "SO_RXQ_OVFL", INT),
    opt(level::SOCKET, 41, "SO_WIFI_STATUS", INT),
    opt(level::SOCKET, 42, "SO_PEEK_OFF", INT),
    opt(level::SOCKET, 43, "SO_NOFCS", INT),
    opt(level::SOCKET, 44, "SO_LOCK_FILTER", INT),
    opt(level::SOCKET, 45, "SO_SELECT_ERR_QUEUE", INT),
    opt(level::SOCKET, 46, "SO_BUSY_POLL", INT),
    opt(level::SOCKET, 47, "SO_MAX_PACING_RATE", BYTES),
    opt(level::SOCKET, 48, "SO_BPF_EXTENSIONS", INT),
    opt(level::SOCKET, 49, "SO_INCOMING_CPU", INT),
    opt(level::SOCKET, 50, "SO_ATTACH_BPF", INT),
    own(
        level::SOCKET,
        51,
        "SO_ATTACH_REUSEPORT_CBPF",
        FILTER,
        GET_INT,
    ),
    opt(level::SOCKET, 52, "SO_ATTACH_REUSEPORT_EBPF", INT),
    opt(level::SOCKET, 53, "SO_CNX_ADVICE", INT),
    opt(level::SOCKET, 54, "SCM_TIMESTAMPING_OPT_STATS", INT),
    opt(level::SOCKET, 55, "SO_MEMINFO", BYTES),
    opt(level::SOCKET, 56, "SO_INCOMING_NAPI_ID", INT),
    opt(level::SOCKET, 57, "SO_COOKIE", BYTES),
    opt(level::SOCKET, 58, "SCM_TIMESTAMPING_PKTINFO", INT),
    opt(level::SOCKET, 59, "SO_PEERGROUPS", BYTES),
    opt(level::SOCKET, 60, "SO_ZEROCOPY", INT),
    opt(level::SOCKET, 61, "SO_TXTIME", BYTES),
    opt(level::SOCKET, 62, "SO_BINDTOIFINDEX", INT),
    opt(level::SOCKET, 63, "SO_TIMESTAMP_NEW", INT),
    opt(level::SOCKET, 64, "SO_TIMESTAMPNS_NEW", INT),
    opt(
        level::SOCKET,
        65,
        "SO_TIMESTAMPING_NEW",
        Shape::Struct(S::HexInt),
    ),
    opt(level::SOCKET, 66, "SO_RCVTIMEO_NEW", BYTES),
    opt(level::SOCKET, 67, "SO_SNDTIMEO_NEW", BYTES),
    opt(level::SOCKET, 68, "SO_DETACH_REUSEPORT_BPF", INT),
    opt(level::SOCKET, 69, "SO_PREFER_BUSY_POLL", INT),
    opt(level::SOCKET, 70, "SO_BUSY_POLL_BUDGET", INT),
    opt(level::SOCKET, 71, "SO_NETNS_COOKIE", BYTES),
    opt(level::SOCKET, 72, "SO_BUF_LOCK", INT),
    opt(level::SOCKET, 73, "SO_RESERVE_MEM", INT),
    opt(level::SOCKET, 74, "SO_TXREHASH", INT),
    opt(level::SOCKET, 75, "SO_RCVMARK", INT),
    opt(level::SOCKET, 76, "SO_PASSPIDFD", INT),
    opt(level::SOCKET, 77, "SO_PEERPIDFD", Shape::Struct(S::Fd)),
    opt(level::SOCKET, 78, "SO_DEVMEM_LINEAR", BYTES),
    opt(level::SOCKET, 79, "SO_DEVMEM_DMABUF", BYTES),
    opt(level::SOCKET, 80, "SO_DEVMEM_DONTNEED", BYTES),
    opt(level::SOCKET, 81, "SCM_TS_OPT_ID", INT),
    opt(level::SOCKET, 82, "SO_RCVPRIORITY", INT),
    opt(level::SOCKET, 83, "SO_PASSRIGHTS", INT),
    opt(level::SOCKET, 84, "SO_INQ", INT),
];

/// Options of `SOL_IP`.
const IP: &[Row] = &[
    opt(level::IP, 1, "IP_TOS", INT),
    opt(level::IP, 2, "IP_TTL", INT),
    opt(level::IP, 3, "IP_HDRINCL", INT),
    opt(level::IP, 4, "IP_OPTIONS", BYTES),
    opt(level::IP, 5, "IP_ROUTER_ALERT", INT),
    opt(level::IP, 6, "IP_RECVOPTS", INT),
    opt(level::IP, 7, "IP_RETOPTS", INT),
    opt(level::IP, 8, "IP_PKTINFO", INT),
    opt(level::IP, 9, "IP_PKTOPTIONS", BYTES),
    opt(level::IP, 10, "IP_MTU_DISCOVER", INT),
    opt(level::IP, 11, "IP_RECVERR", INT),
    opt(level::IP, 12, "IP_RECVTTL", INT),
    opt(level::IP, 13, "IP_RECVTOS", INT),
    opt(level::IP, 14, "IP_MTU", INT),
    opt(level::IP, 15, "IP_FREEBIND", INT),
    opt(level::IP, 16, "IP_IPSEC_POLICY", BYTES),
    opt(level::IP, 17, "IP_XFRM_POLICY", BYTES),
    opt(level::IP, 18, "IP_PASSSEC", INT),
    opt(level::IP, 19, "IP_TRANSPARENT", INT),
    opt(level::IP, 20, "IP_ORIGDSTADDR", INT),
    opt(level::IP, 21, "IP_MINTTL", INT),
    opt(level::IP, 22, "IP_NODEFRAG", INT),
    opt(level::IP, 23, "IP_CHECKSUM", INT),
    opt(level::IP, 24, "IP_BIND_ADDRESS_NO_PORT", INT),
    opt(level::IP, 25, "IP_RECVFRAGSIZE", INT),
    opt(level::IP, 26, "IP_RECVERR_RFC4884", INT),
    opt(level::IP, 32, "IP_MULTICAST_IF", BYTES),
    opt(level::IP, 33, "IP_MULTICAST_TTL", INT),
    opt(level::IP, 34, "IP_MULTICAST_LOOP", INT),
    opt(level::IP, 35, "IP_ADD_MEMBERSHIP", Shape::Struct(S::IpMreq)),
    opt(
        level::IP,
        36,
        "IP_DROP_MEMBERSHIP",
        Shape::Struct(S::IpMreq),
    ),
    opt(level::IP, 37, "IP_UNBLOCK_SOURCE", BYTES),
    opt(level::IP, 38, "IP_BLOCK_SOURCE", BYTES),
    opt(level::IP, 39, "IP_ADD_SOURCE_MEMBERSHIP", BYTES),
    opt(level::IP, 40, "IP_DROP_SOURCE_MEMBERSHIP", BYTES),
    opt(level::IP, 41, "IP_MSFILTER", BYTES),
    opt(level::IP, 42, "MCAST_JOIN_GROUP", BYTES),
    opt(level::IP, 43, "MCAST_BLOCK_SOURCE", BYTES),
    opt(level::IP, 44, "MCAST_UNBLOCK_SOURCE", BYTES),
    opt(level::IP, 45, "MCAST_LEAVE_GROUP", BYTES),
    opt(level::IP, 46, "MCAST_JOIN_SOURCE_GROUP", BYTES),
    opt(level::IP, 47, "MCAST_LEAVE_SOURCE_GROUP", BYTES),
    opt(level::IP, 48, "MCAST_MSFILTER", BYTES),
    opt(level::IP, 49, "IP_MULTICAST_ALL", INT),
    opt(level::IP, 50, "IP_UNICAST_IF", INT),
    opt(level::IP, 51, "IP_LOCAL_PORT_RANGE", INT),
    opt(level::IP, 52, "IP_PROTOCOL", INT),
    own(level::IP, 64, "IPT_SO_SET_REPLACE", IP_TABLE, GET_BYTES),
    opt(level::IP, 80, "SO_ORIGINAL_DST", Shape::Struct(S::Sockaddr)),
    own(level::IP, 96, "ARPT_SO_SET_REPLACE", ARP_TABLE, GET_BYTES),
    own(level::IP, 128, "EBT_SO_SET_ENTRIES", Kind::Addr, Kind::Addr).refuse(libc::ENOPROTOOPT),
];

/// Options of `SOL_IPV6`.
const IPV6: &[Row] = &[
    opt(level::IPV6, 1, "IPV6_ADDRFORM", INT),
    opt(level::IPV6, 2, "IPV6_2292PKTINFO", INT),
    opt(level::IPV6, 3, "IPV6_2292HOPOPTS", INT),
    opt(level::IPV6, 4, "IPV6_2292DSTOPTS", INT),
    opt(level::IPV6, 5, "IPV6_2292RTHDR", INT),
    opt(level::IPV6, 6, "IPV6_2292PKTOPTIONS", BYTES),
    opt(level::IPV6, 7, "IPV6_CHECKSUM", INT),
    opt(level::IPV6, 8, "IPV6_2292HOPLIMIT", INT),
    opt(level::IPV6, 9, "IPV6_NEXTHOP", BYTES),
    opt(level::IPV6, 11, "IPV6_FLOWINFO", INT),
    opt(level::IPV6, 16, "IPV6_UNICAST_HOPS", INT),
    opt(level::IPV6, 17, "IPV6_MULTICAST_IF", INT),
    opt(level::IPV6, 18, "IPV6_MULTICAST_HOPS", INT),
    opt(level::IPV6, 19, "IPV6_MULTICAST_LOOP", INT),
    opt(
        level::IPV6,
        20,
        "IPV6_ADD_MEMBERSHIP",
        Shape::Struct(S::Ipv6Mreq),
    ),
    opt(
        level::IPV6,
        21,
        "IPV6_DROP_MEMBERSHIP",
        Shape::Struct(S::Ipv6Mreq),
    ),
    opt(level::IPV6, 22, "IPV6_ROUTER_ALERT", INT),
    opt(level::IPV6, 23, "IPV6_MTU_DISCOVER", INT),
    opt(level::IPV6, 24, "IPV6_MTU", INT),
    opt(level::IPV6, 25, "IPV6_RECVERR", INT),
    opt(level::IPV6, 26, "IPV6_V6ONLY", INT),
    opt(
        level::IPV6,
        27,
        "IPV6_JOIN_ANYCAST",
        Shape::Struct(S::Ipv6Mreq),
    ),
    opt(
        level::IPV6,
        28,
        "IPV6_LEAVE_ANYCAST",
        Shape::Struct(S::Ipv6Mreq),
    ),
    opt(level::IPV6, 29, "IPV6_MULTICAST_ALL", INT),
    opt(level::IPV6, 30, "IPV6_ROUTER_ALERT_ISOLATE", INT),
    opt(level::IPV6, 31, "IPV6_RECVERR_RFC4884", INT),
    own(level::IPV6, 32, "IPV6_FLOWLABEL_MGR", FLOW_LABEL, GET_BYTES),
    opt(level::IPV6, 33, "IPV6_FLOWINFO_SEND", INT),
    opt(level::IPV6, 34, "IPV6_IPSEC_POLICY", BYTES),
    opt(level::IPV6, 35, "IPV6_XFRM_POLICY", BYTES),
    opt(level::IPV6, 36, "IPV6_HDRINCL", INT),
    opt(level::IPV6, 42, "MCAST_JOIN_GROUP", BYTES),
    opt(level::IPV6, 43, "MCAST_BLOCK_SOURCE", BYTES),
    opt(level::IPV6, 44, "MCAST_UNBLOCK_SOURCE", BYTES),
    opt(level::IPV6, 45, "MCAST_LEAVE_GROUP", BYTES),
    opt(level::IPV6, 46, "MCAST_JOIN_SOURCE_GROUP", BYTES),
    opt(level::IPV6, 47, "MCAST_LEAVE_SOURCE_GROUP", BYTES),
    opt(level::IPV6, 48, "MCAST_MSFILTER", BYTES),
    opt(level::IPV6, 49, "IPV6_RECVPKTINFO", INT),
    opt(level::IPV6, 50, "IPV6_PKTINFO", BYTES),
    opt(level::IPV6, 51, "IPV6_RECVHOPLIMIT", INT),
    opt(level::IPV6, 52, "IPV6_HOPLIMIT", INT),
    opt(level::IPV6, 53, "IPV6_RECVHOPOPTS", INT),
    opt(level::IPV6, 54, "IPV6_HOPOPTS", BYTES),
    opt(level::IPV6, 55, "IPV6_RTHDRDSTOPTS", BYTES),
    opt(level::IPV6, 56, "IPV6_RECVRTHDR", INT),
    opt(level::IPV6, 57, "IPV6_RTHDR", BYTES),
    opt(level::IPV6, 58, "IPV6_RECVDSTOPTS", INT),
    opt(level::IPV6, 59, "IPV6_DSTOPTS", BYTES),
    opt(level::IPV6, 60, "IPV6_RECVPATHMTU", INT),
    opt(level::IPV6, 61, "IPV6_PATHMTU", BYTES),
    opt(level::IPV6, 62, "IPV6_DONTFRAG", INT),
    opt(level::IPV6, 66, "IPV6_RECVTCLASS", INT),
    opt(level::IPV6, 67, "IPV6_TCLASS", INT),
    opt(level::IPV6, 70, "IPV6_AUTOFLOWLABEL", INT),
    opt(level::IPV6, 72, "IPV6_ADDR_PREFERENCES", INT),
    opt(level::IPV6, 73, "IPV6_MINHOPCOUNT", INT),
    opt(level::IPV6, 74, "IPV6_ORIGDSTADDR", INT),
    opt(level::IPV6, 75, "IPV6_TRANSPARENT", INT),
    opt(level::IPV6, 76, "IPV6_UNICAST_IF", INT),
    opt(level::IPV6, 77, "IPV6_RECVFRAGSIZE", INT),
    opt(level::IPV6, 78, "IPV6_FREEBIND", INT),
    own(level::IPV6, 64, "IP6T_SO_SET_REPLACE", IP_TABLE, GET_BYTES),
    opt(
        level::IPV6,
        80,
        "IP6T_SO_ORIGINAL_DST",
        Shape::Struct(S::Sockaddr),
    ),
];

/// Options of `SOL_TCP`.
const TCP: &[Row] = &[
    opt(level::TCP, 1, "TCP_NODELAY", INT),
    opt(level::TCP, 2, "TCP_MAXSEG", INT),
    opt(level::TCP, 3, "TCP_CORK", INT),
    opt(level::TCP, 4, "TCP_KEEPIDLE", INT),
    opt(level::TCP, 5, "TCP_KEEPINTVL", INT),
    opt(level::TCP, 6, "TCP_KEEPCNT", INT),
    opt(level::TCP, 7, "TCP_SYNCNT", INT),
    opt(level::TCP, 8, "TCP_LINGER2", INT),
    opt(level::TCP, 9, "TCP_DEFER_ACCEPT", INT),
    opt(level::TCP, 10, "TCP_WINDOW_CLAMP", INT),
    opt(level::TCP, 11, "TCP_INFO", BYTES),
    opt(level::TCP, 12, "TCP_QUICKACK", INT),
    opt(level::TCP, 13, "TCP_CONGESTION", BYTES),
    opt(level::TCP, 14, "TCP_MD5SIG", BYTES),
    opt(level::TCP, 15, "TCP_COOKIE_TRANSACTIONS", BYTES),
    opt(level::TCP, 16, "TCP_THIN_LINEAR_TIMEOUTS", INT),
    opt(level::TCP, 17, "TCP_THIN_DUPACK", INT),
    opt(level::TCP, 18, "TCP_USER_TIMEOUT", INT),
    opt(level::TCP, 19, "TCP_REPAIR", INT),
    opt(level::TCP, 20, "TCP_REPAIR_QUEUE", INT),
    opt(level::TCP, 21, "TCP_QUEUE_SEQ", INT),
    opt(level::TCP, 22, "TCP_REPAIR_OPTIONS", BYTES),
    opt(level::TCP, 23, "TCP_FASTOPEN", INT),
    opt(level::TCP, 24, "TCP_TIMESTAMP", INT),
    opt(level::TCP, 25, "TCP_NOTSENT_LOWAT", INT),
    opt(level::TCP, 26, "TCP_CC_INFO", BYTES),
    opt(level::TCP, 27, "TCP_SAVE_SYN", INT),
    opt(level::TCP, 28, "TCP_SAVED_SYN", BYTES),
    opt(level::TCP, 29, "TCP_REPAIR_WINDOW", BYTES),
    opt(level::TCP, 30, "TCP_FASTOPEN_CONNECT", INT),
    opt(level::TCP, 31, "TCP_ULP", BYTES),
    opt(level::TCP, 32, "TCP_MD5SIG_EXT", BYTES),
    opt(level::TCP, 33, "TCP_FASTOPEN_KEY", BYTES),
    opt(level::TCP, 34, "TCP_FASTOPEN_NO_COOKIE", INT),
    own(
        level::TCP,
        35,
        "TCP_ZEROCOPY_RECEIVE",
        Kind::Addr,
        Kind::Addr,
    )
    .refuse(libc::ENOPROTOOPT),
    opt(level::TCP, 36, "TCP_INQ", INT),
    opt(level::TCP, 37, "TCP_TX_DELAY", INT),
    opt(level::TCP, 38, "TCP_AO_ADD_KEY", BYTES),
    opt(level::TCP, 39, "TCP_AO_DEL_KEY", BYTES),
    opt(level::TCP, 40, "TCP_AO_INFO", BYTES),
    opt(level::TCP, 41, "TCP_AO_GET_KEYS", BYTES),
    opt(level::TCP, 42, "TCP_AO_REPAIR", BYTES),
    opt(level::TCP, 43, "TCP_IS_MPTCP", INT),
    opt(level::TCP, 44, "TCP_RTO_MAX_MS", INT),
    opt(level::TCP, 45, "TCP_RTO_MIN_US", INT),
    opt(level::TCP, 46, "TCP_DELACK_MAX_US", INT),
];

/// Options of `SOL_UDP`.
const UDP: &[Row] = &[
    opt(level::UDP, 1, "UDP_CORK", INT),
    opt(level::UDP, 10, "UDPLITE_SEND_CSCOV", INT),
    opt(level::UDP, 11, "UDPLITE_RECV_CSCOV", INT),
    opt(level::UDP, 100, "UDP_ENCAP", INT),
    opt(level::UDP, 101, "UDP_NO_CHECK6_TX", INT),
    opt(level::UDP, 102, "UDP_NO_CHECK6_RX", INT),
    opt(level::UDP, 103, "UDP_SEGMENT", INT),
    opt(level::UDP, 104, "UDP_GRO", INT),
];

/// Options of `SOL_RAW`.
const RAW: &[Row] = &[opt(level::RAW, 1, "ICMP_FILTER", Shape::Struct(S::HexInt))];

/// Options of `SOL_ICMPV6`.
const ICMPV6: &[Row] = &[opt(level::ICMPV6, 1, "ICMPV6_FILTER", BYTES)];

/// Options of `SOL_NETLINK`.
const NETLINK: &[Row] = &[
    opt(level::NETLINK, 1, "NETLINK_ADD_MEMBERSHIP", INT),
    opt(level::NETLINK, 2, "NETLINK_DROP_MEMBERSHIP", INT),
    opt(level::NETLINK, 3, "NETLINK_PKTINFO", INT),
    opt(level::NETLINK, 4, "NETLINK_BROADCAST_ERROR", INT),
    opt(level::NETLINK, 5, "NETLINK_NO_ENOBUFS", INT),
    own(level::NETLINK, 6, "NETLINK_RX_RING", Kind::Addr, Kind::Addr).refuse(libc::ENOPROTOOPT),
    own(level::NETLINK, 7, "NETLINK_TX_RING", Kind::Addr, Kind::Addr).refuse(libc::ENOPROTOOPT),
    opt(level::NETLINK, 8, "NETLINK_LISTEN_ALL_NSID", INT),
    opt(
        level::NETLINK,
        9,
        "NETLINK_LIST_MEMBERSHIPS",
        Shape::Array(S::HexInt),
    ),
    opt(level::NETLINK, 10, "NETLINK_CAP_ACK", INT),
    opt(level::NETLINK, 11, "NETLINK_EXT_ACK", INT),
    opt(level::NETLINK, 12, "NETLINK_GET_STRICT_CHK", INT),
];

/// Options of `SOL_PACKET`.
const PACKET: &[Row] = &[
    opt(level::PACKET, 1, "PACKET_ADD_MEMBERSHIP", BYTES),
    opt(level::PACKET, 2, "PACKET_DROP_MEMBERSHIP", BYTES),
    opt(level::PACKET, 3, "PACKET_RECV_OUTPUT", INT),
    own(level::PACKET, 5, "PACKET_RX_RING", Kind::Addr, Kind::Addr).refuse(libc::ENOPROTOOPT),
    opt(
        level::PACKET,
        6,
        "PACKET_STATISTICS",
        Shape::Struct(S::TpacketStats),
    ),
    opt(level::PACKET, 7, "PACKET_COPY_THRESH", INT),
    opt(level::PACKET, 8, "PACKET_AUXDATA", INT),
    opt(level::PACKET, 9, "PACKET_ORIGDEV", INT),
    opt(level::PACKET, 10, "PACKET_VERSION", INT),
    opt(level::PACKET, 11, "PACKET_HDRLEN", INT),
    opt(level::PACKET, 12, "PACKET_RESERVE", INT),
    own(level::PACKET, 13, "PACKET_TX_RING", Kind::Addr, Kind::Addr).refuse(libc::ENOPROTOOPT),
    opt(level::PACKET, 14, "PACKET_LOSS", INT),
    opt(level::PACKET, 15, "PACKET_VNET_HDR", INT),
    opt(level::PACKET, 16, "PACKET_TX_TIMESTAMP", INT),
    opt(level::PACKET, 17, "PACKET_TIMESTAMP", INT),
    opt(level::PACKET, 18, "PACKET_FANOUT", INT),
    opt(level::PACKET, 19, "PACKET_TX_HAS_OFF", INT),
    opt(level::PACKET, 20, "PACKET_QDISC_BYPASS", INT),
    opt(level::PACKET, 21, "PACKET_ROLLOVER_STATS", BYTES),
    opt(level::PACKET, 22, "PACKET_FANOUT_DATA", BYTES),
    opt(level::PACKET, 23, "PACKET_IGNORE_OUTGOING", INT),
    opt(level::PACKET, 24, "PACKET_VNET_HDR_SZ", INT),
];

/// Options of `AF_VSOCK`.
const VSOCK: &[Row] = &[
    opt(level::VSOCK, 0, "SO_VM_SOCKETS_BUFFER_SIZE", BYTES),
    opt(level::VSOCK, 1, "SO_VM_SOCKETS_BUFFER_MIN_SIZE", BYTES),
    opt(level::VSOCK, 2, "SO_VM_SOCKETS_BUFFER_MAX_SIZE", BYTES),
    opt(level::VSOCK, 3, "SO_VM_SOCKETS_PEER_HOST_VM_ID", INT),
    opt(level::VSOCK, 5, "SO_VM_SOCKETS_TRUSTED", INT),
    opt(level::VSOCK, 6, "SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD", BYTES),
    opt(level::VSOCK, 7, "SO_VM_SOCKETS_NONBLOCK_TXRX", INT),
    opt(level::VSOCK, 8, "SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW", BYTES),
];

/// Options of `SOL_ALG`.
const ALG: &[Row] = &[
    opt(level::ALG, 1, "ALG_SET_KEY", BYTES),
    opt(level::ALG, 2, "ALG_SET_IV", INT),
    opt(level::ALG, 3, "ALG_SET_OP", INT),
    opt(level::ALG, 4, "ALG_SET_AEAD_ASSOCLEN", INT),
    opt(level::ALG, 5, "ALG_SET_AEAD_AUTHSIZE", INT),
    opt(level::ALG, 6, "ALG_SET_DRBG_ENTROPY", BYTES),
    opt(level::ALG, 7, "ALG_SET_KEY_BY_KEY_SERIAL", BYTES),
];

/// Options of `SOL_TLS`.
const TLS: &[Row] = &[
    opt(level::TLS, 1, "TLS_TX", BYTES),
    opt(level::TLS, 2, "TLS_RX", BYTES),
    opt(level::TLS, 3, "TLS_TX_ZEROCOPY_RO", INT),
    opt(level::TLS, 4, "TLS_RX_EXPECT_NO_PAD", INT),
];

/// Options of `SOL_MPTCP`.
const MPTCP: &[Row] = &[
    opt(level::MPTCP, 1, "MPTCP_INFO", BYTES),
    opt(level::MPTCP, 2, "MPTCP_TCPINFO", BYTES),
    opt(level::MPTCP, 3, "MPTCP_SUBFLOW_ADDRS", BYTES),
    opt(level::MPTCP, 4, "MPTCP_FULL_INFO", BYTES),
];

/// Options of `SOL_XDP`: memory shared with the kernel.
const XDP: &[Row] =
    &[own(level::XDP, 4, "XDP_UMEM_REG", Kind::Addr, Kind::Addr).refuse(libc::ENOPROTOOPT)];

/// The options of all levels: set in column 0, got in column 1.
macro_rules! options {
    ($column:literal: $($level:ident),+) => {
        sorted!($(&column::<{ $level.len() }>($level, $column)),+)
    };
}

/// The value of `setsockopt`.
pub static SET: Sub = sub_by(1, options!(0: SOCKET, IP, IPV6, TCP, UDP, RAW, ICMPV6, NETLINK, PACKET, VSOCK, ALG, TLS, MPTCP, XDP))
    .and_by(2)
    .otherwise(Unknown::As(&SET_BYTES));

/// The value of `getsockopt`.
pub static GET: Sub = sub_by(1, options!(1: SOCKET, IP, IPV6, TCP, UDP, RAW, ICMPV6, NETLINK, PACKET, VSOCK, ALG, TLS, MPTCP, XDP))
    .and_by(2)
    .otherwise(Unknown::As(&GET_BYTES));
