//! Appending events: encodes into a bounded buffer that a thread of its own writes out.
//!
//! The appending side holds a lock that nobody else wants but for the instant in which
//! the thread takes a buffer. While nothing is appended, nothing runs.

mod queue;
mod thread;

use crate::format::encode_header;
use crate::{End, Event, EventIndex, FileStorage, Header, RECORD_BYTES_MAX, Storage, record};
use queue::Queue;
pub use queue::{By, Count};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thread::Core;

/// How a journal is written.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// A segment that has reached this size is ended.
    pub segment_bytes_max: u64,
    /// Appending waits while this much is not yet written.
    pub buffered_bytes_max: usize,
    /// How long a buffer that is not full may wait, in milliseconds.
    pub flush_ms: u64,
    /// The CPU for the writing thread; without it, it may use those of the caller.
    pub writer_cpu: Option<usize>,
    /// Whether frames are compressed where that pays.
    pub compress: bool,
    /// For tests of what a death leaves behind: after so many events appending waits for ever,
    /// and they are written, the last one at the end of a frame.
    pub events_max: Option<u64>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            buffered_bytes_max: 16 << 20,
            flush_ms: 20,
            writer_cpu: None,
            compress: true,
            events_max: None,
        }
    }
}

/// Why a journal cannot be written. The first failure is final: nothing is written
/// after it, and what was written before it stays readable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The medium refused.
    #[error("cannot {doing} {}: {error}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// The event is larger than any event may be.
    #[error("event {} is larger than {RECORD_BYTES_MAX} bytes", index.0)]
    TooLarge {
        /// The index that it would have had.
        index: EventIndex,
    },
    /// The header is larger than any header may be.
    #[error(
        "the journal's header is larger than {} bytes",
        crate::HEADER_BYTES_MAX
    )]
    HeaderTooLarge,
    /// It was begun in another format, and cannot be gone on with.
    #[error(
        "the journal has format {found}, not {} as this ftrun writes it",
        crate::FORMAT_VERSION
    )]
    OtherVersion {
        /// Its format.
        found: u32,
    },
    /// The event cannot be encoded.
    #[error("cannot encode event {}: {error}", index.0)]
    Encode {
        /// The index that it would have had.
        index: EventIndex,
        /// Why not.
        error: postcard::Error,
    },
    /// The journal was finished before.
    #[error("the journal has ended")]
    Ended,
    /// The writing thread is gone.
    #[error("the thread that writes the journal ended unexpectedly")]
    Thread,
}

impl WriteError {
    fn io(doing: &'static str, path: PathBuf, error: io::Error) -> Self {
        Self::Io {
            doing,
            path,
            error: Arc::new(error),
        }
    }
}

/// What became of a finished journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Events appended.
    pub events: u64,
    /// Bytes of their records.
    pub bytes_raw: u64,
    /// Bytes of all segments.
    pub bytes_written: u64,
    /// How many segments there are.
    pub segments: u32,
}

/// Writes the journal of one recording.
#[derive(Debug)]
pub struct Writer {
    core: Arc<Core>,
    thread: Option<JoinHandle<Option<Summary>>>,
}

impl Writer {
    /// Begins the journal of the recording in `dir`, which must not have one yet. Its
    /// first segment's head is written when this returns.
    pub fn create(dir: &Path, header: &Header, options: WriterOptions) -> Result<Self, WriteError> {
        let path = dir.join(crate::JOURNAL_DIR);
        let storage =
            FileStorage::create(dir).map_err(|error| WriteError::io("create", path, error))?;
        Self::create_on(Box::new(storage), header, options)
    }

    /// Begins a journal on any medium.
    pub fn create_on(
        storage: Box<dyn Storage>,
        header: &Header,
        options: WriterOptions,
    ) -> Result<Self, WriteError> {
        let header = encode_header(header).ok_or(WriteError::HeaderTooLarge)?;
        Self::start(storage, header, options, None)
    }

    /// Goes on with a journal whose writer is gone, from `end` on, which its reader has found.
    /// What may stand behind that is cut off.
    pub fn resume(dir: &Path, end: &End, options: WriterOptions) -> Result<Self, WriteError> {
        match postcard::take_from_bytes::<u32>(&end.header_bytes) {
            Ok((crate::FORMAT_VERSION, _)) => {}
            version => {
                let found = version.map_or(0, |(found, _)| found);
                return Err(WriteError::OtherVersion { found });
            }
        }
        let path = dir.join(crate::JOURNAL_DIR);
        let storage = FileStorage::resume(dir, end.segment)
            .map_err(|error| WriteError::io("go on with", path, error))?;
        Self::start(
            Box::new(storage),
            end.header_bytes.clone(),
            options,
            Some(end),
        )
    }

    fn start(
        storage: Box<dyn Storage>,
        header: Vec<u8>,
        options: WriterOptions,
        after: Option<&End>,
    ) -> Result<Self, WriteError> {
        let queue = Queue::new(
            options.buffered_bytes_max,
            Duration::from_millis(options.flush_ms),
            after.map_or((0, 0), |end| (end.events, end.bytes)),
            options.events_max.unwrap_or(u64::MAX),
        );
        let (core, thread) = thread::start(storage, header, options, queue, after)?;
        Ok(Self {
            core,
            thread: Some(thread),
        })
    }

    /// Appends an event. Waits while the buffers are full; fails for good once anything
    /// has failed.
    #[inline]
    pub fn append(&mut self, event: &Event<'_>) -> Result<EventIndex, WriteError> {
        append(&self.core.queue, event)
    }

    /// Another hand for this journal, for other threads.
    #[must_use]
    pub fn appender(&self) -> Appender {
        Appender(Arc::clone(&self.core))
    }

    /// The failure that ended the journal, if one did. Costs one load.
    #[inline]
    #[must_use]
    pub fn failure(&self) -> Option<&WriteError> {
        self.core.queue.failure()
    }

    /// Waits until everything appended was handed to the system: it survives the end of
    /// this process, but perhaps not a loss of power.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.core.queue.drain()
    }

    /// Writes what is left, makes it survive a loss of power, and ends the journal.
    pub fn finish(mut self) -> Result<Summary, WriteError> {
        let summary = self.close();
        match self.core.queue.failure() {
            Some(error) => Err(error.clone()),
            None => summary.ok_or(WriteError::Thread),
        }
    }

    fn close(&mut self) -> Option<Summary> {
        self.core.queue.close();
        self.thread.take()?.join().ok().flatten()
    }
}

/// Appends to a journal beside its [`Writer`], and watches how far it is written.
#[derive(Debug, Clone)]
pub struct Appender(Arc<Core>);

impl Appender {
    /// Appends an event, as [`Writer::append`] does.
    pub fn append(&self, event: &Event<'_>) -> Result<EventIndex, WriteError> {
        append(&self.0.queue, event)
    }

    /// How many events were appended so far, by anybody. Costs one load.
    #[inline]
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.0.queue.appended()
    }

    /// How many events of each kind were appended, in the order of [`crate::EVENT_NAMES`], and
    /// how many bytes their records have before compression.
    #[must_use]
    pub fn counts(&self) -> [Count; crate::EVENT_NAMES.len()] {
        self.0.queue.counts()
    }

    /// How many of them were handed to the system: a reader of the journal finds them.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.queue.written()
    }

    /// Has all that was appended written within so much time. Under load it may take a fraction
    /// of a millisecond longer, so that more is written together. Does not wait for it.
    pub fn hurry(&self, within: Duration) {
        self.0.queue.hurry(within);
    }

    /// As [`Appender::hurry`], but writes by itself, on the calling thread, and has watchers called
    /// there. If it is too early for that, says when to press again; if nobody does, it is written
    /// when the writer's patience ends.
    #[must_use]
    pub fn press(&self, within: Duration) -> Option<Instant> {
        self.0.press(within)
    }

    /// Waits until more than `count` events are written; at most for `patience`, and not after
    /// the end of the journal, in order or by a failure. How many are written then.
    #[must_use]
    pub fn wait_written(&self, count: u64, patience: Duration) -> u64 {
        self.0.queue.wait_written(count, patience)
    }

    /// Bytes of all segments that were handed to the system.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.0.queue.written_bytes()
    }

    /// Whether nothing more will be written: the journal was finished, or has failed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.queue.has_ended()
    }

    /// Has `watcher` called after every write, and at the journal's end, on the thread that
    /// has written: it must be short, and not append to this journal. Once it has returned
    /// `false`, it is not called again.
    pub fn watch(&self, watcher: impl Fn(By) -> bool + Send + 'static) {
        self.0.queue.watch(Box::new(watcher));
    }

    /// The failure that ended the journal, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<&WriteError> {
        self.0.queue.failure()
    }
}

#[inline]
fn append(queue: &Queue, event: &Event<'_>) -> Result<EventIndex, WriteError> {
    let last = matches!(event, Event::End(_));
    queue.append((matches!(event, Event::File(_)), last), |index, buffer| {
        record::append(buffer, event).map_err(|error| match error {
            postcard::Error::SerializeBufferFull => WriteError::TooLarge { index },
            error => WriteError::Encode { index, error },
        })
    })
}

impl Drop for Writer {
    /// Writes what is left. Only [`Writer::finish`] tells whether that went well.
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Machine, MemoryStorage};

    fn header() -> Header {
        let machine = Machine {
            kernel: String::new(),
            cpu_vendor: String::new(),
            cpu_family: 0,
            cpu_model: 0,
            cpu_name: String::new(),
            features: Vec::new(),
            xsave_size: 0,
            xcr0: 0,
            page_size: 4096,
            cpus: 1,
            pinned_cpu: None,
            counter: pmu::Counter::SyncPoint,
        };
        Header {
            format_version: crate::FORMAT_VERSION,
            ftrun_version: String::new(),
            created_unix_ns: 0,
            machine,
        }
    }

    /// Panics where it should write its second piece.
    struct Panicking(bool);

    impl Storage for Panicking {
        fn create_segment(&mut self, _number: u32) -> io::Result<()> {
            Ok(())
        }
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(
                !std::mem::replace(&mut self.0, true),
                "a defect, for the test"
            );
            Ok(bytes.len())
        }
        fn truncate(&mut self, _len: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn path(&self) -> PathBuf {
            PathBuf::new()
        }
    }

    #[test]
    fn a_thread_that_panics_is_a_failure_and_not_a_wait() {
        let options = WriterOptions {
            buffered_bytes_max: 0,
            ..WriterOptions::default()
        };
        let mut writer =
            Writer::create_on(Box::new(Panicking(false)), &header(), options).expect("begins");
        assert!(matches!(
            writer.append(&Event::Time(0)),
            Err(WriteError::Thread)
        ));
        assert!(matches!(writer.flush(), Err(WriteError::Thread)));
        assert!(matches!(writer.finish(), Err(WriteError::Thread)));
    }

    #[test]
    fn nobody_appends_behind_the_end() {
        let storage = MemoryStorage::default();
        let options = WriterOptions::default();
        let mut writer = Writer::create_on(Box::new(storage), &header(), options).expect("begins");
        let other = writer.appender();
        writer.append(&Event::Time(1)).expect("appends");
        other.append(&Event::Time(2)).expect("appends");
        writer.append(&Event::End(0)).expect("appends");
        let late = other.append(&Event::Time(3));
        assert!(matches!(late, Err(WriteError::Ended)), "{late:?}");
        assert_eq!(writer.finish().expect("ends").events, 3);
    }

    #[test]
    fn nothing_is_left_of_a_writer() {
        let mut writer = Writer::create_on(
            Box::new(MemoryStorage::new()),
            &header(),
            WriterOptions::default(),
        )
        .expect("begins");
        writer.append(&Event::Time(0)).expect("appends");
        let queue = Arc::downgrade(&writer.core);
        writer.finish().expect("finishes");
        assert!(queue.upgrade().is_none());
    }

    #[test]
    fn who_presses_writes_by_itself_and_not_too_often() {
        use std::sync::Mutex;
        let storage = MemoryStorage::new();
        let options = WriterOptions {
            flush_ms: 60_000,
            ..WriterOptions::default()
        };
        let mut writer =
            Writer::create_on(Box::new(storage.clone()), &header(), options).expect("begins");
        let hand = writer.appender();
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        hand.watch(move |by| {
            let here = std::thread::current().id();
            list.lock().expect("it is whole").push((by, here));
            true
        });
        assert_eq!(hand.press(Duration::ZERO), None, "nothing to write");
        writer.append(&Event::Time(0)).expect("appends");
        assert_eq!(hand.press(Duration::ZERO), None);
        assert_eq!(hand.written(), 1, "before it returns");
        let mut pressed = 1;
        loop {
            writer.append(&Event::Time(0)).expect("appends");
            pressed += 1;
            // Unless this thread was held up for that long, it is too early.
            if let Some(at) = hand.press(Duration::ZERO) {
                assert!(at > Instant::now() - Duration::from_secs(60) && hand.written() < pressed);
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                assert_eq!(hand.press(Duration::ZERO), None);
                break;
            }
        }
        assert_eq!(hand.written(), pressed);
        let told = told.lock().expect("it is whole").clone();
        let here = std::thread::current().id();
        assert!(
            told.iter().all(|one| *one == (By::Presser, here)),
            "{told:?}"
        );
        writer.finish().expect("finishes");
    }

    #[test]
    fn a_press_that_cannot_write_ends_the_journal() {
        struct Full(bool);
        impl Storage for Full {
            fn create_segment(&mut self, _number: u32) -> io::Result<()> {
                Ok(())
            }
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                Ok(bytes.len())
            }
            fn truncate(&mut self, _len: u64) -> io::Result<()> {
                Ok(())
            }
            fn sync(&mut self) -> io::Result<()> {
                Ok(())
            }
            fn path(&self) -> PathBuf {
                PathBuf::new()
            }
        }
        let options = WriterOptions {
            flush_ms: 60_000,
            ..WriterOptions::default()
        };
        let mut writer =
            Writer::create_on(Box::new(Full(false)), &header(), options).expect("begins");
        writer.append(&Event::Time(0)).expect("appends");
        assert_eq!(writer.appender().press(Duration::ZERO), None);
        assert!(matches!(writer.failure(), Some(WriteError::Io { .. })));
        assert!(writer.append(&Event::Time(0)).is_err());
        assert!(writer.finish().is_err());
    }

    #[test]
    fn several_hands_write_one_order_and_see_how_far_it_is() {
        let storage = Box::new(MemoryStorage::new());
        let options = WriterOptions {
            flush_ms: 60_000,
            ..WriterOptions::default()
        };
        let mut writer = Writer::create_on(storage, &header(), options).expect("begins");
        let hand = writer.appender();
        let zero = crate::Count::default();
        assert_eq!(hand.counts(), [zero; crate::EVENT_NAMES.len()]);
        let other = std::thread::spawn({
            let hand = hand.clone();
            move || {
                for _ in 0..1000 {
                    hand.append(&Event::Time(1)).expect("appends");
                }
            }
        });
        for _ in 0..1000 {
            writer.append(&Event::Time(0)).expect("appends");
        }
        other.join().expect("ends");
        assert_eq!(hand.appended(), 2000);
        writer
            .append(&Event::Note("x".repeat(300).into()))
            .expect("appends");
        let counts = hand.counts();
        let of = |name| crate::EVENT_NAMES.iter().position(|known| *known == name);
        let [times, notes] = ["time", "note"].map(|name| counts[of(name).expect("a name")]);
        assert_eq!((times.events, notes.events), (2000, 1));
        assert_eq!((times.bytes, notes.bytes), (2000 * 3, 2 + 1 + 2 + 300));
        assert_eq!(hand.wait_written(0, Duration::from_millis(1)), 0);
        hand.hurry(Duration::ZERO);
        assert_eq!(hand.wait_written(2000, Duration::from_secs(60)), 2001);
        assert_eq!(writer.finish().expect("finishes").events, 2001);
        assert_eq!(hand.wait_written(2001, Duration::from_secs(60)), 2001);
        assert!(matches!(
            hand.append(&Event::Time(0)),
            Err(WriteError::Ended)
        ));
    }

    #[test]
    fn a_watcher_is_told_until_it_has_enough() {
        use std::sync::atomic::{AtomicU64, Ordering};
        let storage = MemoryStorage::new();
        let mut writer = Writer::create_on(
            Box::new(storage.clone()),
            &header(),
            WriterOptions::default(),
        )
        .expect("begins");
        let hand = writer.appender();
        let told = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        for (index, enough) in [(0, u64::MAX), (1, 2)] {
            let told = Arc::clone(&told);
            hand.watch(move |_| told[index].fetch_add(1, Ordering::Relaxed) + 1 < enough);
        }
        for _ in 0..3 {
            writer.append(&Event::Time(0)).expect("appends");
            writer.flush().expect("flushes");
        }
        assert!(!hand.has_ended());
        writer.finish().expect("finishes");
        assert!(hand.has_ended());
        let bytes = storage.segments().iter().map(Vec::len).sum::<usize>();
        assert_eq!(hand.written_bytes(), bytes as u64);
        let told = [0, 1].map(|index: usize| told[index].load(Ordering::Relaxed));
        assert_eq!(told, [4, 2], "three writes and the end; two were enough");
    }

    #[test]
    fn buffers_are_used_again() {
        let mut writer = Writer::create_on(
            Box::new(MemoryStorage::new()),
            &header(),
            WriterOptions::default(),
        )
        .expect("begins");
        let note = Event::Note("x".repeat(100_000).into());
        for _ in 0..1000 {
            writer.append(&note).expect("appends");
        }
        writer.flush().expect("flushes");
        assert!(
            writer.core.queue.buffers() * (256 << 10)
                <= WriterOptions::default().buffered_bytes_max + (1 << 20)
        );
    }
}
