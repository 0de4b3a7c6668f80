//! Reading a journal: finished, cut short, or still being written.
//!
//! Nothing read is trusted: lengths are checked before anything is allocated, and
//! what is wrong is an error that names the place, never a panic.

mod error;
mod frame;
mod progress;
mod scan;
mod source;
mod unread;
mod wait;

pub use error::{ReadError, Tail};
pub use progress::Progress;
pub use wait::Follow;

use crate::compress::History;
use crate::format::{HEADER_BYTES_MAX, HeadFault, SEGMENT_HEAD_BYTES, SegmentHead};
use crate::{Event, EventIndex, FORMAT_VERSION, Header, record};
use source::{FileSource, MemorySource, Source};
use std::path::Path;
use unread::Unread;

/// Reads the journal of one recording from the beginning.
#[derive(Debug)]
pub struct Reader {
    source: Box<dyn Source>,
    header: Header,
    /// As it stands in the first segment; the others must repeat it.
    header_bytes: Vec<u8>,
    /// Its checksum: see [`crate::format::FrameHead::checksum`].
    seed: u32,
    place: Place,
    next_event: u64,
    frame: Frame,
    /// What frames refer to.
    history: History,
    /// What events refer to; without it, they do not.
    unread: Option<Unread>,
    /// The last event was [`Event::End`].
    ended: bool,
    tail: Tail,
    follow: Option<Follow>,
    /// Bytes of the segments before this one.
    done: u64,
    /// Bytes of all segments, when last counted.
    total: u64,
}

/// Before it, bytes that were received were always stored with the syscall.
const VERSION_WITH_REFERENCES: u32 = 2;

/// Where the next frame, or the head of the next segment, is expected.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u32,
    offset: u64,
}

/// The records of the current frame.
#[derive(Debug, Default)]
struct Frame {
    raw: Vec<u8>,
    packed: Vec<u8>,
    /// Of the next record in `raw`.
    at: usize,
    /// Records left.
    left: u32,
    /// Of the frame in its segment, for messages.
    offset: u64,
}

/// What stands at a [`Place`].
enum Found {
    /// The frame, or the segment head, was read.
    Whole,
    /// The segment ends here.
    Nothing,
    /// The segment ends before this does.
    CutShort(&'static str),
    /// What stands here was never written like this.
    Damaged(String),
}

/// Where whole frames end in a journal that was not ended in order.
#[derive(Debug, Clone)]
pub struct End {
    /// The last segment.
    pub segment: u32,
    /// Bytes of whole frames in it, its head included.
    pub offset: u64,
    /// Events before that.
    pub events: u64,
    /// Bytes of all segments up to there.
    pub(crate) bytes: u64,
    pub(crate) header_bytes: Vec<u8>,
}

impl Reader {
    /// Opens the journal of the recording in `dir`.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        Self::on(Box::new(FileSource::open(dir)?))
    }

    /// Reads a journal from the bytes of its segments.
    pub fn from_segments(segments: Vec<Vec<u8>>) -> Result<Self, ReadError> {
        Self::on(Box::new(MemorySource::new(segments)))
    }

    fn on(mut source: Box<dyn Source>) -> Result<Self, ReadError> {
        let (header, header_bytes) = first_head(&mut *source)?;
        let place = Place {
            segment: 0,
            offset: (SEGMENT_HEAD_BYTES + header_bytes.len()) as u64,
        };
        let total = total_bytes(&*source, 0)?;
        let refers = header.format_version >= VERSION_WITH_REFERENCES;
        let unread = refers.then(Unread::default);
        Ok(Self {
            source,
            header,
            seed: crc32c::crc32c(&header_bytes),
            header_bytes,
            place,
            next_event: 0,
            frame: Frame::default(),
            history: History::default(),
            unread,
            ended: false,
            tail: Tail::Live,
            follow: None,
            done: 0,
            total,
        })
    }

    /// What the journal says about itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// From now on, waits at the end of a journal that is still being written.
    pub fn set_follow(&mut self, follow: Option<Follow>) {
        self.follow = follow;
    }

    /// The next event. `None` at the end: [`Reader::tail`] says which.
    #[allow(clippy::should_implement_trait, reason = "it lends")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<(EventIndex, Event<'_>)>, ReadError> {
        let next = self.next_sized()?;
        Ok(next.map(|(index, event, _)| (index, event)))
    }

    /// The next event, and how many bytes its record has before compression.
    #[inline]
    pub fn next_sized(&mut self) -> Result<Option<(EventIndex, Event<'_>, usize)>, ReadError> {
        while self.frame.left == 0 {
            if !self.next_frame()? {
                return Ok(None);
            }
        }
        if self.ended {
            return Err(self.corrupt_frame("an event follows the end of the recording"));
        }
        let Some((body, end)) = record::split(&self.frame.raw[self.frame.at..]) else {
            return Err(self.corrupt_frame("a record's length is wrong"));
        };
        let last = self.frame.left == 1;
        if last != (self.frame.at + end == self.frame.raw.len()) {
            return Err(self.corrupt_frame("the number of records is wrong"));
        }
        let range = self.frame.at + body..self.frame.at + end;
        let mut event = record::decode(&self.frame.raw[range.clone()])
            .map_err(|error| self.corrupt_frame(&format!("a record is not an event: {error}")))?;
        if let Some(unread) = &mut self.unread
            && let Err(reason) = unread.follow(&mut event)
        {
            return Err(self.corrupt_frame(&reason));
        }
        let index = EventIndex(self.next_event);
        self.next_event += 1;
        self.frame.at = range.end;
        self.frame.left -= 1;
        self.ended = matches!(event, Event::End(_));
        Ok(Some((index, event, end)))
    }

    /// Whether [`Reader::next`] may wait for somebody to write.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        let follow = self.follow.as_ref();
        self.frame.left == 0 && follow.is_some_and(|follow| !follow.has(self.next_event))
    }

    /// How the journal ends, once [`Reader::next`] has returned `None`.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.tail.clone()
    }

    /// Index of the event that [`Reader::next`] returns next.
    #[must_use]
    pub fn position(&self) -> EventIndex {
        EventIndex(self.next_event)
    }

    /// Where the journal ends as far as it was read, at the end of a whole frame: for
    /// [`crate::Writer::resume`]. `None` in the middle of a frame, and after the last event of
    /// a recording that ended in order.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        (self.frame.left == 0 && !self.ended && self.place.offset > 0).then(|| End {
            segment: self.place.segment,
            offset: self.place.offset,
            events: self.next_event,
            bytes: self.done + self.place.offset,
            header_bytes: self.header_bytes.clone(),
        })
    }

    /// Bytes read, and bytes that there are, as far as is known by now.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let done = self.done + self.place.offset;
        (done, self.total.max(done))
    }

    /// Reads the next frame. `false` at the end, and `tail` says which.
    fn next_frame(&mut self) -> Result<bool, ReadError> {
        let mut patience = wait::Patience::default();
        let follow = self.follow.as_ref();
        if !self.ended && follow.is_some_and(|follow| !follow.wait_for(self.next_event)) {
            self.tail = Tail::Live;
            return Ok(false);
        }
        loop {
            let Place { segment, offset } = self.place;
            let len = self.segment_len()?;
            let found = if offset == 0 {
                self.read_head(len)?
            } else {
                self.read_frame(len)?
            };
            if let Found::Whole = found {
                if self.frame.left > 0 {
                    return Ok(true);
                }
                continue;
            }
            // In this order: what a writer that is gone has left is final.
            let live = self.source.live()?;
            let another = self.source.len(segment + 1)?.is_some();
            if self.segment_len()? != len {
                continue;
            }
            if another {
                self.next_segment(found, len)?;
                continue;
            }
            if self.source.last()? > Some(segment) {
                let number = segment + 1;
                // A writer may have begun several since the look above, but in order.
                if self.source.len(number)?.is_some() {
                    continue;
                }
                let path = self.source.path(number);
                return Err(ReadError::MissingSegment { path, number });
            }
            self.tail = self.tail_at(found, len, live)?;
            let wait = self
                .follow
                .as_ref()
                .is_some_and(|follow| patience.wait(follow));
            if self.tail != Tail::Live || !wait {
                self.total = self.done + len;
                return Ok(false);
            }
        }
    }

    fn segment_len(&self) -> Result<u64, ReadError> {
        Ok(self.source.len(self.place.segment)?.unwrap_or(0))
    }

    /// Goes on to the next segment, if this one, of `len` bytes, ends as it must.
    fn next_segment(&mut self, found: Found, len: u64) -> Result<(), ReadError> {
        match found {
            Found::CutShort(reason) => Err(self.corrupt(self.place.offset, reason)),
            Found::Damaged(reason) => Err(self.corrupt(self.place.offset, &reason)),
            Found::Whole | Found::Nothing => {
                self.done += len;
                self.place = Place {
                    segment: self.place.segment + 1,
                    offset: 0,
                };
                self.total = self.done + total_bytes(&*self.source, self.place.segment)?;
                Ok(())
            }
        }
    }

    /// What it means that there is no whole frame at the current place of the last
    /// segment, which has `len` bytes.
    fn tail_at(&mut self, found: Found, len: u64, live: bool) -> Result<Tail, ReadError> {
        let Place { segment, offset } = self.place;
        let (reason, suspicious) = match found {
            Found::Whole | Found::Nothing if self.ended => return Ok(Tail::Whole),
            Found::Whole | Found::Nothing => ("the recording was not ended".into(), false),
            // Normal while the writer is at it; a length may be damaged otherwise.
            Found::CutShort(reason) => (reason.into(), !live),
            Found::Damaged(reason) => (reason, true),
        };
        // A damaged frame had an event at least; a damaged segment head has none.
        let later = self.next_event + u64::from(offset > 0);
        if suspicious && scan::frame_follows(&mut *self.source, self.place, len, self.seed, later)?
        {
            return Err(self.corrupt(offset, &format!("{reason}, and whole frames follow")));
        }
        Ok(if live {
            Tail::Live
        } else {
            Tail::Torn {
                segment,
                offset,
                reason,
            }
        })
    }

    /// Reads the head of a segment that is not the first.
    fn read_head(&mut self, len: u64) -> Result<Found, ReadError> {
        let whole = SEGMENT_HEAD_BYTES + self.header_bytes.len();
        if len < whole as u64 {
            return Ok(Found::CutShort("the segment's head is cut short"));
        }
        let mut bytes = vec![0; whole];
        if !self
            .source
            .read_exact_at(self.place.segment, 0, &mut bytes)?
        {
            return Ok(Found::CutShort("the segment's head is cut short"));
        }
        let Some((fixed, header)) = bytes.split_first_chunk() else {
            return Ok(Found::Nothing);
        };
        let head = match SegmentHead::decode(fixed) {
            Ok(head) if head.crc == SegmentHead::checksum(fixed, header) => head,
            _ => return Ok(Found::Damaged("the segment's head is damaged".into())),
        };
        if head.version != self.header.format_version || header != self.header_bytes {
            return Err(self.corrupt(0, "the segment belongs to another recording"));
        }
        if (head.number, head.first_event) != (self.place.segment, self.next_event) {
            let SegmentHead {
                number,
                first_event,
                ..
            } = head;
            return Err(self.corrupt(
                0,
                &format!("this is segment {number}, which begins with event {first_event}"),
            ));
        }
        self.place.offset = whole as u64;
        self.history.forget();
        Ok(Found::Whole)
    }

    fn corrupt_frame(&self, reason: &str) -> ReadError {
        self.corrupt(self.frame.offset, reason)
    }

    fn corrupt(&self, offset: u64, reason: &str) -> ReadError {
        ReadError::Corrupt {
            path: self.source.path(self.place.segment),
            segment: self.place.segment,
            offset,
            event: EventIndex(self.next_event),
            reason: reason.into(),
        }
    }
}

/// Bytes of segment `first` and all after it.
fn total_bytes(source: &dyn Source, first: u32) -> Result<u64, ReadError> {
    let mut total = 0;
    for number in first.. {
        match source.len(number)? {
            Some(len) => total += len,
            None => break,
        }
    }
    Ok(total)
}

/// Reads the head of the first segment, without which nothing can be read.
fn first_head(source: &mut dyn Source) -> Result<(Header, Vec<u8>), ReadError> {
    let path = source.path(0);
    let Some(len) = source.len(0)? else {
        return Err(ReadError::NoJournal { path });
    };
    let corrupt = |reason: &str| ReadError::Corrupt {
        path: path.clone(),
        segment: 0,
        offset: 0,
        event: EventIndex(0),
        reason: reason.into(),
    };
    let mut fixed = [0; SEGMENT_HEAD_BYTES];
    if !source.read_exact_at(0, 0, &mut fixed)? {
        return Err(ReadError::NoHeader { path });
    }
    let head = SegmentHead::decode(&fixed).map_err(|fault| match fault {
        HeadFault::Magic => ReadError::NotAJournal { path: path.clone() },
        HeadFault::NewerVersion(found) => ReadError::NewerVersion {
            path: path.clone(),
            found,
            supported: FORMAT_VERSION,
        },
    })?;
    let header_len = head.header_len as usize;
    if header_len > HEADER_BYTES_MAX {
        return Err(corrupt("the header's length is beyond the limit"));
    }
    if len < (SEGMENT_HEAD_BYTES + header_len) as u64 {
        return Err(ReadError::NoHeader { path });
    }
    let mut bytes = vec![0; header_len];
    if !source.read_exact_at(0, SEGMENT_HEAD_BYTES as u64, &mut bytes)? {
        return Err(ReadError::NoHeader { path });
    }
    if head.crc != SegmentHead::checksum(&fixed, &bytes) {
        return Err(corrupt("the header's checksum is wrong"));
    }
    match postcard::take_from_bytes::<Header>(&bytes) {
        Ok((header, []))
            if head.number == 0
                && head.first_event == 0
                && head.version == header.format_version
                && head.version > 0 =>
        {
            Ok((header, bytes))
        }
        Ok(_) => Err(corrupt("the header contradicts itself")),
        Err(error) => Err(corrupt(&format!("the header cannot be read: {error}"))),
    }
}
