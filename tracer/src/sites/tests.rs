use super::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One function that call frame information describes (unless that is left out), one that is
/// a symbol only, and data among them that looks the same.
const SOURCE: &str = r#"
    void described(void) { __asm__ volatile("rdrand %%ecx\n mov $0xf1c70f, %%edx" : : : "rcx", "rdx", "cc"); }
    void _start(void) { described(); __builtin_trap(); }
    __asm__(".text\n"
            ".byte 0x0f, 0xc7, 0xf2, 0x0f, 0xc7, 0xf3\n"
            ".type symbol, @function\n"
            "symbol: rdseed %rbx\n ret\n"
            ".size symbol, .-symbol\n"
            "untyped: rdrand %ax\n ret\n");
"#;

struct Built {
    dir: tempfile::TempDir,
    path: PathBuf,
}

fn build(flags: &[&str]) -> Built {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("source.c");
    std::fs::write(&source, SOURCE).expect("written");
    let path = dir.path().join("program");
    let built = Command::new("cc")
        .args(["-O1", "-nostdlib", "-fvisibility=hidden", "-o"])
        .arg(&path)
        .arg(&source)
        .args(flags)
        .status()
        .expect("a compiler");
    assert!(built.success(), "{flags:?}");
    Built { dir, path }
}

/// The original bytes at every site.
fn instructions(path: &Path) -> Vec<Vec<u8>> {
    let content = std::fs::read(path).expect("readable");
    let file = File::open(path).expect("readable");
    let mut found = find(&file);
    found.sort();
    found
        .iter()
        .map(|(at, replacement)| {
            let at = usize::try_from(*at).expect("small");
            let original = &content[at..at + replacement.len()];
            assert_eq!(
                insn::decode_patched(replacement, 0),
                insn::decode(original, 0)
            );
            original.to_vec()
        })
        .collect()
}

const DESCRIBED: [u8; 3] = [0x0f, 0xc7, 0xf1];
const SYMBOL: [u8; 4] = [0x48, 0x0f, 0xc7, 0xfb];
const NO_FRAMES: &[&str] = &["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];

#[test]
fn functions_are_found_in_every_kind_of_program() {
    for form in [
        &["-static-pie"][..],
        &["-static", "-no-pie"],
        &["-shared", "-fPIC"],
        &["-static", "-no-pie", "-Wl,-z,noseparate-code"],
        &["-shared", "-fPIC", "-Wl,--no-eh-frame-hdr"],
    ] {
        let with = |more: &[&'static str]| build(&[form, more].concat());
        let both = vec![SYMBOL.to_vec(), DESCRIBED.to_vec()];
        assert_eq!(instructions(&with(&[]).path), both, "{form:?}");
        let stripped = with(&["-s"]);
        assert_eq!(
            instructions(&stripped.path),
            vec![DESCRIBED.to_vec()],
            "{form:?}"
        );
        assert_eq!(instructions(&with(NO_FRAMES).path), both, "{form:?}");
        let neither = with(&[NO_FRAMES, &["-s"]].concat());
        assert_eq!(instructions(&neither.path), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn a_program_without_sections_has_functions() {
    let built = build(&["-static-pie", "-Wl,--eh-frame-hdr"]);
    let mut content = std::fs::read(&built.path).expect("readable");
    // e_shoff; e_shnum and e_shstrndx.
    content[40..48].fill(0);
    content[60..64].fill(0);
    std::fs::write(&built.path, &content).expect("written");
    assert_eq!(instructions(&built.path), vec![DESCRIBED.to_vec()]);
    // A table of sections that is none.
    content[40..48].fill(0xff);
    content[60..64].fill(0xff);
    std::fs::write(&built.path, &content).expect("written");
    assert_eq!(instructions(&built.path), vec![DESCRIBED.to_vec()]);
}

#[test]
fn what_is_no_program_has_none() {
    let object = build(&["-c"]);
    assert_eq!(instructions(&object.path), Vec::<Vec<u8>>::new());
    let other = object.dir.path().join("other");
    for content in [&DESCRIBED.repeat(100)[..], b"", b"\x7fELF\x0f\xc7\xf0"] {
        std::fs::write(&other, content).expect("written");
        assert_eq!(instructions(&other), Vec::<Vec<u8>>::new());
    }
}

/// Whatever is wrong with a file, nothing worse follows than that nothing is found.
#[test]
fn broken_programs_are_endured() {
    let built = build(&["-static-pie", "-Wl,--eh-frame-hdr"]);
    let content = std::fs::read(&built.path).expect("readable");
    let broken = crate::sys::host::memory_file(c"broken").expect("made");
    let check = |content: &[u8]| {
        broken.set_len(0).expect("cut");
        broken.write_all_at(content, 0).expect("written");
        let _ = find(&broken);
    };
    for len in (0..content.len()).step_by(content.len() / 200 + 1) {
        check(&content[..len]);
    }
    // Every byte of the headers and the tables, to the values that hurt most; elsewhere some.
    let file = File::open(&built.path).expect("readable");
    let data = ReadCache::new(Content {
        file: &file,
        position: 0,
    });
    let header = Elf::parse(&data).expect("a program");
    let sections = header.sections(LittleEndian, &data).expect("sections");
    let mut places: Vec<usize> = (0..1024).chain((1024..content.len()).step_by(97)).collect();
    for name in [&b".eh_frame"[..], b".eh_frame_hdr", b".symtab"] {
        let (_, section) = sections
            .section_by_name(LittleEndian, name)
            .expect("it is there");
        let from = usize::try_from(section.sh_offset(LittleEndian)).expect("small");
        let len = usize::try_from(section.sh_size(LittleEndian)).expect("small");
        places.extend(from..from + len);
    }
    for place in places {
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut changed = content.clone();
            changed[place] = value;
            check(&changed);
        }
    }
}
