//! Copies of journals: byte for byte the same, whatever the pieces in which they come, and
//! wherever copying stops and goes on.

use crate::common;

use common::{header, one_frame_each, samples};
use journal::{
    Event, FileStore, Follow, FrameTail, KeptRef, LeanHead, Piece, Progress, Reader, Replica,
    ShipError, ShipPosition, Tail, Tid, Writer, WriterOptions, segment_name, writer_of,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

fn record(dir: &Path, options: WriterOptions, events: &[Event<'_>]) -> u64 {
    let mut writer = Writer::create(dir, &header(), options).expect("begins");
    for event in events {
        writer.append(event).expect("appends");
    }
    writer.finish().expect("finishes").events
}

fn segments(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir.join("journal")).expect("a journal");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name != "lock")
        .map(|name| {
            let bytes = fs::read(dir.join("journal").join(&name)).expect("reads");
            (name, bytes)
        })
        .collect()
}

/// Ships what there is from `tail`, in pieces of `piece` bytes.
fn ship(tail: &mut FrameTail, written: u64, replica: &mut Replica, piece: usize) -> usize {
    let mut units = 0;
    while let Some(unit) = tail.next(written).expect("readable") {
        units += 1;
        let mut offset = unit.offset;
        for bytes in unit.bytes.chunks(piece) {
            replica
                .push(unit.segment, offset, bytes)
                .expect("it is what was written");
            offset += bytes.len() as u64;
        }
    }
    units
}

#[test]
fn a_copy_is_the_same_byte_for_byte_and_has_the_same_modes() {
    let from = tempfile::tempdir().expect("a directory");
    let to = tempfile::tempdir().expect("a directory");
    let events = samples::all();
    let count = record(from.path(), one_frame_each(300), &events);
    let mut tail = FrameTail::open(from.path()).expect("opens");
    let mut replica = Replica::open(to.path()).expect("begins");
    assert_eq!(
        writer_of(to.path()).expect("a lock"),
        Some(std::process::id())
    );
    assert_eq!(replica.position(), ShipPosition::default());
    ship(&mut tail, count, &mut replica, 7);
    assert!(segments(from.path()).len() > 3);
    assert_eq!(segments(from.path()), segments(to.path()));
    assert_eq!(replica.position(), tail.position());
    let bytes: usize = segments(from.path()).values().map(Vec::len).sum();
    assert_eq!(tail.bytes_before(), bytes as u64);
    assert!(tail.next(count).expect("readable").is_none());
    for name in ["journal", "journal/00000000.ftj", "journal/lock"] {
        let mode = |dir: &Path| fs::metadata(dir.join(name)).expect("it is there").mode();
        assert_eq!(mode(from.path()), mode(to.path()), "{name}");
    }
    assert!(replica.take_ended().expect("several").sync().is_ok());
    drop(replica);
    assert_eq!(writer_of(to.path()).expect("a lock"), None);
    let mut reader = Reader::open(to.path()).expect("opens");
    let (read, tail) = common::compare(&mut reader, &events);
    assert_eq!((read as u64, tail.expect("readable")), (count, Tail::Whole));
}

/// Ships what there is with lean heads, where there are heads.
fn ship_lean(tail: &mut FrameTail, written: u64, replica: &mut Replica) -> usize {
    let mut frames = 0;
    while let Some(unit) = tail.next(written).expect("readable") {
        match LeanHead::of(unit.bytes).filter(|_| unit.offset > 0) {
            Some((head, payload)) => {
                frames += 1;
                let len = replica.push_frame(head, payload).expect("it fits");
                assert_eq!(len, unit.bytes.len());
            }
            None => replica
                .push(unit.segment, unit.offset, unit.bytes)
                .expect("it fits"),
        }
    }
    frames
}

#[test]
fn frames_with_lean_heads_become_the_same_copy() {
    let from = tempfile::tempdir().expect("a directory");
    let to = tempfile::tempdir().expect("a directory");
    let events = samples::all();
    let count = record(from.path(), one_frame_each(300), &events);
    let mut tail = FrameTail::open(from.path()).expect("opens");
    let mut replica = Replica::open(to.path()).expect("begins");
    assert!(ship_lean(&mut tail, count, &mut replica) > 3);
    assert!(segments(from.path()).len() > 3);
    assert_eq!(segments(from.path()), segments(to.path()));
}

#[test]
fn a_lean_head_that_is_wrong_is_not_stored() {
    let from = tempfile::tempdir().expect("a directory");
    let events = samples::all();
    let count = record(from.path(), one_frame_each(u64::MAX), &events);
    let to = tempfile::tempdir().expect("a directory");
    let mut replica = Replica::open(to.path()).expect("begins");
    let mut tail = FrameTail::open(from.path()).expect("opens");
    let unit = tail.next(count).expect("readable").expect("the head");
    let (segment, start, head_of_segment) = (unit.segment, unit.offset, unit.bytes.to_vec());
    let frame = tail.next(count).expect("readable").expect("a frame");
    let (head, payload) = LeanHead::of(frame.bytes).expect("a frame");
    let early = replica.push_frame(head, payload);
    assert!(matches!(early, Err(ShipError::Broken { .. })), "{early:?}");
    replica
        .push(segment, start, &head_of_segment)
        .expect("the head");
    let place = replica.position();
    let wrong: [fn(&mut LeanHead); 6] = [
        |head| head.codec ^= 1,
        |head| head.codec = 9,
        |head| head.flags ^= 0x80,
        |head| head.raw_len += 1,
        |head| head.count += 1,
        |head| head.crc ^= 1,
    ];
    for change in wrong {
        let mut head = head;
        change(&mut head);
        let done = replica.push_frame(head, payload);
        assert!(matches!(done, Err(ShipError::Broken { .. })), "{head:?}");
        assert_eq!(replica.position(), place);
    }
    let short = replica.push_frame(head, &payload[1..]);
    assert!(matches!(short, Err(ShipError::Broken { .. })), "{short:?}");
    // A part of a frame came before it.
    let (segment, offset) = (place.segment, place.offset);
    replica
        .push(segment, offset, &frame.bytes[..5])
        .expect("a part");
    assert!(replica.push_frame(head, payload).is_err());
    replica
        .push_frame(head, payload)
        .expect("the part is forgotten");
    assert_eq!(
        replica.position().events,
        place.events + u64::from(head.count)
    );
}

#[test]
fn only_one_may_write_a_copy() {
    let to = tempfile::tempdir().expect("a directory");
    let first = Replica::open(to.path()).expect("begins");
    let second = Replica::open(to.path());
    assert!(
        matches!(second, Err(ShipError::InUse { pid, .. }) if pid == std::process::id()),
        "{second:?}"
    );
    drop(first);
    Replica::open(to.path()).expect("the first is gone");
}

#[test]
fn what_is_wrong_is_not_stored() {
    let from = tempfile::tempdir().expect("a directory");
    let events = samples::all();
    record(from.path(), one_frame_each(u64::MAX), &events);
    let bytes = segments(from.path()).remove(&segment_name(0)).expect("one");
    for at in 0..bytes.len() {
        let to = tempfile::tempdir().expect("a directory");
        let mut replica = Replica::open(to.path()).expect("begins");
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        // A length may be damaged so that more is expected.
        let pushed = replica.push(0, 0, &damaged);
        let stored = segments(to.path())
            .remove(&segment_name(0))
            .unwrap_or_default();
        assert!(
            stored.len() <= at && bytes.starts_with(&stored),
            "byte {at}"
        );
        assert_eq!(stored.len() as u64, replica.position().offset);
        if pushed.is_err() {
            // It goes on with what is right.
            let offset = replica.position().offset;
            let rest = usize::try_from(offset).expect("small");
            replica.push(0, offset, &bytes[rest..]).expect("right");
            assert_eq!(segments(to.path()), segments(from.path()));
        }
    }
}

#[test]
fn the_place_must_be_the_next_one() {
    let from = tempfile::tempdir().expect("a directory");
    let to = tempfile::tempdir().expect("a directory");
    record(from.path(), one_frame_each(u64::MAX), &samples::all());
    let bytes = segments(from.path()).remove(&segment_name(0)).expect("one");
    let mut replica = Replica::open(to.path()).expect("begins");
    replica.push(0, 0, &bytes[..40]).expect("a part");
    for (segment, offset) in [(0, 0), (0, 39), (0, 41), (1, 0), (1, 40), (u32::MAX, 0)] {
        assert!(replica.push(segment, offset, &bytes[40..]).is_err());
        replica
            .push(0, 0, &bytes[..40])
            .expect("the part was forgotten");
    }
    replica.push(0, 40, &bytes[40..]).expect("the rest");
    let end = replica.position();
    assert!(replica.push(2, 0, &bytes).is_err());
    assert!(replica.push(1, 0, &bytes).is_err(), "this is segment 0");
    assert_eq!(end.offset, bytes.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn copying_stops_and_goes_on_anywhere(
        segment_bytes in 100u64..5000,
        piece in 1usize..2000,
        cuts in proptest::collection::vec((0usize..100_000, any::<bool>()), 0..6),
    ) {
        let from = tempfile::tempdir().expect("a directory");
        let to = tempfile::tempdir().expect("a directory");
        let count = record(from.path(), one_frame_each(segment_bytes), &samples::all());
        let mut kept = None;
        for (cut, torn) in cuts {
            let mut replica = match kept.take() {
                Some(replica) => replica,
                None => Replica::open(to.path()).expect("goes on"),
            };
            let place = replica.position();
            let mut tail = FrameTail::open_at(from.path(), place).expect("it is ours");
            let mut left = cut % 4000;
            'ship: while let Some(unit) = tail.next(count).expect("readable") {
                for (index, bytes) in unit.bytes.chunks(piece).enumerate() {
                    if left < bytes.len() {
                        break 'ship;
                    }
                    left -= bytes.len();
                    let offset = unit.offset + (index * piece) as u64;
                    replica.push(unit.segment, offset, bytes).expect("right");
                }
            }
            let place = replica.position();
            if !torn {
                replica.forget_partial();
                kept = Some(replica);
                continue;
            }
            drop(replica);
            if place.offset > 0 {
                let path = to.path().join("journal").join(segment_name(place.segment));
                let file = fs::OpenOptions::new().write(true).open(path).expect("opens");
                file.write_all_at(&[0xf7, 0x46, 0x52, 0x4d, 0, 0], place.offset).expect("writes");
            }
        }
        let mut replica = match kept.take() {
            Some(replica) => replica,
            None => Replica::open(to.path()).expect("goes on"),
        };
        let mut tail = FrameTail::open_at(from.path(), replica.position()).expect("it is ours");
        ship(&mut tail, count, &mut replica, piece);
        prop_assert_eq!(segments(from.path()), segments(to.path()));
    }
}

#[test]
fn a_copy_of_something_else_is_noticed() {
    let dirs: Vec<_> = (0..2)
        .map(|_| tempfile::tempdir().expect("a directory"))
        .collect();
    let to = tempfile::tempdir().expect("a directory");
    let mut other = samples::all();
    other[3] = Event::Time(77);
    record(dirs[0].path(), one_frame_each(500), &samples::all());
    let count = record(dirs[1].path(), one_frame_each(500), &other);
    let mut replica = Replica::open(to.path()).expect("begins");
    let mut tail = FrameTail::open(dirs[1].path()).expect("opens");
    ship(&mut tail, count, &mut replica, 1000);
    let place = replica.position();
    FrameTail::open_at(dirs[1].path(), place).expect("its own");
    let mut wrong = vec![place];
    wrong.push(ShipPosition {
        crc: place.crc ^ 1,
        ..place
    });
    wrong.push(ShipPosition {
        events: place.events + 1,
        ..place
    });
    wrong.push(ShipPosition {
        offset: place.offset + 1,
        ..place
    });
    wrong.push(ShipPosition {
        offset: place.offset - 1,
        ..place
    });
    wrong.push(ShipPosition {
        segment: place.segment + 1,
        ..place
    });
    for (index, place) in wrong.into_iter().enumerate() {
        let dir = dirs[usize::from(index > 0)].path();
        let found = FrameTail::open_at(dir, place);
        assert!(
            matches!(found, Err(ShipError::NotOurs { .. })),
            "{index}: {found:?}"
        );
    }
}

#[test]
fn a_reader_follows_a_copy_without_looking_in_vain() {
    const EVENTS: i32 = 20_000;
    let from = tempfile::tempdir().expect("a directory");
    let to = tempfile::tempdir().expect("a directory");
    let options = WriterOptions {
        segment_bytes_max: 5000,
        buffered_bytes_max: 4000,
        flush_ms: 1,
        ..WriterOptions::default()
    };
    let mut writer = Writer::create(from.path(), &header(), options).expect("begins");
    let hand = writer.appender();
    let mut tail = FrameTail::open(from.path()).expect("opens");
    let mut replica = Replica::open(to.path()).expect("begins");
    ship(&mut tail, 0, &mut replica, 1 << 16);
    let mut reader = Reader::open(to.path()).expect("the head is there");
    reader.set_follow(Some(Follow {
        progress: Some(replica.progress()),
        ..Follow::default()
    }));
    let follower = std::thread::spawn(move || {
        let mut count = 0;
        while let Some((_, event)) = reader.next().expect("readable") {
            assert_eq!(event, Event::Switch(Tid(count)));
            count += 1;
        }
        (count, reader.tail())
    });
    let shipper = std::thread::spawn(move || {
        let mut written = 0;
        while written < EVENTS as u64 {
            written = hand.wait_written(written, std::time::Duration::from_secs(60));
            ship(&mut tail, written, &mut replica, 1 << 16);
        }
        replica
    });
    for number in 0..EVENTS {
        writer.append(&Event::Switch(Tid(number))).expect("appends");
    }
    writer.finish().expect("finishes");
    let replica = shipper.join().expect("no panic");
    // The follower waits, until it is told that no more will come.
    replica.progress().stop();
    assert_eq!(follower.join().expect("no panic"), (EVENTS, Tail::Live));
    drop(replica);
    assert_eq!(segments(from.path()), segments(to.path()));
}

#[test]
fn following_by_progress_ends_with_patience_and_by_cancelling() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer =
        Writer::create(dir.path(), &header(), WriterOptions::default()).expect("begins");
    let mut reader = Reader::open(dir.path()).expect("opens");
    let progress = Arc::new(Progress::default());
    let follow = Follow {
        timeout: Some(std::time::Duration::from_millis(30)),
        cancel: None,
        progress: Some(Arc::clone(&progress)),
    };
    reader.set_follow(Some(follow.clone()));
    writer.append(&Event::Time(1)).expect("appends");
    writer.flush().expect("flushes");
    assert!(reader.next().expect("readable").is_none(), "nobody told");
    assert_eq!(reader.tail(), Tail::Live);
    let cancel = Arc::new(std::sync::atomic::AtomicBool::new(true));
    reader.set_follow(Some(Follow {
        timeout: None,
        cancel: Some(cancel),
        ..follow.clone()
    }));
    assert!(reader.next().expect("readable").is_none(), "cancelled");
    progress.advance(1);
    assert!(reader.next().expect("readable").is_some());
}

#[test]
fn frames_tell_the_kept_files_that_they_name() {
    let from = tempfile::tempdir().expect("a directory");
    let file = |id, hash| {
        Event::File(journal::KeptFile {
            id: journal::FileId(id),
            hash,
            size: 5,
            path: b"/bin/x".as_slice().into(),
        })
    };
    let text = "the same again ".repeat(1000);
    for compress in [false, true] {
        let dir = from.path().join(compress.to_string());
        fs::create_dir(&dir).expect("creates");
        let options = WriterOptions {
            flush_ms: 60_000,
            compress,
            ..WriterOptions::default()
        };
        let mut writer = Writer::create(&dir, &header(), options).expect("begins");
        for event in samples::all() {
            if !matches!(event, Event::End(_)) {
                writer.append(&event).expect("appends");
            }
        }
        writer.flush().expect("flushes");
        for event in [
            Event::Note(text.clone().into()),
            file(1, 7),
            Event::Time(1),
            file(2, 9),
        ] {
            writer.append(&event).expect("appends");
        }
        writer.finish().expect("finishes");
        let mut tail = FrameTail::open(&dir).expect("opens");
        let mut found = Vec::new();
        while let Some(unit) = tail.next(u64::MAX).ok().flatten() {
            found.push(unit.kept_files().expect("good"));
        }
        let named = |hash| KeptRef {
            hash,
            size: 5,
            path: b"/bin/x".to_vec(),
        };
        assert_eq!(found[0], [], "the head of the segment");
        let in_samples = samples::all()
            .iter()
            .filter(|event| matches!(event, Event::File(_)))
            .count();
        assert!(in_samples > 0 && found[1].len() == in_samples);
        assert_eq!(found[2], [named(7), named(9)]);
    }
}

/// Moves kept content from one store to another, at most `budget` pieces of it.
fn transfer(from: &FileStore, to: &FileStore, hash: u128, size: u64, budget: usize) -> bool {
    let mut incoming = to.receive(hash, size).expect("begins");
    let mut outgoing = from.read_kept(hash, incoming.at()).expect("opens");
    let mut buffer = vec![0; 1000];
    for _ in 0..budget {
        match outgoing.next(&mut buffer, 1 << 20).expect("readable") {
            Some(Piece::Data(len)) => incoming.data(&buffer[..len]).expect("writes"),
            Some(Piece::Hole(len)) => incoming.hole(len).expect("writes"),
            None => {
                incoming.finish().expect("it is what was kept");
                return true;
            }
        }
    }
    false
}

#[test]
fn kept_files_move_with_their_holes_and_go_on_where_they_stopped() {
    let dirs: Vec<_> = (0..2)
        .map(|_| tempfile::tempdir().expect("a directory"))
        .collect();
    let mut from = FileStore::create(dirs[0].path()).expect("begins");
    let to = FileStore::open_or_create(dirs[1].path()).expect("begins");
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(&[1; 5000], 0).expect("writes");
    file.write_all_at(b"in the middle", 50 << 20)
        .expect("writes");
    file.set_len(70 << 20).expect("grows");
    let kept = from.keep(&file, u64::MAX).expect("keeps");
    let mut tries = 1;
    while !transfer(&from, &to, kept.hash, kept.size, 3 * tries) {
        assert!(!to.has(kept.hash, kept.size).expect("looks"));
        tries += 1;
    }
    assert!(tries > 3, "it stopped several times");
    assert!(to.has(kept.hash, kept.size).expect("looks"));
    to.verify(kept.hash).expect("the same");
    let metadata = fs::metadata(to.path(kept.hash)).expect("it is there");
    assert_eq!(
        (metadata.len(), metadata.mode() & 0o7777),
        (70 << 20, 0o400)
    );
    assert!(metadata.blocks() * 512 < 1 << 20, "holes stay holes");
    let names = fs::read_dir(dirs[1].path().join("files"))
        .expect("a store")
        .count();
    assert_eq!(names, 1, "nothing else is left");
}

#[test]
fn content_that_is_not_what_its_name_says_gets_no_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = FileStore::open_or_create(dir.path()).expect("begins");
    let mut incoming = store.receive(1, 4).expect("begins");
    assert!(incoming.data(b"12345").is_err(), "longer than announced");
    assert!(incoming.hole(u64::MAX).is_err());
    incoming.data(b"1234").expect("writes");
    assert!(incoming.finish().is_err());
    let short = store.receive(1, 4).expect("begins");
    assert_eq!(short.at(), 0, "the wrong bytes are gone");
    assert!(short.finish().is_err());
    assert_eq!(store.list().expect("lists"), []);
}
