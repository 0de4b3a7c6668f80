//! The agent: code of ours inside every traced address space. Today it answers the vDSO's
//! clock functions: while recording it asks the kernel and keeps what it answered, in a
//! page that the recorder reads at the thread's next stop; in replay that page holds the
//! answers beforehand. It needs no stop of its own.
//!
//! Threads are serialised, and who frees the CPU by itself says how many answers it has had: so one page serves an
//! address space.

pub mod image;
pub mod inside;
pub mod place;
mod rewritten;
pub mod served;
pub mod sites;
pub mod tally;

use crate::layout::{AGENT, AGENT_DATA, AGENT_SEEN, PAGE_DATA, READS, READS_LEN};
use crate::sys::mem::Remote;
use std::io;

/// Bytes at the start of the data page that say how the agent answers; see `clock.s`.
pub const HEAD_BYTES: usize = 64;
/// Where in them the address of the vDSO's own function is.
const ORIGINAL: u64 = 16;
const WORDS_BYTES: usize = 16;
/// Answers that fit.
pub const READS_MAX: u32 = 4096;
/// Answers that are read together with the head, because most often there are no more.
pub const NEAR: usize = 32;
/// Bytes of them.
pub const NEAR_BYTES: usize = NEAR * WORDS_BYTES;

const _: () =
    assert!(READS_MAX as u64 * WORDS_BYTES as u64 == READS_LEN && AGENT_SEEN - AGENT == 0x600);

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

/// Sets the data page, with these answers to be given.
fn set(memory: Remote, mode: Mode, limit: u32, answers: &[Words]) -> io::Result<()> {
    if !answers.is_empty() {
        let mut words = vec![0u8; answers.len() * WORDS_BYTES];
        for (slot, answer) in words.chunks_exact_mut(WORDS_BYTES).zip(answers) {
            slot[..8].copy_from_slice(&answer[0].to_le_bytes());
            slot[8..].copy_from_slice(&answer[1].to_le_bytes());
        }
        memory.write(READS, &words)?;
    }
    let mut head = [0u8; HEAD_BYTES];
    head[0..4].copy_from_slice(&(mode as u32).to_le_bytes());
    head[8..12].copy_from_slice(&limit.to_le_bytes());
    memory.write(AGENT_DATA, &head)
}

/// Lets the agent ask the vDSO's own function, which begins there; 0: no more.
pub fn set_original(memory: Remote, original: u64) -> io::Result<()> {
    memory.write(AGENT_DATA + ORIGINAL, &original.to_le_bytes())
}

fn words_in(bytes: &[u8]) -> impl Iterator<Item = Words> + '_ {
    bytes.chunks_exact(WORDS_BYTES).map(|slot| {
        let word = |at: usize| {
            let mut bytes = [0u8; 8];
            bytes.copy_from_slice(&slot[at..at + 8]);
            i64::from_le_bytes(bytes)
        };
        [word(0), word(8)]
    })
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

    /// Where the answers begin that were not taken yet, and bytes of those worth reading with the
    /// head.
    #[must_use]
    pub fn near(&self) -> (u64, usize) {
        let left = usize::try_from(READS_MAX - self.taken).unwrap_or(0);
        (self.next(), left.min(NEAR) * WORDS_BYTES)
    }

    fn next(&self) -> u64 {
        READS + u64::from(self.taken) * WORDS_BYTES as u64
    }

    /// What was answered since the last time, according to the head of the data page, and what
    /// [`Recording::near`] says where to find.
    pub fn take(
        &mut self,
        memory: Remote,
        head: &[u8; HEAD_BYTES],
        near: &[u8],
    ) -> io::Result<Vec<Words>> {
        let used = u32::from_le_bytes([head[4], head[5], head[6], head[7]]).min(READS_MAX);
        let count = usize::try_from(used.saturating_sub(self.taken)).unwrap_or(0);
        let answers = if count * WORDS_BYTES <= near.len() {
            self.taken = self.taken.max(used);
            words_in(near).take(count).collect()
        } else {
            self.take_until(memory, used, &mut Answers::default())?
        };
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

    /// What was answered since the last time, up to so many. All that there is more is read on the way,
    /// and kept in `answers`.
    pub fn take_until(
        &mut self,
        memory: Remote,
        used: u32,
        answers: &mut Answers,
    ) -> io::Result<Vec<Words>> {
        let used = used.min(READS_MAX);
        let index = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        if self.taken < answers.first || index(used) > index(answers.first) + answers.words.len() {
            // The words are there before they are counted.
            let there = memory.read_u32(AGENT_DATA + 4)?.clamp(used, READS_MAX);
            let count = index(there.saturating_sub(self.taken));
            let mut bytes = vec![0; count * WORDS_BYTES];
            memory.read_exact(self.next(), &mut bytes)?;
            answers.first = self.taken;
            answers.words.clear();
            answers.words.extend(words_in(&bytes));
        }
        let from = index(self.taken - answers.first);
        let to = index(used.saturating_sub(answers.first)).max(from);
        self.taken = self.taken.max(used);
        Ok(answers
            .words
            .get(from..to)
            .map_or_else(Vec::new, <[Words]>::to_vec))
    }
}

/// Answers that were read at once and not taken yet; the counts in them hold until the page is begun
/// anew, which happens at a thread's own stop only.
#[derive(Debug, Default)]
pub struct Answers {
    first: u32,
    words: Vec<Words>,
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
    Ok(usize::try_from(used(memory)?).unwrap_or(usize::MAX))
}

/// How many reads have been answered, since the page was last begun anew.
pub fn used(memory: Remote) -> io::Result<u32> {
    memory.read_u32(AGENT_DATA + 4)
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
