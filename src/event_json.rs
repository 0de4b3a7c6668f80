//! An event as a JSON object. Addresses and other words are hexadecimal strings: JSON's
//! numbers are not wide enough everywhere. Of bulk data there is the length only.

use crate::cli::EventKind;
use crate::describe::{instruction, is_thread, text};
use crate::output::{Ending, SCHEMA_VERSION};
use journal::{
    Action, ClockRead, Delivery, Effect, Enter, Event, GateEvent, Leave, Mapping, Out, Source,
    Span, Write,
};
use serde::ser::{Serialize, SerializeMap, Serializer};
use tracer::model;

/// An event with what is known of it.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its index in the journal.
    pub index: u64,
    /// Its thread.
    pub thread: Option<i32>,
    /// Its kind.
    pub kind: EventKind,
    /// It in words.
    pub text: &'a str,
    /// What only this kind has.
    pub detail: Detail,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema_version", &SCHEMA_VERSION)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("thread", &self.thread)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("text", self.text)?;
        for (name, value) in &self.detail {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Names and values.
pub type Detail = Vec<(&'static str, serde_json::Value)>;

macro_rules! detail {
    ($($name:ident: $value:expr),* $(,)?) => {
        vec![$((stringify!($name), serde_json::json!($value))),*]
    };
}

/// What only this kind of event has.
pub fn detail(event: &Event<'_>) -> Detail {
    match event {
        Event::Start(start) => detail! {
            program: text(&start.program),
            argv: start.argv.iter().map(|arg| text(arg)).collect::<Vec<_>>(),
            environment: start.envp.iter().map(|var| text(var)).collect::<Vec<_>>(),
            cwd: text(&start.cwd),
        },
        Event::Syscall(enter, leave) => {
            let mut all = entry(enter);
            all.extend(exit(leave));
            all
        }
        Event::Enter(enter) => entry(enter),
        Event::Leave(leave) => exit(leave),
        Event::Data(out) => detail! { address: hex(out.addr), bytes: out.data.len() },
        Event::Signal(signal) => signal_detail(signal),
        Event::Trap(trap) => detail! {
            instruction: instruction(trap.kind),
            ip: hex(trap.ip),
            value: hex(trap.value),
            aux: hex(trap.aux),
        },
        Event::Clocks(reads) => detail! { reads: ClockRead::decode(reads) },
        Event::State(state) => detail! {
            ip: hex(state.regs.rip),
            pages: state.pages.iter().map(|run| run.hashes.len()).sum::<usize>(),
            words: state.words.iter().map(|word| hex(word.addr)).collect::<Vec<_>>(),
        },
        Event::InFlight(spans) => {
            let span = |span: &Span| [hex(span.addr), hex(span.addr.saturating_add(span.len))];
            detail! { memory: spans.iter().map(span).collect::<Vec<_>>() }
        }
        Event::Preempt(at) => detail! { ip: hex(at.ip), branches: at.rcb.0 },
        Event::Spawn(spawn) => detail! {
            spawned: spawn.tid.0,
            is_process: !is_thread(spawn),
            flags: hex(spawn.flags),
            writes: writes(&spawn.writes),
        },
        Event::ThreadEnd(end) => {
            let mut all = ending(end.status);
            all.extend(detail! { writes: writes(&end.writes) });
            all
        }
        Event::File(file) => detail! {
            file: file.id.0,
            path: text(&file.path),
            bytes: file.size,
            hash: format!("{:032x}", file.hash),
        },
        Event::Time(ns) => detail! { unix_ns: ns },
        Event::Switch(_) | Event::Note(_) => Vec::new(),
        Event::End(status) => ending(*status),
        Event::Gate(event) => gate(event),
        Event::Tree(entry) => detail! {
            path: text(&entry.path),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            modified_ns: entry.modified_ns,
        },
    }
}

fn gate(event: &GateEvent<'_>) -> Detail {
    match event {
        GateEvent::Opened(opened) => detail! {
            connection: opened.conn.0,
            local: opened.local.to_string(),
            remote: opened.remote.to_string(),
            inbound: opened.inbound,
        },
        GateEvent::Payload { conn, acked, data } => detail! {
            connection: conn.0,
            acknowledged: acked,
            bytes: data.len(),
        },
        GateEvent::Acked {
            conn,
            acked,
            window,
        } => detail! { connection: conn.0, acknowledged: acked, window: window },
        GateEvent::Fin(conn) | GateEvent::Reset(conn) | GateEvent::Forgotten(conn) => {
            detail! { connection: conn.0 }
        }
        GateEvent::Clock(ms) => detail! { ms: ms },
        GateEvent::Released(conn) => detail! { connection: conn.0 },
        GateEvent::Asked(asked) => detail! {
            connection: asked.conn.0,
            local: asked.local.to_string(),
            remote: asked.remote.to_string(),
        },
    }
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}

fn ending(status: i32) -> Detail {
    detail! { ending: Ending::of(status) }
}

fn entry(enter: &Enter<'_>) -> Detail {
    let ins: Vec<_> = enter
        .ins
        .iter()
        .map(|input| serde_json::json!({ "address": hex(input.addr), "bytes": input.len }))
        .collect();
    detail! {
        syscall: model::lookup(enter.nr).map(|def| def.name),
        number: enter.nr,
        arguments: enter.args.as_slice().iter().map(|&arg| hex(arg)).collect::<Vec<_>>(),
        ip: hex(enter.ip),
        reads: ins,
    }
}

fn exit(leave: &Leave<'_>) -> Detail {
    detail! {
        result: leave.result,
        writes: leave.outs.iter().map(out).collect::<Vec<_>>(),
        effects: leave.effects.iter().map(effect).collect::<Vec<_>>(),
    }
}

fn out(out: &Out<'_>) -> serde_json::Value {
    serde_json::json!({ "address": hex(out.addr), "bytes": out.data.len() })
}

fn writes(writes: &[Write<'_>]) -> Vec<serde_json::Value> {
    writes.iter().map(write).collect()
}

fn write(write: &Write<'_>) -> serde_json::Value {
    serde_json::json!({
        "thread": write.tid.0,
        "address": hex(write.addr),
        "bytes": write.data.len(),
    })
}

fn signal_detail(signal: &journal::Signal<'_>) -> Detail {
    let (at, ip) = match signal.at {
        Delivery::Fault { ip, .. } => ("fault", Some(ip)),
        Delivery::Here => ("sync_point", None),
        Delivery::Entry { ip, .. } => ("syscall_entry", Some(ip)),
        Delivery::At(at) => ("position", Some(at.ip)),
    };
    let (action, handler) = match &signal.action {
        Action::None => ("none", None),
        Action::Handler { regs, .. } => ("handler", Some(regs.rip)),
        Action::Fatal => ("fatal", None),
        Action::Stop => ("stop", None),
    };
    detail! {
        signal: signal.number(),
        at: at,
        ip: ip.map(hex),
        action: action,
        handler: handler.map(hex),
    }
}

fn effect(effect: &Effect<'_>) -> serde_json::Value {
    use serde_json::json;
    match effect {
        Effect::Exec(exec) => json!({
            "effect": "exec",
            "path": text(&exec.path),
            "former_thread": exec.former.0,
            "mappings": exec.maps.iter().map(mapping).collect::<Vec<_>>(),
            "writes": exec.content.iter().map(out).collect::<Vec<_>>(),
        }),
        Effect::Map(map) => json!({ "effect": "map", "mapping": mapping(map) }),
        Effect::Regs(regs) => json!({ "effect": "registers", "ip": hex(regs.rip) }),
        Effect::Write(changed) => json!({ "effect": "write", "memory": write(changed) }),
        Effect::Object { id, size, content } => json!({
            "effect": "object",
            "object": id.0,
            "size": size,
            "file": content.map(|file| file.0),
        }),
        Effect::Resize { id, size } => {
            json!({ "effect": "resize", "object": id.0, "size": size })
        }
        Effect::ObjectWrite { id, offset, data } => json!({
            "effect": "object_write",
            "object": id.0,
            "offset": offset,
            "bytes": data.len(),
        }),
        Effect::Echo { stream, data } => {
            json!({ "effect": "echo", "stream": stream, "bytes": data.len() })
        }
        Effect::Forget { id } => json!({ "effect": "forget", "object": id.0 }),
        Effect::Fill { id, content } => {
            json!({ "effect": "fill", "object": id.0, "file": content.0 })
        }
        Effect::Stream { fd, stream } => {
            json!({ "effect": "stream", "descriptor": fd, "stream": stream })
        }
        Effect::Connection { fd, conn } => {
            json!({ "effect": "connection", "descriptor": fd, "connection": conn })
        }
        Effect::Received {
            conn,
            position,
            taken,
            spans,
        } => json!({
            "effect": "received",
            "connection": conn.0,
            "position": position,
            "taken": taken,
            "referred": spans.iter().map(|span| span.len).sum::<u64>(),
        }),
        Effect::Advised { end } => json!({ "effect": "advised", "end": end }),
        Effect::Socket { fd, local, remote } => json!({
            "effect": "socket",
            "descriptor": fd,
            "local": local.to_string(),
            "remote": remote.map(|remote| remote.to_string()),
        }),
    }
}

fn mapping(mapping: &Mapping) -> serde_json::Value {
    let source = match mapping.source {
        Source::Zero => serde_json::Value::Null,
        Source::File { id, offset } => serde_json::json!({ "file": id.0, "offset": offset }),
        Source::Object { id, offset } => serde_json::json!({ "object": id.0, "offset": offset }),
    };
    serde_json::json!({
        "start": hex(mapping.start),
        "end": hex(mapping.end),
        "prot": mapping.prot,
        "flags": mapping.flags,
        "source": source,
    })
}
