//! Values of options: each from its text, or an error that names the option and what to write.

use super::check::{ConfigError, VipAddress, WitnessChoice};
use crate::role::ways::Way;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// etcd clusters have 3 or 5 members.
const ENDPOINTS_MAX: usize = 9;

/// How files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoragePolicy {
    /// Each node writes its own copy.
    Unshared,
    /// The active node alone touches them.
    Shared,
    /// Nobody writes them.
    Readonly,
}

/// A policy for a part of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Everything below, if no longer path says otherwise.
    pub path: PathBuf,
    /// How it is kept.
    pub policy: StoragePolicy,
}

pub(super) fn bad(option: &'static str, value: &str, why: impl Into<String>) -> ConfigError {
    ConfigError::Bad {
        option,
        value: value.to_owned(),
        fix: why.into(),
    }
}

/// An address with a port; names are looked up once.
pub(super) fn address(option: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    let mut found = text.to_socket_addrs().map_err(|error| {
        bad(
            option,
            text,
            format!("{error}; write HOST:PORT, or [ADDRESS]:PORT for IPv6"),
        )
    })?;
    found
        .next()
        .ok_or_else(|| bad(option, text, "no such host"))
}

pub(super) fn vip(text: &str) -> Result<VipAddress, ConfigError> {
    let fail = |why: &str| bad("--vip", text, why);
    let (ip, prefix) = text
        .split_once('/')
        .ok_or_else(|| fail("write the network's prefix length, too: 192.0.2.10/24"))?;
    let ip: IpAddr = ip
        .parse()
        .map_err(|_| fail("the part before `/` is no IP address"))?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix
        .parse::<u8>()
        .ok()
        .filter(|prefix| (1..=most).contains(prefix))
        .ok_or_else(|| fail(&format!("the prefix length is a number from 1 to {most}")))?;
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() {
        return Err(fail("clients cannot reach this address"));
    }
    Ok(VipAddress { ip, prefix })
}

pub(super) fn way(text: &str) -> Result<Way, ConfigError> {
    let fail = |why: String| bad("--heartbeat", text, why);
    let (local, peer) = text
        .split_once('=')
        .ok_or_else(|| fail("write LOCAL=PEER, as 10.0.0.1:7810=10.0.0.2:7810".to_owned()))?;
    let part = |part: &str| {
        part.parse::<SocketAddr>()
            .map_err(|_| fail(format!("`{part}` is no IP address with a port")))
    };
    let way = Way {
        local: part(local)?,
        peer: part(peer)?,
    };
    if way.local.is_ipv4() != way.peer.is_ipv4() {
        return Err(fail("both addresses must be IPv4, or both IPv6".to_owned()));
    }
    if way.local.port() == 0 || way.peer.port() == 0 || way.local == way.peer {
        return Err(fail(
            "the addresses must differ, and the ports not be 0".to_owned(),
        ));
    }
    Ok(way)
}

pub(super) fn device(text: &str) -> Result<String, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    // IFNAMSIZ, with its zero.
    if text.is_empty() || text.len() > 15 || !text.bytes().all(plain) {
        return Err(bad(
            "--dev",
            text,
            "name a network interface, as `ip link` does",
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn storage(text: &str) -> Result<Storage, ConfigError> {
    let fail = |why: &str| bad("--storage", text, why);
    let (path, policy) = text
        .rsplit_once('=')
        .ok_or_else(|| fail("write PATH=unshared, PATH=shared or PATH=readonly"))?;
    let policy = match policy {
        "unshared" => StoragePolicy::Unshared,
        "shared" => StoragePolicy::Shared,
        "readonly" => StoragePolicy::Readonly,
        _ => return Err(fail("the policy is unshared, shared or readonly")),
    };
    if !Path::new(path).is_absolute() {
        return Err(fail("the path has to be absolute"));
    }
    Ok(Storage {
        path: PathBuf::from(path),
        policy,
    })
}

pub(super) fn witness(text: &str) -> Result<WitnessChoice, ConfigError> {
    let fail = |why: &str| bad("--witness", text, why);
    if text == "none" {
        return Ok(WitnessChoice::None);
    }
    if let Some(path) = text.strip_prefix("command:") {
        if !Path::new(path).is_absolute() {
            return Err(fail("the command's path has to be absolute"));
        }
        return Ok(WitnessChoice::Command(PathBuf::from(path)));
    }
    let Some(urls) = text.strip_prefix("etcd:") else {
        return Err(fail(
            "choose etcd:URL[,URL], command:PATH, or none, which accepts that a cut network makes both nodes active",
        ));
    };
    let endpoints: Vec<String> = urls.split(',').map(str::to_owned).collect();
    let host = |url: &String| {
        url.strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .map(str::to_owned)
    };
    for url in &endpoints {
        let host = host(url).ok_or_else(|| fail("each URL begins with http:// or https://"))?;
        let host = host.strip_suffix('/').unwrap_or(&host);
        let port = host
            .rsplit_once(':')
            .and_then(|(name, port)| (!name.is_empty()).then(|| port.parse::<u16>().ok())?);
        if port.is_none() {
            return Err(fail(
                "each URL ends with a host and a port, as http://10.0.0.3:2379",
            ));
        }
    }
    if endpoints.len() > ENDPOINTS_MAX {
        return Err(fail("more URLs than an etcd cluster has members"));
    }
    Ok(WitnessChoice::Etcd(endpoints))
}
