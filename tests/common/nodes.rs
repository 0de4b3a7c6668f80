//! Two nodes and a client, each in a network namespace of its own: a protected application, its
//! standby, and what can befall them. It knows nothing of the application.
//!
//! The nodes and the client are on one bridge; the journal goes over a cable of its own, heartbeats
//! over both. All names are this value's, and all of it is gone with it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use standby::role::timing::DETECT_MS_DEFAULT;
use tempfile::TempDir;

use super::net::wait_until;
use super::proc::{Exit, Output, Spawned, native};
use super::record::ftrun;
use super::scratch::Scratch;
use super::wire::Wire;

/// The application's address.
pub const VIP: &str = "10.77.0.9";
/// Where the application's clients are.
const DEV: &str = "eth0";
/// Where the journal goes.
const CABLE: &str = "eth1";
const ETCD: &str = "http://10.77.0.4:2379";
const START_LIMIT: Duration = Duration::from_secs(60);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Bridge,
    Primary,
    Standby,
    Client,
    Witness,
}

use Place::{Bridge, Client, Primary, Standby};

const PLACES: [Place; 5] = [Bridge, Primary, Standby, Client, Place::Witness];

/// Who has the last word on which node is active.
#[derive(Debug, Clone)]
pub enum Witness {
    None,
    /// A fencing command.
    Command(PathBuf),
    /// An etcd server.
    Etcd,
}

/// How the nodes are to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub witness: Witness,
    /// How long a node may be silent before the other goes on without it.
    pub detect_ms: u64,
    /// A node whose recording lies on a small disk of its own.
    pub small_disk: Option<Place>,
    /// The standby's working directory begins as a copy of `work/seed-standby` instead.
    pub own_seed: bool,
    /// The link is the only way between the nodes.
    pub link_only: bool,
    /// More options of both nodes.
    pub options: Vec<String>,
    /// More options of the primary.
    pub primary: Vec<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            witness: Witness::None,
            // Whoever is killed is missed sooner. The product's default is less than a thread of a busy
            // machine may have to wait for a CPU, and then nobody has died.
            detect_ms: 1000,
            small_disk: None,
            own_seed: false,
            link_only: false,
            options: Vec::new(),
            primary: Vec::new(),
        }
    }
}

impl Plan {
    /// For a test of silence itself, which the product is to notice as soon as it does by default.
    pub fn of_silence() -> Self {
        Self {
            detect_ms: DETECT_MS_DEFAULT,
            ..Self::default()
        }
    }
}

/// See the module.
pub struct Nodes<'a> {
    scratch: &'a Scratch,
    net: Net,
    plan: Plan,
    primary: Option<Spawned>,
    standby: Option<Spawned>,
    etcd: Option<(Spawned, TempDir)>,
    wire: Wire,
}

/// The namespaces, removed with their value.
pub struct Net {
    name: String,
}

/// The way into a namespace.
pub struct Inside(File);

impl Inside {
    /// This thread is in it from now on.
    pub fn enter(&self) {
        setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).expect("root may enter it");
    }
}

impl Net {
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        super::stalls::watch();
        let net = Self {
            name: format!("ftp{}-{number}", std::process::id()),
        };
        for place in PLACES {
            run("netns", &["add", &net.ns(place)]);
            net.ip(place, "link set lo up");
        }
        net.ip(Bridge, "link add br0 type bridge");
        net.ip(Bridge, "link set br0 up");
        for (place, host) in [(Primary, 1), (Standby, 2), (Client, 3), (Place::Witness, 4)] {
            let port = port(place);
            let peer = net.ns(place);
            net.ip(
                Bridge,
                &format!("link add {port} type veth peer name {DEV} netns {peer}"),
            );
            net.ip(Bridge, &format!("link set {port} master br0 up"));
            net.ip(place, &format!("addr add 10.77.0.{host}/24 dev {DEV}"));
            net.ip(place, &format!("link set {DEV} up"));
        }
        let peer = net.ns(Standby);
        net.ip(
            Primary,
            &format!("link add {CABLE} type veth peer name {CABLE} netns {peer}"),
        );
        for (place, host) in [(Primary, 1), (Standby, 2)] {
            net.ip(place, &format!("addr add 10.78.0.{host}/24 dev {CABLE}"));
            net.ip(place, &format!("link set {CABLE} up"));
        }
        net
    }

    fn ns(&self, place: Place) -> String {
        format!("{}-{place:?}", self.name)
    }

    fn ip(&self, place: Place, words: &str) {
        let ns = self.ns(place);
        let mut all = vec!["-n", &ns];
        all.extend(words.split_whitespace());
        run(all[0], &all[1..]);
    }

    /// Runs something on a thread of its own in a namespace; the sockets it makes stay there.
    pub fn within<T: Send>(&self, place: Place, action: impl FnOnce() -> T + Send) -> T {
        let inside = self.open(place);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                inside.enter();
                action()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Net {
    pub fn open(&self, place: Place) -> Inside {
        let path = format!("/run/netns/{}", self.ns(place));
        Inside(File::open(path).expect("a namespace"))
    }

    /// The beginning of a command that runs in a namespace.
    pub fn command(&self, place: Place) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.ns(place)]);
        command
    }

    /// Waits until something that the client can reach accepts connections.
    #[track_caller]
    pub fn wait_for_port(&self, address: &str, port: u16) {
        let address: SocketAddr = format!("{address}:{port}").parse().expect("an address");
        self.within(Client, || {
            wait_until("listener", START_LIMIT, || {
                TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
            });
        });
    }

    /// Connects so many times.
    #[track_caller]
    pub fn connect_all(&self, from: Place, to: &str, port: u16, count: usize) -> Vec<TcpStream> {
        self.within(from, || (0..count).map(|_| dial(to, port)).collect())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for place in PLACES {
            let ns = self.ns(place);
            super::proc::run_quietly(Command::new("ip").args(["netns", "del", &ns]));
        }
    }
}

fn port(place: Place) -> String {
    format!("to{place:?}")
}

fn run(first: &str, words: &[&str]) {
    let words: Vec<&str> = [first].into_iter().chain(words.iter().copied()).collect();
    native("ip", words, START_LIMIT);
}

impl<'a> Nodes<'a> {
    /// Both nodes with the application running behind the gate, protected. Its working directory
    /// is `work/data`, on either node one of its own that begins as a copy of `work/seed`.
    #[track_caller]
    pub fn start(scratch: &'a Scratch, plan: Plan, command: &[&str]) -> Self {
        let mut nodes = Self::begin(scratch, plan, command);
        nodes.wait_for_state(Primary, "PROTECTED", START_LIMIT);
        // It hears of it a moment later.
        nodes.wait_for_state(Standby, "PROTECTED", START_LIMIT);
        nodes
    }

    /// The same with a primary that may have died by then.
    #[track_caller]
    pub fn start_to_die(scratch: &'a Scratch, plan: Plan, command: &[&str]) -> Self {
        let mut nodes = Self::begin(scratch, plan, command);
        wait_until("protection", START_LIMIT, || {
            let both = [Primary, Standby].map(|place| nodes.status(place));
            let protected = |status: &Option<Value>| {
                status
                    .as_ref()
                    .is_some_and(|one| one["state"] == "PROTECTED")
            };
            both.iter().all(protected) || nodes.running(Primary).has_ended()
        });
        nodes
    }

    /// The same, without waiting for anything.
    #[track_caller]
    pub fn begin(scratch: &'a Scratch, plan: Plan, command: &[&str]) -> Self {
        let net = Net::new();
        scratch.dir("data");
        scratch.dir("seed");
        native(
            ftrun(),
            [OsStr::new("keys"), scratch.root().join("keys").as_os_str()],
            START_LIMIT,
        );
        let wire = net.within(Bridge, || Wire::tap(VIP));
        let mut nodes = Self {
            scratch,
            net,
            plan,
            primary: None,
            standby: None,
            etcd: None,
            wire,
        };
        if matches!(nodes.plan.witness, Witness::Etcd) {
            nodes.start_etcd();
        }
        nodes.start_standby();
        nodes.start_primary(command);
        nodes
    }

    fn start_etcd(&mut self) {
        let data = TempDir::with_prefix("ftrun-test-etcd-").expect("a directory");
        let (clients, peers) = (ETCD, "http://127.0.0.1:2380");
        let mut etcd = Command::new("ip");
        etcd.args(["netns", "exec", &self.net.ns(Place::Witness), "etcd"])
            .args(["--name", "w", "--logger", "zap", "--data-dir"])
            .arg(data.path())
            .args(["--listen-client-urls", clients])
            .args(["--advertise-client-urls", clients])
            .args(["--listen-peer-urls", peers])
            .args(["--initial-advertise-peer-urls", peers])
            .args(["--initial-cluster", "w=http://127.0.0.1:2380"]);
        self.etcd = Some((Spawned::start(etcd, None), data));
        let address: SocketAddr = ETCD["http://".len()..].parse().expect("an address");
        self.net.within(Client, || {
            wait_until("etcd", START_LIMIT, || {
                TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
            });
        });
    }

    fn start_standby(&mut self) {
        let listen = ["standby", "--listen", "10.78.0.2:7000"];
        self.standby = Some(self.node(Standby, &listen, &[]));
    }

    fn start_primary(&mut self, command: &[&str]) {
        let to = ["--standby", "10.78.0.2:7000"];
        self.primary = Some(self.node(Primary, &to, command));
    }

    fn node(&self, place: Place, first: &[&str], command: &[&str]) -> Spawned {
        let (keys, own, other) = match place {
            Primary => ("keys/node1", 1, 2),
            _ => ("keys/node2", 2, 1),
        };
        let witness = match &self.plan.witness {
            Witness::Command(path) => format!("command:{}", path.display()),
            Witness::Etcd => format!("etcd:{ETCD}"),
            Witness::None => "none".to_owned(),
        };
        let beats =
            |net: u8, port: u16| format!("10.{net}.0.{own}:{port}=10.{net}.0.{other}:{port}");
        // Each node has storage of its own at the same place.
        let mut script =
            "mount -t tmpfs none \"$1\" && cp -a \"$2/.\" \"$1\" && cd \"$1\" && shift 2 && exec \"$@\""
                .to_owned();
        if self.plan.small_disk == Some(place) {
            let dir = self.dir(place);
            std::fs::create_dir(&dir).expect("the directory is new");
            let mount = format!("mount -t tmpfs -o size=64m none {} && ", dir.display());
            script.insert_str(0, &mount);
        }
        let seed = if self.plan.own_seed && place == Standby {
            "seed-standby"
        } else {
            "seed"
        };
        let mut node = self.net.command(place);
        node.args(["unshare", "-m", "sh", "-c", &script, "sh"])
            .args([self.scratch.path("data"), self.scratch.path(seed)])
            .arg(ftrun())
            .args(first)
            .arg("--keys")
            .arg(self.scratch.root().join(keys))
            .args(["--vip", &format!("{VIP}/24"), "--dev", DEV])
            .args(["--service", "tested", "--witness", &witness])
            .args(["--node", name(place)])
            .args(["--detect-ms", &self.plan.detect_ms.to_string()])
            .args(&self.plan.options)
            .args(
                &self.plan.primary[..if place == Primary {
                    self.plan.primary.len()
                } else {
                    0
                }],
            )
            .arg("--dir")
            .arg(self.dir(place));
        if !self.plan.link_only {
            node.args(["--heartbeat", &beats(77, 7001)]);
        }
        if !command.is_empty() {
            node.arg("--").args(command);
        }
        node.env("LC_ALL", "C");
        Spawned::start(node, None)
    }

    /// The directory of a node's recording.
    pub fn dir(&self, place: Place) -> PathBuf {
        self.scratch.recording(name(place))
    }

    /// The application's working directory as a node has it, while the node runs.
    #[track_caller]
    pub fn files(&mut self, place: Place) -> PathBuf {
        let root = format!("/proc/{}/root", self.running(place).pid());
        within_root(&root, &self.scratch.path("data"))
    }

    /// Leaves no room on a node's small disk.
    #[track_caller]
    pub fn fill_disk(&mut self, place: Place) -> PathBuf {
        let root = format!("/proc/{}/root", self.running(place).pid());
        let ballast = within_root(&root, &self.dir(place)).join("ballast");
        let mut file = File::create(&ballast).expect("there is room still");
        let piece = vec![1; 64 << 10];
        let full = loop {
            if let Err(error) = std::io::Write::write(&mut file, &piece) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
        ballast
    }

    /// What `ftrun status` says of a node, if it answers.
    pub fn status(&self, place: Place) -> Option<Value> {
        let mut command = Command::new(ftrun());
        let node = match place {
            Primary => self.primary.as_ref(),
            _ => self.standby.as_ref(),
        };
        let root = format!("/proc/{}/root", node?.pid());
        let dir = within_root(&root, &self.dir(place));
        command.args(["status", "--json"]).arg(dir);
        let output = super::proc::run_command(command, None, START_LIMIT);
        let mut whole: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(whole["nodes"][0].take())
    }

    /// `ftrun switchover` at a node.
    #[track_caller]
    pub fn switchover(&self, place: Place) -> Output {
        let mut command = Command::new(ftrun());
        command.arg("switchover").arg(self.dir(place));
        super::proc::run_command(command, None, START_LIMIT)
    }

    /// `ftrun switchover` at the primary, as soon as it can be: a heartbeat that is late makes it LAGGING for a
    /// moment. Whoever asks may be too late to hear how it ended; the primary's own end tells that, too.
    #[track_caller]
    pub fn switch_over(&self) {
        wait_until("switchover", START_LIMIT, || {
            let asked = self.switchover(Primary);
            let too_early = asked.err().contains("it needs the state PROTECTED");
            let too_late = asked.err().contains("the primary has ended meanwhile");
            if !too_early && !too_late {
                asked.expect_code(0);
            }
            !too_early
        });
    }

    /// The primary has not gone on alone. Late is not lost.
    #[track_caller]
    pub fn assert_protected(&self) {
        let status = self.status(Primary);
        let found = status.as_ref().and_then(|status| status["state"].as_str());
        assert!(
            matches!(found, Some("PROTECTED" | "LAGGING")),
            "it is not protected: {status:#?}\n{}",
            self.said()
        );
    }

    #[track_caller]
    pub fn wait_for_state(&mut self, place: Place, state: &str, limit: Duration) {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let status = self.status(place);
            if status
                .as_ref()
                .is_some_and(|status| status["state"] == state)
            {
                return;
            }
            self.running(place).assert_running();
            assert!(
                std::time::Instant::now() < deadline,
                "{place:?} is not {state} within {limit:?}: {status:#?}\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn running(&mut self, place: Place) -> &mut Spawned {
        match place {
            Primary => self.primary.as_mut(),
            _ => self.standby.as_mut(),
        }
        .expect("the node has not been waited for")
    }

    /// Where they are.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The process of a node's supervisor.
    #[track_caller]
    pub fn pid(&mut self, place: Place) -> u32 {
        pid_of(self.running(place))
    }

    /// What both nodes have said, for messages.
    pub fn said(&self) -> String {
        let said = |node: &Option<Spawned>| {
            node.as_ref().map_or_else(
                || "(over)".to_owned(),
                |node| super::proc::show(&node.stderr_so_far()),
            )
        };
        format!(
            "--- primary: {}\n--- standby: {}",
            said(&self.primary),
            said(&self.standby)
        )
    }

    /// A node's supervisor.
    #[track_caller]
    pub fn supervisor(&mut self, place: Place) -> Pid {
        self.running(place).pid()
    }

    /// What the application has written on a node to its standard output.
    #[track_caller]
    pub fn shown(&mut self, place: Place) -> String {
        String::from_utf8_lossy(&self.running(place).stdout_so_far()).into_owned()
    }

    /// Sends a signal to a node's supervisor.
    #[track_caller]
    pub fn signal(&mut self, place: Place, signal: Signal) {
        self.running(place).signal(signal);
    }

    /// A process of a node by its number inside the application's namespaces: 1 is their init, 2
    /// the application's first process.
    #[track_caller]
    pub fn inside(&mut self, place: Place, number: i32) -> Pid {
        let supervisor = self.running(place).pid();
        let found = super::proc::descendants(supervisor)
            .into_iter()
            .find(|pid| super::proc::inner_number(*pid) == Some(number));
        found.unwrap_or_else(|| panic!("no process {number} of {place:?}\n{}", self.said()))
    }

    /// Waits for a node's end.
    #[track_caller]
    pub fn wait(&mut self, place: Place, limit: Duration) -> Output {
        let node = match place {
            Primary => self.primary.take(),
            _ => self.standby.take(),
        };
        node.expect("the node has not been waited for").wait(limit)
    }

    /// A node that was killed with SIGKILL, and had not ended before.
    #[track_caller]
    pub fn expect_killed(&mut self, place: Place, limit: Duration) {
        let node = self.wait(place, limit);
        let killed = node.exit == Exit::Signal(libc::SIGKILL);
        // Another node takes over from one that stands still with its machine.
        let stalls = super::stalls::seen();
        assert!(
            killed,
            "{place:?}: {node}\n{}\nstalls: {stalls}",
            self.said()
        );
    }

    /// Takes a place off the bridge, or puts it back.
    pub fn bridge(&self, place: Place, up: bool) {
        let way = if up { "up" } else { "down" };
        self.net
            .ip(Bridge, &format!("link set {} {way}", port(place)));
    }

    /// Pulls the cable between the nodes, or puts it back.
    pub fn cable(&self, up: bool) {
        let way = if up { "up" } else { "down" };
        self.net.ip(Primary, &format!("link set {CABLE} {way}"));
        if up {
            self.net
                .ip(Primary, &format!("addr replace 10.78.0.1/24 dev {CABLE}"));
        }
    }

    /// Connects to the application, as a client.
    #[track_caller]
    pub fn connect(&self, port: u16) -> TcpStream {
        let stream = self.net.within(Client, || try_dial(VIP, port));
        stream.unwrap_or_else(|error| panic!("no connection: {error}\n{}", self.said()))
    }

    /// Runs something at the client's; the sockets it makes stay there.
    pub fn within_client<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        self.net.within(Client, action)
    }

    /// Connects as soon as the application accepts connections, for one that must see no
    /// connection made only to find out.
    #[track_caller]
    pub fn first_connection(&self, port: u16) -> TcpStream {
        let mut found = None;
        self.net.within(Client, || {
            wait_until("listener", START_LIMIT, || {
                found = try_dial(VIP, port).ok();
                found.is_some()
            });
        });
        found.expect("it was waited for")
    }

    /// Connects so many times.
    #[track_caller]
    pub fn connect_all(&self, port: u16, count: usize) -> Vec<TcpStream> {
        self.net.connect_all(Client, VIP, port, count)
    }

    /// Waits until the application accepts connections.
    #[track_caller]
    pub fn wait_for_port(&self, port: u16) {
        self.net.wait_for_port(VIP, port);
    }

    /// Runs a program at the client's.
    #[track_caller]
    pub fn at_client(&self, program: &str, words: &[&str], limit: Duration) -> Output {
        let ns = self.net.ns(Client);
        let fixed = ["netns", "exec", &ns, program];
        native("ip", fixed.iter().chain(words), limit)
    }

    /// Starts a program at the client's.
    pub fn start_at_client(&self, program: &str, words: &[&str]) -> Spawned {
        let mut command = Command::new("ip");
        let ns = self.net.ns(Client);
        command.args(["netns", "exec", &ns, program]).args(words);
        command.env("LC_ALL", "C");
        Spawned::start(command, None)
    }

    fn port_index(&self, place: Place) -> i64 {
        let name = port(place);
        let bridge = self.net.ns(Bridge);
        let text = native(
            "ip",
            ["-n", &bridge, "-j", "link", "show", &name],
            START_LIMIT,
        );
        let links: Value = serde_json::from_slice(&text.stdout).expect("ip writes JSON");
        links[0]["ifindex"].as_i64().expect("an index")
    }

    /// How many packets the bridge has seen so far in the application's name.
    pub fn packets(&self) -> usize {
        self.wire.seen().len()
    }

    /// What the bridge has seen so far in the application's name: packets of the primary, then of
    /// the standby, and none of the primary after one of the standby. Returns how many of each.
    #[track_caller]
    pub fn assert_one_active(&self) -> (usize, usize) {
        let (primary, standby) = (self.port_index(Primary), self.port_index(Standby));
        let seen: Vec<i64> = self.wire.seen().into_iter().map(i64::from).collect();
        let of = |port: i64, seen: &[i64]| seen.iter().filter(|one| **one == port).count();
        let first = seen.iter().position(|port| *port == standby);
        let (before, after) = seen.split_at(first.unwrap_or(seen.len()));
        let late = of(primary, after);
        assert_eq!(late, 0, "two nodes were active\n{}", self.said());
        (of(primary, before), of(standby, after))
    }
}

impl Drop for Nodes<'_> {
    /// Whoever fails may not know of them.
    #[allow(clippy::print_stderr, reason = "behind what a test says")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}

/// A path that a process sees at `/`, for others.
fn within_root(root: &str, path: &Path) -> PathBuf {
    PathBuf::from(root).join(path.strip_prefix("/").expect("an absolute path"))
}

/// The process of what was started.
pub fn pid_of(started: &Spawned) -> u32 {
    started.pid().as_raw().unsigned_abs()
}

fn name(place: Place) -> &'static str {
    match place {
        Primary => "p",
        _ => "s",
    }
}

fn dial(to: &str, port: u16) -> TcpStream {
    try_dial(to, port).expect("the application accepts connections")
}

fn try_dial(to: &str, port: u16) -> io::Result<TcpStream> {
    let address: SocketAddr = format!("{to}:{port}").parse().expect("an address");
    let stream = TcpStream::connect_timeout(&address, GAP_MAX)?;
    stream.set_nodelay(true).expect("a fresh connection");
    stream
        .set_read_timeout(Some(GAP_MAX))
        .expect("a fresh connection");
    Ok(stream)
}

/// More than this between a request and its answer, and it is no takeover but a hang.
pub const GAP_MAX: Duration = Duration::from_secs(60);
