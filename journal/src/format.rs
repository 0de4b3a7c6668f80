//! The fixed layouts: head of a segment, head of a frame, and the limits.
//!
//! All integers are little-endian. `docs/JOURNAL.md` has the tables; a test holds
//! the two together.

use crate::Header;

/// Version of the journal format.
pub const FORMAT_VERSION: u32 = 2;
/// The journal's directory in a recording.
pub const JOURNAL_DIR: &str = "journal";
/// The file in [`JOURNAL_DIR`] that the writer holds locked while it lives.
pub const LOCK_FILE: &str = "lock";
/// The longest encoded header.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// The longest record, its length prefix excluded.
pub const RECORD_BYTES_MAX: usize = 32 << 20;
/// The most record bytes in one frame.
pub const FRAME_RAW_BYTES_MAX: usize = 64 << 20;
/// The longest payload of a frame. Compression that does not shrink is not used.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = FRAME_RAW_BYTES_MAX;

pub(crate) const SEGMENT_MAGIC: [u8; 8] = *b"FTRUNJ\r\n";
pub(crate) const FRAME_MAGIC: [u8; 4] = *b"\xf7FRM";
pub(crate) const SEGMENT_HEAD_BYTES: usize = 32;
pub(crate) const FRAME_HEAD_BYTES: usize = 32;

/// Name of segment `number` in [`JOURNAL_DIR`].
#[must_use]
pub fn segment_name(number: u32) -> String {
    format!("{number:08}.ftj")
}

/// The number in the name of a segment; `None` for any other name.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".ftj")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// The fixed part of a segment's beginning; the encoded header follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub version: u32,
    pub number: u32,
    pub first_event: u64,
    pub header_len: u32,
    pub crc: u32,
}

/// Why the beginning of a file is no segment head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadFault {
    Magic,
    NewerVersion(u32),
}

impl SegmentHead {
    pub fn decode(bytes: &[u8; SEGMENT_HEAD_BYTES]) -> Result<Self, HeadFault> {
        if bytes[..8] != SEGMENT_MAGIC {
            return Err(HeadFault::Magic);
        }
        let version = u32_at(bytes, 8);
        if version > FORMAT_VERSION {
            return Err(HeadFault::NewerVersion(version));
        }
        Ok(Self {
            version,
            number: u32_at(bytes, 12),
            first_event: u64_at(bytes, 16),
            header_len: u32_at(bytes, 24),
            crc: u32_at(bytes, 28),
        })
    }

    /// The checksum that belongs to this head and `header`.
    pub fn checksum(bytes: &[u8; SEGMENT_HEAD_BYTES], header: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&bytes[..28]), header)
    }
}

/// The encoded header. `None` if it is too long.
pub(crate) fn encode_header(header: &Header) -> Option<Vec<u8>> {
    postcard::to_stdvec(header)
        .ok()
        .filter(|header| header.len() <= HEADER_BYTES_MAX)
}

/// A segment's beginning, the encoded header included.
pub(crate) fn encode_segment_head(number: u32, first_event: u64, header: &[u8]) -> Vec<u8> {
    let header_len =
        u32::try_from(header.len()).expect("no header is longer than HEADER_BYTES_MAX");
    let mut head = [0; SEGMENT_HEAD_BYTES];
    head[..8].copy_from_slice(&SEGMENT_MAGIC);
    head[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    head[12..16].copy_from_slice(&number.to_le_bytes());
    head[16..24].copy_from_slice(&first_event.to_le_bytes());
    head[24..28].copy_from_slice(&header_len.to_le_bytes());
    let crc = SegmentHead::checksum(&head, header);
    head[28..].copy_from_slice(&crc.to_le_bytes());
    [&head[..], header].concat()
}

/// How the payload of a frame is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Raw,
    Lz4,
    /// Matches may lie in the records of frames before it: [`HISTORY_BYTES`] of them.
    History,
}

/// How far back matches of [`Codec::History`] may lie: LZ4 cannot go further.
pub(crate) const HISTORY_BYTES: usize = 64 << 10;
/// The frame has an [`crate::Event::File`].
const FLAG_NAMES_FILES: u8 = 1;
/// Records of frames before this one do not count as history any more.
const FLAG_ANEW: u8 = 2;

/// The fixed beginning of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub codec: Codec,
    pub names_files: bool,
    pub anew: bool,
    pub payload_len: u32,
    pub raw_len: u32,
    pub first_event: u64,
    pub count: u32,
    pub crc: u32,
}

/// Why 32 bytes are no frame head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameFault {
    Magic,
    Codec(u8),
    Flags(u8),
    Reserved,
    Limit,
}

impl std::fmt::Display for FrameFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Magic => f.write_str("no frame begins here"),
            Self::Codec(codec) => write!(f, "unknown codec {codec}"),
            Self::Flags(flags) => write!(f, "unknown flags {flags:#x}"),
            Self::Reserved => f.write_str("reserved bytes are not zero"),
            Self::Limit => f.write_str("a length is beyond the limit"),
        }
    }
}

impl FrameHead {
    /// The head with its checksum over `payload`.
    pub fn encode(self, seed: u32, payload: &[u8]) -> [u8; FRAME_HEAD_BYTES] {
        let mut head = [0; FRAME_HEAD_BYTES];
        head[..4].copy_from_slice(&FRAME_MAGIC);
        head[4] = match self.codec {
            Codec::Raw => 0,
            Codec::Lz4 => 1,
            Codec::History => 2,
        };
        head[5] = u8::from(self.names_files) * FLAG_NAMES_FILES + u8::from(self.anew) * FLAG_ANEW;
        head[8..12].copy_from_slice(&self.payload_len.to_le_bytes());
        head[12..16].copy_from_slice(&self.raw_len.to_le_bytes());
        head[16..24].copy_from_slice(&self.first_event.to_le_bytes());
        head[24..28].copy_from_slice(&self.count.to_le_bytes());
        let crc = Self::checksum(seed, &head, payload);
        head[28..].copy_from_slice(&crc.to_le_bytes());
        head
    }

    pub fn decode(bytes: &[u8; FRAME_HEAD_BYTES]) -> Result<Self, FrameFault> {
        if bytes[..4] != FRAME_MAGIC {
            return Err(FrameFault::Magic);
        }
        let codec = match bytes[4] {
            0 => Codec::Raw,
            1 => Codec::Lz4,
            2 => Codec::History,
            other => return Err(FrameFault::Codec(other)),
        };
        let flags = bytes[5];
        if flags & !(FLAG_NAMES_FILES | FLAG_ANEW) != 0 {
            return Err(FrameFault::Flags(flags));
        }
        if bytes[6..8] != [0; 2] {
            return Err(FrameFault::Reserved);
        }
        let head = Self {
            codec,
            names_files: flags & FLAG_NAMES_FILES != 0,
            anew: flags & FLAG_ANEW != 0,
            payload_len: u32_at(bytes, 8),
            raw_len: u32_at(bytes, 12),
            first_event: u64_at(bytes, 16),
            count: u32_at(bytes, 24),
            crc: u32_at(bytes, 28),
        };
        head.within_limits()
            .then_some(head)
            .ok_or(FrameFault::Limit)
    }

    /// Every record takes a byte at least, a packed payload is shorter than what it
    /// packs, and LZ4 cannot expand a byte to more than 255: lengths that
    /// contradict this are never allocated.
    fn within_limits(&self) -> bool {
        let (payload, raw) = (self.payload_len as usize, self.raw_len as usize);
        let packed = match self.codec {
            Codec::Raw => payload == raw,
            Codec::Lz4 | Codec::History => payload < raw && raw / 255 <= payload,
        };
        packed
            && raw <= FRAME_RAW_BYTES_MAX
            && (1..=self.raw_len).contains(&self.count)
            && self
                .first_event
                .checked_add(u64::from(self.count))
                .is_some()
    }

    /// The checksum that belongs to this head and `payload` in the journal whose header
    /// has the checksum `seed`. So no frame of another journal is ever taken for one of
    /// this, not even where an application's data contains it.
    pub fn checksum(seed: u32, bytes: &[u8; FRAME_HEAD_BYTES], payload: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(seed, &bytes[..28]), payload)
    }
}

fn u32_at(bytes: &[u8; 32], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; 32], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
