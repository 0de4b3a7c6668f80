//! Where RDRAND, RDSEED, RDTSC and RDTSCP stand in a program file. The bytes alone prove nothing:
//! they occur in constants and in data among the code, which must not be touched. An instruction is
//! what a disassembly from the start of its function arrives at; functions are what call frame
//! information describes or, without any, the symbols. What neither covers is left alone, and
//! stays open: who relies on there being no others has to ask.

mod elf;
#[allow(dead_code, reason = "the planner of sites asks for functions")]
mod functions;
mod gaps;
mod noted;
#[allow(
    dead_code,
    unused_imports,
    reason = "the agent that serves what is planned comes next"
)]
pub mod patch;

#[allow(unused_imports, reason = "the planner of sites asks for functions")]
pub use functions::{Functions, function_of};

pub use noted::Noted;

use crate::insn;
use elf::{Part, Program};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes of a file searched in one piece.
const PIECE: usize = 256 << 10;
const PAGE_BYTES: u64 = 4096;
/// A function larger than this is none.
const FUNCTION_BYTES_MAX: u64 = 16 << 20;

/// What is known of the nondeterministic instructions in a file, by offset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Where in the file it was looked, in ascending order.
    searched: Vec<Range<u64>>,
    /// Instructions, in ascending order, with what replaces them.
    pub sites: Vec<(u64, Vec<u8>)>,
    /// Opcodes that nothing is known of, in ascending order.
    pub open: Vec<u64>,
    /// Whole pages, in ascending order, that have all of those. What is around one of them and
    /// belongs to no function is data, most likely, and comes with it.
    pub guards: Vec<Range<u64>>,
}

impl Found {
    /// Whether it was looked for in all of a part of the file.
    #[must_use]
    pub fn covers(&self, part: &Range<u64>) -> bool {
        covers(&self.searched, part)
    }
}

fn covers(searched: &[Range<u64>], part: &Range<u64>) -> bool {
    let inside = |range: &Range<u64>| range.start <= part.start && part.end <= range.end;
    searched.iter().any(inside)
}

/// Looks through the code of a file, of which `part` is mapped as such.
#[must_use]
pub fn find(file: &File, part: &Range<u64>) -> Found {
    let data = elf::content(file);
    // What is no program, or a broken one, has no functions.
    let program = Program::of(&data);
    let mut searched = program.as_ref().map(pages_of_code).unwrap_or_default();
    if !covers(&searched, part) {
        // Whatever it is: all of it.
        searched.clear();
        searched.push(0..u64::MAX);
    }
    let candidates = candidates(file, &searched);
    let mut found = match program {
        _ if candidates.is_empty() => Found::default(),
        Some(program) => judged(&program, candidates),
        None => Found {
            guards: gaps::pages_of(&candidates),
            open: candidates,
            ..Found::default()
        },
    };
    found.searched = searched;
    found
}

/// The parts of a file that its program has executable: in pages, as they are mapped.
fn pages_of_code(program: &Program<'_, '_>) -> Vec<Range<u64>> {
    let pages = |part: Part| {
        let start = part.offset / PAGE_BYTES * PAGE_BYTES;
        let end = part.offset.saturating_add(part.len);
        start..end.checked_next_multiple_of(PAGE_BYTES).unwrap_or(u64::MAX)
    };
    gaps::merged(program.parts().into_iter().map(pages))
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

/// Offsets of what may be such an instruction's opcode in these parts of a file, in ascending order.
fn candidates(file: &File, parts: &[Range<u64>]) -> Vec<u64> {
    let mut found = Vec::new();
    let mut buffer = vec![0u8; PIECE + OVERLAP];
    for part in parts {
        search(file, part, &mut buffer, &mut found);
    }
    found
}

/// How far an opcode that begins in a piece may go on behind it.
const OVERLAP: usize = 2;

fn search(file: &File, part: &Range<u64>, buffer: &mut [u8], found: &mut Vec<u64>) {
    let mut at = part.start;
    while at < part.end {
        let left = usize::try_from(part.end - at).unwrap_or(usize::MAX);
        let want = left.saturating_add(OVERLAP).min(buffer.len());
        let mut filled = 0;
        while filled < want {
            match file.read_at(&mut buffer[filled..want], at + filled as u64) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        let mut from = 0;
        while let Some(offset) = insn::find_opcode(&buffer[from..filled]) {
            let opcode = at + (from + offset) as u64;
            from += offset + 1;
            // What begins in the overlap is found at the beginning of the next piece.
            if from <= PIECE && opcode < part.end {
                found.push(opcode);
            }
        }
        if filled < buffer.len() {
            return;
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
        ..Found::default()
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
