//! The vDSO: its functions are replaced, by jumps into the agent or by plain syscalls, so
//! that clock reads reach the journal like everything else.

mod original;

use object::{Object, ObjectSymbol};

/// Bytes to write into a vDSO image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Offset in the image.
    pub offset: u64,
    /// The bytes.
    pub code: Vec<u8>,
}

/// Function names, without `__vdso_`, and the syscalls that do the same.
const FUNCTIONS: &[(&str, i64)] = &[
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clock_getres", libc::SYS_clock_getres),
    ("gettimeofday", libc::SYS_gettimeofday),
    ("time", libc::SYS_time),
    ("getcpu", libc::SYS_getcpu),
];

/// What becomes of a vDSO image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// What is to be written.
    pub patches: Vec<Patch>,
    /// Offset of a function that does what `clock_gettime` did before, but for making a syscall:
    /// then it returns something else than 0.
    pub original: Option<u64>,
}

/// The changes for a vDSO image. Functions without a syscall of the same signature
/// answer `ENOSYS`, which their callers take as "not there".
pub fn changes(image: &[u8]) -> Result<Changes, object::Error> {
    let file = object::File::parse(image)?;
    let mut found: Vec<Patch> = Vec::new();
    let mut original = None;
    for symbol in file.dynamic_symbols() {
        let Some(function) = symbol.name()?.strip_prefix("__vdso_") else {
            continue;
        };
        if symbol.kind() != object::SymbolKind::Text {
            continue;
        }
        let nr = FUNCTIONS
            .iter()
            .find(|(name, _)| *name == function)
            .map(|(_, nr)| *nr);
        let code = match crate::agent::entry(function) {
            Some(entry) => jump(entry),
            None => nr.map_or_else(answer_enosys, make_syscall),
        };
        if function == "clock_gettime" {
            let end = symbol.address().saturating_add(symbol.size());
            original = original::plan(image, symbol.address()..end, code.len());
        }
        if !found.iter().any(|patch| patch.offset == symbol.address()) {
            found.push(Patch {
                offset: symbol.address(),
                code,
            });
        }
    }
    let original = original.map(|(start, patches)| {
        found.extend(patches);
        start
    });
    Ok(Changes {
        patches: found,
        original,
    })
}

/// `mov r11d, entry; jmp r11`; the calling convention leaves `r11` to the callee.
fn jump(entry: u64) -> Vec<u8> {
    let mut code = vec![0x41, 0xbb];
    code.extend(u32::try_from(entry).unwrap_or(u32::MAX).to_le_bytes());
    code.extend([0x41, 0xff, 0xe3]);
    code
}

/// `mov eax, nr; syscall; ret`
fn make_syscall(nr: i64) -> Vec<u8> {
    let mut code = vec![0xb8];
    code.extend(u32::try_from(nr).unwrap_or(u32::MAX).to_le_bytes());
    code.extend([0x0f, 0x05, 0xc3]);
    code
}

/// `mov rax, -ENOSYS; ret`
fn answer_enosys() -> Vec<u8> {
    let mut code = vec![0x48, 0xc7, 0xc0];
    code.extend((-libc::ENOSYS).to_le_bytes());
    code.push(0xc3);
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps;
    use crate::sys::{mem::Remote, wait::Pid};

    #[test]
    fn this_kernels_vdso_is_understood() {
        let pid = Pid(i32::try_from(std::process::id()).expect("a pid"));
        let areas = maps::read(pid).expect("readable");
        let vdso = areas
            .iter()
            .find(|area| area.name == b"[vdso]")
            .expect("mapped");
        let mut image = vec![0; usize::try_from(vdso.len()).expect("small")];
        Remote(pid)
            .read_exact(vdso.start, &mut image)
            .expect("readable");
        let found = changes(&image).expect("an ELF image");
        assert!(found.patches.len() >= 5, "{found:?}");
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(changes(b"not an ELF image").is_err());
    }
}
