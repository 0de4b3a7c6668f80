//! Threads that compute for long while others wait. One whose memory nobody else can see
//! need not keep them waiting: until its next stop, the order between what it does and
//! what others do shows nowhere. It goes on *apart*, without the logical CPU.

use super::error::Step;
use super::session::Session;
use super::task::State;
use crate::maps::{self, Area};
use crate::sys::ptrace::{self, Resume, Stopped};
use crate::sys::wait::Pid;
use agent::layout::RING;
use std::collections::HashSet;
use std::time::Duration;

/// How long a thread computes before it is looked at.
const PATIENCE: Duration = Duration::from_millis(50);

impl Session {
    /// Lets `tid`, which others wait for, go on apart if it has computed for long and nobody
    /// else can see its memory; whether it does. Where there is an agent, it has to be told: the
    /// thread is interrupted, and goes on apart from there ([`Self::left_apart`]).
    pub(super) fn goes_apart(&mut self, tid: Pid) -> Step<bool> {
        let long = self.schedule.lasts_for() >= PATIENCE;
        // What is counted goes through the code cache, with many stops.
        if !long || self.runs_counted(tid) || !self.is_alone(tid) {
            return Ok(false);
        }
        let served = self.has_agent(tid);
        if let Some(task) = self.tasks.get_mut(&tid) {
            if served {
                task.to_go_apart = true;
                ptrace::interrupt(tid)?;
                return Ok(false);
            }
            task.state = State::Apart;
        }
        Ok(true)
    }

    /// A thread was interrupted so that it can go on apart: it does, unless it is in the agent.
    /// Gives the stop back if that is not so.
    pub(super) fn left_apart(&mut self, tid: Pid, stopped: Stopped) -> Step<Option<Stopped>> {
        let regs = stopped.regs()?;
        let agents = self.is_agents(tid, regs.rip);
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(Some(stopped));
        };
        let asked = std::mem::take(&mut task.to_go_apart);
        if !asked || agents || task.call.is_some() {
            return Ok(Some(stopped));
        }
        task.state = State::Apart;
        let space = task.space;
        self.update_off(space)?;
        stopped.resume(Resume::Cont, 0)?;
        Ok(None)
    }

    /// Whether `tid` executes its own code in memory that no other thread can see.
    fn is_alone(&self, tid: Pid) -> bool {
        let Some(task) = self.tasks.get(&tid) else {
            return false;
        };
        if task.call.is_some() {
            return false;
        }
        let same_space = |other: &&super::task::Task| other.space == task.space;
        if self.tasks.values().filter(same_space).count() > 1 {
            return false;
        }
        let Ok(shared) = shared_areas(tid) else {
            return false;
        };
        // A file that can be written through the map might be mapped by others any time.
        if shared.iter().any(|area| writable(area) && is_named(area)) {
            return false;
        }
        if shared.is_empty() {
            return true;
        }
        let mut seen = HashSet::from([task.space]);
        for other in self.tasks.values() {
            if !seen.insert(other.space) {
                continue;
            }
            for theirs in shared_areas(other.tid).unwrap_or_default() {
                let common = shared.iter().any(|ours| {
                    (ours.dev, ours.inode) == (theirs.dev, theirs.inode)
                        && (writable(ours) || writable(&theirs))
                });
                if common {
                    return false;
                }
            }
        }
        true
    }
}

/// What a thread shows of memory that other processes can have, too.
pub(super) fn shared_areas(tid: Pid) -> std::io::Result<Vec<Area>> {
    let mut areas = maps::read(tid)?;
    // The agent's ring is nobody's memory.
    areas.retain(|area| area.shared && area.start != RING);
    Ok(areas)
}

const fn writable(area: &Area) -> bool {
    area.prot & libc::PROT_WRITE.cast_unsigned() != 0
}

/// Whether others can find the file by its name.
fn is_named(area: &Area) -> bool {
    area.name.starts_with(b"/") && !area.name.starts_with(b"/dev/zero (deleted)")
}
