//! Proptest strategies for random programs.

use crate::machine::Place;
use crate::program::{Place8, Program, Reg, Simple, Stmt};
use proptest::collection::vec;
use proptest::prelude::*;

fn reg() -> impl Strategy<Value = Reg> {
    // Not rsp, nor the two with a fixed role.
    prop_oneof![0..4u8, 5..14u8]
}

fn place() -> impl Strategy<Value = Place8> {
    prop_oneof![
        4 => reg().prop_map(Place8::Reg),
        2 => any::<u16>().prop_map(Place8::Rip),
        1 => any::<u16>().prop_map(Place8::Data),
        1 => any::<u8>().prop_map(Place8::RedZone),
    ]
}

fn alu() -> impl Strategy<Value = Simple> {
    let any8 = any::<u8>;
    prop_oneof![
        (any8(), any8(), reg(), place(), any::<bool>())
            .prop_map(|(op, size, reg, place, store)| Simple::Alu(op, size, reg, place, store)),
        (any8(), any8(), place(), any::<i8>())
            .prop_map(|(op, size, place, imm)| Simple::AluImm(op, size, place, imm)),
        (any8(), reg(), place()).prop_map(|(size, reg, place)| Simple::Test(size, reg, place)),
        (any8(), reg(), place(), any::<bool>())
            .prop_map(|(size, reg, place, store)| Simple::Mov(size, reg, place, store)),
        (any8(), any8(), place()).prop_map(|(op, size, place)| Simple::Unary(op, size, place)),
        (any8(), any8(), place(), proptest::option::of(any8()))
            .prop_map(|(op, size, place, count)| Simple::Shift(op, size, place, count)),
        (reg(), any::<u16>()).prop_map(|(reg, offset)| Simple::Lea(reg, offset)),
        (reg(), reg(), reg()).prop_map(|(reg, base, index)| Simple::LeaIndexed(reg, base, index)),
    ]
}

fn other() -> impl Strategy<Value = Simple> {
    let any8 = any::<u8>;
    let flags = prop_oneof![
        Just(Simple::Lahf),
        Just(Simple::Sahf),
        reg().prop_map(Simple::PushfPop),
        reg().prop_map(Simple::PushPopf),
        any8().prop_map(Simple::Flag),
        (any8(), place()).prop_map(|(condition, place)| Simple::Set(condition, place)),
        (any8(), reg(), place())
            .prop_map(|(condition, reg, place)| Simple::Cmov(condition, reg, place)),
        (any8(), reg(), reg()).prop_map(|(op, reg, by)| Simple::Bit(op, reg, by)),
    ];
    let memory = prop_oneof![
        (reg(), place()).prop_map(|(reg, place)| Simple::Imul(reg, place)),
        (reg(), place()).prop_map(|(reg, place)| Simple::Xchg(reg, place)),
        (reg(), place()).prop_map(|(reg, place)| Simple::LockXadd(reg, place)),
        (reg(), place()).prop_map(|(reg, place)| Simple::Cmpxchg(reg, place)),
        Just(Simple::Cmpxchg16b),
        (any8(), reg(), place()).prop_map(|(op, reg, place)| Simple::Extend(op, reg, place)),
        reg().prop_map(Simple::Bswap),
        (place(), place()).prop_map(|(from, to)| Simple::PushPop(from, to)),
        (any8(), any8(), any8(), any8())
            .prop_map(|(op, prefix, size, count)| Simple::Str(op, prefix, size, count)),
        (reg(), any::<u64>()).prop_map(|(reg, value)| Simple::MovImm(reg, value)),
        any8().prop_map(Simple::Nop),
        any8().prop_map(Simple::Enter),
        (any::<u16>(), any::<bool>()).prop_map(|(offset, store)| Simple::Moffs(offset, store)),
        any8().prop_map(Simple::Special),
        (any8(), reg(), reg(), place())
            .prop_map(|(op, reg, second, place)| Simple::Bmi(op, reg, second, place)),
        (any8(), reg(), reg()).prop_map(|(way, from, to)| Simple::Patch(way, from, to)),
    ];
    let vector = prop_oneof![
        (any8(), any8(), place()).prop_map(|(op, reg, place)| Simple::Sse(op, reg, place)),
        (any8(), place()).prop_map(|(reg, place)| Simple::SseStore(reg, place)),
        (any8(), any8(), any8(), place())
            .prop_map(|(op, reg, second, place)| Simple::Avx(op, reg, second, place)),
        (any8(), any8(), place()).prop_map(|(reg, second, place)| Simple::Evex(reg, second, place)),
        (any8(), any::<u16>()).prop_map(|(op, offset)| Simple::X87(op, offset)),
        (any8(), reg()).prop_map(|(reg, from)| Simple::MovToSse(reg, from)),
        (any8(), any8()).prop_map(|(reg, other)| Simple::Ptest(reg, other)),
        (any8(), place()).prop_map(|(reg, place)| Simple::Comisd(reg, place)),
    ];
    prop_oneof![flags, memory, vector]
}

fn simple() -> impl Strategy<Value = Simple> {
    prop_oneof![alu(), other()]
}

fn stmts() -> impl Strategy<Value = Vec<Stmt>> {
    let leaf = prop_oneof![
        30 => simple().prop_map(Stmt::Do),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(which, way)| Stmt::Call(which, way)),
        4 => (any::<u8>(), vec(alu(), 0..4)).prop_map(|(count, body)| Stmt::Tight(count, body)),
        1 => (any::<u8>(), place()).prop_map(|(size, place)| Stmt::Div(size, place)),
        1 => (reg(), any::<u64>()).prop_map(|(reg, address)| Stmt::Wild(reg, address >> 8)),
    ];
    let stmt = leaf.prop_recursive(3, 24, 4, |inner| {
        let body = || vec(inner.clone(), 0..4);
        prop_oneof![
            3 => (any::<u8>(), body(), body())
                .prop_map(|(condition, then, other)| Stmt::If(condition, then, other)),
            2 => (any::<u8>(), any::<u8>(), body())
                .prop_map(|(count, way, body)| Stmt::Loop(count, way, body)),
            2 => (reg(), any::<u8>(), vec(body(), 2..5))
                .prop_map(|(reg, way, cases)| Stmt::Switch(reg, way, cases)),
            1 => (any::<bool>(), body()).prop_map(|(short, body)| Stmt::Jrcxz(short, body)),
        ]
    });
    vec(stmt, 0..8)
}

/// A program of one to four functions.
pub fn program() -> impl Strategy<Value = Program> {
    let functions = vec(stmts(), 1..5);
    let patches = prop_oneof![2 => Just(false), 1 => Just(true)];
    (functions, vec(any::<u8>(), 4), any::<u64>(), patches).prop_map(
        |(functions, extra, seed, patches)| Program {
            functions,
            extra,
            seed,
            patches,
        },
    )
}

/// A place for program and cache.
pub fn where_to() -> impl Strategy<Value = Place> {
    let apps = crate::machine::APP_BASES.len();
    let caches = crate::machine::CACHE_BASES.len();
    (0..apps, 0..caches).prop_map(|(app, cache)| Place { app, cache })
}
