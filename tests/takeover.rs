//! A shadow of a recorded program, and its takeover, without a network: what an uninterrupted run
//! gives, a run gives whose recorder was killed anywhere and whose shadow went on. Nothing is
//! lost, nothing doubled, and the journal of both replays as one.
//!
//! A recording cut at an event stands for a supervisor killed there, exactly; killing one in
//! earnest (`killed::`) adds that the shadow is live beside it until then.

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{
    Exit, Record, Recorded, Scratch, assert_same_tree, build_c, copy_tree, cut, follow, journaled,
    replay, show, stalls, verify, wait_until,
};
use journal::{Effect, Event, Reader, Tid, Writer, WriterOptions};
use nix::sys::signal::Signal;

/// Costs time only if something hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// What is run: a guest program of `tests/takeover/`, or a script.
#[derive(Clone, Copy)]
enum Program {
    Guest,
    Bash(&'static str),
    /// Of `tests/guests/`.
    Other(&'static str),
}

#[derive(Clone, Copy)]
struct Case {
    program: Program,
    end: Exit,
    /// Where a recording is cut: that many places, or everywhere.
    cuts: Cuts,
    /// Whether its output is the same in every run.
    exact: bool,
}

#[derive(Clone, Copy)]
enum Cuts {
    Some(u64),
    Everywhere,
}

const PLAIN: Case = Case {
    program: Program::Guest,
    end: Exit::Code(0),
    cuts: Cuts::Some(6),
    exact: true,
};

fn guest(dir: &str, name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let source = tests.join(dir).join(format!("{name}.c"));
    build_c(&source, &[], &[&tests.join("guests/guest.h")])
}

/// Prepares `work/` and what is to be recorded in it.
fn prepare<'s>(scratch: &'s Scratch, name: &str, case: &Case) -> Record<'s> {
    let record = match case.program {
        Program::Guest => Record::new(scratch, scratch.private_binary(&guest("takeover", name))),
        Program::Other(name) => {
            Record::new(scratch, scratch.private_binary(&guest("guests", name)))
        }
        Program::Bash(text) => Record::bash(scratch, text),
    };
    record.option("--isolate").timeout(LIMIT)
}

/// Follows a recording that is cut at many events, and to its end.
fn run(name: &str, case: &Case) {
    let scratch = Scratch::new(&format!("takeover-{name}"));
    let record = prepare(&scratch, name, case);
    let pristine = scratch.root().join("pristine");
    copy_tree(&scratch.work(), &pristine);
    let recorded = record.run();
    assert_eq!(recorded.output.exit, case.end, "{}", recorded.output);
    scratch.assert_no_process_left();
    let all = journaled(&recorded.dir);
    for at in places(&all, case.cuts) {
        take_over_at(&scratch, &recorded, &pristine, at, case);
    }
    follow_to_the_end(&scratch, &recorded, &pristine);
}

fn places(all: &common::Events, cuts: Cuts) -> Vec<u64> {
    let range = all.begun..all.count;
    match cuts {
        Cuts::Everywhere => range.collect(),
        Cuts::Some(count) => {
            let len = range.end - range.start;
            // The first, the last, and between them never the same for two numbers of events.
            (0..count)
                .map(|index| range.start + index * (len - 1) / (count - 1))
                .collect()
        }
    }
}

fn take_over_at(scratch: &Scratch, recorded: &Recorded<'_>, pristine: &Path, at: u64, case: &Case) {
    let torn = scratch.root().join(format!("recording-cut-{at}"));
    let twin = scratch.root().join(format!("twin-{at}"));
    cut(&recorded.dir, &torn, at);
    copy_tree(pristine, &twin);
    let followed = follow(scratch, &torn, &twin).wait(LIMIT);
    let what = format!("cut at event {at}");
    assert_eq!(followed.exit, case.end, "{what}: {followed}");
    scratch.assert_no_process_left();
    let whole = replay(scratch, &torn, LIMIT);
    let code = Exit::Code(case.end.replay_code());
    assert_eq!(
        whole.exit, code,
        "{what}: replay of both: {whole}\nfollowed: {followed}"
    );
    assert!(
        whole.stdout.ends_with(&followed.stdout),
        "{what}: shown after the takeover: {}\nin the journal: {}",
        show(&followed.stdout),
        show(&whole.stdout)
    );
    if case.exact {
        let same = whole.stdout == recorded.output.stdout;
        assert!(same, "{what}: {}\nnot: {whole}", recorded.output);
        assert_same_tree(&what, &scratch.work(), &twin);
    }
    let removed = std::fs::remove_dir_all(&twin).and_then(|()| std::fs::remove_dir_all(&torn));
    removed.expect("our own directories");
}

fn follow_to_the_end(scratch: &Scratch, recorded: &Recorded<'_>, pristine: &Path) {
    let twin = scratch.root().join("twin");
    copy_tree(pristine, &twin);
    let followed = follow(scratch, &recorded.dir, &twin).wait(LIMIT);
    assert_eq!(
        followed.exit, recorded.output.exit,
        "to the end: {followed}"
    );
    assert!(followed.stdout.is_empty(), "shown twice: {followed}");
    assert_same_tree("to the end", &scratch.work(), &twin);
    scratch.assert_no_process_left();
}

/// Kills recorders in earnest, each with a shadow beside it; as many calls as can be are served.
fn kill(name: &str, case: &Case) {
    let scratch = Scratch::new(&format!("takeover-killed-{name}"));
    let record = prepare(&scratch, name, case).name("whole");
    let pristine = scratch.root().join("pristine");
    copy_tree(&scratch.work(), &pristine);
    let whole = record.run();
    assert_eq!(whole.output.exit, case.end, "{}", whole.output);
    let expected = scratch.root().join("expected");
    std::fs::rename(scratch.work(), &expected).expect("on one file system");
    for (round, part) in KILLED_AT.into_iter().enumerate() {
        copy_tree(&pristine, &scratch.work());
        let twin = scratch.root().join(format!("twin-{round}"));
        copy_tree(&pristine, &twin);
        let record = prepare(&scratch, name, case).at_once();
        let record = record.name(&format!("killed-{round}"));
        kill_one(
            &scratch,
            record,
            whole.output.took.mul_f64(part),
            (&expected, &twin),
            &whole,
            case,
        );
        std::fs::remove_dir_all(scratch.work()).expect("our own directory");
    }
}

/// Of the time that a whole recording takes: early, in the middle, late, and about its end.
const KILLED_AT: [f64; 4] = [0.15, 0.45, 0.75, 0.97];

fn kill_one(
    scratch: &Scratch,
    record: Record<'_>,
    after: Duration,
    (expected, twin): (&Path, &Path),
    whole: &Recorded<'_>,
    case: &Case,
) {
    let primary = record.spawn();
    let dir = primary.dir().to_owned();
    let needed = journaled(&whole.dir).begun;
    let begun = || events_in(&dir) >= needed;
    wait_until("the program begins", LIMIT, begun);
    let follower = follow(scratch, &dir, twin);
    std::thread::sleep(after);
    primary.signal(Signal::SIGKILL);
    let primary = primary.wait().output;
    let followed = follower.wait(LIMIT);
    let what = format!("killed after {after:?}");
    assert_eq!(followed.exit, case.end, "{what}: {followed}");
    scratch.assert_no_process_left();
    let checked = verify(scratch, &dir, true, LIMIT);
    assert_eq!(
        checked.exit,
        Exit::Code(0),
        "{what}: {checked}\nfollowed: {followed}"
    );
    if !case.exact {
        return;
    }
    // What the last syscall wrote may be shown by both.
    let (first, second) = (&primary.stdout, &followed.stdout);
    let all = &whole.output.stdout;
    assert!(
        all.starts_with(first) && all.ends_with(second) && first.len() + second.len() >= all.len(),
        "{what}: {}\nand: {}\nare not: {}",
        show(first),
        show(second),
        show(all)
    );
    assert_same_tree(&what, expected, twin);
}

#[test]
fn a_program_that_has_not_begun() {
    let scratch = Scratch::new("takeover-not-begun");
    let recorded = Record::bash(&scratch, "exit 0")
        .option("--isolate")
        .timeout(LIMIT)
        .run();
    let begun = journaled(&recorded.dir).begun;
    for events in 1..begun {
        let torn = scratch.root().join(format!("cut-{events}"));
        cut(&recorded.dir, &torn, events);
        let followed = follow(&scratch, &torn, &scratch.work()).wait(LIMIT);
        assert_eq!(followed.exit, Exit::Code(125), "{followed}");
        let why = "before the application began";
        assert!(followed.err().contains(why), "{events}: {followed}");
        scratch.assert_no_process_left();
    }
}

/// Kills a recorder while its threads wait for time to pass: they wait for the rest only.
fn kill_while_waiting(name: &str, args: &[&str]) {
    /// The waits take a second and are killed more than 600 ms after they began: one that began anew
    /// would be later than this.
    const LATE_MS: u128 = 550;
    /// A machine that stands still may be over the second before the kill: then it is tried again.
    const TRIES: usize = 20;
    stalls::watch();
    for _ in 0..TRIES {
        let begun = Instant::now();
        let Some(shown) = killed_while_waiting(name, args) else {
            continue;
        };
        let late = shown.trim_end().strip_suffix(" ms late");
        let late: u128 = late.and_then(|ms| ms.parse().ok()).expect("a number");
        // What is late because the machine stood still says nothing.
        let stood = stalls::since(begun).as_millis();
        assert!(
            late <= LATE_MS + 2 * stood,
            "{late} ms late, {stood} ms still"
        );
        return;
    }
    panic!("the waits were over before each of {TRIES} kills");
}

/// What the follower shows at the end, if the program had not ended before its recorder was killed.
fn killed_while_waiting(name: &str, args: &[&str]) -> Option<String> {
    let scratch = Scratch::new(&format!("takeover-{name}"));
    let record = prepare(&scratch, "deadlines", &PLAIN).args(args).name(name);
    let twin = scratch.root().join("twin");
    copy_tree(&scratch.work(), &twin);
    let primary = record.spawn();
    let dir = primary.dir().to_owned();
    wait_until("the program begins", LIMIT, || events_in(&dir) > 0);
    let follower = follow(&scratch, &dir, &twin);
    let mut known = 0;
    wait_until("all wait", LIMIT, || {
        let before = std::mem::replace(&mut known, events_in(&dir));
        let waits = known == before && known > 40;
        std::thread::sleep(Duration::from_millis(if waits { 0 } else { 50 }));
        waits
    });
    std::thread::sleep(Duration::from_millis(600));
    primary.signal(Signal::SIGKILL);
    let primary = primary.wait().output;
    let followed = follower.wait(LIMIT);
    assert_eq!(followed.exit, Exit::Code(0), "{followed}");
    scratch.assert_no_process_left();
    let checked = verify(&scratch, &dir, true, LIMIT);
    assert_eq!(checked.exit, Exit::Code(0), "{checked}");
    if !primary.stdout.is_empty() {
        return None;
    }
    assert!(!followed.stdout.is_empty(), "nobody says it: {followed}");
    Some(followed.out())
}

#[test]
fn deadlines_of_many() {
    kill_while_waiting("deadlines-many", &[]);
}

#[test]
fn deadline_of_one() {
    kill_while_waiting("deadline-one", &["alone"]);
}

/// Where a `vfork` ends in a journal: when the child's first `execve` does, and when the parent goes
/// on; with the ids of the two.
struct Vfork {
    child: Tid,
    executed: u64,
    parent: Tid,
    left: u64,
}

fn first_vfork(recording: &Path) -> Vfork {
    const VFORK: u64 = 0x4000;
    let mut reader = Reader::open(recording).expect("a journal");
    let (mut current, mut found) = (Tid(0), None);
    let (mut executed, mut left) = (None, None);
    while let Some((index, event)) = reader.next().expect("a whole journal") {
        match (&event, found) {
            (Event::Start(start), _) => current = start.tid,
            (Event::Switch(tid), _) => current = *tid,
            (Event::Spawn(spawn), None) if spawn.flags & VFORK != 0 => {
                found = Some((current, spawn.tid));
            }
            (Event::Leave(leave), Some((_, child))) if current == child && executed.is_none() => {
                assert!(matches!(leave.effects.last(), Some(Effect::Exec(_))));
                executed = Some(index.0);
            }
            (Event::Leave(_), Some((parent, _))) if current == parent && left.is_none() => {
                left = Some(index.0);
            }
            _ => {}
        }
        if let (Some((parent, child)), Some(executed), Some(left)) = (found, executed, left) {
            return Vfork {
                child,
                executed,
                parent,
                left,
            };
        }
    }
    panic!("no vfork that ends with an execve");
}

/// The recording with the parent going on before the child's `execve` is over.
fn parent_first(recording: &Path, early: &Path, vfork: &Vfork) {
    std::fs::create_dir_all(early).expect("our own directory");
    for name in ["files", "meta.json"] {
        copy_tree(&recording.join(name), &early.join(name));
    }
    let mut reader = Reader::open(recording).expect("a journal");
    let mut ahead = Reader::open(recording).expect("a journal");
    let header = reader.header().clone();
    let mut writer = Writer::create(early, &header, WriterOptions::default()).expect("new");
    while let Some((index, event)) = reader.next().expect("whole") {
        if index.0 == vfork.executed {
            writer.append(&Event::Switch(vfork.parent)).expect("room");
            let left = loop {
                let (index, event) = ahead.next().expect("whole").expect("it is there");
                if index.0 == vfork.left {
                    break event;
                }
            };
            writer.append(&left).expect("room");
            writer.append(&Event::Switch(vfork.child)).expect("room");
        }
        if index.0 != vfork.left {
            writer.append(&event).expect("room");
        }
    }
}

/// A `vfork` ends while the kernel is still in the child's `execve`: the journal may have it in that
/// order, too.
#[test]
fn a_parent_that_goes_on_before_the_execve_of_its_child_is_over() {
    let scratch = Scratch::new("takeover-vfork");
    let case = Case {
        end: Exit::Code(9),
        exact: false,
        ..PLAIN
    };
    let record = prepare(&scratch, "execs", &case);
    let pristine = scratch.root().join("pristine");
    copy_tree(&scratch.work(), &pristine);
    let mut recorded = record.run();
    let vfork = first_vfork(&recorded.dir);
    // A child that waits for the disk in its `execve` makes it so by itself.
    if vfork.executed < vfork.left {
        let early = scratch.root().join("recording-early");
        parent_first(&recorded.dir, &early, &vfork);
        recorded.dir = early;
    }
    let first = vfork.executed.min(vfork.left);
    for at in first..vfork.executed + 6 {
        take_over_at(&scratch, &recorded, &pristine, at, &case);
    }
    follow_to_the_end(&scratch, &recorded, &pristine);
}

/// What a shadow cannot keep it refuses when the application begins with it, by name.
fn refused(guest: &'static str, why: &str) {
    let scratch = Scratch::new(&format!("takeover-refused-{guest}"));
    let case = Case {
        program: Program::Other(guest),
        ..PLAIN
    };
    let recorded = prepare(&scratch, guest, &case).run();
    assert_eq!(recorded.output.exit, Exit::Code(0), "{}", recorded.output);
    let followed = follow(&scratch, &recorded.dir, &scratch.work()).wait(LIMIT);
    assert_eq!(followed.exit, Exit::Code(125), "{followed}");
    let why = format!("{why} cannot be protected by a standby");
    assert!(followed.err().contains(&why), "{followed}");
    scratch.assert_no_process_left();
}

#[test]
fn seccomp_filters_are_refused() {
    refused(
        "sys_seccomp_errno",
        "a seccomp filter of the application's own",
    );
    refused(
        "sys_seccomp_trap",
        "a seccomp filter of the application's own",
    );
}

#[test]
fn terminals_are_refused() {
    refused("proc_pty", "a terminal of the application's own");
}

/// How many events a journal that is being written has.
fn events_in(dir: &Path) -> u64 {
    let Ok(mut reader) = journal::Reader::open(dir) else {
        return 0;
    };
    while let Ok(Some(_)) = reader.next() {}
    reader.position().0
}

macro_rules! cases {
    ($($name:ident { $($field:ident: $value:expr),* })*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name), &Case { $($field: $value,)* ..PLAIN });
            }
        )*

        mod killed {
            use super::*;
            $(
                #[test]
                fn $name() {
                    kill(stringify!($name), &Case { $($field: $value,)* ..PLAIN });
                }
            )*
        }
    };
}

cases! {
    files { end: Exit::Code(7), cuts: Cuts::Everywhere }
    threads {}
    children { end: Exit::Code(5) }
    pipes {}
    pairs {}
    events {}
    signals {}
    ids {}
    execs { end: Exit::Code(9), cuts: Cuts::Everywhere }
    ends { cuts: Cuts::Everywhere }
    stopped { cuts: Cuts::Everywhere }
    spawns {}
    memory {}
    served {}
    sleeps {}
    file_landlock { program: Program::Other("file_landlock"), exact: false }
    mem_mseal { program: Program::Other("mem_mseal"), exact: false }
    event_epoll_oneshot { program: Program::Other("event_epoll_oneshot"), exact: false }
    semaphores { cuts: Cuts::Everywhere }
    messages { cuts: Cuts::Everywhere }
    posix_queues { cuts: Cuts::Everywhere }
    directories {}
    file_proc_self { program: Program::Other("file_proc_self"), exact: false }
    proc_wait { program: Program::Other("proc_wait"), exact: false }
    file_getdents { program: Program::Other("file_getdents"), exact: false }
    file_splice_tee_vmsplice { program: Program::Other("file_splice_tee_vmsplice"), exact: false }
    splices { cuts: Cuts::Everywhere }
    many_messages { cuts: Cuts::Everywhere }
    locks { cuts: Cuts::Everywhere }
    process { cuts: Cuts::Everywhere }
    timers { cuts: Cuts::Some(20) }
    queued_signals { cuts: Cuts::Everywhere }
    thread_pi_mutex { program: Program::Other("thread_pi_mutex"), exact: false }
    thread_pi_requeue { program: Program::Other("thread_pi_requeue"), exact: false }
    watches { cuts: Cuts::Everywhere }
    thread_cond { program: Program::Other("thread_cond"), exact: false }
    thread_robust { program: Program::Other("thread_robust"), exact: false }
    signal_realtime { program: Program::Other("signal_realtime"), exact: false }
    udp_families { cuts: Cuts::Everywhere }
    time_posix_timers { program: Program::Other("time_posix_timers"), exact: false }
    proc_fork_tree { program: Program::Other("proc_fork_tree"), exact: false }
    bash_pipelines {
        program: Program::Bash(
            "for i in 1 2 3; do seq $i 50 | sort -rn | head -20 | tee -a list | wc -l; done
             x=$(cat list | wc -c); echo $x > count; (sleep 0.01; echo late >> list) & wait; exit 3"
        ),
        end: Exit::Code(3)
    }
    sqlite {
        program: Program::Bash(
            "sqlite3 data.db 'create table t (i, s); begin; insert into t values (1, 2); commit;
             with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)
             insert into t select i, hex(i) from n; select count(*), sum(i) from t;
             update t set s = 5 where i < 50; pragma integrity_check;'"
        )
    }
    python {
        program: Program::Bash(
            "/usr/bin/python3 -c '\nimport os, subprocess, threading, tempfile, time\n\
def work(n):\n  open(\"f%d\" % n, \"w\").write(\"x\" * n)\n\
ts = [threading.Thread(target=work, args=(n,)) for n in range(3)]\n\
[t.start() for t in ts]\n[t.join() for t in ts]\n\
print(subprocess.run([\"cat\"], input=b\"abc\", capture_output=True).stdout)\n\
time.sleep(0.01)\nprint(sorted(os.listdir(\".\")))\n'"
        )
    }
    perl {
        program: Program::Bash(
            "perl -e 'open(F, \">out\"); for (1..200) { print F \"$_\\n\" } close F; \
             open(P, \"sort -n out |\"); my $n = 0; $n += $_ while <P>; close P; \
             print \"$n\\n\"; rename \"out\", \"in\"; select(undef, undef, undef, 0.01); exit 4'"
        ),
        end: Exit::Code(4)
    }
}
