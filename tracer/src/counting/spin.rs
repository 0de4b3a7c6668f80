//! Threads that wait for others by looking at memory again and again.
//!
//! A loop that comes back to the same place through the same instructions, and finds the same values at the same
//! addresses, waits for somebody else to change one of them: registers may count how often. A loop that computes
//! goes on to other addresses, or changes what is there. That is good enough for a decision about who has the CPU;
//! nothing but time depends on it.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess,
    OpKind, Register, UsedMemory,
};
use pmu::Regs;
use pmu::translate::INSTRUCTION_BYTES_MAX;
use std::collections::BTreeMap;

/// Conditional branches of a loop that is recognised, at most.
const BRANCHES_MAX: usize = 4;
/// Instructions up to the next branch at most.
const INSTRUCTIONS_MAX: usize = 64;
/// Bytes of an operand in memory at most.
const OPERAND_MAX: usize = 64;

/// Reads memory: how many bytes there were.
pub type Read<'r> = &'r dyn Fn(u64, &mut [u8]) -> usize;

/// What a thread meets on its way to the next conditional branch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pass {
    rip: u64,
    /// What was at the addresses that it looked at, in order.
    words: Vec<(u64, u64)>,
}

/// Several of them, one after the other.
#[derive(Debug, Default)]
pub struct Passes {
    passes: Vec<Pass>,
}

/// What they say about the thread.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Unknown,
    /// It waits for somebody to change one of these.
    Spins(Vec<Pass>),
    /// It computes.
    Computes,
}

impl Passes {
    /// The thread stands behind a conditional branch, the next one behind that of the pass before.
    pub fn add(&mut self, regs: &Regs, read: Read<'_>) -> Verdict {
        let Some(pass) = pass(regs, read) else {
            return Verdict::Computes;
        };
        self.passes.push(pass);
        let first = self.passes.first().map(|pass| pass.rip);
        let turn = self.passes.iter().skip(1);
        let turn = turn.take_while(|pass| Some(pass.rip) != first).count() + 1;
        if turn > BRANCHES_MAX {
            return Verdict::Computes;
        }
        if self.passes.len() < 2 * turn {
            return Verdict::Unknown;
        }
        let (one, other) = self.passes.split_at(turn);
        if one != other || one.iter().all(|pass| pass.words.is_empty()) {
            return Verdict::Computes;
        }
        let mut passes = one.to_vec();
        // Wherever in the loop it was looked at, it is the same one.
        passes.sort();
        Verdict::Spins(passes)
    }
}

/// What a thread meets up to its next conditional branch; none if that cannot be said.
fn pass(regs: &Regs, read: Read<'_>) -> Option<Pass> {
    let mut seen = Seen {
        known: BTreeMap::from(GENERAL.map(|(register, get)| (register, get(regs)))),
        bases: (regs.fs_base, regs.gs_base),
        read,
        words: Vec::new(),
    };
    let mut at = regs.rip;
    for _ in 0..INSTRUCTIONS_MAX {
        let mut code = [0; INSTRUCTION_BYTES_MAX];
        let len = read(at, &mut code);
        let mut decoder = Decoder::with_ip(64, &code[..len], at, DecoderOptions::NONE);
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return None;
        }
        if instruction.flow_control() == FlowControl::ConditionalBranch {
            let rip = regs.rip;
            let words = seen.words;
            return Some(Pass { rip, words });
        }
        at = seen.execute(&instruction)?;
    }
    None
}

type Get = fn(&Regs) -> u64;

const GENERAL: [(Register, Get); 16] = [
    (Register::RAX, |regs| regs.rax),
    (Register::RCX, |regs| regs.rcx),
    (Register::RDX, |regs| regs.rdx),
    (Register::RBX, |regs| regs.rbx),
    (Register::RSP, |regs| regs.rsp),
    (Register::RBP, |regs| regs.rbp),
    (Register::RSI, |regs| regs.rsi),
    (Register::RDI, |regs| regs.rdi),
    (Register::R8, |regs| regs.r8),
    (Register::R9, |regs| regs.r9),
    (Register::R10, |regs| regs.r10),
    (Register::R11, |regs| regs.r11),
    (Register::R12, |regs| regs.r12),
    (Register::R13, |regs| regs.r13),
    (Register::R14, |regs| regs.r14),
    (Register::R15, |regs| regs.r15),
];

/// What is known of a thread that executes, and what it has looked at.
struct Seen<'r> {
    /// Registers whose values are known.
    known: BTreeMap<Register, u64>,
    bases: (u64, u64),
    read: Read<'r>,
    words: Vec<(u64, u64)>,
}

impl Seen<'_> {
    /// Follows an instruction; where it leads, if that can be said, and where its operands are.
    fn execute(&mut self, instruction: &Instruction) -> Option<u64> {
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(instruction);
        for memory in info.used_memory() {
            self.look(memory)?;
        }
        let target = match instruction.flow_control() {
            FlowControl::Next => instruction.next_ip(),
            FlowControl::UnconditionalBranch => instruction.near_branch_target(),
            FlowControl::Call if instruction.code() == Code::Call_rel32_64 => {
                instruction.near_branch_target()
            }
            FlowControl::IndirectBranch | FlowControl::IndirectCall => {
                self.value(instruction, 0)?
            }
            FlowControl::Return => {
                let rsp = self.register(Register::RSP)?;
                self.word(rsp, 8)?
            }
            _ => return None,
        };
        let result = match instruction.code() {
            Code::Mov_r64_rm64
            | Code::Mov_rm64_r64
            | Code::Mov_r32_rm32
            | Code::Mov_rm32_r32
            | Code::Mov_r64_imm64
            | Code::Mov_r32_imm32
            | Code::Mov_rm64_imm32
            | Code::Lea_r64_m => self.value(instruction, 1),
            Code::Pop_r64 => self
                .register(Register::RSP)
                .and_then(|rsp| self.word(rsp, 8)),
            _ => None,
        };
        let stack = self.register(Register::RSP);
        for used in info.used_registers() {
            if writes(used.access()) {
                self.known.remove(&used.register().full_register());
            }
        }
        if instruction.is_stack_instruction()
            && let Some(stack) = stack
        {
            let moved = i64::from(instruction.stack_pointer_increment());
            self.known
                .insert(Register::RSP, stack.wrapping_add_signed(moved));
        }
        // Behind that: it may be the stack pointer that is popped.
        if instruction.op0_kind() == OpKind::Register
            && let Some(value) = result
        {
            let register = instruction.op0_register().full_register();
            self.known.insert(register, value);
        }
        Some(target)
    }

    fn register(&self, register: Register) -> Option<u64> {
        match register {
            Register::FS => Some(self.bases.0),
            Register::GS => Some(self.bases.1),
            Register::ES | Register::CS | Register::SS | Register::DS => Some(0),
            Register::RIP | Register::EIP => None,
            _ => {
                let whole = self.known.get(&register.full_register()).copied()?;
                Some(match register.size() {
                    8 => whole,
                    4 => whole & 0xffff_ffff,
                    _ => return None,
                })
            }
        }
    }

    /// The value of an operand.
    fn value(&self, instruction: &Instruction, operand: u32) -> Option<u64> {
        match instruction.op_kind(operand) {
            OpKind::Register => self.register(instruction.op_register(operand)),
            OpKind::Memory => {
                let address = instruction
                    .virtual_address(operand, 0, |register, _, _| self.register(register))?;
                if instruction.code() == Code::Lea_r64_m {
                    return Some(address);
                }
                self.word(address, instruction.memory_size().size())
            }
            _ => instruction.try_immediate(operand).ok(),
        }
    }

    /// What is at an address, of at most eight bytes.
    fn word(&self, address: u64, len: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        let wanted = bytes.get_mut(..len)?;
        if (self.read)(address, wanted) != len {
            return None;
        }
        Some(u64::from_le_bytes(bytes))
    }

    /// Keeps what is in an operand.
    fn look(&mut self, memory: &UsedMemory) -> Option<()> {
        if matches!(memory.access(), OpAccess::None | OpAccess::NoMemAccess) {
            return Some(());
        }
        let size = memory.memory_size().size();
        if size == 0 || size > OPERAND_MAX {
            return None;
        }
        let address = memory.virtual_address(0, |register, _, _| self.register(register))?;
        for from in (0..size).step_by(8) {
            let at = address.wrapping_add(from as u64);
            let word = self.word(at, (size - from).min(8))?;
            self.words.push((at, word));
        }
        Some(())
    }
}

const fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const CODE: u64 = 0x1000;
    const DATA: u64 = 0x2000;
    const STACK: u64 = 0x3000;

    struct Memory(RefCell<Vec<u8>>);

    impl Memory {
        fn with(code: &[u8]) -> Self {
            let mut bytes = vec![0; 0x3000];
            bytes[..code.len()].copy_from_slice(code);
            Self(RefCell::new(bytes))
        }

        fn set(&self, at: u64, value: u64) {
            let at = usize::try_from(at - CODE).expect("small");
            self.0.borrow_mut()[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }

        fn read(&self, at: u64, into: &mut [u8]) -> usize {
            let Some(from) = at
                .checked_sub(CODE)
                .and_then(|from| usize::try_from(from).ok())
            else {
                return 0;
            };
            let memory = self.0.borrow();
            let rest = memory.get(from..).unwrap_or_default();
            let len = rest.len().min(into.len());
            into[..len].copy_from_slice(&rest[..len]);
            len
        }
    }

    fn regs() -> Regs {
        Regs {
            rip: CODE,
            rsp: STACK,
            rbx: DATA,
            ..Regs::default()
        }
    }

    /// The verdict about a thread that comes back to the same place with these registers, and memory changed so.
    fn verdict(code: &[u8], each: impl Fn(&Memory, &mut Regs, u64)) -> Verdict {
        let memory = Memory::with(code);
        let mut passes = Passes::default();
        let mut now = regs();
        for turn in 0..20 {
            each(&memory, &mut now, turn);
            match passes.add(&now, &|at, into| memory.read(at, into)) {
                Verdict::Unknown => {}
                verdict => return verdict,
            }
        }
        panic!("no verdict");
    }

    #[test]
    fn a_loop_that_looks_at_the_same_word_spins_even_if_it_counts() {
        // inc rcx; cmp [rbx], eax; jne
        let code = [0x48, 0xff, 0xc1, 0x39, 0x03, 0x75, 0xf9];
        let found = verdict(&code, |_, regs, turn| regs.rcx = turn);
        let Verdict::Spins(passes) = found else {
            panic!("{found:?}");
        };
        assert_eq!(passes[0].words, [(DATA, 0)]);
    }

    #[test]
    fn a_loop_computes_that_moves_on_or_changes_memory_or_looks_at_none() {
        let code = [0x48, 0xff, 0xc1, 0x39, 0x03, 0x75, 0xf9];
        let moves = verdict(&code, |_, regs, turn| regs.rbx = DATA + turn * 4);
        assert_eq!(moves, Verdict::Computes);
        let changes = verdict(&code, |memory, _, turn| memory.set(DATA, turn));
        assert_eq!(changes, Verdict::Computes);
        // add rax, rcx; dec rdx; jnz
        let none = [0x48, 0x01, 0xc8, 0x48, 0xff, 0xca, 0x75, 0xf8];
        assert_eq!(verdict(&none, |_, _, _| {}), Verdict::Computes);
        // syscall
        assert_eq!(
            verdict(&[0x0f, 0x05, 0x75, 0xfc], |_, _, _| {}),
            Verdict::Computes
        );
    }

    #[test]
    fn a_word_is_found_through_pointers_calls_and_several_branches() {
        // call +3; jmp +16; nop; mov rax, [rbx]; mov eax, [rax + 8]; ret; ...; test eax, eax; jz
        let code = [
            0xe8, 0x03, 0, 0, 0, 0xeb, 0x08, 0x90, 0x48, 0x8b, 0x03, 0x8b, 0x40, 0x08, 0xc3, 0x85,
            0xc0, 0x74, 0xed,
        ];
        let found = verdict(&code, |memory, _, _| {
            memory.set(DATA, DATA + 0x100);
            memory.set(STACK - 8, CODE + 5);
        });
        let Verdict::Spins(passes) = found else {
            panic!("{found:?}");
        };
        assert!(passes[0].words.contains(&(DATA + 0x108, 0)), "{passes:x?}");
        // Two branches: cmp [rbx], eax; jne; cmp [rbx + 8], eax; je
        let two = [0x39, 0x03, 0x75, 0x03, 0x39, 0x43, 0x08, 0x74, 0xf7];
        let found = verdict(&two, |_, regs, turn| regs.rip = CODE + turn % 2 * 4);
        assert!(matches!(found, Verdict::Spins(passes) if passes.len() == 2));
        // The second word changes.
        let found = verdict(&two, |memory, regs, turn| {
            regs.rip = CODE + turn % 2 * 4;
            memory.set(DATA + 8, turn / 2);
        });
        assert_eq!(found, Verdict::Computes);
    }
}
