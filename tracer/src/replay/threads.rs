//! Threads and processes in replay: created, replaced and ended for real, under ids of
//! this machine.

use super::error::ReplayError;
use super::session::Session;
use super::task::{Space, Task};
use crate::agent;
use crate::layout::{
    AGENT_DATA, AGENT_DATA_LEN, PAGE_DATA, PAGE_SYSCALL, PAGE_SYSCALL_DONE, READS, READS_LEN,
};
use crate::remote;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::{self, Pid, Status, Whom};
use crate::{layout, maps};
use journal::{Exec, Mapping, Source, Spawn, ThreadEnd, Tid};
use std::cell::RefCell;
use std::rc::Rc;

const VM: u64 = libc::CLONE_VM.cast_unsigned() as u64;
const THREAD: u64 = libc::CLONE_THREAD.cast_unsigned() as u64;
const FILES: u64 = libc::CLONE_FILES.cast_unsigned() as u64;
const SIGHAND: u64 = libc::CLONE_SIGHAND.cast_unsigned() as u64;
const FS: u64 = libc::CLONE_FS.cast_unsigned() as u64;
const SYSVSEM: u64 = libc::CLONE_SYSVSEM.cast_unsigned() as u64;
/// New processes become children of the supervisor: nobody else may wait for them.
const PARENT: u64 = libc::CLONE_PARENT.cast_unsigned() as u64;
/// Where the argument array of a remote `execve` lies, behind the path.
const ARGV: u64 = PAGE_DATA + 0x400;

impl Session {
    /// The current thread, inside a syscall, creates another one.
    pub(super) fn spawn(&mut self, spawn: &Spawn<'_>) -> Result<(), ReplayError> {
        if self.shadow.is_some() {
            return self.spawn_live(spawn);
        }
        let tid = self.current;
        let thread = spawn.flags & THREAD != 0;
        let flags = if thread {
            VM | THREAD | SIGHAND | FS | FILES | SYSVSEM
        } else {
            PARENT | libc::SIGCHLD.cast_unsigned() as u64 | spawn.flags & VM
        };
        let (child, stopped) = self.remote_clone(tid, flags)?;
        self.add_task(tid, spawn, child, stopped)
    }

    /// Follows a thread from now on that `parent` has made, and that stands at its first stop.
    pub(super) fn add_task(
        &mut self,
        parent: Tid,
        spawn: &Spawn<'_>,
        real: Pid,
        stopped: Stopped,
    ) -> Result<(), ReplayError> {
        let thread = spawn.flags & THREAD != 0;
        let parent = self.task(parent)?;
        let space = if spawn.flags & VM != 0 {
            Rc::clone(&parent.space)
        } else {
            Rc::new(RefCell::new(parent.space.borrow().clone()))
        };
        let fds = if spawn.flags & FILES != 0 {
            Rc::clone(&parent.fds)
        } else {
            Rc::new(RefCell::new(parent.fds.borrow().clone()))
        };
        let mut regs = spawn.regs;
        regs.orig_rax = u64::MAX;
        let task = Task {
            tid: spawn.tid,
            tgid: if thread { parent.tgid } else { spawn.tid },
            real,
            stopped: Some(stopped),
            regs,
            space,
            fds,
            call: None,
            restart: None,
            interrupted: None,
            interrupted_begun: None,
            clocks: Vec::new(),
            expected: None,
            in_flight: Vec::new(),
            prelude: false,
        };
        self.tasks.insert(spawn.tid, task);
        for write in &spawn.writes {
            self.write(write.tid, write.addr, &write.data)?;
        }
        Ok(())
    }

    /// Performs the clone and collects both stops.
    fn remote_clone(&mut self, tid: Tid, flags: u64) -> Result<(Pid, Stopped), ReplayError> {
        let stopped = self.take_stop(tid)?;
        let base = self.task(tid)?.regs;
        let nr = libc::SYS_clone.cast_unsigned();
        // Both come back at the supervisor's int3 with the same stack, which neither uses.
        let (stopped, status) =
            remote::start(stopped, &base, PAGE_SYSCALL, nr, [flags, 0, 0, 0, 0, 0])?;
        if !matches!(
            status,
            Status::Event(
                libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK
            )
        ) {
            return Err(self.diverged("a new thread", format!("{status:?}")));
        }
        let child = Pid(i32::try_from(stopped.event_message()?).unwrap_or(0));
        let (stopped, status) = remote::proceed(stopped)?;
        if status != Status::Signal(libc::SIGTRAP) {
            return Err(self.diverged("a new thread", format!("{status:?}")));
        }
        self.task(tid)?.stopped = Some(stopped);
        match wait::wait(Whom::Only(child), true)
            .map_err(ReplayError::os("waiting for a new thread"))?
        {
            Some((child, Status::Stop(_))) => Ok((child, Stopped::reported(child))),
            _ => Err(ReplayError::Killed),
        }
    }

    /// The current thread's process starts a new program.
    pub(super) fn exec(&mut self, exec: &Exec<'_>) -> Result<(), ReplayError> {
        if self.shadow.is_some() {
            return self.exec_live(exec);
        }
        let tid = self.current;
        let missing = self.inconsistent("an execve of an unknown thread");
        let Some(mut task) = self.tasks.remove(&exec.former) else {
            return Err(missing);
        };
        let real = match self.zombies.remove(&task.tgid) {
            Some(leader) if exec.former != tid => leader,
            _ => task.real,
        };
        let stopped = task.stopped.take().ok_or(ReplayError::Killed)?;
        self.start_stub(&task, stopped)?;
        task.tid = tid;
        task.real = real;
        task.prelude = false;
        task.call = None;
        task.restart = None;
        task.space = Rc::new(RefCell::new(Space::default()));
        let own = Rc::new(RefCell::new(task.fds.borrow().clone()));
        own.borrow_mut().executed();
        task.fds = own;
        self.tasks.insert(tid, task);
        self.expect(tid, Status::Event(libc::PTRACE_EVENT_EXEC))?;
        let stopped = self.take_stop(tid)?;
        stopped.resume(Resume::Cont, 0)?;
        self.expect(tid, Status::Signal(libc::SIGTRAP))?;
        self.replace_space(tid, exec)
    }

    fn start_stub(&self, task: &Task, stopped: Stopped) -> Result<(), ReplayError> {
        if task.prelude {
            // It stands at an execve of the stub already.
            stopped.resume(Resume::Cont, 0)?;
            return Ok(());
        }
        let path = remote::place_path(task.real, self.stub_path().as_bytes())?;
        let mut argv = path.to_le_bytes().to_vec();
        argv.extend(0u64.to_le_bytes());
        Remote(task.real)
            .write(ARGV, &argv)
            .map_err(ReplayError::os("placing arguments"))?;
        let mut regs = task.regs;
        regs.rax = libc::SYS_execve.cast_unsigned();
        regs.orig_rax = u64::MAX;
        regs.rip = PAGE_SYSCALL;
        for (index, value) in [path, ARGV, ARGV + 8].into_iter().enumerate() {
            regs.set_arg(index, value);
        }
        stopped.set_regs(&regs)?;
        stopped.resume(Resume::Cont, 0)?;
        Ok(())
    }

    fn expect(&mut self, tid: Tid, expected: Status) -> Result<(), ReplayError> {
        let status = self.await_stop(tid)?;
        if status == expected {
            Ok(())
        } else {
            let found = self.describe_stop(tid, status);
            Err(self.diverged("a new program", found))
        }
    }

    /// Unmaps all that the kernel gave the stub, and maps what the recording had.
    fn replace_space(&mut self, tid: Tid, exec: &Exec<'_>) -> Result<(), ReplayError> {
        let task = self.task(tid)?;
        let real = task.real;
        if let Some(stopped) = &task.stopped {
            task.regs = stopped.regs()?;
            if task.regs.rip != PAGE_SYSCALL_DONE {
                return Err(self.inconsistent("the stub did not start"));
            }
        }
        let areas = maps::read(real).map_err(ReplayError::os("reading the memory map"))?;
        for area in areas {
            let keep = layout::touches_page(area.start, area.len()) || area.name == b"[vsyscall]";
            if !keep {
                self.remote(
                    tid,
                    "munmap",
                    libc::SYS_munmap,
                    [area.start, area.len(), 0, 0, 0, 0],
                )?;
            }
        }
        for (start, len) in [(READS, READS_LEN), (AGENT_DATA, AGENT_DATA_LEN)] {
            let data = Mapping {
                start,
                end: start + len,
                prot: (libc::PROT_READ | libc::PROT_WRITE).cast_unsigned(),
                flags: libc::MAP_PRIVATE.cast_unsigned(),
                source: Source::Zero,
            };
            self.map(tid, &data)?;
        }
        agent::supply(Remote(real), &[]).map_err(ReplayError::os("preparing the agent's page"))?;
        for mapping in &exec.maps {
            if layout::touches_page(mapping.start, mapping.end.saturating_sub(mapping.start)) {
                return Err(self.inconsistent("a program over the claimed page"));
            }
            self.map(tid, mapping)?;
        }
        for content in &exec.content {
            self.write(tid, content.addr, &content.data)?;
        }
        let task = self.task(tid)?;
        task.regs = exec.regs;
        task.regs.orig_rax = u64::MAX;
        Ok(())
    }

    /// The current thread ends.
    pub(super) fn thread_end(&mut self, end: &ThreadEnd<'_>) -> Result<(), ReplayError> {
        if self.shadow.is_some() {
            return self.end_live(end);
        }
        let tid = self.current;
        for write in &end.writes {
            self.write(write.tid, write.addr, &write.data)?;
        }
        let unknown = self.inconsistent(&format!("the end of an unknown thread {tid}"));
        let Some(task) = self.tasks.remove(&tid) else {
            return Err(unknown);
        };
        let tgid = task.tgid;
        if tid == tgid {
            self.first_ended(tid, end.status);
        }
        let last = !self.tasks.values().any(|other| other.tgid == tgid);
        if last {
            let leader = self.zombies.remove(&tgid);
            let process = leader.unwrap_or(task.real);
            // Already dead is as good.
            let _ = host::signal_process(process, libc::SIGKILL);
            reap(task.real);
            if let Some(leader) = leader {
                reap(leader);
            }
            return Ok(());
        }
        let Some(stopped) = task.stopped else {
            return Err(ReplayError::Killed);
        };
        let mut regs = task.regs;
        regs.rax = libc::SYS_exit.cast_unsigned();
        regs.orig_rax = u64::MAX;
        regs.rdi = 0;
        regs.rip = PAGE_SYSCALL;
        stopped.set_regs(&regs)?;
        stopped.resume(Resume::Cont, 0)?;
        if tid == tgid {
            // Its end is reported once the others have ended.
            self.zombies.insert(tgid, task.real);
            pass_exit_stop(task.real);
        } else {
            reap(task.real);
        }
        Ok(())
    }
}

/// Waits until a thread that must end has ended.
fn reap(real: Pid) {
    while let Ok(Some((_, status))) = wait::wait(Whom::Only(real), true) {
        if matches!(status, Status::Ended(_)) {
            return;
        }
        if Stopped::reported(real).resume(Resume::Cont, 0).is_err() {
            continue;
        }
    }
}

/// Lets an ending thread pass its last stop.
fn pass_exit_stop(real: Pid) {
    if let Ok(Some((_, status))) = wait::wait(Whom::Only(real), true)
        && !matches!(status, Status::Ended(_))
    {
        // If it was killed, that is what was wanted.
        let _ = Stopped::reported(real).resume(Resume::Cont, 0);
    }
}
