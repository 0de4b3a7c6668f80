//! Reading a journal that is being written: by a thread, by a process that is killed, by nobody.

#![allow(clippy::print_stdout, reason = "a child process reports to its parent")]

use crate::common;

use common::header;
use journal::{Event, Follow, Reader, Tail, Tid, Writer, WriterOptions, writer_of};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Reads `Switch(0)`, `Switch(1)`, … until the reader says that there is no more.
fn count_up(reader: &mut Reader) -> i32 {
    let mut count = 0;
    while let Some((index, event)) = reader.next().expect("readable") {
        if event == Event::End(0) {
            break;
        }
        assert_eq!(event, Event::Switch(Tid(count)));
        assert_eq!(index.0, count as u64);
        count += 1;
    }
    count
}

#[test]
fn a_follower_sees_everything_and_the_end() {
    const EVENTS: i32 = 300_000;
    let dir = tempfile::tempdir().expect("a directory");
    // Small segments and buffers, so that every border is crossed while it is read.
    let options = WriterOptions {
        segment_bytes_max: 5000,
        buffered_bytes_max: 4000,
        flush_ms: 1,
        ..Default::default()
    };
    let mut writer = Writer::create(dir.path(), &header(), options).expect("begins");
    let mut reader = Reader::open(dir.path()).expect("opens");
    reader.set_follow(Some(Follow::default()));
    let follower = std::thread::spawn(move || {
        let count = count_up(&mut reader);
        assert!(reader.next().expect("readable").is_none());
        (count, reader.tail())
    });
    for number in 0..EVENTS {
        writer.append(&Event::Switch(Tid(number))).expect("appends");
    }
    writer.append(&Event::End(0)).expect("appends");
    let summary = writer.finish().expect("finishes");
    assert!(summary.segments > 10, "{summary:?}");
    assert_eq!(follower.join().expect("no panic"), (EVENTS, Tail::Whole));
}

#[test]
fn an_event_is_seen_soon_though_no_buffer_is_full() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer =
        Writer::create(dir.path(), &header(), WriterOptions::default()).expect("begins");
    let mut reader = Reader::open(dir.path()).expect("opens");
    reader.set_follow(Some(Follow {
        timeout: Some(Duration::from_secs(20)),
        cancel: None,
        ..Follow::default()
    }));
    for number in 0..5 {
        writer.append(&Event::Time(number)).expect("appends");
        let found = reader.next().expect("readable").map(|(index, _)| index.0);
        assert_eq!(found, Some(number));
    }
}

#[test]
fn a_follower_gives_up_when_told_to() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer =
        Writer::create(dir.path(), &header(), WriterOptions::default()).expect("begins");
    let mut reader = Reader::open(dir.path()).expect("opens");
    let begun = Instant::now();
    reader.set_follow(Some(Follow {
        timeout: Some(Duration::from_millis(50)),
        cancel: None,
        ..Follow::default()
    }));
    assert!(reader.next().expect("readable").is_none());
    assert_eq!(reader.tail(), Tail::Live);
    assert!(begun.elapsed() >= Duration::from_millis(50));

    let cancel = Arc::new(AtomicBool::new(false));
    reader.set_follow(Some(Follow {
        timeout: None,
        cancel: Some(Arc::clone(&cancel)),
        ..Follow::default()
    }));
    let follower = std::thread::spawn(move || {
        assert!(reader.next().expect("readable").is_none());
        reader
    });
    cancel.store(true, Ordering::Relaxed);
    let mut reader = follower.join().expect("no panic");
    assert_eq!(reader.tail(), Tail::Live);

    // It can be asked again.
    reader.set_follow(Some(Follow::default()));
    writer.append(&Event::Time(9)).expect("appends");
    assert_eq!(
        reader
            .next()
            .expect("readable")
            .map(|(_, event)| event == Event::Time(9)),
        Some(true)
    );
}

#[test]
fn a_follower_finds_out_that_the_writer_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer =
        Writer::create(dir.path(), &header(), WriterOptions::default()).expect("begins");
    let mut reader = Reader::open(dir.path()).expect("opens");
    reader.set_follow(Some(Follow::default()));
    let follower = std::thread::spawn(move || (count_up(&mut reader), reader.tail()));
    writer.append(&Event::Switch(Tid(0))).expect("appends");
    std::thread::sleep(Duration::from_millis(60));
    writer.append(&Event::Switch(Tid(1))).expect("appends");
    // Without an end: as when the supervisor stops on an error.
    drop(writer);
    let (count, tail) = follower.join().expect("no panic");
    assert_eq!(count, 2);
    assert!(matches!(tail, Tail::Torn { .. }), "{tail:?}");
}

#[test]
fn the_lock_tells_who_writes() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(writer_of(dir.path()).expect("answers"), None);
    let writer = Writer::create(dir.path(), &header(), WriterOptions::default()).expect("begins");
    assert_eq!(
        writer_of(dir.path()).expect("answers"),
        Some(std::process::id())
    );
    assert_eq!(
        writer_of(dir.path()).expect("answers"),
        Some(std::process::id())
    );
    writer.finish().expect("finishes");
    assert_eq!(writer_of(dir.path()).expect("answers"), None);
}

/// Writes for ever; a line to standard output whenever a thousand events were flushed.
fn write_until_killed(dir: &Path) {
    let options = WriterOptions {
        segment_bytes_max: 20_000,
        ..Default::default()
    };
    let mut writer = Writer::create(dir, &header(), options).expect("begins");
    for number in 0.. {
        writer.append(&Event::Switch(Tid(number))).expect("appends");
        if number % 1000 == 999 {
            writer.flush().expect("flushes");
            println!("flushed {}", number + 1);
        }
    }
}

#[test]
fn a_killed_writer_leaves_everything_that_it_flushed() {
    const ROLE: &str = "JOURNAL_TEST_KILLED_DIR";
    if let Some(dir) = std::env::var_os(ROLE) {
        return write_until_killed(dir.as_ref());
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "follow::a_killed_writer_leaves_everything_that_it_flushed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("piped")));
    let mut flushed = 0;
    while flushed < 20_000 {
        let line = lines.next().expect("it goes on").expect("readable");
        flushed = line
            .strip_prefix("flushed ")
            .map_or(flushed, |number| number.parse().expect("a number"));
    }
    assert_eq!(writer_of(dir.path()).expect("answers"), Some(child.id()));
    let mut reader = Reader::open(dir.path()).expect("opens");
    reader.set_follow(Some(Follow::default()));
    let follower = std::thread::spawn(move || (count_up(&mut reader), reader.tail()));
    child.kill().expect("kills");
    child.wait().expect("ends");
    let last = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("flushed ")?.parse().ok())
        .last();
    let (count, tail) = follower.join().expect("no panic");
    assert!(
        count >= last.unwrap_or(flushed),
        "{count} events of {last:?}"
    );
    assert!(matches!(tail, Tail::Torn { .. }), "{tail:?}");
    assert_eq!(writer_of(dir.path()).expect("answers"), None);
}
