//! Namespaces as a standby uses them: ids are chosen at the entry of the syscall that makes
//! something, and what was chosen is given.

use super::*;
use crate::sys::fork::{self, Program};
use crate::sys::host;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::{self, Status, Whom};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The program of these tests, compiled.
fn members() -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a temporary directory");
    // Ordinary users execute it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("our own");
    let program = dir.path().join("members");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/namespaces/members.c");
    // The dynamic linker reads the time stamp counter, which traps, and nobody emulates it here.
    let built = Command::new("cc")
        .args(["-O1", "-pthread", "-static", "-o"])
        .arg(&program)
        .arg(&source)
        .status()
        .expect("a C compiler");
    assert!(built.success());
    (dir, program)
}

fn program(path: &Path, args: &[&str]) -> Program {
    let argv = [&["members"], args].concat();
    let argv = argv.iter().map(|arg| arg.as_bytes());
    Program::new(path, argv, [b"PATH=/bin".as_slice()]).expect("no NUL")
}

/// Runs to the end of all, showing every stop; the first one's wait status.
fn drive(first: Pid, mut show: impl FnMut(&Stopped, Status)) -> Option<i32> {
    let mut end = None;
    loop {
        let (pid, status) = match wait::wait(Whom::Any, true) {
            Ok(Some(report)) => report,
            Ok(None) => unreachable!("it blocks"),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
                return end;
            }
        };
        if let Status::Ended(status) = status {
            if pid == first {
                end = Some(status);
            }
            continue;
        }
        let stopped = Stopped::reported(pid);
        show(&stopped, status);
        let signal = if let Status::Signal(signal) = status {
            signal
        } else {
            0
        };
        // Killed meanwhile: its end follows.
        let _ = stopped.resume(Resume::Cont, signal);
    }
}

/// The syscall at whose entry a thread stands.
fn entered(stopped: &Stopped, status: Status) -> Option<i64> {
    if status != Status::Event(libc::PTRACE_EVENT_SECCOMP) {
        return None;
    }
    Some(stopped.regs().ok()?.orig_rax.cast_signed())
}

fn is_there(pid: Pid) -> bool {
    host::signal_process(pid, 0).is_ok()
}

#[test]
fn threads_and_processes_get_the_ids_that_were_chosen() {
    const WANTED: [i32; 5] = [4000, 77, 1234, 31_000, 500];
    let (_dir, path) = members();
    let namespaces = Namespaces::create(&Plan::default()).expect("root can");
    let args = WANTED.map(|id| id.to_string());
    let args: Vec<&str> = std::iter::once("ids")
        .chain(args.iter().map(String::as_str))
        .collect();
    let first = fork::spawn(&program(&path, &args), Some(&namespaces)).expect("started");
    assert_eq!(namespaces.inner_of(first).expect("it is there"), Tid(2));
    assert_eq!(namespaces.outer_of(Tid(2)).expect("answered"), Some(first));
    let mut wanted = WANTED.into_iter();
    let mut made = Vec::new();
    let end = drive(first, |stopped, status| {
        let makes = [
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_fork,
            libc::SYS_vfork,
        ];
        if entered(stopped, status).is_some_and(|nr| makes.contains(&nr)) {
            let next = wanted.next().expect("no more than wanted");
            namespaces.set_last_pid(next - 1).expect("set");
        }
        // At its first stop it is there for sure.
        if let Status::Stop(_) = status
            && stopped.tid() != first
        {
            let child = stopped.tid();
            let id = namespaces.inner_of(child).expect("it is there");
            assert_eq!(namespaces.outer_of(id).expect("answered"), Some(child));
            made.push(id.0);
        }
    });
    assert_eq!(end, Some(0));
    // A child that makes one may be reported before its own parent is.
    let mut all = WANTED;
    all.sort_unstable();
    made.sort_unstable();
    assert_eq!(made, all);
    assert_eq!(namespaces.outer_of(Tid(WANTED[0])).expect("answered"), None);
    namespaces.end();
}

#[test]
fn ipc_objects_get_the_ids_that_were_chosen() {
    let (_dir, path) = members();
    let namespaces = Namespaces::create(&Plan::default()).expect("root can");
    let args = ["ipc", "32770", "5", "98310"];
    let first = fork::spawn(&program(&path, &args), Some(&namespaces)).expect("started");
    let end = drive(first, |stopped, status| {
        let (kind, id) = match entered(stopped, status) {
            Some(libc::SYS_shmget) => (Ipc::Memory, 32_770),
            Some(libc::SYS_msgget) => (Ipc::Queue, 5),
            Some(libc::SYS_semget) => (Ipc::Semaphores, 98_310),
            _ => return,
        };
        namespaces.set_next_ipc(kind, id).expect("set");
    });
    assert_eq!(end, Some(0));
    namespaces.end();
}

#[test]
fn a_lent_file_can_be_opened_until_it_is_taken_back() {
    let (dir, path) = members();
    let file = dir.path().join("file");
    std::fs::write(&file, "content").expect("our own directory");
    let file = File::open(file).expect("it is there");
    let namespaces = Namespaces::create(&Plan::default()).expect("root can");
    let lent = namespaces.lend(&file).expect("lent");
    let args = ["read", lent.path(), "content"];
    let first = fork::spawn(&program(&path, &args), Some(&namespaces)).expect("started");
    assert_eq!(drive(first, |_, _| {}), Some(0));
    let seen = format!("/proc/{}/fd/{}", namespaces.init(), lent.number);
    assert!(Path::new(&seen).exists());
    namespaces.take_back(lent).expect("taken back");
    assert!(!Path::new(&seen).exists());
    namespaces.end();
}

#[test]
fn the_init_process_keeps_no_descriptor_of_ours() {
    let namespaces = Namespaces::create(&Plan::default()).expect("root can");
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", namespaces.init()));
    for entry in descriptors.expect("it is there").flatten() {
        let leads_to = std::fs::read_link(entry.path()).expect("it is open");
        let leads_to = leads_to.to_string_lossy();
        assert!(
            leads_to.starts_with("socket:") || leads_to.starts_with("/proc/sys/kernel/"),
            "{leads_to}"
        );
    }
    namespaces.end();
}

#[test]
fn the_end_of_the_init_process_ends_all() {
    let (_dir, path) = members();
    let namespaces = Namespaces::create(&Plan::default()).expect("root can");
    let init = namespaces.init();
    let first = fork::spawn(&program(&path, &["wait"]), Some(&namespaces)).expect("started");
    let mut members = vec![first];
    let end = drive(first, |stopped, status| {
        // Its parent's stop for the fork may be over, unseen, when all are killed.
        if !members.contains(&stopped.tid()) {
            members.push(stopped.tid());
        }
        if entered(stopped, status) == Some(libc::SYS_setsid) {
            host::signal_process(init, libc::SIGKILL).expect("it is there");
        }
    });
    assert_eq!(end, Some(libc::SIGKILL));
    assert_eq!(members.len(), 2);
    assert!(namespaces.set_last_pid(7).is_err(), "nobody answers");
    assert!(fork::spawn(&program(&path, &["wait"]), Some(&namespaces)).is_err());
    namespaces.end();
    members.push(init);
    for pid in members {
        assert!(!is_there(pid), "{pid} is still there");
    }
}

#[test]
fn a_network_can_be_shared_new_or_given() {
    let number = |namespaces: &Namespaces| {
        use std::os::unix::fs::MetadataExt;
        let file = namespaces.file(Kind::Network).expect("it is there");
        (file.metadata().expect("readable").ino(), file)
    };
    let own = {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/thread-self/ns/net")
            .expect("readable")
            .ino()
    };
    let make = |network| {
        let plan = Plan {
            network,
            ..Plan::default()
        };
        Namespaces::create(&plan).expect("root can")
    };
    let host = make(Network::Host);
    assert_eq!(number(&host).0, own);
    let new = make(Network::New);
    let (new_number, file) = number(&new);
    assert_ne!(new_number, own);
    let given = make(Network::Given(Arc::new(file.into())));
    assert_eq!(number(&given).0, new_number);
    for namespaces in [host, new, given] {
        namespaces.end();
    }
}

#[test]
fn what_the_kernel_refuses_is_told_and_leaves_nothing() {
    let not_a_namespace = File::open("/dev/null").expect("every system has it");
    let plan = Plan {
        network: Network::Given(Arc::new(not_a_namespace.into())),
        ..Plan::default()
    };
    let error = Namespaces::create(&plan).expect_err("refused").to_string();
    assert!(error.contains("joining the network namespace"), "{error}");
    let plan = Plan {
        clocks: ClockOffsets {
            monotonic_ns: i128::from(i64::MIN),
            boottime_ns: 0,
        },
        ..Plan::default()
    };
    let error = Namespaces::create(&plan).expect_err("refused").to_string();
    assert!(error.contains("setting the clocks"), "{error}");
}

/// Through the recorder: its own answers, the agent's, and the kernel's.
#[test]
fn clocks_go_on_from_where_they_are_told() {
    const DAY_NS: i128 = 86_400_000_000_000;
    let (dir, path) = members();
    let recording = dir.path().join("recording");
    std::fs::create_dir(&recording).expect("our own directory");
    let clocks = ClockOffsets {
        monotonic_ns: 40 * DAY_NS,
        boottime_ns: 90 * DAY_NS + 1,
    };
    let at = |clock| {
        let (seconds, nanoseconds) = host::clock(clock).expect("a clock");
        i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds) + clocks.of(clock)
    };
    let argv = [
        path.into_os_string(),
        "clocks".into(),
        at(libc::CLOCK_MONOTONIC).to_string().into(),
        at(libc::CLOCK_BOOTTIME).to_string().into(),
    ];
    let options = crate::record::Options {
        isolate: Some(Plan {
            clocks,
            ..Plan::default()
        }),
        ..crate::record::Options::new(recording.clone()).expect("a machine")
    };
    let outcome = crate::record::record(options, &argv, Arc::new(|_| {})).expect("recorded");
    assert_eq!(outcome.status, 0);
    let (agent, counting) = (crate::record::Agent::AtOnce, crate::Counting::Never);
    let replayed =
        crate::replay::replay(&recording, agent, counting, &mut Silent).expect("replayed");
    assert_eq!(replayed.status, Some(0));
}

struct Silent;

impl crate::replay::Sink for Silent {
    fn output(&mut self, _stream: u8, _bytes: &[u8]) {}
    fn progress(&mut self, _event: journal::EventIndex, _read: u64, _total: u64) {}
    fn notice(&mut self, _text: &str) {}
}
