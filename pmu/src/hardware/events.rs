//! Which raw event counts retired conditional branches, by CPU.
//!
//! Sources of the events: the vendors' event lists as the kernel has them
//! (`tools/perf/pmu-events/arch/x86/`: `BR_INST_RETIRED.CONDITIONAL`, `.COND`, `.JCC`;
//! `ex_ret_cond`), the model numbers `arch/x86/include/asm/intel-family.h` of Linux. Sources of
//! the skids: the rr project's table (`src/PerfCounters.cc`), which many machines have tried; for
//! AMD it says that there is no bound, so a run to a target can miss it there and must then fail.

use super::{Cpu, RawEvent, Vendor};

/// Intel's event up to Comet Lake: `BR_INST_RETIRED.CONDITIONAL`.
const INTEL_CORE: RawEvent = RawEvent(0x51_01c4);
/// Intel's event from Ice Lake on: `BR_INST_RETIRED.COND`.
const INTEL_ICE_LAKE: RawEvent = RawEvent(0x51_11c4);
/// Intel's event on Atom and E-cores: `BR_INST_RETIRED.COND`, before `.JCC`.
pub(super) const INTEL_ATOM: RawEvent = RawEvent(0x51_7ec4);
/// AMD's event since Zen: `ex_ret_cond`.
const AMD_ZEN: RawEvent = RawEvent(0x51_00d1);
/// Locked instructions that the core ran ahead of (`SpecLockMapCommit`, PMCx025 bit 3): while
/// it does, the branches after one can be counted twice.
pub(super) const AMD_SPEC_LOCK_MAP: RawEvent = RawEvent(0x51_0825);

/// What is known of a CPU's event before it was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The microarchitecture, as its maker calls it.
    pub name: &'static str,
    /// The event.
    pub event: RawEvent,
    /// Branches that others have seen go by between an overflow and the interrupt, at most.
    pub skid_max: u64,
}

struct Row {
    vendor: Vendor,
    family: u32,
    /// Every model of the family if empty.
    models: &'static [u32],
    known: Known,
}

const fn row(
    vendor: Vendor,
    family: u32,
    models: &'static [u32],
    name: &'static str,
    event: RawEvent,
    skid_max: u64,
) -> Row {
    Row {
        vendor,
        family,
        models,
        known: Known {
            name,
            event,
            skid_max,
        },
    }
}

const fn core(models: &'static [u32], name: &'static str) -> Row {
    row(Vendor::Intel, 6, models, name, INTEL_CORE, 100)
}

const fn ice(models: &'static [u32], name: &'static str, skid_max: u64) -> Row {
    row(Vendor::Intel, 6, models, name, INTEL_ICE_LAKE, skid_max)
}

const fn atom(models: &'static [u32], name: &'static str) -> Row {
    row(Vendor::Intel, 6, models, name, INTEL_ATOM, 125)
}

const fn zen(vendor: Vendor, family: u32, name: &'static str) -> Row {
    row(vendor, family, &[], name, AMD_ZEN, 10_000)
}

const TABLE: &[Row] = &[
    core(&[0x1a, 0x1e, 0x1f, 0x2e], "Nehalem"),
    core(&[0x25, 0x2c, 0x2f], "Westmere"),
    core(&[0x2a, 0x2d], "Sandy Bridge"),
    core(&[0x3a, 0x3e], "Ivy Bridge"),
    core(&[0x3c, 0x3f, 0x45, 0x46], "Haswell"),
    core(&[0x3d, 0x47, 0x4f, 0x56], "Broadwell"),
    core(&[0x4e, 0x5e, 0x55], "Skylake"),
    core(&[0x8e, 0x9e], "Kaby Lake"),
    core(&[0xa5, 0xa6], "Comet Lake"),
    ice(&[0x6a, 0x6c, 0x7d, 0x7e, 0x9d], "Ice Lake", 100),
    ice(&[0x8c, 0x8d], "Tiger Lake", 100),
    ice(&[0xa7], "Rocket Lake", 100),
    ice(&[0x97, 0x9a], "Alder Lake", 125),
    ice(&[0xb7, 0xba, 0xbf], "Raptor Lake", 125),
    ice(&[0xaa, 0xac], "Meteor Lake", 125),
    ice(&[0xb5, 0xc5, 0xc6], "Arrow Lake", 125),
    ice(&[0xbd], "Lunar Lake", 125),
    ice(&[0x8f], "Sapphire Rapids", 125),
    ice(&[0xcf], "Emerald Rapids", 125),
    ice(&[0xad, 0xae], "Granite Rapids", 125),
    atom(&[0x37, 0x4a, 0x4d], "Silvermont"),
    atom(&[0x4c, 0x5a], "Airmont"),
    atom(&[0x5c, 0x5f], "Goldmont"),
    atom(&[0x7a], "Goldmont Plus"),
    atom(&[0x57, 0x85], "Xeon Phi"),
    atom(&[0x86, 0x96, 0x9c], "Tremont"),
    atom(&[0xbe], "Gracemont"),
    atom(&[0xaf, 0xb6], "Crestmont"),
    zen(Vendor::Amd, 0x17, "Zen, Zen+ or Zen 2"),
    zen(Vendor::Amd, 0x19, "Zen 3 or Zen 4"),
    zen(Vendor::Amd, 0x1a, "Zen 5"),
    zen(Vendor::Hygon, 0x18, "Dhyana"),
];

/// What is known of this CPU's cores (its performance cores, if it has two kinds).
#[must_use]
pub fn known(cpu: &Cpu) -> Option<&'static Known> {
    let row = TABLE.iter().find(|row| {
        row.vendor == cpu.vendor
            && row.family == cpu.family
            && (row.models.is_empty() || row.models.contains(&cpu.model))
    })?;
    Some(&row.known)
}

/// The events to try on this CPU, the likeliest first, none twice: an unknown CPU gets a trial of
/// all that its maker ever used, and one of an unknown maker a trial of all.
#[must_use]
pub fn candidates(cpu: &Cpu) -> Vec<RawEvent> {
    let by_vendor: &[RawEvent] = match cpu.vendor {
        // The newest first: what is not in the table is newer than the table.
        Vendor::Intel => &[INTEL_ICE_LAKE, INTEL_ATOM, INTEL_CORE],
        Vendor::Amd | Vendor::Hygon => &[AMD_ZEN],
        Vendor::Other => &[INTEL_ICE_LAKE, INTEL_ATOM, INTEL_CORE, AMD_ZEN],
    };
    let mut found: Vec<RawEvent> = known(cpu).map(|known| known.event).into_iter().collect();
    for event in by_vendor {
        if !found.contains(event) {
            found.push(*event);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(vendor: Vendor, family: u32, model: u32) -> Cpu {
        Cpu {
            vendor,
            family,
            model,
            ..Cpu::default()
        }
    }

    #[test]
    fn known_cpus() {
        for (cpu, name, event) in [
            (cpu(Vendor::Intel, 6, 0x9e), "Kaby Lake", 0x51_01c4),
            (cpu(Vendor::Intel, 6, 0xa6), "Comet Lake", 0x51_01c4),
            (cpu(Vendor::Intel, 6, 0x7e), "Ice Lake", 0x51_11c4),
            (cpu(Vendor::Intel, 6, 0x8f), "Sapphire Rapids", 0x51_11c4),
            (cpu(Vendor::Intel, 6, 0xbe), "Gracemont", 0x51_7ec4),
            (cpu(Vendor::Amd, 0x19, 0x11), "Zen 3 or Zen 4", 0x51_00d1),
        ] {
            let found = known(&cpu).unwrap_or_else(|| panic!("{cpu} is not known"));
            assert_eq!((found.name, found.event), (name, RawEvent(event)));
            assert_eq!(candidates(&cpu).first(), Some(&RawEvent(event)), "{cpu}");
        }
    }

    #[test]
    fn an_unknown_cpu_is_tried() {
        assert_eq!(known(&cpu(Vendor::Amd, 0x15, 2)), None);
        assert_eq!(candidates(&cpu(Vendor::Amd, 0x15, 2)), [AMD_ZEN]);
        assert_eq!(candidates(&cpu(Vendor::Intel, 19, 1))[0], INTEL_ICE_LAKE);
        assert_eq!(candidates(&Cpu::default()).len(), 4);
        assert_eq!(candidates(&cpu(Vendor::Intel, 6, 0x9e)).len(), 3);
    }

    #[test]
    fn no_model_is_in_the_table_twice() {
        for (index, row) in TABLE.iter().enumerate() {
            let later = TABLE.iter().skip(index + 1);
            for other in
                later.filter(|other| (other.vendor, other.family) == (row.vendor, row.family))
            {
                assert!(
                    !other.models.is_empty() && !row.models.is_empty(),
                    "{}",
                    row.known.name
                );
                let twice = row.models.iter().find(|model| other.models.contains(model));
                assert_eq!(twice, None, "{} and {}", row.known.name, other.known.name);
            }
        }
    }
}
