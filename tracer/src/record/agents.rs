//! The recorder's side of the agent: what it answered goes into the journal before the
//! event that the thread's next stop makes.

use super::error::{RecordError, Step, Stumble};
use super::session::Session;
use super::task::Task;
use crate::agent::{Answers, HEAD_BYTES, NEAR_BYTES, Recording};
use crate::layout::AGENT_DATA;
use crate::namespaces::ClockOffsets;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{ClockRead, Event};
use pmu::Regs;

/// Input of a syscall is read ahead up to here.
const AHEAD_BYTES_MAX: usize = 4096;

impl Session {
    /// Prepares the agent of a new address space.
    pub(super) fn begin_agent(&mut self, tid: Pid) -> Step {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        let (space, answers) = (task.space, !task.own_filter);
        let agent = Recording::begin(Remote(tid), answers)
            .map_err(RecordError::os("preparing the agent's page"))?;
        self.agents.insert(space, agent);
        Ok(())
    }

    /// Journals the clock reads that the thread made since its last stop.
    pub(super) fn take_clocks(&mut self, tid: Pid) -> Step {
        self.take_clocks_and(tid, 0, 0)
    }

    /// The same, and reads other memory of the thread on the way, into `self.ahead`: less
    /// if it cannot be read, nothing if there is no agent.
    pub(super) fn take_clocks_and(&mut self, tid: Pid, addr: u64, len: usize) -> Step {
        self.ahead.clear();
        let space = self.tasks.get(&tid).map(|task| task.space);
        let Some(agent) = space.and_then(|space| self.agents.get_mut(&space)) else {
            // Before its first program.
            return Ok(());
        };
        self.ahead.resize(len.min(AHEAD_BYTES_MAX), 0);
        let memory = Remote(tid);
        let mut head = [0; HEAD_BYTES];
        let mut near = [0; NEAR_BYTES];
        let (near_at, near_len) = agent.near();
        let near = &mut near[..near_len];
        let lens = memory.read_parts([
            (AGENT_DATA, &mut head),
            (near_at, near),
            (addr, &mut self.ahead),
        ]);
        self.ahead.truncate(lens[2]);
        let whole = if (lens[0], lens[1]) == (HEAD_BYTES, near_len) {
            Ok(())
        } else {
            Err(std::io::Error::from_raw_os_error(libc::EFAULT))
        };
        let words = match whole.and_then(|()| agent.take(memory, &head, near)) {
            Ok(words) => words,
            Err(error) => {
                // Killed a moment ago, its memory goes first.
                let state = self.tasks.get_mut(&tid).and_then(Task::kernel_state);
                return match state {
                    None | Some(b'Z' | b'X') => Err(Stumble::Gone),
                    Some(_) => Err(RecordError::os("reading the agent's page")(error).into()),
                };
            }
        };
        if !words.is_empty() {
            let event = Event::Clocks(ClockRead::encode(&words));
            self.emit(tid, &event)?;
        }
        Ok(())
    }

    /// Journals the clock reads that the thread made before it had made so many. `answers` has those that
    /// were read already.
    pub(super) fn take_clocks_until(&mut self, tid: Pid, used: u32, answers: &mut Answers) -> Step {
        let space = self.tasks.get(&tid).map(|task| task.space);
        let Some(clocks) = space.and_then(|space| self.agents.get_mut(&space)) else {
            return Ok(());
        };
        if !clocks.is_behind(used) {
            return Ok(());
        }
        // Killed: what it did after that read is nobody's concern any more.
        let words = clocks
            .take_until(Remote(tid), used, answers)
            .map_err(|_| Stumble::Gone)?;
        if !words.is_empty() {
            let event = Event::Clocks(ClockRead::encode(&words));
            self.emit(tid, &event)?;
        }
        Ok(())
    }

    /// The nanoseconds of a clock for which the agent of `tid` asks.
    pub(super) fn agent_clock(&self, tid: Pid, regs: &Regs) -> u64 {
        #[allow(clippy::cast_possible_truncation, reason = "clock numbers are small")]
        let clock = regs.r10 as i32;
        let offsets = if self.other_clocks {
            beyond_ours(tid)
        } else {
            self.clocks
        };
        let time = host::clock(clock).unwrap_or_default();
        let (seconds, nanoseconds) = offsets.apply(clock, time);
        let ns = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        u64::try_from(ns).unwrap_or(0)
    }

    /// From now on the agent of this thread's address space makes no syscalls.
    pub(super) fn silence_agent(&mut self, tid: Pid) {
        let space = self.tasks.get(&tid).map(|task| task.space);
        if let Some(agent) = space.and_then(|space| self.agents.get_mut(&space))
            && let Ok(silent) = Recording::begin(Remote(tid), false)
        {
            *agent = silent;
        }
    }
}

/// What a thread's time namespace adds to clocks, beyond what the supervisor's does.
fn beyond_ours(tid: Pid) -> ClockOffsets {
    let of = |pid: &str| ClockOffsets::of_process(pid).unwrap_or_default();
    let (theirs, ours) = (of(&tid.to_string()), of("self"));
    ClockOffsets {
        monotonic_ns: theirs.monotonic_ns - ours.monotonic_ns,
        boottime_ns: theirs.boottime_ns - ours.boottime_ns,
    }
}
