//! Served calls become events: the same ones that stops would have made, by the same model.

use super::super::doubt::unsupported;
use super::super::error::{RecordError, Step};
use super::super::session::Session;
use super::super::syscalls::is_error;
use super::super::traps::ACTION_BYTES;
use crate::agent::Answers;
use crate::agent::served::{self, Served};
use crate::model;
use crate::model::capture::{Call, Memory};
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use agent::rules::{self, Descriptors};
use journal::{Args, Bytes, Effect, Enter, Event, Leave, Out};
use std::rc::Rc;

impl Session {
    /// Journals what the agent has served for a thread that has just stopped, or ended.
    pub(in super::super) fn take_served(&mut self, tid: Pid) -> Step {
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return Ok(());
        };
        let Some(ring) = self
            .serving
            .placed(space)
            .map(|placed| Rc::clone(&placed.ring))
        else {
            return Ok(());
        };
        if ring.unread() == 0 {
            return Ok(());
        }
        let mut records = std::mem::take(&mut self.serving.records);
        let mut answers = Answers::default();
        let taken = served::take(
            &ring,
            &mut records,
            |_| broken(tid),
            |call| {
                self.take_clocks_until(tid, call.clocks, &mut answers)?;
                self.served(tid, call)
            },
        );
        self.serving.records = records;
        if taken.is_err() {
            // What cannot be journaled is nobody else's.
            ring.took(ring.unread());
        }
        taken
    }

    /// Journals one served call.
    fn served(&mut self, tid: Pid, served: &Served<'_>) -> Step {
        let mut regs = served.regs;
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if regs.fs_base == 0 && regs.gs_base == 0 {
            // Without the instructions, they change in syscalls only.
            (regs.fs_base, regs.gs_base) = (task.sync_regs.fs_base, task.sync_regs.gs_base);
        }
        let mut after = regs;
        after.rax = served.result.cast_unsigned();
        task.sync_regs = after;
        task.set_back = false;
        task.interrupted = None;
        if self.out.is_lost() {
            return Ok(());
        }
        let def = model::lookup(super::super::number(&regs)).ok_or_else(|| broken(tid))?;
        let call = Call {
            def,
            args: regs.args(),
        };
        let before = served.before();
        let (entry, ins) = call
            .enter(&before)
            .map_err(|error| unsupported(tid, &error))?;
        let behind = served.behind();
        // It has stopped right there, and a part may have been written.
        let torn = served.result == -i64::from(libc::EFAULT);
        let now: &dyn Memory = if torn { &Remote(tid) } else { &behind };
        let mut ranges = Vec::new();
        call.outs(&entry, served.result, now, &mut ranges)
            .map_err(|error| unsupported(tid, &error))?;
        let mut outs = Vec::with_capacity(ranges.len());
        for range in ranges {
            let len = usize::try_from(range.len).unwrap_or(0);
            let data: Bytes<'_> = if torn {
                let mut data = vec![0; len];
                let read = now.read(range.addr, &mut data);
                data.truncate(read);
                data.into()
            } else {
                behind.bytes(range.addr, len).into()
            };
            if !data.is_empty() {
                outs.push(Out {
                    addr: range.addr,
                    data,
                });
            }
        }
        if before.missing.get() || (behind.missing.get() && !is_error(served.result)) {
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: format!("{} as the agent serves it: memory is missing", def.name),
            }
            .into());
        }
        let enter = Enter {
            nr: def.nr,
            args: Args::new(regs.args(), def.args.len()),
            ip: regs.rip,
            signature: regs.signature(),
            ins,
        };
        let mut effects = Vec::new();
        self.follow_served(tid, &call, served, &mut effects)?;
        if let Some(intake) = self.intake(tid, &call, served.result) {
            // In this order, as where a stop tells of it.
            self.release_connections()?;
            effects.extend(self.refer(intake, &mut outs));
        }
        let leave = Leave {
            result: served.result,
            outs,
            effects,
        };
        *self.serving.calls.entry(def.nr).or_default() += 1;
        self.emit(tid, &Event::Syscall(enter, leave))
    }
}

impl Session {
    /// What a served call changes of what the recorder knows, and of memory.
    fn follow_served(
        &mut self,
        tid: Pid,
        call: &Call,
        served: &Served<'_>,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        let rule = rules::fitting(call.def.nr.into(), &call.args);
        let changes = rule.map_or(Descriptors::Keep, |rule| rule.descriptors);
        let fd = match changes {
            Descriptors::Keep => None,
            Descriptors::Close => Some(call.int(0)),
            Descriptors::Open(_) => i32::try_from(served.result).ok(),
        };
        let space = self.tasks.get(&tid).map(|task| task.space);
        if let (Some(fd), Some(space)) = (fd, space) {
            self.memories.descriptors.changed(call.def.name);
            self.connections.changed(call.def.name);
            if let Some(placed) = self.serving.placed_mut(space) {
                placed.classes.remove(&fd);
            }
        }
        if let Descriptors::Open(flags) = changes
            && served.result >= 0
        {
            self.follow_opened(tid, call, served, usize::from(flags), effects)?;
        }
        if served.result == 0 {
            self.follow_signals_served(tid, call, served);
        }
        Ok(())
    }

    /// A served call has opened a file.
    fn follow_opened(
        &mut self,
        tid: Pid,
        call: &Call,
        served: &Served<'_>,
        flags: usize,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        if served.look {
            // It stands behind that call, as at a stop there.
            self.new_descriptors(tid, call, served.result, effects);
            return self.files_changed(tid, call, served.result, effects);
        }
        if call.int(flags) & libc::O_ACCMODE != 0
            && let Some(file) = served.file()
        {
            self.memories.descriptors.written(file);
        }
        Ok(())
    }

    /// A served call may have changed what is known of a thread's signals.
    fn follow_signals_served(&mut self, tid: Pid, call: &Call, served: &Served<'_>) {
        let Some(task) = self.tasks.get_mut(&tid).filter(|_| call.args[1] != 0) else {
            return;
        };
        let before = served.before();
        let mut set = [0; 8];
        let mut action = [0; ACTION_BYTES];
        match i64::from(call.def.nr) {
            libc::SYS_rt_sigprocmask if before.read(call.args[1], &mut set) == set.len() => {
                task.change_mask(call.int(0), u64::from_le_bytes(set));
            }
            libc::SYS_rt_sigaction if before.read(call.args[1], &mut action) == action.len() => {
                task.change_action(call.int(0), &action);
            }
            _ => {}
        }
    }
}

fn broken(tid: Pid) -> super::super::error::Stumble {
    RecordError::Unsupported {
        tid: tid.0,
        what: "a program that writes to the agent's memory".to_owned(),
    }
    .into()
}
