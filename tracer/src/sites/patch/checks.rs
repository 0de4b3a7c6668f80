//! Test support: checks a plan by decoding all that it would write.

use super::*;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Register};

/// The slot that plans of tests have.
pub(crate) const SLOT: u32 = 0x7000_1ff8;

/// The first fit address below the site, or above it.
pub(crate) fn anywhere(wanted: Wanted) -> Option<u64> {
    // Not over the code: a few megabytes away.
    wanted
        .next(wanted.from + (1 << 23))
        .or_else(|| wanted.next(*wanted.within.start()))
}

pub(crate) fn decode(code: &[u8], at: u64) -> Instruction {
    Decoder::with_ip(64, code, at, DecoderOptions::NONE).decode()
}

/// Everything that a plan promises of itself.
pub(crate) fn check(site: &Site<'_>, plan: &Plan) {
    let at = plan.trampoline_at;
    let end = plan.patch_at + 5;
    assert_eq!(
        site.from(plan.patch_at).expect("readable")[..5],
        plan.original
    );
    let jump = decode(&plan.patch, plan.patch_at);
    assert_eq!(jump.code(), Code::Jmp_rel32_64);
    assert_eq!(jump.near_branch_target(), at);
    assert!(plan.trampoline.len() <= TRAMPOLINE_BYTES_MAX && at.is_multiple_of(8));
    let code = instructions(plan);
    let mut code = code.as_slice();
    let mut next = || {
        let (first, rest) = code.split_first().expect("an instruction");
        code = rest;
        *first
    };
    match plan.shape {
        Shape::Before => {
            assert!(end <= site.address && plan.inner.is_empty());
            let head = next();
            same(
                &decode(site.from(plan.patch_at).expect("readable"), plan.patch_at),
                &head,
            );
            assert_eq!(plan.seen(head.ip()), Some(plan.patch_at));
            assert_eq!(plan.patch_at + head.len() as u64, site.address);
        }
        Shape::Behind => assert_eq!(plan.patch_at, site.address),
    }
    let lea = next();
    assert_eq!(
        (lea.code(), lea.op0_register()),
        (Code::Lea_r64_m, Register::RCX)
    );
    let info = lea.ip_rel_memory_address();
    assert!(info.is_multiple_of(8) && lea.is_ip_rel_memory_operand());
    assert_eq!(plan.seen(lea.ip()), Some(site.address));
    let jmp = next();
    assert_eq!(jmp.code(), Code::Jmp_rm64);
    assert_eq!(jmp.memory_displacement64(), u64::from(SLOT));
    assert_eq!(
        (jmp.memory_base(), jmp.memory_index()),
        (Register::None, Register::None)
    );
    assert_eq!(plan.seen(jmp.ip()), Some(site.address));
    let words: Vec<u64> = plan.trampoline[usize::try_from(info - at).expect("small")..]
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().expect("eight")))
        .collect();
    assert_eq!(words, [plan.trap, plan.done, site.address + 2, 0]);
    let trap = next();
    assert_eq!(
        (trap.ip(), plan.seen(trap.ip())),
        (plan.trap, Some(site.address))
    );
    match plan.shape {
        Shape::Before => {
            assert_eq!(trap.near_branch_target(), site.address);
            let done = next();
            assert_eq!(
                (done.ip(), done.near_branch_target()),
                (plan.done, site.address + 2)
            );
            assert_eq!(plan.seen(done.ip()), Some(site.address + 2));
        }
        Shape::Behind => {
            assert_eq!(trap.code(), Code::Syscall);
            assert_eq!(trap.next_ip(), plan.done);
            behind(site, plan, &mut next);
        }
    }
    assert!(code.is_empty(), "more code than expected");
}

fn behind(site: &Site<'_>, plan: &Plan, next: &mut dyn FnMut() -> Instruction) {
    let end = plan.patch_at + 5;
    assert_eq!(plan.seen(plan.done), Some(site.address + 2));
    assert_eq!(plan.relocated(site.address + 2), Some(plan.done));
    // Every byte is part of an instruction, and every instruction has a copy.
    let mut at = site.address + 2;
    let mut last = None;
    while at < end {
        let offset = usize::try_from(at - plan.patch_at).expect("small");
        assert_eq!(plan.patch[offset], 0xcc, "{at:#x} can be jumped to");
        if plan.original[offset] == 0xcc {
            assert_eq!(plan.relocated(at), None);
            at += 1;
            continue;
        }
        let original = decode(site.from(at).expect("readable"), at);
        let copy = next();
        same(&original, &copy);
        assert_eq!(plan.relocated(at), Some(copy.ip()));
        assert_eq!(plan.seen(copy.ip()), Some(at));
        at = original.next_ip();
        last = Some(original);
    }
    let last = last.expect("at least one");
    let goes_on = !matches!(
        last.code(),
        Code::Retnq | Code::Retnq_imm16 | Code::Jmp_rel8_64 | Code::Jmp_rel32_64 | Code::Jmp_rm64
    );
    if goes_on {
        let jump = next();
        assert_eq!(jump.code(), Code::Jmp_rel32_64);
        assert_eq!(jump.near_branch_target(), last.next_ip());
        assert_eq!(plan.seen(jump.ip()), Some(last.next_ip()));
    }
}

/// The instructions of the trampoline, which are those that the plan knows.
fn instructions(plan: &Plan) -> Vec<Instruction> {
    let at = plan.trampoline_at;
    plan.origins
        .iter()
        .scan(at, |expected, (address, _)| {
            assert_eq!(address, expected);
            let offset = usize::try_from(address - at).expect("small");
            let instruction = decode(&plan.trampoline[offset..], *address);
            *expected = instruction.next_ip();
            Some(instruction)
        })
        .collect()
}

/// Whether two instructions do the same, each at its own address.
fn same(original: &Instruction, copy: &Instruction) {
    match original.code() {
        Code::Jmp_rel8_64 => assert_eq!(copy.code(), Code::Jmp_rel32_64),
        _ if original.is_jcc_short() => {
            assert!(copy.is_jcc_near());
            assert_eq!(copy.condition_code(), original.condition_code());
        }
        // The same in everything but length and address; addresses in operands are absolute.
        _ => return assert_eq!(original, copy),
    }
    assert_eq!(original.near_branch_target(), copy.near_branch_target());
}
