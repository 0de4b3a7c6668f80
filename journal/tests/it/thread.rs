//! The writing thread: takes no signals, and does nothing while there is nothing to do.

use crate::common;

use common::{alone, header};
use journal::{Event, MemoryStorage, Writer, WriterOptions};
use std::time::{Duration, Instant};

/// The fields of the status of the journal's thread, of which there is one in this process.
fn status(field: &str) -> String {
    let tasks = std::fs::read_dir("/proc/self/task").expect("tasks");
    let statuses =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let status = statuses
        .into_iter()
        .find(|status| status.starts_with("Name:\tjournal\n"))
        .expect("the thread");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .expect("the field");
    line.trim().into()
}

#[test]
fn it_blocks_signals_and_sleeps_while_idle() {
    if !alone("thread::it_blocks_signals_and_sleeps_while_idle") {
        return;
    }
    let options = WriterOptions {
        writer_cpu: Some(first_cpu()),
        ..WriterOptions::default()
    };
    let mut writer =
        Writer::create_on(Box::new(MemoryStorage::new()), &header(), options).expect("begins");
    writer.append(&Event::Time(1)).expect("appends");
    writer.flush().expect("flushes");
    let deadline = Instant::now() + Duration::from_secs(60);

    // All but SIGKILL and SIGSTOP, and the two that belong to the C library.
    let blocked = u64::from_str_radix(&status("SigBlk:"), 16).expect("a mask");
    let can_be = !(1 << 8 | 1 << 18 | 1 << 31 | 1 << 32);
    assert_eq!(blocked & can_be, can_be, "{blocked:x}");
    assert_eq!(status("Cpus_allowed_list:"), first_cpu().to_string());
    let ours = nix::sys::signal::SigSet::thread_get_mask().expect("a mask");
    assert!(
        !ours.contains(nix::sys::signal::Signal::SIGTERM),
        "this thread's mask is as before"
    );

    let wakes = || {
        status("voluntary_ctxt_switches:")
            .parse::<u64>()
            .expect("a number")
    };
    // It may be a while until it sleeps, where the machine is busy.
    let before = loop {
        let before = wakes();
        std::thread::sleep(Duration::from_millis(300));
        if wakes() == before {
            break before;
        }
        assert!(
            Instant::now() < deadline,
            "it runs while nothing is appended"
        );
    };
    writer.append(&Event::Time(2)).expect("appends");
    let deadline = Instant::now() + Duration::from_secs(60);
    while wakes() == before {
        assert!(
            Instant::now() < deadline,
            "it did not run though something was appended"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn first_cpu() -> usize {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).expect("affinity");
    (0..nix::sched::CpuSet::count())
        .find(|&cpu| set.is_set(cpu).unwrap_or(false))
        .expect("a CPU")
}
