//! A medium that fails: what was written stays readable, and the failure is said and final.

use crate::common;

use common::{alone, header, one_frame_each, samples};
use journal::{
    Event, FileStorage, MemoryStorage, Reader, Storage, Tail, WriteError, Writer, WriterOptions,
};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Appends all of `events`; how many were flushed without a failure, and the first failure.
fn record(
    storage: &MemoryStorage,
    options: WriterOptions,
    events: &[Event<'_>],
) -> (usize, Result<(), WriteError>) {
    let mut writer = match Writer::create_on(Box::new(storage.clone()), &header(), options) {
        Ok(writer) => writer,
        Err(error) => return (0, Err(error)),
    };
    let mut safe = 0;
    for (index, event) in events.iter().enumerate() {
        if let Err(error) = writer.append(event).map(drop).and_then(|()| writer.flush()) {
            check_sticky(writer, &error);
            return (safe, Err(error));
        }
        safe = index + 1;
    }
    (safe, writer.finish().map(drop))
}

fn check_sticky(mut writer: Writer, first: &WriteError) {
    let first = first.to_string();
    assert_eq!(writer.failure().expect("it failed").to_string(), first);
    for _ in 0..3 {
        assert_eq!(
            writer
                .append(&Event::Time(0))
                .expect_err("sticky")
                .to_string(),
            first
        );
        assert_eq!(writer.flush().expect_err("sticky").to_string(), first);
    }
    assert_eq!(writer.finish().expect_err("sticky").to_string(), first);
}

/// Everything flushed must be there, and nothing but what was appended.
fn check_readable(storage: &MemoryStorage, safe: usize, events: &[Event<'_>], context: &str) {
    let (count, tail) = common::read_and_compare(&storage.segments(), events);
    assert!(
        count >= safe,
        "{context}: {count} of {safe} events that were flushed"
    );
    match tail {
        Ok(Tail::Torn { .. } | Tail::Whole) => {}
        other => assert!(
            safe == 0 && count == 0 && storage.segments().iter().all(Vec::is_empty),
            "{context}: {other:?}"
        ),
    }
}

#[test]
fn failing_at_any_call_loses_nothing_that_was_flushed() {
    let events = samples::all();
    let options = || one_frame_each(500);
    let good = MemoryStorage::new();
    assert!(record(&good, options(), &events).1.is_ok());
    assert_eq!(good.syncs(), good.segments().len() as u64);
    for call in 0..good.calls() {
        let storage = MemoryStorage::new().failing_at_call(call);
        let (safe, result) = record(&storage, options(), &events);
        let text = result.expect_err("it fails").to_string();
        assert!(text.contains(".ftj: Input/output error"), "{text}");
        check_readable(&storage, safe, &events, &format!("call {call}"));
    }
}

#[test]
fn a_medium_that_is_full_at_any_byte_loses_nothing_that_was_flushed() {
    let events = &samples::all()[..12];
    let options = || one_frame_each(400);
    let whole: usize = common::segments(options(), events)
        .iter()
        .map(Vec::len)
        .sum();
    for room in 0..whole as u64 {
        let storage = MemoryStorage::new()
            .full_at_byte(room)
            .with_short_writes(100);
        let (safe, result) = record(&storage, options(), events);
        let text = result.expect_err("it is full").to_string();
        assert!(
            text.starts_with("cannot write memory/") && text.contains("No space left on device"),
            "{text}"
        );
        check_readable(&storage, safe, events, &format!("full at byte {room}"));
        // The partial frame is gone: nothing is damaged, the recording is just not ended.
        if let Ok(mut reader) = Reader::from_segments(storage.segments()) {
            let (_, tail) = common::compare(&mut reader, events);
            let Ok(Tail::Torn { reason, offset, .. }) = tail else {
                panic!("full at byte {room}")
            };
            assert!(
                reason == "the recording was not ended" || offset == 0,
                "{reason}"
            );
        }
    }
}

#[test]
fn a_failure_ends_the_wait_for_room() {
    // Far more than the buffers hold, so that appending would wait for ever.
    let storage = MemoryStorage::new().full_at_byte(50_000);
    let options = WriterOptions {
        buffered_bytes_max: 100_000,
        ..WriterOptions::default()
    };
    let mut writer =
        Writer::create_on(Box::new(storage.clone()), &header(), options).expect("begins");
    let note = "x".repeat(1000);
    let noted: Vec<_> = (0..10_000)
        .map(|i| Event::Note(format!("{i} {note}").into()))
        .collect();
    let failed = noted
        .iter()
        .find_map(|event| writer.append(event).err())
        .expect("it gets full");
    assert!(failed.to_string().contains("No space left"), "{failed}");
    drop(writer);
    let (_, tail) = common::read_and_compare(&storage.segments(), &noted);
    assert!(matches!(tail, Ok(Tail::Torn { .. })), "{tail:?}");
}

/// Files of which the last write is cut in the middle, and fails.
struct CutFile {
    inner: FileStorage,
    writes_left: Arc<AtomicUsize>,
}

impl Storage for CutFile {
    fn create_segment(&mut self, number: u32) -> io::Result<()> {
        self.inner.create_segment(number)
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self
            .writes_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            }) {
            Err(_) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            Ok(1) => self.inner.write(&bytes[..bytes.len() / 2]),
            Ok(_) => self.inner.write(bytes),
        }
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.inner.truncate(len)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }
    fn path(&self) -> PathBuf {
        self.inner.path()
    }
}

#[test]
fn a_partial_frame_is_cut_off_its_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let inner = FileStorage::create(dir.path()).expect("creates");
    let storage = CutFile {
        inner,
        writes_left: Arc::new(AtomicUsize::new(4)),
    };
    let mut writer =
        Writer::create_on(Box::new(storage), &header(), one_frame_each(1 << 20)).expect("begins");
    let events: Vec<_> = (0..9).map(Event::Time).collect();
    let results: Vec<_> = events.iter().map(|event| writer.append(event)).collect();
    let error = writer.finish().expect_err("it is full").to_string();
    assert!(
        error.contains("journal/00000000.ftj: No space left"),
        "{error}"
    );
    assert!(results.last().is_some_and(Result::is_err));
    let (count, tail) = common::compare(&mut Reader::open(dir.path()).expect("opens"), &events);
    // One write was the head's, the third frame's was cut.
    assert_eq!(count, 2);
    assert!(
        matches!(tail, Ok(Tail::Torn { reason, .. }) if reason == "the recording was not ended")
    );
}

#[test]
fn a_file_larger_than_the_system_allows_is_a_failure_like_any_other() {
    // The limit is of the whole process.
    if !alone("faults::a_file_larger_than_the_system_allows_is_a_failure_like_any_other") {
        return;
    }
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE, 20_000, 20_000)
        .expect("limits");
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer =
        Writer::create(dir.path(), &header(), one_frame_each(1 << 20)).expect("begins");
    let failed = (0..10_000)
        .find_map(|time| writer.append(&Event::Time(time)).err())
        .expect("it fails");
    assert!(failed.to_string().contains("File too large"), "{failed}");
    drop(writer);
    let events: Vec<_> = (0..10_000).map(Event::Time).collect();
    let (count, tail) = common::compare(&mut Reader::open(dir.path()).expect("opens"), &events);
    assert!(count > 100, "{count}");
    assert!(
        matches!(tail, Ok(Tail::Torn { reason, .. }) if reason == "the recording was not ended")
    );
}
