//! The TUN device: packets of the protected application's namespace, as the kernel left them
//! (large ones whole, checksums not yet made).

use super::super::vnet::{VNET_BYTES, Vnet};
use super::{check, count, device, netns};
use std::fs::OpenOptions;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

/// How many packets the kernel keeps while the gate does not read.
const QUEUE: u32 = 4096;

#[repr(C)]
#[derive(Clone, Copy)]
struct TunReq {
    name: [u8; libc::IFNAMSIZ],
    flags: i16,
    rest: [u8; 22],
}

/// Makes the TUN device `name` in the network namespace `netns`, with the addresses `vips` and
/// all routes through it. It exists for as long as the descriptor that this returns.
pub fn create(netns: BorrowedFd<'_>, name: &str, mtu: u32, vips: &[IpAddr]) -> io::Result<OwnedFd> {
    netns::within(netns, || {
        let fd = attach(name)?;
        device::set_limits(name, QUEUE, mtu)?;
        device::set_up(name)?;
        // Data in a first segment would be lost: programs are told, and do without.
        std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "0")?;
        let mut ipv4 = 0;
        for vip in vips {
            device::add_address(name, *vip, ipv4)?;
            ipv4 += usize::from(vip.is_ipv4());
        }
        for ipv6 in [false, true] {
            if vips.iter().any(|vip| vip.is_ipv6() == ipv6) {
                device::add_default_route(name, ipv6)?;
            }
        }
        Ok(fd)
    })
}

fn attach(name: &str) -> io::Result<OwnedFd> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    let fd = OwnedFd::from(file);
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    let mut req = TunReq {
        name: [0; libc::IFNAMSIZ],
        flags: i16::try_from(flags).map_err(io::Error::other)?,
        rest: [0; 22],
    };
    req.name[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: `TunReq` is as large as `ifreq`, of which the kernel reads name and flags and
    // writes the name.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF, &raw mut req) })?;
    let size = i32::try_from(VNET_BYTES).map_err(io::Error::other)?;
    // SAFETY: the kernel reads one integer.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const size) })?;
    let offload = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    // SAFETY: this request takes a number, not a pointer.
    check(unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            libc::TUNSETOFFLOAD,
            libc::c_ulong::from(offload),
        )
    })?;
    Ok(fd)
}

/// The next packet of the application, over `buffer`; without one, `WouldBlock`.
pub fn read(tun: &OwnedFd, buffer: &mut [u8]) -> io::Result<(Vnet, usize)> {
    let mut head = [0; VNET_BYTES];
    let mut parts = [IoSliceMut::new(&mut head), IoSliceMut::new(buffer)];
    let got = nix::sys::uio::readv(tun, &mut parts)?;
    let len = got
        .checked_sub(VNET_BYTES)
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((Vnet::from_bytes(head), len))
}

/// Gives the application's kernel a packet.
pub fn write(tun: RawFd, vnet: Vnet, packet: &[u8]) -> io::Result<()> {
    let head = vnet.to_bytes();
    let parts = [IoSlice::new(&head), IoSlice::new(packet)];
    // SAFETY: an `IoSlice` is laid out as `iovec`; both parts are live.
    count(unsafe { libc::writev(tun, parts.as_ptr().cast(), 2) }).map(drop)
}
