//! Segments in memory, with faults on demand: for tests and benchmarks.

use super::Storage;
use crate::segment_name;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Segments in memory. Clones share them, so that a test can look while a writer writes.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    segments: Vec<Vec<u8>>,
    syncs: u64,
    calls: u64,
    written: u64,
    keep_last_only: bool,
    write_bytes_max: Option<usize>,
    fail_at_byte: Option<u64>,
    fail_at_call: Option<u64>,
}

impl MemoryStorage {
    /// Keeps everything, fails never.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Overwrites one segment with the next: memory does not grow with the journal.
    #[must_use]
    pub fn keeping_last_only(self) -> Self {
        self.lock().keep_last_only = true;
        self
    }

    /// Takes no more than `bytes` at a time.
    #[must_use]
    pub fn with_short_writes(self, bytes: usize) -> Self {
        self.lock().write_bytes_max = Some(bytes);
        self
    }

    /// Has room for `bytes` and is full (`ENOSPC`) from then on.
    #[must_use]
    pub fn full_at_byte(self, bytes: u64) -> Self {
        self.lock().fail_at_byte = Some(bytes);
        self
    }

    /// Fails (`EIO`) call number `call`, from 0, and all after it.
    #[must_use]
    pub fn failing_at_call(self, call: u64) -> Self {
        self.lock().fail_at_call = Some(call);
        self
    }

    /// The segments written so far.
    #[must_use]
    pub fn segments(&self) -> Vec<Vec<u8>> {
        self.lock().segments.clone()
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// How many of them were syncs that succeeded.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn call(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        match self.fail_at_call {
            Some(first) if call >= first => Err(io::Error::from_raw_os_error(libc::EIO)),
            _ => Ok(()),
        }
    }

    fn current(&mut self) -> io::Result<&mut Vec<u8>> {
        self.segments
            .last_mut()
            .ok_or_else(|| io::Error::other("no segment was begun"))
    }
}

impl Storage for MemoryStorage {
    fn create_segment(&mut self, _number: u32) -> io::Result<()> {
        let mut inner = self.lock();
        inner.call()?;
        if inner.keep_last_only
            && let Some(last) = inner.segments.last_mut()
        {
            last.clear();
        } else {
            inner.segments.push(Vec::new());
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.lock();
        inner.call()?;
        let mut len = bytes.len().min(inner.write_bytes_max.unwrap_or(usize::MAX));
        if let Some(room) = inner.fail_at_byte {
            let left = usize::try_from(room.saturating_sub(inner.written)).unwrap_or(usize::MAX);
            if left == 0 && len > 0 {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            len = len.min(left);
        }
        inner.current()?.extend_from_slice(&bytes[..len]);
        inner.written += len as u64;
        Ok(len)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.call()?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        inner.current()?.truncate(len);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.lock();
        inner.call()?;
        inner.syncs += 1;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        let count = u32::try_from(self.lock().segments.len()).unwrap_or(u32::MAX);
        PathBuf::from("memory").join(segment_name(count.saturating_sub(1)))
    }
}
