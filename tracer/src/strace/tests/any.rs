//! Events with any content in any order: nothing may panic, and what prints is lines.

use super::*;
use journal::{Mapping, Source};
use proptest::collection::vec;
use proptest::prelude::*;

/// Addresses of which some are shared, so that memory is found.
fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0u64..6).prop_map(|page| page * 0x100),
        2 => (0u64..0x600).prop_map(|addr| addr),
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0u64..40,
        3 => address(),
        1 => any::<u64>(),
        1 => any::<u32>().prop_map(u64::from),
    ]
}

/// Memory made of numbers, among them addresses and lengths.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => vec(number(), 0..20).prop_map(|numbers| words(&numbers)),
        2 => vec(any::<u8>(), 0..200),
        1 => vec(prop_oneof![Just(0u8), Just(b'a'), any::<u8>()], 0..5000),
    ]
}

fn ins() -> impl Strategy<Value = Vec<In<'static>>> {
    let one = (address(), content(), number()).prop_map(|(addr, content, len)| In {
        addr,
        len: len.max(content.len() as u64),
        sum: 0,
        head: content.into(),
    });
    vec(one, 0..8)
}

fn outs() -> impl Strategy<Value = Vec<Out<'static>>> {
    let one = (address(), content()).prop_map(|(addr, content)| Out {
        addr,
        data: content.into(),
    });
    vec(one, 0..8)
}

fn entry() -> impl Strategy<Value = Enter<'static>> {
    let nr = prop_oneof![20 => 0u32..480, 1 => any::<u32>()];
    (nr, vec(number(), 6), 0usize..=6, ins()).prop_map(|(nr, args, len, ins)| Enter {
        nr,
        args: Args::new(std::array::from_fn(|index| args[index]), len),
        ip: 0,
        signature: Signature(0),
        ins,
    })
}

fn exit() -> impl Strategy<Value = Leave<'static>> {
    let result = prop_oneof![3 => 0i64..100, 1 => any::<i64>(), 2 => -530i64..0];
    let exec = (-2i32..4).prop_map(|former| {
        Effect::Exec(Exec {
            path: bytes(b""),
            former: Tid(former),
            regs: Regs::default(),
            maps: vec![Mapping {
                start: 0,
                end: 1,
                prot: 0,
                flags: 0,
                source: Source::Zero,
            }],
            content: Vec::new(),
        })
    });
    (result, outs(), vec(exec, 0..2)).prop_map(|(result, outs, effects)| Leave {
        result,
        outs,
        effects,
    })
}

fn signal() -> impl Strategy<Value = Event<'static>> {
    let action = prop_oneof![
        Just(Action::None),
        Just(Action::Fatal),
        Just(Action::Stop),
        (address(), content()).prop_map(|(addr, frame)| Action::Handler {
            frame: Out {
                addr,
                data: frame.into()
            },
            regs: Regs::default(),
        }),
    ];
    (vec(prop_oneof![0u8..40, any::<u8>()], 0..140), action).prop_map(|(info, action)| {
        Event::Signal(Signal {
            info: info.into(),
            at: Delivery::Here,
            action,
        })
    })
}

fn event() -> impl Strategy<Value = Event<'static>> {
    let tid = || (-2i32..4).prop_map(Tid);
    let writes = || {
        let one = (tid(), address(), content()).prop_map(|(tid, addr, data)| Write {
            tid,
            addr,
            data: data.into(),
        });
        vec(one, 0..3)
    };
    prop_oneof![
        1 => Just(start()),
        3 => tid().prop_map(Event::Switch),
        12 => (entry(), exit()).prop_map(|(enter, leave)| Event::Syscall(enter, leave)),
        6 => entry().prop_map(Event::Enter),
        6 => exit().prop_map(Event::Leave),
        2 => (address(), content()).prop_map(|(addr, data)| Event::Data(Out { addr, data: data.into() })),
        3 => signal(),
        2 => (tid(), writes()).prop_map(|(tid, writes)| spawn(tid, writes)),
        2 => (any::<i32>(), writes())
            .prop_map(|(status, writes)| Event::ThreadEnd(ThreadEnd { status, writes })),
        1 => any::<u64>().prop_map(Event::Time),
        1 => any::<i32>().prop_map(Event::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_events_print_as_lines(events in vec(event(), 0..40), file in any::<bool>()) {
        let prefix = if file { Prefix::File } else { Prefix::Terminal };
        let text = print(Options { prefix, ..Options::default() }, &events);
        prop_assert!(text.is_empty() || text.ends_with('\n'));
        prop_assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text}");
    }

    #[test]
    fn every_syscall_prints_name_and_result(enter in entry(), leave in exit()) {
        prop_assume!(model::lookup(enter.nr).is_some());
        let name = model::lookup(enter.nr).map_or("", |def| def.name);
        let text = print(Options::default(), &[start(), Event::Syscall(enter, leave)]);
        prop_assert!(text.starts_with(&format!("{name}(")), "{text}");
        prop_assert!(text.contains(") ") && text.contains("= "), "{text}");
        prop_assert_eq!(text.lines().count(), 1);
    }
}
