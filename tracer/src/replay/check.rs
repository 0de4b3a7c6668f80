//! Comparisons between what the journal says and what a replayed thread does.

use super::task::Task;
use crate::model::capture::Call;
use journal::{Enter, In};
use pmu::Regs;

/// `restart_syscall`, which continues a syscall that is not simply repeated.
const RESTART_SYSCALL: u64 = libc::SYS_restart_syscall.cast_unsigned();
const ERESTART_RESTARTBLOCK: i64 = -516;
/// Bytes of a `syscall` instruction.
const SYSCALL_BYTES: u64 = 2;

/// What the kernel does at a syscall's exit when no handler is entered: the thread
/// repeats the syscall. (arch/x86/kernel/signal.c, `arch_do_signal_or_restart`)
pub fn settle_restart(task: &mut Task) {
    if let Some(restart) = task.restart.take() {
        task.regs.rax = if restart.code == ERESTART_RESTARTBLOCK {
            RESTART_SYSCALL
        } else {
            restart.nr
        };
        task.regs.rip -= SYSCALL_BYTES;
    }
}

/// Whether a signal was sent by somebody rather than raised by an instruction.
pub fn is_from_outside(signal: i32, info: &[u8; 128]) -> bool {
    let code = i32::from_le_bytes([info[8], info[9], info[10], info[11]]);
    let fault = matches!(
        signal,
        libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL | libc::SIGTRAP
    );
    !(fault && code > 0)
}

/// The first difference between a recorded entry and the registers found, as
/// (expected, found).
pub fn entry_difference(enter: &Enter<'_>, regs: &Regs, name: &str) -> Option<(String, String)> {
    let nr = crate::record::number(regs);
    if nr != enter.nr {
        let other = crate::model::lookup(nr).map_or("unknown", |def| def.name);
        return Some((
            format!("syscall {name} ({})", enter.nr),
            format!("syscall {other} ({nr})"),
        ));
    }
    if regs.rip != enter.ip {
        return Some((
            format!("{name} at {:#x}", enter.ip),
            format!("{name} at {:#x}", regs.rip),
        ));
    }
    let args = regs.args();
    for (index, expected) in enter.args.as_slice().iter().enumerate() {
        if args[index] != *expected {
            return Some((
                format!("{name} with argument {index} = {expected:#x}"),
                format!("{name} with argument {index} = {:#x}", args[index]),
            ));
        }
    }
    if regs.signature() != enter.signature {
        return Some((
            format!("{name} with register signature {:#010x}", enter.signature.0),
            format!(
                "{name} with register signature {:#010x}",
                regs.signature().0
            ),
        ));
    }
    None
}

/// The first difference between recorded and found input memory.
pub fn input_difference(
    expected: &[In<'_>],
    found: &[In<'_>],
    call: &Call,
) -> Option<(String, String)> {
    let name = call.def.name;
    if expected.len() != found.len() {
        return Some((
            format!("{name} reading {} pieces of memory", expected.len()),
            format!("{name} reading {} pieces of memory", found.len()),
        ));
    }
    let (expected, found) = expected.iter().zip(found).find(|(a, b)| a != b)?;
    let show = |piece: &In<'_>| {
        format!(
            "{name} reading {} bytes at {:#x}, checksum {:#010x}: {:?}",
            piece.len, piece.addr, piece.sum, piece.head
        )
    };
    Some((show(expected), show(found)))
}
