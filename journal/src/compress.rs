//! When and how to compress: LZ4 where it pays, left alone for a while where it does not.
//!
//! Frames are small where somebody waits for them, and resemble those before them. So matches
//! may lie in earlier frames, up to [`HISTORY_BYTES`] back. That is plain LZ4 with a dictionary;
//! what the library's compressor lacks is to keep its table from one frame to the next.

use crate::format::{Codec, HISTORY_BYTES};
use lz4_flex::block;

/// Frames that go uncompressed after the first that did not pay; doubled each time.
const PAUSE_FIRST: u32 = 4;
const PAUSE_MAX: u32 = 64;
/// Shorter frames are not worth the call.
const RAW_BYTES_MIN: usize = 32;
/// Shorter ones are cheap to try: they count for no pause.
const PAUSE_BYTES_MIN: usize = 4096;
/// Longer ones have their own history within them: the library's compressor is the faster one.
const ALONE_BYTES_MIN: usize = HISTORY_BYTES;
/// Of shorter ones, this is enough to be saved.
const SAVED_BYTES: usize = 16;

/// Remembers how well compression went, and what was compressed.
#[derive(Debug, Default)]
pub(crate) struct Adaptive {
    skip: u32,
    pause: u32,
    window: Window,
    /// Nothing is remembered: the next frame must say so.
    anew: bool,
}

impl Adaptive {
    /// From here on nothing depends on what was before.
    pub fn forget(&mut self) {
        self.window.forget();
        self.anew = true;
    }

    /// Whether this is the first frame after [`Adaptive::forget`].
    pub fn take_anew(&mut self) -> bool {
        std::mem::take(&mut self.anew)
    }

    /// Compresses `raw` to the end of `out`, if that saves enough; leaves `out` as it was
    /// otherwise. To be called for every frame, `wanted` or not. With `alone`, the frame can be
    /// read without those before it.
    pub fn compress(&mut self, raw: &[u8], wanted: bool, alone: bool, out: &mut Vec<u8>) -> Codec {
        let skipped = raw.len() >= PAUSE_BYTES_MIN && self.skip > 0;
        if skipped {
            self.skip -= 1;
        }
        if !wanted || skipped || raw.len() < RAW_BYTES_MIN {
            self.window.remember(raw);
            return Codec::Raw;
        }
        let start = out.len();
        let codec = if alone || raw.len() >= ALONE_BYTES_MIN {
            self.window.remember(raw);
            compress_alone(raw, out);
            Codec::Lz4
        } else {
            self.window.compress(raw, out);
            Codec::History
        };
        let (short, saved) = (
            raw.len() < PAUSE_BYTES_MIN,
            raw.len().saturating_sub(out.len() - start),
        );
        let enough = if short { SAVED_BYTES } else { raw.len() / 8 };
        let paid = saved >= enough.min(raw.len() / 8).max(1);
        if !paid {
            out.truncate(start);
        }
        if !short {
            self.pause = if paid {
                0
            } else {
                (self.pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX)
            };
            self.skip = self.pause;
        }
        if paid { codec } else { Codec::Raw }
    }
}

fn compress_alone(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + block::get_maximum_output_size(raw.len()), 0);
    // It cannot fail with that much room; if it did, nothing would be saved.
    let len = block::compress_into(raw, &mut out[start..]);
    out.truncate(start + len.unwrap_or(out.len() - start));
}

/// Brings the records of a frame back that [`Window::compress`] has packed, given those before it.
/// `None` if they do not fill `raw` exactly.
pub(crate) fn unpack(packed: &[u8], history: &History, raw: &mut [u8]) -> Option<()> {
    match block::decompress_into_with_dict(packed, raw, history.bytes()) {
        Ok(len) if len == raw.len() => Some(()),
        _ => None,
    }
}

/// The last records of a segment.
#[derive(Debug, Default)]
pub(crate) struct History(Vec<u8>);

impl History {
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Those that matches may lie in.
    pub fn bytes(&self) -> &[u8] {
        &self.0[self.0.len().saturating_sub(HISTORY_BYTES)..]
    }

    pub fn remember(&mut self, raw: &[u8]) {
        if self.0.len() + raw.len() > 2 * HISTORY_BYTES {
            let kept = HISTORY_BYTES.saturating_sub(raw.len()).min(self.0.len());
            self.0.drain(..self.0.len() - kept);
        }
        self.0
            .extend_from_slice(&raw[raw.len().saturating_sub(HISTORY_BYTES)..]);
    }
}

/// Entries of the table of places: a power of two.
const PLACES: usize = 1 << 13;
const HASH_SHIFT: u32 = 32 - 13;
/// The shortest match.
const MATCH_BYTES_MIN: usize = 4;
/// No match begins later before the end of a block, nor ends later: the format says so.
const NO_MATCH_BYTES: usize = 12;
const LAST_LITERALS: usize = 5;
/// After so many places without a match, every other one is looked at, and so on.
const MISSES_SHIFT: u32 = 6;
/// Places are numbered from 1 since the window was forgotten, which happens before this.
const PLACE_MAX: usize = 1 << 30;

/// What LZ4 looks for matches in, kept from frame to frame.
#[derive(Debug)]
struct Window {
    /// History, and while a frame is compressed, that.
    bytes: Vec<u8>,
    /// Number of the place of the first byte.
    base: usize,
    /// By a hash of four bytes, where they stood last.
    places: Box<[u32]>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            base: 1,
            places: vec![0; PLACES].into(),
        }
    }
}

impl Window {
    fn forget(&mut self) {
        self.bytes.clear();
        self.base = 1;
        self.places.fill(0);
    }

    /// Makes room for `more` bytes; history that is too far back goes.
    fn make_room(&mut self, more: usize) {
        if self.bytes.len() + more > 2 * HISTORY_BYTES {
            let gone = self.bytes.len().saturating_sub(HISTORY_BYTES);
            self.bytes.drain(..gone);
            self.base += gone;
        }
        if self.base > PLACE_MAX {
            // What stays is found no more, that is all.
            self.base = 1;
            self.places.fill(0);
        }
        if self.bytes.capacity() > 8 * HISTORY_BYTES && more <= HISTORY_BYTES {
            self.bytes.shrink_to(2 * HISTORY_BYTES);
        }
    }

    fn remember(&mut self, raw: &[u8]) {
        let raw = match raw.len().checked_sub(HISTORY_BYTES) {
            Some(gone) => {
                self.base += self.bytes.len() + gone;
                self.bytes.clear();
                &raw[gone..]
            }
            None => raw,
        };
        self.make_room(raw.len());
        self.bytes.extend_from_slice(raw);
    }

    /// Appends an LZ4 block of `raw` to `out`; `raw` is history from now on.
    fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.make_room(raw.len());
        let mut anchor = self.bytes.len();
        self.bytes.extend_from_slice(raw);
        let (mut at, end) = (anchor, self.bytes.len());
        let mut misses = 0usize;
        while at + NO_MATCH_BYTES <= end {
            let Some(from) = self.find(at) else {
                misses += 1;
                at += 1 + (misses >> MISSES_SHIFT);
                continue;
            };
            misses = 0;
            let back = common_before(&self.bytes, from, at, anchor);
            let (start, from) = (at - back, from - back);
            let len = common_after(&self.bytes, from, start, end - LAST_LITERALS);
            sequence(out, &self.bytes[anchor..start], Some((start - from, len)));
            at = start + len;
            anchor = at;
            if at + NO_MATCH_BYTES <= end {
                let _ = self.find(at - 2);
            }
        }
        sequence(out, &self.bytes[anchor..], None);
    }

    /// Where the four bytes at `at` stood before, near enough; they stand at `at` from now on.
    fn find(&mut self, at: usize) -> Option<usize> {
        let four = four(&self.bytes, at);
        let slot = (four.wrapping_mul(2_654_435_761) >> HASH_SHIFT) as usize;
        let place = u32::try_from(self.base + at).unwrap_or(0);
        let before = std::mem::replace(&mut self.places[slot], place) as usize;
        let from = before.checked_sub(self.base)?;
        (from < at && at - from < HISTORY_BYTES && self::four(&self.bytes, from) == four)
            .then_some(from)
    }
}

fn four(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |four| u32::from_le_bytes(*four))
}

/// How many bytes before `from` and `at` are the same, down to `anchor`.
fn common_before(bytes: &[u8], from: usize, at: usize, anchor: usize) -> usize {
    let most = from.min(at - anchor);
    let same = (1..=most).take_while(|back| bytes[from - back] == bytes[at - back]);
    same.count()
}

/// How many bytes from `from` and `at` on are the same, up to `end`.
fn common_after(bytes: &[u8], from: usize, at: usize, end: usize) -> usize {
    let (there, here) = (&bytes[from..end - at + from], &bytes[at..end]);
    let (there8, here8) = (there.as_chunks::<8>().0, here.as_chunks::<8>().0);
    let same = there8.iter().zip(here8).take_while(|(a, b)| a == b);
    let len = same.count() * 8;
    let rest = there[len..].iter().zip(&here[len..]);
    len + rest.take_while(|(a, b)| a == b).count()
}

/// Appends literals and, but at the end of a block, a match: how far back, and how long.
fn sequence(out: &mut Vec<u8>, literals: &[u8], found: Option<(usize, usize)>) {
    let more = found.map_or(0, |(_, len)| len - MATCH_BYTES_MIN);
    let nibble = |len: usize| u8::try_from(len.min(15)).unwrap_or(15);
    out.push(nibble(literals.len()) << 4 | nibble(more));
    length(out, literals.len());
    out.extend_from_slice(literals);
    if let Some((back, _)) = found {
        out.extend(u16::try_from(back).unwrap_or(0).to_le_bytes());
        length(out, more);
    }
}

/// What of a length is not in its nibble.
fn length(out: &mut Vec<u8>, len: usize) {
    let Some(rest) = len.checked_sub(15) else {
        return;
    };
    out.extend(std::iter::repeat_n(255, rest / 255));
    out.push(u8::try_from(rest % 255).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packs the frames one after the other, and unpacks them as a reader does.
    fn round_trip(frames: &[Vec<u8>]) -> usize {
        let mut window = Window::default();
        let mut history = History::default();
        let mut total = 0;
        for frame in frames {
            let mut packed = Vec::new();
            window.compress(frame, &mut packed);
            total += packed.len();
            let mut raw = vec![0; frame.len()];
            unpack(&packed, &history, &mut raw).expect("a block");
            assert!(raw == *frame, "another frame comes back");
            history.remember(frame);
        }
        total
    }

    #[test]
    fn a_frame_like_those_before_it_is_small() {
        let frame = |number: u32| {
            format!("request {number} of a client that asks the same again and again").into_bytes()
        };
        let frames: Vec<_> = (1000..1100).map(frame).collect();
        let total = round_trip(&frames);
        assert!(total < 100 * 30, "{total} bytes");
    }

    #[test]
    fn history_ends_where_matches_cannot_reach() {
        let noise = |seed: u64, len: usize| -> Vec<u8> {
            let mut state = seed;
            let mut next = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(99);
                (state >> 56) as u8
            };
            (0..len).map(|_| next()).collect()
        };
        let first = noise(1, 1000);
        for between in [0, 1, 63_000, 64_535, 64_536, 64_537, 65_536, 300_000] {
            round_trip(&[
                first.clone(),
                noise(2, between),
                first.clone(),
                first.clone(),
            ]);
        }
    }

    #[test]
    fn what_was_not_compressed_is_history_too() {
        let mut adaptive = Adaptive::default();
        let mut history = History::default();
        let text =
            b"The quick brown fox jumps over the lazy dog, and then it does so again.".repeat(3);
        let mut sizes = Vec::new();
        for (wanted, alone) in [(false, false), (true, true), (true, false)] {
            let mut out = Vec::new();
            let codec = adaptive.compress(&text, wanted, alone, &mut out);
            if codec == Codec::History {
                let mut raw = vec![0; text.len()];
                unpack(&out, &history, &mut raw).expect("a block");
                assert_eq!(raw, text);
            }
            history.remember(&text);
            sizes.push((codec, out.len()));
        }
        let codecs = sizes.iter().map(|(codec, _)| *codec).collect::<Vec<_>>();
        assert_eq!(codecs, [Codec::Raw, Codec::Lz4, Codec::History]);
        assert!(sizes[2].1 < sizes[1].1, "{sizes:?}");
    }

    proptest! {
        #[test]
        fn any_frames_come_back(
            frames in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..200),
                    prop::collection::vec(0u8..3, 0..2000),
                    (any::<u8>(), 0usize..70_000).prop_map(|(byte, len)| vec![byte; len]),
                    (0u8..4, 1usize..20_000).prop_map(|(step, len)| {
                        (0..len).map(|at| u8::try_from(at * (usize::from(step) + 1) % 251).expect("small")).collect()
                    }),
                ],
                0..12,
            )
        ) {
            round_trip(&frames);
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(
            packed in prop::collection::vec(any::<u8>(), 0..300),
            before in prop::collection::vec(any::<u8>(), 0..300),
            len in 0usize..2000,
        ) {
            let mut history = History::default();
            history.remember(&before);
            let _ = unpack(&packed, &history, &mut vec![0; len]);
        }
    }
}
