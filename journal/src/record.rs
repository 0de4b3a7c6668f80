//! Records: an event's postcard bytes behind a varint length.

mod syscall;

use crate::{Event, RECORD_BYTES_MAX};
use postcard::ser_flavors::Flavor;
use serde::Deserialize;

/// Appends to a buffer that keeps its capacity from frame to frame.
struct Sink<'b> {
    bytes: &'b mut Vec<u8>,
    end_max: usize,
}

impl Flavor for Sink<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > self.end_max - self.bytes.len() {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends `event` as a record. `buffer` is as before if that fails.
///
/// The length is not known before the event is encoded. Almost every record is
/// shorter than 128 bytes, so one byte is left for it; longer ones are moved up.
#[inline]
pub(crate) fn append(buffer: &mut Vec<u8>, event: &Event<'_>) -> postcard::Result<()> {
    let start = buffer.len();
    buffer.push(0);
    let body = start + 1;
    if !syscall::encode(buffer, event) {
        let sink = Sink {
            end_max: body + RECORD_BYTES_MAX,
            bytes: buffer,
        };
        if let Err(error) = postcard::serialize_with_flavor(event, sink) {
            buffer.truncate(start);
            return Err(error);
        }
    }
    let len = buffer.len() - body;
    if let Ok(short @ 0..0x80) = u8::try_from(len) {
        buffer[start] = short;
    } else {
        make_room_for_length(buffer, start, len);
    }
    Ok(())
}

fn make_room_for_length(buffer: &mut Vec<u8>, start: usize, len: usize) {
    let (prefix, width) = varint(len);
    let end = buffer.len();
    buffer.resize(end + width - 1, 0);
    buffer.copy_within(start + 1..end, start + width);
    buffer[start..start + width].copy_from_slice(&prefix[..width]);
}

/// Seven bits a byte, low ones first, the top bit set on all but the last.
#[allow(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn varint(mut value: usize) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut width = 0;
    while value >= 0x80 {
        bytes[width] = value as u8 | 0x80;
        value >>= 7;
        width += 1;
    }
    bytes[width] = value as u8;
    (bytes, width + 1)
}

/// Splits the record at the beginning of `bytes` off: its length with the prefix, and
/// where its body begins. `None` if it is cut short, too long, or its length is not
/// in the shortest form.
pub(crate) fn split(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0usize;
    for (index, &byte) in bytes.iter().enumerate().take(4) {
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let body = index + 1;
            let shortest = index == 0 || byte != 0;
            return (shortest && len <= RECORD_BYTES_MAX && len <= bytes.len() - body)
                .then_some((body, body + len));
        }
    }
    None
}

/// The event of one record's body; all of it must be used.
#[inline]
pub(crate) fn decode(body: &[u8]) -> postcard::Result<Event<'_>> {
    // Not `postcard::take_from_bytes`: it would move the event, which is large, once more.
    let mut deserializer = postcard::Deserializer::from_bytes(body);
    let event = Event::deserialize(&mut deserializer)?;
    if deserializer.finalize()?.is_empty() {
        Ok(event)
    } else {
        Err(postcard::Error::DeserializeBadEncoding)
    }
}
