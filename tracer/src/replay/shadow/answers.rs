//! What a syscall gives that a takeover finds a thread in, where it is known without its being made
//! again.

use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::Out;

/// More than any call writes that is answered so.
const BYTES_MAX: u64 = 64 * 1024;

/// A result, and what the kernel wrote.
#[derive(Debug, Default)]
pub struct Answer {
    /// The result, an error as a negative number.
    pub result: i64,
    /// What stands in the thread's memory since.
    pub outs: Vec<Out<'static>>,
}

impl From<i64> for Answer {
    fn from(result: i64) -> Self {
        Self {
            result,
            outs: Vec::new(),
        }
    }
}

impl Answer {
    /// That of a call that has just been made for a thread. Why it cannot be given.
    pub fn read(real: Pid, call: &Call, result: i64) -> Result<Self, String> {
        let memory = Remote(real);
        let mut ranges = Vec::new();
        call.enter(&memory)
            .and_then(|(entry, _)| call.outs(&entry, result, &memory, &mut ranges))
            .map_err(|error| error.to_string())?;
        if ranges.iter().map(|range| range.len).sum::<u64>() > BYTES_MAX {
            return Err(format!("a takeover in {} of so many bytes", call.def.name));
        }
        let mut outs = Vec::new();
        for range in ranges {
            let mut data = vec![0; usize::try_from(range.len).unwrap_or(0)];
            let read = memory.read_some(range.addr, &mut data);
            data.truncate(read);
            if !data.is_empty() {
                outs.push(Out {
                    addr: range.addr,
                    data: data.into(),
                });
            }
        }
        Ok(Self { result, outs })
    }
}
