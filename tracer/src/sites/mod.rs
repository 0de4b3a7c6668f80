//! Where RDRAND, RDSEED, RDTSC and RDTSCP stand in a program file. The bytes alone prove nothing:
//! they occur in constants and in data among the code, which must not be touched. An instruction is
//! what a disassembly from the start of its function arrives at; functions are what call frame
//! information describes or, without any, the symbols. What neither covers is left alone, and
//! stays open: who relies on there being no others has to ask.

mod elf;
#[allow(dead_code, reason = "the planner of sites asks for functions")]
mod functions;
mod gaps;
#[allow(
    dead_code,
    unused_imports,
    reason = "the agent that serves what is planned comes next"
)]
pub mod patch;

#[allow(unused_imports, reason = "the planner of sites asks for functions")]
pub use functions::{Functions, function_of};

use crate::insn;
use elf::{Part, Program};
use std::collections::HashSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes of a file searched in one piece.
const PIECE: usize = 1 << 20;
/// A function larger than this is none.
const FUNCTION_BYTES_MAX: u64 = 16 << 20;

/// What is known of the nondeterministic instructions in a file, by offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Instructions, in ascending order, with what replaces them.
    pub sites: Vec<(u64, Vec<u8>)>,
    /// Opcodes that nothing is known of, in ascending order.
    pub open: Vec<u64>,
    /// Whole pages, in ascending order, that have all of those. What is around one of them and
    /// belongs to no function is data, most likely, and comes with it.
    pub guards: Vec<Range<u64>>,
}

/// Looks through a file.
#[must_use]
pub fn find(file: &File) -> Found {
    let candidates = candidates(file);
    if candidates.is_empty() {
        return Found::default();
    }
    let data = elf::content(file);
    // What is no program, or a broken one, has no functions.
    match Program::of(&data) {
        Some(program) => judged(&program, candidates),
        None => Found {
            guards: gaps::pages_of(&candidates),
            open: candidates,
            ..Found::default()
        },
    }
}

/// Whether a part of a file that is mapped is so alone: none of it could be an instruction that
/// reads the time stamp counter together with whatever else is mapped before or behind.
#[must_use]
pub fn is_whole(file: &File, offset: u64, len: u64) -> bool {
    // What is not there is mapped as zeros.
    let at = |offset: u64| {
        let mut bytes = [0; 2];
        file.read_at(&mut bytes[..1], offset)
            .and_then(|_| file.read_at(&mut bytes[1..], offset + 1))
            .map(|_| bytes)
    };
    let (Ok(first), Ok(last)) = (at(offset), at(offset.saturating_add(len).saturating_sub(2)))
    else {
        return false;
    };
    !matches!(first, [0x31 | 0xf9, _] | [1, 0xf9]) && !matches!(last, [_, 0x0f] | [0x0f, 1])
}

/// Offsets of what may be such an instruction's opcode, in ascending order.
fn candidates(file: &File) -> Vec<u64> {
    const OVERLAP: usize = 2;
    let mut found = Vec::new();
    let mut buffer = vec![0u8; PIECE + OVERLAP];
    let mut at = 0u64;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], at + filled as u64) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        let mut from = 0;
        while let Some(offset) = insn::find_opcode(&buffer[from..filled]) {
            found.push(at + (from + offset) as u64);
            from += offset + 1;
        }
        if filled < buffer.len() {
            return found;
        }
        at += PIECE as u64;
    }
}

fn judged(program: &Program<'_, '_>, candidates: Vec<u64>) -> Found {
    let code = Code::of(program.parts(), &candidates);
    let mut functions = by_frames(program, &code);
    let rest = code.without(&functions);
    functions.extend(by_symbols(program, &rest));
    let mut sites = Vec::new();
    let mut known = HashSet::new();
    for function in functions {
        disassemble(program, &code, &function, &mut sites, &mut known);
    }
    sites.sort_unstable();
    let mut open = candidates;
    open.retain(|at| !known.contains(at));
    let guards = gaps::around(program, &code, &open);
    Found {
        sites,
        open,
        guards,
    }
}

/// The executable parts of a file, and what in them is looked for.
struct Code {
    parts: Vec<Part>,
    /// Addresses of the candidates, in ascending order.
    wanted: Vec<u64>,
}

impl Code {
    fn of(parts: Vec<Part>, candidates: &[u64]) -> Self {
        let address = |offset: u64| parts.iter().find_map(|part| part.address_of(offset));
        let mut wanted: Vec<u64> = candidates.iter().copied().filter_map(address).collect();
        wanted.sort_unstable();
        Self { parts, wanted }
    }

    /// The candidates in a range of addresses.
    fn wanted_in(&self, range: &Range<u64>) -> &[u64] {
        let from = self.wanted.partition_point(|at| *at < range.start);
        let to = self.wanted.partition_point(|at| *at < range.end);
        self.wanted.get(from..to).unwrap_or_default()
    }

    /// The same with the candidates only that no range covers.
    fn without(&self, ranges: &[Range<u64>]) -> Self {
        let covered = |at: &u64| ranges.iter().any(|range| range.contains(at));
        Self {
            parts: self.parts.clone(),
            wanted: self
                .wanted
                .iter()
                .copied()
                .filter(|at| !covered(at))
                .collect(),
        }
    }

    /// Where in the file a range of addresses lies.
    fn offset(&self, range: &Range<u64>) -> Option<u64> {
        let part = self.parts.iter().find(|part| {
            part.address <= range.start && range.end <= part.address.saturating_add(part.len)
        })?;
        part.offset.checked_add(range.start - part.address)
    }
}

/// Functions with candidates, by call frame information.
fn by_frames(program: &Program<'_, '_>, code: &Code) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    if !code.wanted.is_empty() {
        program.each_frame(&mut |function| {
            if !code.wanted_in(&function.range).is_empty() {
                found.push(function.range);
            }
        });
    }
    found
}

/// Functions with candidates, by symbols.
fn by_symbols(program: &Program<'_, '_>, code: &Code) -> Vec<Range<u64>> {
    let mut found: Vec<Range<u64>> = Vec::new();
    if !code.wanted.is_empty() {
        program.each_symbol(&mut |range| {
            if !code.wanted_in(&range).is_empty() && !found.contains(&range) {
                found.push(range);
            }
        });
    }
    found
}

/// Adds the sites in a function, and the candidates that were decided.
fn disassemble(
    program: &Program<'_, '_>,
    code: &Code,
    function: &Range<u64>,
    sites: &mut Vec<(u64, Vec<u8>)>,
    known: &mut HashSet<u64>,
) {
    let wanted = code.wanted_in(function);
    let range = function.clone();
    if wanted.is_empty() || range.end - range.start > FUNCTION_BYTES_MAX {
        return;
    }
    let Some(offset) = code.offset(&range) else {
        return;
    };
    let Some(bytes) = program.bytes(offset, range.end - range.start) else {
        return;
    };
    let inside: Vec<usize> = wanted
        .iter()
        .filter_map(|at| usize::try_from(at - range.start).ok())
        .collect();
    let verdicts = insn::judge(bytes, &inside);
    for (at, replacement) in verdicts.sites {
        let site = offset + at as u64;
        if !sites.iter().any(|(known, _)| *known == site) {
            sites.push((site, replacement));
        }
    }
    let decided = inside.iter().filter(|at| !verdicts.open.contains(at));
    known.extend(decided.map(|at| offset + *at as u64));
}

#[cfg(test)]
mod tests;
