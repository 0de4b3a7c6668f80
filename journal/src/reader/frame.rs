//! Reading one frame: bounds, checksum, decompression.

use super::{Found, ReadError, Reader};
use crate::compress;
use crate::format::{Codec, FRAME_HEAD_BYTES, FrameHead};
use lz4_flex::block;

impl Reader {
    /// Reads the frame at the current place of a segment of `len` bytes.
    pub(super) fn read_frame(&mut self, len: u64) -> Result<Found, ReadError> {
        let (segment, offset) = (self.place.segment, self.place.offset);
        let left = len.saturating_sub(offset);
        if left == 0 {
            return Ok(Found::Nothing);
        }
        let cut_short = || Ok(Found::CutShort("a frame is cut short"));
        let mut bytes = [0; FRAME_HEAD_BYTES];
        if left < FRAME_HEAD_BYTES as u64
            || !self.source.read_exact_at(segment, offset, &mut bytes)?
        {
            return cut_short();
        }
        let head = match FrameHead::decode(&bytes) {
            Ok(head) => head,
            Err(fault) => return Ok(Found::Damaged(fault.to_string())),
        };
        if left - (FRAME_HEAD_BYTES as u64) < u64::from(head.payload_len) {
            return cut_short();
        }
        let frame = &mut self.frame;
        let payload = match head.codec {
            Codec::Raw => &mut frame.raw,
            Codec::Lz4 | Codec::History => &mut frame.packed,
        };
        payload.resize(head.payload_len as usize, 0);
        if !self
            .source
            .read_exact_at(segment, offset + FRAME_HEAD_BYTES as u64, payload)?
        {
            return cut_short();
        }
        if FrameHead::checksum(self.seed, &bytes, payload) != head.crc {
            return Ok(Found::Damaged("a frame's checksum is wrong".into()));
        }
        self.unpack(&head)?;
        if head.first_event != self.next_event {
            let reason = format!("a frame begins with event {}", head.first_event);
            return Err(self.corrupt(offset, &reason));
        }
        self.frame.at = 0;
        self.frame.left = head.count;
        self.frame.offset = offset;
        self.place.offset += FRAME_HEAD_BYTES as u64 + u64::from(head.payload_len);
        Ok(Found::Whole)
    }

    /// Brings the records of a frame whose checksum is right into `frame.raw`.
    fn unpack(&mut self, head: &FrameHead) -> Result<(), ReadError> {
        if head.anew {
            self.history.forget();
        }
        let frame = &mut self.frame;
        let len = head.raw_len as usize;
        let unpacked = match head.codec {
            Codec::Raw => Some(()),
            Codec::Lz4 => {
                frame.raw.resize(len, 0);
                let done = block::decompress_into(&frame.packed, &mut frame.raw);
                done.ok().filter(|done| *done == len).map(drop)
            }
            Codec::History => {
                frame.raw.resize(len, 0);
                compress::unpack(&frame.packed, &self.history, &mut frame.raw)
            }
        };
        if unpacked.is_none() {
            return Err(self.corrupt(self.place.offset, "a frame cannot be decompressed"));
        }
        self.history.remember(&self.frame.raw);
        Ok(())
    }
}
