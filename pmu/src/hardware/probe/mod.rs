//! Is this machine's counter fit for positions? Tables are not trusted: known code is counted.

mod findings;
mod judge;
mod measure;
#[cfg(test)]
mod simulated_bench;

pub use findings::{Finding, Findings, Severity, Usable};
pub use judge::judge;
pub use measure::{Bench, EventMeasured, MeasureError, Measured, Work, measure};

use super::events::{AMD_SPEC_LOCK_MAP, INTEL_ATOM};
use super::sys::child;
use super::{CounterSpec, Cpu, Environment, Vendor, candidates};

/// Probes the counter of this machine, for threads that run on `cpu`, or on the CPU that the caller
/// is on. Takes some 20 ms where there is a PMU, 1 ms where there is none. Everything happens in a
/// child process.
#[must_use]
pub fn probe(cpu: Option<u32>) -> Findings {
    let identity = Cpu::here();
    let environment = Environment::here();
    let on = cpu.unwrap_or_else(child::current_cpu);
    let pmu = environment.pmu_of(on);
    let mut events = candidates(&identity);
    if pmu.is_some_and(|pmu| pmu.name == "cpu_atom") {
        events.retain(|&event| event != INTEL_ATOM);
        events.insert(0, INTEL_ATOM);
    }
    let zen = matches!(identity.vendor, Vendor::Amd | Vendor::Hygon);
    let locked = zen.then_some(AMD_SPEC_LOCK_MAP);
    // Without one in the list, the kernel is asked all the same: the list may be hidden.
    let number = pmu.map_or(CounterSpec::ANY_CORE, |pmu| pmu.number);
    let measured = child::run(&events, locked, number, on);
    judge(identity, environment, on, measured)
}
