//! A bench for tests, on a simulated counter.

use super::super::{
    Bench, BranchCounter, CounterError, CounterSource, CounterSpec, Faults, OpenError, RawEvent,
    SimulatedCounter, SimulatedPmu, Work,
};

/// A bench whose CPU knows one event; others count nothing.
pub struct SimulatedBench {
    pmu: SimulatedPmu,
    /// The event.
    pub event: RawEvent,
    counts: bool,
    interrupts: (u64, u64),
    /// What AMD's event of locked instructions counts.
    pub ahead: bool,
}

/// The event that counts, unless another one is set.
pub const EVENT: RawEvent = RawEvent(0x51_11c4);
/// AMD's event of locked instructions.
pub const AHEAD: RawEvent = RawEvent(0x51_0825);

impl SimulatedBench {
    pub fn new(faults: Faults, seed: u64) -> Self {
        let pmu = SimulatedPmu::new(faults, seed);
        Self {
            pmu,
            event: EVENT,
            counts: false,
            interrupts: (0, 0),
            ahead: false,
        }
    }
}

impl Bench for SimulatedBench {
    type Counter = SimulatedCounter;

    fn open(&mut self, spec: &CounterSpec) -> Result<SimulatedCounter, OpenError> {
        self.counts = spec.event == self.event || (spec.event == AHEAD && self.ahead);
        self.pmu.open(spec)
    }

    fn watch(&mut self, _: &SimulatedCounter) {
        self.interrupts = (0, 0);
    }

    fn work(
        &mut self,
        counter: &mut SimulatedCounter,
        _: Work,
        loops: u64,
    ) -> Result<(), CounterError> {
        for instruction in 0..loops * 4 {
            if self.pmu.retire(self.counts && instruction % 2 == 1) {
                self.interrupts.0 += 1;
                if self.interrupts.0 == 1 {
                    self.interrupts.1 = counter.read()?.0;
                }
            }
        }
        Ok(())
    }

    fn interrupts(&mut self) -> (u64, u64) {
        self.interrupts
    }
}
