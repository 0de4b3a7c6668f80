//! What a journal says about itself: which program wrote it, when, on what machine.

use serde::{Deserialize, Serialize};

/// Stands at the beginning of every segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`crate::FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Version of the ftrun that recorded.
    pub ftrun_version: String,
    /// When the recording began, in nanoseconds since the Unix epoch.
    pub created_unix_ns: u64,
    /// Where it was made.
    pub machine: Machine,
}

/// The recording machine, as far as it matters to a replay elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: String,
    /// Vendor string of the CPU.
    pub cpu_vendor: String,
    /// CPU family, extended family added.
    pub cpu_family: u32,
    /// CPU model, extended model included.
    pub cpu_model: u32,
    /// Brand string of the CPU.
    pub cpu_name: String,
    /// The raw CPUID words that decide whether a recording can be replayed elsewhere.
    pub features: Vec<u32>,
    /// Bytes of the XSAVE area for `xcr0`.
    pub xsave_size: u32,
    /// Extended states that the kernel enabled.
    pub xcr0: u64,
    /// Bytes of a page.
    pub page_size: u32,
    /// CPUs online.
    pub cpus: u32,
    /// The CPU that application and tracer shared, if they were pinned.
    pub pinned_cpu: Option<u32>,
    /// How positions were counted.
    pub counter: pmu::Counter,
}
