//! One small program per behaviour: each is run natively, recorded, robbed of its originals,
//! replayed, and must show the same bytes and the same end. The programs check themselves and
//! print what differs from run to run, so that a replay that makes its own values is found out.
//! All of it once more in namespaces (`isolated::`), and with an agent that serves what it can
//! from the first call on (`served::`). Those that race have two counters (`races::`).

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{
    Build, COUNTER, Exit, Output, Record, Scratch, build_c, native_mode, run_command,
    unprivileged_user,
};

/// Costs time only if something hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// What a guest needs beyond its source. [`PLAIN`] is what most of them need: nothing.
struct Guest {
    /// The source in `tests/guests/`; empty: the test's name with `.c`.
    file: &'static str,
    /// Compiler flags beyond those of [`build_c`].
    flags: &'static [&'static str],
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    /// So many bytes on standard input.
    stdin: usize,
    end: Exit,
    /// It does what cannot be recorded: `ftrun` ends it with an error that has these words.
    refused: &'static str,
    /// It meets a limit that the README names: its replay must end with the code of a
    /// divergence, and say where.
    noticed: bool,
    /// It looks at what a limit leaves to chance: its replay is the same or, seldom, ends with the code
    /// of a divergence, and says where. What it must not do is differ and say nothing.
    fleeting: bool,
    /// Shows nothing without root: not run then, and says so.
    root: bool,
    /// Recorded as an ordinary user, also if the tests run as root.
    ordinary: bool,
}

const PLAIN: Guest = Guest {
    file: "",
    flags: &[],
    args: &[],
    env: &[],
    stdin: 0,
    end: Exit::Code(0),
    refused: "",
    noticed: false,
    fleeting: false,
    root: false,
    ordinary: false,
};

/// One test per line: its name, and the fields of [`Guest`] that are not as in [`PLAIN`].
macro_rules! guests {
    ($($name:ident { $($field:ident: $value:expr),* })*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name), &Guest { $($field: $value,)* ..PLAIN });
            }
        )*

        /// The same in namespaces of the guest's own.
        mod isolated {
            use super::*;
            $(
                #[test]
                fn $name() {
                    run_isolated(stringify!($name), &Guest { $($field: $value,)* ..PLAIN });
                }
            )*
        }

        /// The same with an agent that serves every call that it can, from the first one on.
        mod served {
            use super::*;
            $(
                #[test]
                fn $name() {
                    run_served(stringify!($name), &Guest { $($field: $value,)* ..PLAIN });
                }
            )*
        }

        /// Every name and what belongs to it, for the check that no source is forgotten.
        const TABLE: &[(&str, Guest)] = &[
            $((stringify!($name), Guest { $($field: $value,)* ..PLAIN }),)*
        ];
    };
}

guests! {
    agent_accept               {}
    agent_answers              {}
    agent_away                 {}
    agent_buffers              {}
    agent_code                 {}
    agent_descriptors          {}
    agent_files                {}
    agent_filters              {}
    agent_hand_over            {}
    agent_limits               {}
    agent_lists                {}
    agent_mapped_later         {}
    agent_nostdlib             { flags: &["-static", "-nostdlib"], end: Exit::Code(33) }
    agent_pipes                {}
    agent_region               {}
    agent_registers            {}
    agent_selects              {}
    agent_signals              {}
    agent_sockets              {}
    agent_steps                {}
    agent_stress               {}
    agent_syncs                {}
    agent_threads              { end: Exit::Code(31) }
    agent_unseen               {}
    agent_vfork                {}
    agent_waits                {}
    event_epoll_basic          {}
    event_epoll_oneshot        {}
    event_epoll_pwait          {}
    event_epoll_threads        {}
    event_eventfd              {}
    event_loop_all             {}
    event_pidfd                {}
    event_poll                 {}
    event_select               {}
    event_signalfd             {}
    event_timerfd              {}
    event_wait_masks           {}
    file_access_mode_owner     {}
    file_big_io                {}
    file_closed_std            {}
    file_copy_range_sendfile   {}
    file_devices               {}
    file_dirs_cwd              {}
    file_dup_close_range       {}
    file_fanotify              {}
    file_fcntl_locks           {}
    file_fcntl_misc            {}
    file_fifo                  {}
    file_flock                 {}
    file_fuse                  {}
    file_getdents              {}
    file_getdents_large        {}
    file_handle                {}
    file_huge_counts           {}
    file_inotify               {}
    file_landlock              {}
    file_lease                 {}
    file_links_renames         {}
    file_lseek_holes           {}
    file_open_flags            {}
    file_outputs               {}
    file_path_limits           {}
    file_proc_others           {}
    file_proc_self             {}
    file_read_write            {}
    file_rwf_flags             {}
    file_splice_tee_vmsplice   {}
    file_stat_family           {}
    file_stdio                 {}
    file_sync                  {}
    file_sys_reads             {}
    file_tmpfile_memfd         {}
    file_truncate_fallocate    {}
    file_unknown_ioctl         {}
    file_utimes                {}
    file_xattr                 {}
    ipc_posix_mq               {}
    ipc_sysv_msg               {}
    ipc_sysv_sem               {}
    mem_brk                    {}
    mem_chosen_addresses       {}
    mem_cow_fork               {}
    mem_dlopen                 {}
    mem_dlopen_memfd           {}
    mem_execute_only           {}
    mem_file_beyond_end        {}
    mem_file_private           {}
    mem_file_rewritten         {}
    mem_file_shared            {}
    mem_file_shared_fork       {}
    mem_file_shared_fork_ordinary { file: "mem_file_shared_fork.c", ordinary: true }
    mem_file_truncated         {}
    mem_growsdown              {}
    mem_guard_pages            {}
    mem_invalid_ranges         {}
    mem_lock_core              {}
    mem_madvise                {}
    mem_madvise_fork           {}
    mem_madvise_guard          {}
    mem_madvise_midway         {}
    mem_malloc_churn           {}
    mem_map_anonymous          {}
    mem_map_kinds              {}
    mem_memfd_shared           {}
    mem_mprotect               {}
    mem_mremap                 {}
    mem_mremap_shared          {}
    mem_mseal                  {}
    mem_own_code               {}
    mem_partial_effects        {}
    mem_pkey                   {}
    mem_private_of_shared      {}
    mem_proc_self_mem          {}
    mem_self_modifying         {}
    mem_shared_anonymous       {}
    mem_shared_dev_zero        {}
    mem_shared_written         {}
    mem_shm_open               {}
    mem_sparse_zero            {}
    mem_syscall_into_map       {}
    mem_sysv_shm               {}
    mem_vdso_moved             {}
    pipe_basic                 {}
    pipe_sigpipe               {}
    pipe_transfer              {}
    proc_clone3                {}
    proc_clone_flags           {}
    proc_daemon                {}
    proc_death_signals         {}
    proc_dies                  { end: Exit::Signal(6) }
    proc_dies_fpe              { file: "proc_dies.c", args: &["fpe"], end: Exit::Signal(8) }
    proc_dies_hangup           { file: "proc_dies.c", args: &["1"], end: Exit::Signal(1) }
    proc_dies_ill              { file: "proc_dies.c", args: &["ill"], end: Exit::Signal(4) }
    proc_dies_kill             { file: "proc_dies.c", args: &["9"], end: Exit::Signal(9) }
    proc_dies_realtime         { file: "proc_dies.c", args: &["40"], end: Exit::Signal(40) }
    proc_dies_segv             { file: "proc_dies.c", args: &["segv"], end: Exit::Signal(11) }
    proc_dies_term             { file: "proc_dies.c", args: &["15"], end: Exit::Signal(15) }
    proc_dies_trap             { file: "proc_dies.c", args: &["trap"], end: Exit::Signal(5) }
    proc_exec_big              {}
    proc_exec_busy_threads     {}
    proc_exec_chroot           { flags: &["-static"] }
    proc_exec_fails            {}
    proc_exec_forms            {}
    proc_exec_forms_ordinary   { file: "proc_exec_forms.c", ordinary: true }
    proc_exec_inherits         { end: Exit::Code(6) }
    proc_exec_inherits_ordinary { file: "proc_exec_inherits.c", ordinary: true, end: Exit::Code(6) }
    proc_exec_leader           { end: Exit::Code(17) }
    proc_exec_memfd            {}
    proc_exec_thread           { end: Exit::Code(23) }
    proc_exit_codes            { end: Exit::Code(201) }
    proc_exit_group            { end: Exit::Code(66) }
    proc_fork_memory           {}
    proc_fork_tree             {}
    proc_fork_tree_ordinary    { file: "proc_fork_tree.c", ordinary: true }
    proc_groups_sessions       {}
    proc_job_control           {}
    proc_kcmp                  {}
    proc_leader_exits          { end: Exit::Code(19) }
    proc_limits_bite           {}
    proc_many_children         {}
    proc_name_bytes            {}
    proc_orphans               {}
    proc_parallel_pipeline     {}
    proc_pdeathsig             {}
    proc_pid_namespace         {}
    proc_posix_spawn           {}
    proc_ptrace                {}
    proc_pty                   {}
    proc_pty_jobs              {}
    proc_set_tid_address       {}
    proc_setuid_drop           {}
    proc_tid_reuse             {}
    proc_spinning_child        {}
    proc_vfork                 {}
    proc_vfork_fails           {}
    proc_vm_rw                 {}
    proc_wait                  {}
    prog_both_streams          {}
    prog_cpp_threads           { file: "prog_cpp_threads.cpp" }
    prog_locale_time           {}
    prog_long_compute          {}
    prog_many_syscalls         {}
    prog_nostdlib              { flags: &["-static", "-nostdlib"], end: Exit::Code(33) }
    prog_openmp                { flags: &["-fopenmp"] }
    prog_profiled              { flags: &["-pg"] }
    prog_sanitized             { flags: &["-fsanitize=address,undefined"], env: &[("ASAN_OPTIONS", "detect_leaks=0")] }
    prog_sanitized_report      { file: "prog_sanitized.c", flags: &["-fsanitize=address"], args: &["error"], env: &[("ASAN_OPTIONS", "detect_leaks=0")], end: Exit::Code(1) }
    prog_static                { flags: &["-static"] }
    prog_static_lazy           { file: "prog_static.c", flags: &["-Wl,-z,lazy"] }
    prog_static_no_pie         { file: "prog_static.c", flags: &["-no-pie"] }
    prog_static_pie            { file: "prog_static.c", flags: &["-static-pie"] }
    prog_stderr_only           { end: Exit::Code(42) }
    prog_stdin                 { stdin: 100_000 }
    prog_stdin_none            { file: "prog_stdin.c", end: Exit::Code(3) }
    prog_stdout_megabyte       {}
    prog_stdout_routes         {}
    random_aslr                {}
    random_auxv                {}
    random_cpuid               {}
    random_getrandom           {}
    random_rdpid               {}
    random_rdrand              {}
    random_rdrand_lookalike    {}
    random_rdrand_written      { noticed: true }
    random_stack_below         { flags: &["-Wl,-z,lazy"] }
    random_stack_below_now     { file: "random_stack_below.c", flags: &["-Wl,-z,now"] }
    random_xsave               { flags: &["-Wl,-z,lazy"], fleeting: true }
    refused_claimed_page       { refused: "0x70000000" }
    refused_elf32              { refused: "32-bit program" }
    refused_int80              { refused: "32-bit syscall" }
    refused_ldt                { refused: "modify_ldt" }
    signal_altstack            {}
    signal_child               {}
    signal_context             {}
    signal_clock_loop          {}
    signal_default_actions     {}
    signal_faults              {}
    signal_fork_exec           {}
    signal_fp_state            {}
    signal_handlers            {}
    signal_ignored_in_wait     {}
    signal_in_vfork            {}
    signal_io                  {}
    signal_itimer_storm        {}
    signal_kill_group          {}
    signal_killed_while_writing {}
    signal_masks               {}
    signal_nested              {}
    signal_no_stack            {}
    signal_realtime            {}
    signal_requeued_fault      {}
    signal_restart             {}
    signal_restart_timed       {}
    signal_segv                {}
    signal_self_stop           {}
    signal_single_step         {}
    signal_slice_over          {}
    signal_spin_killed         {}
    signal_stop_in_wait        {}
    signal_thread_fatal        { end: Exit::Signal(11) }
    signal_trap_blocked        { flags: &["-mrdrnd"] }
    signal_trap_filter         { root: true }
    signal_ucontext_switch     {}
    sock_accept_names          {}
    sock_alg                   {}
    sock_connect_nonblock      {}
    sock_control               {}
    sock_diag                  {}
    sock_epoll_server          {}
    sock_errqueue              {}
    sock_ioctl                 {}
    sock_ipv6                  {}
    sock_mmsg                  {}
    sock_netlink               {}
    sock_options               {}
    sock_outputs               {}
    sock_peek_oob              {}
    sock_pidfd                 {}
    sock_raw                   {}
    sock_recv_no_address       {}
    sock_reuseport_v4          {}
    sock_scm_credentials       {}
    sock_scm_rights            {}
    sock_tcp_bulk              {}
    sock_tcp_processes         {}
    sock_tcp_threads           {}
    sock_udp                   {}
    sock_unix_dgram_seqpacket  {}
    sock_unix_stream           {}
    sock_zerocopy              {}
    sys_absent                 {}
    sys_arch_prctl             {}
    sys_caps                   {}
    sys_cpu                    {}
    sys_fsgsbase               {}
    sys_ids                    {}
    sys_ids_threads            {}
    sys_info                   {}
    sys_keyctl                 {}
    sys_membarrier             {}
    sys_mounts                 {}
    sys_namespaces             {}
    sys_number_bits            {}
    sys_outputs                {}
    sys_personality            {}
    sys_prctl                  {}
    sys_prctl_ordinary         { file: "sys_prctl.c", ordinary: true }
    sys_refused                {}
    sys_registers              {}
    sys_rlimits                {}
    sys_sched                  {}
    sys_sched_idle             {}
    sys_seccomp_errno          {}
    sys_seccomp_kill_thread    {}
    sys_seccomp_notify         {}
    sys_seccomp_strict         {}
    sys_seccomp_strict_threads {}
    sys_seccomp_trace          {}
    sys_seccomp_trap           {}
    sys_seccomp_vdso           {}
    sys_upper_bits             {}
    thread_atomics             {}
    thread_big_stacks          {}
    thread_cancel              {}
    thread_cond                {}
    thread_create_join         {}
    thread_fork                {}
    thread_fork_copies         {}
    thread_futex2              {}
    thread_futex_numa_node     {}
    thread_futex_ops           {}
    thread_futex_waitv         {}
    thread_many                {}
    thread_mutex               {}
    thread_pi_mutex            {}
    thread_pi_requeue          {}
    thread_process_shared      {}
    thread_raw_clone           {}
    thread_robust              {}
    thread_robust_raw          {}
    thread_rwlock_barrier_sem  {}
    thread_signals             {}
    thread_signals_ordinary    { file: "thread_signals.c", ordinary: true }
    thread_tgkill_blocked      {}
    thread_tls_destructors     {}
    thread_wait_restarts       {}
    time_clock_contexts        {}
    time_clock_order           {}
    time_clock_storm           {}
    time_clocks_syscall        {}
    time_clocks_vdso           {}
    time_cpu_clocks            {}
    time_itimers               {}
    time_namespace             {}
    time_posix_timers          {}
    time_sleep                 {}
    time_timer_thread          {}
    time_tsc                   {}
    time_tsc_denied            {}
    time_tsc_guarded           { flags: &["-pthread"] }
    time_tsc_guarded_static    { file: "time_tsc_guarded.c", flags: &["-pthread", "-static"] }
    time_tsc_places            {}
    time_tsc_places_static     { file: "time_tsc_places.c", flags: &["-static"] }
    time_tsc_places_table      { file: "time_tsc_places.c", flags: &["-DTABLE"] }
    time_tsc_threads           {}
    time_tsc_written           {}
    time_tsc_written_ordinary  { file: "time_tsc_written.c", ordinary: true }
    time_tsc_written_static    { file: "time_tsc_written.c", flags: &["-static", "-DSTATIC"] }
    time_usage                 {}
    time_vsyscall              {}
    time_vsyscall_more         {}
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

fn file_name(name: &str, guest: &Guest) -> String {
    if guest.file.is_empty() {
        format!("{name}.c")
    } else {
        guest.file.to_owned()
    }
}

#[track_caller]
fn build(name: &str, guest: &Guest) -> PathBuf {
    let source = sources().join(file_name(name, guest));
    let headers = ["guest.h", "net.h", "outputs.h"].map(|name| sources().join(name));
    let includes = &headers.each_ref().map(PathBuf::as_path);
    if source
        .extension()
        .is_some_and(|extension| extension == "cpp")
    {
        let mut flags = vec!["-O1", "-g", "-pthread", "-std=c++17"];
        flags.extend_from_slice(guest.flags);
        let (compiler, flags, source) = ("c++", &flags, &source);
        return Build {
            compiler,
            flags,
            source,
            includes,
        }
        .run();
    }
    build_c(&source, guest.flags, includes)
}

/// What a guest finds on its standard input.
fn input(guest: &Guest) -> Vec<u8> {
    (b'!'..=b'~').cycle().take(guest.stdin).collect()
}

/// The guest without ftrun, in a directory of its own: a guest that fails here is wrong itself.
#[track_caller]
fn run_natively(name: &str, guest: &Guest, built: &Path) -> Output {
    let scratch = Scratch::new(&format!("{name}-native"));
    let mut command = Command::new(scratch.private_binary(built));
    command.args(guest.args).current_dir(scratch.work());
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
        .env("HOME", scratch.path("home"))
        .env("TMPDIR", scratch.path("tmp"));
    command.env("LC_ALL", "C").env("TERM", "dumb");
    command.env("FTRUN_TEST_SCRATCH", scratch.root());
    command.envs(guest.env.iter().copied());
    let stdin = (guest.stdin > 0).then(|| input(guest));
    let output = run_command(command, stdin, LIMIT);
    assert_eq!(
        output.exit, guest.end,
        "the guest itself, without ftrun; {output}"
    );
    scratch.assert_no_process_left();
    output
}

#[track_caller]
fn run(name: &str, guest: &Guest) {
    if guest.root && !nix::unistd::getuid().is_root() {
        skip(name, "it needs root");
        return;
    }
    let built = build(name, guest);
    run_natively(name, guest, &built);
    let scratch = Scratch::new(name);
    let record = Record::new(&scratch, scratch.private_binary(&built));
    record_and_compare(&scratch, guest, record);
}

#[track_caller]
fn run_isolated(name: &str, guest: &Guest) {
    if !nix::unistd::getuid().is_root() {
        skip(name, "namespaces need root");
        return;
    }
    let built = build(name, guest);
    let scratch = Scratch::new(&format!("{name}-isolated"));
    let program = scratch.private_binary(&built);
    let record = Record::new(&scratch, program).option("--isolate");
    if guest.ordinary
        && let Some(user) = unprivileged_user()
    {
        let refused = record.user(user).run();
        refused.expect_code(125);
        let said = refused.output.err();
        assert!(said.contains("CAP_SYS_ADMIN"), "{}", refused.output);
        return;
    }
    record_and_compare(&scratch, guest, record);
}

#[track_caller]
fn run_served(name: &str, guest: &Guest) {
    if guest.root && !nix::unistd::getuid().is_root() {
        skip(name, "it needs root");
        return;
    }
    let built = build(name, guest);
    let scratch = Scratch::new(&format!("{name}-served"));
    let program = scratch.private_binary(&built);
    let record = Record::new(&scratch, program).option("--agent-at-once");
    record_and_compare(&scratch, guest, record);
}

/// Records the guest, takes its originals away, replays, compares.
#[track_caller]
fn record_and_compare(scratch: &Scratch, guest: &Guest, record: Record<'_>) {
    let mut record = record.args(guest.args);
    for (key, value) in guest.env {
        record = record.env(key, value);
    }
    if guest.stdin > 0 {
        record = record.stdin(input(guest));
    }
    if guest.ordinary
        && let Some(user) = unprivileged_user()
    {
        record = record.user(user);
    }
    let recorded = record.timeout(LIMIT).run();
    let output = &recorded.output;
    if !guest.refused.is_empty() {
        recorded.expect_code(125);
        assert!(output.err().contains(guest.refused), "{output}");
        scratch.assert_no_process_left();
        // What came before is a recording like any other.
        scratch.originals_gone();
        recorded.replay().expect_code(0);
        return;
    }
    assert_eq!(output.exit, guest.end, "the guest under ftrun; {output}");
    if !native_mode() {
        scratch.assert_no_process_left();
        scratch.originals_gone();
    }
    if guest.noticed && !native_mode() {
        let again = recorded.replay();
        again.expect_code(120);
        assert!(again.err().contains("diverged at event"), "{again}");
        scratch.assert_no_process_left();
        return;
    }
    if guest.fleeting && !native_mode() {
        let again = recorded.replay();
        if again.exit == Exit::Code(120) {
            assert!(again.err().contains("diverged at event"), "{again}");
            scratch.assert_no_process_left();
        } else {
            recorded.assert_same(&again);
        }
        return;
    }
    recorded.assert_replays();
}

#[allow(clippy::print_stderr, reason = "a test that shows nothing must say so")]
fn skip(name: &str, why: &str) {
    eprintln!("skipped {name}: {why}");
}

/// The stress of the agent, each time from another seed.
mod served_stress {
    use super::*;
    use common::{Random, soaking};

    /// Rounds in an ordinary run, and in a soak.
    const ROUNDS: u64 = 5;
    const ROUNDS_SOAKING: u64 = 1000;

    #[test]
    #[allow(clippy::print_stdout, reason = "shown only where the test fails")]
    fn is_recorded_and_replayed_from_many_seeds() {
        let guest = &PLAIN;
        let built = build("agent_stress", guest);
        let mut random = Random::new();
        for round in 0..if soaking() { ROUNDS_SOAKING } else { ROUNDS } {
            let seed = random.below(u32::MAX.into()).to_string();
            println!("round {round}: seed {seed}");
            let scratch = Scratch::new("agent-stress");
            let program = scratch.private_binary(&built);
            let record = Record::new(&scratch, program).option("--agent-at-once");
            let recorded = record.arg(&seed).timeout(LIMIT).run();
            assert_eq!(
                recorded.output.exit, guest.end,
                "seed {seed}: {}",
                recorded.output
            );
            if !native_mode() {
                scratch.assert_no_process_left();
                scratch.originals_gone();
            }
            recorded.assert_replays();
        }
    }
}

/// Guests whose outcome is decided by where slices end and where signals come, each recorded and replayed several times.
macro_rules! races {
    ($($name:ident)*) => {
        mod races {
            mod software {
                $(
                    #[test]
                    fn $name() {
                        super::super::run_race(stringify!($name), "software");
                    }
                )*
            }

            mod auto {
                $(
                    #[test]
                    fn $name() {
                        super::super::run_race(stringify!($name), "auto");
                    }
                )*
            }
        }

        const RACES: &[&str] = &[$(stringify!($name),)*];
    };
}

races! {
    race_code
    race_counter
    race_dispatch
    race_fill
    race_handover
    race_in_flight
    race_jump
    race_locks
    race_processes
    race_profile
    race_queue
    race_rep
    race_scan
    race_sigsegv
    race_spin_exit
    race_storm
    race_timer
    race_vector
}

#[track_caller]
#[allow(clippy::print_stdout, reason = "shown only where the test fails")]
fn run_race(name: &str, counter: &str) {
    const ROUNDS: usize = 2;
    const ROUNDS_SOAKING: usize = 200;
    let built = build(name, &PLAIN);
    let rounds = if common::soaking() {
        ROUNDS_SOAKING
    } else {
        ROUNDS
    };
    for round in 0..rounds {
        println!("round {round}");
        let scratch = Scratch::new(&format!("{name}-{counter}"));
        let program = scratch.private_binary(&built);
        let record = Record::new(&scratch, program)
            .option(COUNTER)
            .option(counter);
        record_and_compare(&scratch, &PLAIN, record);
    }
}

/// A program that no line runs would be forgotten.
#[test]
fn every_source_is_in_the_table() {
    let listed: BTreeSet<String> = TABLE
        .iter()
        .map(|(name, guest)| file_name(name, guest))
        .chain(RACES.iter().map(|name| file_name(name, &PLAIN)))
        .collect();
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(sources()).expect("the sources are here") {
        let name = entry.expect("a readable directory").file_name();
        let name = name.to_str().expect("ASCII file names").to_owned();
        if !name.ends_with(".h") {
            there.insert(name);
        }
    }
    assert_eq!(listed, there, "left: the table; right: tests/guests/");
}
