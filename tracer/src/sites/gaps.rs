//! What surrounds an opcode that nothing is known of: the pages that have it or, where it stands in
//! what no function covers (tables that somebody put among the code), all whole pages of that.

use super::elf::Program;
use super::{Code, PAGE_BYTES};
use std::ops::Range;

/// With more opcodes than this, each has the page where it stands.
const OPCODES_MAX: usize = 256;

/// The pages of a file in which opcodes begin: to execute one, its first byte has to be executable.
pub(super) fn pages_of(opcodes: &[u64]) -> Vec<Range<u64>> {
    merged(opcodes.iter().map(|at| page_of(*at)))
}

/// The same, with what is around them.
pub(super) fn around(program: &Program<'_, '_>, code: &Code, opcodes: &[u64]) -> Vec<Range<u64>> {
    if opcodes.is_empty() || opcodes.len() > OPCODES_MAX {
        return pages_of(opcodes);
    }
    let mut gaps: Vec<Gap> = opcodes.iter().map(|at| Gap::new(code, *at)).collect();
    let mut narrow = |function: Range<u64>| {
        for gap in &mut gaps {
            gap.narrow(&function);
        }
    };
    program.each_frame(&mut |function| narrow(function.range));
    program.each_symbol(&mut narrow);
    merged(gaps.iter().map(Gap::pages))
}

/// Where no function is, around an opcode.
struct Gap {
    offset: u64,
    address: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
}

impl Gap {
    fn new(code: &Code, offset: u64) -> Self {
        Self {
            offset,
            address: code.parts.iter().find_map(|part| part.address_of(offset)),
            from: None,
            to: None,
        }
    }

    fn narrow(&mut self, function: &Range<u64>) {
        let Some(address) = self.address else { return };
        if function.contains(&address) {
            self.address = None;
        } else if function.start <= address {
            self.from = self.from.max(Some(function.end));
        } else {
            self.to = Some(self.to.map_or(function.start, |to| to.min(function.start)));
        }
    }

    fn pages(&self) -> Range<u64> {
        let page = page_of(self.offset);
        let (Some(address), Some(from), Some(to)) = (self.address, self.from, self.to) else {
            return page;
        };
        let start = self
            .offset
            .saturating_sub(address - from)
            .next_multiple_of(PAGE_BYTES);
        let end = self.offset.saturating_add(to - address) / PAGE_BYTES * PAGE_BYTES;
        if start <= page.start && page.end <= end {
            start..end
        } else {
            page
        }
    }
}

const fn page_of(offset: u64) -> Range<u64> {
    let start = offset / PAGE_BYTES * PAGE_BYTES;
    start..start.saturating_add(PAGE_BYTES)
}

pub(super) fn merged(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_whole_and_each_is_there_once() {
        assert_eq!(pages_of(&[]), vec![]);
        let pages = vec![0..0x2000, 0x5000..0x6000];
        assert_eq!(pages_of(&[0xfff, 0x1000, 0x1fff, 0x5123]), pages);
    }

    #[test]
    fn what_is_in_no_function_is_guarded_whole() {
        let pages = |functions: &[Range<u64>]| {
            let mut gap = Gap {
                offset: 0x5800,
                address: Some(0x1_5800),
                from: None,
                to: None,
            };
            for function in functions {
                gap.narrow(function);
            }
            gap.pages()
        };
        let page = 0x5000..0x6000;
        assert_eq!(pages(&[]), page);
        assert_eq!(pages(std::slice::from_ref(&(0x1_0000..0x1_1234))), page);
        let both = [0x1_9010..0x1_a000, 0x1_0000..0x1_1234, 0x1_7fff..0x1_8000];
        assert_eq!(pages(&both), 0x2000..0x7000);
        assert_eq!(pages(&[0x1_1000..0x1_5001, 0x1_8000..0x1_9000]), page);
        assert_eq!(pages(&[0x1_1000..0x1_5900, 0x1_8000..0x1_9000]), page);
        // Nonsense from a broken file.
        assert_eq!(pages(&[0..u64::MAX, 0x1_6000..0x1_6000]), page);
        assert_eq!(pages(&[0..1, 0x1_5801..0x1_5801]), page);
    }
}
