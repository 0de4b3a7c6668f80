//! The format on the medium: the files of earlier versions are read, and `docs/JOURNAL.md`
//! says what is written, byte by byte and field by field.
//!
//! `JOURNAL_BLESS=1` writes the files in `tests/data/` anew; it is for changes of the
//! format that were meant.

#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use crate::common;

use common::{one_frame_each, samples};
use journal::{
    Args, Bytes, ConnId, Effect, Enter, Event, FORMAT_VERSION, GateEvent, Leave, MemoryStorage,
    Out, Reader, Tail, Tid, Writer, WriterOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;

const DOCUMENT: &str = include_str!("../../../docs/JOURNAL.md");

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn golden(name: &str, written: &[u8]) -> Vec<u8> {
    if std::env::var_os("JOURNAL_BLESS").is_some() {
        std::fs::write(data(name), written).expect("writes");
    }
    std::fs::read(data(name)).expect("reads")
}

fn compressible() -> Vec<Event<'static>> {
    let note = "the same again and ".repeat(100);
    vec![
        Event::Note(note.clone().into()),
        Event::Note(note.into()),
        Event::End(0),
    ]
}

/// What is read from a journal that an earlier version has written.
fn read_back(golden: &[u8], expected: &[Event<'_>]) {
    let (count, tail) = common::read_and_compare(&[golden.to_vec()], expected);
    assert_eq!(
        (count, tail.expect("readable")),
        (expected.len(), Tail::Whole)
    );
}

#[test]
fn format_1_is_read() {
    let mut events = samples::all();
    // Format 1 had them not.
    events.retain(|event| !matches!(event, Event::Gate(GateEvent::Released(_)) | Event::Tree(_)));
    events.retain(|event| !matches!(event, Event::State(_) | Event::InFlight(_)));
    events.retain(|event| !format!("{event:?}").contains("counter: State"));
    let is_newer =
        |event: &GateEvent<'_>| matches!(event, GateEvent::Released(_) | GateEvent::Asked(_));
    events.retain(|event| !matches!(event, Event::Gate(event) if is_newer(event)));
    for event in &mut events {
        if let Event::Syscall(_, leave) | Event::Leave(leave) = event {
            let effects = &mut leave.effects;
            effects.retain(|effect| !matches!(effect, Effect::Socket { .. }));
        }
    }
    let golden = std::fs::read(data("v1.ftj")).expect("reads");
    read_back(&golden, &events);
    let reader = Reader::from_segments(vec![golden]).expect("readable");
    let mut header = common::header();
    header.format_version = 1;
    assert_eq!(reader.header(), &header);
    let packed = std::fs::read(data("v1-lz4.ftj")).expect("reads");
    read_back(&packed, &compressible());
}

#[test]
fn format_2_is_read_and_written_as_ever() {
    let events = samples::all();
    let options = WriterOptions {
        compress: false,
        ..one_frame_each(u64::MAX)
    };
    let written = common::segments(options, &events).remove(0);
    let golden = golden("v2.ftj", &written);
    read_back(&golden, &events);
    assert!(
        golden == written,
        "what is written is no longer what version 2 was"
    );
    let reader = Reader::from_segments(vec![golden]).expect("readable");
    assert_eq!(reader.header(), &common::header());
}

#[test]
fn compressed_frames_of_format_2_are_read() {
    // As another version of the compressor wrote it: only reading it must stay the same.
    let events = compressible();
    let storage = MemoryStorage::new();
    let medium = Box::new(storage.clone());
    let options = WriterOptions::default();
    let mut writer = Writer::create_on(medium, &common::header(), options).expect("begins");
    for event in &events {
        writer.append(event).expect("appends");
        writer.flush().expect("flushes");
    }
    writer.finish().expect("finishes");
    let golden = golden("v2-lz4.ftj", &storage.segments().remove(0));
    assert!(golden.len() < 300, "the second is found in the first");
    read_back(&golden, &events);
}

#[test]
fn references_of_format_2_are_read() {
    let payload = Event::Gate(GateEvent::Payload {
        conn: ConnId(300),
        acked: 0,
        data: Bytes::from(&b"GET / HTTP/1.1"[..]),
    });
    let leave = |outs, effects| {
        Event::Leave(Leave {
            result: 10,
            outs,
            effects,
        })
    };
    let other = Out {
        addr: 0x7fff_2000,
        data: Bytes::from(&b"msghdr"[..]),
    };
    let piece = |addr, data: &'static [u8]| Out {
        addr,
        data: Bytes::from(data),
    };
    let events = [
        payload.clone(),
        leave(vec![other.clone()], vec![samples::received()]),
        Event::End(0),
    ];
    let options = WriterOptions {
        compress: false,
        ..one_frame_each(u64::MAX)
    };
    let written = common::segments(options, &events).remove(0);
    let golden = golden("v2-references.ftj", &written);
    assert!(golden == written);
    let found = [piece(0x7fff_0000, b"GET "), piece(0x7fff_1000, b"/ HTTP")];
    let outs = found.into_iter().chain([other]).collect();
    read_back(
        &golden,
        &[
            payload,
            leave(outs, vec![samples::received()]),
            Event::End(0),
        ],
    );
}

/// The journal of the worked example.
fn example() -> Vec<u8> {
    let mut header = common::header();
    header.created_unix_ns = 1;
    header.machine.cpu_name = "CPU".into();
    header.machine.features = vec![1, 0x80];
    let enter = Enter {
        nr: 39,
        args: Args::new([0; 6], 0),
        ip: 0x40_1007,
        signature: pmu::Signature(0x300),
        ins: Vec::new(),
    };
    let leave = Leave {
        result: 1000,
        outs: Vec::new(),
        effects: Vec::new(),
    };
    let storage = MemoryStorage::new();
    let options = WriterOptions {
        flush_ms: 60_000,
        ..WriterOptions::default()
    };
    let mut writer =
        Writer::create_on(Box::new(storage.clone()), &header, options).expect("begins");
    for event in [
        Event::Switch(Tid(1000)),
        Event::Syscall(enter, leave),
        Event::End(0),
    ] {
        writer.append(&event).expect("appends");
    }
    writer.finish().expect("finishes");
    storage.segments().remove(0)
}

/// The bytes of the first code block under a heading: two digits each, up to a `|`.
fn documented_bytes(heading: &str) -> Vec<u8> {
    let (_, section) = DOCUMENT.split_once(heading).expect("the heading");
    let block = section.split("```").nth(1).expect("a block");
    let mut bytes = Vec::new();
    for line in block.lines().skip(1) {
        let (offset, rest) = line.split_once("  ").expect("an offset");
        assert_eq!(
            usize::from_str_radix(offset, 16),
            Ok(bytes.len()),
            "the offset in {line:?}"
        );
        let (hex, _) = rest.split_once('|').expect("a meaning");
        bytes.extend(
            hex.split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).expect("a byte")),
        );
    }
    bytes
}

#[test]
fn the_worked_example_is_what_is_written() {
    let written = example();
    let shown = written
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        documented_bytes("## A worked example") == written,
        "what is written:\n{shown}"
    );
    let mut reader =
        Reader::from_segments(vec![documented_bytes("## A worked example")]).expect("readable");
    let mut count = 0;
    while reader.next().expect("readable").is_some() {
        count += 1;
    }
    assert_eq!((count, reader.tail()), (3, Tail::Whole));
}

#[test]
fn the_version_and_the_limits_are_documented() {
    let limits = [
        ("format version", FORMAT_VERSION as usize),
        ("encoded header", journal::HEADER_BYTES_MAX),
        ("record", journal::RECORD_BYTES_MAX),
        ("records of a frame", journal::FRAME_RAW_BYTES_MAX),
        ("payload of a frame", journal::FRAME_PAYLOAD_BYTES_MAX),
    ];
    for (name, value) in limits {
        let row = format!("| {name} | {value} |");
        assert!(DOCUMENT.contains(&row), "{row}");
    }
}

/// The rows of the table under a heading, cell by cell.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("\n### `{heading}`\n");
    let Some((_, section)) = DOCUMENT.split_once(heading.as_str()) else {
        panic!("no heading {heading}")
    };
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The fields of every structure in a value's debug output, in their order.
fn fields(value: &impl Debug, found: &mut BTreeSet<(String, Vec<String>)>) {
    let text = format!("{value:?}");
    let mut open: Vec<(String, Vec<String>)> = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => while !matches!(characters.next(), None | Some('"')) {},
            '{' => open.push((std::mem::take(&mut word), Vec::new())),
            ':' => open
                .last_mut()
                .expect("a structure")
                .1
                .push(std::mem::take(&mut word)),
            '}' => drop(found.insert(open.pop().expect("a structure"))),
            // The name of a structure is before its brace, with a space between.
            ' ' if characters.peek() == Some(&'{') => {}
            _ if character.is_alphanumeric() || character == '_' => word.push(character),
            _ => word.clear(),
        }
    }
}

#[test]
fn every_field_of_every_structure_is_documented() {
    let mut found = BTreeSet::new();
    for event in samples::all() {
        fields(&event, &mut found);
    }
    fields(&common::header(), &mut found);
    fields(&samples::received(), &mut found);
    fields(&samples::advised(), &mut found);
    let enums = [
        "Event",
        "Effect",
        "Source",
        "Delivery",
        "Action",
        "GateEvent",
    ]
    .map(table)
    .concat();
    assert!(found.len() > 20, "{found:?}");
    // Arguments are a sequence on the medium, whatever they are in memory.
    for (name, fields) in found.iter().filter(|(name, _)| name != "Args") {
        let inline =
            |row: &&Vec<&str>| quoted(row[1]) == [name.as_str()] && quoted(row[2]) == *fields;
        if enums.iter().any(|row| inline(&row)) {
            continue;
        }
        let documented: Vec<_> = table(name).iter().flat_map(|row| quoted(row[0])).collect();
        assert_eq!(&documented, fields, "fields of {name}");
    }
}

/// Checks the numbers and names of an enum's variants, given one value of each at least.
fn check_variants<T: Debug + serde::Serialize>(heading: &str, values: &[T]) {
    let mut found = BTreeMap::new();
    for value in values {
        let text = format!("{value:?}");
        let name = text
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default()
            .to_owned();
        found.insert(
            postcard::to_stdvec(value).expect("encodes")[0].to_string(),
            name,
        );
    }
    let documented: BTreeMap<_, _> = table(heading)
        .iter()
        .map(|row| (row[0].to_owned(), quoted(row[1]).concat()))
        .collect();
    assert_eq!(documented, found, "variants of {heading}");
}

#[test]
fn every_variant_is_documented_with_its_number() {
    check_variants("Event", &samples::all());
    let mut effects = samples::effects();
    effects.push(samples::received());
    effects.push(samples::advised());
    check_variants("Effect", &effects);
    check_variants("Source", &samples::sources());
    check_variants("Delivery", &samples::deliveries());
    check_variants("Action", &samples::actions());
    check_variants("TrapKind", &samples::trap_kinds());
    check_variants("Counter", &samples::counters());
    check_variants("GateEvent", &samples::gate_events());
    check_variants("Address", &samples::addresses());
}

#[test]
fn kinds_of_events_are_named_in_their_order() {
    for event in samples::all() {
        let number = postcard::to_stdvec(&event).expect("encodes")[0];
        let text = format!("{event:?}");
        let name = text.split(|c: char| !c.is_alphanumeric()).next();
        let known = journal::EVENT_NAMES[usize::from(number)].replace('-', "");
        assert_eq!(name.unwrap_or_default().to_lowercase(), known);
    }
}

#[test]
fn the_samples_leave_no_variant_out() {
    // The number after the last one is no variant.
    let after = |heading: &str| [vec![table(heading).len() as u8], vec![0; 300]].concat();
    assert!(postcard::take_from_bytes::<Event<'_>>(&after("Event")).is_err());
    assert!(postcard::take_from_bytes::<journal::Effect<'_>>(&after("Effect")).is_err());
    assert!(postcard::take_from_bytes::<journal::Source>(&after("Source")).is_err());
    assert!(postcard::take_from_bytes::<journal::Delivery>(&after("Delivery")).is_err());
    assert!(postcard::take_from_bytes::<journal::Action<'_>>(&after("Action")).is_err());
    assert!(postcard::take_from_bytes::<journal::TrapKind>(&after("TrapKind")).is_err());
    assert!(postcard::take_from_bytes::<pmu::Counter>(&after("Counter")).is_err());
    assert!(postcard::take_from_bytes::<journal::GateEvent<'_>>(&after("GateEvent")).is_err());
    assert!(postcard::take_from_bytes::<journal::Address>(&after("Address")).is_err());
}
