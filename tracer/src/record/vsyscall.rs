//! Calls into the vsyscall page. They have no exit to stop at: the supervisor always answers.

use super::error::{RecordError, Step};
use super::session::Session;
use super::signals::send_stashed;
use super::syscalls::bare_entry;
use super::task::State;
use crate::remote;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::seccomp;
use crate::sys::wait::Pid;
use journal::{Event, Leave, Out};
use pmu::Regs;

impl Session {
    /// A thread stands at a call into the vsyscall page.
    pub(super) fn vsyscall(&mut self, tid: Pid, stopped: Stopped, entered: Regs) -> Step {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        if task.strict {
            return self.end_strictly(tid, stopped, &entered);
        }
        let traced_by_own_filter =
            task.own_filter && stopped.event_message()? != u64::from(seccomp::OWN_MESSAGE);
        let (result, outs) = if traced_by_own_filter {
            (-i64::from(libc::ENOSYS), Vec::new())
        } else {
            answer(tid, &entered).ok_or_else(|| RecordError::Unsupported {
                tid: tid.0,
                what: "a call into the vsyscall page with an address that cannot be written"
                    .to_owned(),
            })?
        };
        let leave = Leave {
            result,
            outs,
            effects: Vec::new(),
        };
        self.emit(tid, &Event::Syscall(bare_entry(&entered), leave))?;
        let mut regs = entered;
        regs.orig_rax = u64::MAX;
        regs.rax = result.cast_unsigned();
        let (mut stopped, status) = remote::leave_vsyscall(stopped, &mut regs)?;
        if status.is_none() {
            stopped = self.undo_force(tid, stopped, libc::SIGTRAP, &regs)?;
            stopped.set_regs(&regs)?;
        }
        self.at_sync_point(tid, regs);
        if let Some(task) = self.tasks.get_mut(&tid) {
            // Behind the call, not before it: it cannot be made again.
            send_stashed(task);
            task.state = match status {
                None => State::Runnable(stopped),
                Some(status) => State::Reported(stopped, status),
            };
        }
        Ok(())
    }
}

/// Result and memory written, as the kernel's emulation has them; `None` where it would find
/// that it cannot write, which it answers with a signal. The clocks there are are those of the
/// whole machine.
fn answer(tid: Pid, regs: &Regs) -> Option<(i64, Vec<Out<'static>>)> {
    let [first, second, ..] = regs.args();
    let mut stores: Vec<(u64, Vec<u8>)> = Vec::new();
    let result = match i64::try_from(regs.orig_rax).ok()? {
        libc::SYS_gettimeofday => {
            let (seconds, nanoseconds) = host::clock(libc::CLOCK_REALTIME)?;
            let (west, daylight) = host::time_zone()?;
            let time = [seconds, nanoseconds / 1000];
            stores.push((first, time.map(i64::to_le_bytes).concat()));
            stores.push((second, [west, daylight].map(i32::to_le_bytes).concat()));
            0
        }
        libc::SYS_time => {
            let (seconds, _) = host::clock(libc::CLOCK_REALTIME_COARSE)?;
            stores.push((first, seconds.to_le_bytes().to_vec()));
            seconds
        }
        libc::SYS_getcpu => {
            let (cpu, node) = host::processor()?;
            stores.push((first, cpu.to_le_bytes().to_vec()));
            stores.push((second, node.to_le_bytes().to_vec()));
            0
        }
        _ => return None,
    };
    let mut outs = Vec::new();
    for (addr, data) in stores.into_iter().filter(|(addr, _)| *addr != 0) {
        if !Remote(tid).write_permitted(addr, &data) {
            return None;
        }
        outs.push(Out {
            addr,
            data: data.into(),
        });
    }
    Some((result, outs))
}
