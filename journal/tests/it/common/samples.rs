//! One event of every kind, with every variant of what it can contain.

use journal::{
    Action, Address, Args, Asked, Bytes, ClockRead, ConnId, Delivery, Effect, Endpoint, Enter,
    Event, Exec, FileId, GateEvent, In, KeptFile, Leave, Mapping, ObjectId, Opened, Out, PageRun,
    Scales, Signal, Source, Span, Spawn, Start, State, ThreadEnd, Tid, Trap, TrapKind, TreeEntry,
    TreeItem, Word, Write,
};
use pmu::{Counter, Position, Rcb, Regs, Signature, SyncIndex};

fn bytes(text: &str) -> Bytes<'static> {
    Bytes::from(text.as_bytes().to_vec())
}

fn regs() -> Regs {
    Regs {
        rax: 1,
        rip: 0x40_1000,
        rsp: 0x7fff_0000,
        cs: 0x33,
        ss: 0x2b,
        eflags: 0x246,
        ..Regs::default()
    }
}

fn out() -> Out<'static> {
    Out {
        addr: 0x7fff_1000,
        data: bytes("hello"),
    }
}

fn writes() -> Vec<Write<'static>> {
    vec![Write {
        tid: Tid(7),
        addr: 0x1000,
        data: bytes("\0\0\0\0"),
    }]
}

pub fn sources() -> Vec<Source> {
    vec![
        Source::Zero,
        Source::File {
            id: FileId(1),
            offset: 4096,
        },
        Source::Object {
            id: ObjectId(2),
            offset: 8192,
        },
    ]
}

pub fn mappings() -> Vec<Mapping> {
    let mapping = |source| Mapping {
        start: 0x40_0000,
        end: 0x40_2000,
        prot: 5,
        flags: 2,
        source,
    };
    sources().into_iter().map(mapping).collect()
}

pub fn counters() -> Vec<Counter> {
    vec![
        Counter::SyncPoint,
        Counter::Hardware,
        Counter::Software,
        Counter::Stepped,
        Counter::State,
    ]
}

pub fn positions() -> Vec<Position> {
    let position = |counter| Position {
        sync: SyncIndex(3),
        rcb: Rcb(200),
        ip: 0x40_1234,
        signature: Signature(0xdead_beef),
        counter,
    };
    counters().into_iter().map(position).collect()
}

pub fn effects() -> Vec<Effect<'static>> {
    let exec = Exec {
        path: bytes("/bin/true"),
        former: Tid(7),
        regs: regs(),
        maps: mappings(),
        content: vec![out()],
    };
    let mut effects = vec![
        Effect::Exec(exec),
        Effect::Regs(regs()),
        Effect::Write(Write {
            tid: Tid(8),
            addr: 0x2000,
            data: bytes("x"),
        }),
        Effect::Object {
            id: ObjectId(1),
            size: 4096,
            content: None,
        },
        Effect::Object {
            id: ObjectId(2),
            size: 4096,
            content: Some(FileId(3)),
        },
        Effect::Resize {
            id: ObjectId(1),
            size: 8192,
        },
        Effect::ObjectWrite {
            id: ObjectId(1),
            offset: 16,
            data: bytes("shared"),
        },
        Effect::Echo {
            stream: 1,
            data: bytes("to stdout\n"),
        },
        Effect::Forget { id: ObjectId(1) },
        Effect::Fill {
            id: ObjectId(1),
            content: FileId(2),
        },
        Effect::Stream { fd: 9, stream: 2 },
        Effect::Connection { fd: 7, conn: 3 },
        Effect::Socket {
            fd: 8,
            local: endpoint(),
            remote: Some(endpoint()),
        },
        Effect::Socket {
            fd: 8,
            local: endpoint(),
            remote: None,
        },
    ];
    effects.extend(mappings().into_iter().map(Effect::Map));
    effects
}

/// Not in the files that earlier versions wrote.
pub fn advised() -> Effect<'static> {
    Effect::Advised { end: 0x7000 }
}

/// What refers to bytes that came in before: `payload` are those of connection 300.
pub fn received() -> Effect<'static> {
    Effect::Received {
        conn: ConnId(300),
        position: 0,
        taken: 10,
        spans: vec![
            Span {
                addr: 0x7fff_0000,
                len: 4,
            },
            Span {
                addr: 0x7fff_1000,
                len: 6,
            },
        ],
    }
}

pub fn deliveries() -> Vec<Delivery> {
    let (ip, signature) = (0x40_1000, Signature(1));
    vec![
        Delivery::Fault { ip, signature },
        Delivery::Here,
        Delivery::Entry { ip, signature },
        Delivery::At(positions()[1]),
    ]
}

pub fn actions() -> Vec<Action<'static>> {
    vec![
        Action::None,
        Action::Handler {
            frame: out(),
            regs: regs(),
        },
        Action::Fatal,
        Action::Stop,
    ]
}

pub fn trap_kinds() -> Vec<TrapKind> {
    vec![
        TrapKind::Rdtsc,
        TrapKind::Rdtscp,
        TrapKind::Rdrand,
        TrapKind::Rdseed,
        TrapKind::Cpuid,
    ]
}

pub fn enter() -> Enter<'static> {
    let ins = vec![In {
        addr: 0x1000,
        len: 5,
        sum: 0x1234_5678,
        head: bytes("hello"),
    }];
    Enter {
        nr: 1,
        args: Args::new([1, 0x1000, 5, 0, 0, 0], 3),
        ip: 0x40_1002,
        signature: Signature(0xff),
        ins,
    }
}

pub fn leave() -> Leave<'static> {
    Leave {
        result: -512,
        outs: vec![out()],
        effects: effects(),
    }
}

/// A recording with everything in it, from the start to the end.
pub fn all() -> Vec<Event<'static>> {
    let start = Start {
        tid: Tid(1000),
        program: bytes("/bin/true"),
        argv: vec![bytes("true"), bytes("")],
        envp: vec![bytes("LANG=C")],
        cwd: bytes("/"),
        stack_limit: 8 << 20,
    };
    let file = KeptFile {
        id: FileId(1),
        hash: u128::MAX / 3,
        size: 1 << 40,
        path: bytes("/lib/x.so"),
    };
    let spawn = Spawn {
        tid: Tid(1001),
        flags: 0x3d_0f00,
        regs: regs(),
        writes: writes(),
    };
    let mut events = vec![
        Event::Start(start),
        Event::Switch(Tid(1000)),
        Event::File(file),
        Event::Syscall(enter(), leave()),
        Event::Enter(enter()),
        Event::Data(out()),
        Event::Leave(leave()),
        Event::Spawn(spawn),
    ];
    for at in deliveries() {
        events.extend(actions().into_iter().map(|action| {
            Event::Signal(Signal {
                info: bytes("\x0b"),
                at,
                action,
            })
        }));
    }
    events.extend(trap_kinds().into_iter().map(|kind| {
        Event::Trap(Trap {
            kind,
            ip: 0x40_1000,
            signature: Signature(2),
            value: u64::MAX,
            aux: 0,
        })
    }));
    events.extend(positions().into_iter().map(Event::Preempt));
    events.push(Event::InFlight(vec![Span {
        addr: 0x7fff_0000_0008,
        len: 8,
    }]));
    events.push(Event::State(State {
        regs: regs(),
        vectors: 7,
        pages: vec![PageRun {
            start: 0x7fff_0000_0000,
            hashes: vec![0, 1, u32::MAX],
        }],
        words: vec![Word {
            addr: 0x7fff_0000_0010,
            value: -5,
        }],
    }));
    events.push(Event::ThreadEnd(ThreadEnd {
        status: 0,
        writes: writes(),
    }));
    events.push(Event::Time(1_700_000_000_000_000_000));
    events.push(Event::Note("io_uring is switched off — é".into()));
    events.push(Event::Clocks(vec![
        ClockRead {
            first: 1_700_000_000,
            second: -5,
        },
        ClockRead {
            first: 0,
            second: 77,
        },
    ]));
    events.extend(gate_events().into_iter().map(Event::Gate));
    events.extend(tree_entries().into_iter().map(Event::Tree));
    events.push(Event::End(0));
    events
}

pub fn tree_entries() -> Vec<TreeEntry<'static>> {
    let entry = |path: &'static [u8], item| TreeEntry {
        path: Bytes::from(path),
        mode: 0o755,
        uid: 0,
        gid: 1000,
        modified_ns: -1,
        item,
    };
    vec![
        entry(b"/data", TreeItem::Begin(true)),
        entry(b"/data/base", TreeItem::Directory),
        entry(b"/data/base/1", TreeItem::File(FileId(7))),
        entry(b"/data/base/2", TreeItem::Content(1 << 100, 300)),
        entry(b"/data/link", TreeItem::Link(Bytes::from(&b"base"[..]))),
        entry(
            b"/data/twice",
            TreeItem::Again(Bytes::from(&b"/data/base/1"[..])),
        ),
        entry(b"/data/.s.socket", TreeItem::Node(0o140_000, 0)),
        entry(b"/data", TreeItem::End),
        entry(b"/san", TreeItem::BeginShared),
        entry(b"/san/log", TreeItem::Size(1 << 40)),
        entry(b"/san", TreeItem::End),
    ]
}

pub fn addresses() -> Vec<Address> {
    vec![Address::V4(0x0a00_0001), Address::V6(0xfd00 << 112 | 1)]
}

fn endpoint() -> Endpoint {
    Endpoint {
        address: Address::V4(0x7f00_0001),
        port: 40_000,
    }
}

pub fn gate_events() -> Vec<GateEvent<'static>> {
    let conn = ConnId(300);
    let opened = |address| Opened {
        conn,
        local: Endpoint { address, port: 80 },
        remote: Endpoint {
            address,
            port: 40_000,
        },
        inbound: true,
        local_isn: u32::MAX,
        remote_isn: 1,
        mss: 1460,
        scales: Some(Scales {
            local: 7,
            remote: 14,
        }),
        sack: true,
        timestamp: Some(123_456),
    };
    let mut events: Vec<_> = addresses()
        .into_iter()
        .map(|address| GateEvent::Opened(opened(address)))
        .collect();
    events.extend([
        GateEvent::Payload {
            conn,
            acked: 1000,
            data: bytes("GET / HTTP/1.1"),
        },
        GateEvent::Acked {
            conn,
            acked: 40_000,
            window: 1 << 20,
        },
        GateEvent::Fin(conn),
        GateEvent::Reset(conn),
        GateEvent::Forgotten(conn),
        GateEvent::Clock(1 << 40),
        GateEvent::Released(conn),
        GateEvent::Asked(Asked {
            conn,
            local: endpoint(),
            remote: endpoint(),
            local_isn: u32::MAX,
            scale: Some(7),
            timestamp: Some(123_456),
        }),
    ]);
    events
}
