//! From where a thread stands to a target position, by a counter whose interrupts come late.
//!
//! ```text
//!   count   ──────────────────────────────┬────────────┬───────▶
//!                                      N − slack       N
//!   far:    run, interrupt due at N − slack │
//!   near:                                   │ run to the breakpoint at the target's address,
//!                                           │ interrupt due after N; not it: step, and again
//! ```
//!
//! The interrupt comes after the branch that is due, by the counter's *skid*; `slack` is more than
//! any skid, so the thread stops before N. From there on it is a matter of breakpoints: each time
//! the thread stands at the address, count and signature are compared. A thread that is past N, or
//! past the address in N's last stretch, cannot be brought back: that is an error, never an arrival.
//!
//! No I/O: [`Seek`] says what to do ([`Ask`]) and is told how the thread stopped ([`Why`], [`Place`]).

mod outcome;

pub use outcome::{SeekError, SeekStats};

use super::Period;
use crate::{Rcb, Signature};

/// Where a thread is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Conditional branches since the sync point.
    pub rcb: Rcb,
    /// Address of the next instruction.
    pub ip: u64,
    /// What tells visits apart that no branch separates.
    pub signature: Signature,
}

/// Where a stopped thread stands: what the counter says, and its registers.
pub type Place = Target;

/// How a thread stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The counter's signal.
    Interrupt,
    /// The breakpoint that was asked for, before the instruction there was executed.
    Breakpoint,
    /// One instruction was executed, as asked for; if known, whether it is a conditional branch.
    Step {
        /// `jcc`, `jrcxz`, `loop`, taken or not: then the count must have risen by one, and by none
        /// otherwise. `None` if nobody looked.
        branch: Option<bool>,
    },
    /// The tracer stopped it for a reason of its own, such as that it runs for too long.
    Halt,
    /// It reached a sync point: a system call, a fault, its end.
    SyncPoint,
}

/// What to do with the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ask {
    /// Set the period, set the breakpoint (or none) and let it run.
    Run {
        /// When the counter is to interrupt.
        interrupt: Period,
        /// Where else to stop. The instruction the thread stands at is never there.
        breakpoint: Option<u64>,
    },
    /// Execute one instruction (of a repeated string instruction: one round), without a breakpoint.
    Step,
    /// It stands at the target.
    Arrived,
}

/// What a seek goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long before the target, in branches, the interrupt is due: more than any skid.
    pub slack: u64,
    /// The shortest period, in branches, that is worth programming.
    pub period_min: u64,
    /// Instructions stepped in all, at most.
    pub steps_max: u64,
    /// Stops in a row, at most, of a thread that was to run and has neither counted a branch nor
    /// reached a breakpoint.
    pub idle_max: u32,
}

impl Limits {
    /// Of a counter with this slack. A single step takes about 25 µs (measured, Linux 6.18 in a
    /// virtual machine), so that the limit of steps is half a minute.
    #[must_use]
    pub const fn with_slack(slack: u64) -> Self {
        Self {
            slack,
            period_min: 16,
            steps_max: 1 << 20,
            idle_max: 64,
        }
    }
}

/// A thread's way to a target.
#[derive(Debug, Clone)]
pub struct Seek {
    target: Target,
    limits: Limits,
    /// The last thing asked for; nothing after an error.
    asked: Option<Ask>,
    /// Where the thread was last.
    at: Place,
    /// The count at which an interrupt is due that has not come yet.
    due: Option<u64>,
    idle: u32,
    stats: SeekStats,
}

impl Seek {
    /// Begins with a thread that stands `at`.
    pub fn begin(target: Target, limits: Limits, at: Place) -> Result<(Self, Ask), SeekError> {
        let mut seek = Self {
            target,
            limits,
            asked: None,
            at,
            due: None,
            idle: 0,
            stats: SeekStats::default(),
        };
        let ask = seek.decide()?;
        Ok((seek, ask))
    }

    /// What it took so far.
    #[must_use]
    pub const fn stats(&self) -> SeekStats {
        self.stats
    }

    /// The thread stopped. After an error, as after an arrival, there is no more to be told.
    pub fn stopped(&mut self, why: Why, at: Place) -> Result<Ask, SeekError> {
        let done = self.judge(why, at);
        if done.is_err() {
            self.asked = None;
        }
        done
    }

    /// The thread arrived, but what the embedder compares beyond registers (a hash of memory) says
    /// that this is not it: goes on to the next place that looks the same.
    pub fn differs(&mut self) -> Result<Ask, SeekError> {
        if self.asked != Some(Ask::Arrived) {
            return Err(SeekError::Over);
        }
        self.step()
    }

    fn judge(&mut self, why: Why, at: Place) -> Result<Ask, SeekError> {
        if matches!(self.asked, None | Some(Ask::Arrived)) {
            return Err(SeekError::Over);
        }
        let counted = at
            .rcb
            .0
            .checked_sub(self.at.rcb.0)
            .ok_or(SeekError::Backwards {
                from: self.at.rcb.0,
                to: at.rcb.0,
            })?;
        self.at = at;
        match why {
            Why::Interrupt => self.interrupted(),
            Why::Breakpoint => self.at_breakpoint()?,
            Why::Step { branch } => self.stepped(branch, counted)?,
            Why::Halt => {}
            Why::SyncPoint => return Err(SeekError::SyncPoint { at: at.rcb.0 }),
        }
        self.overdue()?;
        self.idled(why, counted)?;
        self.decide()
    }

    fn interrupted(&mut self) {
        let at = self.at.rcb.0;
        self.stats.interrupts += 1;
        match self.due.take() {
            Some(due) if due <= at => self.stats.skid_max = self.stats.skid_max.max(at - due),
            // It came early, or is one of an earlier period: nothing can be concluded from it.
            Some(_) | None => self.stats.early += 1,
        }
    }

    fn at_breakpoint(&mut self) -> Result<(), SeekError> {
        let expected =
            matches!(self.asked, Some(Ask::Run { breakpoint: Some(ip), .. }) if ip == self.at.ip);
        if !expected {
            return Err(SeekError::Unexpected {
                why: Why::Breakpoint,
                ip: self.at.ip,
            });
        }
        self.stats.breakpoints += 1;
        Ok(())
    }

    fn stepped(&mut self, branch: Option<bool>, counted: u64) -> Result<(), SeekError> {
        if self.asked != Some(Ask::Step) {
            return Err(SeekError::Unexpected {
                why: Why::Step { branch },
                ip: self.at.ip,
            });
        }
        self.stats.steps += 1;
        let right = branch.map_or(counted <= 1, |branch| counted == u64::from(branch));
        if right {
            Ok(())
        } else {
            Err(SeekError::Miscount { counted })
        }
    }

    /// An interrupt that should have come by now, but for which the thread would not be past the
    /// target.
    fn overdue(&mut self) -> Result<(), SeekError> {
        let (at, target) = (self.at.rcb.0, self.target.rcb.0);
        let Some(due) = self.due.filter(|&due| due <= at) else {
            return Ok(());
        };
        self.due = None;
        self.stats.lost += 1;
        if due <= target && target < at {
            return Err(SeekError::LostInterrupt { due, at });
        }
        Ok(())
    }

    fn idled(&mut self, why: Why, counted: u64) -> Result<(), SeekError> {
        if counted == 0 && matches!(why, Why::Interrupt | Why::Halt) {
            self.idle += 1;
        } else {
            self.idle = 0;
        }
        if self.idle > self.limits.idle_max {
            return Err(SeekError::Stuck { stops: self.idle });
        }
        Ok(())
    }

    fn decide(&mut self) -> Result<Ask, SeekError> {
        let (at, target) = (self.at, self.target);
        let left = target
            .rcb
            .0
            .checked_sub(at.rcb.0)
            .ok_or_else(|| SeekError::OverRun {
                by: at.rcb.0 - target.rcb.0,
            })?;
        if at == target {
            self.asked = Some(Ask::Arrived);
            return Ok(Ask::Arrived);
        }
        let far = left.saturating_sub(self.limits.slack);
        if far >= self.limits.period_min.max(1) {
            return Ok(self.run(far, None));
        }
        if at.ip == target.ip {
            // A breakpoint here would either stop it at once or, in the middle of a repeated string
            // instruction, not at all.
            return self.step();
        }
        // The interrupt is for a thread that never comes to the breakpoint again.
        let beyond = left.saturating_add(1).max(self.limits.period_min);
        Ok(self.run(beyond, Some(target.ip)))
    }

    fn run(&mut self, branches: u64, breakpoint: Option<u64>) -> Ask {
        let interrupt = Period::new(branches).unwrap_or(Period::NEVER);
        self.due = Some(self.at.rcb.0.saturating_add(interrupt.branches()));
        let ask = Ask::Run {
            interrupt,
            breakpoint,
        };
        self.asked = Some(ask);
        ask
    }

    fn step(&mut self) -> Result<Ask, SeekError> {
        if self.stats.steps >= self.limits.steps_max {
            return Err(SeekError::Steps {
                steps: self.stats.steps,
            });
        }
        self.asked = Some(Ask::Step);
        Ok(Ask::Step)
    }
}

#[cfg(test)]
mod tests;
