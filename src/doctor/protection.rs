//! What protection by a standby, `--isolate` and checkpoints need of the machine.

use super::{Check, Level};
use crate::sys;
use std::process::{Command, Stdio};
use tracer::namespaces::{Namespaces, Network, Plan};

/// In the order in which they are printed.
pub fn checks() -> Vec<Check> {
    vec![
        capabilities(),
        namespaces(),
        process_ids(),
        tcp_repair(),
        tun(),
        firewall(),
    ]
}

fn capabilities() -> Check {
    let missing = standby::gate::missing_capabilities();
    let (state, found) = if missing.is_empty() {
        (Level::Ok, "all that the gate takes".to_owned())
    } else {
        (Level::Missing, format!("not there: {}", missing.join(", ")))
    };
    Check::new("capabilities", state, found)
        .needed_for("protection by a standby")
        .hint("run ftrun as root, or give it these (AmbientCapabilities= of a systemd unit)")
}

/// Makes them, and ends them.
fn namespaces() -> Check {
    let plan = Plan {
        network: Network::New,
        ..Plan::default()
    };
    let made = Namespaces::create(&plan).map(Namespaces::end);
    Check::of(
        "namespaces",
        &made,
        (
            "an application can have namespaces of its own",
            "they cannot be made",
        ),
        Level::Missing,
    )
    .needed_for("--isolate, and protection by a standby")
    .hint("run ftrun as root; a container must allow unshare and mount: `docker run --privileged`")
}

fn process_ids() -> Check {
    Check::of(
        "process ids",
        &sys::set_tid(),
        (
            "ids of children can be chosen (CAP_CHECKPOINT_RESTORE)",
            "ids of children cannot be chosen",
        ),
        Level::Missing,
    )
    .needed_for("`ftrun demo`; checkpoints, later")
    .hint("it takes CAP_CHECKPOINT_RESTORE")
}

fn tcp_repair() -> Check {
    Check::of(
        "tcp repair",
        &sys::tcp_repair(),
        (
            "TCP connections can be taken over (CAP_NET_ADMIN)",
            "TCP connections cannot be taken over",
        ),
        Level::Missing,
    )
    .needed_for("protection by a standby: connections survive a takeover")
    .hint("it takes CAP_NET_ADMIN, and a kernel with CONFIG_CHECKPOINT_RESTORE")
}

fn tun() -> Check {
    Check::of(
        "tun",
        &sys::tun(),
        (
            "/dev/net/tun can be opened",
            "/dev/net/tun cannot be opened",
        ),
        Level::Missing,
    )
    .needed_for("protection by a standby: the link of the application's network")
    .hint(
        "`modprobe tun`, and permission to open /dev/net/tun (`docker run --device /dev/net/tun`)",
    )
}

/// ftrun sets no rules; whoever has a firewall must know that the virtual address passes it.
fn firewall() -> Check {
    let found: Vec<&str> = ["nft", "iptables"]
        .into_iter()
        .filter(|name| runs(name))
        .collect();
    let (state, text) = if found.is_empty() {
        (Level::Missing, "neither nft nor iptables".to_owned())
    } else {
        (Level::Ok, found.join(", "))
    };
    Check::new("firewall", state, text)
        .needed_for("looking at rules of this host that drop packets for the virtual address (ftrun sets none)")
        .hint("if this host filters packets, install the package nftables to look at its rules")
}

/// Whether there is such a program, and it works.
pub fn runs(program: &str) -> bool {
    // `ip` knows -V only, the others -V too.
    let done = Command::new(program)
        .arg("-V")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_tried() {
        assert!(!runs("/nonexistent/program"));
        assert!(!runs("false"));
        assert!(runs("true"));
    }
}
