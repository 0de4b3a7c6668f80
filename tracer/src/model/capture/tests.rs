//! The generic code, on memory that is made up.

#![allow(clippy::cast_possible_truncation, reason = "small numbers in tests")]

use super::{Call, CaptureError, Entry, Memory, Range};
use crate::model::types::{
    Arg, Block, Dir, FileChange, Handler, Kind, Mem, Nested, Policy, Ret, Shape, Size, StructId,
    Sub, SubCommand, Syscall, Unknown,
};
use journal::In;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Pages of memory at addresses; what is not there cannot be read. Counts the reads.
#[derive(Default)]
struct Fake {
    pages: BTreeMap<u64, Vec<u8>>,
    reads: Cell<usize>,
}

const PAGE: u64 = 4096;

impl Fake {
    fn with(pieces: &[(u64, &[u8])]) -> Self {
        let mut fake = Self::default();
        for (addr, bytes) in pieces {
            fake.put(*addr, bytes);
        }
        fake
    }

    fn put(&mut self, addr: u64, bytes: &[u8]) {
        for (at, byte) in (addr..).zip(bytes) {
            let page = self
                .pages
                .entry(at / PAGE)
                .or_insert_with(|| vec![0; PAGE as usize]);
            page[(at % PAGE) as usize] = *byte;
        }
    }

    fn words(&mut self, addr: u64, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(addr, &bytes);
    }
}

impl Memory for Fake {
    fn read(&self, addr: u64, buf: &mut [u8]) -> usize {
        self.reads.set(self.reads.get() + 1);
        for (done, slot) in buf.iter_mut().enumerate() {
            let Some(at) = addr.checked_add(done as u64) else {
                return done;
            };
            let Some(page) = self.pages.get(&(at / PAGE)) else {
                return done;
            };
            *slot = page[(at % PAGE) as usize];
        }
        buf.len()
    }
}

/// A syscall with these kinds of arguments.
fn define(kinds: &[Kind]) -> &'static Syscall {
    let args: Vec<Arg> = kinds
        .iter()
        .map(|kind| Arg {
            name: "arg",
            kind: *kind,
        })
        .collect();
    Box::leak(Box::new(Syscall {
        nr: 0,
        name: "test",
        args: args.leak(),
        ret: Ret::Int,
        policy: Policy::Record,
        block: Block::Never,
        handler: Handler::None,
        file_change: FileChange::None,
    }))
}

fn call(kinds: &[Kind], args: &[u64]) -> Call {
    let mut six = [0; 6];
    six[..args.len()].copy_from_slice(args);
    Call {
        def: define(kinds),
        args: six,
    }
}

const fn mem(dir: Dir, size: Size) -> Kind {
    Kind::Mem(Mem {
        dir,
        size,
        shape: Shape::Bytes,
        on_error: false,
    })
}

const fn or_error(kind: Kind) -> Kind {
    match kind {
        Kind::Mem(mem) => Kind::Mem(Mem {
            on_error: true,
            ..mem
        }),
        other => other,
    }
}

fn enter(call: &Call, memory: &Fake) -> (Entry, Vec<In<'static>>) {
    call.enter(memory).expect("can be captured")
}

fn outs(call: &Call, entry: &Entry, result: i64, memory: &Fake) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    call.outs(entry, result, memory, &mut ranges)
        .expect("can be captured");
    ranges
        .iter()
        .map(|range: &Range| (range.addr, range.len))
        .collect()
}

/// Enters and leaves without a change of memory between.
fn written(call: &Call, result: i64, memory: &Fake) -> Vec<(u64, u64)> {
    let (entry, _) = enter(call, memory);
    outs(call, &entry, result, memory)
}

/// Place, length and beginning of inputs; the sums are checked on the way.
fn shown(ins: &[In<'_>], memory: &Fake) -> Vec<(u64, u64, Vec<u8>)> {
    ins.iter()
        .map(|input| {
            let mut all = vec![0; input.len as usize];
            assert_eq!(memory.read(input.addr, &mut all), all.len());
            assert_eq!(input.sum, xxh3_64(&all) as u32, "sum at {:#x}", input.addr);
            assert!(all.starts_with(&input.head));
            (input.addr, input.len, input.head.to_vec())
        })
        .collect()
}

fn inputs(call: &Call, memory: &Fake) -> Vec<(u64, u64, Vec<u8>)> {
    shown(&enter(call, memory).1, memory)
}

#[test]
fn a_string_is_kept_with_its_nul_across_pages() {
    let memory = Fake::with(&[(0x1ffe, b"/bin/sh\0rest")]);
    let call = call(&[Kind::Path], &[0x1ffe]);
    assert_eq!(inputs(&call, &memory), [(0x1ffe, 8, b"/bin/sh\0".to_vec())]);
}

#[test]
fn a_string_ends_where_memory_does_and_at_the_longest_path() {
    let memory = Fake::with(&[(0x1ffe, b"ab"), (0x10000, &[b'x'; 10000])]);
    let kinds = [Kind::Path];
    assert_eq!(
        inputs(&call(&kinds, &[0x1ffe]), &memory),
        [(0x1ffe, 2, b"ab".to_vec())]
    );
    assert_eq!(inputs(&call(&kinds, &[0x10000]), &memory)[0].1, 4096);
    assert!(inputs(&call(&kinds, &[0x9000]), &memory).is_empty());
    assert!(inputs(&call(&kinds, &[0]), &memory).is_empty());
    assert!(inputs(&call(&kinds, &[u64::MAX]), &memory).is_empty());
}

#[test]
fn an_array_of_strings_costs_few_reads() {
    let mut memory = Fake::default();
    let strings: Vec<u64> = (0..100).map(|index| 0x5000 + index * 8).collect();
    for addr in &strings {
        memory.put(*addr, b"NAME=1\0");
    }
    let mut pointers = strings.clone();
    pointers.push(0);
    memory.words(0x9000, &pointers);
    let call = call(&[Kind::Strings], &[0x9000]);
    let (_, ins) = enter(&call, &memory);
    assert!(memory.reads.get() <= 4, "{} reads", memory.reads.get());
    assert_eq!(
        (ins[0].addr, ins[0].len, ins[0].head.len()),
        (0x9000, 808, 808)
    );
    let found: Vec<u64> = ins[1..].iter().map(|input| input.addr).collect();
    assert_eq!(found, strings);
    assert!(ins[1..].iter().all(|input| &input.head[..] == b"NAME=1\0"));
}

#[test]
fn an_array_of_strings_without_an_end_is_cut_where_memory_ends() {
    let mut memory = Fake::with(&[(0x5000, b"a\0")]);
    memory.words(0x8ff0, &[0x5000, 0x7777_0000]);
    let found = inputs(&call(&[Kind::Strings], &[0x8ff0]), &memory);
    assert_eq!(
        found
            .iter()
            .map(|input| (input.0, input.1))
            .collect::<Vec<_>>(),
        [(0x8ff0, 16), (0x5000, 2)]
    );
}

#[test]
fn a_long_array_of_strings_is_bounded() {
    let mut memory = Fake::with(&[(0x5000, &[b'x'; 200 << 10])]);
    memory.words(0x10_0000, &[0x5000; 1000]);
    let (_, ins) = enter(&call(&[Kind::Strings], &[0x10_0000]), &memory);
    let total: u64 = ins[1..].iter().map(|input| input.len).sum();
    assert_eq!(total, 8 << 20);
    assert_eq!(ins[1].len, 128 << 10);
}

#[test]
fn bulk_is_summed_whole_and_shown_in_part() {
    let bytes: Vec<u8> = (0..200_000u32).map(|at| (at * 7 % 251) as u8).collect();
    let memory = Fake::with(&[(0x10010, &bytes)]);
    let kinds = [mem(Dir::In, Size::Arg { index: 1, scale: 1 }), Kind::Ulong];
    let found = inputs(&call(&kinds, &[0x10010, 200_000]), &memory);
    assert_eq!(found, [(0x10010, 200_000, bytes[..32].to_vec())]);
    for len in [1, 31, 32, 33, 65535, 65536, 65537, 131_072] {
        let found = inputs(&call(&kinds, &[0x10010, len]), &memory);
        assert_eq!(
            found,
            [(0x10010, len, bytes[..(len as usize).min(32)].to_vec())]
        );
    }
    assert!(inputs(&call(&kinds, &[0x10010, 0]), &memory).is_empty());
}

#[test]
fn what_does_not_exist_is_not_read() {
    let memory = Fake::with(&[(0x1000, &[1; 4096])]);
    let kinds = [mem(Dir::In, Size::Arg { index: 1, scale: 8 }), Kind::Ulong];
    for count in [1000, u64::MAX, u64::MAX / 8 + 1] {
        let found = inputs(&call(&kinds, &[0x1100, count]), &memory);
        assert_eq!(
            found
                .iter()
                .map(|input| (input.0, input.1))
                .collect::<Vec<_>>(),
            [(0x1100, 0xf00)]
        );
    }
}

#[test]
fn counts_are_as_wide_as_the_kernel_takes_them() {
    let memory = Fake::with(&[(0x1000, &[1; 4096])]);
    let size = Size::Arg { index: 1, scale: 1 };
    let garbage = 0xdead_beef_0000_0010;
    for (kind, count, len) in [
        (Kind::Uint, garbage, 16),
        (Kind::Int, garbage, 16),
        (Kind::Int, 0xffff_ffff, 0),
        (Kind::Int, u64::MAX, 0),
        (Kind::Uint, 0xffff_ffff, 4096),
        (Kind::Ulong, garbage, 4096),
    ] {
        let found: u64 = inputs(
            &call(&[mem(Dir::In, size), kind], &[0x1000, count]),
            &memory,
        )
        .iter()
        .map(|input| input.1)
        .sum();
        assert_eq!(found, len, "{kind:?} {count:#x}");
    }
}

#[test]
fn a_filled_buffer_is_as_long_as_the_result_says() {
    let memory = Fake::with(&[(0x1000, &[1; 4096])]);
    let kinds = [
        Kind::Fd,
        mem(Dir::Out, Size::Ret { max: 2, scale: 1 }),
        Kind::Ulong,
    ];
    let call = call(&kinds, &[3, 0x1000, 100]);
    assert!(inputs(&call, &memory).is_empty());
    for (result, expected) in [(10, 10), (100, 100), (5000, 100)] {
        assert_eq!(written(&call, result, &memory), [(0x1000, expected)]);
    }
    for result in [0, -11, -4, -512, -513, -514, -516, -4095] {
        assert!(written(&call, result, &memory).is_empty(), "{result}");
    }
}

#[test]
fn after_an_error_on_the_way_everything_may_be_written() {
    let memory = Fake::with(&[(0x1000, &[1; 4096])]);
    let kinds = [
        Kind::Fd,
        mem(Dir::Out, Size::Ret { max: 2, scale: 4 }),
        Kind::Ulong,
    ];
    let call = call(&kinds, &[3, 0x1000, 100]);
    for errno in [libc::EFAULT, libc::EIO] {
        assert_eq!(written(&call, -i64::from(errno), &memory), [(0x1000, 400)]);
    }
}

#[test]
fn only_what_is_written_on_errors_is_captured_then() {
    let memory = Fake::default();
    let kinds = [
        mem(Dir::Out, Size::Fixed(16)),
        or_error(mem(Dir::Out, Size::Fixed(8))),
    ];
    let call = call(&kinds, &[0x1000, 0x2000]);
    assert_eq!(written(&call, 0, &memory), [(0x1000, 16), (0x2000, 8)]);
    assert_eq!(written(&call, -4, &memory), [(0x2000, 8)]);
    assert_eq!(written(&call, -516, &memory), [(0x2000, 8)]);
    // An address near the top of memory is a result, not an error.
    assert_eq!(written(&call, i64::MIN, &memory).len(), 2);
}

#[test]
fn null_pointers_are_neither_read_nor_written() {
    let memory = Fake::with(&[(0, &[1; 4096])]);
    let kinds = [
        mem(Dir::InOut, Size::Fixed(16)),
        Kind::Iovec {
            dir: Dir::InOut,
            count: 2,
        },
        Kind::Ulong,
    ];
    let call = call(&kinds, &[0, 0, 1]);
    assert!(inputs(&call, &memory).is_empty());
    assert!(written(&call, 0, &memory).is_empty());
}

#[test]
fn a_length_behind_a_pointer_is_the_smaller_of_before_and_after() {
    let kinds = [
        mem(Dir::Out, Size::Deref { index: 1, scale: 1 }),
        or_error(mem(Dir::InOut, Size::Fixed(4))),
    ];
    let call = call(&kinds, &[0x1000, 0x2000]);
    for (before, after, expected) in [
        (16u32, 16u32, 16),
        (128, 16, 16),
        (4, 16, 4),
        (u32::MAX, 8, 0),
    ] {
        let mut memory = Fake::with(&[(0x1000, &[0; 256]), (0x2000, &before.to_le_bytes())]);
        let (entry, ins) = enter(&call, &memory);
        assert_eq!(ins.len(), 1, "the length is read, the buffer is not");
        memory.put(0x2000, &after.to_le_bytes());
        let found = outs(&call, &entry, 0, &memory);
        let address: u64 = found
            .iter()
            .filter(|range| range.0 == 0x1000)
            .map(|range| range.1)
            .sum();
        assert_eq!(address, expected, "{before} {after}");
        assert!(found.contains(&(0x2000, 4)));
        assert_eq!(outs(&call, &entry, -1, &memory), [(0x2000, 4)]);
    }
}

#[test]
fn what_is_read_by_a_length_behind_a_pointer_is_that_at_entry() {
    let memory = Fake::with(&[(0x1000, b"value"), (0x2000, &5u32.to_le_bytes())]);
    let kinds = [mem(Dir::In, Size::Deref { index: 1, scale: 1 }), Kind::Addr];
    assert_eq!(
        inputs(&call(&kinds, &[0x1000, 0x2000]), &memory),
        [(0x1000, 5, b"value".to_vec())]
    );
}

#[test]
fn bit_sets_come_in_words() {
    let memory = Fake::with(&[(0x1000, &[1; 4096])]);
    let kinds = [Kind::Int, mem(Dir::InOut, Size::Bits { index: 0 })];
    for (bits, bytes) in [(1, 8), (64, 8), (65, 16), (1024, 128)] {
        assert_eq!(
            written(&call(&kinds, &[bits, 0x1000]), 1, &memory),
            [(0x1000, bytes)]
        );
    }
    assert!(written(&call(&kinds, &[0, 0x1000]), 0, &memory).is_empty());
    assert!(written(&call(&kinds, &[0xffff_ffff, 0x1000]), 0, &memory).is_empty());
    assert_eq!(
        written(&call(&kinds, &[0x7fff_ffff, 0x1000]), 0, &memory),
        [(0x1000, 8 << 20)]
    );
}

#[test]
fn sizes_with_something_besides() {
    let memory = Fake::with(&[(0x1000, &[7; 4096])]);
    let sent = [
        mem(Dir::In, Size::ArgPlus { index: 1, plus: 8 }),
        Kind::Ulong,
    ];
    assert_eq!(inputs(&call(&sent, &[0x1000, 10]), &memory)[0].1, 18);
    let received = [
        mem(Dir::Out, Size::RetPlus { max: 1, plus: 8 }),
        Kind::Ulong,
    ];
    let call = call(&received, &[0x1000, 100]);
    assert_eq!(written(&call, 10, &memory), [(0x1000, 18)]);
    assert_eq!(written(&call, 0, &memory), [(0x1000, 8)]);
    assert_eq!(written(&call, 500, &memory), [(0x1000, 108)]);
    assert!(written(&call, -42, &memory).is_empty());
}

#[test]
fn a_byte_for_each_page() {
    let kinds = [mem(Dir::Out, Size::Pages { index: 1 }), Kind::Ulong];
    for (len, pages) in [(1, 1), (4096, 1), (4097, 2), (1 << 30, 1 << 18)] {
        assert_eq!(
            written(&call(&kinds, &[0x1000, len]), 0, &Fake::default()),
            [(0x1000, pages)]
        );
    }
}

#[test]
fn a_written_string_ends_at_its_nul() {
    let memory = Fake::with(&[(0x1000, b"name\0garbage")]);
    let kinds = [mem(Dir::Out, Size::Cstr { max: 1 }), Kind::Ulong];
    assert_eq!(
        written(&call(&kinds, &[0x1000, 16]), 0, &memory),
        [(0x1000, 5)]
    );
    assert_eq!(
        written(&call(&kinds, &[0x1000, 3]), 0, &memory),
        [(0x1000, 3)]
    );
}

#[test]
fn structures_that_count_themselves() {
    let mut memory = Fake::with(&[(0x1000, &[0; 4096])]);
    memory.put(0x1000, &128u32.to_le_bytes());
    let kinds = [mem(Dir::InOut, Size::SelfCounted { head: 8, scale: 1 })];
    let call_one = call(&kinds, &[0x1000]);
    let (entry, ins) = enter(&call_one, &memory);
    assert_eq!(ins[0].len, 136);
    // The kernel tells a smaller, or a greater, number than there was room for.
    for now in [28u32, 500] {
        memory.put(0x1000, &now.to_le_bytes());
        let expected = 8 + u64::from(now).max(128);
        assert_eq!(outs(&call_one, &entry, 0, &memory), [(0x1000, expected)]);
    }
    memory.put(0x1000, &u32::MAX.to_le_bytes());
    assert!(outs(&call_one, &entry, 0, &memory)[0].1 <= 16 << 20);

    let mut memory = Fake::with(&[(0x1000, &[0; 4096])]);
    memory.put(0x1000 + 24, &3u32.to_le_bytes());
    let kinds = [mem(
        Dir::InOut,
        Size::Counted {
            at: 24,
            bytes: 4,
            head: 32,
            scale: 56,
        },
    )];
    assert_eq!(
        written(&call(&kinds, &[0x1000]), 0, &memory),
        [(0x1000, 32 + 3 * 56)]
    );

    memory.put(0x1000, &48u32.to_le_bytes());
    let kinds = [mem(Dir::In, Size::SelfSized)];
    assert_eq!(inputs(&call(&kinds, &[0x1000]), &memory)[0].1, 48);
    memory.put(0x1000, &u32::MAX.to_le_bytes());
    assert_eq!(inputs(&call(&kinds, &[0x1000]), &memory)[0].1, 4096);
}

fn with_vector() -> Fake {
    let mut memory = Fake::with(&[(0x1000, &[1; 4096]), (0x2000, &[2; 4096])]);
    memory.words(0x5000, &[0x1000, 10, 0, 0, 0x2000, 100]);
    memory
}

#[test]
fn a_vector_that_is_read_shows_its_buffers() {
    let memory = with_vector();
    let kinds = [
        Kind::Fd,
        Kind::Iovec {
            dir: Dir::In,
            count: 2,
        },
        Kind::Uint,
    ];
    let found = inputs(&call(&kinds, &[1, 0x5000, 3]), &memory);
    assert_eq!(
        found
            .iter()
            .map(|input| (input.0, input.1))
            .collect::<Vec<_>>(),
        [(0x5000, 48), (0x1000, 10), (0x2000, 100),]
    );
    assert_eq!(found[0].2.len(), 48);
    assert_eq!(found[2].2.len(), 32);
}

#[test]
fn a_vector_is_filled_in_order() {
    let mut memory = with_vector();
    let kinds = [
        Kind::Fd,
        Kind::Iovec {
            dir: Dir::Out,
            count: 2,
        },
        Kind::Uint,
    ];
    let call = call(&kinds, &[1, 0x5000, 3]);
    let (entry, ins) = enter(&call, &memory);
    assert_eq!(ins.len(), 1);
    // The program may change the array while it waits; the kernel has read it already.
    memory.words(0x5000, &[0; 6]);
    assert_eq!(outs(&call, &entry, 5, &memory), [(0x1000, 5)]);
    assert_eq!(outs(&call, &entry, 10, &memory), [(0x1000, 10)]);
    assert_eq!(
        outs(&call, &entry, 30, &memory),
        [(0x1000, 10), (0x2000, 20)]
    );
    assert_eq!(
        outs(&call, &entry, 3000, &memory),
        [(0x1000, 10), (0x2000, 100)]
    );
    assert_eq!(
        outs(&call, &entry, -14, &memory),
        [(0x1000, 10), (0x2000, 100)]
    );
    assert!(outs(&call, &entry, -11, &memory).is_empty());
    assert!(outs(&call, &entry, 0, &memory).is_empty());
}

#[test]
fn a_vector_too_long_for_the_kernel_is_not_looked_at() {
    let memory = with_vector();
    for dir in [Dir::In, Dir::Out] {
        let call = call(
            &[Kind::Iovec { dir, count: 1 }, Kind::Uint],
            &[0x5000, 1025],
        );
        assert!(inputs(&call, &memory).is_empty());
        assert!(written(&call, -22, &memory).is_empty());
    }
}

/// A `msghdr` at 0x6000 with the address of `name_len` bytes at 0x3000, the vector of
/// [`with_vector`] and 64 bytes of control data at 0x4000.
fn with_message(name_len: u64) -> Fake {
    let mut memory = with_vector();
    memory.put(0x3000, &[3; 256]);
    memory.put(0x4000, &[4; 256]);
    memory.words(0x6000, &[0x3000, name_len, 0x5000, 3, 0x4000, 64, 0]);
    memory
}

#[test]
fn a_sent_message_is_read_whole() {
    let memory = with_message(16);
    let call = call(&[Kind::Fd, Kind::Msghdr { dir: Dir::In }], &[1, 0x6000]);
    let found = inputs(&call, &memory);
    assert_eq!(
        found
            .iter()
            .map(|input| (input.0, input.1, input.2.len()))
            .collect::<Vec<_>>(),
        [
            (0x6000, 56, 56),
            (0x3000, 16, 16),
            (0x5000, 48, 48),
            (0x1000, 10, 10),
            (0x2000, 100, 32),
            (0x4000, 64, 64),
        ]
    );
    assert!(written(&call, 110, &memory).is_empty());
}

#[test]
fn a_received_message_is_as_long_as_its_header_says_afterwards() {
    let mut memory = with_message(128);
    let call = call(&[Kind::Fd, Kind::Msghdr { dir: Dir::Out }], &[1, 0x6000]);
    let (entry, ins) = enter(&call, &memory);
    assert_eq!(
        ins.iter().map(|input| input.addr).collect::<Vec<_>>(),
        [0x6000, 0x5000]
    );
    memory.words(0x6000, &[0x3000, 16, 0x5000, 3, 0x4000, 24, 0x20]);
    assert_eq!(
        outs(&call, &entry, 12, &memory),
        [
            (0x6000, 56),
            (0x1000, 10),
            (0x2000, 2),
            (0x3000, 16),
            (0x4000, 24),
        ]
    );
    // What the kernel tells does not always have room.
    memory.words(0x6000, &[0x3000, 500, 0x5000, 3, 0x4000, 500, 0x20]);
    let found = outs(&call, &entry, 0, &memory);
    assert_eq!(found, [(0x6000, 56), (0x3000, 128), (0x4000, 64)]);
    assert!(outs(&call, &entry, -11, &memory).is_empty());
    assert_eq!(outs(&call, &entry, -14, &memory).len(), 5);
}

#[test]
fn the_upper_half_of_an_address_length_is_padding() {
    let memory = with_message(0xffff_ffff_0000_0010);
    let call = call(&[Kind::Msghdr { dir: Dir::In }], &[0x6000]);
    assert!(
        inputs(&call, &memory)
            .iter()
            .any(|input| (input.0, input.1) == (0x3000, 16))
    );
}

#[test]
fn an_unreadable_message_is_no_message() {
    let memory = with_message(16);
    for addr in [0x6fd0, 0x9000] {
        for dir in [Dir::In, Dir::Out] {
            let call = call(&[Kind::Msghdr { dir }], &[addr]);
            let (entry, ins) = enter(&call, &memory);
            assert!(ins.len() <= 1);
            assert!(outs(&call, &entry, -14, &memory).is_empty());
        }
    }
}

#[test]
fn received_messages_are_as_many_as_the_result_says() {
    let mut memory = with_message(0);
    for at in [0x7000u64, 0x7040, 0x7080] {
        memory.words(at, &[0, 0, 0x5000, 3, 0, 0, 0, 0]);
    }
    let kinds = [
        Kind::Mmsghdr {
            dir: Dir::Out,
            count: 1,
        },
        Kind::Uint,
    ];
    let call = call(&kinds, &[0x7000, 3]);
    let (entry, ins) = enter(&call, &memory);
    assert_eq!(ins.iter().filter(|input| input.len == 64).count(), 3);
    memory.put(0x7038, &4u32.to_le_bytes());
    memory.put(0x7078, &20u32.to_le_bytes());
    assert_eq!(
        outs(&call, &entry, 2, &memory),
        [
            (0x7000, 64),
            (0x1000, 4),
            (0x7040, 64),
            (0x1000, 10),
            (0x2000, 10),
        ]
    );
    assert!(outs(&call, &entry, -11, &memory).is_empty());
}

#[test]
fn sent_messages_get_their_lengths() {
    let mut memory = with_message(16);
    for at in [0x7000u64, 0x7040] {
        memory.words(at, &[0x3000, 16, 0x5000, 3, 0, 0, 0, 0]);
    }
    let kinds = [
        Kind::Mmsghdr {
            dir: Dir::In,
            count: 1,
        },
        Kind::Uint,
    ];
    let call = call(&kinds, &[0x7000, 2]);
    assert_eq!(inputs(&call, &memory).len(), 2 * 5);
    assert_eq!(written(&call, 1, &memory), [(0x7000, 64)]);
    assert_eq!(written(&call, 2, &memory), [(0x7000, 64), (0x7040, 64)]);
}

const fn nested(head: Dir, buffer: Dir) -> Kind {
    Kind::Nested(Nested {
        head: Mem {
            dir: head,
            size: Size::Fixed(16),
            shape: Shape::Struct(StructId::Ifconf),
            on_error: false,
        },
        pointer: 8,
        len: 0,
        len_bytes: 4,
        scale: 1,
        buffer,
    })
}

#[test]
fn a_nested_buffer_that_is_written() {
    let mut memory = Fake::with(&[(0x1000, &[9; 4096])]);
    memory.words(0x2000, &[0xffff_0000_0000_0000 | 400, 0x1000]);
    let call = call(&[nested(Dir::InOut, Dir::Out)], &[0x2000]);
    let (entry, ins) = enter(&call, &memory);
    assert_eq!(ins.len(), 1);
    memory.words(0x2000, &[80, 0x1000]);
    assert_eq!(
        outs(&call, &entry, 0, &memory),
        [(0x2000, 16), (0x1000, 80)]
    );
    memory.words(0x2000, &[800, 0x1000]);
    assert_eq!(
        outs(&call, &entry, 0, &memory),
        [(0x2000, 16), (0x1000, 400)]
    );
    assert!(outs(&call, &entry, -25, &memory).is_empty());
    assert_eq!(
        outs(&call, &entry, -14, &memory),
        [(0x2000, 16), (0x1000, 400)]
    );
}

#[test]
fn a_nested_buffer_that_is_read() {
    let mut memory = Fake::with(&[(0x1000, &[9; 4096])]);
    memory.words(0x2000, &[40, 0x1000]);
    let call = call(&[nested(Dir::In, Dir::In)], &[0x2000]);
    let found = inputs(&call, &memory);
    assert_eq!(
        found
            .iter()
            .map(|input| (input.0, input.1))
            .collect::<Vec<_>>(),
        [(0x2000, 16), (0x1000, 40)]
    );
    assert!(written(&call, 0, &memory).is_empty());
}

const fn command(value: u64, name: &'static str, kind: Kind) -> SubCommand {
    SubCommand {
        value,
        value2: 0,
        name,
        kind,
        ret: Ret::Int,
        policy: Policy::Record,
        block: Block::Never,
    }
}

static COMMANDS: [SubCommand; 4] = [
    command(1, "READ", mem(Dir::In, Size::Fixed(4))),
    SubCommand {
        block: Block::May,
        ..command(2, "WAIT", mem(Dir::Out, Size::Fixed(4)))
    },
    SubCommand {
        policy: Policy::Refuse(95),
        ..command(3, "REFUSE", Kind::Addr)
    },
    SubCommand {
        policy: Policy::Unsupported,
        ..command(5, "NEVER", Kind::Addr)
    },
];

static STOP: Sub = Sub {
    selector: 0,
    selector2: None,
    mask: 0xff,
    commands: &COMMANDS,
    unknown: Unknown::Stop,
};
static ERRNO: Sub = Sub {
    selector: 0,
    selector2: None,
    mask: u64::MAX,
    commands: &COMMANDS,
    unknown: Unknown::Errno(22),
};
static BYTES: Kind = mem(Dir::In, Size::Fixed(2));
static GUESS: Sub = Sub {
    selector: 0,
    selector2: None,
    mask: u64::MAX,
    commands: &COMMANDS,
    unknown: Unknown::As(&BYTES),
};

#[test]
fn the_sub_command_says_what_its_argument_is() {
    let memory = Fake::with(&[(0x1000, b"data")]);
    let with = |sub: &'static Sub, value| call(&[Kind::Hex, Kind::Sub(sub)], &[value, 0x1000]);
    // The mask applies, and the kernel does not look at the upper half.
    for value in [1, 0x101, 0xdead_0000_0000_0001] {
        let call = with(&STOP, value);
        assert_eq!(inputs(&call, &memory), [(0x1000, 4, b"data".to_vec())]);
        assert_eq!(
            (call.policy(), call.block()),
            (Policy::Record, Block::Never)
        );
        assert_eq!(call.command().map(|command| command.name), Some("READ"));
    }
    let waits = with(&STOP, 2);
    assert_eq!(
        (waits.policy(), waits.block()),
        (Policy::Record, Block::May)
    );
    assert_eq!(written(&waits, 0, &memory), [(0x1000, 4)]);
    assert_eq!(with(&STOP, 3).policy(), Policy::Refuse(95));
    assert!(inputs(&with(&STOP, 3), &memory).is_empty());
}

#[test]
fn an_unknown_sub_command_is_never_passed_silently() {
    let memory = Fake::with(&[(0x1000, b"data")]);
    let with = |sub: &'static Sub, value| call(&[Kind::Hex, Kind::Sub(sub)], &[value, 0x1000]);
    let unknown = with(&STOP, 9);
    assert_eq!(unknown.policy(), Policy::Unsupported);
    let error = unknown.enter(&memory).expect_err("unknown");
    assert_eq!(error.to_string(), "test: unknown arg 0x9");
    assert_eq!(
        error,
        CaptureError::UnknownSub {
            syscall: "test",
            selector: "arg",
            command: 9,
            command2: None,
        }
    );
    let error = with(&STOP, 5).enter(&memory).expect_err("unsupported");
    assert_eq!(error.to_string(), "test: NEVER cannot be recorded");
    assert_eq!(with(&ERRNO, 9).policy(), Policy::Refuse(22));
    let guessed = with(&GUESS, 9);
    assert_eq!(
        (guessed.policy(), guessed.block()),
        (Policy::Record, Block::May)
    );
    assert_eq!(inputs(&guessed, &memory), [(0x1000, 2, b"da".to_vec())]);
}

#[test]
fn two_selectors() {
    static PAIRS: [SubCommand; 2] = [
        SubCommand {
            value2: 7,
            ..command(1, "ONE_SEVEN", mem(Dir::In, Size::Fixed(1)))
        },
        SubCommand {
            value2: 8,
            ..command(1, "ONE_EIGHT", mem(Dir::In, Size::Fixed(2)))
        },
    ];
    static PAIR: Sub = Sub {
        selector: 0,
        selector2: Some(1),
        mask: u64::MAX,
        commands: &PAIRS,
        unknown: Unknown::Stop,
    };
    let memory = Fake::with(&[(0x1000, b"data")]);
    let kinds = [Kind::Int, Kind::Int, Kind::Sub(&PAIR)];
    assert_eq!(inputs(&call(&kinds, &[1, 8, 0x1000]), &memory)[0].1, 2);
    let error = call(&kinds, &[1, 9, 0x1000])
        .enter(&memory)
        .expect_err("unknown");
    assert_eq!(error.to_string(), "test: unknown arg 0x1, 0x9");
}

#[test]
fn a_refused_syscall_is_not_looked_at() {
    let memory = Fake::with(&[(0x1000, b"data")]);
    let mut call = call(&[mem(Dir::In, Size::Fixed(4))], &[0x1000]);
    let refused = Syscall {
        policy: Policy::Refuse(38),
        args: call.def.args,
        ..define_again(call.def)
    };
    call.def = Box::leak(Box::new(refused));
    assert!(inputs(&call, &memory).is_empty());
    assert_eq!(memory.reads.get(), 0);
}

fn define_again(def: &'static Syscall) -> Syscall {
    Syscall {
        nr: def.nr,
        name: def.name,
        args: def.args,
        ret: def.ret,
        policy: def.policy,
        block: def.block,
        handler: def.handler,
        file_change: def.file_change,
    }
}

#[test]
fn a_plain_read_costs_no_read_at_entry_and_none_at_exit() {
    let memory = Fake::with(&[(0x1000, &[0; 4096])]);
    let kinds = [
        Kind::Fd,
        mem(Dir::Out, Size::Ret { max: 2, scale: 1 }),
        Kind::Ulong,
    ];
    let _ = written(&call(&kinds, &[3, 0x1000, 100]), 100, &memory);
    assert_eq!(memory.reads.get(), 0);
    let kinds = [
        Kind::Fd,
        mem(Dir::In, Size::Arg { index: 2, scale: 1 }),
        Kind::Ulong,
    ];
    let _ = written(&call(&kinds, &[3, 0x1000, 100]), 100, &memory);
    assert_eq!(memory.reads.get(), 1);
}

proptest! {
    /// Whatever the arguments of whatever syscall: no panic, and nothing beyond the bounds.
    #[test]
    fn any_arguments_can_be_captured(
        nr in 0u32..470,
        args in prop::array::uniform6(prop_oneof![
            0x1000u64..0x3000,
            Just(0),
            Just(u64::MAX),
            0u64..64,
            any::<u64>(),
        ]),
        bytes in prop::collection::vec(any::<u8>(), 8192),
        pointers in prop::collection::vec(0x1000u64..0x3000, 64),
        result in prop_oneof![any::<i64>(), -600i64..0, 0i64..5000],
    ) {
        let Some(def) = crate::model::lookup(nr) else { return Ok(()) };
        let mut memory = Fake::with(&[(0x1000, &bytes)]);
        memory.words(0x1800, &pointers);
        let call = Call { def, args };
        let Ok((entry, ins)) = call.enter(&memory) else {
            prop_assert_eq!(call.policy(), Policy::Unsupported);
            return Ok(());
        };
        let _ = shown(&ins, &memory);
        let mut ranges = Vec::new();
        prop_assert!(call.outs(&entry, result, &memory, &mut ranges).is_ok());
        for range in &ranges {
            prop_assert!(range.addr != 0 && range.len != 0 && range.len <= super::BYTES_MAX, "{:?}", range);
        }
    }
}
