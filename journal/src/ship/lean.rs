//! The head of a frame without what both ends of a link know already: on a small frame, the head is
//! most of what goes over the link.

use crate::format::{FRAME_HEAD_BYTES, FRAME_MAGIC, FrameHead};

/// What the standby cannot know of a frame's head. Its magic is always the same, its payload's
/// length is that of what comes, and its first event is the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeanHead {
    /// How the payload is packed.
    pub codec: u8,
    /// What else is to be known of it.
    pub flags: u8,
    /// Bytes of its records.
    pub raw_len: u32,
    /// Its events.
    pub count: u32,
    /// Its checksum.
    pub crc: u32,
}

impl LeanHead {
    /// Of a whole frame, and its payload. `None` if something else is in its head.
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (head, payload) = frame.split_first_chunk::<FRAME_HEAD_BYTES>()?;
        let fields = FrameHead::decode(head).ok()?;
        let lean = Self {
            codec: head[4],
            flags: head[5],
            raw_len: fields.raw_len,
            count: fields.count,
            crc: fields.crc,
        };
        let same = lean.head(fields.first_event, payload.len()) == Some(*head);
        same.then_some((lean, payload))
    }

    /// The head of the frame whose first event is `first_event`. It may be none that fits to its
    /// payload, as any that comes from elsewhere.
    pub(super) fn head(self, first_event: u64, payload: usize) -> Option<[u8; FRAME_HEAD_BYTES]> {
        let mut head = [0; FRAME_HEAD_BYTES];
        head[..4].copy_from_slice(&FRAME_MAGIC);
        head[4] = self.codec;
        head[5] = self.flags;
        head[8..12].copy_from_slice(&u32::try_from(payload).ok()?.to_le_bytes());
        head[12..16].copy_from_slice(&self.raw_len.to_le_bytes());
        head[16..24].copy_from_slice(&first_event.to_le_bytes());
        head[24..28].copy_from_slice(&self.count.to_le_bytes());
        head[28..].copy_from_slice(&self.crc.to_le_bytes());
        Some(head)
    }
}
