//! What each thread of an address space has for itself in the agent's memory.

use super::super::session::Session;
use crate::agent::inside::Area;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;

/// Which threads of an address space have which areas.
#[derive(Debug, Clone, Default)]
pub struct Areas {
    owners: Vec<Option<Pid>>,
    /// The thread whose area the agent enters, if that is known.
    current: Option<Pid>,
}

impl Areas {
    /// The area of a thread, and whether it has just been given to it.
    fn of(&mut self, tid: Pid) -> (Area, bool) {
        if self.owners.is_empty() {
            self.owners = Area::own().map(|_| None).collect();
        }
        let areas = || Area::own().zip(&self.owners);
        if let Some((area, _)) = areas().find(|(_, owner)| **owner == Some(tid)) {
            return (area, false);
        }
        let mut free = Area::own().zip(&mut self.owners);
        match free.find(|(_, owner)| owner.is_none()) {
            Some((area, owner)) => {
                *owner = Some(tid);
                (area, true)
            }
            None => (Area::COMMON, false),
        }
    }

    /// A thread has ended.
    pub fn ended(&mut self, tid: Pid) {
        for owner in &mut self.owners {
            owner.take_if(|owner| *owner == tid);
        }
        self.current.take_if(|current| *current == tid);
    }

    /// This one has taken the CPU by itself; `None`: one of them has.
    pub const fn taken_by(&mut self, tid: Option<Pid>) {
        self.current = tid;
    }
}

impl Session {
    /// A thread goes on: when it enters the agent, it enters its own area.
    pub(super) fn be_current(&mut self, tid: Pid) {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return;
        };
        let Some(placed) = self.serving.placed_mut(task.space) else {
            return;
        };
        if placed.areas.current == Some(tid) {
            return;
        }
        let (area, fresh) = placed.areas.of(tid);
        task.area = area;
        let memory = Remote(tid);
        let begun = if fresh || !area.is_own() {
            area.begin(memory, tid.0.cast_unsigned())
        } else {
            Ok(())
        };
        // Who has just been killed executes nothing.
        let told = begun.and_then(|()| area.be_current(memory));
        placed.areas.current = told.is_ok().then_some(tid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_an_area_of_its_own_as_long_as_there_are_some() {
        let mut areas = Areas::default();
        let own = Area::own().count();
        let last = i32::try_from(own).expect("few");
        let given: Vec<_> = (1..=last).map(|tid| areas.of(Pid(tid))).collect();
        assert!(given.iter().all(|(area, fresh)| area.is_own() && *fresh));
        assert_eq!(areas.of(Pid(1)), (given[0].0, false));
        assert_eq!(areas.of(Pid(last + 1)), (Area::COMMON, false));
        areas.ended(Pid(2));
        assert_eq!(areas.of(Pid(last + 1)), (given[1].0, true));
    }
}
