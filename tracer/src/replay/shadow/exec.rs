//! `execve` of a shadow: the program itself is started, and its address space made that of the
//! recording. The kernel's own mappings of the program are moved to where they were then.

use crate::claim;
use crate::layout::{self, PAGE_SYSCALL_DONE};
use crate::maps::{self, Area};
use crate::mm::Arguments;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::replay::task::Space;
use crate::sys::ptrace::Resume;
use crate::sys::wait::{Pid, Status};
use journal::{Exec, Mapping, Source, Tid};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::rc::Rc;

const MOVE: u64 = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED).cast_unsigned() as u64;

impl Session {
    /// The current thread's process starts a new program.
    pub(in crate::replay) fn exec_live(&mut self, exec: &Exec<'_>) -> Result<(), ReplayError> {
        let tid = self.current;
        let missing = self.inconsistent("an execve of an unknown thread");
        let Some(mut task) = self.tasks.remove(&exec.former) else {
            return Err(missing);
        };
        let begun = self
            .shadow
            .as_mut()
            .is_some_and(|shadow| shadow.performing.remove(&exec.former));
        if !begun {
            let stopped = task.stopped.take().ok_or(ReplayError::Killed)?;
            stopped.resume(Resume::Syscall, 0)?;
        }
        if exec.former != tid
            && let Some(leader) = self.zombies.remove(&task.tgid)
        {
            task.real = leader;
        }
        task.tid = tid;
        task.prelude = false;
        task.call = None;
        task.restart = None;
        task.space = Rc::new(RefCell::new(Space::default()));
        let own = Rc::new(RefCell::new(task.fds.borrow().clone()));
        own.borrow_mut().executed();
        task.fds = own;
        let process = task.tgid;
        self.tasks.insert(tid, task);
        if let Some(shadow) = &mut self.shadow {
            shadow.dying.remove(&process);
            shadow.forget_kinds(process);
        }
        self.expect_own(tid, Status::Event(libc::PTRACE_EVENT_EXEC))?;
        self.take_stop(tid)?.resume(Resume::Syscall, 0)?;
        self.expect_own(tid, Status::Syscall)?;
        let stopped = self.take_stop(tid)?;
        let regs = stopped.regs()?;
        let real = self.task(tid)?.real;
        let areas = maps::read(real).map_err(ReplayError::os("reading the memory map"))?;
        let mut met = crate::remote::Met::new();
        let stopped = claim::claim(real, stopped, &regs, &areas, &mut met)
            .map_err(|error| self.inconsistent(&error.to_string()))?;
        for info in met {
            self.note_outside(tid, info)?;
        }
        let task = self.task(tid)?;
        task.stopped = Some(stopped);
        task.regs = regs;
        task.regs.rip = PAGE_SYSCALL_DONE;
        self.arrange(tid, real, exec, &areas)
    }

    fn expect_own(&mut self, tid: Tid, expected: Status) -> Result<(), ReplayError> {
        let status = self.await_own_stop(tid, Resume::Syscall)?;
        if status == expected {
            return Ok(());
        }
        let found = if status == Status::Syscall {
            let result = self
                .task(tid)?
                .stopped
                .as_ref()
                .map(|stopped| stopped.regs());
            match result {
                Some(Ok(regs)) => format!("execve with result {}", regs.rax.cast_signed()),
                _ => "the end of a syscall".to_owned(),
            }
        } else {
            self.describe_stop(tid, status)
        };
        Err(self.diverged("a new program", found))
    }

    /// Makes the address space that of the recording.
    fn arrange(
        &mut self,
        tid: Tid,
        real: Pid,
        exec: &Exec<'_>,
        areas: &[Area],
    ) -> Result<(), ReplayError> {
        let (files, others): (Vec<&Area>, Vec<&Area>) = areas
            .iter()
            .filter(|area| area.name != b"[vsyscall]")
            .partition(|area| area.inode != 0);
        let recorded: Vec<&Mapping> = exec
            .maps
            .iter()
            .filter(|mapping| matches!(mapping.source, Source::File { .. }))
            .collect();
        if files.len() != recorded.len() {
            return Err(self.diverged(
                format!("a program with {} mappings of files", recorded.len()),
                format!("{} mappings of files", files.len()),
            ));
        }
        for area in others {
            let args = [area.start, area.len(), 0, 0, 0, 0];
            self.remote(tid, "munmap", libc::SYS_munmap, args)?;
        }
        let mut moves = VecDeque::new();
        for (area, mapping) in files.into_iter().zip(recorded) {
            self.check_area(real, area, mapping)?;
            if area.start != mapping.start {
                moves.push_back((area.start, area.end, mapping.start));
            }
        }
        self.move_all(tid, moves)?;
        for mapping in &exec.maps {
            if layout::touches_page(mapping.start, mapping.end.saturating_sub(mapping.start)) {
                return Err(self.inconsistent("a program over the claimed page"));
            }
            if mapping.source == Source::Zero {
                self.map(tid, mapping)?;
            }
        }
        for content in &exec.content {
            self.write(tid, content.addr, &content.data)?;
        }
        crate::agent::supply(crate::sys::mem::Remote(real), &[])
            .map_err(ReplayError::os("preparing the agent's page"))?;
        let task = self.task(tid)?;
        task.space.borrow_mut().arguments = Arguments::at(real, exec.regs.rsp);
        task.regs = exec.regs;
        task.regs.orig_rax = u64::MAX;
        Ok(())
    }

    /// Whether a mapping of the program is what the recording says.
    fn check_area(&mut self, real: Pid, area: &Area, mapping: &Mapping) -> Result<(), ReplayError> {
        let Source::File { id, offset } = mapping.source else {
            return Ok(());
        };
        let path = format!("/proc/{real}/map_files/{:x}-{:x}", area.start, area.end);
        let file = File::open(path).map_err(ReplayError::os("opening a program"))?;
        self.check_content(id, &file)?;
        let same = (area.len(), area.offset, area.prot)
            == (mapping.end - mapping.start, offset, mapping.prot);
        if same {
            Ok(())
        } else {
            Err(self.diverged(
                format!(
                    "a mapping of {:#x} bytes from {offset:#x}",
                    mapping.end - mapping.start
                ),
                format!("one of {:#x} bytes from {:#x}", area.len(), area.offset),
            ))
        }
    }

    /// Moves mappings, each once its target is free.
    fn move_all(
        &mut self,
        tid: Tid,
        mut moves: VecDeque<(u64, u64, u64)>,
    ) -> Result<(), ReplayError> {
        let mut waited = 0;
        while let Some((start, end, to)) = moves.pop_front() {
            let len = end - start;
            let taken = moves
                .iter()
                .chain([&(start, end, to)])
                .any(|(from, until, _)| *from < to + len && to < *until);
            if taken {
                waited += 1;
                if waited > moves.len() {
                    return Err(self.inconsistent("a program in the way of itself"));
                }
                moves.push_back((start, end, to));
                continue;
            }
            waited = 0;
            let args = [start, len, len, MOVE, to, 0];
            self.remote_as_then(tid, "mremap", libc::SYS_mremap, args, to.cast_signed())?;
        }
        Ok(())
    }
}
