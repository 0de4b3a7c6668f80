//! Waits inside the agent. Where nobody else wants the logical CPU, the agent makes a call that waits by
//! itself, and a server that has nothing to do costs no stop. Whatever ends the wait but its own result (a
//! signal, somebody who wants the CPU, a wait that gets long) brings the thread out of it: as if the
//! call had stopped at its entry, and stood at its exit now.

use super::super::error::{RecordError, Step, Stumble};
use super::super::session::Session;
use super::super::syscalls::{is_restart, number};
use super::super::task::{InCall, Task};
use crate::agent::inside;
use crate::model::{self, capture::Call};
use crate::sys::aside::Aside;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use agent::layout::{RAW_SYSCALL, WAIT_BEGUN};
use agent::rules::{self, Span};
use journal::{Args, Enter};
use pmu::Regs;
use std::time::Duration;

/// So many times the thread is not left alone, once somebody wanted the CPU while it waited: to bring it
/// out costs more than a stop.
const NOT_ALONE: u32 = 256;
/// Looks at a thread that may be about to wait, until its slice ends.
const LOOKS: u32 = 3;

impl Session {
    /// The thread goes on in user mode: whether the agent may wait there.
    pub(in super::super) fn leave_alone(&mut self, tid: Pid) {
        // What was sent is not to wait until it has waited, too.
        let others = !self.ready.is_empty() || self.arrears.may_be();
        self.left_alone = false;
        let Some(task) = self.tasks.get(&tid) else {
            return;
        };
        let (space, is_seen) = (task.space, task.is_seen);
        if let Some(placed) = self.serving.placed_mut(space) {
            let alone = !others && !is_seen && placed.not_alone == 0;
            if !others {
                placed.not_alone = placed.not_alone.saturating_sub(1);
            }
            placed.ring.leave_alone(alone);
            self.left_alone = alone;
        }
    }

    /// Somebody wants the CPU, and the thread that has it was left alone: if it waits, it is brought out
    /// of that.
    pub(in super::super) fn no_more_alone(&mut self, tid: Pid) -> Step {
        if !std::mem::take(&mut self.left_alone) {
            return Ok(());
        }
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return Ok(());
        };
        if let Some(placed) = self.serving.placed_mut(space) {
            placed.ring.leave_alone(false);
            placed.not_alone = NOT_ALONE;
        }
        let mut aside = Aside::default();
        for _ in 0..LOOKS {
            let task = self.tasks.get_mut(&tid);
            if task.and_then(Task::kernel_state) == Some(b'S') && self.stays_inside(tid)? {
                break;
            }
            // It shares this CPU with us.
            aside.stand();
        }
        Ok(())
    }

    /// A thread has stopped, not by its own doing. If it waits inside the agent, it leaves that, and stands
    /// at the exit of its call. `noticed`: the application takes notice of what has stopped it.
    pub(in super::super) fn surface(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        noticed: impl FnOnce() -> Step<bool>,
    ) -> Step<Stopped> {
        let at = stopped.regs()?;
        let Some(mut in_call) = self.wait_inside(tid, &at)? else {
            return Ok(stopped);
        };
        in_call.noticed = noticed()?;
        let mut exit = in_call.regs;
        exit.rax = at.rax;
        stopped.set_regs(&exit)?;
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(stopped);
        };
        task.call = Some(in_call);
        // If it is made again, it is where the wait can be looked at.
        task.is_seen = true;
        self.syscall_exit(tid, stopped)?;
        let task = self.tasks.get_mut(&tid);
        let stopped = task.and_then(Task::take_stop);
        stopped.ok_or(Stumble::Gone)
    }

    /// The call that a thread waits in inside the agent; the agent is left.
    pub(in super::super) fn wait_inside(&mut self, tid: Pid, at: &Regs) -> Step<Option<InCall>> {
        let result = at.rax.cast_signed();
        let broken_off = is_restart(result) || result == -i64::from(libc::EINTR);
        if at.rip != RAW_SYSCALL + inside::SYSCALL_BYTES
            || !broken_off
            || !self.performs_inside(tid)
        {
            return Ok(None);
        }
        let memory = Remote(tid);
        let looking = RecordError::os("looking at the agent's page");
        let nr = inside::number(memory).map_err(RecordError::os("looking at the agent's page"))?;
        // What a call only reads may have been changed by now.
        let plain = rules::find(nr).is_some_and(|rule| rule.reads == Span::No);
        let (Some(def), true) = (u32::try_from(nr).ok().and_then(model::lookup), plain) else {
            return Ok(None);
        };
        let regs = inside::enter_rest(memory, at).map_err(looking)?;
        debug_assert_eq!(u64::from(number(&regs)), nr);
        self.take_clocks(tid)?;
        let call = Call {
            def,
            args: regs.args(),
        };
        let (entry, ins) = call
            .enter(&memory)
            .map_err(|error| super::super::doubt::unsupported(tid, &error))?;
        let enter = Enter {
            nr: def.nr,
            args: Args::new(regs.args(), def.args.len()),
            ip: regs.rip,
            signature: regs.signature(),
            ins,
        };
        Ok(Some(InCall {
            call,
            entry,
            enter,
            emitted: false,
            doubt: None,
            regs,
            done: 0,
            again: false,
            begun: begun(memory),
            noticed: false,
        }))
    }

    /// A thread is about to end: if it waits inside the agent, the journal has it in that call.
    pub(in super::super) fn ends_inside(&mut self, tid: Pid, stopped: &Stopped) -> Step {
        if let Some(in_call) = self.wait_inside(tid, &stopped.regs()?)? {
            if let Some(task) = self.tasks.get_mut(&tid) {
                task.call = Some(in_call);
            }
            self.emit_enter(tid)?;
        }
        Ok(())
    }
}

/// When the wait began.
fn begun(memory: Remote) -> Duration {
    let word = |at: u64| memory.read_u64(at).unwrap_or(0);
    let (seconds, parts) = (word(WAIT_BEGUN), word(WAIT_BEGUN + 8));
    match (seconds, u32::try_from(parts)) {
        (0, Ok(0)) | (_, Err(_)) => host::uptime(),
        (seconds, Ok(parts)) => Duration::new(seconds, parts),
    }
}
