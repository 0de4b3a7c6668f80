//! The application's CPU is left to it: the threads that serve the network and the standby run on
//! others, before and after a takeover.

use super::*;
use nix::unistd::Pid;
use std::collections::BTreeMap;

/// The CPUs that each thread of a process may use, by the thread's name.
fn allowed(pid: Pid) -> BTreeMap<String, String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let one = |task: std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let cpus = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some((name.trim().to_owned(), cpus.trim().to_owned()))
    };
    tasks.flatten().filter_map(one).collect()
}

#[track_caller]
fn assert_apart(supervisor: Pid, application: Pid, threads: &[&str]) {
    let own = allowed(application);
    let (_, cpu) = own.first_key_value().expect("it has a thread");
    let seen = allowed(supervisor);
    for name in threads {
        let cpus = seen
            .get(*name)
            .unwrap_or_else(|| panic!("no {name}: {seen:?}"));
        assert_ne!(cpus, cpu, "{name} shares the application's CPU: {seen:?}");
        let lists_it = cpus.split(',').any(|part| part == cpu);
        assert!(!lists_it, "{name} shares the application's CPU: {seen:?}");
    }
}

#[test]
fn the_applications_cpu_is_left_to_it() {
    let cpus = std::thread::available_parallelism().expect("a number");
    let _turn = heavy();
    let scratch = Scratch::new("protected-placement");
    let mut nodes = redis(&scratch, &[], Plan::default());
    let clients = Clients::start(nodes.connect_all(PORT, 5));
    clients.go_on_for(20, END_LIMIT);
    let (supervisor, application) = (
        nodes.supervisor(Place::Primary),
        nodes.inside(Place::Primary, 2),
    );
    let serving = allowed(supervisor);
    for name in ["gate", "link-out", "link-in", "journal"] {
        assert!(serving.contains_key(name), "{serving:?}");
    }
    if cpus.get() > 1 {
        assert_apart(
            supervisor,
            application,
            &["gate", "link-out", "link-in", "journal"],
        );
    }
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(20, END_LIMIT);
    let (supervisor, application) = (
        nodes.supervisor(Place::Standby),
        nodes.inside(Place::Standby, 2),
    );
    if cpus.get() > 1 {
        assert_apart(supervisor, application, &["gate", "journal"]);
    }
    let sum = clients.finish(|| nodes.said());
    report("placement", sum);
    nodes.wait(Place::Primary, END_LIMIT);
    end_on_standby(&mut nodes, &scratch);
}
