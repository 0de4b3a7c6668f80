//! Lines: whose they are, which are cut by others, and what stands between calls.

use super::call::Progress;
use super::filter::Filter;
use super::results;
use super::scalars::hex;
use super::signals;
use super::tasks::{Begun, Pending, Task, owned, shown};
use super::text::{joined, put};
use crate::model::{self, Handler};
use journal::{Action, Effect, Enter, Event, EventIndex, Leave, Signal, Tid};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Column at which results stand, where the call leaves room.
const RESULT_COLUMN: usize = 40;

/// How to print.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How lines say whose they are.
    pub prefix: Prefix,
    /// Which syscalls are shown.
    pub filter: Filter,
    /// Only these threads are shown; none: all.
    pub threads: Vec<Tid>,
}

/// How lines say whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefix {
    /// As strace does on a terminal: `[pid 123] ` while there are several threads. New
    /// threads are announced.
    #[default]
    Terminal,
    /// As strace does in a file: `123   ` always. New threads are not announced.
    File,
}

/// Prints events.
#[derive(Debug)]
pub struct Printer<W: Write> {
    out: W,
    options: Options,
    /// The threads that there are.
    tasks: BTreeMap<Tid, Task>,
    current: Tid,
    /// Whose line is not ended.
    open: Option<Tid>,
    /// How long that line is.
    column: usize,
}

impl<W: Write> Printer<W> {
    /// A printer that has seen nothing yet.
    pub fn new(out: W, options: Options) -> Self {
        Self {
            out,
            options,
            tasks: BTreeMap::new(),
            current: Tid(0),
            open: None,
            column: 0,
        }
    }

    /// Prints what is to be seen of an event.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn event(&mut self, _index: EventIndex, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => {
                self.current = start.tid;
                self.tasks.entry(start.tid).or_default();
                Ok(())
            }
            Event::Switch(tid) => {
                self.current = *tid;
                Ok(())
            }
            Event::Syscall(enter, leave) => {
                let begun = self.enter(enter)?;
                self.leave(enter, leave, begun)
            }
            Event::Enter(enter) => {
                let begun = self.enter(enter)?;
                self.task().pending = Some(Pending {
                    enter: owned(enter),
                    begun,
                });
                Ok(())
            }
            Event::Leave(leave) => self.left(leave),
            Event::Data(out) => {
                self.task().keep(out);
                Ok(())
            }
            Event::Signal(signal) => self.signal(signal),
            Event::Spawn(spawn) => self.spawned(spawn),
            Event::ThreadEnd(end) => self.ended(end.status),
            Event::Trap(_)
            | Event::Preempt(_)
            | Event::State(_)
            | Event::InFlight(_)
            | Event::File(_)
            | Event::Time(_)
            | Event::Note(_)
            | Event::Clocks(_)
            | Event::Gate(_)
            | Event::Tree(_)
            | Event::End(_) => Ok(()),
        }
    }

    /// Ends the last line.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<W> {
        self.cut()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn task(&mut self) -> &mut Task {
        self.tasks.entry(self.current).or_default()
    }

    /// Prints the entry of a call of the current thread.
    fn enter(&mut self, enter: &Enter<'_>) -> io::Result<Begun> {
        let context = self.task().context(enter.nr);
        let listed = self.options.filter.shows(enter.nr) && self.is_shown(self.current);
        let mut progress = Progress::default();
        if listed {
            self.begin(self.current)?;
            let mut text = String::new();
            match shown(enter, None, &[], context) {
                Some(call) => progress = call.enter(&mut text),
                None => {
                    put!(&mut text, "syscall_{:#x}(", enter.nr);
                    joined(&mut text, ", ", enter.args.as_slice(), |out, &arg| {
                        hex(out, arg)
                    });
                    progress.whole = true;
                }
            }
            self.put(&text)?;
        }
        Ok(Begun {
            progress,
            context,
            shown: listed,
        })
    }

    /// The current thread's call has returned.
    fn left(&mut self, leave: &Leave<'_>) -> io::Result<()> {
        let exec = leave.effects.iter().find_map(|effect| match effect {
            Effect::Exec(exec) => Some(exec.former),
            _ => None,
        });
        // The thread that called has taken over the id of the leader.
        let owner =
            exec.filter(|former| *former != self.current && self.tasks.contains_key(former));
        let pending = match owner.and_then(|former| self.tasks.remove(&former)) {
            Some(task) => task.pending,
            None => self.task().pending.take(),
        };
        match pending {
            Some(pending) => self.leave(&pending.enter, leave, pending.begun),
            None => Ok(()),
        }
    }

    /// Prints the exit of a call of the current thread.
    fn leave(&mut self, enter: &Enter<'_>, leave: &Leave<'_>, begun: Begun) -> io::Result<()> {
        let kept = std::mem::take(&mut self.task().kept);
        let def = model::lookup(enter.nr);
        let name = begun
            .context
            .interrupted
            .or_else(|| def.map(|def| def.name));
        self.task().interrupted = name.filter(|_| super::errno::restart(leave.result).is_some());
        if leave
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Exec(_)))
        {
            self.task().replaced();
        }
        if !begun.shown {
            return Ok(());
        }
        self.resume(self.current, enter.nr)?;
        let mut result = String::new();
        match shown(enter, Some(leave), &kept, begun.context) {
            Some(call) => {
                let mut text = String::new();
                call.leave(&mut text, begun.progress);
                self.put(&text)?;
                results::show(&call, &mut result);
            }
            None if results::is_error(leave.result) => results::error(&mut result, leave.result),
            None => put!(&mut result, "{:#x}", leave.result),
        }
        self.result(&result)
    }

    /// Ends the current line with a result.
    fn result(&mut self, text: &str) -> io::Result<()> {
        self.put(") ")?;
        let padding = RESULT_COLUMN.saturating_sub(self.column);
        writeln!(self.out, "{:padding$}= {text}", "")?;
        self.open = None;
        self.column = 0;
        Ok(())
    }

    fn signal(&mut self, signal: &Signal<'_>) -> io::Result<()> {
        if let Action::Handler { frame, .. } = &signal.action {
            self.task().handler(frame.addr, &frame.data);
        }
        let number = signal.number();
        // It ends a process without ever being delivered.
        if number == libc::SIGKILL {
            return Ok(());
        }
        let mut text = String::from("--- ");
        super::scalars::signal(&mut text, u64::from(number.cast_unsigned()));
        let name = text["--- ".len()..].to_owned();
        text.push(' ');
        signals::info(&mut text, &signal.info);
        text.push_str(" ---");
        self.line(self.current, &text)?;
        if signal.action == Action::Stop {
            self.line(self.current, &format!("--- stopped by {name} ---"))?;
        }
        Ok(())
    }

    fn spawned(&mut self, spawn: &journal::Spawn<'_>) -> io::Result<()> {
        let current = self.current;
        let parent = self.task();
        for write in spawn.writes.iter().filter(|write| write.tid == current) {
            parent.keep_write(write);
        }
        let child = parent.child();
        self.tasks.insert(spawn.tid, child);
        if self.options.prefix == Prefix::Terminal && self.is_shown(spawn.tid) {
            // strace says this beside what it prints, and so, too, in the middle of a line.
            writeln!(self.out, "strace: Process {} attached", spawn.tid)?;
        }
        Ok(())
    }

    fn ended(&mut self, status: i32) -> io::Result<()> {
        let tid = self.current;
        let pending = self.task().pending.take();
        if let Some(pending) = pending.filter(|pending| pending.begun.shown) {
            self.resume(tid, pending.enter.nr)?;
            if !pending.begun.progress.whole {
                self.put(" <unfinished ...>")?;
            }
            self.result("?")?;
        }
        let text = match self.successor(status) {
            Some(other) => format!("+++ superseded by execve in pid {other} +++"),
            None => end(status),
        };
        self.line(tid, &text)?;
        self.tasks.remove(&tid);
        Ok(())
    }

    /// The thread that ends the current one by replacing the program, if there is one.
    fn successor(&self, status: i32) -> Option<Tid> {
        let executes = |task: &Task| {
            let nr = task.pending.as_ref().map(|pending| pending.enter.nr);
            nr.and_then(model::lookup)
                .is_some_and(|def| def.handler == Handler::Exec)
        };
        let mut others = self
            .tasks
            .iter()
            .filter(|(tid, task)| **tid != self.current && executes(task));
        others
            .next()
            .map(|(tid, _)| *tid)
            .filter(|_| status == SUPERSEDED)
    }

    fn is_shown(&self, tid: Tid) -> bool {
        self.options.threads.is_empty() || self.options.threads.contains(&tid)
    }

    /// Prints a line of its own.
    fn line(&mut self, tid: Tid, text: &str) -> io::Result<()> {
        if !self.is_shown(tid) {
            return Ok(());
        }
        self.begin(tid)?;
        writeln!(self.out, "{text}")?;
        self.open = None;
        self.column = 0;
        Ok(())
    }

    /// Ends the line that is open.
    fn cut(&mut self) -> io::Result<()> {
        if self.open.take().is_some() {
            writeln!(self.out, " <unfinished ...>")?;
        }
        self.column = 0;
        Ok(())
    }

    /// Begins a line of that thread.
    fn begin(&mut self, tid: Tid) -> io::Result<()> {
        self.cut()?;
        self.open = Some(tid);
        match self.options.prefix {
            Prefix::File => self.put(&format!("{tid:<5} ", tid = tid.0)),
            Prefix::Terminal if self.tasks.len() > 1 => {
                self.put(&format!("[pid {tid:>5}] ", tid = tid.0))
            }
            Prefix::Terminal => Ok(()),
        }
    }

    /// Goes on with the call that the thread is in.
    fn resume(&mut self, tid: Tid, nr: u32) -> io::Result<()> {
        if self.open == Some(tid) {
            return Ok(());
        }
        self.begin(tid)?;
        match model::lookup(nr) {
            Some(def) => self.put(&format!("<... {} resumed>", def.name)),
            None => self.put(&format!("<... syscall_{nr:#x} resumed>")),
        }
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.column += text.len();
        self.out.write_all(text.as_bytes())
    }
}

/// Status with which a process's first thread ends when another one replaces the program.
const SUPERSEDED: i32 = 0;

/// How a thread ended.
fn end(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        let mut text = String::from("+++ killed by ");
        super::scalars::signal(&mut text, u64::from(libc::WTERMSIG(status).cast_unsigned()));
        if libc::WCOREDUMP(status) {
            text.push_str(" (core dumped)");
        }
        text.push_str(" +++");
        return text;
    }
    format!("+++ exited with {} +++", libc::WEXITSTATUS(status))
}
