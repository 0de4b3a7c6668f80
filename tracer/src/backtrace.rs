//! A symbolised backtrace of a stopped thread: call frame information where there is
//! any, frame pointers where there is none.

use crate::maps::{self, Area};
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EndianSlice, LittleEndian, Register, RegisterRule,
    UnwindContext, UnwindSection, X86_64,
};
use memmap2::Mmap;
use object::{Object, ObjectSection, ObjectSegment};
use pmu::Regs;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Frames shown at most.
const FRAMES_MAX: usize = 32;

/// Finds the file that an area maps and the name to show for it.
pub trait Files {
    /// A readable path and a display name for what `/proc/<pid>/maps` calls `name`.
    fn find(&self, name: &[u8]) -> Option<(PathBuf, String)>;
}

/// A program or library in memory.
struct Image {
    name: String,
    data: Option<Mmap>,
}

/// What unwinding needs of the registers.
#[derive(Debug, Clone, Copy)]
struct Frame {
    ip: u64,
    sp: u64,
    bp: u64,
    bx: u64,
}

/// The frames of a stopped thread, innermost first.
pub fn of(pid: Pid, regs: &Regs, files: &dyn Files) -> Vec<String> {
    let areas = maps::read(pid).unwrap_or_default();
    let mut images: HashMap<Vec<u8>, Image> = HashMap::new();
    let mut frame = Frame {
        ip: regs.rip,
        sp: regs.rsp,
        bp: regs.rbp,
        bx: regs.rbx,
    };
    let mut lines = Vec::new();
    for depth in 0..FRAMES_MAX {
        // A return address points behind its call.
        let lookup = if depth == 0 {
            frame.ip
        } else {
            frame.ip.wrapping_sub(1)
        };
        let Some(area) = areas
            .iter()
            .find(|area| area.start <= lookup && lookup < area.end)
        else {
            lines.push(format!("{:#x}", frame.ip));
            break;
        };
        let image = images
            .entry(area.name.clone())
            .or_insert_with(|| open(area, files));
        lines.push(describe(&frame, lookup, area, image));
        let Some(next) = unwind(pid, &frame, lookup, area, image) else {
            break;
        };
        if next.sp <= frame.sp || next.ip == 0 {
            break;
        }
        frame = next;
    }
    lines
}

fn open(area: &Area, files: &dyn Files) -> Image {
    let fallback = String::from_utf8_lossy(&area.name).into_owned();
    match files.find(&area.name) {
        Some((path, name)) => Image {
            name,
            data: map(&path),
        },
        None => Image {
            name: fallback,
            data: map(Path::new(std::ffi::OsStr::from_bytes(&area.name))),
        },
    }
}

fn map(path: &Path) -> Option<Mmap> {
    let file = File::open(path).ok()?;
    crate::sys::mem::map_file(&file).ok()
}

/// The address in the file's own terms.
fn address_in_file(lookup: u64, area: &Area, object: &object::File<'_>) -> Option<u64> {
    let in_file = lookup - area.start + area.offset;
    object.segments().find_map(|segment| {
        let (offset, size) = segment.file_range();
        (offset <= in_file && in_file < offset + size)
            .then(|| segment.address() + (in_file - offset))
    })
}

fn describe(frame: &Frame, lookup: u64, area: &Area, image: &Image) -> String {
    let place = if image.name.is_empty() {
        "?"
    } else {
        &image.name
    };
    let plain = format!("{:#x} in {place}", frame.ip);
    let Some(object) = image
        .data
        .as_ref()
        .and_then(|data| object::File::parse(&**data).ok())
    else {
        return plain;
    };
    let Some(address) = address_in_file(lookup, area, &object) else {
        return plain;
    };
    let line = source_line(&object, address);
    let symbols = object.symbol_map();
    let symbol = symbols
        .get(address)
        .map(|symbol| (symbol.name().to_owned(), symbol.address()))
        .or_else(|| dynamic_symbol(&object, address));
    let function = symbol.map(|(name, start)| {
        let name = addr2line::demangle_auto(name.into(), None).into_owned();
        format!("{name}+{:#x}", address - start)
    });
    match (function, line) {
        (Some(function), Some(line)) => format!("{:#x} {function} at {line} in {place}", frame.ip),
        (Some(function), None) => format!("{:#x} {function} in {place}", frame.ip),
        (None, Some(line)) => format!("{:#x} at {line} in {place}", frame.ip),
        (None, None) => plain,
    }
}

fn dynamic_symbol(object: &object::File<'_>, address: u64) -> Option<(String, u64)> {
    use object::ObjectSymbol;
    object
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.address() <= address)
        .filter(|symbol| address < symbol.address() + symbol.size().max(1))
        .max_by_key(ObjectSymbol::address)
        .and_then(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address())))
}

fn source_line(object: &object::File<'_>, address: u64) -> Option<String> {
    let load = |id: gimli::SectionId| -> Result<EndianSlice<'_, LittleEndian>, gimli::Error> {
        let data = object
            .section_by_name(id.name())
            .and_then(|section| section.data().ok())
            .unwrap_or_default();
        Ok(EndianSlice::new(data, LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).ok()?;
    let context = addr2line::Context::from_dwarf(dwarf).ok()?;
    let location = context.find_location(address).ok()??;
    Some(format!("{}:{}", location.file?, location.line?))
}

fn unwind(pid: Pid, frame: &Frame, lookup: u64, area: &Area, image: &Image) -> Option<Frame> {
    by_frame_information(pid, frame, lookup, area, image).or_else(|| by_frame_pointer(pid, frame))
}

fn by_frame_pointer(pid: Pid, frame: &Frame) -> Option<Frame> {
    let memory = Remote(pid);
    if frame.bp < frame.sp {
        return None;
    }
    let bp = memory.read_u64(frame.bp).ok()?;
    let ip = memory.read_u64(frame.bp + 8).ok()?;
    Some(Frame {
        ip,
        sp: frame.bp + 16,
        bp,
        bx: frame.bx,
    })
}

fn by_frame_information(
    pid: Pid,
    frame: &Frame,
    lookup: u64,
    area: &Area,
    image: &Image,
) -> Option<Frame> {
    let object = object::File::parse(&**image.data.as_ref()?).ok()?;
    let address = address_in_file(lookup, area, &object)?;
    let section = object.section_by_name(".eh_frame")?;
    let data = section.data().ok()?;
    let eh_frame = EhFrame::new(data, LittleEndian);
    let text = object
        .section_by_name(".text")
        .map_or(0, |text| text.address());
    let bases = BaseAddresses::default()
        .set_eh_frame(section.address())
        .set_text(text);
    let mut context = UnwindContext::new();
    let row = eh_frame
        .unwind_info_for_address(
            &bases,
            &mut context,
            address,
            UnwindSection::cie_from_offset,
        )
        .ok()?;
    let register = |register: Register| match register {
        X86_64::RSP => Some(frame.sp),
        X86_64::RBP => Some(frame.bp),
        X86_64::RBX => Some(frame.bx),
        _ => None,
    };
    let CfaRule::RegisterAndOffset {
        register: base,
        offset,
    } = row.cfa()
    else {
        return None;
    };
    let cfa = register(*base)?.wrapping_add_signed(*offset);
    let memory = Remote(pid);
    let restored = |which: Register, same: u64| match row.register(which) {
        RegisterRule::Offset(offset) => memory.read_u64(cfa.wrapping_add_signed(offset)).ok(),
        RegisterRule::Undefined | RegisterRule::SameValue => Some(same),
        _ => None,
    };
    let RegisterRule::Offset(return_at) = row.register(X86_64::RA) else {
        return None;
    };
    Some(Frame {
        ip: memory.read_u64(cfa.wrapping_add_signed(return_at)).ok()?,
        sp: cfa,
        bp: restored(X86_64::RBP, frame.bp)?,
        bx: restored(X86_64::RBX, frame.bx)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct AsNamed;
    impl Files for AsNamed {
        fn find(&self, _: &[u8]) -> Option<(PathBuf, String)> {
            None
        }
    }

    #[test]
    fn the_own_code_has_a_name() {
        let pid = Pid(i32::try_from(std::process::id()).expect("a pid"));
        let regs = Regs {
            rip: the_own_code_has_a_name as *const () as u64 + 4,
            ..Regs::default()
        };
        let lines = of(pid, &regs, &AsNamed);
        assert!(lines[0].contains("the_own_code_has_a_name"), "{lines:?}");
    }
}
