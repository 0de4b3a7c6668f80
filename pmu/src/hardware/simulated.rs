//! A counter without a PMU, with the faults that PMUs and hypervisors were seen to have, so that
//! what depends on a counter is tested on every machine.
//!
//! Whoever simulates a thread tells of each instruction that it retires
//! ([`SimulatedPmu::retire`]), and learns when the interrupt comes.

use super::{BranchCounter, CounterError, CounterSource, CounterSpec, OpenError, Period};
use crate::Rcb;
use std::cell::RefCell;
use std::rc::Rc;

/// What is wrong with a counter. By default nothing is: it counts exactly, and interrupts at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Instructions between the overflow and the interrupt, at most; how many is random.
    pub skid_max: u64,
    /// Of a thousand interrupts, how many never come.
    pub lost_per_mille: u64,
    /// Of a thousand branches, how many are counted twice (as around AMD's `SpecLockMap`).
    pub twice_per_mille: u64,
    /// Of a thousand branches, how many are not counted.
    pub missed_per_mille: u64,
    /// Branches that each interrupt adds (as on Xen, where it is counted itself).
    pub added_by_interrupt: u64,
    /// Of a thousand readings, how many are lower than the truth.
    pub backwards_per_mille: u64,
    /// Of a thousand stretches of a period, how many end early.
    pub early_per_mille: u64,
    /// A new period counts from the next overflow on only.
    pub period_late: bool,
    /// Opening fails with this `errno`, unless it is 0.
    pub refused: i32,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    random: u64,
    enabled: bool,
    count: u64,
    period: u64,
    /// Branches until the overflow.
    left: u64,
    /// Instructions until the interrupt of an overflow that was.
    pending: Option<u64>,
}

impl State {
    /// Of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn happens(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.random() % 1000 < per_mille
    }

    fn branch(&mut self) {
        let counted = if self.happens(self.faults.missed_per_mille) {
            0
        } else {
            1 + u64::from(self.happens(self.faults.twice_per_mille))
        };
        self.count += counted;
        self.left = self.left.saturating_sub(counted);
        let early = self.happens(self.faults.early_per_mille);
        if self.left == 0 || early {
            self.left = self.period;
            let skid = self.random() % (self.faults.skid_max + 1);
            if !self.happens(self.faults.lost_per_mille) && self.pending.is_none() {
                self.pending = Some(skid);
            }
        }
    }

    fn retire(&mut self, branch: bool) -> bool {
        if !self.enabled {
            return false;
        }
        match self.pending {
            None if branch => self.branch(),
            None => {}
            Some(skid) => {
                self.pending = Some(skid.saturating_sub(1));
                if branch {
                    self.branch();
                }
            }
        }
        let interrupt = self.pending == Some(0);
        if interrupt {
            self.pending = None;
            self.count += self.faults.added_by_interrupt;
        }
        interrupt
    }
}

/// A simulated PMU of one thread, which has at most one counter.
#[derive(Debug, Clone)]
pub struct SimulatedPmu(Rc<RefCell<State>>);

impl SimulatedPmu {
    /// With these faults, whose chances come from `seed` alone.
    #[must_use]
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self(Rc::new(RefCell::new(State {
            faults,
            random: seed,
            enabled: false,
            count: 0,
            period: Period::NEVER.branches(),
            left: Period::NEVER.branches(),
            pending: None,
        })))
    }

    /// The thread has executed one instruction. Whether the counter's interrupt stops it now.
    pub fn retire(&self, branch: bool) -> bool {
        self.0.borrow_mut().retire(branch)
    }
}

impl CounterSource for SimulatedPmu {
    type Counter = SimulatedCounter;

    fn open(&mut self, spec: &CounterSpec) -> Result<SimulatedCounter, OpenError> {
        let mut state = self.0.borrow_mut();
        if state.faults.refused != 0 {
            return Err(OpenError {
                what: "perf_event_open",
                errno: state.faults.refused,
            });
        }
        state.enabled = false;
        state.count = 0;
        state.period = spec.period.branches();
        state.left = state.period;
        state.pending = None;
        Ok(SimulatedCounter {
            pmu: self.clone(),
            signal: spec.signal,
        })
    }
}

/// Its counter.
#[derive(Debug)]
pub struct SimulatedCounter {
    pmu: SimulatedPmu,
    signal: i32,
}

impl BranchCounter for SimulatedCounter {
    fn enable(&mut self) -> Result<(), CounterError> {
        self.pmu.0.borrow_mut().enabled = true;
        Ok(())
    }

    fn disable(&mut self) -> Result<(), CounterError> {
        self.pmu.0.borrow_mut().enabled = false;
        Ok(())
    }

    fn reset(&mut self) -> Result<(), CounterError> {
        self.pmu.0.borrow_mut().count = 0;
        Ok(())
    }

    fn set_period(&mut self, period: Period) -> Result<(), CounterError> {
        let mut state = self.pmu.0.borrow_mut();
        state.period = period.branches();
        if !state.faults.period_late {
            state.left = state.period;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Rcb, CounterError> {
        let mut state = self.pmu.0.borrow_mut();
        let per_mille = state.faults.backwards_per_mille;
        let lower = state.happens(per_mille);
        let less = if lower { 1 + state.random() % 64 } else { 0 };
        Ok(Rcb(state.count.saturating_sub(less)))
    }

    fn signal(&self) -> i32 {
        self.signal
    }
}

#[cfg(test)]
mod tests {
    use super::super::RawEvent;
    use super::*;

    fn open(faults: Faults) -> (SimulatedPmu, SimulatedCounter) {
        let mut pmu = SimulatedPmu::new(faults, 1);
        let spec = CounterSpec::of_calling_thread(RawEvent(1), 16);
        let counter = pmu.open(&spec).expect("it is not refused");
        (pmu, counter)
    }

    #[test]
    fn without_faults_it_is_exact() {
        let (pmu, mut counter) = open(Faults::default());
        assert!(!pmu.retire(true));
        assert_eq!(counter.read(), Ok(Rcb(0)), "it is not enabled yet");
        counter.enable().expect("enabled");
        counter
            .set_period(Period::new(3).expect("a period"))
            .expect("set");
        let interrupts: Vec<bool> = [true, false, true, false, true, true, true, true]
            .map(|branch| pmu.retire(branch))
            .to_vec();
        assert_eq!(
            interrupts,
            [false, false, false, false, true, false, false, true]
        );
        assert_eq!(counter.read(), Ok(Rcb(6)));
    }

    #[test]
    fn an_interrupt_comes_by_its_skid_too_late() {
        let (pmu, mut counter) = open(Faults {
            skid_max: 5,
            ..Faults::default()
        });
        counter.enable().expect("enabled");
        counter
            .set_period(Period::new(100).expect("a period"))
            .expect("set");
        let mut seen = [false; 6];
        for _ in 0..200 {
            counter.reset().expect("reset");
            counter
                .set_period(Period::new(100).expect("a period"))
                .expect("set");
            while !pmu.retire(true) {}
            let late = counter.read().expect("read").0 - 100;
            seen[usize::try_from(late).expect("small")] = true;
        }
        assert_eq!(seen, [true; 6]);
    }
}
