//! An IPv6 address of a device, by netlink: by the old ioctl the kernel would first ask the network
//! whether others have it, and not use it until then.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;

const HEADER_BYTES: usize = 16;
const ADDRESS_BITS: u8 = 128;
/// Do not look for others who have it.
const IFA_F_NODAD: u8 = 2;

/// Gives the device of this number an address of its own, at once.
pub fn add(index: i32, addr: Ipv6Addr) -> io::Result<()> {
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let fd = netlink.as_raw_fd();
    let request = request(index, addr)?;
    send(fd, &request, MsgFlags::empty())?;
    let mut answer = [0; 512];
    let len = recv(fd, &mut answer, MsgFlags::empty())?;
    refusal(answer.get(..len).unwrap_or_default())
}

/// `nlmsghdr`, `ifaddrmsg`, and one `rtattr` with the address.
fn request(index: i32, addr: Ipv6Addr) -> io::Result<Vec<u8>> {
    let low = |value: i32| u16::try_from(value).map_err(io::Error::other);
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let family = u8::try_from(libc::AF_INET6).map_err(io::Error::other)?;
    let mut body = vec![family, ADDRESS_BITS, IFA_F_NODAD, 0];
    body.extend(index.to_ne_bytes());
    body.extend(20u16.to_ne_bytes());
    body.extend(libc::IFA_ADDRESS.to_ne_bytes());
    body.extend(addr.octets());
    let len = u32::try_from(HEADER_BYTES + body.len()).map_err(io::Error::other)?;
    let mut message = len.to_ne_bytes().to_vec();
    message.extend(libc::RTM_NEWADDR.to_ne_bytes());
    message.extend(low(flags)?.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    Ok(message)
}

/// What the kernel says to a request, after its header: an error, or 0.
fn refusal(answer: &[u8]) -> io::Result<()> {
    let found = answer
        .get(HEADER_BYTES..)
        .and_then(|rest| rest.first_chunk());
    match found.map(|error| i32::from_ne_bytes(*error)) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_length_that_they_say() {
        let message = request(7, Ipv6Addr::LOCALHOST).expect("fits");
        assert_eq!(message.len(), 44);
        assert_eq!(message[..4], 44u32.to_ne_bytes());
        assert_eq!(message[28..], Ipv6Addr::LOCALHOST.octets());
    }

    #[test]
    fn short_answers_are_errors() {
        assert!(refusal(&[]).is_err() && refusal(&[0; 19]).is_err());
        assert!(refusal(&[0; 20]).is_ok());
    }
}
