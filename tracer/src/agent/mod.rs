//! The agent: code of ours inside every traced address space. Today it answers the vDSO's
//! clock functions: while recording it asks the kernel and keeps what it answered, in a
//! page that the recorder reads at the thread's next stop; in replay that page holds the
//! answers beforehand. It needs no stop of its own.
//!
//! Threads are serialised and switched at stops only, so one page serves an address space.

pub mod image;
pub mod inside;
pub mod place;
pub mod served;
pub mod sites;
pub mod tally;

use crate::layout::{AGENT, AGENT_DATA, AGENT_SEEN, PAGE_DATA};
use crate::sys::mem::Remote;
use std::io;

/// Offset of the first answer in the data page; see `clock.s`.
const WORDS: usize = 64;
const WORDS_BYTES: usize = 16;
/// Answers that fit.
pub const READS_MAX: u32 = 248;
/// Bytes of the data page that are in use.
pub const PAGE_BYTES: usize = WORDS + READS_MAX as usize * WORDS_BYTES;

const _: () = assert!(
    AGENT_DATA + PAGE_BYTES as u64 <= crate::layout::KERNEL_ROOM && AGENT_SEEN - AGENT == 0x600
);

/// The two words of an answer.
pub type Words = [i64; 2];

/// The agent's code; it belongs at [`AGENT`].
#[must_use]
pub fn code() -> &'static [u8] {
    let code = crate::sys::agent::code();
    debug_assert!(AGENT + code.len() as u64 <= PAGE_DATA, "it fits");
    code
}

/// The address that serves a vDSO function, if the agent knows it.
#[must_use]
pub fn entry(function: &str) -> Option<u64> {
    crate::sys::agent::entry(function).map(|offset| AGENT + offset)
}

/// Whether the instruction at `ip` is the agent's question for a clock's nanoseconds; the
/// clock's number is in `r10`.
#[must_use]
pub fn asks(ip: u64) -> bool {
    (AGENT..AGENT_SEEN).contains(&ip)
}

/// How the agent answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Record = 0,
    Replay = 1,
}

/// Sets the data page, with these answers in it.
fn set(memory: Remote, mode: Mode, limit: u32, answers: &[Words]) -> io::Result<()> {
    let mut page = vec![0u8; WORDS + answers.len() * WORDS_BYTES];
    page[0..4].copy_from_slice(&(mode as u32).to_le_bytes());
    page[8..12].copy_from_slice(&limit.to_le_bytes());
    for (slot, answer) in page[WORDS..].chunks_exact_mut(WORDS_BYTES).zip(answers) {
        slot[..8].copy_from_slice(&answer[0].to_le_bytes());
        slot[8..].copy_from_slice(&answer[1].to_le_bytes());
    }
    memory.write(AGENT_DATA, &page)
}

fn used_in(page: &[u8]) -> u32 {
    u32::from_le_bytes([page[4], page[5], page[6], page[7]])
}

/// The recorder's view of the data page of one address space.
#[derive(Debug, Clone)]
pub struct Recording {
    taken: u32,
}

impl Recording {
    /// Prepares the page of a new address space. `answers` says whether the agent may make
    /// syscalls there: a filter of the application's own might object.
    pub fn begin(memory: Remote, answers: bool) -> io::Result<Self> {
        set(
            memory,
            Mode::Record,
            if answers { READS_MAX } else { 0 },
            &[],
        )?;
        Ok(Self { taken: 0 })
    }

    /// What was answered since the last time, according to the data page's content.
    pub fn take(&mut self, memory: Remote, page: &[u8; PAGE_BYTES]) -> io::Result<Vec<Words>> {
        let used = used_in(page).min(READS_MAX);
        let answers = self.take_until(page, used);
        if used == READS_MAX {
            memory.write(AGENT_DATA + 4, &0u32.to_le_bytes())?;
            self.taken = 0;
        }
        Ok(answers)
    }

    /// Whether so many had been answered, and not all of these have been taken.
    #[must_use]
    pub fn is_behind(&self, used: u32) -> bool {
        self.taken < used.min(READS_MAX)
    }

    /// What was answered since the last time, up to so many.
    pub fn take_until(&mut self, page: &[u8; PAGE_BYTES], used: u32) -> Vec<Words> {
        let used = used.min(READS_MAX).min(used_in(page));
        let first = usize::try_from(self.taken).unwrap_or(0);
        let answers = page[WORDS..]
            .chunks_exact(WORDS_BYTES)
            .take(usize::try_from(used).unwrap_or(0))
            .skip(first)
            .map(|slot| {
                let word = |at: usize| {
                    let mut bytes = [0u8; 8];
                    bytes.copy_from_slice(&slot[at..at + 8]);
                    i64::from_le_bytes(bytes)
                };
                [word(0), word(8)]
            })
            .collect();
        self.taken = self.taken.max(used);
        answers
    }
}

/// Fills the data page for a replay; without answers every read stops.
pub fn supply(memory: Remote, answers: &[Words]) -> io::Result<()> {
    let limit = u32::try_from(answers.len()).unwrap_or(u32::MAX);
    if limit > READS_MAX {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    set(memory, Mode::Replay, limit, answers)
}

/// How many of the answers supplied were taken.
pub fn taken(memory: Remote) -> io::Result<usize> {
    let used = memory.read_u32(AGENT_DATA + 4)?;
    Ok(usize::try_from(used).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_lie_inside_the_code() {
        for name in ["clock_gettime", "gettimeofday", "time"] {
            let entry = entry(name).expect("known");
            assert!(
                (AGENT..AGENT + code().len() as u64).contains(&entry),
                "{name}"
            );
        }
        assert_eq!(entry("getcpu"), None);
        assert!(AGENT + code().len() as u64 > AGENT_SEEN);
    }
}
