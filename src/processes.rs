//! The processes and threads of a recording: what its journal says of their births, names
//! and ends. Times are those of the journal's marks, a tenth of a second apart.

use crate::describe::{is_thread, text};
use journal::{Effect, Enter, Event, In, Leave, Spawn, Start, Tid};
use std::collections::HashMap;

/// Bytes of a thread's name, the NUL included.
const NAME_BYTES: usize = 16;

/// A process.
#[derive(Debug, Default)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent, as an index of [`Processes::list`].
    pub parent: Option<usize>,
    /// When it began, in nanoseconds since the Unix epoch.
    pub started_ns: u64,
    /// When its last thread ended.
    pub ended_ns: Option<u64>,
    /// Its wait status, once it has ended.
    pub status: Option<i32>,
    /// The command line of the program that it ran last.
    pub command: Vec<String>,
    /// Its threads, the first one included, in the order of their births.
    pub threads: Vec<Thread>,
    /// How many of them have not ended.
    alive: usize,
    /// All threads end at once, with one status.
    group_exit: bool,
}

/// A thread.
#[derive(Debug, Clone, Default)]
pub struct Thread {
    /// Its id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// When it began, in nanoseconds since the Unix epoch.
    pub started_ns: u64,
    /// When it ended.
    pub ended_ns: Option<u64>,
    /// Its wait status.
    pub status: Option<i32>,
    /// The program that it is about to execute: path and command line.
    executes: Option<(String, Vec<String>)>,
}

/// Where a living thread is found.
#[derive(Debug, Clone, Copy)]
struct Place {
    process: usize,
    thread: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Processes {
    /// In the order of their births: a parent stands before its children.
    pub list: Vec<Process>,
    living: HashMap<Tid, Place>,
    current: Option<Tid>,
    now_ns: u64,
}

impl Processes {
    /// Before the first event of a recording that began then.
    pub fn new(created_unix_ns: u64) -> Self {
        Self {
            now_ns: created_unix_ns,
            ..Self::default()
        }
    }

    /// Takes the next event.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(start) => self.start(start),
            Event::Switch(tid) => self.current = Some(*tid),
            Event::Syscall(enter, leave) => {
                self.enter(enter);
                self.leave(leave);
            }
            Event::Enter(enter) => self.enter(enter),
            Event::Leave(leave) => self.leave(leave),
            Event::Signal(signal) if matches!(signal.action, journal::Action::Fatal) => {
                if let Some(process) = self.process() {
                    process.group_exit = true;
                }
            }
            Event::Spawn(spawn) => self.spawn(spawn),
            Event::ThreadEnd(end) => self.end(end.status),
            Event::Time(ns) => self.now_ns = *ns,
            _ => {}
        }
    }

    /// The number of threads that there were.
    pub fn threads(&self) -> usize {
        self.list.iter().map(|process| process.threads.len()).sum()
    }

    fn place(&self) -> Option<Place> {
        self.living.get(&self.current?).copied()
    }

    fn process(&mut self) -> Option<&mut Process> {
        let place = self.place()?;
        self.list.get_mut(place.process)
    }

    fn thread(&mut self) -> Option<&mut Thread> {
        let place = self.place()?;
        self.list
            .get_mut(place.process)?
            .threads
            .get_mut(place.thread)
    }

    fn start(&mut self, start: &Start<'_>) {
        self.current = Some(start.tid);
        let command = start.argv.iter().map(|arg| text(arg)).collect();
        self.born(start.tid, None, command, name_of_program(&start.program));
    }

    /// A new process with one thread.
    fn born(&mut self, tid: Tid, parent: Option<usize>, command: Vec<String>, name: String) {
        let place = Place {
            process: self.list.len(),
            thread: 0,
        };
        self.list.push(Process {
            pid: tid.0,
            parent,
            started_ns: self.now_ns,
            command,
            threads: vec![self.new_thread(tid, name)],
            alive: 1,
            ..Process::default()
        });
        self.living.insert(tid, place);
    }

    fn new_thread(&self, tid: Tid, name: String) -> Thread {
        Thread {
            tid: tid.0,
            name,
            started_ns: self.now_ns,
            ..Thread::default()
        }
    }

    fn spawn(&mut self, spawn: &Spawn<'_>) {
        const CLONE_PARENT: u64 = libc::CLONE_PARENT.cast_unsigned() as u64;
        let Some(place) = self.place() else { return };
        let name = self
            .thread()
            .map_or_else(String::new, |thread| thread.name.clone());
        let thread = self.new_thread(spawn.tid, name.clone());
        let Some(creator) = self.list.get_mut(place.process) else {
            return;
        };
        if is_thread(spawn) {
            let place = Place {
                thread: creator.threads.len(),
                ..place
            };
            creator.threads.push(thread);
            creator.alive += 1;
            self.living.insert(spawn.tid, place);
        } else {
            let command = creator.command.clone();
            let parent = if spawn.flags & CLONE_PARENT != 0 {
                creator.parent
            } else {
                Some(place.process)
            };
            self.born(spawn.tid, parent, command, name);
        }
    }

    fn enter(&mut self, enter: &Enter<'_>) {
        const PR_SET_NAME: u64 = libc::PR_SET_NAME.cast_unsigned() as u64;
        match i64::from(enter.nr) {
            libc::SYS_execve => self.about_to_execute(enter, 0, 1),
            libc::SYS_execveat => self.about_to_execute(enter, 1, 2),
            libc::SYS_exit_group => {
                if let Some(process) = self.process() {
                    process.group_exit = true;
                }
            }
            libc::SYS_prctl if enter.args.get(0) == PR_SET_NAME => {
                let name = string(enter, enter.args.get(1)).map(short_name);
                if let (Some(thread), Some(name)) = (self.thread(), name) {
                    thread.name = name;
                }
            }
            _ => {}
        }
    }

    fn about_to_execute(&mut self, enter: &Enter<'_>, path: usize, argv: usize) {
        let path = string(enter, enter.args.get(path)).unwrap_or_default();
        let name = name_of_program(path);
        let command = command_line(enter, enter.args.get(argv));
        if let Some(thread) = self.thread() {
            thread.executes = Some((name, command));
        }
    }

    fn leave(&mut self, leave: &Leave<'_>) {
        let exec = leave.effects.iter().find_map(|effect| match effect {
            Effect::Exec(exec) => Some(exec),
            _ => None,
        });
        let Some(exec) = exec else {
            if let Some(thread) = self.thread() {
                thread.executes = None;
            }
            return;
        };
        let Some(tid) = self.current else { return };
        // A thread that is not the first one takes over that one's id.
        let Some(place) = self.living.remove(&exec.former) else {
            return;
        };
        self.living.insert(tid, place);
        let Some(process) = self.list.get_mut(place.process) else {
            return;
        };
        process.status = None;
        process.ended_ns = None;
        process.group_exit = false;
        let Some(thread) = process.threads.get_mut(place.thread) else {
            return;
        };
        thread.tid = tid.0;
        let (name, command) = thread.executes.take().unwrap_or_default();
        thread.name = if name.is_empty() {
            name_of_program(&exec.path)
        } else {
            name
        };
        process.command = if command.is_empty() {
            vec![text(&exec.path)]
        } else {
            command
        };
    }

    fn end(&mut self, status: i32) {
        let now_ns = self.now_ns;
        let Some(place) = self.current.and_then(|tid| self.living.remove(&tid)) else {
            return;
        };
        let Some(process) = self.list.get_mut(place.process) else {
            return;
        };
        let pid = process.pid;
        let Some(thread) = process.threads.get_mut(place.thread) else {
            return;
        };
        thread.ended_ns = Some(now_ns);
        thread.status = Some(status);
        if thread.tid == pid || process.group_exit {
            process.status = Some(status);
        }
        process.alive = process.alive.saturating_sub(1);
        if process.alive == 0 {
            process.ended_ns = Some(now_ns);
        }
    }
}

/// A string that a syscall was given.
fn string<'e>(enter: &'e Enter<'_>, addr: u64) -> Option<&'e [u8]> {
    let found = input(enter, addr)?;
    let len = found.head.iter().position(|&byte| byte == 0);
    Some(&found.head[..len.unwrap_or(found.head.len())])
}

fn input<'e, 'd>(enter: &'e Enter<'d>, addr: u64) -> Option<&'e In<'d>> {
    enter.ins.iter().find(|input| input.addr == addr)
}

/// The strings of an array of pointers.
fn command_line(enter: &Enter<'_>, addr: u64) -> Vec<String> {
    let Some(pointers) = input(enter, addr) else {
        return Vec::new();
    };
    // Arguments may be many: find each in constant time.
    let strings: HashMap<u64, &In<'_>> =
        enter.ins.iter().map(|input| (input.addr, input)).collect();
    pointers
        .head
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .take_while(|&addr| addr != 0)
        .map(|addr| {
            let bytes = strings.get(&addr).map_or(&[][..], |input| &*input.head);
            text(bytes.strip_suffix(&[0]).unwrap_or(bytes))
        })
        .collect()
}

/// The name that the kernel gives to a thread that executes this file.
fn name_of_program(path: &[u8]) -> String {
    short_name(path.rsplit(|&byte| byte == b'/').next().unwrap_or(path))
}

fn short_name(name: &[u8]) -> String {
    text(&name[..name.len().min(NAME_BYTES - 1)])
}
