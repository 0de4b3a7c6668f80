//! Whole lines, from events that were made by hand, and any events at all.

use super::*;
use crate::model;
use journal::{
    Action, Args, Bytes, Delivery, Effect, Enter, Event, EventIndex, Exec, In, Leave, Out, Signal,
    Spawn, Start, ThreadEnd, Tid, Write,
};
use pmu::{Regs, Signature};

mod any;

const FIRST: Tid = Tid(1000);
const SECOND: Tid = Tid(1001);

fn bytes(bytes: &[u8]) -> Bytes<'static> {
    bytes.to_vec().into()
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn input(addr: u64, content: &[u8]) -> In<'static> {
    In {
        addr,
        len: content.len() as u64,
        sum: 0,
        head: bytes(content),
    }
}

fn output(addr: u64, content: &[u8]) -> Out<'static> {
    Out {
        addr,
        data: bytes(content),
    }
}

fn enter(name: &str, args: &[u64], ins: &[In<'static>]) -> Enter<'static> {
    let nr = model::by_name(name).expect("a syscall").nr;
    let mut values = [0; 6];
    values[..args.len()].copy_from_slice(args);
    Enter {
        nr,
        args: Args::new(values, args.len()),
        ip: 0,
        signature: Signature(0),
        ins: ins.to_vec(),
    }
}

fn leave(result: i64, outs: &[Out<'static>]) -> Leave<'static> {
    Leave {
        result,
        outs: outs.to_vec(),
        effects: Vec::new(),
    }
}

fn call(
    name: &str,
    args: &[u64],
    ins: &[In<'static>],
    result: i64,
    outs: &[Out<'static>],
) -> Event<'static> {
    Event::Syscall(enter(name, args, ins), leave(result, outs))
}

fn start() -> Event<'static> {
    Event::Start(Start {
        tid: FIRST,
        program: bytes(b"/bin/true"),
        argv: Vec::new(),
        envp: Vec::new(),
        cwd: bytes(b"/"),
        stack_limit: 8 << 20,
    })
}

fn spawn(tid: Tid, writes: Vec<Write<'static>>) -> Event<'static> {
    Event::Spawn(Spawn {
        tid,
        flags: 0,
        regs: Regs::default(),
        writes,
    })
}

fn end(status: i32) -> Event<'static> {
    Event::ThreadEnd(ThreadEnd {
        status,
        writes: Vec::new(),
    })
}

fn print(options: Options, events: &[Event<'static>]) -> String {
    let mut printer = Printer::new(Vec::new(), options);
    for (index, event) in events.iter().enumerate() {
        printer
            .event(EventIndex(index as u64), event)
            .expect("memory can be written");
    }
    String::from_utf8(printer.finish().expect("memory can be written")).expect("it prints ASCII")
}

fn to_file(events: &[Event<'static>]) -> String {
    print(
        Options {
            prefix: Prefix::File,
            ..Options::default()
        },
        events,
    )
}

/// What one event of the only thread prints.
#[track_caller]
fn check(event: Event<'static>, expected: &str) {
    assert_eq!(
        print(Options::default(), &[start(), event]),
        format!("{expected}\n")
    );
}

#[test]
fn results_stand_in_their_column() {
    check(
        call("close", &[3], &[], 0, &[]),
        "close(3)                                = 0",
    );
    check(
        call("read", &[3, 0x100, 8], &[], -11, &[]),
        "read(3, 0x100, 8)                       = -1 EAGAIN (Resource temporarily unavailable)",
    );
    check(
        call("read", &[3, 0x100, 8], &[], -512, &[]),
        "read(3, 0x100, 8)                       = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    );
    check(
        call(
            "mmap",
            &[0, 4096, 3, 0x22, u64::MAX, 0],
            &[],
            0x7f00_0000_1000,
            &[],
        ),
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000",
    );
    check(
        call("umask", &[0o22], &[], 0, &[]),
        "umask(022)                              = 000",
    );
    check(
        call("close", &[3], &[], -4000, &[]),
        "close(3)                                = -1 (errno 4000)",
    );
}

#[test]
fn files() {
    check(
        call(
            "openat",
            &[-100i64 as u64, 0x100, 0o2000000, 7],
            &[input(0x100, b"/etc/passwd\0")],
            3,
            &[],
        ),
        "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC) = 3",
    );
    check(
        call(
            "openat",
            &[5, 0x100, 0o1102, 0o640],
            &[input(0x100, b"a\0")],
            -2,
            &[],
        ),
        "openat(5, \"a\", O_RDWR|O_CREAT|O_TRUNC, 0640) = -1 ENOENT (No such file or directory)",
    );
    check(
        call(
            "read",
            &[3, 0x100, 832],
            &[],
            5,
            &[output(0x100, b"\x7fELF\x02")],
        ),
        r#"read(3, "\177ELF\2", 832)               = 5"#,
    );
    check(
        call(
            "write",
            &[1, 0x100, 100],
            &[In {
                len: 100,
                ..input(0x100, &[b'z'; 32])
            }],
            100,
            &[],
        ),
        r#"write(1, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"..., 100) = 100"#,
    );
    check(
        call("write", &[1, 8, 5], &[], -14, &[]),
        "write(1, 0x8, 5)                        = -1 EFAULT (Bad address)",
    );
    check(
        call(
            "getdents64",
            &[3, 0x100, 4096],
            &[],
            48,
            &[output(
                0x100,
                &[&[0; 16][..], &[24, 0], &[0; 22], &[24, 0], &[0; 6]].concat(),
            )],
        ),
        "getdents64(3, 0x100 /* 2 entries */, 4096) = 48",
    );
    check(
        call("fcntl", &[3, 3, 0], &[], 0x8002, &[]),
        "fcntl(3, F_GETFL)                       = 0x8002 (flags O_RDWR|O_LARGEFILE)",
    );
    check(
        call("fcntl", &[3, 1, 0], &[], 0, &[]),
        "fcntl(3, F_GETFD)                       = 0",
    );
    check(
        call("fcntl", &[3, 9999, 5], &[], -22, &[]),
        "fcntl(3, 0x270f /* F_??? */, 0x5)       = -1 EINVAL (Invalid argument)",
    );
    check(
        call(
            "sendfile",
            &[1, 3, 0x100, 10],
            &[input(0x100, &words(&[0]))],
            10,
            &[output(0x100, &words(&[10]))],
        ),
        "sendfile(1, 3, [0] => [10], 10)         = 10",
    );
    check(
        call(
            "utimensat",
            &[3, 0, 0x100, 0],
            &[input(0x100, &words(&[1, 0, 0, 0x3fff_ffff]))],
            0,
            &[],
        ),
        "utimensat(3, NULL, [{tv_sec=1, tv_nsec=0} /* 1970-01-01T00:00:01+0000 */, UTIME_NOW], 0) = 0",
    );
    check(
        call("ioctl", &[0, 0x1234, 5], &[], -25, &[]),
        "ioctl(0, _IOC(_IOC_NONE, 0x12, 0x34, 0), 0x5) = -1 ENOTTY (Inappropriate ioctl for device)",
    );
}

#[test]
fn waiting() {
    let asked = words(&[11 | 1 << 32, 13 | 4 << 32]);
    let ready = words(&[11 | 1 << 32, 13 | 4 << 32 | 4 << 48]);
    check(
        call(
            "poll",
            &[0x100, 2, 0],
            &[input(0x100, &asked)],
            1,
            &[output(0x100, &ready)],
        ),
        "poll([{fd=11, events=POLLIN}, {fd=13, events=POLLOUT}], 2, 0) = 1 ([{fd=13, revents=POLLOUT}])",
    );
    check(
        call(
            "poll",
            &[0x100, 1, 5],
            &[input(0x100, &asked[..8])],
            0,
            &[output(0x100, &asked[..8])],
        ),
        "poll([{fd=11, events=POLLIN}], 1, 5)    = 0 (Timeout)",
    );
    check(
        call(
            "select",
            &[12, 0x100, 0, 0, 0x200],
            &[
                input(0x100, &words(&[1 << 11])),
                input(0x200, &words(&[1, 0])),
            ],
            1,
            &[
                output(0x100, &words(&[1 << 11])),
                output(0x200, &words(&[0, 7])),
            ],
        ),
        "select(12, [11], NULL, NULL, {tv_sec=1, tv_usec=0}) = 1 (in [11], left {tv_sec=0, tv_usec=7})",
    );
    check(
        call(
            "nanosleep",
            &[0x100, 0x200],
            &[input(0x100, &words(&[1, 0]))],
            -516,
            &[output(0x200, &words(&[0, 9]))],
        ),
        "nanosleep({tv_sec=1, tv_nsec=0}, {tv_sec=0, tv_nsec=9}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)",
    );
    check(
        call(
            "nanosleep",
            &[0x100, 0x200],
            &[input(0x100, &words(&[1, 0]))],
            0,
            &[],
        ),
        "nanosleep({tv_sec=1, tv_nsec=0}, 0x200) = 0",
    );
    check(
        call(
            "futex",
            &[0x100, 0x189, 5, 0, 0xdead, 0x7f00_ffff_ffff],
            &[],
            0,
            &[],
        ),
        "futex(0x100, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 5, NULL, FUTEX_BITSET_MATCH_ANY) = 0",
    );
    check(
        call(
            "wait4",
            &[u64::MAX, 0x100, 0, 0],
            &[],
            1001,
            &[output(0x100, &[0, 3, 0, 0])],
        ),
        "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 1001",
    );
    check(
        call("epoll_wait", &[4, 0x100, 8, 0], &[], 0, &[]),
        "epoll_wait(4, [], 8, 0)                 = 0",
    );
}

#[test]
fn sockets() {
    let local = [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    check(
        call(
            "connect",
            &[3, 0x100, 16],
            &[input(0x100, &local)],
            -115,
            &[],
        ),
        "connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = -1 EINPROGRESS (Operation now in progress)",
    );
    check(
        call(
            "accept",
            &[3, 0x100, 0x200],
            &[input(0x200, &[128, 0, 0, 0])],
            5,
            &[output(0x100, &local), output(0x200, &[16, 0, 0, 0])],
        ),
        "accept(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, [128 => 16]) = 5",
    );
    check(
        call(
            "setsockopt",
            &[3, 1, 2, 0x100, 4],
            &[input(0x100, &[1, 0, 0, 0])],
            0,
            &[],
        ),
        "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0",
    );
    check(
        call(
            "setsockopt",
            &[3, 12345, 6, 0x100, 4],
            &[input(0x100, &[1, 0, 0, 0])],
            -92,
            &[],
        ),
        "setsockopt(3, 0x3039 /* SOL_?? */, 6, [1], 4) = -1 ENOPROTOOPT (Protocol not available)",
    );
    check(
        call("socket", &[17, 3, 0x300], &[], 3, &[]),
        "socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) = 3",
    );
    check(
        call(
            "socketpair",
            &[1, 1, 0, 0x100],
            &[],
            0,
            &[output(0x100, &[3, 0, 0, 0, 4, 0, 0, 0])],
        ),
        "socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4]) = 0",
    );
}

#[test]
fn programs_and_threads() {
    let ins = [
        input(0x100, b"/bin/true\0"),
        input(0x200, &words(&[0x300, 0x400, 0])),
        input(0x300, b"true\0"),
        input(0x400, b"an argument of more than thirty-two bytes\0"),
        input(0x500, &words(&[0x600, 0])),
        input(0x600, b"A=1\0"),
    ];
    check(
        call("execve", &[0x100, 0x200, 0x500], &ins, 0, &[]),
        "execve(\"/bin/true\", [\"true\", \"an argument of more than thirty-\"...], 0x500 /* 1 var */) = 0",
    );
    check(
        call("clone", &[0x120_0011, 0, 0, 0x700, 0], &[], 1001, &[]),
        "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x700) = 1001",
    );
    check(
        call(
            "rt_sigprocmask",
            &[0, 0x100, 0x200, 8],
            &[input(0x100, &words(&[!0]))],
            0,
            &[output(0x200, &words(&[0]))],
        ),
        "rt_sigprocmask(SIG_BLOCK, ~[], [], 8)   = 0",
    );
    check(
        Event::Syscall(
            Enter {
                nr: 0x481,
                args: Args::new([10, 0, 0x7f, 0, 0, 0], 6),
                ..enter("close", &[], &[])
            },
            leave(-38, &[]),
        ),
        "syscall_0x481(0xa, 0, 0x7f, 0, 0, 0)    = -1 ENOSYS (Function not implemented)",
    );
}

#[test]
fn calls_that_others_interrupt() {
    let lines = to_file(&[
        start(),
        Event::Enter(enter("clone", &[0x11, 0, 0, 0, 0], &[])),
        spawn(SECOND, Vec::new()),
        Event::Leave(leave(1001, &[])),
        Event::Enter(enter("read", &[3, 0x100, 8], &[])),
        Event::Switch(SECOND),
        call("close", &[4], &[], 0, &[]),
        Event::Enter(enter("set_robust_list", &[0x100, 24], &[])),
        Event::Switch(FIRST),
        Event::Leave(leave(2, &[output(0x100, b"ab")])),
        Event::Switch(SECOND),
        Event::Leave(leave(0, &[])),
        Event::Enter(enter("exit_group", &[7], &[])),
        end(0x700),
        Event::Switch(FIRST),
        Event::Enter(enter("read", &[3, 0x100, 8], &[])),
        end(9),
        Event::End(9),
    ]);
    let expected = [
        "1000  clone(child_stack=NULL, flags=SIGCHLD) = 1001",
        "1000  read(3,  <unfinished ...>",
        "1001  close(4)                          = 0",
        "1001  set_robust_list(0x100, 24 <unfinished ...>",
        "1000  <... read resumed>\"ab\", 8)        = 2",
        "1001  <... set_robust_list resumed>)    = 0",
        "1001  exit_group(7)                     = ?",
        "1001  +++ exited with 7 +++",
        "1000  read(3,  <unfinished ...>)        = ?",
        "1000  +++ killed by SIGKILL +++",
        "",
    ];
    assert_eq!(lines, expected.join("\n"));
}

#[test]
fn several_threads_on_a_terminal() {
    let lines = print(
        Options::default(),
        &[
            start(),
            Event::Enter(enter("vfork", &[], &[])),
            spawn(SECOND, Vec::new()),
            Event::Switch(SECOND),
            Event::Enter(enter("exit", &[0], &[])),
            end(0),
            Event::Switch(FIRST),
            Event::Leave(leave(1001, &[])),
        ],
    );
    let expected = [
        "vfork(strace: Process 1001 attached",
        " <unfinished ...>",
        "[pid  1001] exit(0)                     = ?",
        "[pid  1001] +++ exited with 0 +++",
        "<... vfork resumed>)                    = 1001",
        "",
    ];
    assert_eq!(lines, expected.join("\n"));
}

#[test]
fn a_thread_with_its_ids() {
    let flags: u64 = 0x3d_0f00;
    let args = words(&[flags, 0, 0x900, 0x800, 0, 0x7000, 0x1000, 0x6000, 0, 0, 0]);
    let lines = to_file(&[
        start(),
        Event::Enter(enter("clone3", &[0x100, 88], &[input(0x100, &args)])),
        spawn(
            SECOND,
            vec![Write {
                tid: FIRST,
                addr: 0x800,
                data: bytes(&[0xe9, 3, 0, 0]),
            }],
        ),
        Event::Leave(leave(1001, &[])),
    ]);
    assert_eq!(
        lines,
        "1000  clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|\
         CLONE_SETTLS|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID, child_tid=0x900, parent_tid=0x800, \
         exit_signal=0, stack=0x7000, stack_size=0x1000, tls=0x6000} => {parent_tid=[1001]}, 88) = 1001\n"
    );
}

#[test]
fn signals_and_their_handlers() {
    let mut frame = vec![0; 440];
    frame[304] = 1 << 1;
    let signal = |number: u8, action| {
        let info = bytes(&[number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        Event::Signal(Signal {
            info,
            at: Delivery::Here,
            action,
        })
    };
    let handler = Action::Handler {
        frame: Out {
            addr: 0x7000,
            data: frame.into(),
        },
        regs: Regs::default(),
    };
    let lines = print(
        Options::default(),
        &[
            start(),
            call("pause", &[], &[], -514, &[]),
            signal(10, handler),
            call("rt_sigreturn", &[], &[], -4, &[]),
            signal(19, Action::Stop),
            signal(15, Action::Fatal),
            end(15),
        ],
    );
    let expected = [
        "pause()                                 = ? ERESTARTNOHAND (To be restarted if no handler)",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=7, si_uid=0} ---",
        "rt_sigreturn({mask=[INT]})              = -1 EINTR (Interrupted system call)",
        "--- SIGSTOP {si_signo=SIGSTOP, si_code=SI_USER, si_pid=7, si_uid=0} ---",
        "--- stopped by SIGSTOP ---",
        "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=7, si_uid=0} ---",
        "+++ killed by SIGTERM +++",
        "",
    ];
    assert_eq!(lines, expected.join("\n"));
}

#[test]
fn a_resumed_call_names_what_it_resumes() {
    let lines = print(
        Options::default(),
        &[
            start(),
            call("nanosleep", &[0, 0], &[], -516, &[]),
            call("restart_syscall", &[], &[], -516, &[]),
            call("restart_syscall", &[], &[], 0, &[]),
        ],
    );
    assert_eq!(
        lines.lines().nth(1),
        Some(
            "restart_syscall(<... resuming interrupted nanosleep ...>) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)"
        )
    );
    assert_eq!(
        lines.lines().nth(2),
        Some("restart_syscall(<... resuming interrupted nanosleep ...>) = 0")
    );
}

#[test]
fn a_thread_that_replaces_the_program() {
    let exec = Exec {
        path: bytes(b"/bin/true"),
        former: SECOND,
        regs: Regs::default(),
        maps: Vec::new(),
        content: Vec::new(),
    };
    let lines = to_file(&[
        start(),
        spawn(SECOND, Vec::new()),
        Event::Enter(enter("pause", &[], &[])),
        Event::Switch(SECOND),
        Event::Enter(enter("execve", &[0, 0, 0], &[])),
        Event::Switch(FIRST),
        end(0),
        Event::Leave(Leave {
            result: 0,
            outs: Vec::new(),
            effects: vec![Effect::Exec(exec)],
        }),
        call("close", &[1], &[], 0, &[]),
    ]);
    let expected = [
        "1000  pause( <unfinished ...>",
        "1001  execve(NULL, NULL, NULL <unfinished ...>",
        "1000  <... pause resumed>)              = ?",
        "1000  +++ superseded by execve in pid 1001 +++",
        "1000  <... execve resumed>)             = 0",
        "1000  close(1)                          = 0",
        "",
    ];
    assert_eq!(lines, expected.join("\n"));
}

#[test]
fn only_what_is_wanted() {
    let events = [
        start(),
        call("close", &[1], &[], 0, &[]),
        Event::Enter(enter("read", &[3, 0x100, 8], &[])),
        spawn(SECOND, Vec::new()),
        Event::Switch(SECOND),
        call("close", &[2], &[], 0, &[]),
        Event::Switch(FIRST),
        Event::Leave(leave(0, &[])),
    ];
    let filter = Filter::parse(["trace=close"]).expect("a syscall");
    let options = Options {
        prefix: Prefix::File,
        filter,
        threads: Vec::new(),
    };
    let column = |text: &str| format!("{text:<40}= 0\n");
    assert_eq!(
        print(options, &events),
        column("1000  close(1)") + &column("1001  close(2)")
    );
    let options = Options {
        threads: vec![SECOND],
        prefix: Prefix::File,
        ..Options::default()
    };
    assert_eq!(print(options, &events), column("1001  close(2)"));
}

#[test]
fn outputs_that_were_sent_ahead() {
    let lines = print(
        Options::default(),
        &[
            start(),
            Event::Enter(enter("read", &[3, 0x100, 1 << 21], &[])),
            Event::Data(output(0x100, &vec![b'x'; 1 << 20])),
            Event::Data(output(0x100 + (1 << 20), &vec![b'y'; 1 << 20])),
            Event::Leave(leave(1 << 21, &[])),
            call("read", &[3, 0x100, 1], &[], 1, &[output(0x100, b"z")]),
        ],
    );
    let expected = format!("read(3, \"{}\"..., 2097152) = 2097152\n", "x".repeat(32));
    assert!(lines.starts_with(&expected), "{lines}");
    assert!(
        lines.ends_with("read(3, \"z\", 1)                         = 1\n"),
        "{lines}"
    );
}
