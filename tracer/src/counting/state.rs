//! The whole state of a thread: where nothing else tells how far it is, that does. From the same registers and the same
//! memory on, everything that it executes is the same, however often it was there.

use super::cache;
use crate::agent::inside;
use crate::layout::{KERNEL_PAGE, touches_page};
use crate::maps::{self, Area};
use crate::sys::mem::Remote;
use journal::{PageRun, Span, Word};
use pmu::translate::WORDS_MAX;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use xxhash_rust::xxh3::xxh3_64;

const PAGE: usize = 4096;
/// Pages that are read at a time.
const PAGES_AT_ONCE: usize = 256;
/// Bytes of memory beyond which nobody looks at what is there.
const MAPPED_MAX: u64 = 64 << 30;

#[allow(
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
fn digest(bytes: &[u8]) -> u32 {
    xxh3_64(bytes) as u32
}

/// A digest of the x87 and vector registers in an XSAVE area; `docs/JOURNAL.md` says of what.
pub fn vectors(area: &[u8]) -> u32 {
    const MXCSR: Range<usize> = 24..28;
    const X87: Range<usize> = 32..160;
    const SSE_END: usize = 416;
    const HEADER_END: usize = 576;
    let part = |range: Range<usize>| area.get(range).unwrap_or_default();
    let mut seen = part(MXCSR).to_vec();
    for register in part(X87).chunks(16) {
        seen.extend(register.get(..10).unwrap_or_default());
    }
    seen.extend(part(X87.end..SSE_END));
    seen.extend(area.get(HEADER_END..).unwrap_or_default());
    digest(&seen)
}

/// The pages that the application can write to and that are there, as if what is `in_flight` were zero. None if there is
/// too much to look at.
pub fn pages(memory: Remote, in_flight: &[Span]) -> io::Result<Option<Vec<PageRun>>> {
    let areas = maps::read(memory.0)?;
    let areas: Vec<&Area> = areas.iter().filter(|area| is_looked_at(area)).collect();
    if areas.iter().map(|area| area.len()).sum::<u64>() > MAPPED_MAX {
        return Ok(None);
    }
    let pagemap = File::open(format!("/proc/{}/pagemap", memory.0))?;
    let mut runs = Vec::new();
    for area in areas {
        let mut at = area.start;
        while at < area.end {
            let some = (area.end - at).min((PAGES_AT_ONCE * PAGE) as u64);
            let pages = at..at + some;
            add(memory, &pagemap, area, pages, in_flight, &mut runs)?;
            at += some;
        }
    }
    Ok(Some(runs))
}

/// Some of a thread's memory, as it was some time before.
#[derive(Debug)]
pub struct Snapshot {
    parts: Vec<(u64, Vec<u8>)>,
}

/// Bytes of a snapshot at most.
const SNAPSHOT_BYTES_MAX: usize = 16 << 20;

/// Memory as it is now: the pages with these hashes, or the first of them.
pub fn snapshot(memory: Remote, runs: &[PageRun]) -> Snapshot {
    let mut room = SNAPSHOT_BYTES_MAX;
    let mut parts = Vec::new();
    for run in runs {
        let len = (run.hashes.len() * PAGE).min(room);
        let mut bytes = vec![0; len];
        let read = memory.read_some(run.start, &mut bytes);
        bytes.truncate(read);
        room -= len;
        parts.push((run.start, bytes));
    }
    Snapshot { parts }
}

/// Words that have changed since these snapshots, one after the other: since the last one first. What is `in_flight` does
/// not count.
pub fn changed_words(before: &[Snapshot], memory: Remote, in_flight: &[Span]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for snapshot in before.iter().rev() {
        for word in snapshot.changed(memory, in_flight) {
            if words.len() < WORDS_MAX && words.iter().all(|known| known.addr != word.addr) {
                words.push(word);
            }
        }
    }
    words
}

impl Snapshot {
    /// Whether anything has changed since.
    pub fn has_changed(&self, memory: Remote) -> bool {
        self.changed_pages(memory).next().is_some()
    }

    /// Pages with another content now: where, what is there, and what was.
    fn changed_pages(&self, memory: Remote) -> impl Iterator<Item = (u64, Vec<u8>, &[u8])> {
        let parts = self.parts.iter().flat_map(|(start, bytes)| {
            let parts = bytes.chunks(PAGES_AT_ONCE * PAGE).enumerate();
            parts.map(move |(index, part)| (start + (index * PAGES_AT_ONCE * PAGE) as u64, part))
        });
        parts.flat_map(move |(start, then)| {
            let mut now = vec![0; then.len()];
            let read = memory.read_some(start, &mut now);
            now.truncate(read);
            let pages = then.chunks_exact(PAGE).zip(now.chunks_exact(PAGE));
            let pages = pages.enumerate().filter(|(_, (then, now))| then != now);
            let changed = pages.map(|(index, (then, now))| {
                (start + index as u64 * KERNEL_PAGE, now.to_vec(), then)
            });
            changed.collect::<Vec<_>>()
        })
    }

    /// Words that have changed since, of different pages if there are such.
    fn changed(&self, memory: Remote, in_flight: &[Span]) -> Vec<Word> {
        let mut words = Vec::new();
        let mut more = Vec::new();
        for (at, now, then) in self.changed_pages(memory) {
            let changed = now.chunks_exact(4).zip(then.chunks_exact(4));
            let changed = changed.enumerate().filter(|(_, (now, then))| now != then);
            let changed = changed.filter(|(index, _)| {
                let addr = at + *index as u64 * 4;
                in_flight
                    .iter()
                    .all(|span| addr + 4 <= span.addr || span.addr.saturating_add(span.len) <= addr)
            });
            let mut here = changed.map(|(index, (now, _))| {
                let mut value = [0; 4];
                value.copy_from_slice(now);
                Word {
                    addr: at + index as u64 * 4,
                    value: i32::from_le_bytes(value),
                }
            });
            words.extend(here.next());
            more.extend(here.take(WORDS_MAX));
            if words.len() >= WORDS_MAX {
                break;
            }
        }
        words.extend(more);
        words.truncate(WORDS_MAX);
        words
    }
}

/// Whether an area is the application's memory, and can change.
fn is_looked_at(area: &Area) -> bool {
    let own = area.start..area.end;
    let supervisors =
        touches_page(area.start, area.len()) || inside::occupies(&own) || cache::occupies(&own);
    area.prot & libc::PROT_WRITE.cast_unsigned() != 0 && !supervisors
}

fn add(
    memory: Remote,
    pagemap: &File,
    area: &Area,
    range: Range<u64>,
    in_flight: &[Span],
    runs: &mut Vec<PageRun>,
) -> io::Result<()> {
    // Documentation/admin-guide/mm/pagemap.rst
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const OF_FILE: u64 = 1 << 61;
    let count = usize::try_from((range.end - range.start) / KERNEL_PAGE).unwrap_or(0);
    let mut words = vec![0u8; count * 8];
    pagemap.read_exact_at(&mut words, range.start / KERNEL_PAGE * 8)?;
    let mut content = vec![0u8; count * PAGE];
    let mut read = 0;
    for (index, word) in words.chunks_exact(8).enumerate() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        let word = u64::from_le_bytes(bytes);
        // What a private mapping shows of its file is not its own yet.
        let is_files = !area.shared && word & OF_FILE != 0;
        if word & (PRESENT | SWAPPED) == 0 || is_files {
            continue;
        }
        let at = range.start + index as u64 * KERNEL_PAGE;
        if read <= index {
            let from = index * PAGE;
            memory.read_exact(at, &mut content[from..])?;
            read = count;
        }
        let page = &mut content[index * PAGE..(index + 1) * PAGE];
        clear(at, page, in_flight);
        let hash = digest(page);
        match runs.last_mut() {
            Some(run) if run.start + run.hashes.len() as u64 * KERNEL_PAGE == at => {
                run.hashes.push(hash);
            }
            _ => runs.push(PageRun {
                start: at,
                hashes: vec![hash],
            }),
        }
    }
    Ok(())
}

/// The page there, as if what is `in_flight` were zero.
fn clear(at: u64, page: &mut [u8], in_flight: &[Span]) {
    let len = page.len() as u64;
    for span in in_flight {
        let from = span.addr.max(at);
        let to = span
            .addr
            .saturating_add(span.len)
            .min(at.saturating_add(len));
        if from < to {
            let offset = |address: u64| usize::try_from(address - at).unwrap_or(page.len());
            let part = offset(from)..offset(to);
            page[part].fill(0);
        }
    }
}

/// The pages among these whose content is another one now, as if what is `in_flight` were zero; of `only`, if that is not
/// empty.
pub fn differing(memory: Remote, runs: &[PageRun], in_flight: &[Span], only: &[u64]) -> Vec<u64> {
    let mut page = [0u8; PAGE];
    let mut differs = |at: u64, hash: u32| {
        let read = memory.read_exact(at, &mut page);
        clear(at, &mut page, in_flight);
        read.is_err() || digest(&page) != hash
    };
    let pages = runs.iter().flat_map(|run| {
        let hashes = run.hashes.iter().enumerate();
        hashes.map(|(index, hash)| (run.start.wrapping_add(index as u64 * KERNEL_PAGE), *hash))
    });
    pages
        .filter(|(at, _)| only.is_empty() || only.contains(at))
        .filter(|(at, hash)| differs(*at, *hash))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::wait::Pid;

    #[test]
    fn what_is_written_differs() {
        let me = Remote(Pid(i32::try_from(std::process::id()).expect("an id")));
        let mut memory = vec![1u8; 64 * PAGE];
        let before = pages(me, &[]).expect("readable").expect("not too much");
        let first = (memory.as_ptr() as u64).next_multiple_of(KERNEL_PAGE) + 8 * KERNEL_PAGE;
        let known = |at: u64| {
            before.iter().any(|run| {
                (run.start..run.start + run.hashes.len() as u64 * KERNEL_PAGE).contains(&at)
            })
        };
        assert!(known(first), "a page that was written to is there");
        let ours = [first, first + KERNEL_PAGE];
        assert_eq!(differing(me, &before, &[], &ours), []);
        let at = usize::try_from(first - memory.as_ptr() as u64).expect("small");
        memory[at + 5] = 2;
        std::hint::black_box(&mut memory);
        // Other threads of this test map and unmap while the map is read: a page may be in there twice.
        let differ = differing(me, &before, &[], &ours);
        assert!(!differ.is_empty() && differ.iter().all(|at| *at == first));
        // Where the kernel may have written, everything is the same.
        let in_flight = [Span {
            addr: first + 3,
            len: 4,
        }];
        let before = pages(me, &in_flight)
            .expect("readable")
            .expect("not too much");
        memory[at + 5] = 3;
        std::hint::black_box(&mut memory);
        assert_eq!(differing(me, &before, &in_flight, &ours), []);
        let near = [Span {
            addr: first + 6,
            len: 4,
        }];
        let differ = differing(me, &before, &near, &ours);
        assert!(!differ.is_empty() && differ.iter().all(|at| *at == first));
        let runs = [PageRun {
            start: first,
            hashes: vec![0; 2],
        }];
        let then = snapshot(me, &runs);
        assert_eq!(then.changed(me, &[]), []);
        memory[at + 9] = 7;
        std::hint::black_box(&mut memory);
        let value = i32::from_le_bytes([1, 7, 1, 1]);
        let addr = first + 8;
        assert_eq!(then.changed(me, &[]), [Word { addr, value }]);
        for (from, found) in [(5, 1), (8, 0), (11, 0), (12, 1)] {
            let addr = first + from;
            let len = if from == 5 { 3 } else { 1 };
            assert_eq!(
                then.changed(me, &[Span { addr, len }]).len(),
                found,
                "{from}"
            );
        }
    }

    #[test]
    fn only_registers_count() {
        let mut area = vec![0u8; 832];
        let digest = vectors(&area);
        for at in [0, 8, 20, 28, 42, 416, 512, 575] {
            area[at] = 1;
            assert_eq!(vectors(&area), digest, "{at}");
        }
        for at in [24, 32, 41, 160, 415, 576, 831] {
            area[at] = 1;
            assert_ne!(vectors(&area), digest, "{at}");
            area[at] = 0;
        }
    }
}
