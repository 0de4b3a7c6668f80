//! `execve` while recording: the new address space is prepared and described whole.

use super::error::{RecordError, Step, Stumble};
use super::serving::Answers;
use super::session::Session;
use super::task::State;
use crate::claim::{self, ClaimError};
use crate::maps::{self, Area};
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::Pid;
use crate::{remote, vdso};
use journal::{Effect, Exec, Mapping, Out, Source};
use pmu::Regs;
use std::ops::Range;

/// Code segment selector of 64-bit programs.
const USER_CS_64: u64 = 0x33;
const CHUNK: usize = 4096;

impl Session {
    /// The kernel has replaced the program; other threads of the process are gone.
    pub(super) fn exec_event(&mut self, tid: Pid, stopped: Stopped) -> Step {
        let former = Pid(i32::try_from(stopped.event_message()?).unwrap_or(0));
        self.emit_enter(former)?;
        let former_id = self.tasks.get(&former).map(|task| task.id);
        if former != tid {
            // The thread has taken over the leader's id. What the leader had is gone.
            self.emit_leader_gone(tid)?;
            let space = self.tasks.get(&former).map(|task| task.space);
            if let Some(mut task) = self.tasks.remove(&former) {
                task.tid = tid;
                task.id = task.process;
                task.stat = std::fs::File::open(format!("/proc/{tid}/stat")).ok();
                task.space = space.unwrap_or(task.space);
                self.tasks.insert(tid, task);
            }
        }
        let fresh = self.fresh_space();
        let former_space = self.tasks.get(&tid).map(|task| task.space);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.space = fresh;
            // It may have another id now, and other rights.
            task.answers = Answers::default();
            task.robust_list = 0;
            task.clear_tid = 0;
            task.state = State::Running;
            task.exec_former = former_id;
        }
        self.dumpable.remove(&tid);
        if let Some(space) = former_space {
            self.serving.thread_ended(space, former);
            self.serving.thread_ended(space, tid);
            self.update_off(space)?;
        }
        stopped.resume(Resume::Syscall, 0)?;
        self.ready.retain(|&other| other != former);
        Ok(())
    }

    fn emit_leader_gone(&mut self, leader: Pid) -> Step {
        if self
            .tasks
            .get(&leader)
            .is_some_and(|task| !task.end_emitted)
        {
            self.emit_for(
                leader,
                &journal::Event::ThreadEnd(journal::ThreadEnd {
                    status: 0,
                    writes: Vec::new(),
                }),
            )?;
        }
        self.tasks.remove(&leader);
        Ok(())
    }

    /// The exit of a successful `execve`.
    pub(super) fn exec_done(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        regs: &mut Regs,
    ) -> Step<(Stopped, Vec<Effect<'static>>)> {
        if regs.cs != USER_CS_64 {
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: "a 32-bit program".to_owned(),
            }
            .into());
        }
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        let (stopped, original) = self.claim_page(tid, stopped, regs, &areas)?;
        self.signals_after_exec(tid, &stopped)?;
        stopped.set_regs(regs)?;
        let (exec, guards) = self.describe(tid, regs, &areas)?;
        if let (Some(original), Some(guards)) = (original, guards) {
            self.open_counter(tid, original, guards)?;
        }
        let words = self
            .tasks
            .get_mut(&tid)
            .map(|task| std::mem::take(&mut task.exec_words));
        let mut effects: Vec<_> = words
            .unwrap_or_default()
            .into_iter()
            .map(Effect::Write)
            .collect();
        effects.push(Effect::Exec(exec));
        Ok((stopped, effects))
    }

    /// Replaces the vDSO's functions, and maps the pages that `ftrun` claims; where the vDSO's
    /// own `clock_gettime` is now.
    fn claim_page(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        regs: &Regs,
        areas: &[Area],
    ) -> Step<(Stopped, Option<u64>)> {
        let memory = Remote(tid);
        let mut original = None;
        let mut met = remote::Met::new();
        let failed = |what: &'static str| RecordError::os(what);
        if let Some(area) = areas.iter().find(|area| area.name == b"[vdso]") {
            let mut image = vec![0; usize::try_from(area.len()).unwrap_or(0)];
            memory
                .read_exact(area.start, &mut image)
                .map_err(failed("reading the vDSO"))?;
            let changes = vdso::changes(&image).map_err(|error| RecordError::Unsupported {
                tid: tid.0,
                what: format!("this kernel's vDSO ({error})"),
            })?;
            original = changes.original.map(|offset| area.start + offset);
            for patch in changes.patches {
                memory
                    .write(area.start + patch.offset, &patch.code)
                    .map_err(failed("patching the vDSO"))?;
            }
        }
        let stopped =
            claim::claim(tid, stopped, regs, areas, &mut met).map_err(|error| match error {
                ClaimError::Remote(error) => error.into(),
                error => Stumble::Fatal(RecordError::Unsupported {
                    tid: tid.0,
                    what: error.to_string(),
                }),
            })?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            // They come at the program's first syscall.
            task.stash.extend(met);
        }
        self.begin_agent(tid)?;
        Ok((stopped, original))
    }

    /// What is mapped now; and where reads of the time stamp counter that do not trap may be in it
    /// (`None`: there is no telling).
    fn describe(
        &mut self,
        tid: Pid,
        regs: &Regs,
        areas: &[Area],
    ) -> Step<(Exec<'static>, Option<Vec<Range<u64>>>)> {
        let mut certain = true;
        let mut guards = Vec::new();
        let mut maps = Vec::new();
        let mut content = Vec::new();
        let space = self.tasks.get(&tid).map(|task| task.space);
        for area in areas {
            if is_kernels(&area.name) {
                continue;
            }
            let executable = area.prot & libc::PROT_EXEC.cast_unsigned() != 0;
            let writable = area.prot & libc::PROT_WRITE.cast_unsigned() != 0;
            if executable && area.name != b"[vdso]" {
                certain &= area.inode != 0 && !area.shared && !writable;
            }
            let mut flags = if area.shared {
                libc::MAP_SHARED
            } else {
                libc::MAP_PRIVATE
            }
            .cast_unsigned();
            let mut source = Source::Zero;
            if area.name == b"[stack]" {
                flags |= libc::MAP_GROWSDOWN.cast_unsigned();
            }
            if area.inode != 0 {
                let (id, file) = self.memories.keep_area(&mut self.out, tid, area)?;
                source = Source::File {
                    id,
                    offset: area.offset,
                };
                if writable {
                    differences(tid, area, Some(&file), &mut content);
                }
                if executable && let Some(space) = space {
                    let found = self.memories.patch(
                        space,
                        tid,
                        id,
                        &file,
                        area.start,
                        area.offset,
                        area.len(),
                        &mut content,
                    );
                    let readable = area.prot & libc::PROT_READ.cast_unsigned() != 0;
                    let found = found.filter(|found| readable || found.is_empty());
                    certain &= found.is_some();
                    guards.extend(found.unwrap_or_default());
                }
            } else {
                differences(tid, area, None, &mut content);
            }
            maps.push(Mapping {
                start: area.start,
                end: area.end,
                prot: area.prot,
                flags,
                source,
            });
        }
        let path = std::fs::read_link(format!("/proc/{tid}/exe"))
            .map(|path| std::os::unix::ffi::OsStringExt::into_vec(path.into_os_string()))
            .unwrap_or_default();
        let name = self.name(tid)?;
        let former = self
            .tasks
            .get_mut(&tid)
            .and_then(|task| task.exec_former.take())
            .unwrap_or(name);
        let exec = Exec {
            path: path.into(),
            former,
            regs: *regs,
            maps,
            content,
        };
        Ok((exec, certain.then_some(guards)))
    }
}

/// Areas that replay does not need: the kernel's own data, and its legacy page.
fn is_kernels(name: &[u8]) -> bool {
    name.starts_with(b"[vvar") || name == b"[vsyscall]" || name == b"[uprobes]"
}

/// Pages of an area that differ from its file, or from zeros; adjacent ones in one piece.
fn differences(tid: Pid, area: &Area, file: Option<&std::fs::File>, out: &mut Vec<Out<'static>>) {
    use std::os::unix::fs::FileExt;
    const BATCH: usize = 64 * CHUNK;
    let memory = Remote(tid);
    let mut bytes = vec![0u8; BATCH];
    let mut expected = vec![0u8; BATCH];
    let mut open: Option<(u64, Vec<u8>)> = None;
    let mut at = area.start;
    while at < area.end {
        let want = usize::try_from(area.end - at).unwrap_or(BATCH).min(BATCH);
        let read = memory.read_some(at, &mut bytes[..want]);
        if read == 0 {
            break;
        }
        expected[..read].fill(0);
        if let Some(file) = file {
            let mut done = 0;
            while done < read {
                match file.read_at(
                    &mut expected[done..read],
                    area.offset + (at - area.start) + done as u64,
                ) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => done += count,
                }
            }
        }
        for (index, page) in bytes[..read].chunks(CHUNK).enumerate() {
            let same = page == &expected[index * CHUNK..index * CHUNK + page.len()];
            if same {
                flush(&mut open, out);
            } else if let Some((_, data)) = &mut open {
                data.extend_from_slice(page);
            } else {
                open = Some((at + (index * CHUNK) as u64, page.to_vec()));
            }
        }
        at += read as u64;
    }
    flush(&mut open, out);
}

fn flush(open: &mut Option<(u64, Vec<u8>)>, out: &mut Vec<Out<'static>>) {
    if let Some((addr, data)) = open.take() {
        out.push(Out {
            addr,
            data: data.into(),
        });
    }
}
