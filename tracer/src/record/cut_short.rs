//! A process that is killed between two sync points has done part of a slice, which replay
//! cannot repeat: nobody counted how much. What others can see of it is memory that they
//! share with it, and that is journaled as it is.

use super::error::Step;
use super::session::Session;
use super::signals::same_place;
use crate::layout::KERNEL_PAGE;
use crate::maps::{self, Area};
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use agent::layout::RING;
use journal::{Event, Out};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

const PIECE: u64 = 1 << 20;

impl Session {
    /// Whether a thread that is about to end stands where its last sync point left it, or
    /// in a syscall.
    pub(super) fn at_its_sync_point(&self, tid: Pid, stopped: &Stopped) -> bool {
        let Some(task) = self.tasks.get(&tid) else {
            return true;
        };
        let in_syscall = task.call.is_some() || task.at_filter.is_some();
        in_syscall
            || stopped
                .regs()
                .is_ok_and(|regs| same_place(&regs, &task.sync_regs))
    }

    /// Journals what other processes see of the memory that they share with `tid`.
    pub(super) fn emit_shared_memory(&mut self, tid: Pid) -> Step {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        let space = task.space;
        let others: Vec<Pid> = self
            .tasks
            .values()
            .filter(|other| other.space != space)
            .map(|other| other.tid)
            .collect();
        if others.is_empty() {
            return Ok(());
        }
        let writable = libc::PROT_WRITE.cast_unsigned();
        let shared = |area: &Area| {
            area.shared && area.prot & writable != 0 && area.inode != 0 && area.start != RING
        };
        let mut own = maps::read(tid).unwrap_or_default();
        own.retain(shared);
        for other in others {
            if own.is_empty() {
                break;
            }
            let theirs = maps::read(other).unwrap_or_default();
            let mut left = Vec::new();
            for area in own {
                let same =
                    |seen: &&Area| shared(seen) && (seen.dev, seen.inode) == (area.dev, area.inode);
                match theirs.iter().find(same) {
                    Some(seen) => self.emit_seen(tid, &area, other, seen)?,
                    None => left.push(area),
                }
            }
            own = left;
        }
        Ok(())
    }

    /// Journals the pages that `tid` had of its `area`, as `other` sees them in `seen`.
    fn emit_seen(&mut self, tid: Pid, area: &Area, other: Pid, seen: &Area) -> Step {
        for range in present(tid, area) {
            // As offsets in the object.
            let first = (range.start - area.start + area.offset).max(seen.offset);
            let last = (range.end - area.start + area.offset).min(seen.offset + seen.len());
            let mut at = first;
            while at < last {
                let len = (last - at).min(PIECE);
                let addr = seen.start + (at - seen.offset);
                let mut data = vec![0; usize::try_from(len).unwrap_or(0)];
                let read = Remote(other).read_some(addr, &mut data);
                data.truncate(read);
                let out = Out {
                    addr,
                    data: data.into(),
                };
                self.emit_for(other, &Event::Data(out))?;
                at += len;
            }
        }
        Ok(())
    }
}

/// The addresses of an area whose pages a process has touched; adjacent ones together.
fn present(tid: Pid, area: &Area) -> Vec<Range<u64>> {
    const ENTRY_BYTES: u64 = 8;
    const ENTRIES: u64 = 4096;
    /// In memory, or swapped out. (Documentation/admin-guide/mm/pagemap.rst)
    const TOUCHED: u64 = 1 << 63 | 1 << 62;
    let Ok(file) = File::open(format!("/proc/{tid}/pagemap")) else {
        return std::iter::once(area.start..area.end).collect();
    };
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut at = area.start;
    while at < area.end {
        let count = ((area.end - at) / KERNEL_PAGE).min(ENTRIES);
        let mut entries = vec![0u8; usize::try_from(count * ENTRY_BYTES).unwrap_or(0)];
        if file
            .read_exact_at(&mut entries, at / KERNEL_PAGE * ENTRY_BYTES)
            .is_err()
        {
            ranges.push(at..area.end);
            break;
        }
        for entry in entries.chunks_exact(8) {
            let mut word = [0; 8];
            word.copy_from_slice(entry);
            if u64::from_le_bytes(word) & TOUCHED != 0 {
                match ranges.last_mut() {
                    Some(last) if last.end == at => last.end += KERNEL_PAGE,
                    _ => ranges.push(at..at + KERNEL_PAGE),
                }
            }
            at += KERNEL_PAGE;
        }
    }
    ranges
}
