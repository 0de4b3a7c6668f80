//! From options as typed to options that can be relied on.

use super::options::{FileOptions, NodeOptions, PrimaryOptions, StandbyOptions};
use super::parse::{self, Storage, bad};
pub use crate::role::machine::OnLag;
use crate::role::timing::{
    DETECT_MS_DEFAULT, DETECT_MS_MAX, DETECT_MS_MIN, LEASE_MS_DEFAULT, LEASE_MS_MAX, LEASE_MS_MIN,
};
use crate::role::ways::Way;
use crate::role::witness::command::{FENCE_MS_DEFAULT, Fencing};
use crate::role::witness::etcd::{Etcd, EtcdConfig};
use crate::role::witness::none::NoWitness;
use crate::role::witness::{Witness, ask_limit};
use crate::role::{NodeId, Timing};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use super::parse::Storage as StorageRule;

/// A file with options is no longer.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// So many ways for heartbeats.
const WAYS_MAX: usize = 8;
/// So many addresses of the application.
const VIPS_MAX: usize = 64;
/// How far the replay may be behind unless told otherwise: some tenths of a second of a busy server.
const LAG_MAX_DEFAULT: u64 = 100_000;
const FENCE_MS_MAX: u64 = 600_000;

/// What is wrong with the options.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value cannot be used.
    #[error("{option} {value}: {fix}")]
    Bad {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What to write instead.
        fix: String,
    },
    /// An option is needed.
    #[error("{option} is missing: {fix}")]
    Missing {
        /// The option.
        option: &'static str,
        /// What it is for.
        fix: &'static str,
    },
    /// A file cannot be read.
    #[error("{option} {}: cannot read it: {error}", path.display())]
    Read {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not what it has to be.
    #[error("--config {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: toml::de::Error,
    },
    /// The witness's runtime does not start.
    #[error("cannot prepare to ask the witness: {0}")]
    Witness(std::io::Error),
}

/// An address of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VipAddress {
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix.
    pub prefix: u8,
}

/// Who has the last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessChoice {
    /// Nobody.
    None,
    /// A fencing command.
    Command(PathBuf),
    /// etcd, at these URLs.
    Etcd(Vec<String>),
}

/// For etcd over https, PEM as it was read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WitnessTls {
    /// The authority's certificates.
    pub ca: Option<Vec<u8>>,
    /// Our certificate and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for WitnessTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A key does not belong into messages.
        f.debug_struct("WitnessTls").finish_non_exhaustive()
    }
}

/// Form of ftrun's own messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Options that both nodes have.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// This node's name.
    pub node: NodeId,
    /// What is protected.
    pub service: NodeId,
    /// Where the keys are.
    pub keys: PathBuf,
    /// The application's addresses.
    pub vips: Vec<VipAddress>,
    /// Where its clients are.
    pub dev: String,
    /// Who has the last word.
    pub witness: WitnessChoice,
    /// For etcd: its authority's certificates, and our certificate and key, as they were read.
    pub witness_tls: WitnessTls,
    /// How long a fencing command may take.
    pub fence_limit: Duration,
    /// Ways for heartbeats besides the link.
    pub heartbeats: Vec<Way>,
    /// All spans.
    pub timing: Timing,
    /// How many events the replay may be behind.
    pub lag_max: u64,
    /// What follows if it is further behind.
    pub on_lag: OnLag,
    /// Policies by path; the longest path that fits counts.
    pub storage: Vec<Storage>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Form of messages.
    pub log: Log,
    /// Start whatever the witness says.
    pub start_over: bool,
}

/// Options of the node that runs the application.
#[derive(Debug, Clone, PartialEq)]
pub struct Primary {
    /// Where the standby listens.
    pub standby: SocketAddr,
    /// For tests: this process is killed once the standby has so many events.
    pub die_after: Option<u64>,
    /// The rest.
    pub node: Node,
}

/// Options of the node that replays it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standby {
    /// Where it listens for the primary.
    pub listen: SocketAddr,
    /// The rest.
    pub node: Node,
}

impl PrimaryOptions {
    /// Whether protection is asked for: by `--standby`, or by a file that names one.
    #[must_use]
    pub const fn wanted(&self) -> bool {
        self.standby.is_some() || self.node.config.is_some()
    }
}

impl Primary {
    /// Checks options. `host` is the machine's name.
    pub fn new(options: PrimaryOptions, host: &str) -> Result<Self, ConfigError> {
        let (file, node) = merged(options.node)?;
        let standby = options
            .standby
            .or(file.standby)
            .ok_or(ConfigError::Missing {
                option: "--standby",
                fix: "the address on which the other node's `ftrun standby --listen` waits",
            })?;
        Ok(Self {
            standby: parse::address("--standby", &standby)?,
            die_after: options.die_after,
            node: Node::new(node, host)?,
        })
    }
}

impl Standby {
    /// Checks options. `host` is the machine's name.
    pub fn new(options: StandbyOptions, host: &str) -> Result<Self, ConfigError> {
        let (file, node) = merged(options.node)?;
        let listen = options.listen.or(file.listen).ok_or(ConfigError::Missing {
            option: "--listen",
            fix: "the address of this node to which the primary's --standby leads",
        })?;
        if node.start_over {
            return Err(bad(
                "--start-over",
                "",
                "it is for the node that starts the application",
            ));
        }
        Ok(Self {
            listen: parse::address("--listen", &listen)?,
            node: Node::new(node, host)?,
        })
    }
}

fn merged(options: NodeOptions) -> Result<(FileOptions, NodeOptions), ConfigError> {
    let Some(path) = options.config.clone() else {
        return Ok((FileOptions::default(), options));
    };
    let text = String::from_utf8(read("--config", &path)?).map_err(|error| ConfigError::Read {
        option: "--config",
        path: path.clone(),
        error: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })?;
    let failed = |error| ConfigError::File {
        path: path.clone(),
        error,
    };
    let mut file: FileOptions = toml::from_str(&text).map_err(failed)?;
    let rest = std::mem::take(&mut file.rest);
    let node: NodeOptions = rest.try_into().map_err(failed)?;
    Ok((file, options.or(node)))
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let failed = |error| ConfigError::Read {
        option,
        path: path.to_owned(),
        error,
    };
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(std::io::Error::other("it is larger than 1 MiB")));
    }
    Ok(bytes)
}

fn within(
    option: &'static str,
    value: Option<u64>,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, ConfigError> {
    let value = value.unwrap_or(default);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(bad(
        option,
        &value.to_string(),
        format!("it has to be from {least} to {most}"),
    ))
}

fn needed<T>(option: &'static str, value: Option<T>, fix: &'static str) -> Result<T, ConfigError> {
    value.ok_or(ConfigError::Missing { option, fix })
}

fn choice<T: Copy>(
    option: &'static str,
    value: Option<&str>,
    default: T,
    among: &[(&str, T)],
) -> Result<T, ConfigError> {
    let Some(value) = value else {
        return Ok(default);
    };
    among
        .iter()
        .find(|(name, _)| *name == value)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let names: Vec<_> = among.iter().map(|(name, _)| *name).collect();
            bad(option, value, format!("it is {}", names.join(" or ")))
        })
}

impl Node {
    fn new(options: NodeOptions, host: &str) -> Result<Self, ConfigError> {
        let name = options.node.as_deref().unwrap_or(host);
        let node = NodeId::new(name).map_err(|error| bad("--node", name, error.to_string()))?;
        let service = options.service.as_deref().unwrap_or("default");
        let service =
            NodeId::new(service).map_err(|error| bad("--service", service, error.to_string()))?;
        let witness = needed(
            "--witness",
            options.witness.as_deref(),
            "etcd:URL[,URL], command:PATH, or none, which accepts that a cut network makes both nodes active",
        )?;
        let witness = parse::witness(witness)?;
        let detect = within(
            "--detect-ms",
            options.detect_ms,
            DETECT_MS_DEFAULT,
            DETECT_MS_MIN,
            DETECT_MS_MAX,
        )?;
        let lease = within(
            "--lease-ms",
            options.lease_ms,
            LEASE_MS_DEFAULT,
            LEASE_MS_MIN,
            LEASE_MS_MAX,
        )?;
        let fence = within(
            "--fence-timeout-ms",
            options.fence_timeout_ms,
            FENCE_MS_DEFAULT,
            1,
            FENCE_MS_MAX,
        )?;
        let heartbeats: Vec<Way> = options
            .heartbeat
            .iter()
            .map(|text| parse::way(text))
            .collect::<Result<_, _>>()?;
        if heartbeats.len() > WAYS_MAX {
            return Err(bad(
                "--heartbeat",
                "",
                format!("no more than {WAYS_MAX} ways"),
            ));
        }
        let vips = options
            .vip
            .iter()
            .map(|text| parse::vip(text))
            .collect::<Result<Vec<_>, _>>()?;
        if vips.is_empty() {
            return Err(ConfigError::Missing {
                option: "--vip",
                fix: "the application's own address, with its network's prefix length, as 192.0.2.10/24",
            });
        }
        if vips.len() > VIPS_MAX {
            return Err(bad(
                "--vip",
                "",
                format!("no more than {VIPS_MAX} addresses"),
            ));
        }
        let witness_tls = tls(&options, &witness)?;
        Ok(Self {
            node,
            service,
            keys: needed(
                "--keys",
                options.keys,
                "the directory that `ftrun keys` made for this node",
            )?,
            vips,
            dev: parse::device(&needed(
                "--dev",
                options.dev,
                "the network interface on which the clients are",
            )?)?,
            witness,
            witness_tls,
            fence_limit: Duration::from_millis(fence),
            heartbeats,
            timing: Timing::new(Duration::from_millis(detect), Duration::from_millis(lease)),
            lag_max: within("--lag-max", options.lag_max, LAG_MAX_DEFAULT, 1, u64::MAX)?,
            on_lag: choice(
                "--on-lag",
                options.on_lag.as_deref(),
                OnLag::Slow,
                &[("slow", OnLag::Slow), ("drop", OnLag::Drop)],
            )?,
            storage: options
                .storage
                .iter()
                .map(|text| parse::storage(text))
                .collect::<Result<_, _>>()?,
            metrics: options
                .metrics
                .as_deref()
                .map(|text| parse::address("--metrics", text))
                .transpose()?,
            log: choice(
                "--log",
                options.log.as_deref(),
                Log::Text,
                &[("text", Log::Text), ("json", Log::Json)],
            )?,
            start_over: options.start_over,
        })
    }

    /// The witness that was chosen.
    pub fn witness(&self) -> Result<Box<dyn Witness>, ConfigError> {
        Ok(match &self.witness {
            WitnessChoice::None => Box::new(NoWitness),
            WitnessChoice::Command(path) => Box::new(Fencing::new(
                path.clone(),
                self.node.clone(),
                self.fence_limit,
            )),
            WitnessChoice::Etcd(endpoints) => Box::new(
                Etcd::new(EtcdConfig {
                    endpoints: endpoints.clone(),
                    service: self.service.to_string(),
                    lease: self.timing.lease,
                    limit: ask_limit(self.timing.detect),
                    ca: self.witness_tls.ca.clone(),
                    identity: self.witness_tls.identity.clone(),
                })
                .map_err(ConfigError::Witness)?,
            ),
        })
    }
}

fn tls(options: &NodeOptions, witness: &WitnessChoice) -> Result<WitnessTls, ConfigError> {
    let any = options.witness_ca.is_some()
        || options.witness_cert.is_some()
        || options.witness_key.is_some();
    let secure = matches!(witness, WitnessChoice::Etcd(urls) if urls.iter().any(|url| url.starts_with("https://")));
    if any && !secure {
        return Err(bad(
            "--witness-ca",
            "",
            "it, --witness-cert and --witness-key are for etcd:https://…",
        ));
    }
    let ca = options
        .witness_ca
        .as_deref()
        .map(|path| read("--witness-ca", path))
        .transpose()?;
    if secure && ca.is_none() {
        return Err(ConfigError::Missing {
            option: "--witness-ca",
            fix: "the certificates, in PEM, by which etcd's own can be checked",
        });
    }
    let identity = match (&options.witness_cert, &options.witness_key) {
        (Some(cert), Some(key)) => {
            Some((read("--witness-cert", cert)?, read("--witness-key", key)?))
        }
        (None, None) => None,
        (Some(_), None) => {
            return Err(ConfigError::Missing {
                option: "--witness-key",
                fix: "the key of --witness-cert",
            });
        }
        (None, Some(_)) => {
            return Err(ConfigError::Missing {
                option: "--witness-cert",
                fix: "the certificate of --witness-key",
            });
        }
    };
    Ok(WitnessTls { ca, identity })
}
