//! No witness: whoever wants the right has it. A cut of all ways between the nodes at once makes
//! both active; who chooses this accepts that.

use super::Witness;
use crate::role::machine::{Answer, Ask};

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWitness;

impl Witness for NoWitness {
    fn ask(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::Read { hint } => Answer::Current {
                record: hint.clone(),
                alive: false,
            },
            Ask::Swap { .. } | Ask::Keep(_) => Answer::Done { lease: None },
        }
    }

    fn keeps_record(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "none: a cut of all ways between the nodes at once makes both active".to_owned()
    }
}
