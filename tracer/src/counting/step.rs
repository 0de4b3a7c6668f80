//! Instructions that are executed natively, one at a time.

use crate::remote::RemoteError;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Gone, Resume, Stopped};
use crate::sys::wait::{self, Status, Whom};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic, Register};
use pmu::Regs;
use pmu::translate::{INSTRUCTION_BYTES_MAX, Step, step};

/// `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// `pushf`, behind its prefixes.
const PUSHF: u8 = 0x9c;
const TRAP_FLAG: u8 = 1;

/// Whether a thread stands at a `syscall` instruction.
pub fn is_syscall(memory: Remote, at: u64) -> bool {
    let mut code = [0; SYSCALL.len()];
    memory.read_some(at, &mut code) == code.len() && code == SYSCALL
}

/// How a single step has ended.
#[derive(Debug)]
pub struct SingleStep {
    /// The stop, if the thread has not ended.
    pub stopped: Stopped,
    /// What for.
    pub status: Status,
    /// On the way it was interrupted (`SIGTRAP`), or stopped with its process by this signal.
    pub asked: Option<i32>,
}

/// Lets a thread execute one instruction. Where it is stopped for something else than a signal meanwhile, it may have
/// executed it, and the trap that says so is still to come: it goes on until there is one.
pub fn single_step(mut stopped: Stopped) -> Result<SingleStep, RemoteError> {
    let tid = stopped.tid();
    let mut asked = None;
    loop {
        stopped.resume(Resume::Step, 0)?;
        let Ok(Some((_, status))) = wait::wait(Whom::Only(tid), true) else {
            return Err(Gone.into());
        };
        stopped = Stopped::reported(tid);
        match status {
            Status::Stop(signal) => {
                asked = asked
                    .filter(|asked| *asked != libc::SIGTRAP)
                    .or(Some(signal));
            }
            status => {
                return Ok(SingleStep {
                    stopped,
                    status,
                    asked,
                });
            }
        }
    }
}

/// What a single step has come to that ended with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// The instruction is executed.
    Stepped,
    /// The thread has left the system call that it stood in, and executed nothing.
    LeftSyscall,
    /// The signal has another origin.
    Otherwise,
}

/// What a step from address `before` has come to that ended at `behind` with this signal.
///
/// The code of the signal does not tell a step for certain: behind an instruction that the host of a virtual machine
/// executes it is that of a hardware breakpoint.
pub fn came_of(signal: i32, info: &[u8; 128], before: u64, behind: u64) -> Came {
    /// What the kernel gives at the exit of a system call.
    const TRAP_BRKPT: i32 = 1;
    let code = i32::from_le_bytes([info[8], info[9], info[10], info[11]]);
    // Of `int3` it is above all of these.
    const SI_KERNEL: i32 = 0x80;
    match code {
        _ if signal != libc::SIGTRAP => Came::Otherwise,
        TRAP_BRKPT if before == behind => Came::LeftSyscall,
        1..SI_KERNEL => Came::Stepped,
        _ => Came::Otherwise,
    }
}

/// An instruction before it is stepped over.
#[derive(Debug)]
pub struct Stepping {
    code: [u8; INSTRUCTION_BYTES_MAX],
    len: usize,
}

/// What a thread at this address is about to execute.
pub fn stepped(memory: Remote, at: u64) -> Stepping {
    let mut code = [0; INSTRUCTION_BYTES_MAX];
    let len = memory.read_some(at, &mut code);
    Stepping { code, len }
}

impl Stepping {
    /// Its bytes.
    pub fn code(&self) -> &[u8] {
        &self.code[..self.len]
    }

    /// Whether it is a string instruction that repeats, and can be interrupted in the middle.
    pub fn repeats(&self) -> bool {
        let instruction = Decoder::new(64, self.code(), DecoderOptions::NONE).decode();
        let prefix = instruction.has_rep_prefix() || instruction.has_repne_prefix();
        prefix && instruction.is_string_instruction()
    }

    /// Whether it is one of those that do the same wherever and whenever they are executed with the same
    /// registers and memory, once, and that lead to the next one or branch: steps over it are safe and are one each.
    pub fn is_plain(&self) -> bool {
        let mut decoder = Decoder::new(64, self.code(), DecoderOptions::NONE);
        let instruction = decoder.decode();
        let flow = matches!(
            instruction.flow_control(),
            FlowControl::Next | FlowControl::ConditionalBranch
        );
        let special = matches!(
            instruction.mnemonic(),
            Mnemonic::Rdtsc
                | Mnemonic::Rdtscp
                | Mnemonic::Rdrand
                | Mnemonic::Rdseed
                | Mnemonic::Rdpid
                | Mnemonic::Rdpmc
                | Mnemonic::Rdpru
                | Mnemonic::Cpuid
                | Mnemonic::Xgetbv
                | Mnemonic::Umwait
                | Mnemonic::Tpause
                | Mnemonic::Pushf
                | Mnemonic::Pushfd
                | Mnemonic::Pushfq
                | Mnemonic::Popf
                | Mnemonic::Popfd
                | Mnemonic::Popfq
        );
        // Behind a move to this register the processor does not stop.
        let hides = instruction.op0_register() == Register::SS;
        let repeats = instruction.is_string_instruction();
        let privileged = instruction.is_privileged() || instruction.is_invalid();
        flow && !special && !hides && !repeats && !privileged
    }

    /// The conditional branches that were executed with it: it was stepped over, to these registers.
    pub fn count(&self) -> u64 {
        u64::from(step(self.code()) == Step::Counts)
    }

    /// What the step has left where the application can see it is taken away: the trap flag, if it pushed the flags.
    pub fn hide(&self, memory: Remote, behind: &Regs) -> std::io::Result<()> {
        let code = self.code();
        let opcode = code.iter().find(|byte| {
            !matches!(
                byte,
                0x66 | 0x40..=0x4f | 0xf2 | 0xf3 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65
            )
        });
        if opcode != Some(&PUSHF) {
            return Ok(());
        }
        let mut flags = [0; 2];
        memory.read_exact(behind.rsp, &mut flags)?;
        flags[1] &= !TRAP_FLAG;
        memory.write(behind.rsp, &flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditional_branches_count() {
        let stepping = |bytes: &[u8]| {
            let mut code = [0; INSTRUCTION_BYTES_MAX];
            code[..bytes.len()].copy_from_slice(bytes);
            Stepping {
                code,
                len: bytes.len(),
            }
        };
        assert_eq!(stepping(&[0x74, 0]).count(), 1);
        assert_eq!(stepping(&[0xeb, 0]).count(), 0);
        assert_eq!(stepping(&[]).count(), 0);
        let plain: [&[u8]; 5] = [
            &[0x74, 0],
            &[0x90],
            &[0x48, 0x01, 0x03],
            &[0xf0, 0x48, 0xff, 0x03],
            &[0xe2, 0xfe],
        ];
        for code in plain {
            assert!(stepping(code).is_plain(), "{code:x?}");
        }
        let other: [&[u8]; 12] = [
            &[0xeb, 0],
            &[0xe8, 0, 0, 0, 0],
            &[0xc3],
            &[0x0f, 0x05],
            &[0x0f, 0x31],
            &[0x0f, 0xa2],
            &[0x9c],
            &[0xf3, 0xa4],
            &[0x8e, 0xd0],
            &[0xcc],
            &[0xf4],
            &[0x06],
        ];
        for code in other {
            assert!(!stepping(code).is_plain(), "{code:x?}");
        }
    }
}
