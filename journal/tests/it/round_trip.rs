//! What is appended is what is read, in memory and in files, however it is cut up.

#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use crate::common;

use common::{arbitrary, header, samples};
use journal::{
    Bytes, Event, MemoryStorage, Out, RECORD_BYTES_MAX, Reader, Tail, WriteError, Writer,
    WriterOptions,
};
use proptest::prelude::*;

fn options() -> impl Strategy<Value = WriterOptions> {
    (
        0u64..4000,
        prop_oneof![Just(0usize), 0usize..100_000],
        any::<bool>(),
        0u64..3,
    )
        .prop_map(
            |(segment_bytes_max, buffered_bytes_max, compress, flush_ms)| WriterOptions {
                segment_bytes_max,
                buffered_bytes_max,
                flush_ms,
                writer_cpu: None,
                compress,
                events_max: None,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_events_come_back(events in arbitrary::events(), options in options(), short in 1usize..5000) {
        let storage = MemoryStorage::new().with_short_writes(short);
        let summary = common::write(&storage, options, &events);
        let segments = storage.segments();
        prop_assert_eq!(summary.events, events.len() as u64);
        prop_assert_eq!(summary.segments as usize, segments.len());
        prop_assert_eq!(summary.bytes_written, segments.iter().map(|segment| segment.len() as u64).sum::<u64>());
        let (count, tail) = common::read_and_compare(&segments, &events);
        prop_assert_eq!(count, events.len());
        let ended = matches!(events.last(), Some(Event::End(_)));
        prop_assert_eq!(tail.expect("readable") == Tail::Whole, ended);
    }
}

#[test]
fn every_kind_of_event_comes_back_from_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let events = samples::all();
    let mut writer =
        Writer::create(dir.path(), &header(), common::one_frame_each(500)).expect("begins");
    for event in &events {
        writer.append(event).expect("appends");
    }
    let summary = writer.finish().expect("finishes");
    assert!(summary.segments > 3, "{summary:?}");
    let mut reader = Reader::open(dir.path()).expect("opens");
    assert_eq!(reader.header(), &header());
    assert_eq!(reader.progress().1, summary.bytes_written);
    let (count, tail) = common::compare(&mut reader, &events);
    assert_eq!(
        (count, tail.expect("readable")),
        (events.len(), Tail::Whole)
    );
    assert_eq!(
        reader.progress(),
        (summary.bytes_written, summary.bytes_written)
    );
    assert_eq!(reader.position().0, events.len() as u64);
}

#[test]
fn a_recording_is_not_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    Writer::create(dir.path(), &header(), WriterOptions::default())
        .expect("begins")
        .finish()
        .expect("finishes");
    let error =
        Writer::create(dir.path(), &header(), WriterOptions::default()).expect_err("there is one");
    assert!(
        error.to_string().contains("cannot create") && error.to_string().contains("exists"),
        "{error}"
    );
}

#[test]
fn what_was_flushed_can_be_read_while_more_is_to_come() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer =
        Writer::create(dir.path(), &header(), WriterOptions::default()).expect("begins");
    for number in 0..1000 {
        writer.append(&Event::Time(number)).expect("appends");
    }
    writer.flush().expect("flushes");
    let mut reader = Reader::open(dir.path()).expect("opens");
    let events: Vec<_> = (0..1000).map(Event::Time).collect();
    let (count, tail) = common::compare(&mut reader, &events);
    assert_eq!((count, tail.expect("readable")), (1000, Tail::Live));
    // The same reader goes on when there is more.
    writer.append(&Event::End(0)).expect("appends");
    writer.finish().expect("finishes");
    assert_eq!(
        reader.next().expect("readable").map(|(index, _)| index.0),
        Some(1000)
    );
    assert!(reader.next().expect("readable").is_none());
    assert_eq!(reader.tail(), Tail::Whole);
}

#[test]
fn a_record_at_the_limit_is_kept_and_one_beyond_it_ends_the_journal() {
    // Variant, address and length take six bytes.
    let most = vec![7u8; RECORD_BYTES_MAX - 6];
    let more = vec![7u8; RECORD_BYTES_MAX - 5];
    let data = |data| {
        Event::Data(Out {
            addr: 1,
            data: Bytes::from(data),
        })
    };
    let storage = MemoryStorage::new();
    let mut writer = Writer::create_on(
        Box::new(storage.clone()),
        &header(),
        WriterOptions::default(),
    )
    .expect("begins");
    let events = [Event::Time(1), data(&most[..]), Event::Time(2)];
    for event in &events {
        writer.append(event).expect("appends");
    }
    assert!(writer.failure().is_none());
    let error = writer.append(&data(&more[..])).expect_err("too large");
    assert!(
        matches!(error, WriteError::TooLarge { index } if index.0 == 3),
        "{error}"
    );
    // An event is missing: none may follow it.
    assert!(matches!(
        writer.append(&Event::Time(3)),
        Err(WriteError::TooLarge { .. })
    ));
    assert!(matches!(writer.flush(), Err(WriteError::TooLarge { .. })));
    assert!(writer.failure().is_some());
    assert!(matches!(writer.finish(), Err(WriteError::TooLarge { .. })));
    let (count, tail) = common::read_and_compare(&storage.segments(), &events);
    assert_eq!(count, 3);
    assert!(matches!(tail, Ok(Tail::Torn { .. })));
}

#[test]
fn a_header_beyond_the_limit_is_refused() {
    let mut large = header();
    large.machine.kernel = "x".repeat(journal::HEADER_BYTES_MAX);
    let error = Writer::create_on(
        Box::new(MemoryStorage::new()),
        &large,
        WriterOptions::default(),
    );
    assert!(matches!(error, Err(WriteError::HeaderTooLarge)));
}

#[test]
fn compression_shrinks_what_can_be_shrunk_and_nothing_else() {
    let noise: Vec<u8> = (0u64..200_000)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 31) as u8)
        .collect();
    let zeros = vec![0u8; 200_000];
    let size = |data: &[u8], compress| {
        let events: Vec<_> = (0..10)
            .map(|_| {
                Event::Data(Out {
                    addr: 0,
                    data: Bytes::from(data),
                })
            })
            .collect();
        let options = WriterOptions {
            compress,
            flush_ms: 10_000,
            ..WriterOptions::default()
        };
        let segments = common::segments(options, &events);
        let (count, _) = common::read_and_compare(&segments, &events);
        assert_eq!(count, 10);
        segments.iter().map(Vec::len).sum::<usize>()
    };
    assert!(size(&zeros, true) < 50_000);
    assert!(size(&zeros, false) > 2_000_000);
    assert!(size(&noise, true) < 2_010_000);
}
