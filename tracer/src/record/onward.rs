//! From a branch to an instruction behind it, in steps.

use crate::counting::Stepping;
use pmu::{Regs, Signature};

/// How many instructions behind a branch a thread is stepped until it is where it has not been.
const VISITS_MAX: usize = 100;

/// The way from a branch to where a thread is stopped, a few instructions on. The last branch, the address and the
/// registers say where that is, if it has not been there since the branch.
#[derive(Debug)]
pub struct Onward {
    /// Instructions to go.
    left: u64,
    /// Where it has been since the last branch.
    visits: Vec<(u64, Signature)>,
}

/// What to do with a thread on its way.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// One more instruction.
    On,
    /// It has arrived.
    Here,
    /// Nothing says where it is.
    Lost,
}

impl Onward {
    /// So many instructions on, and then to where the thread has not been.
    pub const fn new(left: u64) -> Self {
        Self {
            left,
            visits: Vec::new(),
        }
    }

    /// The thread is about to execute this instruction.
    pub fn next(&mut self, regs: &Regs, stepping: &Stepping) -> Next {
        let plain = stepping.is_plain();
        let here = (regs.rip, regs.signature());
        let is_new = !self.visits.contains(&here);
        if is_new && (self.left == 0 || !plain) {
            return Next::Here;
        }
        if !plain || self.visits.len() == VISITS_MAX {
            return Next::Lost;
        }
        self.left = self.left.saturating_sub(1);
        if stepping.count() > 0 {
            self.visits.clear();
        } else {
            self.visits.push(here);
        }
        Next::On
    }
}
