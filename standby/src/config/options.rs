//! The options as they are typed: one definition for the command line and for the file.

use clap::{Args, ValueHint};
use serde::Deserialize;
use std::path::PathBuf;

/// Options of either node. Which are needed depends on the side.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Protection")]
pub struct NodeOptions {
    /// Read options from this TOML file; those on the command line come first
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Name of this node [default: the host's]
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Name of what is protected, the same on both nodes, another for each application
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Directory with this node's keys, made by `ftrun keys`
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keys: Option<PathBuf>,
    /// Address of the application, the same on both nodes; may be repeated
    #[arg(long, value_name = "IP/PREFIX")]
    pub vip: Vec<String>,
    /// Network interface on which the application's clients are
    #[arg(long, value_name = "IF")]
    pub dev: Option<String>,
    /// Who has the last word on which node is active: none, command:PATH or etcd:URL[,URL]
    #[arg(long, value_name = "WITNESS")]
    pub witness: Option<String>,
    /// For etcd over https: certificates of its authority, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub witness_ca: Option<PathBuf>,
    /// For etcd over https: this node's certificate, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub witness_cert: Option<PathBuf>,
    /// For etcd over https: the key of this node's certificate, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub witness_key: Option<PathBuf>,
    /// How long a fencing command may take, in milliseconds [default: 30000]
    #[arg(long, value_name = "MS")]
    pub fence_timeout_ms: Option<u64>,
    /// Another way for heartbeats, UDP addresses of this node and of the other; may be repeated
    #[arg(long, value_name = "LOCAL=PEER")]
    pub heartbeat: Vec<String>,
    /// How long the other node must be silent to be given up, in milliseconds [default: 500]
    #[arg(long, value_name = "MS")]
    pub detect_ms: Option<u64>,
    /// How long a node without a standby goes on while the witness is silent, in milliseconds [default: 10000]
    #[arg(long, value_name = "MS")]
    pub lease_ms: Option<u64>,
    /// How many events the standby's replay may be behind before output waits for it [default: 100000]
    #[arg(long, value_name = "EVENTS")]
    pub lag_max: Option<u64>,
    /// What a replay that cannot keep up costs: time (slow), or, after a while, protection (drop) [default: slow]
    #[arg(long, value_name = "WHAT")]
    pub on_lag: Option<String>,
    /// How files below PATH are kept: unshared, shared or readonly; may be repeated
    #[arg(long, value_name = "PATH=POLICY")]
    pub storage: Vec<String>,
    /// Serve metrics for Prometheus on this address
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Form of ftrun's own messages: text, or json, one object a line [default: text]
    #[arg(long, value_name = "FORM")]
    pub log: Option<String>,
    /// The node that the witness names is dead for good: start all the same
    #[arg(long)]
    #[serde(skip)]
    pub start_over: bool,
}

/// Options of the node that runs the application.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct PrimaryOptions {
    /// Protect the application by the standby at this address
    #[arg(long, value_name = "ADDR")]
    pub standby: Option<String>,
    /// For tests: nothing follows this event, and once the standby has it, the supervisor is killed
    #[arg(long, hide = true, value_name = "EVENTS")]
    pub die_after: Option<u64>,
    /// The rest.
    #[command(flatten)]
    pub node: NodeOptions,
}

/// Options of `ftrun standby`.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct StandbyOptions {
    /// Wait for the primary on this address
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// The rest.
    #[command(flatten)]
    pub node: NodeOptions,
}

/// What may stand in a file: one may serve both nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct FileOptions {
    pub standby: Option<String>,
    pub listen: Option<String>,
    #[serde(flatten)]
    pub rest: toml::Table,
}

impl NodeOptions {
    /// Options that stand here, and else in `file`.
    pub(super) fn or(self, file: Self) -> Self {
        let list = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        Self {
            config: self.config,
            node: self.node.or(file.node),
            service: self.service.or(file.service),
            keys: self.keys.or(file.keys),
            vip: list(self.vip, file.vip),
            dev: self.dev.or(file.dev),
            witness: self.witness.or(file.witness),
            witness_ca: self.witness_ca.or(file.witness_ca),
            witness_cert: self.witness_cert.or(file.witness_cert),
            witness_key: self.witness_key.or(file.witness_key),
            fence_timeout_ms: self.fence_timeout_ms.or(file.fence_timeout_ms),
            heartbeat: list(self.heartbeat, file.heartbeat),
            detect_ms: self.detect_ms.or(file.detect_ms),
            lease_ms: self.lease_ms.or(file.lease_ms),
            lag_max: self.lag_max.or(file.lag_max),
            on_lag: self.on_lag.or(file.on_lag),
            storage: list(self.storage, file.storage),
            metrics: self.metrics.or(file.metrics),
            log: self.log.or(file.log),
            start_over: self.start_over,
        }
    }
}
