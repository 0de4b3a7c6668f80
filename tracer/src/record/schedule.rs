//! For how long a thread has the logical CPU, and who is next.

use crate::sys::host;
use crate::sys::wait::Pid;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// The rules by which threads take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long a thread keeps the logical CPU while others wait for it.
    pub slice: Duration,
    /// How long one that is not counted computes, while others wait, before it is stopped where it is. That takes a look at
    /// all its memory, here and in replay.
    pub native_slice: Duration,
    /// Turns and their order are drawn by chance, from this seed.
    pub chaos: Option<u64>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            slice: Duration::from_millis(10),
            native_slice: Duration::from_millis(50),
            chaos: None,
        }
    }
}

/// The distance of ticks, at which it is looked at who computes: more than a slice, so that one that is about to end
/// is not interrupted.
const TICK: Duration = Duration::from_millis(20);
/// How many instructions behind a branch a thread is stopped at most.
const STEPS_MAX: u64 = 16;
/// Where turns are drawn by chance, how long a thread that is not counted has the CPU.
const CHAOS_MAX: Duration = Duration::from_secs(1);

impl Rules {
    /// The distance of ticks.
    pub fn tick(&self) -> Duration {
        let slice = if self.slice < Self::default().slice {
            self.slice
        } else {
            TICK.max(self.slice)
        };
        slice.min(self.native_slice).max(Duration::from_millis(1))
    }
}

/// The turn of the thread that has the logical CPU.
#[derive(Debug)]
pub struct Schedule {
    rules: Rules,
    /// When it began, by the machine's uptime.
    start: Duration,
    random: Random,
    chaos: Option<Chaos>,
}

impl Schedule {
    /// A first turn begins.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            start: host::uptime(),
            random: Random(host::uptime().subsec_nanos().into()),
            chaos: rules.chaos.map(Chaos::new),
        }
    }

    /// A turn begins. `others` could run, too.
    pub fn begin(&mut self, others: bool) {
        self.start = host::uptime();
        if let Some(chaos) = &mut self.chaos {
            chaos.alone = true;
            chaos.among(others);
        }
    }

    /// It is known whether others could run.
    pub const fn among(&mut self, others: bool) {
        if let Some(chaos) = &mut self.chaos {
            chaos.among(others);
        }
    }

    /// Others that could run are next.
    pub fn end(&mut self) {
        self.start = host::uptime().saturating_sub(self.rules.slice);
        if let Some(chaos) = &mut self.chaos {
            chaos.left = 0;
        }
    }

    /// Whether others are next, if there are any.
    pub fn is_over(&self) -> bool {
        match &self.chaos {
            Some(chaos) => chaos.left == 0,
            None => self.lasts_for() >= self.rules.slice,
        }
    }

    /// Whether a thread that is not counted has computed for long.
    pub fn is_long(&self) -> bool {
        self.lasts_for() >= self.rules.native_slice
    }

    /// Whether turns are drawn by chance, and a thread that is not counted has had the CPU for long.
    pub fn is_stale(&self) -> bool {
        self.chaos.is_some() && self.lasts_for() >= CHAOS_MAX
    }

    /// How long the thread that has the CPU has had it.
    pub fn lasts_for(&self) -> Duration {
        host::uptime().saturating_sub(self.start)
    }

    /// Who is next of those that could run.
    pub fn next(&mut self, ready: &mut VecDeque<Pid>) -> Option<Pid> {
        match &mut self.chaos {
            Some(chaos) => chaos.next(ready),
            None => ready.pop_front(),
        }
    }

    /// How many conditional branches are left of a turn that was drawn by chance.
    pub fn branches(&self) -> Option<u64> {
        self.chaos.as_ref().map(|chaos| chaos.left)
    }

    /// How many instructions behind a branch a thread is stopped.
    pub fn steps(&mut self) -> u64 {
        let random = match &mut self.chaos {
            Some(chaos) => &mut chaos.random,
            None => &mut self.random,
        };
        random.below(STEPS_MAX + 1)
    }

    /// So many were executed.
    pub const fn executed(&mut self, branches: u64) {
        if let Some(chaos) = &mut self.chaos
            && !chaos.alone
        {
            chaos.left = chaos.left.saturating_sub(branches);
        }
    }

    /// A sync point was passed.
    pub const fn at_sync_point(&mut self) {
        self.executed(Chaos::SYNC_POINT);
    }
}

/// Turns and their order drawn by chance, in units that the application alone decides: the same seed draws the same.
///
/// Nothing is drawn where there is no choice: how a program begins, for one, takes more branches with one environment
/// than with another, and would change all turns behind it.
#[derive(Debug)]
struct Chaos {
    random: Random,
    /// Conditional branches left of the turn.
    left: u64,
    /// Nobody else could run: the turn does not get shorter, and a new one is drawn once somebody could.
    alone: bool,
    priorities: FxHashMap<Pid, u64>,
}

impl Chaos {
    /// Turns have at most 2 to the power of so many branches; half of them have no more than to half that power.
    const BITS: u64 = 16;
    /// What a sync point counts.
    const SYNC_POINT: u64 = 16;
    /// After how many branches it is asked whether a thread that could run alone still is.
    const ALONE: u64 = 1 << Self::BITS;
    /// How often priorities are drawn anew, and how often nobody asks for them: of so many turns, in one.
    const OTHERS: u64 = 16;
    const ANYBODY: u64 = 8;

    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            left: Self::ALONE,
            alone: true,
            priorities: FxHashMap::default(),
        }
    }

    const fn among(&mut self, others: bool) {
        if !others {
            self.alone = true;
            self.left = Self::ALONE;
        } else if std::mem::replace(&mut self.alone, false) {
            let bits = self.random.below(Self::BITS + 1);
            self.left = 1 + self.random.below(1 << bits);
        }
    }

    /// Whoever has the highest priority; now and then, anybody. Priorities last for a while: what one thread does many
    /// times while another does nothing is found so.
    fn next(&mut self, ready: &mut VecDeque<Pid>) -> Option<Pid> {
        if ready.len() < 2 {
            return ready.pop_front();
        }
        // Of several that were woken, anybody may have reported first.
        ready.make_contiguous().sort_unstable();
        if self.random.below(Self::OTHERS) == 0 {
            self.priorities.clear();
        }
        let any = self.random.below(Self::ANYBODY) == 0;
        for tid in ready.iter() {
            let random = &mut self.random;
            self.priorities.entry(*tid).or_insert_with(|| random.next());
        }
        let index = if any {
            let index = self.random.below(ready.len() as u64);
            usize::try_from(index).unwrap_or(0)
        } else {
            let priority = |tid: &Pid| self.priorities.get(tid).copied();
            let first = ready
                .iter()
                .enumerate()
                .max_by_key(|(_, tid)| priority(tid));
            first.map_or(0, |(index, _)| index)
        };
        ready.remove(index)
    }
}

/// Numbers from a seed: `splitmix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number less than `limit`, which is not 0.
    const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(seed: u64) -> Vec<(i32, u64)> {
        let mut schedule = Schedule::new(Rules {
            chaos: Some(seed),
            ..Rules::default()
        });
        let mut ready: VecDeque<Pid> = (1..=4).map(Pid).collect();
        let mut turns = Vec::new();
        for _ in 0..1000 {
            let tid = schedule.next(&mut ready).expect("somebody");
            schedule.begin(true);
            turns.push((tid.0, schedule.branches().expect("by chance")));
            ready.push_back(tid);
        }
        turns
    }

    #[test]
    fn a_seed_draws_the_same_turns_again_and_nobody_starves() {
        assert_eq!(turns(7), turns(7));
        assert_ne!(turns(7), turns(8));
        for seed in 0..20 {
            let turns = turns(seed);
            for thread in 1..=4 {
                let number = turns.iter().filter(|(tid, _)| *tid == thread).count();
                assert!(number >= 50, "thread {thread} of seed {seed}: {number}");
            }
            let short = turns.iter().filter(|(_, left)| *left <= 1000).count();
            assert!((500..750).contains(&short), "{short} short ones");
        }
    }

    #[test]
    fn a_turn_by_chance_ends_by_what_is_executed() {
        let mut schedule = Schedule::new(Rules {
            chaos: Some(1),
            ..Rules::default()
        });
        schedule.begin(true);
        let left = schedule.branches().expect("by chance");
        schedule.executed(left - 1);
        assert!(!schedule.is_over());
        schedule.at_sync_point();
        assert!(schedule.is_over());
        schedule.begin(true);
        assert!(!schedule.is_over());
        schedule.end();
        assert!(schedule.is_over());
    }

    #[test]
    fn what_is_executed_while_nobody_else_could_run_changes_nothing() {
        let turns = |alone: u64| {
            let mut schedule = Schedule::new(Rules {
                chaos: Some(1),
                ..Rules::default()
            });
            for _ in 0..alone {
                schedule.begin(false);
                schedule.executed(1 << 20);
                assert!(!schedule.is_over());
                let mut one = VecDeque::from([Pid(1)]);
                assert_eq!(schedule.next(&mut one), Some(Pid(1)));
            }
            schedule.among(true);
            let first = schedule.branches();
            schedule.executed(1);
            schedule.among(true);
            assert_eq!(schedule.branches(), first.map(|left| left - 1));
            schedule.begin(true);
            (first, schedule.branches())
        };
        assert_eq!(turns(0), turns(9));
    }

    #[test]
    fn turns_are_taken_in_order_otherwise() {
        let mut schedule = Schedule::new(Rules::default());
        let mut ready: VecDeque<Pid> = (1..=3).map(Pid).collect();
        assert_eq!(schedule.next(&mut ready), Some(Pid(1)));
        assert_eq!(schedule.branches(), None);
        assert!(!schedule.is_over());
        schedule.end();
        assert!(schedule.is_over() && !schedule.is_long());
    }

    #[test]
    fn ticks_are_no_farther_apart_than_short_slices() {
        let tick = |(slice, native_slice)| {
            let rules = Rules {
                slice: Duration::from_millis(slice),
                native_slice: Duration::from_millis(native_slice),
                chaos: None,
            };
            rules.tick().as_millis()
        };
        let slices = [0, 1, 5, 10, 20, 50];
        assert_eq!(slices.map(|slice| tick((slice, 50))), [1, 1, 5, 20, 20, 50]);
        assert_eq!(
            [0, 5, 15, 100].map(|native| tick((10, native))),
            [1, 5, 15, 20]
        );
    }
}
