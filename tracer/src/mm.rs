//! What the kernel believes of the layout of an address space, as `PR_SET_MM_MAP` takes it.

use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use std::io;

/// Fields of `/proc/<pid>/stat`, counted from 1 (proc(5)).
const START_CODE: usize = 26;
const END_CODE: usize = 27;
const START_STACK: usize = 28;
const START_DATA: usize = 45;
const END_DATA: usize = 46;
const START_BREAK: usize = 47;
const ARG_START: usize = 48;
const ARG_END: usize = 49;
const ENV_START: usize = 50;
const ENV_END: usize = 51;

/// Words of the auxiliary vector at most (the kernel keeps no more).
const AUXV_WORDS_MAX: u64 = 40;
const STRINGS_MAX: u64 = 1 << 20;

/// What a program was started with, as the kernel shows it in `/proc/<pid>/cmdline`, `environ` and
/// `auxv`.
#[derive(Debug, Clone, Copy)]
pub struct Arguments {
    /// Addresses of arguments and environment: beginning and end.
    strings: [u64; 4],
    /// Address and bytes of the auxiliary vector.
    auxv: (u64, u64),
}

impl Arguments {
    /// Those that lie at a program's first stack pointer.
    pub fn at(process: Pid, stack: u64) -> Option<Self> {
        let memory = Remote(process);
        let word = |at: u64| memory.read_u64(at).ok();
        let count = word(stack)?.min(STRINGS_MAX);
        let first = word(stack + 8)?;
        let environment = stack + 8 * (count + 2);
        let mut last = if count == 0 {
            0
        } else {
            word(stack + 8 * count)?
        };
        let middle = word(environment).filter(|at| *at != 0);
        let mut at = environment;
        for _ in 0..STRINGS_MAX {
            match word(at)? {
                0 => break,
                string => last = string,
            }
            at += 8;
        }
        let auxv = at + 8;
        let mut words = 0;
        while words < AUXV_WORDS_MAX && word(auxv + 8 * words)? != 0 {
            words += 2;
        }
        let mut end = last;
        let mut bytes = [0; 4096];
        for _ in 0..STRINGS_MAX {
            let read = memory.read_some(end, &mut bytes);
            match bytes[..read].iter().position(|byte| *byte == 0) {
                Some(zero) => {
                    end += zero as u64 + 1;
                    break;
                }
                None if read == 0 => return None,
                None => end += read as u64,
            }
        }
        let middle = middle.unwrap_or(end);
        Some(Self {
            strings: [first, middle, middle, end],
            auxv: (auxv, (words + 2).min(AUXV_WORDS_MAX) * 8),
        })
    }
}

/// A `struct prctl_mm_map` (include/uapi/linux/prctl.h) that changes nothing but the break, if the
/// application has asked for it, and what the program was started with.
pub fn with_break(
    process: Pid,
    known: Option<(u64, u64)>,
    arguments: Option<Arguments>,
) -> io::Result<Vec<u8>> {
    let text = std::fs::read(format!("/proc/{process}/stat"))?;
    // The name is any bytes.
    let text = String::from_utf8_lossy(&text);
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
    let (start, now) = match known {
        Some(known) => known,
        None => (field(START_BREAK)?, field(START_BREAK)?),
    };
    let (strings, auxv) = match arguments {
        Some(Arguments { strings, auxv }) => (strings, auxv),
        // No auxiliary vector: a null pointer, and no bytes.
        None => (
            [
                field(ARG_START)?,
                field(ARG_END)?,
                field(ENV_START)?,
                field(ENV_END)?,
            ],
            (0, 0),
        ),
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
        strings[0],
        strings[1],
        strings[2],
        strings[3],
        auxv.0,
        // No other executable (-1).
        auxv.1 | 0xffff_ffff << 32,
    ];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}
