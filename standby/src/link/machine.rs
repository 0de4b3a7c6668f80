//! Whether what one machine records can be replayed on the other.

use journal::Machine;

/// How two machines differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    /// What makes a replay impossible.
    pub refused: Vec<String>,
    /// What is only worth knowing: replay notices it if it matters.
    pub noted: Vec<String>,
}

/// How a word of [`Machine::features`] is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Each bit is a feature.
    Bits,
    /// A number: the primary's need not be the standby's.
    Number,
}

/// The words of [`Machine::features`]: four registers for each of these leaves.
const LEAVES: [(&str, [Word; 4]); 6] = {
    use Word::{Bits, Number};
    [
        ("1", [Number, Number, Bits, Bits]),
        ("7.0", [Number, Bits, Bits, Bits]),
        ("7.1", [Bits; 4]),
        ("0xd.1", [Bits, Number, Bits, Bits]),
        ("0x80000001", [Number, Number, Bits, Bits]),
        ("0x80000008", [Number, Bits, Number, Number]),
    ]
};
const REGISTERS: [&str; 4] = ["eax", "ebx", "ecx", "edx"];

/// Compares the machine that records with the one that replays.
#[must_use]
pub fn compare(primary: &Machine, standby: &Machine) -> Differences {
    let mut found = Differences::default();
    let mut refuse_unless = |same: bool, what: String| {
        if !same {
            found.refused.push(what);
        }
    };
    refuse_unless(
        primary.cpu_vendor == standby.cpu_vendor,
        format!(
            "the CPU of the primary is of {}, that of the standby of {}",
            primary.cpu_vendor, standby.cpu_vendor
        ),
    );
    refuse_unless(
        primary.page_size == standby.page_size,
        format!(
            "pages have {} bytes on the primary, {} on the standby",
            primary.page_size, standby.page_size
        ),
    );
    refuse_unless(
        primary.xcr0 & !standby.xcr0 == 0,
        format!(
            "the standby lacks extended states: {:x}",
            primary.xcr0 & !standby.xcr0
        ),
    );
    refuse_unless(
        primary.features.len() == standby.features.len(),
        "the two nodes describe their CPUs in different ways".into(),
    );
    for (index, (&ours, &theirs)) in primary.features.iter().zip(&standby.features).enumerate() {
        compare_word(index, ours, theirs, &mut found);
    }
    if primary.kernel != standby.kernel {
        found.noted.push(format!(
            "kernel {} on the primary, {} on the standby",
            primary.kernel, standby.kernel
        ));
    }
    if primary.cpu_name != standby.cpu_name {
        found.noted.push(format!(
            "{} on the primary, {} on the standby",
            primary.cpu_name, standby.cpu_name
        ));
    }
    if (primary.xcr0, primary.xsave_size) != (standby.xcr0, standby.xsave_size) {
        found
            .noted
            .push("the extended register state differs".into());
    }
    found
}

fn compare_word(index: usize, primary: u32, standby: u32, found: &mut Differences) {
    let (leaf, kind) = LEAVES
        .get(index / 4)
        .map_or(("?", Word::Bits), |(leaf, kinds)| (*leaf, kinds[index % 4]));
    let name = format!("CPUID {leaf} {}", REGISTERS[index % 4]);
    if kind == Word::Number {
        if primary != standby {
            found.noted.push(format!("{name} differs"));
        }
        return;
    }
    let bits = |word: u32| {
        let bits = (0..32).filter(|bit| word >> bit & 1 == 1);
        bits.map(|bit| bit.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (missing, more) = (primary & !standby, standby & !primary);
    if missing != 0 {
        found.refused.push(format!(
            "the standby's CPU lacks features of the primary's: {name} bit {}",
            bits(missing)
        ));
    }
    if more != 0 {
        found.noted.push(format!(
            "the standby's CPU has features that the primary's lacks: {name} bit {}",
            bits(more)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            kernel: "6.1".into(),
            cpu_vendor: "V".into(),
            cpu_family: 6,
            cpu_model: 1,
            cpu_name: "N".into(),
            features: vec![0xff; 24],
            xsave_size: 100,
            xcr0: 7,
            page_size: 4096,
            cpus: 2,
            pinned_cpu: None,
            counter: pmu::Counter::SyncPoint,
        }
    }

    #[test]
    fn what_the_standby_lacks_is_refused_and_what_it_has_more_is_noted() {
        let primary = machine();
        assert_eq!(compare(&primary, &primary), Differences::default());
        let mut standby = machine();
        standby.features[5] = 0x1fe;
        standby.kernel = "6.2".into();
        let found = compare(&primary, &standby);
        assert_eq!(
            found.refused,
            ["the standby's CPU lacks features of the primary's: CPUID 7.0 ebx bit 0"]
        );
        assert_eq!(found.noted.len(), 2, "{found:?}");
        assert!(found.noted[0].contains("bit 8"), "{found:?}");
        standby.features[5] = 0xff;
        standby.features[4] = 1;
        assert!(compare(&primary, &standby).refused.is_empty(), "a number");
    }

    #[test]
    fn other_kinds_of_machines_are_refused() {
        let refused = |change: fn(&mut Machine)| {
            let mut standby = machine();
            change(&mut standby);
            compare(&machine(), &standby).refused.len()
        };
        assert_eq!(refused(|standby| standby.cpu_vendor = "W".into()), 1);
        assert_eq!(refused(|standby| standby.page_size = 16384), 1);
        assert_eq!(refused(|standby| standby.xcr0 = 3), 1);
        assert_eq!(refused(|standby| standby.features.truncate(20)), 1);
        assert_eq!(refused(|standby| standby.xcr0 = 15), 0);
        assert_eq!(refused(|standby| standby.cpus = 1), 0);
    }
}
