//! When to compress: LZ4 where it pays, left alone for a while where it does not.

use lz4_flex::block;

/// Frames that go uncompressed after the first that did not pay; doubled each time.
const PAUSE_FIRST: u32 = 4;
const PAUSE_MAX: u32 = 64;
/// Shorter frames are not worth the call.
const RAW_BYTES_MIN: usize = 256;

/// Remembers how well compression went.
#[derive(Debug, Default)]
pub(crate) struct Adaptive {
    skip: u32,
    pause: u32,
}

impl Adaptive {
    /// Compresses `raw` to the end of `out`, if that saves an eighth at least.
    /// Leaves `out` as it was otherwise.
    pub fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) -> bool {
        if raw.len() < RAW_BYTES_MIN {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let start = out.len();
        out.resize(start + block::get_maximum_output_size(raw.len()), 0);
        let packed = block::compress_into(raw, &mut out[start..]).ok();
        let paid = packed.filter(|&len| len <= raw.len() - raw.len() / 8);
        out.truncate(start + paid.unwrap_or(0));
        if paid.is_some() {
            self.pause = 0;
        } else {
            self.pause = (self.pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX);
            self.skip = self.pause;
        }
        paid.is_some()
    }
}
