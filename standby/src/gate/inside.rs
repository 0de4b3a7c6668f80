//! Connections inside the application, both ends of which are its own: their packets pass no gate.
//! A standby keeps what is on its way in them and makes the two sockets one connection.

use super::model::ConnState;
use super::rebuild::{Shared, Step, repaired};
use super::sys::repair;
use journal::{ConnId, Endpoint, Opened, Scales};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use tracer::network::End;

/// Where either stream begins: they were never numbered.
const ISN: u32 = 1 << 20;
/// What the loopback device takes in one segment.
const MSS: u32 = 65_483;
const SCALES: Scales = Scales {
    local: 7,
    remote: 7,
};

/// Makes two unconnected sockets, of the same network namespace, the ends of one connection.
pub(super) fn join(ends: [End; 2]) -> io::Result<()> {
    let [one, two] = &ends;
    let states = [state(one, two), state(two, one)];
    let mut repairs = Vec::new();
    for (end, state) in ends.iter().zip(&states) {
        let failed = |(doing, error): Step| {
            io::Error::new(
                error.kind(),
                format!("cannot {doing} for a connection inside: {error}"),
            )
        };
        let shared = Shared::of(end.socket.as_fd())?;
        let repair = repaired(end.socket.as_fd(), state).map_err(failed)?;
        repairs.push((end, repair, shared));
    }
    // What an end that is there already says to one that is not, is answered with a reset.
    for (end, repair, shared) in repairs {
        repair.end_silently()?;
        shared.restore(end.socket.as_fd())?;
    }
    for end in ends.iter().filter(|end| end.shut) {
        repair::shut(end.socket.as_fd())?;
    }
    Ok(())
}

fn state(end: &End, other: &End) -> ConnState {
    let of = |addr: SocketAddr| Endpoint::from(addr);
    ConnState {
        opened: Opened {
            conn: ConnId::default(),
            local: of(end.address),
            remote: of(other.address),
            inbound: false,
            local_isn: ISN,
            remote_isn: ISN,
            mss: MSS,
            scales: Some(SCALES),
            sack: true,
            timestamp: None,
        },
        came: end.unread.len() as u64,
        unread: end.unread.clone(),
        wrote: other.unread.len() as u64,
        unacknowledged: Vec::new(),
        // The first segment tells.
        window: 0,
        fin: false,
        reset: false,
        shut: end.shut,
        closed: false,
        claimed: true,
        over: false,
        timestamps: None,
    }
}
