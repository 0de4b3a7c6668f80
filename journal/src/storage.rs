//! Where segments go: files, or memory for tests and benchmarks.

mod file;
mod memory;

pub use file::FileStorage;
pub use memory::MemoryStorage;

use std::io;
use std::path::PathBuf;

/// The medium under a writer: a sequence of segments, of which the last is written.
pub trait Storage: Send {
    /// Begins segment `number`; what is written from now on goes to it.
    fn create_segment(&mut self, number: u32) -> io::Result<()>;
    /// Appends some of `bytes` to the current segment, and says how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the current segment to `len` bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Makes the current segment survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
    /// Names the current segment in messages.
    fn path(&self) -> PathBuf;
}
