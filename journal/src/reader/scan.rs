//! Tells a torn tail from damage: does a whole frame follow what cannot be read?

use super::source::Source;
use super::{Place, ReadError};
use crate::format::{FRAME_HEAD_BYTES, FRAME_MAGIC, FrameHead};

/// How much is read at a time.
const WINDOW_BYTES: usize = 64 << 10;
/// How many bytes of supposed payloads are checked at most. Only a journal made on
/// purpose has that many: it is not given the time.
const CHECKED_BYTES_MAX: u64 = 1 << 30;

/// Whether a whole frame begins after `place`, in a segment of `len` bytes, with this event
/// or a later one. Earlier ones may stand there: in the data of an application that has
/// read its own journal.
pub(super) fn frame_follows(
    source: &mut dyn Source,
    place: Place,
    len: u64,
    seed: u32,
    first_event_min: u64,
) -> Result<bool, ReadError> {
    let mut window = Vec::new();
    let mut start = place.offset + 1;
    let mut checked = 0;
    while len.saturating_sub(start) >= FRAME_HEAD_BYTES as u64 {
        let size = usize::try_from(len - start).map_or(WINDOW_BYTES, |left| left.min(WINDOW_BYTES));
        window.resize(size, 0);
        if !source.read_exact_at(place.segment, start, &mut window)? {
            return Ok(false);
        }
        // A head that begins in the window's last bytes is seen again in the next one.
        let starts = size - FRAME_HEAD_BYTES + 1;
        for at in 0..starts {
            let Some(bytes) = window[at..].first_chunk() else {
                break;
            };
            let Ok(head) = FrameHead::decode(bytes) else {
                continue;
            };
            let payload_at = start + (at + FRAME_HEAD_BYTES) as u64;
            if head.first_event < first_event_min || u64::from(head.payload_len) > len - payload_at
            {
                continue;
            }
            checked += u64::from(head.payload_len);
            if checked > CHECKED_BYTES_MAX {
                return Ok(true);
            }
            let mut payload = vec![0; head.payload_len as usize];
            if source.read_exact_at(place.segment, payload_at, &mut payload)?
                && FrameHead::checksum(seed, bytes, &payload) == head.crc
            {
                return Ok(true);
            }
        }
        start += starts as u64;
    }
    Ok(false)
}

const _: () = assert!(WINDOW_BYTES > FRAME_HEAD_BYTES && FRAME_HEAD_BYTES > FRAME_MAGIC.len());
