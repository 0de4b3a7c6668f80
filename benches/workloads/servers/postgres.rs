//! PostgreSQL, reads by primary key: `pgbench -S` with four clients, so four processes besides
//! those that the server has anyway.
//!
//! A recording has one CPU for all of them, so natively they get one CPU, too.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{
    Exit, Scratch, free_port, native, postgres_bin, program, run_command, unprivileged_user,
    wait_until,
};
use crate::measure::{Runner, Way};

use super::{LIMIT, Load, Server};

const CLIENTS: u32 = 4;
/// What pgbench calls the file with the times, before its process id.
const TIMES: &str = "times";

pub struct Postgres {
    runner: Runner,
    bin: PathBuf,
    data: PathBuf,
    port: u16,
    /// Transactions of each client in a small and in a large load.
    counts: (u32, u32),
}

impl Postgres {
    pub fn prepare(scratch: &Scratch, counts: (u32, u32)) -> (String, Box<dyn Server>) {
        let (bin, data, port) = (postgres_bin(), scratch.dir("data"), free_port());
        if let Some(user) = unprivileged_user() {
            chown(&data, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("we are root");
        }
        let mut initdb = as_user(&bin.join("initdb"));
        initdb.extend(["-D".into(), data.clone().into()]);
        initdb.extend(["-U", "tester", "-A", "trust", "--locale=C", "-N"].map(Into::into));
        native(&initdb[0], &initdb[1..], LIMIT);

        let mut words = as_user(&bin.join("postgres"));
        words.extend(["-D".into(), data.clone().into()]);
        let sockets = format!("unix_socket_directories={}", data.display());
        // What it does by itself from time to time is no part of a request.
        let settings = ["listen_addresses=127.0.0.1", &sockets, "autovacuum=off"];
        words.extend(settings.iter().flat_map(|text| ["-c".into(), text.into()]));
        words.extend(["-p".into(), port.to_string().into()]);
        let postgres = Postgres {
            runner: Runner::new(scratch, words, &scratch.path("tmp")).on_one_cpu(),
            bin,
            data,
            port,
            counts,
        };
        let running = postgres.runner.start(Way::Native);
        postgres.wait_ready();
        postgres.pgbench(&["-i", "-q", "-s", "1"]);
        postgres.stop();
        running.wait();
        let title = format!("PostgreSQL, pgbench -S; {CLIENTS} clients");
        (title, Box::new(postgres))
    }

    fn pgbench(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let mut all = vec!["-h", "127.0.0.1", "-p", &port, "-U", "tester"];
        all.extend(arguments);
        all.push("postgres");
        native(self.bin.join("pgbench"), all, LIMIT).out()
    }
}

/// The words that run a program of PostgreSQL, whose server refuses root.
fn as_user(binary: &Path) -> Vec<OsString> {
    let mut words = Vec::new();
    if let Some(user) = unprivileged_user() {
        words.push(program("setpriv").into_os_string());
        words.push(format!("--reuid={}", user.uid).into());
        words.push(format!("--regid={}", user.gid).into());
        words.push("--clear-groups".into());
    }
    words.push(binary.into());
    words
}

impl Server for Postgres {
    fn runner(&self) -> &Runner {
        &self.runner
    }

    fn port(&self) -> u16 {
        self.port
    }

    /// It listens before it lets anybody in.
    fn wait_ready(&self) {
        wait_until("server that accepts connections", LIMIT, || {
            let mut command = std::process::Command::new(self.bin.join("pg_isready"));
            command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            run_command(command, None, LIMIT).exit == Exit::Code(0)
        });
    }

    fn load(&self, large: bool) -> Load {
        let count = if large { self.counts.1 } else { self.counts.0 };
        let (each, clients) = (count.to_string(), CLIENTS.to_string());
        let logs = self.runner.cwd.join(TIMES);
        let prefix = logs.display().to_string();
        let arguments = [
            "-n",
            "-S",
            "-c",
            &clients,
            "-j",
            "1",
            "-t",
            &each,
            "-l",
            "--log-prefix",
            &prefix,
        ];
        let output = self.pgbench(&arguments);
        let field = |mark: &str| {
            let rest = output.lines().find_map(|line| line.strip_prefix(mark));
            let word = rest.and_then(|rest| rest.split_whitespace().next());
            word.unwrap_or_else(|| panic!("no `{mark}` in {output}"))
        };
        let all = CLIENTS * count;
        let done = field("number of transactions actually processed: ");
        assert_eq!(done, format!("{all}/{all}"), "{output}");
        Load {
            requests: f64::from(all),
            per_second: field("tps = ").parse().expect("a number"),
            p99: p99(&self.runner.cwd, all),
        }
    }

    fn stop(&self) {
        let file = fs::read_to_string(self.data.join("postmaster.pid")).expect("it runs");
        let pid = file.lines().next().and_then(|line| line.parse().ok());
        kill(Pid::from_raw(pid.expect("a pid")), Signal::SIGINT).expect("it runs");
    }
}

/// Of the times that pgbench wrote, one transaction a line: client, number, microseconds …
fn p99(dir: &Path, count: u32) -> f64 {
    let entries = fs::read_dir(dir).expect("our own directory").flatten();
    let is_log = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == TIMES);
    let mut text = String::new();
    for path in entries.map(|entry| entry.path()).filter(is_log) {
        text += &fs::read_to_string(&path).expect("pgbench has ended");
        fs::remove_file(&path).expect("our own directory");
    }
    let third = |line: &str| line.split(' ').nth(2)?.parse::<f64>().ok();
    let mut times: Vec<f64> = text.lines().filter_map(third).collect();
    // It does not say so where it cannot write them.
    assert!(
        u32::try_from(times.len()) == Ok(count),
        "pgbench wrote {} of {count} times, in {} bytes; at last {:?}",
        times.len(),
        text.len(),
        text.lines().last()
    );
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100] / 1e3
}
