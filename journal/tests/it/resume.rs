//! Going on with a journal whose writer is gone.

use crate::common;

use common::header;
use journal::{Event, Reader, Tail, Tid, WriteError, Writer, WriterOptions};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

fn options() -> WriterOptions {
    WriterOptions {
        segment_bytes_max: 600,
        buffered_bytes_max: 400,
        ..WriterOptions::default()
    }
}

fn append(writer: &mut Writer, range: std::ops::Range<i32>) {
    for number in range {
        let index = writer.append(&Event::Switch(Tid(number))).expect("appends");
        assert_eq!(index.0, u64::try_from(number).expect("counts up"));
    }
}

fn read_all(reader: &mut Reader) -> i32 {
    let mut count = 0;
    while let Some((_, event)) = reader.next().expect("readable") {
        if event == Event::End(7) {
            break;
        }
        assert_eq!(event, Event::Switch(Tid(count)));
        count += 1;
    }
    count
}

fn spoil(dir: &Path) {
    let mut last = 0;
    while dir
        .join("journal")
        .join(journal::segment_name(last + 1))
        .exists()
    {
        last += 1;
    }
    OpenOptions::new()
        .append(true)
        .open(dir.join("journal").join(journal::segment_name(last)))
        .expect("opens")
        .write_all(b"\xf7FRM and then the power went")
        .expect("writes");
}

#[test]
fn a_cut_journal_goes_on_as_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut next = 0;
    let mut writer = Writer::create(dir.path(), &header(), options()).expect("begins");
    for round in 0..5 {
        append(&mut writer, next..next + 500);
        next += 500;
        drop(writer);
        if round % 2 == 0 {
            spoil(dir.path());
        }
        let mut reader = Reader::open(dir.path()).expect("opens");
        assert_eq!(read_all(&mut reader), next);
        let end = reader.end().expect("a place to go on from");
        writer = Writer::resume(dir.path(), &end, options()).expect("goes on");
        assert!(matches!(
            Writer::resume(dir.path(), &end, options()),
            Err(WriteError::Io { .. })
        ));
    }
    writer.append(&Event::End(7)).expect("appends");
    let summary = writer.finish().expect("finishes");
    assert_eq!(summary.events, 2501);
    let mut reader = Reader::open(dir.path()).expect("opens");
    assert_eq!(read_all(&mut reader), 2500);
    assert!(reader.next().expect("readable").is_none());
    assert_eq!(reader.tail(), Tail::Whole);
    assert!(reader.end().is_none());
    assert_eq!(reader.progress().0, summary.bytes_written);
}
