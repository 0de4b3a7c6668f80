//! The recorder's side of the journal: thread switches, time marks, and what happens when
//! it can no longer be written.

use super::error::RecordError;
use crate::brake::{Brake, Over};
use crate::sys::host;
use journal::{Event, FileId, KeptFile, Tid, WriteError, Writer};
use std::borrow::Cow;
use std::time::Duration;

/// Distance of time marks.
const TIME_MARK: Duration = Duration::from_millis(100);
/// How many events pass between two looks at the clock.
const TIME_CHECK_EVENTS: u32 = 16;

/// What to do when the journal can no longer be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnJournalError {
    /// End the application.
    Stop,
    /// Let it run on without a recording.
    Continue,
}

/// Where events go.
pub struct Output {
    writer: Option<Writer>,
    current: Option<Tid>,
    on_error: OnJournalError,
    last_mark: Duration,
    since_check: u32,
    next_file: u32,
    lost: Option<WriteError>,
    brake: Brake,
}

impl Output {
    /// Writes to `writer`.
    pub fn new(writer: Writer, on_error: OnJournalError) -> Self {
        Self {
            writer: Some(writer),
            current: None,
            on_error,
            last_mark: host::uptime(),
            since_check: 0,
            next_file: 0,
            lost: None,
            brake: Brake::default(),
        }
    }

    /// Goes on with a journal that was cut, held by `brake`; kept files have numbers from
    /// `next_file` on.
    pub fn resumed(writer: Writer, on_error: OnJournalError, next_file: u32, brake: Brake) -> Self {
        Self {
            // No thread: the first event names its own.
            current: Some(Tid(0)),
            next_file,
            brake,
            ..Self::new(writer, on_error)
        }
    }

    /// Whether nothing is recorded any more.
    pub const fn is_lost(&self) -> bool {
        self.writer.is_none()
    }

    /// Appends an event of thread `tid`.
    pub fn emit(&mut self, tid: Tid, event: &Event<'_>) -> Result<(), RecordError> {
        self.since_check += 1;
        if self.since_check >= TIME_CHECK_EVENTS {
            self.mark_time()?;
        }
        self.emit_collected(tid, event)
    }

    /// The same, of one of several events that were collected: without a look at the clock.
    pub fn emit_collected(&mut self, tid: Tid, event: &Event<'_>) -> Result<(), RecordError> {
        if self.current != Some(tid) {
            // `Start` names the first thread itself.
            if self.current.is_some() {
                self.append(&Event::Switch(tid))?;
            }
            self.current = Some(tid);
        }
        self.append(event)
    }

    /// Appends an event that belongs to no thread.
    pub fn append(&mut self, event: &Event<'_>) -> Result<(), RecordError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        match self.brake.pass(|| writer.append(event)) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => self.failed(error),
            Err(Over) => Err(RecordError::HandedOver),
        }
    }

    /// Fails if another node goes on with the application.
    pub fn check(&self) -> Result<(), RecordError> {
        self.brake.check().map_err(|Over| RecordError::HandedOver)
    }

    /// What holds it.
    pub fn brake(&self) -> Brake {
        self.brake.clone()
    }

    fn failed(&mut self, error: WriteError) -> Result<(), RecordError> {
        match self.on_error {
            OnJournalError::Stop => Err(RecordError::Journal(error)),
            OnJournalError::Continue => {
                self.writer = None;
                self.lost = Some(error);
                Ok(())
            }
        }
    }

    /// The error that ended the recording while the application went on.
    pub fn take_loss(&mut self) -> Option<WriteError> {
        self.lost.take()
    }

    /// Declares a kept file.
    pub fn declare(&mut self, hash: u128, size: u64, path: &[u8]) -> Result<FileId, RecordError> {
        let id = FileId(self.next_file);
        self.next_file += 1;
        self.append(&Event::File(KeptFile {
            id,
            hash,
            size,
            path: path.into(),
        }))?;
        Ok(id)
    }

    /// Stores and remembers that a guarantee was weakened.
    pub fn note(&mut self, text: &str) -> Result<(), RecordError> {
        self.append(&Event::Note(Cow::Borrowed(text)))
    }

    /// Looks at the clock, and appends a time mark if it is time.
    pub fn mark_time(&mut self) -> Result<(), RecordError> {
        self.since_check = 0;
        let now = host::uptime();
        if now.saturating_sub(self.last_mark) >= TIME_MARK {
            self.last_mark = now;
            self.append(&Event::Time(unix_ns()))?;
        }
        Ok(())
    }

    /// The application waits: a good moment to notice that the journal failed.
    pub fn idle(&mut self) -> Result<(), RecordError> {
        match self
            .writer
            .as_ref()
            .and_then(|writer| writer.failure().cloned())
        {
            Some(error) => self.failed(error),
            None => Ok(()),
        }
    }

    /// Ends the journal in order.
    pub fn finish(self, status: i32) -> Result<Option<journal::Summary>, RecordError> {
        let Some(mut writer) = self.writer else {
            return Ok(None);
        };
        let last =
            |event: &Event<'_>, writer: &mut Writer| match self.brake.pass(|| writer.append(event))
            {
                Ok(done) => Ok(done.map(|_| ())?),
                Err(Over) => Err(RecordError::HandedOver),
            };
        last(&Event::Time(unix_ns()), &mut writer)?;
        last(&Event::End(status), &mut writer)?;
        Ok(Some(writer.finish()?))
    }

    /// Ends the journal without a word about the application's end.
    pub fn abandon(self) -> Result<(), RecordError> {
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        Ok(())
    }
}

/// Nanoseconds since the Unix epoch.
pub fn unix_ns() -> u64 {
    u64::try_from(host::unix_time().as_nanos()).unwrap_or(u64::MAX)
}
