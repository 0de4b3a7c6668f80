//! Code of which it is not known whether it reads the time stamp counter: bytes that look like such
//! an instruction, among data or where no function is known. Its pages are not executable as long
//! as the counter can be read in their address space, so the processor itself tells if anybody
//! executes them. Then that address space gets the kernel's trap back, and the page what it had.

use super::error::Step;
use super::session::Session;
use super::signals::{is_fault, send_stashed};
use super::task::{SpaceId, State};
use crate::insn::INSTRUCTION_BYTES_MAX;
use crate::layout::page_up;
use crate::model::Handler;
use crate::model::capture::Call;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use pmu::Regs;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// An address space with more of them than this is better off with the kernel's trap: each is a
/// mapping, of which a process can have a limited number, and costs a syscall.
const GUARDS_MAX: usize = 64;
/// `si_code` of an access that the page does not allow.
const SEGV_ACCERR: i32 = 2;

/// A change of protection that a thread of the address space has to make before it executes
/// anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub range: Range<u64>,
    /// Whether it is to be executable again.
    pub executable: bool,
}

/// The guarded pages, by address space.
#[derive(Debug, Default)]
pub struct Guards {
    spaces: HashMap<SpaceId, Guarded>,
}

#[derive(Debug, Clone, Default)]
struct Guarded {
    ranges: Vec<Range<u64>>,
    due: Vec<Change>,
}

impl Guards {
    /// Guards pages that have been mapped, readable and executable; whether that is possible.
    pub fn add(&mut self, space: SpaceId, ranges: Vec<Range<u64>>) -> bool {
        if ranges.is_empty() {
            return true;
        }
        let known = self.spaces.entry(space).or_default();
        if known.ranges.len() + ranges.len() > GUARDS_MAX {
            return false;
        }
        known.due.extend(ranges.iter().map(|range| Change {
            range: range.clone(),
            executable: false,
        }));
        known.ranges.extend(ranges);
        true
    }

    /// Whether an address space is as it should be.
    pub fn is_settled(&self, space: SpaceId) -> bool {
        self.spaces
            .get(&space)
            .is_none_or(|known| known.due.is_empty())
    }

    /// What has to be changed now.
    pub fn take_due(&mut self, space: SpaceId) -> Vec<Change> {
        self.spaces
            .get_mut(&space)
            .map(|known| std::mem::take(&mut known.due))
            .unwrap_or_default()
    }

    /// The guards that a range touches are to be taken away; whether there are any.
    fn lift(&mut self, space: SpaceId, range: &Range<u64>) -> bool {
        let Some(known) = self.spaces.get_mut(&space) else {
            return false;
        };
        let lifted: Vec<_> = known
            .ranges
            .extract_if(.., |guard| touches(guard, range))
            .collect();
        let any = !lifted.is_empty();
        known.due.extend(lifted.into_iter().map(|range| Change {
            range,
            executable: true,
        }));
        any
    }

    /// A range is mapped anew, or not any more, or has the protection that the application wants.
    fn forget(&mut self, space: SpaceId, gone: &Range<u64>) {
        let Some(known) = self.spaces.get_mut(&space) else {
            return;
        };
        let ranges = std::mem::take(&mut known.ranges);
        for guard in ranges {
            let before = guard.start..guard.end.min(gone.start);
            let behind = guard.start.max(gone.end)..guard.end;
            if !touches(&guard, gone) {
                known.ranges.push(guard);
                continue;
            }
            known
                .ranges
                .extend([before, behind].into_iter().filter(|left| !left.is_empty()));
        }
    }

    /// A copy of an address space was made.
    pub fn forked(&mut self, from: SpaceId, to: SpaceId) {
        if let Some(known) = self.spaces.get(&from).cloned() {
            self.spaces.insert(to, known);
        }
    }

    /// Forgets address spaces that no thread has any more.
    pub fn spaces_left(&mut self, left: &HashSet<SpaceId>) {
        self.spaces.retain(|space, _| left.contains(space));
    }
}

const fn touches(guard: &Range<u64>, range: &Range<u64>) -> bool {
    guard.start < range.end && range.start < guard.end
}

impl Session {
    /// A thread stands at a signal that a guard raised, or at one that the kernel gave in its
    /// place: it goes on without the guard. Gives the stop back if that is not so.
    pub(super) fn guard_raised(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        info: &[u8; 128],
        regs: &Regs,
    ) -> Step<Option<Stopped>> {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(Some(stopped));
        };
        let space = task.space;
        let instruction = regs.rip..regs.rip.saturating_add(INSTRUCTION_BYTES_MAX as u64);
        let raised = is_fault(libc::SIGSEGV, info);
        let fetched = if raised {
            let mut at = [0; 8];
            at.copy_from_slice(&info[16..24]);
            let at = u64::from_le_bytes(at);
            let denied = i32::from_le_bytes([info[8], info[9], info[10], info[11]]) == SEGV_ACCERR;
            // A store to where the thread executes, which looks the same, faults again.
            (denied && instruction.contains(&at)).then(|| at..at.saturating_add(1))
        } else {
            // Blocked, it can only have come in the place of one that was forced.
            task.signals.blocks(libc::SIGSEGV).then_some(instruction)
        };
        if !fetched.is_some_and(|fetched| self.counter.guards.lift(space, &fetched)) {
            return Ok(Some(stopped));
        }
        self.close_counter(tid);
        let stopped = self.undo_force(tid, stopped, libc::SIGSEGV, regs)?;
        stopped.set_regs(regs)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            if !raised {
                task.stash.push_back(*info);
                send_stashed(task);
            }
            // It may have executed something since its last sync point: nobody else can have the
            // CPU before its next one.
            task.state = State::Runnable(stopped);
            self.go_on(tid)?;
        }
        Ok(None)
    }

    /// A syscall is about to be made to which guards would show, since they divide mappings; they
    /// are to be taken away first. Whether there are any.
    pub(super) fn guards_show(&mut self, tid: Pid, call: &Call) -> bool {
        if call.def.handler != Handler::Mremap {
            return false;
        }
        let [start, len, ..] = call.args;
        let moved = start..start.saturating_add(page_up(len));
        let space = self.tasks.get(&tid).map(|task| task.space);
        let shows = space.is_some_and(|space| self.counter.guards.lift(space, &moved));
        if shows {
            self.close_counter(tid);
        }
        shows
    }

    /// A syscall has succeeded: where it changed mappings, or their protection, no guard is left.
    pub(super) fn guards_after(&mut self, tid: Pid, call: &Call, result: i64) {
        let [start, len, new_len, ..] = call.args;
        let at = result.cast_unsigned();
        let changed = match call.def.handler {
            Handler::Munmap | Handler::Mprotect if result == 0 => {
                start..start.saturating_add(page_up(len))
            }
            Handler::Mmap => at..at.saturating_add(page_up(len)),
            Handler::Mremap => at..at.saturating_add(page_up(new_len)),
            _ => return,
        };
        if let Some(space) = self.tasks.get(&tid).map(|task| task.space) {
            self.counter.guards.forget(space, &changed);
        }
    }

    /// Memory was attached at a range.
    pub(super) fn guards_replaced(&mut self, tid: Pid, range: &Range<u64>) {
        if let Some(space) = self.tasks.get(&tid).map(|task| task.space) {
            self.counter.guards.forget(space, range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(ranges: &[Range<u64>]) -> (Guards, SpaceId) {
        let space = SpaceId(1);
        let mut guards = Guards::default();
        assert!(guards.add(space, ranges.to_vec()));
        (guards, space)
    }

    #[test]
    fn guards_are_put_up_and_taken_away() {
        let (mut guards, space) = guarded(&[0x1000..0x2000, 0x5000..0x9000]);
        assert!(!guards.is_settled(space));
        let due = guards.take_due(space);
        assert!(due.len() == 2 && due.iter().all(|change| !change.executable));
        assert!(guards.is_settled(space));
        assert!(!guards.lift(space, &(0x2000..0x5000)));
        assert!(guards.lift(space, &(0x8fff..0x9000)));
        let change = Change {
            range: 0x5000..0x9000,
            executable: true,
        };
        assert_eq!(guards.take_due(space), vec![change]);
        assert!(!guards.lift(space, &(0x8fff..0x9000)));
    }

    #[test]
    fn what_is_mapped_anew_is_not_guarded() {
        let (mut guards, space) = guarded(std::slice::from_ref(&(0x1000..0x9000)));
        guards.forget(space, &(0x3000..0x5000));
        guards.take_due(space);
        for (page, guarded) in [
            (0x2000, true),
            (0x3000, false),
            (0x4000, false),
            (0x5000, true),
        ] {
            assert_eq!(guards.lift(space, &(page..page + 1)), guarded, "{page:#x}");
        }
        guards.forget(space, &(0..u64::MAX));
        assert!(!guards.lift(space, &(0..u64::MAX)));
    }

    #[test]
    fn there_are_not_too_many_of_them() {
        let (mut guards, space) = guarded(&[]);
        let many = |count: usize| vec![0x1000..0x2000; count];
        assert!(guards.add(space, many(GUARDS_MAX - 1)));
        assert!(!guards.add(space, many(2)));
        assert!(guards.add(space, many(1)));
    }
}
