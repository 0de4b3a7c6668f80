//! Functions that a child executes: libc's, on data of their own. They allocate nothing, because what the
//! allocator does depends on what other threads of the test did before the fork.

use std::ffi::{c_char, c_int, c_void};

/// A function to execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Sort,
    Print,
    Parse,
    Copy,
    Search,
}

/// All of them.
pub const ALL: [Work; 5] = [
    Work::Sort,
    Work::Print,
    Work::Parse,
    Work::Copy,
    Work::Search,
];

/// Its address.
pub fn address(work: Work) -> u64 {
    let function: extern "C" fn(u64) -> u64 = match work {
        Work::Sort => sort,
        Work::Print => print,
        Work::Parse => parse,
        Work::Copy => copy,
        Work::Search => search,
    };
    (function as *const c_void).expose_provenance() as u64
}

fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 16
}

fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    })
}

extern "C" fn sort(seed: u64) -> u64 {
    let mut state = seed;
    let mut numbers = [0u64; 60];
    for number in &mut numbers {
        *number = next(&mut state) % 1000;
    }
    crate::sys::qsort(&mut numbers);
    numbers.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64 + numbers[30]
}

extern "C" fn print(seed: u64) -> u64 {
    let mut text = [0u8; 256];
    let number = (seed as f64).sqrt() * 1e10;
    let len = crate::sys::print(&mut text, number, seed);
    digest(&text[..len])
}

extern "C" fn parse(seed: u64) -> u64 {
    let text = if seed & 1 == 1 {
        c"  -12345.678901e-3xyz"
    } else {
        c"0x1.8p+4"
    };
    crate::sys::parse(text).to_bits()
}

extern "C" fn copy(seed: u64) -> u64 {
    let mut state = seed;
    let mut bytes = [0u8; 2048];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = index.to_le_bytes()[0];
    }
    for _ in 0..200 {
        let len = (next(&mut state) % 600) as usize;
        let from = (next(&mut state) % 1400) as usize;
        let to = (next(&mut state) % 1400) as usize;
        bytes.copy_within(from..from + len, to);
        if state & 7 == 0 {
            bytes[to..to + len].fill(state.to_le_bytes()[1]);
        }
    }
    digest(&bytes)
}

extern "C" fn search(seed: u64) -> u64 {
    let mut state = seed;
    let mut text = [b'a'; 700];
    text[699] = 0;
    let mut sum = 0;
    for _ in 0..100 {
        let at = (next(&mut state) % 699) as usize;
        text[at] = b'b' + (state % 20).to_le_bytes()[0];
        sum += crate::sys::search(&text, b'b' + (next(&mut state) % 20).to_le_bytes()[0]);
    }
    sum
}

/// For `qsort`.
pub extern "C" fn compare(one: *const c_void, other: *const c_void) -> c_int {
    crate::sys::compare(one, other)
}

/// A format for `snprintf`.
pub const FORMAT: *const c_char = c"%.10g|%20s|%-8lx|%e".as_ptr();
