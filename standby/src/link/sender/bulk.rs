//! The bulk of what is sent: frames as they are written, and before each the kept files that it
//! names and that the standby lacks.

use super::Shared;
use crate::link::error::LinkError;
use crate::link::message::{Message, Welcome};
use crate::link::wire::{self, CHUNK_BYTES_MAX};
use journal::{FileStore, FrameTail, KeptRef, LeanHead, Outgoing, Piece, Unit};
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Kept files that the standby is known to have; more are asked for again.
const KNOWN_MAX: usize = 1 << 16;
/// Holes are told in pieces, so that the standby gets to other messages in between.
const HOLE_BYTES_MAX: u64 = 64 << 20;
/// A longer path is no hint where the standby could look.
const PATH_BYTES_MAX: usize = 4096;
/// A buffer that one large frame has made larger is not kept.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// What is on its way: shared with the thread that hears of its arrival.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Bytes sent, and taken in by the standby, on this connection.
    pub sent: AtomicU64,
    pub taken: AtomicU64,
    /// Events whose frames were sent as a whole.
    pub sent_events: AtomicU64,
    /// Sending waits for room.
    pub waiting: AtomicBool,
    /// Events of a journal that has ended, once that was said.
    pub ended: Mutex<Option<u64>>,
    /// Answers to offers.
    pub answers: Mutex<VecDeque<(u128, Option<u64>)>>,
}

/// What is sent next.
pub(super) struct Bulk {
    flight: Arc<Flight>,
    tail: FrameTail,
    dir: PathBuf,
    /// Opened when a kept file is first wanted: until then there may be none.
    files: Option<FileStore>,
    /// A unit that did not fit, or waits for kept files.
    current: Current,
    /// Kept files that the current unit names, not yet answered.
    asked: HashSet<u128>,
    /// Kept files to send, and from where.
    wanted: VecDeque<(u128, u64)>,
    file: Option<Outgoing>,
    known: HashSet<u128>,
    gathered: Vec<u8>,
    buffer: Vec<u8>,
    ended: bool,
}

#[derive(Default)]
struct Current {
    segment: u32,
    offset: u64,
    events: u64,
    bytes: Vec<u8>,
    at: usize,
}

impl Current {
    fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn hold(&mut self, unit: &Unit<'_>) {
        self.segment = unit.segment;
        self.offset = unit.offset;
        self.events = unit.events;
        self.at = 0;
        if self.bytes.capacity() > SPARE_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(unit.bytes);
    }
}

impl Bulk {
    /// Goes on where the standby wants it.
    pub fn begin(shared: &Shared, welcome: &Welcome) -> Result<Self, LinkError> {
        let dir = &shared.options.dir;
        let tail = FrameTail::open_at(dir, welcome.position.into())?;
        let flight = Flight::default();
        flight
            .sent_events
            .store(welcome.position.events, Ordering::Relaxed);
        let sent = tail.bytes_before();
        shared.sent_bytes.store(sent, Ordering::Relaxed);
        Ok(Self {
            flight: Arc::new(flight),
            tail,
            dir: dir.clone(),
            files: None,
            current: Current::default(),
            asked: HashSet::new(),
            wanted: VecDeque::new(),
            file: None,
            known: HashSet::new(),
            gathered: Vec::new(),
            buffer: vec![0; CHUNK_BYTES_MAX],
            ended: false,
        })
    }

    pub fn flight(&self) -> Arc<Flight> {
        Arc::clone(&self.flight)
    }

    pub fn in_flight(&self) -> u64 {
        let sent = self.flight.sent.load(Ordering::Acquire);
        sent.saturating_sub(self.flight.taken.load(Ordering::Acquire))
    }

    /// Whether all that is written was sent.
    pub fn is_level(&self, shared: &Shared) -> bool {
        let written = shared.options.appender.written();
        self.current.is_done() && self.tail.position().events >= written
    }

    /// Appends messages, of about [`CHUNK_BYTES_MAX`] bytes at most.
    pub fn fill(&mut self, shared: &Shared, out: &mut Vec<u8>) -> Result<(), LinkError> {
        self.hear_answers()?;
        if out.len() >= CHUNK_BYTES_MAX || !self.has_room(shared.options.window_bytes) {
            return Ok(());
        }
        if self.file.is_some() || !self.wanted.is_empty() {
            return self.send_file(shared, out);
        }
        if !self.asked.is_empty() {
            return Ok(());
        }
        self.send_frames(shared, out)?;
        self.send_end(shared, out)
    }

    fn has_room(&self, window: u64) -> bool {
        if self.in_flight() < window {
            return true;
        }
        self.flight.waiting.store(true, Ordering::SeqCst);
        // It may have come just before that was to be seen.
        self.in_flight() < window
    }

    fn hear_answers(&mut self) -> Result<(), LinkError> {
        let mut answers = self
            .flight
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while let Some((hash, from)) = answers.pop_front() {
            if !self.asked.remove(&hash) {
                return Err(LinkError::Unexpected("an answer to no offer"));
            }
            if self.known.len() >= KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(hash);
            self.wanted.extend(from.map(|from| (hash, from)));
        }
        Ok(())
    }

    fn send_file(&mut self, shared: &Shared, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let Some((hash, from)) = self.wanted.pop_front() else {
                    return Ok(());
                };
                wire::encode(out, &Message::File { hash, from })?;
                let files = match &self.files {
                    Some(files) => files,
                    None => self.files.insert(FileStore::open(&self.dir)?),
                };
                self.file.insert(files.read_kept(hash, from)?)
            }
        };
        match file.next(&mut self.buffer, HOLE_BYTES_MAX)? {
            Some(Piece::Data(len)) => {
                let bytes = &self.buffer[..len];
                wire::encode(out, &Message::FileData { bytes })?;
                self.flight.sent.fetch_add(len as u64, Ordering::AcqRel);
                let count = &shared.counters.files;
                count.fetch_add(len as u64, Ordering::Relaxed);
            }
            Some(Piece::Hole(len)) => wire::encode(out, &Message::FileHole { len })?,
            None => {
                wire::encode(out, &Message::FileEnd)?;
                self.file = None;
            }
        }
        Ok(())
    }

    /// Sends what is written, up to a chunk or to a frame that needs kept files first.
    fn send_frames(&mut self, shared: &Shared, out: &mut Vec<u8>) -> Result<(), LinkError> {
        self.gathered.clear();
        let mut place = None;
        let mut whole_events = None;
        let written = shared.options.appender.written();
        while self.gathered.len() < CHUNK_BYTES_MAX && out.len() < CHUNK_BYTES_MAX {
            if self.current.is_done() {
                let Some(unit) = self.tail.next(written)? else {
                    break;
                };
                let missing = missing(&unit, &self.known)?;
                self.current.hold(&unit);
                if !missing.is_empty() {
                    self.flush(shared, place, out)?;
                    self.note_sent(whole_events);
                    return self.offer(missing, out);
                }
            }
            if self.gathered.is_empty() && self.send_whole(shared, out)? {
                continue;
            }
            let here = (
                self.current.segment,
                self.current.offset + self.current.at as u64,
            );
            let (segment, start) = *place.get_or_insert(here);
            if (segment, start + self.gathered.len() as u64) != here {
                // The next segment: for the next message.
                break;
            }
            let left = &self.current.bytes[self.current.at..];
            let len = left.len().min(CHUNK_BYTES_MAX - self.gathered.len());
            self.gathered.extend_from_slice(&left[..len]);
            self.current.at += len;
            if self.current.is_done() {
                whole_events = Some(self.current.events);
            }
        }
        self.note_sent(whole_events);
        self.flush(shared, place, out)
    }

    /// Sends the current unit, if it is a frame that fits into a message.
    fn send_whole(&mut self, shared: &Shared, out: &mut Vec<u8>) -> Result<bool, LinkError> {
        let bytes = &self.current.bytes;
        let whole = self.current.at == 0 && self.current.offset > 0;
        let Some((head, payload)) =
            LeanHead::of(bytes).filter(|(_, payload)| whole && payload.len() <= CHUNK_BYTES_MAX)
        else {
            return Ok(false);
        };
        let message = Message::Frame {
            codec: head.codec,
            flags: head.flags,
            raw_len: head.raw_len,
            count: head.count,
            crc: head.crc.to_le_bytes(),
            payload,
        };
        wire::encode(out, &message)?;
        let len = bytes.len();
        self.current.at = len;
        self.note_sent(Some(self.current.events));
        self.count_sent(shared, len);
        Ok(true)
    }

    fn count_sent(&self, shared: &Shared, len: usize) {
        let len = len as u64;
        self.flight.sent.fetch_add(len, Ordering::AcqRel);
        shared.counters.journal.fetch_add(len, Ordering::Relaxed);
        let left = (self.current.bytes.len() - self.current.at) as u64;
        let sent = self.tail.bytes_before().saturating_sub(left);
        shared.sent_bytes.store(sent, Ordering::Relaxed);
    }

    /// Before it is sent: the standby may be faster than this thread.
    fn note_sent(&self, events: Option<u64>) {
        if let Some(events) = events {
            self.flight.sent_events.store(events, Ordering::Release);
        }
    }

    fn flush(
        &mut self,
        shared: &Shared,
        place: Option<(u32, u64)>,
        out: &mut Vec<u8>,
    ) -> Result<(), LinkError> {
        let Some((segment, offset)) = place.filter(|_| !self.gathered.is_empty()) else {
            return Ok(());
        };
        let bytes = &self.gathered[..];
        let message = Message::Data {
            segment,
            offset,
            bytes,
        };
        wire::encode(out, &message)?;
        self.count_sent(shared, self.gathered.len());
        Ok(())
    }

    fn offer(&mut self, files: Vec<KeptRef>, out: &mut Vec<u8>) -> Result<(), LinkError> {
        for file in files {
            if self.asked.insert(file.hash) {
                let is_hint = file.path.len() <= PATH_BYTES_MAX;
                let offer = Message::Offer {
                    hash: file.hash,
                    size: file.size,
                    path: if is_hint { &file.path } else { &[] },
                };
                wire::encode(out, &offer)?;
            }
        }
        Ok(())
    }

    /// Once everything is sent of a journal that has ended, says so.
    fn send_end(&mut self, shared: &Shared, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let appender = &shared.options.appender;
        // In this order: what it has written at its end counts.
        if self.ended || !appender.has_ended() {
            return Ok(());
        }
        let events = self.tail.position().events;
        if events < appender.written() || !self.current.is_done() {
            return Ok(());
        }
        self.ended = true;
        let failure = appender.failure().map(ToString::to_string);
        let message = Message::Ended {
            events,
            failure: failure.as_deref(),
        };
        *self
            .flight
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(events);
        wire::encode(out, &message)?;
        Ok(())
    }
}

/// The kept files that a unit names and that the standby is not known to have.
fn missing(unit: &Unit<'_>, known: &HashSet<u128>) -> Result<Vec<KeptRef>, LinkError> {
    let Some(mut files) = unit.kept_files() else {
        return Err(LinkError::Unexpected("a damaged frame in our own journal"));
    };
    files.retain(|file| !known.contains(&file.hash));
    Ok(files)
}
