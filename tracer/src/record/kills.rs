//! Which processes the application itself kills: all others that SIGKILL hits are killed from
//! outside (by people, or by the kernel when memory is short).

use crate::model::capture::Call;
use journal::Tid;
use std::collections::HashSet;

/// Processes killed by recorded ones, by the numbers that those know.
#[derive(Debug, Default)]
pub struct Kills {
    processes: HashSet<Tid>,
    /// Groups, or processes by other names, were killed: it may have been any.
    any: bool,
}

impl Kills {
    /// A thread is about to make a syscall.
    pub fn note(&mut self, call: &Call) {
        let signal = match call.def.name {
            "kill" | "tkill" | "pidfd_send_signal" | "rt_sigqueueinfo" => 1,
            "tgkill" | "rt_tgsigqueueinfo" => 2,
            // A child may ask to be killed at its parent's end.
            "prctl" if call.int(0) == libc::PR_SET_PDEATHSIG => 1,
            _ => return,
        };
        if call.int(signal) != libc::SIGKILL {
            return;
        }
        let by_number = matches!(
            call.def.name,
            "kill" | "tgkill" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo"
        );
        if by_number && call.int(0) > 0 {
            self.processes.insert(Tid(call.int(0)));
        } else {
            self.any = true;
        }
    }

    /// A recorded process has killed this one.
    pub fn include(&mut self, process: Tid) {
        self.processes.insert(process);
    }

    /// Whether the application may have killed this process.
    #[must_use]
    pub fn includes(&self, process: Tid) -> bool {
        self.any || self.processes.contains(&process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    fn call(name: &str, args: [u64; 6]) -> Call {
        let def = model::by_name(name).expect("a syscall");
        Call { def, args }
    }

    #[test]
    fn own_kills_are_known() {
        let mut kills = Kills::default();
        kills.note(&call("kill", [7, 15, 0, 0, 0, 0]));
        assert!(!kills.includes(Tid(7)));
        kills.note(&call("kill", [7, 9, 0, 0, 0, 0]));
        kills.note(&call("tgkill", [8, 8, 9, 0, 0, 0]));
        assert!(kills.includes(Tid(7)) && kills.includes(Tid(8)));
        assert!(!kills.includes(Tid(9)));
        kills.note(&call("kill", [u64::MAX, 9, 0, 0, 0, 0]));
        assert!(kills.includes(Tid(9)));
    }
}
