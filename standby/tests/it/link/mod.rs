//! Shared by the tests of the link: two nodes in one process, and a bad network between them.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

pub mod proxy;

use journal::{Event, FORMAT_VERSION, FileStore, Header, Machine, Writer, WriterOptions};
use standby::commit::Commit;
use standby::link::{
    Keys, LinkEvent, LinkTimes, Receiver, ReceiverOptions, Sender, SenderOptions, Session, generate,
};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Ends what hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

pub fn machine() -> Machine {
    Machine {
        kernel: "6.18.0".into(),
        cpu_vendor: "GenuineIntel".into(),
        cpu_family: 6,
        cpu_model: 143,
        cpu_name: "Test CPU".into(),
        features: vec![0xffff; 24],
        xsave_size: 2440,
        xcr0: 0x2e7,
        page_size: 4096,
        cpus: 2,
        pinned_cpu: Some(1),
        counter: pmu::Counter::SyncPoint,
    }
}

pub fn header() -> Header {
    Header {
        format_version: FORMAT_VERSION,
        ftrun_version: "0.1.0".into(),
        created_unix_ns: 1_700_000_000_000_000_000,
        machine: machine(),
    }
}

/// Two nodes with their keys, and a directory for each.
pub struct Nodes {
    scratch: tempfile::TempDir,
    pub keys: [Keys; 2],
    pub session: Session,
    pub times: LinkTimes,
}

impl Nodes {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let dirs = generate(&scratch.path().join("keys")).expect("keys");
        for name in ["primary", "standby"] {
            fs::create_dir(scratch.path().join(name)).expect("creates");
        }
        Self {
            keys: dirs.map(|dir| Keys::load(&dir).expect("keys")),
            session: Session::random().expect("random"),
            // A machine that stands still for a while loses no connection here.
            times: LinkTimes {
                silence: LIMIT,
                handshake: LIMIT,
                ..LinkTimes::default()
            },
            scratch,
        }
    }

    pub fn root(&self) -> &Path {
        self.scratch.path()
    }

    pub fn primary_dir(&self) -> PathBuf {
        self.root().join("primary")
    }

    pub fn standby_dir(&self) -> PathBuf {
        self.root().join("standby")
    }

    pub fn record(&self, options: WriterOptions) -> Writer {
        Writer::create(&self.primary_dir(), &header(), options).expect("begins")
    }

    pub fn receiver_options(&self) -> ReceiverOptions {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let keys = self.keys[1].clone();
        let mut options = ReceiverOptions::new(listen, keys, self.standby_dir(), machine());
        options.times = self.times;
        options
    }

    pub fn receiver(&self) -> (Receiver, Events) {
        let (tell, events) = Events::new("standby");
        let receiver = Receiver::start(self.receiver_options(), tell).expect("starts");
        (receiver, events)
    }

    pub fn sender_options(&self, to: SocketAddr, writer: &Writer) -> SenderOptions {
        let mut options = SenderOptions::new(
            to,
            self.keys[0].clone(),
            self.primary_dir(),
            writer.appender(),
            Arc::new(Commit::new(u64::MAX)),
            self.session,
            machine(),
        );
        options.times = self.times;
        options
    }

    pub fn sender(&self, to: SocketAddr, writer: &Writer) -> (Sender, Events, Arc<Commit>) {
        let options = self.sender_options(to, writer);
        let commit = Arc::clone(&options.commit);
        let (tell, events) = Events::new("primary");
        (
            Sender::start(options, tell).expect("starts"),
            events,
            commit,
        )
    }

    /// The copy is the same as the recording, byte for byte.
    pub fn assert_same(&self) {
        let (ours, theirs) = (content(&self.primary_dir()), content(&self.standby_dir()));
        assert!(
            ours.keys().eq(theirs.keys()),
            "{:?} {:?}",
            ours.keys(),
            theirs.keys()
        );
        for (name, bytes) in &ours {
            assert!(*bytes == theirs[name], "{name} differs");
        }
    }

    /// What is stored is a beginning of the recording.
    pub fn assert_beginning(&self) {
        // In this order: both may grow.
        let theirs = content(&self.standby_dir());
        let ours = content(&self.primary_dir());
        for (name, bytes) in theirs {
            assert!(ours[&name].starts_with(&bytes), "{name} differs");
        }
    }
}

/// Segments and kept files of a recording.
pub fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for part in ["journal", "files"] {
        let Ok(entries) = fs::read_dir(dir.join(part)) else {
            continue;
        };
        for entry in entries {
            let name = entry.expect("an entry").file_name();
            let name = name.to_str().expect("text");
            if name != "lock" && !name.starts_with('.') {
                let bytes = fs::read(dir.join(part).join(name)).expect("reads");
                found.insert(format!("{part}/{name}"), bytes);
            }
        }
    }
    found
}

/// What a side of the link has told.
pub struct Events {
    name: &'static str,
    told: mpsc::Receiver<LinkEvent>,
}

impl Events {
    pub fn new(name: &'static str) -> (impl Fn(LinkEvent) + Send + 'static, Self) {
        let (tell, told) = mpsc::channel();
        let tell = move |event| {
            // A test that is over listens no more.
            let _ = tell.send(event);
        };
        (tell, Self { name, told })
    }

    /// Waits for an event that `pick` wants.
    pub fn wait<T>(&self, what: &str, mut pick: impl FnMut(LinkEvent) -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.told.recv_timeout(left) {
                Ok(LinkEvent::RoundTrip(_)) => {}
                Ok(event) => {
                    seen.push(format!("{event:?}"));
                    seen.truncate(50);
                    if let Some(found) = pick(event) {
                        return found;
                    }
                }
                Err(_) => panic!("{}: no {what}; but {seen:#?}", self.name),
            }
        }
    }

    pub fn connected(&self) -> standby::link::Peer {
        self.wait("connection", |event| match event {
            LinkEvent::Connected(peer) => Some(*peer),
            _ => None,
        })
    }

    /// The next loss, or rejection, of a connection whose reason contains `part`.
    pub fn lost(&self, part: &str) -> String {
        self.wait(&format!("loss with {part:?}"), |event| match event {
            LinkEvent::Lost { reason } | LinkEvent::Rejected { reason } => {
                let text = reason.to_string();
                text.contains(part).then_some(text)
            }
            _ => None,
        })
    }

    pub fn complete(&self) -> u64 {
        self.wait("complete copy", |event| match event {
            LinkEvent::Complete { events } => Some(events),
            _ => None,
        })
    }

    pub fn control(&self) -> Vec<u8> {
        self.wait("control message", |event| match event {
            LinkEvent::Control(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// All that was told by now.
    pub fn so_far(&self) -> Vec<LinkEvent> {
        self.told.try_iter().collect()
    }
}

/// Waits until the standby has stored so many events.
pub fn wait_committed(commit: &Arc<Commit>, events: u64) {
    let (wake, woken) = mpsc::channel();
    let wake = std::sync::Mutex::new(wake);
    commit.subscribe(move || {
        let _ = wake.lock().expect("no panic").send(());
    });
    let end = Instant::now() + LIMIT;
    while commit.committed() < events {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            panic!("{} of {events} events were stored", commit.committed());
        }
        let _ = woken.recv_timeout(left);
    }
}

/// Notes that do not compress well, `bytes` long.
pub fn noise(seed: u64, bytes: usize) -> Event<'static> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(bytes);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push(char::from(b' ' + (state % 90) as u8));
    }
    Event::Note(text.into())
}

/// Keeps a file and says so in the journal.
pub fn keep(nodes: &Nodes, writer: &mut Writer, id: u32, file: &fs::File, path: &str) -> u128 {
    let mut store = FileStore::open_or_create(&nodes.primary_dir()).expect("a store");
    let kept = store.keep(file, u64::MAX).expect("keeps");
    let event = Event::File(journal::KeptFile {
        id: journal::FileId(id),
        hash: kept.hash,
        size: kept.size,
        path: path.as_bytes().into(),
    });
    writer.append(&event).expect("appends");
    kept.hash
}
