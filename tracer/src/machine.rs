//! What this machine is: stored with a recording, compared at replay.

use journal::Machine;
use std::arch::x86_64::{__cpuid_count, _xgetbv};

/// CPUID leaves whose answers programs act on: (leaf, subleaf), all four words of each.
/// Words that hold the number of the current CPU are left out of the comparison.
const LEAVES: [(u32, u32); 6] = [
    (1, 0),
    (7, 0),
    (7, 1),
    (0xd, 1),
    (0x8000_0001, 0),
    (0x8000_0008, 0),
];

/// Describes this machine.
#[must_use]
pub fn describe(pinned_cpu: Option<usize>) -> Machine {
    let vendor_words = cpuid(0, 0);
    let vendor = text(&[vendor_words[1], vendor_words[3], vendor_words[2]]);
    let name: Vec<u32> = (0x8000_0002..=0x8000_0004)
        .flat_map(|leaf| cpuid(leaf, 0))
        .collect();
    let signature = cpuid(1, 0)[0];
    let base_family = signature >> 8 & 0xf;
    let family = if base_family == 0xf {
        base_family + (signature >> 20 & 0xff)
    } else {
        base_family
    };
    let model = signature >> 4 & 0xf | signature >> 12 & 0xf0;
    let os_saves = cpuid(1, 0)[2] & 1 << 27 != 0;
    Machine {
        kernel: kernel_release(),
        cpu_vendor: vendor,
        cpu_family: family,
        cpu_model: model,
        cpu_name: text(&name).trim().to_owned(),
        features: LEAVES
            .iter()
            .flat_map(|&(leaf, sub)| features(leaf, sub))
            .collect(),
        xsave_size: if os_saves { cpuid(0xd, 0)[1] } else { 0 },
        // SAFETY: OSXSAVE says that the instruction is there.
        xcr0: if os_saves { unsafe { xgetbv0() } } else { 0 },
        page_size: 4096,
        cpus: std::thread::available_parallelism()
            .map_or(1, |n| u32::try_from(n.get()).unwrap_or(1)),
        pinned_cpu: pinned_cpu.and_then(|cpu| u32::try_from(cpu).ok()),
        counter: pmu::Counter::SyncPoint,
    }
}

fn features(leaf: u32, sub: u32) -> [u32; 4] {
    let mut words = cpuid(leaf, sub);
    if leaf == 1 {
        // APIC id; and whether this kernel has enabled protection keys and the like.
        words[1] &= 0x00ff_ffff;
    }
    words
}

fn cpuid(leaf: u32, sub: u32) -> [u32; 4] {
    let found = __cpuid_count(leaf, sub);
    [found.eax, found.ebx, found.ecx, found.edx]
}

/// # Safety
/// The CPU must have XGETBV enabled (OSXSAVE).
#[target_feature(enable = "xsave")]
unsafe fn xgetbv0() -> u64 {
    // SAFETY: promised by the caller.
    unsafe { _xgetbv(0) }
}

fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .take_while(|&b| b != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Why a recording made on `recorded` may not replay on `here`; empty if it will.
#[must_use]
pub fn differences(recorded: &Machine, here: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    if recorded.features != here.features {
        found.push(format!(
            "CPU features differ (recorded on {}, this is {})",
            recorded.cpu_name, here.cpu_name
        ));
    }
    if (recorded.xcr0, recorded.xsave_size) != (here.xcr0, here.xsave_size) {
        found.push("the extended register state differs".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_equals_itself() {
        let here = describe(Some(0));
        assert!(
            !here.cpu_vendor.is_empty() && here.xsave_size >= 576,
            "{here:?}"
        );
        assert_eq!(differences(&here, &describe(None)), Vec::<String>::new());
    }

    #[test]
    fn a_missing_feature_is_told() {
        let here = describe(None);
        let mut other = here.clone();
        other.features[2] ^= 1;
        assert_eq!(differences(&other, &here).len(), 1);
    }
}
