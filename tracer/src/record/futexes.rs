//! What the kernel stores in the words of futexes.

use super::error::Step;
use super::session::Session;
use crate::model::Handler;
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{Event, Out};

/// Futex operations after which a word may hold something else.
const CHANGES_WORD: [i32; 7] = [
    libc::FUTEX_WAKE_OP,
    libc::FUTEX_LOCK_PI,
    libc::FUTEX_UNLOCK_PI,
    libc::FUTEX_TRYLOCK_PI,
    libc::FUTEX_WAIT_REQUEUE_PI,
    libc::FUTEX_CMP_REQUEUE_PI,
    FUTEX_LOCK_PI2,
];
const FUTEX_LOCK_PI2: i32 = 13;

impl Session {
    /// What a futex operation left in its words so far: a waiter for a priority-inheriting
    /// futex marks the word before it sleeps.
    pub(super) fn emit_futex_words(&mut self, tid: Pid) -> Step {
        let Some(in_call) = self.tasks.get(&tid).and_then(|task| task.call.as_ref()) else {
            return Ok(());
        };
        for (addr, word) in words(tid, &in_call.call) {
            self.emit(
                tid,
                &Event::Data(Out {
                    addr,
                    data: word.into(),
                }),
            )?;
        }
        Ok(())
    }
}

/// Where futexes that a call names have the number of the memory node that they belong to: the kernel
/// stores the caller's where there is none yet.
fn node_words(tid: Pid, call: &Call) -> Vec<u64> {
    const NUMA: u64 = 0x04;
    const WAITERS_MAX: u64 = 128;
    const WAITER_BYTES: u64 = 24;
    /// Behind a futex of the only size that there is.
    const NODE: u64 = 4;
    let [first, second, _, flags, ..] = call.args;
    let waiters = match call.def.name {
        "futex_wake" | "futex_wait" if flags & NUMA != 0 => return vec![first.wrapping_add(NODE)],
        "futex_requeue" => 2,
        "futex_waitv" => (second & u64::from(u32::MAX)).min(WAITERS_MAX),
        _ => return Vec::new(),
    };
    let memory = Remote(tid);
    (0..waiters)
        .map(|index| first.wrapping_add(index * WAITER_BYTES))
        .map_while(|at| {
            let addr = memory.read_u64(at.wrapping_add(8)).ok()?;
            Some((addr, memory.read_u64(at.wrapping_add(16)).ok()?))
        })
        .filter(|(_, flags)| flags & NUMA != 0)
        .map(|(addr, _)| addr.wrapping_add(NODE))
        .collect()
}

/// The words of a futex operation that changes them on behalf of the caller or of a waiter.
pub(super) fn words(tid: Pid, call: &Call) -> Vec<(u64, Vec<u8>)> {
    const PRIVATE_AND_CLOCK: i32 = 128 | 256;
    let nodes = node_words(tid, call).into_iter().filter_map(|addr| {
        let mut word = vec![0u8; 4];
        (Remote(tid).read_some(addr, &mut word) == 4).then_some((addr, word))
    });
    let nodes: Vec<_> = nodes.collect();
    if !nodes.is_empty() {
        return nodes;
    }
    if call.def.handler != Handler::Futex || call.def.name != "futex" {
        return Vec::new();
    }
    let operation = call.int(1) & !PRIVATE_AND_CLOCK;
    if !CHANGES_WORD.contains(&operation) {
        return Vec::new();
    }
    let mut words = Vec::new();
    for addr in [call.args[0], call.args[4]] {
        let mut word = vec![0u8; 4];
        if addr != 0 && Remote(tid).read_some(addr, &mut word) == 4 {
            words.push((addr, word));
        }
    }
    words
}
