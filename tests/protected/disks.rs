//! No room for the recording, on either node.

use super::*;

#[test]
fn full_disk_on_the_standby() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-disk-standby");
    let plan = Plan {
        small_disk: Some(Place::Standby),
        ..Plan::default()
    };
    let mut nodes = redis(&scratch, &[], plan);
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    let ballast = nodes.fill_disk(Place::Standby);
    nodes.wait_for_state(Place::Primary, "SOLO", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    let status = nodes.status(Place::Primary).expect("it runs");
    let reason = status["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("No space left"), "{status:#?}");
    std::fs::remove_file(ballast).expect("it is ours");
    nodes.wait_for_state(Place::Primary, "PROTECTED", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    nodes.signal(Place::Primary, Signal::SIGKILL);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("disk of the standby full", sum);
    nodes.expect_killed(Place::Primary, END_LIMIT);
    end_on_standby(&mut nodes, &scratch);
}

/// Without a journal nothing can be protected: the standby goes on.
#[test]
fn full_disk_on_the_primary() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-disk-primary");
    let plan = Plan {
        small_disk: Some(Place::Primary),
        ..Plan::default()
    };
    let mut nodes = redis(&scratch, &[], plan);
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.fill_disk(Place::Primary);
    clients.go_on_for(1000, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("disk of the primary full", sum);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(125);
    assert_says(&primary, "the journal cannot be written");
    assert_says(&primary, "No space left");
    end_on_standby(&mut nodes, &scratch);
}

/// The disk is full, and nobody notices by writing until a client asks for something.
#[test]
fn full_disk_on_an_idle_primary() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-disk-idle");
    let plan = Plan {
        small_disk: Some(Place::Primary),
        ..Plan::default()
    };
    let mut nodes = redis(&scratch, &[], plan);
    let connections = nodes.connect_all(PORT, 1);
    nodes.fill_disk(Place::Primary);
    let clients = Clients::start(connections);
    clients.go_on_for(100, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("disk of an idle primary full", sum);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(125);
    assert_says(&primary, "the journal cannot be written");
    end_on_standby(&mut nodes, &scratch);
}
