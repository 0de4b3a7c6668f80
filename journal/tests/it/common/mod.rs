//! Shared by the tests: a header, events of every kind, writing to and reading from memory.
#![allow(dead_code, reason = "each test uses some of it")]

pub mod arbitrary;
pub mod samples;

use journal::{
    Event, FORMAT_VERSION, Header, Machine, MemoryStorage, ReadError, Reader, Summary, Tail,
    Writer, WriterOptions,
};

pub fn header() -> Header {
    Header {
        format_version: FORMAT_VERSION,
        ftrun_version: "0.1.0".into(),
        created_unix_ns: 1_700_000_000_000_000_000,
        machine: Machine {
            kernel: "6.18.0".into(),
            cpu_vendor: "GenuineIntel".into(),
            cpu_family: 6,
            cpu_model: 143,
            cpu_name: "Test CPU".into(),
            features: vec![0xbfeb_fbff, 0x7ffa_fbff],
            xsave_size: 2440,
            xcr0: 0x2e7,
            page_size: 4096,
            cpus: 2,
            pinned_cpu: Some(1),
            counter: pmu::Counter::SyncPoint,
        },
    }
}

/// Written with one frame per event.
pub fn one_frame_each(segment_bytes_max: u64) -> WriterOptions {
    WriterOptions {
        segment_bytes_max,
        buffered_bytes_max: 0,
        ..WriterOptions::default()
    }
}

pub fn write(storage: &MemoryStorage, options: WriterOptions, events: &[Event<'_>]) -> Summary {
    let mut writer =
        Writer::create_on(Box::new(storage.clone()), &header(), options).expect("begins");
    for (number, event) in events.iter().enumerate() {
        assert_eq!(writer.append(event).expect("appends").0, number as u64);
    }
    writer.finish().expect("finishes")
}

/// The segments of a journal of `events`.
pub fn segments(options: WriterOptions, events: &[Event<'_>]) -> Vec<Vec<u8>> {
    let storage = MemoryStorage::new();
    write(&storage, options, events);
    storage.segments()
}

/// An event without borrows, by way of its encoding.
pub fn owned(event: &Event<'_>) -> Event<'static> {
    let bytes = postcard::to_stdvec(event).expect("encodes").leak();
    postcard::from_bytes(bytes).expect("decodes")
}

/// Checks the events of a reader against `expected` as far as they go: how many there
/// were, and how it ended.
pub fn compare(reader: &mut Reader, expected: &[Event<'_>]) -> (usize, Result<Tail, ReadError>) {
    let mut count = 0;
    loop {
        match reader.next() {
            Ok(Some((index, event))) => {
                assert_eq!(index.0, count as u64);
                assert_eq!(Some(&event), expected.get(count), "event {count}");
                count += 1;
            }
            Ok(None) => return (count, Ok(reader.tail())),
            Err(error) => return (count, Err(error)),
        }
    }
}

pub fn read_and_compare(
    segments: &[Vec<u8>],
    expected: &[Event<'_>],
) -> (usize, Result<Tail, ReadError>) {
    match Reader::from_segments(segments.to_vec()) {
        Ok(mut reader) => compare(&mut reader, expected),
        Err(error) => (0, Err(error)),
    }
}

/// Whether this is a process for this test alone, named by its whole path. If not, runs it in one.
#[must_use]
pub fn alone(test: &str) -> bool {
    const ROLE: &str = "JOURNAL_TEST_ALONE";
    if std::env::var_os(ROLE).is_some_and(|role| role == test) {
        return true;
    }
    let this = std::env::current_exe().expect("this program");
    let output = std::process::Command::new(this)
        .args(["--exact", test, "--test-threads=1"])
        .env(ROLE, test)
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains(" 1 passed"),
        "{}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
