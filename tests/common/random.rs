//! Randomness that can be repeated.

/// xorshift64*: the faults of a failed run can be repeated with the seed from its message.
pub struct Random(u64);

impl Random {
    /// From a seed that is new each time, or `FTRUN_TEST_SEED`.
    #[allow(clippy::new_without_default, reason = "every one is another")]
    #[allow(clippy::print_stdout, reason = "shown only where the test fails")]
    pub fn new() -> Self {
        let seed = std::env::var("FTRUN_TEST_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let clock = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(1, |age| age.as_secs() ^ 0x9e37_79b9);
        let seed = seed.unwrap_or(clock).max(1);
        println!("FTRUN_TEST_SEED={seed}");
        Self(seed)
    }

    /// From a seed that has come from another.
    pub fn from(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }

    pub fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below a usize")
    }
}
