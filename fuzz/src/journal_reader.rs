//! Any bytes as the segments of a journal: nothing may panic, hang, or take memory that the
//! bytes do not justify, and what is read must be events that can be written again.
//!
//! The first byte says into how many segments the rest is cut, and whether its checksums
//! are made right first: nothing behind a checksum would ever be reached otherwise. The
//! checksums are computed here from `docs/JOURNAL.md` alone.

use journal::{Event, MemoryStorage, ReadError, Reader, Tail, Writer, WriterOptions};

const HEAD: usize = 32;
const REPAIR: u8 = 0x80;

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(dead_code, reason = "the fuzzer only wants it to be computed")]
pub enum Outcome {
    Refused,
    Corrupt,
    Torn,
    Whole,
}

/// Runs one input.
pub fn run(data: &[u8]) -> Outcome {
    let Some((&mode, rest)) = data.split_first() else {
        return Outcome::Refused;
    };
    let mut segments = cut(rest, usize::from(mode & 3));
    if mode & REPAIR != 0 {
        segments.iter_mut().for_each(|segment| repair(segment));
    }
    let Ok(mut reader) = Reader::from_segments(segments.clone()) else {
        return Outcome::Refused;
    };
    let header = reader.header().clone();
    let options = WriterOptions {
        flush_ms: 60_000,
        ..WriterOptions::default()
    };
    let storage = MemoryStorage::new();
    let mut again =
        Writer::create_on(Box::new(storage.clone()), &header, options).expect("it was read");
    let end = copy(&mut reader, &mut again);
    again.finish().expect("memory does not fail");
    let count = compare(segments, storage.segments());
    assert_eq!(count, reader.position().0);
    let (done, total) = reader.progress();
    assert!(done <= total);
    match end {
        Err(_) => Outcome::Corrupt,
        Ok(Tail::Whole) => Outcome::Whole,
        Ok(Tail::Torn { .. }) => Outcome::Torn,
        Ok(Tail::Live) => panic!("nobody writes it"),
    }
}

/// Appends all events of `reader` to `writer`.
fn copy(reader: &mut Reader, writer: &mut Writer) -> Result<Tail, ReadError> {
    while let Some((index, event)) = reader.next()? {
        assert_eq!(writer.append(&event).expect("memory does not fail"), index);
    }
    Ok(reader.tail())
}

/// Checks that both journals have the same events up to where the first one ends.
fn compare(original: Vec<Vec<u8>>, copy: Vec<Vec<u8>>) -> u64 {
    let mut original = Reader::from_segments(original).expect("it was read");
    let mut copy = Reader::from_segments(copy).expect("it was written");
    let mut ended = false;
    while let Ok(Some((index, event))) = original.next() {
        assert!(!ended, "an event follows the end");
        ended = matches!(event, Event::End(_));
        let (other_index, other) = copy
            .next()
            .expect("it was written")
            .expect("every event was written");
        assert!(index == other_index && event == other, "event {index:?}");
    }
    assert!(copy.next().expect("it was written").is_none());
    copy.position().0
}

/// Cuts bytes into `more` segments with their lengths before them, and the rest.
fn cut(mut bytes: &[u8], more: usize) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    for _ in 0..more {
        let Some((len, rest)) = bytes.split_first_chunk() else {
            break;
        };
        let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
        segments.push(rest[..len].to_vec());
        bytes = &rest[len..];
    }
    segments.push(bytes.to_vec());
    segments
}

/// Makes the checksums of a segment right, as far as its lengths lead.
fn repair(segment: &mut [u8]) {
    let Some(header_len) = u32_at(segment, 24) else {
        return;
    };
    let Some(header) = segment.get(HEAD..HEAD.saturating_add(header_len)) else {
        return;
    };
    let seed = crc32c::crc32c(header);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&segment[..28]), header);
    segment[28..HEAD].copy_from_slice(&crc.to_le_bytes());
    let mut at = HEAD + header_len;
    while let Some(payload_len) = u32_at(segment, at + 8) {
        let end = (at + HEAD).saturating_add(payload_len);
        let Some(payload) = segment.get(at + HEAD..end) else {
            return;
        };
        let crc =
            crc32c::crc32c_append(crc32c::crc32c_append(seed, &segment[at..at + 28]), payload);
        segment[at + 28..at + HEAD].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}
