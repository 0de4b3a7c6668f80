//! The harness of the end-to-end tests: runs the built `ftrun` binary, records a command, takes the
//! originals away, replays, and compares. It knows nothing of what the single tests run.
//!
//! ```ignore
//! let scratch = Scratch::new("hello");
//! let recorded = Record::new(&scratch, "/bin/echo").arg("hi").run();
//! recorded.expect_code(0);
//! scratch.originals_gone();
//! recorded.assert_replays();
//! ```
//!
//! `FTRUN_TEST_NATIVE=1` runs the commands without `ftrun` and replays nothing. It exists to
//! develop a scenario; every such run says so on stderr, and `make test` refuses it.
#![allow(dead_code, unused_imports, missing_docs)]

mod cc;
mod flat;
mod load;
mod net;
pub mod nodes;
mod port;
mod proc;
mod programs;
mod random;
mod record;
mod scratch;
pub mod stalls;
mod takeover;
pub mod touches;
mod wire;

pub use cc::{Build, build_c, build_go};
pub use flat::assert_flat;
pub use load::{heavy, soaking};
pub use net::{segments_lost, wait_for_port, wait_until};
pub use port::free_port;
pub use proc::{
    Exit, Output, Spawned, descendants, make_child, native, native_mode, resident, run_command,
    show,
};
pub use programs::{postgres_bin, program, unprivileged_user};
pub use random::Random;
pub use record::{
    COUNTER, Record, Recorded, Replayed, Running, ftrun, record_and_replay, replay, replay_digest,
    replay_ok, verify,
};
pub use scratch::Scratch;
pub use takeover::{Events, assert_same_tree, copy_tree, cut, follow, journaled, tree};
