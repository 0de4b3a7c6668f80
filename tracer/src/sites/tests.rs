use super::*;
use object::read::elf::{FileHeader, SectionHeader};
use object::{LittleEndian, elf::FileHeader64};
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
    build_from(SOURCE, flags)
}

fn build_from(code: &str, flags: &[&str]) -> Built {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("source.c");
    std::fs::write(&source, code).expect("written");
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

/// All of a file is asked for.
const ALL: Range<u64> = 0..u64::MAX;

/// The original bytes at every site.
fn instructions(path: &Path) -> Vec<Vec<u8>> {
    let content = std::fs::read(path).expect("readable");
    let file = File::open(path).expect("readable");
    let mut found = find(&file, &ALL).sites;
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
fn functions_are_found_by_what_they_cover() {
    for flags in [
        &["-static-pie"][..],
        &["-static", "-no-pie"],
        &["-shared", "-fPIC", "-Wl,--no-eh-frame-hdr"],
    ] {
        let built = build(flags);
        let content = std::fs::read(&built.path).expect("readable");
        let file = File::open(&built.path).expect("readable");
        let place = |code: &[u8]| {
            let found = content.windows(code.len()).position(|at| at == code);
            found.expect("it is there") as u64
        };
        // By frames: the function starts with the rdrand.
        let described = place(&[&DESCRIBED[..], &[0xba]].concat());
        assert_eq!(
            function_of(&file, described + 4),
            Some(described),
            "{flags:?}"
        );
        // By symbols.
        let symbol = place(&[&SYMBOL[..], &[0xc3]].concat());
        let functions = Functions::of(&file);
        assert_eq!(functions.covering(symbol + 4), Some(symbol..symbol + 5));
        // The data in front, the code behind, the header, and what is not there.
        for none in [symbol - 1, symbol + 5, 0, content.len() as u64, u64::MAX] {
            assert_eq!(functions.covering(none), None, "{none:#x}");
        }
    }
}

#[test]
fn what_signal_handlers_return_to_begins_where_it_does() {
    let built = build_from(
        r#"
        void _start(void) { __builtin_trap(); }
        __asm__(".text\n nopw 0(%rax, %rax)\n"
                ".type restore, @function\n"
                "restore: mov $15, %rax\n syscall\n hlt\n"
                ".size restore, .-restore\n"
                ".section .eh_frame, \"a\", @progbits\n"
                "1: .long 3f - 2f\n 2: .long 0\n .byte 1\n .string \"zRS\"\n"
                ".uleb128 1\n .sleb128 -8\n .uleb128 16\n .uleb128 1\n .byte 0x1b\n"
                ".byte 0x0c\n .uleb128 7\n .uleb128 8\n .align 8\n"
                "3: .long 5f - 4f\n 4: .long 4b - 1b\n .long restore - 1 - .\n .long 11\n"
                ".uleb128 0\n .align 8\n 5: .previous\n");
        "#,
        &["-static-pie"],
    );
    let content = std::fs::read(&built.path).expect("readable");
    let file = File::open(&built.path).expect("readable");
    let code = [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05];
    let at = content.windows(code.len()).position(|found| found == code);
    let at = at.expect("it is there") as u64;
    let data = elf::content(&file);
    let mut frames = 0;
    Program::of(&data)
        .expect("a program")
        .each_frame(&mut |function| {
            frames += u32::from(function.ends_signals);
        });
    assert_eq!(frames, 1);
    assert_eq!(function_of(&file, at + 7), Some(at));
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
        let _ = find(&broken, &ALL);
        let functions = Functions::of(&broken);
        for offset in (0..0x3000).step_by(64) {
            if let Some(found) = functions.covering(offset) {
                assert!(found.contains(&offset));
            }
        }
    };
    for len in (0..content.len()).step_by(content.len() / 200 + 1) {
        check(&content[..len]);
    }
    // Every byte of the headers and the tables, to the values that hurt most; elsewhere some.
    let file = File::open(&built.path).expect("readable");
    let data = elf::content(&file);
    let header = FileHeader64::<LittleEndian>::parse(&data).expect("a program");
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

/// Reads of the counter: in a function, in a constant, as data in a function, and where no function
/// is.
#[test]
fn reads_of_the_counter_are_sites_or_open() {
    let source = r#"
        void _start(void) { __asm__ volatile("rdtsc\n rdtscp\n mov $0x310f, %%edx" : : : "rax", "rcx", "rdx"); __builtin_trap(); }
        __asm__(".text\n"
                ".type data, @function\n data: jmp 1f\n .byte 0x0f, 0x31\n 1: ret\n .size data, .-data\n"
                ".byte 0xcc, 0xcc, 0x0f, 0x31, 0x0f, 0x01, 0xf9\n");
    "#;
    let built = build_from(source, &["-static-pie"]);
    let content = std::fs::read(&built.path).expect("readable");
    let file = File::open(&built.path).expect("readable");
    let found = find(&file, &ALL);
    let place = |code: &[u8]| {
        let found = content.windows(code.len()).position(|at| at == code);
        found.expect("it is there") as u64
    };
    let first = place(&[0x0f, 0x31, 0x0f, 0x01, 0xf9, 0xba]);
    let replaced = vec![
        (first, vec![0xf4, 0x31]),
        (first + 2, vec![0xf4, 0x01, 0xf9]),
    ];
    assert_eq!(found.sites, replaced);
    let data = place(&[0xeb, 0x02, 0x0f, 0x31, 0xc3]) + 2;
    let alone = place(&[0xcc, 0xcc, 0x0f, 0x31]) + 2;
    let mut open = found.open.clone();
    open.retain(|at| (data..alone + 8).contains(at));
    assert_eq!(open, vec![data, alone, alone + 2]);
    for at in &found.open {
        assert!(
            found.guards.iter().any(|guard| guard.contains(at)),
            "{at:#x}"
        );
    }
    assert!(!found.open.contains(&first));
}

/// Data between functions is guarded whole, without them.
#[test]
fn tables_among_the_code_are_guarded() {
    let source = r#"
        __asm__(".text\n .balign 4096\n"
                ".type first, @function\n first: .cfi_startproc\n ret\n .cfi_endproc\n .size first, .-first\n"
                ".fill 0x2000, 1, 0x40\n .byte 0x0f, 0x31\n .fill 0x3000, 1, 0x41\n"
                ".type last, @function\n last: .cfi_startproc\n ret\n .cfi_endproc\n .size last, .-last\n");
        void _start(void) { __builtin_trap(); }
    "#;
    let built = build_from(source, &["-static-pie"]);
    let content = std::fs::read(&built.path).expect("readable");
    let file = File::open(&built.path).expect("readable");
    let code = [0x40, 0x0f, 0x31, 0x41];
    let at = content.windows(code.len()).position(|found| found == code);
    let at = at.expect("it is there") as u64;
    let guards = find(&file, &ALL).guards;
    let guard = guards.iter().find(|guard| guard.contains(&at));
    // The whole pages between the functions.
    assert_eq!(guard, Some(&(at - 0x1000..at + 0x3000)), "{guards:x?}");
}

#[test]
fn parts_of_files_are_whole_or_cut() {
    let file = crate::sys::host::memory_file(c"parts").expect("made");
    let mut content = vec![0x90; 0x3000];
    content[0xfff..0x1001].copy_from_slice(&[0x0f, 0x31]);
    content[0x1ffe..0x2001].copy_from_slice(&[0x0f, 0x01, 0xf9]);
    file.write_all_at(&content, 0).expect("written");
    for (offset, len, whole) in [
        (0, 0x1000, false),
        (0x1000, 0x1000, false),
        (0x2000, 0x1000, false),
        (0, 0x2000, false),
        (0, 0x3000, true),
        (0, 0x4000, true),
        (0x3000, 0x1000, true),
    ] {
        assert_eq!(is_whole(&file, offset, len), whole, "{offset:#x} {len:#x}");
    }
}

/// Of a program only its code is looked at, unless something else is executed.
#[test]
fn only_what_is_executed_is_looked_at() {
    let source = r#"
        const unsigned char data[] = {1, 2, 3, 0x0f, 0x31, 4};
        void _start(void) { __asm__ volatile("rdtsc\n mov %0, %%rax" : : "r"(data) : "rax", "rdx"); __builtin_trap(); }
    "#;
    let built = build_from(source, &["-static-pie", "-Wl,-z,separate-code"]);
    let content = std::fs::read(&built.path).expect("readable");
    let file = File::open(&built.path).expect("readable");
    let place = |code: &[u8]| {
        let found = content.windows(code.len()).position(|at| at == code);
        found.expect("it is there") as u64
    };
    let data = place(&[3, 0x0f, 0x31, 4]) + 1;
    let all = find(&file, &ALL);
    assert!(all.open.contains(&data) && all.covers(&(data..data + 1)));
    let (code, _) = all.sites[0];
    let page = code / PAGE_BYTES * PAGE_BYTES;
    let found = find(&file, &(page..page + PAGE_BYTES));
    assert_eq!(found.sites, all.sites);
    assert_eq!(found.open, Vec::<u64>::new());
    assert!(found.covers(&(page..page + PAGE_BYTES)) && !found.covers(&(data..data + 1)));
}

/// Where pieces meet, each opcode is found once.
#[test]
fn pieces_overlap() {
    let file = crate::sys::host::memory_file(c"pieces").expect("made");
    let places = [PIECE - 2, PIECE, PIECE + 3, 2 * PIECE - 1];
    let mut content = vec![0x90; 3 * PIECE];
    for place in places {
        content[place..place + 2].copy_from_slice(&[0x0f, 0x31]);
    }
    file.write_all_at(&content, 0).expect("written");
    let open = |part: Range<u64>| candidates(&file, std::slice::from_ref(&part));
    let places = places.map(|place| place as u64);
    assert_eq!(open(ALL), places);
    assert_eq!(open(places[1]..places[3]), places[1..3]);
    assert_eq!(open(places[1]..places[3] + 1), places[1..]);
}
