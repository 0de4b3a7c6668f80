//! Which CPU this is, by `/proc/cpuinfo`.

use std::fmt;

/// Who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vendor {
    /// `GenuineIntel`.
    Intel,
    /// `AuthenticAMD`.
    Amd,
    /// `HygonGenuine`: cores by AMD's design (Zen).
    Hygon,
    /// Somebody else, or not said.
    #[default]
    Other,
}

/// A CPU's identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// Who made it.
    pub vendor: Vendor,
    /// Family, with the extended family added (as the kernel prints it).
    pub family: u32,
    /// Model, with the extended model.
    pub model: u32,
    /// Stepping.
    pub stepping: u32,
    /// What it calls itself.
    pub name: String,
    /// A hypervisor says that it is there.
    pub virtual_machine: bool,
}

impl Cpu {
    /// The CPU of this machine; on a file that cannot be read, one that nobody knows.
    #[must_use]
    pub fn here() -> Self {
        std::fs::read_to_string("/proc/cpuinfo")
            .map_or_else(|_| Self::default(), |text| Self::parse(&text))
    }

    /// The first CPU that `/proc/cpuinfo` lists. What it does not say is left at 0.
    #[must_use]
    pub fn parse(cpuinfo: &str) -> Self {
        let mut cpu = Self::default();
        let first = cpuinfo.lines().take_while(|line| !line.trim().is_empty());
        for (key, value) in first.filter_map(|line| line.split_once(':')) {
            let (key, value) = (key.trim(), value.trim());
            let number = value.parse().unwrap_or(0);
            match key {
                "vendor_id" => cpu.vendor = vendor(value),
                "cpu family" => cpu.family = number,
                "model" => cpu.model = number,
                "stepping" => cpu.stepping = number,
                "model name" => value.clone_into(&mut cpu.name),
                "flags" => {
                    cpu.virtual_machine = value.split_whitespace().any(|flag| flag == "hypervisor");
                }
                _ => {}
            }
        }
        cpu
    }
}

fn vendor(id: &str) -> Vendor {
    match id {
        "GenuineIntel" => Vendor::Intel,
        "AuthenticAMD" => Vendor::Amd,
        "HygonGenuine" => Vendor::Hygon,
        _ => Vendor::Other,
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() {
            "a CPU without a name"
        } else {
            &self.name
        };
        write!(
            f,
            "{name} (family {:#x}, model {:#x}, stepping {})",
            self.family, self.model, self.stepping
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cpu_is_read() {
        let text = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n\
                    model name\t: AMD EPYC\nstepping\t: 1\nflags\t\t: fpu hypervisor lahf_lm\n\n\
                    processor\t: 1\nvendor_id\t: GenuineIntel\n";
        let cpu = Cpu::parse(text);
        assert_eq!((cpu.vendor, cpu.family, cpu.model), (Vendor::Amd, 25, 17));
        assert!(cpu.virtual_machine);
        assert_eq!(
            cpu.to_string(),
            "AMD EPYC (family 0x19, model 0x11, stepping 1)"
        );
    }

    #[test]
    fn nonsense_is_nobodys_cpu() {
        for text in ["", ":::", "model : x", "vendor_id"] {
            assert_eq!(Cpu::parse(text), Cpu::default(), "{text}");
        }
    }
}
