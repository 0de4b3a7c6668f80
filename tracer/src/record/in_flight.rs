//! What the kernel writes for calls that threads are in without the CPU. It is in memory as soon as such a call has done
//! its work, which nothing orders with what other threads execute; a replay writes it where the call is left. Whoever
//! looks at the memory of a thread in between has to look past it.

use super::apart::shared_areas;
use super::counting::looking_at_memory;
use super::error::Step;
use super::session::Session;
use super::task::{State, Task};
use crate::maps::Area;
use crate::model::capture::Range;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::Span;

/// A result after which anything may have been written that a call can write.
const ANYTHING: i64 = -(libc::EFAULT as i64);

impl Session {
    /// What may have been written to the memory of a thread for calls of others that are not left yet.
    pub(super) fn in_flight(&self, tid: Pid) -> Step<Vec<Span>> {
        let Some(own) = self.tasks.get(&tid).map(|task| task.space) else {
            return Ok(Vec::new());
        };
        let mut spans = Vec::new();
        let mut elsewhere = Vec::new();
        for task in self.tasks.values().filter(|task| task.tid != tid) {
            let ranges = written(task);
            if ranges.is_empty() {
            } else if task.space == own {
                spans.extend(ranges.iter().map(|range| Span {
                    addr: range.addr,
                    len: range.len,
                }));
            } else {
                elsewhere.push((task.tid, ranges));
            }
        }
        if elsewhere.is_empty() {
            return Ok(spans);
        }
        let ours = shared_areas(tid).map_err(looking_at_memory())?;
        if ours.is_empty() {
            return Ok(spans);
        }
        for (other, ranges) in elsewhere {
            // Who is gone by now writes no more.
            let theirs = shared_areas(other).unwrap_or_default();
            for range in ranges {
                for theirs in &theirs {
                    spans.extend(ours.iter().filter_map(|ours| seen_in(ours, theirs, range)));
                }
            }
        }
        Ok(spans)
    }
}

/// What the kernel may have written for the call that a thread is in.
fn written(task: &Task) -> Vec<Range> {
    let mut ranges = Vec::new();
    // Who stands at the entry has not made its call yet.
    if let Some(in_call) = &task.call
        && !matches!(task.state, State::Runnable(_))
    {
        let memory = Remote(task.tid);
        // What cannot be captured has been refused at the entry.
        let _ = in_call
            .call
            .outs(&in_call.entry, ANYTHING, &memory, &mut ranges);
    }
    ranges
}

/// Where `ours` shows what of `theirs` a range is.
fn seen_in(ours: &Area, theirs: &Area, range: Range) -> Option<Span> {
    let from = range.addr.max(theirs.start);
    let to = range.addr.saturating_add(range.len).min(theirs.end);
    if from >= to || (ours.dev, ours.inode) != (theirs.dev, theirs.inode) {
        return None;
    }
    let in_file = |address: u64| address - theirs.start + theirs.offset;
    let from = in_file(from).max(ours.offset);
    let to = in_file(to).min(ours.offset + (ours.end - ours.start));
    (from < to).then(|| Span {
        addr: from - ours.offset + ours.start,
        len: to - from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(start: u64, end: u64, offset: u64, inode: u64) -> Area {
        Area {
            start,
            end,
            prot: 3,
            shared: true,
            offset,
            dev: 1,
            inode,
            name: Vec::new(),
        }
    }

    #[test]
    fn shared_memory_is_found_at_another_address() {
        let ours = area(0x10000, 0x13000, 0x1000, 5);
        let theirs = area(0x70000, 0x74000, 0, 5);
        let seen = |addr, len| {
            let found = seen_in(&ours, &theirs, Range { addr, len });
            found.map(|span| (span.addr, span.len))
        };
        assert_eq!(seen(0x71010, 8), Some((0x10010, 8)));
        // What one of them does not show is cut off.
        assert_eq!(seen(0x70ff8, 16), Some((0x10000, 8)));
        assert_eq!(seen(0x73ff8, 16), Some((0x12ff8, 8)));
        assert_eq!(seen(0x6fff8, 16), None);
        assert_eq!(seen(0x60000, 8), None);
        let other = area(0x10000, 0x13000, 0x1000, 6);
        let range = Range {
            addr: 0x71010,
            len: 8,
        };
        assert_eq!(seen_in(&other, &theirs, range), None);
    }
}
