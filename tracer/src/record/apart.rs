//! Threads that compute for long while others wait. One whose memory nobody else can see
//! need not keep them waiting: until its next stop, the order between what it does and
//! what others do shows nowhere. It goes on *apart*, without the logical CPU.

use super::session::Session;
use super::task::State;
use crate::maps::{self, Area};
use crate::sys::host;
use crate::sys::wait::Pid;
use std::collections::HashSet;
use std::time::Duration;

/// How long a thread computes before it is looked at.
const PATIENCE: Duration = Duration::from_millis(50);

impl Session {
    /// Lets `tid`, which others wait for, go on apart if it has computed for long and nobody
    /// else can see its memory; whether it does.
    pub(super) fn goes_apart(&mut self, tid: Pid) -> bool {
        let long = host::uptime().saturating_sub(self.slice_start) >= PATIENCE;
        if !long || !self.is_alone(tid) {
            return false;
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Apart;
        }
        true
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

fn shared_areas(tid: Pid) -> std::io::Result<Vec<Area>> {
    let mut areas = maps::read(tid)?;
    areas.retain(|area| area.shared);
    Ok(areas)
}

const fn writable(area: &Area) -> bool {
    area.prot & libc::PROT_WRITE.cast_unsigned() != 0
}

/// Whether others can find the file by its name.
fn is_named(area: &Area) -> bool {
    area.name.starts_with(b"/") && !area.name.starts_with(b"/dev/zero (deleted)")
}
