//! Moved instructions.

use super::*;

const AT: u64 = 0x40_0000;

fn prepared(code: &[u8], cache: Range<u64>) -> Option<Insn> {
    match decode(code, AT) {
        Decoded::Insn(decoded, bytes) => Insn::new(decoded, bytes, &cache),
        _ => None,
    }
}

/// Instructions with an operand relative to `rip`, of all kinds of encoding.
const RELATIVE: [&[u8]; 16] = [
    &[0x48, 0x8b, 0x05, 0x10, 0, 0, 0], // mov rax, [rip + 16]
    &[0x49, 0x8b, 0x0d, 0x10, 0, 0, 0], // the same with a REX.B that means nothing
    &[0x80, 0x3d, 0x10, 0, 0, 0, 7],    // cmp byte [rip + 16], 7
    &[0x48, 0x81, 0x05, 0x10, 0, 0, 0, 1, 2, 3, 4], // add qword [rip + 16], 0x4030201
    &[0xff, 0x35, 0x10, 0, 0, 0],       // push [rip + 16]
    &[0x8f, 0x05, 0x10, 0, 0, 0],       // pop [rip + 16]
    &[0x41, 0x8f, 0x05, 0x10, 0, 0, 0], // the same with REX.B
    &[0xf0, 0x48, 0x0f, 0xc7, 0x0d, 0x10, 0, 0, 0], // lock cmpxchg16b [rip + 16]
    &[0x64, 0x8b, 0x05, 0x10, 0, 0, 0], // mov eax, fs:[rip + 16]
    &[0xc5, 0xfd, 0xfe, 0x05, 0x10, 0, 0, 0], // vpaddd ymm0, ymm0, [rip + 16]
    &[0xc4, 0xc1, 0x7d, 0xfe, 0x05, 0x10, 0, 0, 0], // the same, VEX.B set (it is inverted)
    &[0x62, 0xd1, 0xfe, 0x48, 0x6f, 0x05, 0x10, 0, 0, 0], // vmovdqu64 zmm0, [rip + 16], EVEX.B
    &[0x0f, 0xae, 0x25, 0x10, 0, 0, 0], // xsave [rip + 16]
    &[0xf3, 0x0f, 0x7f, 0x05, 0x10, 0, 0, 0], // movdqu [rip + 16], xmm0
    &[0x66, 0x0f, 0x3a, 0x63, 0x05, 0x10, 0, 0, 0, 1], // pcmpistri xmm0, [rip + 16], 1
    &[0xdd, 0x05, 0x10, 0, 0, 0],       // fld qword [rip + 16]
];

#[test]
fn operands_in_reach_get_another_displacement() {
    for code in RELATIVE {
        let insn = prepared(code, 0x1000_0000..0x2000_0000).expect("movable");
        for to in [0x1000_0000, 0x1fff_fff0] {
            let Some(Moved::Same(bytes)) = insn.moved(to) else {
                panic!("{code:x?}");
            };
            let Decoded::Insn(moved, _) = decode(bytes.as_slice(), to) else {
                panic!("{code:x?}");
            };
            assert_eq!(moved.code(), insn.decoded.code());
            assert_eq!(
                moved.ip_rel_memory_address(),
                insn.decoded.ip_rel_memory_address()
            );
        }
    }
}

#[test]
fn operands_out_of_reach_go_through_a_register_that_is_free() {
    for code in RELATIVE {
        let insn = prepared(code, 0x7f00_0000_0000..0x7f00_1000_0000).expect("movable");
        let Some(Moved::Through {
            bytes,
            scratch,
            address,
        }) = insn.moved(0x7f00_0000_0000)
        else {
            panic!("{code:x?}");
        };
        assert_eq!(address, AT + code.len() as u64 + 16);
        let Decoded::Insn(moved, _) = decode(bytes.as_slice(), 0) else {
            panic!("{code:x?}");
        };
        assert_eq!(moved.code(), insn.decoded.code(), "{code:x?}");
        assert_eq!(Gpr::of(moved.memory_base()), Some(scratch));
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(&insn.decoded);
        let mut used = info.used_registers().iter();
        assert!(used.all(|used| Gpr::of(used.register()) != Some(scratch)));
    }
}

#[test]
fn an_address_of_32_bits_stays_one() {
    // mov eax, [eip + 16]
    let code = [0x67, 0x8b, 0x05, 0x10, 0, 0, 0];
    let insn = prepared(&code, 0x1000_0000..0x2000_0000).expect("movable");
    let moved = insn.moved(0x1000_0000);
    assert!(matches!(
        moved,
        Some(Moved::Through {
            address: 0x40_0017,
            ..
        })
    ));
}

#[test]
fn lea_out_of_reach_becomes_a_constant() {
    let code = [0x4c, 0x8d, 0x3d, 0x10, 0, 0, 0];
    let insn = prepared(&code, 0x7f00_0000_0000..0x7f00_1000_0000).expect("movable");
    let expected = Moved::Constant {
        register: Register::R15,
        value: AT + 7 + 16,
    };
    assert_eq!(insn.moved(0x7f00_0000_0000), Some(expected));
}

#[test]
fn targets_are_loaded_as_the_branch_would() {
    let branches: [&[u8]; 6] = [
        &[0xff, 0xe0],                               // jmp rax
        &[0x41, 0xff, 0xd3],                         // call r11
        &[0xff, 0x54, 0x24, 0x08],                   // call [rsp + 8]
        &[0x65, 0xff, 0x14, 0x25, 0x10, 0, 0, 0],    // call gs:[0x10]
        &[0x3e, 0x42, 0xff, 0x24, 0xfd, 0, 1, 0, 0], // notrack jmp [r15 * 8 + 0x100]
        &[0xff, 0x25, 0x10, 0, 0, 0],                // jmp [rip + 16]
    ];
    for code in branches {
        let Decoded::Insn(branch, bytes) = decode(code, AT) else {
            panic!("{code:x?}");
        };
        let load = Insn::load_target(&branch, &bytes).expect("movable");
        assert_eq!(load.at, AT);
        assert_eq!(load.decoded.op0_register(), Register::RDX);
        assert_eq!(load.decoded.op1_kind(), branch.op0_kind());
        assert_eq!(load.decoded.memory_base(), branch.memory_base());
        assert_eq!(load.decoded.memory_index(), branch.memory_index());
        assert_eq!(
            load.decoded.segment_prefix() == Register::GS,
            code[0] == 0x65
        );
    }
}
