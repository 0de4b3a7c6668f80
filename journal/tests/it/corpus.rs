//! The fuzz target, without the fuzzer: over its corpus, and over what is near it.
//!
//! `JOURNAL_BLESS=1` writes the seeds anew.

#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use crate::common;
#[path = "../../../fuzz/src/journal_reader.rs"]
mod journal_reader;

use common::{one_frame_each, samples};
use journal::{Event, WriterOptions};
use journal_reader::{Outcome, run};
use std::collections::BTreeSet;
use std::path::PathBuf;

const REPAIR: u8 = 0x80;

/// Segments in the form that the target takes.
fn input(flags: u8, segments: &[Vec<u8>]) -> Vec<u8> {
    let (last, before) = segments.split_last().expect("a segment");
    let mut input = vec![flags | before.len() as u8];
    for segment in before {
        input.extend((segment.len() as u16).to_le_bytes());
        input.extend(segment);
    }
    input.extend(last);
    input
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let all = samples::all();
    let raw = || WriterOptions {
        compress: false,
        ..one_frame_each(1 << 20)
    };
    let text = vec![
        Event::Note("the same again and ".repeat(100).into()),
        Event::End(0),
    ];
    let packed = common::segments(
        WriterOptions {
            flush_ms: 60_000,
            ..WriterOptions::default()
        },
        &text,
    );
    let few = [&all[..3], &all[all.len() - 1..]].concat();
    let several = common::segments(one_frame_each(100), &few);
    let mut torn = common::segments(raw(), &few);
    torn[0].pop();
    let mut damaged = common::segments(raw(), &few);
    let middle = damaged[0].len() - 100;
    damaged[0][middle] ^= 1;
    vec![
        ("all", input(REPAIR, &common::segments(raw(), &all))),
        (
            "one-frame",
            input(
                REPAIR,
                &common::segments(
                    WriterOptions {
                        compress: false,
                        ..WriterOptions::default()
                    },
                    &all,
                ),
            ),
        ),
        ("packed", input(REPAIR, &packed)),
        ("several", input(REPAIR, &several)),
        ("torn", input(0, &torn)),
        ("damaged", input(0, &damaged)),
        ("empty", input(REPAIR, &common::segments(raw(), &[]))),
        (
            "ended",
            input(REPAIR, &common::segments(raw(), &[Event::End(0)])),
        ),
        (
            "something-else",
            b"\x00#!/bin/sh\n# no journal, whatever its name says\n".to_vec(),
        ),
    ]
}

fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/journal_reader");
    if std::env::var_os("JOURNAL_BLESS").is_some() {
        for (name, bytes) in seeds() {
            std::fs::write(dir.join(name), bytes).expect("writes");
        }
    }
    let entries = std::fs::read_dir(&dir)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| (path.clone(), std::fs::read(path).expect("reads")))
        .collect()
}

#[test]
fn the_corpus_is_good_and_reaches_every_outcome() {
    let corpus = corpus();
    assert!(corpus.len() >= seeds().len());
    let outcomes: BTreeSet<_> = corpus.iter().map(|(_, bytes)| run(bytes)).collect();
    let all = [
        Outcome::Refused,
        Outcome::Corrupt,
        Outcome::Torn,
        Outcome::Whole,
    ];
    assert_eq!(outcomes, BTreeSet::from(all));
}

#[test]
fn what_is_near_the_corpus_is_good_too() {
    for (_, bytes) in corpus() {
        // With right checksums, so that the damage is found behind them.
        let mut bytes = [&[bytes[0] | REPAIR], &bytes[1..]].concat();
        for at in 1..bytes.len() {
            for value in [bytes[at] ^ 1, 0xff] {
                let before = std::mem::replace(&mut bytes[at], value);
                run(&bytes);
                bytes[at] = before;
            }
        }
    }
}
