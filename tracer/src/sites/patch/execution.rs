//! Executes what is planned, and compares it with what it was planned for: at each instruction
//! and in the end, all registers are the same.

use super::*;
use crate::sys::execute::{self, Arena, Observed, Registers};

/// A page of code, before which and behind which there is room for every trampoline.
const ARENA_BYTES: u64 = 2 << 30;
const TEXT: u64 = 1 << 30;
/// In the low page: the slot, two words for the agent, and the agent.
const AGENT: u64 = 64;
/// Flags that instructions compute.
const FLAGS: u64 = 0x8d5;
const RCX: usize = 1;
const RSP: usize = 4;

struct Case {
    name: &'static str,
    /// Code before the `syscall`, of which the last `head` bytes are the instruction in front.
    before: &'static [u8],
    behind: &'static [u8],
    shape: Shape,
}

const fn case(
    name: &'static str,
    before: &'static [u8],
    behind: &'static [u8],
    shape: Shape,
) -> Case {
    Case {
        name,
        before,
        behind,
        shape,
    }
}

/// All return, whatever the call returns.
const CASES: &[Case] = &[
    case(
        "mov eax, getpid; syscall; cmp rax, -4095; jae; ret; neg; ret",
        &[0xb8, 39, 0, 0, 0],
        &[
            0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0x73, 0x01, 0xc3, 0xf7, 0xd8, 0xc3,
        ],
        Shape::Before,
    ),
    case(
        "mov rax, close; syscall; ret: an error",
        &[
            0x48, 0xc7, 0xc7, 0xff, 0xff, 0xff, 0xff, 0x48, 0xc7, 0xc0, 3, 0, 0, 0,
        ],
        &[0xc3],
        Shape::Before,
    ),
    case(
        "push rbp; mov eax, gettid; mov r8d, 7; syscall; pop rbp; ret",
        &[0x55, 0xb8, 186, 0, 0, 0, 0x41, 0xb8, 7, 0, 0, 0],
        &[0x5d, 0xc3],
        Shape::Before,
    ),
    case(
        "lea rdi, [rip]; mov eax, [rip + 4]; syscall; ret; data: getppid",
        &[0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x8b, 0x05, 3, 0, 0, 0],
        &[0xc3, 110, 0, 0, 0],
        Shape::Before,
    ),
    case(
        "xor eax, eax; syscall (read); cmp rax, -4096; ja rel8; ret; ret",
        &[0x48, 0x83, 0xcf, 0xff, 0x31, 0xc0],
        &[0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0x77, 0x01, 0xc3, 0xc3],
        Shape::Behind,
    ),
    case(
        "mov al; syscall; ja rel32; ret; ret",
        &[0x31, 0xc0, 0xb0, 39],
        &[0x0f, 0x87, 1, 0, 0, 0, 0xc3, 0xc3],
        Shape::Behind,
    ),
    case(
        "syscall; mov rdi, [rip]; ret; data",
        &[0x31, 0xc0, 0xb0, 39],
        &[0x48, 0x8b, 0x3d, 1, 0, 0, 0, 0xc3, 1, 2, 3, 4, 5, 6, 7, 8],
        Shape::Behind,
    ),
    case(
        "syscall; jmp rel32; int3; ret",
        &[0x31, 0xc0, 0xb0, 39],
        &[0xe9, 1, 0, 0, 0, 0xcc, 0xc3],
        Shape::Behind,
    ),
    case(
        "syscall; ret; nop",
        &[0x31, 0xc0, 0xb0, 39],
        &[0xc3, 0x0f, 0x1f, 0x00],
        Shape::Behind,
    ),
    case(
        "push rbp; syscall; pop rbp; ret; nop",
        &[0x55, 0x31, 0xc0, 0xb0, 39],
        &[0x5d, 0xc3, 0x90],
        Shape::Behind,
    ),
    case(
        "syscall; test eax, eax; js rel8; ret; ret",
        &[0x31, 0xc0, 0xb0, 39],
        &[0x85, 0xc0, 0x78, 0x01, 0xc3, 0xc3],
        Shape::Behind,
    ),
    case(
        "syscall; clc; ja rel8; ret; ret",
        &[0x31, 0xc0, 0xb0, 39],
        &[0xf8, 0x77, 0x01, 0xc3, 0xc3],
        Shape::Behind,
    ),
    case(
        "syscall; jmp rel8; int3; ret",
        &[0x31, 0xc0, 0xb0, 39],
        &[0xeb, 0x01, 0xcc, 0xc3],
        Shape::Behind,
    ),
    case(
        "dec ebx; syscall; jnz to it; ret: a loop over the syscall",
        &[
            0x83, 0xe3, 0x03, 0xff, 0xc3, 0x31, 0xc0, 0xb0, 39, 0xff, 0xcb,
        ],
        &[0x75, 0xf6, 0xc3, 0x90],
        Shape::Behind,
    ),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Agent {
    Serves,
    Declines,
}

struct Scene {
    arena: Arena,
    low: Arena,
    code: Vec<u8>,
    site: u64,
}

impl Scene {
    fn new(case: &Case) -> Self {
        let code = [case.before, &SYSCALL, case.behind].concat();
        let arena = Arena::new(ARENA_BYTES, false);
        let low = Arena::new(4096, true);
        // Across the borders of cache lines and 64 KiB.
        let text = (arena.start() + TEXT).next_multiple_of(0x10000) - 3;
        arena.put(text, &code);
        low.put(low.start(), &(low.start() + AGENT).to_le_bytes());
        Self {
            arena,
            low,
            site: text + case.before.len() as u64,
            code,
        }
    }

    fn text(&self) -> Range<u64> {
        let end = self.site + self.code.len() as u64;
        let start = self.site.min(end) - self.before();
        start..start + self.code.len() as u64
    }

    fn before(&self) -> u64 {
        let at = self.code.windows(2).position(|code| code == SYSCALL);
        at.expect("it is there") as u64
    }

    fn plan(&self) -> Plan {
        let site = Site {
            address: self.site,
            bytes: &self.code,
            bytes_at: self.text().start,
            function: Some(self.text()),
        };
        let slot = u32::try_from(self.low.start()).expect("low");
        let arena = self.arena.start() + 0x1000..self.arena.start() + ARENA_BYTES - 0x1000;
        plan(&site, slot, &mut |wanted| {
            let at = wanted.next(self.site + 0x2000);
            at.filter(|at| arena.contains(at))
                .or_else(|| wanted.next(arena.start))
                .filter(|at| arena.contains(at))
        })
        .expect("planned")
    }

    fn apply(&self, plan: &Plan, agent: Agent) {
        self.arena.put(plan.trampoline_at, &plan.trampoline);
        self.arena.put(plan.patch_at, &plan.patch);
        let word = |index: u64| {
            let address = u32::try_from(self.low.start() + 8 * index).expect("low");
            address.to_le_bytes()
        };
        let code = match agent {
            // jmp [rcx]
            Agent::Declines => vec![0xff, 0x21],
            Agent::Serves => [
                // mov [1], rcx; syscall; mov rcx, [1]; mov rcx, [rcx + 8]; mov [2], rcx
                &[0x48, 0x89, 0x0c, 0x25][..],
                &word(1),
                &SYSCALL,
                &[0x48, 0x8b, 0x0c, 0x25],
                &word(1),
                &[0x48, 0x8b, 0x49, 0x08, 0x48, 0x89, 0x0c, 0x25],
                &word(2),
                // mov rcx, [1]; mov rcx, [rcx + 16]; jmp [2]
                &[0x48, 0x8b, 0x0c, 0x25],
                &word(1),
                &[0x48, 0x8b, 0x49, 0x10, 0xff, 0x24, 0x25],
                &word(2),
            ]
            .concat(),
        };
        self.low.put(self.low.start() + AGENT, &code);
    }
}

fn registers(seed: u64) -> Registers {
    let mut registers = Registers::default();
    for (register, index) in registers.general.iter_mut().zip(1u64..) {
        *register = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7) ^ (index * 0x0101_0101);
    }
    registers.flags = 0x202 | (seed & FLAGS);
    registers
}

/// What can be compared of the registers at an instruction.
fn comparable(registers: &Registers, stack: u64) -> Registers {
    let mut registers = *registers;
    registers.general[RSP] = registers.general[RSP].wrapping_sub(stack);
    registers.flags &= FLAGS;
    registers
}

/// The instructions that the application would see, with the registers before each.
fn seen(observed: &Observed, plan: &Plan) -> Vec<(u64, Registers)> {
    let stack = observed.steps.first().expect("a step").1.general[RSP];
    let trampoline = plan.trampoline_at..plan.trampoline_at + plan.trampoline.len() as u64;
    let mut seen: Vec<(u64, Registers)> = Vec::new();
    let (mut last, mut was_inside) = (0, false);
    for (address, registers) in &observed.steps {
        let inside = trampoline.contains(address);
        let origin = if inside {
            plan.seen(*address)
                .expect("an instruction of the trampoline")
        } else {
            *address
        };
        // What leads into the trampoline, to the agent and back is at the same place.
        let on_the_way = inside || was_inside || plan.patched().contains(address);
        let repeated = last == origin && on_the_way;
        (last, was_inside) = (origin, inside);
        // The processor does not stop between a native `syscall` and what follows it.
        if !repeated && origin != plan.done_seen() {
            let mut registers = comparable(registers, stack);
            if registers.general[RCX] == plan.done {
                // As the supervisor does.
                registers.general[RCX] = plan.done_seen();
            }
            seen.push((origin, registers));
        }
    }
    seen
}

impl Plan {
    /// What `rcx` has to be behind the `syscall`.
    fn done_seen(&self) -> u64 {
        self.seen(self.done).expect("an instruction")
    }
}

#[test]
fn what_is_planned_does_the_same() {
    for case in CASES {
        for agent in [Agent::Serves, Agent::Declines] {
            let scene = Scene::new(case);
            let start = scene.text().start;
            let plan = scene.plan();
            assert_eq!(plan.shape, case.shape, "{}", case.name);
            let within = [
                scene.text(),
                plan.trampoline_at..plan.trampoline_at + plan.trampoline.len() as u64,
            ];
            let all = || {
                (0..64u64).map(|seed| {
                    let (mut plain, mut stepped) = (registers(seed), registers(seed));
                    execute::call(start, &mut plain, &[]);
                    let observed = execute::trace(start, &mut stepped, &[], &within);
                    (plain, stepped, observed)
                })
            };
            let native: Vec<_> = all().collect();
            scene.apply(&plan, agent);
            for ((native, native_stepped, native_steps), (plain, stepped, steps)) in
                native.iter().zip(all())
            {
                let fixed = |registers: &Registers| {
                    let mut registers = comparable(registers, 0);
                    if registers.general[RCX] == plan.done {
                        registers.general[RCX] = plan.done_seen();
                    }
                    registers
                };
                assert_eq!(fixed(native), fixed(&plain), "{} {agent:?}", case.name);
                assert_eq!(fixed(native_stepped), fixed(&stepped), "{}", case.name);
                let expected = seen(native_steps, &plan);
                assert!(expected.len() >= 3);
                assert_eq!(expected, seen(&steps, &plan), "{} {agent:?}", case.name);
                // It went by the agent, and no instruction of the application was an int3.
                assert!(steps.steps.iter().any(|(at, _)| *at == plan.trampoline_at));
                assert!(steps.moved.is_empty());
            }
        }
    }
}

#[test]
fn who_jumps_into_what_was_replaced_is_moved() {
    for case in CASES.iter().filter(|case| case.shape == Shape::Behind) {
        let scene = Scene::new(case);
        let plan = scene.plan();
        // Where the code pushes something, it was pushed.
        let pushes = case.before.first() == Some(&0x55);
        for inner in &plan.inner {
            let ends = matches!(case.behind, [0xc3, ..] | [0x5d, 0xc3, ..]);
            let is_filling = ends && inner.address > scene.site + 2;
            if is_filling {
                continue;
            }
            let entry = scene.text().end + 64;
            let push: &[u8] = if pushes { &[0x55] } else { &[] };
            let end = entry + push.len() as u64 + 5;
            let target = relocate::displacement(end, inner.address).expect("near");
            scene.arena.put(entry, &[push, &[0xe9], &target].concat());
            let moves = [(inner.address, inner.copy)];
            let all = || {
                (0..64u64).map(|seed| {
                    let mut registers = registers(seed);
                    // As if a call had answered with an error.
                    registers.general[0] = seed.wrapping_neg();
                    registers.general[3] = 1;
                    let observed = execute::call(entry, &mut registers, &moves);
                    (comparable(&registers, 0), observed.moved)
                })
            };
            scene.arena.put(plan.patch_at, &plan.original);
            let native: Vec<_> = all().collect();
            scene.apply(&plan, Agent::Serves);
            for ((native, none), (moved, once)) in native.into_iter().zip(all()) {
                assert_eq!(native, moved, "{} at {:#x}", case.name, inner.address);
                assert!(none.is_empty());
                assert_eq!(once, [inner.address]);
            }
        }
    }
}

/// A thread waits in the `syscall` while that is replaced.
#[test]
fn who_waits_in_what_is_replaced_goes_on() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    // xor eax, eax; syscall (read); mov rdi, rax; ret
    let waits = case(
        "read",
        &[0x31, 0xc0],
        &[0x48, 0x89, 0xc7, 0xc3],
        Shape::Behind,
    );
    let scene = Scene::new(&waits);
    let plan = scene.plan();
    let (from, mut to) = io_pipe();
    let buffer = scene.low.start() + 0x800;
    let start = scene.text().start;
    let moves: Vec<_> = plan
        .inner
        .iter()
        .map(|inner| (inner.address, inner.copy))
        .collect();
    let fd = from.as_raw_fd().unsigned_abs();
    let (tell, told) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).expect("heard");
        let mut registers = registers(1);
        registers.general[7] = u64::from(fd);
        registers.general[6] = buffer;
        registers.general[2] = 16;
        let observed = execute::call(start, &mut registers, &moves);
        (registers, observed.moved)
    });
    let tid = told.recv().expect("told");
    let path = format!("/proc/self/task/{tid}/syscall");
    loop {
        // The number, then the descriptor.
        let call = std::fs::read_to_string(&path).expect("a thread");
        if call.starts_with(&format!("0 {fd:#x} ")) {
            break;
        }
        std::thread::yield_now();
    }
    scene.apply(&plan, Agent::Serves);
    to.write_all(b"seven b").expect("written");
    let (registers, moved) = waiter.join().expect("ended");
    assert_eq!(moved, [scene.site + 2]);
    assert_eq!((registers.general[0], registers.general[7]), (7, 7));
    assert_eq!(registers.general[RCX], scene.site + 2);
}

fn io_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    std::io::pipe().expect("made")
}
