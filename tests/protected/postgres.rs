//! PostgreSQL, and what befalls its node: many processes that share memory and signal each other.

use std::os::unix::fs::chown;
use std::path::PathBuf;

use super::common::nodes::VIP;
use super::common::{postgres_bin, program, run_command, unprivileged_user};
use super::crowd::{Crowd, longest};
use super::ledger::{BALANCED, Session, TABLES, keep_books};
use super::*;

const PORT: u16 = 5432;

/// The words that run one of its programs as a user that it accepts.
fn words(name: &str) -> Vec<String> {
    let user = unprivileged_user().expect("these tests run as root");
    vec![
        program("setpriv").display().to_string(),
        format!("--reuid={}", user.uid),
        format!("--regid={}", user.gid),
        "--clear-groups".to_owned(),
        postgres_bin().join(name).display().to_string(),
    ]
}

/// Makes an empty cluster that both nodes begin with.
fn seed(scratch: &Scratch) {
    let user = unprivileged_user().expect("these tests run as root");
    let data = scratch.dir("seed/pg");
    for path in [scratch.dir("seed"), data.clone()] {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("we are root");
    }
    let words = words("initdb");
    let fixed = ["-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C"];
    let mut command = std::process::Command::new(&words[0]);
    command.args(&words[1..]).arg("-D").arg(&data).args(fixed);
    command.arg("-N").current_dir("/").env("LC_ALL", "C");
    run_command(command, None, Duration::from_secs(100)).expect_code(0);
    let access = data.join("pg_hba.conf");
    let all = "host all all 0.0.0.0/0 trust\n";
    std::fs::write(access, all).expect("it is ours");
}

fn start<'a>(scratch: &'a Scratch, plan: Plan) -> Nodes<'a> {
    seed(scratch);
    let data: PathBuf = scratch.path("data/pg");
    let data = data.to_str().expect("temporary paths are UTF-8");
    let sockets = format!("unix_socket_directories={data}");
    let port = PORT.to_string();
    let settings = [
        "listen_addresses=*",
        &sockets,
        "shared_buffers=16MB",
        "max_connections=30",
        "autovacuum_naptime=2s",
    ];
    let mut command = words("postgres");
    command.extend(["-D", data, "-p", &port].map(str::to_owned));
    for setting in settings {
        command.extend(["-c".to_owned(), setting.to_owned()]);
    }
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let nodes = Nodes::start(scratch, plan, &command);
    let isready = postgres_bin().join("pg_isready");
    let isready = isready.to_str().expect("a path");
    let words = ["-q", "-h", VIP, "-p", &port];
    wait_until("server behind the gate", Duration::from_secs(60), || {
        let asked = nodes.start_at_client(isready, &words);
        asked.wait(END_LIMIT).exit == Exit::Code(0)
    });
    nodes
}

#[test]
fn primary_killed_under_transfers_and_pgbench() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-postgres");
    let mut nodes = start(&scratch, Plan::default());
    let books = nodes.connect(PORT);
    let mut books = Session::begin(&books).expect("the server is ready");
    books.query(TABLES).expect("tables are made");
    let pgbench = postgres_bin().join("pgbench");
    let pgbench = pgbench.to_str().expect("a path");
    let port = PORT.to_string();
    let at = ["-h", VIP, "-p", &port, "-U", "tester"];
    let words = [&at[..], &["-i", "-q", "-s", "1", "postgres"]].concat();
    nodes.at_client(pgbench, &words, Duration::from_secs(100));
    let clients = Crowd::start(nodes.connect_all(PORT, 5), keep_books);
    let words = [&at[..], &["-c", "4", "-j", "2", "-t", "100", "postgres"]].concat();
    let load = nodes.start_at_client(pgbench, &words);
    clients.go_on_for(100, END_LIMIT);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(200, END_LIMIT);
    let load = load.wait(Duration::from_secs(100));
    load.expect_code(0);
    assert!(
        load.out().contains("number of failed transactions: 0 "),
        "{load}"
    );
    let gap = longest(clients.finish(|| nodes.said()));
    eprintln!("postgres: longest gap {} ms", gap.as_millis());
    let balanced = books.query(BALANCED).expect("the server answers");
    assert_eq!(balanced, [["t", "t"]], "{}", nodes.said());
    nodes.expect_killed(Place::Primary, END_LIMIT);
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    kill(nodes.inside(Place::Standby, 2), Signal::SIGINT).expect("it runs");
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(0);
    assert_says(&standby, "TAKING-OVER");
    scratch.assert_no_process_left();
}
