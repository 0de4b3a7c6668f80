//! Syscalls of the application while recording: entry, exit, and what the table cannot say.

use super::advice;
use super::claimed;
use super::clocks;
use super::doubt::{self, Doubt, unsupported};
use super::error::{RecordError, Step};
use super::futexes;
use super::received::REFERENCE_BYTES_MAX;
use super::session::Session;
use super::signals;
use super::task::InCall;
use crate::agent::inside::Report;
use crate::layout;
use crate::model::capture::{Call, CaptureError, Entry, Range};
use crate::model::{self, Block, Handler, Policy, Syscall};
use crate::sys::host;
use crate::sys::mem::{Ahead, Remote};
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::seccomp;
use crate::sys::wait::Pid;
use crate::timeouts;
use journal::{Args, Effect, Enter, Event, Leave, Out, Tid};
use pmu::Regs;
use std::os::unix::fs::MetadataExt;

/// Output pieces larger than this go ahead of their record.
pub const PIECE_BYTES_MAX: usize = 1 << 20;
/// Bytes of output that may stand in the record itself.
const INLINE_BYTES_MAX: u64 = 1 << 20;

/// Restart codes that the kernel leaves in `rax` at a syscall's exit when a signal
/// interrupted it (include/linux/errno.h): from here…
pub const RESTART_FIRST: i64 = -516;
/// … to here.
pub const RESTART_LAST: i64 = -512;

/// Whether a result asks for a restart.
#[must_use]
pub const fn is_restart(result: i64) -> bool {
    result >= RESTART_FIRST && result <= RESTART_LAST
}

/// Whether a result is an error.
#[must_use]
pub const fn is_error(result: i64) -> bool {
    result >= -4095 && result < 0
}

/// Whether a syscall can wait for somebody. What is not known may.
pub fn can_wait(in_call: &InCall) -> bool {
    in_call.call.block() == Block::May || in_call.doubt.is_some()
}

impl Session {
    /// A thread stands at the entry of a syscall.
    pub(super) fn syscall_entry(&mut self, tid: Pid, stopped: Stopped) -> Step {
        let mut regs = stopped.regs()?;
        let mut done = 0;
        if self.reports(tid, &regs) {
            match Report::of(&regs) {
                Report::Served => {
                    self.take_clocks(tid)?;
                    return self.reported(tid, stopped, &regs);
                }
                Report::Returned => return self.returned(tid, stopped, &regs),
                Report::InPart(bytes) => {
                    done = bytes;
                    regs = self.done_in_part(tid, &stopped, &regs)?;
                }
            }
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.is_seen = false;
        }
        self.stop_outside(tid)?;
        self.entry_seen(tid, &stopped, &mut regs)?;
        let mut args = regs.args();
        let mut def = model::lookup(number(&regs));
        let known = def;
        let (ahead_at, ahead_len) = def
            .and_then(|def| Call { def, args }.first_input())
            .unwrap_or_default();
        let ahead_len = usize::try_from(ahead_len).unwrap_or(usize::MAX);
        self.take_clocks_and(tid, ahead_at, ahead_len)?;
        if layout::is_vsyscall(regs.rip) {
            return self.vsyscall(tid, stopped, regs);
        }
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if !task.stash.is_empty() && done == 0 {
            return self.set_back(tid, stopped, regs);
        }
        if task.own_filter && stopped.event_message()? != u64::from(seccomp::OWN_MESSAGE) {
            // The application's filter asks for a tracer that there is none of.
            return self.answer(tid, stopped, regs, -i64::from(libc::ENOSYS));
        }
        if def.is_some_and(|def| def.handler == Handler::Restart)
            && let Some((nr, former)) = task.interrupted
        {
            // The registers still hold the arguments; the number is the one interrupted.
            def = model::lookup(nr);
            args = former;
        }
        if task.strict && self.is_forbidden(tid, &regs)? {
            return self.end_strictly(tid, stopped, &regs);
        }
        let (Some(def), Some(known)) = (def, known) else {
            // Newer than this version, or nonsense: as on an older kernel.
            return self.answer(tid, stopped, regs, -i64::from(libc::ENOSYS));
        };
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.answers.about_to_make(def.name);
        }
        if self.out.is_lost() {
            return self.unrecorded_entry(tid, stopped, (&regs, done), known, args);
        }
        let call = Call { def, args };
        self.forging |= signals::forges(&call);
        self.kills.note(&call);
        let memory = Ahead {
            memory: Remote(tid),
            addr: ahead_at,
            bytes: &self.ahead,
        };
        let mut doubt = None;
        let (entry, ins) = match call.enter(&memory) {
            Ok(entered) => entered,
            // If the kernel does not know it either, nothing is lost.
            Err(error @ CaptureError::UnknownSub { .. }) => {
                doubt = Some(Doubt::new(tid, &call, error));
                Default::default()
            }
            Err(error) => return Err(unsupported(tid, &error).into()),
        };
        match call.policy() {
            Policy::Record => {}
            Policy::Unsupported if doubt.is_some() => {}
            Policy::Refuse(errno) => {
                return self.answer(tid, stopped, regs, -i64::from(errno));
            }
            Policy::Unsupported => {
                return Err(RecordError::Unsupported {
                    tid: tid.0,
                    what: format!("syscall {}", def.name),
                }
                .into());
            }
        }
        if self.guards_show(tid, &call) {
            return self.set_back(tid, stopped, regs);
        }
        if let Some(result) = self.before(tid, &stopped, &call, &regs)? {
            return self.answer(tid, stopped, regs, result);
        }
        let enter = Enter {
            nr: known.nr,
            args: Args::new(regs.args(), known.args.len().max(def.args.len())),
            ip: regs.rip,
            signature: regs.signature(),
            ins,
        };
        if call.def.handler == Handler::Clock
            && !self.other_clocks
            && let Some((result, out)) = clocks::read(tid, &call, self.clocks)
        {
            return self.answer_recorded(tid, stopped, regs, enter, result, out);
        }
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        task.call = Some(InCall {
            doubt,
            done: done.cast_signed(),
            again: done > 0,
            ..InCall::new(call, entry, enter, regs)
        });
        if let Some(begun) = task.restarts.take()
            && known.handler == Handler::Restart
        {
            let mut anew = regs;
            anew.orig_rax = def.nr.into();
            if let Some(in_call) = &mut task.call {
                in_call.again = true;
                in_call.begun = begun.unwrap_or(in_call.begun);
            }
            let over = begun.map(|begun| host::uptime().saturating_sub(begun));
            let changed = over.and_then(|over| timeouts::shorten(tid, &call, &mut anew, over, 0));
            if let Some(out) = changed {
                self.emit_enter(tid)?;
                self.emit(tid, &Event::Data(out))?;
            }
            stopped.set_regs(&anew)?;
        }
        self.make_rest(tid, &stopped, &regs, done)?;
        if self.changes_shared(tid, &call) {
            return self.resume_settled(tid, stopped);
        }
        stopped.resume(Resume::Syscall, 0)?;
        Ok(())
    }

    /// Answers a syscall whose result the supervisor found out by itself: one stop
    /// instead of two.
    fn answer_recorded(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        mut regs: Regs,
        enter: Enter<'static>,
        result: i64,
        out: Option<Out<'static>>,
    ) -> Step {
        regs.orig_rax = u64::MAX;
        regs.rax = result.cast_unsigned();
        stopped.set_regs(&regs)?;
        let leave = Leave {
            result,
            outs: out.into_iter().collect(),
            effects: Vec::new(),
        };
        self.emit(tid, &Event::Syscall(enter, leave))?;
        self.skipped(tid, stopped, regs);
        Ok(())
    }

    /// Nothing is recorded any more: let the kernel do it, with the same restrictions.
    fn unrecorded_entry(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        (regs, done): (&Regs, u64),
        def: &'static Syscall,
        args: [u64; 6],
    ) -> Step {
        let call = Call { def, args };
        if let Policy::Refuse(errno) = call.policy() {
            return self.answer(tid, stopped, *regs, -i64::from(errno));
        }
        let enter = Enter {
            nr: def.nr,
            args: Args::default(),
            ip: regs.rip,
            signature: regs.signature(),
            ins: Vec::new(),
        };
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        task.call = Some(InCall {
            emitted: true,
            done: done.cast_signed(),
            again: done > 0,
            ..InCall::new(call, Entry::default(), enter, *regs)
        });
        self.make_rest(tid, &stopped, regs, done)?;
        stopped.resume(Resume::Syscall, 0)?;
        Ok(())
    }

    /// Answers a syscall without letting the kernel perform it.
    fn answer(&mut self, tid: Pid, stopped: Stopped, entered: Regs, result: i64) -> Step {
        let mut regs = entered;
        regs.orig_rax = u64::MAX;
        regs.rax = result.cast_unsigned();
        stopped.set_regs(&regs)?;
        let leave = Leave {
            result,
            outs: Vec::new(),
            effects: Vec::new(),
        };
        self.emit(tid, &Event::Syscall(bare_entry(&entered), leave))?;
        self.skipped(tid, stopped, regs);
        Ok(())
    }

    fn skipped(&mut self, tid: Pid, stopped: Stopped, regs: Regs) {
        self.at_sync_point(tid, regs);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.skips_syscall();
        }
        self.runnable(tid, stopped);
    }

    /// A seccomp filter of the application's own answered a syscall.
    pub(super) fn filtered(&mut self, tid: Pid, stopped: Stopped, entered: &Regs) -> Step {
        let regs = stopped.regs()?;
        let leave = Leave {
            result: regs.rax.cast_signed(),
            outs: Vec::new(),
            effects: Vec::new(),
        };
        let emitted = self
            .tasks
            .get_mut(&tid)
            .is_some_and(|task| std::mem::take(&mut task.filter_emitted));
        let event = if emitted {
            Event::Leave(leave)
        } else {
            Event::Syscall(bare_entry(entered), leave)
        };
        self.emit(tid, &event)?;
        self.at_sync_point(tid, regs);
        self.runnable(tid, stopped);
        Ok(())
    }

    /// Writes the entry of a syscall that a filter of the application's own looks at, if
    /// `tid` is in one: it will wait, or has been killed there.
    pub(super) fn emit_filtered_enter(&mut self, tid: Pid) -> Step {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if let Some(entered) = task.at_filter
            && !std::mem::replace(&mut task.filter_emitted, true)
        {
            self.emit(tid, &Event::Enter(bare_entry(&entered)))?;
        }
        Ok(())
    }

    /// Remembers where the thread stands.
    pub(super) fn at_sync_point(&mut self, tid: Pid, regs: Regs) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.sync_regs = regs;
            task.set_back = false;
            task.counted.at_sync_point();
        }
        self.schedule.at_sync_point();
    }

    /// Writes the entry of the syscall that `tid` is in, if that has not been done.
    pub(super) fn emit_enter(&mut self, tid: Pid) -> Step {
        let Some(call) = self.tasks.get_mut(&tid).and_then(|task| task.call.as_mut()) else {
            return Ok(());
        };
        if !call.emitted {
            call.emitted = true;
            let enter = call.enter.clone();
            self.emit(tid, &Event::Enter(enter))?;
        }
        Ok(())
    }

    /// Writes an event of one thread while another one may be in a syscall whose entry
    /// is not written yet.
    pub(super) fn emit_for(&mut self, tid: Pid, event: &Event<'_>) -> Step {
        let open: Vec<Pid> = self
            .tasks
            .values()
            .filter(|task| task.tid != tid && task.call.as_ref().is_some_and(|call| !call.emitted))
            .map(|task| task.tid)
            .collect();
        for other in open {
            self.emit_enter(other)?;
        }
        self.emit(tid, event)?;
        Ok(())
    }

    /// A thread stands at the exit of the syscall that it is in.
    pub(super) fn syscall_exit(&mut self, tid: Pid, stopped: Stopped) -> Step {
        let mut regs = stopped.regs()?;
        let Some(in_call) = self.tasks.get_mut(&tid).and_then(|task| task.call.take()) else {
            return Ok(());
        };
        if in_call.done > 0 {
            regs.rax = with_what_was_done(in_call.done, regs.rax.cast_signed()).cast_unsigned();
        }
        if in_call.again {
            for (index, value) in in_call.regs.args().into_iter().enumerate() {
                regs.set_arg(index, value);
            }
            stopped.set_regs(&regs)?;
        }
        let result = self.result_without_wake_up(tid, &in_call, regs.rax.cast_signed());
        let made_again = result != regs.rax.cast_signed();
        regs.rax = result.cast_unsigned();
        if let Some(task) = self.tasks.get_mut(&tid) {
            let interrupted = is_restart(result) && in_call.call.def.handler != Handler::Sigreturn;
            task.interrupted = interrupted.then_some((in_call.call.def.nr, in_call.call.args));
        }
        // What a return from a handler gives is no result.
        let succeeded = !is_error(result) || in_call.call.def.handler == Handler::Sigreturn;
        if let Some(task) = self.tasks.get_mut(&tid)
            && succeeded
        {
            task.follow_signals(&stopped, &in_call)?;
        }
        if self.out.is_lost() {
            self.at_sync_point(tid, regs);
            if made_again {
                Self::made_again(&stopped)?;
            }
            self.runnable(tid, stopped);
            return Ok(());
        }
        if let Some(doubt) = &in_call.doubt
            && !doubt.meant_nothing(tid, result)
        {
            return Err(doubt.refusal(tid).into());
        }
        let (called, entered) = (in_call.call, in_call.regs);
        self.code_changed(tid, &called, result);
        self.show_identity(tid, &in_call.call, result)?;
        let (stopped, mut effects) = self.after(tid, stopped, &in_call, &mut regs, result)?;
        self.memory_changed(&effects);
        let result = regs.rax.cast_signed();
        let called = (&called, &entered, result);
        let stopped = self.consider_serving(tid, stopped, called, &regs, &mut effects)?;
        let mut ranges = Vec::new();
        in_call
            .call
            .outs(&in_call.entry, result, &Remote(tid), &mut ranges)
            .map_err(|error| unsupported(tid, &error))?;
        self.leave(tid, in_call, result, &ranges, effects)?;
        self.at_sync_point(tid, regs);
        if let Some(task) = self.tasks.get_mut(&tid) {
            // They came while it stood here: here they belong.
            signals::send_stashed(task);
        }
        let space = self.tasks.get(&tid).map(|task| task.space);
        self.step_over(space, &stopped, &regs)?;
        if made_again {
            Self::made_again(&stopped)?;
        }
        self.runnable(tid, stopped);
        Ok(())
    }

    /// Writes the exit of a syscall.
    fn leave(
        &mut self,
        tid: Pid,
        in_call: InCall,
        result: i64,
        ranges: &[Range],
        mut effects: Vec<Effect<'static>>,
    ) -> Step {
        let memory = Remote(tid);
        let total: u64 = ranges.iter().map(|range| range.len).sum();
        let mut emitted = in_call.emitted;
        let mut outs = Vec::with_capacity(ranges.len());
        let intake = self.intake(tid, &in_call.call, result);
        let inline_max = if intake.is_some() {
            REFERENCE_BYTES_MAX
        } else {
            INLINE_BYTES_MAX
        };
        if total > inline_max {
            if !emitted {
                self.emit(tid, &Event::Enter(in_call.enter.clone()))?;
                emitted = true;
            }
            self.send_ahead(tid, ranges)?;
        } else {
            for range in ranges {
                let mut data = vec![0; usize::try_from(range.len).unwrap_or(0)];
                let read = memory.read_some(range.addr, &mut data);
                data.truncate(read);
                if !data.is_empty() {
                    outs.push(Out {
                        addr: range.addr,
                        data: data.into(),
                    });
                }
            }
        }
        if let Some(intake) = intake {
            // In this order: a connection may go at any moment, and its release must not come
            // between a reference to it and the event that has that.
            self.release_connections()?;
            effects.extend(self.refer(intake, &mut outs));
        }
        let leave = Leave {
            result,
            outs,
            effects,
        };
        let event = if emitted {
            Event::Leave(leave)
        } else {
            Event::Syscall(in_call.enter, leave)
        };
        self.emit(tid, &event)?;
        Ok(())
    }

    fn send_ahead(&mut self, tid: Pid, ranges: &[Range]) -> Step {
        let memory = Remote(tid);
        let mut piece = vec![0u8; PIECE_BYTES_MAX];
        for range in ranges {
            let mut done = 0u64;
            while done < range.len {
                let want = usize::try_from(range.len - done)
                    .unwrap_or(usize::MAX)
                    .min(PIECE_BYTES_MAX);
                let read = memory.read_some(range.addr + done, &mut piece[..want]);
                if read == 0 {
                    break;
                }
                let data = Out {
                    addr: range.addr + done,
                    data: piece[..read].into(),
                };
                self.emit(tid, &Event::Data(data))?;
                done += read as u64;
            }
        }
        Ok(())
    }

    /// What a syscall's semantics ask for before the kernel performs it. A value answers
    /// the syscall in the kernel's stead.
    pub(super) fn before(
        &mut self,
        tid: Pid,
        stopped: &Stopped,
        call: &Call,
        regs: &Regs,
    ) -> Step<Option<i64>> {
        let arg = |index: usize| call.args[index];
        for range in claimed::remaps(call).into_iter().flatten() {
            self.sites_remapped(tid, &range)?;
            self.check_cache(tid, &range)?;
        }
        let unsupported = |what: &str| {
            Err(RecordError::Unsupported {
                tid: tid.0,
                what: what.to_owned(),
            }
            .into())
        };
        if let Some(what) = claimed::change(call) {
            return unsupported(what);
        }
        match call.def.handler {
            // Memory that the kernel shares: as by protocols without it.
            Handler::Mmap if doubt::is_socket(tid, call) => {
                return Ok(Some(-i64::from(libc::ENODEV)));
            }
            // That concerns the whole machine: as without the privilege.
            Handler::Madvise if doubt::is_failure(call) => {
                return Ok(Some(-i64::from(libc::EPERM)));
            }
            Handler::Madvise if call.int(2) == libc::MADV_FREE => {
                // Whether such pages keep their content is the kernel's whim; losing it at
                // once is within the promise, and the same every time.
                let mut changed = *regs;
                changed.rdx = libc::MADV_DONTNEED.cast_unsigned().into();
                stopped.set_regs(&changed)?;
            }
            Handler::Clone if call.def.name == "clone" && arg(0) & UNTRACED != 0 => {
                let mut changed = *regs;
                changed.rdi &= !UNTRACED;
                stopped.set_regs(&changed)?;
            }
            Handler::Affinity if call.def.name == "sched_setaffinity" => {
                return self
                    .set_affinity(tid, call.int(0), arg(1), arg(2))
                    .map(Some);
            }
            Handler::Exec => {
                let words = self.last_words(tid);
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.exec_words = words;
                }
            }
            Handler::Prctl => return Ok(self.answer_prctl(tid, call)),
            Handler::Seccomp => return self.answer_seccomp(tid, call),
            _ if self.copies_to_standard_stream(tid, call) => {
                return Ok(Some(-i64::from(libc::EINVAL)));
            }
            Handler::MemoryOther => return unsupported(&format!("syscall {}", call.def.name)),
            _ => {}
        }
        Ok(None)
    }

    /// Whether the kernel would copy to the standard output or error without the bytes
    /// passing through the application's memory. Replay could not show them; `EINVAL`,
    /// which any descriptor may answer, makes programs use plain reads and writes.
    fn copies_to_standard_stream(&self, tid: Pid, call: &Call) -> bool {
        let Some((_, index)) = KERNEL_COPIES
            .iter()
            .find(|(name, _)| *name == call.def.name)
        else {
            return false;
        };
        #[allow(clippy::cast_possible_truncation, reason = "descriptors are ints")]
        let fd = call.args[*index] as i32;
        let meta = std::fs::metadata(format!("/proc/{tid}/fd/{fd}"));
        meta.is_ok_and(|meta| self.is_standard_stream(&meta))
    }

    /// Whether a file is the standard output or error.
    pub(super) fn is_standard_stream(&self, meta: &std::fs::Metadata) -> bool {
        let key = (meta.dev(), meta.ino());
        self.options.standard_streams.contains(&key)
    }

    /// What a syscall's semantics ask for after the kernel performed it.
    fn after(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        in_call: &InCall,
        regs: &mut Regs,
        result: i64,
    ) -> Step<(Stopped, Vec<Effect<'static>>)> {
        let mut effects = Vec::new();
        let call = &in_call.call;
        self.memories.descriptors.changed(call.def.name);
        self.connections.changed(call.def.name);
        let arg = |index: usize| call.args[index];
        let changed_registers = |regs: &Regs| *regs != in_call.regs;
        let restore = match call.def.handler {
            Handler::Madvise => call.int(2) == libc::MADV_FREE,
            Handler::Clone => true,
            _ => false,
        };
        if restore && changed_registers(regs) && !is_restart(result) {
            regs.rdx = in_call.regs.rdx;
            regs.rdi = in_call.regs.rdi;
            stopped.set_regs(regs)?;
        }
        if call.def.handler == Handler::Exec && result == 0 {
            return self.exec_done(tid, stopped, regs);
        }
        let id = self.name(tid)?;
        effects.extend(futexes::words(tid, call).into_iter().map(|(addr, word)| {
            Effect::Write(journal::Write {
                tid: id,
                addr,
                data: word.into(),
            })
        }));
        if call.def.handler == Handler::Sigreturn {
            // Its "result" is whatever the interrupted code had in `rax`.
            effects.push(Effect::Regs(*regs));
            return Ok((stopped, effects));
        }
        self.follow_sockets(tid, call, result, &mut effects);
        if is_error(result) && !may_be_partial(call, result) {
            effects.extend(advice::followed(tid, call, result)?);
            return Ok((stopped, effects));
        }
        self.new_descriptors(tid, call, result, &mut effects);
        self.guards_after(tid, call, result);
        match call.def.handler {
            Handler::Mmap => self.mapped(tid, call, result.cast_unsigned(), &mut effects)?,
            Handler::Mprotect if arg(2) & PROT_EXEC != 0 => {
                self.made_executable(tid, arg(0), arg(1), &mut effects)?;
            }
            Handler::Mremap => self.code_moved(tid, result.cast_unsigned())?,
            Handler::Shmat => self.attached(tid, call, result.cast_unsigned(), &mut effects)?,
            Handler::ArchPrctl => effects.push(Effect::Regs(*regs)),
            // A time namespace may have other clocks than the supervisor's.
            Handler::Namespaces => self.other_clocks = true,
            Handler::Affinity => self.show_affinity(tid, call, result)?,
            Handler::Yield => self.schedule.end(),
            Handler::SetRobustList => {
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.robust_list = arg(0);
                }
            }
            Handler::SetTidAddress => {
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.clear_tid = arg(0);
                }
            }
            Handler::Seccomp => self.seccomp_done(tid, call),
            Handler::Prctl => self.prctl_done(tid, &stopped, call, regs)?,
            _ if call.def.name == "personality" => self.close_counter(tid),
            Handler::ProcessVmWrite => self.wrote_other(tid, call, result, &mut effects),
            _ => {}
        }
        self.files_changed(tid, call, result, &mut effects)?;
        Ok((stopped, effects))
    }

    /// What a syscall that has succeeded did to memory by changing a file.
    pub(super) fn files_changed(
        &mut self,
        tid: Pid,
        call: &Call,
        result: i64,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        let (tgid, thread) = (task.tgid, task.into());
        let known = effects.len();
        let tasks = &self.tasks;
        let processes = || {
            tasks
                .values()
                .map(|task| (task.tgid, task.into()))
                .collect()
        };
        self.memories.file_changed(
            &mut self.out,
            (tgid, thread),
            call,
            result,
            &processes,
            effects,
        )?;
        let is_memory = |effect: &Effect<'_>| matches!(effect, Effect::Write(_));
        if effects.iter().skip(known).any(is_memory) {
            // It may have been code.
            self.close_counters();
        }
        Ok(())
    }

    /// `process_vm_writev` into another process of the recording.
    fn wrote_other(
        &mut self,
        tid: Pid,
        call: &Call,
        result: i64,
        effects: &mut Vec<Effect<'static>>,
    ) {
        let id = Tid(call.int(0));
        let Some(other) = self.named(id) else {
            return;
        };
        let mut left = u64::try_from(result).unwrap_or(0);
        for index in 0..call.args[4].min(1024) {
            let entry = call.args[3] + index * 16;
            let (Ok(addr), Ok(len)) =
                (Remote(tid).read_u64(entry), Remote(tid).read_u64(entry + 8))
            else {
                return;
            };
            let len = len.min(left);
            let mut data = vec![0; usize::try_from(len).unwrap_or(0)];
            let read = Remote(other).read_some(addr, &mut data);
            data.truncate(read);
            effects.push(Effect::Write(journal::Write {
                tid: id,
                addr,
                data: data.into(),
            }));
            left -= len;
        }
    }
}

/// The result of a syscall of which a part was done before a takeover. An error that comes after
/// a part is told the next time.
const fn with_what_was_done(done: i64, result: i64) -> i64 {
    if is_error(result) {
        done
    } else {
        done + result
    }
}

/// Whether a failed call may have done part of its work: changes of a range stop at the
/// first hole in it (`mprotect`), or go on behind it (`madvise`), and then say so. Advice that stops
/// at memory for which it cannot be given is another matter: see [`advice`].
#[must_use]
pub fn may_be_partial(call: &Call, result: i64) -> bool {
    matches!(call.def.handler, Handler::Mprotect | Handler::Madvise)
        && result == -i64::from(libc::ENOMEM)
}

/// The number of the syscall that a thread enters: the kernel takes it as an `int`.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "as the kernel does")]
pub const fn number(entered: &Regs) -> u32 {
    entered.orig_rax as u32
}

/// The record of an entry without its input.
pub(super) fn bare_entry(entered: &Regs) -> Enter<'static> {
    Enter {
        nr: number(entered),
        args: Args::new(entered.args(), 6),
        ip: entered.rip,
        signature: entered.signature(),
        ins: Vec::new(),
    }
}

/// Syscalls that copy inside the kernel, and the argument that says where to.
const KERNEL_COPIES: [(&str, usize); 5] = [
    ("vmsplice", 0),
    ("sendfile", 0),
    ("splice", 2),
    ("tee", 1),
    ("copy_file_range", 2),
];
const UNTRACED: u64 = libc::CLONE_UNTRACED.cast_unsigned() as u64;
const PROT_EXEC: u64 = libc::PROT_EXEC.cast_unsigned() as u64;
