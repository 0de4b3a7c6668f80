//! Bad networks, nodes that vanish and come back, full disks: nothing stored is lost, nothing is
//! doubled, and it goes on by itself.

#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use crate::link;

use journal::{Event, Tail, WriterOptions};
use link::proxy::Proxy;
use link::{LIMIT, Nodes, content, keep, noise, wait_committed};
use standby::link::{LinkEvent, Session};
use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

/// Small segments and frames, so that every border is crossed.
fn small() -> WriterOptions {
    WriterOptions {
        segment_bytes_max: 30_000,
        buffered_bytes_max: 16_000,
        flush_ms: 1,
        ..WriterOptions::default()
    }
}

fn quick(nodes: &mut Nodes) {
    nodes.times.heartbeat = Duration::from_millis(20);
    nodes.times.silence = Duration::from_millis(250);
    nodes.times.handshake = Duration::from_millis(800);
    nodes.times.retry_min = Duration::from_millis(5);
    nodes.times.retry_max = Duration::from_millis(40);
}

#[test]
fn a_link_that_is_cut_again_and_again_goes_on_where_it_was() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let mut writer = nodes.record(small());
    let (receiver, _standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let (sender, primary, _commit) = nodes.sender(proxy.address(), &writer);
    let mut file = tempfile::tempfile().expect("a file");
    for round in 0..12u8 {
        primary.connected();
        nodes.assert_beginning();
        // In the middle of what comes next, wherever that is.
        proxy.cut_after(proxy.forwarded()[0] + 5000 + u64::from(round) * 3777);
        if round % 3 == 0 {
            file.write_all(&vec![round; 20_000]).expect("writes");
            keep(&nodes, &mut writer, round.into(), &file, "/nowhere");
        }
        for number in 0..50 {
            writer
                .append(&noise(u64::from(round) * 100 + number, 1500))
                .expect("appends");
        }
        primary.lost("");
    }
    primary.connected();
    let summary = writer.finish().expect("finishes");
    assert_eq!(primary.complete(), summary.events);
    nodes.assert_same();
    let stats = sender.stats();
    assert!(stats.connections >= 13, "{stats:?}");
}

#[test]
fn a_large_kept_file_goes_on_where_it_was_cut() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, _standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let (sender, primary, _commit) = nodes.sender(proxy.address(), &writer);
    let mut file = tempfile::tempfile().expect("a file");
    for piece in 0..200u8 {
        file.write_all(&vec![piece; 100_000]).expect("writes");
    }
    primary.connected();
    keep(&nodes, &mut writer, 0, &file, "/nowhere");
    for _ in 0..4 {
        proxy.cut_after(proxy.forwarded()[0] + 4_000_000);
        writer.flush().expect("flushes");
        primary.lost("");
        primary.connected();
    }
    writer.finish().expect("finishes");
    primary.complete();
    nodes.assert_same();
    let sent = sender.stats().file_bytes;
    assert!((20_000_000..60_000_000).contains(&sent), "{sent}");
}

#[test]
fn a_corrupting_link_is_noticed_and_left() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let mut writer = nodes.record(small());
    let (receiver, standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let (_sender, primary, _commit) = nodes.sender(proxy.address(), &writer);
    for round in 0..5 {
        primary.connected();
        proxy.corrupt_after(proxy.forwarded()[0] + 3000 * round);
        for number in 0..50 {
            writer
                .append(&noise(round * 100 + number, 1500))
                .expect("appends");
        }
        // It may be lost for another reason before, if the machine stands still.
        standby.lost("not authenticated");
        nodes.assert_beginning();
    }
    primary.connected();
    let summary = writer.finish().expect("finishes");
    assert_eq!(primary.complete(), summary.events);
    nodes.assert_same();
}

#[test]
fn a_stalled_link_is_noticed_by_both_sides_and_the_backlog_is_told() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let mut options = nodes.sender_options(proxy.address(), &writer);
    options.backlog_bytes_max = 20 << 20;
    let commit = options.commit.clone();
    let (tell, primary) = link::Events::new("primary");
    let _sender = standby::link::Sender::start(options, tell).expect("starts");
    primary.connected();
    standby.connected();
    proxy.stall(true);
    primary.lost("nothing came");
    standby.lost("");
    // The application goes on, and nothing of it is kept in memory by the link.
    let before = memory();
    for number in 0..30 {
        writer.append(&noise(number, 1 << 20)).expect("appends");
    }
    writer.flush().expect("flushes");
    let backlog = primary.wait("backlog", |event| match event {
        LinkEvent::BacklogExceeded { bytes } => Some(bytes),
        _ => None,
    });
    assert!(backlog > 20 << 20, "{backlog}");
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 << 20, "memory has grown by {grown} bytes");
    proxy.stall(false);
    wait_committed(&commit, 30);
    nodes.assert_same();
}

/// Bytes of memory that this process has.
fn memory() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("a process");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .expect("resident")
        .parse()
        .expect("a number");
    pages * 4096
}

#[test]
fn on_a_slow_link_control_messages_overtake_the_backlog() {
    let mut nodes = Nodes::new();
    nodes.times.silence = Duration::from_secs(10);
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let mut options = nodes.sender_options(proxy.address(), &writer);
    options.window_bytes = 256 << 10;
    let commit = options.commit.clone();
    let (tell, primary) = link::Events::new("primary");
    let sender = standby::link::Sender::start(options, tell).expect("starts");
    primary.connected();
    standby.connected();
    proxy.slow(2 << 20);
    for number in 0..8 {
        writer.append(&noise(number, 1 << 20)).expect("appends");
    }
    writer.flush().expect("flushes");
    wait_committed(&commit, 1);
    sender.send_control(b"urgent").expect("connected");
    assert_eq!(standby.control(), b"urgent");
    let stored = commit.committed();
    assert!(stored < 8, "it came after everything else");
    proxy.slow(0);
    wait_committed(&commit, 8);
    nodes.assert_same();
}

#[test]
fn either_side_can_be_stopped_and_started_again() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let mut writer = nodes.record(small());
    let (receiver, _standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let (sender, primary, commit) = nodes.sender(proxy.address(), &writer);
    let mut appended = 0;
    let mut append = |writer: &mut journal::Writer, count: u64| {
        for number in 0..count {
            writer
                .append(&noise(appended + number, 700))
                .expect("appends");
        }
        writer.flush().expect("flushes");
        appended += count;
        appended
    };
    let count = append(&mut writer, 100);
    wait_committed(&commit, count);
    // The standby goes, and something is left of a frame that it was storing.
    drop(receiver);
    primary.lost("");
    let last = content(&nodes.standby_dir())
        .into_keys()
        .rfind(|name| name.ends_with(".ftj"));
    let last = nodes.standby_dir().join(last.expect("a segment"));
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(last)
        .expect("opens");
    file.write_all(b"\xf7FRM\0\0\0\0and what came of it")
        .expect("writes");
    append(&mut writer, 100);
    let (receiver, _standby) = nodes.receiver();
    assert_eq!(receiver.progress().events(), count);
    proxy.redirect(receiver.local_addr());
    let count = append(&mut writer, 100);
    wait_committed(&commit, count);
    nodes.assert_same();
    // The primary's side of the link goes; another one takes over.
    drop((sender, primary));
    append(&mut writer, 100);
    let (sender, primary, commit) = nodes.sender(proxy.address(), &writer);
    let count = append(&mut writer, 100);
    wait_committed(&commit, count);
    nodes.assert_same();
    // Nothing is there, and then it is.
    drop((receiver, sender, primary));
    proxy.refuse(true);
    let (_sender, primary, commit) = nodes.sender(proxy.address(), &writer);
    primary.lost("");
    let (receiver, _standby) = nodes.receiver();
    proxy.redirect(receiver.local_addr());
    proxy.refuse(false);
    let summary = writer.finish().expect("finishes");
    wait_committed(&commit, summary.events);
    nodes.assert_same();
}

#[test]
fn a_new_connection_takes_the_place_of_one_that_is_dead() {
    let mut nodes = Nodes::new();
    nodes.times.silence = LIMIT;
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let (first, primary, _commit) = nodes.sender(proxy.address(), &writer);
    primary.connected();
    standby.connected();
    // The standby hears nothing of its end.
    proxy.stall(true);
    let (second, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.connected();
    standby.lost("anew");
    standby.connected();
    writer.append(&Event::Time(1)).expect("appends");
    wait_committed(&commit, 1);
    proxy.stall(false);
    drop((first, second));
}

#[test]
fn another_recording_does_not_get_into_a_copy() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let (sender, _primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    writer.append(&Event::Time(1)).expect("appends");
    wait_committed(&commit, 1);
    drop(sender);
    let session = nodes.session;
    nodes.session = Session::random().expect("random");
    let (sender, primary, _commit) = nodes.sender(receiver.local_addr(), &writer);
    let reason = primary.lost("refused");
    let told = format!(
        "has a copy of recording {session}, not of {}",
        nodes.session
    );
    assert!(reason.contains(&told), "{reason}");
    standby.lost("give it another directory");
    drop((sender, receiver, standby));

    // The name is right, but the content is not.
    nodes.session = session;
    let other = Nodes::new();
    fs::rename(nodes.standby_dir(), other.root().join("old")).expect("moves");
    fs::create_dir(nodes.standby_dir()).expect("creates");
    let mut longer = other.record(WriterOptions::default());
    longer.append(&Event::Time(7)).expect("appends");
    longer.append(&Event::Time(8)).expect("appends");
    longer.finish().expect("finishes");
    fs::rename(
        other.primary_dir().join("journal"),
        nodes.standby_dir().join("journal"),
    )
    .expect("moves");
    fs::write(nodes.standby_dir().join("session"), format!("{session}\n")).expect("writes");
    let (receiver, _standby) = nodes.receiver();
    let (_sender, primary, _commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.lost("the copy stands at segment 0");
    drop(receiver);

    // What did not come over a link is not touched.
    let mut options = nodes.receiver_options();
    options.dir = nodes.primary_dir();
    let started = standby::link::Receiver::start(options, |_| {});
    let error = started.err().expect("refused").to_string();
    assert!(error.contains("did not come over a link"), "{error}");
}

/// A file system of its own, gone when this is.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn new(path: std::path::PathBuf, bytes: u64) -> Self {
        let status = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=700"),
                "tmpfs",
            ])
            .arg(&path)
            .status()
            .expect("mount is there");
        assert!(status.success(), "root may mount");
        Self(path)
    }

    fn resize(&self, bytes: u64) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,size={bytes}")])
            .arg(&self.0)
            .status()
            .expect("mount is there");
        assert!(status.success(), "root may mount");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "{:?}", self.0);
    }
}

#[test]
fn a_full_disk_at_the_standby_is_told_and_survived() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let tmpfs = Tmpfs::new(nodes.standby_dir(), 1 << 20);
    let mut writer = nodes.record(small());
    let (receiver, standby) = nodes.receiver();
    let (sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    for number in 0..2000 {
        writer.append(&noise(number, 1000)).expect("appends");
    }
    writer.flush().expect("flushes");
    for events in [&standby, &primary] {
        let reason = events.lost("No space left on device");
        assert!(reason.contains(".ftj"), "{reason}");
    }
    let stored = commit.committed();
    assert!(stored > 100, "{stored}");
    nodes.assert_beginning();
    let mut reader = journal::Reader::open(&nodes.standby_dir()).expect("opens");
    let mut count = 0;
    while reader.next().expect("readable").is_some() {
        count += 1;
    }
    assert!(count >= stored, "{count} events are readable of {stored}");
    assert_eq!(reader.tail(), Tail::Live);
    tmpfs.resize(8 << 20);
    wait_committed(&commit, 2000);

    // The same with a kept file.
    let mut file = tempfile::tempfile().expect("a file");
    for piece in 0..160u8 {
        file.write_all(&vec![piece; 100_000]).expect("writes");
    }
    keep(&nodes, &mut writer, 0, &file, "/nowhere");
    writer.flush().expect("flushes");
    primary.lost("No space left on device");
    assert_eq!(commit.committed(), 2000);
    tmpfs.resize(64 << 20);
    let summary = writer.finish().expect("finishes");
    wait_committed(&commit, summary.events);
    nodes.assert_same();
    drop((sender, receiver));
    drop(tmpfs);
}

#[test]
fn a_primary_whose_kept_file_is_gone_says_so() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let (_sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    writer.append(&Event::Time(1)).expect("appends");
    wait_committed(&commit, 1);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"content").expect("writes");
    let hash = keep(&nodes, &mut writer, 0, &file, "/nowhere");
    let path = nodes
        .primary_dir()
        .join("files")
        .join(format!("{hash:032x}"));
    let content = fs::read(&path).expect("reads");
    fs::remove_file(&path).expect("removes");
    writer.flush().expect("flushes");
    primary.lost("lacks the kept file");
    standby.lost("lacks the kept file");
    // Wrong content is noticed where it arrives.
    fs::write(&path, b"kontent").expect("writes");
    primary.lost("has changed");
    assert_eq!(commit.committed(), 1);
    fs::remove_file(&path).expect("removes");
    fs::write(&path, content).expect("writes");
    wait_committed(&commit, 2);
}

#[test]
fn nodes_that_do_not_fit_are_told_what_differs() {
    let mut nodes = Nodes::new();
    quick(&mut nodes);
    let writer = nodes.record(WriterOptions::default());
    let mut options = nodes.receiver_options();
    options.machine.features[2] = 0xfff;
    options.machine.kernel = "6.1.0".into();
    let (tell, standby) = link::Events::new("standby");
    let receiver = standby::link::Receiver::start(options, tell).expect("starts");
    let (_sender, primary, _commit) = nodes.sender(receiver.local_addr(), &writer);
    for events in [&primary, &standby] {
        events.lost(
            "the standby's CPU lacks features of the primary's: CPUID 1 ecx bit 12, 13, 14, 15",
        );
    }
    drop(receiver);
    let mut options = nodes.receiver_options();
    options.machine.kernel = "6.1.0".into();
    let (tell, standby) = link::Events::new("standby");
    let receiver = standby::link::Receiver::start(options, tell).expect("starts");
    let (_sender, primary, _commit) = nodes.sender(receiver.local_addr(), &writer);
    for events in [&primary, &standby] {
        let noted = events.connected().noted;
        assert_eq!(
            noted,
            ["kernel 6.18.0 on the primary, 6.1.0 on the standby"]
        );
    }
}

#[test]
fn only_one_receiver_has_a_copy() {
    let nodes = Nodes::new();
    let (_receiver, _standby) = nodes.receiver();
    let second = standby::link::Receiver::start(nodes.receiver_options(), |_| {});
    let error = second.err().expect("refused").to_string();
    let pid = std::process::id();
    assert!(
        error.contains(&format!("is being written by process {pid}")),
        "{error}"
    );
}

#[test]
fn stopping_does_not_wait_for_anybody() {
    let mut nodes = Nodes::new();
    nodes.times.silence = LIMIT;
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, _standby) = nodes.receiver();
    let proxy = Proxy::to(receiver.local_addr());
    let (sender, primary, _commit) = nodes.sender(proxy.address(), &writer);
    primary.connected();
    proxy.stall(true);
    for number in 0..20 {
        writer.append(&noise(number, 1 << 20)).expect("appends");
    }
    writer.flush().expect("flushes");
    let begun = Instant::now();
    drop((sender, receiver));
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
}
