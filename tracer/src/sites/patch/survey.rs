//! Plans every `syscall` of real programs: the C library, the loader and the binary of this
//! test, and the files that `FTRUN_TEST_SURVEY` names. It prints what comes of them.

#![allow(clippy::print_stdout, reason = "what comes of it is to be looked at")]

use super::checks::{SLOT, check, decode};
use super::*;
use crate::sites::Functions;
use object::{Object, ObjectSymbol};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where the files are taken to be mapped.
const BASE: u64 = 0x7f00_0000_0000;

struct Surveyed {
    /// By address in the file.
    sites: BTreeMap<u64, Result<Shape, Refused>>,
    content: Vec<u8>,
}

/// The reasons of a refusal, without addresses.
fn kind(refused: &Refused) -> String {
    let words = refused.to_string();
    let words = words.split(' ').filter(|word| !word.starts_with("0x"));
    words.collect::<Vec<_>>().join(" ")
}

fn survey(path: &Path) -> Surveyed {
    let file = File::open(path).expect("readable");
    let began = Instant::now();
    let functions = Functions::of(&file);
    let read_ms = began.elapsed().as_millis();
    let content = std::fs::read(path).expect("readable");
    let mut sites = BTreeMap::new();
    let mut candidates = 0;
    let mut sharing = Vec::new();
    for (addresses, offset) in functions.code() {
        let from = usize::try_from(offset).expect("small");
        let len = usize::try_from(addresses.end - addresses.start).expect("small");
        let code = &content[from..from + len];
        let mut region = Region::new(
            (BASE + addresses.start).next_multiple_of(0x1000) - 0x40_0000,
            room::REGION_BYTES,
        );
        for at in 0..code.len() {
            if !code[at..].starts_with(&SYSCALL) {
                continue;
            }
            candidates += 1;
            let function = functions.covering(offset + at as u64);
            if function
                .as_ref()
                .is_some_and(|function| !is_instruction(&content, function, offset + at as u64))
            {
                continue;
            }
            let site = Site {
                address: BASE + addresses.start + at as u64,
                bytes: code,
                bytes_at: BASE + addresses.start,
                function: function.map(|found| {
                    let address = |at| BASE + addresses.start + (at - offset);
                    address(found.start)..address(found.end)
                }),
            };
            let plan = plan(&site, SLOT, &mut |wanted| region.take(&wanted));
            if let Ok(plan) = &plan {
                check(&site, plan);
                sharing.push(plan.patched());
            }
            sites.insert(site.address - BASE, plan.map(|plan| plan.shape));
        }
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for refused in sites.values().filter_map(|plan| plan.as_ref().err()) {
        *reasons.entry(kind(refused)).or_default() += 1;
    }
    let count = |shape| sites.values().filter(|plan| **plan == Ok(shape)).count();
    sharing.sort_by_key(|range| range.start);
    let conflicts = sharing
        .windows(2)
        .filter(|pair| pair[1].start < pair[0].end)
        .count();
    println!(
        "{}: {candidates} candidates, {} sites: {} before, {} behind, {} refused; {conflicts} conflicts; functions read in {read_ms} ms",
        path.display(),
        sites.len(),
        count(Shape::Before),
        count(Shape::Behind),
        reasons.values().sum::<usize>(),
    );
    for (reason, count) in reasons {
        println!("  {count:4} {reason}");
    }
    Surveyed { sites, content }
}

/// Whether a disassembly of the function arrives at an offset.
fn is_instruction(content: &[u8], function: &Range<u64>, offset: u64) -> bool {
    let mut at = function.start;
    while at < offset {
        let from = usize::try_from(at).expect("small");
        at += decode(&content[from..], 0).len().max(1) as u64;
    }
    at == offset
}

/// A file that is mapped into this process.
fn mapped(name: &str) -> PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    maps.lines()
        .filter_map(|line| line.split_whitespace().nth(5).map(PathBuf::from))
        .find(|path| {
            path.file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(name))
        })
        .expect("every dynamically linked program has it")
}

#[test]
fn the_calls_of_the_c_library_are_planned() {
    let libc = survey(&mapped("libc.so"));
    let symbols = object::File::parse(&*libc.content).expect("a library");
    for name in [
        "read",
        "write",
        "recvfrom",
        "sendto",
        "epoll_wait",
        "close",
        "openat",
        "recvmsg",
        "sendmsg",
        "readv",
        "writev",
        "poll",
        "getpid",
        "fstat",
        "lseek",
        "epoll_ctl",
        "accept4",
        "syscall",
    ] {
        let symbol = symbols
            .dynamic_symbols()
            .find(|symbol| symbol.name() == Ok(name) && symbol.is_definition())
            .unwrap_or_else(|| panic!("no {name}"));
        let range = symbol.address()..symbol.address() + symbol.size();
        let sites: Vec<_> = libc.sites.range(range).collect();
        // Some leave it to a function that they share.
        let planned = sites.iter().all(|(_, plan)| plan.is_ok());
        assert!(planned, "{name}: {sites:x?}");
    }
    let futexes = calls(&libc, 202);
    assert!(
        !futexes.is_empty() && futexes.iter().all(Result::is_ok),
        "{futexes:?}"
    );
    for number in [0, 1, 3, 44, 45, 46, 47, 232, 257] {
        let found = calls(&libc, number);
        println!("  call {number}: {} sites", found.len());
        assert!(found.iter().all(Result::is_ok), "{number}: {found:?}");
    }
}

/// The sites with a `mov eax, number` right in front.
fn calls(surveyed: &Surveyed, number: u32) -> Vec<Result<Shape, Refused>> {
    let load = [&[0xb8][..], &number.to_le_bytes()].concat();
    let object = object::File::parse(&*surveyed.content).expect("a library");
    surveyed
        .sites
        .iter()
        .filter(|(address, _)| {
            let from = address.saturating_sub(load.len() as u64);
            let mut segments = object::Object::segments(&object);
            segments
                .find_map(|segment| {
                    object::ObjectSegment::data_range(&segment, from, load.len() as u64)
                        .ok()
                        .flatten()
                })
                .is_some_and(|code| code == load)
        })
        .map(|(_, plan)| *plan)
        .collect()
}

#[test]
fn other_programs_are_planned_or_refused() {
    let own = std::env::current_exe().expect("there is one");
    let named = std::env::var_os("FTRUN_TEST_SURVEY").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    for path in [mapped("ld-linux"), own].into_iter().chain(named) {
        survey(&path);
    }
}
