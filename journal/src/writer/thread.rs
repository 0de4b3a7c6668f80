//! What frames, compresses, checksums and writes, and the thread that does it.
//!
//! The thread does all that nobody waits for. Who waits (a packet that may not leave before the
//! standby has the events before it) writes by itself: a thread that has to wake up for it would
//! take longer than the writing.

use super::queue::{Batch, By, Pressed, Queue};
use super::{Summary, WriteError, WriterOptions};
use crate::compress::Adaptive;
use crate::format::{Codec, FRAME_HEAD_BYTES, FrameHead, encode_segment_head};
use crate::{End, Storage};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::Pid;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// The two ends of a journal that is written.
pub(super) struct Core {
    pub queue: Queue,
    /// Until everything is written, or a write fails. Whoever takes a batch holds it, so that batches are written in
    /// their order.
    output: Mutex<Option<Output>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// Begins the first segment and starts the thread.
pub(super) fn start(
    storage: Box<dyn Storage>,
    header: Vec<u8>,
    options: WriterOptions,
    queue: Queue,
    after: Option<&End>,
) -> Result<(Arc<Core>, JoinHandle<Option<Summary>>), WriteError> {
    let cpu = options.writer_cpu;
    let seed = crc32c::crc32c(&header);
    let mut segments = Segments {
        storage,
        header,
        seed,
        options,
        len: 0,
        summary: Summary::default(),
    };
    match after {
        None => segments.begin(0)?,
        Some(end) => segments.go_on(end)?,
    }
    let mut output = Output {
        segments,
        adaptive: Adaptive::default(),
        packed: Vec::new(),
    };
    output.adaptive.forget();
    let path = output.segments.storage.path();
    let failed = |error| WriteError::io("start the thread that writes", path, error);
    let core = Arc::new(Core {
        queue,
        output: Mutex::new(Some(output)),
    });
    let own = Arc::clone(&core);
    // Signals are for the thread that traces: this one starts with all of them blocked.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let thread = Builder::new().name("journal".into()).spawn(move || {
        // Not being able to is no reason to stop: it is slower, not wrong.
        let _ = cpu.map(pin_to);
        let _guard = Guard(&own.queue);
        own.run()
    });
    if let Ok(mask) = mask {
        let _ = mask.thread_set_mask();
    }
    Ok((core, thread.map_err(failed)?))
}

fn pin_to(cpu: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Tells the appending side, which may be waiting, when who writes is unwound.
struct Guard<'a>(&'a Queue);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(WriteError::Thread);
        }
    }
}

impl Core {
    /// Writes batches until the queue is closed or a write fails.
    fn run(&self) -> Option<Summary> {
        while self.queue.wait_for_work() {
            if !self.write_queued(&mut self.lock(), || self.queue.tell(By::Thread)) {
                return None;
            }
        }
        let mut output = self.lock().take()?;
        match output.segments.sync() {
            Ok(()) => {
                self.queue.finish();
                Some(output.segments.summary)
            }
            Err(error) => {
                self.queue.fail(error);
                None
            }
        }
    }

    /// Writes what was appended on this thread, if it is time. If it is too early: when it will be.
    pub fn press(&self, within: Duration) -> Option<Instant> {
        match self.queue.press(within) {
            Pressed::Nothing | Pressed::Thread => None,
            Pressed::Later(at) => Some(at),
            Pressed::Yours => {
                let mut wrote = false;
                match self.output.try_lock() {
                    Ok(mut output) => {
                        let _guard = Guard(&self.queue);
                        self.write_queued(&mut output, || wrote = true);
                    }
                    // Whoever has it may have looked for the last time.
                    Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => {
                        self.queue.rouse();
                    }
                }
                // Not while the output is held: whoever is told may send it on.
                if wrote {
                    self.queue.tell(By::Presser);
                }
                None
            }
        }
    }

    /// Writes all batches that there are; false if it cannot be written any more. With the storage
    /// goes the mark that says that the journal is being written.
    fn write_queued(&self, output: &mut Option<Output>, mut wrote: impl FnMut()) -> bool {
        while let Some(writing) = output {
            let Some((mut batch, keeps_up)) = self.queue.pop() else {
                return true;
            };
            if let Err(error) = writing.write(&mut batch, keeps_up) {
                *output = None;
                self.queue.fail(error);
                break;
            }
            let next = batch.first_event + u64::from(batch.count);
            let bytes = writing.segments.summary.bytes_written;
            self.queue.wrote(next, bytes);
            self.queue.give_back(batch.bytes);
            wrote();
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Option<Output>> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Output {
    segments: Segments,
    adaptive: Adaptive,
    packed: Vec<u8>,
}

impl Output {
    /// Writes a batch as a frame. When writing is behind, without compressing it.
    fn write(&mut self, batch: &mut Batch, keeps_up: bool) -> Result<(), WriteError> {
        if self.segments.make_room(batch.first_event)? {
            self.adaptive.forget();
        }
        let raw = &batch.bytes[FRAME_HEAD_BYTES..];
        let raw_len = raw.len();
        self.packed.clear();
        self.packed.resize(FRAME_HEAD_BYTES, 0);
        let compress = self.segments.options.compress && keeps_up;
        let anew = self.adaptive.take_anew();
        // Whoever looks for the files that it names has not read those before it.
        let alone = batch.names_files;
        let codec = self
            .adaptive
            .compress(raw, compress, alone, &mut self.packed);
        let frame = match codec {
            Codec::Raw => &mut batch.bytes,
            Codec::Lz4 | Codec::History => &mut self.packed,
        };
        let (head, payload) = frame.split_at_mut(FRAME_HEAD_BYTES);
        let fields = FrameHead {
            codec,
            names_files: batch.names_files,
            anew,
            payload_len: frame_len(payload.len()),
            raw_len: frame_len(raw_len),
            first_event: batch.first_event,
            count: batch.count,
            crc: 0,
        };
        head.copy_from_slice(&fields.encode(self.segments.seed, payload));
        self.segments.write_whole(frame)?;
        self.segments.summary.events += u64::from(batch.count);
        self.segments.summary.bytes_raw += raw_len as u64;
        Ok(())
    }
}

fn frame_len(len: usize) -> u32 {
    u32::try_from(len)
        .expect("a batch is one record over its limit at most, and both are far below 4 GiB")
}

struct Segments {
    storage: Box<dyn Storage>,
    /// Encoded; repeated in every segment.
    header: Vec<u8>,
    /// Its checksum.
    seed: u32,
    options: WriterOptions,
    /// Bytes of whole frames in the current segment, its head included.
    len: u64,
    summary: Summary,
}

impl Segments {
    fn begin(&mut self, first_event: u64) -> Result<(), WriteError> {
        let number = self.summary.segments;
        let head = encode_segment_head(number, first_event, &self.header);
        self.storage
            .create_segment(number)
            .map_err(|error| self.error("create", error))?;
        self.len = 0;
        self.summary.segments += 1;
        self.write_whole(&head)
    }

    /// Goes on where another writer stopped; what stands behind that is cut off.
    fn go_on(&mut self, end: &End) -> Result<(), WriteError> {
        self.len = end.offset;
        self.summary.segments = end.segment + 1;
        self.summary.events = end.events;
        self.summary.bytes_written = end.bytes;
        self.storage
            .truncate(end.offset)
            .map_err(|error| self.error("cut", error))
    }

    /// Begins another segment if this one has its size; whether it did.
    fn make_room(&mut self, first_event: u64) -> Result<bool, WriteError> {
        let full = self.len >= self.options.segment_bytes_max;
        if full {
            self.sync()?;
            self.begin(first_event)?;
        }
        Ok(full)
    }

    /// Writes all of `bytes` or, as far as the medium still obeys, nothing of them.
    fn write_whole(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if let Err(error) = write_all(&mut *self.storage, bytes) {
            let error = self.error("write", error);
            // Should this fail too, a reader finds a torn tail: no worse than a crash.
            let _ = self.storage.truncate(self.len);
            let _ = self.storage.sync();
            return Err(error);
        }
        self.len += bytes.len() as u64;
        self.summary.bytes_written += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        self.storage
            .sync()
            .map_err(|error| self.error("sync", error))
    }

    fn error(&self, doing: &'static str, error: io::Error) -> WriteError {
        WriteError::io(doing, self.storage.path(), error)
    }
}

fn write_all(storage: &mut dyn Storage, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match storage.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
