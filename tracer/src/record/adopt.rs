//! Going on with a recording where a shadow has arrived: its threads, as they stand, become those of
//! a session, and the journal that it has replayed goes on.

use super::journal_out::Output;
use super::memory::Memories;
use super::received::Connections;
use super::session::Session;
use super::task::{InCall, SpaceId, State, Task};
use super::traps::Signals;
use super::{Notice, Options, Outcome, RecordError, Stumble, finish, supervise};
use crate::agent;
use crate::arrears::Arrears;
use crate::brake::Brake;
use crate::maps;
use crate::model::capture::Call;
use crate::network::Network;
use crate::replay::shadow::{Stand, TakeOver, Thread};
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::tick::Tick;
use crate::sys::tsc;
use crate::sys::wait::{Pid, Status};
use journal::{Event, FileStore, Leave, ThreadEnd, Tid, Writer};
use pmu::Regs;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Records what a shadow has become, until its last process has ended.
pub(crate) fn go_on(
    options: Options,
    taken: TakeOver,
    (writer, brake, arrears): (Writer, Brake, Arrears),
    network: Option<Arc<dyn Network>>,
    notice: Arc<dyn Fn(Notice) + Send + Sync>,
) -> Result<Outcome, RecordError> {
    let store = FileStore::open(&options.dir).map_err(|error| RecordError::Keep {
        path: options.dir.display().to_string(),
        error: error.to_string(),
    })?;
    let out = Output::resumed(writer, options.on_journal_error, taken.next_ids.0, brake);
    let mut memories = Memories::new(store, options.outside_memory);
    memories.go_on(taken.next_ids.1, &taken.segments);
    let supervision = supervise::Supervision::begin(notice);
    let first = taken
        .threads
        .iter()
        .find(|thread| {
            let replaced = matches!(thread.stand, Stand::Replaced(..));
            thread.id == taken.first || (replaced && thread.process == taken.first)
        })
        .map_or(Pid(0), |thread| thread.real);
    if first.0 != 0 {
        supervision.forward_to(first);
    }
    let tick = Tick::new(options.rules.tick()).map_err(RecordError::os("making a timer"))?;
    let names = (first, taken.first);
    let mut session = Session::new(options, names, out, memories, supervision.watch(), tick);
    session.tasks.clear();
    session.network = network;
    session.serving.when = session.options.agent;
    session.arrears = arrears;
    session.watch_standard_streams();
    let opening = taken.opening.into_iter();
    let opening = opening.map(|(inode, (local, remote))| (inode, (local.into(), remote.into())));
    session.connections = Connections::of(taken.connections, opening.collect());
    session.isolated = true;
    session.identities = Some(taken.identities);
    session.first_status = taken.status;
    session.clocks = taken.namespaces.clocks();
    session.cpu = host::affinity()
        .ok()
        .and_then(|set| set.cpus().first().copied())
        .unwrap_or(0);
    let _restricted =
        tsc::Restricted::begin().map_err(RecordError::os("restricting the time stamp counter"))?;
    crate::sys::aside::ask_for_short_slices();
    let objects = taken.objects;
    for (tid, status) in taken.ends {
        let writes = Vec::new();
        let end = Event::ThreadEnd(ThreadEnd { status, writes });
        session.out.emit(tid, &end)?;
    }
    let adopted = session
        .adopt(taken.threads, &objects)
        .map_err(|stumble| match stumble {
            Stumble::Fatal(error) => error,
            Stumble::Gone => RecordError::Os {
                what: "taking over a thread".to_owned(),
                error: std::io::ErrorKind::NotFound.into(),
            },
        });
    for (process, signal) in taken.struck {
        if signal == libc::SIGKILL
            && let Some(task) = session.tasks.get(&process)
        {
            session.kills.include(task.process);
        }
        // If it is gone, its end will be reported.
        let _ = host::signal_process(process, signal);
    }
    let ran = adopted.and_then(|()| session.run());
    let outcome = finish(session, ran);
    taken.namespaces.end();
    outcome
}

impl Session {
    fn adopt(
        &mut self,
        mut threads: Vec<Thread>,
        objects: &HashMap<(u64, u64), journal::ObjectId>,
    ) -> super::error::Step {
        let leaders: HashMap<Tid, Pid> = threads
            .iter()
            .filter(|thread| thread.id == thread.process)
            .map(|thread| (thread.id, thread.real))
            .collect();
        let actions: HashMap<Tid, Signals> = threads
            .iter()
            .filter(|thread| thread.id == thread.process)
            .map(|thread| (thread.id, Signals::with_actions(&thread.actions)))
            .collect();
        // Who waits, waits before anybody goes on.
        threads.sort_by_key(|thread| !matches!(thread.stand, Stand::Entered(..)));
        let mut queued = Vec::new();
        for thread in threads {
            let space = SpaceId(thread.space + 1);
            self.next_space = self.next_space.max(thread.space + 1);
            let real = thread.real;
            if let Stand::Replaced(stopped, former, call, regs) = thread.stand {
                let mut task = Task::new(former, thread.id, space, State::Waiting);
                task.process = thread.process;
                task.tgid = real;
                self.tasks.insert(former, task);
                queued.extend(thread.signals.iter().map(|info| (real, signal_of(info))));
                self.replaced(former, real, stopped, (call, regs))?;
                continue;
            }
            if let Entry::Vacant(vacant) = self.agents.entry(space) {
                let agent = agent::Recording::begin(Remote(real), true)
                    .map_err(RecordError::os("preparing the agent's page"))?;
                vacant.insert(agent);
                if thread.agent_was {
                    self.give_way_to_agent(space);
                }
                self.memories.adopt_space(space, real, objects)?;
            }
            let mut task = Task::new(real, thread.id, space, State::Running);
            task.process = thread.process;
            task.tgid = leaders.get(&thread.process).copied().unwrap_or(real);
            task.interrupted = thread.interrupted;
            task.restarts = thread.interrupted.map(|_| thread.interrupted_begun);
            task.clear_tid = thread.clear_tid;
            task.robust_list = host::robust_list(real).unwrap_or(0);
            if let Some(signals) = actions.get(&thread.process) {
                task.signals = signals.clone();
            }
            if thread.id == thread.process {
                for fd in maps::descriptors(real) {
                    let _ = self.memories.descriptors.opened_for_writing(real, fd);
                }
            }
            self.tasks.insert(real, task);
            queued.extend(thread.signals.iter().map(|info| (real, signal_of(info))));
            self.place(real, thread.stand)?;
            if let Some(begun) = thread.begun
                && let Some(task) = self.tasks.get_mut(&real)
                && let Some(in_call) = &mut task.call
            {
                in_call.begun = begun;
            }
        }
        for (process, signal) in queued {
            // If it is gone, its end will be reported.
            let _ = host::signal_process(process, signal);
        }
        Ok(())
    }

    /// A process has become another program: from its stop on, as if it had done so here.
    fn replaced(
        &mut self,
        former: Pid,
        leader: Pid,
        stopped: Stopped,
        (call, regs): (Call, Regs),
    ) -> super::error::Step {
        for fd in maps::descriptors(leader) {
            let _ = self.memories.descriptors.opened_for_writing(leader, fd);
        }
        self.inside(former, leader, call, regs)?;
        self.exec_event(leader, stopped)?;
        if let Some(task) = self.tasks.get_mut(&leader) {
            task.state = State::Waiting;
        }
        Ok(())
    }

    fn place(&mut self, tid: Pid, stand: Stand) -> super::error::Step {
        match stand {
            Stand::Free(stopped, regs) => self.free(tid, stopped, regs),
            Stand::Stopped(stopped, status) => {
                self.learn_mask_of(tid, &stopped)?;
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.state = State::Reported(stopped, status);
                }
                // What it has executed already, no other thread may precede in the journal.
                self.ready.push_front(tid);
                Ok(())
            }
            Stand::Answered(stopped, regs, answer) => {
                let leave = Leave {
                    result: answer.result,
                    outs: answer.outs,
                    effects: Vec::new(),
                };
                self.emit(tid, &Event::Leave(leave))?;
                self.free(tid, stopped, regs)
            }
            Stand::Entered(stopped, call, regs, changed) => {
                if let Some(out) = changed {
                    self.emit(tid, &Event::Data(out))?;
                }
                self.learn_mask_of(tid, &stopped)?;
                if self.before(tid, &stopped, &call, &regs)?.is_some() {
                    return Err(RecordError::Unsupported {
                        tid: tid.0,
                        what: format!("a takeover in {}", call.def.name),
                    }
                    .into());
                }
                self.inside(tid, tid, call, regs)?;
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.state = State::Runnable(stopped);
                }
                // One after the other, so that it is known in which order.
                self.ready.push_back(tid);
                Ok(())
            }
            Stand::Inside(call, regs) => self.inside(tid, tid, call, regs),
            // It has another id.
            Stand::Replaced(..) => Ok(()),
            Stand::Performed(stopped, call, regs) => {
                self.learn_mask_of(tid, &stopped)?;
                self.inside(tid, tid, call, regs)?;
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.state = State::Reported(stopped, Status::Syscall);
                }
                self.ready.push_front(tid);
                Ok(())
            }
        }
    }

    fn free(&mut self, tid: Pid, stopped: Stopped, regs: Regs) -> super::error::Step {
        self.learn_mask_of(tid, &stopped)?;
        self.at_sync_point(tid, regs);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Runnable(stopped);
        }
        self.ready.push_back(tid);
        Ok(())
    }

    /// The thread is in a syscall whose entry is in the journal.
    /// `memory`: a thread that has its memory.
    fn inside(&mut self, tid: Pid, memory: Pid, call: Call, regs: Regs) -> super::error::Step {
        let in_call = InCall::at_entry(call, regs, &Remote(memory))
            .map_err(|error| super::doubt::unsupported(tid, &error))?;
        #[allow(clippy::cast_possible_wrap, reason = "a length below 2 GiB")]
        let done = call.args[2].abs_diff(regs.args()[2]) as i64;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.call = Some(InCall {
                emitted: true,
                done,
                again: true,
                ..in_call
            });
            task.state = State::Waiting;
        }
        Ok(())
    }

    fn learn_mask_of(&mut self, tid: Pid, stopped: &Stopped) -> super::error::Step {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.learn_mask(stopped)?;
        }
        Ok(())
    }
}

fn signal_of(info: &[u8; 128]) -> i32 {
    i32::from_le_bytes([info[0], info[1], info[2], info[3]])
}
