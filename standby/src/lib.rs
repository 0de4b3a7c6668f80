//! Protection by a second node: the journal's way there ([`link`]), the application's way
//! to its clients ([`gate`]), and who of the two may be active ([`role`]). It knows nothing of
//! ptrace.

pub mod clock;
pub mod commit;
pub mod config;
pub mod gate;
pub mod link;
pub mod node;
pub mod role;
pub mod status;
