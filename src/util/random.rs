//! Randomness that needs no secrecy: sampling for eviction, RANDOMKEY, LFU. (SplitMix64, Steele et al. 2014.)

use std::collections::HashSet;

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

    /// `count` different numbers below `bound`, or all if there are no more, ascending. Each choice is as likely.
    pub fn distinct(&mut self, count: usize, bound: usize) -> Vec<usize> {
        if count >= bound {
            return (0..bound).collect();
        }
        if count > bound / 8 {
            // One number after the other is taken or not, as likely as it must be for what is still wanted.
            let mut wanted = count;
            let taken = |number: &usize| {
                let take = self.below(bound - number) < wanted;
                wanted -= usize::from(take);
                take
            };
            return (0..bound).filter(taken).collect();
        }
        // Floyd's way: one number is drawn for each, and on a hit the bound itself is new.
        let mut drawn = HashSet::with_capacity(count);
        for last in bound - count..bound {
            let number = self.below(last + 1);
            if !drawn.insert(number) {
                drawn.insert(last);
            }
        }
        let mut numbers: Vec<usize> = drawn.into_iter().collect();
        numbers.sort_unstable();
        numbers
    }

    /// A number in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_are_ascending_and_as_many_as_asked_for() {
        let mut random = Random::new(4);
        for (count, bound) in
            [(0, 0), (0, 5), (1, 1), (3, 3), (9, 3), (1, 100), (12, 100), (13, 100), (99, 100)]
        {
            let numbers = random.distinct(count, bound);
            assert_eq!(numbers.len(), count.min(bound));
            assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.iter().all(|&number| number < bound));
        }
    }

    #[test]
    fn every_number_is_as_likely_both_ways() {
        for count in [3, 20] {
            let (mut random, mut hits) = (Random::new(count as u64), [0u32; 40]);
            for _ in 0..20_000 {
                random.distinct(count, 40).into_iter().for_each(|number| hits[number] += 1);
            }
            let expected = 20_000 * count as u32 / 40;
            assert!(hits.iter().all(|hit| hit.abs_diff(expected) < expected / 5), "{hits:?}");
        }
    }
}
