//! Messages as bytes: what is said arrives, the fuzz target over its corpus and over what is near
//! it, and the example in `docs/LINK.md`.
//!
//! `LINK_BLESS=1` writes the seeds of the fuzz target anew.

use crate::link;
#[path = "../../../fuzz/src/link_message.rs"]
mod link_message;

use journal::ShipPosition;
use link_message::{Outcome, run};
use proptest::prelude::*;
use standby::link::{
    Clocks, Hello, Message, PROTOCOL_VERSION, Role, Session, Welcome, WireError, decode, encode,
};
use std::collections::BTreeSet;
use std::path::PathBuf;

const DOCUMENT: &str = include_str!("../../../docs/LINK.md");

fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL_VERSION,
        ftrun_version: "0.1.0".into(),
        role: Role::Primary,
        session: Session(7),
        machine: link::machine(),
        clocks: Clocks {
            monotonic_ns: 1,
            boottime_ns: u64::MAX,
        },
    }
}

/// One of each kind, in the order of their numbers.
fn samples() -> Vec<Message<'static>> {
    let welcome = Welcome {
        protocol: PROTOCOL_VERSION,
        ftrun_version: "0.1.0".into(),
        role: Role::Standby,
        machine: link::machine(),
        position: ShipPosition {
            segment: 1,
            offset: 2,
            events: 3,
            crc: 4,
        }
        .into(),
        applied: 3,
    };
    vec![
        Message::Hello(Box::new(hello())),
        Message::Refuse { reason: "no" },
        Message::Welcome(Box::new(welcome)),
        Message::AskClocks { id: 1 },
        Message::Clocks {
            id: 1,
            clocks: hello().clocks,
        },
        Message::Data {
            segment: 0,
            offset: 300,
            bytes: b"bytes",
        },
        Message::Progress {
            stored: 1,
            applied: 0,
            taken: 1000,
        },
        Message::Offer {
            hash: u128::MAX,
            size: 5,
            path: b"/bin/x",
        },
        Message::Answer {
            hash: 1,
            from: Some(0),
        },
        Message::File { hash: 1, from: 0 },
        Message::FileData { bytes: b"12345" },
        Message::FileHole { len: 1 << 40 },
        Message::FileEnd,
        Message::Control { bytes: b"" },
        Message::Ping { id: 9 },
        Message::Pong { id: 9 },
        Message::Ended {
            events: 1,
            failure: Some("full"),
        },
        Message::Frame {
            codec: 2,
            flags: 0,
            raw_len: 300,
            count: 7,
            crc: [1, 2, 3, 4],
            payload: b"packed",
        },
    ]
}

fn bytes(messages: &[Message<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        encode(&mut out, message).expect("encodes");
    }
    out
}

#[test]
fn every_message_arrives_and_has_the_documented_number() {
    let samples = samples();
    let all = bytes(&samples);
    let mut left = &all[..];
    for (number, sample) in samples.iter().enumerate() {
        assert_eq!(usize::from(left[8]), number, "{sample:?}");
        let name = format!("{sample:?}");
        let name: String = name.chars().take_while(|c| c.is_alphabetic()).collect();
        assert!(
            DOCUMENT.contains(&format!("| {number} | `{name}` |")),
            "{name}"
        );
        let (message, len) = decode(left).expect("right").expect("whole");
        assert_eq!(message, *sample);
        left = &left[len..];
    }
    assert!(left.is_empty());
    assert!(!DOCUMENT.contains(&format!("| {} | `", samples.len())));
}

#[test]
fn limits_and_version_are_the_documented_ones() {
    for (what, value) in [
        ("protocol version", PROTOCOL_VERSION as usize),
        ("body of a message", standby::link::BODY_BYTES_MAX),
        (
            "`bytes` or `payload` of a message",
            standby::link::CHUNK_BYTES_MAX,
        ),
    ] {
        assert!(
            DOCUMENT.contains(&format!("| {what} | {value} |")),
            "{what}"
        );
    }
}

#[test]
fn the_example_is_what_is_sent() {
    let (_, section) = DOCUMENT.split_once("## An example").expect("the heading");
    let block = section.split("```").nth(1).expect("a block");
    let hex = block.lines().flat_map(|line| {
        line.split('|')
            .next()
            .unwrap_or_default()
            .split_whitespace()
    });
    let documented: Vec<u8> = hex
        .map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
        .collect();
    let sent = bytes(&[
        Message::Data {
            segment: 0,
            offset: 300,
            bytes: b"bytes",
        },
        Message::Progress {
            stored: 1,
            applied: 0,
            taken: 5,
        },
    ]);
    assert!(documented == sent, "it is {sent:02x?}");
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let good = bytes(&samples()[5..6]);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            // A larger length waits for more; nothing is ever taken for right.
            assert!(
                matches!(decode(&bad), Err(_) | Ok(None)),
                "byte {at} bit {bit}"
            );
        }
        assert_eq!(decode(&good[..at]), Ok(None));
    }
}

#[test]
fn other_versions_are_told_apart_whatever_they_look_like() {
    let mut body = vec![0, 9];
    body.extend(b"what nobody knows yet");
    let len = u32::try_from(body.len()).expect("small").to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&len), &body);
    let message = [&len[..], &crc.to_le_bytes(), &body].concat();
    assert_eq!(decode(&message), Err(WireError::Version(9)));
}

proptest! {
    #[test]
    fn any_bytes_are_messages_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        run(&bytes);
        run(&[&[0x80], &bytes[..]].concat());
    }

    #[test]
    fn control_and_data_of_any_length_arrive(
        payload in proptest::collection::vec(any::<u8>(), 0..5000),
        segment: u32,
        offset: u64,
    ) {
        let sent = [
            Message::Control { bytes: &payload },
            Message::Data { segment, offset, bytes: &payload },
        ];
        let all = bytes(&sent);
        let (first, len) = decode(&all).expect("right").expect("whole");
        prop_assert_eq!(&first, &sent[0]);
        let (second, rest) = decode(&all[len..]).expect("right").expect("whole");
        prop_assert_eq!(&second, &sent[1]);
        prop_assert_eq!(len + rest, all.len());
    }
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let all = bytes(&samples());
    let with = |mode: u8, bytes: &[u8]| [&[mode], bytes].concat();
    let mut damaged = all.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let mut seeds = vec![
        ("all", with(0x80, &all)),
        ("cut", with(0, &all[..all.len() - 1])),
        ("damaged", with(0, &damaged)),
        ("repaired", with(0x80, &damaged)),
        ("empty", with(0, &[])),
        ("http", with(0, b"GET / HTTP/1.1\r\n\r\n")),
    ];
    let names = ["hello", "data", "offer", "ended"];
    for (name, number) in names.into_iter().zip([0, 5, 7, 16]) {
        seeds.push((name, with(0x80, &bytes(&samples()[number..=number]))));
    }
    seeds
}

fn corpus() -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/link_message");
    if std::env::var_os("LINK_BLESS").is_some() {
        for (name, bytes) in seeds() {
            std::fs::write(dir.join(name), bytes).expect("writes");
        }
    }
    let entries = std::fs::read_dir(&dir).expect("the corpus");
    entries
        .map(|entry| std::fs::read(entry.expect("an entry").path()).expect("reads"))
        .collect()
}

#[test]
fn the_corpus_is_good_and_reaches_every_outcome() {
    let corpus = corpus();
    assert!(corpus.len() >= seeds().len());
    let outcomes: BTreeSet<_> = corpus.iter().map(|bytes| run(bytes)).collect();
    let all = [
        Outcome::Nothing,
        Outcome::Incomplete,
        Outcome::Refused,
        Outcome::Understood,
    ];
    assert_eq!(outcomes, BTreeSet::from(all));
}

#[test]
fn what_is_near_the_corpus_is_good_too() {
    for bytes in corpus() {
        let mut bytes = [&[bytes[0] | 0x80], &bytes[1..]].concat();
        for at in 1..bytes.len() {
            for value in [bytes[at] ^ 1, 0xff] {
                let before = std::mem::replace(&mut bytes[at], value);
                run(&bytes);
                bytes[at] = before;
            }
        }
    }
}
