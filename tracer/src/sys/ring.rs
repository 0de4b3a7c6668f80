//! The supervisor's view of a ring that the agent writes records into.

use agent::baton::{self, Baton, RECORDER};
use agent::layout::{
    FEED_AT, FEED_BYTES, MAPPED_AT, MAPPED_BYTES, RING_BYTES, RING_BYTES_AT, RING_LEN, Ring as Head,
};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

/// A ring, shared with an address space.
#[derive(Debug)]
pub struct Ring {
    map: MmapRaw,
}

impl Ring {
    /// Gives `file` a ring's size and maps it.
    pub fn map(file: &File) -> io::Result<Self> {
        file.set_len(RING_LEN)?;
        let len = usize::try_from(RING_LEN).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(len).map_raw(file)?;
        Ok(Self { map })
    }

    fn head(&self) -> &Head {
        // SAFETY: the mapping is large enough, aligned to pages, and lives as long as `self`; all
        // fields are atomic. The application could shrink the file only if it could open it; it
        // is gone from its descriptors.
        unsafe { &*self.map.as_ptr().cast::<Head>() }
    }

    /// Bytes of records that were not taken yet; more than a ring holds if the application has
    /// written where it should not.
    #[must_use]
    pub fn unread(&self) -> u64 {
        let head = self.head();
        let tail = head.tail.load(Ordering::Relaxed);
        baton::written(head).wrapping_sub(tail)
    }

    /// The unread records, as far as they lie in a row, into `bytes`, at most `bytes_max`.
    pub fn read(&self, bytes: &mut Vec<u8>, bytes_max: u64) {
        bytes.clear();
        let tail = self.head().tail.load(Ordering::Relaxed);
        let offset = tail % RING_BYTES;
        let len = self.unread().min(RING_BYTES - offset).min(bytes_max);
        let (Ok(len), Ok(at)) = (
            usize::try_from(len),
            usize::try_from(RING_BYTES_AT + offset),
        ) else {
            return;
        };
        bytes.reserve(len);
        // SAFETY: offset and length lie in the mapping, as reckoned; the room was reserved. The
        // agent writes behind what is unread only.
        unsafe {
            std::ptr::copy_nonoverlapping(self.map.as_ptr().add(at), bytes.as_mut_ptr(), len);
            bytes.set_len(len);
        }
    }

    /// So many bytes have been taken.
    pub fn took(&self, len: u64) {
        // Nobody else writes it.
        let tail = &self.head().tail;
        tail.store(
            tail.load(Ordering::Relaxed).wrapping_add(len),
            Ordering::Release,
        );
    }

    /// Whether the agent is to serve no calls, so that the next one stops.
    pub fn ask_stop(&self, asked: bool) {
        self.head().stop.store(asked.into(), Ordering::Relaxed);
    }

    /// Lets a thread that goes on hand the CPU on by itself.
    pub fn open(&self, thread: i32) {
        let thread = thread.cast_unsigned();
        let held = Baton::Held {
            thread,
            wanted: false,
        };
        baton::set(&self.head().baton, held);
    }

    /// Nobody hands the CPU on any more; who had it.
    pub fn take_back(&self) -> Baton {
        let head = self.head();
        let ours = Baton::Held {
            thread: RECORDER,
            wanted: false,
        };
        let was = baton::set(&head.baton, ours);
        baton::publish(head);
        was
    }

    /// Whoever comes back from a wait first may take the CPU.
    pub fn free(&self) {
        if let Baton::Held { wanted: true, .. } = baton::set(&self.head().baton, Baton::Free) {
            self.wake(1);
        }
    }

    /// Nobody takes the CPU; who sleeps for it, or comes back from a wait, reports.
    pub fn shut(&self) {
        baton::set(&self.head().baton, Baton::Shut);
        self.wake(i32::MAX);
    }

    /// Nothing is tentative: who was about to wait has been killed.
    pub fn settle(&self) {
        baton::settle(self.head());
    }

    /// Whether nobody has the CPU, although it could be taken.
    pub fn is_free(&self) -> bool {
        let word = self.head().baton.load(Ordering::Relaxed);
        Baton::of(word) == Baton::Free
    }

    /// Wakes so many of those who sleep for the CPU.
    fn wake(&self, count: i32) {
        // SAFETY: the kernel looks for those who sleep on the word; it touches no memory.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.head().baton.as_ptr(),
                libc::FUTEX_WAKE,
                count,
            );
        }
    }

    /// Whose answers the following are.
    pub fn answers_are_for(&self, thread: i32) {
        let thread = thread.cast_unsigned();
        self.head().answers_for.store(thread, Ordering::Relaxed);
    }

    /// What the call `nr` gives that thread, so that the agent need not ask the kernel; `None` if nobody
    /// knows.
    pub fn answer(&self, nr: u16, result: Option<u64>) {
        let word = result.and_then(|result| result.checked_add(1));
        if let Some(answer) = self.head().answers.get(usize::from(nr)) {
            answer.store(word.unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Lets the agent change files, except those that these bits stand for (see
    /// [`agent::layout::mapped_bits`]).
    pub fn let_change(&self, mapped: &[u8; MAPPED_BYTES]) {
        let Ok(at) = usize::try_from(MAPPED_AT) else {
            return;
        };
        // SAFETY: there is room in the head's page for them. The application reads them where it
        // opens a file only; it is stopped.
        unsafe {
            std::ptr::copy_nonoverlapping(
                mapped.as_ptr(),
                self.map.as_mut_ptr().add(at),
                mapped.len(),
            );
        }
        self.head().changes.store(1, Ordering::Release);
    }

    /// Puts calls into the feed, in place of what it had; false if there are too many.
    #[must_use]
    pub fn feed(&self, entries: &[u8]) -> bool {
        let (Ok(at), Ok(room)) = (usize::try_from(FEED_AT), usize::try_from(FEED_BYTES)) else {
            return false;
        };
        if entries.len() > room {
            return false;
        }
        // SAFETY: the feed has so much room in the mapping; the application, which reads it, is
        // stopped.
        unsafe {
            std::ptr::copy_nonoverlapping(
                entries.as_ptr(),
                self.map.as_mut_ptr().add(at),
                entries.len(),
            );
        }
        let head = self.head();
        head.feed_used.store(0, Ordering::Relaxed);
        head.feed_len.store(entries.len() as u64, Ordering::Release);
        true
    }
}
