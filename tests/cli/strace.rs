//! `ftrun strace` against the real one: the same program is run under both, and after what
//! differs from run to run (ids, addresses, ports, random bytes) has been renamed, the texts of
//! each thread are the same, line by line. The text is that of strace 6.1.

use crate::common;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{Record, Scratch, build_c, ftrun, program, run_command};

/// Costs time only if something hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Both runs have the same one, and long enough that what differs is not shown.
const SCRATCH: &str = "strace-of-a-program";

#[derive(Clone, Copy)]
enum Linked {
    Statically,
    Dynamically,
}

fn build(name: &str, linked: Linked) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/strace");
    let flags: &[&str] = match linked {
        Linked::Statically => &["-static", "-w"],
        Linked::Dynamically => &["-w"],
    };
    build_c(&source.join(name), flags, &[])
}

/// A path that both runs write the same way.
fn private(scratch: &Scratch, built: &Path) -> String {
    let copy = scratch.private_binary(built);
    let renamed = copy.with_file_name("program");
    std::fs::rename(&copy, &renamed).expect("both lie in work/bin");
    "bin/program".to_owned()
}

#[track_caller]
fn really(built: &Path, args: &[&str], options: &[&str]) -> String {
    let scratch = Scratch::new(SCRATCH);
    let program_path = private(&scratch, built);
    let text = scratch.root().join("text");
    let mut command = Command::new(program("strace"));
    command.arg("-f").arg("-o").arg(&text).args(options);
    command.arg(program_path).args(args);
    command.current_dir(scratch.work()).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
        .env("HOME", scratch.path("home"))
        .env("TMPDIR", scratch.path("tmp"));
    command.env("LC_ALL", "C").env("TERM", "dumb");
    command.env("FTRUN_TEST_SCRATCH", scratch.root());
    run_command(command, None, LIMIT).expect_code(0);
    std::fs::read_to_string(text).expect("strace prints ASCII")
}

#[track_caller]
fn from_journal(built: &Path, args: &[&str], options: &[&str]) -> String {
    let scratch = Scratch::new(SCRATCH);
    let program_path = private(&scratch, built);
    let recorded = Record::new(&scratch, program_path)
        .args(args)
        .timeout(LIMIT)
        .run();
    recorded.expect_code(0);
    scratch.originals_gone();
    let text = scratch.root().join("text");
    let mut command = Command::new(ftrun());
    command
        .arg("strace")
        .arg("-o")
        .arg(&text)
        .args(options)
        .arg(&recorded.dir);
    command.current_dir(scratch.empty());
    run_command(command, None, LIMIT).expect_code(0);
    std::fs::read_to_string(text).expect("ftrun strace prints ASCII")
}

/// The texts of both, compared.
#[track_caller]
fn compare(source: &str, linked: Linked, args: &[&str], options: &[&str]) {
    let built = build(source, linked);
    let real = Normalised::of(&really(&built, args, options));
    let ours = Normalised::of(&from_journal(&built, args, options));
    assert!(real.0.len() > 3, "strace printed hardly anything: {real:?}");
    if real.0 == ours.0 {
        return;
    }
    let mut text = String::new();
    let mut theirs = real.0.iter().peekable();
    for line in &ours.0 {
        // Lines that only one of them has: look ahead a little.
        let found = theirs.clone().take(5).position(|other| other == line);
        match found {
            Some(skipped) => {
                for other in theirs.by_ref().take(skipped) {
                    let _ = writeln!(text, "strace: {other}");
                }
                theirs.next();
            }
            None => {
                let _ = writeln!(text, "ftrun:  {line}");
            }
        }
    }
    for other in theirs {
        let _ = writeln!(text, "strace: {other}");
    }
    panic!("{source} {args:?}: lines that only one of both prints:\n{text}");
}

/// Lines by thread, threads in order of appearance, calls in one piece, and everything renamed
/// that no two runs have in common.
#[derive(Debug)]
struct Normalised(Vec<String>);

impl Normalised {
    fn of(text: &str) -> Normalised {
        let mut order: Vec<&str> = Vec::new();
        let mut lines: HashMap<&str, Vec<String>> = HashMap::new();
        for line in text.lines() {
            let (pid, rest) = line.split_once(' ').expect("a thread id before each line");
            let rest = rest.trim_start();
            // Signals that are ignored are not in the journal: nothing in the program shows them.
            // And `rseq` is answered as by a kernel without it.
            let differs = ["--- SIGCHLD", "rseq(", "<... rseq resumed>"];
            if differs.iter().any(|start| rest.starts_with(start)) {
                continue;
            }
            if !order.contains(&pid) {
                order.push(pid);
            }
            let of_thread = lines.entry(pid).or_default();
            let rest = padding_checked(line, rest);
            match (of_thread.last_mut(), resumed(&rest)) {
                (Some(begun), Some(tail)) if begun.ends_with(UNFINISHED) => {
                    begun.truncate(begun.len() - UNFINISHED.len());
                    begun.push_str(tail);
                }
                _ => of_thread.push(rest),
            }
        }
        let mut all = Vec::new();
        for (index, pid) in order.iter().enumerate() {
            for line in lines.remove(pid).unwrap_or_default() {
                all.push(format!("T{index} {}", renamed(&line, &order)));
            }
        }
        Normalised(all)
    }
}

const UNFINISHED: &str = " <unfinished ...>";

/// What follows `<... NAME resumed>`.
fn resumed(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("<... ")?;
    rest.split_once(" resumed>").map(|(_, tail)| tail)
}

/// Results stand in column 40 or behind the call. How many spaces that makes depends on the
/// lengths of numbers that are renamed later: one space stays if they were right.
fn padding_checked(line: &str, rest: &str) -> String {
    const COLUMN: usize = 40;
    let Some(at) = line.rfind(" = ") else {
        return rest.to_owned();
    };
    let head = line[..at].trim_end();
    if !head.ends_with(')') {
        return rest.to_owned();
    }
    let right = (COLUMN.saturating_sub(head.len())).max(1);
    let found = at + 1 - head.len();
    let from = line.len() - rest.len();
    let remark = if found == right {
        String::new()
    } else {
        format!("[{found} spaces, not {right}]")
    };
    format!("{}{remark}{}", &head[from..], &line[at..])
}

/// Thread ids, addresses, ports of clients, times and random bytes get names.
fn renamed(line: &str, threads: &[&str]) -> String {
    if let Some(rest) = line.strip_prefix("getrandom(\"") {
        let tail = rest.split_once('"').map_or("", |(_, tail)| tail);
        return format!("getrandom(\"RANDOM\"{tail}");
    }
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let inside_a_word =
            rest[..at].ends_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '\\');
        out.push_str(&rest[..at]);
        let len = rest[at..]
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len() - at);
        let word = &rest[at..at + len];
        rest = &rest[at + len..];
        let long_hex = word.starts_with("0x") && word.len() >= 8;
        let thread = threads.iter().position(|thread| *thread == word);
        if inside_a_word {
            out.push_str(word);
        } else if let (Some(index), true) = (thread, is_followed_by_an_id(&out)) {
            let _ = write!(out, "T{index}");
        } else if out.ends_with("htons(") && word.len() >= 4 {
            out.push_str("PORT");
        } else if is_part_of_the_time(&out, word) {
            out.push_str("TIME");
        } else if out.ends_with("/* SYSLOG_ACTION_SIZE_UNREAD */) = ") {
            // The kernel may have said something between the two runs.
            out.push_str("SIZE");
        } else if long_hex {
            out.push_str("ADDR");
        } else {
            out.push_str(word);
        }
    }
    out.push_str(rest);
    out
}

/// Whether what comes next in a line is the id of a process or thread: other numbers may happen to
/// be the same.
fn is_followed_by_an_id(line: &str) -> bool {
    const FIELDS: [&str; 2] = ["pid=", "parent_tid=["];
    const GIVE_ONE: [&str; 9] = [
        "clone",
        "clone3",
        "fork",
        "vfork",
        "wait4",
        "getpid",
        "gettid",
        "getppid",
        "set_tid_address",
    ];
    const TAKE_ONE: [&str; 4] = ["kill", "tkill", "rt_sigqueueinfo", "wait4"];
    const TAKE_TWO: [&str; 2] = ["tgkill", "rt_tgsigqueueinfo"];
    if FIELDS.iter().any(|field| line.ends_with(field)) {
        return true;
    }
    let Some((call, args)) = line.split_once('(') else {
        return false;
    };
    if args.ends_with(" = ") {
        return GIVE_ONE.contains(&call);
    }
    match args.matches(", ").count() {
        0 => args.is_empty() && (TAKE_ONE.contains(&call) || TAKE_TWO.contains(&call)),
        1 => args.ends_with(", ") && TAKE_TWO.contains(&call),
        _ => false,
    }
}

/// Whether a word is part of the time at which the program ran: seconds since 1970, or what
/// follows them, which may be a small number.
fn is_part_of_the_time(before: &str, word: &str) -> bool {
    let parts = ["tv_sec=TIME, tv_usec=", "tv_sec=TIME, tv_nsec="];
    before.ends_with("tv_sec=") && word.len() >= 10
        || parts.iter().any(|part| before.ends_with(part))
}

#[test]
fn nothing_is_renamed_that_only_looks_like_it() {
    let threads = ["4096", "8192"];
    for (line, expected) in [
        (
            "mprotect(0x7f0011223344, 4096, 8192) = 4096",
            "mprotect(ADDR, 4096, 8192) = 4096",
        ),
        ("kill(4096, 4096) = 4096", "kill(T0, 4096) = 4096"),
        (
            "tgkill(4096, 8192, 4096) = 4096",
            "tgkill(T0, T1, 4096) = 4096",
        ),
        ("getpid() = 8192", "getpid() = T1"),
        ("x({pid=8192, uid=8192}) = 0", "x({pid=T1, uid=8192}) = 0"),
        (
            "x({tv_sec=1795733453, tv_nsec=7}) = 0",
            "x({tv_sec=TIME, tv_nsec=TIME}) = 0",
        ),
        (
            "x({tv_sec=3000, tv_nsec=70000}) = 0",
            "x({tv_sec=3000, tv_nsec=70000}) = 0",
        ),
    ] {
        assert_eq!(renamed(line, &threads), expected);
    }
}

#[test]
fn files() {
    compare("calls.c", Linked::Statically, &["files"], &[]);
}

#[test]
fn descriptors() {
    compare("calls.c", Linked::Statically, &["descriptors"], &[]);
}

#[test]
fn processes() {
    compare("calls.c", Linked::Statically, &["processes"], &[]);
}

#[test]
fn signals() {
    compare("calls.c", Linked::Statically, &["signals"], &[]);
}

#[test]
fn futexes() {
    compare("calls.c", Linked::Statically, &["futexes"], &[]);
}

#[test]
fn threads() {
    // Whether a join has to wait is a matter of luck.
    let options = ["-e", "trace=!futex"];
    compare("calls.c", Linked::Statically, &["threads"], &options);
}

#[test]
fn sockets() {
    compare("sockets.c", Linked::Statically, &[], &[]);
}

#[test]
fn rarer_calls() {
    compare("calls.c", Linked::Statically, &["rarer"], &[]);
}

#[test]
fn rarer_uses_of_sockets() {
    compare("sockets.c", Linked::Statically, &["rarer"], &[]);
}

#[test]
fn a_dynamically_linked_program() {
    compare("calls.c", Linked::Dynamically, &["files"], &[]);
}

#[test]
fn filters() {
    for filter in [
        "trace=%file",
        "trace=%desc,%memory",
        "trace=!%file",
        "trace=open,openat,lseek",
        "trace=%%stat,%creds",
    ] {
        let options = ["-e", filter];
        compare("calls.c", Linked::Statically, &["files"], &options);
    }
    compare(
        "calls.c",
        Linked::Statically,
        &["processes"],
        &["-e", "%process"],
    );
    compare(
        "calls.c",
        Linked::Statically,
        &["signals"],
        &["-e", "trace=%signal"],
    );
    compare("sockets.c", Linked::Statically, &[], &["-e", "trace=%net"]);
}
