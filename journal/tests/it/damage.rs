//! Journals that were cut short, damaged or made up: every one is read as far as it is
//! good, and told apart.

#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use crate::common;

use common::{one_frame_each, read_and_compare};
use journal::{
    Event, FORMAT_VERSION, MemoryStorage, ReadError, Reader, Tail, Tid, Writer, WriterOptions,
};
use proptest::prelude::*;

const SEGMENT_HEAD: usize = 32;
const FRAME_HEAD: usize = 32;

fn few() -> Vec<Event<'static>> {
    let mut events: Vec<_> = (0..5).map(|tid| Event::Switch(Tid(tid))).collect();
    events.push(Event::Note(
        "a note that is long enough to be worth a look".into(),
    ));
    events.extend((5..7).map(|tid| Event::Switch(Tid(tid))));
    events.push(Event::End(0));
    events
}

/// A journal of three segments, several frames each.
fn small() -> (Vec<Event<'static>>, Vec<Vec<u8>>) {
    let events = few();
    let head = common::segments(WriterOptions::default(), &[])[0].len() as u64;
    let segments = common::segments(one_frame_each(head + 100), &events);
    assert_eq!(segments.len(), 3);
    assert!(segments.iter().all(|segment| frames(segment).len() >= 2));
    (events, segments)
}

fn head_len(segment: &[u8]) -> usize {
    SEGMENT_HEAD + u32::from_le_bytes(segment[24..28].try_into().expect("four bytes")) as usize
}

/// Where the frames of a segment begin.
fn frames(segment: &[u8]) -> Vec<usize> {
    let mut at = head_len(segment);
    let mut starts = Vec::new();
    while at < segment.len() {
        starts.push(at);
        let len = u32::from_le_bytes(segment[at + 8..at + 12].try_into().expect("four bytes"));
        at += FRAME_HEAD + len as usize;
    }
    starts
}

#[test]
fn cut_anywhere_in_the_last_segment_the_tail_is_torn() {
    let (events, segments) = small();
    let before: usize = segments[..2]
        .iter()
        .map(|segment| frames(segment).len())
        .sum();
    for len in 0..segments[2].len() {
        let mut cut = segments.clone();
        cut[2].truncate(len);
        let whole = frames(&segments[2])
            .iter()
            .skip(1)
            .filter(|&&end| end <= len)
            .count();
        let (count, tail) = read_and_compare(&cut, &events);
        assert_eq!(count, before + whole, "cut to {len} bytes");
        let end = if len < head_len(&segments[2]) {
            0
        } else {
            frames(&segments[2])[whole]
        };
        let Ok(Tail::Torn {
            segment: 2, offset, ..
        }) = tail
        else {
            panic!("cut to {len} bytes: {tail:?}")
        };
        assert_eq!(offset, end as u64, "cut to {len} bytes");
    }
}

#[test]
fn cut_anywhere_in_another_segment_it_is_corrupt() {
    let (events, segments) = small();
    for len in 0..segments[1].len() {
        let mut cut = segments.clone();
        cut[1].truncate(len);
        let (count, tail) = read_and_compare(&cut, &events);
        assert!(count < events.len());
        assert!(
            matches!(tail, Err(ReadError::Corrupt { .. })),
            "cut to {len} bytes: {tail:?}"
        );
    }
}

#[test]
fn cut_in_the_first_head_there_is_nothing_to_read() {
    let (_, segments) = small();
    for len in 0..head_len(&segments[0]) {
        let error =
            Reader::from_segments(vec![segments[0][..len].to_vec()]).expect_err("no header");
        assert!(
            matches!(error, ReadError::NoHeader { .. }),
            "cut to {len} bytes: {error}"
        );
    }
}

#[test]
fn every_single_flipped_bit_is_found() {
    let (events, segments) = small();
    for number in 0..segments.len() {
        let last_frame = *frames(&segments[number]).last().expect("a frame");
        for at in 0..segments[number].len() {
            for bit in 0..8 {
                let mut flipped = segments.clone();
                flipped[number][at] ^= 1 << bit;
                let (count, tail) = read_and_compare(&flipped, &events);
                let place =
                    format!("segment {number}, byte {at}, bit {bit}: {count} events, {tail:?}");
                assert!(count < events.len(), "{place}");
                // Only what nothing follows can be taken for a torn tail.
                match tail {
                    Err(error) => assert!(error.to_string().contains(".ftj"), "{place}"),
                    Ok(Tail::Torn { segment, .. }) => {
                        assert!(segment == 2 && number == 2 && at >= last_frame, "{place}")
                    }
                    Ok(_) => panic!("{place}"),
                }
            }
        }
    }
}

#[test]
fn damage_names_its_place() {
    let (events, mut segments) = small();
    let second = frames(&segments[0])[1];
    segments[0][second + FRAME_HEAD] ^= 1;
    let (count, tail) = read_and_compare(&segments, &events);
    assert_eq!(count, 1);
    let text = tail.expect_err("damaged").to_string();
    let expected = format!(
        "00000000.ftj is corrupt at offset {second} (segment 0, event 1): a frame's checksum is wrong"
    );
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn damage_in_the_last_segment_with_whole_frames_after_it_is_no_torn_tail() {
    let (events, mut segments) = small();
    let first = frames(&segments[2])[0];
    // Even where the frame seems to reach beyond the end.
    segments[2][first + 10] = 1;
    segments[2][first + 14] = 1;
    let (_, tail) = read_and_compare(&segments, &events);
    let text = tail.expect_err("damaged").to_string();
    assert!(
        text.contains("a frame is cut short, and whole frames follow"),
        "{text}"
    );
}

#[test]
fn a_torn_frame_that_contains_the_frames_of_a_journal_is_a_torn_tail() {
    // An application that writes journals, or reads its own, is recorded.
    let foreign = {
        let mut header = common::header();
        header.created_unix_ns += 1;
        let storage = MemoryStorage::new();
        let mut writer =
            Writer::create_on(Box::new(storage.clone()), &header, one_frame_each(1 << 20))
                .expect("begins");
        for event in few() {
            writer.append(&event).expect("appends");
        }
        writer.finish().expect("finishes");
        storage.segments().concat()
    };
    let own = common::segments(one_frame_each(1 << 20), &few()[..2]).concat();
    let data = [foreign, own].concat();
    let mut events = few()[..3].to_vec();
    events.push(Event::Data(journal::Out {
        addr: 0,
        data: data.into(),
    }));
    let mut segments = common::segments(
        WriterOptions {
            compress: false,
            ..one_frame_each(1 << 20)
        },
        &events,
    );
    segments[0].pop();
    let (count, tail) = read_and_compare(&segments, &events);
    assert_eq!(count, 3);
    assert!(matches!(tail, Ok(Tail::Torn { .. })), "{tail:?}");
}

#[test]
fn zeros_at_the_end_are_a_torn_tail() {
    let events = few();
    let mut segments = common::segments(WriterOptions::default(), &events[..4]);
    let end = segments[0].len() as u64;
    segments[0].extend([0; 9000]);
    let (count, tail) = read_and_compare(&segments, &events);
    assert_eq!(count, 4);
    assert!(
        matches!(tail, Ok(Tail::Torn { offset, .. }) if offset == end),
        "{tail:?}"
    );
}

#[test]
fn an_unended_journal_is_torn_at_its_end() {
    let events = few();
    let segments = common::segments(WriterOptions::default(), &events[..4]);
    let (count, tail) = read_and_compare(&segments, &events);
    assert_eq!(count, 4);
    let reason = "the recording was not ended".into();
    assert_eq!(
        tail.expect("readable"),
        Tail::Torn {
            segment: 0,
            offset: segments[0].len() as u64,
            reason
        }
    );
}

#[test]
fn a_segment_missing_in_the_middle_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (events, segments) = small();
    std::fs::create_dir(dir.path().join("journal")).expect("creates");
    for number in [0u32, 2] {
        let path = dir
            .path()
            .join("journal")
            .join(journal::segment_name(number));
        std::fs::write(path, &segments[number as usize]).expect("writes");
    }
    let (count, tail) = common::compare(&mut Reader::open(dir.path()).expect("opens"), &events);
    assert_eq!(count, frames(&segments[0]).len());
    let error = tail.expect_err("one is missing");
    assert!(
        matches!(error, ReadError::MissingSegment { number: 1, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("journal/00000001.ftj is missing"),
        "{error}"
    );
}

#[test]
fn segments_in_the_wrong_order_are_corrupt() {
    let (events, mut segments) = small();
    segments.swap(1, 2);
    let (count, tail) = read_and_compare(&segments, &events);
    assert_eq!(count, frames(&segments[0]).len());
    let text = tail.expect_err("out of order").to_string();
    assert!(
        text.contains("this is segment 2, which begins with event 6"),
        "{text}"
    );
}

#[test]
fn a_segment_of_another_recording_is_corrupt() {
    let (events, mut segments) = small();
    let storage = MemoryStorage::new();
    let mut header = common::header();
    header.created_unix_ns += 1;
    let options = one_frame_each(segments[0].len() as u64);
    let mut writer =
        Writer::create_on(Box::new(storage.clone()), &header, options).expect("begins");
    for event in &events {
        writer.append(event).expect("appends");
    }
    writer.finish().expect("finishes");
    segments[1] = storage.segments()[1].clone();
    let (_, tail) = read_and_compare(&segments, &events);
    assert!(
        tail.expect_err("foreign")
            .to_string()
            .contains("belongs to another recording")
    );
}

#[test]
fn a_frame_that_stands_twice_is_corrupt() {
    let (events, mut segments) = small();
    let last = *frames(&segments[2]).last().expect("a frame");
    let again = segments[2][last..].to_vec();
    segments[2].extend(again);
    let (count, tail) = read_and_compare(&segments, &events);
    assert_eq!(count, events.len());
    assert!(matches!(tail, Err(ReadError::Corrupt { .. })), "{tail:?}");
}

#[test]
fn an_event_after_the_end_is_corrupt() {
    // "Event::End(0)" twice, in one frame and in two: no writer does so.
    let end: &[u8] = &[2, 14, 0];
    let one = forged(&[end, end].concat(), false, 6, 2);
    let mut two = forged(end, false, 3, 1);
    let seed = crc32c::crc32c(&common::segments(WriterOptions::default(), &[])[0][SEGMENT_HEAD..]);
    two.extend(frame(seed, end, false, (3, 1, 1)));
    for segment in [one, two] {
        let events = [Event::End(0), Event::End(0)];
        let (count, tail) = read_and_compare(&[segment], &events);
        assert_eq!(count, 1);
        let text = tail.expect_err("goes on").to_string();
        assert!(text.contains("an event follows the end"), "{text}");
    }
}

#[test]
fn a_newer_format_names_both_versions() {
    let (_, mut segments) = small();
    segments[0][8..12].copy_from_slice(&(FORMAT_VERSION + 6).to_le_bytes());
    let error = Reader::from_segments(segments).expect_err("newer");
    let text = error.to_string();
    assert!(
        matches!(error, ReadError::NewerVersion { found, supported, .. } if found == supported + 6)
    );
    assert!(
        text.contains(&format!("journal format {}", FORMAT_VERSION + 6)),
        "{text}"
    );
    assert!(
        text.contains(&format!("formats up to {FORMAT_VERSION}")),
        "{text}"
    );
}

#[test]
fn something_else_is_not_a_journal() {
    let error = Reader::from_segments(vec![
        b"#!/bin/sh\necho this is longer than a head\n".to_vec(),
    ]);
    assert!(matches!(error, Err(ReadError::NotAJournal { .. })));
    let dir = tempfile::tempdir().expect("a directory");
    let error = Reader::open(dir.path()).expect_err("empty");
    assert!(matches!(error, ReadError::NoJournal { .. }), "{error}");
}

/// A frame with a right checksum around any payload, after a right head.
fn forged(payload: &[u8], packed: bool, raw_len: u32, count: u32) -> Vec<u8> {
    let mut segment = common::segments(WriterOptions::default(), &[]).remove(0);
    let seed = crc32c::crc32c(&segment[SEGMENT_HEAD..]);
    segment.extend(frame(seed, payload, packed, (raw_len, 0, count)));
    segment
}

/// The frame alone: bytes of its records, its first event, and how many it has.
fn frame(
    seed: u32,
    payload: &[u8],
    packed: bool,
    (raw_len, first, count): (u32, u64, u32),
) -> Vec<u8> {
    let mut head = b"\xf7FRM".to_vec();
    head.extend([u8::from(packed), 0, 0, 0]);
    head.extend((payload.len() as u32).to_le_bytes());
    head.extend(raw_len.to_le_bytes());
    head.extend(first.to_le_bytes());
    head.extend(count.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed, &head), payload);
    head.extend(crc.to_le_bytes());
    head.extend(payload);
    head
}

/// Reads to the end, whatever the events are.
fn read_all(segments: Vec<Vec<u8>>) -> Result<Tail, ReadError> {
    let mut reader = Reader::from_segments(segments)?;
    while reader.next()?.is_some() {}
    Ok(reader.tail())
}

#[test]
fn a_forged_frame_is_believed_only_if_it_is_one() {
    // The record is "Event::End(0)": two bytes, variant 14, status 0.
    assert_eq!(
        read_all(vec![forged(&[2, 14, 0], false, 3, 1)]).expect("readable"),
        Tail::Whole
    );
    let wrong = [
        (
            forged(&[2, 14, 0], false, 3, 2),
            "the number of records is wrong",
        ),
        (
            forged(&[2, 14, 0, 2, 14, 0], false, 6, 1),
            "the number of records is wrong",
        ),
        (
            forged(&[3, 14, 0], false, 3, 1),
            "a record's length is wrong",
        ),
        (
            forged(&[0x82, 0, 14, 0], false, 4, 1),
            "a record's length is wrong",
        ),
        (
            forged(&[0xff; 8], false, 8, 1),
            "a record's length is wrong",
        ),
        (
            forged(&[3, 14, 0, 0], false, 4, 1),
            "a record is not an event",
        ),
        (forged(&[2, 99, 0], false, 3, 1), "a record is not an event"),
        (forged(&[0], false, 1, 1), "a record is not an event"),
        (
            forged(&[0xff; 8], true, 100, 1),
            "a frame cannot be decompressed",
        ),
    ];
    for (segment, reason) in wrong {
        let text = read_all(vec![segment]).expect_err(reason).to_string();
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn lengths_that_cannot_be_are_never_allocated() {
    let beyond = [
        forged(&[0; 8], true, u32::MAX, 1),
        forged(&[0; 8], true, (64 << 20) + 1, 1),
        // More than LZ4 could make of it.
        forged(&[0; 8], true, 64 << 20, 1),
        forged(&[0; 8], false, 8, 9),
        forged(&[0; 8], false, 8, 0),
        forged(&[0; 8], false, 9, 1),
        forged(&[0; 8], true, 8, 1),
    ];
    for segment in beyond {
        let tail = read_all(vec![segment]).expect("a torn tail");
        assert!(
            matches!(&tail, Tail::Torn { reason, .. } if reason == "a length is beyond the limit"),
            "{tail:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let head = common::segments(WriterOptions::default(), &[]).remove(0);
        let _ = read_all(vec![bytes.clone()]);
        let _ = read_all(vec![[&head[..], &bytes].concat()]);
        let len = bytes.len() as u32;
        for count in 1..4 {
            let _ = read_all(vec![forged(&bytes, false, len, count)]);
            let _ = read_all(vec![forged(&bytes, true, len * 3 + 1, count)]);
        }
    }

    #[test]
    fn an_overwritten_piece_is_found(at in any::<prop::sample::Index>(), piece in proptest::collection::vec(any::<u8>(), 1..80)) {
        let (events, segments) = small();
        let at = at.index(segments.iter().map(Vec::len).sum());
        let mut damaged = segments.clone();
        let bytes = damaged.iter_mut().flatten().skip(at).zip(&piece);
        bytes.for_each(|(old, new)| *old = *new);
        let (count, tail) = read_and_compare(&damaged, &events);
        if damaged == segments {
            prop_assert_eq!(tail.expect("readable"), Tail::Whole);
        } else {
            prop_assert!(count < events.len());
            prop_assert!(!matches!(tail, Ok(Tail::Whole | Tail::Live)));
        }
    }
}
