//! Goes through a journal's bytes unit by unit: the head of a segment, then its frames.

use super::ShipPosition;
use crate::HEADER_BYTES_MAX;
use crate::format::{
    Codec, FRAME_HEAD_BYTES, FrameHead, HeadFault, SEGMENT_HEAD_BYTES, SegmentHead,
};
use std::sync::Arc;

/// Both kinds of unit begin with so many bytes, which tell the length of the whole.
pub(super) const FIXED_BYTES: usize = 32;
const _: () = assert!(FIXED_BYTES == SEGMENT_HEAD_BYTES && FIXED_BYTES == FRAME_HEAD_BYTES);

/// Where the next unit is expected. It costs nothing to copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor {
    pub place: ShipPosition,
    /// The encoded header, which every segment repeats.
    pub header: Option<Arc<[u8]>>,
    seed: u32,
}

impl Cursor {
    /// At the beginning of segment `number`, whose first event is `events`.
    pub fn at_segment(number: u32, events: u64, header: Arc<[u8]>) -> Self {
        Self {
            place: ShipPosition {
                segment: number,
                events,
                ..ShipPosition::default()
            },
            seed: crc32c::crc32c(&header),
            header: Some(header),
        }
    }

    /// Goes on to the next segment.
    pub fn next_segment(&mut self) {
        self.place.segment += 1;
        self.place.offset = 0;
    }

    /// How many bytes the unit that begins with `bytes` has; of fewer than [`FIXED_BYTES`],
    /// that number.
    pub fn measure(&self, bytes: &[u8]) -> Result<usize, String> {
        let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else {
            return Ok(FIXED_BYTES);
        };
        if self.place.offset > 0 {
            let head = FrameHead::decode(fixed).map_err(|fault| fault.to_string())?;
            return Ok(FRAME_HEAD_BYTES + head.payload_len as usize);
        }
        let head = SegmentHead::decode(fixed).map_err(|fault| match fault {
            HeadFault::Magic => "this is no segment of a journal".to_owned(),
            HeadFault::NewerVersion(found) => format!(
                "the journal has format {found}; this ftrun knows formats up to {}",
                crate::FORMAT_VERSION
            ),
        })?;
        let header_len = head.header_len as usize;
        if header_len > HEADER_BYTES_MAX {
            return Err("the header's length is beyond the limit".into());
        }
        Ok(SEGMENT_HEAD_BYTES + header_len)
    }

    /// Goes past a whole unit. `check` is for bytes that come from elsewhere.
    pub fn pass(&mut self, unit: &[u8], check: bool) -> Result<(), String> {
        let Some((fixed, rest)) = unit.split_first_chunk::<FIXED_BYTES>() else {
            return Err("it is cut short".into());
        };
        if self.place.offset > 0 {
            self.pass_frame(fixed, rest, check)?;
        } else {
            self.pass_head(fixed, rest)?;
        }
        self.place.offset += unit.len() as u64;
        Ok(())
    }

    fn pass_frame(
        &mut self,
        fixed: &[u8; FIXED_BYTES],
        payload: &[u8],
        check: bool,
    ) -> Result<(), String> {
        let head = FrameHead::decode(fixed).map_err(|fault| fault.to_string())?;
        if check && FrameHead::checksum(self.seed, fixed, payload) != head.crc {
            return Err("a frame's checksum is wrong".into());
        }
        if head.first_event != self.place.events {
            return Err(format!("a frame begins with event {}", head.first_event));
        }
        self.place.events += u64::from(head.count);
        self.place.crc = head.crc;
        Ok(())
    }

    fn pass_head(&mut self, fixed: &[u8; FIXED_BYTES], header: &[u8]) -> Result<(), String> {
        let Ok(head) = SegmentHead::decode(fixed) else {
            return Err("this is no segment of a journal".into());
        };
        if head.crc != SegmentHead::checksum(fixed, header) {
            return Err("the segment's head is damaged".into());
        }
        let expected = (self.place.segment, self.place.events);
        if (head.number, head.first_event) != expected {
            return Err(format!(
                "this is segment {}, which begins with event {}",
                head.number, head.first_event
            ));
        }
        match &self.header {
            Some(known) if **known != *header => {
                return Err("the segment belongs to another recording".into());
            }
            Some(_) => {}
            None => {
                self.seed = crc32c::crc32c(header);
                self.header = Some(header.into());
            }
        }
        self.place.crc = head.crc;
        Ok(())
    }
}

/// Whether a whole frame that [`Cursor::pass`] has accepted names kept files.
pub(super) fn names_files(unit: &[u8]) -> Option<bool> {
    let head = FrameHead::decode(unit.first_chunk::<FIXED_BYTES>()?).ok()?;
    Some(head.names_files)
}

/// The records of such a frame. `None` also if they depend on frames before it: one that names
/// kept files does not.
pub(super) fn records(unit: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    let (fixed, payload) = unit.split_first_chunk::<FIXED_BYTES>()?;
    let head = FrameHead::decode(fixed).ok()?;
    match head.codec {
        Codec::Raw => Some(payload.into()),
        Codec::Lz4 => {
            let raw = lz4_flex::block::decompress(payload, head.raw_len as usize).ok()?;
            (raw.len() == head.raw_len as usize).then(|| raw.into())
        }
        Codec::History => None,
    }
}
