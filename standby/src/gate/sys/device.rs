//! Network devices by the old ioctls: enough to look one up and to set a TUN device up.

use super::check;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};

const SIOCGIFMTU: libc::c_ulong = 0x8921;
const SIOCSIFMTU: libc::c_ulong = 0x8922;
const SIOCGIFHWADDR: libc::c_ulong = 0x8927;
const SIOCGIFINDEX: libc::c_ulong = 0x8933;
const SIOCSIFTXQLEN: libc::c_ulong = 0x8943;
const SIOCSIFADDR: libc::c_ulong = 0x8916;
const SIOCSIFNETMASK: libc::c_ulong = 0x891c;
const SIOCGIFFLAGS: libc::c_ulong = 0x8913;
const SIOCSIFFLAGS: libc::c_ulong = 0x8914;
const SIOCADDRT: libc::c_ulong = 0x890b;

const ARPHRD_ETHER: u16 = 1;

/// A device of the calling thread's network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub index: i32,
    /// Its largest packet.
    pub mtu: u32,
    /// Whether its addresses are those of Ethernet.
    pub ethernet: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct IfReq {
    name: [u8; libc::IFNAMSIZ],
    data: [u8; 24],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct In6Route {
    destination: [u8; 16],
    source: [u8; 16],
    gateway: [u8; 16],
    kind: u32,
    destination_len: u16,
    source_len: u16,
    metric: u32,
    info: libc::c_ulong,
    flags: u32,
    index: i32,
}

fn request(name: &str) -> io::Result<IfReq> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() >= libc::IFNAMSIZ || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a name of a network device",
        ));
    }
    let mut request = IfReq {
        name: [0; libc::IFNAMSIZ],
        data: [0; 24],
    };
    request.name[..bytes.len()].copy_from_slice(bytes);
    Ok(request)
}

impl IfReq {
    fn word(&self) -> i32 {
        i32::from_ne_bytes([self.data[0], self.data[1], self.data[2], self.data[3]])
    }

    fn set_word(&mut self, value: i32) {
        self.data[..4].copy_from_slice(&value.to_ne_bytes());
    }

    fn family(&self) -> u16 {
        u16::from_ne_bytes([self.data[0], self.data[1]])
    }

    fn set_ipv4(&mut self, addr: Ipv4Addr) {
        self.data = [0; 24];
        let family = AddressFamily::Inet as i32;
        self.data[..2].copy_from_slice(&family.to_ne_bytes()[..2]);
        self.data[4..8].copy_from_slice(&addr.octets());
    }
}

fn any_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(socket(
        family,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?)
}

fn ioctl<T: Copy>(fd: &OwnedFd, code: libc::c_ulong, argument: &mut T) -> io::Result<()> {
    let argument: *mut T = argument;
    // SAFETY: each code is used with the structure that the kernel expects for it (`ifreq`,
    // `rtentry`, `in6_rtmsg`), which is live and as large as the kernel's.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), code, argument) }).map(drop)
}

/// Looks a device up.
pub fn find(name: &str) -> io::Result<Device> {
    let fd = any_socket(AddressFamily::Inet)?;
    let mut req = request(name)?;
    ioctl(&fd, SIOCGIFINDEX, &mut req)?;
    let index = req.word();
    ioctl(&fd, SIOCGIFMTU, &mut req)?;
    let mtu = u32::try_from(req.word()).map_err(io::Error::other)?;
    ioctl(&fd, SIOCGIFHWADDR, &mut req)?;
    Ok(Device {
        index,
        mtu,
        ethernet: req.family() == ARPHRD_ETHER,
    })
}

/// Sets how many packets wait before a device drops some, and its largest packet.
pub fn set_limits(name: &str, queue: u32, mtu: u32) -> io::Result<()> {
    let fd = any_socket(AddressFamily::Inet)?;
    for (code, value) in [(SIOCSIFTXQLEN, queue), (SIOCSIFMTU, mtu)] {
        let mut req = request(name)?;
        req.set_word(i32::try_from(value).map_err(io::Error::other)?);
        ioctl(&fd, code, &mut req)?;
    }
    Ok(())
}

/// Switches a device on.
pub fn set_up(name: &str) -> io::Result<()> {
    let fd = any_socket(AddressFamily::Inet)?;
    let mut req = request(name)?;
    ioctl(&fd, SIOCGIFFLAGS, &mut req)?;
    let flags = u16::from_ne_bytes([req.data[0], req.data[1]]);
    let up = u16::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    req.data[..2].copy_from_slice(&(flags | up).to_ne_bytes());
    ioctl(&fd, SIOCSIFFLAGS, &mut req)
}

/// Gives a device a host address; the `nth` of its IPv4 addresses.
pub fn add_address(name: &str, addr: IpAddr, nth: usize) -> io::Result<()> {
    match addr {
        IpAddr::V4(addr) => {
            let fd = any_socket(AddressFamily::Inet)?;
            let mut req = match nth {
                0 => request(name)?,
                nth => request(&format!("{name}:{nth}"))?,
            };
            req.set_ipv4(addr);
            ioctl(&fd, SIOCSIFADDR, &mut req)?;
            req.set_ipv4(Ipv4Addr::BROADCAST);
            ioctl(&fd, SIOCSIFNETMASK, &mut req)
        }
        IpAddr::V6(addr) => super::address::add(find(name)?.index, addr),
    }
}

/// Sends everything that has no other way through a device.
pub fn add_default_route(name: &str, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        let fd = any_socket(AddressFamily::Inet6)?;
        let index = find(name)?.index;
        let mut route = In6Route {
            flags: u32::from(libc::RTF_UP),
            metric: 1,
            index,
            ..In6Route::default()
        };
        return ioctl(&fd, SIOCADDRT, &mut route);
    }
    let fd = any_socket(AddressFamily::Inet)?;
    let mut device = request(name)?.name;
    // SAFETY: `rtentry` is plain integers and a pointer, for all of which zero is good.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    let family = libc::sa_family_t::try_from(libc::AF_INET).map_err(io::Error::other)?;
    route.rt_dst.sa_family = family;
    route.rt_genmask.sa_family = family;
    route.rt_flags = libc::RTF_UP;
    route.rt_dev = device.as_mut_ptr().cast();
    ioctl(&fd, SIOCADDRT, &mut route)
}
