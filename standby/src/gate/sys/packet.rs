//! Raw frames of the outer interface, only those that a filter lets through.

use super::super::vnet::{VNET_BYTES, Vnet};
use super::{check, count, set_option};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, OwnedFd};

const SOL_PACKET: i32 = 263;
const PACKET_ADD_MEMBERSHIP: i32 = 1;
const PACKET_VNET_HDR: i32 = 15;
const PACKET_IGNORE_OUTGOING: i32 = 23;
const PACKET_MR_MULTICAST: u16 = 0;
const PACKET_MR_UNICAST: u16 = 3;
const ETH_P_ALL: u16 = 3;
/// Bytes of frames that wait in the kernel for the gate.
const RECEIVE_BYTES: i32 = 16 << 20;

/// Whom announcements of IPv6 addresses are for.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Bytes of an Ethernet header.
pub const ETH_BYTES: usize = 14;

#[repr(C)]
#[derive(Clone, Copy)]
struct Membership {
    index: i32,
    kind: u16,
    address_len: u16,
    address: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Group {
    address: [u8; 16],
    index: u32,
}

/// Frames of one interface.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    /// Keeps the groups joined at the kernel, so that switches that listen pass them on.
    _groups: Option<OwnedFd>,
}

impl Socket {
    /// Begins to receive what `filter` lets through on interface `index`, also what is for the
    /// hardware address `mac` or one of the multicast `groups`.
    pub fn open(
        index: i32,
        filter: &[libc::sock_filter],
        mac: [u8; 6],
        groups: &[Ipv6Addr],
    ) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Without a protocol until it is bound, so that nothing comes before the filter.
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        let raw = fd.as_raw_fd();
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).map_err(io::Error::other)?,
            filter: filter.as_ptr().cast_mut(),
        };
        set_option(raw, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        set_option(raw, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &RECEIVE_BYTES)?;
        set_option(raw, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &RECEIVE_BYTES)?;
        set_option(raw, SOL_PACKET, PACKET_VNET_HDR, &1i32)?;
        set_option(raw, SOL_PACKET, PACKET_IGNORE_OUTGOING, &1i32)?;
        join(raw, index, PACKET_MR_UNICAST, mac)?;
        // Announcements go to all nodes.
        let all = (!groups.is_empty()).then_some(ALL_NODES);
        for group in groups.iter().copied().chain(all) {
            join(raw, index, PACKET_MR_MULTICAST, multicast_mac(group))?;
        }
        // SAFETY: `sockaddr_ll` is plain integers.
        let mut addr: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        addr.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        addr.sll_protocol = ETH_P_ALL.to_be();
        addr.sll_ifindex = index;
        let len = libc::socklen_t::try_from(size_of_val(&addr)).map_err(io::Error::other)?;
        // SAFETY: the kernel reads `len` bytes of a live `sockaddr_ll`.
        check(unsafe { libc::bind(raw, (&raw const addr).cast(), len) })?;
        Ok(Self {
            fd,
            _groups: announce_groups(index, groups),
        })
    }

    /// The next frame: its Ethernet header, and its packet over `buffer`. `None` for one that
    /// is no whole frame, `WouldBlock` without any.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<([u8; ETH_BYTES], Vnet, usize)>> {
        let mut head = [0u8; VNET_BYTES];
        let mut eth = [0u8; ETH_BYTES];
        let mut parts = [part(&mut head), part(&mut eth), part(buffer)];
        let mut message = message(&mut parts);
        // SAFETY: the message's parts are live buffers of the lengths given.
        let got = count(unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, 0) })?;
        let whole = message.msg_flags & libc::MSG_TRUNC == 0;
        let len = got.checked_sub(VNET_BYTES + ETH_BYTES);
        let vnet = Vnet::from_bytes(head).pulled(14);
        Ok(len.filter(|_| whole).map(|len| (eth, vnet, len)))
    }

    /// Sends a frame.
    pub fn send(&self, eth: &[u8; ETH_BYTES], vnet: Vnet, packet: &[u8]) -> io::Result<()> {
        let mut head = vnet.pushed(14).to_bytes();
        let mut eth = *eth;
        let packet = libc::iovec {
            iov_base: packet.as_ptr().cast_mut().cast(),
            iov_len: packet.len(),
        };
        let mut parts = [part(&mut head), part(&mut eth), packet];
        let message = message(&mut parts);
        // SAFETY: the message's parts are live buffers of the lengths given, only read.
        count(unsafe { libc::sendmsg(self.fd.as_raw_fd(), &raw const message, 0) }).map(drop)
    }

    /// Its descriptor.
    #[must_use]
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

fn part(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    }
}

fn message(parts: &mut [libc::iovec; 3]) -> libc::msghdr {
    // SAFETY: `msghdr` is plain integers and pointers, for all of which zero is good.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    message
}

fn join(fd: i32, index: i32, kind: u16, mac: [u8; 6]) -> io::Result<()> {
    let mut request = Membership {
        index,
        kind,
        address_len: 6,
        address: [0; 8],
    };
    request.address[..6].copy_from_slice(&mac);
    set_option(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request)
}

/// The hardware address of an IPv6 group.
#[must_use]
pub fn multicast_mac(group: Ipv6Addr) -> [u8; 6] {
    let o = group.octets();
    [0x33, 0x33, o[12], o[13], o[14], o[15]]
}

/// Has the kernel report membership. Where the interface has no IPv6, there is nobody to ask.
fn announce_groups(index: i32, groups: &[Ipv6Addr]) -> Option<OwnedFd> {
    let fd = socket(
        AddressFamily::Inet6,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .ok()?;
    for group in groups {
        let request = Group {
            address: group.octets(),
            index: u32::try_from(index).ok()?,
        };
        set_option(
            fd.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_ADD_MEMBERSHIP,
            &request,
        )
        .ok()?;
    }
    Some(fd)
}
