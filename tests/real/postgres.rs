//! PostgreSQL: the creation of a cluster, a server under pgbench with four clients, a clean stop.
//! PostgreSQL refuses root, so as root the recorded command drops its rights first.

use crate::common;

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use common::{
    Output, Record, Scratch, free_port, heavy, native, postgres_bin, program, run_command, soaking,
    unprivileged_user, wait_until,
};

const LIMIT: Duration = Duration::from_secs(400);

/// Seconds of load: short in `make test`, a minute in `make soak`.
fn load_seconds() -> u32 {
    if soaking() { 60 } else { 10 }
}

/// A private installation and an empty data directory that the server's user owns.
struct Cluster {
    scratch: Scratch,
    bin: PathBuf,
    data: PathBuf,
    port: u16,
}

fn cluster(name: &str) -> Cluster {
    let scratch = Scratch::new(name);
    let original = postgres_bin();
    // The programs find their other files relative to themselves: keep Debian's layout.
    let home = original.parent().expect("bin/ has a parent");
    let version = home
        .file_name()
        .expect("a version")
        .to_str()
        .expect("digits");
    let lib = scratch.dir("pg/lib/postgresql");
    let share = scratch.dir("pg/share/postgresql");
    let shared = Path::new("/usr/share/postgresql").join(version);
    for (from, to) in [(home, &lib), (&shared, &share)] {
        native(
            program("cp"),
            ["-a".as_ref(), from.as_os_str(), to.as_os_str()],
            LIMIT,
        );
    }
    let data = scratch.dir("data");
    let bin = lib.join(version).join("bin");
    if let Some(user) = unprivileged_user() {
        for path in [&data, &scratch.path("home"), &scratch.path("tmp")] {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("we are root");
        }
    }
    Cluster {
        scratch,
        bin,
        data,
        port: free_port(),
    }
}

impl Cluster {
    /// The words that run a program of PostgreSQL as the server's user.
    fn words(&self, name: &str) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(user) = unprivileged_user() {
            let setpriv = program("setpriv").display().to_string();
            words.extend([
                setpriv,
                format!("--reuid={}", user.uid),
                format!("--regid={}", user.gid),
            ]);
            words.push("--clear-groups".to_owned());
        }
        words.push(self.bin.join(name).display().to_string());
        words
    }

    fn record(&self, name: &str, arguments: &[&str]) -> Record<'_> {
        let words = self.words(name);
        let record = Record::new(&self.scratch, &words[0])
            .args(&words[1..])
            .args(arguments);
        record.timeout(LIMIT)
    }

    fn data(&self) -> &str {
        self.data.to_str().expect("temporary paths are UTF-8")
    }

    /// Runs a program of PostgreSQL without recording it.
    fn command(&self, name: &str, arguments: &[&str]) -> Output {
        let words = self.words(name);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(arguments)
            .current_dir(self.scratch.path("tmp"));
        command
            .env("LC_ALL", "C")
            .env("HOME", self.scratch.path("home"));
        run_command(command, None, LIMIT)
    }

    /// Runs a client against the server.
    #[track_caller]
    fn client(&self, name: &str, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let mut all = vec!["-h", "127.0.0.1", "-p", &port, "-U", "tester"];
        all.extend(arguments);
        let output = self.command(name, &all);
        output.expect_code(0);
        output.out()
    }

    fn sql(&self, text: &str) -> String {
        self.client(
            "psql",
            &[
                "-X",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                text,
                "postgres",
            ],
        )
    }

    fn initdb_arguments(&self) -> Vec<&str> {
        vec![
            "-D",
            self.data(),
            "-U",
            "tester",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
    }

    fn server_arguments(&self, port: &str) -> Vec<String> {
        let sockets = format!("unix_socket_directories={}", self.data());
        let settings = [
            "listen_addresses=127.0.0.1",
            &sockets,
            "shared_buffers=16MB",
            "max_connections=20",
            "log_line_prefix=%m [%p] ",
            "log_connections=on",
            "autovacuum_naptime=2s",
        ];
        let mut all = vec![
            "-D".to_owned(),
            self.data().to_owned(),
            "-p".to_owned(),
            port.to_owned(),
        ];
        all.extend(
            settings
                .iter()
                .flat_map(|s| ["-c".to_owned(), (*s).to_owned()]),
        );
        all
    }
}

/// `initdb` starts the server in its single-user modes and talks to it over pipes.
#[test]
fn initdb() {
    let _turn = heavy();
    let cluster = cluster("postgres-initdb");
    let recorded = cluster.record("initdb", &cluster.initdb_arguments()).run();
    recorded.expect_code(0);
    assert!(
        recorded.output.out().contains("Success."),
        "{}",
        recorded.output
    );
    assert!(cluster.data.join("PG_VERSION").exists());
    cluster.scratch.originals_gone();
    recorded.assert_replays();
}

#[test]
fn pgbench_with_four_clients() {
    let _turn = heavy();
    let cluster = cluster("postgres-load");
    cluster
        .command("initdb", &cluster.initdb_arguments())
        .expect_code(0);
    let port = cluster.port.to_string();
    let arguments = cluster.server_arguments(&port);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut running = cluster.record("postgres", &arguments).spawn();
    wait_until(
        "server that accepts connections",
        Duration::from_secs(120),
        || {
            running.assert_running();
            let ready = cluster.command("pg_isready", &["-q", "-h", "127.0.0.1", "-p", &port]);
            ready.exit == common::Exit::Code(0)
        },
    );

    cluster.client("pgbench", &["-i", "-q", "-s", "1", "postgres"]);
    let seconds = load_seconds().to_string();
    let load = cluster.client(
        "pgbench",
        &["-c", "4", "-j", "2", "-T", &seconds, "postgres"],
    );
    assert!(load.contains("number of failed transactions: 0 "), "{load}");
    let sums = "select (select sum(abalance) from pgbench_accounts) =
                       (select sum(bbalance) from pgbench_branches),
                       (select sum(delta) from pgbench_history) =
                       (select sum(tbalance) from pgbench_tellers)";
    assert_eq!(cluster.sql(sums), "t|t\n", "the books do not balance");
    // A parallel query, a sort on disk, a listener, and time and randomness from the server.
    cluster.sql(
        "set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0;
         set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
         select count(*), sum(abalance) from pgbench_accounts where filler is not null",
    );
    cluster.sql(
        "set work_mem = '64kB'; select count(*) from
                 (select md5(i::text) m from generate_series(1, 20000) i order by m) t",
    );
    assert_eq!(
        cluster.sql("select random() is not null, now() <= clock_timestamp()"),
        "t|t\n"
    );
    cluster.sql("checkpoint");

    running.assert_running();
    let pid_file = std::fs::read_to_string(cluster.data.join("postmaster.pid"));
    let pid_file = pid_file.expect("the server is running");
    let pid = pid_file
        .lines()
        .next()
        .expect("its first line")
        .parse()
        .expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("the postmaster runs");
    let recorded = running.wait();
    recorded.expect_code(0);
    let log = recorded.output.err();
    assert!(log.contains("database system is shut down"), "{log}");
    cluster.scratch.assert_no_process_left();
    cluster.scratch.originals_gone();
    recorded.assert_verifies_and_replays();
}
