//! Where in a program file functions begin, asked for one place at a time: what a
//! disassembly has to start from, to know what is an instruction and what only looks like one.

use super::elf::{self, Part, Program};
use std::fs::File;
use std::ops::Range;

/// More functions than this are not kept, of either source.
const FUNCTIONS_MAX: usize = 1 << 22;

/// The functions of a file; one read of its tables. They take 16 bytes of memory each.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    parts: Vec<Part>,
    /// By call frame information, then what only symbols describe: addresses, ascending.
    frames: Vec<Range<u64>>,
    symbols: Vec<Range<u64>>,
}

impl Functions {
    /// Reads the tables. What is no program has no functions.
    #[must_use]
    pub fn of(file: &File) -> Self {
        let data = elf::content(file);
        let Some(program) = Program::of(&data) else {
            return Self::default();
        };
        let mut frames = Vec::new();
        program.each_frame(&mut |function| {
            if frames.len() < FUNCTIONS_MAX && !function.ends_signals {
                frames.push(function.range);
            }
        });
        let frames = sorted(frames);
        let mut symbols = Vec::new();
        program.each_symbol(&mut |range| {
            if symbols.len() < FUNCTIONS_MAX && covering(&frames, range.start).is_none() {
                symbols.push(range);
            }
        });
        Self {
            parts: program.parts(),
            frames,
            symbols: sorted(symbols),
        }
    }

    /// The function that covers an offset in the file, as offsets.
    #[must_use]
    pub fn covering(&self, offset: u64) -> Option<Range<u64>> {
        let (part, address) = self
            .parts
            .iter()
            .find_map(|part| Some((part, part.address_of(offset)?)))?;
        let found = covering(&self.frames, address).or_else(|| covering(&self.symbols, address))?;
        // Both ends have to be in the same part.
        let start = found.start.checked_sub(part.address)?;
        let end = found.end.checked_sub(part.address)?;
        (end <= part.len).then(|| part.offset + start..part.offset + end)
    }
}

#[cfg(test)]
impl Functions {
    /// The addresses of the code of the file, each range with its offset in the file.
    pub(super) fn code(&self) -> impl Iterator<Item = (Range<u64>, u64)> {
        let parts = self.parts.iter();
        parts.map(|part| (part.address..part.address + part.len, part.offset))
    }
}

/// Where in a file the function starts that covers an offset. For more than one, keep
/// [`Functions`].
#[must_use]
pub fn function_of(file: &File, offset: u64) -> Option<u64> {
    Some(Functions::of(file).covering(offset)?.start)
}

fn sorted(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.dedup();
    ranges.shrink_to_fit();
    ranges
}

/// The last range to begin at or before an address, if that is inside.
fn covering(ranges: &[Range<u64>], address: u64) -> Option<&Range<u64>> {
    let after = ranges.partition_point(|range| range.start <= address);
    ranges
        .get(after.checked_sub(1)?)
        .filter(|range| range.contains(&address))
}
