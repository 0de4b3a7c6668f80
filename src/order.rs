//! Whether the events of a journal can follow one another as they do: no thread acts that
//! does not live, none leaves a syscall that it is not in, nothing is used that was not
//! declared. Checksums cannot tell; a replay would fail at it.

use journal::{Effect, Event, FileId, Leave, Mapping, ObjectId, Source, Tid};
use std::collections::{HashMap, HashSet};

/// Follows the events of a journal.
#[derive(Debug, Default)]
pub struct Order {
    events: u64,
    current: Option<Tid>,
    /// The living threads, and whether they are in a syscall.
    threads: HashMap<Tid, bool>,
    files: HashSet<FileId>,
    objects: HashSet<ObjectId>,
    problem: Option<String>,
}

type Checked = Result<(), String>;

impl Order {
    /// Takes the next event.
    pub fn event(&mut self, event: &Event<'_>) {
        if self.problem.is_none()
            && let Err(what) = self.check(event)
        {
            let index = self.events;
            self.problem = Some(format!(
                "the journal contradicts itself at event {index}: {what}"
            ));
        }
        self.events += 1;
    }

    /// The first thing that cannot be.
    pub fn problem(self) -> Option<String> {
        self.problem
    }

    fn check(&mut self, event: &Event<'_>) -> Checked {
        match event {
            Event::Start(start) => {
                expect(self.events == 0, || "a second start".to_owned())?;
                self.current = Some(start.tid);
                self.threads.insert(start.tid, false);
                Ok(())
            }
            Event::File(file) => {
                let new = self.files.insert(file.id);
                expect(new, || format!("file {} is declared again", file.id.0))
            }
            Event::Time(_) | Event::Note(_) | Event::End(_) | Event::Gate(_) | Event::Tree(_) => {
                Ok(())
            }
            _ if self.threads.is_empty() && self.current.is_none() => {
                Err("it does not begin with a start".to_owned())
            }
            Event::Switch(tid) => {
                self.current = Some(*tid);
                Ok(())
            }
            Event::Syscall(_, leave) => {
                self.enter()?;
                self.leave(leave)
            }
            Event::Enter(_) => self.enter(),
            Event::Leave(leave) => self.leave(leave),
            Event::Data(_)
            | Event::Signal(_)
            | Event::Trap(_)
            | Event::Preempt(_)
            | Event::State(_)
            | Event::InFlight(_)
            | Event::Clocks(_) => self.living().map(drop),
            Event::Spawn(spawn) => {
                let tid = self.living()?;
                let in_call = self.threads.get(&tid) == Some(&true);
                expect(in_call, || {
                    "a thread is created outside of a syscall".to_owned()
                })?;
                let new = self.threads.insert(spawn.tid, false).is_none();
                expect(new, || {
                    format!("thread {} is created, but lives", spawn.tid)
                })
            }
            Event::ThreadEnd(_) => {
                let tid = self.living()?;
                self.threads.remove(&tid);
                Ok(())
            }
        }
    }

    /// The current thread, if it lives.
    fn living(&self) -> Result<Tid, String> {
        let current = self.current.ok_or("no thread is current")?;
        if self.threads.contains_key(&current) {
            Ok(current)
        } else {
            Err(format!("thread {current} does not live"))
        }
    }

    fn enter(&mut self) -> Checked {
        let tid = self.living()?;
        let before = self.threads.insert(tid, true);
        expect(before == Some(false), || {
            format!("thread {tid} enters a syscall, but is in one")
        })
    }

    fn left(&mut self, tid: Tid) -> Checked {
        let before = self.threads.insert(tid, false);
        expect(before == Some(true), || {
            format!("thread {tid} leaves a syscall, but is in none")
        })
    }

    fn leave(&mut self, leave: &Leave<'_>) -> Checked {
        let former = leave.effects.iter().find_map(|effect| match effect {
            Effect::Exec(exec) => Some(exec.former),
            _ => None,
        });
        match (former, self.current) {
            // It takes over the id of its process's first thread, which is gone.
            (Some(former), Some(current)) if former != current => {
                self.left(former)?;
                self.threads.remove(&former);
                let gone = self.threads.insert(current, false).is_none();
                expect(gone, || {
                    format!("thread {former} becomes {current}, which lives")
                })?;
            }
            _ => {
                let tid = self.living()?;
                self.left(tid)?;
            }
        }
        let mut effects = leave.effects.iter();
        effects.try_for_each(|effect| self.effect(effect))
    }

    fn effect(&mut self, effect: &Effect<'_>) -> Checked {
        match effect {
            Effect::Exec(exec) => exec.maps.iter().try_for_each(|map| self.mapping(map)),
            Effect::Map(map) => self.mapping(map),
            Effect::Object { id, content, .. } => {
                content.map_or(Ok(()), |file| self.file(file))?;
                let new = self.objects.insert(*id);
                expect(new, || format!("object {} is made again", id.0))
            }
            Effect::Fill { id, content } => {
                self.file(*content)?;
                self.object(*id)
            }
            Effect::Resize { id, .. } | Effect::ObjectWrite { id, .. } => self.object(*id),
            Effect::Forget { id } => {
                self.object(*id)?;
                self.objects.remove(id);
                Ok(())
            }
            Effect::Regs(_)
            | Effect::Write(_)
            | Effect::Echo { .. }
            | Effect::Stream { .. }
            | Effect::Connection { .. }
            | Effect::Received { .. }
            | Effect::Socket { .. }
            | Effect::Advised { .. } => Ok(()),
        }
    }

    fn mapping(&self, mapping: &Mapping) -> Checked {
        let Mapping { start, end, .. } = *mapping;
        expect(start < end, || {
            format!("a mapping from {start:#x} to {end:#x}")
        })?;
        match mapping.source {
            Source::Zero => Ok(()),
            Source::File { id, .. } => self.file(id),
            Source::Object { id, .. } => self.object(id),
        }
    }

    fn file(&self, id: FileId) -> Checked {
        let known = self.files.contains(&id);
        expect(known, || format!("there is no file {}", id.0))
    }

    fn object(&self, id: ObjectId) -> Checked {
        let known = self.objects.contains(&id);
        expect(known, || format!("there is no object {}", id.0))
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::{Args, Enter, Start, ThreadEnd};
    use pmu::Signature;

    fn start() -> Event<'static> {
        Event::Start(Start {
            tid: Tid(10),
            program: b"/bin/true"[..].into(),
            argv: Vec::new(),
            envp: Vec::new(),
            cwd: b"/"[..].into(),
            stack_limit: 8 << 20,
        })
    }

    fn enter() -> Enter<'static> {
        Enter {
            nr: 39,
            args: Args::default(),
            ip: 0,
            signature: Signature(0),
            ins: Vec::new(),
        }
    }

    fn leave(effects: Vec<Effect<'static>>) -> Leave<'static> {
        Leave {
            result: 0,
            outs: Vec::new(),
            effects,
        }
    }

    fn call(effects: Vec<Effect<'static>>) -> Event<'static> {
        Event::Syscall(enter(), leave(effects))
    }

    fn end() -> Event<'static> {
        Event::ThreadEnd(ThreadEnd {
            status: 0,
            writes: Vec::new(),
        })
    }

    fn problem(events: &[Event<'_>]) -> Option<String> {
        let mut order = Order::default();
        for event in events {
            order.event(event);
        }
        order.problem()
    }

    #[test]
    fn what_happens_in_order_is_fine() {
        let events = [
            start(),
            call(Vec::new()),
            Event::Enter(enter()),
            Event::Leave(leave(Vec::new())),
            Event::Enter(enter()),
            end(),
            Event::End(0),
        ];
        assert_eq!(problem(&events), None);
        assert_eq!(problem(&[]), None);
    }

    #[test]
    fn what_cannot_be_is_found() {
        let unknown = Mapping {
            start: 0x1000,
            end: 0x2000,
            prot: 1,
            flags: 2,
            source: Source::File {
                id: FileId(7),
                offset: 0,
            },
        };
        let gone = Effect::Forget { id: ObjectId(3) };
        let cases: [(&[Event<'_>], &str); 7] = [
            (&[end()], "event 0: it does not begin with a start"),
            (&[start(), start()], "event 1: a second start"),
            (
                &[start(), Event::Leave(leave(Vec::new()))],
                "event 1: thread 10 leaves a syscall, but is in none",
            ),
            (
                &[start(), Event::Enter(enter()), Event::Enter(enter())],
                "event 2: thread 10 enters a syscall, but is in one",
            ),
            (
                &[start(), Event::Switch(Tid(11)), end()],
                "event 2: thread 11 does not live",
            ),
            (
                &[start(), call(vec![Effect::Map(unknown)])],
                "event 1: there is no file 7",
            ),
            (
                &[start(), call(vec![gone])],
                "event 1: there is no object 3",
            ),
        ];
        for (events, expected) in cases {
            let found = problem(events);
            let expected = format!("the journal contradicts itself at {expected}");
            assert_eq!(found.as_ref(), Some(&expected));
        }
    }
}
