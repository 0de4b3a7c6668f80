//! An event in words, for people. What a syscall was told and answered is in the words of
//! `strace`; everything else is here.

use crate::cli::EventKind;
use crate::output;
use journal::{
    Action, Delivery, Effect, Event, EventIndex, Exec, GateEvent, KeptFile, Mapping, Signal,
    Source, Spawn, Start, Tid, Trap, TrapKind, TreeEntry, TreeItem,
};
use pmu::Counter;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::rc::Rc;
use tracer::strace::{Options, Prefix, Printer};

const UNFINISHED: &str = " <unfinished ...>\n";

/// The kind of an event.
pub const fn kind(event: &Event<'_>) -> EventKind {
    match event {
        Event::Start(_) => EventKind::Start,
        Event::Switch(_) => EventKind::Switch,
        Event::Syscall(..) => EventKind::Syscall,
        Event::Enter(_) => EventKind::Enter,
        Event::Leave(_) => EventKind::Leave,
        Event::Data(_) => EventKind::Data,
        Event::Signal(_) => EventKind::Signal,
        Event::Trap(_) => EventKind::Trap,
        Event::Preempt(_) => EventKind::Preempt,
        Event::Spawn(_) => EventKind::Spawn,
        Event::ThreadEnd(_) => EventKind::ThreadEnd,
        Event::File(_) => EventKind::File,
        Event::Time(_) => EventKind::Time,
        Event::Note(_) => EventKind::Note,
        Event::End(_) => EventKind::End,
        Event::Clocks(_) => EventKind::Clocks,
        Event::Gate(_) => EventKind::Gate,
        Event::Tree(_) => EventKind::Tree,
        Event::State(_) => EventKind::State,
        Event::InFlight(_) => EventKind::InFlight,
    }
}

/// The name of a syscall, or its number.
pub fn syscall(nr: u32) -> String {
    tracer::model::lookup(nr).map_or_else(|| format!("syscall_{nr:#x}"), |def| def.name.to_owned())
}

/// The name of a kind, as options take it.
pub fn kind_name(kind: EventKind) -> String {
    use clap::ValueEnum;
    kind.to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Finds out whose an event is.
#[derive(Debug, Default)]
pub struct Owner {
    current: Option<Tid>,
}

impl Owner {
    /// The thread that the event belongs to, if it belongs to one. A switch belongs to the
    /// thread that it is to.
    pub fn of(&mut self, event: &Event<'_>) -> Option<Tid> {
        match event {
            Event::Start(start) => self.current = Some(start.tid),
            Event::Switch(tid) => self.current = Some(*tid),
            Event::File(_)
            | Event::Time(_)
            | Event::Note(_)
            | Event::End(_)
            | Event::Gate(_)
            | Event::Tree(_) => {
                return None;
            }
            _ => {}
        }
        self.current
    }
}

/// Puts the events of a journal, from its first one on, into words.
#[derive(Debug)]
pub struct Describer {
    printer: Printer<Shared>,
    printed: Shared,
    owner: Owner,
    /// What has been said of the syscalls that threads are in.
    entered: HashMap<Tid, String>,
}

impl Describer {
    /// Before the first event.
    pub fn new() -> Self {
        let printed = Shared::default();
        let options = Options {
            prefix: Prefix::File,
            ..Options::default()
        };
        Self {
            printer: Printer::new(printed.clone(), options),
            printed,
            owner: Owner::default(),
            entered: HashMap::new(),
        }
    }

    /// The event in words, on one line.
    pub fn describe(&mut self, index: EventIndex, event: &Event<'_>) -> String {
        let tid = self.owner.of(event).unwrap_or(Tid(0));
        let printed = self.print(index, event, tid);
        match event {
            Event::Start(start) => describe_start(start),
            Event::Switch(tid) => format!("to thread {tid}"),
            Event::Syscall(_, leave) => printed + &effects(&leave.effects),
            Event::Enter(_) => {
                self.entered.insert(tid, printed.clone());
                printed + " …"
            }
            Event::Leave(leave) => {
                let former = leave.effects.iter().find_map(|effect| match effect {
                    Effect::Exec(exec) => Some(exec.former),
                    _ => None,
                });
                let entered = self.entered.remove(&former.unwrap_or(tid));
                entered.unwrap_or_default() + &printed + &effects(&leave.effects)
            }
            Event::Data(out) => format!("{} at {:#x}", bytes(out.data.len()), out.addr),
            Event::Signal(signal) => describe_signal(signal, &printed),
            Event::Trap(trap) => describe_trap(trap),
            Event::Clocks(reads) => format!(
                "{} in the agent",
                output::plural(reads.len() as u64, "clock read")
            ),
            Event::State(state) => {
                let pages: usize = state.pages.iter().map(|run| run.hashes.len()).sum();
                let pages = output::plural(pages as u64, "page");
                format!("at {:#x}, {pages} of memory", state.regs.rip)
            }
            Event::InFlight(spans) => {
                // A damaged journal may say anything.
                let bytes = spans
                    .iter()
                    .fold(0u64, |sum, span| sum.saturating_add(span.len));
                format!("{} of memory", output::plural(bytes, "byte"))
            }
            Event::Preempt(at) if at.counter == Counter::State => {
                format!("at {:#x}, in the state before", at.ip)
            }
            Event::Preempt(at) => format!(
                "at {:#x}, {} after the last sync point",
                at.ip,
                output::plural(at.rcb.0, "conditional branch")
            ),
            Event::Spawn(spawn) => describe_spawn(spawn),
            Event::ThreadEnd(end) => {
                self.entered.remove(&tid);
                let mut text = output::ending(end.status);
                for write in &end.writes {
                    let _ = write!(text, "; {}", memory(write.tid, write.addr, &write.data));
                }
                text
            }
            Event::File(file) => describe_file(file),
            Event::Time(ns) => format!("{}.{:03}", output::time(*ns), ns / 1_000_000 % 1000),
            Event::Note(text) => text.clone().into_owned(),
            Event::End(status) => output::ending(*status),
            Event::Gate(event) => describe_gate(event),
            Event::Tree(entry) => describe_tree(entry),
        }
    }

    /// What `strace` adds to the line of this thread's call with this event.
    fn print(&mut self, index: EventIndex, event: &Event<'_>, tid: Tid) -> String {
        // Memory cannot refuse to be written.
        let _ = self.printer.event(index, event);
        let text = self.printed.take();
        let text = text.strip_prefix(UNFINISHED).unwrap_or(&text);
        let text = text
            .strip_prefix(&format!("{:<5} ", tid.0))
            .unwrap_or(text)
            .trim_end_matches('\n');
        let text = &*without_padding(text);
        if matches!(event, Event::Leave(_))
            && text.starts_with("<... ")
            && let Some((_, rest)) = text.split_once('>')
        {
            return rest.to_owned();
        }
        text.to_owned()
    }
}

/// A call without the blanks that align results in a column.
fn without_padding(text: &str) -> Cow<'_, str> {
    match text.rsplit_once(" = ") {
        Some((call, result)) if call.ends_with(' ') && call.trim_end().ends_with(')') => {
            Cow::Owned(format!("{} = {result}", call.trim_end()))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Where the printer writes.
#[derive(Debug, Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Shared {
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.borrow_mut())).into_owned()
    }
}

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of the application as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn describe_tree(entry: &TreeEntry<'_>) -> String {
    let path = text(&entry.path);
    let what = match &entry.item {
        TreeItem::Begin(true) => "tree, copied".to_owned(),
        TreeItem::Begin(false) => "tree, compared".to_owned(),
        TreeItem::Directory => "directory".to_owned(),
        TreeItem::File(id) => format!("file, content {}", id.0),
        TreeItem::Content(hash, size) => format!("file, {size} bytes, {hash:032x}"),
        TreeItem::Link(target) => format!("link to {}", text(target)),
        TreeItem::Again(first) => format!("again {}", text(first)),
        TreeItem::Node(kind, device) => format!("node of type {kind:o}, device {device:#x}"),
        TreeItem::BeginShared => "tree, shared".to_owned(),
        TreeItem::Size(size) => format!("file, {size} bytes"),
        TreeItem::End => return format!("end of tree {path}"),
    };
    format!(
        "{path}: {what}, mode {:04o}, owner {}:{}",
        entry.mode, entry.uid, entry.gid
    )
}

fn describe_gate(event: &GateEvent<'_>) -> String {
    match event {
        GateEvent::Opened(opened) => {
            let by = if opened.inbound { "by" } else { "to" };
            format!(
                "connection {} of {} opened {by} {}",
                opened.conn.0, opened.local, opened.remote
            )
        }
        GateEvent::Payload { conn, acked, data } => {
            let acked = acknowledged(*acked);
            format!("{} from connection {}{acked}", bytes(data.len()), conn.0)
        }
        GateEvent::Acked { conn, acked, .. } => {
            format!("connection {}{}", conn.0, acknowledged(*acked))
        }
        GateEvent::Fin(conn) => format!("no more from connection {}", conn.0),
        GateEvent::Reset(conn) => format!("connection {} reset by its peer", conn.0),
        GateEvent::Forgotten(conn) => format!("connection {} over", conn.0),
        GateEvent::Released(conn) => format!("connection {} is not referred to any more", conn.0),
        GateEvent::Clock(ms) => format!("timestamps count from {ms} ms"),
        GateEvent::Asked(asked) => format!(
            "connection {} of {} asked of {}",
            asked.conn.0, asked.local, asked.remote
        ),
    }
}

fn acknowledged(count: u64) -> String {
    match count {
        0 => String::new(),
        count => format!(", {} more acknowledged", output::plural(count, "byte")),
    }
}

fn bytes(count: usize) -> String {
    output::plural(count as u64, "byte")
}

fn memory(tid: Tid, addr: u64, data: &[u8]) -> String {
    format!("{} at {addr:#x} of thread {tid}", bytes(data.len()))
}

fn describe_start(start: &Start<'_>) -> String {
    let argv: Vec<String> = start.argv.iter().map(|arg| text(arg)).collect();
    format!(
        "{} as {} in {}, {}",
        output::command_line(&argv),
        text(&start.program),
        text(&start.cwd),
        output::plural(start.envp.len() as u64, "environment variable")
    )
}

fn describe_signal(signal: &Signal<'_>, printed: &str) -> String {
    let what = if printed.is_empty() {
        format!("signal {}", signal.number())
    } else {
        // `strace` says in a line of its own that the process stopped.
        let line = printed.lines().next().unwrap_or(printed);
        line.trim_matches(['-', ' ']).to_owned()
    };
    let at = match signal.at {
        Delivery::Fault { ip, .. } => format!("raised by the instruction at {ip:#x}"),
        Delivery::Here => "at the last sync point".to_owned(),
        Delivery::Entry { ip, .. } => format!("before the syscall at {ip:#x}"),
        Delivery::At(at) => format!("at {:#x}", at.ip),
    };
    let action = match &signal.action {
        Action::None => "no effect".to_owned(),
        Action::Handler { frame, regs } => {
            format!("handler at {:#x}, frame at {:#x}", regs.rip, frame.addr)
        }
        Action::Fatal => "fatal".to_owned(),
        Action::Stop => "stopped".to_owned(),
    };
    format!("{what}; {at}; {action}")
}

/// The name of a trapping instruction.
pub const fn instruction(kind: TrapKind) -> &'static str {
    match kind {
        TrapKind::Rdtsc => "rdtsc",
        TrapKind::Rdtscp => "rdtscp",
        TrapKind::Rdrand => "rdrand",
        TrapKind::Rdseed => "rdseed",
        TrapKind::Cpuid => "cpuid",
    }
}

fn describe_trap(trap: &Trap) -> String {
    let name = instruction(trap.kind);
    let mut text = format!("{name} at {:#x} = {:#x}", trap.ip, trap.value);
    if matches!(trap.kind, TrapKind::Rdtscp | TrapKind::Cpuid) {
        let _ = write!(text, ", {:#x}", trap.aux);
    }
    text
}

fn describe_spawn(spawn: &Spawn<'_>) -> String {
    let what = if is_thread(spawn) {
        "thread"
    } else {
        "process"
    };
    let mut text = format!("{what} {}, flags {:#x}", spawn.tid, spawn.flags);
    for write in &spawn.writes {
        let _ = write!(text, "; {}", memory(write.tid, write.addr, &write.data));
    }
    text
}

/// Whether the new thread belongs to its creator's process.
pub const fn is_thread(spawn: &Spawn<'_>) -> bool {
    const CLONE_THREAD: u64 = libc::CLONE_THREAD.cast_unsigned() as u64;
    spawn.flags & CLONE_THREAD != 0
}

fn describe_file(file: &KeptFile<'_>) -> String {
    format!(
        "{} {} ({}, {:032x})",
        file.id.0,
        text(&file.path),
        output::size(file.size),
        file.hash
    )
}

fn effects(effects: &[Effect<'_>]) -> String {
    let mut text = String::new();
    for effect in effects {
        text.push_str("; ");
        text.push_str(&describe_effect(effect));
    }
    text
}

fn describe_effect(effect: &Effect<'_>) -> String {
    match effect {
        Effect::Exec(exec) => describe_exec(exec),
        Effect::Map(mapping) => format!("map {}", describe_mapping(mapping)),
        Effect::Regs(regs) => format!("registers, going on at {:#x}", regs.rip),
        Effect::Write(write) => memory(write.tid, write.addr, &write.data),
        Effect::Object { id, size, content } => {
            let from = content.map_or_else(String::new, |file| format!(" of file {}", file.0));
            format!("object {}: {}{from}", id.0, output::size(*size))
        }
        Effect::Resize { id, size } => format!("object {} has {}", id.0, output::size(*size)),
        Effect::ObjectWrite { id, offset, data } => {
            format!("{} at {offset:#x} of object {}", bytes(data.len()), id.0)
        }
        Effect::Echo { stream, data } => format!("{} to stream {stream}", bytes(data.len())),
        Effect::Forget { id } => format!("object {} gone", id.0),
        Effect::Fill { id, content } => format!("object {} filled from file {}", id.0, content.0),
        Effect::Stream { fd, stream } => format!("descriptor {fd} is stream {stream}"),
        Effect::Connection { fd, conn } => format!("descriptor {fd} is connection {conn}"),
        Effect::Received {
            conn,
            position,
            taken,
            spans,
        } => {
            let kept: u64 = spans.iter().map(|span| span.len).sum();
            format!(
                "connection {} from {position}: {taken} bytes taken, {kept} referred to",
                conn.0
            )
        }
        Effect::Advised { end } => format!("followed up to {end:#x}"),
        Effect::Socket { fd, local, remote } => {
            let with = remote.map_or_else(String::new, |remote| format!(", with {remote}"));
            format!("descriptor {fd} is {local}{with}")
        }
    }
}

fn describe_exec(exec: &Exec<'_>) -> String {
    let content: usize = exec.content.iter().map(|out| out.data.len()).sum();
    let taken = if exec.content.is_empty() {
        String::new()
    } else {
        format!(", {} changed", output::size(content as u64))
    };
    format!(
        "program {}, {}{taken}",
        text(&exec.path),
        output::plural(exec.maps.len() as u64, "mapping")
    )
}

fn describe_mapping(mapping: &Mapping) -> String {
    let bit = |bit: i32, set: char| {
        if mapping.prot & bit.cast_unsigned() != 0 {
            set
        } else {
            '-'
        }
    };
    let shared = if mapping.flags & libc::MAP_SHARED.cast_unsigned() != 0 {
        's'
    } else {
        'p'
    };
    let source = match mapping.source {
        Source::Zero => "zeros".to_owned(),
        Source::File { id, offset } => format!("file {} at {offset:#x}", id.0),
        Source::Object { id, offset } => format!("object {} at {offset:#x}", id.0),
    };
    format!(
        "{:#x}-{:#x} {}{}{}{shared} {source}",
        mapping.start,
        mapping.end,
        bit(libc::PROT_READ, 'r'),
        bit(libc::PROT_WRITE, 'w'),
        bit(libc::PROT_EXEC, 'x'),
    )
}
