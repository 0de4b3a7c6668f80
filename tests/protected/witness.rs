//! A witness that does not answer: nobody becomes active without it, and whoever is active without
//! a standby stops when the witness's lease runs out.

use super::*;

fn with_etcd(scratch: &Scratch) -> Nodes<'_> {
    let plan = Plan {
        witness: Witness::Etcd,
        options: ["--lease-ms", "2000"].map(str::to_owned).to_vec(),
        ..Plan::default()
    };
    redis(scratch, &[], plan)
}

/// Nothing leaves either node for a while.
#[track_caller]
fn assert_silent(nodes: &Nodes<'_>) {
    // What was sent just before may still be on its way through the bridge.
    std::thread::sleep(Duration::from_millis(50));
    let before = nodes.packets();
    std::thread::sleep(Duration::from_millis(700));
    let sent = nodes.packets() - before;
    assert_eq!(
        sent,
        0,
        "{sent} packets without the right\n{}",
        nodes.said()
    );
}

#[test]
fn witness_away_when_the_primary_dies() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-witness");
    let mut nodes = with_etcd(&scratch);
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.bridge(Place::Witness, false);
    clients.go_on_for(1000, END_LIMIT);
    nodes.assert_protected();
    nodes.signal(Place::Primary, Signal::SIGKILL);
    nodes.wait_for_state(Place::Standby, "TAKING-OVER", END_LIMIT);
    assert_silent(&nodes);
    nodes.bridge(Place::Witness, true);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("witness away, primary killed", sum);
    nodes.expect_killed(Place::Primary, END_LIMIT);
    end_on_standby(&mut nodes, &scratch);
}

#[test]
fn witness_away_when_the_standby_dies_and_later() {
    let _turn = heavy();
    let scratch = Scratch::new("protected-witness-alone");
    let mut nodes = with_etcd(&scratch);
    let clients = Clients::start(nodes.connect_all(PORT, 30));
    clients.go_on_for(100, END_LIMIT);
    nodes.bridge(Place::Witness, false);
    nodes.signal(Place::Standby, Signal::SIGKILL);
    // The standby could have been promoted by the witness: the primary must not go on.
    nodes.wait_for_state(Place::Primary, "FENCED", END_LIMIT);
    assert_silent(&nodes);
    nodes.bridge(Place::Witness, true);
    nodes.wait_for_state(Place::Primary, "SOLO", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    // Alone, it goes on as long as the lease lasts.
    nodes.bridge(Place::Witness, false);
    clients.go_on_for(100, END_LIMIT);
    nodes.wait_for_state(Place::Primary, "FENCED", END_LIMIT);
    assert_silent(&nodes);
    nodes.bridge(Place::Witness, true);
    nodes.wait_for_state(Place::Primary, "SOLO", END_LIMIT);
    clients.go_on_for(300, END_LIMIT);
    let sum = clients.finish(|| nodes.said());
    report("witness away, standby killed", sum);
    nodes.expect_killed(Place::Standby, END_LIMIT);
    let primary = end_on_primary(&mut nodes);
    assert_says(&primary, "FENCED: ");
    drop(nodes);
    scratch.assert_no_process_left();
}
