//! Strategies for arbitrary events.

use journal::{
    Action, Address, Args, Asked, Bytes, ClockRead, ConnId, Delivery, Effect, Endpoint, Enter,
    Event, Exec, FileId, GateEvent, In, KeptFile, Leave, Mapping, ObjectId, Opened, Out, PageRun,
    Scales, Signal, Source, Span, Spawn, Start, State, ThreadEnd, Tid, Trap, TrapKind, TreeEntry,
    TreeItem, Word, Write,
};
use pmu::{Counter, Position, Rcb, Regs, Signature, SyncIndex};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Numbers of every encoded length.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(number, shift)| number >> shift)
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0u32..32).prop_map(|(number, shift)| number >> shift)
}

fn bytes() -> impl Strategy<Value = Bytes<'static>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        1 => (any::<u8>(), 0usize..20_000).prop_map(|(byte, len)| Bytes::from(std::vec![byte; len])),
    ]
}

fn tid() -> impl Strategy<Value = Tid> {
    any::<i32>().prop_map(Tid)
}

fn signature() -> impl Strategy<Value = Signature> {
    any::<u32>().prop_map(Signature)
}

fn regs() -> impl Strategy<Value = Regs> {
    (vec(number(), 6), number(), number(), number()).prop_map(|(args, rax, rip, rsp)| {
        let mut regs = Regs {
            rax,
            rip,
            rsp,
            ..Regs::default()
        };
        for (index, value) in args.into_iter().enumerate() {
            regs.set_arg(index, value);
        }
        regs
    })
}

fn position() -> impl Strategy<Value = Position> {
    let counter = prop_oneof![
        Just(Counter::SyncPoint),
        Just(Counter::Hardware),
        Just(Counter::Software),
        Just(Counter::Stepped),
    ];
    (number(), number(), number(), signature(), counter).prop_map(
        |(sync, rcb, ip, signature, counter)| Position {
            sync: SyncIndex(sync),
            rcb: Rcb(rcb),
            ip,
            signature,
            counter,
        },
    )
}

fn out() -> impl Strategy<Value = Out<'static>> {
    (number(), bytes()).prop_map(|(addr, data)| Out { addr, data })
}

fn write() -> impl Strategy<Value = Write<'static>> {
    (tid(), number(), bytes()).prop_map(|(tid, addr, data)| Write { tid, addr, data })
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::Zero),
        (small(), number()).prop_map(|(id, offset)| Source::File {
            id: FileId(id),
            offset
        }),
        (small(), number()).prop_map(|(id, offset)| Source::Object {
            id: ObjectId(id),
            offset
        }),
    ]
}

fn mapping() -> impl Strategy<Value = Mapping> {
    (number(), number(), small(), small(), source()).prop_map(
        |(start, end, prot, flags, source)| Mapping {
            start,
            end,
            prot,
            flags,
            source,
        },
    )
}

fn exec() -> impl Strategy<Value = Exec<'static>> {
    (
        bytes(),
        tid(),
        regs(),
        vec(mapping(), 0..4),
        vec(out(), 0..3),
    )
        .prop_map(|(path, former, regs, maps, content)| Exec {
            path,
            former,
            regs,
            maps,
            content,
        })
}

fn effect() -> impl Strategy<Value = Effect<'static>> {
    let id = || small().prop_map(ObjectId);
    prop_oneof![
        exec().prop_map(Effect::Exec),
        mapping().prop_map(Effect::Map),
        regs().prop_map(Effect::Regs),
        write().prop_map(Effect::Write),
        (id(), number(), option::of(small().prop_map(FileId)))
            .prop_map(|(id, size, content)| Effect::Object { id, size, content }),
        (id(), number()).prop_map(|(id, size)| Effect::Resize { id, size }),
        (id(), number(), bytes()).prop_map(|(id, offset, data)| Effect::ObjectWrite {
            id,
            offset,
            data
        }),
        (any::<u8>(), bytes()).prop_map(|(stream, data)| Effect::Echo { stream, data }),
        id().prop_map(|id| Effect::Forget { id }),
        number().prop_map(|end| Effect::Advised { end }),
    ]
}

fn args() -> impl Strategy<Value = Args> {
    (proptest::array::uniform6(number()), 0usize..=6).prop_map(|(values, len)| {
        // What is not taken does not come back.
        Args::new(
            std::array::from_fn(|index| if index < len { values[index] } else { 0 }),
            len,
        )
    })
}

fn enter() -> impl Strategy<Value = Enter<'static>> {
    let input = (number(), number(), any::<u32>(), bytes()).prop_map(|(addr, len, sum, head)| In {
        addr,
        len,
        sum,
        head,
    });
    (small(), args(), number(), signature(), vec(input, 0..3)).prop_map(
        |(nr, args, ip, signature, ins)| Enter {
            nr,
            args,
            ip,
            signature,
            ins,
        },
    )
}

fn leave() -> impl Strategy<Value = Leave<'static>> {
    (any::<i64>(), vec(out(), 0..3), vec(effect(), 0..3)).prop_map(|(result, outs, effects)| {
        Leave {
            result,
            outs,
            effects,
        }
    })
}

fn signal() -> impl Strategy<Value = Signal<'static>> {
    let delivery = prop_oneof![
        (number(), signature()).prop_map(|(ip, signature)| Delivery::Fault { ip, signature }),
        Just(Delivery::Here),
        (number(), signature()).prop_map(|(ip, signature)| Delivery::Entry { ip, signature }),
        position().prop_map(Delivery::At),
    ];
    let action = prop_oneof![
        Just(Action::None),
        (out(), regs()).prop_map(|(frame, regs)| Action::Handler { frame, regs }),
        Just(Action::Fatal),
        Just(Action::Stop),
    ];
    (bytes(), delivery, action).prop_map(|(info, at, action)| Signal { info, at, action })
}

fn trap() -> impl Strategy<Value = Trap> {
    let kind = prop_oneof![
        Just(TrapKind::Rdtsc),
        Just(TrapKind::Rdtscp),
        Just(TrapKind::Rdrand),
        Just(TrapKind::Rdseed),
        Just(TrapKind::Cpuid),
    ];
    (kind, number(), signature(), number(), number()).prop_map(
        |(kind, ip, signature, value, aux)| Trap {
            kind,
            ip,
            signature,
            value,
            aux,
        },
    )
}

fn start() -> impl Strategy<Value = Start<'static>> {
    (
        tid(),
        bytes(),
        vec(bytes(), 0..4),
        vec(bytes(), 0..4),
        bytes(),
        number(),
    )
        .prop_map(|(tid, program, argv, envp, cwd, stack_limit)| Start {
            tid,
            program,
            argv,
            envp,
            cwd,
            stack_limit,
        })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let address = prop_oneof![
        any::<u32>().prop_map(Address::V4),
        any::<u128>().prop_map(Address::V6),
    ];
    (address, any::<u16>()).prop_map(|(address, port)| Endpoint { address, port })
}

fn opened() -> impl Strategy<Value = Opened> {
    let scales = (any::<u8>(), any::<u8>()).prop_map(|(local, remote)| Scales { local, remote });
    let numbers = (small(), any::<u32>(), any::<u32>(), small());
    let options = (
        option::of(scales),
        any::<(bool, bool)>(),
        option::of(any::<u32>()),
    );
    (endpoint(), endpoint(), numbers, options).prop_map(
        |(local, remote, (conn, local_isn, remote_isn, mss), options)| Opened {
            conn: ConnId(conn),
            local,
            remote,
            inbound: options.1.0,
            local_isn,
            remote_isn,
            mss,
            scales: options.0,
            sack: options.1.1,
            timestamp: options.2,
        },
    )
}

fn gate_event() -> impl Strategy<Value = GateEvent<'static>> {
    let conn = || small().prop_map(ConnId);
    prop_oneof![
        opened().prop_map(GateEvent::Opened),
        (conn(), number(), bytes()).prop_map(|(conn, acked, data)| GateEvent::Payload {
            conn,
            acked,
            data
        }),
        (conn(), number(), small()).prop_map(|(conn, acked, window)| GateEvent::Acked {
            conn,
            acked,
            window
        }),
        conn().prop_map(GateEvent::Fin),
        conn().prop_map(GateEvent::Reset),
        conn().prop_map(GateEvent::Forgotten),
        number().prop_map(GateEvent::Clock),
        conn().prop_map(GateEvent::Released),
        opened().prop_map(|opened| GateEvent::Asked(Asked {
            conn: opened.conn,
            local: opened.local,
            remote: opened.remote,
            local_isn: opened.local_isn,
            scale: opened.scales.map(|scales| scales.local),
            timestamp: opened.timestamp,
        })),
    ]
}

/// Any event but [`Event::End`], which may only be the last.
pub fn event() -> impl Strategy<Value = Event<'static>> {
    let spawn =
        (tid(), number(), regs(), vec(write(), 0..3)).prop_map(|(tid, flags, regs, writes)| {
            Spawn {
                tid,
                flags,
                regs,
                writes,
            }
        });
    let end = (any::<i32>(), vec(write(), 0..3))
        .prop_map(|(status, writes)| ThreadEnd { status, writes });
    let file =
        (small(), any::<u128>(), number(), bytes()).prop_map(|(id, hash, size, path)| KeptFile {
            id: FileId(id),
            hash,
            size,
            path,
        });
    prop_oneof![
        1 => start().prop_map(Event::Start),
        4 => tid().prop_map(Event::Switch),
        4 => (enter(), leave()).prop_map(|(enter, leave)| Event::Syscall(enter, leave)),
        2 => enter().prop_map(Event::Enter),
        2 => leave().prop_map(Event::Leave),
        2 => out().prop_map(Event::Data),
        2 => signal().prop_map(Event::Signal),
        2 => trap().prop_map(Event::Trap),
        4 => position().prop_map(Event::Preempt),
        2 => state().prop_map(Event::State),
        2 => vec((any::<u64>(), any::<u64>()), 0..3).prop_map(|spans| {
            let span = |(addr, len)| Span { addr, len };
            Event::InFlight(spans.into_iter().map(span).collect())
        }),
        1 => spawn.prop_map(Event::Spawn),
        1 => end.prop_map(Event::ThreadEnd),
        1 => file.prop_map(Event::File),
        2 => any::<u64>().prop_map(Event::Time),
        2 => vec((any::<i64>(), any::<i64>()), 0..4).prop_map(|reads| {
            let read = |(first, second)| ClockRead { first, second };
            Event::Clocks(reads.into_iter().map(read).collect())
        }),
        1 => ".{0,40}".prop_map(|note| Event::Note(note.into())),
        4 => gate_event().prop_map(Event::Gate),
        2 => tree_entry().prop_map(Event::Tree),
    ]
}

fn state() -> impl Strategy<Value = State> {
    let pages = vec((any::<u64>(), vec(any::<u32>(), 0..5)), 0..3);
    let words = vec((any::<u64>(), any::<i32>()), 0..3);
    (regs(), any::<u32>(), pages, words).prop_map(|(regs, vectors, pages, words)| {
        let run = |(start, hashes)| PageRun { start, hashes };
        let word = |(addr, value)| Word { addr, value };
        State {
            regs,
            vectors,
            pages: pages.into_iter().map(run).collect(),
            words: words.into_iter().map(word).collect(),
        }
    })
}

fn tree_entry() -> impl Strategy<Value = TreeEntry<'static>> {
    let item = prop_oneof![
        any::<bool>().prop_map(TreeItem::Begin),
        Just(TreeItem::Directory),
        small().prop_map(|id| TreeItem::File(FileId(id))),
        (any::<u128>(), number()).prop_map(|(hash, size)| TreeItem::Content(hash, size)),
        bytes().prop_map(TreeItem::Link),
        bytes().prop_map(TreeItem::Again),
        (any::<u32>(), number()).prop_map(|(kind, device)| TreeItem::Node(kind, device)),
        Just(TreeItem::End),
        Just(TreeItem::BeginShared),
        number().prop_map(TreeItem::Size),
    ];
    let owner = (any::<u32>(), any::<u32>());
    (bytes(), any::<u32>(), owner, any::<i64>(), item).prop_map(
        |(path, mode, (uid, gid), modified_ns, item)| TreeEntry {
            path,
            mode,
            uid,
            gid,
            modified_ns,
            item,
        },
    )
}

/// Events in any order, ended or not.
pub fn events() -> impl Strategy<Value = Vec<Event<'static>>> {
    (vec(event(), 0..60), option::of(any::<i32>())).prop_map(|(mut events, end)| {
        events.extend(end.map(Event::End));
        events
    })
}
