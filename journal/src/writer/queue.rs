//! What lies between the appending side and the thread: one batch being filled, and full ones.

use super::WriteError;
use crate::format::FRAME_HEAD_BYTES;
use crate::{EVENT_NAMES, EventIndex};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A batch of this size is full. Small enough to stay in a cache until it is written.
const BATCH_BYTES: usize = 256 << 10;
/// A buffer that one large event has made larger than this is not kept.
const SPARE_BYTES_MAX: usize = 4 * BATCH_BYTES;

/// Between two batches that are written because somebody hurries, so much time passes: under load,
/// a frame for everything that is waited for would cost more than what is in it.
const HURRIED_APART: Duration = Duration::from_micros(250);

/// Records on their way: they become one frame, whose head goes before them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// [`FRAME_HEAD_BYTES`] left free, then the records; or nothing at all.
    pub bytes: Vec<u8>,
    pub first_event: u64,
    pub count: u32,
    /// There is an [`crate::Event::File`] among them.
    pub names_files: bool,
}

/// Events, and bytes of their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many events.
    pub events: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What the thread waits for, so that it is woken for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    UntilWork,
    UntilFull,
}

/// What the appending side waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Nothing,
    Room,
    Empty,
}

#[derive(Debug)]
struct State {
    /// Index of the event appended next.
    next: u64,
    /// By the number of the variant.
    counts: [Count; EVENT_NAMES.len()],
    current: Batch,
    full: VecDeque<Batch>,
    /// Bytes in `full` and in the hands of the thread.
    queued_bytes: usize,
    spare: Vec<Vec<u8>>,
    sleep: Sleep,
    /// By when what is appended must be on its way.
    due: Option<Instant>,
    /// When a batch was last written because somebody hurried.
    hurried: Option<Instant>,
    want: Want,
    /// How many wait for `written` to grow.
    watchers: u32,
    closed: bool,
}

/// Who has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The journal's own thread.
    Thread,
    /// Somebody who would not wait for it: [`crate::Appender::press`].
    Presser,
}

/// What came of pressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    /// There is nothing that is not on its way.
    Nothing,
    /// It is too early. Nobody else was told to do it.
    Later(Instant),
    /// A batch is to be written, by whoever pressed.
    Yours,
    /// The thread is behind; it has been told.
    Thread,
}

/// Called after every change of what is written; `false` if it need not be called again.
type Watcher = Box<dyn Fn(By) -> bool + Send>;

/// Who wants to be told.
#[derive(Default)]
struct Watchers(Mutex<Vec<Watcher>>);

impl std::fmt::Debug for Watchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watchers")
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    grown: Condvar,
    /// Events handed to the system.
    written: AtomicU64,
    /// Bytes of all segments.
    written_bytes: AtomicU64,
    /// The thread has written everything, and ended.
    finished: AtomicBool,
    watchers: Watchers,
    /// Events appended.
    appended: AtomicU64,
    failure: OnceLock<WriteError>,
    batch_bytes: usize,
    queued_bytes_max: usize,
    patience: Duration,
    events_max: u64,
}

impl Queue {
    /// For events from index `next` to below `events_max`, in segments that have `bytes` by now.
    pub fn new(
        buffered_bytes_max: usize,
        patience: Duration,
        (next, bytes): (u64, u64),
        events_max: u64,
    ) -> Self {
        let state = State {
            next,
            counts: Default::default(),
            current: Batch::default(),
            full: VecDeque::new(),
            queued_bytes: 0,
            spare: Vec::new(),
            sleep: Sleep::Awake,
            due: None,
            hurried: None,
            want: Want::Nothing,
            watchers: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
            grown: Condvar::new(),
            written: AtomicU64::new(next),
            written_bytes: AtomicU64::new(bytes),
            finished: AtomicBool::new(false),
            watchers: Watchers::default(),
            appended: AtomicU64::new(next),
            failure: OnceLock::new(),
            batch_bytes: BATCH_BYTES.min(buffered_bytes_max / 4),
            queued_bytes_max: buffered_bytes_max,
            patience,
            events_max,
        }
    }

    pub fn failure(&self) -> Option<&WriteError> {
        self.failure.get()
    }

    /// Ends the journal. The first failure counts.
    pub fn fail(&self, error: WriteError) {
        let _ = self.failure.set(error);
        let mut state = self.lock();
        state.want = Want::Nothing;
        drop(state);
        self.done.notify_all();
        self.grown.notify_all();
        self.tell(By::Thread);
    }

    fn check(&self) -> Result<(), WriteError> {
        self.failure
            .get()
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the record that `encode` appends to the buffer that it is given; it is told the
    /// event's index. Nothing follows the last one, whoever else appends.
    #[inline]
    pub fn append(
        &self,
        (names_file, last): (bool, bool),
        encode: impl FnOnce(EventIndex, &mut Vec<u8>) -> Result<(), WriteError>,
    ) -> Result<EventIndex, WriteError> {
        self.check()?;
        let mut state = self.lock();
        if state.closed {
            return Err(WriteError::Ended);
        }
        if state.next >= self.events_max {
            drop(state);
            wait_for_death();
        }
        let index = EventIndex(state.next);
        if state.current.count == 0 {
            self.begin_batch(&mut state, index);
        }
        let before = state.current.bytes.len();
        if let Err(error) = encode(index, &mut state.current.bytes) {
            drop(state);
            // An event is missing: none may follow.
            self.fail(error.clone());
            return Err(error);
        }
        state.count(before);
        state.current.count += 1;
        state.current.names_files |= names_file;
        state.next += 1;
        self.appended.store(state.next, Ordering::Release);
        if last {
            self.close_locked(&mut state);
            return Ok(index);
        }
        if state.current.bytes.len() >= self.batch_bytes || state.next == self.events_max {
            self.end_batch(state)?;
        }
        Ok(index)
    }

    /// What was appended, by kind.
    pub fn counts(&self) -> [Count; EVENT_NAMES.len()] {
        self.lock().counts
    }

    /// How many events were appended.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// How many events were handed to the system.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Has the thread write what was appended within some time, or as soon as it may after that
    /// was last wanted. Does not wait for it.
    pub fn hurry(&self, within: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.current.count == 0 {
            return;
        }
        let earliest = state.hurried.map_or(now, |last| last + HURRIED_APART);
        let due = earliest.max(now + within);
        if state.due.is_some_and(|before| before <= due) {
            return;
        }
        state.due = Some(due);
        if due <= now {
            state.push_hurried(now);
        }
        self.wake(&mut state);
    }

    /// Makes what was appended a batch, if it is time: within what it may take, and not too soon
    /// after that was last wanted.
    pub fn press(&self, within: Duration) -> Pressed {
        let now = Instant::now();
        let mut state = self.lock();
        if state.current.count == 0 {
            return Pressed::Nothing;
        }
        let earliest = state.hurried.map_or(now, |last| last + HURRIED_APART);
        let due = earliest.max(now + within);
        let due = state.due.map_or(due, |before| before.min(due));
        if due > now {
            return Pressed::Later(due);
        }
        let behind = !state.full.is_empty();
        state.hurried = Some(now);
        state.push_current();
        if behind {
            self.wake(&mut state);
            return Pressed::Thread;
        }
        Pressed::Yours
    }

    /// Has the thread look whether there is something to write.
    pub fn rouse(&self) {
        self.wake(&mut self.lock());
    }

    /// Waits until more than `count` events are written, the queue has ended, or `patience` is
    /// over; how many are.
    pub fn wait_written(&self, count: u64, patience: Duration) -> u64 {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        state.watchers += 1;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let written = self.written();
            let over = state.closed && written == state.next;
            if written > count || over || left.is_zero() || self.failure.get().is_some() {
                state.watchers -= 1;
                return written;
            }
            state = self
                .grown
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Bytes of all segments so far.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Acquire)
    }

    /// Whether nothing more will be written.
    pub fn has_ended(&self) -> bool {
        self.finished.load(Ordering::Acquire) || self.failure.get().is_some()
    }

    /// Has `watcher` called by whoever has written, and by the thread at the end.
    pub fn watch(&self, watcher: Watcher) {
        self.lock_watchers().push(watcher);
    }

    /// A batch is written that ends before event `next`; the segments have `bytes`. Those who watch
    /// are to be told.
    pub fn wrote(&self, next: u64, bytes: u64) {
        self.written_bytes.store(bytes, Ordering::Release);
        self.written.store(next, Ordering::Release);
        if self.lock().watchers > 0 {
            self.grown.notify_all();
        }
    }

    /// The thread has written everything.
    pub fn finish(&self) {
        self.finished.store(true, Ordering::Release);
        self.tell(By::Thread);
    }

    fn lock_watchers(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.watchers
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who watch.
    pub fn tell(&self, by: By) {
        self.lock_watchers().retain(|watcher| watcher(by));
    }

    #[cold]
    fn begin_batch(&self, state: &mut State, index: EventIndex) {
        let mut bytes = state.spare.pop().unwrap_or_default();
        bytes.clear();
        // Room for the record that fills the batch, if it is not a large one.
        bytes.reserve(self.batch_bytes + self.batch_bytes / 8 + FRAME_HEAD_BYTES);
        bytes.resize(FRAME_HEAD_BYTES, 0);
        state.current = Batch {
            bytes,
            first_event: index.0,
            count: 0,
            names_files: false,
        };
        if state.sleep == Sleep::UntilWork {
            self.wake(state);
        }
    }

    #[cold]
    fn end_batch(&self, mut state: MutexGuard<'_, State>) -> Result<(), WriteError> {
        state.push_current();
        self.wake(&mut state);
        if state.queued_bytes >= self.queued_bytes_max {
            self.wait(state, Want::Room)?;
        }
        Ok(())
    }

    fn wake(&self, state: &mut State) {
        if state.sleep != Sleep::Awake {
            state.sleep = Sleep::Awake;
            self.work.notify_one();
        }
    }

    /// Waits until the thread has cleared `want`.
    fn wait(&self, mut state: MutexGuard<'_, State>, want: Want) -> Result<(), WriteError> {
        state.want = want;
        while state.want != Want::Nothing && self.failure.get().is_none() {
            state = self
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.check()
    }

    /// Waits until everything was written.
    pub fn drain(&self) -> Result<(), WriteError> {
        self.check()?;
        let mut state = self.lock();
        state.push_current();
        if state.queued_bytes == 0 {
            return Ok(());
        }
        self.wake(&mut state);
        self.wait(state, Want::Empty)
    }

    /// Nothing more will be appended.
    pub fn close(&self) {
        self.close_locked(&mut self.lock());
    }

    #[cold]
    fn close_locked(&self, state: &mut State) {
        state.push_current();
        state.closed = true;
        self.wake(state);
    }

    /// The next batch to write, if there is one, for whoever holds the output. The flag says
    /// whether writing keeps up.
    pub fn pop(&self) -> Option<(Batch, bool)> {
        let mut state = self.lock();
        let keeps_up = state.queued_bytes <= self.queued_bytes_max / 4;
        state.full.pop_front().map(|batch| (batch, keeps_up))
    }

    /// Waits for a batch; `false` once the queue is closed and empty.
    pub fn wait_for_work(&self) -> bool {
        let mut state = self.lock();
        let mut patient_until = None;
        loop {
            state.sleep = Sleep::Awake;
            if !state.full.is_empty() {
                return true;
            }
            let empty = state.current.count == 0;
            if empty && state.closed {
                return false;
            }
            // What comes within the time that it may wait wakes nobody: a wake-up for the first
            // event of each batch would be half of them.
            let now = Instant::now();
            let patient = *patient_until.get_or_insert(now + self.patience);
            let until = state.due.map_or(patient, |due| due.min(patient));
            if until > now {
                state.sleep = Sleep::UntilFull;
                state = self
                    .work
                    .wait_timeout(state, until - now)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            } else if empty {
                state.sleep = Sleep::UntilWork;
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                patient_until = None;
            } else {
                state.push_hurried(now);
            }
        }
    }

    /// How many buffers wait to be used again.
    #[cfg(test)]
    pub fn buffers(&self) -> usize {
        self.lock().spare.len()
    }

    /// Gives the buffer of a batch that was written back.
    pub fn give_back(&self, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.queued_bytes -= bytes.len();
        if bytes.capacity() <= SPARE_BYTES_MAX {
            state.spare.push(bytes);
        }
        let satisfied = match state.want {
            Want::Nothing => false,
            // Not at the first byte: the two sides would take turns at every batch.
            Want::Room => state.queued_bytes <= self.queued_bytes_max / 2,
            Want::Empty => state.queued_bytes == 0,
        };
        if satisfied {
            state.want = Want::Nothing;
            drop(state);
            self.done.notify_one();
        }
    }
}

#[cold]
fn wait_for_death() -> ! {
    loop {
        std::thread::park();
    }
}

impl State {
    /// Counts the record that begins at `start` in the current batch.
    #[inline]
    fn count(&mut self, start: usize) {
        let record = &self.current.bytes[start..];
        // Its length, almost always a byte, and then the variant.
        let at = match record.first() {
            Some(0..0x80) => 1,
            _ => 1 + record.iter().take_while(|byte| **byte >= 0x80).count(),
        };
        let variant = record.get(at).map_or(usize::MAX, |byte| usize::from(*byte));
        if let Some(count) = self.counts.get_mut(variant) {
            count.events += 1;
            count.bytes += record.len() as u64;
        }
    }

    /// Because of the time.
    fn push_hurried(&mut self, now: Instant) {
        if self.due.is_some() {
            self.hurried = Some(now);
        }
        self.push_current();
    }

    fn push_current(&mut self) {
        self.due = None;
        if self.current.count > 0 {
            let batch = std::mem::take(&mut self.current);
            self.queued_bytes += batch.bytes.len();
            self.full.push_back(batch);
        }
    }
}
