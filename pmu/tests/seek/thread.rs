//! A simulated thread under a simulated tracer.

use pmu::hardware::{
    Ask, BranchCounter, CounterSource, CounterSpec, Faults, Limits, Period, Place, RawEvent, Seek,
    SeekError, SeekStats, SimulatedCounter, SimulatedPmu, Why,
};
use pmu::{Rcb, Signature};

/// One executed instruction: where it stands, the registers before it, and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Instruction {
    pub ip: u64,
    pub signature: Signature,
    pub branch: bool,
}

/// How a seek ended: where in the program, or why not.
#[derive(Debug)]
pub struct Run {
    pub end: Result<usize, SeekError>,
    pub stats: SeekStats,
}

/// A thread that executes a program, which is the list of what is executed; behind its end is a
/// sync point.
pub struct Thread<'a> {
    program: &'a [Instruction],
    /// Branches before each instruction, as they really are.
    counts: Vec<u64>,
    at: usize,
    pmu: SimulatedPmu,
    counter: SimulatedCounter,
    /// An interrupt came while a step was reported.
    pending: bool,
}

/// A tracer loses its patience after so many instructions.
const PATIENCE: usize = 700;

impl<'a> Thread<'a> {
    /// One that stands at instruction `at`, from where branches are counted.
    pub fn new(program: &'a [Instruction], at: usize, faults: Faults, seed: u64) -> Self {
        let mut pmu = SimulatedPmu::new(faults, seed);
        let spec = CounterSpec::of_calling_thread(RawEvent(0), 16);
        let mut counter = pmu.open(&spec).expect("it is not refused");
        counter.enable().expect("enabled");
        let mut counts = Vec::new();
        let mut count = 0;
        for (index, instruction) in program.iter().enumerate() {
            counts.push(count);
            count += u64::from(index >= at && instruction.branch);
        }
        Self {
            program,
            counts,
            at,
            pmu,
            counter,
            pending: false,
        }
    }

    /// The true position before this instruction.
    pub fn place(&self, at: usize) -> Place {
        let Instruction { ip, signature, .. } = self.program[at];
        Place {
            rcb: Rcb(self.counts[at]),
            ip,
            signature,
        }
    }

    /// To the first place that is taken for the target.
    pub fn seek(&mut self, target: Place, limits: Limits) -> Run {
        self.drive(target, limits, |_| true)
    }

    /// To the place that is taken for the target and has the target's memory, too.
    pub fn seek_exactly(&mut self, target: Place, limits: Limits, at: usize) -> Run {
        self.drive(target, limits, |found| found == at)
    }

    fn drive(&mut self, target: Place, limits: Limits, same: impl Fn(usize) -> bool) -> Run {
        let (mut seek, mut ask) = match Seek::begin(target, limits, self.seen()) {
            Ok(begun) => begun,
            Err(error) => {
                let stats = SeekStats::default();
                return Run {
                    end: Err(error),
                    stats,
                };
            }
        };
        let end = loop {
            let next = match ask {
                Ask::Arrived if same(self.at) => break Ok(self.at),
                Ask::Arrived => seek.differs(),
                Ask::Step | Ask::Run { .. } => {
                    let why = self.obey(ask);
                    let seen = self.seen();
                    seek.stopped(why, seen)
                }
            };
            match next {
                Ok(next) => ask = next,
                Err(error) => break Err(error),
            }
        };
        let stats = seek.stats();
        Run { end, stats }
    }

    /// What a tracer sees: the count is the counter's.
    fn seen(&mut self) -> Place {
        let rcb = self.counter.read().expect("a count");
        match self.program.get(self.at) {
            Some(&Instruction { ip, signature, .. }) => Place { rcb, ip, signature },
            None => Place {
                rcb,
                ip: 0,
                signature: Signature(0),
            },
        }
    }

    fn obey(&mut self, ask: Ask) -> Why {
        if std::mem::take(&mut self.pending) {
            return Why::Interrupt;
        }
        match ask {
            Ask::Step => self.step(),
            Ask::Run {
                interrupt,
                breakpoint,
            } => {
                self.counter.set_period(interrupt).expect("set");
                self.run(breakpoint)
            }
            Ask::Arrived => unreachable!("the caller ends there"),
        }
    }

    fn step(&mut self) -> Why {
        let Some(instruction) = self.program.get(self.at) else {
            return Why::SyncPoint;
        };
        self.at += 1;
        self.pending = self.pmu.retire(instruction.branch);
        if self.at == self.program.len() {
            return Why::SyncPoint;
        }
        // A tracer that does not decode what it steps is served as well.
        let branch = self.at.is_multiple_of(2).then_some(instruction.branch);
        Why::Step { branch }
    }

    fn run(&mut self, breakpoint: Option<u64>) -> Why {
        for _ in 0..PATIENCE {
            let Some(instruction) = self.program.get(self.at) else {
                return Why::SyncPoint;
            };
            if breakpoint == Some(instruction.ip) {
                return Why::Breakpoint;
            }
            self.at += 1;
            if self.pmu.retire(instruction.branch) {
                return Why::Interrupt;
            }
        }
        Why::Halt
    }

    /// Lets it run to the sync point: the count there.
    pub fn run_to_the_end(&mut self) -> Rcb {
        self.counter.set_period(Period::NEVER).expect("set");
        while self.run(None) != Why::SyncPoint {}
        self.counter.read().expect("a count")
    }
}
