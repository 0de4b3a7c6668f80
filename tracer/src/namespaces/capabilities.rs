//! Which privileges namespaces take, and which of them this process has not.

use super::{ClockOffsets, Network, Plan};

/// Names and numbers (include/uapi/linux/capability.h).
const SYS_ADMIN: (&str, u32) = ("CAP_SYS_ADMIN", 21);
const SYS_CHROOT: (&str, u32) = ("CAP_SYS_CHROOT", 18);
const SYS_TIME: (&str, u32) = ("CAP_SYS_TIME", 25);
const NET_ADMIN: (&str, u32) = ("CAP_NET_ADMIN", 12);

/// What the plan takes and this process has not.
pub(super) fn missing(plan: &Plan) -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let had = effective(&status);
    needed(plan)
        .into_iter()
        .filter(|(_, number)| had & (1 << number) == 0)
        .map(|(name, _)| name)
        .collect()
}

fn needed(plan: &Plan) -> Vec<(&'static str, u32)> {
    let mut needed = vec![SYS_ADMIN, SYS_CHROOT];
    if plan.clocks != ClockOffsets::default() {
        needed.push(SYS_TIME);
    }
    if matches!(plan.network, Network::New) {
        needed.push(NET_ADMIN);
    }
    needed
}

fn effective(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_counts() {
        assert_eq!(
            effective("CapPrm:\tff\nCapEff:\t0000000000200000\n"),
            1 << 21
        );
        assert_eq!(effective("nothing of the kind"), 0);
    }

    #[test]
    fn a_plan_needs_what_it_uses() {
        let mut plan = Plan::default();
        assert_eq!(needed(&plan), [SYS_ADMIN, SYS_CHROOT]);
        plan.network = Network::New;
        plan.clocks.boottime_ns = 1;
        assert_eq!(needed(&plan), [SYS_ADMIN, SYS_CHROOT, SYS_TIME, NET_ADMIN]);
    }
}
