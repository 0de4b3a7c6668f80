//! Network namespaces: the hosts of two nodes and of a client on one bridge, and the
//! application's namespace of either node.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

pub const VIP4: &str = "10.77.0.9";
pub const VIP6: &str = "fd77::9";
pub const DEV: &str = "eth0";

static LABS: AtomicU32 = AtomicU32::new(0);

/// A namespace by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Bridge,
    Primary,
    Standby,
    Client,
    PrimaryApp,
    StandbyApp,
}

const PLACES: [Place; 6] = [
    Place::Bridge,
    Place::Primary,
    Place::Standby,
    Place::Client,
    Place::PrimaryApp,
    Place::StandbyApp,
];

/// Gone with its value.
#[derive(Debug)]
pub struct Lab {
    name: String,
}

pub fn vips() -> Vec<IpAddr> {
    [VIP4, VIP6]
        .iter()
        .map(|vip| vip.parse().expect("an address"))
        .collect()
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let program = words.next().expect("a program");
    let output = Command::new(program)
        .args(words)
        .output()
        .unwrap_or_else(|error| panic!("{program} (package iproute2) is needed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
}

impl Lab {
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root");
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            name: format!("ftg{}-{number}", std::process::id()),
        };
        for place in PLACES {
            run(&format!("ip netns add {}", lab.ns(place)));
            lab.ip(place, "link set lo up");
        }
        lab.ip(Place::Bridge, "link add br0 type bridge");
        lab.ip(Place::Bridge, "link set br0 up");
        let hosts = [(Place::Primary, 1), (Place::Standby, 2), (Place::Client, 3)];
        for (place, host) in hosts {
            let (bridge, ns) = (lab.ns(Place::Bridge), lab.ns(place));
            run(&format!(
                "ip link add port{host} netns {bridge} type veth peer name {DEV} netns {ns}"
            ));
            lab.ip(Place::Bridge, &format!("link set port{host} master br0 up"));
            lab.ip(place, &format!("link set {DEV} up"));
            lab.ip(place, &format!("addr add 10.77.0.{host}/24 dev {DEV}"));
            lab.ip(place, &format!("addr add fd77::{host}/64 dev {DEV} nodad"));
        }
        lab
    }

    fn ns(&self, place: Place) -> String {
        format!("{}-{place:?}", self.name)
    }

    pub fn ip(&self, place: Place, arguments: &str) {
        run(&format!("ip -n {} {arguments}", self.ns(place)));
    }

    /// Has the bridge lose what goes to an address of the hardware, or not lose it any more.
    pub fn lose(&self, mac: &str, lost: bool) {
        let ns = self.ns(Place::Bridge);
        // Where the client is, whose frames do not go back there.
        let way = if lost { "replace" } else { "del" };
        let how = if lost { " static sticky" } else { "" };
        run(&format!(
            "bridge -n {ns} fdb {way} {mac} dev port3 master{how}"
        ));
    }

    /// Sets a variable of the kernel in a namespace.
    pub fn sysctl(&self, place: Place, name: &str, value: &str) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let value = value.to_owned();
        self.within(place, move || std::fs::write(path, value))
            .expect("a variable of the kernel");
    }

    pub fn fd(&self, place: Place) -> OwnedFd {
        File::open(format!("/run/netns/{}", self.ns(place)))
            .expect("a namespace")
            .into()
    }

    /// Runs something on a thread of its own in a namespace; what it starts stays there.
    pub fn within<T: Send>(&self, place: Place, action: impl FnOnce() -> T + Send) -> T {
        let ns = self.fd(place);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&ns).expect("enters");
                action()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread in a namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        place: Place,
        action: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let ns = self.fd(place);
        std::thread::spawn(move || {
            enter(&ns).expect("enters");
            action()
        })
    }
}

fn enter(ns: &OwnedFd) -> io::Result<()> {
    nix::sched::setns(ns.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET)?;
    Ok(())
}

impl Drop for Lab {
    fn drop(&mut self) {
        for place in PLACES {
            let ns = self.ns(place);
            let _ = Command::new("ip").args(["netns", "del", &ns]).output();
        }
    }
}
