//! Signals of a shadow: what the application sent itself, and what its timers and children sent it
//! here, against what the journal has delivered. What is outstanding at a takeover is queued again
//! with all that it carries.

use crate::layout::{KERNEL_ROOM, PAGE_DATA};
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::mem::Remote;
use journal::{Action, Event, Leave, Tid};
use std::collections::{HashMap, HashSet};

/// Signals kept for a process; the kernel itself keeps no more per user by default.
const SIGNALS_MAX: usize = 4096;
/// Bytes of a `signalfd_siginfo`.
const SIGNALFD_BYTES: usize = 128;
const SI_CODE: usize = 8;
/// Also where the number of the timer is, of a signal by one.
const SI_PID: usize = 16;
/// The same in a `signalfd_siginfo`.
const SSI_PID: usize = 12;
const SSI_TIMER: usize = 24;
/// Signals that are not sent here when the application sends them: what they do are events of the
/// journal.
const NOT_SENT: [i32; 7] = [
    0,
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
];

/// What came here that the journal has not delivered, and the reverse.
#[derive(Debug, Default)]
pub struct Signals {
    /// By process: the thread that was told, and what.
    sent: HashMap<Tid, Vec<(Tid, [u8; 128])>>,
    /// How many were delivered before they were sent here.
    owed: HashMap<Debtor, u32>,
    /// Timers of processes that tell one thread.
    of_threads: HashSet<(Tid, i32)>,
}

/// Of a process: a signal, and the timer that sends it, if one does.
type Debtor = (Tid, i32, Option<i32>);

impl Signals {
    /// One came.
    pub fn note(&mut self, process: Tid, thread: Tid, info: [u8; 128]) {
        let debtor = (process, number(&info), timer_of(&info));
        if let Some(owed) = self.owed.get_mut(&debtor) {
            *owed -= 1;
            if *owed == 0 {
                self.owed.remove(&debtor);
            }
            return;
        }
        let list = self.sent.entry(process).or_default();
        if list.len() < SIGNALS_MAX {
            list.push((thread, info));
        }
    }

    /// Whether one that came is the one that is delivered now: then it is settled.
    fn settle(&mut self, process: Tid, told: &[u8; 128]) -> bool {
        let Some(list) = self.sent.get_mut(&process) else {
            return false;
        };
        let same = |info| (number(info), timer_of(info)) == (number(told), timer_of(told));
        let Some(index) = list.iter().position(|(_, info)| same(info)) else {
            return false;
        };
        list.remove(index);
        true
    }

    /// A timer of a process is set anew, or gone: what it has not sent until now, it will not send.
    fn no_more_of(&mut self, process: Tid, timer: i32) {
        self.owed
            .retain(|(of, _, by), _| *of != process || *by != Some(timer));
    }

    /// What the process's timer has sent is of no concern any more.
    fn drop_alarms(&mut self, process: Tid) {
        if let Some(list) = self.sent.get_mut(&process) {
            list.retain(|(_, info)| number(info) != libc::SIGALRM || code(info) != libc::SI_KERNEL);
        }
    }

    /// What a process has still to be told.
    pub fn outstanding(&mut self, process: Tid) -> Vec<(Tid, [u8; 128])> {
        self.sent.remove(&process).unwrap_or_default()
    }

    /// A process is gone.
    pub fn forget(&mut self, process: Tid) {
        self.sent.remove(&process);
        self.owed.retain(|(of, ..), _| *of != process);
        self.of_threads.retain(|(of, _)| *of != process);
    }
}

impl super::Shadow {
    /// A signal has reached a process.
    fn delivered(&mut self, process: Tid, signal: i32) {
        if self.struck.get(&process) == Some(&signal) {
            self.struck.remove(&process);
        }
    }
}

impl Session {
    /// Keeps in mind which processes are stopped: until the thread that was stopped does something,
    /// or SIGCONT comes.
    pub(in crate::replay) fn mind_halted(&mut self, event: &Event<'_>) {
        let tid = self.current;
        let process = self.tasks.get(&tid).map(|task| task.tgid);
        let (Some(shadow), Some(process)) = (&mut self.shadow, process) else {
            return;
        };
        let acts = match event {
            Event::Signal(signal) if matches!(signal.action, Action::Stop) => {
                shadow.halted.insert(process, tid);
                shadow.delivered(process, signal.number());
                return;
            }
            Event::Signal(signal) if signal.number() == libc::SIGCONT => true,
            Event::Signal(_) | Event::Syscall(..) | Event::Leave(_) | Event::Trap(_) => {
                shadow.halted.get(&process) == Some(&tid)
            }
            Event::ThreadEnd(_) => shadow.halted.get(&process) == Some(&tid),
            _ => false,
        };
        if let Event::Signal(signal) = event {
            shadow.delivered(process, signal.number());
        }
        if acts {
            shadow.halted.remove(&process);
        }
        if matches!(event, Event::ThreadEnd(_)) {
            shadow.struck.remove(&process);
        }
    }

    /// The journal delivers a signal to the current thread.
    pub(in crate::replay) fn delivered_live(&mut self, info: &[u8]) -> Result<(), ReplayError> {
        let mut whole = [0; 128];
        for (slot, byte) in whole.iter_mut().zip(info) {
            *slot = *byte;
        }
        let tid = self.current;
        self.consumed(tid, &whole)
    }

    /// A signal that the kernel may have sent here, too, has reached the application.
    fn consumed(&mut self, tid: Tid, info: &[u8; 128]) -> Result<(), ReplayError> {
        let signal = number(info);
        let (process, _) = self.process(tid)?;
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        if shadow.signals.settle(process, info) || self.task(tid)?.stopped.is_none() {
            return Ok(());
        }
        if self.take_pending(tid, signal)? {
            return Ok(());
        }
        // The thread may have been told when it was asked.
        let told = self
            .shadow
            .as_mut()
            .is_some_and(|shadow| shadow.signals.settle(process, info));
        if told {
            return Ok(());
        }
        if signal == libc::SIGALRM && code(info) == libc::SI_KERNEL {
            return self.disarm(tid);
        }
        if code(info) == libc::SI_TIMER && self.disarm_if_once(tid, word(info, SI_PID))? {
            return Ok(());
        }
        if let Some(shadow) = &mut self.shadow
            && comes_here_too(info)
        {
            let debtor = (process, signal, timer_of(info));
            *shadow.signals.owed.entry(debtor).or_default() += 1;
        }
        Ok(())
    }

    /// Takes a signal that is pending.
    fn take_pending(&mut self, tid: Tid, signal: i32) -> Result<bool, ReplayError> {
        let (_, real) = self.process(tid)?;
        let set = 1u64 << (signal - 1).clamp(0, 63);
        let mut room = [0; 24];
        room[..8].copy_from_slice(&set.to_le_bytes());
        Remote(real)
            .write(KERNEL_ROOM, &room)
            .map_err(ReplayError::os("placing a set of signals"))?;
        let args = [KERNEL_ROOM, 0, KERNEL_ROOM + 8, 8, 0, 0];
        let found = self.remote_result(tid, libc::SYS_rt_sigtimedwait, args)?;
        Ok(found == i64::from(signal))
    }

    /// A timer that runs once has run out in the recording: it must not do so here.
    fn disarm(&mut self, tid: Tid) -> Result<(), ReplayError> {
        let (_, real) = self.process(tid)?;
        let which = u64::from(libc::ITIMER_REAL.unsigned_abs());
        let args = [which, KERNEL_ROOM, 0, 0, 0, 0];
        self.remote(tid, "getitimer", libc::SYS_getitimer, args)?;
        let mut interval = [0; 16];
        Remote(real)
            .read_exact(KERNEL_ROOM, &mut interval)
            .map_err(ReplayError::os("reading a timer"))?;
        if interval != [0; 16] {
            return Ok(());
        }
        Remote(real)
            .write(KERNEL_ROOM, &[0; 32])
            .map_err(ReplayError::os("placing a timer"))?;
        self.remote(tid, "setitimer", libc::SYS_setitimer, args)?;
        Ok(())
    }

    /// The process's timer is about to be set anew. Unless it was blocked, what it had sent until then was
    /// delivered then, if at all; here it may have run out more often. With several threads, it may
    /// have been on its way to another one.
    pub(super) fn stop_alarm(&mut self, tid: Tid, call: &Call) -> Result<(), ReplayError> {
        if call.def.name == "setitimer" && call.int(0) != libc::ITIMER_REAL {
            return Ok(());
        }
        let (process, _) = self.process(tid)?;
        let threads = self.tasks.values().filter(|task| task.tgid == process);
        if threads.count() > 1 {
            return Ok(());
        }
        let blocked = match &self.task(tid)?.stopped {
            Some(stopped) => stopped.signal_mask()? & 1 << (libc::SIGALRM - 1) != 0,
            None => true,
        };
        if blocked {
            return Ok(());
        }
        self.remote_any(tid, libc::SYS_alarm, [0; 6])?;
        self.take_pending(tid, libc::SIGALRM)?;
        if let Some(shadow) = &mut self.shadow {
            shadow.signals.drop_alarms(process);
        }
        Ok(())
    }

    /// The application has made a timer.
    pub(super) fn timer_made(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        /// Of a `struct sigevent` (include/uapi/asm-generic/siginfo.h).
        const SIGEV_NOTIFY: u64 = 12;
        const SIGEV_THREAD_ID: u32 = 4;
        self.same(tid, call, Some(leave.result))?;
        let (process, real) = self.process(tid)?;
        let told = leave.outs.iter().find(|out| out.addr == call.args[2]);
        let timer = told.and_then(|out| out.data.first_chunk().copied());
        if let (Some(timer), true, Some(shadow)) = (timer, call.args[1] != 0, &mut self.shadow) {
            let kind = Remote(real)
                .read_u32(call.args[1] + SIGEV_NOTIFY)
                .map_err(ReplayError::os("reading what a timer does"))?;
            if kind == SIGEV_THREAD_ID {
                let name = (process, i32::from_le_bytes(timer));
                shadow.signals.of_threads.insert(name);
            }
        }
        Ok(())
    }

    /// The application has set a timer anew, or given it up.
    pub(super) fn timer_changed(&mut self, tid: Tid, call: &Call) -> Result<(), ReplayError> {
        let (process, _) = self.process(tid)?;
        if let Some(shadow) = &mut self.shadow {
            shadow.signals.no_more_of(process, call.int(0));
            if call.def.name == "timer_delete" {
                shadow.signals.of_threads.remove(&(process, call.int(0)));
            }
        }
        self.same(tid, call, None)
    }

    /// The same of a timer with a number; `false` if it runs again and again.
    fn disarm_if_once(&mut self, tid: Tid, timer: i32) -> Result<bool, ReplayError> {
        let (_, real) = self.process(tid)?;
        let timer = u64::from(timer.unsigned_abs());
        let args = [timer, KERNEL_ROOM, 0, 0, 0, 0];
        // It may have been deleted since.
        if self.remote_result(tid, libc::SYS_timer_gettime, args)? != 0 {
            return Ok(true);
        }
        let mut interval = [0; 16];
        Remote(real)
            .read_exact(KERNEL_ROOM, &mut interval)
            .map_err(ReplayError::os("reading a timer"))?;
        if interval != [0; 16] {
            return Ok(false);
        }
        Remote(real)
            .write(KERNEL_ROOM, &[0; 32])
            .map_err(ReplayError::os("placing a timer"))?;
        let args = [timer, 0, KERNEL_ROOM, 0, 0, 0];
        self.remote(tid, "timer_settime", libc::SYS_timer_settime, args)?;
        Ok(true)
    }

    /// The application sent a signal to one of its own.
    pub(super) fn send_signal(&mut self, tid: Tid, call: &Call) -> Result<(), ReplayError> {
        let index = match call.def.name {
            "tgkill" | "rt_tgsigqueueinfo" => 2,
            _ => 1,
        };
        let signal = call.int(index);
        if NOT_SENT.contains(&signal) {
            self.note_strike(call, signal);
            return Ok(());
        }
        // Whoever it was for may have ended here already.
        self.remote_any(tid, i64::from(call.def.nr), call.args)
    }

    /// What a signal does that cannot be queued comes in its own time; but a takeover may come first.
    fn note_strike(&mut self, call: &Call, signal: i32) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        let to = match (call.def.name, call.int(0)) {
            ("kill" | "rt_sigqueueinfo" | "tgkill" | "rt_tgsigqueueinfo", to) if to > 0 => Tid(to),
            _ => return,
        };
        if signal == libc::SIGCONT {
            shadow
                .struck
                .retain(|process, signal| *process != to || *signal == libc::SIGKILL);
            shadow.halted.remove(&to);
        } else if signal != 0 && self.tasks.values().any(|task| task.tgid == to) {
            shadow.struck.insert(to, signal);
        }
    }

    /// The current thread has waited for a signal.
    pub(super) fn signal_awaited(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let mut info = [0; 128];
        let told = leave
            .outs
            .iter()
            .find(|out| call.args[1] != 0 && out.addr == call.args[1]);
        if let Some(out) = told {
            for (slot, byte) in info.iter_mut().zip(out.data.iter()) {
                *slot = *byte;
            }
        }
        let number = i32::try_from(leave.result).unwrap_or(0);
        info[..4].copy_from_slice(&number.to_le_bytes());
        self.consumed(tid, &info)
    }

    /// Signals were read from a descriptor.
    pub(super) fn signals_read(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let read = leave.outs.iter().find(|out| out.addr == call.args[1]);
        let Some(read) = read else {
            return Ok(());
        };
        for entry in read.data.chunks_exact(SIGNALFD_BYTES) {
            // ssi_signo, ssi_errno, ssi_code: as in a siginfo_t.
            let mut info = [0; 128];
            info[..12].copy_from_slice(&entry[..12]);
            let timer = code(&info) == libc::SI_TIMER;
            let from = if timer { SSI_TIMER } else { SSI_PID };
            info[SI_PID..SI_PID + 4].copy_from_slice(&entry[from..from + 4]);
            self.consumed(tid, &info)?;
        }
        Ok(())
    }

    /// Queues again what was held back from a process. What this cannot be done for.
    pub(super) fn queue_again(
        &mut self,
        process: Tid,
        able: &[Tid],
    ) -> Result<Vec<[u8; 128]>, ReplayError> {
        let Some(shadow) = &mut self.shadow else {
            return Ok(Vec::new());
        };
        let mut left = Vec::new();
        let of_threads = std::mem::take(&mut shadow.signals.of_threads);
        for (thread, info) in shadow.signals.outstanding(process) {
            let by_timer = timer_of(&info).is_some_and(|by| of_threads.contains(&(process, by)));
            let told = code(&info) == libc::SI_TKILL || by_timer;
            let by = if told && able.contains(&thread) {
                thread
            } else if able.contains(&process) {
                process
            } else if let Some(other) = able.first() {
                *other
            } else {
                left.push(info);
                continue;
            };
            let target = if told && self.tasks.contains_key(&thread) {
                Some(thread)
            } else {
                (told || by != process).then_some(by)
            };
            self.queue(process, by, target, &info)?;
        }
        Ok(left)
    }

    fn queue(
        &mut self,
        process: Tid,
        by: Tid,
        thread: Option<Tid>,
        info: &[u8; 128],
    ) -> Result<(), ReplayError> {
        let (_, real) = self.process(by)?;
        Remote(real)
            .write(PAGE_DATA, info)
            .map_err(ReplayError::os("placing a signal"))?;
        let word = |value: i32| u64::from(value.unsigned_abs());
        let signal = word(number(info));
        let (nr, args) = if let Some(thread) = thread {
            let args = [word(process.0), word(thread.0), signal, PAGE_DATA, 0, 0];
            (libc::SYS_rt_tgsigqueueinfo, args)
        } else {
            let args = [word(process.0), signal, PAGE_DATA, 0, 0, 0];
            (libc::SYS_rt_sigqueueinfo, args)
        };
        // It must wait until the thread goes on.
        let mask = self.block_all(by)?;
        self.remote(by, "queueing a signal", nr, args)?;
        self.unblock(by, mask)
    }

    /// Has no signal delivered to a thread; its mask.
    pub(super) fn block_all(&mut self, tid: Tid) -> Result<u64, ReplayError> {
        let Some(stopped) = &self.task(tid)?.stopped else {
            return Err(ReplayError::Killed);
        };
        let mask = stopped.signal_mask()?;
        stopped.set_signal_mask(u64::MAX)?;
        Ok(mask)
    }

    /// The reverse.
    pub(super) fn unblock(&mut self, tid: Tid, mask: u64) -> Result<(), ReplayError> {
        let Some(stopped) = &self.task(tid)?.stopped else {
            return Err(ReplayError::Killed);
        };
        Ok(stopped.set_signal_mask(mask)?)
    }
}

/// The number of the signal that a `siginfo` tells of.
fn number(info: &[u8; 128]) -> i32 {
    word(info, 0)
}

fn code(info: &[u8; 128]) -> i32 {
    word(info, SI_CODE)
}

fn word(info: &[u8; 128], at: usize) -> i32 {
    i32::from_le_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]])
}

/// The number of the timer that has sent it.
fn timer_of(info: &[u8; 128]) -> Option<i32> {
    (code(info) == libc::SI_TIMER).then(|| word(info, SI_PID))
}

/// Whether the sender is part of the application, and its syscall is made here.
fn comes_here_too(info: &[u8; 128]) -> bool {
    match code(info) {
        libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL | libc::SI_MESGQ => {
            // Those from outside have no number in here; SIGPIPE is sent by a write that fails.
            word(info, SI_PID) != 0
                && number(info) != libc::SIGPIPE
                && !NOT_SENT.contains(&number(info))
        }
        libc::SI_TIMER => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_is_set_anew_has_sent_nothing() {
        let mut signals = Signals::default();
        let (process, thread) = (Tid(2), Tid(3));
        signals.note(process, thread, info(libc::SIGALRM, libc::SI_KERNEL, 0));
        signals.note(process, thread, info(libc::SIGALRM, libc::SI_USER, 5));
        signals.drop_alarms(process);
        let left = signals.outstanding(process);
        assert_eq!(left.len(), 1, "somebody else has sent it");
        assert_eq!(code(&left[0].1), libc::SI_USER);
    }

    fn info(signal: i32, code: i32, pid: i32) -> [u8; 128] {
        let mut info = [0; 128];
        info[..4].copy_from_slice(&signal.to_le_bytes());
        info[8..12].copy_from_slice(&code.to_le_bytes());
        info[16..20].copy_from_slice(&pid.to_le_bytes());
        info
    }

    #[test]
    fn what_is_delivered_is_no_longer_outstanding() {
        let mut signals = Signals::default();
        let (process, thread) = (Tid(2), Tid(3));
        signals.note(process, thread, info(10, 0, 2));
        signals.note(process, process, info(12, 0, 2));
        assert!(signals.settle(process, &info(10, 0, 2)));
        assert!(!signals.settle(process, &info(10, 0, 2)));
        signals.owed.insert((process, 10, None), 1);
        signals.note(process, thread, info(10, 0, 2));
        let left = signals.outstanding(process);
        assert_eq!(left, [(process, info(12, 0, 2))]);
    }

    #[test]
    fn what_one_timer_owes_is_not_taken_from_another() {
        let mut signals = Signals::default();
        let (process, thread) = (Tid(2), Tid(3));
        let by = |timer| info(34, libc::SI_TIMER, timer);
        signals.owed.insert((process, 34, Some(0)), 2);
        signals.note(process, thread, by(0));
        signals.note(process, thread, by(1));
        assert!(!signals.settle(process, &by(0)));
        signals.no_more_of(process, 0);
        signals.note(process, thread, by(0));
        let left = signals.outstanding(process);
        assert_eq!(left, [(thread, by(1)), (thread, by(0))]);
    }

    #[test]
    fn senders_outside_are_told_apart() {
        assert!(comes_here_too(&info(10, libc::SI_USER, 5)));
        assert!(!comes_here_too(&info(10, libc::SI_USER, 0)));
        assert!(!comes_here_too(&info(libc::SIGPIPE, libc::SI_USER, 5)));
        assert!(!comes_here_too(&info(libc::SIGCHLD, libc::CLD_EXITED, 5)));
    }
}
