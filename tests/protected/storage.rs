//! Files that both nodes are to have when the application starts.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::asking::{Asking, SMALL};
use super::common::nodes::{Nodes, Place, Plan};
use super::common::{Exit, Scratch, assert_same_tree, heavy, program, tree, wait_until};
use super::{END_LIMIT, SITE, assert_says};
use nix::sys::signal::Signal;

/// nginx with its site on the primary, and what the standby has instead of it.
fn sites(scratch: &Scratch) {
    let seed = scratch.dir("seed");
    scratch.write("seed/nginx.conf", SITE);
    scratch.write("seed/html/small", SMALL);
    scratch.write("seed/html/deep/er/page", "a page");
    scratch.write("seed/html/empty", "");
    symlink("small", seed.join("html/link")).expect("a link");
    std::fs::hard_link(seed.join("html/small"), seed.join("html/twice")).expect("a name");
    UnixListener::bind(seed.join("stale.sock")).expect("a socket");
    let closed = std::fs::Permissions::from_mode(0o4751);
    std::fs::set_permissions(seed.join("html/deep/er/page"), closed).expect("our own file");
    let other = scratch.dir("seed-standby");
    scratch.write("seed-standby/nginx.conf", SITE);
    scratch.write("seed-standby/html/small", "of last year");
    scratch.write("seed-standby/html/deep", "a file where a directory belongs");
    scratch.write("seed-standby/html/old/page", "nobody knows it");
    scratch.write("seed-standby/html/twice", SMALL);
    symlink("nowhere", other.join("html/empty")).expect("a link");
}

fn nginx(scratch: &Scratch) -> Vec<String> {
    let server = program("nginx");
    let data = scratch.path("data");
    let words = [server.as_os_str(), "-p".as_ref(), data.as_os_str()];
    let more = ["-c", "nginx.conf", "-e", "stderr"];
    let words = words.map(|word| word.to_str().expect("a path").to_owned());
    words.into_iter().chain(more.map(str::to_owned)).collect()
}

fn plan(scratch: &Scratch, policy: &str) -> Plan {
    let rule = format!("{}={policy}", scratch.path("data").display());
    Plan {
        own_seed: true,
        options: vec!["--storage".to_owned(), rule],
        ..Plan::default()
    }
}

#[test]
fn unshared_files_are_copied_to_the_standby() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-copied");
    sites(&scratch);
    let command = nginx(&scratch);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut nodes = Nodes::start(&scratch, plan(&scratch, "unshared"), &command);
    nodes.wait_for_port(80);
    let clients = Asking::pages(nodes.connect_all(80, 10));
    clients.go_on_for(100, END_LIMIT);
    let (primary, standby) = (nodes.files(Place::Primary), nodes.files(Place::Standby));
    // What the application itself makes comes a little later there.
    wait_until("the standby follows", END_LIMIT, || {
        tree(&primary) == tree(&standby)
    });
    assert_same_tree("copied", &primary, &standby);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(200, END_LIMIT);
    let gap = clients.finish(|| nodes.said());
    eprintln!("copied files: longest gap {} ms", gap.as_millis());
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    assert_eq!(primary.exit, Exit::Signal(libc::SIGKILL), "{primary}");
    let (before, after) = nodes.assert_one_active();
    assert!(before > 0 && after > 0, "{before} and {after} packets");
    drop(nodes);
    scratch.assert_no_process_left();
}

#[test]
fn readonly_files_that_differ_are_named() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-compared");
    sites(&scratch);
    let command = nginx(&scratch);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut nodes = Nodes::begin(&scratch, plan(&scratch, "readonly"), &command);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    standby.expect_code(125);
    assert_says(&standby, "/html/deep: it is something else on the primary");
    nodes.wait_for_port(80);
    let clients = Asking::pages(nodes.connect_all(80, 5));
    clients.go_on_for(50, END_LIMIT);
    clients.finish(|| nodes.said());
    nodes.signal(Place::Primary, Signal::SIGTERM);
    nodes.wait(Place::Primary, END_LIMIT).expect_code(0);
    drop(nodes);
    scratch.assert_no_process_left();
}
