//! What a machine must have for a gate, checked before anything is changed.

use super::sys::device;
use std::fs::{self, OpenOptions};
use std::net::IpAddr;

const CAPABILITIES: [(u32, &str); 3] = [
    (12, "CAP_NET_ADMIN (to make the application's link)"),
    (
        13,
        "CAP_NET_RAW (to receive packets for the virtual addresses)",
    ),
    (
        21,
        "CAP_SYS_ADMIN (to enter the application's network namespace)",
    ),
];

/// The capabilities that a gate takes and this process has not, each with what it is for.
#[must_use]
pub fn missing_capabilities() -> Vec<&'static str> {
    let effective = fs::read_to_string("/proc/thread-self/status")
        .ok()
        .and_then(|status| capabilities(&status))
        .unwrap_or(0);
    CAPABILITIES
        .into_iter()
        .filter(|(bit, _)| effective & 1 << bit == 0)
        .map(|(_, name)| name)
        .collect()
}

/// What is missing for a gate on the interface `dev` for the addresses `vips`: sentences' ends,
/// none if all is well.
#[must_use]
pub fn missing(dev: &str, vips: &[IpAddr]) -> Vec<String> {
    let capabilities = missing_capabilities();
    let mut missing: Vec<String> = capabilities
        .into_iter()
        .map(|name| format!("the capability {name}"))
        .collect();
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    if let Err(error) = tun {
        missing.push(format!("/dev/net/tun: {error}"));
    }
    match device::find(dev) {
        Err(error) => missing.push(format!("the network interface {dev}: {error}")),
        Ok(device) if !device.ethernet => {
            missing.push(format!("an Ethernet interface, which {dev} is not"));
        }
        Ok(_) => {}
    }
    if vips.is_empty() {
        missing.push("a virtual address".to_owned());
    }
    match nix::ifaddrs::getifaddrs() {
        Err(error) => missing.push(format!("to see the host's addresses: {error}")),
        Ok(interfaces) => {
            let own: Vec<IpAddr> = interfaces.filter_map(|one| ip(&one)).collect();
            for vip in vips.iter().filter(|vip| own.contains(vip)) {
                missing.push(format!(
                    "the virtual address {vip} for itself, but this host has it (ip addr del …)"
                ));
            }
        }
    }
    missing
}

fn ip(interface: &nix::ifaddrs::InterfaceAddress) -> Option<IpAddr> {
    let address = interface.address.as_ref()?;
    let ipv4 = address.as_sockaddr_in().map(|addr| addr.ip().into());
    ipv4.or_else(|| address.as_sockaddr_in6().map(|addr| addr.ip().into()))
}

fn capabilities(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let vips = ["127.0.0.1".parse().expect("an address")];
        let missing = missing("no-such-dev", &vips);
        assert!(missing.iter().any(|line| line.contains("no-such-dev")));
        assert!(missing.iter().any(|line| line.contains("127.0.0.1")));
        assert_eq!(
            capabilities("Name:\tx\nCapEff:\t00000000000030ff\n"),
            Some(0x30ff)
        );
        assert_eq!(capabilities("CapEff: x"), None);
    }
}
