//! The agent: freestanding code that serves hot syscalls inside the application. Built by the
//! tracer's build script, linked at its fixed address; see `agent/src/lib.rs`.
//!
//! It may be stopped anywhere, and is never left half way: signal handlers do not run inside it.
//! What it reads of the application may fault; the supervisor then leads it to
//! `ftrun_agent_recover`, and the call is made as if there were no agent. Once the syscall is
//! performed, there is no way back.

#![no_std]
#![no_main]

#[path = "../src/baton.rs"]
#[allow(dead_code)]
mod baton;
#[path = "../src/layout.rs"]
#[allow(dead_code)]
mod layout;
#[path = "../src/record.rs"]
#[allow(dead_code)]
mod record;
#[path = "../src/rules.rs"]
#[allow(dead_code)]
mod rules;

mod attempt;
mod keep;
mod memory;
mod opened;
mod park;
mod serve;

core::arch::global_asm!(
    include_str!("entry.s"),
    CURRENT = const layout::CURRENT,
    TARGET = const layout::TARGET,
    FRAME_BYTES = const size_of::<layout::Frame>(),
    PHASE = const core::mem::offset_of!(layout::Inside, phase),
    EXIT_STOP = const core::mem::offset_of!(layout::Inside, exit_stop),
    THREAD = const core::mem::offset_of!(layout::Inside, thread),
    VECTORS = const core::mem::offset_of!(layout::Inside, vectors),
    RETURNED = const layout::RETURNED,
    EXIT_SYSCALL = const layout::EXIT_SYSCALL,
    EXIT_NR = const layout::EXIT_NR,
    OFF = const layout::OFF,
    READS_BASES = const layout::READS_BASES,
    CLOCKS_USED = const layout::CLOCKS_USED,
    RING = const layout::RING,
    RING_BYTES = const layout::RING_BYTES,
    RING_BYTES_AT = const layout::RING_BYTES_AT,
    ANSWERS_LEN = const layout::ANSWERS_LEN,
    HEAD = const core::mem::offset_of!(layout::Ring, head),
    TAIL = const core::mem::offset_of!(layout::Ring, tail),
    STOP = const core::mem::offset_of!(layout::Ring, stop),
    ANSWERS = const core::mem::offset_of!(layout::Ring, answers),
    ANSWERS_FOR = const core::mem::offset_of!(layout::Ring, answers_for),
    RECORD = const size_of::<record::Record>(),
    RECORD_FRAME = const core::mem::offset_of!(record::Record, frame),
    RECORD_AFTER = const core::mem::offset_of!(record::Record, after),
    RECORD_BASES = const core::mem::offset_of!(record::Record, fs_base),
    RECORD_THREAD = const core::mem::offset_of!(record::Record, thread),
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        // SAFETY: it raises a fault, at which the supervisor ends the recording.
        unsafe { core::arch::asm!("ud2") }
    }
}
