//! What a program file says of its code: the parts that are executable, and the functions
//! that call frame information or symbols describe. Nothing in a file is trusted: what is no
//! program, or a broken one, has less of them.

use gimli::{BaseAddresses, CieOrFde, EhFrame, EhFrameHdr, UnwindSection};
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};
use object::{LittleEndian, ReadCache, ReadCacheOps, ReadRef};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Call frame information, or a symbol table, larger than this is none, in bytes.
const TABLE_BYTES_MAX: u64 = 1 << 30;

type Elf = FileHeader64<LittleEndian>;
type Data<'data, 'file> = &'data ReadCache<Content<'file>>;
type Sections<'data, 'file> = SectionTable<'data, Elf, Data<'data, 'file>>;
type Segment = elf::ProgramHeader64<LittleEndian>;

/// The content of a file, which is read when it is needed.
pub(super) fn content(file: &File) -> ReadCache<Content<'_>> {
    ReadCache::new(Content { file, position: 0 })
}

/// A program or a library.
pub(super) struct Program<'data, 'file> {
    data: Data<'data, 'file>,
    segments: &'data [Segment],
    sections: Sections<'data, 'file>,
}

/// A function that call frame information describes.
pub(super) struct Framed {
    /// Its addresses.
    pub(super) range: Range<u64>,
    /// Whether it is what signal handlers return to. Then the range begins before the function,
    /// since unwinders look for what is one byte in front of a return address.
    pub(super) ends_signals: bool,
}

/// A part of a file that is mapped as code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Part {
    /// The address of what is at an offset in the file, if that is in this part.
    pub(super) fn address_of(&self, offset: u64) -> Option<u64> {
        let into = offset.checked_sub(self.offset)?;
        (into < self.len).then(|| self.address + into)
    }
}

impl<'data, 'file> Program<'data, 'file> {
    /// None: it is no program that runs here.
    pub(super) fn of(data: Data<'data, 'file>) -> Option<Self> {
        let header = Elf::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let kind = header.e_type(endian);
        let runs = header.e_machine(endian) == elf::EM_X86_64
            && matches!(kind, elf::ET_EXEC | elf::ET_DYN);
        if !runs {
            return None;
        }
        Some(Self {
            data,
            segments: header.program_headers(endian, data).ok()?,
            // A program runs without sections just as well.
            sections: header.sections(endian, data).unwrap_or_default(),
        })
    }

    /// What of it is code.
    pub(super) fn parts(&self) -> Vec<Part> {
        let endian = LittleEndian;
        self.segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
            .filter(|segment| segment.p_flags(endian) & elf::PF_X != 0)
            .map(|segment| Part {
                address: segment.p_vaddr(endian),
                offset: segment.p_offset(endian),
                len: segment.p_filesz(endian),
            })
            .filter(|part| part.address.checked_add(part.len).is_some())
            .collect()
    }

    /// Its bytes in a range of offsets.
    pub(super) fn bytes(&self, offset: u64, len: u64) -> Option<&'data [u8]> {
        self.data.read_bytes_at(offset, len).ok()
    }

    /// Calls `visit` for each function that call frame information describes.
    pub(super) fn each_frame(&self, visit: &mut dyn FnMut(Framed)) {
        let Some((address, bytes)) = self.frame_section().or_else(|| self.frame_segment()) else {
            return;
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
                Some((known, cie)) if *known == offset => {
                    Ok(gimli::CommonInformationEntry::clone(cie))
                }
                _ => {
                    let cie = section.cie_from_offset(bases, offset)?;
                    last_cie = Some((offset, cie.clone()));
                    Ok(cie)
                }
            });
            let Ok(function) = function else { continue };
            let start = function.initial_address();
            let range = start..start.saturating_add(function.len());
            visit(Framed {
                range,
                ends_signals: function.is_signal_trampoline(),
            });
        }
    }

    /// Address and bytes of `.eh_frame`.
    fn frame_section(&self) -> Option<(u64, &'data [u8])> {
        let endian = LittleEndian;
        let (_, section) = self.sections.section_by_name(endian, b".eh_frame")?;
        if section.sh_size(endian) > TABLE_BYTES_MAX {
            return None;
        }
        let bytes = section.data(endian, self.data).ok()?;
        Some((section.sh_addr(endian), bytes))
    }

    /// The same by what the program itself finds it by, to the end of the segment.
    fn frame_segment(&self) -> Option<(u64, &'data [u8])> {
        const HEADER_BYTES: u64 = 64;
        let endian = LittleEndian;
        let found = self
            .segments
            .iter()
            .find(|segment| segment.p_type(endian) == elf::PT_GNU_EH_FRAME)?;
        let len = found.p_filesz(endian).min(HEADER_BYTES);
        let header = self.data.read_bytes_at(found.p_offset(endian), len).ok()?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(found.p_vaddr(endian));
        let address = EhFrameHdr::new(header, gimli::LittleEndian)
            .parse(&bases, 8)
            .ok()?
            .eh_frame_ptr()
            .direct()
            .ok()?;
        self.segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
            .find_map(|segment| {
                let into = address.checked_sub(segment.p_vaddr(endian))?;
                let len = segment.p_filesz(endian).checked_sub(into)?;
                let offset = segment.p_offset(endian).checked_add(into)?;
                let bytes = self
                    .data
                    .read_bytes_at(offset, len.min(TABLE_BYTES_MAX))
                    .ok()?;
                Some((address, bytes))
            })
    }

    /// Calls `visit` with the addresses of each function that is a symbol.
    pub(super) fn each_symbol(&self, visit: &mut dyn FnMut(Range<u64>)) {
        let endian = LittleEndian;
        for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
            let too_large = self.sections.iter().any(|section| {
                section.sh_type(endian) == kind && section.sh_size(endian) > TABLE_BYTES_MAX
            });
            if too_large {
                continue;
            }
            let Ok(symbols) = self.sections.symbols(endian, self.data, kind) else {
                continue;
            };
            for symbol in symbols.iter() {
                let is_code = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
                if !is_code || symbol.is_undefined(endian) {
                    continue;
                }
                let start = symbol.st_value(endian);
                visit(start..start.saturating_add(symbol.st_size(endian)));
            }
        }
    }
}

/// A file read without moving its position, which the application may share.
pub(super) struct Content<'file> {
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
