//! The program that replayed processes execute in place of the application's: a static
//! ELF image whose one page is the claimed page, and whose first instruction traps.

use crate::layout::{AGENT, PAGE, PAGE_LEN, PAGE_SYSCALL, SYSCALL_INT3};

const EHDR_BYTES: usize = 64;
const PHDR_BYTES: u16 = 56;

/// The image. (ELF-64 object file format, version 1.5.)
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "offsets within one page")]
pub fn image() -> Vec<u8> {
    const ET_EXEC: u16 = 2;
    const EM_X86_64: u16 = 62;
    const PT_LOAD: u32 = 1;
    const PF_R_X: u32 = 4 | 1;
    let code_offset = (PAGE_SYSCALL - PAGE) as usize;
    let entry = PAGE_SYSCALL + 2;
    let mut elf = Vec::with_capacity(PAGE_LEN as usize);
    elf.extend(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    elf.extend(ET_EXEC.to_le_bytes());
    elf.extend(EM_X86_64.to_le_bytes());
    elf.extend(1u32.to_le_bytes());
    elf.extend(entry.to_le_bytes());
    elf.extend((EHDR_BYTES as u64).to_le_bytes());
    elf.extend(0u64.to_le_bytes());
    elf.extend(0u32.to_le_bytes());
    elf.extend((EHDR_BYTES as u16).to_le_bytes());
    elf.extend(PHDR_BYTES.to_le_bytes());
    elf.extend(1u16.to_le_bytes());
    elf.extend([0; 6]);
    elf.extend(PT_LOAD.to_le_bytes());
    elf.extend(PF_R_X.to_le_bytes());
    elf.extend(0u64.to_le_bytes());
    elf.extend(PAGE.to_le_bytes());
    elf.extend(PAGE.to_le_bytes());
    elf.extend(PAGE_LEN.to_le_bytes());
    elf.extend(PAGE_LEN.to_le_bytes());
    elf.extend(PAGE_LEN.to_le_bytes());
    elf.resize(code_offset, 0);
    elf.extend(SYSCALL_INT3);
    elf.resize((AGENT - PAGE) as usize, 0);
    elf.extend(crate::agent::code());
    elf.resize(PAGE_LEN as usize, 0);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object, ObjectSegment};

    #[test]
    fn it_is_an_elf_image_of_one_page() {
        let image = image();
        let file = object::File::parse(&*image).expect("an ELF image");
        assert_eq!(file.entry(), PAGE_SYSCALL + 2);
        let segments: Vec<_> = file.segments().map(|s| (s.address(), s.size())).collect();
        assert_eq!(segments, [(PAGE, PAGE_LEN)]);
    }
}
