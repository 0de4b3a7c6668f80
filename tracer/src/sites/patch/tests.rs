use super::checks::{SLOT, anywhere, check};
use super::*;
use proptest::prelude::*;

const AT: u64 = 0x7f12_3456_7890;

/// Plans for a function: its code before the `syscall`, and from behind it on.
fn plan_of(before: &[u8], behind: &[u8], known: bool) -> Result<Plan, Refused> {
    let code = [before, &[0x0f, 0x05], behind].concat();
    let site = Site {
        address: AT + before.len() as u64,
        bytes: &code,
        bytes_at: AT,
        function: known.then_some(AT..AT + code.len() as u64),
    };
    let plan = plan(&site, SLOT, &mut anywhere)?;
    check(&site, &plan);
    Ok(plan)
}

fn reasons(refused: Result<Plan, Refused>) -> (Reason, Reason) {
    match refused.expect_err("refused") {
        Refused::Neither { before, behind } => (before, behind),
        other => panic!("{other}"),
    }
}

const MOV_EAX: [u8; 5] = [0xb8, 0xe8, 0, 0, 0];
/// `cmp rax, -4095`
const CMP_RAX: [u8; 6] = [0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff];
const NOTHING_BEFORE: Reason = Reason::NothingBefore;

#[test]
fn a_number_in_front_is_replaced() {
    // push rbx; mov eax, 232; syscall; cmp rax, -4095; ja
    let plan = plan_of(
        &[&[0x53], &MOV_EAX[..]].concat(),
        &[&CMP_RAX[..], &[0x77, 5]].concat(),
        true,
    )
    .expect("planned");
    assert_eq!((plan.shape, plan.number), (Shape::Before, Some(232)));
    assert_eq!((plan.patch_at, plan.original), (AT + 1, MOV_EAX));
    assert_eq!(plan.trampoline.len(), 64);
    // mov rax, 232
    let wide = [0x48, 0xc7, 0xc0, 0xe8, 0, 0, 0];
    let plan = plan_of(&wide, &CMP_RAX, true).expect("planned");
    assert_eq!((plan.shape, plan.number), (Shape::Before, Some(232)));
    // mov r10d, 8: any that is long enough
    let other = [0x41, 0xba, 8, 0, 0, 0];
    let plan = plan_of(&other, &CMP_RAX, true).expect("planned");
    assert_eq!((plan.shape, plan.number), (Shape::Before, None));
    // lea rsi, [rip + 0x1000]
    let relative = [0x48, 0x8d, 0x35, 0, 0x10, 0, 0];
    let plan = plan_of(&relative, &CMP_RAX, true).expect("planned");
    assert_eq!(plan.shape, Shape::Before);
}

#[test]
fn what_only_looks_like_a_number_is_not_touched() {
    for tail_of in [
        // mov r8d, imm32; mov rax, imm64 (its last bytes); mov eax, imm32 in 16 bits
        &[0x41, 0xb8, 1, 0, 0, 0][..],
        &[0x48, 0xb8, 1, 2, 3, 0xb8, 4, 5, 6, 7],
        &[0x66, 0xb8, 4, 5],
        // test dword ptr [rax], 0x000001b8
        &[0xf7, 0x00, 0xb8, 1, 0, 0],
    ] {
        let plan = plan_of(tail_of, &CMP_RAX, true).expect("planned");
        assert_eq!(plan.number, None, "{tail_of:x?}");
        if plan.shape == Shape::Before {
            assert_eq!(plan.patch_at, AT, "the whole instruction");
        }
    }
    // Nothing says that it is one.
    let plan = plan_of(&MOV_EAX, &CMP_RAX, false).expect("planned");
    assert_eq!(plan.shape, Shape::Behind);
    // What the function starts with is no instruction.
    let plan = plan_of(&[0x06, 0xb8, 1, 0, 0, 0], &CMP_RAX, true).expect("planned");
    assert_eq!(plan.shape, Shape::Behind);
    // Control flow goes over the site, into the midst of what follows.
    let plan = plan_of(&[0x48, 0xb8, 1, 2, 3], &CMP_RAX, true);
    assert_eq!(
        reasons(plan),
        (Reason::NotArrivedAt, Reason::Entered(AT + 10))
    );
}

#[test]
fn instructions_behind_are_moved() {
    let xor = [0x31, 0xc0];
    // cmp rax, -4095; ja rel8
    let one = [&CMP_RAX[..], &[0x77, 0x10]].concat();
    // ret; nop
    let ret = [0xc3, 0x0f, 0x1f, 0];
    for (behind, inner) in [
        (&one[..], 1),
        // mov rdi, [rip + 0x12345]
        (&[0x48, 0x8b, 0x3d, 0x45, 0x23, 0x01, 0], 1),
        // mov rbp, rax
        (&[0x48, 0x89, 0xc5], 1),
        // ret imm16; jmp [rip + 8]
        (&[0xc2, 8, 0], 1),
        (&[0xff, 0x25, 8, 0, 0, 0], 1),
        // ja rel32; jmp rel32
        (&[0x0f, 0x87, 1, 2, 0, 0], 1),
        (&[0xe9, 1, 2, 0, 0], 1),
        (&ret, 2),
        // pop rbp; ret; nop
        (&[0x5d, 0xc3, 0x90, 0x90], 3),
        // pop rbp; ja rel8
        (&[0x5d, 0x77, 0x10], 2),
        // test eax, eax; ret
        (&[0x85, 0xc0, 0xc3], 2),
        // jmp rel8; nop
        (&[0xeb, 0x10, 0x90], 2),
        // ret; int3; nop
        (&[0xc3, 0xcc, 0x90], 2),
        (&[0xc3, 0xcc, 0xcc], 1),
        (&[0xc3, 0x90, 0xcc], 2),
    ] {
        let plan =
            plan_of(&xor, behind, true).unwrap_or_else(|error| panic!("{behind:x?}: {error}"));
        assert_eq!((plan.shape, plan.number), (Shape::Behind, None));
        assert_eq!(plan.inner.len(), inner, "{behind:x?}");
    }
}

#[test]
fn what_cannot_be_moved_is_refused() {
    for behind in [
        // call rel32; call rax; call [rip + 0]
        &[0xe8, 0, 0, 0, 0][..],
        &[0xff, 0xd0, 0x90],
        &[0xff, 0x15, 0, 0, 0, 0],
        // syscall; int3; int 0x80; ud2; hlt; sysenter
        &[0x0f, 0x05, 0x90],
        &[0xcc, 0x90, 0x90],
        &[0xcd, 0x80, 0x90],
        &[0x0f, 0x0b, 0x90],
        &[0xf4, 0x90, 0x90],
        &[0x0f, 0x34, 0x90],
        // loop; jrcxz; jmp with a prefix that processors disagree on; xbegin
        &[0xe2, 0xfe, 0x90],
        &[0xe3, 0xfe, 0x90],
        &[0x66, 0xe9, 0, 0, 0, 0],
        &[0xc7, 0xf8, 0, 0, 0, 0],
        // far jump and return, iretq
        &[0xff, 0x28, 0x90],
        &[0xcb, 0x90, 0x90],
        &[0x48, 0xcf, 0x90],
        // rdtsc; cpuid; no instruction; mov rdi, [eip + 0]
        &[0x0f, 0x31, 0x90],
        &[0x0f, 0xa2, 0x90],
        &[0x06, 0x90, 0x90],
        &[0x67, 0x48, 0x8b, 0x3d, 0, 0, 0, 0],
    ] {
        let refused = reasons(plan_of(&[], behind, true));
        assert_eq!(
            refused,
            (NOTHING_BEFORE, Reason::NotMovable(AT + 2)),
            "{behind:x?}"
        );
    }
    // The second of them.
    let refused = reasons(plan_of(&[], &[0x90, 0xe8, 0, 0, 0, 0], true));
    assert_eq!(refused.1, Reason::NotMovable(AT + 3));
    // And in front.
    let refused = reasons(plan_of(&[0xe8, 0, 0, 0, 0], &[0xcc, 0x90, 0x90], true));
    assert_eq!(refused.0, Reason::NotMovable(AT));
    let refused = reasons(plan_of(&[0x31, 0xc0], &[0xcc, 0x90, 0x90], true));
    assert_eq!(refused.0, Reason::TooShort);
}

#[test]
fn what_may_be_data_is_refused() {
    for behind in [
        &[0xc3, 0x48, 0x89, 0xc5][..],
        &[0xc3, 0xf3, 0x0f, 0x1e, 0xfa],
        &[0xc3, 0x90, 0x55],
        &[0xeb, 0x10, 0x55],
    ] {
        let (_, reason) = reasons(plan_of(&[], behind, true));
        assert!(
            matches!(reason, Reason::NotCode(_)),
            "{behind:x?}: {reason}"
        );
    }
}

#[test]
fn what_is_not_readable_is_refused() {
    for behind in [
        &[][..],
        &[0x90],
        &[0x90, 0x90],
        &CMP_RAX[..5],
        &[0xc3, 0x90],
        &[0xc3, 0xcc],
    ] {
        let (_, reason) = reasons(plan_of(&[], behind, true));
        assert_eq!(reason, Reason::Unreadable, "{behind:x?}");
    }
    // What is replaced is readable up to its last byte.
    assert!(plan_of(&[], &CMP_RAX, true).is_ok());
    assert!(plan_of(&MOV_EAX, &[], true).is_ok());
    // The start of the function is not.
    let code = [&MOV_EAX[..], &[0x0f, 0x05]].concat();
    let refused = |function| {
        let site = Site {
            address: AT + 5,
            bytes: &code,
            bytes_at: AT,
            function,
        };
        reasons(plan(&site, SLOT, &mut anywhere)).0
    };
    assert_eq!(refused(None), Reason::FunctionUnknown);
    assert_eq!(refused(Some(AT - 1..AT + 7)), Reason::FunctionUnreadable);
    assert_eq!(refused(Some(AT..AT + 8)), Reason::FunctionUnreadable);
    assert_eq!(refused(Some(0..AT + 7)), Reason::FunctionTooLong);
    assert_eq!(refused(Some(AT..u64::MAX)), Reason::FunctionTooLong);
    let backwards = Range {
        start: u64::MAX,
        end: 0,
    };
    for none in [AT + 6..AT + 7, AT..AT + 6, AT..AT + 5, 0..0, backwards] {
        assert_eq!(refused(Some(none)), Reason::NotArrivedAt);
    }
}

#[test]
fn only_what_control_flow_gets_to_is_an_instruction() {
    let shape = |before: &[u8], behind: &[u8]| {
        let plan = plan_of(before, behind, true).expect("planned");
        (plan.shape, plan.number)
    };
    let certain = (Shape::Before, Some(232));
    let unknown = (Shape::Behind, None);
    // Behind a ret, a jmp, a ud2 and an int3 there may be anything.
    for end in [
        &[0xc3][..],
        &[0xeb, 0x20],
        &[0xff, 0xe0],
        &[0x0f, 0x0b],
        &[0xcc],
        &[0xf4],
    ] {
        assert_eq!(
            shape(&[end, &MOV_EAX].concat(), &CMP_RAX),
            unknown,
            "{end:x?}"
        );
        // Unless somebody jumps there: ja over it.
        let length = u8::try_from(end.len()).expect("small");
        let jumped = [&[0x77, length][..], end, &MOV_EAX].concat();
        assert_eq!(shape(&jumped, &CMP_RAX), certain, "{end:x?}");
        // What is not gotten to is no obstacle.
        let junk = [&[0x77, length + 1][..], end, &[0x06], &MOV_EAX].concat();
        assert_eq!(shape(&junk, &CMP_RAX), certain, "{end:x?}");
    }
    // jmp to behind the site, from where a jmp comes back.
    let behind = [&CMP_RAX[..], &[0xc3, 0xeb, 0xf0]].concat();
    let before = [&[0xeb, 0x0e][..], &MOV_EAX].concat();
    assert_eq!(shape(&before, &behind), certain);
    // A call comes back.
    let call = [&[0xe8, 0, 1, 0, 0][..], &MOV_EAX].concat();
    assert_eq!(shape(&call, &CMP_RAX), certain);
    // jmp to the site only: nothing in front of it is gotten to.
    let (before, _) = reasons(plan_of(
        &[&[0xeb, 0x05][..], &MOV_EAX].concat(),
        &[0xcc, 0x90, 0x90],
        true,
    ));
    assert_eq!(before, Reason::NothingBefore);
    // A jump of which processors see different ends, one with a prefix that changes that.
    let narrow = [&[0x66, 0x0f, 0x87, 0, 0, 0, 0][..], &MOV_EAX].concat();
    assert_eq!(shape(&narrow, &CMP_RAX), unknown);
    let wide = [&[0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0][..], &MOV_EAX].concat();
    assert_eq!(shape(&wide, &CMP_RAX), certain);
}

#[test]
fn jumps_into_the_midst_are_refused() {
    // ja to the second byte of the mov; the mov; syscall
    let (before, behind) = reasons(plan_of(
        &[&[0x77, 0x01], &MOV_EAX[..]].concat(),
        &[0xcc, 0x90, 0x90],
        true,
    ));
    assert_eq!(before, Reason::Entered(AT + 3));
    assert_eq!(behind, Reason::NotMovable(AT + 9));
    // ja into the cmp behind, from before and from behind
    let plan = plan_of(&[0x77, 0x05], &CMP_RAX, true);
    assert_eq!(reasons(plan).1, Reason::Entered(AT + 7));
    let back = [&[0x90, 0x77, 0xfd], &CMP_RAX[..]].concat();
    assert!(plan_of(&[], &back, true).is_ok(), "to itself");
    let back = [&[0x90, 0x77, 0xfe + 1], &CMP_RAX[..]].concat();
    assert_eq!(
        reasons(plan_of(&[], &back, true)).1,
        Reason::Entered(AT + 4)
    );
    // The same where nothing else gets to the site.
    let plan = plan_of(&[0x77, 0x06, 0xc3], &CMP_RAX, true);
    assert_eq!(
        reasons(plan),
        (Reason::NotArrivedAt, Reason::Entered(AT + 8))
    );
    // To an instruction's start: allowed, that byte is an int3.
    assert!(plan_of(&[0x77, 0x02], &CMP_RAX, true).is_ok());
    // To the syscall: nothing is different there.
    assert!(plan_of(&[&[0x77, 0x05], &MOV_EAX[..]].concat(), &[], true).is_ok());
}

#[test]
fn sites_that_are_none() {
    let refused = |address, bytes: &[u8], bytes_at, slot| {
        let site = Site {
            address,
            bytes,
            bytes_at,
            function: None,
        };
        plan(&site, slot, &mut anywhere).expect_err("refused")
    };
    let code = [0x0f, 0x05, 0x48, 0x89, 0xc5];
    assert_eq!(refused(AT, &code, AT, 1 << 31), Refused::AgentSlot);
    assert_eq!(refused(AT + 1, &code, AT, SLOT), Refused::NoSyscall);
    assert_eq!(refused(AT - 1, &code, AT, SLOT), Refused::NoSyscall);
    assert_eq!(refused(AT, &code[..1], AT, SLOT), Refused::NoSyscall);
    assert_eq!(refused(AT, &[], AT, SLOT), Refused::NoSyscall);
    assert_eq!(refused(u64::MAX, &code, u64::MAX, SLOT), Refused::Address);
    assert_eq!(refused(1 << 47, &code, 1 << 47, SLOT), Refused::Address);
    for before in SIGNAL_RETURNS {
        assert_eq!(plan_of(before, &CMP_RAX, true), Err(Refused::SignalReturn));
    }
}

#[test]
fn room_is_what_was_asked_for() {
    let code = [&MOV_EAX[..], &[0x0f, 0x05], &CMP_RAX].concat();
    let site = Site {
        address: AT + 5,
        bytes: &code,
        bytes_at: AT,
        function: Some(AT..AT + code.len() as u64),
    };
    let mut asked = Vec::new();
    let refused = plan(&site, SLOT, &mut |wanted| {
        asked.push(wanted);
        None
    });
    assert_eq!(reasons(refused), (Reason::NoRoom, Reason::NoRoom));
    assert_eq!((asked[0].mask, asked[1].mask), (0, 0xff00));
    assert_eq!(asked[1].value, 0xcc00);
    for given in [0, AT, AT + 0x1001, AT + (1 << 32), u64::MAX] {
        let refused = reasons(plan(&site, SLOT, &mut |_| Some(given)));
        assert_eq!(
            refused,
            (Reason::Misplaced(given), Reason::Misplaced(given))
        );
    }
    // A region nearby has room for either, and for several of them.
    for function in [None, site.function.clone()] {
        let mut region = Region::new(AT - 0x40_0000, room::REGION_BYTES);
        for _ in 0..8 {
            let site = Site {
                function: function.clone(),
                ..site.clone()
            };
            let plan = plan(&site, SLOT, &mut |wanted| region.take(&wanted)).expect("planned");
            check(&site, &plan);
            assert_eq!(plan.shape == Shape::Before, function.is_some());
        }
    }
}

#[test]
fn operands_out_of_reach_are_refused() {
    // mov rdi, [rip + 0x7fffffff]: it reaches 2 GiB from the site, so from below it does not.
    let far = [0x48, 0x8b, 0x3d, 0xff, 0xff, 0xff, 0x7f];
    let code = [&[0x0f, 0x05], &far[..]].concat();
    let site = Site {
        address: AT,
        bytes: &code,
        bytes_at: AT,
        function: None,
    };
    let below = plan(&site, SLOT, &mut |wanted| wanted.next(AT - (1 << 30)));
    let plan = below.expect("further up");
    assert!(plan.trampoline_at > AT);
    check(&site, &plan);
}

#[test]
fn what_was_replaced_in_front_is_not_disassembled() {
    // rdrand ecx, as it is made to trap
    let replaced = [&[0x0f, 0x0b, 0xf1 & 0x3f | 0xc0][..], &MOV_EAX].concat();
    let plan = plan_of(&replaced, &CMP_RAX, true).expect("planned");
    assert_eq!(plan.shape, Shape::Behind);
    // Another site's jump can be taken out again, from any piece of the code.
    let original = [&MOV_EAX[..], &[0x0f, 0x05], &CMP_RAX].concat();
    let plan = plan_of(&MOV_EAX, &CMP_RAX, false).expect("planned");
    for from in 0..original.len() {
        for to in from..original.len() {
            let mut patched = original.clone();
            patched[5..10].copy_from_slice(&plan.patch);
            let piece = &mut patched[from..to];
            plan.restore(AT + from as u64, piece);
            assert_eq!(piece, &original[from..to]);
        }
    }
}

#[test]
fn sites_too_near_to_each_other_conflict() {
    // syscall; mov eax, 232; syscall; cmp rax, -4095
    let code = [&[0x0f, 0x05], &MOV_EAX[..], &[0x0f, 0x05], &CMP_RAX].concat();
    let plans = [AT, AT + 7].map(|address| {
        let site = Site {
            address,
            bytes: &code,
            bytes_at: AT,
            function: Some(AT..AT + code.len() as u64),
        };
        plan(&site, SLOT, &mut anywhere).expect("planned")
    });
    assert_eq!(plans.each_ref().map(|plan| plan.patch_at), [AT, AT + 2]);
    assert!(plans[0].conflicts(&plans[1]) && plans[1].conflicts(&plans[0]));
    let apart = Plan {
        patch_at: AT + 5,
        ..plans[1].clone()
    };
    assert!(!plans[0].conflicts(&apart) && !apart.conflicts(&plans[0]));
}

#[test]
fn addresses_between_instructions_are_none() {
    let plan = plan_of(&MOV_EAX, &[], true).expect("planned");
    for address in plan.trampoline_at - 1..plan.trampoline_at + 64 {
        let known = plan.origins.iter().any(|(at, _)| *at == address);
        assert_eq!(plan.seen(address).is_some(), known);
    }
    assert_eq!(plan.relocated(plan.patch_at), None);
}

#[test]
fn refusals_say_why() {
    let refused = plan_of(&[], &[0xe8, 0, 0, 0, 0], false).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "in front of it: where its function starts is not known; behind it: the instruction at \
         0x7f1234567892 is not known to do the same elsewhere"
    );
}

/// Instructions, and bytes that are none.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<Vec<u8>> = [
        &MOV_EAX[..],
        &CMP_RAX,
        &[0x31, 0xc0],
        &[0x5d],
        &[0xc3],
        &[0x90],
        &[0xcc],
        &[0x77, 0x03],
        &[0xeb, 0xfa],
        &[0x48, 0x8b, 0x3d, 0, 1, 0, 0],
        &[0x0f, 0x05],
        &[0x41],
        &[0x48],
        &[0x66],
        &[0x0f, 0x1f, 0x40, 0],
        &[0xe8, 0, 0, 0, 0],
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    let piece = prop_oneof![
        4 => prop::sample::select(known),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever is there: a plan that keeps its promises, or none.
    #[test]
    fn any_code_is_planned_well_or_refused(
        before in pieces(),
        behind in pieces(),
        known: bool,
        low in 0u64..1 << 20,
        start in 0u64..12,
        cut in 0u64..16,
    ) {
        let code = [&before[..], &[0x0f, 0x05], &behind].concat();
        let bytes_at = AT + low;
        let site = Site {
            address: bytes_at + before.len() as u64,
            bytes: &code,
            bytes_at,
            function: known.then_some(bytes_at + start..bytes_at + (code.len() as u64).saturating_sub(cut)),
        };
        if let Ok(plan) = plan(&site, SLOT, &mut anywhere) {
            check(&site, &plan);
        }
    }
}
