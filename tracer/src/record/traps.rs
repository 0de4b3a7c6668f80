//! Instructions that trap for the supervisor's sake, and what that does to the application's
//! signals. The kernel tells of a trap by a signal that it *forces*: one that is blocked or
//! ignored loses its handler and is unblocked. Both is put back before anybody can notice;
//! what it was has to be known beforehand.

use super::error::{RecordError, Step};
use super::session::Session;
use super::signals::{bit, send_stashed, signal_sets};
use super::task::{InCall, Task};
use crate::agent;
use crate::insn::{self, INSTRUCTION_BYTES_MAX};
use crate::layout::{PAGE_DATA, PAGE_SYSCALL};
use crate::remote;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Gone, Stopped};
use crate::sys::tsc;
use crate::sys::wait::Pid;
use journal::{Event, Trap, TrapKind};
use pmu::Regs;
use std::cell::RefCell;
use std::rc::Rc;

/// The signals that traps raise.
const FORCED: [i32; 3] = [libc::SIGSEGV, libc::SIGILL, libc::SIGTRAP];
/// Whether traps raise this signal.
pub(super) fn is_forced(signal: i32) -> bool {
    FORCED.contains(&signal)
}

/// Bytes of the kernel's `sigaction`: handler, flags, restorer, mask.
pub const ACTION_BYTES: usize = 32;

/// The kernel's `sigaction`.
pub type Action = [u8; ACTION_BYTES];

/// The actions for [`FORCED`] that are not the default.
#[derive(Debug, Clone, Copy, Default)]
struct Actions([Option<Action>; FORCED.len()]);

impl Actions {
    fn of(&mut self, signal: i32) -> Option<&mut Option<Action>> {
        let index = FORCED.iter().position(|forced| *forced == signal)?;
        self.0.get_mut(index)
    }
}

fn word(action: &Action, index: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&action[index * 8..index * 8 + 8]);
    u64::from_le_bytes(bytes)
}

fn is_ignored(action: &Action) -> bool {
    word(action, 0) == libc::SIG_IGN as u64
}

/// What the recorder knows of a thread's signals.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The blocked ones.
    mask: u64,
    /// Shared as the kernel shares them.
    actions: Rc<RefCell<Actions>>,
}

impl Signals {
    /// With these actions, by signal.
    #[must_use]
    pub fn with_actions(given: &[(i32, Action)]) -> Self {
        let mut actions = Actions::default();
        for (signal, action) in given {
            if let Some(slot) = actions.of(*signal) {
                *slot = (word(action, 0) != 0).then_some(*action);
            }
        }
        Self {
            mask: 0,
            actions: Rc::new(RefCell::new(actions)),
        }
    }

    /// Whether a signal is blocked.
    #[must_use]
    pub const fn blocks(&self, signal: i32) -> bool {
        self.mask & bit(signal) != 0
    }

    /// Those of a new thread, made with these `CLONE_` flags.
    #[must_use]
    pub fn inherited(&self, flags: u64) -> Self {
        const SIGHAND: u64 = libc::CLONE_SIGHAND.cast_unsigned() as u64;
        const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
        if flags & SIGHAND != 0 {
            return self.clone();
        }
        let mut actions = *self.actions.borrow();
        if flags & CLEAR_SIGHAND != 0 {
            for action in &mut actions.0 {
                *action = action.filter(is_ignored);
            }
        }
        Self {
            mask: self.mask,
            actions: Rc::new(RefCell::new(actions)),
        }
    }
}

impl Task {
    /// Follows a change of the blocked signals that nobody could look at: the arguments of
    /// `rt_sigprocmask`.
    pub const fn change_mask(&mut self, how: i32, set: u64) {
        let mask = self.signals.mask;
        let changed = match how {
            libc::SIG_BLOCK => mask | set,
            libc::SIG_UNBLOCK => mask & !set,
            libc::SIG_SETMASK => set,
            _ => return,
        };
        self.signals.mask = changed & !(bit(libc::SIGKILL) | bit(libc::SIGSTOP));
    }

    /// A signal has another action now.
    pub fn change_action(&self, signal: i32, action: &Action) {
        if let Some(slot) = self.signals.actions.borrow_mut().of(signal) {
            *slot = (word(action, 0) != 0).then_some(*action);
        }
    }

    /// Looks at the blocked signals: they may have changed.
    pub fn learn_mask(&mut self, stopped: &Stopped) -> Result<(), Gone> {
        self.signals.mask = stopped.signal_mask()?;
        Ok(())
    }

    /// Follows a syscall that has succeeded.
    pub fn follow_signals(&mut self, stopped: &Stopped, in_call: &InCall) -> Result<(), Gone> {
        let call = &in_call.call;
        match i64::from(call.def.nr) {
            libc::SYS_rt_sigprocmask | libc::SYS_rt_sigreturn => self.learn_mask(stopped)?,
            libc::SYS_rt_sigaction => {
                // What was read then: the old action may have been stored over the new one.
                let new = in_call.enter.ins.iter().find(|piece| {
                    call.args[1] != 0
                        && piece.addr == call.args[1]
                        && piece.head.len() >= ACTION_BYTES
                });
                if let Some(new) = new {
                    let mut action = [0; ACTION_BYTES];
                    action.copy_from_slice(&new.head[..ACTION_BYTES]);
                    self.change_action(call.int(0), &action);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Session {
    /// A new program has the blocked and the ignored signals of the old one, no handlers.
    pub(super) fn signals_after_exec(&mut self, tid: Pid, stopped: &Stopped) -> Step {
        let (_, ignored) = signal_sets(tid)?;
        let mut actions = Actions::default();
        for signal in FORCED {
            if ignored & bit(signal) != 0
                && let Some(slot) = actions.of(signal)
            {
                let mut action = [0; ACTION_BYTES];
                action[..8].copy_from_slice(&(libc::SIG_IGN as u64).to_le_bytes());
                *slot = Some(action);
            }
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.signals.actions = Rc::new(RefCell::new(actions));
            task.learn_mask(stopped)?;
        }
        Ok(())
    }

    /// A handler blocks what it asked for, and may have been there for once.
    pub(super) fn handler_entered(&mut self, tid: Pid, stopped: &Stopped, signal: i32) -> Step {
        const RESET_HAND: u64 = libc::SA_RESETHAND.cast_unsigned() as u64;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.learn_mask(stopped)?;
            if let Some(slot) = task.signals.actions.borrow_mut().of(signal)
                && slot.is_some_and(|action| word(&action, 1) & RESET_HAND != 0)
            {
                *slot = None;
            }
        }
        Ok(())
    }

    /// Puts back what the kernel did in order to force `signal` upon the thread, which stands
    /// at a stop for it and will go on with `regs`.
    pub(super) fn undo_force(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        signal: i32,
        regs: &Regs,
    ) -> Step<Stopped> {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(stopped);
        };
        let blocked = task.signals.blocks(signal);
        let action = task
            .signals
            .actions
            .borrow_mut()
            .of(signal)
            .and_then(|slot| *slot);
        if blocked {
            stopped.set_signal_mask(task.signals.mask)?;
        }
        let Some(action) = action.filter(|action| blocked || is_ignored(action)) else {
            return Ok(stopped);
        };
        let own_filter = task.own_filter;
        Remote(tid)
            .write(PAGE_DATA, &action)
            .map_err(RecordError::os("restoring a signal's action"))?;
        // A filter of the application's own should have no say in it; if that is not for us to
        // decide, it most likely lets through what the application itself does.
        let suspended = own_filter && stopped.suspend_seccomp(true).is_ok();
        let args = [signal.unsigned_abs().into(), PAGE_DATA, 0, 8, 0, 0];
        let nr = libc::SYS_rt_sigaction;
        let mut met = remote::Met::new();
        let restored = remote::call_at(stopped, regs, PAGE_SYSCALL, nr, args, &mut met);
        let stopped = match restored {
            Ok((stopped, 0)) => stopped,
            Err(error) if !own_filter || suspended => return Err(error.into()),
            Ok(_) | Err(_) => {
                return Err(RecordError::Unsupported {
                    tid: tid.0,
                    what: format!(
                        "an instruction that traps while signal {signal} is blocked and a seccomp \
                         filter forbids rt_sigaction"
                    ),
                }
                .into());
            }
        };
        if suspended {
            stopped
                .suspend_seccomp(false)
                .map_err(RecordError::os("resuming the seccomp filters"))?;
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.stash.extend(met);
        }
        Ok(stopped)
    }

    /// The thread trapped while the same signal, blocked, was waiting for it: the kernel gave
    /// that one in place of the trap's.
    pub(super) fn trap_in_place_of(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        signal: i32,
        info: [u8; 128],
        found: insn::Nondeterministic,
        regs: &Regs,
    ) -> Step {
        self.take_clocks(tid)?;
        self.trap(tid, stopped, signal, found, regs)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.stash.push_back(info);
            send_stashed(task);
        }
        Ok(())
    }

    /// The instruction that the thread stands at, if it is one that traps for our sake.
    pub(super) fn trapped_instruction(
        &self,
        tid: Pid,
        signal: i32,
        regs: &Regs,
    ) -> Option<insn::Nondeterministic> {
        let mut code = [0u8; INSTRUCTION_BYTES_MAX];
        let read = Remote(tid).read_some(regs.rip, &mut code);
        let code = &code[..read];
        if signal == libc::SIGILL {
            let space = self.tasks.get(&tid)?.space;
            return self
                .memories
                .is_patched(space, regs.rip)
                .then(|| insn::decode_patched(code, regs.rip))
                .flatten();
        }
        let task = self.tasks.get(&tid)?;
        if agent::asks(regs.rip) {
            return insn::decode_patched(code, regs.rip);
        }
        if task.tsc_denied {
            return None;
        }
        let decoded = if self.memories.is_patched(task.space, regs.rip) {
            insn::decode_patched(code, regs.rip)
        } else {
            insn::decode(code, regs.rip)
        };
        decoded.filter(|found| matches!(found.kind, TrapKind::Rdtsc | TrapKind::Rdtscp))
    }

    /// Performs an instruction whose result the journal must have.
    pub(super) fn trap(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        signal: i32,
        found: insn::Nondeterministic,
        regs: &Regs,
    ) -> Step {
        let (value, aux) = match found.kind {
            TrapKind::Rdtsc if agent::asks(regs.rip) => (self.agent_clock(tid, regs), 0),
            TrapKind::Rdtsc | TrapKind::Rdtscp => {
                let (value, aux) = tsc::read();
                (value, u64::from(aux))
            }
            TrapKind::Rdrand | TrapKind::Rdseed | TrapKind::Cpuid => {
                let mut bytes = [0; 8];
                host::random(&mut bytes).map_err(RecordError::os("reading random bytes"))?;
                (u64::from_le_bytes(bytes), 0)
            }
        };
        let trap = Trap {
            kind: found.kind,
            ip: regs.rip,
            signature: regs.signature(),
            value,
            aux,
        };
        self.emit_for(tid, &Event::Trap(trap))?;
        let mut after = *regs;
        found.apply(&mut after, value, aux);
        let stopped = self.undo_force(tid, stopped, signal, &after)?;
        stopped.set_regs(&after)?;
        self.at_sync_point(tid, after);
        if let Some(task) = self.tasks.get_mut(&tid) {
            // It may make no syscall for long.
            send_stashed(task);
        }
        self.runnable(tid, stopped);
        Ok(())
    }
}
