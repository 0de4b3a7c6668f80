//! Where RDRAND and RDSEED stand in a program file. The bytes alone prove nothing: they occur
//! in constants and in data among the code, which must not be touched. An instruction is what
//! a disassembly from the start of its function arrives at; functions are what call frame
//! information describes or, without any, the symbols. What neither covers is left alone.

#[allow(
    dead_code,
    unused_imports,
    reason = "the agent that serves what is planned comes next"
)]
pub mod patch;

use crate::insn;
use gimli::{BaseAddresses, CieOrFde, EhFrame, EhFrameHdr, UnwindSection};
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};
use object::{LittleEndian, ReadCache, ReadCacheOps, ReadRef};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes of a file searched in one piece.
const PIECE: usize = 1 << 20;
/// Bytes of the longest opcode without prefixes.
const OPCODE_BYTES: usize = 3;
/// Call frame information, or a symbol table, larger than this is none.
const TABLE_BYTES_MAX: u64 = 1 << 30;
/// A function larger than this is none.
const FUNCTION_BYTES_MAX: u64 = 16 << 20;

type Elf = FileHeader64<LittleEndian>;
type Data<'data, 'file> = &'data ReadCache<Content<'file>>;
type Sections<'data, 'file> = SectionTable<'data, Elf, Data<'data, 'file>>;
type Segment = elf::ProgramHeader64<LittleEndian>;

/// Offsets in a file of RDRAND and RDSEED instructions, with what replaces them.
#[must_use]
pub fn find(file: &File) -> Vec<(u64, Vec<u8>)> {
    let candidates = candidates(file);
    if candidates.is_empty() {
        return Vec::new();
    }
    let data = ReadCache::new(Content { file, position: 0 });
    // What is no program, or a broken one, has no functions.
    proven(&data, &candidates).unwrap_or_default()
}

/// Offsets of what may be such an instruction's opcode, in ascending order.
fn candidates(file: &File) -> Vec<u64> {
    const OVERLAP: usize = OPCODE_BYTES - 1;
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

fn proven(data: Data<'_, '_>, candidates: &[u64]) -> object::Result<Vec<(u64, Vec<u8>)>> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let kind = header.e_type(endian);
    if header.e_machine(endian) != elf::EM_X86_64 || !matches!(kind, elf::ET_EXEC | elf::ET_DYN) {
        return Ok(Vec::new());
    }
    let segments = header.program_headers(endian, data)?;
    let code = Code::of(segments, candidates);
    // A program runs without sections just as well.
    let sections = header.sections(endian, data).unwrap_or_default();
    let mut functions = by_frames(data, segments, &sections, &code);
    let rest = code.without(&functions);
    functions.extend(by_symbols(data, &sections, &rest));
    let mut sites = Vec::new();
    for function in functions {
        disassemble(data, &code, &function, &mut sites);
    }
    Ok(sites)
}

/// The executable parts of a file, and what in them is looked for.
struct Code {
    parts: Vec<Part>,
    /// Addresses of the candidates, in ascending order.
    wanted: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    address: u64,
    offset: u64,
    len: u64,
}

impl Code {
    fn of(segments: &[Segment], candidates: &[u64]) -> Self {
        let endian = LittleEndian;
        let parts: Vec<Part> = segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
            .filter(|segment| segment.p_flags(endian) & elf::PF_X != 0)
            .map(|segment| Part {
                address: segment.p_vaddr(endian),
                offset: segment.p_offset(endian),
                len: segment.p_filesz(endian),
            })
            .filter(|part| part.address.checked_add(part.len).is_some())
            .collect();
        let address = |offset: u64| {
            let part = parts.iter().find(|part| {
                offset
                    .checked_sub(part.offset)
                    .is_some_and(|into| into < part.len)
            })?;
            Some(part.address + (offset - part.offset))
        };
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
fn by_frames<'data, 'file>(
    data: Data<'data, 'file>,
    segments: &[Segment],
    sections: &Sections<'data, 'file>,
    code: &Code,
) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    if code.wanted.is_empty() {
        return found;
    }
    let Some((address, bytes)) =
        frame_section(data, sections).or_else(|| frame_segment(data, segments))
    else {
        return found;
    };
    let frames = EhFrame::new(bytes, gimli::LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut entries = frames.entries(&bases);
    let mut last_cie = None;
    // The first entry that is none ends it; so does the end of a section or a segment.
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let function = partial.parse(|section, bases, offset| match &last_cie {
            Some((known, cie)) if *known == offset => Ok(gimli::CommonInformationEntry::clone(cie)),
            _ => {
                let cie = section.cie_from_offset(bases, offset)?;
                last_cie = Some((offset, cie.clone()));
                Ok(cie)
            }
        });
        let Ok(function) = function else { continue };
        let start = function.initial_address();
        let range = start..start.saturating_add(function.len());
        if !code.wanted_in(&range).is_empty() {
            found.push(range);
        }
    }
    found
}

/// Address and bytes of `.eh_frame`.
fn frame_section<'data, 'file>(
    data: Data<'data, 'file>,
    sections: &Sections<'data, 'file>,
) -> Option<(u64, &'data [u8])> {
    let endian = LittleEndian;
    let (_, section) = sections.section_by_name(endian, b".eh_frame")?;
    if section.sh_size(endian) > TABLE_BYTES_MAX {
        return None;
    }
    let bytes = section.data(endian, data).ok()?;
    Some((section.sh_addr(endian), bytes))
}

/// The same by what the program itself finds it by, to the end of the segment.
fn frame_segment<'data>(data: Data<'data, '_>, segments: &[Segment]) -> Option<(u64, &'data [u8])> {
    const HEADER_BYTES: u64 = 64;
    let endian = LittleEndian;
    let found = segments
        .iter()
        .find(|segment| segment.p_type(endian) == elf::PT_GNU_EH_FRAME)?;
    let len = found.p_filesz(endian).min(HEADER_BYTES);
    let header = data.read_bytes_at(found.p_offset(endian), len).ok()?;
    let bases = BaseAddresses::default().set_eh_frame_hdr(found.p_vaddr(endian));
    let address = EhFrameHdr::new(header, gimli::LittleEndian)
        .parse(&bases, 8)
        .ok()?
        .eh_frame_ptr()
        .direct()
        .ok()?;
    segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .find_map(|segment| {
            let into = address.checked_sub(segment.p_vaddr(endian))?;
            let len = segment.p_filesz(endian).checked_sub(into)?;
            let offset = segment.p_offset(endian).checked_add(into)?;
            let bytes = data.read_bytes_at(offset, len.min(TABLE_BYTES_MAX)).ok()?;
            Some((address, bytes))
        })
}

/// Functions with candidates, by symbols.
fn by_symbols<'data, 'file>(
    data: Data<'data, 'file>,
    sections: &Sections<'data, 'file>,
    code: &Code,
) -> Vec<Range<u64>> {
    let endian = LittleEndian;
    let mut found: Vec<Range<u64>> = Vec::new();
    if code.wanted.is_empty() {
        return found;
    }
    for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        let too_large = sections.iter().any(|section| {
            section.sh_type(endian) == kind && section.sh_size(endian) > TABLE_BYTES_MAX
        });
        if too_large {
            continue;
        }
        let Ok(symbols) = sections.symbols(endian, data, kind) else {
            continue;
        };
        for symbol in symbols.iter() {
            let is_code = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
            if !is_code || symbol.is_undefined(endian) {
                continue;
            }
            let start = symbol.st_value(endian);
            let range = start..start.saturating_add(symbol.st_size(endian));
            if !code.wanted_in(&range).is_empty() && !found.contains(&range) {
                found.push(range);
            }
        }
    }
    found
}

/// Adds the sites in a function.
fn disassemble(
    data: Data<'_, '_>,
    code: &Code,
    function: &Range<u64>,
    sites: &mut Vec<(u64, Vec<u8>)>,
) {
    // Up to the last candidate is enough.
    let Some(last) = code.wanted_in(function).last() else {
        return;
    };
    let end = last.saturating_add(OPCODE_BYTES as u64).min(function.end);
    let range = function.start..end;
    if range.end - range.start > FUNCTION_BYTES_MAX {
        return;
    }
    let Some(offset) = code.offset(&range) else {
        return;
    };
    let Ok(bytes) = data.read_bytes_at(offset, range.end - range.start) else {
        return;
    };
    for (at, replacement) in insn::unpredictable_sites(bytes) {
        let site = offset + at as u64;
        if !sites.iter().any(|(known, _)| *known == site) {
            sites.push((site, replacement));
        }
    }
}

/// A file read without moving its position, which the application may share.
struct Content<'file> {
    file: &'file File,
    position: u64,
}

impl ReadCacheOps for Content<'_> {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.file.metadata().map_err(|_| ())?.len())
    }

    fn seek(&mut self, position: u64) -> Result<u64, ()> {
        self.position = position;
        Ok(position)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        let count = self.file.read_at(buffer, self.position).map_err(|_| ())?;
        self.position += count as u64;
        Ok(count)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ()> {
        self.file
            .read_exact_at(buffer, self.position)
            .map_err(|_| ())?;
        self.position += buffer.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
