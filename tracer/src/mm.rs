//! What the kernel believes of the layout of an address space, as `PR_SET_MM_MAP` takes it.

use crate::sys::wait::Pid;
use std::io;

/// Fields of `/proc/<pid>/stat`, counted from 1 (proc(5)).
const START_CODE: usize = 26;
const END_CODE: usize = 27;
const START_STACK: usize = 28;
const START_DATA: usize = 45;
const END_DATA: usize = 46;
const ARG_START: usize = 48;
const ARG_END: usize = 49;
const ENV_START: usize = 50;
const ENV_END: usize = 51;

/// A `struct prctl_mm_map` (include/uapi/linux/prctl.h) that changes nothing but the break.
pub fn with_break(process: Pid, start: u64, now: u64) -> io::Result<Vec<u8>> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = text
        .rsplit_once(") ")
        .map(|(_, fields)| fields.split_ascii_whitespace().collect::<Vec<_>>())
        .unwrap_or_default();
    // The first two are before the name's end.
    let field = |number: usize| {
        fields
            .get(number - 3)
            .and_then(|field| field.parse::<u64>().ok())
            .ok_or_else(|| io::Error::other("unreadable /proc/<pid>/stat"))
    };
    let words = [
        field(START_CODE)?,
        field(END_CODE)?,
        // The kernel wants the break behind the data, of which it knows where the program had
        // it when it was started here: there is none.
        field(START_DATA)?.min(start.saturating_sub(2)),
        field(END_DATA)?.min(start.saturating_sub(1)),
        start,
        now,
        field(START_STACK)?,
        field(ARG_START)?,
        field(ARG_END)?,
        field(ENV_START)?,
        field(ENV_END)?,
        // No auxiliary vector (a null pointer, and no bytes), no other executable (-1).
        0,
        0xffff_ffff << 32,
    ];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}
