//! Memory does not grow with the length of a recording, neither writing nor reading it.

use crate::common;

use common::{alone, header};
use journal::{Bytes, Event, Out, Reader, Tail, Writer, WriterOptions};

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the field");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        << 10
}

#[test]
fn neither_side_keeps_what_is_done() {
    if !alone("memory::neither_side_keeps_what_is_done") {
        return;
    }
    const EVENTS: u64 = 6000;
    // It compresses well: hundreds of megabytes pass through, few reach the disk.
    let data = vec![0u8; 100_000];
    let event = || {
        Event::Data(Out {
            addr: 4096,
            data: Bytes::from(&data[..]),
        })
    };
    let dir = tempfile::tempdir().expect("a directory");
    let options = WriterOptions {
        segment_bytes_max: 100_000,
        ..WriterOptions::default()
    };
    let bound = 3 * options.buffered_bytes_max as u64;
    let before = peak();
    let mut writer = Writer::create(dir.path(), &header(), options).expect("begins");
    for number in 0..EVENTS {
        writer.append(&event()).expect("appends");
        if number % 20 == 0 {
            // So that the thread keeps up, and compresses.
            writer.flush().expect("flushes");
        }
    }
    writer.append(&Event::End(0)).expect("appends");
    let summary = writer.finish().expect("finishes");
    assert!(
        summary.bytes_raw > 8 * bound && summary.segments > 5,
        "{summary:?}"
    );
    let mut reader = Reader::open(dir.path()).expect("opens");
    let mut count = 0;
    while reader.next().expect("readable").is_some() {
        count += 1;
    }
    assert_eq!((count, reader.tail()), (EVENTS + 1, Tail::Whole));
    let grown = peak() - before;
    assert!(
        grown < bound,
        "{grown} bytes for {} bytes of events",
        summary.bytes_raw
    );
}
