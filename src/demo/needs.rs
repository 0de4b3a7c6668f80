//! What the demo needs of the machine, looked at before anything is begun.

use crate::doctor;
use crate::sys;
use crate::sys::place::NetworkNamespace;
use anyhow::bail;
use std::io;

/// Fails with everything that is missing.
pub fn check() -> anyhow::Result<()> {
    let root = sys::is_root();
    let mut missing = Vec::new();
    if !root {
        missing.push("root's rights".to_owned());
    }
    if !doctor::runs("ip") {
        missing.push("the program `ip` (package iproute2)".to_owned());
    }
    let mut try_out = |what: &str, tried: io::Result<()>| {
        if let Err(error) = tried {
            // Whoever is not root learns no more from what follows from that.
            if root || error.kind() != io::ErrorKind::PermissionDenied {
                missing.push(format!("{what} ({error})"));
            }
        }
    };
    try_out("network namespaces", NetworkNamespace::new().map(drop));
    try_out("/dev/net/tun", sys::tun());
    try_out(
        "taking over TCP connections, CAP_NET_ADMIN",
        sys::tcp_repair(),
    );
    try_out(
        "choosing process ids, CAP_CHECKPOINT_RESTORE",
        sys::set_tid(),
    );
    try_out("tracing a child, see `ftrun doctor`", traced());
    if missing.is_empty() {
        return Ok(());
    }
    bail!("the demo lacks on this machine: {}", missing.join("; "))
}

fn traced() -> io::Result<()> {
    let tried = sys::trace_a_child()?;
    [tried.attach, tried.memory, tried.seccomp]
        .into_iter()
        .flatten()
        .collect()
}
