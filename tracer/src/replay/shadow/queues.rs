//! Semaphores and message queues, of System V and of POSIX: what was done to them then is done
//! here, without waiting.
//!
//! A call that waited may have left in the journal before the one that let it go on has, which
//! then is made here first: the kernel made it in time. What the end of a process lets go on is
//! owed until then.

use super::answers::Answer;
use super::table::{self, Shadow as Policy};
use crate::layout::PAGE_DATA;
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::mem::Remote;
use journal::{Leave, Out, Tid};

/// Bytes of a `struct sembuf`, and where its flags are.
const SEMBUF_BYTES: usize = 6;
const SEMBUF_FLAGS: usize = 4;
/// More than the kernel takes for one call by default: 500 operations, 8 KiB.
const INPUT_BYTES_MAX: u64 = 16 << 20;
const NO_WAIT: u64 = libc::IPC_NOWAIT.cast_unsigned() as u64;
const COPY: i32 = libc::MSG_COPY;
/// What a call that must not wait says instead.
const WOULD_WAIT: [i32; 3] = [libc::EAGAIN, libc::ENOMSG, libc::ETIMEDOUT];

/// A call that has left in the journal, and cannot be made here yet.
#[derive(Debug)]
pub struct Owed {
    tid: Tid,
    call: Call,
    result: i64,
    /// What the kernel reads for it, or writes.
    bytes: Vec<u8>,
}

/// Which argument is the address of what a call reads or writes, and whether it writes it.
fn buffer(call: &Call) -> Option<(usize, bool)> {
    match call.def.name {
        "semop" | "semtimedop" | "msgsnd" | "mq_timedsend" => Some((1, false)),
        "msgrcv" | "mq_timedreceive" => Some((1, true)),
        _ => None,
    }
}

fn input_bytes(call: &Call) -> u64 {
    match call.def.name {
        "semop" | "semtimedop" => call.args[2].saturating_mul(SEMBUF_BYTES as u64),
        "msgsnd" | "msgrcv" => call.args[2].saturating_add(8),
        _ => call.args[2],
    }
}

impl Session {
    /// A call that may have waited for a semaphore or a queue.
    pub(super) fn queue_call(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        if call.def.name == "msgrcv" && call.int(4) & COPY != 0 {
            return Ok(());
        }
        let Some((at, writes)) = buffer(call) else {
            return Ok(());
        };
        let bytes = if writes {
            written(&leave.outs, call.args[at])
        } else {
            self.input(tid, call, at)?
        };
        let owed = Owed {
            tid,
            call: *call,
            result: leave.result,
            bytes,
        };
        while !self.made_without_waiting(&owed, call.args[at])? {
            if !self.make_one_of_others(tid)? {
                if let Some(shadow) = &mut self.shadow {
                    shadow.owed.push(owed);
                }
                return Ok(());
            }
        }
        self.pay_calls()
    }

    /// What the current call gave when it was made before its time. Compared, and settled.
    pub(super) fn made_already(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<bool, ReplayError> {
        let answer = self
            .shadow
            .as_mut()
            .and_then(|shadow| shadow.answers.remove(&tid));
        let Some(answer) = answer else {
            return Ok(false);
        };
        let same = match buffer(call) {
            Some((at, true)) => {
                written(&leave.outs, call.args[at]) == written(&answer.outs, call.args[at])
            }
            _ => true,
        };
        if answer.result == leave.result && same {
            return Ok(true);
        }
        Err(self.diverged(
            format!("{} with result {}", call.def.name, leave.result),
            format!(
                "{} with result {} or another message",
                call.def.name, answer.result
            ),
        ))
    }

    /// Makes a call that another thread stands in, and that need not wait: the one that was
    /// entered first. `false`: there is none.
    fn make_one_of_others(&mut self, tid: Tid) -> Result<bool, ReplayError> {
        for (other, call) in self.calls_under_way() {
            let known = self
                .shadow
                .as_ref()
                .is_none_or(|shadow| shadow.answers.contains_key(&other));
            if other == tid || known {
                continue;
            }
            if let Some(answer) = self.answer_now(other, &call)? {
                if let Some(shadow) = &mut self.shadow {
                    shadow.answers.insert(other, answer);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Calls that may let others go on, of threads that stand in them; who came first, first.
    fn calls_under_way(&self) -> Vec<(Tid, Call)> {
        let mut all: Vec<_> = self
            .tasks
            .values()
            .filter(|task| task.stopped.is_some())
            .filter_map(|task| {
                let in_call = task.call.as_ref()?;
                Some((in_call.entered, task.tid, in_call.call?))
            })
            .filter(|(.., call)| match table::of(call) {
                Policy::Queue => true,
                Policy::Same => call.def.name == "semctl",
                _ => false,
            })
            .collect();
        all.sort_unstable_by_key(|(entered, ..)| *entered);
        all.into_iter().map(|(_, tid, call)| (tid, call)).collect()
    }

    fn input(&mut self, tid: Tid, call: &Call, at: usize) -> Result<Vec<u8>, ReplayError> {
        let (_, real) = self.process(tid)?;
        let len = input_bytes(call);
        if len > INPUT_BYTES_MAX {
            return Err(self.not_shadowed("a message of that length"));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        Remote(real)
            .read_exact(call.args[at], &mut bytes)
            .map_err(ReplayError::os("reading a syscall's input"))?;
        Ok(bytes)
    }

    /// Makes a call whose buffer is there; `false` if it would have to wait.
    fn made_without_waiting(&mut self, owed: &Owed, buffer: u64) -> Result<bool, ReplayError> {
        let (tid, call) = (owed.tid, &owed.call);
        let Some(found) = self.attempt(tid, call, &owed.bytes, buffer)? else {
            return Ok(false);
        };
        if found != owed.result {
            return Err(self.diverged(
                format!("{} with result {}", call.def.name, owed.result),
                format!("{} with result {found}", call.def.name),
            ));
        }
        if writes_buffer(call) {
            let (_, real) = self.process(tid)?;
            let mut bytes = vec![0; owed.bytes.len()];
            Remote(real)
                .read_exact(buffer, &mut bytes)
                .map_err(ReplayError::os("reading a message"))?;
            if bytes != owed.bytes {
                return Err(self.diverged(
                    format!("the message that {} gave then", call.def.name),
                    "another message in the queue",
                ));
            }
        }
        Ok(true)
    }

    /// Makes a call; nothing if it would have to wait.
    fn attempt(
        &mut self,
        tid: Tid,
        call: &Call,
        bytes: &[u8],
        buffer: u64,
    ) -> Result<Option<i64>, ReplayError> {
        let (_, real) = self.process(tid)?;
        let mut args = call.args;
        let mut nr = i64::from(call.def.nr);
        args[1] = buffer;
        let place = |bytes: &[u8]| {
            Remote(real)
                .write(PAGE_DATA, bytes)
                .map_err(ReplayError::os("placing a syscall's input"))
        };
        match call.def.name {
            "semop" | "semtimedop" => {
                if bytes.len() > crate::layout::PAGE_DATA_LEN {
                    return Err(self.not_shadowed("that many operations on semaphores at once"));
                }
                let mut operations = bytes.to_vec();
                for operation in operations.chunks_exact_mut(SEMBUF_BYTES) {
                    operation[SEMBUF_FLAGS + 1] |= NO_WAIT.to_le_bytes()[1];
                }
                place(&operations)?;
                args[1] = PAGE_DATA;
                nr = libc::SYS_semop;
            }
            "msgsnd" => args[3] |= NO_WAIT,
            "msgrcv" => args[4] |= NO_WAIT,
            // A time that is over.
            _ => {
                place(&[0; 16])?;
                args[4] = PAGE_DATA;
            }
        }
        let found = self.remote_result(tid, nr, args)?;
        let errno = i32::try_from(-found).unwrap_or(0);
        Ok((!WOULD_WAIT.contains(&errno)).then_some(found))
    }

    /// Makes what is owed, as far as that is possible now.
    pub(super) fn pay_calls(&mut self) -> Result<(), ReplayError> {
        loop {
            let Some(shadow) = &mut self.shadow else {
                return Ok(());
            };
            let all = std::mem::take(&mut shadow.owed);
            if all.is_empty() {
                return Ok(());
            }
            let before = all.len();
            let mut left = Vec::new();
            for owed in all {
                if !self.tasks.contains_key(&owed.tid) {
                    return Err(self.not_shadowed(&format!(
                        "{} by a thread that has ended meanwhile",
                        owed.call.def.name
                    )));
                }
                if !self.made_elsewhere(&owed)? {
                    left.push(owed);
                }
            }
            let after = left.len();
            if let Some(shadow) = &mut self.shadow {
                shadow.owed = left;
            }
            if after == before {
                return Ok(());
            }
        }
    }

    /// The same with a buffer of its own: the thread has gone on since.
    fn made_elsewhere(&mut self, owed: &Owed) -> Result<bool, ReplayError> {
        let (_, real) = self.process(owed.tid)?;
        let word = |value: i32| u64::from(value.unsigned_abs());
        let len = input_bytes(&owed.call).clamp(1, INPUT_BYTES_MAX);
        let prot = word(libc::PROT_READ | libc::PROT_WRITE);
        let kind = word(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let args = [0, len, prot, kind, u64::MAX, 0];
        let room = self.remote(owed.tid, "making room", libc::SYS_mmap, args)?;
        if !writes_buffer(&owed.call) {
            Remote(real)
                .write(room, &owed.bytes)
                .map_err(ReplayError::os("placing a syscall's input"))?;
        }
        let made = self.made_without_waiting(owed, room);
        let args = [room, len, 0, 0, 0, 0];
        self.remote(owed.tid, "giving room back", libc::SYS_munmap, args)?;
        made
    }

    /// At a takeover: what is owed was let go on by calls that have not left in the journal. They
    /// are made now. Those that wait for what is gone are told so.
    pub(super) fn settle_calls(&mut self) -> Result<(), ReplayError> {
        for (tid, call) in self.calls_under_way() {
            let Some(shadow) = &self.shadow else {
                return Ok(());
            };
            let (known, owes) = (shadow.answers.contains_key(&tid), !shadow.owed.is_empty());
            let answer = if known {
                None
            } else if is_gone(&call, |nr, args| self.remote_result(tid, nr, args))? {
                Some((-i64::from(libc::EIDRM)).into())
            } else if owes {
                self.answer_now(tid, &call)?
            } else {
                None
            };
            if let (Some(answer), Some(shadow)) = (answer, &mut self.shadow) {
                shadow.answers.insert(tid, answer);
            }
            self.pay_calls()?;
        }
        match self.shadow.as_ref().and_then(|shadow| shadow.owed.first()) {
            None => Ok(()),
            Some(owed) => {
                let what = format!("a takeover while {} was under way", owed.call.def.name);
                Err(self.not_shadowed(&what))
            }
        }
    }

    /// What a call gives that a thread stands in; nothing if it would have to wait.
    fn answer_now(&mut self, tid: Tid, call: &Call) -> Result<Option<Answer>, ReplayError> {
        let Some((at, writes)) = buffer(call) else {
            let result = self.remote_result(tid, i64::from(call.def.nr), call.args)?;
            return Ok(Some(result.into()));
        };
        let bytes = if writes {
            Vec::new()
        } else {
            self.input(tid, call, at)?
        };
        let Some(result) = self.attempt(tid, call, &bytes, call.args[at])? else {
            return Ok(None);
        };
        let (_, real) = self.process(tid)?;
        Answer::read(real, call, result)
            .map(Some)
            .map_err(|why| self.not_shadowed(&why))
    }
}

fn writes_buffer(call: &Call) -> bool {
    matches!(buffer(call), Some((_, true)))
}

/// Whether a call of System V that has begun to wait does so for something that was removed.
fn is_gone(
    call: &Call,
    mut make: impl FnMut(i64, [u64; 6]) -> Result<i64, ReplayError>,
) -> Result<bool, ReplayError> {
    let id = call.args[0];
    let found = match call.def.name {
        "semop" | "semtimedop" => {
            let count = libc::GETNCNT.unsigned_abs().into();
            make(libc::SYS_semctl, [id, 0, count, 0, 0, 0])?
        }
        "msgsnd" | "msgrcv" => {
            // Room for no structure: only whether there is one is asked.
            let stat = libc::IPC_STAT.unsigned_abs().into();
            make(libc::SYS_msgctl, [id, stat, 0, 0, 0, 0])?
        }
        _ => 0,
    };
    Ok([libc::EINVAL, libc::EIDRM].contains(&i32::try_from(-found).unwrap_or(0)))
}

/// What the journal has of the memory from an address on.
fn written(outs: &[Out<'_>], at: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for out in outs {
        if out.addr == at + bytes.len() as u64 {
            bytes.extend_from_slice(&out.data);
        }
    }
    bytes
}
