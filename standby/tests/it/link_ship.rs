//! A recording arrives as it is: every byte, in time, with its kept files.

#![allow(clippy::print_stdout, reason = "figures are reported")]
#![allow(clippy::cast_precision_loss, reason = "figures are reported")]

use crate::link;

use journal::{Event, Follow, Reader, Tail, Tid, WriterOptions, writer_of};
use link::{LIMIT, Nodes, content, keep, noise, wait_committed};
use standby::link::LinkEvent;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

#[test]
fn a_recording_arrives_as_it_is_written_and_can_be_followed() {
    let nodes = Nodes::new();
    let options = WriterOptions {
        segment_bytes_max: 20_000,
        buffered_bytes_max: 16_000,
        flush_ms: 1,
        ..WriterOptions::default()
    };
    let mut writer = nodes.record(options);
    let (receiver, standby) = nodes.receiver();
    let (sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    let peer = primary.connected();
    assert_eq!(peer.ftrun_version, env!("CARGO_PKG_VERSION"));
    assert!(peer.noted.is_empty(), "{peer:?}");
    let clocks = standby.connected().clocks.expect("the standby asks");
    // Both nodes have the same clocks here: the error bound must cover the truth.
    assert!(
        clocks.monotonic_ns.unsigned_abs() <= clocks.error_ns,
        "{clocks:?}"
    );
    assert!(
        clocks.boottime_ns.unsigned_abs() <= clocks.error_ns + 1_000_000,
        "{clocks:?}"
    );

    let progress = receiver.progress();
    let applied = receiver.applied();
    const EVENTS: i32 = 50_000;
    let dir = nodes.standby_dir();
    let follower = std::thread::spawn(move || {
        assert!(progress.wait(0, Some(LIMIT)));
        let mut reader = Reader::open(&dir).expect("it begins with the head");
        reader.set_follow(Some(Follow {
            progress: Some(progress),
            ..Follow::default()
        }));
        let mut count = 0;
        while let Some((_, event)) = reader.next().expect("readable") {
            count += 1;
            applied.set(count);
            if event == Event::End(0) {
                assert!(reader.next().expect("readable").is_none());
                break;
            }
        }
        (count, reader.tail())
    });
    for number in 0..EVENTS {
        writer.append(&Event::Switch(Tid(number))).expect("appends");
        if number % 100 == 0 {
            writer.append(&noise(7, 500)).expect("appends");
        }
    }
    writer.append(&Event::End(0)).expect("appends");
    let summary = writer.finish().expect("finishes");
    assert!(summary.segments > 3, "{summary:?}");
    assert_eq!(primary.complete(), summary.events);
    let ended = standby.wait("end", |event| match event {
        LinkEvent::JournalEnded { events, failure } => Some((events, failure)),
        _ => None,
    });
    assert_eq!(ended, (summary.events, None));
    assert_eq!(
        follower.join().expect("no panic"),
        (summary.events, Tail::Whole)
    );
    assert_eq!(commit.committed(), summary.events);
    let end = Instant::now() + LIMIT;
    while commit.replayed() < summary.events {
        assert!(Instant::now() < end, "{} were replayed", commit.replayed());
        std::thread::yield_now();
    }
    nodes.assert_same();
    assert!(writer_of(&nodes.standby_dir()).expect("a lock").is_some());
    let stats = sender.stats();
    assert_eq!(stats.journal_bytes, summary.bytes_written);
    assert_eq!(stats.connections, 1);
    while sender.stats().backlog_bytes > 0 {
        assert!(Instant::now() < end, "a backlog is left");
        std::thread::yield_now();
    }
    for name in ["journal", "journal/00000000.ftj", "files"] {
        let mode = fs::metadata(nodes.standby_dir().join(name))
            .expect("it is there")
            .mode();
        let expected = if name.ends_with("ftj") { 0o600 } else { 0o700 };
        assert_eq!(mode & 0o7777, expected, "{name}");
    }
    drop((sender, receiver));
    assert_eq!(writer_of(&nodes.standby_dir()).expect("a lock"), None);
}

#[test]
fn what_nobody_hurries_is_shipped_as_soon_as_it_is_written() {
    let nodes = Nodes::new();
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, _standby) = nodes.receiver();
    let (_sender, _primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    for count in 1..=5 {
        writer.append(&Event::Time(count)).expect("appends");
        wait_committed(&commit, count);
    }
    nodes.assert_same();
}

#[test]
fn control_messages_and_heartbeats_go_both_ways() {
    let nodes = Nodes::new();
    let writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    assert!(receiver.send_control(b"too early").is_err());
    let (sender, primary, _commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.connected();
    standby.connected();
    for number in 0..100u8 {
        sender.send_control(&[number]).expect("connected");
        receiver.send_control(&[number, number]).expect("connected");
    }
    for number in 0..100u8 {
        assert_eq!(standby.control(), [number]);
        assert_eq!(primary.control(), [number, number]);
    }
    assert!(sender.send_control(&vec![0; 64 << 10]).is_ok());
    assert_eq!(standby.control().len(), 64 << 10);
    assert!(sender.send_control(&vec![0; (64 << 10) + 1]).is_err());
    let end = Instant::now() + LIMIT;
    while sender.stats().round_trip.is_none() || receiver.stats().round_trip_min.is_none() {
        assert!(Instant::now() < end, "no heartbeat came back");
        std::thread::yield_now();
    }
    drop(receiver);
    primary.lost("");
}

#[test]
fn kept_files_come_before_the_events_that_name_them() {
    let nodes = Nodes::new();
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, _standby) = nodes.receiver();
    let (sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.connected();
    // One that lies here too, at the same path; one that does not; one that is empty; one with
    // another content at that path.
    let path = |name: &str| nodes.root().join(name);
    let text = |name: &str| path(name).to_str().expect("text").to_owned();
    fs::write(path("here"), vec![b'h'; 300_000]).expect("writes");
    fs::write(path("changed"), b"what it is now").expect("writes");
    let mut gone = tempfile::tempfile().expect("a file");
    for piece in 0..40u8 {
        gone.write_all(&vec![piece; 10_000]).expect("writes");
    }
    let mut changed = tempfile::tempfile().expect("a file");
    changed.write_all(b"what it was in").expect("writes");
    let empty = tempfile::tempfile().expect("a file");
    let here = fs::File::open(path("here")).expect("opens");
    let mut hashes = Vec::new();
    for (id, file, name) in [
        (0, &here, text("here")),
        (1, &gone, text("gone")),
        (2, &empty, "/dev/null".to_owned()),
        (3, &changed, text("changed")),
        (4, &here, "relative".to_owned()),
    ] {
        hashes.push(keep(&nodes, &mut writer, id, file, &name));
        writer.append(&Event::Time(u64::from(id))).expect("appends");
        writer.flush().expect("flushes");
        wait_committed(&commit, u64::from(id) * 2 + 1);
        let kept = nodes
            .standby_dir()
            .join("files")
            .join(format!("{:032x}", hashes[id as usize]));
        assert!(kept.exists(), "{name} came after the event");
        assert_eq!(
            fs::metadata(kept).expect("it is there").mode() & 0o7777,
            0o400
        );
    }
    writer.finish().expect("finishes");
    primary.complete();
    nodes.assert_same();
    let sent = sender.stats().file_bytes;
    assert_eq!(sent, 400_000 + 14, "what lay here was not sent");
}

#[test]
fn a_huge_kept_file_holds_no_control_message_up_and_stays_sparse() {
    const SIZE: u64 = 3 << 30;
    let nodes = Nodes::new();
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let (sender, primary, _commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.connected();
    let file = tempfile::tempfile().expect("a file");
    let piece: Vec<u8> = (0..1 << 20).map(|at: u32| (at / 7 % 251) as u8).collect();
    for number in 0..24 {
        file.write_all_at(&piece, number << 20).expect("writes");
    }
    file.write_all_at(b"in the middle", SIZE / 2)
        .expect("writes");
    file.set_len(SIZE).expect("grows");
    let hash = keep(&nodes, &mut writer, 0, &file, "/nowhere");
    writer.flush().expect("flushes");
    // It is on its way.
    let end = Instant::now() + LIMIT;
    while sender.stats().file_bytes == 0 {
        assert!(Instant::now() < end, "nothing was sent");
        std::thread::yield_now();
    }
    let begun = Instant::now();
    sender.send_control(b"in between").expect("connected");
    assert_eq!(standby.control(), b"in between");
    println!(
        "a control message beside a huge file took {:?}",
        begun.elapsed()
    );
    writer.finish().expect("finishes");
    primary.complete();
    let kept = nodes
        .standby_dir()
        .join("files")
        .join(format!("{hash:032x}"));
    let metadata = fs::metadata(kept).expect("it came");
    assert_eq!(metadata.len(), SIZE);
    assert!(metadata.blocks() * 512 < 64 << 20, "holes stay holes");
    let sent = sender.stats().file_bytes;
    assert!(sent < 32 << 20, "holes are not sent: {sent}");
    let store = journal::FileStore::open(&nodes.standby_dir()).expect("a store");
    store.verify(hash).expect("the same content");
}

/// That takes its time, in which the standby stores nothing.
#[test]
fn looking_for_a_large_kept_file_is_seen_as_work() {
    let mut nodes = Nodes::new();
    nodes.times.heartbeat = Duration::from_millis(1);
    let mut writer = nodes.record(WriterOptions::default());
    writer.append(&noise(1, 100)).expect("appends");
    let (receiver, _standby) = nodes.receiver();
    let (_sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.connected();
    writer.flush().expect("writes");
    wait_committed(&commit, 1);
    let path = nodes.root().join("large");
    fs::write(&path, vec![1; 64 << 20]).expect("a file");
    let file = fs::File::open(&path).expect("it is there");
    let name = path.to_str().expect("UTF-8");
    let signs = commit.signs();
    keep(&nodes, &mut writer, 0, &file, name);
    writer.flush().expect("writes");
    wait_committed(&commit, 2);
    // One for the frame that names it, which is small.
    let signs = commit.signs() - signs;
    assert!(signs > 2, "{signs} signs");
}

#[test]
fn large_events_are_cut_and_put_together() {
    let nodes = Nodes::new();
    let options = WriterOptions {
        segment_bytes_max: 1 << 20,
        ..WriterOptions::default()
    };
    let mut writer = nodes.record(options);
    let (receiver, _standby) = nodes.receiver();
    let (_sender, primary, _commit) = nodes.sender(receiver.local_addr(), &writer);
    for (seed, bytes) in [
        (1, 20 << 20),
        (2, 10),
        (3, 3 << 20),
        (4, 65_536),
        (5, 65_535),
    ] {
        writer.append(&noise(seed, bytes)).expect("appends");
        writer.append(&noise(seed + 10, 100)).expect("appends");
        writer.flush().expect("flushes");
    }
    writer.finish().expect("finishes");
    assert_eq!(primary.complete(), 10);
    nodes.assert_same();
    assert_eq!(content(&nodes.standby_dir()).len(), 3);
}

#[test]
fn how_long_one_event_takes_and_what_it_weighs() {
    const EVENTS: u64 = 2000;
    let nodes = Nodes::new();
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, _standby) = nodes.receiver();
    let (sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.connected();
    let (wake, woken) = std::sync::mpsc::channel();
    let wake = std::sync::Mutex::new(wake);
    commit.subscribe(move || {
        let _ = wake.lock().expect("no panic").send(());
    });
    let hand = writer.appender();
    let before = (sender.stats(), receiver.stats());
    let mut times = Vec::new();
    for count in 1..=EVENTS {
        let begun = Instant::now();
        writer.append(&Event::Time(count)).expect("appends");
        hand.hurry(Duration::ZERO);
        while !commit.may_go(count) {
            woken.recv_timeout(LIMIT).expect("it is committed");
        }
        times.push(begun.elapsed());
    }
    let (ours, theirs) = (sender.stats(), receiver.stats());
    let wire = ours.sent_bytes - before.0.sent_bytes;
    let back = theirs.sent_bytes - before.1.sent_bytes;
    let journal = ours.journal_bytes - before.0.journal_bytes;
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 1000];
    println!(
        "one event at a time: p50 {:?}, p99 {:?}, p99.9 {:?}; {} B of journal, {} B sent, {} B back each",
        at(500),
        at(990),
        at(999),
        journal / EVENTS,
        wire / EVENTS,
        back / EVENTS
    );
    // 61 bytes for a message of its own, and heartbeats.
    assert!(wire < journal + EVENTS * 80 + 20_000, "{wire} {journal}");

    let before = sender.stats();
    let begun = Instant::now();
    const MANY: u64 = 2_000_000;
    for number in 0..MANY {
        writer.append(&Event::Time(number)).expect("appends");
    }
    writer.flush().expect("flushes");
    wait_committed(&commit, EVENTS + MANY);
    let took = begun.elapsed();
    let after = sender.stats();
    let wire = after.sent_bytes - before.sent_bytes;
    let journal = after.journal_bytes - before.journal_bytes;
    println!(
        "{MANY} events: {:.1} M/s, {:.0} MB/s of journal, overhead {:.3} %",
        MANY as f64 / took.as_secs_f64() / 1e6,
        journal as f64 / took.as_secs_f64() / 1e6,
        (wire as f64 / journal as f64 - 1.0) * 100.0
    );
    assert!(wire < journal + journal / 100 + 20_000, "{wire} {journal}");
    nodes.assert_same();
}

#[test]
fn the_end_of_a_failed_journal_is_told_with_its_reason() {
    let nodes = Nodes::new();
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let (_sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    writer.append(&Event::Time(1)).expect("appends");
    writer.flush().expect("flushes");
    wait_committed(&commit, 1);
    let too_large = Event::Note("x".repeat(40 << 20).into());
    assert!(writer.append(&too_large).is_err());
    let failure = standby.wait("end", |event| match event {
        LinkEvent::JournalEnded { events: 1, failure } => failure,
        _ => None,
    });
    assert!(failure.contains("larger than"), "{failure}");
    assert_eq!(primary.complete(), 1);
}

#[test]
fn a_stopped_receiver_tells_readers_that_no_more_will_come() {
    let nodes = Nodes::new();
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, _standby) = nodes.receiver();
    let (_sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    writer.append(&Event::Time(1)).expect("appends");
    wait_committed(&commit, 1);
    let mut reader = Reader::open(&nodes.standby_dir()).expect("opens");
    reader.set_follow(Some(Follow {
        progress: Some(receiver.progress()),
        ..Follow::default()
    }));
    assert!(reader.next().expect("readable").is_some());
    let waiting = std::thread::spawn(move || {
        assert!(reader.next().expect("readable").is_none());
        reader
    });
    receiver.stop();
    let reader = waiting.join().expect("no panic");
    assert_eq!(reader.tail(), Tail::Live, "the receiver holds the lock");
    assert_eq!(reader.end().map(|end| end.events), Some(1));
    primary.lost("");
    drop(receiver);
    // From here on, a writer may go on with it.
    let end = reader.end().expect("an end");
    let mut next = journal::Writer::resume(&nodes.standby_dir(), &end, WriterOptions::default())
        .expect("goes on");
    next.append(&Event::End(0)).expect("appends");
    assert_eq!(next.finish().expect("finishes").events, 2);
}
