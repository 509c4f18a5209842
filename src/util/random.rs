//! Randomness that needs no secrecy: sampling for eviction, RANDOMKEY, LFU. (SplitMix64, Steele et al. 2014.)

/// A generator; one per thread.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a known seed, for tests.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// From the operating system's entropy.
    pub fn seeded() -> Self {
        let mut seed = [0u8; 8];
        // Without entropy the sequence is a fixed one; nothing that needs secrecy uses it.
        let _ = getrandom::fill(&mut seed);
        Random(u64::from_le_bytes(seed))
    }

    /// 64 random bits.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "an endless source, not an iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound` (not 0).
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
