//! Planned switchovers with clients that pause: what they say at any moment of it arrives, at this
//! node or at that.

use super::*;

const SWITCHOVERS: usize = 3;
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A segment that got lost is sent again only when its sender's timer says so: 200 ms later at the
/// earliest, whatever the nodes do. So nobody needs to measure times.
#[test]
fn switchovers_lose_no_segment() {
    let _turn = heavy();
    for round in 0..SWITCHOVERS {
        let scratch = Scratch::new("protected-pausing");
        let mut nodes = redis(&scratch, &[], Plan::default());
        let clients = Clients::start_pausing(nodes.connect_all(PORT, 24), PAUSE_MAX);
        clients.go_on_for(300, END_LIMIT);
        nodes.switch_over();
        clients.go_on_for(300, END_LIMIT);
        let sum = clients.finish(|| nodes.said());
        report(&format!("switchover {round}, with pauses"), sum);
        assert_eq!(sum.lost, 0, "segments got lost: {sum:?}\n{}", nodes.said());
        nodes.wait(Place::Primary, END_LIMIT).expect_code(0);
        end_on_standby(&mut nodes, &scratch);
    }
}
