//! Three network namespaces: the client's, with the switch to which the nodes are connected, and the
//! nodes', with a cable between them. They have no names, and are gone with the processes in them.

use crate::sys::place::NetworkNamespace;
use anyhow::{Context, bail};
use std::io::Write;
use std::process::{Command, Stdio};

/// The server's address, and its network's prefix.
pub const VIP: &str = "192.0.2.10";
pub const PREFIX: u8 = 24;
/// Where a node's clients are.
pub const DEV: &str = "eth0";
/// Where the journal goes.
const CABLE: &str = "eth1";

/// One of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Where the server is started.
    Primary,
    /// The other.
    Standby,
}

impl Which {
    /// Its number, also in its addresses.
    pub const fn number(self) -> u8 {
        match self {
            Self::Primary => 1,
            Self::Standby => 2,
        }
    }

    /// Its address on the clients' network.
    pub fn address(self) -> String {
        format!("192.0.2.{}", self.number())
    }

    /// Its address on the cable.
    pub fn cable(self) -> String {
        format!("198.51.100.{}", self.number())
    }
}

/// See the module.
#[derive(Debug)]
pub struct Network {
    /// Where the client is.
    pub client: NetworkNamespace,
    primary: NetworkNamespace,
    standby: NetworkNamespace,
}

impl Network {
    /// Makes it.
    pub fn new() -> anyhow::Result<Self> {
        let namespace = || NetworkNamespace::new().context("cannot make a network namespace");
        let network = Self {
            client: namespace()?,
            primary: namespace()?,
            standby: namespace()?,
        };
        network.connect()?;
        Ok(network)
    }

    /// A node's.
    pub fn of(&self, which: Which) -> &NetworkNamespace {
        match which {
            Which::Primary => &self.primary,
            Which::Standby => &self.standby,
        }
    }

    fn connect(&self) -> anyhow::Result<()> {
        let mut switch = "link set lo up\nlink add br0 type bridge\nlink set br0 up\n\
                          addr add 192.0.2.3/24 dev br0\n"
            .to_owned();
        for which in [Which::Primary, Which::Standby] {
            let port = format!("node{}", which.number());
            let at = self.of(which).path();
            switch += &format!(
                "link add {port} type veth peer name {DEV} netns {}\n",
                at.display()
            );
            switch += &format!("link set {port} master br0 up\n");
        }
        ip(&self.client, &switch)?;
        let other_end = self.standby.path();
        ip(
            &self.primary,
            &format!(
                "link add {CABLE} type veth peer name {CABLE} netns {}\n",
                other_end.display()
            ),
        )?;
        for which in [Which::Primary, Which::Standby] {
            let (address, cable) = (which.address(), which.cable());
            ip(
                self.of(which),
                &format!(
                    "link set lo up\n\
                     addr add {address}/{PREFIX} dev {DEV}\nlink set {DEV} up\n\
                     addr add {cable}/{PREFIX} dev {CABLE}\nlink set {CABLE} up\n"
                ),
            )?;
        }
        Ok(())
    }
}

/// Has `ip` execute lines in a namespace.
fn ip(namespace: &NetworkNamespace, lines: &str) -> anyhow::Result<()> {
    let output = namespace
        .within(|| -> std::io::Result<_> {
            let mut child = Command::new("ip")
                .args(["-batch", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // Where it ends before it has read everything, it says why.
                let _ = stdin.write_all(lines.as_bytes());
            }
            child.wait_with_output()
        })
        .and_then(|done| done)
        .context("cannot run `ip`")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`ip` could not make the network: {}", said.trim());
    }
    Ok(())
}
