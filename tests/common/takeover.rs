//! A shadow of a recording and its takeover without a network: the shadow sees a copy of the
//! program's directory in the place of the directory itself, as a second node has its own files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use journal::{Effect, Event, Reader, Writer, WriterOptions};

use super::proc::{Spawned, native};
use super::record::{AT_ONCE, agent_switch, ftrun};
use super::scratch::Scratch;

/// What a recording has to say about where it can be cut.
pub struct Events {
    /// All of them.
    pub count: u64,
    /// Before this event the program has not begun.
    pub begun: u64,
}

/// Looks through a journal.
#[track_caller]
pub fn journaled(recording: &Path) -> Events {
    let mut reader = Reader::open(recording).expect("a journal");
    let mut found = Events { count: 0, begun: 0 };
    while let Some((index, event)) = reader.next().expect("a whole journal") {
        found.count = index.0 + 1;
        let leave = match &event {
            Event::Syscall(_, leave) | Event::Leave(leave) => leave,
            _ => continue,
        };
        let executed = matches!(leave.effects.last(), Some(Effect::Exec(_)));
        if executed && found.begun == 0 {
            found.begun = index.0 + 1;
        }
    }
    found
}

/// Makes a recording of the first events of another, as if its supervisor had been killed then.
#[track_caller]
pub fn cut(recording: &Path, to: &Path, events: u64) {
    fs::create_dir_all(to.join("files")).expect("our own directory");
    for file in fs::read_dir(recording.join("files")).expect("kept files") {
        let file = file.expect("readable");
        let target = to.join("files").join(file.file_name());
        fs::hard_link(file.path(), target).expect("on one file system");
    }
    fs::copy(recording.join("meta.json"), to.join("meta.json")).expect("every recording has it");
    let mut reader = Reader::open(recording).expect("a journal");
    let header = reader.header().clone();
    let mut writer = Writer::create(to, &header, WriterOptions::default()).expect("a new journal");
    for _ in 0..events {
        let (_, event) = reader.next().expect("whole").expect("that many events");
        writer.append(&event).expect("room");
    }
    // Never ended.
    drop(writer);
}

/// Copies a directory with all that tells files apart.
#[track_caller]
pub fn copy_tree(from: &Path, to: &Path) {
    let words = ["-a".as_ref(), from.as_os_str(), to.as_os_str()];
    native("cp", words, Duration::from_secs(60));
}

/// Starts following a recording of a program whose directory is `work/`; to the program here
/// `twin` is that directory. Where the recording had the agent, it serves here from the first call on, unless
/// the whole run of the tests is to be made otherwise.
#[track_caller]
pub fn follow(scratch: &Scratch, recording: &Path, twin: &Path) -> Spawned {
    const SCRIPT: &str = r#"mount --bind "$1" "$2" && cd "$2" && exec "$3" follow "$4" "$5""#;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "/bin/sh", "-c", SCRIPT, "sh"])
        .args([twin, &scratch.work(), &ftrun()])
        .arg(agent_switch().unwrap_or(AT_ONCE))
        .arg(recording)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("FTRUN_TEST_SCRATCH", scratch.root());
    Spawned::start(command, None)
}

/// A file of a tree, as far as a program decides it.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    mode: u32,
    owner: (u32, u32),
    links: u64,
    content: Vec<u8>,
}

/// All files below a directory, by relative path.
#[track_caller]
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("readable") {
            let path = entry.expect("readable").path();
            let meta = fs::symlink_metadata(&path).expect("nobody removes it");
            let content = if meta.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                target.into_os_string().into_encoded_bytes()
            } else if meta.is_file() {
                fs::read(&path).expect("readable")
            } else {
                Vec::new()
            };
            let node = Node {
                mode: meta.permissions().mode(),
                owner: (meta.uid(), meta.gid()),
                links: if meta.is_dir() { 0 } else { meta.nlink() },
                content,
            };
            let name = path.strip_prefix(root).expect("below it").to_owned();
            found.insert(name, node);
            if meta.is_dir() {
                left.push(path);
            }
        }
    }
    found
}

/// Fails, naming the files, if two trees differ.
#[track_caller]
pub fn assert_same_tree(what: &str, expected: &Path, found: &Path) {
    let (expected, found) = (tree(expected), tree(found));
    if expected == found {
        return;
    }
    let mut differ = Vec::new();
    for (name, node) in &expected {
        match found.get(name) {
            None => differ.push(format!("{} is missing", name.display())),
            Some(other) if other != node => differ.push(describe(name, node, other)),
            Some(_) => {}
        }
    }
    for name in found.keys().filter(|name| !expected.contains_key(*name)) {
        differ.push(format!("{} is too much", name.display()));
    }
    panic!("{what}: files differ: {differ:#?}");
}

fn describe(name: &Path, expected: &Node, found: &Node) -> String {
    let at = expected
        .content
        .iter()
        .zip(&found.content)
        .take_while(|(a, b)| a == b)
        .count();
    let around = |bytes: &[u8]| {
        let to = bytes.len().min(at + 80);
        String::from_utf8_lossy(&bytes[at.min(to)..to]).into_owned()
    };
    format!(
        "{}: mode {:o}/{:o}, owner {:?}/{:?}, links {}/{}, {}/{} bytes, from byte {at}: {:?} / {:?}",
        name.display(),
        expected.mode,
        found.mode,
        expected.owner,
        found.owner,
        expected.links,
        found.links,
        expected.content.len(),
        found.content.len(),
        around(&expected.content),
        around(&found.content)
    )
}
