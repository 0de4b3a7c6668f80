//! Replay with the agent: calls that it can serve are held back until something else comes, and
//! then given to it all at once. It takes their results without a stop, and tells what the
//! program passed, which is compared here like at a stop.
//!
//! A shadow serves what it can follow behind the call ([`super::shadow`]), and only where the
//! recording had an agent: at a takeover nothing may be there that the journal does not have.
//!
//! Nothing has to be served. Where the agent does not, the thread stops as ever: that call is
//! then dealt with like one that was not held back. So what is rewritten here does not depend on
//! what was while recording, and a recording made without the agent replays with it.

use super::Sink;
use super::check;
use super::error::ReplayError;
use super::session::Session;
use crate::agent;
use crate::agent::inside::{self, Area};
use crate::agent::place::{Hand, Stands};
use crate::agent::served::{self, Served};
use crate::agent::sites::{Known, Sites};
use crate::model::capture::Call;
use crate::model::{self, Policy};
use crate::record::is_restart;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Resume;
use crate::sys::ring::Ring;
use crate::sys::wait::Status;
use ::agent::layout::{FEED_BYTES, REPLAYS};
use ::agent::record::{Expected, OUT, Piece, aligned};
use ::agent::rules::{self, BYTES_MAX};
use journal::{Bytes, ClockRead, Effect, Enter, Event, EventIndex, In, Leave, Mapping, Out, Tid};
use pmu::Regs;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

/// So many syscalls of an address space stop before it gets the agent: bringing it costs about as
/// much as twenty stops.
const STOPS_BEFORE: u32 = 32;
/// Clock reads that the agent can answer without a stop.
const READS_MAX: usize = agent::READS_MAX as usize;
/// Calls that are held back at most.
const HELD_MAX: usize = 2048;

/// The agent in a replayed address space.
#[derive(Debug, Clone)]
pub struct Placed {
    ring: Rc<Ring>,
    sites: Sites,
}

/// When the agent serves.
type When = crate::record::Agent;

/// What is known of it in one address space.
#[derive(Debug, Clone, Default)]
pub struct Agent {
    stops: u32,
    given_up: bool,
    /// Where it belongs there is memory, for there was an agent when this was recorded.
    reserved: bool,
    placed: Option<Placed>,
}

impl Agent {
    /// What is rewritten for it.
    pub fn sites(&self) -> Option<&Sites> {
        self.placed.as_ref().map(|placed| &placed.sites)
    }

    /// Whether there is memory where it belongs.
    pub const fn is_reserved(&self) -> bool {
        self.reserved
    }
}

/// One call held back.
#[derive(Debug)]
struct Held {
    index: EventIndex,
    enter: Enter<'static>,
    leave: Leave<'static>,
    /// Clock reads between the one before and it.
    clocks: Vec<[i64; 2]>,
}

/// Calls of the current thread that are held back.
#[derive(Default)]
pub struct Waiting {
    calls: VecDeque<Held>,
    /// Bytes that they take in the feed.
    bytes: u64,
    /// Clock reads behind the last one.
    clocks: Vec<[i64; 2]>,
    /// All clock reads.
    reads: usize,
    functions: Known,
    /// Room for what the ring has.
    records: Vec<u8>,
    /// When it serves.
    when: When,
    /// Calls that were served.
    served: u64,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.clocks.is_empty()
    }
}

impl Session {
    /// How many events are reproduced of `events` that were read.
    pub(super) fn reproduced(&self, events: u64) -> u64 {
        let held = self.waiting.calls.front();
        held.map_or(events, |first| first.index.0)
    }

    /// How many calls were served so far.
    pub(super) const fn served(&self) -> u64 {
        self.waiting.served
    }

    /// Whether calls are served; they are not unless this is called.
    pub(crate) fn serve(&mut self, when: When) {
        self.waiting.when = when;
    }

    /// Holds an event back if the agent can serve it; whether it did.
    pub(super) fn hold_back(
        &mut self,
        index: EventIndex,
        event: &Event<'_>,
        sink: &mut dyn Sink,
    ) -> Result<bool, ReplayError> {
        match event {
            Event::Clocks(reads) => {
                if self.waiting.calls.is_empty() {
                    return Ok(false);
                }
                let reads = ClockRead::decode(reads);
                if self.waiting.reads + reads.len() > READS_MAX {
                    return Ok(false);
                }
                self.waiting.reads += reads.len();
                self.waiting.clocks.extend(reads);
                Ok(true)
            }
            Event::Syscall(enter, leave) => {
                let Some(bytes) = self.size_if_servable(enter, leave) else {
                    return Ok(false);
                };
                if !self.can_be_followed_behind(enter)? {
                    return Ok(false);
                }
                let waiting = &self.waiting;
                if waiting.calls.len() >= HELD_MAX || waiting.bytes + bytes > FEED_BYTES {
                    self.catch_up(sink)?;
                }
                let first = if self.waiting.calls.is_empty() {
                    let tid = self.current;
                    let clocks = std::mem::take(&mut self.task(tid)?.clocks);
                    self.waiting.reads += clocks.len();
                    clocks
                } else {
                    Vec::new()
                };
                let mut clocks = std::mem::take(&mut self.waiting.clocks);
                if !first.is_empty() {
                    clocks = first;
                }
                self.waiting.bytes += bytes;
                self.waiting.calls.push_back(Held {
                    index,
                    enter: own_enter(enter),
                    leave: own_leave(leave),
                    clocks,
                });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Bytes that a call takes in the feed, if the agent can serve it.
    fn size_if_servable(&self, enter: &Enter<'_>, leave: &Leave<'_>) -> Option<u64> {
        let task = self.tasks.get(&self.current)?;
        let space = task.space.borrow();
        let placed = space.agent.placed.as_ref()?;
        let known = rules::find(enter.nr.into()).is_some();
        let free = task.call.is_none() && task.restart.is_none() && !task.prelude;
        // The kernel may have written to what the program cannot write to, in vain.
        let torn = leave.result == -i64::from(libc::EFAULT);
        let plain = leave.effects.iter().all(is_output) && !is_restart(leave.result) && !torn;
        if !(known && free && plain && placed.sites.is_rewritten(enter.ip)) {
            return None;
        }
        let size = |out: &Out<'_>| size_of::<Piece>() as u64 + aligned(out.data.len() as u64);
        let bytes = leave.outs.iter().map(size).sum::<u64>();
        (bytes <= 2 * BYTES_MAX).then_some(size_of::<Expected>() as u64 + bytes)
    }

    /// Reproduces what was held back.
    pub(super) fn catch_up(&mut self, sink: &mut dyn Sink) -> Result<(), ReplayError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let now = self.index;
        while !self.waiting.calls.is_empty() {
            self.serve_some(sink)?;
        }
        let tid = self.current;
        // They come before the event that is about to be reproduced.
        let clocks = std::mem::take(&mut self.waiting.clocks);
        self.task(tid)?.clocks.extend(clocks);
        self.waiting.bytes = 0;
        self.waiting.reads = 0;
        self.index = now;
        Ok(())
    }

    /// Lets the thread go on with what was held back, up to its next stop.
    fn serve_some(&mut self, sink: &mut dyn Sink) -> Result<(), ReplayError> {
        let tid = self.current;
        let mut held = std::mem::take(&mut self.waiting.calls);
        let ring = self.ring_of(tid)?;
        let mut entries = Vec::new();
        let mut clocks = Vec::new();
        for call in &held {
            entry(&mut entries, call);
            clocks.extend_from_slice(&call.clocks);
        }
        ring.took(ring.unread());
        if !ring.feed(&entries) {
            return Err(self.inconsistent("more calls than were counted"));
        }
        if let Some(first) = held.front() {
            self.index = first.index;
        }
        let (status, taken) = self.run_with(tid, Some(&clocks))?;
        let mut due = 0;
        let mut records = std::mem::take(&mut self.waiting.records);
        let at = self.index;
        served::take(
            &ring,
            &mut records,
            |broken| ReplayError::Inconsistent {
                event: at,
                what: broken.to_string(),
            },
            |served| {
                let Some(call) = held.pop_front() else {
                    return Err(
                        self.inconsistent("the agent has served more calls than there were")
                    );
                };
                self.index = call.index;
                due += call.clocks.len();
                self.compare_clocks(due, usize::try_from(served.clocks).unwrap_or(usize::MAX))?;
                self.compare_served(tid, &call, served, sink)
            },
        )?;
        self.waiting.records = records;
        // A call that was not served is not to be given to a later one that looks the same.
        if !ring.feed(&[]) {
            return Err(self.inconsistent("a feed without room for nothing"));
        }
        let regs = self.stopped_regs(tid)?;
        if inside::reports(&regs) && status == Status::Event(libc::PTRACE_EVENT_SECCOMP) {
            self.compare_clocks(due, taken)?;
            let real = self.task(tid)?.real;
            let regs = inside::leave(Remote(real), Area::FIRST, &regs)
                .map_err(ReplayError::os("looking at the agent's page"))?;
            self.task(tid)?.regs = regs;
            if held.is_empty() {
                return Ok(());
            }
        }
        let Some(next) = held.pop_front() else {
            let found = self.describe_stop(tid, status);
            return Err(self.diverged("the end of the calls held back", found));
        };
        // Not served: it stands there as if it had not been held back.
        self.index = next.index;
        due += next.clocks.len();
        self.compare_clocks(due, taken)?;
        self.waiting.calls = held;
        self.stands_at = Some(status);
        self.enter(&next.enter)?;
        self.leave(&next.leave, sink)
    }

    fn compare_clocks(&mut self, expected: usize, found: usize) -> Result<(), ReplayError> {
        if expected == found {
            return Ok(());
        }
        Err(self.diverged(
            format!("{expected} clock reads"),
            format!("{found} clock reads"),
        ))
    }

    /// Compares a served call with the journal, as at a stop.
    fn compare_served(
        &mut self,
        tid: Tid,
        held: &Held,
        served: &Served<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), ReplayError> {
        let enter = &held.enter;
        let mut regs = served.regs;
        let task = self.task(tid)?;
        if regs.fs_base == 0 && regs.gs_base == 0 {
            (regs.fs_base, regs.gs_base) = (task.regs.fs_base, task.regs.gs_base);
        }
        self.waiting.served += 1;
        let status = Status::Event(libc::PTRACE_EVENT_SECCOMP);
        if !held.clocks.is_empty() {
            self.observed.clocks(held.clocks.len());
        }
        self.observed.stop(tid, status, &regs);
        let name = model::lookup(enter.nr).map_or("an unknown syscall", |def| def.name);
        if let Some((expected, found)) = check::entry_difference(enter, &regs, name) {
            return Err(self.diverged(expected, found));
        }
        let Some(def) = model::lookup(enter.nr) else {
            return Err(self.inconsistent("a served call that is not known"));
        };
        let call = Call {
            def,
            args: regs.args(),
        };
        let before = served.before();
        let (_, ins) = match call.enter(&before) {
            Ok(entered) => entered,
            Err(error) => return Err(self.inconsistent(&error.to_string())),
        };
        if before.missing.get() {
            return Err(self.inconsistent("memory that the agent has not kept"));
        }
        self.observed.input(&ins);
        if call.policy() == Policy::Record
            && !enter.ins.is_empty()
            && let Some((expected, found)) = check::input_difference(&enter.ins, &ins, &call)
        {
            return Err(self.diverged(expected, found));
        }
        self.follow_behind(tid, &call, &held.leave, &before)?;
        if before.missing.get() {
            return Err(self.inconsistent("memory that the agent has not kept"));
        }
        if held.leave.result >= 0 {
            self.echo(tid, &call, held.leave.result, &before, sink)?;
            self.follow_descriptors(tid, &call, &held.leave)?;
        }
        Ok(())
    }

    fn ring_of(&mut self, tid: Tid) -> Result<Rc<Ring>, ReplayError> {
        let missing = self.inconsistent("no agent");
        let task = self.task(tid)?;
        let space = task.space.borrow();
        let placed = space.agent.placed.as_ref().ok_or(missing)?;
        Ok(Rc::clone(&placed.ring))
    }

    /// A syscall that could have been served has been reproduced by a stop.
    pub(super) fn consider_serving(&mut self, tid: Tid, entered: &Regs) -> Result<(), ReplayError> {
        if self.waiting.when == When::Never || rules::find(entered.orig_rax).is_none() {
            return Ok(());
        }
        let task = self.task(tid)?;
        if task.restart.is_some() {
            return Ok(());
        }
        let space = Rc::clone(&task.space);
        let mut agent = std::mem::take(&mut space.borrow_mut().agent);
        let done = self.prepare_agent(tid, &mut agent, entered);
        space.borrow_mut().agent = agent;
        done
    }

    fn prepare_agent(
        &mut self,
        tid: Tid,
        agent: &mut Agent,
        entered: &Regs,
    ) -> Result<(), ReplayError> {
        agent.stops = agent.stops.saturating_add(1);
        let stops_before = match self.waiting.when {
            When::AtOnce => 1,
            When::Never | When::WhenItPays => STOPS_BEFORE,
        };
        let out_of_place = self.shadow.is_some() && !agent.reserved;
        if agent.given_up || agent.stops < stops_before || out_of_place {
            return Ok(());
        }
        let mut stopped = self.take_stop(tid)?;
        let task = self.task(tid)?;
        let (real, regs) = (task.real, task.regs);
        let mut hand = Hand::new(real, Stands::AtEntry, &regs);
        hand.over = agent.reserved;
        if agent.placed.is_none() {
            let (left, ring) = hand.bring(stopped)?;
            stopped = left;
            agent.given_up = ring.is_none();
            agent.placed = ring.map(|ring| Placed {
                ring: Rc::new(ring),
                sites: Sites::default(),
            });
            // Otherwise the program's own memory may be there.
            if !agent.given_up {
                Remote(real)
                    .write(REPLAYS, &1u32.to_le_bytes())
                    .map_err(ReplayError::os("writing to the agent's page"))?;
            }
        }
        if let Some(placed) = &mut agent.placed {
            stopped =
                placed
                    .sites
                    .meet(&mut self.waiting.functions, &mut hand, stopped, entered, 1)?;
        }
        self.task(tid)?.stopped = Some(stopped);
        for info in hand.met {
            self.note_outside(tid, info)?;
        }
        Ok(())
    }

    /// Whether a mapping is one of an agent's, and there is one already. If not, it is kept in mind.
    pub(super) fn is_mapped_by_agent(
        &mut self,
        tid: Tid,
        mapping: &Mapping,
    ) -> Result<bool, ReplayError> {
        let range = mapping.start..mapping.end;
        if !(inside::is_part(&range)) {
            return Ok(false);
        }
        let task = self.task(tid)?;
        let agent = &mut task.space.borrow_mut().agent;
        agent.reserved = true;
        Ok(agent.placed.is_some())
    }

    /// A range of a thread's address space is going to be mapped anew.
    pub(super) fn sites_remapped(
        &mut self,
        tid: Tid,
        range: &Range<u64>,
    ) -> Result<(), ReplayError> {
        let task = self.task(tid)?;
        let real = task.real;
        let agent = &mut task.space.borrow_mut().agent;
        // What is the program's own there must not be taken from it, later either.
        let lost = inside::occupies(range) && !inside::is_part(range);
        let range = if lost { &(0..u64::MAX) } else { range };
        if let Some(placed) = &mut agent.placed {
            placed.sites.remapped(real, range)?;
        }
        if lost {
            agent.placed = None;
            agent.given_up = true;
        }
        Ok(())
    }

    /// At a takeover: what was rewritten becomes what it was, and the memory for it is taken away. Who
    /// records from then on begins anew.
    pub(super) fn stop_serving(&mut self, tids: &[Tid]) -> Result<(), ReplayError> {
        self.waiting.when = When::Never;
        let replaced = |tid: &Tid| {
            let shadow = self.shadow.as_ref();
            shadow.is_some_and(|shadow| shadow.is_replaced(*tid))
        };
        let mut tids: Vec<Tid> = tids.iter().copied().filter(|tid| !replaced(tid)).collect();
        // By a thread that can make syscalls, if its address space has one.
        tids.sort_by_key(|tid| {
            let task = self.tasks.get(tid);
            task.is_none_or(|task| task.stopped.is_none())
        });
        for tid in tids {
            let task = self.task(tid)?;
            let (real, able) = (task.real, task.stopped.is_some());
            let Some(mut placed) = task.space.borrow_mut().agent.placed.take() else {
                continue;
            };
            let regions = placed.sites.regions();
            placed.sites.remapped(real, &(0..u64::MAX))?;
            for (at, len) in regions.into_iter().filter(|_| able) {
                self.remote(tid, "munmap", libc::SYS_munmap, [at, len, 0, 0, 0, 0])?;
            }
        }
        Ok(())
    }

    /// Where a thread really goes on that is to go on at `ip`.
    pub(super) fn onward(&self, tid: Tid, ip: u64) -> u64 {
        let moved = self.tasks.get(&tid).and_then(|task| {
            let space = task.space.borrow();
            space.agent.placed.as_ref()?.sites.moved(ip)
        });
        moved.unwrap_or(ip)
    }

    /// Deals with a stop that only the agent, or a trampoline, is the reason for: whether the
    /// thread has been resumed. Registers at other stops become what they would be without.
    pub(super) fn pass_agent(&mut self, tid: Tid, status: Status) -> Result<bool, ReplayError> {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(false);
        };
        let Some(stopped) = &task.stopped else {
            return Ok(false);
        };
        let space = task.space.borrow();
        let Some(placed) = &space.agent.placed else {
            return Ok(false);
        };
        let mut regs = stopped.regs()?;
        let sites = &placed.sites;
        match status {
            Status::Event(libc::PTRACE_EVENT_SECCOMP) => {
                if let Some(after) = sites.seen_at(regs.rip) {
                    regs.rip = after;
                    regs.rcx = after;
                    stopped.set_regs(&regs)?;
                }
                return Ok(false);
            }
            Status::Signal(libc::SIGTRAP) if sites.moved(regs.rip.wrapping_sub(1)).is_some() => {
                regs.rip = sites.moved(regs.rip.wrapping_sub(1)).unwrap_or(regs.rip);
            }
            Status::Signal(libc::SIGTRAP)
                if inside::is_hidden_step(sites, regs.rip, &stopped.siginfo()?) => {}
            Status::Signal(libc::SIGSEGV | libc::SIGBUS)
                if inside::recovers(Remote(task.real), Area::FIRST, regs.rip).is_some() =>
            {
                regs.rip = agent::image::recover();
            }
            Status::Signal(_) => {
                if let Some(ip) = sites.application_ip(regs.rip) {
                    let mut info = stopped.siginfo()?;
                    if inside::show_address(&mut info, regs.rip, ip) {
                        stopped.set_siginfo(&info)?;
                    }
                    regs.rip = ip;
                    stopped.set_regs(&regs)?;
                }
                return Ok(false);
            }
            _ => return Ok(false),
        }
        stopped.set_regs(&regs)?;
        drop(space);
        let stopped = self.take_stop(tid)?;
        stopped.resume(Resume::Cont, 0)?;
        Ok(true)
    }

    fn stopped_regs(&mut self, tid: Tid) -> Result<Regs, ReplayError> {
        match &self.task(tid)?.stopped {
            Some(stopped) => Ok(stopped.regs()?),
            None => Err(ReplayError::Killed),
        }
    }
}

/// Appends what the feed says of a call.
fn entry(entries: &mut Vec<u8>, call: &Held) {
    let start = entries.len();
    let (enter, leave) = (&call.enter, &call.leave);
    let args = enter.args.as_slice();
    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    entries.extend([0; 4]);
    entries.extend(enter.nr.to_le_bytes());
    entries.extend(count(args.len()));
    entries.extend(count(leave.outs.len()));
    entries.extend(leave.result.to_le_bytes());
    entries.extend(enter.ip.to_le_bytes());
    for index in 0..6 {
        let arg = args.get(index).copied().unwrap_or(0);
        entries.extend(arg.to_le_bytes());
    }
    for out in &leave.outs {
        entries.extend(out.addr.to_le_bytes());
        entries.extend(count(out.data.len()));
        entries.extend(OUT.to_le_bytes());
        entries.extend_from_slice(&out.data);
        entries.resize(entries.len().next_multiple_of(8), 0);
    }
    let len = count(entries.len() - start);
    entries[start..start + 4].copy_from_slice(&len);
}

fn own_enter(enter: &Enter<'_>) -> Enter<'static> {
    Enter {
        nr: enter.nr,
        args: enter.args,
        ip: enter.ip,
        signature: enter.signature,
        ins: enter
            .ins
            .iter()
            .map(|piece| In {
                addr: piece.addr,
                len: piece.len,
                sum: piece.sum,
                head: own(&piece.head),
            })
            .collect(),
    }
}

fn own_leave(leave: &Leave<'_>) -> Leave<'static> {
    Leave {
        result: leave.result,
        outs: leave
            .outs
            .iter()
            .map(|out| Out {
                addr: out.addr,
                data: own(&out.data),
            })
            .collect(),
        effects: leave.effects.iter().filter_map(output).collect(),
    }
}

const fn is_output(effect: &Effect<'_>) -> bool {
    matches!(effect, Effect::Received { .. })
}

/// An effect that is no more than the call's output.
fn output(effect: &Effect<'_>) -> Option<Effect<'static>> {
    let Effect::Received {
        conn,
        position,
        taken,
        spans,
    } = effect
    else {
        return None;
    };
    Some(Effect::Received {
        conn: *conn,
        position: *position,
        taken: *taken,
        spans: spans.clone(),
    })
}

fn own(bytes: &Bytes<'_>) -> Bytes<'static> {
    bytes.to_vec().into()
}
