//! Real code: functions of libc and whole programs.

use crate::exec::{self, Near};
use crate::machine::{Machine, Place};
use crate::oracle::visible;
use crate::sys::{Child, Go, Stop, stay_on_this_cpu};
use crate::work::{self, Work};
use pmu::Regs;
use pmu::translate::{
    Code, Counting, DATA_BYTES, DATA_READ_BYTES, Data, Exit, INSTRUCTION_BYTES_MAX, Options, Step,
    Translator, step,
};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;

/// The end of a function's execution: what it returned and left in registers, and its branches.
#[derive(Debug, PartialEq, Eq)]
struct End {
    regs: [u64; 18],
    count: u64,
}

/// A child about to call a function; it returns to an instruction that faults.
fn about_to_call(machine: &Machine, work: Work, argument: u64) -> (Child, Regs) {
    let child = Child::fork().expect("fork");
    let place = Place { app: 0, cache: 0 };
    let back = machine.app_base(place);
    machine.write(back, &[0xf4]);
    let old = child.regs();
    // The same for all: a stack of its own, nothing of what this process did.
    let mut regs = Regs {
        rsp: back + 0x40_0000 - 8,
        rdi: argument,
        rip: work::address(work),
        eflags: 0x202,
        cs: old.cs,
        ss: old.ss,
        fs_base: old.fs_base,
        ..Regs::default()
    };
    regs.rbp = regs.rsp;
    machine.write(regs.rsp, &back.to_le_bytes());
    child.set_regs(&regs);
    (child, regs)
}

/// Step by step, natively.
fn stepped(machine: &Machine, work: Work, argument: u64) -> End {
    let (child, mut regs) = about_to_call(machine, work, argument);
    let mut count = 0;
    loop {
        let mut code = [0; INSTRUCTION_BYTES_MAX];
        Code::read(&child, regs.rip, &mut code);
        if code[0] == 0xf4 {
            let regs = visible(&regs);
            return End { regs, count };
        }
        assert_eq!(child.go(Go::Step), Stop::Signal(libc::SIGTRAP));
        regs = child.regs();
        count += u64::from(step(&code) == Step::Counts);
    }
}

/// Through the cache.
fn translated(machine: &Machine, work: Work, argument: u64, options: Options) -> End {
    const LEFT: u64 = 1 << 40;
    let (child, regs) = about_to_call(machine, work, argument);
    let layout = machine.layout(Place { app: 0, cache: 2 }, 0x4_0000);
    let data = layout.data;
    let zero = [0; 4096];
    for page in (0..DATA_BYTES).step_by(zero.len()) {
        machine.write(data + page, &zero);
    }
    let mut translator = Translator::new(layout, options).expect("a good layout");
    let enter = |translator: &mut Translator, regs: Regs, left| {
        let rip = translator.enter(&child, regs.rip, left).expect("room");
        for write in translator.take_writes().iter() {
            machine.write(write.address, write.bytes);
        }
        child.set_regs(&Regs { rip, ..regs });
    };
    enter(&mut translator, regs, LEFT);
    loop {
        assert_eq!(child.go(Go::Run), Stop::Syscall);
        let data = Data::parse(&machine.read::<DATA_READ_BYTES>(data));
        match translator
            .exit(&child, &child.regs(), &data)
            .expect("known")
        {
            Exit::Resume(regs) => {
                for write in translator.take_writes().iter() {
                    machine.write(write.address, write.bytes);
                }
                child.set_regs(&regs);
            }
            Exit::Reached(state) | Exit::Matched(state) => panic!("{state:?}"),
            Exit::Special { state, .. } => {
                let mut code = [0; INSTRUCTION_BYTES_MAX];
                Code::read(&child, state.regs.rip, &mut code);
                if code[0] == 0xf4 {
                    return End {
                        regs: visible(&state.regs),
                        count: LEFT - state.left,
                    };
                }
                child.set_regs(&state.regs);
                assert_eq!(child.go(Go::Step), Stop::Signal(libc::SIGTRAP));
                enter(&mut translator, child.regs(), state.left);
            }
        }
    }
}

#[test]
fn functions_of_libc_do_what_they_do_natively() {
    stay_on_this_cpu();
    crate::machine::with(|machine| {
        for work in work::ALL {
            let argument = 7;
            let native = stepped(machine, work, argument);
            assert!(native.count > 100, "{work:?} has {} branches", native.count);
            for (eager_blocks, counting) in [
                (1, Counting::Shortest),
                (64, Counting::Shortest),
                (64, Counting::Register),
            ] {
                let options = Options {
                    eager_blocks,
                    counting,
                };
                let cached = translated(machine, work, argument, options);
                assert_eq!(cached, native, "{work:?} {options:?}");
            }
        }
    });
}

/// What a program writes, natively and through the cache, must be the same.
fn program(arguments: &[&str], near: Near, options: Options, code_bytes: u64) -> exec::Outcome {
    let arguments: Vec<CString> = arguments
        .iter()
        .map(|argument| CString::new(*argument).unwrap())
        .collect();
    let written = |run: &dyn Fn(i32) -> i32| {
        let path = format!(
            "translate-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let path = std::env::temp_dir().join(path);
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let status = run(file.as_raw_fd());
        let mut text = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut text).unwrap();
        (status, text)
    };
    let native = written(&|output| exec::native(&arguments, output).0);
    assert!(!native.1.is_empty(), "it writes something");
    let outcome = std::cell::RefCell::new(None);
    let cached = written(&|output| {
        let found = exec::translated(&arguments, output, code_bytes, near, options);
        let status = found.status;
        *outcome.borrow_mut() = Some(found);
        status
    });
    assert_eq!(native, cached);
    outcome.into_inner().unwrap()
}

/// A loop with arithmetic, strings, functions, and a trap for a signal.
const SCRIPT: &str = "f() { r=$(($1 * 7 % 1000)); case $r in *3) t=$((t + 1));; esac; }; \
    trap 'echo caught' USR1; t=0; i=0; while [ $i -lt 3000 ]; do f $i; i=$((i + 1)); \
    [ $i = 1500 ] && kill -USR1 $$; done; echo $t ${t#1}; printf '%x %s\\n' $i \"$0\"";

#[test]
fn a_shell_runs_through_the_cache() {
    stay_on_this_cpu();
    let shell = ["/bin/sh", "-c", SCRIPT, "name"];
    let small = Options {
        eager_blocks: 4,
        ..Options::default()
    };
    let full = program(&shell, Near::Libraries, Options::default(), 16 << 20);
    assert!(full.count > 1_000_000, "{full:?}");
    assert_eq!(full.statistics.flushes, 0);
    // So small that it is emptied all the time; a short script, therefore.
    let shell = [
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 40 ]; do i=$((i + 1)); done; echo $i",
    ];
    let full = program(&shell, Near::Libraries, Options::default(), 16 << 20);
    let tiny = program(&shell, Near::Program, small, 0x1_0000);
    assert_eq!(tiny.count, full.count);
    assert!(tiny.statistics.flushes > 0, "{tiny:?}");
}
